"""Curve25519 and Curve448 (RFC 7748, RFC 8731)."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from ..errors import KeyExchangeFailed
from .ecdh import Finish, Random

__all__ = ["X448", "X25519"]


class X25519:
    """Curve25519: 32 octets each way."""

    public_size = 32

    def start(self, random: Random) -> tuple[bytes, Finish]:
        """Return our public value, and what gives the shared secret of the peer's one."""
        private = X25519PrivateKey.from_private_bytes(random(32))

        def finish(peer: bytes) -> bytes:
            # RFC 8731 section 3: abort for every other length, and for an all-zero secret, which
            # the library refuses.
            try:
                return private.exchange(X25519PublicKey.from_public_bytes(peer))
            except ValueError:
                raise KeyExchangeFailed("peer's public value is not one of Curve25519") from None

        return private.public_key().public_bytes_raw(), finish


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
