"""Port and socket forwarding over real loopback sockets, the channels in memory."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import stat
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ssh_connection.channel.streamlocal import SSHUNIXChannel
from ssh_connection.channel.tcpip import SSHTCPChannel
from ssh_connection.constants import SSH_MSG_CHANNEL_DATA
from ssh_connection.errors import ChannelListenError, ChannelOpenError
from ssh_connection.forward.listener import (
    SSHListener,
    forward_tcp_listener,
    forward_unix_listener,
    listen_unix,
)
from ssh_connection.forward.relay import connect_tcp_relay, connect_unix_relay
from ssh_connection.forward.remote import ClientListeners, RemoteListeners
from ssh_connection.messages.connection import (
    CancelTcpipForward,
    ChannelOpen,
    DirectStreamlocal,
    DirectTcpip,
    TcpipForward,
)
from tests.connection.channels import RawPeer, RecordingSession, encode
from tests.connection.mux_pair import End, Pair

BIG = os.urandom(2_000_000)


class Destination:
    """A real server that the forwarded connections reach."""

    def __init__(self) -> None:
        self.port = 0
        self.accepted: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.arrived = asyncio.Event()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep the streams of a connection for the test."""
        self.accepted.append((reader, writer))
        self.arrived.set()

    async def next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The streams of the next connection."""
        await self.arrived.wait()
        self.arrived.clear()
        return self.accepted[-1]


@asynccontextmanager
async def destination() -> AsyncIterator[Destination]:
    """A destination on loopback."""
    made = Destination()
    server = await asyncio.start_server(made.accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for _, writer in made.accepted:
            writer.close()
            try:
                await writer.wait_closed()
            except ConnectionError:
                pass


def serve_forwards(end: End, **options: Any) -> None:
    """Let an end connect to what is asked for, as a server that allows it does."""

    async def connect(request: ChannelOpen) -> Any:
        if request.channel_type == b"direct-tcpip":
            tcp = DirectTcpip.decode(request.type_data)
            session = await connect_tcp_relay(tcp.host_to_connect, tcp.port_to_connect)
            chan: Any = SSHTCPChannel[bytes](end.services, end.mux, **options)
        else:
            path = DirectStreamlocal.decode(request.type_data).socket_path
            session = await connect_unix_relay(path)
            chan = SSHUNIXChannel[bytes](end.services, end.mux, **options)
        chan.set_session(session)
        return chan

    end.services.accept = connect


def tcp_opener(end: End, host: str, port: int, **options: Any) -> Any:
    """Open direct-tcpip for a connection that was accepted."""

    async def opener(factory: Any, orig_host: str, orig_port: int) -> None:
        chan: SSHTCPChannel[bytes] = SSHTCPChannel(end.services, end.mux, **options)
        await chan.connect(factory, host, port, orig_host, orig_port)

    return opener


@asynccontextmanager
async def forwarded(
    **options: Any,
) -> AsyncIterator[tuple[Pair, Destination, SSHListener]]:
    """A local port whose connections reach a destination through two muxes."""
    async with Pair() as pair, destination() as dest:
        serve_forwards(pair.server, **options)
        opener = tcp_opener(pair.client, "127.0.0.1", dest.port, **options)
        async with await forward_tcp_listener(opener, "127.0.0.1", 0) as listener:
            yield pair, dest, listener
        await closed(pair)


async def closed(pair: Pair) -> None:
    """Wait until no channel is left."""
    async with asyncio.timeout(5):
        while pair.client.mux.channels or pair.server.mux.channels:
            await asyncio.sleep(0.001)
    assert pair.client.core.closed_with is None
    assert pair.server.core.closed_with is None


async def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection."""
    writer.close()
    try:
        await writer.wait_closed()
    except ConnectionError:
        pass


async def test_data_both_ways_with_half_close() -> None:
    async with forwarded() as (pair, dest, listener):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.get_port())
        far_reader, far_writer = await dest.next()
        writer.write(b"question")
        writer.write_eof()
        assert await far_reader.read() == b"question"
        # The other direction is still open.
        far_writer.write(b"answer")
        await far_writer.drain()
        assert await reader.readexactly(6) == b"answer"
        assert len(pair.client.mux.channels) == 1
        far_writer.write_eof()
        assert await reader.read() == b""
        await closed(pair)
        await close(writer)
    assert listener.is_closed()
    await listener.wait_closed()


