"""`SSHSubprocessTransport`: a process whose output goes to callbacks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, AnyStr, Final, Literal, overload

from ..constants import EXTENDED_DATA_STDERR
from ..process.client import SSHClientProcess
from ..receiver import Receiver
from .pipes import PipeReceiver, SSHSubprocessReadPipe, SSHSubprocessWritePipe
from .protocol import SSHSubprocessProtocol

__all__ = [
    "SSHSubprocessProtocol",
    "SSHSubprocessReadPipe",
    "SSHSubprocessTransport",
    "SSHSubprocessWritePipe",
]

_STDIN: Final = 0
_STDOUT: Final = 1
_STDERR: Final = 2

_NOBODY: SSHSubprocessProtocol[Any] = SSHSubprocessProtocol()


class SSHSubprocessTransport(SSHClientProcess[AnyStr]):
    """A process on the server, as `asyncio.SubprocessTransport`; made by `create_subprocess`.

    What it writes goes to the protocol, so that `stdout` and `stderr` have nothing to read.

    Parameters:
        protocol_factory: makes the protocol.
    """

    def __init__(self, protocol_factory: Callable[[], SSHSubprocessProtocol[AnyStr]]) -> None:
        super().__init__(hold_output=True)
        self._protocol: SSHSubprocessProtocol[AnyStr] = protocol_factory()
        self._pipes: dict[int, PipeReceiver[AnyStr]] = {}
        self._open_pipes = {_STDOUT, _STDERR}
        self._told_start = self._told_exit = False

    # --- Callbacks of the channel ------------------------------------------------------------

    def session_started(self) -> None:
        """The process runs."""
        super().session_started()
        for fd, datatype in ((_STDOUT, None), (_STDERR, EXTENDED_DATA_STDERR)):
            deliver, ended = partial(self._received, fd), partial(self._pipe_lost, fd)
            self._pipes[fd] = PipeReceiver(self.stream_channel, deliver, ended)
            self._receivers[datatype] = self._pipes[fd]
            self._buffers[datatype].feed_eof()
        self._told_start = True
        self._tell(self._protocol.connection_made, self)

    def exit_status_received(self, status: int) -> None:
        """The process exited."""
        self._exited()

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        """A signal ended the process."""
        self._exited()

    def pause_writing(self) -> None:
        """The write buffer of the channel is full."""
        super().pause_writing()
        self._tell(self._protocol.pause_writing)

    def resume_writing(self) -> None:
        """The write buffer of the channel has room again."""
        super().resume_writing()
        self._tell(self._protocol.resume_writing)

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed."""
        self._exited()
        super().connection_lost(exc)
        for pipe in tuple(self._pipes.values()):
            pipe.feed_eof(exc)  # where it was redirected to something else, too
        self._finish()

    # --- Callbacks of the protocol -----------------------------------------------------------

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        try:
            callback(*args)
        except Exception as exc:
            self.stream_channel.delivery_failed(exc)

    def _exited(self) -> None:
        if self._told_start and not self._told_exit:
            self._told_exit = True
            self._tell(self._protocol.process_exited)

    def _received(self, fd: int, data: AnyStr) -> None:
        self._tell(self._protocol.pipe_data_received, fd, data)

    def _pipe_lost(self, fd: int, exc: Exception | None) -> None:
        self._open_pipes.discard(fd)
        self._tell(self._protocol.pipe_connection_lost, fd, exc)
        self._finish()

    def _finish(self) -> None:
        """Behind the last callback: forget what would keep us alive."""
        if self._connection_lost and not self._open_pipes:
            protocol, self._protocol = self._protocol, _NOBODY
            self._pipes.clear()
            self._receivers.update(self._buffers)
            self._tell(protocol.connection_lost, self._exception)

    # --- Redirection -------------------------------------------------------------------------

    def _own_receiver(self, datatype: int | None) -> Receiver[AnyStr]:
        pipe = self._pipes.get(_STDOUT if datatype is None else _STDERR)
        return self._buffers[datatype] if pipe is None else pipe  # it may have ended already

    # --- Public API --------------------------------------------------------------------------

    def get_pid(self) -> int | None:
        """Return None: servers do not tell the number of a process."""
        return None

    @overload
    def get_pipe_transport(self, fd: Literal[0]) -> SSHSubprocessWritePipe[AnyStr]: ...

    @overload
    def get_pipe_transport(self, fd: Literal[1, 2]) -> SSHSubprocessReadPipe[AnyStr]: ...

    @overload
    def get_pipe_transport(
        self, fd: int
    ) -> SSHSubprocessReadPipe[AnyStr] | SSHSubprocessWritePipe[AnyStr] | None: ...

    def get_pipe_transport(
        self, fd: int
    ) -> SSHSubprocessReadPipe[AnyStr] | SSHSubprocessWritePipe[AnyStr] | None:
        """Return the transport of a pipe.

        Parameters:
            fd: 0 for standard input, which is written, 1 for standard output and 2 for standard
                error, which are read; None is returned for others.
        """
        chan = self.stream_channel
        if fd == _STDIN:
            return SSHSubprocessWritePipe(chan)
        if fd not in (_STDOUT, _STDERR):
            return None
        receiver = self._pipes.get(fd)
        if receiver is None:  # behind the end
            receiver = PipeReceiver(chan, lambda data: None, lambda exc: None)
        return SSHSubprocessReadPipe(chan, receiver)

    def get_returncode(self) -> int | None:
        """Return the exit status, or the negative number of the signal; None before the end."""
        return self.returncode

    def close(self) -> None:
        """Close the channel once what was written is sent; nothing more is delivered."""
        super().close()
        for pipe in tuple(self._pipes.values()):
            pipe.drop()
