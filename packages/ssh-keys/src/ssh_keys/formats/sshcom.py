"""The private key files of ssh.com's SSH 2 (`SSH2 ENCRYPTED PRIVATE KEY`): RSA and DSA, read only.

Nobody wrote the format down; this is what the files of puttygen have been found to hold. Integers
have their length in bits in front. Encrypted files have no check but the lengths inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import md5

from ssh_keys.errors import (
    KeyImportError,
    KeyPassphraseError,
    KeyTruncatedError,
    UnsupportedKeyError,
)
from ssh_keys.formats.rfc4716 import iterate_rfc4716
from ssh_keys.key_material import printable
from ssh_keys.wire import PacketDecodeError, Reader, encode_mpint, encode_string

__all__ = ["decode_sshcom", "iterate_sshcom"]

LABEL = b"ENCRYPTED PRIVATE KEY"
MAGIC = 0x3F6FF9EB
#: Longest integer that is read, in bits.
MAXIMUM_BITS = 16384
_BLOCK = 8


def iterate_sshcom(data: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """Find the keys in a file and return (content, comment); raises KeyImportError."""
    if b"---- BEGIN SSH2 " + LABEL in data:
        yield from iterate_rfc4716(data, LABEL)


def decode_sshcom(content: bytes, passphrase: bytes | None) -> bytes:
    """Return the private key as in PROTOCOL.key section 3.

    Raises KeyPassphraseError if the passphrase is missing or wrong, and KeyImportError or another
    of its subclasses for anything else that is wrong.
    """
    reader = Reader(content)
    try:
        if reader.uint32() != MAGIC or reader.uint32() != len(content):
            raise KeyImportError("not a private key of ssh.com")
        kind, cipher, body = reader.string(), reader.string(), reader.string()
        reader.end()
    except PacketDecodeError as exc:
        raise KeyTruncatedError(f"ssh.com private key: {exc}") from None
    if cipher == b"none":
        return _fields(kind, body, 0)
    if cipher != b"3des-cbc":
        raise UnsupportedKeyError(f"unknown private key cipher {printable(cipher)}")
    if not passphrase:
        raise KeyPassphraseError("the private key is encrypted and needs a passphrase")
    if not body or len(body) % _BLOCK:
        raise KeyTruncatedError("the private key does not fill the blocks of its cipher")
    try:
        return _fields(kind, _decrypt(passphrase, body), _BLOCK - 1)
    except UnsupportedKeyError:
        raise
    except KeyImportError:
        raise KeyPassphraseError("wrong passphrase, or a damaged private key") from None


def _decrypt(passphrase: bytes, body: bytes) -> bytes:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    first = md5(passphrase, usedforsecurity=False).digest()
    second = md5(passphrase + first, usedforsecurity=False).digest()
    mode = modes.CBC(bytes(_BLOCK))
    return Cipher(TripleDES((first + second)[:24]), mode).decryptor().update(body)


def _fields(kind: bytes, body: bytes, padding: int) -> bytes:
    try:
        outer = Reader(body)
        reader = Reader(outer.string())
        if outer.remaining > padding:
            raise KeyImportError("bytes behind the ssh.com private key")
        if kind.startswith(b"if-modn{"):
            e, d, n, inverse, q, p = (_integer(reader) for _ in range(6))
            name, numbers = b"ssh-rsa", [n, e, d, inverse, p, q]
        elif kind.startswith(b"dl-modp{"):
            if reader.uint32():
                raise UnsupportedKeyError("ssh.com private key with named parameters")
            p, g, q, y, x = (_integer(reader) for _ in range(5))
            name, numbers = b"ssh-dss", [p, q, g, y, x]
        else:
            raise UnsupportedKeyError(f"ssh.com private key of the type {printable(kind)}")
        reader.end()
    except PacketDecodeError as exc:
        raise KeyTruncatedError(f"ssh.com private key: {exc}") from None
    return encode_string(name) + b"".join(map(encode_mpint, numbers))


def _integer(reader: Reader) -> int:
    bits = reader.uint32()
    if bits > MAXIMUM_BITS:
        raise KeyImportError(f"integer of {bits} bits in a private key of ssh.com")
    return int.from_bytes(reader.take((bits + 7) // 8), "big")
