"""`SSHAcceptor`: what listens for connections, and how many it lets in at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import randrange
from typing import Generic, Self, TypeAlias, TypeVar, cast

from .connection.server import SSHServerConnection
from .connection.server_auth import ServerResources, load_server_resources
from .logging import ConnectionLog, Peer
from .options.server import SSHServerConnectionOptions

__all__ = ["AcceptHandler", "ErrorHandler", "SSHAcceptor", "Startups"]

S = TypeVar("S", bound=SSHServerConnection)

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


class _Refused(asyncio.Protocol):
    """Closes a connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


class SSHAcceptor(Generic[S]):
    """Listens for SSH connections until it is closed.

    It is an asynchronous context manager that closes on exit. Made by `listen` and its like.

    Parameters:
        connection: `SSHServerConnection` or a subclass: what to make for each client.
        options: of the connections.
        acceptor: see `AcceptHandler`.
        error_handler: see `ErrorHandler`.

    Raises what reading the host keys and authorized keys raises.
    """

    def __init__(
        self,
        connection: type[S],
        options: SSHServerConnectionOptions,
        acceptor: AcceptHandler[S] | None = None,
        error_handler: ErrorHandler[S] | None = None,
        resources: ServerResources | None = None,
    ) -> None:
        self._connection = connection
        self._options = options
        self._resources = resources or load_server_resources(options)
        self._acceptor = acceptor
        self._error_handler = error_handler
        self._log = ConnectionLog()
        limits = options.max_startups
        assert isinstance(limits, tuple)
        self._startups = Startups(limits)
        self._server: asyncio.Server | None = None
        self._addresses: list[tuple[object, ...]] = []
        self._connections: set[S] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = asyncio.Event()

    # --- For `listen` ------------------------------------------------------------------------

    def make_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol of a connection that was accepted."""
        if not self._startups.admit():
            self._log.warning("connection refused: too many are not authenticated yet")
            return _Refused()
        connection = self._connection(
            self._options, self._resources, on_authenticated=self._started_up
        )
        self._connections.add(connection)
        connection.close_with_connection(self, lambda: self._connections.discard(connection))
        return connection.transport

    def serve(self, server: asyncio.Server) -> None:
        """Take over what listens."""
        self._server = server
        self._addresses = [sock.getsockname() for sock in server.sockets]

    def _started_up(self, connection: SSHServerConnection, exc: Exception | None) -> None:
        self._startups.leave()
        made: S = connection  # type: ignore[assignment]
        try:
            if exc is not None:
                if self._error_handler is not None:
                    self._error_handler(made, exc)
            elif self._acceptor is not None:
                pending = self._acceptor(made)
                if isinstance(pending, Awaitable):
                    task = asyncio.get_running_loop().create_task(self._accept(made, pending))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
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
        options = type(self._options)(options=self._options, **kwargs)  # type: ignore[arg-type]
        resources = load_server_resources(options)
        self._options, self._resources = options, resources

    def close(self) -> None:
        """Stop listening; connections that are open go on."""
        if self._server is not None:
            self._log.info("no longer listening on %s", Peer(self._addresses))
            self._server.close()
            self._server = None
        self._closed.set()

    async def wait_closed(self) -> None:
        """Wait until nothing is listened on any more."""
        await self._closed.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()
        await self.wait_closed()
