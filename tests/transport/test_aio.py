"""The asyncio adapter over real loopback sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ssh_transport import (
    ConnectionLost,
    ConnectionTimeoutError,
    DebugReceived,
    Disconnected,
    DisconnectError,
    Event,
    HostKeyOffered,
    KexCompleted,
    Role,
    ServiceRequested,
    TransportConfig,
    TransportCore,
)
from ssh_transport.aio import AsyncTransport, create_core
from ssh_transport.phases import Phase

from .pair import HOST_KEY

DATA = b"\x5e"


class Owner:
    """Trusts everything, authenticates everybody, records what happens."""

    def __init__(self, role: Role, *, tunnelled: bool = False, **config: Any) -> None:
        if role is Role.SERVER:
            config.setdefault("host_keys", {b"ssh-ed25519": HOST_KEY})
        core = create_core(TransportConfig(role=role, **config), tunnelled=tunnelled)
        self.transport = AsyncTransport(core, self)
        self.core: TransportCore = self.transport.core
        self.events: list[Event] = []
        self.received: list[bytes] = []
        self.ready = asyncio.Event()
        self.lost: asyncio.Future[DisconnectError | None] = (
            asyncio.get_running_loop().create_future()
        )
        self.writable: Callable[[], None] = lambda: None

    def on_event(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, HostKeyOffered):
            self.core.accept_host_key()
        elif isinstance(event, ServiceRequested):
            self.core.accept_service(event.name)
            self._authenticated()
        elif isinstance(event, KexCompleted) and event.first and self.core.role is Role.CLIENT:
            self.core.request_service(b"ssh-userauth")
        elif type(event).__name__ == "ServiceAccepted":
            self._authenticated()

    def _authenticated(self) -> None:
        self.core.authenticated()
        self.core.set_handlers({94: self.on_data})
        self.ready.set()

    def on_data(self, packet: bytes, start: int, end: int) -> None:
        self.received.append(packet[start:end])

    def on_writable(self) -> None:
        self.writable()

    def on_lost(self, exc: DisconnectError | None) -> None:
        self.lost.set_result(exc)


@asynccontextmanager
async def connected(
    owner: type[Owner] = Owner, **config: Any
) -> AsyncIterator[tuple[Owner, Owner]]:
    loop = asyncio.get_running_loop()
    servers: list[Owner] = []

    def accept() -> AsyncTransport:
        servers.append(owner(Role.SERVER, **config))
        return servers[-1].transport

    listener = await loop.create_server(accept, "127.0.0.1", 0)
    client = owner(Role.CLIENT, **config)
    await loop.create_connection(lambda: client.transport, *listener.sockets[0].getsockname())
    await asyncio.wait_for(client.ready.wait(), 10)
    try:
        yield client, servers[0]
    finally:
        client.transport.abort()
        servers[0].transport.abort()
        await asyncio.wait_for(asyncio.gather(client.lost, servers[0].lost), 10)
        listener.close()
        await listener.wait_closed()


async def test_close_is_clean_here_and_named_at_the_peer() -> None:
    async with connected() as (client, server):
        client.transport.close()
        assert await asyncio.wait_for(client.lost, 5) is None
        error = await asyncio.wait_for(server.lost, 5)
        assert isinstance(error, DisconnectError)
        assert error.code == 11
        assert not isinstance(error, ConnectionLost)


async def test_abort_looks_like_a_lost_connection_to_the_peer() -> None:
    async with connected() as (client, server):
        client.transport.abort()
        assert await asyncio.wait_for(client.lost, 5) is None
        assert isinstance(await asyncio.wait_for(server.lost, 5), ConnectionLost)


async def test_bulk_data_with_rekeys_and_back_pressure() -> None:
    total = 24 * 1024 * 1024
    chunk = bytes(range(256)) * 128
    async with connected(rekey_bytes=4 * 1024 * 1024) as (client, server):
        left = total // len(chunk)
        blocked = 0

        def pour() -> None:
            nonlocal left, blocked
            while left and not client.core.blocked:
                left -= 1
                client.core.send_data(DATA, chunk)
            blocked += bool(left)

        finished = asyncio.Event()
        original = server.on_data

        def on_data(packet: bytes, start: int, end: int) -> None:
            original(packet, start, end)
            if len(server.received) == total // len(chunk):
                finished.set()

        server.core.set_handlers({94: on_data})
        client.writable = pour
        pour()
        await asyncio.wait_for(finished.wait(), 30)
        assert all(data == chunk for data in server.received)
        assert blocked > 0
        assert len([e for e in server.events if isinstance(e, KexCompleted)]) >= 5


async def test_many_messages_of_one_turn_leave_in_two_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with connected() as (client, server):
        writes: list[int] = []
        transport = client.transport._transport
        assert transport is not None
        original = transport.write

        def write(data: memoryview) -> None:
            writes.append(len(data))
            original(data)

        monkeypatch.setattr(transport, "write", write)
        for index in range(100):
            client.core.send(DATA + bytes([index]))
        while len(server.received) < 100:
            await asyncio.sleep(0)
        assert len(writes) <= 2, "the first at once, the others together"
        assert server.received == [bytes([index]) for index in range(100)]


async def test_handshake_takes_few_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[int] = []
    monkeypatch.setattr(AsyncTransport, "_flush", _counting(AsyncTransport._flush, writes))
    async with connected() as (client, server):
        assert client.core.phase is server.core.phase
    # client: version + KEXINIT, KEX_INIT, NEWKEYS + EXT_INFO + SERVICE_REQUEST; server: version +
    # KEXINIT, KEX_REPLY + NEWKEYS + EXT_INFO, SERVICE_ACCEPT
    assert len(writes) <= 6


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="Linux only")
async def test_what_is_read_before_login_is_acknowledged_at_once() -> None:
    """Peers send small pieces one behind another: with Nagle's algorithm each would wait 40 ms."""

    class Waiting(Owner):
        def _authenticated(self) -> None:
            if self.core.role is Role.SERVER:
                return
            self.ready.set()

    async with connected(owner=Waiting) as (client, _):
        assert client.core.phase is Phase.USERAUTH
        sock: Any = client.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1


