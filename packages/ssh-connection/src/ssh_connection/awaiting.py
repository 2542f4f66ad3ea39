"""Waiting for what may end before it begins, and for what goes on when nobody waits any more.

Python complains about a coroutine that was never awaited, and from 3.14 on about what failed behind
`asyncio.shield` when nobody waited any more. Neither is a mistake of the application: a connection
or the loop has ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, TypeVar

from .opening import WrappedCoroutine

if TYPE_CHECKING:
    import asyncio

__all__ = ["holding", "outlasting", "start_waiting"]

T = TypeVar("T")


def start_waiting(
    loop: asyncio.AbstractEventLoop,
    waiting: Coroutine[object, object, T],
    awaited: Awaitable[object],
) -> asyncio.Task[T]:
    """Start a task that awaits something, and that may be cancelled before it begins.

    Parameters:
        loop: runs the task.
        waiting: what the task does.
        awaited: what `waiting` awaits; a coroutine that it never came to is closed.
    """
    task = loop.create_task(waiting)
    if isinstance(awaited, Coroutine):
        task.add_done_callback(lambda _: awaited.close())
    return task


async def outlasting(future: asyncio.Future[T]) -> T:
    """Return the result of a future, which goes on if the waiting for it is cancelled.

    Its exception is nobody's business then, unless a callback of the future asks for it.
    """
    if not future.done():
        over: asyncio.Future[None] = future.get_loop().create_future()

        def end(done: asyncio.Future[T]) -> None:
            if not done.cancelled():
                done.exception()  # so that nobody misses it
            if not over.done():
                over.set_result(None)

        future.add_done_callback(end)
        await over
    try:
        return future.result()
    finally:
        del future  # it has the exception, and the exception this frame


class _Holding(WrappedCoroutine[T]):
    """See `holding`."""

    def __init__(
        self, waiting: Coroutine[object, None, T], awaited: Coroutine[object, object, object]
    ) -> None:
        super().__init__(waiting)
        self._awaited = awaited

    def close(self) -> None:
        super().close()
        self._awaited.close()


def holding(
    waiting: Coroutine[object, None, T], awaited: Awaitable[object]
) -> Coroutine[object, None, T]:
    """Return what does as `waiting`; to close it closes `awaited`, too.

    Parameters:
        waiting: a coroutine that was not begun.
        awaited: what it awaits.
    """
    return _Holding(waiting, awaited) if isinstance(awaited, Coroutine) else waiting
