"""SFTP over the pipes of a program, such as `ssh -s host sftp` or OpenSSH's `sftp-server`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Sequence
from typing import Final

from ssh_sftp.aio import SFTPClientHandler
from ssh_sftp.client.client import SFTPClient
from ssh_sftp.codec.constants import MIN_SFTP_VERSION
from ssh_sftp.opening import opening
from ssh_sftp.pipes import PipeTransport

try:
    import fcntl

    F_SETPIPE_SZ: int | None = getattr(fcntl, "F_SETPIPE_SZ", None)
except ImportError:  # pragma: no cover - Windows
    F_SETPIPE_SZ = None

__all__ = ["connect_subprocess", "start_sftp_client"]

_PIPE_SIZE: Final = 1024 * 1024
_KILL: Final = getattr(signal, "SIGKILL", signal.SIGTERM)
# A program whose input has ended should end too; this is how long it gets.
_EXIT_SECONDS: Final = 5.0

# The same when the event loop ends.
_LAST_SECONDS: Final = 1.0


async def start_sftp_client(
    handler: SFTPClientHandler,
    *,
    path_encoding: str | None = "utf-8",
    path_errors: str = "strict",
    sftp_version: int = MIN_SFTP_VERSION,
    timeout: float | None = 60.0,
) -> SFTPClient:
    """Start a session on a handler that is bound to an open stream; return the client.

    Parameters:
        handler: its `connection_made` was called.
        path_encoding: encoding of file names; None for bytes only.
        path_errors: how encoding errors in names are treated.
        sftp_version: highest version to offer, 3 to 6.
        timeout: seconds for the start of the session; None waits for ever.

    Raises SFTPNoConnection, SFTPConnectionLost, SFTPBadMessage.
    """
    await handler.start(sftp_version, timeout)
    return SFTPClient(handler, path_encoding, path_errors)


@opening
async def connect_subprocess(
    argv: Sequence[str],
    *,
    path_encoding: str | None = "utf-8",
    path_errors: str = "strict",
    sftp_version: int = MIN_SFTP_VERSION,
    timeout: float | None = 60.0,
) -> SFTPClient:
    """Run a program that speaks SFTP on its standard input and output; return the client.

    `await` it, or use it in `async with`, which ends the session.

    Parameters:
        argv: program and arguments; no shell is involved. It ends when its input does.

    The others are as in `start_sftp_client`. Standard error is the caller's.
    Raises OSError if there is no such program, and what `start_sftp_client` raises.
    """
    loop = asyncio.get_running_loop()
    to_program_read, to_program_write = os.pipe()
    from_program_read, from_program_write = os.pipe()
    theirs, ours = (to_program_read, from_program_write), (from_program_read, to_program_write)
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=to_program_read, stdout=from_program_write
        )
    except BaseException:
        for descriptor in ours:
            os.close(descriptor)
        raise
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    for descriptor in ours:
        _enlarge(descriptor)
    handler = SubprocessHandler(loop, process)
    PipeTransport(loop, *ours, handler)
    try:
        return await start_sftp_client(
            handler,
            path_encoding=path_encoding,
            path_errors=path_errors,
            sftp_version=sftp_version,
            timeout=timeout,
        )
    except BaseException:
        handler.abort()
        handler.kill()
        await process.wait()
        raise


def _enlarge(descriptor: int) -> None:
    """Make room for a few blocks in a pipe: fewer wake-ups on both sides."""
    if F_SETPIPE_SZ is not None:
        with contextlib.suppress(OSError):  # the user may be above the limit
            fcntl.fcntl(descriptor, F_SETPIPE_SZ, _PIPE_SIZE)


class SubprocessHandler(SFTPClientHandler):
    """A session on the pipes of a program, which is gone when the session is.

    Parameters:
        loop: the event loop.
        process: the program.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, process: Process) -> None:
        super().__init__(loop)
        self._process = process
        self._outliving = loop.create_task(self._outlive())

    async def _outlive(self) -> None:
        """Be there until the program has ended; end it with the event loop."""
        try:
            await self._process.wait()
        except asyncio.CancelledError:
            try:
                # The session may be ended in order, by somebody who was cancelled, too.
                async with asyncio.timeout(_LAST_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self.kill()
                await self._process.wait()
            raise

    def kill(self) -> None:
        """End the program, if it is there."""
        # Not by asyncio, which until Python 3.12 asks for the status of a program that has just
        # ended: whoever waits for the status would not get it.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, _KILL)

    async def wait_closed(self) -> None:
        """Wait until the pipes are closed and the program has ended; kill one that does not."""
        await super().wait_closed()
        try:
            async with asyncio.timeout(_EXIT_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        except asyncio.CancelledError:
            self.kill()  # nobody has the patience to wait for its end
            raise
