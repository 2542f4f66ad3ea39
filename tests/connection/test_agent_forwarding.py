"""Forwarded agents: who may use whose, and that bytes get through; the agent is an echo here."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ssh_connection import (
    ByteReader,
    ByteWriter,
    ChannelOpenError,
    SSHClientConnection,
    SSHServerConnection,
    SSHServerProcess,
)
from ssh_connection.connection import client_agent
from ssh_connection.constants import (
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_CONNECT_FAILED,
    OPEN_RESOURCE_SHORTAGE,
)
from ssh_keys import SSHAuthorizedKeys, generate_private_key

from .loopback import USER_KEY, authorized, client, server_side, serving

WAIT = 10


class Echo:
    """An agent that says what it is told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def open(self) -> tuple[ByteReader, ByteWriter]:
        self.opened += 1
        return await asyncio.open_unix_connection(self.path)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Echo]:
    """An agent that runs."""
    echo = Echo(tmp_path / "agent")
    server = await asyncio.start_unix_server(echo.serve, echo.path)
    async with server:
        yield echo
        for writer in echo.writers:
            # The relay has hung up by itself, without our help.
            await asyncio.wait_for(writer.wait_closed(), WAIT)


class Missing:
    """An agent that is not there."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def open(self) -> tuple[ByteReader, ByteWriter]:
        raise self._error


@asynccontextmanager
async def session(
    of_client: dict[str, Any], **of_server: Any
) -> AsyncIterator[tuple[SSHClientConnection, SSHServerConnection, str | None]]:
    """A session that is running: both connections, and the path of the agent on the server."""
    path: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    async def started(process: SSHServerProcess[str]) -> None:
        path.set_result(process.channel.get_agent_path())
        await process.stdin.read()
        process.exit(0)

    async with (
        serving(process_factory=started, **of_server) as server,
        await client(server, **{"password": "secret", **of_client}) as conn,
    ):
        process = await conn.create_process("x")
        found = await asyncio.wait_for(path, WAIT)
        yield conn, server_side(server), found
        process.stdin.write_eof()
        await asyncio.wait_for(process.wait(), WAIT)


async def ask(path: str, question: bytes) -> bytes:
    """Send something to a socket and return the answer."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(question)
    answer = await asyncio.wait_for(reader.readexactly(len(question)), WAIT)
    writer.close()
    await writer.wait_closed()
    return answer


# --- The way to the agent --------------------------------------------------------------------


async def test_stream_of_the_connection(agent: Echo) -> None:
    async with session({"agent_forwarder": agent}) as (_, server, _path):
        reader, writer = await server.open_agent_connection()
        writer.write(b"question")
        assert await asyncio.wait_for(reader.readexactly(8), WAIT) == b"question"
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), WAIT)
    assert agent.opened == 1


async def test_socket_of_the_session(agent: Echo) -> None:
    async with session({"agent_forwarder": agent}) as (_, _server, path):
        assert path is not None
        folder = Path(path).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        answers = await asyncio.gather(*(ask(path, bytes((n,)) * 100_000) for n in range(5)))
        assert answers == [bytes((n,)) * 100_000 for n in range(5)]
    # What was made for the connection ends with it.
    for _ in range(100):
        if not folder.exists():
            break
        await asyncio.sleep(0.02)
    assert not folder.exists()


async def test_one_socket_for_all_sessions(agent: Echo) -> None:
    paths: list[str | None] = []

    def started(process: SSHServerProcess[str]) -> None:
        paths.append(process.channel.get_agent_path())
        process.exit(0)

    async with (
        serving(process_factory=started) as server,
        await client(server, password="secret", agent_forwarder=agent) as conn,
    ):
        await asyncio.gather(*(conn.run("x") for _ in range(4)))
    assert len(paths) == 4
    assert len(set(paths)) == 1
    assert paths[0]


async def test_agent_that_hangs_up(agent: Echo) -> None:
    async with session({"agent_forwarder": agent}) as (_, server, _path):
        reader, writer = await server.open_agent_connection()
        writer.write(b"x")
        await reader.readexactly(1)
        agent.writers[0].close()
        assert await asyncio.wait_for(reader.read(), WAIT) == b""
        await asyncio.wait_for(writer.wait_closed(), WAIT)


