"""Turns the arguments of a redirection into sources and sinks."""

from __future__ import annotations

import asyncio
import codecs
import io
import os
import socket
import subprocess
from contextlib import suppress
from pathlib import PurePath
from typing import IO, Final, cast

from ..channel.text import SSHChannel
from ..stream import SSHReader, SSHWriter
from .files import (
    FileLike,
    ThreadedFile,
    is_async_file,
    is_socket_fd,
    is_stream_fd,
    is_terminal_fd,
    open_fd,
    open_path,
    own_or_duplicate,
    standard_descriptor,
)
from .sources import (
    AsyncFileSource,
    FileSource,
    Source,
    SSHReaderSource,
    StreamReaderSource,
    open_pipe_source,
)
from .targets import (
    AsyncFileSink,
    FileSink,
    Sink,
    SSHWriterSink,
    StreamWriterSink,
    open_pipe_sink,
)

__all__ = [
    "DEFAULT_BUFSIZE",
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "ProcessSource",
    "ProcessTarget",
    "open_sink",
    "open_source",
]

PIPE: Final = subprocess.PIPE
"""Read or write the stream with the process's `SSHReader` or `SSHWriter`."""
STDOUT: Final = subprocess.STDOUT
"""Send standard error to where standard output goes."""
DEVNULL: Final = subprocess.DEVNULL
"""No input, or output that is discarded."""

DEFAULT_BUFSIZE: Final = 128 * 1024
"""Bytes read at once from a source."""

ProcessSource = FileLike | SSHReader[str] | SSHReader[bytes] | asyncio.StreamReader
"""What input can come from: `PIPE` and `DEVNULL` are among the `int`."""
ProcessTarget = FileLike | SSHWriter[str] | SSHWriter[bytes] | asyncio.StreamWriter
"""Where output can go to: `PIPE`, `DEVNULL` and `STDOUT` are among the `int`."""

Channel = SSHChannel[str] | SSHChannel[bytes]


async def open_source(source: ProcessSource, channel: Channel) -> Source:
    """Open what input comes from.

    Raises OSError if it can not be opened, TypeError for something else.
    """
    if isinstance(source, SSHReader):
        return _reader_source(source)
    if isinstance(source, asyncio.StreamReader):
        return StreamReaderSource(source)
    if is_async_file(source):
        return AsyncFileSource(source)
    if isinstance(source, socket.socket):
        source.setblocking(False)
        return await open_pipe_source(source, True)
    file, opened = await _open_file(source, False)
    fd = _fileno(file)
    if fd is not None and is_socket_fd(fd):
        return await open_pipe_source(_socket_of(file, fd, opened), True)
    if fd is not None and (is_stream_fd(fd) or is_terminal_fd(fd)):
        standard = standard_descriptor(source, fd)
        return await open_pipe_source(own_or_duplicate(file, fd), False, standard)
    return FileSource(await _bytes_if_wanted(file, channel), opened)


async def open_sink(target: ProcessTarget, channel: Channel) -> tuple[Sink, bool]:
    """Open what output goes to.

    Returns the sink, and whether it takes bytes as they are on the wire; if not, it takes what
    the channel reads.

    Raises OSError if it can not be opened, TypeError for something else.
    """
    if isinstance(target, SSHWriter):
        return _writer_sink(target), _same_encoding(target.channel, channel)
    if isinstance(target, asyncio.StreamWriter):
        return StreamWriterSink(target), True
    if is_async_file(target):
        return AsyncFileSink(target), "b" in str(getattr(target, "mode", "b"))
    if isinstance(target, socket.socket):
        target.setblocking(False)
        return await open_pipe_sink(target, True), True
    file, opened = await _open_file(target, True)
    fd = _fileno(file)
    if fd is not None and is_stream_fd(fd):
        await _flush(file)
        if is_socket_fd(fd):
            return await open_pipe_sink(_socket_of(file, fd, opened), True), True
        standard = standard_descriptor(target, fd)
        return await open_pipe_sink(own_or_duplicate(file, fd), False, standard), True
    if fd is not None and is_terminal_fd(fd):
        return await _terminal_sink(file, fd, opened)
    file = await _bytes_if_wanted(file, channel)
    return FileSink(file, opened), not isinstance(file, io.TextIOBase)


