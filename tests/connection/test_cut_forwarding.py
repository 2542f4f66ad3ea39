"""Forwarded connections, displays and agents that end at any moment."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ssh_connection import (
    ByteReader,
    ByteWriter,
    SSHClientConnection,
    SSHReader,
    SSHServerProcess,
    SSHWriter,
)
from ssh_connection.server import NewTunTapSession
from ssh_connection.x11.authfile import read_authority
from ssh_keys import Error
from tests.cut import Cut, Scenario, Way, cut_everywhere

from .devices import stand_ins
from .loopback import HOST, Server, client, server_side, serving
from .packets import frame, ipv4

KEX = ["curve25519-sha256"]


class Echo(asyncio.Protocol):
    """Sends everything back; the end too."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Talker(asyncio.Protocol):
    """Says something to an echo, and is done when it came back."""

    def __init__(self, first: bytes) -> None:
        self.first = first
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.first + b"question")

    def data_received(self, data: bytes) -> None:
        if not self.done.done():
            self.done.set_result(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(b"")


async def talk(path: str = "", port: int = 0, first: bytes = b"") -> None:
    """Connect to an echo, perhaps by way of SOCKS, and wait for its answer."""
    loop = asyncio.get_running_loop()

    def made() -> Talker:
        return Talker(first)

    if path:
        transport, talker = await loop.create_unix_connection(made, path)
    else:
        transport, talker = await loop.create_connection(made, HOST, port)
    try:
        await talker.done
    finally:
        transport.abort()


@asynccontextmanager
async def echo(path: str = "") -> AsyncIterator[int]:
    """An echo on a port, or on a path."""
    loop = asyncio.get_running_loop()
    transports: list[Echo] = []

    def made() -> Echo:
        transports.append(Echo())
        return transports[-1]

    if path:
        server = await loop.create_unix_server(made, path)
    else:
        server = await loop.create_server(made, HOST, 0)
    try:
        yield 0 if path else server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for each in transports:
            if hasattr(each, "transport"):
                each.transport.abort()


@asynccontextmanager
async def logged_in(cut: Cut, **of_server: Any) -> AsyncIterator[SSHClientConnection]:
    """A connection that is there when things begin to end."""
    async with (
        serving(**of_server) as server,
        await client(server, password="secret", kex_algs=KEX) as conn,
    ):
        cut.begin(conn)
        yield conn


async def local_port(cut: Cut) -> None:
    async with (
        echo() as port,
        logged_in(cut) as conn,
        await conn.forward_local_port(HOST, 0, HOST, port) as listener,
    ):
        await talk(port=listener.get_port())


async def socks(cut: Cut) -> None:
    async with (
        echo() as port,
        logged_in(cut) as conn,
        await conn.forward_socks(HOST, 0) as listener,
    ):
        request = b"\4\1" + port.to_bytes(2, "big") + socket.inet_aton(HOST) + b"\0"
        await talk(port=listener.get_port(), first=request)


async def local_path(cut: Cut) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            echo(f"{folder}/far") as _,
            logged_in(cut) as conn,
            await conn.forward_local_path(f"{folder}/near", f"{folder}/far"),
        ):
            await talk(f"{folder}/near")


async def remote_port(cut: Cut) -> None:
    async with (
        echo() as port,
        logged_in(cut) as conn,
        await conn.forward_remote_port(HOST, 0, HOST, port) as listener,
    ):
        await talk(port=listener.get_port())


async def remote_path(cut: Cut) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            echo(f"{folder}/near") as _,
            logged_in(cut) as conn,
            await conn.forward_remote_path(f"{folder}/far", f"{folder}/near"),
        ):
            await talk(f"{folder}/far")


async def streams(cut: Cut) -> None:
    async with echo() as port, logged_in(cut) as conn:
        reader, writer = await conn.open_connection(HOST, port)
        writer.write(b"question")
        await reader.readexactly(8)
        writer.close()
        await writer.wait_closed()


async def remote_streams(cut: Cut) -> None:
    async def handler(reader: SSHReader[bytes], writer: SSHWriter[bytes]) -> None:
        writer.write(await reader.readexactly(8))
        await reader.read()
        writer.close()

    async with (
        logged_in(cut) as conn,
        await conn.start_server(lambda host, port: handler, HOST, 0) as listener,
    ):
        await talk(port=listener.get_port())


