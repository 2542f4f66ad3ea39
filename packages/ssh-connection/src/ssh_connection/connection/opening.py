"""Opening connections: socket, proxy command or tunnel, time-out; for every class of connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypeVar

from ssh_transport.command import connect_command

from .. import config
from ..logging import ConnectionLog, Peer
from ..options.base import SSHConnectionOptions
from ..options.client import SSHClientConnectionOptions
from ..options.server import SSHServerConnectionOptions
from ..proxy import proxy_arguments
from ..tunnel import TunnelSession, parse_destination
from .client_auth import local_username
from .server_auth import load_server_resources_async
from .time_limits import limited, step

if TYPE_CHECKING:
    from .client import SSHClientConnection
    from .server import SSHServerConnection
    from .transport import ConnectionTransport

__all__ = ["open_client", "open_hops", "open_reverse"]

C = TypeVar("C", bound="SSHClientConnection")
S = TypeVar("S", bound="SSHServerConnection")
N = TypeVar("N", bound="_New")
O = TypeVar("O", bound=SSHConnectionOptions)  # noqa: E741
T = TypeVar("T")

Through: TypeAlias = Callable[[str, int], Awaitable["SSHClientConnection"]]
"""Opens the connections of a text such as `user@first,second:2222`; takes it, and how many
connections are to go through them."""

DEFAULT_PORT: Final = 22

MAX_HOPS: Final = 10
"""Hosts in a row that a connection goes through; more of them is a configuration in a circle."""

_OF_ONE_HOST: Final = frozenset({"host", "port", "host_key_alias", "proxy_command", "tunnel"})
"""Options that say which host is meant, and how it is reached."""


class _New(Protocol):
    """A connection object that is not connected yet."""

    @property
    def transport(self) -> ConnectionTransport: ...

    @property
    def log(self) -> ConnectionLog: ...

    async def established(self) -> None: ...

    def abort(self) -> None: ...

    def close(self) -> None: ...

    async def wait_closed(self) -> None: ...

    def close_with_connection(self, key: object, close: Callable[[], None]) -> None: ...


async def open_client(
    connection: type[C],
    options: SSHClientConnectionOptions,
    *,
    sock: socket.socket | None = None,
    flags: int = 0,
) -> C:
    """Connect, exchange keys, and authenticate.

    Parameters:
        connection: `SSHClientConnection` or a subclass: what to make.
        options: where to, and how.
        sock: connected socket to use, None to connect one.
        flags: for `getaddrinfo`.

    Raises what `connect` does.
    """
    return await _in_time(options, _open_client(connection, options, sock, flags, 0))


async def open_reverse(
    connection: type[S],
    options: SSHServerConnectionOptions,
    through: type[SSHClientConnection],
    *,
    sock: socket.socket | None = None,
    flags: int = 0,
) -> S:
    """Connect to a client that waits for servers, and serve it (RFC 8071 has more about it).

    Parameters:
        connection: `SSHServerConnection` or a subclass: what to make.
        options: where to, and how.
        through: class of the connections of a tunnel that is given as text.
        sock, flags: as of `open_client`.

    Raises what `connect_reverse` does.
    """

    async def open_named() -> S:
        named = await _named(options)

        async def prepare(tunnelled: bool) -> S:
            loading = load_server_resources_async(named)
            resources = await step(named, loading, "host keys not read")
            return connection(named, resources, tunnelled=tunnelled)

        async def hops(text: str, depth: int) -> SSHClientConnection:
            return await open_hops(through, through.options_class(), text, depth)

        return await _open(prepare, named, sock, flags, hops, 0)

    return await _in_time(options, open_named())


async def open_hops(
    connection: type[C], options: SSHClientConnectionOptions, hops: str, depth: int = 0
) -> C:
    """Open the connections of a text such as `user@first,second:2222`, one through the other.

    Parameters:
        connection: class of the connections.
        options: what they have in common.
        hops: the hosts.
        depth: how many connections are already to go through them.

    Raises as `connect` does, ValueError if there are too many.
    """
    if depth >= MAX_HOPS:
        raise ValueError(f"tunnel: more than {MAX_HOPS} hosts to go through")
    before, _, last = hops.rpartition(",")
    user, host, port = parse_destination(last.strip())
    # Each hop is a host of its own: what identifies the destination does not hold for it.
    kwargs = {name: value for name, value in options.given.items() if name not in _OF_ONE_HOST}
    kwargs |= {"host": host, "host_key_alias": None}
    if before or not options.config:
        # What a configuration file says about the first host is left to it.
        kwargs["tunnel"] = before or None
    if port:
        kwargs["port"] = port
    if user is not None:
        kwargs["username"] = user
    make = partial(type(options), **kwargs)  # type: ignore[arg-type]
    made = await asyncio.to_thread(make) if options.config else make()
    return await _open_client(connection, made, None, 0, depth + 1)


async def _in_time(options: SSHConnectionOptions, opening: Coroutine[object, object, T]) -> T:
    return await limited(opening, options.seconds("connect_timeout"), "not connected")


async def _open_client(
    connection: type[C],
    options: SSHClientConnectionOptions,
    sock: socket.socket | None,
    flags: int,
    depth: int,
) -> C:
    options = await _named(options)

    async def prepare(tunnelled: bool) -> C:
        return await connection.prepare(options, tunnelled=tunnelled)

    async def hops(text: str, depth: int) -> C:
        return await open_hops(connection, options, text, depth)

    return await _open(prepare, options, sock, flags, hops, depth)


async def _named(options: O) -> O:
    """Return options with the canonical name of the host, if that is asked for."""
    if not options.canonicalize_hostname:
        return options
    naming = config.canonical_options(options)
    return await step(options, naming, f"no canonical name of {options.host!a}")


async def _open(
    prepare: Callable[[bool], Coroutine[object, object, N]],
    options: SSHConnectionOptions,
    sock: socket.socket | None,
    flags: int,
    through: Through,
    depth: int,
) -> N:
    """Open a connection by the way that the options name."""
    tunnel, proxy = options.tunnel, options.proxy_command
    if sock is not None:
        if options.given.get("tunnel") or options.given.get("proxy_command"):
            raise ValueError("sock, tunnel and proxy_command exclude each other")
        tunnel = proxy = None  # of a configuration file, about a way that is not gone
    if tunnel and proxy:
        raise ValueError("tunnel and proxy_command exclude each other")
    host = options.host or "localhost"
    port = DEFAULT_PORT if isinstance(options.port, tuple) else options.port
    if isinstance(tunnel, str) and tunnel:
        outer = await through(tunnel, depth)
        try:
            conn = await _open_through(prepare, options, outer, host, port)
        except BaseException:
            outer.abort()
            raise
        # Nobody else knows of the outer connection: it ends with the inner one.
        conn.close_with_connection(outer, outer.close)
        return conn
    if tunnel:
        return await _open_through(prepare, options, tunnel, host, port)
    if proxy:
        return await _open_by_proxy(prepare, options, host, port)
    conn = await prepare(False)
    loop = asyncio.get_running_loop()
    try:
        if sock is not None:
            await loop.create_connection(lambda: conn.transport, sock=sock)
        else:
            connecting = loop.create_connection(
                lambda: conn.transport,
                host,
                port,
                family=options.family,
                flags=flags,
                local_addr=options.local_addr,
            )
            await step(options, connecting, f"no connection with {host!a} port {port}")
        await conn.established()
    except BaseException:
        conn.abort()
        raise
    return conn


async def _open_by_proxy(
    prepare: Callable[[bool], Coroutine[object, object, N]],
    options: SSHConnectionOptions,
    host: str,
    port: int,
) -> N:
    name = getattr(options, "username", ()) or local_username()
    words = proxy_arguments(options.proxy_command, host, port, name)
    conn = await prepare(True)
    log = conn.log
    log.info("proxy command: %s", Peer(words[0]))
    try:
        await connect_command(
            conn.transport,
            words,
            peername=(host, port),
            on_stderr=lambda line: log.warning("proxy command: %s", line),
        )
    except BaseException:
        conn.abort()
        raise
    try:
        await conn.established()
    except BaseException:
        conn.abort()
        # The program is gone when this fails; that takes half a second at the most.
        await conn.wait_closed()
        raise
    return conn


async def _open_through(
    prepare: Callable[[bool], Coroutine[object, object, N]],
    options: SSHConnectionOptions,
    tunnel: SSHClientConnection,
    host: str,
    port: int,
) -> N:
    conn = await prepare(True)
    try:
        opening = tunnel.create_connection(
            lambda: TunnelSession(conn.transport, (host, port)), host, port
        )
        await step(options, opening, f"no tunnel to {host!a} port {port}")
        await conn.established()
    except BaseException:
        conn.abort()
        raise
    return conn
