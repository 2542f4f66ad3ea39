"""A `ByteTransport` on a pair of descriptors: the pipes of a program, or standard input and output.

asyncio's own pipe transports join what is written, and read 256 KiB into fresh memory each time;
here parts go out by one `writev`, and reads are small enough for memory that is used again.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from ssh_sftp.protocols import Buffer, StreamHandler

__all__ = ["PipeTransport"]

_READ_SIZE: Final = 65536
_HIGH_WATER: Final = 1024 * 1024
_LOW_WATER: Final = 256 * 1024
_MAX_PARTS: Final = 64


class PipeTransport:
    """Connects a handler to a descriptor that is read and one that is written.

    Parameters:
        loop: the event loop.
        read_fd, write_fd: pipes, sockets or terminals; made non-blocking, and closed at the end.
        handler: gets what is read.
        on_closed: called when both descriptors are closed.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        read_fd: int,
        write_fd: int,
        handler: StreamHandler,
        on_closed: Callable[[], None] | None = None,
    ) -> None:
        self._loop = loop
        self._read_fd: int | None = read_fd
        self._write_fd: int | None = write_fd
        self._handler = handler
        self._on_closed = on_closed
        self._queue: deque[Buffer] = deque()
        self._queued = 0
        self._closing = False
        self._paused_reading = False
        self._paused_writing = False
        for descriptor in (read_fd, write_fd):
            os.set_blocking(descriptor, False)
        handler.connection_made(self)
        loop.add_reader(read_fd, self._read_ready)

    # --- Reading ----------------------------------------------------------------------------------

    def _read_ready(self) -> None:
        if self._read_fd is None:
            return
        try:
            data = os.read(self._read_fd, _READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as exc:
            self._close_now(exc)
            return
        if data:
            self._handler.data_received(data, 0, len(data))
            return
        self._stop_reading()
        if not self._handler.eof_received():
            self.close()

    def _stop_reading(self) -> None:
        if self._read_fd is not None:
            self._loop.remove_reader(self._read_fd)
            os.close(self._read_fd)
            self._read_fd = None

    def pause_reading(self) -> None:
        """Read no more, so that the peer is held up."""
        if not self._paused_reading and self._read_fd is not None:
            self._loop.remove_reader(self._read_fd)
        self._paused_reading = True

    def resume_reading(self) -> None:
        """Read on."""
        if self._paused_reading and self._read_fd is not None:
            self._loop.add_reader(self._read_fd, self._read_ready)
        self._paused_reading = False

    # --- Writing ----------------------------------------------------------------------------------

    def write(self, data: Buffer) -> None:
        """Send or queue data."""
        self.writelines((data,))

    def writelines(self, parts: Iterable[Buffer]) -> None:
        """Send or queue parts in order."""
        if self._closing or self._write_fd is None:
            return
        idle = not self._queue
        for part in parts:
            if len(part):
                self._queue.append(part)
                self._queued += len(part)
        if idle and self._queue:
            self._write_now()
            if self._queue and self._write_fd is not None:
                self._loop.add_writer(self._write_fd, self._write_ready)
        if self._queued > _HIGH_WATER and not self._paused_writing:
            self._paused_writing = True
            self._handler.pause_writing()

    def _write_now(self) -> None:
        queue = self._queue
        while queue:
            parts = list(queue) if len(queue) <= _MAX_PARTS else [queue[i] for i in range(64)]
            assert self._write_fd is not None
            try:
                written = os.writev(self._write_fd, parts)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as exc:
                self._close_now(exc)
                return
            self._queued -= written
            while queue and written >= len(queue[0]):
                written -= len(queue.popleft())
            if written:
                queue[0] = memoryview(queue[0])[written:]

    def _write_ready(self) -> None:
        self._write_now()
        if self._write_fd is None:
            return
        if not self._queue:
            self._loop.remove_writer(self._write_fd)
        if self._paused_writing and self._queued <= _LOW_WATER:
            self._paused_writing = False
            self._handler.resume_writing()
        if self._closing and not self._queue:
            self._close_now(None)

    def get_write_buffer_size(self) -> int:
        """Number of bytes that are queued."""
        return self._queued

    # --- Closing ----------------------------------------------------------------------------------

    def is_closing(self) -> bool:
        """True once the transport is closed or closing."""
        return self._closing

    def close(self) -> None:
        """Send what is queued, then close both directions."""
        if self._closing:
            return
        self._closing = True
        self._stop_reading()
        if not self._queue:
            self._close_now(None)

    def abort(self) -> None:
        """Close both directions at once."""
        self._closing = True
        self._close_now(None)

    def _close_now(self, error: OSError | None) -> None:
        self._closing = True
        self._stop_reading()
        self._queue.clear()
        self._queued = 0
        if self._write_fd is None:
            return
        self._loop.remove_writer(self._write_fd)
        os.close(self._write_fd)
        self._write_fd = None
        self._loop.call_soon(self._closed, error)

    def _closed(self, error: OSError | None) -> None:
        self._handler.connection_lost(error)
        if self._on_closed is not None:
            self._on_closed()
