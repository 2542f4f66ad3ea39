"""Names and directories: the path part of `SFTPClient`."""

from __future__ import annotations

import posixpath
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import PurePath
from types import TracebackType
from typing import overload

from ssh_sftp.client.base import ClientBase, SFTPPath, bytes_of, forget
from ssh_sftp.client.client_attrs import ClientAttrs, is_directory
from ssh_sftp.client.replies import handle_reply, name_reply, names_reply, status_reply
from ssh_sftp.codec import requests
from ssh_sftp.codec.attrs import SFTPAttrs, SFTPName
from ssh_sftp.codec.constants import (
    FXR_OVERWRITE,
    FXRP_NO_CHECK,
    FXRP_STAT_ALWAYS,
    FXRP_STAT_IF_EXISTS,
    PacketType,
)
from ssh_sftp.codec.wire import encode_byte, encode_string, encode_uint32
from ssh_sftp.errors import (
    SFTPEOFError,
    SFTPError,
    SFTPFailure,
    SFTPFileAlreadyExists,
    SFTPNotADirectory,
    SFTPOpUnsupported,
)

__all__ = ["ClientPaths"]

_OPENDIR = PacketType.SSH_FXP_OPENDIR.value
_REMOVE = PacketType.SSH_FXP_REMOVE.value
_RMDIR = PacketType.SSH_FXP_RMDIR.value

_REMOVES_IN_FLIGHT = 64

ErrorInfo = tuple[type[SFTPError], SFTPError, TracebackType | None]
OnRemoveError = Callable[[Callable[..., object], bytes, ErrorInfo], None]


