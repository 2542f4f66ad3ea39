"""Hashed names of `known_hosts`: `|1|salt|digest`, where the digest is the HMAC-SHA1 of the name.

Each line has a salt of its own, so a name has to be hashed once for every line: that is what the
format is for. Done as here, with two plain hashes, it takes two thirds of the time of
`hmac.digest`, which is most of what a look-up costs.
"""

from __future__ import annotations

import hashlib
from binascii import Error as BinasciiError
from binascii import a2b_base64
from collections.abc import Iterable
from hmac import compare_digest

from ssh_keys.errors import KeyImportError

__all__ = ["HASH_MAGIC", "HashedNames"]

HASH_MAGIC = b"|1|"

#: Names whose lines are remembered; with 100,000 lines, finding them takes a fifth of a second.
MAXIMUM_REMEMBERED = 10_000

#: Key block and tables of HMAC (RFC 2104 section 2).
_BLOCK = 64
_INNER = bytes(value ^ 0x36 for value in range(256))
_OUTER = bytes(value ^ 0x5C for value in range(256))


class HashedNames:
    """The hashed names of files, each with the number of its line."""

    __slots__ = ("_blocks", "_digests", "_found", "_numbers", "_pending", "_pending_numbers")

    def __init__(self) -> None:
        # Lists side by side, because 100,000 tuples keep the garbage collector busy.
        self._numbers: list[int] = []
        self._blocks: list[bytes] = []
        self._digests: list[bytes] = []
        # Decoded when something is looked up for the first time.
        self._pending: list[bytes] = []
        self._pending_numbers: list[int] = []
        # Every line has to be tried for a new name; what was found is remembered.
        self._found: dict[tuple[bytes, ...], tuple[int, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self._pending or self._numbers)

    def add(self, number: int, name: bytes) -> None:
        """Add a name, `|1|salt|digest`, with the number of its line."""
        self._pending.append(name)
        self._pending_numbers.append(number)
        self._found.clear()

    def find(self, names: tuple[bytes, ...]) -> tuple[int, ...]:
        """Return the numbers of the lines that hold one of several names.

        A line that is malformed holds none.
        """
        found = self._found.get(names)
        if found is None:
            self._decode()
            found = tuple(self._search(names))
            if len(self._found) >= MAXIMUM_REMEMBERED:
                self._found.clear()
            self._found[names] = found
        return found

    def _decode(self) -> None:
        for number, name in zip(self._pending_numbers, self._pending, strict=True):
            try:
                block, digest = decode_hashed_name(name)
            except KeyImportError:
                continue
            self._numbers.append(number)
            self._blocks.append(block)
            self._digests.append(digest)
        self._pending, self._pending_numbers = [], []

    def _search(self, names: tuple[bytes, ...]) -> Iterable[int]:
        sha1, inner, outer = hashlib.sha1, _INNER, _OUTER
        for number, block, digest in zip(self._numbers, self._blocks, self._digests, strict=True):
            matches = False
            # No early end: the time shall say nothing about which of the names it was.
            for name in names:
                made = sha1(block.translate(outer) + sha1(block.translate(inner) + name).digest())
                matches |= compare_digest(made.digest(), digest)
            if matches:
                yield number


def decode_hashed_name(name: bytes) -> tuple[bytes, bytes]:
    """Return the key block of HMAC and the digest of a name; raises KeyImportError."""
    salt, _, digest = name[len(HASH_MAGIC) :].partition(b"|")
    try:
        key, made = a2b_base64(salt, strict_mode=True), a2b_base64(digest, strict_mode=True)
    except BinasciiError as exc:
        raise KeyImportError(f"hashed name with invalid base64 data: {exc}") from None
    if len(key) > _BLOCK:
        key = hashlib.sha1(key).digest()
    return key.ljust(_BLOCK, b"\0"), made
