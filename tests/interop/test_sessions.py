"""What sessions do beside moving bytes: environment, terminals, signals, forwarded ports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import ssh_meta
from tests.interop.conftest import launch
from tests.interop.own_client import connect
from tests.interop.own_server import OwnServer
from tests.interop.peers.agent import ssh_agent
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.openssh import SSH
from tests.interop.peers.process import free_port
from tests.interop.peers.roles import PeerServer


@pytest.fixture
async def conn(
    openssh_server: PeerServer, credentials: Credentials
) -> AsyncIterator[ssh_meta.SSHClientConnection]:
    """Our client, connected to sshd."""
    async with connect(openssh_server, credentials) as connected:
        yield connected


async def test_environment(conn: ssh_meta.SSHClientConnection) -> None:
    done = await conn.run('echo "$SSH_META_WORD"', env={"SSH_META_WORD": "hello"}, check=True)
    assert done.stdout == "hello\n"


async def test_terminal(conn: ssh_meta.SSHClientConnection) -> None:
    done = await conn.run("tty; stty size", term_type="xterm", term_size=(100, 40), check=True)
    assert isinstance(done.stdout, str)
    assert done.stdout.startswith("/dev/pts/")
    assert "40 100" in done.stdout


async def test_window_change(conn: ssh_meta.SSHClientConnection) -> None:
    async with conn.create_process(term_type="xterm", term_size=(80, 24)) as process:
        process.change_terminal_size(132, 50)
        process.stdin.write("stty size; exit\n")
        output = await process.stdout.read()
    assert "50 132" in output


async def test_no_command_is_a_shell(conn: ssh_meta.SSHClientConnection) -> None:
    done = await conn.run(input="echo from the shell\nexit 5\n")
    assert (done.exit_status, done.stdout) == (5, "from the shell\n")


async def test_exit_signal(conn: ssh_meta.SSHClientConnection) -> None:
    done = await conn.run("kill -TERM $$")
    assert done.exit_signal is not None
    assert done.exit_signal[0] == "TERM"


async def test_send_signal(credentials: Credentials, tmp_path: Path) -> None:
    # Not sshd: it takes no signals in sessions of root.
    with launch("dropbear", credentials, tmp_path) as server:
        async with (
            connect(server, credentials) as conn,
            conn.create_process("echo ready; exec sleep 60") as process,
        ):
            assert await process.stdout.readline() == "ready\n"
            process.terminate()
            done = await process.wait()
    assert done.exit_signal is not None
    assert done.exit_signal[0] == "TERM"


async def test_half_close(conn: ssh_meta.SSHClientConnection) -> None:
    """What comes after our end of file still arrives."""
    async with conn.create_process("wc -c; echo after") as process:
        process.stdin.write("four")
        process.stdin.write_eof()
        assert (await process.stdout.read()).split() == ["4", "after"]


async def test_refused_channel(conn: ssh_meta.SSHClientConnection) -> None:
    port = free_port()
    with pytest.raises(ssh_meta.ChannelOpenError):
        await conn.open_connection(HOST, port)


@contextlib.asynccontextmanager
async def upper_case_server() -> AsyncIterator[int]:
    """A TCP server that answers everything in capital letters."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        writer.write_eof()
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, HOST, 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def ask(port: int, text: bytes) -> bytes:
    """Send text to a port, close the sending half, and return the answer."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(text)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_direct_channel(conn: ssh_meta.SSHClientConnection) -> None:
    async with upper_case_server() as port:
        reader, writer = await conn.open_connection(HOST, port)
        writer.write(b"through a channel")
        writer.write_eof()
        assert await reader.read() == b"THROUGH A CHANNEL"
        writer.close()


async def test_local_forwarding(conn: ssh_meta.SSHClientConnection) -> None:
    async with upper_case_server() as port:
        listener = await conn.forward_local_port(HOST, 0, HOST, port)
        texts = [f"number {number}".encode() for number in range(5)]
        answers = await asyncio.gather(*(ask(listener.get_port(), text) for text in texts))
        listener.close()
        await listener.wait_closed()
    assert answers == [text.upper() for text in texts]


async def test_ssh_forwards_through_our_server(own: OwnServer, tmp_path: Path) -> None:
    """``ssh -W`` connects its standard input and output to a port behind our server."""
    async with upper_case_server() as port:
        client = SSH(tmp_path, words=("-W", f"{HOST}:{port}"))
        done = await client.exec(own.target(), "", b"standard input")
    assert done.stdout == b"STANDARD INPUT", done.text


async def test_ssh_sends_environment(own: OwnServer, tmp_path: Path) -> None:
    client = SSH(tmp_path, options={"SetEnv": "SSH_META_WORD=hello"})
    done = await client.exec(own.target(), 'echo "$SSH_META_WORD"')
    assert done.stdout == b"hello\n", done.text


async def test_ssh_asks_for_a_terminal(own: OwnServer, tmp_path: Path) -> None:
    client = SSH(tmp_path, words=("-tt",))
    done = await client.exec(own.target(), 'echo "$SSH_META_TERM"', b"")
    assert b"xterm" in done.stdout, done.text


async def test_connect_uses_the_agent(
    openssh_server: PeerServer,
    credentials: Credentials,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With SSH_AUTH_SOCK set and no key given, the key comes from the agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with ssh_agent(credentials.user_key) as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
        async with ssh_meta.connect(
            HOST,
            openssh_server.port,
            username=openssh_server.user,
            known_hosts=str(credentials.known_hosts(openssh_server.port)),
        ) as conn:
            done = await conn.run("echo by agent", check=True)
    assert done.stdout == "by agent\n"
