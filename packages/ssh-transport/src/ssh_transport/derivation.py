"""Keys out of a shared secret (RFC 4253 section 7.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Protocol

from .mac import MACS
from .protocols import CipherAlgorithm, MACAlgorithm

__all__ = ["HASHES", "Hash", "Secrets"]


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
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
}
"""Begins the hash of a key exchange method, by the name of the hash."""


class Secrets:
    """Derives the keys of one exchange (RFC 4253 section 7.2).

    Parameters:
        prefix: the hash with K and H in it, which all derivations begin with.
        session_id: of the connection.
    """

    __slots__ = ("_prefix", "_session_id")

    def __init__(self, prefix: Hash, session_id: bytes) -> None:
        self._prefix = prefix
        self._session_id = session_id

    def derive(
        self, cipher: CipherAlgorithm, mac_name: bytes, iv: bytes, key: bytes, mac_key: bytes
    ) -> tuple[bytes, bytes, bytes, MACAlgorithm | None]:
        """Return key, IV, MAC key and MAC of one direction; the letters say which."""
        mac = MACS[mac_name] if mac_name else None
        return (
            self._derived(key, cipher.key_size),
            self._derived(iv, cipher.iv_size),
            self._derived(mac_key, mac.key_size) if mac else b"",
            mac,
        )

    def _derived(self, letter: bytes, size: int) -> bytes:
        if not size:
            return b""
        prefix = self._prefix
        first = prefix.copy()
        first.update(letter + self._session_id)
        result = first.digest()
        while len(result) < size:
            more = prefix.copy()
            more.update(result)
            result += more.digest()
        return result[:size]
