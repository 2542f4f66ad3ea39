"""What a redirection argument is, and how it is opened."""

from __future__ import annotations

import asyncio
import inspect
import io
import os
import socket
import stat
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import PurePath
from typing import IO, ParamSpec, Protocol, TypeGuard, TypeVar, cast

from ..awaiting import outlasting

__all__ = [
    "AsyncFile",
    "FileLike",
    "ThreadedFile",
    "blocking_standard",
    "is_async_file",
    "is_socket_fd",
    "is_stream_fd",
    "is_terminal_fd",
    "open_fd",
    "open_path",
    "own_or_duplicate",
    "standard_descriptor",
]


P = ParamSpec("P")
T = TypeVar("T")


class AsyncFile(Protocol):
    """A file whose methods are coroutines."""

    def read(self, n: int, /) -> Awaitable[bytes | str]:
        """Read up to `n` bytes or characters."""
        ...

    def write(self, data: bytes, /) -> Awaitable[object]:
        """Write data."""
        ...


FileLike = IO[bytes] | IO[str] | int | str | PurePath | socket.socket | AsyncFile
"""A file object, a descriptor, a path, a connected socket, or an asynchronous file."""


class ThreadedFile:
    """A plain file or a device, whose methods are called in a thread.

    Parameters:
        file: it.
        owned: whether `close` closes it.
    """

    def __init__(self, file: IO[bytes] | IO[str], owned: bool) -> None:
        self.file = file
        self.owned = owned
        self._running: asyncio.Future[object] | None = None

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call something that uses the file."""
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(None, partial(function, *args, **kwargs))
        self._running = cast("asyncio.Future[object]", running)
        try:
            return await outlasting(running)
        finally:
            if running.done():
                self._running = None  # it may have an exception that knows us
            del running

    def close(self) -> None:
        """Close the file, if it is owned, once no thread uses it."""
        if not self.owned:
            return
        if self._running is None or self._running.done():
            self._close()
        else:
            # Somebody else may get its descriptor, which the thread would read or write then.
            self._running.add_done_callback(lambda _: self._close())

    def _close(self) -> None:
        with suppress(OSError):
            self.file.close()


def is_async_file(file: object) -> TypeGuard[AsyncFile]:
    """Whether reading or writing the file is a coroutine function."""
    return any(inspect.iscoroutinefunction(getattr(file, name, None)) for name in ("read", "write"))


def is_stream_fd(fd: int) -> bool:
    """Whether a descriptor is a pipe or a socket, which the event loop can wait for."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def is_socket_fd(fd: int) -> bool:
    """Whether a descriptor is a socket."""
    return stat.S_ISSOCK(os.fstat(fd).st_mode)


def is_terminal_fd(fd: int) -> bool:
    """Whether a descriptor is a terminal: reading it in a thread could not be ended."""
    return os.isatty(fd)


async def open_path(path: str | PurePath, writing: bool) -> IO[bytes]:
    """Open a file by name, unbuffered; in a thread, because a named pipe waits for its peer.

    Raises OSError.
    """
    mode = "wb" if writing else "rb"
    loop = asyncio.get_running_loop()
    opening = loop.run_in_executor(None, _open, path, mode)
    try:
        return await outlasting(opening)
    except asyncio.CancelledError:
        # The thread opens it all the same.
        opening.add_done_callback(_close_opened)
        raise
    finally:
        del opening  # as in `outlasting`


def _open(path: str | PurePath, mode: str) -> IO[bytes]:
    return cast("IO[bytes]", open(path, mode, buffering=0))


def _close_opened(opening: asyncio.Future[IO[bytes]]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def open_fd(fd: int, writing: bool) -> IO[bytes]:
    """Make a file object of a descriptor, which it owns; 0, 1 and 2 are duplicated.

    Raises OSError.
    """
    if fd <= 2:
        fd = os.dup(fd)
    return os.fdopen(fd, "wb" if writing else "rb", buffering=0)


def standard_descriptor(file: object, fd: int) -> int | None:
    """Return which of 0, 1 and 2 is redirected, None for another one.

    Parameters:
        file: what was given, perhaps a number.
        fd: the descriptor that was opened for it.
    """
    number = file if isinstance(file, int) else fd
    return number if number <= 2 else None


def blocking_standard(number: int | None) -> int | None:
    """Return a standard descriptor if it waits, which an event loop is about to change.

    What the loop changes, all copies of a descriptor share, with other processes, too.
    """
    return number if number is not None and os.get_blocking(number) else None


def own_or_duplicate(file: IO[bytes] | IO[str] | socket.socket, fd: int) -> object:
    """Return what a pipe transport may close: the file itself, or a copy of a standard stream."""
    if isinstance(file, io.IOBase) and file in (sys.stdin, sys.stdout, sys.stderr):
        return os.fdopen(os.dup(fd), "rb" if file is sys.stdin else "wb", buffering=0)
    return file
