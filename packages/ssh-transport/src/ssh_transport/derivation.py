"""Keys out of a shared secret (RFC 4253 section 7.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Protocol

__all__ = ["HASHES", "Hash", "derive"]


class Hash(Protocol):
    """A hash of the standard library that has begun."""

    def update(self, data: bytes, /) -> None:
        """Add data."""

    def digest(self) -> bytes:
        """Return the hash of all data."""

    def copy(self) -> Hash:
        """Return a hash that has begun in the same way."""


# Named once: finding an algorithm by its name takes as long as a block of it.
HASHES: dict[str, Callable[[bytes], Hash]] = {
    "sha1": hashlib.sha1,
    "sha224": hashlib.sha224,
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
}
"""Begins the hash of a key exchange method, by the name of the hash."""


def derive(prefix: Hash, session_id: bytes, keys: Iterable[tuple[bytes, int]]) -> list[bytes]:
    """Return keys out of a shared secret (RFC 4253 section 7.2).

    Parameters:
        prefix: the hash with K and H in it, which all derivations begin with.
        session_id: of the connection.
        keys: for each the letter, and its size in bytes.
    """
    derived = []
    for letter, size in keys:
        key = b""
        if size:
            block = prefix.copy()
            block.update(letter + session_id)
            key = block.digest()
        while len(key) < size:
            block = prefix.copy()
            block.update(key)
            key += block.digest()
        derived.append(key[:size])
    return derived
