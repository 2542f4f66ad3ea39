"""Forwarding through connection objects: what clients ask for, and how servers answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ssh_connection import (
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    ChannelListenError,
    ChannelOpenError,
    SSHListener,
    SSHReader,
    SSHServer,
    SSHTCPSession,
    SSHWriter,
)
from ssh_connection.channel.tcpip import SSHTCPChannel

from .loopback import HOST, Server, client, server_side, serving


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    """When a test is over, nothing of its connections may still run."""
    before = asyncio.all_tasks()
    yield
    for _ in range(5):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() - before - {asyncio.current_task()} == set()


async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer in capital letters."""
    writer.write((await reader.read()).upper())
    writer.close()
    await writer.wait_closed()


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A port that answers in capital letters."""
    server = await asyncio.start_server(upper, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def path(tmp_path: Path) -> AsyncIterator[str]:
    """A UNIX domain socket that answers in capital letters."""
    name = str(tmp_path / "upper")
    server = await asyncio.start_unix_server(upper, name)
    async with server:
        yield name


async def ask_port(port: int) -> bytes:
    """Send text to a port, and return the answer."""
    return await ask(*await asyncio.open_connection(HOST, port))


async def ask_path(path: str) -> bytes:
    """Send text to a UNIX domain socket, and return the answer."""
    return await ask(*await asyncio.open_unix_connection(path))


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Send text, and return the answer."""
    writer.write(b"text")
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def is_dropped(port: int) -> bool:
    """Whether a connection is accepted and closed without an answer."""
    try:
        return await ask_port(port) == b""
    except ConnectionError:
        return True


# --- Connections through the server ----------------------------------------------------------


async def test_connections_through_the_server(port: int, path: str) -> None:
    async with serving() as server, await client(server, password="secret") as conn:
        for opened in (conn.open_connection(HOST, port), conn.open_unix_connection(path)):
            reader, writer = await opened
            writer.write(b"text")
            writer.write_eof()
            assert await reader.read() == b"TEXT"
            writer.close()
            await writer.wait_closed()
        text_reader, text_writer = await conn.open_connection(HOST, port, encoding="utf-8")
        text_writer.write("text")
        text_writer.write_eof()
        assert await text_reader.read() == "TEXT"


async def test_nothing_is_forwarded_by_default(port: int, path: str) -> None:
    class Closed(Server):
        connection_requested = SSHServer.connection_requested  # type: ignore[assignment]
        unix_connection_requested = SSHServer.unix_connection_requested  # type: ignore[assignment]
        server_requested = SSHServer.server_requested  # type: ignore[assignment]
        unix_server_requested = SSHServer.unix_server_requested  # type: ignore[assignment]

    async with (
        serving(server_factory=Closed) as server,
        await client(server, password="secret") as conn,
    ):
        with pytest.raises(ChannelOpenError):
            await conn.open_connection(HOST, port)
        with pytest.raises(ChannelOpenError):
            await conn.open_unix_connection(path)
        with pytest.raises(ChannelListenError):
            await conn.forward_remote_port(HOST, 0, HOST, port)
        with pytest.raises(ChannelListenError):
            await conn.forward_remote_path(path + ".new", path)


class Echo(SSHTCPSession[bytes]):
    """Sends back what it gets."""

    chan: SSHTCPChannel[bytes]

    def connection_made(self, chan: object) -> None:
        assert isinstance(chan, SSHTCPChannel)
        self.chan = chan

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.chan.write(data)


