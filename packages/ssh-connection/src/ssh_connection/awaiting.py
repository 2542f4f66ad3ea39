"""Waiting for what a callback of the application returned, which may end before it begins.

A coroutine that was never awaited makes Python say so: the end of a connection or of the loop is no
mistake of the application.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, TypeVar

from .opening import WrappedCoroutine

if TYPE_CHECKING:
    import asyncio

__all__ = ["holding", "start_waiting"]

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
