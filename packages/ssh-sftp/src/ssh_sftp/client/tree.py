"""Copying trees: what `get`, `put` and `copy` have in common, over two sides.

Files are copied several at a time, so that small ones do not cost a round trip each; the number of
files and the bytes in flight are bounded. Directories get their times and permissions last, because
filling them changes the former and may be forbidden by the latter.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ssh_sftp import local
from ssh_sftp.client.base import bytes_of
from ssh_sftp.client.client_attrs import is_directory
from ssh_sftp.client.client_paths import ClientPaths
from ssh_sftp.client.pipeline import DEFAULT_WINDOW
from ssh_sftp.codec.attrs import SFTPAttrs, SFTPName
from ssh_sftp.codec.attrs_flags import (
    FILEXFER_TYPE_FIFO,
    FILEXFER_TYPE_SOCKET,
    FILEXFER_TYPE_SYMLINK,
)
from ssh_sftp.errors import (
    SFTPError,
    SFTPFailure,
    SFTPFileIsADirectory,
    SFTPNoSuchFile,
    SFTPNoSuchPath,
    SFTPNotADirectory,
)

__all__ = ["ErrorHandler", "LocalSide", "ProgressHandler", "RemoteSide", "TreeCopy", "TreeOptions"]

ProgressHandler = Callable[[bytes, bytes, int, int], None]
ErrorHandler = Callable[[BaseException], None]
CopyFile = Callable[[bytes, bytes, SFTPAttrs, Callable[[int], None]], Awaitable[None]]

_MAX_FILES = 64
_MAX_BYTES = 2 * DEFAULT_WINDOW
# Progress is reported after this many bytes, and at the end of each file.
_PROGRESS_STEP = 256 * 1024


class TreeSide(Protocol):
    """Files on one side of a copy. Methods raise SFTPError or OSError."""

    def join(self, directory: bytes, name: bytes) -> bytes:
        """Return the path of an entry; refuses names that would lead elsewhere."""

    def basename(self, path: bytes) -> bytes:
        """Return the last part of a path."""

    async def attrs(self, path: bytes, *, follow_symlinks: bool) -> SFTPAttrs:
        """Return the attributes of a file."""

    def entries(self, path: bytes) -> AsyncIterator[SFTPName]:
        """Iterate over a directory, without `.` and `..`."""

    async def readlink(self, path: bytes) -> bytes:
        """Return the target of a link."""

    async def symlink(self, target: bytes, path: bytes) -> None:
        """Make a link."""

    async def mkdir(self, path: bytes) -> None:
        """Make a directory; one that exists is no error."""

    async def set_attrs(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Set permissions and times."""