class ClientPaths(ClientAttrs, ClientBase):
    """Path and directory methods; see `SFTPClient`."""

    # --- Renaming, removing, linking --------------------------------------------------------------

    async def rename(self, oldpath: SFTPPath, newpath: SFTPPath, flags: int = 0) -> None:
        """Rename a file; on version 3 an existing `newpath` is an error (section 6.5).

        Parameters:
            flags: `FXR_*`, needs version 5 or later; FXR_OVERWRITE falls back to `posix_rename`.

        Raises SFTPError.
        """
        old, new = self.compose_path(oldpath), self.compose_path(newpath)
        extra = encode_uint32(flags) if self.version >= 5 else b""
        if flags and not extra:
            if flags != FXR_OVERWRITE:
                raise SFTPOpUnsupported("rename flags need SFTP version 5")
            await self.posix_rename(oldpath, newpath)
            return
        await self._handler.request(status_reply, requests.Rename, old, new, extra)

    async def posix_rename(self, oldpath: SFTPPath, newpath: SFTPPath) -> None:
        """Rename a file and replace `newpath` in one step (`posix-rename@openssh.com`).

        Raises SFTPOpUnsupported if the server has no such extension, and SFTPError.
        """
        self._require(b"posix-rename@openssh.com")
        old, new = self.compose_path(oldpath), self.compose_path(newpath)
        await self._handler.extended(status_reply, b"posix-rename@openssh.com", old, new)

    async def remove(self, path: SFTPPath) -> None:
        """Remove a file, not a directory. Raises SFTPError."""
        await self._handler.path_request(status_reply, _REMOVE, self.compose_path(path))

    async def unlink(self, path: SFTPPath) -> None:
        """Remove a file: the same as `remove`."""
        await self.remove(path)

    @overload
    async def readlink(self, path: str | PurePath) -> str: ...
    @overload
    async def readlink(self, path: bytes) -> bytes: ...
    async def readlink(self, path: SFTPPath) -> str | bytes:
        """Return the target of a symbolic link (section 6.10). Raises SFTPError."""
        encoded = self.compose_path(path)
        name = await self._handler.request(name_reply, requests.ReadLink, encoded)
        return self._like(path, bytes_of(name.filename))

    async def symlink(self, oldpath: SFTPPath, newpath: SFTPPath) -> None:
        """Make `newpath` a symbolic link with the target `oldpath`. Raises SFTPError."""
        target, link = self.encode(oldpath), self.compose_path(newpath)
        if self.version >= 6:
            await self._handler.request(status_reply, requests.Link, link, target, 1)
        elif self._handler.symlink_target_first:
            await self._handler.request(status_reply, requests.Symlink, target, link)
        else:
            await self._handler.request(status_reply, requests.Symlink, link, target)

    async def link(self, oldpath: SFTPPath, newpath: SFTPPath) -> None:
        """Make `newpath` a hard link to the file `oldpath` (`hardlink@openssh.com`).

        Raises SFTPOpUnsupported if the server has no such extension, and SFTPError.
        """
        old, new = self.compose_path(oldpath), self.compose_path(newpath)
        if self.version >= 6:
            await self._handler.request(status_reply, requests.Link, new, old, 0)
            return
        self._require(b"hardlink@openssh.com")
        await self._handler.extended(status_reply, b"hardlink@openssh.com", old, new)

    # --- Canonical paths --------------------------------------------------------------------------

    @overload
    async def realpath(self, path: str | PurePath, *compose_paths: SFTPPath) -> str: ...
    @overload
    async def realpath(self, path: bytes, *compose_paths: SFTPPath) -> bytes: ...
    @overload
    async def realpath(
        self, path: SFTPPath, *compose_paths: SFTPPath, check: int
    ) -> str | bytes | SFTPName: ...
    async def realpath(
        self, path: SFTPPath, *compose_paths: SFTPPath, check: int = FXRP_NO_CHECK
    ) -> str | bytes | SFTPName:
        """Return the absolute path of `path` (section 6.11).

        Parameters:
            compose_paths: further parts, each relative to what stands before it.
            check: FXRP_NO_CHECK gives the path; FXRP_STAT_IF_EXISTS and FXRP_STAT_ALWAYS give an
                SFTPName with attributes, the latter raises if there is no such file.

        Raises SFTPError.
        """
        encoded = self.compose_path(path)
        if self.version >= 6:
            extra = encode_byte(check) + b"".join(
                encode_string(self.encode(part)) for part in compose_paths
            )
            name = await self._handler.request(name_reply, requests.RealPath, encoded, extra)
        else:
            encoded = posixpath.join(encoded, *map(self.encode, compose_paths))
            name = await self._handler.request(name_reply, requests.RealPath, encoded or b".")
            if check != FXRP_NO_CHECK:
                name.attrs = await self._checked_attrs(bytes_of(name.filename), check)
        result = self._like(path, bytes_of(name.filename))
        if check == FXRP_NO_CHECK:
            return result
        return SFTPName(result, self._like(path, bytes_of(name.longname)), name.attrs)

    async def _checked_attrs(self, path: bytes, check: int) -> SFTPAttrs:
        if check not in (FXRP_STAT_IF_EXISTS, FXRP_STAT_ALWAYS):
            raise ValueError(f"no check of realpath: {check}")
        try:
            return await self.stat(path)
        except SFTPError:
            if check == FXRP_STAT_ALWAYS:
                raise
            return SFTPAttrs()

    async def expand_path(self, path: str | PurePath) -> str:
        """Return the absolute path of `~`, `~/...` or `~user/...` (`expand-path@openssh.com`).

        Raises SFTPOpUnsupported if the server has no such extension, and SFTPError.
        """
        self._require(b"expand-path@openssh.com")
        name = await self._handler.extended(
            name_reply, b"expand-path@openssh.com", self.encode(path)
        )
        return self.decode(bytes_of(name.filename))

    async def home_directory(self, username: str = "") -> str:
        """Return the home directory of a user, by default one's own (`home-directory`).

        Raises SFTPOpUnsupported if the server has no such extension, and SFTPError.
        """
        if not username and self._handler.core.supports(b"expand-path@openssh.com"):
            # OpenSSH 9 fails for the empty name, which the specification allows.
            return await self.expand_path("~")
        self._require(b"home-directory")
        name = await self._handler.extended(name_reply, b"home-directory", username.encode())
        return self.decode(bytes_of(name.filename))

    async def chdir(self, path: SFTPPath) -> None:
        """Make `path` the directory that relative paths start from.

        Raises SFTPNotADirectory, SFTPNoSuchFile, SFTPError.
        """
        target = await self._real_path(self.compose_path(path))
        if not is_directory(await self.stat(target)):
            raise SFTPNotADirectory(f"{target!r} is not a directory")
        self._cwd = target

    async def getcwd(self) -> str | bytes:
        """Return the directory that relative paths start from: bytes without a path encoding."""
        if self._cwd is None:
            self._cwd = await self._real_path(b".")
        return self._cwd if self._path_encoding is None else self.decode(self._cwd)

    # --- Directories ------------------------------------------------------------------------------

    async def mkdir(self, path: SFTPPath, attrs: SFTPAttrs = SFTPAttrs()) -> None:  # noqa: B008
        """Make a directory with initial attributes (section 6.6). Raises SFTPError."""
        encoded = self.compose_path(path)
        await self._handler.request(
            status_reply, requests.MkDir, encoded, attrs.encode(self.version)
        )

    async def makedirs(
        self,
        path: SFTPPath,
        attrs: SFTPAttrs = SFTPAttrs(),  # noqa: B008
        exist_ok: bool = False,
    ) -> None:
        """Make a directory and the ones above it that are missing.

        Parameters:
            attrs: initial attributes of all that are made.
            exist_ok: an existing directory is no error.

        Raises SFTPFileAlreadyExists, SFTPNotADirectory, SFTPError.
        """
        encoded = self.compose_path(path)
        current = b"/" if encoded.startswith(b"/") else b""
        made = False
        for part in encoded.split(b"/"):
            if not part:
                continue
            current = posixpath.join(current, part)
            try:
                await self.mkdir(current, attrs)
                made = True
            except SFTPError:
                # Servers of version 3 say "failure" for what exists.
                kind = await self._type(current)
                if kind is None:
                    raise
                if not await self.isdir(current):
                    raise SFTPNotADirectory(f"{current!r} is not a directory") from None
                made = False
        if not made and not exist_ok:
            raise SFTPFileAlreadyExists(f"{encoded!r} exists already")

    async def rmdir(self, path: SFTPPath) -> None:
        """Remove an empty directory. Raises SFTPError."""
        await self._handler.path_request(status_reply, _RMDIR, self.compose_path(path))

    async def rmtree(
        self,
        path: SFTPPath,
        ignore_errors: bool = False,
        onerror: OnRemoveError | None = None,
    ) -> None:
        """Remove a directory with everything below it; links are removed, not followed.

        Parameters:
            ignore_errors: go on silently after errors.
            onerror: called with (method, path, exception information) instead of raising: the
                last is what `sys.exc_info` gives, as for `shutil.rmtree`.

        Raises SFTPError.
        """

        def failed(method: Callable[..., object], where: bytes, error: SFTPError) -> None:
            if onerror is not None:
                onerror(method, where, (type(error), error, error.__traceback__))
            elif not ignore_errors:
                raise error

        top = self.compose_path(path)
        try:
            attrs = await self.lstat(top)
        except SFTPError as exc:
            failed(self.rmtree, top, exc)
            return
        if not is_directory(attrs):
            failed(self.rmtree, top, SFTPNotADirectory(f"{top!r} is not a directory"))
            return
        # Iterative: a hostile server could nest deeper than the stack.
        stack = [(top, False)]
        while stack:
            current, emptied = stack.pop()
            if emptied:
                await self._remove_all(self.rmdir, _RMDIR, [current], failed)
                continue
            stack.append((current, True))
            try:
                entries = [entry async for entry in self.entries(current)]
            except SFTPError as exc:
                failed(self.scandir, current, exc)
                continue
            files = []
            for entry in entries:
                child = posixpath.join(current, bytes_of(entry.filename))
                if is_directory(entry.attrs):
                    stack.append((child, False))
                else:
                    files.append(child)
            for first in range(0, len(files), _REMOVES_IN_FLIGHT):
                batch = files[first : first + _REMOVES_IN_FLIGHT]
                await self._remove_all(self.remove, _REMOVE, batch, failed)

    async def _remove_all(
        self,
        method: Callable[..., object],
        packet_type: int,
        paths: Sequence[bytes],
        failed: Callable[[Callable[..., object], bytes, SFTPError], None],
    ) -> None:
        """Remove several files with all requests in flight, then report what failed."""
        replies = [self._handler.path_request(status_reply, packet_type, path) for path in paths]
        errors: list[tuple[bytes, SFTPError]] = []
        for path, reply in zip(paths, replies, strict=True):
            try:
                await reply
            except SFTPError as exc:
                errors.append((path, exc))
        for path, error in errors:
            failed(method, path, error)

    async def scandir(self, path: SFTPPath = ".") -> AsyncIterator[SFTPName]:
        """Iterate over the entries of a directory, `.` and `..` among them if the server has them.

        Names are str if `path` is. Raises SFTPError.
        """
        async for entry in self._scan(self.compose_path(path)):
            entry.filename = self._like(path, bytes_of(entry.filename))
            entry.longname = self._like(path, bytes_of(entry.longname), errors="replace")
            yield entry

    async def readdir(self, path: SFTPPath = ".") -> Sequence[SFTPName]:
        """Return the entries of a directory: the list of what `scandir` gives."""
        return [entry async for entry in self.scandir(path)]

    @overload
    async def listdir(self, path: str | PurePath = ".") -> list[str]: ...
    @overload
    async def listdir(self, path: bytes) -> list[bytes]: ...
    async def listdir(self, path: SFTPPath = ".") -> list[str] | list[bytes]:
        """Return the names in a directory. Raises SFTPError."""
        names = [bytes_of(e.filename) async for e in self._scan(self.compose_path(path))]
        return names if isinstance(path, bytes) else [self.decode(name) for name in names]

    async def entries(self, path: bytes) -> AsyncIterator[SFTPName]:
        """Entries of a directory as they may be used in paths: checked, without `.` and `..`.

        A server that slips in a name with a slash would make us work outside of the directory.
        """
        seen: set[bytes] = set()
        async for entry in self._scan(path):
            name = bytes_of(entry.filename)
            if name in (b".", b".."):
                continue
            if not name or b"/" in name or b"\0" in name:
                raise SFTPFailure(f"the server lists an illegal file name: {name!r}")
            if name in seen:
                raise SFTPFailure(f"the server lists a file name twice: {name!r}")
            seen.add(name)
            yield entry

    async def _scan(self, path: bytes) -> AsyncIterator[SFTPName]:
        handler = self._handler
        handle = await handler.path_request(handle_reply, _OPENDIR, path or b".")
        # The server lists on while we take what it sent.
        ahead = handler.request(names_reply, requests.ReadDir, handle)
        try:
            while True:
                batch, ahead = await ahead, handler.request(names_reply, requests.ReadDir, handle)
                if not batch:
                    raise SFTPFailure("the server sent an empty list of names")
                for entry in batch:
                    yield entry
        except SFTPEOFError:
            pass
        finally:
            forget(ahead)
            del ahead  # it has the exception, and the exception this frame
            handler.close_handle(handle)

    def _like(self, path: SFTPPath, result: bytes, errors: str | None = None) -> str | bytes:
        """Return a name of the server as str or bytes, like the path that was asked for."""
        if isinstance(path, bytes):
            return result
        if errors is not None and self._path_encoding is not None:
            return result.decode(self._path_encoding, errors)
        return self.decode(result)
