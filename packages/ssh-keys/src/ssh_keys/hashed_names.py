"""Hashed names of `known_hosts`: `|1|salt|digest`, where the digest is the HMAC-SHA1 of the name.

Each line has a salt of its own, so a name has to be hashed once for every line: that is what the
format is for. What is left to save is everything around the two hashes: names of the usual form
are decoded a thousand at a time, and are kept as one string, not as objects.
"""

from __future__ import annotations

import hashlib
from binascii import Error as BinasciiError
from binascii import a2b_base64
from collections.abc import Sequence
from struct import Struct

from ssh_keys.errors import KeyImportError

__all__ = ["HASH_MAGIC", "HashedNames"]

HASH_MAGIC = b"|1|"

#: Names whose lines are remembered; with 100,000 lines, finding them takes a tenth of a second.
MAXIMUM_REMEMBERED = 10_000

#: Key block and tables of HMAC (RFC 2104 section 2).
_BLOCK = 64
_INNER = bytes(value ^ 0x36 for value in range(256))
_OUTER = bytes(value ^ 0x5C for value in range(256))

# The usual form: salt and digest have 20 bytes, which is 28 characters of base64 with one "=".
_SIZE = 20
_TEXT = 28
_NAME = len(HASH_MAGIC) + _TEXT + 1 + _TEXT
_INNER_PAD = b"\0".translate(_INNER) * (_BLOCK - _SIZE)
_OUTER_PAD = b"\0".translate(_OUTER) * (_BLOCK - _SIZE)
# With "A" in place of "=" the string has no end within, and each value gets one byte more.
_RECORD = Struct(f"{_SIZE}sx{_SIZE}sx")
_BATCH = 1000


class HashedNames:
    """The hashed names of files, each with the number of its line."""

    __slots__ = ("_batches", "_found", "_numbers", "_others", "_pending")

    def __init__(self) -> None:
        # Decoded when something is looked up for the first time.
        self._pending: list[bytes] = []
        self._numbers: list[int] = []
        self._batches: list[tuple[Sequence[int], bytes]] = []
        # What is not of the usual form: number, key block of HMAC, digest.
        self._others: list[tuple[int, bytes, bytes]] = []
        # Every line has to be tried for a new name; what was found is remembered.
        self._found: dict[tuple[bytes, ...], tuple[int, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self._pending or self._batches or self._others)

    def add(self, number: int, name: bytes) -> None:
        """Add a name, `|1|salt|digest`, with the number of its line."""
        self._pending.append(name)
        self._numbers.append(number)
        self._found.clear()

    def find(self, names: tuple[bytes, ...]) -> tuple[int, ...]:
        """Return the numbers of the lines that hold one of several names.

        A line that is malformed holds none.
        """
        found = self._found.get(names)
        if found is None:
            self._decode()
            numbers: set[int] = set()
            for name in names:
                numbers.update(self._search(name))
            found = tuple(sorted(numbers))
            if len(self._found) >= MAXIMUM_REMEMBERED:
                self._found.clear()
            self._found[names] = found
        return found

    def _decode(self) -> None:
        for start in range(0, len(self._pending), _BATCH):
            names = self._pending[start : start + _BATCH]
            numbers = self._numbers[start : start + _BATCH]
            records = _decode_usual(names)
            if records is not None:
                self._batches.append((numbers, records))
                continue
            for number, name in zip(numbers, names, strict=True):
                try:
                    self._others.append((number, *decode_hashed_name(name)))
                except KeyImportError:
                    continue
        self._pending, self._numbers = [], []

    def _search(self, name: bytes) -> list[int]:
        # Digests are compared as they are: what the time says about how far one of a random salt
        # agrees is of no use to anybody.
        sha1, inner, outer, pad = hashlib.sha1, _INNER, _OUTER, _OUTER_PAD
        tail = _INNER_PAD + name
        found: list[int] = []
        for numbers, records in self._batches:
            found += [
                number
                for number, (salt, digest) in zip(
                    numbers, _RECORD.iter_unpack(records), strict=True
                )
                if digest
                == sha1(
                    salt.translate(outer) + pad + sha1(salt.translate(inner) + tail).digest()
                ).digest()
            ]
        found += [
            number
            for number, block, digest in self._others
            if digest
            == sha1(block.translate(outer) + sha1(block.translate(inner) + name).digest()).digest()
        ]
        return found


def _decode_usual(names: Sequence[bytes]) -> bytes | None:
    """Return the records of names that all have the usual form, None if one has not."""
    count = len(names)
    text = bytearray(b"".join(names))
    # Characters at the same place of every name: a step of the size of one.
    bars, ends = b"|" * count, b"=" * count
    places = ((0, bars), (1, b"1" * count), (2, bars), (31, bars), (30, ends), (59, ends))
    if set(map(len, names)) != {_NAME} or text.count(b"=") != 2 * count:
        return None
    if any(text[place::_NAME] != chars for place, chars in places):
        return None
    del text[31::_NAME], text[2 :: _NAME - 1], text[1 :: _NAME - 2], text[0 :: _NAME - 3]
    text[_TEXT - 1 :: _TEXT] = b"A" * (2 * count)
    try:
        return a2b_base64(text, strict_mode=True)
    except BinasciiError:
        return None


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
