"""aes128-gcm@openssh.com and aes256-gcm@openssh.com (RFC 5647, PROTOCOL section 1.6).

The length field is in clear and is the associated data; the tag has 16 bytes. The nonce is the
initial IV with its last eight bytes counted up, modulo 2**64, once per packet (RFC 5647
section 7.1).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, count, repeat
from struct import Struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import MACError
from ..protocols import MACAlgorithm

__all__ = ["AESGCMOpener", "AESGCMSealer"]

_PACK_LENGTH = Struct(">I").pack_into
_UNPACK_LENGTH = Struct(">I").unpack_from
_NONCE = Struct(">IQ")
_TAG = 16


def _nonces(iv: bytes) -> Callable[[], bytes]:
    """Return a function that gives the nonces one after another.

    An iterator chain in C takes 0.1 us per nonce, half of what an attribute counted up in Python
    takes, which is a tenth of a small packet.
    """
    fixed, counter = _NONCE.unpack(iv)
    # `count` does not wrap. It has to only if the start, which is a derived key byte for byte, is
    # within a key epoch (2**32 packets at most) of the end.
    counters = (
        count(counter) if counter < 1 << 63 else chain(range(counter, 1 << 64), range(counter))
    )
    return map(_NONCE.pack, repeat(fixed), counters).__next__


class AESGCMOpener:
    """Verifies and decrypts one direction; the factory signature of the cipher table."""

    __slots__ = ("aead",)

    header_size = 4
    block_size = 16
    length_in_block = False
    tag_size = _TAG
    clear_length = True

    def __init__(self, key: bytes, iv: bytes, mac_key: bytes, mac: MACAlgorithm | None) -> None:
        self.aead = AESGCM(key).decrypt, _nonces(iv)

    def length(self, buf: bytearray, pos: int, seq: int) -> int:
        """Return packet_length, which is in clear."""
        length: int = _UNPACK_LENGTH(buf, pos)[0]
        return length

    def open(self, buf: bytearray, view: memoryview, pos: int, stop: int, seq: int) -> bytes:
        """Return padding_length, payload and padding; raises MACError."""
        start = pos + 4
        decrypt, nonce = self.aead
        try:
            return decrypt(nonce(), view[start:stop], view[pos:start])
        except InvalidTag:
            raise MACError from None


class AESGCMSealer:
    """Encrypts one direction; the factory signature of the cipher table."""

    __slots__ = ("_encrypt_into", "_nonce")

    block_size = 16
    length_in_block = False
    tag_size = _TAG
    needs_cover = False

    def __init__(self, key: bytes, iv: bytes, mac_key: bytes, mac: MACAlgorithm | None) -> None:
        self._encrypt_into = AESGCM(key).encrypt_into
        self._nonce = _nonces(iv)

    def seal(self, buf: bytearray, view: memoryview, pos: int, body: bytes, seq: int) -> int:
        """Write the packet at `pos` and return the position behind it."""
        start = pos + 4
        length = len(body)
        stop = start + length + _TAG
        _PACK_LENGTH(buf, pos, length)
        self._encrypt_into(self._nonce(), body, view[pos:start], view[start:stop])
        return stop
