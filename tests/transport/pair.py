"""Two transport cores wired to each other in memory, with a clock and randomness of ours."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ssh_keys import SSHLocalKeyPair, generate_private_key
from ssh_transport import (
    Event,
    HostKeyOffered,
    KexCompleted,
    Role,
    ServiceRequested,
    TransportConfig,
    TransportCore,
)

HOST_KEY = SSHLocalKeyPair(generate_private_key("ssh-ed25519"))

Filter = Callable[[TransportCore, bytes], bytes]


class Clock:
    """Time that only moves when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make_core(role: Role, clock: Clock, **config: Any) -> TransportCore:
    """Return a core; a server has the ed25519 host key HOST_KEY."""
    if role is Role.SERVER:
        config.setdefault("host_keys", {b"ssh-ed25519": HOST_KEY})
    return TransportCore(TransportConfig(role=role, **config), random=os.urandom, clock=clock)


class Pair:
    """A client and a server core; `pump` moves bytes until both are silent.

    `both` configures both sides, `client` and `server` one. Trust and services are granted.
    """

    def __init__(
        self,
        *,
        client: dict[str, Any] | None = None,
        server: dict[str, Any] | None = None,
        **both: Any,
    ) -> None:
        self.clock = Clock()
        self.client = make_core(Role.CLIENT, self.clock, **both, **(client or {}))
        self.server = make_core(Role.SERVER, self.clock, **both, **(server or {}))
        self.events: dict[Role, list[Event]] = {Role.CLIENT: [], Role.SERVER: []}
        self.received: dict[Role, list[bytes]] = {Role.CLIENT: [], Role.SERVER: []}
        self.chunk = 1 << 30
        self.filter: Filter = lambda sender, data: data
        self.auto = True

    def start(self) -> Pair:
        self.client.start()
        self.server.start()
        self.pump()
        return self

    def peer(self, core: TransportCore) -> TransportCore:
        return self.server if core is self.client else self.client

    def pump(self) -> None:
        moved = True
        while moved:
            moved = False
            for core in (self.client, self.server):
                moved |= self._deliver(core)
                moved |= self._decide(core)

    def _deliver(self, sender: TransportCore) -> bool:
        data = self.filter(sender, sender.take_output())
        receiver = self.peer(sender)
        for start in range(0, len(data), self.chunk):
            if not receiver.closed:
                receiver.feed(data[start : start + self.chunk])
                self._decide(receiver)
        return bool(data)

    def _decide(self, core: TransportCore) -> bool:
        events = core.drain_events()
        self.events[core.role] += events
        for event in events:
            if not self.auto:
                continue
            if isinstance(event, HostKeyOffered):
                core.accept_host_key()
            elif isinstance(event, ServiceRequested):
                core.accept_service(event.name)
            elif isinstance(event, KexCompleted) and event.first and core is self.client:
                core.request_service(b"ssh-userauth")
        return bool(events)

    def of_type(self, role: Role, kind: type[Event]) -> list[Any]:
        return [event for event in self.events[role] if isinstance(event, kind)]

    def authenticate(self) -> Pair:
        """Bring both sides to the connection phase and record what 94 brings."""
        for core in (self.client, self.server):
            core.authenticated()
            received = self.received[core.role]

            def on_data(packet: bytes, start: int, end: int, into: list[bytes] = received) -> None:
                into.append(packet[start:end])

            def on_data_run(packets: list[bytes], into: list[bytes] = received) -> None:
                into += [packet[2 : len(packet) - packet[0]] for packet in packets]

            handlers = dict.fromkeys((80, 81, 82, *range(90, 101)), on_data)
            core.set_handlers(handlers, (94, on_data_run))
        return self


def connected(**config: Any) -> Pair:
    """Return a pair in the connection phase."""
    return Pair(**config).start().authenticate()
