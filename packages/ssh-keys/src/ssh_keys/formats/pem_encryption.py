"""Encryption of classic PEM files: the headers Proc-Type and DEK-Info (RFC 1421 section 4.6).

The key derivation is one MD5 without iterations; it is here to read old files. New ones should be
written as `openssh` or `pkcs8-pem`.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Callable
from os import urandom

from ssh_keys.errors import (
    KeyEncryptionError,
    KeyImportError,
    KeyPassphraseError,
    UnsupportedKeyError,
)
from ssh_keys.formats.armour import PEMBlock
from ssh_keys.formats.block_ciphers import CIPHERS
from ssh_keys.key_material import printable

__all__ = ["decrypt_pem", "encrypt_pem"]

_NAMES = {
    b"AES-256-CBC": "aes256-cbc",
    b"AES-192-CBC": "aes192-cbc",
    b"AES-128-CBC": "aes128-cbc",
    b"DES-EDE3-CBC": "des3-cbc",
    b"DES-CBC": "des-cbc",
    b"CAMELLIA-256-CBC": "camellia256-cbc",
    b"CAMELLIA-192-CBC": "camellia192-cbc",
    b"CAMELLIA-128-CBC": "camellia128-cbc",
}


def _derive(passphrase: bytes, salt: bytes, size: int) -> bytes:
    """The derivation that OpenSSL calls EVP_BytesToKey, with MD5 and one iteration."""
    result = digest = b""
    while len(result) < size:
        digest = hashlib.md5(digest + passphrase + salt, usedforsecurity=False).digest()
        result += digest
    return result[:size]


def decrypt_pem(block: PEMBlock, passphrase: bytes | None) -> bytes:
    """Return the data of a block, decrypted if its headers say that it is encrypted.

    Raises KeyPassphraseError if the passphrase is missing or wrong, and KeyImportError or
    UnsupportedKeyError for headers that cannot be used.
    """
    if block.headers.get(b"Proc-Type", b"").replace(b" ", b"") != b"4,ENCRYPTED":
        return block.data
    name, _, text = block.headers.get(b"DEK-Info", b"").partition(b",")
    if name.upper() not in _NAMES:
        raise UnsupportedKeyError(f"unknown PEM cipher {printable(name)}")
    cipher = CIPHERS[_NAMES[name.upper()]]
    try:
        iv = binascii.unhexlify(text.strip())
    except binascii.Error:
        raise KeyImportError("DEK-Info without an IV in hexadecimal") from None
    if len(iv) != cipher.block_size:
        raise KeyImportError(f"DEK-Info with an IV of {len(iv)} bytes")
    if passphrase is None:
        raise KeyPassphraseError("the private key is encrypted and needs a passphrase")
    key = _derive(passphrase, iv[:8], cipher.key_size)
    return cipher.decrypt(key, iv, block.data)


def encrypt_pem(
    data: bytes, passphrase: bytes, cipher_name: str, random: Callable[[int], bytes] = urandom
) -> tuple[dict[bytes, bytes], bytes]:
    """Return headers and encrypted data of a block.

    Raises KeyEncryptionError for a cipher that the format does not have.
    """
    name = {known: name for name, known in _NAMES.items()}.get(cipher_name)
    if name is None:
        raise KeyEncryptionError(f"unknown cipher {cipher_name!r} for a PEM private key")
    cipher = CIPHERS[cipher_name]
    iv = random(cipher.block_size)
    headers = {b"Proc-Type": b"4,ENCRYPTED", b"DEK-Info": name + b"," + iv.hex().upper().encode()}
    key = _derive(passphrase, iv[:8], cipher.key_size)
    return headers, cipher.encrypt(key, iv, data)
