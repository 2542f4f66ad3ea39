"""Listening for connections: on a socket of our own, or at the other end of a tunnel."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, TypeVar

from .acceptor import AcceptHandler, ClientSource, ErrorHandler, ServerSource, SSHAcceptor
from .connection.base import SSHConnection
from .connection.opening import open_hops
from .connection.server import SSHServerConnection
from .connection.server_auth import load_server_resources_async
from .forward.listener import begin_serving
from .merging import make_options
from .options.base import SSHConnectionOptions
from .options.client import SSHClientConnectionOptions
from .options.server import SSHServerConnectionOptions

if TYPE_CHECKING:
    from .connection.client import SSHClientConnection

__all__ = ["open_acceptor", "open_reverse_server", "open_server"]

N = TypeVar("N", bound=SSHConnection)
S = TypeVar("S", bound=SSHServerConnection)
C = TypeVar("C", bound="SSHClientConnection")

DEFAULT_PORT = 22


async def open_server(
    connection: type[S],
    options: SSHServerConnectionOptions,
    through: type[SSHClientConnection],
    *,
    sock: socket.socket | None = None,
    flags: int = socket.AI_PASSIVE,
    backlog: int = 100,
    reuse_address: bool | None = None,
    reuse_port: bool | None = None,
    acceptor: AcceptHandler[S] | None = None,
    error_handler: ErrorHandler[S] | None = None,
) -> SSHAcceptor[S]:
    """Listen for clients.

    Parameters:
        connection: `SSHServerConnection` or a subclass: what to make for each client.
        options: where, and how.
        through: class of the connections of a tunnel that is given as text.

    The others and errors as of `listen`.
    """
    resources = await load_server_resources_async(options)
    made = SSHAcceptor(ServerSource(connection, options, resources), acceptor, error_handler)
    return await open_acceptor(
        made,
        options,
        through,
        through.options_class(),
        sock=sock,
        flags=flags,
        backlog=backlog,
        reuse_address=reuse_address,
        reuse_port=reuse_port,
    )


async def open_reverse_server(
    connection: type[C],
    options: SSHClientConnectionOptions,
    *,
    sock: socket.socket | None = None,
    flags: int = socket.AI_PASSIVE,
    backlog: int = 100,
    reuse_address: bool | None = None,
    reuse_port: bool | None = None,
    acceptor: AcceptHandler[C] | None = None,
    error_handler: ErrorHandler[C] | None = None,
) -> SSHAcceptor[C]:
    """Listen for servers, and log in to each that comes.

    Parameters:
        connection: `SSHClientConnection` or a subclass: what to make for each server.
        options: where, and how.

    The others and errors as of `listen_reverse`.
    """
    source = ClientSource(await connection.prepare(options))
    return await open_acceptor(
        SSHAcceptor(source, acceptor, error_handler),
        options,
        connection,
        await make_options(type(options), None, config=options.config),
        sock=sock,
        flags=flags,
        backlog=backlog,
        reuse_address=reuse_address,
        reuse_port=reuse_port,
    )


async def open_acceptor(
    made: SSHAcceptor[N],
    options: SSHConnectionOptions,
    through: type[SSHClientConnection],
    hop_options: SSHClientConnectionOptions,
    *,
    sock: socket.socket | None,
    flags: int,
    backlog: int,
    reuse_address: bool | None,
    reuse_port: bool | None,
) -> SSHAcceptor[N]:
    """Have an acceptor listen.

    Parameters:
        made: the acceptor.
        options: where.
        through: class of the connections of a tunnel that is given as text.
        hop_options: options of these connections.

    The others and errors as of `listen`.
    """
    tunnel = options.tunnel
    port = DEFAULT_PORT if isinstance(options.port, tuple) else options.port
    if tunnel:
        if sock is not None:
            raise ValueError("sock and tunnel exclude each other")
        return await _listen_through(made, tunnel, options.host, port, through, hop_options)
    loop = asyncio.get_running_loop()
    if sock is not None:
        server = await loop.create_server(
            made.make_protocol, sock=sock, backlog=backlog, start_serving=False
        )
    else:
        server = await loop.create_server(
            made.make_protocol,
            options.host or None,
            port,
            family=options.family,
            flags=flags,
            backlog=backlog,
            reuse_address=reuse_address,
            reuse_port=reuse_port,
            start_serving=False,
        )
    made.serve(await begin_serving(server))
    return made


async def _listen_through(
    made: SSHAcceptor[N],
    tunnel: str | SSHClientConnection,
    host: str,
    port: int,
    through: type[SSHClientConnection],
    hop_options: SSHClientConnectionOptions,
) -> SSHAcceptor[N]:
    outer = await open_hops(through, hop_options, tunnel) if isinstance(tunnel, str) else tunnel
    try:
        listener = await outer.create_server(made.make_session, host, port)
    except BaseException:
        if isinstance(tunnel, str):
            outer.abort()
        raise
    made.serve_tunnel(listener, host, outer if isinstance(tunnel, str) else None)
    return made
