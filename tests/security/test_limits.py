"""Limits that every server must have: each one reached, and memory measured while it holds."""

from __future__ import annotations

import asyncio
import gc
import socket
import tracemalloc
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

import ssh_meta
from ssh_keys.wire import encode_string, encode_uint32
from tests.security.conftest import USER_KEY, Serve
from tests.security.live_peer import (
    WAIT,
    LivePeer,
    attacking_client,
    channel_data,
    channel_open,
    channel_request,
    global_request,
    open_session,
    userauth_request,
)

MIB = 1 << 20


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """What Python allocates meanwhile stays below `limit` bytes."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak / MIB:.1f} MiB"


def stop_reading(peer: LivePeer) -> None:
    """Take nothing more from the socket: the frozen reader."""
    transport = peer.transport._transport
    assert transport is not None
    transport.pause_reading()


async def produce(process: ssh_meta.SSHServerProcess[bytes]) -> None:
    """Write for ever."""
    block = bytes(65536)
    while True:
        process.stdout.write(block)
        await process.stdout.drain()


@pytest.mark.parametrize("window", [1 << 30, (1 << 32) - 1])
async def test_frozen_reader_with_a_huge_window(serve: Serve, window: int) -> None:
    """The window of a client is no promise of ours: memory stays small."""
    async with serve(process_factory=produce) as victim, attacking_client(victim.port) as peer:
        await peer.authenticate("alice", USER_KEY)
        chan = await open_session(peer, window=window)
        with memory_below(16 * MIB):
            peer.send(channel_request(chan, b"exec", encode_string(b"x"), reply=False))
            stop_reading(peer)
            await asyncio.sleep(1)


@pytest.mark.parametrize(
    ("flood", "stops"),
    [
        (b"\xc0" + encode_string(bytes(30_000)), True),
        (global_request(b"x" * 30_000), False),
        (b"\xc8" * 2, False),
        (channel_request(0, b"unknown@example.com", bytes(100)), False),
    ],
    ids=["PING", "global request", "unknown", "channel request"],
)
async def test_flood_of_a_client_that_never_reads(serve: Serve, flood: bytes, stops: bool) -> None:
    """CVE-2025-26466: answers queue up to a bound, then we stop reading."""
    async with serve() as victim, attacking_client(victim.port) as peer:
        await peer.authenticate("alice", USER_KEY)
        await open_session(peer)
        stop_reading(peer)
        transport = peer.transport._transport
        assert transport is not None
        conn = victim.record.connections[0]
        with memory_below(24 * MIB):
            for _ in range(200):
                peer.send(*[flood] * 16)
                await asyncio.sleep(0)
                if transport.get_write_buffer_size() > 4 * MIB:
                    await asyncio.sleep(0.05)
                    break
            # Small answers fit in what the system holds: then there is no reason to stop.
            async with asyncio.timeout(WAIT):
                while (
                    not conn.transport._reading_paused
                    if stops
                    else transport.get_write_buffer_size()
                ):
                    await asyncio.sleep(0.005)
        assert not conn.is_closed()
        assert bool(transport.get_write_buffer_size()) is stops
        server_transport = conn.transport._transport
        if server_transport is not None:
            assert server_transport.get_write_buffer_size() < 3 * MIB


async def test_unauthenticated_connections_are_counted(serve: Serve) -> None:
    """MaxStartups: beyond the last number nobody gets in, and a login makes room."""
    async with serve(max_startups=(3, 100, 3), login_timeout=30) as victim:
        streams = [await asyncio.open_connection("127.0.0.1", victim.port) for _ in range(3)]
        for reader, _ in streams:
            assert (await reader.readline()).startswith(b"SSH-2.0-")
        reader, writer = await asyncio.open_connection("127.0.0.1", victim.port)
        async with asyncio.timeout(WAIT):
            rest = await reader.read()
        assert not rest.startswith(b"SSH-2.0-") or b"\x14" not in rest
        writer.close()
        await writer.wait_closed()
        streams[0][1].close()
        await streams[0][1].wait_closed()
        await victim.lost()
        async with attacking_client(victim.port) as peer:
            await peer.authenticate("alice", USER_KEY)
        for _, writer in streams[1:]:
            writer.close()
            await writer.wait_closed()


async def test_keepalive_finds_the_dead(serve: Serve) -> None:
    async with serve(keepalive_interval=0.05, keepalive_count_max=2) as victim:
        async with attacking_client(victim.port) as peer:
            await peer.authenticate("alice", USER_KEY)
            # It is there, and never answers.
            await peer.expect(80)
            async with asyncio.timeout(WAIT):
                await peer.expect_end()
        await victim.lost()


async def test_keepalive_does_not_disturb_the_living(serve: Serve) -> None:
    async with (
        serve(keepalive_interval=0.05, keepalive_count_max=2) as victim,
        attacking_client(victim.port) as peer,
    ):
        await peer.authenticate("alice", USER_KEY)
        for _ in range(5):
            await peer.expect(80)
            peer.send(b"\x52")
        await open_session(peer)


async def test_idle_connection_is_closed(serve: Serve) -> None:
    async with serve(idle_timeout=0.2) as victim, attacking_client(victim.port) as peer:
        await peer.authenticate("alice", USER_KEY)
        await peer.expect_end()


async def test_rekey_by_bytes_happens_under_load(serve: Serve) -> None:
    async with (
        serve(rekey_bytes=1 << 20) as victim,
        await ssh_meta.connect(
            "127.0.0.1",
            victim.port,
            username="alice",
            client_keys=[USER_KEY],
            known_hosts=None,
            agent_path=None,
            rekey_bytes=1 << 20,
        ) as conn,
    ):
        data = bytes(range(256)) * (16 << 10)
        result = await conn.run("echo", input=data, encoding=None)
        assert result.stdout == data


@pytest.mark.parametrize("what", ["version", "kexinit"])
async def test_silence_before_keys_ends(serve: Serve, what: str) -> None:
    async with serve(login_timeout=0.3) as victim:
        reader, writer = await asyncio.open_connection("127.0.0.1", victim.port)
        if what == "kexinit":
            writer.write(b"SSH-2.0-silent\r\n")
        async with asyncio.timeout(WAIT):
            said = await reader.read()
        assert said.startswith(b"SSH-2.0-")
        writer.close()
        await writer.wait_closed()
        error = await victim.lost()
        assert isinstance(error, ssh_meta.ConnectionLost)


async def test_slow_version_string_ends(serve: Serve) -> None:
    """One byte at a time does not hold a connection open beyond the login time-out."""
    async with serve(login_timeout=0.4) as victim:
        _, writer = await asyncio.open_connection("127.0.0.1", victim.port)
        async with asyncio.timeout(WAIT):
            try:
                for byte in b"SSH-2.0-" + b"x" * 200:
                    writer.write(bytes((byte,)))
                    await writer.drain()
                    await asyncio.sleep(0.02)
            except ConnectionError:
                pass
            await victim.lost()
        writer.transport.abort()


async def test_half_open_clients_are_forgotten(serve: Serve) -> None:
    """Connections that are reset in the middle of anything leave nothing behind."""
    async with serve() as victim:
        for size in (0, 5, 21, 100, 700):
            sock = socket.create_connection(("127.0.0.1", victim.port))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00" + bytes(4))
            sock.send((b"SSH-2.0-reset\r\n" + encode_uint32(1000) + bytes(2000))[:size])
            await asyncio.sleep(0.01)
            sock.close()
        await victim.lost(5)
        assert all(conn.is_closed() for conn in victim.record.connections)


async def test_connect_timeout() -> None:
    """Our client: a server that accepts and says nothing."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        for options in ({"connect_timeout": 0.2}, {"login_timeout": 0.2}):
            with pytest.raises((ssh_meta.ConnectionLost, TimeoutError)):
                async with asyncio.timeout(WAIT):
                    await ssh_meta.connect(
                        "127.0.0.1",
                        server.sockets[0].getsockname()[1],
                        known_hosts=None,
                        client_keys=None,
                        agent_path=None,
                        **options,  # type: ignore[arg-type]
                    )


