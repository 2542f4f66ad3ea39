"""Where the output of a process goes, other than into a reader.

A target takes data as the channel receives it (`ssh_connection.stream.Receiver`) and gives it back
to the channel's window only after it was written, so a slow target stops the peer.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import IO, AnyStr, Final, Generic, Protocol, cast

from ssh_transport.errors import ProtocolError

from ..channel.session_client import SSHClientChannel
from ..channel.text import SSHChannel
from ..decoding import TextDecoder
from ..errors import BreakReceived, SignalReceived, TerminalSizeChanged
from ..stream import SSHWriter
from .files import AsyncFile, ThreadedFile, blocking_standard

__all__ = [
    "AsyncFileSink",
    "DiscardTarget",
    "FileSink",
    "PipeSink",
    "QueueTarget",
    "SSHWriterSink",
    "Sink",
    "StreamWriterSink",
    "open_pipe_sink",
]

_SMALL: Final = 4096  # queued pieces below this size are joined
_BATCH: Final = 1 << 20  # bytes handed to a sink at once


class Sink(Protocol):
    """Something that data can be written to, one write after another."""

    async def write(self, data: bytes | str) -> None:
        """Write data, and return when more is welcome."""
        ...

    async def happened(self, exc: Exception) -> None:
        """Something happened between the data (a signal, a break)."""
        ...

    async def end(self, eof: bool) -> None:
        """Nothing more comes: flush, pass EOF on if `eof`, close what was opened."""
        ...

    def discard(self) -> None:
        """A write has failed: close what was opened, without a further attempt."""
        ...


class DiscardTarget(Generic[AnyStr]):
    """DEVNULL: data counts as consumed at once."""

    def __init__(self, channel: SSHChannel[AnyStr]) -> None:
        self._channel: SSHChannel[AnyStr] = channel

    def feed(self, data: AnyStr | bytes, size: int, datatype: int | None = None) -> None:
        """Drop the data."""
        self._channel.consumed(size)

    def feed_exception(self, exc: Exception) -> None:
        """Drop it."""

    def feed_eof(self, error: Exception | None = None) -> None:
        """Nothing to do."""


class QueueTarget(Generic[AnyStr]):
    """Writes to a sink what is received, in order, at the sink's pace.

    Parameters:
        channel: gets back what was written.
        sink: where to.
        recv_eof: whether EOF of the channel ends the sink.
        raw: whether the sink takes bytes as they were received; else it takes text, if the
            channel has an encoding.
    """

    def __init__(self, channel: SSHChannel[AnyStr], sink: Sink, recv_eof: bool, raw: bool) -> None:
        self._channel: SSHChannel[AnyStr] = channel
        self._sink = sink
        self._recv_eof = recv_eof
        self._raw = raw
        self._decoder = TextDecoder(channel.get_encoding)
        self._queue: deque[tuple[bytes | str | Exception, int]] = deque()
        self._wakeup = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(self._given_up)

    def feed(self, data: AnyStr | bytes, size: int, datatype: int | None = None) -> None:
        """Queue data; at most a window of it, because it is not given back yet."""
        if self._error is not None:
            self._channel.consumed(size)
            return
        converted = self._convert(data, datatype)
        if self._queue and not isinstance(converted, Exception) and len(converted) < _SMALL:
            # Many tiny packets must not cost many times the window that they fill.
            last, last_size = self._queue[-1]
            joined = _joined(last, converted)
            if joined is not None:
                self._queue[-1] = (joined, last_size + size)
                return
        self._queue.append((converted, size))
        self._wakeup.set()

    def _convert(self, data: bytes | str, datatype: int | None) -> bytes | str | Exception:
        encoding, errors = self._channel.get_encoding()
        if encoding is None:
            return data
        if self._raw:
            return data.encode(encoding, errors) if isinstance(data, str) else data
        if isinstance(data, str):
            return data
        text, error = self._decoder.decode(data, datatype)
        return text if error is None else error

    def feed_exception(self, exc: Exception) -> None:
        """Queue something that happened."""
        self._queue.append((exc, 0))
        self._wakeup.set()

    def feed_eof(self, error: Exception | None = None) -> None:
        """No more data comes."""
        if not self._ended and not self._raw:
            text, wrong = self._decoder.finish()
            if text:
                self._queue.append((text, 0))
            if wrong is not None:
                self._queue.append((wrong, 0))
        self._ended = True
        self._wakeup.set()

    async def finish(self) -> None:
        """Wait until everything is written; raises what went wrong with the sink."""
        self.feed_eof()
        await asyncio.shield(self._task)
        if self._error is not None:
            raise self._error

    async def _run(self) -> None:
        try:
            while True:
                while self._queue:
                    await self._write_next()
                if self._ended:
                    break
                self._wakeup.clear()
                await self._wakeup.wait()
            await self._sink.end(self._recv_eof)
        except Exception as exc:
            # Reported by `finish`. What still arrives is dropped, the process goes on.
            self._error = exc
            self._sink.discard()
            while self._queue:
                self._channel.consumed(self._queue.popleft()[1])

    def _given_up(self, task: asyncio.Task[None]) -> None:
        """The loop ends, maybe before the task has begun: nobody writes any more."""
        if task.cancelled():
            self._sink.discard()

    async def _write_next(self) -> None:
        first, size = self._queue.popleft()
        if isinstance(first, Exception):
            self._channel.consumed(size)
            if isinstance(first, ProtocolError):
                raise first
            await self._sink.happened(first)
            return
        data: bytes | str = first
        if self._queue:
            batch, size = self._batch(first, size)
            data = batch
        try:
            await self._sink.write(data)
        finally:
            self._channel.consumed(size)

    def _batch(self, first: bytes | str, size: int) -> tuple[bytes | str, int]:
        parts: list[bytes | str] = [first]
        while self._queue and size < _BATCH:
            item, item_size = self._queue[0]
            if isinstance(item, Exception) or type(item) is not type(first):
                break
            self._queue.popleft()
            parts.append(item)
            size += item_size
        if len(parts) == 1:
            return first, size
        empty: object = first[:0]
        pieces: object = parts
        joined = cast("bytes", empty).join(cast("list[bytes]", pieces))
        return joined, size


def _joined(last: bytes | str | Exception, more: bytes | str) -> bytes | str | None:
    """Return two small pieces as one, None if they are not of one kind or not small."""
    if isinstance(last, bytes) and isinstance(more, bytes) and len(last) < _SMALL:
        return last + more
    if isinstance(last, str) and isinstance(more, str) and len(last) < _SMALL:
        return last + more
    return None


def _wait_writable(file: IO[bytes] | IO[str]) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(file, selectors.EVENT_WRITE)
        selector.select()


class FileSink:
    """A plain file or a device: written in a thread.

    Parameters:
        file: takes bytes, or text if it is a text file.
        close: whether to close it at the end.
        encoding: of text, with the name of an error handler, if the file takes bytes.
    """

    def __init__(
        self,
        file: IO[bytes] | IO[str],
        close: bool,
        encoding: tuple[str, str] | None = None,
    ) -> None:
        self._file = ThreadedFile(file, close)
        self._encoding = encoding

    async def write(self, data: bytes | str) -> None:
        """Write all of it."""
        await self._file.call(self._write, data)

    def _write(self, data: bytes | str) -> None:
        write = cast("Callable[[bytes | str], int | None]", self._file.file.write)
        if self._encoding is not None and isinstance(data, str):
            data = data.encode(*self._encoding)
        written = write(data)
        # A raw file may take less than it is given, and nothing if it does not wait.
        while isinstance(data, bytes) and (written or 0) < len(data):
            if written is None:
                _wait_writable(self._file.file)
            data = data[written or 0 :]
            written = write(data)

    async def happened(self, exc: Exception) -> None:
        """A file has no use for it."""

    async def end(self, eof: bool) -> None:
        """Close the file if it is ours, else flush it."""
        file = self._file.file
        await self._file.call(file.close if self._file.owned else file.flush)

    def discard(self) -> None:
        """Close the file if it is ours."""
        self._file.close()


class AsyncFileSink:
    """A file whose methods are coroutines; the caller closes it."""

    def __init__(self, file: AsyncFile) -> None:
        self._file = file

    async def write(self, data: bytes | str) -> None:
        """Write all of it."""
        await self._file.write(cast("bytes", data))

    async def happened(self, exc: Exception) -> None:
        """A file has no use for it."""

    async def end(self, eof: bool) -> None:
        """Nothing: the file is the caller's."""

    def discard(self) -> None:
        """Nothing: the file is the caller's."""


