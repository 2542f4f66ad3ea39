"""Dropbear's private key files: the numbers of the key in wire types, without any encryption.

The order is that of the public key (RFC 4253 section 6.6), with the private numbers behind; this
module turns it into that of PROTOCOL.key and back.
"""

from __future__ import annotations

from collections.abc import Sequence

from ssh_keys.errors import KeyExportError, KeyImportError, KeyTruncatedError
from ssh_keys.wire import PacketDecodeError, Reader, encode_mpint, encode_string

__all__ = ["decode_dropbear", "encode_dropbear", "is_dropbear"]

_RSA, _ED25519 = b"ssh-rsa", b"ssh-ed25519"
#: These have the same fields in the same order as PROTOCOL.key.
_SAME = (b"ssh-dss", b"ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp384", b"ecdsa-sha2-nistp521")
_NAMES = (_RSA, _ED25519, *_SAME)
_BEGINNINGS = tuple(map(encode_string, _NAMES))

#: Larger numbers are no RSA key that is read anyway, and take long to invert.
MAXIMUM_BITS = 16384


def is_dropbear(data: bytes) -> bool:
    """Whether data begins like a private key of Dropbear."""
    return data.startswith(_BEGINNINGS)


def decode_dropbear(data: bytes) -> bytes:
    """Return the private key as in PROTOCOL.key section 3.

    Raises KeyTruncatedError or KeyImportError.
    """
    reader = Reader(data)
    try:
        name = reader.string()
        if name == _RSA:
            e, n, d, p, q = (reader.mpint() for _ in range(5))
            fields = b"".join(map(encode_mpint, (n, e, d, _inverse(q, p), p, q)))
        elif name == _ED25519:
            secret = reader.string()
            fields = encode_string(secret[32:]) + encode_string(secret)
        else:
            fields = reader.rest()
        reader.end()
    except PacketDecodeError as exc:
        raise KeyTruncatedError(f"Dropbear private key: {exc}") from None
    return encode_string(name) + fields


def _inverse(q: int, p: int) -> int:
    if not (min(p, q) > 0 and max(p, q).bit_length() <= MAXIMUM_BITS):
        raise KeyImportError("Dropbear private key with primes out of range")
    try:
        return pow(q, -1, p)
    except ValueError:
        raise KeyImportError("Dropbear private key whose primes are none") from None


def encode_dropbear(private_data: bytes) -> bytes:
    """Return the file for a private key as in PROTOCOL.key section 3.

    Raises KeyExportError for key types that Dropbear does not have.
    """
    reader = Reader(private_data)
    name = reader.string()
    if name in _SAME:
        return private_data
    if name == _ED25519:
        reader.string()
        return encode_string(name) + encode_string(reader.string())
    if name == _RSA:
        n, e, d, _, p, q = (reader.mpint() for _ in range(6))
        numbers: Sequence[int] = (e, n, d, p, q)
        return encode_string(name) + b"".join(map(encode_mpint, numbers))
    raise KeyExportError(f"Dropbear has no {name.decode()} keys")
