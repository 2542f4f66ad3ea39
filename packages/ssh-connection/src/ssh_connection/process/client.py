"""Processes that a client has started on a server."""

from __future__ import annotations

import asyncio
import builtins
from typing import AnyStr, cast

from ..channel.session_client import SSHClientChannel
from ..constants import EXTENDED_DATA_STDERR
from ..errors import (
    BreakReceived,
    ExitSignal,
    ProcessError,
    SignalReceived,
    TerminalSizeChanged,
    TimeoutError,
)
from ..stream import SSHReader, SSHWriter
from ..stream_session import SSHClientStreamSession
from .base import ProcessStream, SSHProcess
from .redirect import DEFAULT_BUFSIZE, PIPE, ProcessSource, ProcessTarget
from .result import SSHCompletedProcess

__all__ = ["SSHClientProcess"]


class SSHClientProcess(SSHProcess[AnyStr], SSHClientStreamSession[AnyStr]):
    """A process on the server; made by `create_process`.

    It is an async context manager that closes the process on exit.

    Parameters:
        hold_output: keep output on the channel until `begin` was called, so that what arrives
            at once already goes to where it is redirected, unchanged.
    """

    def __init__(self, *, hold_output: bool = False) -> None:
        super().__init__()
        self._hold_output = hold_output

    def session_started(self) -> None:
        """The command runs; its output may be in the same packet."""
        if self._hold_output:
            self.stream_channel.pause_reading()

    # --- Information -------------------------------------------------------------------------

    @property
    def channel(self) -> SSHClientChannel[AnyStr]:
        """The channel of the process."""
        return cast("SSHClientChannel[AnyStr]", self.stream_channel)

    @ProcessStream
    def stdin(self) -> SSHWriter[AnyStr]:
        """Writes to the standard input of the process."""
        return SSHWriter(self, self.stream_channel)

    @ProcessStream
    def stdout(self) -> SSHReader[AnyStr]:
        """Reads the standard output of the process."""
        return SSHReader(self, self.stream_channel)

    @ProcessStream
    def stderr(self) -> SSHReader[AnyStr]:
        """Reads the standard error of the process."""
        return SSHReader(self, self.stream_channel, EXTENDED_DATA_STDERR)

    @property
    def exit_status(self) -> int | None:
        """The exit status, -1 if a signal ended the process, None if it is not known (yet)."""
        return self.channel.get_exit_status()

    @property
    def exit_signal(self) -> ExitSignal | None:
        """Name, core dumped, message and language of the signal that ended the process."""
        return self.channel.get_exit_signal()

    @property
    def returncode(self) -> int | None:
        """The exit status, or the negative number of the signal that ended the process."""
        return self.channel.get_returncode()

    # --- Redirection -------------------------------------------------------------------------

    async def redirect(
        self,
        stdin: ProcessSource | None = None,
        stdout: ProcessTarget | None = None,
        stderr: ProcessTarget | None = None,
        bufsize: int = DEFAULT_BUFSIZE,
        send_eof: bool = True,
        recv_eof: bool = True,
    ) -> None:
        """Redirect any of the three streams; None leaves one as it is.

        Sources are a file, descriptor, path, pipe, connected socket, `SSHReader`,
        `asyncio.StreamReader`, a file with coroutine methods, `DEVNULL` or `PIPE`; targets are
        the same with writers, and `STDOUT` for stderr. Pipes, descriptors and sockets are closed
        at their end; file objects of plain files are not.

        Parameters:
            bufsize: bytes read at once from a source.
            send_eof: whether the end of the source is sent as EOF.
            recv_eof: whether EOF of the process ends the targets.

        Raises OSError if a file can not be opened, TypeError for something else.
        """
        if stdin is not None:
            await self._redirect_sent(None, stdin, bufsize, send_eof)
        if stdout is not None:
            await self._redirect_received(None, stdout, recv_eof)
        if stderr is not None:
            await self._redirect_received(EXTENDED_DATA_STDERR, stderr, recv_eof)

    async def begin(
        self,
        *,
        input: AnyStr | None = None,
        stdin: ProcessSource = PIPE,
        stdout: ProcessTarget = PIPE,
        stderr: ProcessTarget = PIPE,
        bufsize: int = DEFAULT_BUFSIZE,
        send_eof: bool = True,
        recv_eof: bool = True,
    ) -> None:
        """Do what the arguments of `create_process` say, once the session is there.

        Parameters:
            input: written to stdin, followed by EOF; takes precedence over `stdin`.
            stdin, stdout, stderr, bufsize, send_eof, recv_eof: see `redirect`.

        Raises what `redirect` raises; the process is closed then.
        """
        try:
            if input is not None:
                self.stdin.write(input)
                self.stdin.write_eof()
                stdin = PIPE
            await self.redirect(stdin, stdout, stderr, bufsize, send_eof, recv_eof)
        except BrokenPipeError:
            if input is None:
                self.channel.abort()
                raise
            # The process has ended without reading its input.
            await self.redirect(None, stdout, stderr, bufsize, send_eof, recv_eof)
        except BaseException:
            self.channel.abort()
            raise
        finally:
            self.channel.resume_reading()

    def _pass_on(self, exc: BreakReceived | SignalReceived | TerminalSizeChanged) -> None:
        """What happened in the stream that is our stdin happens to the process."""
        if isinstance(exc, SignalReceived):
            self.send_signal(exc.signal)
        elif isinstance(exc, BreakReceived):
            self.send_break(exc.msec)
        else:
            self.change_terminal_size(*exc.term_size)

    # --- Waiting for the end -----------------------------------------------------------------

    def collect_output(self) -> tuple[AnyStr, AnyStr]:
        """Return what was received on stdout and stderr and not read yet, without waiting."""
        return (
            self.buffer(None).take_all(),
            self.buffer(EXTENDED_DATA_STDERR).take_all(),
        )

    async def communicate(self, input: AnyStr | None = None) -> tuple[AnyStr, AnyStr]:
        """Write `input` and EOF, wait for the end, and return the output that is not redirected.

        Raises what ended the connection if that was not in order, what went wrong with a
        redirection, and ProtocolError for output that does not have the encoding of the channel.
        """
        if input is not None:
            try:
                self.stdin.write(input)
                self.stdin.write_eof()
            except BrokenPipeError:
                pass  # it has ended, or closed its input, without reading all of it
        self.buffer(None).collect()
        self.buffer(EXTENDED_DATA_STDERR).collect()
        await self.wait_closed()
        if self._exception is not None:
            raise self._exception
        for error in (self._redirect_error, *(each.failure for each in self._buffers.values())):
            if error is not None:
                raise error
        return self.collect_output()

    async def wait(
        self, check: bool = False, timeout: float | None = None
    ) -> SSHCompletedProcess[AnyStr]:
        """Wait for the end of the process.

        Parameters:
            check: raise ProcessError for a non-zero exit status or a signal, and if there is none
                of both: when the connection was closed, be it in order, before the process ended,
                and when the server closed the channel without saying how the process ended, as it
                may (RFC 4254 section 6.10). What is not known is no success; ssh(1) exits with 255
                then. `exit_status` is None there.
            timeout: seconds after which to give up; the process goes on then.

        Raises ProcessError; TimeoutError, which holds the output received so far; and what
        `communicate` raises.
        """
        try:
            async with asyncio.timeout(timeout):
                stdout, stderr = await self.communicate()
        except builtins.TimeoutError:
            stdout, stderr = self.collect_output()
            raise TimeoutError(*self._outcome(), stdout, stderr) from None
        if check and self.exit_status:
            raise ProcessError(*self._outcome(), stdout, stderr)
        if check and self.exit_status is None:
            # A server that takes its leave is no failure of the connection, but nobody knows
            # whether the process has done what it was meant to do.
            reason = "Channel closed without an exit status"
            if self.channel.cut_off:
                reason = "Connection closed before the process ended"
            raise ProcessError(*self._outcome(), stdout, stderr, reason)
        return SSHCompletedProcess(*self._outcome(), stdout, stderr)

    def _outcome(
        self,
    ) -> tuple[dict[str, str], str | None, str | None, int | None, ExitSignal | None, int | None]:
        return (
            dict(self.env),
            self.command,
            self.subsystem,
            self.exit_status,
            self.exit_signal,
            self.returncode,
        )

    # --- Requests ----------------------------------------------------------------------------

    def change_terminal_size(
        self, width: int, height: int, pixwidth: int = 0, pixheight: int = 0
    ) -> None:
        """Tell the server the new size of the terminal; see `SSHClientChannel`."""
        self.channel.change_terminal_size(width, height, pixwidth, pixheight)

    def send_break(self, msec: int) -> None:
        """Ask the server for a break of `msec` milliseconds (RFC 4335)."""
        self.channel.send_break(msec)

    def send_signal(self, signal: str | int) -> None:
        """Send a signal to the process; see `SSHClientChannel`."""
        self.channel.send_signal(signal)

    def terminate(self) -> None:
        """Send the signal TERM."""
        self.channel.terminate()

    def kill(self) -> None:
        """Send the signal KILL."""
        self.channel.kill()
