"""Ciphers that need a MAC: from a key and an IV to a packet sealer or opener.

Which construction it is, the MAC row says: encrypt-then-MAC, or MAC-then-encrypt as in RFC 4253.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from ssh_keys.record import Record

from ..protocols import MACAlgorithm, PacketOpener, PacketSealer
from .encrypt_then_mac import EncryptThenMacOpener, EncryptThenMacSealer
from .mac_then_encrypt import BlockOpener, MacThenEncryptSealer, StreamOpener

__all__ = ["AES_CBC", "AES_CTR", "BlockOrStreamCipher", "CipherMode"]

CipherMode = Cipher[modes.CTR] | Cipher[modes.CBC] | Cipher[None]


def _aes_ctr(key: bytes, iv: bytes) -> CipherMode:
    return Cipher(AES(key), modes.CTR(iv))


def _aes_cbc(key: bytes, iv: bytes) -> CipherMode:
    return Cipher(AES(key), modes.CBC(iv))


class BlockOrStreamCipher(Record):
    """A cipher without a tag; `sealer` and `opener` are factories of the cipher table.

    Parameters:
        block_size: in bytes; 8 for a stream cipher (RFC 4253 section 6).
        make: gives the cipher of a key and an IV.
        cbc: whether it takes whole blocks only, and needs cover before a packet.
        discard: bytes of key stream that are thrown away first (RFC 4345 section 3).
    """

    block_size: int
    make: Callable[[bytes, bytes], CipherMode]
    cbc: bool = False
    discard: int = 0

    def sealer(
        self, key: bytes, iv: bytes, mac_key: bytes, mac: MACAlgorithm | None
    ) -> PacketSealer:
        """Return the sealer of one direction; raises ValueError without a MAC."""
        mac = _required(mac)
        context = self.make(key, iv).encryptor()
        context.update(bytes(self.discard))
        new = EncryptThenMacSealer if mac.etm else MacThenEncryptSealer
        return new(context, self.block_size, mac, mac_key, self.cbc)

    def opener(
        self, key: bytes, iv: bytes, mac_key: bytes, mac: MACAlgorithm | None
    ) -> PacketOpener:
        """Return the opener of one direction; raises ValueError without a MAC."""
        mac = _required(mac)
        context = self.make(key, iv).decryptor()
        context.update(bytes(self.discard))
        if mac.etm:
            return EncryptThenMacOpener(context, self.block_size, mac, mac_key)
        new = BlockOpener if self.cbc else StreamOpener
        return new(context, self.block_size, mac, mac_key)


def _required(mac: MACAlgorithm | None) -> MACAlgorithm:
    # Encryption without integrity is never an option, whoever asks for it.
    if mac is None:
        raise ValueError("this cipher needs a MAC")
    return mac


AES_CTR = BlockOrStreamCipher(16, _aes_ctr)
"""Stateful-decryption counter mode (RFC 4344 section 4)."""

AES_CBC = BlockOrStreamCipher(16, _aes_cbc, cbc=True)
"""RFC 4253 section 6.3."""
