"""Python's open modes and the flags of SSH_FXP_OPEN, both directions."""

from __future__ import annotations

import os
from typing import Final

from ssh_sftp.codec.constants import (
    ACE4_APPEND_DATA,
    ACE4_READ_DATA,
    ACE4_WRITE_DATA,
    FXF_ACCESS_DISPOSITION,
    FXF_APPEND,
    FXF_APPEND_DATA,
    FXF_APPEND_DATA_ATOMIC,
    FXF_CREAT,
    FXF_CREATE_NEW,
    FXF_CREATE_TRUNCATE,
    FXF_EXCL,
    FXF_OPEN_EXISTING,
    FXF_OPEN_OR_CREATE,
    FXF_READ,
    FXF_TRUNC,
    FXF_TRUNCATE_EXISTING,
    FXF_WRITE,
)

__all__ = ["access_to_pflags", "mode_to_pflags", "pflags_to_os"]

_MODES: Final = {
    "r": FXF_READ,
    "w": FXF_WRITE | FXF_CREAT | FXF_TRUNC,
    "a": FXF_WRITE | FXF_CREAT | FXF_APPEND,
    "x": FXF_WRITE | FXF_CREAT | FXF_EXCL,
}


_DISPOSITIONS: Final = {
    FXF_CREATE_NEW: FXF_CREAT | FXF_EXCL,
    FXF_CREATE_TRUNCATE: FXF_CREAT | FXF_TRUNC,
    FXF_OPEN_EXISTING: 0,
    FXF_OPEN_OR_CREATE: FXF_CREAT,
    FXF_TRUNCATE_EXISTING: FXF_TRUNC,
}


def mode_to_pflags(mode: str) -> tuple[int, bool]:
    """Return the pflags of an open mode such as `"r+b"`, and whether it is binary.

    The letters may stand in any order, as in Python's `open`.

    Raises ValueError for a mode that is not one.
    """
    letters = set(mode)
    options = letters & set("bt+")
    pflags = _MODES.get("".join(letters - options))
    if pflags is None or len(letters) != len(mode):
        raise ValueError(f"invalid file mode: {mode!r}")
    if "b" in options and "t" in options:
        raise ValueError(f"file mode is text or binary, not both: {mode!r}")
    if "+" in options:
        pflags |= FXF_READ | FXF_WRITE
    return pflags, "b" in options


def access_to_pflags(access: int, flags: int) -> int:
    """Return the pflags of version 3 for the access mask and flags of version 5 and 6.

    Raises ValueError for flags that version 3 cannot say.
    """
    unknown = flags & ~(FXF_ACCESS_DISPOSITION | FXF_APPEND_DATA | FXF_APPEND_DATA_ATOMIC)
    disposition = _DISPOSITIONS.get(flags & FXF_ACCESS_DISPOSITION)
    if unknown or disposition is None:
        raise ValueError(f"open flags {flags:#x} are not supported")
    pflags = disposition
    if access & ACE4_READ_DATA:
        pflags |= FXF_READ
    if access & (ACE4_WRITE_DATA | ACE4_APPEND_DATA):
        pflags |= FXF_WRITE
    if flags & (FXF_APPEND_DATA | FXF_APPEND_DATA_ATOMIC):
        pflags |= FXF_WRITE | FXF_APPEND
    elif access & ACE4_APPEND_DATA and not access & ACE4_WRITE_DATA:
        pflags |= FXF_APPEND
    if not pflags & (FXF_READ | FXF_WRITE):
        pflags |= FXF_READ  # only attributes are wanted
    return pflags


def pflags_to_os(pflags: int) -> int:
    """Return the flags for `os.open` of version 3 pflags (section 6.3).

    Raises ValueError for combinations that the draft excludes.
    """
    access = pflags & (FXF_READ | FXF_WRITE)
    if access == FXF_READ | FXF_WRITE:
        flags = os.O_RDWR
    elif access == FXF_WRITE:
        flags = os.O_WRONLY
    elif access == FXF_READ:
        flags = os.O_RDONLY
    else:
        raise ValueError("open for neither reading nor writing")
    if pflags & FXF_APPEND:
        flags |= os.O_APPEND
    if pflags & FXF_CREAT:
        flags |= os.O_CREAT
        if pflags & FXF_EXCL:
            flags |= os.O_EXCL
    elif pflags & FXF_EXCL:
        raise ValueError("SSH_FXF_EXCL without SSH_FXF_CREAT")
    if pflags & FXF_TRUNC:
        flags |= os.O_TRUNC
    return flags | getattr(os, "O_BINARY", 0) | os.O_CLOEXEC | os.O_NOCTTY
