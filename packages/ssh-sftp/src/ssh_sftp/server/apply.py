"""Changing attributes of local files, by path or descriptor, and below a root."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from ssh_sftp.codec.attrs import SFTPAttrs
from ssh_sftp.errors import SFTPFailure
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


def times_ns(attrs: SFTPAttrs) -> tuple[int, int] | None:
    """Return the times for `os.utime`, None if they are not both given."""
    if attrs.atime is None or attrs.mtime is None:
        return None
    return (
        int(attrs.atime) * 1_000_000_000 + (attrs.atime_ns or 0),
        int(attrs.mtime) * 1_000_000_000 + (attrs.mtime_ns or 0),
    )


def apply_attrs(target: bytes | int, attrs: SFTPAttrs) -> None:
    """Set length, owner, permissions and times, as far as given. Raises OSError.

    Owner before permissions: changing the owner clears setuid and setgid.
    """
    if attrs.size is not None:
        os.truncate(target, attrs.size)
    if attrs.uid is not None and attrs.gid is not None:
        os.chown(target, attrs.uid, attrs.gid)
    if attrs.permissions is not None:
        os.chmod(target, attrs.permissions & 0o7777)
    times = times_ns(attrs)
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
