"""The functions that open connections, for the connection classes of ssh-meta.

They are those of `ssh_connection.api` with the agent and SFTP in them, and their results can be
used in `async with` directly.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Unpack, cast

from ssh_connection import SSHAcceptor, SSHClient, SSHServer
from ssh_connection.acceptor import AcceptHandler, ErrorHandler
from ssh_connection.api import (
    make_options,
    open_client,
    open_reverse,
    open_reverse_server,
    open_server,
    serve_socket,
)
from ssh_connection.opening import opening
from ssh_connection.options.base import ConfigArg

from .client import SSHClientConnection
from .keywords import ClientKwargs, CreateConnectionKwargs, CreateServerKwargs, ServerKwargs
from .options import SSHClientConnectionOptions, SSHServerConnectionOptions
from .server import SSHServerConnection

__all__ = [
    "connect",
    "connect_reverse",
    "create_connection",
    "create_server",
    "listen",
    "listen_reverse",
    "run_client",
    "run_server",
]


# --- Clients ---------------------------------------------------------------------------------


@opening
async def connect(
    host: str = "",
    port: int | tuple[()] = (),
    *,
    tunnel: str | SSHClientConnection | tuple[()] | None = (),
    family: int | tuple[()] = (),
    flags: int = 0,
    local_addr: tuple[str, int] | tuple[()] | None = (),
    sock: socket.socket | None = None,
    config: ConfigArg = (),
    options: SSHClientConnectionOptions | None = None,
    **kwargs: Unpack[ClientKwargs],
) -> SSHClientConnection:
    """Connect to an SSH server and authenticate: `await` it, or use it in `async with`.

    Parameters:
        host: name or address of the server; empty for this machine.
        port: its port, 22 by default.
        tunnel: connection to go through, or `[user@]host[:port]` of a host to go through.
        family: address family: `socket.AF_INET`, `socket.AF_INET6`, or 0 for either.
        flags: for `getaddrinfo`.
        local_addr: local host and port to connect from.
        sock: connected socket to use instead of making one.
        config: configuration files to read; see the option.
        options: options object to start from.
        kwargs: the fields of `SSHClientConnectionOptions`.

    Raises OSError if the socket cannot be connected, ChannelOpenError if the tunnel cannot,
    ConnectionTimeoutError, HostKeyNotVerifiable, PermissionDenied or another DisconnectError if
    the connection ends before the user is authenticated, KeyImportError for keys that cannot be
    read, AgentError for an agent that was asked for, ValueError for options that cannot be
    (ConfigParseError for those in files), and what callbacks raise.
    """
    merged = await make_options(
        SSHClientConnectionOptions,
        options,
        host=host or (),
        port=port,
        tunnel=tunnel,
        family=family,
        local_addr=local_addr,
        config=config,
        **kwargs,
    )
    return await open_client(SSHClientConnection, merged, sock=sock, flags=flags)


async def create_connection(
    client_factory: Callable[[], SSHClient] | None,
    host: str = "",
    port: int | tuple[()] = (),
    *,
    tunnel: str | SSHClientConnection | tuple[()] | None = (),
    family: int | tuple[()] = (),
    flags: int = 0,
    local_addr: tuple[str, int] | tuple[()] | None = (),
    sock: socket.socket | None = None,
    config: ConfigArg = (),
    options: SSHClientConnectionOptions | None = None,
    **kwargs: Unpack[CreateConnectionKwargs],
) -> tuple[SSHClientConnection, SSHClient]:
    """Connect to an SSH server with an object whose callbacks are called.

    Parameters:
        client_factory: makes the `SSHClient`; None for the default.

    The others and errors as of `connect`. Returns the connection and the object.
    """
    full = cast(ClientKwargs, {**kwargs})
    if client_factory is not None:
        full["client_factory"] = client_factory
    conn = await connect(
        host,
        port,
        tunnel=tunnel,
        family=family,
        flags=flags,
        local_addr=local_addr,
        sock=sock,
        config=config,
        options=options,
        **full,
    )
    return conn, conn.owner


@opening
async def run_client(
    sock: socket.socket,
    config: ConfigArg = (),
    options: SSHClientConnectionOptions | None = None,
    **kwargs: Unpack[ClientKwargs],
) -> SSHClientConnection:
    """Authenticate to an SSH server over a socket that is already connected.

    Parameters:
        sock: the socket; it belongs to the connection from now on.
        config: configuration files to read; see the option.
        options: options object to start from.
        kwargs: the fields of `SSHClientConnectionOptions`.

    Result and errors as of `connect`.
    """
    merged = await make_options(SSHClientConnectionOptions, options, config=config, **kwargs)
    return await open_client(SSHClientConnection, merged, sock=sock)


# --- Servers ---------------------------------------------------------------------------------


@opening
async def listen(
    host: str | None = "",
    port: int | tuple[()] = (),
    *,
    tunnel: str | SSHClientConnection | tuple[()] | None = (),
    family: int | tuple[()] = (),
    flags: int = socket.AI_PASSIVE,
    backlog: int = 100,
    sock: socket.socket | None = None,
    reuse_address: bool | None = None,
    reuse_port: bool | None = None,
    acceptor: AcceptHandler[SSHServerConnection] | None = None,
    error_handler: ErrorHandler[SSHServerConnection] | None = None,
    config: ConfigArg = (),
    options: SSHServerConnectionOptions | None = None,
    **kwargs: Unpack[ServerKwargs],
) -> SSHAcceptor[SSHServerConnection]:
    """Listen for SSH clients: `await` it, or use it in `async with`.

    Parameters:
        host: address to listen on; empty or None for all.
        port: port to listen on, 22 by default; 0 for one that is free, see `SSHAcceptor.get_port`.
        tunnel: connection whose server listens for us (RFC 4254 section 7.1), or
            `[user@]host[:port]` of such a server, which is connected to for this.
        family: address family: `socket.AF_INET`, `socket.AF_INET6`, or 0 for both.
        flags: for `getaddrinfo`.
        backlog: connections that the system holds until they are accepted.
        sock: bound socket to use instead of making one.
        reuse_address: whether to take over an address in TIME_WAIT; None for the usual.
        reuse_port: whether several processes may listen on the port.
        acceptor: called with each connection whose client is authenticated.
        error_handler: called with each connection that ended before that, and why.
        config: configuration files to read; see the option.
        options: options object to start from.
        kwargs: the fields of `SSHServerConnectionOptions`; `server_host_keys` is needed.

    Raises OSError if the address cannot be listened on or a file not be read, KeyImportError for
    keys that cannot be read, ValueError for options that cannot be (ConfigParseError for those in
    files).
    """
    merged = await make_options(
        SSHServerConnectionOptions,
        options,
        host=host or (),
        port=port,
        tunnel=tunnel,
        family=family,
        config=config,
        **kwargs,
    )
    return await open_server(
        SSHServerConnection,
        merged,
        SSHClientConnection,
        sock=sock,
        flags=flags,
        backlog=backlog,
        reuse_address=reuse_address,
        reuse_port=reuse_port,
        acceptor=acceptor,
        error_handler=error_handler,
    )


@opening
async def create_server(
    server_factory: Callable[[], SSHServer] | None,
    host: str | None = "",
    port: int | tuple[()] = (),
    *,
    tunnel: str | SSHClientConnection | tuple[()] | None = (),
    family: int | tuple[()] = (),
    flags: int = socket.AI_PASSIVE,
    backlog: int = 100,
    sock: socket.socket | None = None,
    reuse_address: bool | None = None,
    reuse_port: bool | None = None,
    acceptor: AcceptHandler[SSHServerConnection] | None = None,
    error_handler: ErrorHandler[SSHServerConnection] | None = None,
    config: ConfigArg = (),
    options: SSHServerConnectionOptions | None = None,
    **kwargs: Unpack[CreateServerKwargs],
) -> SSHAcceptor[SSHServerConnection]:
    """Listen for SSH clients with an object per connection whose callbacks are called.

    Parameters:
        server_factory: makes the `SSHServer` of a connection; None for the default.

    The others, result and errors as of `listen`.
    """
    full = cast(ServerKwargs, {**kwargs})
    if server_factory is not None:
        full["server_factory"] = server_factory
    return await listen(
        host,
        port,
        tunnel=tunnel,
        family=family,
        flags=flags,
        backlog=backlog,
        sock=sock,
        reuse_address=reuse_address,
        reuse_port=reuse_port,
        acceptor=acceptor,
        error_handler=error_handler,
        config=config,
        options=options,
        **full,
    )


@opening
async def run_server(
    sock: socket.socket,
    config: ConfigArg = (),
    options: SSHServerConnectionOptions | None = None,
    **kwargs: Unpack[ServerKwargs],
) -> SSHServerConnection:
    """Serve an SSH client over a socket that is already connected.

    Parameters:
        sock: the socket; it belongs to the connection from now on.
        config: configuration files to read; see the option.
        options: options object to start from.
        kwargs: the fields of `SSHServerConnectionOptions`; `server_host_keys` is needed.

    Returns when the client is authenticated. Raises a DisconnectError if it does not get so far,
    OSError, KeyImportError and ValueError as `listen` does.
    """
    merged = await make_options(SSHServerConnectionOptions, options, config=config, **kwargs)
    return await serve_socket(SSHServerConnection, merged, sock)


# --- The other way round: servers that connect, clients that listen --------------------------


@opening
async def connect_reverse(
    host: str = "",
    port: int | tuple[()] = (),
    *,
    tunnel: str | SSHClientConnection | tuple[()] | None = (),
    family: int | tuple[()] = (),
    flags: int = 0,
    local_addr: tuple[str, int] | tuple[()] | None = (),
    sock: socket.socket | None = None,
    config: ConfigArg = (),
    options: SSHServerConnectionOptions | None = None,
    **kwargs: Unpack[ServerKwargs],
) -> SSHServerConnection:
    """Connect to a client that waits for servers (`listen_reverse`), and serve it.

    A server behind a firewall can be managed this way, as in RFC 8071. TCP alone goes the other way
    round: the client still checks the server's host key, and the server authenticates the client.

    Parameters:
        host: name or address of the client; empty for this machine.
        port: its port, 22 by default.
        kwargs: the fields of `SSHServerConnectionOptions`; `server_host_keys` is needed.

    The others as of `connect`. Returns when the client is authenticated; raises as `connect` for
    the way there, and as `run_server`.
    """
    merged = await make_options(
        SSHServerConnectionOptions,
        options,
        host=host or (),
        port=port,
        tunnel=tunnel,
        family=family,
        local_addr=local_addr,
        config=config,
        **kwargs,
    )
    return await open_reverse(
        SSHServerConnection, merged, SSHClientConnection, sock=sock, flags=flags
    )


@opening
async def listen_reverse(
    host: str = "",
    port: int | tuple[()] = (),
    *,
    tunnel: str | SSHClientConnection | tuple[()] | None = (),
    family: int | tuple[()] = (),
    flags: int = socket.AI_PASSIVE,
    backlog: int = 100,
    sock: socket.socket | None = None,
    reuse_address: bool | None = None,
    reuse_port: bool | None = None,
    acceptor: AcceptHandler[SSHClientConnection] | None = None,
    error_handler: ErrorHandler[SSHClientConnection] | None = None,
    config: ConfigArg = (),
    options: SSHClientConnectionOptions | None = None,
    **kwargs: Unpack[ClientKwargs],
) -> SSHAcceptor[SSHClientConnection]:
    """Listen for servers that connect to us (`connect_reverse`), and log in to each.

    A server is looked up in `known_hosts` by the address that it comes from, without a port, or by
    `host_key_alias`; nothing else is known of it. Keys are read once, when listening starts.

    Parameters:
        acceptor: called with each connection once its user is authenticated.
        kwargs: the fields of `SSHClientConnectionOptions`.

    The others and errors as of `listen`.
    """
    merged = await make_options(
        SSHClientConnectionOptions,
        options,
        host=host or (),
        port=port,
        tunnel=tunnel,
        family=family,
        config=config,
        **kwargs,
    )
    return await open_reverse_server(
        SSHClientConnection,
        merged,
        sock=sock,
        flags=flags,
        backlog=backlog,
        reuse_address=reuse_address,
        reuse_port=reuse_port,
        acceptor=acceptor,
        error_handler=error_handler,
    )
