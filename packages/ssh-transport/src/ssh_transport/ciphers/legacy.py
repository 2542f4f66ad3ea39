"""Ciphers of the last century (RFC 4253 section 6.3, RFC 4345), and SEED as ssh.com has it.

Only for devices that know nothing else. They live in the library's `decrepit` package and need
OpenSSL's legacy provider, so nothing of them is imported or asked for until they are wanted.
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from .contexts import BlockOrStreamCipher, CipherMode

__all__ = [
    "ARCFOUR",
    "ARCFOUR_DISCARD",
    "BLOWFISH_CBC",
    "CAST128_CBC",
    "SEED_CBC",
    "TRIPLE_DES_CBC",
    "usable",
]


def _triple_des(key: bytes, iv: bytes) -> CipherMode:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES

    return Cipher(TripleDES(key), modes.CBC(iv))


def _blowfish(key: bytes, iv: bytes) -> CipherMode:
    from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish

    return Cipher(Blowfish(key), modes.CBC(iv))


def _cast128(key: bytes, iv: bytes) -> CipherMode:
    from cryptography.hazmat.decrepit.ciphers.algorithms import CAST5

    return Cipher(CAST5(key), modes.CBC(iv))


def _seed(key: bytes, iv: bytes) -> CipherMode:
    from cryptography.hazmat.decrepit.ciphers.algorithms import SEED

    return Cipher(SEED(key), modes.CBC(iv))


def _arcfour(key: bytes, iv: bytes) -> CipherMode:
    from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4

    return Cipher(ARC4(key), None)


TRIPLE_DES_CBC = BlockOrStreamCipher(8, _triple_des, cbc=True)
BLOWFISH_CBC = BlockOrStreamCipher(8, _blowfish, cbc=True)
CAST128_CBC = BlockOrStreamCipher(8, _cast128, cbc=True)
SEED_CBC = BlockOrStreamCipher(16, _seed, cbc=True)

ARCFOUR = BlockOrStreamCipher(8, _arcfour)
"""The first bytes of the key stream are used, which leak the key (RFC 4345 section 4)."""

ARCFOUR_DISCARD = BlockOrStreamCipher(8, _arcfour, discard=1536)
"""RFC 4345 section 3: the first 1536 bytes of the key stream are discarded."""


def usable(cipher: BlockOrStreamCipher) -> bool:
    """Whether the library and its OpenSSL have a cipher of this module."""
    try:
        key = bytes(range(24 if cipher is TRIPLE_DES_CBC else 16))
        cipher.make(key, bytes(cipher.block_size)).encryptor()
    except (ImportError, UnsupportedAlgorithm):
        return False
    return True