async def nobody_reads(cut: Cut) -> None:
    """What the destination does not take is in the buffer of its socket when the end comes."""
    with socket.create_server((HOST, 0)) as destination:
        destination.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        port = destination.getsockname()[1]
        async with logged_in(cut) as conn:
            _, writer = await conn.open_connection(HOST, port)
            for _ in range(10):
                writer.write(bytes(300_000))
                await asyncio.sleep(0)


class Agent:
    """An agent that says what it is told."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def open(self) -> tuple[ByteReader, ByteWriter]:
        return await asyncio.open_unix_connection(self._path)


async def wait_for_eof(process: SSHServerProcess[str]) -> None:
    await process.stdin.read()
    process.exit(0)


async def agent(cut: Cut) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            echo(f"{folder}/agent") as _,
            serving(process_factory=wait_for_eof) as server,
            await client(
                server, password="secret", kex_algs=KEX, agent_forwarder=Agent(f"{folder}/agent")
            ) as conn,
        ):
            cut.begin(conn)
            async with await conn.create_process("x"):
                side = server_side(server)
                reader, writer = await side.open_agent_connection()
                writer.write(b"\0\0\0\4what")
                await reader.readexactly(8)
                writer.close()


async def agent_socket(cut: Cut) -> None:
    async def handler(process: SSHServerProcess[str]) -> None:
        path = process.channel.get_agent_path()
        assert path is not None
        await talk(path)
        process.exit(0)

    with tempfile.TemporaryDirectory() as folder:
        async with (
            echo(f"{folder}/agent") as _,
            serving(process_factory=handler) as server,
            await client(
                server, password="secret", kex_algs=KEX, agent_forwarder=Agent(f"{folder}/agent")
            ) as conn,
        ):
            cut.begin(conn)
            await conn.run("x")


async def display(cut: Cut) -> None:
    async def handler(process: SSHServerProcess[str]) -> None:
        name = process.channel.get_x11_display()
        assert name is not None
        await talk(port=6000 + int(name.split(":")[1].split(".")[0]))
        process.exit(0)

    # Its cookies are removed in a thread, for which nobody but the end of the loop waits.
    authority = Path(tempfile.gettempdir()).parent / "authority"
    with tempfile.TemporaryDirectory() as folder:
        async with (
            echo(f"{folder}/display:0") as _,
            serving(
                process_factory=handler, x11_forwarding=True, x11_auth_path=authority
            ) as server,
            await client(server, password="secret", kex_algs=KEX) as conn,
        ):
            cut.begin(conn)
            await conn.run(
                "x",
                x11_forwarding=True,
                x11_display=f"{folder}/display:0",
                x11_auth_path=f"{folder}/client",
            )


async def tunnel_streams(cut: Cut) -> None:
    async def handler(reader: SSHReader[bytes], writer: SSHWriter[bytes]) -> None:
        async for packet in reader:
            writer.write(packet)
        writer.close()

    class Tunnels(Server):
        def tun_requested(self, unit: int | None) -> NewTunTapSession:
            return handler

    async with logged_in(cut, server_factory=Tunnels) as conn:
        reader, writer = await conn.open_tun()
        writer.write(ipv4())
        await reader.read()
        writer.close()
        await writer.wait_closed()


async def tunnel(cut: Cut) -> None:
    class Tunnels(Server):
        def tap_requested(self, unit: int | None) -> bool:
            return True

    with stand_ins() as networks:
        async with logged_in(cut, server_factory=Tunnels) as conn, conn.forward_tap():
            networks[0].send(frame())
            await asyncio.get_running_loop().sock_recv(networks[1], 100)


SCENARIOS = [
    local_port,
    socks,
    local_path,
    remote_port,
    remote_path,
    streams,
    remote_streams,
    nobody_reads,
    agent,
    agent_socket,
    display,
    tunnel_streams,
    tunnel,
]


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_cut(scenario: Scenario, way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    cut_everywhere(scenario, way, folder, allowed=(OSError, EOFError, Error))
    assert not read_authority(str(tmp_path / "authority"))