class StreamWriterSink:
    """An `asyncio.StreamWriter`; the caller closes it."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def write(self, data: bytes | str) -> None:
        """Write and wait for its buffer to have room."""
        self._writer.write(cast("bytes", data))
        await self._writer.drain()

    async def happened(self, exc: Exception) -> None:
        """A stream has no use for it."""

    async def end(self, eof: bool) -> None:
        """Pass EOF on."""
        if eof and self._writer.can_write_eof():
            self._writer.write_eof()

    def discard(self) -> None:
        """Nothing: the writer is the caller's."""


class SSHWriterSink(Generic[AnyStr]):
    """A writer of another channel: stdin of another process, or output of a server."""

    def __init__(self, writer: SSHWriter[AnyStr]) -> None:
        self._writer: SSHWriter[AnyStr] = writer

    async def write(self, data: bytes | str) -> None:
        """Write and wait for the other channel's buffer to have room."""
        _, datatype = self._writer.get_redirect_info()
        if isinstance(data, bytes):
            self._writer.channel.write_raw(data, datatype)
        else:
            text: object = data
            self._writer.write(cast("AnyStr", text))
        await self._writer.drain()

    async def happened(self, exc: Exception) -> None:
        """Pass signals, breaks and terminal sizes on to the other process."""
        channel: object = self._writer.channel
        if isinstance(channel, SSHClientChannel) and not channel.is_closing():
            if isinstance(exc, SignalReceived):
                channel.send_signal(exc.signal)
            elif isinstance(exc, BreakReceived):
                channel.send_break(exc.msec)
            elif isinstance(exc, TerminalSizeChanged):
                channel.change_terminal_size(*exc.term_size)

    async def end(self, eof: bool) -> None:
        """Pass EOF on."""
        if eof:
            self._writer.write_eof()

    def discard(self) -> None:
        """Nothing: the writer is the caller's."""


