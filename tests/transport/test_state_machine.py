"""Two cores, any order of legal actions, any splitting of bytes: both agree on all data.

And with a network that changes, drops, repeats or invents bytes: nobody ever believes anything that
the other one did not say, and the connection ends with a documented error.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Generator

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from ssh_keys import SSHKeyPair, SSHLocalKeyPair, generate_private_key
from ssh_transport import (
    Disconnected,
    DisconnectError,
    Event,
    HostKeyOffered,
    KexCompleted,
    Phase,
    Role,
    ServiceAccepted,
    ServiceRequested,
    SignatureNeeded,
    TransportConfig,
    TransportCore,
)
from ssh_transport.slow_steps import SlowStep

from .pair import Clock

ROLES = st.sampled_from(list(Role))
SIZES = st.one_of(st.integers(1, 64), st.integers(65, 70_000))
PLACES = st.integers(0, 1 << 20)
GOODBYE = 11, "had enough"
LOCAL = SSHLocalKeyPair(generate_private_key("ssh-ed25519"))


class Later:
    """An awaitable that is never awaited: the machine looks into it."""

    def __init__(self, value: bytes) -> None:
        self.value = value

    def __await__(self) -> Generator[None, None, bytes]:
        yield from ()
        return self.value


class RemoteKeyPair(SSHKeyPair):
    """A host key that signs elsewhere."""

    def __init__(self) -> None:
        super().__init__(LOCAL.algorithm, LOCAL.sig_algorithms, LOCAL.public_data)

    def sign(self, data: bytes, sig_algorithm: bytes) -> Awaitable[bytes]:
        return Later(LOCAL.sign(data, sig_algorithm))


CONFIGS = st.fixed_dictionaries(
    {
        "kex_algorithms": st.sampled_from(
            [
                (b"curve25519-sha256",),
                (b"mlkem768x25519-sha256",),
                (b"diffie-hellman-group14-sha256",),
            ]
        ),
        "ciphers": st.sampled_from(
            [
                (b"aes128-gcm@openssh.com",),
                (b"chacha20-poly1305@openssh.com",),
                (b"aes128-ctr",),
                (b"aes256-cbc",),
            ]
        ),
        "macs": st.sampled_from([(b"hmac-sha2-256-etm@openssh.com",), (b"hmac-sha2-512",)]),
        "compressions": st.sampled_from([(b"none",), (b"zlib",), (b"zlib@openssh.com",)]),
        "rekey_bytes": st.sampled_from([1024, 50_000, 1 << 30]),
    }
)


class Side:
    """One core and its application, which does nothing but when it is told to."""

    def __init__(self, config: TransportConfig, clock: Clock) -> None:
        self.core = TransportCore(config, random=os.urandom, clock=clock)
        self.client = config.role is Role.CLIENT
        self.core.on_slow_step = lambda step: self.steps.append(step)
        self.steps: list[SlowStep] = []
        self.undecided: list[Event] = []
        self.end: Disconnected | None = None
        self.left = False  # the application has disconnected,
        self.said_so = False  # and to somebody who is there
        self.exchanges = 0
        self.ready = False
        self.paused = False
        self.wire = bytearray()  # to the other side
        self.sent: list[bytes] = []
        self.received: list[bytes] = []

    def notice(self) -> None:
        """Take events and output from the core."""
        for event in self.core.drain_events():
            if isinstance(event, (HostKeyOffered, SignatureNeeded, ServiceRequested)):
                self.undecided.append(event)
            elif isinstance(event, KexCompleted):
                self.exchanges += 1
                if event.first and self.client:
                    self.core.request_service(b"ssh-userauth")
                    self.core.set_handlers({52: self.success})
                    self.core.send(b"\x32request")
            elif isinstance(event, Disconnected):
                assert self.end is None, "ended twice"
                self.end = event
            elif isinstance(event, ServiceAccepted):
                assert self.core.phase in (Phase.USERAUTH, Phase.CONNECTION)

    def flush(self) -> None:
        """Put what the core wrote onto the wire."""
        self.wire += self.core.take_output()

    def decide(self) -> None:
        """Answer the oldest question."""
        event = self.undecided.pop(0)
        core = self.core
        if isinstance(event, HostKeyOffered):
            core.accept_host_key()
        elif isinstance(event, SignatureNeeded):
            assert isinstance(event.signature, Later)
            core.provide_signature(event.signature.value)
        elif isinstance(event, ServiceRequested):
            core.set_handlers({50: self.request})
            core.accept_service(event.name)

    def work(self) -> None:
        """Do a step of a key exchange that was handed out."""
        step = self.steps.pop()
        assert not self.steps
        step()
        self.core.step_finished(step)

    def request(self, packet: bytes, start: int, end: int) -> None:
        self.core.send(b"\x34")
        self.authenticated()

    def success(self, packet: bytes, start: int, end: int) -> None:
        self.authenticated()

    def authenticated(self) -> None:
        self.core.authenticated()
        self.core.set_handlers({94: self.data})
        self.ready = True

    def data(self, packet: bytes, start: int, end: int) -> None:
        self.received.append(bytes(packet[start:end]))


class Network(RuleBasedStateMachine):
    """Everything that two applications and an honest network may do."""

    @initialize(
        both=CONFIGS,
        remote=st.booleans(),
        slow=st.booleans(),
        ready=st.sampled_from([True, True, True, False]),
    )
    def connect(self, both: dict[str, object], remote: bool, slow: bool, ready: bool) -> None:
        self.clock = Clock()
        self.tampered = False
        key: SSHKeyPair = RemoteKeyPair() if remote else LOCAL
        self.sides = {
            role: Side(
                TransportConfig(
                    role=role,
                    kex_timeout=1e9,
                    host_keys={b"ssh-ed25519": key} if role is Role.SERVER else {},
                    **both,  # type: ignore[arg-type]
                ),
                self.clock,
            )
            for role in Role
        }
        for side in self.sides.values():
            if not slow:
                side.core.on_slow_step = None
            side.core.start()
        if ready:
            self.settle()

    def other(self, role: Role) -> Side:
        return self.sides[Role.SERVER if role is Role.CLIENT else Role.CLIENT]

    # --- The network ---

    @rule(role=ROLES, count=st.one_of(st.integers(1, 40), st.integers(40, 200_000)))
    def deliver(self, role: Role, count: int) -> None:
        """Some of the bytes that one side wrote reach the other one."""
        side, other = self.sides[role], self.other(role)
        side.notice()
        side.flush()
        data = bytes(side.wire[:count])
        if data and not other.core.closed and not other.core.input_full:
            del side.wire[: len(data)]
            other.core.feed(data)
            other.notice()

    @rule()
    def deliver_all(self) -> None:
        """Everything that is on its way arrives."""
        for role in Role:
            self.deliver(role, 1 << 30)

    # --- The applications ---

    @rule(role=ROLES, size=SIZES)
    def write(self, role: Role, size: int) -> None:
        """An application sends bulk data if it may."""
        side = self.sides[role]
        if side.ready and not side.core.blocked and not side.core.closed:
            data = len(side.sent).to_bytes(4, "big") + bytes(size)
            side.sent.append(data)
            side.core.send_data(b"\x5e", data)

    @rule(role=ROLES, number=st.sampled_from([94, 94, 2, 3, 4, 192, 193, 150]))
    def message(self, role: Role, number: int) -> None:
        """An application sends a small message; 150 is one that nobody knows."""
        side = self.sides[role]
        if not side.ready or side.core.closed:
            return
        if number == 94:
            side.sent.append(b"small%d" % len(side.sent))
            side.core.send(b"\x5e" + side.sent[-1])
        elif number == 3:
            side.core.send(b"\x03\0\0\0\x07")
        elif number == 4:
            side.core.send_debug("text", False, "")
        else:
            side.core.send(bytes([number]) + b"\0\0\0\x02ab")

    @rule(role=ROLES)
    def rekey(self, role: Role) -> None:
        """An application asks for new keys."""
        self.sides[role].core.request_rekey()

    @rule(role=ROLES)
    def decide(self, role: Role) -> None:
        """An application answers a question."""
        side = self.sides[role]
        side.notice()
        if side.undecided:
            side.decide()

    @rule(role=ROLES)
    def work(self, role: Role) -> None:
        """A slow step is done."""
        if self.sides[role].steps:
            self.sides[role].work()

    @rule(role=ROLES, paused=st.booleans())
    def back_pressure(self, role: Role, paused: bool) -> None:
        """The socket takes no more, or takes data again."""
        self.sides[role].core.set_output_paused(paused)

    @rule(seconds=st.sampled_from([0.1, 10.0, 4000.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.now += seconds
        for side in self.sides.values():
            side.core.handle_timer(self.clock.now)

    @rule(role=ROLES, really=st.sampled_from([False] * 19 + [True]))
    def leave(self, role: Role, really: bool) -> None:
        """An application disconnects, at whatever point the connection is."""
        side = self.sides[role]
        if really and not side.core.closed:
            side.left = True
            side.said_so = bool(side.core.peer_version)
            side.core.disconnect(*GOODBYE)
            side.notice()

    # --- What has to hold ---

    @invariant()
    def nobody_believes_what_was_not_said(self) -> None:
        for role in getattr(self, "sides", {}):
            received = self.sides[role].received
            assert received == self.other(role).sent[: len(received)]

    @invariant()
    def ends_only_for_a_reason(self) -> None:
        for side in getattr(self, "sides", {}).values():
            if not self.tampered and not any(each.left for each in self.sides.values()):
                assert not side.core.closed
            assert side.end is None or isinstance(side.end.error, DisconnectError)

    @invariant()
    def both_mean_the_same_connection(self) -> None:
        """What was changed before there were keys is found by those who then have keys."""
        sides = getattr(self, "sides", {}).values()
        if sides and all(side.exchanges for side in sides):
            client, server = sides
            assert client.core.session_id == server.core.session_id
            if client.exchanges == server.exchanges == 1:
                assert client.core.algorithms == server.core.algorithms

    def settle(self) -> None:
        """Let everything that is under way come to its end."""
        moved = True
        while moved:
            moved = False
            for role, side in self.sides.items():
                side.core.set_output_paused(False)
                side.notice()
                side.flush()
                # To a side that is closed, or that waits for what was taken away, nothing gets.
                stuck = self.other(role).core.closed or self.other(role).core.input_full
                moved |= bool(side.wire and not stuck)
                self.deliver(role, 1 << 30)
                while side.undecided or side.steps:
                    moved = True
                    if side.undecided:
                        side.decide()
                    if side.steps:
                        side.work()
                    side.notice()

    def teardown(self) -> None:
        if not hasattr(self, "sides"):
            return
        self.settle()
        self.nobody_believes_what_was_not_said()
        self.ends_only_for_a_reason()
        if self.tampered:
            for side in self.sides.values():
                side.core.eof_received()
                side.notice()
                assert side.end is not None
            return
        if any(side.left for side in self.sides.values()):
            self.check_farewell()
            return
        for role, side in self.sides.items():
            assert side.ready
            assert side.exchanges == self.other(role).exchanges >= 1
            assert side.received == self.other(role).sent
            assert side.core.session_id == self.other(role).core.session_id
            assert not side.core.blocked

    def check_farewell(self) -> None:
        """Whom the other one left behind knows it, and why."""
        for role, side in self.sides.items():
            side.core.eof_received()
            side.notice()
            assert side.end is not None
            assert side.end.by_peer is (self.other(role).said_so and not side.left)
            if side.left or side.end.by_peer:
                assert (side.end.error.code, side.end.error.reason) == GOODBYE


class HostileNetwork(Network):
    """The same with somebody in between who changes what he likes."""

    def tamper(self, role: Role) -> bytearray:
        """Return the bytes that are on their way from a side."""
        side = self.sides[role]
        side.notice()
        side.flush()
        return side.wire

    @rule(role=ROLES, place=PLACES, bit=st.integers(0, 7))
    def change(self, role: Role, place: int, bit: int) -> None:
        if wire := self.tamper(role):
            wire[place % len(wire)] ^= 1 << bit
            self.tampered = True

    @rule(role=ROLES, place=PLACES, count=st.integers(1, 50))
    def drop(self, role: Role, place: int, count: int) -> None:
        if wire := self.tamper(role):
            place %= len(wire)
            del wire[place : place + count]
            self.tampered = True

    @rule(role=ROLES, place=PLACES, data=st.binary(min_size=1, max_size=50))
    def inject(self, role: Role, place: int, data: bytes) -> None:
        wire = self.tamper(role)
        place %= len(wire) + 1
        wire[place:place] = data
        self.tampered = True

    @rule(role=ROLES, place=PLACES, count=st.integers(1, 4000))
    def repeat(self, role: Role, place: int, count: int) -> None:
        if wire := self.tamper(role):
            place %= len(wire)
            wire[place:place] = wire[place : place + count]
            self.tampered = True

    @rule(role=ROLES, first=PLACES, second=PLACES, count=st.integers(1, 200))
    def swap(self, role: Role, first: int, second: int, count: int) -> None:
        """Pieces arrive in another order."""
        if wire := self.tamper(role):
            first, second = sorted((first % len(wire), second % len(wire)))
            one = slice(first, min(first + count, second))
            two = slice(second, second + count)
            if wire[one] != wire[two]:
                wire[two], wire[one] = wire[one], wire[two]
                self.tampered = True

    @rule(role=ROLES, count=st.integers(1, 4000))
    def reflect(self, role: Role, count: int) -> None:
        """A side gets back what it said itself."""
        other = Role.SERVER if role is Role.CLIENT else Role.CLIENT
        if wire := self.tamper(role):
            self.tamper(other)[:0] = wire[:count]
            self.tampered = True

    @rule(role=ROLES, really=st.sampled_from([False] * 9 + [True]))
    def vanish(self, role: Role, really: bool) -> None:
        """The connection is cut."""
        if really:
            self.sides[role].core.eof_received()
            self.tampered = True


_CHECKS = settings(
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

TestNetwork = Network.TestCase
TestNetwork.settings = _CHECKS
TestHostileNetwork = HostileNetwork.TestCase
TestHostileNetwork.settings = _CHECKS
