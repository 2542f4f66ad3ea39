"""Processes that a server runs for its clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import AnyStr, cast

from ..channel.session_server import SSHServerChannel
from ..constants import DEFAULT_LANG, EXTENDED_DATA_STDERR
from ..stream import SSHReader, SSHWriter
from ..stream_session import SSHServerStreamSession
from .base import ProcessStream, SSHProcess
from .redirect import DEFAULT_BUFSIZE, ProcessSource, ProcessTarget

__all__ = ["SSHServerProcess"]


class SSHServerProcess(SSHProcess[AnyStr], SSHServerStreamSession[AnyStr]):
    """A process of a server: what is called when a client asks for a shell or a command.

    Parameters:
        process_factory: is given the process when it starts; a function or a coroutine function.
    """

    def __init__(
        self, process_factory: Callable[[SSHServerProcess[AnyStr]], Awaitable[None] | None]
    ) -> None:
        super().__init__()
        self._process_factory: Callable[[SSHServerProcess[AnyStr]], Awaitable[None] | None] = (
            process_factory
        )

    def _has_handler(self) -> bool:
        return True

    def session_started(self) -> None:
        """Start the handler."""
        self._run(self._process_factory(self))

    # --- Information -------------------------------------------------------------------------

    @property
    def channel(self) -> SSHServerChannel[AnyStr]:
        """The channel of the process."""
        return cast("SSHServerChannel[AnyStr]", self.stream_channel)

    @ProcessStream
    def stdin(self) -> SSHReader[AnyStr]:
        """Reads what the client sends."""
        return SSHReader(self, self.stream_channel)

    @ProcessStream
    def stdout(self) -> SSHWriter[AnyStr]:
        """Writes to the client's standard output."""
        return SSHWriter(self, self.stream_channel)

    @ProcessStream
    def stderr(self) -> SSHWriter[AnyStr]:
        """Writes to the client's standard error."""
        return SSHWriter(self, self.stream_channel, EXTENDED_DATA_STDERR)

    @property
    def term_type(self) -> str | None:
        """Type of the pseudo-terminal, or None if there is none."""
        return self.channel.get_terminal_type()

    @property
    def term_size(self) -> tuple[int, int, int, int]:
        """Width and height in characters, then in pixels; 0 if not known."""
        return self.channel.get_terminal_size()

    @property
    def term_modes(self) -> Mapping[int, int]:
        """`PTY_*` opcode to value."""
        return self.channel.get_terminal_modes()

    def get_terminal_type(self) -> str | None:
        """Return the type of the pseudo-terminal, or None if there is none."""
        return self.channel.get_terminal_type()

    def get_terminal_size(self) -> tuple[int, int, int, int]:
        """Return width and height in characters, then in pixels; 0 if not known."""
        return self.channel.get_terminal_size()

    def get_terminal_mode(self, mode: int) -> int | None:
        """Return the value of a `PTY_*` mode, or None if the client did not set it."""
        return self.channel.get_terminal_mode(mode)

    # --- Redirection and the end -------------------------------------------------------------

    async def redirect(
        self,
        stdin: ProcessTarget | None = None,
        stdout: ProcessSource | None = None,
        stderr: ProcessSource | None = None,
        bufsize: int = DEFAULT_BUFSIZE,
        send_eof: bool = True,
        recv_eof: bool = True,
    ) -> None:
        """Redirect any of the three streams; None leaves one as it is.

        Parameters:
            stdin: where the client's input goes to; see `SSHClientProcess.redirect`.
            stdout, stderr: what is sent to the client.
            bufsize: bytes read at once from a source.
            send_eof: whether the end of the last source is sent as EOF.
            recv_eof: whether EOF of the client ends the target.

        What comes from a source goes on until its end: wait for that with `stdout.drain()` and
        `stderr.drain()` before `exit`. A program may end before all of its output was read.

        Raises OSError if a file can not be opened, TypeError for something else.
        """
        if stdin is not None:
            await self._redirect_received(None, stdin, recv_eof)
        if stdout is not None:
            await self._redirect_sent(None, stdout, bufsize, send_eof)
        if stderr is not None:
            await self._redirect_sent(EXTENDED_DATA_STDERR, stderr, bufsize, send_eof)

    def exit(self, status: int) -> None:
        """Report the exit status behind all output that was written, and close the channel.

        Parameters:
            status: 0 to 2**32 - 1; ValueError for others.
        """
        self.channel.exit(status)

    def exit_with_signal(
        self, signal: str, core_dumped: bool = False, msg: str = "", lang: str = DEFAULT_LANG
    ) -> None:
        """Report that a signal ended the process, and close the channel.

        Parameters: see `SSHServerChannel.exit_with_signal`.
        """
        self.channel.exit_with_signal(signal, core_dumped, msg, lang)
