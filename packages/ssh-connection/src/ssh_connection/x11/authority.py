"""Entries of an Xauthority file: which cookie a display wants (Xsecurity(7), xauth(1)).

An entry is a 16-bit family and four strings with a 16-bit length each, all big-endian: address,
number of the display, name of the protocol, data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from struct import Struct
from typing import Final, NamedTuple

from .display import Display

__all__ = [
    "FAMILY_LOCAL",
    "MIT_MAGIC_COOKIE",
    "AuthorityEntry",
    "decode_entries",
    "encode_entries",
    "find_entry",
    "replace_entry",
]

FAMILY_INTERNET: Final = 0
FAMILY_INTERNET6: Final = 6
FAMILY_LOCAL: Final = 256
"""The address is the name of this machine."""
FAMILY_WILD: Final = 65535

MIT_MAGIC_COOKIE: Final = b"MIT-MAGIC-COOKIE-1"
"""The protocol whose data is sent as it is, so that one cookie can stand for another."""

_UINT16: Final = Struct(">H")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class AuthorityEntry(NamedTuple):
    """One entry."""

    family: int
    address: bytes
    number: bytes
    """Number of the display in digits; empty for all."""
    name: bytes
    """Authorization protocol."""
    data: bytes

    def __repr__(self) -> str:
        return f"<AuthorityEntry {self.family} {self.address!r}:{self.number!r} {self.name!r}>"

    def same_display(self, other: AuthorityEntry) -> bool:
        """Whether both are about the same display and protocol."""
        return self[:4] == other[:4]


def decode_entries(data: bytes) -> list[AuthorityEntry]:
    """Return the entries of a file, up to where it is cut off.

    What is behind a truncated entry is lost, as it is for the programs of X.
    """
    entries: list[AuthorityEntry] = []
    position = 0
    while position + 2 <= len(data):
        (family,) = _UINT16.unpack_from(data, position)
        position += 2
        fields = []
        for _ in range(4):
            if position + 2 > len(data):
                return entries
            (size,) = _UINT16.unpack_from(data, position)
            position += 2
            if position + size > len(data):
                return entries
            fields.append(data[position : position + size])
            position += size
        entries.append(AuthorityEntry(family, *fields))
    return entries


def encode_entries(entries: Iterable[AuthorityEntry]) -> bytes:
    """Return the content of a file; ValueError for a field above 65,535 bytes."""
    pieces = []
    for entry in entries:
        pieces.append(_UINT16.pack(entry.family))
        for field in entry[1:]:
            if len(field) > 0xFFFF:
                raise ValueError("field of an Xauthority entry too long")
            pieces += (_UINT16.pack(len(field)), field)
    return b"".join(pieces)


def find_entry(
    entries: Iterable[AuthorityEntry],
    display: Display,
    hostname: str,
    resolve: Callable[[str], Sequence[tuple[int, bytes]]],
) -> AuthorityEntry | None:
    """Return the cookie for a display, None if there is none.

    Parameters:
        entries: of the file; the first that fits counts.
        display: which display.
        hostname: the name of this machine.
        resolve: gives the addresses of a host, each a family of this format and its bytes.
    """
    if not display.host or display.host in _LOOPBACK or display.host == hostname:
        addresses = {(FAMILY_LOCAL, hostname.encode("utf-8", "surrogateescape"))}
    else:
        addresses = set(resolve(display.host))
    number = str(display.number).encode()
    for entry in entries:
        if (
            entry.name == MIT_MAGIC_COOKIE
            and entry.number in (b"", number)
            and (entry.family == FAMILY_WILD or (entry.family, entry.address) in addresses)
        ):
            return entry
    return None


def replace_entry(
    entries: Iterable[AuthorityEntry], new: AuthorityEntry, *, remove: bool = False
) -> list[AuthorityEntry]:
    """Return the entries with one put in the place of what was there for its display.

    Parameters:
        remove: take the entry out instead, if it is there as it was put in.
    """
    if remove:
        return [entry for entry in entries if entry != new]
    # In front: what is behind may be for all displays.
    return [new, *(entry for entry in entries if not entry.same_display(new))]
