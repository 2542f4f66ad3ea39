"""Directories of a server as iterators of names with attributes."""

from __future__ import annotations

import os
import posixpath
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from inspect import isawaitable
from typing import Final

from ssh_sftp.codec.attrs import SFTPName
from ssh_sftp.local import attrs_from_stat
from ssh_sftp.server.records import as_attrs

__all__ = ["DirectoryLister", "open_listed"]

DIRECTORY_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
)


class DirectoryLister(Iterator[SFTPName]):
    """Entries of an open directory, `.` and `..` first.

    Parameters:
        descriptor: the directory; closed by `close`, and at the end.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        try:
            own = attrs_from_stat(os.fstat(descriptor))
            # The parent is not looked at: below a root it may be none of the client's business.
            self._first = [SFTPName(b"..", attrs=own), SFTPName(b".", attrs=own)]
            self._entries = os.scandir(descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def __next__(self) -> SFTPName:
        if self._first:
            return self._first.pop()
        if self._descriptor is None:
            raise StopIteration
        for entry in self._entries:
            try:
                attrs = attrs_from_stat(entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue  # removed meanwhile
            return SFTPName(os.fsencode(entry.name), attrs=attrs)
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Close the directory."""
        if self._descriptor is not None:
            self._entries.close()
            os.close(self._descriptor)
            self._descriptor = None


async def open_listed(
    listdir: Callable[[bytes], object], lstat: Callable[[bytes], object], path: bytes
) -> AsyncIterator[SFTPName]:
    """Call an overridden `listdir`, and return an iterator of what it gives."""
    names = listdir(path)
    if isawaitable(names):
        names = await names
    assert isinstance(names, Sequence)
    return _listed(names, lstat, path)


async def _listed(
    names: Sequence[bytes | SFTPName], lstat: Callable[[bytes], object], path: bytes
) -> AsyncIterator[SFTPName]:
    for name in names:
        if isinstance(name, SFTPName):
            yield name
            continue
        try:
            result: object | Awaitable[object] = lstat(posixpath.join(path, name))
            if isawaitable(result):
                result = await result
        except FileNotFoundError:
            continue
        yield SFTPName(name, attrs=as_attrs(result))
