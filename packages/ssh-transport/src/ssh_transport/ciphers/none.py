"""Packets before the first SSH_MSG_NEWKEYS: in clear and without a MAC (RFC 4253 section 6).

Not a row of the cipher table, so that no configuration can negotiate it.
"""

from __future__ import annotations

from struct import Struct

__all__ = ["NoneOpener", "NoneSealer"]

_PACK_LENGTH = Struct(">I").pack_into
_UNPACK_LENGTH = Struct(">I").unpack_from


class NoneOpener:
    """Takes packets as they are."""

    __slots__ = ()

    header_size = 4
    block_size = 8
    length_in_block = True
    tag_size = 0
    clear_length = True
    aead = None

    def length(self, buf: bytearray, pos: int, seq: int) -> int:
        """Return packet_length, which is in clear."""
        length: int = _UNPACK_LENGTH(buf, pos)[0]
        return length

    def open(self, buf: bytearray, view: memoryview, pos: int, stop: int, seq: int) -> bytes:
        """Return padding_length, payload and padding."""
        return bytes(view[pos + 4 : stop])


class NoneSealer:
    """Writes packets as they are."""

    __slots__ = ()

    block_size = 8
    length_in_block = True
    tag_size = 0
    needs_cover = False

    def seal(self, buf: bytearray, view: memoryview, pos: int, body: bytes, seq: int) -> int:
        """Write the packet at `pos` and return the position behind it."""
        start = pos + 4
        stop = start + len(body)
        _PACK_LENGTH(buf, pos, len(body))
        view[start:stop] = body
        return stop
