"""Connections that a listener accepted: each gets a channel, and is relayed through it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from ..errors import ChannelOpenError
from .relay import AcceptHandler, RelayOpener, RelaySession, SSHForwarder

__all__ = ["AcceptedForwarder", "FixedForwarder"]


class AcceptedForwarder(SSHForwarder, ABC):
    """The socket's side of a connection that a listener accepted.

    Parameters:
        accept_handler: says whether the connection may be forwarded; None: it may.
    """

    def __init__(self, accept_handler: AcceptHandler | None = None) -> None:
        super().__init__()
        self._accept_handler = accept_handler
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection was accepted."""
        super().connection_made(transport)
        self._accepted()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed: also stop waiting for the channel."""
        task, self._task = self._task, None  # when it is cancelled, its traceback knows us
        if task is not None:
            task.cancel()
        super().connection_lost(exc)

    def refuse(self, exc: ChannelOpenError | None) -> None:
        """There is no channel: close the socket.

        Parameters:
            exc: what is wrong, None if the application does not want the connection.
        """
        self.close()

    def _accepted(self) -> None:
        """Open the channel; whoever has to hear first where it goes calls `_begin` then."""
        self._begin()

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self.close()  # nobody else knows of the socket

    async def _run(self) -> None:
        peer = self.get_extra_info("peername")
        host, port = (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) else ("", 0)
        try:
            if self._accept_handler is not None:
                allowed = self._accept_handler(host, port)
                if isinstance(allowed, Awaitable):
                    allowed = await allowed
                if not allowed:
                    self.refuse(None)
                    return
            await self._open(lambda: RelaySession(self), host, port)
        except ChannelOpenError as exc:
            self.refuse(exc)
        except Exception as exc:
            self.close()
            asyncio.get_running_loop().call_exception_handler(
                {"message": "forwarding of a connection failed", "exception": exc}
            )

    @abstractmethod
    def _open(self, factory: Callable[[], RelaySession], host: str, port: int) -> Awaitable[object]:
        """Open the channel of a connection that comes from a host and port; as a RelayOpener."""


class FixedForwarder(AcceptedForwarder):
    """As `AcceptedForwarder`, where all connections of a listener go the same way.

    Parameters:
        opener: opens the channel.
        accept_handler: says whether the connection may be forwarded; None: it may.
    """

    def __init__(self, opener: RelayOpener, accept_handler: AcceptHandler | None = None) -> None:
        super().__init__(accept_handler)
        self._opener = opener

    def _open(self, factory: Callable[[], RelaySession], host: str, port: int) -> Awaitable[object]:
        return self._opener(factory, host, port)
