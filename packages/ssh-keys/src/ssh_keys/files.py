"""Reading and writing of key files: private ones for the owner only, replaced in one step."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Callable
from typing import TypeVar

from ssh_keys.errors import KeyImportError

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "MAXIMUM_FILE_SIZE",
    "append_file",
    "check_directory",
    "edit_file",
    "file_exists",
    "hash_file",
    "parse_file",
    "read_file",
    "write_file",
]

T = TypeVar("T")

#: Largest file that is read, in bytes; a known_hosts of 100,000 lines has about 12 MB.
MAXIMUM_FILE_SIZE = 256 << 20
_READ_SIZE = 64 << 10
#: How long to wait for somebody else who edits the same file, in seconds.
LOCK_TIMEOUT = 10.0


def read_file(filename: str | os.PathLike[str]) -> bytes:
    """Return the content of a file; raises OSError, and KeyImportError if it is too large."""
    # Not with Path, which takes longer than parsing a key, and not with one read of the largest
    # size, for which Python would allocate that much.
    parts: list[bytes] = []
    left = MAXIMUM_FILE_SIZE
    with open(os.path.expanduser(filename), "rb", buffering=0) as file:
        while part := file.read(_READ_SIZE):
            left -= len(part)
            if left < 0:
                raise KeyImportError(
                    f"{os.fspath(filename)!r} is larger than {MAXIMUM_FILE_SIZE} bytes"
                )
            parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def parse_file(filename: str | os.PathLike[str], parse: Callable[[bytes], T]) -> T:
    """Return what a function makes of the content of a file.

    Raises OSError, and KeyImportError as the function does, with the name of the file in front.
    """
    data = read_file(filename)
    try:
        return parse(data)
    except KeyImportError as exc:
        raise type(exc)(f"{os.fspath(filename)!r}: {exc}") from None


def file_exists(filename: str | os.PathLike[str]) -> bool:
    """Return whether there is a file of that name, which may begin with `~`."""
    return os.path.exists(os.path.expanduser(filename))


def check_directory(name: str | os.PathLike[str]) -> None:
    """Raise OSError unless there is a directory of that name, which may begin with `~`."""
    if not os.path.isdir(os.path.expanduser(name)):
        raise NotADirectoryError(errno.ENOTDIR, "no such directory", os.fspath(name))


def hash_file(filename: str | os.PathLike[str], hash_name: str) -> bytes:
    """Return the digest of a file of any size; raises OSError."""
    with open(os.path.expanduser(filename), "rb") as file:
        return hashlib.file_digest(file, hash_name).digest()


def write_file(filename: str | os.PathLike[str], data: bytes, private: bool = False) -> None:
    """Write a file so that a reader sees the old or the new content, never a part.

    Parameters:
        private: readable by the owner only (mode 0600), also if there was another file before.

    A new public file gets the mode that the process's umask leaves of 0644, an existing one keeps
    its mode. Symbolic links are followed. Raises OSError.
    """
    # Takes as long to import as a tenth of this package, and readers need no temporary files.
    from tempfile import mkstemp

    path = _followed(filename)
    folder, name = os.path.split(path)
    try:
        handle, temporary = mkstemp(prefix=f".{name}.", dir=folder or os.curdir)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                if not private:
                    os.chmod(temporary, _public_mode(path))
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as exc:
        if exc.strerror is None:
            raise
        # It names the file that was asked for: nobody knows the temporary one.
        raise OSError(exc.errno, exc.strerror, os.fspath(filename)) from None


def _followed(filename: str | os.PathLike[str]) -> str:
    """Return the path of a file, without `~`, and of what it points to if it is a symbolic link."""
    path = os.path.expanduser(os.fspath(filename))
    return os.path.realpath(path) if os.path.islink(path) else path


def append_file(filename: str | os.PathLike[str], data: bytes, private: bool = False) -> None:
    """Add data to a file, on a line of its own; the file is made if it does not exist.

    DER, which begins with the tag of a sequence, has no lines.

    Raises OSError.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
    path = os.path.expanduser(filename)
    handle = os.open(path, flags, 0o600 if private else 0o644)
    with os.fdopen(handle, "r+b", buffering=0) as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n" and not data.startswith(b"\x30"):
                data = b"\n" + data
        file.write(data)


def edit_file(
    filename: str | os.PathLike[str],
    change: Callable[[bytes], bytes],
    timeout: float = LOCK_TIMEOUT,
) -> None:
    """Replace the content of a file by what a function makes of it, under a lock.

    Parameters:
        filename: the file, made (mode 0600) if it does not exist.
        change: called with the content; what it returns is written, unless it is the same.
        timeout: seconds to wait for the lock.

    Raises OSError; TimeoutError if somebody else holds the lock; KeyImportError as the function
    does, with the name of the file in front.
    """
    path = _followed(filename)
    handle = _open_locked(path, time.monotonic() + timeout)
    try:
        with os.fdopen(os.dup(handle), "rb") as file:
            before = file.read()
        try:
            after = change(before)
        except KeyImportError as exc:
            raise type(exc)(f"{os.fspath(filename)!r}: {exc}") from None
        if after != before:
            write_file(path, after)
    finally:
        # Closing releases the lock.
        os.close(handle)


def _open_locked(path: str, deadline: float) -> int:
    """Open a file and lock it; a file that was replaced in the meantime is opened again."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            _lock(handle, path, deadline)
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, path: str, deadline: float) -> None:
    if fcntl is None:
        # Windows: replacing is still atomic, two editors at once are not kept apart.
        return  # type: ignore[unreachable]
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{path!r} is locked") from None
            time.sleep(0.01)


def _public_mode(path: str) -> int:
    try:
        return os.stat(path).st_mode & 0o7777
    except FileNotFoundError:
        umask = os.umask(0o077)
        os.umask(umask)
        return 0o644 & ~umask
