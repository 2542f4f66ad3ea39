"""Waiting for what a callback of the application returned, which may end before it begins.

A coroutine that was never awaited makes Python say so: the end of a connection or of the loop is no
mistake of the application.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import asyncio

__all__ = ["holding", "start_waiting"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


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


class _Holding(Coroutine[object, object, T_co]):
    """See `holding`."""

    def __init__(
        self, waiting: Coroutine[object, object, T_co], awaited: Coroutine[object, object, object]
    ) -> None:
        self._waiting = waiting
        self._awaited = awaited

    def __await__(self) -> Generator[object, object, T_co]:
        return self._waiting.__await__()

    def send(self, value: object) -> object:
        return self._waiting.send(value)

    def throw(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> object:
        if isinstance(typ, BaseException):
            return self._waiting.throw(typ)
        return self._waiting.throw(typ, val, tb)

    def close(self) -> None:
        self._waiting.close()
        self._awaited.close()


def holding(
    waiting: Coroutine[object, object, T], awaited: Awaitable[object]
) -> Coroutine[object, object, T]:
    """Return what does as `waiting`; to close it closes `awaited`, too.

    Parameters:
        waiting: a coroutine that was not begun.
        awaited: what it awaits.
    """
    return _Holding(waiting, awaited) if isinstance(awaited, Coroutine) else waiting
