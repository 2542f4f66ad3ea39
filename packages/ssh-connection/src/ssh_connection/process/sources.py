"""Where the input of a process comes from, other than from a writer."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import IO, AnyStr, Generic, Protocol, cast

from ..errors import BreakReceived, SignalReceived, TerminalSizeChanged
from ..stream import SSHReader
from .files import AsyncFile, ThreadedFile, blocking_standard

__all__ = [
    "AsyncFileSource",
    "FileSource",
    "SSHReaderSource",
    "Source",
    "StreamReaderSource",
    "open_pipe_source",
]


class Source(Protocol):
    """Something that data can be read from."""

    async def read(self, n: int) -> bytes | str:
        """Read up to `n`; an empty result is the end.

        Raises SignalReceived, BreakReceived or TerminalSizeChanged for what happened between
        the data.
        """
        ...

    def close(self) -> None:
        """Close what was opened for the redirection."""
        ...


class FileSource:
    """A plain file: read in a thread.

    Parameters:
        file: gives bytes, or text if it is a text file.
        close: whether to close it at the end.
    """

    def __init__(self, file: IO[bytes] | IO[str], close: bool) -> None:
        self._file = ThreadedFile(file, close)

    async def read(self, n: int) -> bytes | str:
        """Read up to `n`."""
        return await self._file.call(self._file.file.read, n)

    def close(self) -> None:
        """Close the file if it is ours."""
        self._file.close()


class AsyncFileSource:
    """A file whose methods are coroutines; the caller closes it."""

    def __init__(self, file: AsyncFile) -> None:
        self._file = file

    async def read(self, n: int) -> bytes | str:
        """Read up to `n`."""
        return await self._file.read(n)

    def close(self) -> None:
        """Nothing: the file is the caller's."""


class StreamReaderSource:
    """An `asyncio.StreamReader`, with the pipe or socket that was opened for it.

    Parameters:
        reader: is read.
        transport: closed at the end; None if the reader is the caller's.
        restore: standard descriptor to put back into blocking mode, which the transport has
            changed for all copies of it.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        transport: asyncio.BaseTransport | None = None,
        restore: int | None = None,
    ) -> None:
        self._reader = reader
        self._transport = transport
        self._restore = restore

    async def read(self, n: int) -> bytes | str:
        """Read up to `n`."""
        return await self._reader.read(n)

    def close(self) -> None:
        """Close the transport, if it is ours."""
        if self._transport is not None:
            self._transport.close()
        if self._restore is not None:
            os.set_blocking(self._restore, True)
            self._restore = None


class SSHReaderSource(Generic[AnyStr]):
    """A reader of another channel: output of another process, or stdin of a server."""

    def __init__(self, reader: SSHReader[AnyStr]) -> None:
        self._reader: SSHReader[AnyStr] = reader

    async def read(self, n: int) -> bytes | str:
        """Read up to `n`; raises what happened in the other stream."""
        return await self._reader.read(n)

    def close(self) -> None:
        """Nothing: the reader is the caller's."""


HAPPENED = (SignalReceived, BreakReceived, TerminalSizeChanged)
"""Exceptions of a stream that are passed on, not failures."""


async def open_pipe_source(
    file: object, is_socket: bool, standard: int | None = None
) -> StreamReaderSource:
    """Make a source of a pipe, a terminal or a connected socket, which is closed in the end.

    Parameters:
        file: what is opened, a socket object if `is_socket`.
        standard: the standard descriptor that it is, or is a copy of.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    if is_socket:
        transport: asyncio.BaseTransport
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, cast("socket.socket", file)
        )
        return StreamReaderSource(reader, transport)
    restore = blocking_standard(standard)
    transport, _ = await loop.connect_read_pipe(lambda: protocol, file)
    return StreamReaderSource(reader, transport, restore)
