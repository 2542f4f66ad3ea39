"""Reading and changing Xauthority files, with the lock that the programs of X take."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from .authority import AuthorityEntry, decode_entries, encode_entries, replace_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_SIZE", "authority_path", "read_authority", "update_authority"]

MAX_SIZE: Final = 1 << 20
"""Bytes of a file that are read."""

_TRIES: Final = 20
_WAIT: Final = 0.1  # seconds between two tries to take the lock
_STALE: Final = 60  # seconds after which a lock is one that somebody has left behind


def authority_path(path: str | os.PathLike[str] | None = None) -> str:
    """Return where cookies are kept: `path` if it is given, else XAUTHORITY, or ~/.Xauthority."""
    if path is not None:
        return os.path.expanduser(os.fspath(path))
    return os.environ.get("XAUTHORITY") or os.path.expanduser(os.path.join("~", ".Xauthority"))


def read_authority(path: str) -> list[AuthorityEntry]:
    """Return the entries of a file, none if it does not exist; raises OSError."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_SIZE + 1)
    except FileNotFoundError:
        return []
    if len(content) > MAX_SIZE:
        raise OSError(f"{path} is larger than an Xauthority file")
    return decode_entries(content)


def update_authority(path: str, entry: AuthorityEntry, *, remove: bool = False) -> None:
    """Put an entry into a file in place of that for the same display, or take it out.

    Blocks for up to two seconds while another program changes the file.

    Parameters:
        path: the file; it is made if it does not exist, for its owner alone.
        remove: take the entry out, if it is there.

    Raises OSError.
    """
    path = os.path.realpath(path)
    with _locked(path):
        entries = read_authority(path)
        content = encode_entries(replace_entry(entries, entry, remove=remove))
        new = path + "-n"
        with suppress(FileNotFoundError):
            os.unlink(new)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(new, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(new)
            raise


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """Hold the lock of libXau: a file `-c` that was linked to `-l`."""
    created, linked = path + "-c", path + "-l"
    for _ in range(_TRIES):
        if _take(created, linked):
            break
        time.sleep(_WAIT)
    else:
        raise TimeoutError(f"{path} is locked by another program")
    try:
        yield
    finally:
        for name in (created, linked):
            with suppress(OSError):
                os.unlink(name)


def _take(created: str, linked: str) -> bool:
    try:
        os.close(os.open(created, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        _break_stale(created, linked)
        return False
    try:
        os.link(created, linked)
    except OSError as exc:
        os.unlink(created)
        if not isinstance(exc, FileExistsError):
            raise
        _break_stale(linked)
        return False
    return True


def _break_stale(*names: str) -> None:
    with suppress(FileNotFoundError):
        if time.time() - os.stat(names[0]).st_ctime > _STALE:
            for name in names:
                with suppress(FileNotFoundError):
                    os.unlink(name)
