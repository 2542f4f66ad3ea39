"""Ed25519 of libsodium (RFC 8032), through PyNaCl, which is imported when a key is first used.

libsodium takes half the time of OpenSSL; importing PyNaCl takes as long as 500 signatures, and a
program that only reads `known_hosts` needs none of it.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["ed25519"]

SIGNATURE_SIZE = 64


class _Ed25519:
    """The functions of libsodium; each is there from the first time that one of them is used."""

    __slots__ = ("_keypair", "_open", "_sign", "failure")

    _keypair: Callable[[bytes], tuple[bytes, bytes]]
    _sign: Callable[[bytes, bytes], bytes]
    _open: Callable[[bytes, bytes], bytes]
    failure: type[Exception]

    def __getattr__(self, name: str) -> object:
        from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
        from nacl.exceptions import CryptoError

        # The slots are empty until now; from here on nothing comes through __getattr__ any more.
        self._keypair, self._sign, self._open = (
            crypto_sign_seed_keypair,
            crypto_sign,
            crypto_sign_open,
        )
        self.failure = CryptoError
        return object.__getattribute__(self, name)

    def keypair(self, seed: bytes) -> tuple[bytes, bytes]:
        """Return public key (32 bytes) and secret key (64 bytes) of a seed of 32 bytes."""
        return self._keypair(seed)

    def sign(self, data: bytes, secret: bytes) -> bytes:
        """Return the signature, 64 bytes, with a secret key of 64 bytes."""
        return self._sign(data, secret)[:SIGNATURE_SIZE]

    def is_valid(self, signature: bytes, data: bytes, public_key: bytes) -> bool:
        """Return whether a signature of 64 bytes is right for a public key of 32 bytes."""
        try:
            self._open(signature + data, public_key)
        except self.failure:
            return False
        return True


ed25519 = _Ed25519()