class Slow(Echo):
    """An agent like OpenSSH's, which forgets its answer when the other side ends the stream."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        while size := await reader.read(4):
            request = await reader.readexactly(int.from_bytes(size, "big"))
            await asyncio.sleep(0.1)  # somebody has to touch a key
            if reader.at_eof():
                break
            writer.write(size[:2])
            await asyncio.sleep(0.01)
            writer.write(size[2:] + request)
        writer.close()


async def test_answers_arrive_behind_the_end_of_the_requests(tmp_path: Path) -> None:
    """`printf request | socat - UNIX:$SSH_AUTH_SOCK` ends its side behind the request."""
    agent = Slow(tmp_path / "agent")
    frames = b"".join(len(text).to_bytes(4, "big") + text for text in (b"list", b"sign this"))
    server = await asyncio.start_unix_server(agent.serve, agent.path)
    async with server, session({"agent_forwarder": agent}) as (_, side, path):
        assert path is not None
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(frames[:6])
        await asyncio.sleep(0.01)
        writer.write(frames[6:])
        writer.write_eof()
        # The end comes when everything is answered.
        assert await asyncio.wait_for(reader.read(), WAIT) == frames
        writer.close()
        # Without anything asked, and when the stream is given up, nothing is waited for.
        for request in (b"", frames):
            stream, requests = await side.open_agent_connection()
            requests.write(request)
            await asyncio.sleep(0.05)
            if request:
                requests.channel.abort()
            else:
                requests.write_eof()
                assert await asyncio.wait_for(stream.read(), WAIT) == b""
            await asyncio.wait_for(requests.wait_closed(), WAIT)
            with suppress(ConnectionError):  # what it has answered meanwhile
                await asyncio.wait_for(agent.writers[-1].wait_closed(), WAIT)


async def test_end_of_the_connection_ends_the_stream_to_the_agent(agent: Echo) -> None:
    async with session({"agent_forwarder": agent}) as (_, server, _path):
        reader, writer = await server.open_agent_connection()
        writer.write(b"x")
        await reader.readexactly(1)
    await asyncio.wait_for(agent.writers[0].wait_closed(), WAIT)


class Watched:
    """An agent whose streams are remembered where they are opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened: list[asyncio.StreamWriter] = []

    async def open(self) -> tuple[ByteReader, ByteWriter]:
        reader, writer = await asyncio.open_unix_connection(self.path)
        self.opened.append(writer)
        return reader, writer


@pytest.mark.parametrize("steps", range(12))
def test_end_of_the_loop_in_the_middle_of_the_end(tmp_path: Path, steps: int) -> None:
    """Whatever the relay was doing when its loop ended: the stream to the agent is closed."""
    agent = Watched(tmp_path / "agent")
    running: list[asyncio.Task[None]] = []

    async def talk(relaying: asyncio.Future[SSHClientConnection]) -> None:
        async with session({"agent_forwarder": agent}) as (conn, server, _path):
            await server.open_agent_connection()
            relaying.set_result(conn)
            await asyncio.sleep(WAIT)

    async def main() -> None:
        relaying = asyncio.get_running_loop().create_future()
        running.append(asyncio.create_task(talk(relaying)))
        conn = await asyncio.wait_for(relaying, WAIT)
        await asyncio.sleep(0.05)
        conn.abort()
        for _ in range(steps):
            await asyncio.sleep(0)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(agent.path))
        listener.listen()
        # Cancels what is left at the end, once.
        asyncio.run(main())
    assert [writer.transport.is_closing() for writer in agent.opened] == [True]


