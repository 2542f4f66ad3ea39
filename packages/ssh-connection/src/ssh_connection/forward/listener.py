"""Listeners: local sockets whose connections are forwarded, and listeners on the peer."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from ..addresses import check_port
from ..closing import ClosedOnExit
from .accepted import FixedForwarder
from .relay import AcceptHandler, RelayOpener

__all__ = [
    "SSHListener",
    "SocketListener",
    "begin_serving",
    "forward_tcp_listener",
    "forward_unix_listener",
    "listen_tcp",
    "listen_unix",
]

BACKLOG: Final = 100


class SSHListener(ClosedOnExit):
    """Something that listens for connections until it is closed.

    It is an async context manager that closes on exit.
    """

    def __init__(self) -> None:
        self._closed = asyncio.Event()

    def get_port(self) -> int:
        """Return the port that is listened on, 0 for a UNIX domain socket."""
        return 0

    def get_addresses(self) -> list[tuple[object, ...]]:
        """Return the socket addresses that are listened on, as far as they are known."""
        return []

    def is_closed(self) -> bool:
        """Return whether the listener was closed."""
        return self._closed.is_set()

    def close(self) -> None:
        """Stop listening; connections that are open go on."""
        self._closed.set()

    async def wait_closed(self) -> None:
        """Wait until nothing listens any more."""
        await self._closed.wait()


class SocketListener(SSHListener):
    """Listens on local sockets and hands each connection to a factory of protocols.

    Parameters:
        servers: what listens.
        port: the port of all of them, 0 for UNIX domain sockets.
        path: the socket in the file system that is removed on close.
    """

    def __init__(
        self, servers: Sequence[asyncio.Server], port: int = 0, path: str | None = None
    ) -> None:
        super().__init__()
        self._servers = tuple(servers)
        self._port = port
        self._path = path
        self._inode = _inode(path)
        self._addresses: list[tuple[object, ...]] = [
            name if isinstance(name, tuple) else (name,)
            for server in servers
            for name in (sock.getsockname() for sock in server.sockets)
        ]

    def get_port(self) -> int:
        """Return the port that is listened on, 0 for a UNIX domain socket."""
        return self._port

    def get_addresses(self) -> list[tuple[object, ...]]:
        """Return the socket addresses that are listened on."""
        return list(self._addresses)

    def close(self) -> None:
        """Stop listening; connections that are open go on."""
        if self.is_closed():
            return
        servers, self._servers = self._servers, ()  # their factory may know us
        for server in servers:
            server.close()
        if self._path is not None and self._inode is not None and _inode(self._path) == self._inode:
            with suppress(OSError):
                os.unlink(self._path)
        super().close()


def _inode(path: str | None) -> tuple[int, int] | None:
    """Return what tells the socket at `path` from one that somebody else put there later."""
    if path is None:
        return None
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISSOCK(status.st_mode) else None


async def begin_serving(server: asyncio.Server) -> asyncio.Server:
    """Accept connections from now on; a server whose begin is cancelled is closed.

    What `create_server` of asyncio begins itself goes on for ever if it is cancelled just then.
    """
    try:
        await server.start_serving()
    except BaseException:
        server.close()
        raise
    return server


async def listen_tcp(
    factory: Callable[[], asyncio.BaseProtocol],
    host: str | None,
    port: int,
    *,
    backlog: int = BACKLOG,
) -> SocketListener:
    """Listen on a TCP port of all addresses of `host`.

    Parameters:
        factory: makes the protocol of each connection.
        host: empty or None for all interfaces.
        port: 0 for one that is free, the same on all addresses.
        backlog: connections that the system may hold until they are accepted.

    Raises OSError if a socket can not be bound, ValueError for what is no port or no name.
    """
    check_port("listen_port", port)
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    servers: list[asyncio.Server] = []
    try:
        for family, kind, proto, _, address in dict.fromkeys(infos):
            sock = socket.socket(family, kind, proto)
            try:
                if os.name == "posix":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((address[0], port, *address[2:]))
                port = sock.getsockname()[1]
                sock.setblocking(False)
                servers.append(
                    await loop.create_server(
                        factory, sock=sock, backlog=backlog, start_serving=False
                    )
                )
            except BaseException:
                sock.close()
                raise
            await begin_serving(servers[-1])
    except BaseException:
        for server in servers:
            server.close()
        raise
    return SocketListener(servers, port)


async def listen_unix(
    factory: Callable[[], asyncio.BaseProtocol], path: str, *, backlog: int = BACKLOG
) -> SocketListener:
    """Listen on a UNIX domain socket that only its owner may connect to.

    Raises OSError if the socket can not be bound; an existing one is not replaced. Raises
    ValueError for what is no path.
    """
    if not path or "\0" in path:
        # To the system it would be the name of a socket that is in no folder, open to everybody.
        raise ValueError("a UNIX domain socket needs a path")
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound = False
    try:
        if hasattr(os, "fchmod"):
            # Linux makes the socket with this mode. By name it could be set for another file, which
            # somebody puts there in between.
            with suppress(OSError):
                os.fchmod(sock.fileno(), 0o600)
        sock.bind(path)
        bound = True
        mode = os.lstat(path).st_mode
        if stat.S_ISSOCK(mode) and mode & 0o077:
            # Before it listens nobody can connect, so no other mode is ever in effect.
            os.chmod(path, 0o600)
        sock.setblocking(False)
        server = await loop.create_unix_server(
            factory, sock=sock, backlog=backlog, start_serving=False
        )
        await begin_serving(server)
    except BaseException:
        sock.close()
        if bound:
            with suppress(OSError):
                os.unlink(path)
        raise
    return SocketListener([server], 0, path)


async def forward_tcp_listener(
    opener: RelayOpener,
    listen_host: str | None,
    listen_port: int,
    accept_handler: AcceptHandler | None = None,
) -> SocketListener:
    """Listen on a TCP port and relay each connection through a channel.

    Parameters:
        opener: opens the channel of one connection.
        listen_host: empty or None for all interfaces.
        listen_port: 0 for one that is free.
        accept_handler: says for each connection whether it may be forwarded; None: all may.

    Raises OSError if a socket can not be bound, ValueError for what is no port or no name.
    """
    return await listen_tcp(
        lambda: FixedForwarder(opener, accept_handler), listen_host, listen_port
    )


async def forward_unix_listener(
    opener: RelayOpener, listen_path: str, accept_handler: AcceptHandler | None = None
) -> SocketListener:
    """Listen on a UNIX domain socket and relay each connection through a channel.

    Raises OSError if the socket can not be bound, ValueError for what is no path.
    """
    return await listen_unix(lambda: FixedForwarder(opener, accept_handler), listen_path)
