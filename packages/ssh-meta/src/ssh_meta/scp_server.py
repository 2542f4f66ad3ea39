"""What `allow_scp` does: the other end of `scp -O` for clients that have no SFTP."""

from __future__ import annotations

from collections.abc import Callable

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
from ssh_sftp import SFTPServer
from ssh_sftp.scp.protocol import parse_command
from ssh_sftp.scp.server import serve_scp

__all__ = ["scp_interceptor"]


def scp_interceptor(
    factory: Callable[[SSHServerChannel[bytes]], SFTPServer],
) -> Callable[[str, SSHServerChannel[bytes]], SSHServerSession[bytes] | None]:
    """Return what serves the other end of `scp -O` with the servers that `factory` makes."""

    def intercept(line: str, chan: SSHServerChannel[bytes]) -> SSHServerSession[bytes] | None:
        command = parse_command(line)
        if command is None:
            return None

        async def serve(
            stdin: SSHReader[bytes], stdout: SSHWriter[bytes], stderr: SSHWriter[bytes]
        ) -> None:
            try:
                chan.exit(await serve_scp(command, factory(chan), stdin, stdout))
            except (BreakReceived, SignalReceived, TerminalSizeChanged):
                chan.exit(1)

        return SSHServerStreamSession(serve)

    return intercept
