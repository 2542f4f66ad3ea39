"""Ciphers of the last century: 3DES, Blowfish, CAST-128 and ARC4 (RFC 4253 section 6.3, RFC 4345).

Only for devices that know nothing else. They live in the library's `decrepit` package and need
OpenSSL's legacy provider, so nothing of them is imported or asked for until they are wanted.
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from .contexts import BlockOrStreamCipher, CipherMode

__all__ = ["ARCFOUR", "ARCFOUR_DISCARD", "BLOWFISH_CBC", "CAST128_CBC", "TRIPLE_DES_CBC", "usable"]


def _triple_des(key: bytes, iv: bytes) -> CipherMode:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES

    return Cipher(TripleDES(key), modes.CBC(iv))


def _blowfish(key: bytes, iv: bytes) -> CipherMode:
    from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish

    return Cipher(Blowfish(key), modes.CBC(iv))


def _cast128(key: bytes, iv: bytes) -> CipherMode:
    from cryptography.hazmat.decrepit.ciphers.algorithms import CAST5

    return Cipher(CAST5(key), modes.CBC(iv))


def _arcfour(key: bytes, iv: bytes) -> CipherMode:
    from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4

    return Cipher(ARC4(key), None)


TRIPLE_DES_CBC = BlockOrStreamCipher(8, _triple_des, cbc=True)
BLOWFISH_CBC = BlockOrStreamCipher(8, _blowfish, cbc=True)
CAST128_CBC = BlockOrStreamCipher(8, _cast128, cbc=True)

ARCFOUR = BlockOrStreamCipher(8, _arcfour)
"""The first bytes of the key stream are used, which leak the key (RFC 4345 section 4)."""

ARCFOUR_DISCARD = BlockOrStreamCipher(8, _arcfour, discard=1536)
"""RFC 4345 section 3: the first 1536 bytes of the key stream are discarded."""


def usable(cipher: BlockOrStreamCipher) -> bool:
    """Whether the library and its OpenSSL have a cipher of this module."""
    try:
        # All of them take a key of 24 bytes except CAST-128, which stops at 16; 3DES takes only 24.
        key = bytes(range(16)) if cipher is CAST128_CBC else bytes(range(24))
        cipher.make(key, bytes(8)).encryptor()
    except (ImportError, UnsupportedAlgorithm):
        return False
    return True
