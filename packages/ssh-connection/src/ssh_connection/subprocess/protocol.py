"""What an application derives its subprocess protocols from."""

from __future__ import annotations

from typing import TYPE_CHECKING, AnyStr, Generic

if TYPE_CHECKING:
    from .transport import SSHSubprocessTransport

__all__ = ["SSHSubprocessProtocol"]


class SSHSubprocessProtocol(Generic[AnyStr]):
    """What an application is told about a process that `create_subprocess` has started.

    As `asyncio.SubprocessProtocol`. Callbacks are plain functions, called from the event loop. An
    exception that one raises ends the process, never the connection.
    """

    def connection_made(self, transport: SSHSubprocessTransport[AnyStr]) -> None:
        """The process runs; always the first call.

        Parameters:
            transport: writes to the process and controls it.
        """

    def pipe_data_received(self, fd: int, data: AnyStr) -> None:
        """The process has written something.

        Parameters:
            fd: 1 for its standard output, 2 for its standard error.
            data: `str` if the process was started with an encoding, else bytes.
        """

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """The process writes nothing more to a pipe, or it is redirected and all has ended.

        Parameters:
            fd: 1 or 2.
            exc: what went wrong, None if nothing did.
        """

    def process_exited(self) -> None:
        """The process has ended; `get_returncode` of the transport says how.

        It is None if nobody knows. What the process has written may still come.
        """

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed and everything was delivered; always the last call.

        Parameters:
            exc: what went wrong, None if nothing did.
        """

    def pause_writing(self) -> None:
        """More waits to be sent than the high-water mark: stop writing for now."""

    def resume_writing(self) -> None:
        """No more waits than the low-water mark: writing may go on."""
