"""What functions return that open something: awaitable, and an asynchronous context manager.

The same file is `ssh_connection/opening.py` and `ssh_sftp/opening.py`: ssh-sftp has no dependency,
and a test holds the two copies byte-equal.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from functools import wraps
from types import TracebackType
from typing import ParamSpec, Protocol, Self, TypeVar

__all__ = ["Opening", "WrappedCoroutine", "opening"]


class _Closing(Protocol):
    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> object: ...


P = ParamSpec("P")
T = TypeVar("T", bound=_Closing)
T_co = TypeVar("T_co", bound=_Closing, covariant=True)
R_co = TypeVar("R_co", covariant=True)


class WrappedCoroutine(Coroutine[object, None, R_co]):
    """Does as a coroutine does, and what its subclasses add.

    Parameters:
        coroutine: one that was not begun.
    """

    def __init__(self, coroutine: Coroutine[object, None, R_co]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[object, None, R_co]:
        return self._coroutine.__await__()

    def send(self, value: None) -> object:
        """Go on, as of any coroutine."""
        return self._coroutine.send(value)

    def throw(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> object:
        """Raise an exception where it waits, as of any coroutine."""
        if isinstance(typ, BaseException):
            return self._coroutine.throw(typ)
        return self._coroutine.throw(typ, val, tb)

    def close(self) -> None:
        """Give up before it is begun, or in the middle, as of any coroutine."""
        self._coroutine.close()


class Opening(WrappedCoroutine[T_co]):
    """Something that is being opened: a coroutine, and an asynchronous context manager.

    `await` and tasks give it, `async with` gives it and closes it at the end. One of them has to
    be done, and only once.

    Parameters:
        coroutine: opens it.
    """

    def __init__(self, coroutine: Coroutine[object, None, T_co]) -> None:
        super().__init__(coroutine)
        self._opened: T_co | None = None

    async def __aenter__(self) -> T_co:
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


def opening(function: Callable[P, Coroutine[object, None, T]]) -> Callable[P, Opening[T]]:
    """Make a coroutine function return an `Opening`."""

    @wraps(function)
    def start(*args: P.args, **kwargs: P.kwargs) -> Opening[T]:
        return Opening(function(*args, **kwargs))

    return start