@pytest.mark.parametrize("options", [{}, {"window": 1000, "max_pktsize": 100}, {"window": 50_000}])
async def test_bulk_both_ways_at_once(options: dict[str, int]) -> None:
    data = BIG if options.get("window", 1 << 20) > 1000 else BIG[:100_000]
    async with forwarded(**options) as (_, dest, listener):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.get_port())
        far_reader, far_writer = await dest.next()
        for each in (writer, far_writer):
            each.write(data)
            each.write_eof()
        near, far = await asyncio.gather(reader.read(), far_reader.read())
        assert hashlib.sha256(near).digest() == hashlib.sha256(data).digest()
        assert hashlib.sha256(far).digest() == hashlib.sha256(data).digest()
        await close(writer)


async def test_a_reader_that_stops_stops_the_sender() -> None:
    """Back-pressure through socket, channel, channel and socket, in both directions."""
    async with forwarded(window=100_000) as (pair, dest, listener):
        near = await asyncio.open_connection("127.0.0.1", listener.get_port(), limit=1)
        far = await dest.next()
        for (_, writer), (reader, _) in ((near, far), (far, near)):
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            sent = 0
            while sent < 100_000_000:
                writer.write(bytes(1 << 20))
                sent += 1 << 20
                try:
                    await asyncio.wait_for(writer.drain(), 0.2)
                except TimeoutError:
                    break
            assert sent < 30_000_000
            for channel in (*pair.client.mux.channels, *pair.server.mux.channels):
                # What is kept for the socket is one window and one write at most.
                assert channel._queued <= 128 * 1024 + 256 * 1024
            writer.transport.abort()
            break
        await close(near[1])
        await close(far[1])


async def test_reset_of_one_side_closes_the_other() -> None:
    for resets_near in (True, False):
        async with forwarded() as (pair, dest, listener):
            near = await asyncio.open_connection("127.0.0.1", listener.get_port())
            far = await dest.next()
            first, second = (near, far) if resets_near else (far, near)
            sock = first[1].get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            first[1].transport.abort()
            with_reset = await second[0].read()
            assert with_reset == b""
            await closed(pair)
            await close(near[1])
            await close(far[1])


async def test_packets_behind_a_reset_are_dropped_in_silence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        async with Pair() as pair:
            serve_forwards(pair.server)
            await tcp_opener(pair.client, "127.0.0.1", port)(RecordingSession, "127.0.0.1", 1)
            accepted, _ = server.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            accepted.close()
            # In one run: the loop has no time to hear of the reset.
            pair.server.receive(*[encode(SSH_MSG_CHANNEL_DATA, 0, b"data")] * 20)
            await closed(pair)
    assert not caplog.records


