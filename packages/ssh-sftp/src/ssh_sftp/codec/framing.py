"""Length-prefixed packets out of arbitrary chunks, and the packets of the data path by hand.

A packet that lies in one chunk is handed over as `(data, start, end)` without a copy. A data packet
that spans chunks is handed over as views of the chunks: nothing is joined, the views go to
`pwritev` as they are. Everything else that spans chunks is joined once it is complete. Work is
linear in the number of bytes, however they are cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from struct import Struct

from ssh_sftp.codec.wire import PacketDecodeError

__all__ = ["PacketFramer"]

_UINT32 = Struct(">I")
_READ_HEAD = Struct(">IBII")
_READ_TAIL = Struct(">QI")
_CLOSE_HEAD = Struct(">IBII")
_WRITE_TAIL = Struct(">QI")
_DATA_HEAD = Struct(">IBII")

# Bytes of a split data packet that stand in its first view: room for the longest header, which is
# that of SSH_FXP_WRITE with a handle of 256 bytes.
_HEADER_ROOM = 1 + 4 + 4 + 256 + 8 + 4
# Chunks of an unfinished packet are copied instead of kept as views once there are too many small
# ones: a view costs about 200 bytes, and a peer that sends single bytes must not make us keep
# 262,144 of them. A few are nothing unusual: packets begin and end where they like in the chunks.
_SMALL_CHUNK = 2048
_SMALL_CHUNKS = 8

OnPacket = Callable[[int, bytes, int, int], None]
OnPieces = Callable[[list[memoryview], int], None]


class PacketFramer:
    """Cuts a byte stream into packets.

    Parameters:
        on_packet: called with (type, data, start, end); the body is `data[start:end]`.
        on_pieces: called with (views, length) for a packet of type `split_type` that spans chunks;
            the first view begins with the type byte and holds the whole header.
        split_type: the packet type that is not joined.
        max_length: longest packet that is accepted, in bytes without the length field.
    """

    __slots__ = (
        "_active",
        "_backlog",
        "_buffer",
        "_head",
        "_need",
        "_on_packet",
        "_on_pieces",
        "_paused",
        "_pieces",
        "_size",
        "_split_type",
        "backlog_size",
        "max_length",
    )

    def __init__(
        self, on_packet: OnPacket, on_pieces: OnPieces, split_type: int, max_length: int
    ) -> None:
        self._on_packet = on_packet
        self._on_pieces = on_pieces
        self._split_type = split_type
        self.max_length = max_length
        self._head = b""  # part of a length field
        self._need = 0  # bytes missing of the packet in _pieces or _buffer
        self._size = 0
        self._pieces: list[memoryview] = []
        self._buffer: bytearray | None = None
        self._paused = False
        self._active = False  # a handler runs: whoever called it goes on with the data
        self._backlog: deque[tuple[bytes, int, int]] = deque()
        self.backlog_size = 0

    @property
    def paused(self) -> bool:
        """True between `pause` and `resume`."""
        return self._paused

    @property
    def unfinished(self) -> bool:
        """True if the stream ends in the middle of a packet so far."""
        return bool(self._head or self._need or self._backlog)

    def pause(self) -> None:
        """Hand over no more packets; may be called by a handler, from within `feed`."""
        self._paused = True

    def stop(self) -> None:
        """Hand over no more packets for good, and forget to whom."""
        self._on_packet, self._on_pieces = _dropped, _pieces_dropped
        self._backlog.clear()
        self.backlog_size = 0

    def resume(self) -> None:
        """Go on, with what came in the meantime first."""
        self._paused = False
        backlog = self._backlog
        while backlog and not self._paused and not self._active:
            data, start, end = backlog.popleft()
            self.backlog_size -= end - start
            rest = self._run(data, start, end)
            if rest < end:
                backlog.appendleft((data, rest, end))
                self.backlog_size += end - rest

    def feed(self, data: bytes, start: int, end: int) -> None:
        """Take the next bytes of the stream, `data[start:end]`, which must not change afterwards.

        Raises PacketDecodeError for a length of 0 or above `max_length`.
        """
        self.feed_run([data], start, [end])

    def feed_run(self, packets: list[bytes], start: int, ends: list[int]) -> None:
        """Take what several objects bring, `packets[i][start : ends[i]]`, as `feed` does."""
        for data, end in zip(packets, ends, strict=True):
            size = end - start
            rest = start
            if not self._paused:
                if _SMALL_CHUNK <= size < self._need and self._buffer is None:
                    # The middle of a data packet, which is what most chunks are.
                    self._pieces.append(memoryview(data)[start:end])
                    self._need -= size
                    continue
                rest = self._run(data, start, end)
            if rest < end:
                self._backlog.append((data, rest, end))
                self.backlog_size += end - rest

    def _run(self, data: bytes, pos: int, end: int) -> int:
        """Hand over packets until the data end or a handler pauses; return the position."""
        self._active = True
        try:
            if self._need:
                pos = self._continue(data, pos, end)
            elif self._head:
                pos = self._finish_head(data, pos, end)
            on_packet = self._on_packet
            while end - pos >= 4 and not self._paused:
                body = pos + 4
                (length,) = _UINT32.unpack_from(data, pos)
                stop = body + length
                if not 0 < length <= self.max_length:
                    raise self._bad_length(length)
                if stop > end:
                    self._begin(length)
                    return self._continue(data, body, end)
                pos = stop
                on_packet(data[body], data, body + 1, stop)
            if pos < end and not self._paused:
                self._head = bytes(data[pos:end])
                return end
            return pos
        finally:
            self._active = False

    def _finish_head(self, data: bytes, pos: int, end: int) -> int:
        take = min(4 - len(self._head), end - pos)
        self._head += data[pos : pos + take]
        pos += take
        if len(self._head) == 4:
            (length,) = _UINT32.unpack(self._head)
            self._head = b""
            if not 0 < length <= self.max_length:
                raise self._bad_length(length)
            self._begin(length)
            return self._continue(data, pos, end)
        return pos

    def _bad_length(self, length: int) -> PacketDecodeError:
        return PacketDecodeError(f"packet length {length}, allowed are 1 to {self.max_length}")

    def _begin(self, length: int) -> None:
        self._need = self._size = length
        self._pieces = []
        self._buffer = None

    def _continue(self, data: bytes, pos: int, end: int) -> int:
        """Add to the unfinished packet, and hand it over when it is complete."""
        take = min(end - pos, self._need)
        if not take:
            return pos
        stop = pos + take
        self._need -= take
        if self._buffer is not None:
            self._buffer += data[pos:stop]
        elif take < _SMALL_CHUNK and self._need and self._too_many_pieces():
            self._buffer = bytearray().join((*self._pieces, data[pos:stop]))
            self._pieces = []
        else:
            self._pieces.append(memoryview(data)[pos:stop])
        if not self._need:
            self._complete()
        return stop

    def _too_many_pieces(self) -> bool:
        received = self._size - self._need
        return len(self._pieces) >= _SMALL_CHUNKS + received // _SMALL_CHUNK

    def _complete(self) -> None:
        pieces, buffer = self._pieces, self._buffer
        self._pieces, self._buffer = [], None
        if buffer is None:
            if pieces[0][0] == self._split_type and self._size > _HEADER_ROOM:
                if len(pieces[0]) < _HEADER_ROOM:
                    _join_header(pieces)
                self._on_pieces(pieces, self._size)
                return
            packet = b"".join(pieces)
        else:
            packet = bytes(buffer)
        self._on_packet(packet[0], packet, 1, len(packet))


def _dropped(_kind: int, _data: bytes, _start: int, _end: int) -> None:
    """Nobody takes the packet."""


def _pieces_dropped(_pieces: list[memoryview], _length: int) -> None:
    """Nobody takes the packet."""


def _join_header(pieces: list[memoryview]) -> None:
    """Have the first piece hold the whole header, and copy nothing else."""
    while (missing := _HEADER_ROOM - len(pieces[0])) > 0:
        head, rest = pieces[1][:missing], pieces[1][missing:]
        pieces[0] = memoryview(b"".join((pieces[0], head)))
        pieces[1:2] = [rest] if rest else []


# --- Packets of the data path, with their length in front -----------------------------------------


def pack_read(request_id: int, handle: bytes, offset: int, length: int) -> bytes:
    """SSH_FXP_READ (section 6.4)."""
    size = len(handle)
    return (
        _READ_HEAD.pack(21 + size, 5, request_id, size) + handle + _READ_TAIL.pack(offset, length)
    )


def pack_write_header(request_id: int, handle: bytes, offset: int, length: int) -> bytes:
    """SSH_FXP_WRITE (section 6.4) up to the data, of which `length` bytes have to follow."""
    size = len(handle)
    head = _READ_HEAD.pack(21 + size + length, 6, request_id, size)
    return head + handle + _WRITE_TAIL.pack(offset, length)


def pack_close(request_id: int, handle: bytes) -> bytes:
    """SSH_FXP_CLOSE (section 6.3)."""
    size = len(handle)
    return _CLOSE_HEAD.pack(9 + size, 4, request_id, size) + handle


def pack_data_header(request_id: int, length: int) -> bytes:
    """SSH_FXP_DATA (section 7) up to the data, of which `length` bytes have to follow."""
    return _DATA_HEAD.pack(9 + length, 103, request_id, length)


def pack_path_request(packet_type: int, request_id: int, path: bytes) -> bytes:
    """A request that is nothing but a path: STAT, LSTAT, OPENDIR, REMOVE, ... of version 3."""
    size = len(path)
    return _CLOSE_HEAD.pack(9 + size, packet_type, request_id, size) + path


_STATUS_OK_BODY = b"\0\0\0\0\0\0\0\0\0\0\0\0"


def pack_status_ok(request_id: int) -> bytes:
    """SSH_FXP_STATUS with SSH_FX_OK and no text (section 7)."""
    return b"\0\0\0\x11\x65" + _UINT32.pack(request_id) + _STATUS_OK_BODY


def frame(packet: bytes) -> bytes:
    """Put the length in front of an encoded packet."""
    return _UINT32.pack(len(packet)) + packet