async def test_no_room_for_a_socket(
    agent: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream of the connection needs none."""
    for folder in (tmp_path / "nothing", tmp_path / ("long" * 30)):
        if folder.name != "nothing":
            folder.mkdir()
        monkeypatch.setenv("TMPDIR", str(folder))
        async with session({"agent_forwarder": agent}) as (_, server, path):
            assert path is None
            reader, writer = await server.open_agent_connection()
            writer.write(b"x")
            assert await asyncio.wait_for(reader.readexactly(1), WAIT) == b"x"
            writer.close()
        if folder.exists():
            assert list(folder.iterdir()) == []


# --- Who may not -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of_client", "of_server"),
    [
        ({"agent_forwarder": None}, {}),
        ({}, {"agent_forwarding": False}),
        (
            {"client_keys": [USER_KEY], "password": None},
            {"authorized_client_keys": authorized("no-agent-forwarding")},
        ),
        (
            {"client_keys": [USER_KEY], "password": None},
            {"authorized_client_keys": authorized("restrict,pty")},
        ),
    ],
    ids=["not offered", "option of the server", "option of the key", "restrict"],
)
async def test_server_without_an_agent(
    agent: Echo, of_client: dict[str, Any], of_server: dict[str, Any]
) -> None:
    of_client = {"agent_forwarder": agent, **of_client}
    async with session(of_client, **of_server) as (_, server, path):
        assert path is None
        with pytest.raises(ChannelOpenError) as caught:
            await server.open_agent_connection()
        assert caught.value.code == OPEN_ADMINISTRATIVELY_PROHIBITED
    assert agent.opened == 0


async def test_certificate_without_the_permission(agent: Echo) -> None:
    authority = generate_private_key("ssh-ed25519")
    trusted = SSHAuthorizedKeys(b"cert-authority " + authority.export_public_key())
    for permitted in (False, True):
        cert = authority.generate_user_certificate(
            USER_KEY, "x", principals=["user"], permit_agent_forwarding=permitted
        )
        of_client = {
            "client_keys": [(USER_KEY, cert)],
            "password": None,
            "agent_forwarder": agent,
        }
        async with session(of_client, authorized_client_keys=trusted) as (_, _server, path):
            assert (path is not None) is permitted


@pytest.mark.parametrize("forwards", [False, True])
async def test_client_refuses_what_it_did_not_offer(agent: Echo, forwards: bool) -> None:
    """CVE-2023-38408 and its like begin with an agent that nobody meant to lend."""
    of_client: Any = {"password": "secret", "agent_forwarder": agent if forwards else None}
    async with serving() as server, await client(server, **of_client) as conn:
        side = server_side(server)
        side._agent_offered = True
        # No session has offered it yet.
        with pytest.raises(ChannelOpenError) as caught:
            await side.open_agent_connection()
        assert caught.value.code == OPEN_ADMINISTRATIVELY_PROHIBITED
        assert agent.opened == 0
        await conn.run("x", input="")
        if forwards:
            _, writer = await side.open_agent_connection()
            writer.close()
        else:
            with pytest.raises(ChannelOpenError):
                await side.open_agent_connection()
    assert agent.opened == forwards


@pytest.mark.parametrize(
    "error", [FileNotFoundError("gone"), ValueError("SSH_AUTH_SOCK is not set")]
)
async def test_agent_that_is_not_there(error: Exception) -> None:
    async with session({"agent_forwarder": Missing(error)}) as (_, server, path):
        with pytest.raises(ChannelOpenError) as caught:
            await server.open_agent_connection()
        assert caught.value.code == OPEN_CONNECT_FAILED
        # The server learns nothing about our side.
        assert "gone" not in str(caught.value)
        assert path is not None
        reader, writer = await asyncio.open_unix_connection(path)
        assert await asyncio.wait_for(reader.read(), WAIT) == b""
        writer.close()
        await writer.wait_closed()


async def test_number_of_connections_is_bounded(
    agent: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_agent, "MAX_AGENT_CHANNELS", 3)
    async with session({"agent_forwarder": agent}) as (_, server, _path):
        opened = await asyncio.gather(
            *(server.open_agent_connection() for _ in range(6)), return_exceptions=True
        )
        refused = [each for each in opened if isinstance(each, ChannelOpenError)]
        assert len(refused) == 3
        assert {each.code for each in refused} == {OPEN_RESOURCE_SHORTAGE}
        streams = [each for each in opened if isinstance(each, tuple)]
        for _, writer in streams:
            writer.close()
        for _, writer in streams:
            await asyncio.wait_for(writer.wait_closed(), WAIT)
        _, writer = await server.open_agent_connection()
        writer.close()


async def test_server_connection_opens_for_the_agent_client() -> None:
    """`ssh_agent.connect_agent` takes a connection; here without a session that offers one."""
    async with serving() as server, await client(server, password="secret"):
        side: SSHServerConnection = server_side(server)
        with pytest.raises(ChannelOpenError, match="does not forward"):
            await side.open_agent_connection()