async def test_a_peer_that_goes_when_it_has_read_all(caplog: pytest.LogCaptureFixture) -> None:
    """The loop hears of the end and of room for more at once, and the room is of no use."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        async with Pair() as pair:
            serve_forwards(pair.server, window=1 << 24)
            await tcp_opener(pair.client, "127.0.0.1", port)(RecordingSession, "127.0.0.1", 1)
            accepted, _ = server.accept()
            accepted.setblocking(False)
            channel: Any = next(iter(pair.server.mux.channels))
            forwarder = channel._session._forwarder
            while not forwarder._pending:  # as much as the system and the transport hold
                pair.server.receive(encode(SSH_MSG_CHANNEL_DATA, 0, bytes(32000)))
            with suppress(BlockingIOError):
                while accepted.recv(1 << 20):
                    pass
            accepted.close()
            await closed(pair)
    assert not caplog.records


async def test_many_connections_end_with_the_connection() -> None:
    async with Pair() as pair, destination() as dest:
        serve_forwards(pair.server)
        opener = tcp_opener(pair.client, "127.0.0.1", dest.port)
        async with await forward_tcp_listener(opener, "127.0.0.1", 0) as listener:
            streams = [
                await asyncio.open_connection("127.0.0.1", listener.get_port()) for _ in range(20)
            ]
            async with asyncio.timeout(5):
                while len(pair.server.mux.channels) < 20 or len(dest.accepted) < 20:
                    await asyncio.sleep(0.001)
            pair.lose(None)
            for reader, writer in streams:
                assert await reader.read() == b""
                await close(writer)
            for reader, _ in dest.accepted:
                assert await reader.read() == b""


async def test_destination_that_refuses() -> None:
    async with Pair() as pair:
        serve_forwards(pair.server)
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            chan: SSHTCPChannel[bytes] = SSHTCPChannel(pair.client.services, pair.client.mux)
            with pytest.raises(ChannelOpenError) as info:
                await chan.connect(RecordingSession, "127.0.0.1", port)
            assert info.value.code == 2
            opener = tcp_opener(pair.client, "127.0.0.1", port)
            async with await forward_tcp_listener(opener, "127.0.0.1", 0) as listener:
                reader, writer = await asyncio.open_connection("127.0.0.1", listener.get_port())
                assert await reader.read() == b""
                await close(writer)
        for host, number in (("", 70000), ("no\0host", 1)):
            with pytest.raises(ChannelOpenError):
                await connect_tcp_relay(host, number)
        await closed(pair)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_accept_handler(asynchronous: bool) -> None:
    asked: list[tuple[str, int]] = []

    def decide(host: str, port: int) -> Any:
        asked.append((host, port))

        async def later() -> bool:
            return len(asked) > 1

        return later() if asynchronous else len(asked) > 1

    async with Pair() as pair, destination() as dest:
        serve_forwards(pair.server)
        opener = tcp_opener(pair.client, "127.0.0.1", dest.port)
        async with await forward_tcp_listener(opener, "127.0.0.1", 0, decide) as listener:
            port = listener.get_port()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.read() == b""
            assert asked == [writer.get_extra_info("sockname")]
            await close(writer)
            assert not pair.server.core.log
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            far_reader, far_writer = await dest.next()
            writer.write(b"x")
            assert await far_reader.read(1) == b"x"
            await close(writer)
            await close(far_writer)
        await closed(pair)


async def test_listening_on_all_addresses_uses_one_port() -> None:
    async def opener(factory: Any, host: str, port: int) -> None:
        raise ChannelOpenError(1, "no")

    async with await forward_tcp_listener(opener, "localhost", 0) as listener:
        ports = {address[1] for address in listener.get_addresses()}
        assert ports == {listener.get_port()}
        with pytest.raises(OSError, match="in use"):
            await forward_tcp_listener(opener, "localhost", listener.get_port())


async def test_unix_sockets(tmp_path: Path) -> None:
    near_path, far_path = str(tmp_path / "near"), str(tmp_path / "far")
    dest = Destination()
    async with Pair() as pair:
        serve_forwards(pair.server)
        server = await asyncio.start_unix_server(dest.accept, far_path)

        async def opener(factory: Any, host: str, port: int) -> None:
            assert (host, port) == ("", 0)
            chan: SSHUNIXChannel[bytes] = SSHUNIXChannel(pair.client.services, pair.client.mux)
            await chan.connect(factory, far_path)

        async with await forward_unix_listener(opener, near_path) as listener:
            assert listener.get_port() == 0
            assert stat.S_IMODE(os.stat(near_path).st_mode) == 0o600
            with pytest.raises(OSError, match="in use"):
                await forward_unix_listener(opener, near_path)
            reader, writer = await asyncio.open_unix_connection(near_path)
            far_reader, far_writer = await dest.next()
            writer.write(BIG)
            writer.write_eof()
            assert await far_reader.read() == BIG
            await close(far_writer)
            assert await reader.read() == b""
            await close(writer)
        assert not os.path.exists(near_path)
        server.close()
        chan: SSHUNIXChannel[bytes] = SSHUNIXChannel(pair.client.services, pair.client.mux)
        with pytest.raises(ChannelOpenError):
            await chan.connect(RecordingSession, "/nonexistent")  # type: ignore[arg-type]
        await closed(pair)


async def test_a_socket_that_somebody_else_made_is_not_removed(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    listener = await listen_unix(asyncio.Protocol, path)
    os.unlink(path)
    Path(path).write_text("another file")
    listener.close()
    listener.close()
    assert Path(path).read_text() == "another file"


async def test_a_connection_that_ends_before_its_channel_is_open() -> None:
    """The peer takes its time: what was accepted locally and closed again leaves nothing."""
    async with Pair() as pair:
        gate = asyncio.Event()

        async def accept(request: ChannelOpen) -> Any:
            await gate.wait()
            chan: SSHTCPChannel[bytes] = SSHTCPChannel(pair.server.services, pair.server.mux)
            chan.set_session(RecordingSession())
            return chan

        pair.server.services.accept = accept
        opener = tcp_opener(pair.client, "host", 1)
        async with await forward_tcp_listener(opener, "127.0.0.1", 0) as listener:
            _, writer = await asyncio.open_connection("127.0.0.1", listener.get_port())
            async with asyncio.timeout(5):
                while not pair.server.mux._pending_opens:
                    await asyncio.sleep(0.001)
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()
            await asyncio.sleep(0.01)
            gate.set()
        async with asyncio.timeout(5):
            while pair.client.mux.channels or pair.server.mux.channels:
                await asyncio.sleep(0.001)
        await close(writer)


# --- Listening on the peer's side ---------------------------------------------------------------


class Remote:
    """A client's table and a server's table, wired as connection objects do it."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.allowed = True
        self.listeners = RemoteListeners(pair.client.mux)
        self.table = ClientListeners(self._listen_tcp, self._listen_unix, max_listeners=3)
        pair.server.services.on_global = self.table.global_request
        pair.client.services.accept = self.listeners.open_requested

    async def _listen_tcp(self, host: str, port: int) -> SSHListener | None:
        if not self.allowed:
            return None
        bound = 0

        async def opener(factory: Any, orig_host: str, orig_port: int) -> None:
            server = self.pair.server
            chan: SSHTCPChannel[bytes] = SSHTCPChannel(server.services, server.mux)
            await chan.connect_forwarded(factory, host, bound, orig_host, orig_port)

        listener = await forward_tcp_listener(opener, host, port)
        bound = listener.get_port()
        return listener

    async def _listen_unix(self, path: str) -> SSHListener | None:
        async def opener(factory: Any, orig_host: str, orig_port: int) -> None:
            server = self.pair.server
            chan: SSHUNIXChannel[bytes] = SSHUNIXChannel(server.services, server.mux)
            await chan.connect_forwarded(factory, path)

        return await forward_unix_listener(opener, path)

    def acceptor(self, dest: Destination) -> Any:
        """Relay what comes to the remote port to a destination here."""

        async def accept(*origin: Any) -> Any:
            client = self.pair.client
            session = await connect_tcp_relay("127.0.0.1", dest.port)
            chan: Any = (SSHTCPChannel if origin else SSHUNIXChannel)(client.services, client.mux)
            chan.set_session(session)
            return chan

        return accept


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_remote_forwarding(kind: str, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    async with Pair() as pair, destination() as dest:
        remote = Remote(pair)
        accept = remote.acceptor(dest)
        if kind == "tcp":
            listener = await remote.listeners.listen_tcp("127.0.0.1", 0, accept)
            assert listener.get_port() > 0
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.get_port())
        else:
            listener = await remote.listeners.listen_unix(path, accept)
            reader, writer = await asyncio.open_unix_connection(path)
            with pytest.raises(ChannelListenError, match="already"):
                await remote.listeners.listen_unix(path, accept)
        far_reader, far_writer = await dest.next()
        writer.write(BIG[:500_000])
        writer.write_eof()
        assert await far_reader.read() == BIG[:500_000]
        far_writer.write(b"back")
        far_writer.write_eof()
        assert await reader.read() == b"back"
        await close(writer)
        await closed(pair)
        port = listener.get_port()
        listener.close()
        listener.close()
        await listener.wait_closed()
        gone = (
            asyncio.open_connection("127.0.0.1", port)
            if kind == "tcp"
            else asyncio.open_unix_connection(path)
        )
        with pytest.raises(OSError, match=r"Connect call failed|No such file"):
            await gone


