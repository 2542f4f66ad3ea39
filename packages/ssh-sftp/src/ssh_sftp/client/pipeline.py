"""The data path: many blocks of a file in flight, driven by the replies. Sans-IO.

There is no task, future or object per block: a transfer registers itself for each of its requests,
and each reply makes it send the next ones. Bytes in flight are bounded, replies may come in any
order, short reads are completed, and an answer that makes no sense ends the session.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Final

from ssh_sftp.client.core import SFTPClientCore
from ssh_sftp.codec.constants import FX_EOF, PacketType
from ssh_sftp.codec.framing import pack_read, pack_write_header
from ssh_sftp.codec.responses import decode_error
from ssh_sftp.errors import SFTPBadMessage, SFTPError, SFTPFailure
from ssh_sftp.protocols import Buffer

__all__ = ["BlockReader", "BlockWriter"]

# Bytes in flight of one transfer. It has to cover bandwidth x round trip (4 MiB are 100 Mbit/s at
# 320 ms, 1 Gbit/s at 32 ms) and bounds the memory that a transfer takes.
DEFAULT_WINDOW: Final = 4 * 1024 * 1024
MAX_REQUESTS: Final = 128

_UINT32 = Struct(">I")
_DATA = PacketType.SSH_FXP_DATA.value
_STATUS = PacketType.SSH_FXP_STATUS.value
_DATA_HEADER = 9  # type, request id, length of the data

OnBlock = Callable[[list[memoryview], int, int], None]
OnDone = Callable[[BaseException | None], None]
ReadBlock = Callable[[int, int], Buffer]
OnWritten = Callable[[int], None]


class BlockReader:
    """Reads a range of an open file with many requests in flight.

    Parameters:
        core: the session.
        handle: handle of the open file.
        offset: first byte to read.
        length: number of bytes to read; None reads to the end of the file.
        on_block: called with (views, offset, length) for each block, in any order.
        on_done: called once, with None or with what went wrong.
        block_size: bytes per request.
        max_requests: requests in flight; -1 derives it from `DEFAULT_WINDOW`.
        exact: an end of the file before `length` bytes is an error.
        hold: bytes handed to `on_block` count as in flight until `release` is called for them.
    """

    def __init__(
        self,
        core: SFTPClientCore,
        handle: bytes,
        offset: int,
        length: int | None,
        on_block: OnBlock,
        on_done: OnDone,
        *,
        block_size: int,
        max_requests: int = -1,
        exact: bool = False,
        hold: bool = False,
    ) -> None:
        self._core = core
        self._handle = handle
        self._next = offset
        self._end = None if length is None else offset + length
        self._on_block = on_block
        self._on_done = on_done
        self._block_size = block_size
        self._max_requests = MAX_REQUESTS if max_requests <= 0 else max_requests
        # While the end is not known, one more request per answer: a small file costs two.
        self._ramp = self._max_requests if length is not None else min(2, self._max_requests)
        self._window = DEFAULT_WINDOW if max_requests <= 0 else max_requests * block_size
        self._low = self._window * 3 // 4
        self._exact = exact
        self._hold = hold
        # request id -> (offset, bytes asked for, bytes of the short answer that it completes)
        self._in_flight: dict[int, tuple[int, int, int]] = {}
        self._bytes = 0
        self._held = 0
        self._again: deque[tuple[int, int, int]] = deque()
        self._eof: int | None = None
        self._holes: list[tuple[int, int, int]] = []  # blocks that were behind the end
        self._high = offset
        self._gap_closed = False
        self._done = False

    def start(self) -> None:
        """Send the first requests."""
        self._fill()

    def cancel(self) -> None:
        """Ask for nothing more, and drop what still comes; `on_done` is not called."""
        self._done = True

    def fail(self, error: BaseException) -> None:
        """End the transfer with `error`."""
        self._finish(error)

    def release(self, count: int) -> None:
        """Take back `count` bytes that were handed to `on_block` of a reader that holds them."""
        self._held -= count
        self._fill()

    def _fill(self) -> None:
        core, handle, in_flight = self._core, self._handle, self._in_flight
        if self._bytes + self._held > self._low:
            # Requests leave several at a time: a packet for each would cost both sides a wake-up.
            return
        while not self._done:
            if self._bytes + self._held >= self._window or len(in_flight) >= self._ramp:
                return
            if self._again:
                block = self._again.popleft()
            else:
                offset, size = self._next, self._block_size
                if self._end is not None:
                    size = min(size, self._end - offset)
                if size <= 0 or self._eof is not None:
                    break
                block = (offset, size, 0)
                self._next = offset + size
            try:
                request_id = core.register(self)
            except SFTPError as exc:
                self._finish(exc)
                return
            in_flight[request_id] = block
            self._bytes += block[1]
            core.send(pack_read(request_id, handle, block[0], block[1]))
        if not in_flight and not self._held and not self._done:
            self._end_reached()

    def _end_reached(self) -> None:
        eof = self._eof
        if eof is not None and self._high > eof:
            # The file grew while it was read: data came from behind what was the end when that
            # was asked for. Read the gap once more; a server that still has none is broken.
            if self._gap_closed:
                self._finish(SFTPFailure(f"end of file at {eof}, but data behind it"))
                return
            self._gap_closed = True
            self._eof = None
            self._again.extend(hole for hole in self._holes if hole[0] < self._high)
            self._holes.clear()
            self._next = self._high
            self._fill()
        elif eof is not None and self._exact and self._end is not None and eof < self._end:
            self._finish(SFTPFailure(f"file ended at {eof}, {self._end} bytes were expected"))
        else:
            self._finish(None)

    def _finish(self, error: BaseException | None) -> None:
        if not self._done:
            self._done = True
            self._again.clear()
            self._on_done(error)

    # --- Replies ----------------------------------------------------------------------------------

    def on_lost(self, _request_id: int, error: SFTPError) -> None:
        """The session ended."""
        self._finish(error)

    def on_reply(self, request_id: int, kind: int, data: bytes, pos: int, end: int) -> None:
        """SSH_FXP_DATA in one piece, or SSH_FXP_STATUS."""
        if kind == _DATA:
            if end - pos < 4 or _UINT32.unpack_from(data, pos)[0] > end - pos - 4:
                raise self._bad(f"SSH_FXP_DATA of {end - pos} bytes with a wrong length inside")
            (length,) = _UINT32.unpack_from(data, pos)
            self._check_tail(end - pos - 4 - length)
            self._received(request_id, [memoryview(data)[pos + 4 : pos + 4 + length]], length)
            return
        if kind != _STATUS:
            raise self._bad(f"reply of type {kind} to SSH_FXP_READ")
        error = decode_error(data, pos, end)
        if error is None:
            raise self._bad("status SSH_FX_OK as reply to SSH_FXP_READ")
        offset, size, _ = self._in_flight.pop(request_id)
        self._bytes -= size
        self._holes.append((offset, size, 0))
        if error.code != FX_EOF:
            self._finish(error)
            return
        if self._eof is None or offset < self._eof:
            self._eof = offset
        self._fill()

    def on_pieces(self, request_id: int, pieces: list[memoryview], length: int) -> None:
        """SSH_FXP_DATA in the pieces that it came in, beginning with the type byte."""
        first = pieces[0]
        (count,) = _UINT32.unpack_from(first, 5)
        extra = length - _DATA_HEADER - count
        if extra < 0:
            raise self._bad(f"SSH_FXP_DATA of {length} bytes claims {count} bytes of data")
        if extra:
            self._check_tail(extra)
            pieces = [memoryview(b"".join(pieces))[_DATA_HEADER : _DATA_HEADER + count]]
        else:
            pieces[0] = first[_DATA_HEADER:]
        self._received(request_id, pieces, count)

    def _check_tail(self, extra: int) -> None:
        # Version 6 may add a boolean that says "end of file".
        if extra and not (extra == 1 and self._core.version >= 6):
            raise self._bad(f"{extra} bytes behind the data")

    def _bad(self, reason: str) -> SFTPBadMessage:
        error = SFTPBadMessage(reason)
        self._finish(error)
        return error

    def _received(self, request_id: int, pieces: list[memoryview], count: int) -> None:
        offset, size, short = self._in_flight.pop(request_id)
        self._bytes -= size
        if not 0 < count <= size:
            raise self._bad(f"{count} bytes of data in reply to a read of {size}")
        if self._done:
            return
        if short:
            # There was more behind a short answer, so that was the server's own limit.
            self._block_size = min(self._block_size, short)
        if count < size:
            self._again.append((offset + count, size - count, count))
        if offset + count > self._high:
            self._high = offset + count
        if self._hold:
            self._held += count
        if self._ramp < self._max_requests:
            self._ramp += 1
        try:
            self._on_block(pieces, offset, count)
        except Exception as exc:
            self._finish(exc)
            return
        self._fill()


class BlockWriter:
    """Writes to a range of an open file with many requests in flight.

    Parameters:
        core: the session.
        handle: handle of the open file.
        offset: where the first byte goes.
        read_block: called with (offset, size), gives at most `size` bytes of what belongs there,
            and empty bytes at the end. The buffer must not change afterwards.
        on_written: called with the number of bytes of each block that the server has confirmed.
        on_done: called once, with None or with what went wrong.
        block_size: bytes per request.
        max_requests: requests in flight; -1 derives it from `DEFAULT_WINDOW`.
    """

    def __init__(
        self,
        core: SFTPClientCore,
        handle: bytes,
        offset: int,
        read_block: ReadBlock,
        on_written: OnWritten,
        on_done: OnDone,
        *,
        block_size: int,
        max_requests: int = -1,
    ) -> None:
        self._core = core
        self._handle = handle
        self._next = offset
        self._read_block = read_block
        self._on_written = on_written
        self._on_done = on_done
        self._block_size = block_size
        self._max_requests = MAX_REQUESTS if max_requests <= 0 else max_requests
        self._window = DEFAULT_WINDOW if max_requests <= 0 else max_requests * block_size
        self._in_flight: dict[int, int] = {}
        self._bytes = 0
        self._eof = False
        self._filling = False
        self._waiting = False
        self._done = False

    def start(self) -> None:
        """Send the first blocks."""
        self._fill()

    def cancel(self) -> None:
        """Send nothing more; `on_done` is not called."""
        self._done = True

    def _writable(self) -> None:
        self._waiting = False
        self._fill()

    def _fill(self) -> None:
        # Sending can lead back here, when the stream hands over replies from within its write.
        if self._filling or self._done:
            return
        self._filling = True
        try:
            self._send_blocks()
        except Exception as exc:
            self._finish(exc)
        finally:
            self._filling = False
        if self._eof and not self._in_flight and not self._done:
            self._finish(None)

    def _send_blocks(self) -> None:
        core, in_flight = self._core, self._in_flight
        while not self._eof and not self._done:
            if self._bytes >= self._window or len(in_flight) >= self._max_requests:
                return
            if not core.writable:
                if not self._waiting:
                    self._waiting = True
                    core.when_writable(self._writable)
                return
            offset = self._next
            data = self._read_block(offset, self._block_size)
            count = len(data)
            if not count:
                self._eof = True
                return
            offset = self._next  # `read_block` may have left a hole
            self._next = offset + count
            request_id = core.register(self)
            in_flight[request_id] = count
            self._bytes += count
            core.send(pack_write_header(request_id, self._handle, offset, count), data)

    def skip_to(self, offset: int) -> None:
        """Leave a hole: the next block goes to `offset`; to be called by `read_block` only."""
        self._next = offset

    def _finish(self, error: BaseException | None) -> None:
        if not self._done:
            self._done = True
            self._on_done(error)

    def on_lost(self, _request_id: int, error: SFTPError) -> None:
        """The session ended."""
        self._finish(error)

    def on_reply(self, request_id: int, kind: int, data: bytes, pos: int, end: int) -> None:
        """SSH_FXP_STATUS."""
        if kind != _STATUS:
            error = SFTPBadMessage(f"reply of type {kind} to SSH_FXP_WRITE")
            self._finish(error)
            raise error
        reported = decode_error(data, pos, end)
        count = self._in_flight.pop(request_id)
        self._bytes -= count
        if self._done:
            return
        if reported is not None:
            self._finish(reported)
            return
        try:
            self._on_written(count)
        except Exception as exc:
            self._finish(exc)
            return
        self._fill()
