"""What `allow_scp` does: the other end of `scp -O` for clients that have no SFTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ssh_connection import (
    BreakReceived,
    SignalReceived,
    SSHReader,
    SSHServerChannel,
    SSHServerSession,
    SSHWriter,
    TerminalSizeChanged,
)
from ssh_connection.stream_session import SSHServerStreamSession
from ssh_sftp import scp

if TYPE_CHECKING:
    from ssh_sftp import SFTPServer

__all__ = ["scp_interceptor"]


def scp_interceptor(
    factory: Callable[[SSHServerChannel[bytes]], SFTPServer],
) -> Callable[[str, SSHServerChannel[bytes]], SSHServerSession[bytes] | None]:
    """Return what serves the other end of `scp -O` with the servers that `factory` makes."""

    def intercept(line: str, chan: SSHServerChannel[bytes]) -> SSHServerSession[bytes] | None:
        command = scp.parse_command(line)
        if command is None:
            return None

        async def serve(
            stdin: SSHReader[bytes], stdout: SSHWriter[bytes], stderr: SSHWriter[bytes]
        ) -> None:
            try:
                chan.exit(await scp.serve_scp(command, factory(chan), stdin, stdout))
            except (BreakReceived, SignalReceived, TerminalSizeChanged):
                chan.exit(1)

        return SSHServerStreamSession(serve)

    return intercept