@pytest.mark.parametrize("steps", [1, 2, 20])
async def test_remote_listener_that_nobody_waits_for(steps: int, tmp_path: Path) -> None:
    """A time-out while the server is asked leaves no listener on it."""
    async with Pair() as pair, destination() as dest:
        remote = Remote(pair)
        accept = remote.acceptor(dest)
        start = remote._listen_tcp

        async def slowly(host: str, port: int) -> SSHListener | None:
            await asyncio.sleep(0.02)
            return await start(host, port)

        remote.table._listen_tcp = slowly
        for pending in (
            remote.listeners.listen_tcp("127.0.0.1", 0, accept),
            remote.listeners.listen_unix(str(tmp_path / "socket"), accept),
        ):
            task = asyncio.ensure_future(pending)
            for _ in range(steps):
                await asyncio.sleep(0)
            if task.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                (await task).close()  # it was faster
            async with asyncio.timeout(5):
                while remote.listeners._given_up or remote.table._listeners:
                    await asyncio.sleep(0.01)
        assert not remote.listeners._tcp
        again = await remote.listeners.listen_tcp("127.0.0.1", 0, accept)
        again.close()
        await again.wait_closed()


async def test_remote_listeners_are_refused_and_bounded() -> None:
    async with Pair() as pair:
        remote = Remote(pair)
        remote.allowed = False
        with pytest.raises(ChannelListenError, match="Failed to listen"):
            await remote.listeners.listen_tcp("127.0.0.1", 0, RecordingSession)  # type: ignore[arg-type]
        remote.allowed = True
        for _ in range(3):
            await remote.listeners.listen_tcp("127.0.0.1", 0, RecordingSession)  # type: ignore[arg-type]
        with pytest.raises(ChannelListenError):
            await remote.listeners.listen_tcp("127.0.0.1", 0, RecordingSession)  # type: ignore[arg-type]
        remote.table.connection_lost()
        remote.listeners.connection_lost()


