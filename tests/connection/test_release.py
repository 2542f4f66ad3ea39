"""A closed connection is freed at once: it has keys and large buffers, and may be one of many."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from ssh_connection import SSHClientConnection, SSHReader, SSHServerConnection, SSHWriter
from ssh_connection.server import TunTapHandler

from .devices import stand_ins
from .loopback import USER_KEY, Server, authorized, client, server_side, serving
from .packets import frame, ipv4

WAIT = 10


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    """Only what refers to something keeps it alive."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Forgetful(Server):
    """Keeps no reference to its connection, which would keep it alive in return."""

    def connection_made(self, conn: SSHServerConnection) -> None:
        """Nothing."""

    def tun_requested(self, unit: int | None) -> TunTapHandler:
        """Send the first packet back."""

        async def echo(reader: SSHReader[bytes], writer: SSHWriter[bytes]) -> None:
            writer.write(await reader.read())
            await reader.read()

        return echo

    def tap_requested(self, unit: int | None) -> bool:
        """Open a device."""
        return True


async def use(conn: SSHClientConnection, what: str) -> None:
    """Do something with a connection."""
    if what == "forwarding":
        async with await conn.forward_local_port("", 0, "127.0.0.1", 1) as listener:
            assert listener.get_port()
    elif what == "keepalive":
        conn.set_keepalive(10)
    elif what == "tunnel":
        reader, writer = await conn.open_tun()
        writer.write(ipv4())
        assert await reader.read() == ipv4()
    elif what == "device":
        with stand_ins() as networks:
            await conn.forward_tap()
            networks[0].send(frame())
            assert await asyncio.get_running_loop().sock_recv(networks[1], 100) == frame()


@pytest.mark.parametrize("what", ["nothing", "forwarding", "keepalive", "tunnel", "device"])
async def test_connection_is_freed_when_it_is_closed(what: str) -> None:
    async with serving(server_factory=Forgetful) as server:
        conn = await client(server, password="secret")
        server_connection = server_side(server)
        await use(conn, what)
        both = (conn, server_connection)
        held = [weakref.ref(each) for side in both for each in (side, side._core, side._transport)]
        conn.close()
        await asyncio.wait_for(conn.wait_closed(), WAIT)
        await asyncio.wait_for(server_connection.wait_closed(), WAIT)
        for owner in server.connections:
            pytest.fail(f"{owner!r} is still known")
        del conn, server_connection, both
        await asyncio.sleep(0.01)
        left = [each() for each in held if each() is not None]
        assert left == []


async def test_what_the_key_allows_is_known_behind_the_end() -> None:
    """`connection_lost` of an application may still ask for it."""
    keys = authorized('environment="A=b"')
    async with serving(server_factory=Forgetful, authorized_client_keys=keys) as server:
        conn = await client(server, client_keys=[USER_KEY])
        server_connection = server_side(server)
        conn.close()
        await asyncio.wait_for(server_connection.wait_closed(), WAIT)
        assert server_connection.get_key_option("environment") == {"A": "b"}
