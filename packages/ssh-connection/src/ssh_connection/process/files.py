"""What a redirection argument is, and how it is opened."""

from __future__ import annotations

import asyncio
import inspect
import io
import os
import socket
import stat
import sys
from collections.abc import Awaitable
from pathlib import PurePath
from typing import IO, Protocol, TypeGuard

__all__ = [
    "AsyncFile",
    "FileLike",
    "is_async_file",
    "is_socket_fd",
    "is_stream_fd",
    "is_terminal_fd",
    "open_fd",
    "open_path",
    "own_or_duplicate",
]


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
    return await loop.run_in_executor(None, lambda: open(path, mode, buffering=0))


def open_fd(fd: int, writing: bool) -> IO[bytes]:
    """Make a file object of a descriptor, which it owns; 0, 1 and 2 are duplicated.

    Raises OSError.
    """
    if fd <= 2:
        fd = os.dup(fd)
    return os.fdopen(fd, "wb" if writing else "rb", buffering=0)


def own_or_duplicate(file: IO[bytes] | IO[str] | socket.socket, fd: int) -> object:
    """Return what a pipe transport may close: the file itself, or a copy of a standard stream."""
    if isinstance(file, io.IOBase) and file in (sys.stdin, sys.stdout, sys.stderr):
        return os.fdopen(os.dup(fd), "rb" if file is sys.stdin else "wb", buffering=0)
    return file
