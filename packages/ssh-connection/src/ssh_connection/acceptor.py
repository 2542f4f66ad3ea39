"""`SSHAcceptor`: what listens for connections, and how many it lets in at a time."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from random import randrange
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, cast

from .awaiting import start_waiting
from .closing import ClosedOnExit
from .connection.base import SSHConnection
from .connection.server import SSHServerConnection, StartupHandler
from .connection.server_auth import ServerResources, load_server_resources
from .constants import OPEN_RESOURCE_SHORTAGE
from .errors import ChannelOpenError
from .forward.listener import SSHListener
from .logging import ConnectionLog, Peer
from .options.server import SSHServerConnectionOptions
from .tunnel import TunnelSession

if TYPE_CHECKING:
    from .connection.client import SSHClientConnection

__all__ = [
    "AcceptHandler",
    "ClientSource",
    "ConnectionSource",
    "ErrorHandler",
    "SSHAcceptor",
    "ServerSource",
    "Startups",
]

S = TypeVar("S", bound=SSHConnection)
V = TypeVar("V", bound=SSHServerConnection)
C = TypeVar("C", bound="SSHClientConnection")

_CLIENT_STARTUPS = (100, 100, 100)

AcceptHandler: TypeAlias = Callable[[S], Awaitable[None] | None]
"""Called with each connection whose client is authenticated."""

ErrorHandler: TypeAlias = Callable[[S, Exception], None]
"""Called with each connection that ended before its client was authenticated, and why."""


class Startups:
    """Random early drop of connections that are not authenticated yet (OpenSSH: MaxStartups).

    Parameters:
        limits: from the first number on, new connections are refused with a probability of the
            second number in percent, which grows to all of them at the third number.
        random: gives a random number from 0 up to, not including, its argument.
    """

    def __init__(
        self, limits: tuple[int, int, int], random: Callable[[int], int] = randrange
    ) -> None:
        self._begin, self._rate, self._full = limits
        self._random = random
        self.count = 0

    def admit(self) -> bool:
        """Count a new connection, or refuse it."""
        count = self.count
        if count >= self._full:
            return False
        if count >= self._begin:
            span = self._full - self._begin
            percent = self._rate + (100 - self._rate) * (count - self._begin) // max(span, 1)
            if self._random(100) < percent:
                return False
        self.count += 1
        return True

    def leave(self) -> None:
        """One connection is authenticated, or gone."""
        self.count -= 1


class ConnectionSource(ABC, Generic[S]):
    """Makes the connection objects of an acceptor."""

    @property
    @abstractmethod
    def startups(self) -> tuple[int, int, int]:
        """How many may be without authentication, see `Startups`."""

    @abstractmethod
    def make(self, ended: Callable[[S, Exception | None], None], *, tunnelled: bool) -> S:
        """Return a connection object for one more connection.

        Parameters:
            ended: to be called with it and None once authentication has succeeded, or with what
                went wrong.
            tunnelled: whether its bytes come through another SSH connection.
        """

    @abstractmethod
    def update(self, kwargs: dict[str, object]) -> None:
        """Change options for the connections from now on."""


class ServerSource(ConnectionSource[V]):
    """Serves the clients that come.

    Parameters:
        connection: `SSHServerConnection` or a subclass.
        options: of the connections.
        resources: host keys and authorized keys.
    """

    def __init__(
        self, connection: type[V], options: SSHServerConnectionOptions, resources: ServerResources
    ) -> None:
        self._connection = connection
        self._options = options
        self._resources = resources

    @property
    def startups(self) -> tuple[int, int, int]:
        """The option `max_startups`."""
        limits = self._options.max_startups
        assert isinstance(limits, tuple)
        return limits

    def make(self, ended: Callable[[V, Exception | None], None], *, tunnelled: bool) -> V:
        """Return the object of one more connection."""
        return self._connection(
            self._options,
            self._resources,
            tunnelled=tunnelled,
            on_authenticated=cast(StartupHandler, ended),
        )

    def update(self, kwargs: dict[str, object]) -> None:
        """Read options and files again; raises as `listen` does."""
        options = type(self._options)(options=self._options, **kwargs)  # type: ignore[arg-type]
        self._resources = load_server_resources(options)
        self._options = options


class ClientSource(ConnectionSource[C]):
    """Logs in to the servers that come.

    Parameters:
        first: a connection object that is not used itself; those that are made have its keys.
    """

    def __init__(self, first: C) -> None:
        self._first = first
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def startups(self) -> tuple[int, int, int]:
        """Up to a hundred."""
        return _CLIENT_STARTUPS

    def make(self, ended: Callable[[C, Exception | None], None], *, tunnelled: bool) -> C:
        """Return the object of one more connection."""
        made = self._first.another(tunnelled=tunnelled)

        async def wait() -> None:
            try:
                await made.established()
            except Exception as exc:
                ended(made, exc)
            else:
                ended(made, None)

        task = asyncio.get_running_loop().create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return made

    def update(self, kwargs: dict[str, object]) -> None:
        """Raise TypeError: keys are read when listening starts."""
        raise TypeError("the options of connections to servers can not be changed")


class _Refused(asyncio.Protocol):
    """Closes a connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


