"""Files that scp moves: those of this machine, and those of an `SFTPServer`."""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from inspect import isawaitable
from typing import ParamSpec, Protocol, TypeVar

from ssh_sftp import local
from ssh_sftp.client.base import bytes_of
from ssh_sftp.codec.attrs import SFTPAttrs, SFTPName
from ssh_sftp.codec.attrs_flags import FILEXFER_TYPE_DIRECTORY
from ssh_sftp.codec.constants import FXF_CREAT, FXF_READ, FXF_TRUNC, FXF_WRITE
from ssh_sftp.errors import SFTPEOFError, SFTPError, SFTPFailure
from ssh_sftp.server.filesystem import SFTPServer
from ssh_sftp.server.handlers import close_entries
from ssh_sftp.server.records import as_attrs

__all__ = ["LocalFiles", "ScpFiles", "ServerFiles"]

P = ParamSpec("P")
T = TypeVar("T")


class ScpFiles(Protocol):
    """What a source or a sink needs. Methods raise SFTPError or OSError."""

    def join(self, directory: bytes, name: bytes) -> bytes:
        """Return the path of an entry."""

    async def attrs(self, path: bytes) -> SFTPAttrs:
        """Return the attributes of a file; links are followed."""

    async def names(self, path: bytes) -> list[bytes]:
        """Return the names in a directory, without `.` and `..`."""

    async def open(self, path: bytes, mode: int | None) -> object:
        """Open a file, for reading if `mode` is None, else new or emptied, for writing."""

    async def read(self, file: object, offset: int, size: int) -> bytes:
        """Read; empty at the end."""

    async def write(self, file: object, offset: int, data: bytes) -> None:
        """Write."""

    async def close(self, file: object) -> None:
        """Close a file."""

    async def mkdir(self, path: bytes, mode: int) -> None:
        """Make a directory; one that exists is no error."""

    async def set_attrs(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Set permissions and times."""


class LocalFiles:
    """Files of this machine."""

    def join(self, directory: bytes, name: bytes) -> bytes:
        """Return the path of an entry; raises SFTPFailure for illegal names."""
        return local.child(directory, name)

    async def attrs(self, path: bytes) -> SFTPAttrs:
        """Return the attributes of a file."""
        return local.get_attrs(path, follow_symlinks=True)

    async def names(self, path: bytes) -> list[bytes]:
        """Return the names in a directory."""
        return os.listdir(path)

    async def open(self, path: bytes, mode: int | None) -> object:
        """Open a file."""
        if mode is None:
            return local.open_for_reading(path)
        return local.open_for_writing(path, mode)

    async def read(self, file: object, offset: int, size: int) -> bytes:
        """Read."""
        assert isinstance(file, int)
        return local.read_at(file, size, offset)

    async def write(self, file: object, offset: int, data: bytes) -> None:
        """Write."""
        assert isinstance(file, int)
        local.write_at(file, [memoryview(data)], offset, len(data))

    async def close(self, file: object) -> None:
        """Close a file."""
        assert isinstance(file, int)
        os.close(file)

    async def mkdir(self, path: bytes, mode: int) -> None:
        """Make a directory; one that exists is no error."""
        local.make_directory(path, mode)

    async def set_attrs(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Set permissions and times."""
        local.set_attrs(path, attrs)


class ServerFiles:
    """Files of an `SFTPServer`, with everything that it overrides.

    Parameters:
        server: the server.
    """

    def __init__(self, server: SFTPServer) -> None:
        self._server = server

    def join(self, directory: bytes, name: bytes) -> bytes:
        """Return the path of an entry; raises SFTPFailure for illegal names."""
        if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
            raise SFTPFailure(f"illegal file name: {name!r}")
        return posixpath.join(directory, name)

    async def attrs(self, path: bytes) -> SFTPAttrs:
        """Return the attributes of a file."""
        return as_attrs(await _result(self._server.stat, path))

    async def names(self, path: bytes) -> list[bytes]:
        """Return the names in a directory."""
        # Nothing else may have to be waited for, however many directories there are.
        await asyncio.sleep(0)
        entries = await _result(self._server.open_directory, path)
        found: list[SFTPName] = []
        try:
            if isinstance(entries, Iterator):
                found = list(entries)
            elif isinstance(entries, AsyncIterator):
                found = [entry async for entry in entries]
        finally:
            closing = close_entries(entries)
            if isawaitable(closing):
                await closing
        names = [bytes_of(entry.filename) for entry in found]
        return [name for name in names if name not in (b".", b"..")]

    async def open(self, path: bytes, mode: int | None) -> object:
        """Open a file."""
        if mode is None:
            return await _result(self._server.open, path, FXF_READ, SFTPAttrs())
        attrs = SFTPAttrs(permissions=mode)
        pflags = FXF_WRITE | FXF_CREAT | FXF_TRUNC
        return await _result(self._server.open, path, pflags, attrs)

    async def read(self, file: object, offset: int, size: int) -> bytes:
        """Read."""
        try:
            return await _result(self._server.read, file, offset, size)
        except SFTPEOFError:
            return b""

    async def write(self, file: object, offset: int, data: bytes) -> None:
        """Write."""
        await _result(self._server.write, file, offset, data)

    async def close(self, file: object) -> None:
        """Close a file."""
        await _result(self._server.close, file)

    async def mkdir(self, path: bytes, mode: int) -> None:
        """Make a directory; one that exists is no error."""
        try:
            await _result(self._server.mkdir, path, SFTPAttrs(permissions=mode))
        except (SFTPError, OSError):
            if (await self.attrs(path)).type != FILEXFER_TYPE_DIRECTORY:
                raise

    async def set_attrs(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Set permissions and times."""
        await _result(self._server.setstat, path, attrs)


async def _result(method: Callable[P, T | Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a method of a server; an exception for a value that it does not take is an SFTPError."""
    try:
        value = method(*args, **kwargs)
        return await value if isawaitable(value) else value
    except (ValueError, OverflowError) as exc:
        raise SFTPFailure(str(exc)) from None
