"""Packets with a MAC over the plain packet, all of which is encrypted (RFC 4253 section 6).

The contexts encrypt or decrypt one direction from NEWKEYS to NEWKEYS: a CTR counter, a CBC chain
or an ARC4 state that goes on from packet to packet. Sizes are in bytes.
"""

from __future__ import annotations

from hmac import compare_digest
from struct import Struct

from cryptography.hazmat.primitives.ciphers import CipherContext

from ..errors import MACError
from ..protocols import MACAlgorithm

__all__ = ["BlockOpener", "MacThenEncryptSealer", "StreamOpener"]

_UNPACK_LENGTH = Struct(">I").unpack_from
_HEAD = Struct(">II").pack  # sequence number and packet_length


class StreamOpener:
    """Verifies and decrypts one direction of a cipher that takes any number of bytes at a time.

    Parameters:
        context: decrypts; CTR and ARC4.
        block_size: of the cipher, in bytes; 8 for ARC4 (RFC 4253 section 6).
        mac: a row that is not EtM, and `mac_key` its key.
    """

    __slots__ = ("_length", "_mac", "_update", "block_size", "tag_size")

    header_size = 4
    length_in_block = True
    clear_length = False
    aead = None

    def __init__(
        self, context: CipherContext, block_size: int, mac: MACAlgorithm, mac_key: bytes
    ) -> None:
        self._update = context.update
        self._mac = mac.new(mac_key).compute
        self._length = 0
        self.block_size = block_size
        self.tag_size = mac.digest_size

    def length(self, buf: bytearray, pos: int, seq: int) -> int:
        """Decrypt and return packet_length, which is not authenticated yet."""
        length: int = _UNPACK_LENGTH(self._update(buf[pos : pos + 4]))[0]
        self._length = length
        return length

    def open(self, buf: bytearray, view: memoryview, pos: int, stop: int, seq: int) -> bytes:
        """Return padding_length, payload and padding; raises MACError."""
        end = stop - self.tag_size
        body = self._update(view[pos + 4 : end])
        if not compare_digest(self._mac(_HEAD(seq, self._length), body), view[end:stop]):
            raise MACError
        return body


class BlockOpener:
    """Verifies and decrypts one direction of a cipher that takes whole blocks.

    Parameters:
        context: decrypts; CBC.
        block_size: of the cipher, in bytes.
        mac: a row that is not EtM, and `mac_key` its key.
    """

    __slots__ = ("_first", "_mac", "_update", "block_size", "header_size", "tag_size")

    length_in_block = True
    clear_length = False
    aead = None

    def __init__(
        self, context: CipherContext, block_size: int, mac: MACAlgorithm, mac_key: bytes
    ) -> None:
        self._update = context.update
        self._mac = mac.new(mac_key).compute
        self._first = b""
        self.block_size = self.header_size = block_size
        self.tag_size = mac.digest_size

    def length(self, buf: bytearray, pos: int, seq: int) -> int:
        """Decrypt the first block and return packet_length, which is not authenticated yet."""
        self._first = first = self._update(buf[pos : pos + self.block_size])
        length: int = _UNPACK_LENGTH(first)[0]
        return length

    def open(self, buf: bytearray, view: memoryview, pos: int, stop: int, seq: int) -> bytes:
        """Return padding_length, payload and padding; raises MACError."""
        end = stop - self.tag_size
        first = self._first
        body = first[4:] + self._update(view[pos + self.block_size : end])
        head = _HEAD(seq, _UNPACK_LENGTH(first)[0])
        if not compare_digest(self._mac(head, body), view[end:stop]):
            raise MACError
        return body


class MacThenEncryptSealer:
    """Authenticates and encrypts one direction, with any cipher.

    Parameters:
        context: encrypts.
        block_size: of the cipher, in bytes; 8 for a stream cipher.
        mac: a row that is not EtM, and `mac_key` its key.
        needs_cover: true for CBC.
    """

    __slots__ = ("_mac", "_update_into", "block_size", "needs_cover", "tag_size")

    length_in_block = True

    def __init__(
        self,
        context: CipherContext,
        block_size: int,
        mac: MACAlgorithm,
        mac_key: bytes,
        needs_cover: bool,
    ) -> None:
        self._update_into = context.update_into
        self._mac = mac.new(mac_key).compute
        self.block_size = block_size
        self.needs_cover = needs_cover
        self.tag_size = mac.digest_size

    def seal(self, buf: bytearray, view: memoryview, pos: int, body: bytes, seq: int) -> int:
        """Write the packet at `pos` and return the position behind it."""
        length = len(body)
        end = pos + 4 + length
        stop = end + self.tag_size
        head = _HEAD(seq, length)
        # In two pieces, so that no copy of length and body has to be put together. A block cipher
        # keeps the four bytes back until there is a block (and so writes 0 bytes first).
        update_into = self._update_into
        written = update_into(head[4:], view[pos:])
        update_into(body, view[pos + written :])
        view[end:stop] = self._mac(head, body)
        return stop