class SSHAcceptor(ClosedOnExit, Generic[S]):
    """Listens for SSH connections until it is closed.

    It is an asynchronous context manager that closes on exit. Made by `listen` and its like.

    Parameters:
        source: makes the connection objects.
        acceptor: see `AcceptHandler`.
        error_handler: see `ErrorHandler`.
    """

    def __init__(
        self,
        source: ConnectionSource[S],
        acceptor: AcceptHandler[S] | None = None,
        error_handler: ErrorHandler[S] | None = None,
    ) -> None:
        self._source = source
        self._acceptor = acceptor
        self._error_handler = error_handler
        self._log = ConnectionLog()
        self._startups = Startups(source.startups)
        self._server: asyncio.Server | SSHListener | None = None
        self._tunnel: SSHClientConnection | None = None
        self._far_end = False
        self._addresses: list[tuple[object, ...]] = []
        self._connections: set[S] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = asyncio.Event()

    # --- For `listen` ------------------------------------------------------------------------

    def make_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol of a connection that was accepted."""
        connection = self._admit(tunnelled=False)
        return _Refused() if connection is None else connection.transport

    def make_session(self, orig_host: str, orig_port: int) -> TunnelSession:
        """Return the session of a connection that was accepted at the other end of a tunnel.

        Raises ChannelOpenError to refuse it.
        """
        connection = self._admit(tunnelled=True)
        if connection is None:
            raise ChannelOpenError(OPEN_RESOURCE_SHORTAGE, "too many connections")
        return TunnelSession(connection.transport, (orig_host, orig_port))

    def _admit(self, *, tunnelled: bool) -> S | None:
        if self._closed.is_set():
            return None  # asyncio had accepted it before, and drops it
        if not self._startups.admit():
            self._log.warning("connection refused: too many are not authenticated yet")
            return None
        connection = self._source.make(self._started_up, tunnelled=tunnelled)
        self._connections.add(connection)
        connection.close_with_connection(self, lambda: self._ended(connection))
        return connection

    def _ended(self, connection: S) -> None:
        self._connections.discard(connection)
        self._release_tunnel()

    def _watch_loop(self) -> None:
        """Have `_outlive` run at the end of the event loop."""
        self._outliving = self._outlive()
        with suppress(StopIteration):  # it has begun
            self._outliving.__anext__().send(None)

    async def _outlive(self) -> AsyncGenerator[None, None]:
        """Close the connections with the loop: nobody else knows of them.

        `asyncio.run` ends generators behind all tasks. A task in its place would be complained
        about where somebody else runs the loop, and stops it.
        """
        try:
            yield
        finally:
            loop = asyncio.get_running_loop()
            for connection in self.connections:
                connection.close()
                loop.call_soon(connection.abort)  # what it has said by then is enough

    def serve(self, server: asyncio.Server) -> None:
        """Take over what listens."""
        self._watch_loop()
        self._server = server
        self._addresses = [sock.getsockname() for sock in server.sockets]

    def serve_tunnel(
        self, listener: SSHListener, host: str, tunnel: SSHClientConnection | None
    ) -> None:
        """Take over what listens at the other end of a tunnel.

        Parameters:
            listener: it.
            host: address that it listens on.
            tunnel: the connection, if it is to be closed when nobody needs it any more.
        """
        self._watch_loop()
        self._server, self._tunnel, self._far_end = listener, tunnel, True
        self._addresses = listener.get_addresses() or [(host, listener.get_port())]

        def gone(_: asyncio.Task[None]) -> None:
            self._closed.set()
            self._release_tunnel()

        async def watch() -> None:
            await listener.wait_closed()
            self.close()

        watching = asyncio.get_running_loop().create_task(watch())
        # Also when the loop ends, which does not wait for the server at the other end.
        watching.add_done_callback(gone)
        self._keep(watching)

    def _release_tunnel(self) -> None:
        if self._closed.is_set() and self._tunnel is not None and not self._connections:
            self._tunnel.close()
            self._tunnel = None

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _started_up(self, made: S, exc: Exception | None) -> None:
        self._startups.leave()
        try:
            if exc is not None:
                if self._error_handler is not None:
                    self._error_handler(made, exc)
            elif self._acceptor is not None:
                pending = self._acceptor(made)
                if isinstance(pending, Awaitable):
                    loop = asyncio.get_running_loop()
                    self._keep(start_waiting(loop, self._accept(made, pending), pending))
        except Exception as error:
            self._log.exception("a handler of an acceptor failed", error)
            made.abort()

    async def _accept(self, connection: S, pending: Awaitable[None]) -> None:
        try:
            await pending
        except Exception as exc:
            self._log.exception("a handler of an acceptor failed", exc)
            connection.abort()

    # --- Public API --------------------------------------------------------------------------

    @property
    def connections(self) -> tuple[S, ...]:
        """The connections that are open now."""
        return tuple(self._connections)

    def get_addresses(self) -> list[tuple[object, ...]]:
        """Return the socket addresses that are listened on."""
        return list(self._addresses)

    def get_port(self) -> int:
        """Return the port that is listened on, 0 if there is none or more than one."""
        ports = {address[1] for address in self._addresses if len(address) > 1}
        port = ports.pop() if len(ports) == 1 else 0
        return port if isinstance(port, int) else 0

    def update(self, **kwargs: object) -> None:
        """Change options for the connections from now on.

        Parameters:
            kwargs: options as for `listen`; a passphrase function is called here, so it must not be
                a coroutine function.

        Raises as `listen` does; nothing is changed then.
        """
        self._source.update(kwargs)

    def close(self) -> None:
        """Stop listening; connections that are open go on."""
        server, self._server = self._server, None
        if server is not None:
            self._log.info("no longer listening on %s", Peer(self._addresses))
            server.close()
        if not self._far_end:
            self._closed.set()  # else the server at the other end has to answer first

    async def wait_closed(self) -> None:
        """Wait until nothing is listened on any more."""
        await self._closed.wait()