async def test_connections_leave_no_objects(serve: Serve) -> None:
    """CVE-2025-8277 and its like: what ended, however it ended, is forgotten."""
    dead: list[weakref.ref[ssh_meta.SSHServerConnection]] = []
    async with serve() as victim:
        for how in range(30):
            async with attacking_client(victim.port) as peer:
                if how % 3:
                    await peer.authenticate("alice", USER_KEY)
                    await open_session(peer)
                if how % 3 == 2:
                    peer.send(b"\x5e")
                    await peer.expect_end()
            await victim.lost(how + 1)
            dead.append(weakref.ref(victim.record.connections.pop()))
    del peer
    gc.collect()
    assert [ref() for ref in dead if ref() is not None] == []


class Open(ssh_meta.SSHServer):
    """Lets everybody in and forwards everything."""

    def begin_auth(self, username: str) -> bool:
        """No authentication."""
        return False

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        """Forward it."""
        return True

    def server_requested(self, listen_host: str, listen_port: int) -> bool:
        """Listen."""
        return True


async def open_house(peer: LivePeer) -> None:
    """Log in where nothing is asked for."""
    await peer.request_userauth()
    peer.send(userauth_request(b"alice", b"none"))
    await peer.expect(52)


async def test_channels_are_counted(serve: Serve) -> None:
    target = encode_string(b"127.0.0.1")
    async with (
        serve(server_factory=Open, max_channels=5) as victim,
        attacking_client(victim.port) as peer,
    ):
        await open_house(peer)
        rest = target + encode_uint32(victim.port) + target + encode_uint32(1)
        for number in range(20):
            peer.send(channel_open(number, kind=b"direct-tcpip", rest=rest))
        answers = [(await peer.expect(91, 92))[0] for _ in range(20)]
        assert answers.count(91) == 5