class PipeSink(asyncio.Protocol):
    """A pipe or a socket, written by the event loop.

    Parameters:
        is_socket: whether it could be read, too.
        restore: as of `StreamReaderSource`.
    """

    def __init__(self, is_socket: bool, restore: int | None = None) -> None:
        self._is_socket = is_socket
        self._restore = restore
        self._transport: asyncio.WriteTransport | None = None
        self._ready = asyncio.Event()
        self._ready.set()
        self._lost = asyncio.Event()
        self._exc: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there."""
        self._transport = cast("asyncio.WriteTransport", transport)
        if self._is_socket:
            # It may be the source of something else at the same time.
            cast("asyncio.Transport", transport).pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other end is closed."""
        if self._restore is not None:
            with suppress(OSError):
                os.set_blocking(self._restore, True)
        self._exc = exc or BrokenPipeError("Pipe is closed")
        self._transport = None
        self._ready.set()
        self._lost.set()

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self._ready.clear()

    def resume_writing(self) -> None:
        """The transport's buffer has room."""
        self._ready.set()

    async def write(self, data: bytes | str) -> None:
        """Write and wait for the transport's buffer to have room."""
        if self._transport is None:
            raise self._exc or BrokenPipeError("Pipe is closed")
        self._transport.write(cast("bytes", data))
        await self._ready.wait()

    async def happened(self, exc: Exception) -> None:
        """A pipe has no use for it."""

    async def end(self, eof: bool) -> None:
        """Write what is left and close the pipe."""
        if self._transport is not None:
            self._transport.close()
            await self._lost.wait()

    def discard(self) -> None:
        """Close the pipe without writing what is left."""
        if self._transport is not None:
            self._transport.abort()


async def open_pipe_sink(file: object, is_socket: bool, standard: int | None = None) -> PipeSink:
    """Make a sink of a pipe or a connected socket, which is closed in the end.

    Parameters:
        file: what is opened, a socket object if `is_socket`.
        standard: as of `open_pipe_source`.
    """
    loop = asyncio.get_running_loop()
    sink = PipeSink(is_socket, blocking_standard(standard))
    if is_socket:
        await loop.connect_accepted_socket(lambda: sink, cast("socket.socket", file))
    else:
        await loop.connect_write_pipe(lambda: sink, file)
    return sink
