"""CBC block ciphers and stream ciphers of the old password-based containers, one row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ssh_keys.errors import KeyPassphraseError
from ssh_keys.record import Record

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import CBC

__all__ = ["CIPHERS", "ContainerCipher"]


class ContainerCipher(Record):
    """One cipher.

    Attributes:
        name: name in `export_private_key(cipher_name=...)`.
        key_size: bytes of key.
        block_size: bytes of a block and of the IV; 0 for a stream cipher.
        make: (key, IV) to a cipher object.
    """

    name: str
    key_size: int
    block_size: int
    make: Callable[[bytes, bytes], Cipher[CBC] | Cipher[None]]

    def encrypt(self, key: bytes, iv: bytes, data: bytes) -> bytes:
        """Encrypt, after padding as of PKCS#7 if it is a block cipher."""
        if self.block_size:
            count = self.block_size - len(data) % self.block_size
            data += bytes((count,)) * count
        context = self.make(key, iv).encryptor()
        return context.update(data) + context.finalize()

    def decrypt(self, key: bytes, iv: bytes, data: bytes) -> bytes:
        """Decrypt and remove the padding; raises KeyPassphraseError if it is wrong."""
        if self.block_size and (not data or len(data) % self.block_size):
            raise KeyPassphraseError("the encrypted key does not fill the blocks of its cipher")
        context = self.make(key, iv).decryptor()
        plain = context.update(data) + context.finalize()
        if not self.block_size:
            return plain
        count = plain[-1]
        if not 1 <= count <= self.block_size or plain[-count:] != bytes((count,)) * count:
            raise KeyPassphraseError("wrong passphrase, or a damaged private key")
        return plain[:-count]


def _aes(key: bytes, iv: bytes) -> Cipher[CBC]:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    return Cipher(algorithms.AES(key), modes.CBC(iv))


def _des(key: bytes, iv: bytes) -> Cipher[CBC]:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    # Single DES is triple DES with one key three times; two-key triple DES repeats the first.
    return Cipher(TripleDES((key * 3)[:24]), modes.CBC(iv))


def _blowfish(key: bytes, iv: bytes) -> Cipher[CBC]:
    from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    return Cipher(Blowfish(key), modes.CBC(iv))


def _cast128(key: bytes, iv: bytes) -> Cipher[CBC]:
    from cryptography.hazmat.decrepit.ciphers.algorithms import CAST5
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    return Cipher(CAST5(key), modes.CBC(iv))


def _camellia(key: bytes, iv: bytes) -> Cipher[CBC]:
    from cryptography.hazmat.decrepit.ciphers.algorithms import Camellia
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    return Cipher(Camellia(key), modes.CBC(iv))


def _rc4(key: bytes, iv: bytes) -> Cipher[None]:
    from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
    from cryptography.hazmat.primitives.ciphers import Cipher

    return Cipher(ARC4(key), None)


CIPHERS = {
    cipher.name: cipher
    for cipher in (
        ContainerCipher("aes256-cbc", 32, 16, _aes),
        ContainerCipher("aes192-cbc", 24, 16, _aes),
        ContainerCipher("aes128-cbc", 16, 16, _aes),
        ContainerCipher("des3-cbc", 24, 8, _des),
        ContainerCipher("des2-cbc", 16, 8, _des),
        ContainerCipher("des-cbc", 8, 8, _des),
        ContainerCipher("blowfish-cbc", 16, 8, _blowfish),
        ContainerCipher("cast128-cbc", 16, 8, _cast128),
        ContainerCipher("camellia256-cbc", 32, 16, _camellia),
        ContainerCipher("camellia192-cbc", 24, 16, _camellia),
        ContainerCipher("camellia128-cbc", 16, 16, _camellia),
        ContainerCipher("rc4-128", 16, 0, _rc4),
        ContainerCipher("rc4-40", 5, 0, _rc4),
    )
}
