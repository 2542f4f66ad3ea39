"""Sending packets (RFC 4253 section 6): padding, sequence numbers, output buffers.

Packets are sealed one behind another into one output buffer, so that many of them leave in one
write.
"""

from __future__ import annotations

from collections.abc import Callable

from .ciphers.none import NoneSealer
from .packet import MAX_PAYLOAD
from .protocols import SEAL_SLACK, Compressor, PacketSealer

__all__ = ["OutputPool", "PacketWriter"]

_MIN_PADDING = 4
_EMPTY = memoryview(b"")
_BYTES = tuple(bytes([value]) for value in range(256))
_SEQ_MASK = 0xFFFFFFFF


class OutputPool:
    """What the writers of one event loop share: output buffers, and random bytes for padding.

    Of `random`, what stands in front of `position` was used.
    """

    __slots__ = ("free", "position", "random")

    _KEEP = 4
    _PADDING = 4096

    def __init__(self) -> None:
        self.free: list[tuple[bytearray, memoryview]] = []
        self.random = b""
        self.position = 0

    def refill(self, size: int, random: Callable[[int], bytes]) -> bytes:
        """Get more random bytes and return the first `size` of them, at most 255."""
        self.random = random(self._PADDING)
        self.position = size
        return self.random[:size]

    def take(self, size: int) -> tuple[bytearray, memoryview]:
        """Return a buffer of at least `size` bytes and a view of it."""
        if self.free and len(self.free[-1][0]) >= size:
            return self.free.pop()
        data = bytearray(max(size, PacketWriter.BUFFER_SIZE))
        return data, memoryview(data)

    def give_back(self, data: bytearray, view: memoryview) -> None:
        """Keep a buffer that nobody refers to any more."""
        if len(self.free) < self._KEEP and len(data) == PacketWriter.BUFFER_SIZE:
            self.free.append((data, view))


