"""Local files, as `get` and `put` use them."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import Final

from ssh_sftp.codec.attrs import SFTPAttrs, SFTPName, type_of_mode
from ssh_sftp.errors import SFTPFailure

__all__ = ["attrs_from_stat", "write_at"]

_BINARY: Final = getattr(os, "O_BINARY", 0)
# A named pipe without a peer would stop the event loop for ever. Files are not changed by it.
_AT_ONCE: Final = _BINARY | getattr(os, "O_NONBLOCK", 0)
_SEPARATORS: Final = {os.sep.encode(), (os.altsep or os.sep).encode(), b"\0"}
_ZEROS: Final = bytes(64 * 1024)


def _keep_freed_memory() -> None:
    """Have the C library keep some freed memory instead of giving it back at once.

    A transfer frees a few hundred KiB with each block and needs them again for the next one. glibc
    returns that much to the system by default, and takes page faults to get it back, which costs a
    tenth of a download and half of serving one. Freeing one large block raises its thresholds;
    elsewhere it does nothing.
    """
    # bytes, not bytearray: that one would write its zeros, 21 ms and 16 MiB of pages, where bytes
    # take them from the system as they are.
    bytes(16 * 1024 * 1024)


# Here and not at a transfer: whoever reads or writes a file, client or server, imports this module.
_keep_freed_memory()


def attrs_from_stat(result: os.stat_result) -> SFTPAttrs:
    """Return what `os.stat` gave as file attributes; times with nanoseconds."""
    atime, atime_ns = divmod(result.st_atime_ns, 1_000_000_000)
    mtime, mtime_ns = divmod(result.st_mtime_ns, 1_000_000_000)
    ctime, ctime_ns = divmod(result.st_ctime_ns, 1_000_000_000)
    return SFTPAttrs(
        type=type_of_mode(result.st_mode),
        size=result.st_size,
        alloc_size=getattr(result, "st_blocks", 0) * 512,
        uid=result.st_uid,
        gid=result.st_gid,
        permissions=result.st_mode,
        atime=atime,
        atime_ns=atime_ns,
        mtime=mtime,
        mtime_ns=mtime_ns,
        ctime=ctime,
        ctime_ns=ctime_ns,
        nlink=result.st_nlink,
    )


def get_attrs(path: bytes, *, follow_symlinks: bool) -> SFTPAttrs:
    """Return the attributes of a local file. Raises OSError."""
    return attrs_from_stat(os.stat(path, follow_symlinks=follow_symlinks))


def list_directory(path: bytes) -> list[SFTPName]:
    """Return the entries of a local directory with their own attributes. Raises OSError."""
    with os.scandir(path) as entries:
        return [
            SFTPName(entry.name, attrs=attrs_from_stat(entry.stat(follow_symlinks=False)))
            for entry in entries
        ]


def child(directory: bytes, name: bytes) -> bytes:
    """Return the path of an entry that a server has named.

    Raises SFTPFailure for names that would lead out of the directory on this system.
    """
    if name in (b"", b".", b"..") or any(separator in name for separator in _SEPARATORS):
        raise SFTPFailure(f"illegal file name: {name!r}")
    if os.name == "nt" and b":" in name:
        raise SFTPFailure(f"illegal file name: {name!r}")
    return os.path.join(directory, name)


def set_attrs(target: bytes | int, attrs: SFTPAttrs) -> None:
    """Set permissions and times of a local file (path or descriptor). Raises OSError."""
    if attrs.permissions is not None:
        os.chmod(target, stat.S_IMODE(attrs.permissions))
    if attrs.atime is not None and attrs.mtime is not None:
        times = (
            int(attrs.atime) * 1_000_000_000 + (attrs.atime_ns or 0),
            int(attrs.mtime) * 1_000_000_000 + (attrs.mtime_ns or 0),
        )
        os.utime(target, ns=times)


def make_directory(path: bytes, mode: int = 0o777) -> None:
    """Make a directory; one that exists is no error. Raises OSError."""
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def open_for_reading(path: bytes) -> int:
    """Return a descriptor. Raises OSError."""
    return os.open(path, os.O_RDONLY | _AT_ONCE)


def open_for_writing(path: bytes, mode: int = 0o666, *, resume: bool = False) -> int:
    """Return a descriptor of a new or emptied file; to resume, of one as it is.

    Raises OSError.
    """
    flags = os.O_RDWR if resume else os.O_WRONLY | os.O_TRUNC
    return os.open(path, flags | os.O_CREAT | _AT_ONCE, mode)


if hasattr(os, "pwritev"):

    def write_at(descriptor: int, pieces: Sequence[memoryview], offset: int, length: int) -> None:
        """Write pieces one behind the other at `offset`, without joining them. Raises OSError."""
        written = os.pwritev(descriptor, pieces, offset)
        while written < length:
            # A signal or a full disk: go on with the rest, the next call tells which.
            rest = memoryview(b"".join(pieces))[written:]
            written += os.pwrite(descriptor, rest, offset + written)

    def read_at(descriptor: int, size: int, offset: int) -> bytes:
        """Read at `offset`; fewer bytes only at the end of the file. Raises OSError."""
        data = os.pread(descriptor, size, offset)
        while 0 < len(data) < size:
            more = os.pread(descriptor, size - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

else:  # pragma: no cover - Windows

    def write_at(descriptor: int, pieces: Sequence[memoryview], offset: int, length: int) -> None:
        """Write pieces one behind the other at `offset`. Raises OSError."""
        os.lseek(descriptor, offset, os.SEEK_SET)
        rest = memoryview(b"".join(pieces))
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def read_at(descriptor: int, size: int, offset: int) -> bytes:
        """Read at `offset`. Raises OSError."""
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, size)


def is_zero(pieces: Sequence[memoryview]) -> bool:
    """True if there is nothing but zeros, so that a hole can stand for it."""
    for piece in pieces:
        # Ordinary data differ in the first or the last byte nearly always.
        if piece[0] or piece[-1]:
            return False
        for first in range(0, len(piece), len(_ZEROS)):
            part = piece[first : first + len(_ZEROS)]
            if part != _ZEROS[: len(part)]:
                return False
    return True


def next_data(descriptor: int, offset: int, size: int) -> tuple[int, int]:
    """Return (offset, length) of the next stretch of data of a sparse file from `offset`.

    A length of 0 means that there is nothing but a hole up to the end, `size`.
    """
    try:
        start = os.lseek(descriptor, offset, os.SEEK_DATA)
    except OSError:
        return size, 0
    return start, os.lseek(descriptor, start, os.SEEK_HOLE) - start


def has_holes(descriptor: int) -> bool:
    """True if the file takes less room than its length, and the system can say where."""
    if not hasattr(os, "SEEK_DATA"):
        return False
    result = os.fstat(descriptor)
    return stat.S_ISREG(result.st_mode) and result.st_blocks * 512 < result.st_size