class LocalSide:
    """Local files."""

    def join(self, directory: bytes, name: bytes) -> bytes:
        """Return the path of an entry; raises SFTPFailure for illegal names."""
        return local.child(directory, name)

    def basename(self, path: bytes) -> bytes:
        """Return the last part of a path."""
        return os.path.basename(os.path.normpath(path))

    async def attrs(self, path: bytes, *, follow_symlinks: bool) -> SFTPAttrs:
        """Return the attributes of a file."""
        return local.get_attrs(path, follow_symlinks=follow_symlinks)

    async def entries(self, path: bytes) -> AsyncIterator[SFTPName]:
        """Iterate over a directory."""
        for entry in local.list_directory(path):
            yield entry

    async def readlink(self, path: bytes) -> bytes:
        """Return the target of a link."""
        return os.readlink(path)

    async def symlink(self, target: bytes, path: bytes) -> None:
        """Make a link."""
        os.symlink(target, path)

    async def mkdir(self, path: bytes) -> None:
        """Make a directory; one that exists is no error."""
        local.make_directory(path)

    async def set_attrs(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Set permissions and times."""
        local.set_attrs(path, attrs)


class RemoteSide:
    """Files of the server."""

    def __init__(self, client: ClientPaths) -> None:
        self._client = client

    def join(self, directory: bytes, name: bytes) -> bytes:
        """Return the path of an entry; raises SFTPFailure for illegal names."""
        if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
            raise SFTPFailure(f"illegal file name: {name!r}")
        return posixpath.join(directory, name)

    def basename(self, path: bytes) -> bytes:
        """Return the last part of a path."""
        return posixpath.basename(posixpath.normpath(path))

    async def attrs(self, path: bytes, *, follow_symlinks: bool) -> SFTPAttrs:
        """Return the attributes of a file."""
        return await self._client.stat(path, follow_symlinks=follow_symlinks)

    def entries(self, path: bytes) -> AsyncIterator[SFTPName]:
        """Iterate over a directory; the client checks the names."""
        return self._client.entries(path)

    async def readlink(self, path: bytes) -> bytes:
        """Return the target of a link."""
        return await self._client.readlink(path)

    async def symlink(self, target: bytes, path: bytes) -> None:
        """Make a link."""
        await self._client.symlink(target, path)

    async def mkdir(self, path: bytes) -> None:
        """Make a directory; one that exists is no error."""
        try:
            await self._client.mkdir(path)
        except SFTPError:
            if not await self._client.isdir(path):
                raise

    async def set_attrs(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Set permissions and times."""
        mode = attrs.permissions
        await self._client.setstat(
            path,
            SFTPAttrs(
                type=attrs.type,
                permissions=None if mode is None else mode & 0o7777,
                atime=attrs.atime,
                atime_ns=attrs.atime_ns,
                mtime=attrs.mtime,
                mtime_ns=attrs.mtime_ns,
            ),
        )


@dataclass(frozen=True, slots=True)
class TreeOptions:
    """What is copied and who hears of it; see `SFTPClient.get`."""

    preserve: bool = False
    recurse: bool = False
    follow_symlinks: bool = False
    progress_handler: ProgressHandler | None = None
    error_handler: ErrorHandler | None = None


class TreeCopy:
    """One call of `get`, `put` or `copy`.

    Parameters:
        source, target: the two sides.
        copy_file: copies one regular file.
        options: see `TreeOptions`.
    """

    def __init__(
        self, source: TreeSide, target: TreeSide, copy_file: CopyFile, options: TreeOptions
    ) -> None:
        self._source = source
        self._target = target
        self._copy_file = copy_file
        self._options = options
        self._tasks: set[asyncio.Task[None]] = set()
        self._bytes = 0
        self._failure: BaseException | None = None
        self._changed = asyncio.Event()
        self._links: set[bytes] = set()
        self._directories: list[tuple[bytes, bytes, SFTPAttrs]] = []

    async def run(self, sources: Sequence[bytes], target: bytes, *, named: bool) -> None:
        """Copy `sources` to `target`.

        Parameters:
            named: the caller has given `target`; it then may be the new name of a single source.

        Raises the first SFTPError or OSError, unless there is an error handler.
        """
        try:
            into = await self._is_directory(target)
            if not into and len(sources) != 1:
                raise SFTPNotADirectory(f"{target!r} must be a directory")
            for path in sources:
                place = target
                if into:
                    name = self._source.basename(path)
                    # The source may be "..", "/" or "": then its content goes into the target.
                    if name not in (b"", b".", b"..", b"/"):
                        here = not named and target == b"."
                        place = name if here else self._target.join(target, name)
                await self._copy_top(path, place)
            while self._tasks:
                await self._wait()
            self._raise_failure()
            for path, place, attrs in reversed(self._directories):
                await self._guard(path, place, self._target.set_attrs(place, attrs))
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)
            self._failure = None  # its traceback knows us

    async def _is_directory(self, path: bytes) -> bool:
        try:
            return is_directory(await self._target.attrs(path, follow_symlinks=True))
        except (SFTPNoSuchFile, SFTPNoSuchPath, FileNotFoundError, NotADirectoryError):
            return False

    async def _copy_top(self, path: bytes, place: bytes) -> None:
        await self._guard(path, place, self._copy_any(path, place, None))

    async def _guard(self, path: bytes, place: bytes, work: Awaitable[None]) -> None:
        """Await `work`; hand its error to the error handler, or raise it with both paths."""
        try:
            await work
        except (SFTPError, OSError) as exc:
            if not hasattr(exc, "srcpath") or exc.srcpath is None:
                # Applications read these two, on OSError as well.
                exc.srcpath = path  # type: ignore[union-attr]
                exc.dstpath = place  # type: ignore[union-attr]
            if self._options.error_handler is None:
                raise
            self._options.error_handler(exc)

    async def _copy_any(self, path: bytes, place: bytes, attrs: SFTPAttrs | None) -> None:
        follow = self._options.follow_symlinks
        if attrs is None or (follow and attrs.type == FILEXFER_TYPE_SYMLINK):
            attrs = await self._source.attrs(path, follow_symlinks=follow)
        self._check_place(place)
        if is_directory(attrs):
            await self._copy_directory(path, place, attrs)
        elif attrs.type == FILEXFER_TYPE_SYMLINK:
            await self._target.symlink(await self._source.readlink(path), place)
            self._links.add(place)
        elif attrs.type in (FILEXFER_TYPE_FIFO, FILEXFER_TYPE_SOCKET):
            # Opening a FIFO waits for a peer, here or on the server, perhaps for ever.
            raise SFTPFailure(f"{path!r} is not a regular file")
        else:
            await self._start_file(path, place, attrs)

    def _check_place(self, place: bytes) -> None:
        """Refuse to go through a link that this very copy has made: its target is the source's
        choice, so a server could otherwise have us write anywhere."""
        links = self._links
        while links and place not in (b"", b"/"):
            if place in links:
                raise SFTPFailure(f"{place!r} is a link made by this copy")
            place = os.path.dirname(place)

    async def _copy_directory(self, path: bytes, place: bytes, attrs: SFTPAttrs) -> None:
        if not self._options.recurse:
            raise SFTPFileIsADirectory(f"{path!r} is a directory")
        # Iterative: a hostile server could nest deeper than the stack.
        stack = [(path, place, attrs)]
        while stack:
            path, place, attrs = stack.pop()
            await self._guard(path, place, self._enter(path, place, attrs, stack))

    async def _enter(
        self,
        path: bytes,
        place: bytes,
        attrs: SFTPAttrs,
        stack: list[tuple[bytes, bytes, SFTPAttrs]],
    ) -> None:
        """Copy the files of one directory, and put the directories in it on the stack."""
        self._check_place(place)
        await self._target.mkdir(place)
        if self._options.preserve:
            self._directories.append((path, place, attrs))
        async for entry in self._source.entries(path):
            name = bytes_of(entry.filename)
            child = self._source.join(path, name)
            child_place = self._target.join(place, name)
            # One entry that fails, a link to nowhere for example, does not end its directory.
            await self._guard(
                child, child_place, self._copy_entry(child, child_place, entry.attrs, stack)
            )

    async def _copy_entry(
        self,
        path: bytes,
        place: bytes,
        attrs: SFTPAttrs,
        stack: list[tuple[bytes, bytes, SFTPAttrs]],
    ) -> None:
        if self._options.follow_symlinks and attrs.type == FILEXFER_TYPE_SYMLINK:
            attrs = await self._source.attrs(path, follow_symlinks=True)
            if is_directory(attrs) and len(path) > 4096:
                raise SFTPFailure(f"links form a loop at {path[:200]!r}...")
        if is_directory(attrs):
            stack.append((path, place, attrs))
        else:
            await self._copy_any(path, place, attrs)

    # --- Files, several at a time -----------------------------------------------------------------

    async def _start_file(self, path: bytes, place: bytes, attrs: SFTPAttrs) -> None:
        self._raise_failure()
        cost = min(attrs.size or _PROGRESS_STEP, DEFAULT_WINDOW)
        while self._tasks and (len(self._tasks) >= _MAX_FILES or self._bytes + cost > _MAX_BYTES):
            await self._wait()
            self._raise_failure()
        self._bytes += cost
        task = asyncio.create_task(self._file(path, place, attrs))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._file_done(done, cost))

    def _file_done(self, task: asyncio.Task[None], cost: int) -> None:
        self._tasks.discard(task)
        self._bytes -= cost
        self._changed.set()
        if not task.cancelled():
            error = task.exception()
            if error is not None and self._failure is None:
                self._failure = error

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _file(self, path: bytes, place: bytes, attrs: SFTPAttrs) -> None:
        report = _Progress(self._options.progress_handler, path, place, attrs.size or 0)
        await self._guard(path, place, self._copy_file(path, place, attrs, report.add))
        report.finish()


class _Progress:
    """Calls the progress handler of one file: not for every block, and always at the end."""

    def __init__(
        self, handler: ProgressHandler | None, path: bytes, place: bytes, total: int
    ) -> None:
        self._handler = handler
        self._path = path
        self._place = place
        self._total = total
        self._copied = 0
        self._reported = -1

    def add(self, count: int) -> None:
        self._copied += count
        if self._handler is not None and self._copied - self._reported >= _PROGRESS_STEP:
            self._report(self._handler)

    def finish(self) -> None:
        if self._handler is not None and self._copied != self._reported:
            self._report(self._handler)

    def _report(self, handler: ProgressHandler) -> None:
        self._reported = self._copied
        handler(self._path, self._place, self._copied, max(self._total, self._copied))
