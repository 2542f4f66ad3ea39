"""Packets of the `-etm@openssh.com` MACs: length in clear, MAC over the encrypted packet.

PROTOCOL section 1.5 (draft-miller-sshm-etm): the MAC covers sequence number, length and
ciphertext and is checked before anything is decrypted; the length does not count for the
alignment to the block size.
"""

from __future__ import annotations

from hmac import compare_digest
from struct import Struct

from cryptography.hazmat.primitives.ciphers import CipherContext

from ..errors import MACError
from ..protocols import MACAlgorithm

__all__ = ["EncryptThenMacOpener", "EncryptThenMacSealer"]

_UNPACK_LENGTH = Struct(">I").unpack_from
_HEAD = Struct(">II").pack  # sequence number and packet_length


class EncryptThenMacOpener:
    """Verifies and decrypts one direction.

    Parameters:
        context: decrypts.
        block_size: of the cipher, in bytes; 8 for a stream cipher.
        mac: an EtM row, and `mac_key` its key.
    """

    __slots__ = ("_mac", "_update", "block_size", "tag_size")

    header_size = 4
    length_in_block = False
    clear_length = True
    aead = None

    def __init__(
        self, context: CipherContext, block_size: int, mac: MACAlgorithm, mac_key: bytes
    ) -> None:
        self._update = context.update
        self._mac = mac.new(mac_key).compute
        self.block_size = block_size
        self.tag_size = mac.digest_size

    def length(self, buf: bytearray, pos: int, seq: int) -> int:
        """Return packet_length, which is in clear."""
        length: int = _UNPACK_LENGTH(buf, pos)[0]
        return length

    def open(self, buf: bytearray, view: memoryview, pos: int, stop: int, seq: int) -> bytes:
        """Return padding_length, payload and padding; raises MACError."""
        start = pos + 4
        end = stop - self.tag_size
        body = view[start:end]
        if not compare_digest(self._mac(_HEAD(seq, end - start), body), view[end:stop]):
            raise MACError
        return self._update(body)


class EncryptThenMacSealer:
    """Encrypts and authenticates one direction.

    Parameters:
        context: encrypts.
        block_size: of the cipher, in bytes; 8 for a stream cipher.
        mac: an EtM row, and `mac_key` its key.
        needs_cover: true for CBC.
    """

    __slots__ = ("_mac", "_update_into", "block_size", "needs_cover", "tag_size")

    length_in_block = False

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
        start = pos + 4
        length = len(body)
        end = start + length
        stop = end + self.tag_size
        head = _HEAD(seq, length)
        view[pos:start] = head[4:]
        self._update_into(body, view[start:])
        view[end:stop] = self._mac(head, view[start:end])
        return stop
