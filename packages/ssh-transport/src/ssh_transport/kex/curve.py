"""Curve25519 and Curve448 (RFC 7748, RFC 8731)."""

from __future__ import annotations

import sys
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from ..errors import KeyExchangeFailed
from .ecdh import Finish, Random

__all__ = ["X448", "X25519", "Sodium", "x25519_by_libsodium", "x25519_by_openssl"]

Sodium = tuple[Callable[[bytes], bytes], Callable[[bytes, bytes], bytes]]
"""Multiplies the base point by a scalar, and another point: X25519 of libsodium."""


class X25519:
    """Curve25519: 32 octets each way.

    By libsodium if the process has loaded it for Ed25519 keys, which makes a public value in half
    the time that OpenSSL takes; loading it for one exchange would cost more than 200 exchanges.
    """

    public_size = 32

    def __init__(self) -> None:
        self._sodium: Sodium | None = None

    def start(self, random: Random) -> tuple[bytes, Finish]:
        """Return our public value, and what gives the shared secret of the peer's one."""
        sodium = self._sodium
        if sodium is None and "nacl.bindings" in sys.modules:
            from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base

            self._sodium = sodium = crypto_scalarmult_base, crypto_scalarmult
        if sodium is None:
            return x25519_by_openssl(random(32))
        return x25519_by_libsodium(random(32), sodium)


def x25519_by_openssl(secret: bytes) -> tuple[bytes, Finish]:
    """Return the public value of 32 octets, and what gives the shared secret of the peer's one."""
    private = X25519PrivateKey.from_private_bytes(secret)

    def finish(peer: bytes) -> bytes:
        # RFC 8731 section 3: abort for every other length, and for an all-zero secret, which
        # the library refuses.
        try:
            return private.exchange(X25519PublicKey.from_public_bytes(peer))
        except ValueError:
            raise _bad_value() from None

    return private.public_key().public_bytes_raw(), finish


def x25519_by_libsodium(secret: bytes, sodium: Sodium) -> tuple[bytes, Finish]:
    """Return the public value of 32 octets, and what gives the shared secret of the peer's one."""
    multiply_base, multiply = sodium
    # PyNaCl does not look at lengths, and libsodium would read what is behind the bytes.
    if len(secret) != 32:
        raise ValueError("a private key of Curve25519 has 32 bytes")

    def finish(peer: bytes) -> bytes:
        if len(peer) != 32:
            raise _bad_value()
        try:
            return multiply(secret, peer)
        except RuntimeError:  # the library refuses an all-zero secret
            raise _bad_value() from None

    return multiply_base(secret), finish


def _bad_value() -> KeyExchangeFailed:
    return KeyExchangeFailed("peer's public value is not one of Curve25519")


class X448:
    """Curve448: 56 octets each way."""

    public_size = 56

    def start(self, random: Random) -> tuple[bytes, Finish]:
        """Return our public value, and what gives the shared secret of the peer's one."""
        private = X448PrivateKey.from_private_bytes(random(56))

        def finish(peer: bytes) -> bytes:
            # As for Curve25519.
            try:
                return private.exchange(X448PublicKey.from_public_bytes(peer))
            except ValueError:
                raise KeyExchangeFailed("peer's public value is not one of Curve448") from None

        return private.public_key().public_bytes_raw(), finish
