"""Patterns of paths on the server: `*`, `?`, `[...]` within a name, and `**` for any depth.

Names with a dot in front match like others, unlike in a shell: what copies all of a directory must
not leave out files that nobody thinks of. A slash at the end matches directories only.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import AsyncIterator, Callable, Sequence

from ssh_sftp.client.base import bytes_of
from ssh_sftp.client.client_attrs import is_directory
from ssh_sftp.client.client_paths import ClientPaths
from ssh_sftp.codec.attrs import SFTPAttrs, SFTPName
from ssh_sftp.codec.attrs_flags import FILEXFER_TYPE_SYMLINK
from ssh_sftp.errors import SFTPError, SFTPNoSuchFile, SFTPNotADirectory, SFTPPermissionDenied

__all__ = ["RemoteGlob"]

ErrorHandler = Callable[[BaseException], None]
Match = tuple[bytes, SFTPAttrs]

_MAGIC = re.compile(rb"[*?[]")
# Directories of one pattern: a link to a directory above itself would go on for ever.
_MAX_DEPTH = 64


class RemoteGlob:
    """Expands patterns on the server.

    Parameters:
        client: the session.
        error_handler: called with the exception of a pattern that failed or matched nothing,
            instead of raising it.
        here: the working directory, which `**` alone does not match.
    """

    def __init__(
        self,
        client: ClientPaths,
        error_handler: ErrorHandler | None,
        here: bytes | None = None,
    ) -> None:
        self._client = client
        self._error_handler = error_handler
        self._here = here

    async def match(self, patterns: Sequence[bytes]) -> list[Match]:
        """Return path and attributes of what matches, sorted per pattern, each path once.

        Raises SFTPNoSuchFile for a pattern without a match, SFTPError.
        """
        found: dict[bytes, SFTPAttrs] = {}
        for pattern in patterns:
            try:
                matches = {path: attrs async for path, attrs in self._expand(pattern)}
                if not matches:
                    raise SFTPNoSuchFile(f"no match for {pattern!r}")
                for path in sorted(matches):
                    found.setdefault(path, matches[path])
            except SFTPError as exc:
                exc.srcpath = pattern
                if self._error_handler is None:
                    raise
                self._error_handler(exc)
        return list(found.items())

    async def _expand(self, pattern: bytes) -> AsyncIterator[Match]:
        if not _MAGIC.search(pattern):
            try:
                yield pattern, await self._client.lstat(pattern)
            except SFTPNoSuchFile:
                return
            return
        start = b"/" if pattern.startswith(b"/") else b""
        parts = [part for part in pattern.split(b"/") if part]
        async for path, attrs in self._descend(start, parts, 0):
            if not pattern.endswith(b"/"):
                yield path, attrs
            elif is_directory(attrs):
                yield path + b"/", attrs

    async def _descend(
        self, directory: bytes, parts: Sequence[bytes], depth: int
    ) -> AsyncIterator[Match]:
        """Match the first of `parts` in `directory`, and the others below it."""
        if depth > _MAX_DEPTH:
            return
        part, rest = parts[0], parts[1:]
        if part == b"**":
            if not rest and directory not in (b"", b"/", self._here):
                yield directory, await self._client.stat(directory)
            async for match in self._any_depth(directory, parts, depth):
                yield match
            return
        async for path, attrs in self._matches(directory, part):
            if not rest:
                yield path, attrs
            elif await self._leads_on(path, attrs):
                async for match in self._descend(path, rest, depth + 1):
                    yield match

    async def _any_depth(
        self, directory: bytes, parts: Sequence[bytes], depth: int
    ) -> AsyncIterator[Match]:
        rest = parts[1:]
        if depth > _MAX_DEPTH:
            return
        if rest:
            async for match in self._descend(directory, rest, depth + 1):
                yield match
        async for path, attrs in self._matches(directory, b"*"):
            if not rest:
                yield path, attrs
            if is_directory(attrs):  # links are not followed: they could form a loop
                async for match in self._any_depth(path, parts, depth + 1):
                    yield match

    async def _matches(self, directory: bytes, part: bytes) -> AsyncIterator[Match]:
        client = self._client
        if not _MAGIC.search(part):
            path = posixpath.join(directory, part)
            try:
                yield path, await client.lstat(path)
            except SFTPError:
                return
            return
        accepts = re.compile(fnmatch.translate(part.decode("latin-1"))).match
        try:
            entries: list[SFTPName] = [entry async for entry in client.entries(directory)]
        except (SFTPNoSuchFile, SFTPNotADirectory, SFTPPermissionDenied):
            return  # a directory that may not be listed has no match
        for entry in entries:
            name = bytes_of(entry.filename)
            if accepts(name.decode("latin-1")):
                yield posixpath.join(directory, name), entry.attrs

    async def _leads_on(self, path: bytes, attrs: SFTPAttrs) -> bool:
        if attrs.type == FILEXFER_TYPE_SYMLINK:
            return await self._client.isdir(path)
        return is_directory(attrs)
