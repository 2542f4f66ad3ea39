"""Connections, by all ways to them, that end at any moment."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import pytest

from ssh_connection import (
    SSHClient,
    SSHClientConnection,
    connect,
    connect_reverse,
    listen,
    listen_reverse,
)
from ssh_keys import Error
from tests.cut import Cut, Scenario, Way, cut_everywhere

from .loopback import HOST, HOST_KEY, Server, client, echo, known_hosts, serving

KEX = ["curve25519-sha256"]
KNOWN = f"{HOST} ".encode() + HOST_KEY.export_public_key()

# Without the modules that take longest to import.
RELAY = """
import _socket, posix, select, sys
sock = _socket.socket()
sock.connect((sys.argv[1], int(sys.argv[2])))
while True:
    for ready in select.select([0, sock], [], [])[0]:
        data = sock.recv(65536) if ready is sock else posix.read(0, 65536)
        if not data:
            sys.exit()
        sock.sendall(data) if ready == 0 else posix.write(1, data)
"""


async def listening(cut: Cut) -> None:
    cut.begin()
    async with serving():
        pass


async def connecting(cut: Cut) -> None:
    async with serving() as server:
        cut.begin()
        async with await client(server, password="secret", kex_algs=KEX):
            pass


async def by_a_jump_host(cut: Cut) -> None:
    async with serving() as server:
        port = server.get_port()
        async with await client(server, password="secret", kex_algs=KEX) as outer:
            cut.begin(outer)
            async with outer.connect_ssh(
                HOST,
                port,
                username="user",
                password="secret",
                known_hosts=known_hosts(port),
                client_keys=None,
                kex_algs=KEX,
            ) as inner:
                await inner.run("x", input="")


async def by_a_named_jump_host(cut: Cut) -> None:
    async with serving() as server:
        cut.begin()
        port = server.get_port()
        async with connect(
            HOST,
            port,
            tunnel=f"user@{HOST}:{port}",
            username="user",
            password="secret",
            known_hosts=known_hosts(port),
            client_keys=None,
            kex_algs=KEX,
        ):
            pass


async def listening_through_a_jump_host(cut: Cut) -> None:
    async with serving() as server:
        port = server.get_port()
        async with await client(server, password="secret", kex_algs=KEX) as outer:
            cut.begin(outer)
            async with (
                outer.listen_ssh(
                    HOST, 0, server_factory=Server, server_host_keys=[HOST_KEY]
                ) as far,
                await client(far, password="secret", kex_algs=KEX),
            ):
                assert far.get_port() != port


async def by_a_program(cut: Cut) -> None:
    class Begin(SSHClient):
        def connection_made(self, conn: SSHClientConnection) -> None:
            cut.begin()  # the program runs: before, asyncio itself hangs or loses its pipes

    async with serving() as server:
        command = [sys.executable, "-ISE", "-c", RELAY, "%h", "%p"]
        async with await client(
            server,
            client_factory=Begin,
            password="secret",
            kex_algs=KEX,
            proxy_command=command,
        ):
            pass


async def reverse(cut: Cut) -> None:
    got: asyncio.Queue[SSHClientConnection | Exception] = asyncio.Queue()
    cut.begin()
    async with (
        listen_reverse(
            HOST,
            0,
            username="user",
            password="secret",
            client_keys=None,
            known_hosts=KNOWN,
            kex_algs=KEX,
            acceptor=got.put_nowait,
            error_handler=lambda conn, exc: got.put_nowait(exc),
        ) as clients,
        connect_reverse(
            HOST,
            clients.get_port(),
            server_host_keys=[HOST_KEY],
            server_factory=Server,
            process_factory=echo,
        ),
    ):
        conn = await got.get()
        if isinstance(conn, Exception):
            raise conn
        async with conn:
            await conn.run("x", input="")


SCENARIOS = [
    listening,
    connecting,
    by_a_jump_host,
    by_a_named_jump_host,
    listening_through_a_jump_host,
    by_a_program,
    reverse,
]


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_cut(scenario: Scenario, way: Way, tmp_path: Path) -> None:
    cut_everywhere(scenario, way, tmp_path, allowed=(OSError, Error))


def test_loop_that_ends_with_its_server() -> None:
    """Nobody else than the listener knows of the connections of strangers."""

    async def main(stranger: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        async with listen(HOST, 0, server_factory=Server, server_host_keys=[HOST_KEY]) as server:
            await loop.sock_connect(stranger, (HOST, server.get_port()))
            await loop.sock_recv(stranger, 1)

    with socket.socket() as stranger:
        stranger.setblocking(False)
        asyncio.run(main(stranger))
        stranger.settimeout(10)
        while stranger.recv(4096):
            pass


async def test_what_comes_after_the_end_is_refused() -> None:
    """asyncio asks for a protocol one turn after it has accepted a socket."""
    async with serving() as server:
        pass
    server.make_protocol()
    assert server.connections == ()
