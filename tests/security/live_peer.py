"""A peer on loopback that is honest as far as the test wants, and not a message further.

It drives one of our cores through the key exchange and then sends payloads of the test's making
under the negotiated keys, and shows the test everything that comes back. It knows no phases, no
channels and no rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from ssh_keys import SSHKey
from ssh_keys.wire import Reader, encode_boolean, encode_string, encode_uint32
from ssh_transport import (
    Disconnected,
    DisconnectError,
    Event,
    HostKeyOffered,
    KexCompleted,
    TransportConfig,
)
from ssh_transport.aio import AsyncTransport, create_core
from ssh_transport.protocols import Handler
from tests.security.raw_peer import client_config, disconnect_message, server_config

WAIT = 10.0
"""Seconds after which a peer that does not react has hung."""

_KEX = frozenset((20, 21, *range(30, 50)))


class LivePeer:
    """One side of a real connection, under the test's control."""

    def __init__(self, settings: TransportConfig) -> None:
        self.core = create_core(settings)
        self.transport = AsyncTransport(self.core, self)
        self.events: list[Event] = []
        self.said: list[bytes] = []
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ready.add_done_callback(lambda ready: ready.exception())  # not every test asks
        self.lost = asyncio.get_running_loop().create_future()
        self._news = asyncio.Event()
        self._callbacks: dict[int, Callable[[bytes], object]] = {}
        set_handlers = self.core._reader.set_handlers

        def everything(slots: bytes, handlers: Sequence[Handler]) -> None:
            collected = (slots[n] if n in _KEX else len(handlers) for n in range(256))
            set_handlers(bytes(collected), [*handlers, self._collect])

        self.core._reader.set_handlers = everything  # type: ignore[method-assign]
        self.core.update_handlers()

    # --- TransportOwner ---

    def on_event(self, event: Event) -> None:
        """Note it, and trust every host key."""
        self.events.append(event)
        if isinstance(event, HostKeyOffered):
            self.core.accept_host_key()
        if isinstance(event, KexCompleted) and not self.ready.done():
            self.ready.set_result(None)
        if isinstance(event, Disconnected) and not self.ready.done():
            self.ready.set_exception(event.error)
        self._news.set()

    def on_writable(self) -> None:
        """Nobody waits for it."""

    def on_lost(self, exc: DisconnectError | None) -> None:
        """The end."""
        self.lost.set_result(exc)
        self._news.set()

    def _collect(self, packet: bytes, start: int, end: int) -> None:
        payload = packet[start - 1 : end]
        callback = self._callbacks.get(payload[0])
        if callback is not None:
            callback(payload)
        else:
            self.said.append(payload)
        self._news.set()

    # --- What the test does ---

    def send(self, *payloads: bytes) -> None:
        """Send payloads, whatever the phase."""
        for payload in payloads:
            self.core.writer.write(payload)
        self.core.output_started()

    def on_payload(self, number: int, callback: Callable[[bytes], object]) -> None:
        """Answer payloads with this number by a callback, instead of keeping them."""
        self._callbacks[number] = callback

    async def wait_until(self, true: Callable[[], bool]) -> None:
        """Wait for something that the victim does without a message."""
        async with asyncio.timeout(WAIT):
            while not true():
                await asyncio.sleep(0.005)

    async def expect(self, *numbers: int) -> bytes:
        """Return the next payload with one of these numbers, dropping what comes before it."""
        async with asyncio.timeout(WAIT):
            while True:
                while self.said:
                    payload = self.said.pop(0)
                    if payload[0] in numbers:
                        return payload
                    assert payload[0] != 1 or 1 in numbers, disconnect_message(payload)
                assert not self.lost.done(), "the connection ended"
                self._news.clear()
                await self._news.wait()

    async def expect_disconnect(self) -> tuple[int, str]:
        """Return code and text of the SSH_MSG_DISCONNECT that must come; then the stream ends."""
        answer = disconnect_message(await self.expect(1))
        await self.expect_end()
        return answer

    async def expect_end(self) -> None:
        """Wait for the end of the stream."""
        async with asyncio.timeout(WAIT):
            await asyncio.shield(self.lost)  # or the time-out would cancel it

    async def request_userauth(self) -> None:
        """Ask for the service ssh-userauth and wait until it is accepted."""
        self.send(b"\x05" + encode_string(b"ssh-userauth"))
        await self.expect(6)

    async def authenticate(self, user: str, key: SSHKey) -> None:
        """Log in with a key."""
        await self.request_userauth()
        self.send(userauth_publickey(self.core.session_id, user.encode(), key))
        await self.expect(52)

    def close(self) -> None:
        """Close without a word."""
        self.transport.abort()