async def test_answers_of_connection_requested(port: int) -> None:
    class Answering(Server):
        def connection_requested(  # type: ignore[override]
            self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
        ) -> object:
            assert self.conn is not None

            async def handler(reader: SSHReader[bytes], writer: SSHWriter[bytes]) -> None:
                writer.write(b"handler " + await reader.read())
                writer.close()

            async def later() -> object:
                await asyncio.sleep(0)
                return Echo()

            answers: dict[str, object] = {
                "session": Echo(),
                "later": later(),
                "handler": handler,
                "channel": (self.conn.create_tcp_channel(), Echo()),
                "relay": self.conn.forward_connection(HOST, port),
                "no": False,
            }
            for name, answer in answers.items():
                if name != dest_host and asyncio.iscoroutine(answer):
                    answer.close()
            if dest_host == "why":
                raise ChannelOpenError(
                    OPEN_ADMINISTRATIVELY_PROHIBITED, f"{orig_host} {orig_port} {dest_port}"
                )
            return answers[dest_host]

    async with (
        serving(server_factory=Answering) as server,
        await client(server, password="secret") as conn,
    ):
        expected = {
            "session": b"text",
            "later": b"text",
            "handler": b"handler text",
            "channel": b"text",
            "relay": b"TEXT",
        }
        for name, answer in expected.items():
            reader, writer = await conn.open_connection(name, 1)
            writer.write(b"text")
            writer.write_eof()
            assert await reader.read() == answer, name
            writer.close()
            await writer.wait_closed()
        with pytest.raises(ChannelOpenError, match="refused"):
            await conn.open_connection("no", 1)
        with pytest.raises(ChannelOpenError, match=r"^192\.0\.2\.1 7 80$") as caught:
            await conn.open_connection("why", 80, "192.0.2.1", 7)
        assert caught.value.code == OPEN_ADMINISTRATIVELY_PROHIBITED


# --- Local listeners -------------------------------------------------------------------------


async def test_local_listeners(port: int, path: str, tmp_path: Path) -> None:
    async with serving() as server, await client(server, password="secret") as conn:
        new = str(tmp_path / "local")
        async with await conn.forward_local_port(HOST, 0, HOST, port) as listener:
            assert await ask_port(listener.get_port()) == b"TEXT"
        async with await conn.forward_local_port_to_path(HOST, 0, path) as listener:
            assert await ask_port(listener.get_port()) == b"TEXT"
        async with await conn.forward_local_path(new, path):
            assert await ask_path(new) == b"TEXT"
        assert not Path(new).exists()
        async with await conn.forward_local_path_to_port(new, HOST, port):
            assert await ask_path(new) == b"TEXT"
        with pytest.raises(ConnectionRefusedError):
            await ask_port(listener.get_port())


async def test_accept_handler(port: int) -> None:
    asked: list[str] = []

    async def later(host: str, port: int) -> bool:
        await asyncio.sleep(0)
        asked.append(host)
        return False

    async with serving() as server, await client(server, password="secret") as conn:
        listener = await conn.forward_local_port(HOST, 0, HOST, port, later)
        assert await is_dropped(listener.get_port())
        assert asked == [HOST]


async def test_listeners_end_with_the_connection(port: int, tmp_path: Path) -> None:
    new = str(tmp_path / "local")
    async with serving() as server:
        conn = await client(server, password="secret")
        local = await conn.forward_local_port(HOST, 0, HOST, port)
        await conn.forward_local_path_to_port(new, HOST, port)
        remote = await conn.forward_remote_port(HOST, 0, HOST, port)
        peer = server_side(server)
        conn.close()
        await conn.wait_closed()
        await peer.wait_closed()
        await local.wait_closed()
        await remote.wait_closed()
        for listener in (local, remote):
            with pytest.raises(ConnectionRefusedError):
                await ask_port(listener.get_port())
        assert not Path(new).exists()
        with pytest.raises(ChannelOpenError):
            await conn.forward_local_port(HOST, 0, HOST, port)
        with pytest.raises(ChannelOpenError):
            await conn.forward_remote_port(HOST, 0, HOST, port)


# --- Listeners on the server -----------------------------------------------------------------