async def test_forwarded_channels_nobody_asked_for() -> None:
    peer = RawPeer()
    listeners = RemoteListeners(peer.end.mux)
    peer.services.accept = listeners.open_requested
    data = encode(0, b"127.0.0.1", 22, b"10.0.0.1", 5)[1:]
    peer.end.receive(encode(90, b"forwarded-tcpip", 1, 1000, 1000) + data)
    peer.end.receive(
        encode(90, b"forwarded-streamlocal@openssh.com", 2, 1000, 1000) + encode(0, b"/x", b"")[1:]
    )
    answers = peer.sent()
    assert [answer[:9] for answer in answers] == [encode(92, 1, 1), encode(92, 2, 1)]
    assert peer.end.mux.channels == ()


async def test_a_connection_in_the_packet_behind_the_reply() -> None:
    """The channel open may follow at once, before the task that asked runs again."""
    peer = RawPeer()
    listeners = RemoteListeners(peer.end.mux)
    peer.services.accept = listeners.open_requested
    session = RecordingSession()

    def accept(host: str, port: int, orig_host: str, orig_port: int) -> SSHTCPChannel[bytes]:
        assert (orig_host, orig_port) == ("10.0.0.1", 5)
        chan: SSHTCPChannel[bytes] = SSHTCPChannel(peer.services, peer.end.mux)
        chan.set_session(session)
        return chan

    task = asyncio.ensure_future(listeners.listen_tcp("", 0, accept))
    while not (sent := peer.sent()):
        await asyncio.sleep(0)
    assert sent == [encode(80, b"tcpip-forward", True, b"", 0)]
    peer.end.receive(encode(81, 4567))
    peer.end.receive(
        encode(90, b"forwarded-tcpip", 1, 1000, 1000) + encode(0, b"", 4567, b"10.0.0.1", 5)[1:]
    )
    assert peer.sent()[0][0] == 91
    assert (await task).get_port() == 4567
    assert session.events == ["made", "started"]


@pytest.mark.parametrize("reply", [b"", b"\0\0\0\0", b"\0\1\0\0", b"\0\0\0\1\0"])
async def test_impossible_ports_in_the_reply(reply: bytes) -> None:
    peer = RawPeer()
    task = asyncio.ensure_future(
        RemoteListeners(peer.end.mux).listen_tcp("", 0, RecordingSession)  # type: ignore[arg-type]
    )
    await asyncio.sleep(0)
    peer.end.receive(bytes([81]) + reply)
    assert peer.error is not None
    peer.end.mux.connection_lost(peer.error)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Named(SSHListener):
    """A listener of an application, with a port or without."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def get_port(self) -> int:
        return self._port


async def test_listeners_of_the_application() -> None:
    """They may not know their port, and may be closed by others; none is forgotten while open."""
    made: list[Named] = []
    known = 0

    async def listen(host: str, port: int) -> SSHListener:
        made.append(Named(known))
        return made[-1]

    async def no_path(path: str) -> None:
        return None

    table = ClientListeners(listen, no_path, max_listeners=2)

    def ask(name: bytes, port: int) -> Awaitable[bytes | None]:
        message = TcpipForward if name == b"tcpip-forward" else CancelTcpipForward
        return table.global_request(name, message("host", port).encode())

    assert await ask(b"tcpip-forward", 1001) == b""
    assert await ask(b"tcpip-forward", 1002) == b""
    assert await ask(b"tcpip-forward", 1003) is None
    assert not any(listener.is_closed() for listener in made)
    assert await ask(b"cancel-tcpip-forward", 1001) == b""
    assert made[0].is_closed()
    # Which port it is can not be told.
    assert await ask(b"tcpip-forward", 0) is None
    assert made[-1].is_closed()
    made[1].close()
    assert await ask(b"tcpip-forward", 1002) == b""
    # The port that was chosen is one that the client has already.
    known = 1002
    assert await ask(b"tcpip-forward", 0) is None
    assert made[-1].is_closed()
    table.connection_lost()
    assert all(listener.is_closed() for listener in made)


@pytest.mark.skipif(sys.platform != "linux", reason="others do not take the mode over")
async def test_mode_of_a_path_is_not_set_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else could put a link there between the two."""
    calls: list[object] = []
    monkeypatch.setattr(os, "chmod", lambda *args, **kwargs: calls.append(args))
    old = os.umask(0)
    try:
        listener = await listen_unix(asyncio.Protocol, str(tmp_path / "socket"))
    finally:
        os.umask(old)
    assert (tmp_path / "socket").stat().st_mode & 0o777 == 0o600
    assert not calls
    listener.close()
