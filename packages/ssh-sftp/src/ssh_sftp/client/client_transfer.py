"""Transfers of files and trees: `get`, `put`, `copy` and their globbing forms."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

from ssh_sftp.client.base import SFTPPath
from ssh_sftp.client.client_paths import ClientPaths
from ssh_sftp.client.filecopy import (
    FileOptions,
    copy_on_server,
    copy_through,
    download,
    upload,
)
from ssh_sftp.client.remote_glob import RemoteGlob
from ssh_sftp.client.tree import (
    ErrorHandler,
    LocalSide,
    ProgressHandler,
    RemoteSide,
    TreeCopy,
    TreeOptions,
)
from ssh_sftp.codec.attrs import SFTPAttrs
from ssh_sftp.errors import SFTPNoSuchFile, SFTPOpUnsupported

__all__ = ["ClientTransfer"]

SFTPPaths = SFTPPath | Sequence[SFTPPath]


class ClientTransfer(ClientPaths):
    """Transfer methods; see `SFTPClient`."""

    async def get(
        self,
        remotepaths: SFTPPaths,
        localpath: SFTPPath | None = None,
        *,
        preserve: bool = False,
        recurse: bool = False,
        follow_symlinks: bool = False,
        sparse: bool = True,
        block_size: int = -1,
        max_requests: int = -1,
        progress_handler: ProgressHandler | None = None,
        error_handler: ErrorHandler | None = None,
        resume: bool = False,
    ) -> None:
        """Copy files of the server to local files.

        Parameters:
            remotepaths: one path or several.
            localpath: a file or a directory; None is the current directory. With several sources
                it has to be a directory.
            preserve: keep permissions and times.
            recurse: copy directories with everything below them.
            follow_symlinks: copy what links point to, instead of the links.
            sparse: leave holes for blocks of zeros.
            block_size: bytes per request; -1 takes the largest that the server allows.
            max_requests: requests in flight per file; -1 chooses by block size.
            progress_handler: called with (source, target, bytes copied, bytes in all), at least
                once per file.
            error_handler: called with the exception of each file that failed, which has the
                attributes `srcpath` and `dstpath`, instead of raising the first.
            resume: go on with files that are there in part: if the last 64 KiB of what is there
                agree with the source, only the rest is copied, else all of it.

        Raises SFTPError, OSError.
        """
        options = TreeOptions(preserve, recurse, follow_symlinks, progress_handler, error_handler)
        files = FileOptions(block_size, max_requests, sparse, resume)
        sources = [self.compose_path(path) for path in _as_list(remotepaths)]
        await self._get(sources, localpath, options, files)

    async def mget(
        self,
        remotepaths: SFTPPaths,
        localpath: SFTPPath | None = None,
        *,
        preserve: bool = False,
        recurse: bool = False,
        follow_symlinks: bool = False,
        sparse: bool = True,
        block_size: int = -1,
        max_requests: int = -1,
        progress_handler: ProgressHandler | None = None,
        error_handler: ErrorHandler | None = None,
        resume: bool = False,
    ) -> None:
        """Copy files of the server that match patterns, otherwise as `get`."""
        options = TreeOptions(preserve, recurse, follow_symlinks, progress_handler, error_handler)
        files = FileOptions(block_size, max_requests, sparse, resume)
        sources = await self._remote_matches(remotepaths, error_handler)
        await self._get(sources, localpath, options, files)

    async def put(
        self,
        localpaths: SFTPPaths,
        remotepath: SFTPPath | None = None,
        *,
        preserve: bool = False,
        recurse: bool = False,
        follow_symlinks: bool = False,
        sparse: bool = True,
        block_size: int = -1,
        max_requests: int = -1,
        progress_handler: ProgressHandler | None = None,
        error_handler: ErrorHandler | None = None,
        resume: bool = False,
    ) -> None:
        """Copy local files to the server; parameters as in `get`, with the sides exchanged."""
        options = TreeOptions(preserve, recurse, follow_symlinks, progress_handler, error_handler)
        files = FileOptions(block_size, max_requests, sparse, resume)
        sources = [_local_path(path) for path in _as_list(localpaths)]
        await self._put(sources, remotepath, options, files)

    async def mput(
        self,
        localpaths: SFTPPaths,
        remotepath: SFTPPath | None = None,
        *,
        preserve: bool = False,
        recurse: bool = False,
        follow_symlinks: bool = False,
        sparse: bool = True,
        block_size: int = -1,
        max_requests: int = -1,
        progress_handler: ProgressHandler | None = None,
        error_handler: ErrorHandler | None = None,
        resume: bool = False,
    ) -> None:
        """Copy local files that match patterns, otherwise as `put`."""
        options = TreeOptions(preserve, recurse, follow_symlinks, progress_handler, error_handler)
        files = FileOptions(block_size, max_requests, sparse, resume)
        sources = local_matches([_local_path(p) for p in _as_list(localpaths)], error_handler)
        await self._put(sources, remotepath, options, files)

    async def copy(
        self,
        srcpaths: SFTPPaths,
        dstpath: SFTPPath | None = None,
        *,
        preserve: bool = False,
        recurse: bool = False,
        follow_symlinks: bool = False,
        sparse: bool = True,
        block_size: int = -1,
        max_requests: int = -1,
        progress_handler: ProgressHandler | None = None,
        error_handler: ErrorHandler | None = None,
        remote_only: bool = False,
    ) -> None:
        """Copy files of the server to other files of the server; parameters as in `get`.

        With `copy-data` the data do not leave the server; without it they pass through here.
        `remote_only` raises SFTPOpUnsupported in that case instead.
        """
        options = TreeOptions(preserve, recurse, follow_symlinks, progress_handler, error_handler)
        files = FileOptions(block_size, max_requests, sparse)
        sources = [self.compose_path(path) for path in _as_list(srcpaths)]
        await self._copy(sources, dstpath, options, files, remote_only)

    async def mcopy(
        self,
        srcpaths: SFTPPaths,
        dstpath: SFTPPath | None = None,
        *,
        preserve: bool = False,
        recurse: bool = False,
        follow_symlinks: bool = False,
        sparse: bool = True,
        block_size: int = -1,
        max_requests: int = -1,
        progress_handler: ProgressHandler | None = None,
        error_handler: ErrorHandler | None = None,
        remote_only: bool = False,
    ) -> None:
        """Copy files of the server that match patterns, otherwise as `copy`."""
        options = TreeOptions(preserve, recurse, follow_symlinks, progress_handler, error_handler)
        files = FileOptions(block_size, max_requests, sparse)
        sources = await self._remote_matches(srcpaths, error_handler)
        await self._copy(sources, dstpath, options, files, remote_only)

    # --- What they have in common -----------------------------------------------------------------

    async def _get(
        self,
        sources: Sequence[bytes],
        localpath: SFTPPath | None,
        options: TreeOptions,
        files: FileOptions,
    ) -> None:
        handler = self._handler

        async def copy_file(
            src: bytes, dst: bytes, attrs: SFTPAttrs, progress: Callable[[int], None]
        ) -> None:
            keep = attrs if options.preserve else None
            await download(handler, src, dst, attrs.size, files, keep, progress)

        target = _local_path(localpath) if localpath is not None else b"."
        tree = TreeCopy(RemoteSide(self), LocalSide(), copy_file, options)
        await tree.run(sources, target, named=localpath is not None)

    async def _put(
        self,
        sources: Sequence[bytes],
        remotepath: SFTPPath | None,
        options: TreeOptions,
        files: FileOptions,
    ) -> None:
        handler = self._handler

        async def copy_file(
            src: bytes, dst: bytes, attrs: SFTPAttrs, progress: Callable[[int], None]
        ) -> None:
            keep = preserved(attrs) if options.preserve else None
            await upload(handler, src, dst, files, keep, progress)

        target = self.compose_path(remotepath) if remotepath is not None else self._here()
        tree = TreeCopy(LocalSide(), RemoteSide(self), copy_file, options)
        await tree.run(sources, target, named=remotepath is not None)

    async def _copy(
        self,
        sources: Sequence[bytes],
        dstpath: SFTPPath | None,
        options: TreeOptions,
        files: FileOptions,
        remote_only: bool,
    ) -> None:
        handler = self._handler
        if remote_only and not self.supports_remote_copy:
            raise SFTPOpUnsupported("the server does not offer copy-data")

        async def copy_file(
            src: bytes, dst: bytes, attrs: SFTPAttrs, progress: Callable[[int], None]
        ) -> None:
            if self.supports_remote_copy:
                await copy_on_server(handler, src, dst, attrs.size, progress)
            else:
                await copy_through(handler, handler, src, dst, attrs.size, files, progress)
            if options.preserve:
                await self.setstat(dst, preserved(attrs))

        target = self.compose_path(dstpath) if dstpath is not None else self._here()
        tree = TreeCopy(RemoteSide(self), RemoteSide(self), copy_file, options)
        await tree.run(sources, target, named=dstpath is not None)

    def _here(self) -> bytes:
        return self._cwd or b"."

    async def _remote_matches(
        self, patterns: SFTPPaths, error_handler: ErrorHandler | None
    ) -> list[bytes]:
        search = RemoteGlob(self, error_handler, self._cwd)
        found = await search.match([self.compose_path(p) for p in _as_list(patterns)])
        return [path for path, _ in found]


def preserved(attrs: SFTPAttrs) -> SFTPAttrs:
    """Return the attributes that `preserve` keeps: permissions and times."""
    mode = attrs.permissions
    return SFTPAttrs(
        type=attrs.type,
        permissions=None if mode is None else mode & 0o7777,
        atime=attrs.atime,
        atime_ns=attrs.atime_ns,
        mtime=attrs.mtime,
        mtime_ns=attrs.mtime_ns,
    )


def local_matches(patterns: Sequence[bytes], error_handler: ErrorHandler | None) -> list[bytes]:
    """Expand patterns of local paths, as `RemoteGlob` does those of the server.

    Raises SFTPNoSuchFile for one without a match.
    """
    found: list[bytes] = []
    for pattern in patterns:
        matches = sorted(glob.glob(pattern, recursive=True, include_hidden=True))
        if matches:
            found += matches
            continue
        error = SFTPNoSuchFile(f"no match for {pattern!r}")
        error.srcpath = pattern
        if error_handler is None:
            raise error
        error_handler(error)
    return found


def _as_list(paths: SFTPPaths) -> list[SFTPPath]:
    if isinstance(paths, str | bytes | PurePath):
        return [paths]
    return list(paths)


def _local_path(path: SFTPPath) -> bytes:
    return os.fsencode(Path(path).expanduser() if isinstance(path, PurePath) else path)
