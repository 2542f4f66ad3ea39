"""Changing attributes of local files, by path or descriptor, and below a root."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from ssh_sftp.codec.attrs import SFTPAttrs
from ssh_sftp.errors import (
    SFTPFailure,
    SFTPGroupInvalid,
    SFTPOpUnsupported,
    SFTPOwnerInvalid,
    printable,
)
from ssh_sftp.longname import group_id, user_id
from ssh_sftp.server.rooted import Place

__all__ = ["apply_attrs", "local_file", "pinned_path", "times_ns"]


def local_file(file_obj: object) -> io.FileIO:
    """Narrow what `SFTPServer.open` returned. Raises SFTPFailure for something else."""
    if isinstance(file_obj, io.FileIO):
        return file_obj
    raw = getattr(file_obj, "raw", None)
    if isinstance(raw, io.FileIO):
        # A buffered file: what it holds back has to be in the file first.
        flush = getattr(file_obj, "flush", None)
        if flush is not None:
            flush()
        return raw
    raise SFTPFailure("not a file of the system; the server has to override more methods")


def times_ns(attrs: SFTPAttrs, now: os.stat_result | None = None) -> tuple[int, int] | None:
    """Return the times for `os.utime`, None if there are none to set.

    Versions 4 and up can give one of the two; then `now` says what the other one is.
    """
    atime = _nanoseconds(attrs.atime, attrs.atime_ns)
    mtime = _nanoseconds(attrs.mtime, attrs.mtime_ns)
    if now is not None:
        atime = now.st_atime_ns if atime is None else atime
        mtime = now.st_mtime_ns if mtime is None else mtime
    return None if atime is None or mtime is None else (atime, mtime)


def _nanoseconds(seconds: float | None, nanoseconds: int | None) -> int | None:
    return None if seconds is None else int(seconds) * 1_000_000_000 + (nanoseconds or 0)


def numeric_owner(attrs: SFTPAttrs) -> tuple[int, int] | None:
    """Return user and group id to set, None if there are none.

    Versions 4 and up give names, or numbers as text. Raises SFTPOwnerInvalid, SFTPGroupInvalid.
    """
    if attrs.owner is not None and attrs.group is not None:
        owner, group = user_id(attrs.owner), group_id(attrs.group)
        if owner is None:
            raise SFTPOwnerInvalid(f"no such user: {printable(attrs.owner)}")
        if group is None:
            raise SFTPGroupInvalid(f"no such group: {printable(attrs.group)}")
        return owner, group
    if attrs.uid is not None and attrs.gid is not None:
        return attrs.uid, attrs.gid
    return None


def refuse_unsupported(attrs: SFTPAttrs) -> None:
    """Raise SFTPOpUnsupported for attributes that POSIX files do not have."""
    for name in ("crtime", "acl", "attrib_bits", "text_hint", "mime_type", "alloc_size"):
        if getattr(attrs, name) is not None:
            raise SFTPOpUnsupported(f"attribute {name} cannot be set")


def apply_attrs(target: bytes | int, attrs: SFTPAttrs) -> None:
    """Set length, owner, permissions and times, as far as given. Raises OSError, SFTPError.

    Owner before permissions: changing the owner clears setuid and setgid.
    """
    refuse_unsupported(attrs)
    owner = numeric_owner(attrs)
    if attrs.size is not None:
        os.truncate(target, attrs.size)
    if owner is not None:
        os.chown(target, *owner)
    if attrs.permissions is not None:
        os.chmod(target, attrs.permissions & 0o7777)
    if attrs.atime is not None or attrs.mtime is not None:
        times = times_ns(attrs, os.stat(target))
        if times is not None:
            os.utime(target, ns=times)


@contextmanager
def pinned_path(place: Place) -> Iterator[bytes]:
    """Give a path that stays the same file whatever happens to its name.

    chmod and its like cannot be told not to follow a link, so the file is held open, without any
    access, and named by its descriptor. Raises OSError.
    """
    flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(place[1], flags, dir_fd=place[0])
    try:
        if stat.S_ISLNK(os.fstat(descriptor).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        yield b"/proc/self/fd/%d" % descriptor
    finally:
        os.close(descriptor)


def lstat_place(place: Place) -> os.stat_result:
    """Attributes of a file or a link itself. Raises OSError."""
    return os.stat(place[1], dir_fd=place[0], follow_symlinks=False)


def refuse_existing(place: Place) -> None:
    """Raise FileExistsError if there is something at a place."""
    try:
        lstat_place(place)
    except FileNotFoundError:
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
