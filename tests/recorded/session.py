"""A short session of our core with a peer, the same with the real one and with its recording.

Everything that we decide is fixed: keys, randomness, clock, what is said. So our side of a recorded
session is the same bytes each time, and replaying the peer's side shows every change of what we
put on the wire.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol
from unittest import mock

from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_ssh_private_key,
)

from ssh_keys import SSHKey, SSHLocalKeyPair, import_private_key, sig_algorithm_of
from ssh_keys.wire import Reader, encode_boolean, encode_string, encode_uint32
from ssh_transport import (
    Disconnected,
    Event,
    HostKeyOffered,
    KexCompleted,
    Role,
    ServiceAccepted,
    ServiceRequested,
    TransportConfig,
    TransportCore,
)

KEYS = Path(__file__).parent / "keys"

#: What is echoed, or sent by our server: several packets, and nothing that repeats.
DATA = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(20))

_PACKET = 250
_CHANNEL = 0
_WINDOW = 1 << 20


class Wire(Protocol):
    """Where the bytes of a session go to and come from."""

    def send(self, data: bytes) -> None:
        """Take bytes of ours."""

    def receive(self) -> bytes:
        """Return bytes of the peer, at least one; none if it closed the connection."""


@dataclass(kw_only=True)
class Session:
    """What is agreed on, and with whom.

    Parameters:
        peer: the program.
        role: ours.
        kex, cipher, mac, compression, host_key: the only name that we offer.
        rekey: whether we ask for new keys in the middle.
    """

    peer: str
    role: Role
    kex: str = "curve25519-sha256"
    cipher: str = "aes128-gcm@openssh.com"
    mac: str = "hmac-sha2-256"
    compression: str = "none"
    host_key: str = "ssh-ed25519"
    rekey: bool = True

    @property
    def name(self) -> str:
        """A name that is good for a file."""
        what = (self.kex, self.cipher, self.mac, self.compression, self.host_key)
        return "_".join((self.peer, self.role.value, *what)).replace("/", "-")

    def config(self) -> TransportConfig:
        """How our side is set up."""
        server = self.role is Role.SERVER
        return TransportConfig(
            role=self.role,
            version=b"SSH-2.0-recorded",
            kex_algorithms=(self.kex.encode(),),
            host_key_algorithms=(self.host_key.encode(),),
            ciphers=(self.cipher.encode(),),
            macs=(self.mac.encode(),),
            compressions=(self.compression.encode(),),
            host_keys={self.host_key.encode(): key_pair(self.host_key)} if server else {},
            gex_bits=(2048, 3072, 8192),
            min_rsa_bits=1024,
        )

    def core(self) -> TransportCore:
        """Our side, with randomness that follows from the name, at a time that stands still."""
        return TransportCore(self.config(), random=Randomness(self.name), clock=lambda: 0.0)


class Randomness:
    """Bytes that look random and are the same for the same name."""

    def __init__(self, name: str) -> None:
        self._seed = name.encode()
        self._count = 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(self._seed + encode_uint32(self._count)).digest(size)


def key_pair(host_key_algorithm: str) -> SSHLocalKeyPair:
    """The key in the tree for a host key algorithm; the same ones log in."""
    kind = "rsa" if "rsa" in host_key_algorithm else host_key_algorithm
    return SSHLocalKeyPair(import_private_key((KEYS / kind).read_bytes()))


@dataclass
class Talk:
    """What our side says, and what came of it.

    Parameters:
        core: our side.
        host_key: client: the key that the server must show, if it is known.
    """

    core: TransportCore
    user: bytes = b"root"
    rekey: bool = True
    host_key: SSHKey | None = None
    done: bool = False
    #: Text of the channel that the peer sent.
    received: bytearray = field(default_factory=bytearray)
    ended: Disconnected | None = None
    exchanges: int = 0
    _channel: int = 0

    def react(self) -> None:
        """Answer what happened."""
        for event in self.core.drain_events():
            self.on_event(event)

    def on_event(self, event: Event) -> None:
        """Answer one event."""
        if isinstance(event, KexCompleted):
            self.exchanges += 1
            self.keys_changed(event.first)
        elif isinstance(event, Disconnected):
            self.ended = event

    def keys_changed(self, first: bool) -> None:
        """New keys are in use."""

    def send_data(self) -> None:
        """Send DATA to the channel of the peer."""
        for start in range(0, len(DATA), _PACKET):
            head = b"\x5e" + encode_uint32(self._channel)
            part = DATA[start : start + _PACKET]
            self.core.send_data(head + encode_uint32(len(part)), part)

    def send(self, number: int, *fields: bytes) -> None:
        """Send a message."""
        self.core.send(bytes([number]) + b"".join(fields))

    def received_data(self, packet: bytes, start: int, end: int) -> None:
        """Handle SSH_MSG_CHANNEL_DATA."""
        reader = Reader(packet, start, end)
        reader.uint32()
        self.received += reader.string()
        reader.end()


class ClientTalk(Talk):
    """Logs in with a key, runs `cat`, sends DATA twice, with a key re-exchange between."""

    def on_event(self, event: Event) -> None:
        """Answer one event."""
        super().on_event(event)
        core = self.core
        if isinstance(event, HostKeyOffered):
            if self.host_key is not None:
                assert event.blob == self.host_key.public_data
            core.accept_host_key()
            self.react()
        elif isinstance(event, ServiceAccepted):
            core.set_handlers({51: self.refused, 52: self.logged_in, 53: self.ignore})
            self.log_in()

    def keys_changed(self, first: bool) -> None:
        """New keys are in use."""
        if first:
            self.core.request_service(b"ssh-userauth")
        else:
            self.send_data()

    def log_in(self) -> None:
        """Send a publickey request, signed at once (RFC 4252 section 7)."""
        pair = key_pair("ssh-ed25519")
        algorithm = b"ssh-ed25519"
        request = (
            b"\x32"
            + encode_string(self.user)
            + encode_string(b"ssh-connection")
            + encode_string(b"publickey")
            + encode_boolean(True)
            + encode_string(algorithm)
            + encode_string(pair.public_data)
        )
        signature = pair.sign(
            encode_string(self.core.session_id) + request, sig_algorithm_of(algorithm)
        )
        assert isinstance(signature, bytes)
        self.core.send(request + encode_string(signature))

    def refused(self, packet: bytes, start: int, end: int) -> None:
        """Handle SSH_MSG_USERAUTH_FAILURE: it proves the keys just as well."""
        raise AssertionError("the peer refused our key")

    def logged_in(self, packet: bytes, start: int, end: int) -> None:
        """Handle SSH_MSG_USERAUTH_SUCCESS."""
        core = self.core
        core.authenticated()
        handlers: dict[int, Callable[[bytes, int, int], None]] = dict.fromkeys(
            (80, 93, 95, 96, 98), self.ignore
        )
        handlers |= {91: self.opened, 99: self.started, 94: self.echoed, 97: self.closed}
        core.set_handlers(handlers)
        sizes = encode_uint32(_CHANNEL) + encode_uint32(_WINDOW) + encode_uint32(32768)
        self.send(90, encode_string(b"session"), sizes)

    def ignore(self, packet: bytes, start: int, end: int) -> None:
        """Handle what needs no answer."""

    def opened(self, packet: bytes, start: int, end: int) -> None:
        """Handle SSH_MSG_CHANNEL_OPEN_CONFIRMATION."""
        reader = Reader(packet, start, end)
        reader.uint32()
        self._channel = reader.uint32()
        number = encode_uint32(self._channel)
        self.send(98, number, encode_string(b"exec"), encode_boolean(True), encode_string(b"cat"))

    def started(self, packet: bytes, start: int, end: int) -> None:
        """Handle SSH_MSG_CHANNEL_SUCCESS."""
        self.send_data()

    def echoed(self, packet: bytes, start: int, end: int) -> None:
        """Handle SSH_MSG_CHANNEL_DATA."""
        self.received_data(packet, start, end)
        assert (DATA * 2).startswith(self.received)
        if len(self.received) == len(DATA) and self.rekey:
            self.core.request_rekey()
        elif len(self.received) == len(DATA) * (1 + self.rekey):
            self.send(96, encode_uint32(self._channel))

    def closed(self, packet: bytes, start: int, end: int) -> None:
        """Handle SSH_MSG_CHANNEL_CLOSE: that was it."""
        self.send(97, encode_uint32(self._channel))
        self.core.disconnect(11, "finished")
        self.done = True


class ServerTalk(Talk):
    """Lets everybody in and sends DATA twice to the first command, with new keys between."""

    def on_event(self, event: Event) -> None:
        """Answer one event."""
        super().on_event(event)
        if isinstance(event, ServiceRequested):
            self.core.set_handlers({50: self.log_in})
            self.core.accept_service(event.name)
            self.react()

    def keys_changed(self, first: bool) -> None:
        """New keys are in use."""
        if not first:
            self.finish()

    def log_in(self, packet: bytes, start: int, end: int) -> None:
        """Handle SSH_MSG_USERAUTH_REQUEST, whatever it proves."""
        core = self.core
        core.send(b"\x34")
        core.authenticated()
        handlers: dict[int, Callable[[bytes, int, int], None]] = dict.fromkeys(
            (81, 82, 93, 94, 96), self.ignore
        )
        handlers |= {80: self.global_request, 90: self.opened, 98: self.request, 97: self.closed}
        core.set_handlers(handlers)

    def ignore(self, packet: bytes, start: int, end: int) -> None:
        """Handle what needs no answer."""

    def global_request(self, packet: bytes, start: int, end: int) -> None:
        """Handle SSH_MSG_GLOBAL_REQUEST."""
        reader = Reader(packet, start, end)
        reader.string()
        if reader.boolean():
            self.send(82)

    def opened(self, packet: bytes, start: int, end: int) -> None:
        """Handle SSH_MSG_CHANNEL_OPEN."""
        reader = Reader(packet, start, end)
        reader.string()
        self._channel = reader.uint32()
        sizes = encode_uint32(_CHANNEL) + encode_uint32(_WINDOW) + encode_uint32(32768)
        self.send(91, encode_uint32(self._channel), sizes)

    def request(self, packet: bytes, start: int, end: int) -> None:
        """Handle SSH_MSG_CHANNEL_REQUEST."""
        reader = Reader(packet, start, end)
        reader.uint32()
        name = reader.string()
        if reader.boolean():
            self.send(99, encode_uint32(self._channel))
        if name == b"exec":
            self.send_data()
            if self.rekey:
                self.core.request_rekey()
            else:
                self.finish()

    def finish(self) -> None:
        """Send the rest and the end of the command."""
        number = encode_uint32(self._channel)
        self.send_data()
        status = encode_string(b"exit-status") + encode_boolean(False) + encode_uint32(0)
        self.send(98, number, status)
        self.send(96, number)
        self.send(97, number)

    def closed(self, packet: bytes, start: int, end: int) -> None:
        """Handle SSH_MSG_CHANNEL_CLOSE: that was it."""
        self.done = True


TALKS: Mapping[Role, type[Talk]] = {Role.CLIENT: ClientTalk, Role.SERVER: ServerTalk}


@contextmanager
def fixed_library(session: Session) -> Iterator[None]:
    """Make what a library draws from randomness of its own the same each time.

    That is the transient RSA key of RFC 4432, here one of the tree. ML-KEM encapsulation and ECDSA
    signatures are such too: they belong to our server only, which no recording has them for.
    """
    with fixed_rsa_key(session.kex):
        yield


@contextmanager
def fixed_rsa_key(kex: str) -> Iterator[None]:
    """Give a key exchange method of RFC 4432 a key of the tree."""
    name = {"rsa2048-sha256": "rsa", "rsa1024-sha1": "rsa1024"}.get(kex)
    if name is None:
        yield
        return
    with mock.patch("ssh_transport.kex.rsa.rsa.generate_private_key", return_value=_rsa_key(name)):
        yield


@cache
def _rsa_key(name: str) -> object:
    load = load_ssh_private_key if name == "rsa" else load_pem_private_key
    return load((KEYS / name).read_bytes(), None)


def drive(talk: Talk, wire: Wire) -> None:
    """Hold a session until one side ends it."""
    core = talk.core
    core.start()
    while True:
        talk.react()
        if data := core.take_output():
            wire.send(data)
        if core.closed or talk.done:
            return
        data = wire.receive()
        if data:
            core.feed(data)
        else:
            core.eof_received()
