"""Two muxes wired in memory: no transport, no sockets, every message in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from ssh_connection.channel.base import Channel
from ssh_connection.constants import OPEN_UNKNOWN_CHANNEL_TYPE, SSH_MSG_CHANNEL_DATA
from ssh_connection.errors import ChannelOpenError
from ssh_connection.logging import ConnectionLog
from ssh_connection.messages.connection import ChannelOpen
from ssh_connection.mux import Mux
from ssh_keys.wire import PacketDecodeError
from ssh_transport.errors import DisconnectError, ProtocolError


class MemoryCore:
    """Stands for a transport core: payloads go to the peer's mux as packets.

    Parameters:
        mark: bytes of output above which it is blocked.
    """

    def __init__(self, mark: int = 1 << 20) -> None:
        self.peer: End | None = None
        self.mark = mark
        self.held = False
        self.call_when_read = False
        self.sent: deque[bytes] = deque()
        self.waiting = 0
        self.log: list[bytes] = []
        self.closed_with: DisconnectError | None = None

    @property
    def blocked(self) -> bool:
        """Whether more than the mark waits, or the test holds the output."""
        return self.held or self.waiting > self.mark

    def send(self, payload: bytes) -> None:
        """Queue a payload."""
        if self.closed_with is None:
            self.sent.append(payload)
            self.waiting += len(payload)
            self.log.append(payload)

    def send_data(self, head: bytes, data: bytes | memoryview) -> None:
        """Queue a payload; only legal while not blocked."""
        assert not self.blocked
        self.send(b"".join((head, data)))

    def send_data_run(self, head: bytes, data: memoryview, size: int) -> int:
        """Queue payloads as long as not blocked."""
        assert len(data) % size == 0
        taken = 0
        while taken < len(data) and not self.blocked:
            self.send_data(head, data[taken : taken + size])
            taken += size
        return taken

    def fail(self, error: DisconnectError) -> None:
        """End the connection."""
        if self.closed_with is None:
            self.closed_with = error


class Services:
    """A connection object that opens what the test's `accept` makes."""

    def __init__(self) -> None:
        self.accept: Callable[[ChannelOpen], Channel | Awaitable[Channel]] | None = None
        self.on_global: Callable[[bytes, bytes], Any] | None = None
        self.idle = 0
        self.extra: dict[str, object] = {"username": "user"}
        self.log = ConnectionLog()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """As of a connection."""
        return self.extra.get(name, default)

    def open_requested(self, request: ChannelOpen) -> Channel | Awaitable[Channel]:
        """Ask the test."""
        if self.accept is None:
            raise ChannelOpenError(OPEN_UNKNOWN_CHANNEL_TYPE, "no channels here")
        return self.accept(request)

    def global_request_received(self, name: bytes, data: bytes) -> Any:
        """Ask the test."""
        return None if self.on_global is None else self.on_global(name, data)

    def channels_idle(self) -> None:
        """Count."""
        self.idle += 1


class End:
    """One side: core, services, mux."""

    def __init__(self, loop: asyncio.AbstractEventLoop, mark: int, **options: Any) -> None:
        self.core = MemoryCore(mark)
        self.services = Services()
        self.mux = Mux(self.core, self.services, loop, **options)
        self.handlers = self.mux.handlers()
        self.lost: Exception | None = None

    def receive(self, *payloads: bytes) -> None:
        """What the core does with packets: dispatch, and end the connection on an error.

        Several are messages of one number that came one behind another.
        """
        if self.core.closed_with is not None:
            return
        # As in a real packet: padding_length in front of the message and padding behind it.
        packets = [b"\x04" + payload + b"\0\0\0\0" for payload in payloads]
        number = packets[0][1]
        try:
            if number == SSH_MSG_CHANNEL_DATA:
                self.mux.on_data_run(packets)
            else:
                (packet,) = packets
                self.handlers[number](packet, 2, len(packet) - 4)
        except DisconnectError as exc:
            self.core.fail(exc)
        except PacketDecodeError as exc:
            self.core.fail(ProtocolError(str(exc)))
        if self.core.call_when_read and not self.core.blocked:
            self.core.call_when_read = False
            self.mux.on_writable()


class Pair:
    """A client and a server end; a task of the loop carries the messages.

    Use as an async context manager.
    """

    def __init__(self, mark: int = 1 << 20, **options: int) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self.client = End(loop, mark, **options)
        self.server = End(loop, mark, **options)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Pair:
        self._task = self._loop.create_task(self._carry())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._task is not None
        self._task.cancel()
        try:
            await self._task
        except asyncio.CancelledError:
            pass
        self.lose(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def lose(self, exc: Exception | None) -> None:
        """Cut the connection."""
        for end in (self.client, self.server):
            end.mux.connection_lost(end.core.closed_with or exc)

    async def _carry(self) -> None:
        while True:
            moved = self.move(self.client, self.server) | self.move(self.server, self.client)
            for end in (self.client, self.server):
                if end.core.closed_with is not None:
                    self.lose(end.core.closed_with)
            # Two turns when idle, so that the test's own tasks get on.
            await asyncio.sleep(0)
            if not moved:
                await asyncio.sleep(0)

    @staticmethod
    def move(source: End, target: End, limit: int = 100) -> bool:
        """Carry up to `limit` messages; true if there was one."""
        core = source.core
        was_blocked = core.blocked
        moved = False
        while core.sent and limit and not core.held:
            payloads = [core.sent.popleft()]
            while payloads[0][0] == SSH_MSG_CHANNEL_DATA and core.sent and len(payloads) < limit:
                if core.sent[0][0] != SSH_MSG_CHANNEL_DATA:
                    break
                payloads.append(core.sent.popleft())
            core.waiting -= sum(map(len, payloads))
            target.receive(*payloads)
            moved = True
            limit -= len(payloads)
        if was_blocked and not core.blocked:
            source.mux.on_writable()
        return moved

    async def settle(self) -> None:
        """Wait until no message is under way."""
        for _ in range(3):
            while self.client.core.sent or self.server.core.sent:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
