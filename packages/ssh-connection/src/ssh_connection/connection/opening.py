"""Opening client connections: socket, tunnel, time-out; for every class of connection."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, TypeVar

from ssh_transport.errors import ConnectionTimeoutError

from ..options.client import SSHClientConnectionOptions
from ..tunnel import TunnelSession, parse_destination

if TYPE_CHECKING:
    from .client import SSHClientConnection

__all__ = ["open_client"]

C = TypeVar("C", bound="SSHClientConnection")


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
    timeout = options.seconds("connect_timeout")
    if timeout is None:
        return await _open(connection, options, sock, flags)
    try:
        async with asyncio.timeout(timeout):
            return await _open(connection, options, sock, flags)
    except ConnectionTimeoutError:
        raise
    except TimeoutError:
        raise ConnectionTimeoutError(f"not connected after {timeout:g} seconds") from None


async def _open(
    connection: type[C],
    options: SSHClientConnectionOptions,
    sock: socket.socket | None,
    flags: int,
) -> C:
    tunnel = options.tunnel
    if sock is not None and tunnel:
        raise ValueError("sock and tunnel exclude each other")
    if isinstance(tunnel, str) and tunnel:
        outer = await _open_tunnel(connection, options, tunnel)
        try:
            conn = await _open_through(connection, options, outer)
        except BaseException:
            outer.abort()
            raise
        # Nobody else knows of the outer connection: it ends with the inner one.
        conn.close_with_connection(outer, outer.close)
        return conn
    if tunnel:
        return await _open_through(connection, options, tunnel)
    conn = await connection.prepare(options)
    loop = asyncio.get_running_loop()
    try:
        if sock is not None:
            await loop.create_connection(lambda: conn.transport, sock=sock)
        else:
            await loop.create_connection(
                lambda: conn.transport,
                options.host or "localhost",
                conn.port,
                family=options.family,
                flags=flags,
                local_addr=options.local_addr,
            )
        await conn.established()
    except BaseException:
        conn.abort()
        raise
    return conn


async def _open_through(
    connection: type[C], options: SSHClientConnectionOptions, tunnel: SSHClientConnection
) -> C:
    conn = await connection.prepare(options, tunnelled=True)
    host, port = options.host or "localhost", conn.port
    try:
        # From here to the time-out of authentication nothing else would end the wait.
        async with asyncio.timeout(options.seconds("login_timeout")):
            await tunnel.create_connection(
                lambda: TunnelSession(conn.transport, (host, port)), host, port
            )
        await conn.established()
    except ConnectionTimeoutError:
        raise
    except TimeoutError:
        conn.abort()
        raise ConnectionTimeoutError("the tunnel did not open in time") from None
    except BaseException:
        conn.abort()
        raise
    return conn


async def _open_tunnel(connection: type[C], options: SSHClientConnectionOptions, hops: str) -> C:
    """Open the connections of a text such as `user@first,second:2222`, one through the other."""
    before, _, last = hops.rpartition(",")
    user, host, port = parse_destination(last.strip())
    # Each hop is a host of its own: what identifies the destination does not hold for it.
    kwargs: dict[str, object] = {"host": host, "tunnel": before or None, "host_key_alias": None}
    kwargs["port"] = port or ()
    if user is not None:
        kwargs["username"] = user
    return await _open(connection, type(options)(options=options, **kwargs), None, 0)  # type: ignore[arg-type]
