"""`async with` for what is closed at the end."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

__all__ = ["ClosedOnExit"]


class _Closing(Protocol):
    def close(self) -> None: ...

    async def wait_closed(self) -> None: ...


class ClosedOnExit:
    """An asynchronous context manager: on exit `close` is called, and `wait_closed` waited for."""

    __slots__ = ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self: _Closing,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        await self.wait_closed()
