"""scp as a client: to a host, from a host, and from one host to another.

The other end is whatever `CommandRunner` starts: a channel of an SSH connection, a subprocess.
"""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ssh_sftp.errors import SFTPBadMessage
from ssh_sftp.scp import BLOCK_SIZE
from ssh_sftp.scp.files import LocalFiles, ScpFiles
from ssh_sftp.scp.protocol import (
    ByteReader,
    ByteWriter,
    Record,
    ScpCommand,
    ScpStream,
    decode_record,
    reported,
)
from ssh_sftp.scp.sink import ScpSink, check_asked
from ssh_sftp.scp.source import ErrorHandler, ProgressHandler, ScpSource

__all__ = ["CommandRunner", "receive_files", "relay_files", "send_files"]


class CommandRunner(Protocol):
    """Runs a command on a host."""

    def __call__(
        self, command: str, /
    ) -> AbstractAsyncContextManager[tuple[ByteReader, ByteWriter]]:
        """Give the output and the input of a command; leaving the context ends it."""


def expected_names(paths: Sequence[bytes]) -> Callable[[bytes], bool]:
    """Return a test for the names that a source may send for `paths`.

    The remote shell expands patterns, so a last part with `*`, `?` or `[` is matched as one; a
    path that ends in `.` or `..`, or names a home directory, may turn into any one name.
    """
    patterns = [posixpath.basename(path.rstrip(b"/")) for path in paths]
    if any(pattern in (b"", b".", b"..") or pattern.startswith(b"~") for pattern in patterns):
        return lambda name: True
    return lambda name: any(
        name == pattern or fnmatch.fnmatchcase(name, pattern) for pattern in patterns
    )


async def send_files(
    runner: CommandRunner,
    paths: Sequence[bytes],
    target: bytes,
    *,
    files: ScpFiles | None = None,
    preserve: bool = False,
    recurse: bool = False,
    block_size: int = BLOCK_SIZE,
    progress_handler: ProgressHandler | None = None,
    error_handler: ErrorHandler | None = None,
) -> None:
    """Copy files to a host.

    Parameters:
        runner: runs scp on the host.
        paths: what to send.
        target: where it goes on the host; with several paths it has to be a directory.
        files: where the files come from; by default this machine.

    The others are as in `ScpSource`. Raises SFTPError, OSError.
    """
    command = ScpCommand(False, (target,), recurse, preserve, directory=len(paths) > 1)
    async with runner(command.encode()) as (reader, writer):
        source = ScpSource(
            ScpStream(reader, writer),
            files or LocalFiles(),
            preserve=preserve,
            recurse=recurse,
            block_size=block_size,
            progress_handler=progress_handler,
            error_handler=error_handler,
        )
        await source.run(paths)


async def receive_files(
    runner: CommandRunner,
    paths: Sequence[bytes],
    target: bytes,
    *,
    files: ScpFiles | None = None,
    preserve: bool = False,
    recurse: bool = False,
    block_size: int = BLOCK_SIZE,
    progress_handler: ProgressHandler | None = None,
    error_handler: ErrorHandler | None = None,
) -> None:
    """Copy files from a host; only names that were asked for are accepted.

    Parameters:
        runner: runs scp on the host.
        paths: what to fetch.
        target: where it goes; with several paths it has to be a directory.
        files: where the files go; by default this machine.

    The others are as in `ScpSink`. Raises SFTPError, OSError.
    """
    command = ScpCommand(True, tuple(paths), recurse, preserve)
    async with runner(command.encode()) as (reader, writer):
        sink = ScpSink(
            ScpStream(reader, writer),
            files or LocalFiles(),
            preserve=preserve,
            recurse=recurse,
            directory=len(paths) > 1,
            expected=expected_names(paths),
            block_size=block_size,
            progress_handler=progress_handler,
            error_handler=error_handler,
        )
        await sink.run(target)


async def relay_files(
    source_runner: CommandRunner,
    paths: Sequence[bytes],
    target_runner: CommandRunner,
    target: bytes,
    *,
    preserve: bool = False,
    recurse: bool = False,
    block_size: int = BLOCK_SIZE,
    error_handler: ErrorHandler | None = None,
) -> None:
    """Copy files from one host to another, through here and without touching a disk.

    Only names that were asked for are passed on. Parameters as in `send_files` and
    `receive_files`. Raises SFTPError.
    """
    fetch = ScpCommand(True, tuple(paths), recurse, preserve)
    store = ScpCommand(False, (target,), recurse, preserve, directory=len(paths) > 1)
    async with (
        source_runner(fetch.encode()) as (reader, writer),
        target_runner(store.encode()) as (target_reader, target_writer),
    ):
        source = ScpStream(reader, writer)
        sink = ScpStream(target_reader, target_writer)

        def check(record: Record, depth: int) -> None:
            check_asked(record, depth, recurse=recurse, expected=expected)

        expected = expected_names(paths)
        await _relay(source, sink, check, block_size, error_handler)


async def _relay(
    source: ScpStream,
    sink: ScpStream,
    check: Callable[[Record, int], None],
    block_size: int,
    error_handler: ErrorHandler | None,
) -> None:
    await sink.read_reply()
    await source.write(b"\0")
    depth = 0
    while (line := await source.read_line()) is not None:
        if line[:1] in (b"\1", b"\2"):
            error = reported(line[1:], fatal=line[:1] == b"\2")
            if error_handler is None or error.fatal:
                raise error
            error_handler(error)
            continue
        record = decode_record(line)
        if record.kind == "E" and not depth:
            raise SFTPBadMessage("scp: end of a directory that was not begun")
        if record.kind in ("C", "D"):
            check(record, depth)
        await sink.write(record.encode())
        accepted = await _pass_reply(sink, source, error_handler)
        if record.kind == "E":
            depth -= 1
        elif record.kind == "D" and accepted:
            depth += 1
        if record.kind != "C" or not accepted:
            continue
        left = record.size
        while left:
            data = await source.read_data(min(left, block_size))
            await sink.write(data)
            left -= len(data)
        await _pass_reply(source, sink, error_handler)
        await _pass_reply(sink, source, error_handler)


async def _pass_reply(
    giver: ScpStream, taker: ScpStream, error_handler: ErrorHandler | None
) -> bool:
    """Hand a reply on; False if it was an error."""
    (code,) = await giver.read_data(1)
    if code == 0:
        await taker.write(b"\0")
        return True
    if code not in (1, 2):
        raise SFTPBadMessage(f"scp: reply {code}")
    text = await giver.read_line() or b""
    await taker.write(bytes((code,)) + text + b"\n")
    error = reported(text, fatal=code == 2)
    if error_handler is None or error.fatal:
        raise error
    error_handler(error)
    return False