def userauth_publickey(
    session_id: bytes,
    user: bytes,
    key: SSHKey,
    *,
    algorithm: bytes | None = None,
    blob: bytes | None = None,
    service: bytes = b"ssh-connection",
    signed_user: bytes | None = None,
) -> bytes:
    """SSH_MSG_USERAUTH_REQUEST with a signature (RFC 4252 section 7)."""
    name = key.sig_algorithms[0] if algorithm is None else algorithm

    def request(who: bytes) -> bytes:
        return (
            b"\x32"
            + encode_string(who)
            + encode_string(service)
            + encode_string(b"publickey")
            + encode_boolean(True)
            + encode_string(name)
            + encode_string(blob or key.public_data)
        )

    signed = encode_string(session_id) + request(user if signed_user is None else signed_user)
    return request(user) + encode_string(key.sign(signed, name))


def userauth_request(user: bytes, method: bytes, rest: bytes = b"") -> bytes:
    """SSH_MSG_USERAUTH_REQUEST for the connection service."""
    return (
        b"\x32"
        + encode_string(user)
        + encode_string(b"ssh-connection")
        + encode_string(method)
        + rest
    )


def password_request(user: bytes, password: bytes) -> bytes:
    """The request of method "password"."""
    return userauth_request(user, b"password", encode_boolean(False) + encode_string(password))


def channel_open(
    number: int = 0,
    kind: bytes = b"session",
    window: int = 1 << 20,
    max_packet: int = 32768,
    rest: bytes = b"",
) -> bytes:
    """SSH_MSG_CHANNEL_OPEN."""
    return (
        b"\x5a"
        + encode_string(kind)
        + encode_uint32(number)
        + encode_uint32(window)
        + encode_uint32(max_packet)
        + rest
    )


def channel_data(number: int, data: bytes) -> bytes:
    """SSH_MSG_CHANNEL_DATA."""
    return b"\x5e" + encode_uint32(number) + encode_string(data)


def channel_request(number: int, kind: bytes, rest: bytes = b"", *, reply: bool = True) -> bytes:
    """SSH_MSG_CHANNEL_REQUEST."""
    return b"\x62" + encode_uint32(number) + encode_string(kind) + encode_boolean(reply) + rest


def global_request(kind: bytes, rest: bytes = b"", *, reply: bool = True) -> bytes:
    """SSH_MSG_GLOBAL_REQUEST."""
    return b"\x50" + encode_string(kind) + encode_boolean(reply) + rest


def confirmed(payload: bytes) -> tuple[int, int, int]:
    """The server's channel number, window and packet size of an open confirmation."""
    reader = Reader(payload, 5)
    return reader.uint32(), reader.uint32(), reader.uint32()


async def open_session(peer: LivePeer, number: int = 0, window: int = 1 << 20) -> int:
    """Open a session channel and return the other side's number for it."""
    peer.send(channel_open(number, window=window))
    return confirmed(await peer.expect(91))[0]


@asynccontextmanager
async def attacking_client(
    port: int, settings: TransportConfig | None = None
) -> AsyncIterator[LivePeer]:
    """A client behind its key exchange with our server at `port`."""
    loop = asyncio.get_running_loop()
    peer = LivePeer(settings or client_config())
    await loop.create_connection(lambda: peer.transport, "127.0.0.1", port)
    try:
        async with asyncio.timeout(WAIT):
            await asyncio.shield(peer.ready)
        yield peer
    finally:
        peer.close()
        await peer.lost


@asynccontextmanager
async def attacking_server(
    attack: Callable[[LivePeer], object] | None = None, settings: TransportConfig | None = None
) -> AsyncIterator[tuple[int, Sequence[LivePeer]]]:
    """A server that takes any number of connections; gives its port and the list of its peers.

    Parameters:
        attack: called with each peer that connects, before anything is received.
    """
    peers: list[LivePeer] = []

    def connected() -> AsyncTransport:
        peer = LivePeer(settings or server_config())
        peers.append(peer)
        if attack is not None:
            attack(peer)
        return peer.transport

    server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], peers
    finally:
        server.close()
        for peer in peers:
            peer.close()
            await peer.lost