class PacketWriter:
    """Pads and seals the packets of one connection into an output buffer.

    Parameters:
        random: gives that many random bytes, for padding.
        pool: where buffers come from; a private one if None.
    """

    BUFFER_SIZE = 320 * 1024
    _KEEP_LENT = 4

    def __init__(self, random: Callable[[int], bytes], pool: OutputPool | None = None) -> None:
        self._random = random
        self._pool = pool or OutputPool()
        self._buf: bytearray | None = None
        self._view = _EMPTY
        self._lent: list[tuple[bytearray, memoryview]] = []
        self._use(NoneSealer())
        self._compressor: Compressor | None = None
        self.size = 0
        """Bytes that are ready to be sent."""
        self.seq = 0
        self.epoch_bytes = 0
        self.check_at = 0
        self._epoch_seq = 0

    @property
    def epoch_packets(self) -> int:
        """Packets sent under the present keys."""
        return (self.seq - self._epoch_seq) & _SEQ_MASK

    def set_sealer(self, sealer: PacketSealer, *, reset_sequence: bool) -> None:
        """Use new keys from the next packet on (SSH_MSG_NEWKEYS sent)."""
        self._use(sealer)
        self.epoch_bytes = 0
        if reset_sequence:
            self.seq = 0
        self._epoch_seq = self.seq

    def _use(self, sealer: PacketSealer) -> None:
        self._seal = sealer.seal
        self._block = sealer.block_size
        self._lead = 4 if sealer.length_in_block else 0
        self.needs_cover = sealer.needs_cover
        """Whether the cipher wants SSH_MSG_IGNORE in front of a packet (CBC only)."""

    def set_compressor(self, compressor: Compressor | None) -> None:
        """Compress payloads from the next packet on."""
        self._compressor = compressor

    def write_raw(self, data: bytes) -> None:
        """Append bytes that are not a packet (the identification string)."""
        buf = self._room(len(data))
        buf[self.size : self.size + len(data)] = data
        self.size += len(data)

    def write(self, head: bytes, data: bytes | memoryview = b"") -> None:
        """Append one packet with the payload `head + data`.

        Raises ValueError if the payload is larger than any packet may be.
        """
        if self._compressor is not None:
            head, data = self._compressor.compress(head + data), b""
        size = 1 + len(head) + len(data)
        if size > MAX_PAYLOAD:
            raise ValueError(f"payload of {size} bytes is too large for a packet")
        block = self._block
        padding = block - (size + self._lead) % block
        if padding < _MIN_PADDING:
            padding += block
        pool = self._pool
        start = pool.position
        pool.position = stop = start + padding
        filler = pool.random[start:stop]
        if len(filler) < padding:
            filler = pool.refill(padding, self._random)
        body = b"".join((_BYTES[padding], head, data, filler))
        buf = self._buf
        pos = self.size
        if buf is None or len(buf) - pos < size + padding + SEAL_SLACK:
            buf = self._room(size + padding + SEAL_SLACK)
        self.size = stop = self._seal(buf, self._view, pos, body, self.seq)
        self.epoch_bytes += stop - pos
        self.seq = (self.seq + 1) & _SEQ_MASK

    def write_run(self, head: bytes, data: memoryview, size: int, limit: int) -> int:
        """Append packets with the payload `head` and the next `size` bytes of `data`.

        At least one, then more while less than `limit` bytes of output are ready; what is left of
        `data` behind the last whole `size` stays. Returns the bytes of `data` that were used.
        """
        if self._compressor is not None or self.needs_cover:
            self.write(head, data[:size])
            return size
        start = self.size
        # The first one checks the size and makes room for as many as may follow.
        pos = size
        self.write(head, data[:size])
        packet = self.size - start
        body = 1 + len(head) + size
        padding = self._block - (body + self._lead) % self._block
        padding += self._block if padding < _MIN_PADDING else 0
        count = min(len(data) // size - 1, -(-(limit - self.size) // packet))
        if count < 1:
            return pos
        buf = self._room(count * packet + SEAL_SLACK)
        fillers = self._random(count * padding)
        view, seal, seq, out = self._view, self._seal, self.seq, self.size
        front = _BYTES[padding] + head
        for index in range(0, count * padding, padding):
            filler = fillers[index : index + padding]
            body_bytes = b"".join((front, data[pos : pos + size], filler))
            out = seal(buf, view, out, body_bytes, seq)
            pos += size
            seq = (seq + 1) & _SEQ_MASK
        self.epoch_bytes += out - self.size
        self.seq, self.size = seq, out
        return pos

    def _room(self, size: int) -> bytearray:
        buf = self._buf
        if buf is not None and len(buf) - self.size >= size:
            return buf
        wanted = self.size + size
        if buf is not None:
            wanted = max(wanted, 2 * len(buf))
        new, view = self._pool.take(wanted)
        if buf is not None:
            new[: self.size] = self._view[: self.size]
            self._pool.give_back(buf, self._view)
        self._buf, self._view = new, view
        return new

    def take_output(self) -> bytes:
        """Return a copy of what is ready and forget it; for what is small."""
        buf = self._buf
        if buf is None:
            return b""
        data = bytes(self._view[: self.size])
        self._pool.give_back(buf, self._view)
        self._buf = None
        self._view = _EMPTY
        self.size = 0
        return data

    def output(self) -> memoryview:
        """Return a view of what is ready; call `sent` when it was taken."""
        return self._view[: self.size]

    def sent(self, *, reusable: bool) -> None:
        """Forget the output; `reusable` says that nobody holds the view any more.

        Memory that is still held is used again after `returned`.
        """
        if self._buf is not None:
            if reusable:
                self._pool.give_back(self._buf, self._view)
            elif len(self._lent) < self._KEEP_LENT:
                self._lent.append((self._buf, self._view))
        self._buf = None
        self._view = _EMPTY
        self.size = 0

    def returned(self) -> None:
        """Nobody holds a view of earlier output any more."""
        for data, view in self._lent:
            self._pool.give_back(data, view)
        self._lent.clear()
