"""Requests of the peer whose answers have to leave in the order of the requests.

RFC 4254 sections 4 and 5.4: replies carry no identifier, so they match the requests by order only.
A handler may need time (it returns an awaitable); what arrives meanwhile waits in a bounded queue.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from ssh_keys.wire import PacketDecodeError
from ssh_transport.errors import DisconnectError, ProtocolError

from .awaiting import start_waiting

if TYPE_CHECKING:
    import asyncio

__all__ = ["OrderedReplies"]

T = TypeVar("T")


class OrderedReplies(Generic[T]):
    """Runs request handlers one after another.

    Parameters:
        loop: runs the handlers that are awaitable.
        limit: number of requests that may wait; one more is a protocol error.
        refused: result of a handler that raised.
        fail: ends the connection, for errors found when no packet is being handled.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limit: int,
        refused: T,
        fail: Callable[[DisconnectError], None],
    ) -> None:
        self._loop = loop
        self._limit = limit
        self._refused = refused
        self._fail = fail
        self._queue: list[tuple[Callable[[], T | Awaitable[T]], Callable[[T], None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def add(self, run: Callable[[], T | Awaitable[T]], done: Callable[[T], None]) -> None:
        """Call `run` when its turn has come and give `done` its result.

        Raises ProtocolError if too many requests wait already, and what `run` raises for
        malformed data (PacketDecodeError, DisconnectError) if it is its turn.
        """
        if self._closed:
            return
        if self._task is None:
            self._start(run, done)
        elif len(self._queue) < self._limit:
            self._queue.append((run, done))
        else:
            raise ProtocolError("too many requests sent without waiting for replies")

    def close(self) -> None:
        """Forget what waits and cancel the handler that is running."""
        self._closed = True
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _start(self, run: Callable[[], T | Awaitable[T]], done: Callable[[T], None]) -> None:
        try:
            result = run()
        except (DisconnectError, PacketDecodeError):
            raise
        except Exception as exc:
            self._report(exc)
            result = self._refused
        if isinstance(result, Awaitable):
            self._task = start_waiting(self._loop, self._finish(result, done), result)
        else:
            done(result)

    def _idle(self) -> bool:
        return self._task is None and not self._closed

    async def _finish(self, pending: Awaitable[T], done: Callable[[T], None]) -> None:
        try:
            result = await self._result(pending)
            if self._closed:
                return
            self._task = None
            done(result)
            while self._queue and self._idle():
                self._start(*self._queue.pop(0))
        except DisconnectError as exc:
            self._fail(exc)
        except PacketDecodeError as exc:
            self._fail(ProtocolError(str(exc)))

    async def _result(self, pending: Awaitable[T]) -> T:
        try:
            return await pending
        except (DisconnectError, PacketDecodeError):
            raise
        except Exception as exc:
            self._report(exc)
            return self._refused

    def _report(self, exc: Exception) -> None:
        self._loop.call_exception_handler(
            {"message": "handler of an SSH request failed", "exception": exc}
        )