def _counting(
    original: Callable[[AsyncTransport], None], into: list[int]
) -> Callable[[AsyncTransport], None]:
    def flush(self: AsyncTransport) -> None:
        if self.core.output_size and self._transport and not self._transport.is_closing():
            into.append(self.core.output_size)
        original(self)

    return flush


async def test_peer_that_only_asks_and_never_reads_is_no_longer_read() -> None:
    """A flood of pings is answered up to a bound, then we stop reading (CVE-2025-26466)."""
    async with connected() as (client, server):
        raw = client.transport._transport
        assert raw is not None
        raw.pause_reading()  # the client asks without taking answers
        ping = b"\xc0" + struct.pack(">I", 30_000) + bytes(30_000)
        sent = 0
        while sent < 3000 and not server.transport._reading_paused:
            while not client.core.blocked:
                client.core.send(ping)
                sent += 1
            await asyncio.sleep(0)
        assert server.transport._reading_paused
        transport = server.transport._transport
        assert transport is not None
        assert transport.get_write_buffer_size() < 3 * 1024 * 1024
        raw.resume_reading()

        def stuck() -> bool:
            return server.transport._reading_paused or client.core.blocked

        while stuck():
            await asyncio.sleep(0.001)
        client.core.send(DATA + b"still alive")
        while not server.received:
            await asyncio.sleep(0.001)
        assert server.received == [b"still alive"]


async def test_peer_that_connects_and_says_nothing_is_dropped_in_time() -> None:
    loop = asyncio.get_running_loop()
    owner = Owner(Role.SERVER, kex_timeout=0.05)
    listener = await loop.create_server(lambda: owner.transport, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
    error = await asyncio.wait_for(owner.lost, 5)
    assert isinstance(error, ConnectionTimeoutError)
    assert (await reader.read()).startswith(b"SSH-2.0-")
    writer.close()
    await writer.wait_closed()
    listener.close()
    await listener.wait_closed()


async def test_error_in_a_handler_is_a_documented_error_for_the_owner() -> None:
    async with connected() as (client, server):
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)

        def broken(packet: bytes, start: int, end: int) -> None:
            raise ZeroDivisionError

        server.core.set_handlers({94: broken})
        client.core.send(DATA)
        error = await asyncio.wait_for(server.lost, 5)
        assert isinstance(error, ConnectionLost)
        assert isinstance(error.__cause__, ZeroDivisionError)
        assert isinstance(await asyncio.wait_for(client.lost, 5), ConnectionLost)


async def test_events_caused_outside_of_reading_are_delivered() -> None:
    async with connected() as (client, server):
        client.core.send_debug("hello", False, "")
        client.core.fail(DisconnectError(9, "enough"))
        error = await asyncio.wait_for(server.lost, 5)
        assert error is not None
        assert (error.code, error.reason) == (9, "enough")
        assert any(isinstance(event, DebugReceived) for event in server.events)
        error = await asyncio.wait_for(client.lost, 5)
        assert error is not None
        assert error.code == 9
        assert [e.by_peer for e in client.events if isinstance(e, Disconnected)] == [False]


async def test_many_connections_share_one_receive_buffer() -> None:
    """Interleaved, unfinished packets of several connections do not mix."""
    loop = asyncio.get_running_loop()
    servers: list[Owner] = []

    def accept() -> AsyncTransport:
        servers.append(Owner(Role.SERVER))
        return servers[-1].transport

    listener = await loop.create_server(accept, "127.0.0.1", 0)
    clients = [Owner(Role.CLIENT) for _ in range(8)]
    transports = iter([client.transport for client in clients])
    for _ in clients:
        await loop.create_connection(lambda: next(transports), *listener.sockets[0].getsockname())
    await asyncio.gather(*(asyncio.wait_for(client.ready.wait(), 10) for client in clients))
    buffers = {id(server.core._reader._buffer) for server in servers}
    assert len(buffers) == 1
    for round_ in range(20):
        for index, client in enumerate(clients):
            client.core.send(DATA + bytes([index]) * (20_000 + 999 * round_))
        await asyncio.sleep(0)
    while sum(len(server.received) for server in servers) < 160:
        await asyncio.sleep(0.001)
    seen = set()
    for server in servers:
        assert [len(data) for data in server.received] == [20_000 + 999 * r for r in range(20)]
        (index,) = {byte for data in server.received for byte in set(data)}
        seen.add(index)
    assert seen == set(range(8))
    for owner in (*clients, *servers):
        owner.transport.abort()
    await asyncio.gather(*(owner.lost for owner in (*clients, *servers)))
    listener.close()
    await listener.wait_closed()
