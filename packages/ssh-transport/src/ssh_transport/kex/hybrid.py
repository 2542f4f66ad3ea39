"""Post-quantum hybrids: a key encapsulation mechanism together with an elliptic curve.

The client sends its KEM public key and its curve public value in one string, the server answers
with a KEM ciphertext and its own curve public value. K is a string, the hash of both secrets one
behind the other: who wants it has to break both (draft-ietf-sshm-mlkem-hybrid-kex section 2,
draft-ietf-sshm-ntruprime-ssh section 3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
    MLKEM1024PrivateKey,
    MLKEM1024PublicKey,
)

from ssh_keys.wire import encode_string

from ..derivation import HASHES
from ..errors import KeyExchangeFailed
from .ecdh import Curve, Finish, Random

__all__ = ["KEM", "MLKEM768", "MLKEM1024", "HybridExchange"]

T = TypeVar("T")


class KEM(Protocol):
    """A key encapsulation mechanism with values of fixed size."""

    name: str
    public_size: int
    ciphertext_size: int

    def start(self, random: Random) -> tuple[bytes, Finish]:
        """Client: return a new public key, and what gives the secret of a ciphertext."""
        ...

    def encapsulate(self, random: Random, public: bytes) -> tuple[bytes, bytes]:
        """Server: return (secret, ciphertext); raises ValueError for a bad public key."""
        ...


class MLKEM768:
    """ML-KEM-768 (FIPS 203). Encapsulation takes its randomness from the library."""

    name = "ML-KEM-768"
    public_size = 1184
    ciphertext_size = 1088

    def start(self, random: Random) -> tuple[bytes, Finish]:
        """Client: return a new public key, and what gives the secret of a ciphertext."""
        private = MLKEM768PrivateKey.from_seed_bytes(random(64))
        return private.public_key().public_bytes_raw(), private.decapsulate

    def encapsulate(self, random: Random, public: bytes) -> tuple[bytes, bytes]:
        """Server: return (secret, ciphertext); raises ValueError for a bad public key.

        The library checks that every coefficient is below q (FIPS 203 section 7.2).
        """
        return MLKEM768PublicKey.from_public_bytes(public).encapsulate()


class MLKEM1024:
    """ML-KEM-1024 (FIPS 203). Encapsulation takes its randomness from the library."""

    name = "ML-KEM-1024"
    public_size = 1568
    ciphertext_size = 1568

    def start(self, random: Random) -> tuple[bytes, Finish]:
        """Client: return a new public key, and what gives the secret of a ciphertext."""
        private = MLKEM1024PrivateKey.from_seed_bytes(random(64))
        return private.public_key().public_bytes_raw(), private.decapsulate

    def encapsulate(self, random: Random, public: bytes) -> tuple[bytes, bytes]:
        """Server: return (secret, ciphertext); raises ValueError for a bad public key."""
        return MLKEM1024PublicKey.from_public_bytes(public).encapsulate()


class HybridExchange:
    """A KEM and a curve, combined by a hash.

    Parameters:
        hash_name: of the method.
    """

    def __init__(self, kem: KEM, curve: Curve, hash_name: str) -> None:
        self._kem = kem
        self._curve = curve
        self._hash = HASHES[hash_name]

    def start(self, random: Random) -> tuple[bytes, Finish]:
        """Client: return what to send, and what gives K of the server's answer."""
        kem_public, decapsulate = self._kem.start(random)
        public, agree = self._curve.start(random)

        def finish(reply: bytes) -> bytes:
            ciphertext, peer = self._split(reply, self._kem.ciphertext_size)
            return self._combine(_checked(self._kem, lambda: decapsulate(ciphertext)), agree(peer))

        return kem_public + public, finish

    def respond(self, random: Random, init: bytes) -> tuple[bytes, bytes]:
        """Server: return the answer and K; raises KeyExchangeFailed for a bad value."""
        kem_public, peer = self._split(init, self._kem.public_size)
        secret, ciphertext = _checked(self._kem, lambda: self._kem.encapsulate(random, kem_public))
        public, agree = self._curve.start(random)
        return ciphertext + public, self._combine(secret, agree(peer))

    def _split(self, value: bytes, kem_size: int) -> tuple[bytes, bytes]:
        expected = kem_size + self._curve.public_size
        if len(value) != expected:
            raise KeyExchangeFailed(
                f"peer's public value has {len(value)} bytes instead of {expected}"
            )
        return value[:kem_size], value[kem_size:]

    def _combine(self, kem_secret: bytes, curve_secret: bytes) -> bytes:
        return encode_string(self._hash(kem_secret + curve_secret).digest())


def _checked(kem: KEM, step: Callable[[], T]) -> T:
    try:
        return step()
    except ValueError:
        raise KeyExchangeFailed(f"peer's public value is not one of {kem.name}") from None
