"""chacha20-poly1305@openssh.com (PROTOCOL.chacha20poly1305, draft-ietf-sshm-chacha20-poly1305).

The key is K_2 followed by K_1. Both ChaCha20 instances take the sequence number as a 64-bit
nonce. K_1 encrypts the four length bytes. Block 0 of K_2 is the Poly1305 key of the packet, its
body is encrypted from block 1 on; the tag covers the encrypted length and body.

This is not the AEAD of RFC 8439 (other tag input), so it is composed of the two primitives. The
ChaCha20 contexts live as long as the keys and only get a new nonce for each packet.
"""

from __future__ import annotations

from struct import Struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.poly1305 import Poly1305

from ..errors import MACError
from ..protocols import MACAlgorithm

__all__ = ["ChaCha20Poly1305Opener", "ChaCha20Poly1305Sealer"]

_PACK_LENGTH = Struct(">I").pack
_UNPACK_LENGTH = Struct(">I").unpack
# cryptography's nonce is the initial block counter (64 bits, zero) and the original 64-bit nonce.
_NONCE = Struct(">QQ").pack
_ZERO_NONCE = bytes(16)
_ZERO_BLOCK = bytes(64)
_TAG = 16

_generate_tag = Poly1305.generate_tag
_verify_tag = Poly1305.verify_tag


def _context(key: bytes) -> CipherContext:
    # Encryption and decryption are the same for a stream cipher.
    return Cipher(ChaCha20(key, _ZERO_NONCE), None).encryptor()


class ChaCha20Poly1305Opener:
    """Verifies and decrypts one direction; the factory signature of the cipher table."""

    __slots__ = ("_length_reset", "_length_update", "_reset", "_update")

    header_size = 4
    block_size = 8
    length_in_block = False
    tag_size = _TAG
    clear_length = False
    aead = None

    def __init__(self, key: bytes, iv: bytes, mac_key: bytes, mac: MACAlgorithm | None) -> None:
        body, length = _context(key[:32]), _context(key[32:])
        self._reset, self._update = body.reset_nonce, body.update
        self._length_reset, self._length_update = length.reset_nonce, length.update

    def length(self, buf: bytearray, pos: int, seq: int) -> int:
        """Decrypt and return packet_length, which is not authenticated yet."""
        self._length_reset(_NONCE(0, seq))
        length: int = _UNPACK_LENGTH(self._length_update(buf[pos : pos + 4]))[0]
        return length

    def open(self, buf: bytearray, view: memoryview, pos: int, stop: int, seq: int) -> bytes:
        """Return padding_length, payload and padding; raises MACError."""
        update = self._update
        end = stop - _TAG
        self._reset(_NONCE(0, seq))
        try:
            _verify_tag(update(_ZERO_BLOCK)[:32], view[pos:end], view[end:stop].tobytes())
        except InvalidSignature:
            raise MACError from None
        return update(view[pos + 4 : end])


class ChaCha20Poly1305Sealer:
    """Encrypts one direction; the factory signature of the cipher table."""

    __slots__ = ("_length_reset", "_length_update", "_reset", "_update", "_update_into")

    block_size = 8
    length_in_block = False
    tag_size = _TAG
    needs_cover = False

    def __init__(self, key: bytes, iv: bytes, mac_key: bytes, mac: MACAlgorithm | None) -> None:
        body, length = _context(key[:32]), _context(key[32:])
        self._reset, self._update, self._update_into = (
            body.reset_nonce,
            body.update,
            body.update_into,
        )
        self._length_reset, self._length_update = length.reset_nonce, length.update

    def seal(self, buf: bytearray, view: memoryview, pos: int, body: bytes, seq: int) -> int:
        """Write the packet at `pos` and return the position behind it."""
        start = pos + 4
        length = len(body)
        end = start + length
        stop = end + _TAG
        nonce = _NONCE(0, seq)
        self._length_reset(nonce)
        view[pos:start] = self._length_update(_PACK_LENGTH(length))
        self._reset(nonce)
        tag_key = self._update(_ZERO_BLOCK)[:32]
        self._update_into(body, view[start:])
        view[end:stop] = _generate_tag(tag_key, view[pos:end])
        return stop