async def _terminal_sink(file: IO[bytes] | IO[str], fd: int, opened: bool) -> tuple[Sink, bool]:
    """Make a sink without buffers, which lose data when the terminal does not wait for them.

    Whoever reads from the same terminal may have told it not to.
    """
    await _flush(file)
    terminal = cast("IO[bytes]", os.fdopen(os.dup(fd), "wb", buffering=0))
    if opened:
        file.close()
    if isinstance(file, io.TextIOWrapper):
        return FileSink(terminal, True, (file.encoding, file.errors or "strict")), False
    return FileSink(terminal, True), True


def _reader_source(reader: SSHReader[str] | SSHReader[bytes]) -> Source:
    return SSHReaderSource(cast("SSHReader[bytes]", reader))


def _writer_sink(writer: SSHWriter[str] | SSHWriter[bytes]) -> Sink:
    return SSHWriterSink(cast("SSHWriter[bytes]", writer))


def _same_encoding(first: Channel, second: Channel) -> bool:
    """Whether bytes of one channel mean the same on the other."""
    encodings = [channel.get_encoding()[0] for channel in (first, second)]
    if None in encodings:
        return True
    names = {codecs.lookup(cast("str", encoding)).name for encoding in encodings}
    return len(names) == 1


async def _open_file(
    file: FileLike | SSHReader[str] | SSHReader[bytes] | SSHWriter[str] | SSHWriter[bytes],
    writing: bool,
) -> tuple[IO[bytes] | IO[str], bool]:
    """Return a file object and whether we have opened it."""
    if isinstance(file, str | PurePath):
        return await open_path(file, writing), True
    if isinstance(file, int):
        if file < 0:
            raise ValueError(f"not a file descriptor: {file}")
        return open_fd(file, writing), True
    if not hasattr(file, "write" if writing else "read"):
        raise TypeError(f"can not redirect to or from {type(file).__name__}")
    return cast("IO[bytes]", file), False


def _fileno(file: IO[bytes] | IO[str]) -> int | None:
    """Return the descriptor of a file, or None if it is in memory only."""
    # A compressed or otherwise wrapped file has the descriptor of what is below it, which must
    # not be used in its place.
    if not isinstance(file, io.FileIO | io.BufferedIOBase | io.TextIOWrapper):
        return None
    with suppress(OSError, ValueError, AttributeError):
        raw = file.buffer if isinstance(file, io.TextIOWrapper) else file
        base = getattr(raw, "raw", raw)
        if isinstance(base, io.FileIO | socket.SocketIO):
            return file.fileno()
    return None


def _socket_of(file: IO[bytes] | IO[str], fd: int, opened: bool) -> socket.socket:
    """Make a socket object of a descriptor; it is ours, whoever closes the file."""
    sock = socket.socket(fileno=os.dup(fd))
    sock.setblocking(False)
    if opened:
        file.close()
    return sock


async def _flush(file: IO[bytes] | IO[str]) -> None:
    """Write what the file holds back, in a thread: whoever reads it may not do so at once."""
    with suppress(OSError, ValueError):
        await ThreadedFile(file, False).call(file.flush)


async def _bytes_if_wanted(file: IO[bytes] | IO[str], channel: Channel) -> IO[bytes] | IO[str]:
    """On a channel without an encoding, use the bytes below a text file."""
    encoding, _ = channel.get_encoding()
    if encoding is None and isinstance(file, io.TextIOWrapper):
        await _flush(file)
        return cast("IO[bytes]", file.buffer)
    return file