async def test_remote_listeners(port: int, path: str, tmp_path: Path) -> None:
    async with serving() as server, await client(server, password="secret") as conn:
        new = str(tmp_path / "remote")
        async with await conn.forward_remote_port(HOST, 0, HOST, port) as listener:
            assert await ask_port(listener.get_port()) == b"TEXT"
        async with await conn.forward_remote_port_to_path(HOST, 0, path) as listener:
            assert await ask_port(listener.get_port()) == b"TEXT"
        async with await conn.forward_remote_path(new, path):
            assert await ask_path(new) == b"TEXT"
        async with await conn.forward_remote_path_to_port(new, HOST, port):
            assert await ask_path(new) == b"TEXT"
        assert not Path(new).exists()
        with pytest.raises(ConnectionRefusedError):
            await ask_port(listener.get_port())


async def test_remote_listeners_with_sessions_and_streams(tmp_path: Path) -> None:
    async def handler(reader: SSHReader[bytes], writer: SSHWriter[bytes]) -> None:
        writer.write(b"stream " + await reader.read())
        writer.close()

    async def handler_later(host: str, port: int) -> object:
        await asyncio.sleep(0)
        return handler

    def refuse(host: str, port: int) -> SSHTCPSession[bytes]:
        raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, "not you")

    async with serving() as server, await client(server, password="secret") as conn:
        seen: list[tuple[str, int]] = []

        def session(host: str, port: int) -> SSHTCPSession[bytes]:
            seen.append((host, port))
            return Echo()

        listener: SSHListener = await conn.create_server(session, HOST, 0)
        assert await ask_port(listener.get_port()) == b"text"
        assert seen[0][0] == HOST
        listener = await conn.start_server(lambda host, port: handler, HOST, 0)
        assert await ask_port(listener.get_port()) == b"stream text"
        listener = await conn.start_server(handler_later, HOST, 0)  # type: ignore[arg-type]
        assert await ask_port(listener.get_port()) == b"stream text"
        path = str(tmp_path / "remote")
        await conn.start_unix_server(lambda: handler, path)
        assert await ask_path(path) == b"stream text"
        listener = await conn.create_server(refuse, HOST, 0)
        assert await is_dropped(listener.get_port())


async def test_listener_of_the_application() -> None:
    closed = asyncio.Event()

    class Own(SSHListener):
        def get_port(self) -> int:
            return 4711

        def close(self) -> None:
            super().close()
            closed.set()

    class Listening(Server):
        async def server_requested(self, listen_host: str, listen_port: int) -> SSHListener:  # type: ignore[override]
            await asyncio.sleep(0)
            return Own()

    async with (
        serving(server_factory=Listening) as server,
        await client(server, password="secret") as conn,
    ):
        got: list[bytes] = []

        async def handler(reader: SSHReader[bytes], writer: SSHWriter[bytes]) -> None:
            got.append(await reader.read())
            writer.close()

        listener = await conn.start_server(lambda host, port: handler, "anywhere", 0)
        assert listener.get_port() == 4711
        reader, writer = await server_side(server).open_connection("anywhere", 4711, "far", 1)
        writer.write(b"hello")
        writer.write_eof()
        assert await reader.read() == b""
        assert got == [b"hello"]
        listener.close()
        await listener.wait_closed()
        assert closed.is_set()


# --- Ports that there are not ----------------------------------------------------------------


@pytest.mark.parametrize("number", [-1, 65536, 99999])
async def test_impossible_ports(number: int, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    async with serving() as server, await client(server, password="secret") as conn:
        for opening in (
            lambda: conn.open_connection(HOST, number),
            lambda: conn.start_server(lambda host, port: True, HOST, number),  # type: ignore[arg-type, return-value]
            lambda: conn.forward_local_port(HOST, number, HOST, 1),
            lambda: conn.forward_local_port(HOST, 0, HOST, number),
            lambda: conn.forward_local_path_to_port(path, HOST, number),
            lambda: conn.forward_remote_port(HOST, number, HOST, 1),
            lambda: conn.forward_remote_port(HOST, 0, HOST, number),
            lambda: conn.forward_remote_path_to_port(path, HOST, number),
        ):
            with pytest.raises(ValueError, match="between 0 and 65535"):
                await opening()
        assert (await conn.run("echo", input="")).exit_status == 7
