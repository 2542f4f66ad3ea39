"""`SFTPClient`: the session as applications see it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Literal, cast, overload

from ssh_sftp.client.base import SFTPPath
from ssh_sftp.client.client_transfer import ClientTransfer, SFTPPaths, _as_list
from ssh_sftp.client.file import SFTPClientFile
from ssh_sftp.client.filecopy import copy_data
from ssh_sftp.client.remote_glob import RemoteGlob
from ssh_sftp.client.replies import handle_reply
from ssh_sftp.client.tree import ErrorHandler
from ssh_sftp.codec import requests
from ssh_sftp.codec.attrs import SFTPAttrs, SFTPName
from ssh_sftp.codec.constants import (
    ACE4_APPEND_DATA,
    ACE4_READ_ATTRIBUTES,
    ACE4_READ_DATA,
    ACE4_WRITE_ATTRIBUTES,
    ACE4_WRITE_DATA,
    FXF_APPEND,
    FXF_APPEND_DATA,
    FXF_CREAT,
    FXF_CREATE_NEW,
    FXF_CREATE_TRUNCATE,
    FXF_EXCL,
    FXF_OPEN_EXISTING,
    FXF_OPEN_OR_CREATE,
    FXF_READ,
    FXF_TRUNC,
    FXF_TRUNCATE_EXISTING,
    FXF_WRITE,
)
from ssh_sftp.errors import SFTPOpUnsupported
from ssh_sftp.opening import Opening, opening
from ssh_sftp.openmode import mode_to_pflags

__all__ = ["SFTPClient"]


class SFTPClient(ClientTransfer):
    """An SFTP session, made by `start_sftp_client`; an async context manager that ends it.

    Paths are str, bytes or pure paths. Results are bytes if the path asked for was bytes, else
    str. Relative paths start from the user's directory on the server, or from `chdir`.

    Parameters:
        handler: the session on a stream.
        path_encoding: encoding of file names; None for bytes only.
        path_errors: how encoding errors in names are treated.
    """

    @overload
    def open(  # type: ignore[overload-overlap]
        self,
        path: SFTPPath,
        pflags_or_mode: Literal["rb", "wb", "ab", "xb", "r+b", "w+b", "a+b", "x+b"],
        attrs: SFTPAttrs = ...,
        encoding: str | None = ...,
        errors: str = ...,
        block_size: int = ...,
        max_requests: int = ...,
    ) -> Opening[SFTPClientFile[bytes]]: ...
    @overload
    def open(  # type: ignore[overload-overlap]
        self,
        path: SFTPPath,
        pflags_or_mode: int | str = ...,
        attrs: SFTPAttrs = ...,
        *,
        encoding: None,
        errors: str = ...,
        block_size: int = ...,
        max_requests: int = ...,
    ) -> Opening[SFTPClientFile[bytes]]: ...
    @overload
    def open(
        self,
        path: SFTPPath,
        pflags_or_mode: int | str = ...,
        attrs: SFTPAttrs = ...,
        encoding: str | None = ...,
        errors: str = ...,
        block_size: int = ...,
        max_requests: int = ...,
    ) -> Opening[SFTPClientFile[str]]: ...
    def open(
        self,
        path: SFTPPath,
        pflags_or_mode: int | str = FXF_READ,
        attrs: SFTPAttrs = SFTPAttrs(),  # noqa: B008
        encoding: str | None = "utf-8",
        errors: str = "strict",
        block_size: int = -1,
        max_requests: int = -1,
    ) -> Opening[SFTPClientFile[str]] | Opening[SFTPClientFile[bytes]]:
        """Open a file (section 6.3): `await` it, or use it in `async with`, which closes it.

        Parameters:
            path: the file.
            pflags_or_mode: `FXF_*` flags, or a mode of Python's `open`.
            attrs: initial attributes of a new file.
            encoding: encoding of text; None, or a mode with "b", for bytes.
            errors: how encoding errors are treated.
            block_size: bytes per request; -1 takes the largest that the server allows.
            max_requests: requests in flight; -1 chooses by block size.

        Raises SFTPError, ValueError for a mode that is not one.
        """
        opened = self._open(path, pflags_or_mode, attrs, encoding, errors, block_size, max_requests)
        return cast("Opening[SFTPClientFile[bytes]]", Opening(opened))

    async def _open(
        self,
        path: SFTPPath,
        pflags_or_mode: int | str,
        attrs: SFTPAttrs,
        encoding: str | None,
        errors: str,
        block_size: int,
        max_requests: int,
    ) -> SFTPClientFile[str] | SFTPClientFile[bytes]:
        pflags, binary = pflags_or_mode, False
        if isinstance(pflags, str):
            pflags, binary = mode_to_pflags(pflags)
        encoded = self.compose_path(path)
        version = self.version
        if version >= 5:
            access, flags = access_and_flags(pflags)
            handle = await self._handler.request(
                handle_reply, requests.Open56, encoded, access, flags, attrs.encode(version)
            )
        else:
            handle = await self._handler.request(
                handle_reply, requests.Open, encoded, pflags, attrs.encode(version)
            )
        return SFTPClientFile(
            self._handler,
            handle,
            bool(pflags & FXF_APPEND),
            None if binary else encoding,
            errors,
            block_size,
            max_requests,
        )

    @opening
    async def open56(
        self,
        path: SFTPPath,
        desired_access: int = ACE4_READ_DATA | ACE4_READ_ATTRIBUTES,
        flags: int = FXF_OPEN_EXISTING,
        attrs: SFTPAttrs = SFTPAttrs(),  # noqa: B008
        encoding: str | None = "utf-8",
        errors: str = "strict",
        block_size: int = -1,
        max_requests: int = -1,
    ) -> SFTPClientFile[str] | SFTPClientFile[bytes]:
        """Open a file with the access mask and flags of version 5 and 6.

        Parameters:
            desired_access: `ACE4_*` mask.
            flags: `FXF_*` of version 5 and 6.

        The others are as in `open`. Raises SFTPOpUnsupported below version 5, SFTPError.
        """
        if self.version < 5:
            raise SFTPOpUnsupported("open56 needs SFTP version 5 or 6")
        handle = await self._handler.request(
            handle_reply,
            requests.Open56,
            self.compose_path(path),
            desired_access,
            flags,
            attrs.encode(self.version),
        )
        appending = bool(desired_access & ACE4_APPEND_DATA or flags & FXF_APPEND_DATA)
        return SFTPClientFile(
            self._handler, handle, appending, encoding, errors, block_size, max_requests
        )

    async def remote_copy(
        self,
        src: SFTPClientFile[bytes] | SFTPClientFile[str] | SFTPPath,
        dst: SFTPClientFile[bytes] | SFTPClientFile[str] | SFTPPath,
        src_offset: int = 0,
        src_length: int = 0,
        dst_offset: int = 0,
    ) -> None:
        """Copy a range between two files of the server without moving the data (`copy-data`).

        Parameters:
            src, dst: open files, or paths; a file `dst` is made if it is missing, and not emptied.
            src_offset, dst_offset: where the range starts, in bytes.
            src_length: length of the range in bytes; 0 goes to the end of the file.

        Raises SFTPOpUnsupported if the server has no such extension, SFTPError.
        """
        self._require(b"copy-data")
        opened: list[SFTPClientFile[bytes]] = []
        try:
            if not isinstance(src, SFTPClientFile):
                src = await self.open(src, "rb")
                opened.append(src)
            if not isinstance(dst, SFTPClientFile):
                dst = await self.open(dst, FXF_WRITE | FXF_CREAT, encoding=None)
                opened.append(dst)
            await copy_data(
                self._handler,
                src.handle,
                src_offset,
                src_length,
                dst.handle,
                dst_offset,
                lambda count: None,
            )
        finally:
            for file in opened:
                await file.close()

    # --- Patterns ---------------------------------------------------------------------------------

    @overload
    async def glob(
        self, patterns: bytes, error_handler: ErrorHandler | None = ...
    ) -> Sequence[bytes]: ...
    @overload
    async def glob(
        self, patterns: str | PurePath, error_handler: ErrorHandler | None = ...
    ) -> Sequence[str]: ...
    @overload
    async def glob(
        self, patterns: Sequence[SFTPPath], error_handler: ErrorHandler | None = ...
    ) -> Sequence[str | bytes]: ...
    async def glob(
        self, patterns: SFTPPaths, error_handler: ErrorHandler | None = None
    ) -> Sequence[str | bytes]:
        """Return the paths on the server that match.

        Parameters:
            patterns: one or several, with `*`, `?`, `[...]`, and `**` for any depth. Names that
                begin with a dot match, too; with a slash at its end one matches directories only.
            error_handler: called with the exception of a pattern that failed or matched nothing,
                instead of raising it.

        Raises SFTPNoSuchFile for a pattern without a match, SFTPError.
        """
        names = await self.glob_sftpname(patterns, error_handler)
        return [name.filename for name in names]

    async def glob_sftpname(
        self, patterns: SFTPPaths, error_handler: ErrorHandler | None = None
    ) -> Sequence[SFTPName]:
        """Return path and attributes of what matches; parameters as in `glob`."""
        search = RemoteGlob(self, error_handler, self._cwd)
        result: dict[str | bytes, SFTPName] = {}
        for pattern in _as_list(patterns):
            prefix = b"" if self._cwd is None else self._cwd.rstrip(b"/") + b"/"
            relative = not self.encode(pattern).startswith(b"/")
            for path, attrs in await search.match([self.compose_path(pattern)]):
                # Relative patterns give relative paths.
                shown = path.removeprefix(prefix) if relative else path
                name = self._like(pattern, shown)
                result.setdefault(name, SFTPName(name, attrs=attrs))
        return list(result.values())


def access_and_flags(pflags: int) -> tuple[int, int]:
    """Return the access mask and flags of version 5 and 6 for the pflags of version 3."""
    access = 0
    if pflags & FXF_READ:
        access |= ACE4_READ_DATA | ACE4_READ_ATTRIBUTES
    if pflags & FXF_WRITE:
        access |= ACE4_WRITE_DATA | ACE4_WRITE_ATTRIBUTES
    if pflags & FXF_CREAT:
        if pflags & FXF_EXCL:
            flags = FXF_CREATE_NEW
        elif pflags & FXF_TRUNC:
            flags = FXF_CREATE_TRUNCATE
        else:
            flags = FXF_OPEN_OR_CREATE
    else:
        flags = FXF_TRUNCATE_EXISTING if pflags & FXF_TRUNC else FXF_OPEN_EXISTING
    if pflags & FXF_APPEND:
        access |= ACE4_APPEND_DATA
        flags |= FXF_APPEND_DATA
    return access, flags
