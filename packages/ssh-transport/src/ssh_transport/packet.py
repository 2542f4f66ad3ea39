"""Receiving packets (RFC 4253 section 6): framing, padding, sequence numbers.

It works on one buffer with offsets: nothing is joined or sliced but the packet that
the opener returns. Where an event loop reads and handles data without interruption, all its
connections share one buffer, and each keeps only its unfinished packet while another one reads.
Packets of the one message that carries data are opened one behind another and handled together:
while a packet of 32 KiB is deciphered, the processor forgets what it needs to handle the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct

from cryptography.exceptions import InvalidTag

from .ciphers.none import NoneOpener
from .errors import MACError, ProtocolError
from .protocols import Decompressor, Handler, PacketOpener, RunHandler

__all__ = ["MAX_PACKET", "MAX_PAYLOAD", "PacketReader", "ReceiveBuffer"]

MAX_PACKET = 262_144 + 1024
"""Largest packet_length accepted, in bytes: OpenSSH's 256 KiB and room for message headers."""

MAX_PAYLOAD = MAX_PACKET - 256
"""Largest payload sent or accepted after decompression, in bytes."""

_READ_SIZE = 768 * 1024
_BUFFER_SIZE = 2 * (MAX_PACKET + 512) + _READ_SIZE

_UINT32 = Struct(">I").unpack_from
_MIN_PADDING = 4
_MIN_LENGTH = 5  # padding_length and four bytes of padding: the payload may not be empty, see open
_SEQ_MASK = 0xFFFFFFFF


class ReceiveBuffer:
    """Memory that received bytes are written into, shared by the readers of one event loop."""

    __slots__ = ("data", "empty", "reader", "view")

    def __init__(self) -> None:
        # Pages that are never written to cost nothing, so the size is that of the worst case.
        self.data = bytearray(_BUFFER_SIZE)
        self.view = memoryview(self.data)
        self.empty = self.view[:_READ_SIZE]
        self.reader: PacketReader | None = None


