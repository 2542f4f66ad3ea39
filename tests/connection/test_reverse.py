"""The other way round: servers that connect, clients that listen, and listening through tunnels."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from ssh_connection import (
    ChannelListenError,
    PermissionDenied,
    SSHAcceptor,
    SSHClientConnection,
    SSHServerConnection,
    connect,
    connect_reverse,
    listen,
    listen_reverse,
)
from ssh_transport.errors import DisconnectError, HostKeyNotVerifiable
from tests.connection.loopback import (
    HOST,
    HOST_KEY,
    OTHER_KEY,
    Server,
    client,
    client_options,
    echo,
    known_hosts,
    serving,
)

KNOWN = f"{HOST} ".encode() + HOST_KEY.export_public_key()


class Refusing(Server):
    """Lets nobody listen."""

    def server_requested(self, listen_host: str, listen_port: int) -> bool:
        return False


async def reverse_client(
    got: asyncio.Queue[object], known: bytes = KNOWN, password: str = "secret"
) -> SSHAcceptor[SSHClientConnection]:
    """A client that waits for servers, and puts connections or errors into a queue."""
    return await listen_reverse(
        HOST,
        0,
        username="user",
        password=password,
        client_keys=None,
        known_hosts=known,
        acceptor=got.put_nowait,
        error_handler=lambda conn, exc: got.put_nowait(exc),
    )


async def test_server_connects_and_client_listens() -> None:
    got: asyncio.Queue[object] = asyncio.Queue()
    async with await reverse_client(got) as acceptor:
        port = acceptor.get_port()
        async with connect_reverse(
            HOST, port, server_host_keys=[HOST_KEY], server_factory=Server, process_factory=echo
        ) as served:
            assert isinstance(served, SSHServerConnection)
            assert served.get_extra_info("username") == "user"
            conn = await got.get()
            assert isinstance(conn, SSHClientConnection)
            assert acceptor.connections == (conn,)
            assert (await conn.run("hello", input="!")).stdout == "hello\n!"
            assert conn.get_extra_info("host") == HOST
        await conn.wait_closed()
        assert not acceptor.connections


async def test_listening_client_checks_the_host_key() -> None:
    got: asyncio.Queue[object] = asyncio.Queue()
    other = f"{HOST} ".encode() + OTHER_KEY.export_public_key()
    async with await reverse_client(got, other) as acceptor:
        with pytest.raises(DisconnectError):
            await connect_reverse(
                HOST, acceptor.get_port(), server_host_keys=[HOST_KEY], server_factory=Server
            )
        assert isinstance(await got.get(), HostKeyNotVerifiable)


async def test_connecting_server_authenticates_the_client() -> None:
    got: asyncio.Queue[object] = asyncio.Queue()
    async with await reverse_client(got, password="wrong") as acceptor:
        with pytest.raises(DisconnectError):
            await connect_reverse(
                HOST, acceptor.get_port(), server_host_keys=[HOST_KEY], server_factory=Server
            )
        assert isinstance(await got.get(), PermissionDenied)


async def test_options_of_a_listening_client_stay() -> None:
    async with await reverse_client(asyncio.Queue()) as acceptor:
        with pytest.raises(TypeError):
            acceptor.update(password="new")


async def test_nobody_listens_for_the_server() -> None:
    with pytest.raises(OSError):
        await connect_reverse(HOST, 1, server_host_keys=[HOST_KEY])


# --- Listening through a tunnel --------------------------------------------------------------


async def test_listen_through_a_connection() -> None:
    async with serving() as jump, await client(jump, password="secret") as tunnel:
        async with await tunnel.listen_ssh(
            HOST, 0, server_host_keys=[HOST_KEY], server_factory=Server, process_factory=echo
        ) as inner:
            port = inner.get_port()
            assert inner.get_addresses() == [(HOST, port)]
            kwargs = client_options(port, {"password": "secret"})
            async with connect(HOST, port, **kwargs) as conn:
                done = await conn.run("in", input="y" * 500_000)
                assert done.stdout == "in\n" + "y" * 500_000
                (served,) = inner.connections
                assert served.get_extra_info("peername") == conn.get_extra_info("sockname")
        with pytest.raises(OSError):
            await connect(HOST, port, **kwargs)
        # The tunnel belongs to the caller.
        assert not tunnel.is_closed()


async def test_listen_through_a_host_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as jump, AsyncExitStack() as stack:
        # A hop has the defaults of clients; these come from the environment of the user.
        kwargs = client_options(jump.get_port(), {"password": "secret"})
        defaults = type(
            "Defaults",
            (SSHClientConnection.options_class,),
            {"__annotations__": {}, **kwargs},
        )
        monkeypatch.setattr(SSHClientConnection, "options_class", defaults)
        inner = await stack.enter_async_context(
            listen(
                HOST,
                0,
                tunnel=f"user@{HOST}:{jump.get_port()}",
                server_host_keys=[HOST_KEY],
                server_factory=Server,
                process_factory=echo,
            )
        )
        monkeypatch.undo()
        port = inner.get_port()
        (outer,) = jump.connections
        async with connect(HOST, port, **client_options(port, {"password": "secret"})) as conn:
            assert (await conn.run("in", input="")).stdout == "in\n"
            # What is connected goes on without the listener, and holds the tunnel.
            inner.close()
            await inner.wait_closed()
            assert not outer.is_closed()
            assert (await conn.run("in", input="")).stdout == "in\n"
        await asyncio.wait_for(outer.wait_closed(), 5)


async def test_listener_ends_with_the_tunnel() -> None:
    async with serving() as jump:
        tunnel = await client(jump, password="secret")
        inner = await tunnel.listen_ssh(HOST, 0, server_host_keys=[HOST_KEY])
        tunnel.abort()
        await asyncio.wait_for(inner.wait_closed(), 5)


async def test_server_that_does_not_listen() -> None:
    async with serving(server_factory=Refusing) as jump:
        tunnel = await client(jump, password="secret")
        with pytest.raises(ChannelListenError):
            await tunnel.listen_ssh(HOST, 0, server_host_keys=[HOST_KEY])


async def test_startup_limit_holds_in_a_tunnel() -> None:
    async with serving() as jump:
        tunnel = await client(jump, password="secret")
        inner = await tunnel.listen_ssh(
            HOST, 0, server_host_keys=[HOST_KEY], max_startups=(1, 100, 1)
        )
        first = await asyncio.open_connection(HOST, inner.get_port())
        assert (await first[0].readline()).startswith(b"SSH-2.0-")
        second = await asyncio.open_connection(HOST, inner.get_port())
        assert await second[0].read() == b""
        for _, writer in (first, second):
            writer.close()
            await writer.wait_closed()


async def test_reverse_through_a_tunnel() -> None:
    async with serving() as jump:
        tunnel = await client(jump, password="secret")
        inner = await tunnel.listen_reverse_ssh(
            HOST, 0, username="user", password="secret", client_keys=None, known_hosts=KNOWN
        )
        async with tunnel.connect_reverse_ssh(
            HOST,
            inner.get_port(),
            server_host_keys=[HOST_KEY],
            server_factory=Server,
            process_factory=echo,
        ):
            (conn,) = inner.connections
            await conn.established()
            assert (await conn.run("both", input="")).stdout == "both\n"


async def test_tunnels_in_a_circle_end() -> None:
    hops = ",".join(["nowhere.invalid"] * 12)
    with pytest.raises(ValueError, match="more than 10 hosts"):
        await connect(HOST, 22, tunnel=hops, known_hosts=known_hosts(22))