async def test_listeners_are_counted(serve: Serve) -> None:
    async with (
        serve(server_factory=Open, max_listeners=3) as victim,
        attacking_client(victim.port) as peer,
    ):
        await open_house(peer)
        for _ in range(10):
            peer.send(
                global_request(b"tcpip-forward", encode_string(b"127.0.0.1") + encode_uint32(0))
            )
        answers = [(await peer.expect(81, 82))[0] for _ in range(10)]
        assert answers.count(81) == 3


async def test_sftp_handles_are_counted(serve: Serve, tmp_path: Path) -> None:
    class Few(ssh_meta.SFTPServer):
        max_handles = 4

    (tmp_path / "file").write_bytes(b"x")
    async with (
        serve(sftp_factory=Few) as victim,
        client_of(victim.port) as conn,
        conn.start_sftp_client() as sftp,
    ):
        files = [await sftp.open(str(tmp_path / "file"), "rb") for _ in range(4)]
        for _ in range(10):
            with pytest.raises(ssh_meta.SFTPError):
                await sftp.open(str(tmp_path / "file"), "rb")
        await files.pop().close()
        assert await (await sftp.open(str(tmp_path / "file"), "rb")).read() == b"x"


async def test_sftp_requests_in_work_are_counted(serve: Serve) -> None:
    """A client that asks without waiting: the rest waits in the channel, and in its window."""
    running = most = 0
    go_on = asyncio.Event()

    class Slow(ssh_meta.SFTPServer):
        max_outstanding = 8

        async def stat(self, path: bytes) -> ssh_meta.SFTPAttrs:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await go_on.wait()
            running -= 1
            return ssh_meta.SFTPAttrs(size=1)

    async with (
        serve(sftp_factory=Slow) as victim,
        client_of(victim.port) as conn,
        conn.start_sftp_client() as sftp,
    ):
        asked = [asyncio.ensure_future(sftp.stat(f"/{number}")) for number in range(500)]
        while running < Slow.max_outstanding:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        go_on.set()
        async with asyncio.timeout(WAIT):
            results = await asyncio.gather(*asked)
        assert {result.size for result in results} == {1}
    assert most == Slow.max_outstanding


@asynccontextmanager
async def client_of(port: int) -> AsyncIterator[ssh_meta.SSHClientConnection]:
    """An honest client."""
    async with ssh_meta.connect(
        "127.0.0.1",
        port,
        username="alice",
        client_keys=[USER_KEY],
        known_hosts=None,
        agent_path=None,
    ) as conn:
        yield conn


async def test_client_that_does_not_read_stops_the_server(serve: Serve) -> None:
    """The other direction: what our client does not read stays with the server."""
    async with serve(process_factory=produce) as victim, client_of(victim.port) as conn:
        process = await conn.create_process("x", encoding=None)
        with memory_below(16 * MIB):
            await process.stdout.read(10)
            await asyncio.sleep(0.7)
        process.close()


@pytest.mark.parametrize("started", [False, True], ids=["before the command", "behind it"])
@pytest.mark.parametrize("size", [1, 3])
async def test_a_window_of_tiny_packets_takes_no_more_than_a_window(
    serve: Serve, size: int, started: bool
) -> None:
    """What is held for an application that does not read is counted in bytes, and costs bytes."""
    finish = asyncio.Event()

    async def reads_nothing(process: ssh_meta.SSHServerProcess[bytes]) -> None:
        await finish.wait()

    window = 16 * 1024
    async with (
        serve(process_factory=reads_nothing, window=window) as victim,
        attacking_client(victim.port) as peer,
    ):
        await peer.authenticate("alice", USER_KEY)
        chan = await open_session(peer)
        if started:
            peer.send(channel_request(chan, b"exec", encode_string(b"x")))
            await peer.expect(99)
        tracemalloc.start()
        try:
            for _ in range(window // size // 512):
                peer.send(*[channel_data(chan, bytes(size))] * 512)
                await asyncio.sleep(0)
            peer.send(global_request(b"keepalive@openssh.com"))
            await peer.expect(81, 82)
            held = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        # Without gathering, single bytes take 130 times their number.
        assert held < 8 * window + MIB // 4
        finish.set()
