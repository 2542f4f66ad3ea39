"""Tasks that wait for what a callback of the application returned."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import asyncio

__all__ = ["start_waiting"]

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
        awaited: what `waiting` awaits; a coroutine that it never came to is closed, or Python would
            say that it was never awaited.
    """
    task = loop.create_task(waiting)
    if isinstance(awaited, Coroutine):
        task.add_done_callback(lambda _: awaited.close())
    return task
