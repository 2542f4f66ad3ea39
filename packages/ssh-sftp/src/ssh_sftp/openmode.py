"""Python's open modes and the flags of SSH_FXP_OPEN, both directions."""

from __future__ import annotations

import os
from typing import Final

from ssh_sftp.codec.constants import (
    FXF_APPEND,
    FXF_CREAT,
    FXF_EXCL,
    FXF_READ,
    FXF_TRUNC,
    FXF_WRITE,
)

__all__ = ["mode_to_pflags", "pflags_to_os"]

_MODES: Final = {
    "r": FXF_READ,
    "w": FXF_WRITE | FXF_CREAT | FXF_TRUNC,
    "a": FXF_WRITE | FXF_CREAT | FXF_APPEND,
    "x": FXF_WRITE | FXF_CREAT | FXF_EXCL,
}


def mode_to_pflags(mode: str) -> tuple[int, bool]:
    """Return the pflags of an open mode such as `"r+b"`, and whether it is binary.

    Raises ValueError for a mode that is not one.
    """
    pflags = _MODES.get(mode[:1])
    options = mode[1:]
    if pflags is None or len(set(options)) != len(options) or not set(options) <= set("bt+"):
        raise ValueError(f"invalid file mode: {mode!r}")
    if "b" in options and "t" in options:
        raise ValueError(f"file mode is text or binary, not both: {mode!r}")
    if "+" in options:
        pflags |= FXF_READ | FXF_WRITE
    return pflags, "b" in options


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
