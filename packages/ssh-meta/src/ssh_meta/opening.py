"""What functions return that open something: awaitable, and an asynchronous context manager."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

__all__ = ["Opening"]


class _Closing(Protocol):
    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> object: ...


T = TypeVar("T", bound=_Closing)


class Opening(Generic[T]):
    """Something that is being opened.

    `await` gives it, and `async with` gives it and closes it at the end. One of the two has to be
    done, and only once.

    Parameters:
        coroutine: opens it.
    """

    # Any: what a coroutine sends and receives is between it and the event loop.
    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._opened: T | None = None

    def __await__(self) -> Generator[Any, Any, T]:
        return self._coroutine.__await__()

    async def __aenter__(self) -> T:
        opened = self._opened = await self._coroutine
        return await opened.__aenter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(exc_type, exc_value, traceback)
