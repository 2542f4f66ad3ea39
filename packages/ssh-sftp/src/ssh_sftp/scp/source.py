"""The sending end of scp (`scp -f`, and a client that copies to a host)."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from typing import Final

from ssh_sftp.codec.attrs import SFTPAttrs
from ssh_sftp.codec.attrs_flags import FILEXFER_TYPE_DIRECTORY, FILEXFER_TYPE_REGULAR
from ssh_sftp.errors import SFTPError, SFTPFailure, SFTPFileIsADirectory
from ssh_sftp.scp import BLOCK_SIZE
from ssh_sftp.scp.files import ScpFiles
from ssh_sftp.scp.protocol import Record, ScpFailure, ScpStream

__all__ = ["ScpSource"]

ProgressHandler = Callable[[bytes, bytes, int, int], None]
ErrorHandler = Callable[[BaseException], None]

_MAX_DEPTH: Final = 256


class ScpSource:
    """Sends files to a sink.

    Parameters:
        stream: to the sink.
        files: where the files come from.
        preserve: send times, too.
        recurse: send directories.
        block_size: bytes per write.
        progress_handler: called with (path, path, bytes sent, bytes in all).
        error_handler: called with the exception of each file that failed, instead of raising it.
    """

    def __init__(
        self,
        stream: ScpStream,
        files: ScpFiles,
        *,
        preserve: bool = False,
        recurse: bool = False,
        block_size: int = BLOCK_SIZE,
        progress_handler: ProgressHandler | None = None,
        error_handler: ErrorHandler | None = None,
    ) -> None:
        self._stream = stream
        self._files = files
        self._preserve = preserve
        self._recurse = recurse
        self._block_size = block_size
        self._progress = progress_handler
        self._on_error = error_handler

    async def run(self, paths: Sequence[bytes]) -> None:
        """Send files. Raises the first SFTPError or OSError, unless there is an error handler."""
        await self._stream.read_reply()
        for path in paths:
            await self._guarded(path, posixpath.basename(path.rstrip(b"/")), 0)

    async def _guarded(self, path: bytes, name: bytes, depth: int) -> None:
        try:
            await self._send(path, name, depth)
        except (SFTPError, OSError) as exc:
            exc.srcpath = path  # type: ignore[union-attr]
            if isinstance(exc, ScpFailure):
                if exc.fatal:
                    raise
            else:
                # It is our side that failed: the sink is told, and goes on with the next file.
                await self._stream.write_error(f"{name.decode('utf-8', 'replace')}: {exc}")
            if self._on_error is None:
                raise
            self._on_error(exc)

    async def _send(self, path: bytes, name: bytes, depth: int) -> None:
        attrs = await self._files.attrs(path)
        if attrs.type == FILEXFER_TYPE_DIRECTORY:
            await self._send_directory(path, name, attrs, depth)
        elif attrs.type == FILEXFER_TYPE_REGULAR:
            await self._send_file(path, name, attrs)
        else:
            raise SFTPFailure("not a regular file")

    async def _ask(self, record: Record) -> None:
        await self._stream.write(record.encode())
        await self._stream.read_reply()

    async def _send_times(self, attrs: SFTPAttrs) -> None:
        if self._preserve and attrs.mtime is not None:
            mtime, atime = int(attrs.mtime), int(attrs.atime or attrs.mtime)
            await self._ask(Record("T", mtime=max(mtime, 0), atime=max(atime, 0)))

    async def _send_directory(self, path: bytes, name: bytes, attrs: SFTPAttrs, depth: int) -> None:
        if not self._recurse:
            raise SFTPFileIsADirectory("is a directory")
        if depth >= _MAX_DEPTH:
            raise SFTPFailure("too many levels of directories")
        names = await self._files.names(path)
        await self._send_times(attrs)
        await self._ask(Record("D", attrs.permissions or 0o755, 0, name or b"."))
        for entry in sorted(names):
            await self._guarded(self._files.join(path, entry), entry, depth + 1)
        await self._ask(Record("E"))

    async def _send_file(self, path: bytes, name: bytes, attrs: SFTPAttrs) -> None:
        size = attrs.size or 0
        file = await self._files.open(path, None)
        try:
            await self._send_times(attrs)
            await self._ask(Record("C", attrs.permissions or 0o644, size, name))
            failure = await self._send_data(file, path, size)
        finally:
            await self._files.close(file)
        if failure is None:
            await self._stream.write(b"\0")
        else:
            await self._stream.write_error(str(failure))
        await self._stream.read_reply()
        if failure is not None:
            raise ScpFailure(str(failure), fatal=False)

    async def _send_data(self, file: object, path: bytes, size: int) -> SFTPError | OSError | None:
        """Send exactly `size` bytes, whatever happens: the sink counts them."""
        failure: SFTPError | OSError | None = None
        sent = 0
        while sent < size:
            count = min(self._block_size, size - sent)
            data = b""
            if failure is None:
                try:
                    data = await self._files.read(file, sent, count)
                except (SFTPError, OSError) as exc:
                    failure = exc
                if not data:
                    failure = failure or SFTPFailure("file got shorter while it was sent")
            await self._stream.write(data or bytes(count))
            sent += len(data) or count
            if self._progress is not None and failure is None:
                self._progress(path, path, sent, size)
        if self._progress is not None and not size:
            self._progress(path, path, 0, 0)
        return failure
