"""The receiving end of scp (`scp -t`, and a client that copies from a host)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from ssh_sftp.codec.attrs import SFTPAttrs
from ssh_sftp.codec.attrs_flags import FILEXFER_TYPE_DIRECTORY
from ssh_sftp.errors import SFTPBadMessage, SFTPError, SFTPNotADirectory
from ssh_sftp.scp import BLOCK_SIZE
from ssh_sftp.scp.files import ScpFiles
from ssh_sftp.scp.protocol import Record, ScpFailure, ScpStream, decode_record, reported

__all__ = ["ScpSink", "check_asked"]

ProgressHandler = Callable[[bytes, bytes, int, int], None]
ErrorHandler = Callable[[BaseException], None]

_MAX_DEPTH: Final = 256


def check_asked(
    record: Record, depth: int, *, recurse: bool, expected: Callable[[bytes], bool] | None
) -> None:
    """Raise SFTPBadMessage for a file, or directory, that a source was not asked for.

    Parameters:
        record: what it wants to send.
        depth: directories that it is in.
        recurse: whether directories were asked for.
        expected: says whether a name at the top is one that was asked for; None accepts all.
    """
    if record.kind == "D" and not recurse:
        raise SFTPBadMessage(f"scp: directory {record.name!r} was not asked for")
    if depth >= _MAX_DEPTH:
        raise SFTPBadMessage("scp: too many levels of directories")
    if not depth and expected is not None and not expected(record.name):
        raise SFTPBadMessage(f"scp: file {record.name!r} was not asked for")


class ScpSink:
    """Receives files from a source.

    Parameters:
        stream: from the source.
        files: where the files go.
        preserve: take over times and all permission bits; without it setuid, setgid and sticky
            bits are cleared.
        recurse: accept directories.
        directory: the target has to be a directory.
        expected: as of `check_asked`.
        block_size: bytes per read.
        progress_handler: called with (name, path, bytes received, bytes in all).
        error_handler: called with the exception of each file that failed, instead of raising it.
    """

    def __init__(
        self,
        stream: ScpStream,
        files: ScpFiles,
        *,
        preserve: bool = False,
        recurse: bool = False,
        directory: bool = False,
        expected: Callable[[bytes], bool] | None = None,
        block_size: int = BLOCK_SIZE,
        progress_handler: ProgressHandler | None = None,
        error_handler: ErrorHandler | None = None,
    ) -> None:
        self._stream = stream
        self._files = files
        self._preserve = preserve
        self._recurse = recurse
        self._directory = directory
        self._expected = expected
        self._block_size = block_size
        self._progress = progress_handler
        self._on_error = error_handler
        self._times: Record | None = None
        self._failure: BaseException | None = None

    async def run(self, target: bytes) -> None:
        """Receive files until the source ends.

        Raises the first SFTPError or OSError, unless there is an error handler; what breaks the
        protocol is raised in any case.
        """
        into = await self._is_directory(target)
        if self._directory and not into:
            error = SFTPNotADirectory(f"{target!r} is not a directory")
            await self._stream.write_error(str(error), fatal=True)
            raise error
        await self._stream.write(b"\0")
        stack: list[tuple[bytes, SFTPAttrs]] = []
        while (line := await self._stream.read_line()) is not None:
            if line[:1] in (b"\1", b"\2"):
                self._failed(reported(line[1:], fatal=line[:1] == b"\2"))
                continue
            await self._take(line, target, into, stack)
        if stack:
            raise SFTPBadMessage("scp: stream ended within a directory")
        if self._failure is not None:
            raise self._failure

    async def _is_directory(self, path: bytes) -> bool:
        try:
            return (await self._files.attrs(path)).type == FILEXFER_TYPE_DIRECTORY
        except (SFTPError, OSError):
            return False

    def _failed(self, error: SFTPError | OSError) -> None:
        if self._on_error is not None:
            self._on_error(error)
        elif self._failure is None:
            self._failure = error

    async def _take(
        self,
        line: bytes,
        target: bytes,
        into: bool,
        stack: list[tuple[bytes, SFTPAttrs]],
    ) -> None:
        """Do what a line says.

        Parameters:
            line: without its line feed.
            target, into: where files go, and whether that is a directory.
            stack: directories that are open, each with what is to be set when it ends.
        """
        try:
            record = decode_record(line)
            if record.kind == "E":
                if not stack:
                    raise SFTPBadMessage("scp: end of a directory that was not begun")
            elif record.kind != "T":
                check_asked(record, len(stack), recurse=self._recurse, expected=self._expected)
        except SFTPBadMessage as exc:
            await self._stream.write_error(exc.reason, fatal=True)
            raise
        if record.kind == "T":
            self._times = record
            await self._stream.write(b"\0")
            return
        if record.kind == "E":
            await self._attempt(self._set_attrs(*stack.pop()))
            return
        times, self._times = self._times, None
        parent = stack[-1][0] if stack else target
        place = self._files.join(parent, record.name) if stack or into else target
        if record.kind == "D":
            later = self._attrs(record, times)

            async def make() -> None:
                is_new = not await self._is_directory(place)
                await self._files.mkdir(place, record.mode & 0o777 | 0o700)
                if is_new and not self._preserve and record.mode & 0o700 != 0o700:
                    # Until it ends we have to write into it; what the umask took stays away.
                    made = (await self._files.attrs(place)).permissions
                    later.permissions = None if made is None else made & (record.mode | 0o077)

            # A source that is refused a directory does not enter it.
            if await self._attempt(make()):
                stack.append((place, later))
        else:
            await self._receive_file(place, record, times)

    async def _attempt(self, work: Awaitable[None]) -> bool:
        """Await something that may fail, and answer the source accordingly; whether it worked."""
        try:
            await work
        except (SFTPError, OSError) as exc:
            await self._stream.write_error(str(exc))
            self._failed(exc)
            return False
        await self._stream.write(b"\0")
        return True

    def _attrs(self, record: Record, times: Record | None) -> SFTPAttrs:
        """Return what is taken over from the source."""
        attrs = SFTPAttrs()
        if self._preserve:
            attrs.permissions = record.mode
            if times is not None:
                attrs.atime, attrs.mtime = times.atime, times.mtime
        return attrs

    async def _set_attrs(self, path: bytes, attrs: SFTPAttrs) -> None:
        if attrs.permissions is not None or attrs.mtime is not None:
            await self._files.set_attrs(path, attrs)

    async def _receive_file(self, place: bytes, record: Record, times: Record | None) -> None:
        try:
            file = await self._files.open(place, record.mode & 0o777)
        except (SFTPError, OSError) as exc:
            exc.dstpath = place  # type: ignore[union-attr]
            # The source goes on with its next file.
            await self._stream.write_error(f"{exc}")
            self._failed(exc)
            return
        failure: SFTPError | OSError | None = None
        try:
            await self._stream.write(b"\0")
            failure = await self._receive_data(file, place, record)
        finally:
            try:
                await self._files.close(file)
            except (SFTPError, OSError) as exc:
                failure = failure or exc
        try:
            await self._stream.read_reply()  # whether the source could read all of it
        except ScpFailure as exc:
            failure = failure or exc
        if failure is None:
            await self._attempt(self._set_attrs(place, self._attrs(record, times)))
            return
        failure.dstpath = place  # type: ignore[union-attr]
        if isinstance(failure, ScpFailure):
            await self._stream.write(b"\0")
        else:
            await self._stream.write_error(str(failure))
        self._failed(failure)

    async def _receive_data(
        self, file: object, place: bytes, record: Record
    ) -> SFTPError | OSError | None:
        """Take exactly `record.size` bytes; an error of ours does not stop that."""
        failure: SFTPError | OSError | None = None
        received, size = 0, record.size
        while received < size:
            data = await self._stream.read_data(min(self._block_size, size - received))
            if failure is None:
                try:
                    await self._files.write(file, received, data)
                except (SFTPError, OSError) as exc:
                    failure = exc
            received += len(data)
            if self._progress is not None and failure is None:
                self._progress(record.name, place, received, size)
        if self._progress is not None and not size:
            self._progress(record.name, place, 0, 0)
        return failure