class PacketReader:
    """Receives the packets of one connection and calls their handlers.

    Parameters:
        buffer: where to receive; a private one if None.
    """

    def __init__(self, buffer: ReceiveBuffer | None = None) -> None:
        self._buffer = buffer or ReceiveBuffer()
        self._stash = b""
        self._start = self._end = 0
        self._length = -1  # packet_length of the packet at _start, if already known
        self._damaged = False
        self._opener: PacketOpener = NoneOpener()
        self._decompressor: Decompressor | None = None
        self._slots = bytes(256)
        self._handlers: Sequence[Handler] = ()
        self._run_handler: tuple[int, Handler, RunHandler] | None = None
        self._run_number = -1
        self._run: list[bytes] = []
        self._behind_run = b""
        self._running = False
        self._reload = False
        self.paused = False
        self.encrypted = False
        self.seq = 0
        self.epoch_bytes = 0
        self.check_at = 0
        self._epoch_seq = 0

    # --- State that handlers change while packets are being read ---

    def set_handlers(self, slots: bytes, handlers: Sequence[Handler]) -> None:
        """Use other handlers from the next packet on.

        Parameters:
            slots: for each of the 256 message numbers, where its handler is in `handlers`.
        """
        self._slots, self._handlers = slots, handlers
        self._find_run()

    def set_run_handler(self, number: int, handler: Handler, run: RunHandler) -> None:
        """Give packets of one message to `run`, where the table has `handler` for them.

        Only packets that are handled without looking at the state of the transport: they are
        handled a few packets late.
        """
        self._run_handler = number, handler, run
        self._find_run()

    def set_opener(self, opener: PacketOpener, *, reset_sequence: bool) -> None:
        """Use new keys from the next packet on (SSH_MSG_NEWKEYS received)."""
        self._opener = opener
        self.encrypted = True
        self.epoch_bytes = 0
        if reset_sequence:
            self.seq = 0
        self._epoch_seq = self.seq
        self._reload = True

    @property
    def epoch_packets(self) -> int:
        """Packets received under the present keys."""
        return (self.seq - self._epoch_seq) & _SEQ_MASK

    def least_size(self, payload_size: int) -> int:
        """Bytes of the smallest packet with a payload of that size under the present keys."""
        opener = self._opener
        if self._decompressor is not None:
            payload_size = 1  # nobody knows
        length = 1 + payload_size + _MIN_PADDING
        lead = 4 if opener.length_in_block else 0
        length += -(length + lead) % opener.block_size
        return 4 + length + opener.tag_size

    def set_decompressor(self, decompressor: Decompressor | None) -> None:
        """Decompress payloads from the next packet on."""
        self._decompressor = decompressor
        self._find_run()

    def pause(self) -> None:
        """Stop before the next packet, until `resume`."""
        self.paused = True
        self._reload = True

    # --- Bytes in ---

    def _acquire(self) -> ReceiveBuffer:
        buffer = self._buffer
        owner = buffer.reader
        if owner is not self:
            if owner is not None and owner._running:
                # We were called from a handler of the owner, whose loop stands in this buffer.
                self._buffer = buffer = ReceiveBuffer()
            elif owner is not None:
                owner._release()
            buffer.reader = self
            stash, self._stash = self._stash, b""
            self._start = 0
            self._end = len(stash)
            buffer.data[: self._end] = stash
        return buffer

    def _release(self) -> None:
        self._stash = bytes(self._buffer.view[self._start : self._end])
        self._buffer.reader = None

    def close(self) -> None:
        """Forget everything that was received, and who would have handled it."""
        if self._buffer.reader is self:
            self._buffer.reader = None
        self._stash = self._behind_run = b""
        self._start = self._end = 0
        self._handlers, self._run_handler = (), None
        self.pause()

    @property
    def pending(self) -> int:
        """Bytes received that no packet was made of yet."""
        if self._buffer.reader is self:
            return self._end - self._start
        return len(self._stash)

    @property
    def progress(self) -> tuple[int, int, int]:
        """Something that changes with every byte that is received."""
        return self.seq, self.epoch_bytes, self.pending

    @property
    def full(self) -> bool:
        """True if there is no room for another read: the caller must not read from its socket."""
        return self.pending > _BUFFER_SIZE - _READ_SIZE

    def get_buffer(self, sizehint: int = -1) -> memoryview:
        """Return where the next received bytes go; at least one byte unless `full`."""
        buffer = self._buffer
        if buffer.reader is not self:
            buffer = self._acquire()
        start, end = self._start, self._end
        if start == end:
            self._start = self._end = 0
            return buffer.empty
        if len(buffer.data) - end < _READ_SIZE:
            size = end - start
            buffer.data[:size] = buffer.view[start:end]
            self._start, self._end = 0, size
            end = self._end
        return buffer.view[end : end + _READ_SIZE]

    def add(self, count: int) -> None:
        """Note that `count` bytes were written into the last `get_buffer`, and do nothing more."""
        self._end += count

    def take_raw(self, consume: Callable[[bytearray, int, int], int]) -> None:
        """Let `consume(buf, start, end)` use bytes that are not packets; it returns its stop."""
        buffer = self._acquire()
        self._start = consume(buffer.data, self._start, self._end)

    # --- Packets out of bytes ---

    def process(self, count: int = 0) -> None:
        """Open and dispatch every whole packet that is there.

        Parameters:
            count: bytes that were written into the last `get_buffer`.

        Returns early when a handler pauses. Raises what handlers raise, MACError for a damaged
        packet and ProtocolError for an impossible length.
        """
        self._end += count
        if self._running:
            return
        self._running = True
        try:
            while not self.paused:
                self._reload = False
                if self._behind_run:
                    self._handle_behind_run()
                try:
                    self._process()
                finally:
                    # What is in front of a damaged packet is good.
                    if self._run:
                        self._handle_run()
                if not self._reload:
                    break
        except InvalidTag:
            raise MACError from None
        finally:
            self._running = False

    def _process(self) -> None:
        """Run until no packet is left, or until what is kept in local variables changes."""
        buffer = self._buffer
        if buffer.reader is not self:
            buffer = self._acquire()
        buf, view = buffer.data, buffer.view
        opener = self._opener
        open_, clear, tag = opener.open, opener.clear_length, opener.tag_size
        decrypt, nonce = opener.aead or (None, None)
        header, block = opener.header_size, opener.block_size
        lead = 4 if opener.length_in_block else 0
        decompressor = self._decompressor
        slots, handlers = self._slots, self._handlers
        run, run_number = self._run, self._run_number
        pos, end, seq = self._start, self._end, self.seq
        while end - pos >= header and not self._reload:
            if clear:
                length = _UINT32(buf, pos)[0]
            else:
                length = self._length
                if length < 0:
                    self._length = length = opener.length(buf, pos, seq)
            if length > MAX_PACKET or length < _MIN_LENGTH or (length + lead) % block:
                length = self._impossible_length(length, block)
            stop = pos + 4 + length + tag
            if stop > end:
                break
            if decrypt is None or nonce is None:
                packet = open_(buf, view, pos, stop, seq)
                self._length = -1
            else:
                body = pos + 4
                packet = decrypt(nonce(), view[body:stop], view[pos:body])
            pos = stop
            seq = (seq + 1) & _SEQ_MASK
            padding = packet[0]
            payload_end = length - padding
            if padding < _MIN_PADDING or payload_end < 2 or self._damaged:
                raise self._damage()
            if packet[1] == run_number:
                run.append(packet)
                continue
            self.epoch_bytes += pos - self._start
            self._start, self.seq = pos, seq
            if run:
                self._behind_run = packet
                self._handle_run()
                self._reload = True
                return
            if decompressor is None:
                handlers[slots[packet[1]]](packet, 2, payload_end)
            else:
                payload = _decompressed(decompressor, packet[1:payload_end])
                handlers[slots[payload[0]]](payload, 1, len(payload))
        if run:
            self.epoch_bytes += pos - self._start
            self._start, self.seq = pos, seq
            if len(run) == 1:
                # What interactive use is made of: two calls less.
                packet = run.pop()
                handlers[slots[run_number]](packet, 2, len(packet) - packet[0])

    def _find_run(self) -> None:
        self._run_number = -1
        if self._run_handler is not None and self._decompressor is None:
            number, handler, _ = self._run_handler
            if self._handlers[self._slots[number]] == handler:
                self._run_number = number
        self._reload = True

    def _handle_run(self) -> None:
        run, self._run = self._run, []
        assert self._run_handler is not None
        self._run_handler[2](run)

    def _handle_behind_run(self) -> None:
        packet, self._behind_run = self._behind_run, b""
        handler = self._handlers[self._slots[packet[1]]]
        handler(packet, 2, len(packet) - packet[0])

    def _impossible_length(self, length: int, block: int) -> int:
        if self._opener.clear_length or not self.encrypted:
            if self.encrypted:
                raise MACError()
            raise ProtocolError(f"impossible packet length {length}")
        # The length was decrypted before anything could be verified. Answering at once would
        # tell an attacker what it decrypted to (CVE-2008-5161), so read as much as the largest
        # packet has and fail like for a wrong MAC.
        self._damaged = True
        lead = 4 if self._opener.length_in_block else 0
        self._length = length = (MAX_PACKET + lead) // block * block - lead
        return length

    def _damage(self) -> MACError | ProtocolError:
        if self.encrypted:
            return MACError()
        return ProtocolError("packet with impossible padding")


def _decompressed(decompressor: Decompressor, data: bytes) -> bytes:
    payload = decompressor.decompress(data, MAX_PAYLOAD)
    if not payload:
        raise ProtocolError("packet with an empty payload")
    return payload
