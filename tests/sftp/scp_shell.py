"""Stands in for ssh in `scp -O -S`: does what the remote command asks for with our scp server.

Arguments: the root to serve, then what scp gives to ssh; the last one is the command.
"""

from __future__ import annotations

import asyncio
import os
import sys

from ssh_sftp import SFTPServer
from ssh_sftp.pipes import PipeTransport
from ssh_sftp.protocols import ByteTransport
from ssh_sftp.scp.protocol import parse_command
from ssh_sftp.scp.server import serve_scp


class Streams:
    """A stream as the two halves that scp wants."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()
        self.closed = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()

    def connection_made(self, transport: ByteTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self.reader.feed_data(data[start:end])

    def eof_received(self) -> bool | None:
        self.reader.feed_eof()
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        self.reader.feed_eof()
        self._free.set()
        self.closed.set()

    def pause_writing(self) -> None:
        self._free.clear()

    def resume_writing(self) -> None:
        self._free.set()

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    async def drain(self) -> None:
        await self._free.wait()


async def main() -> int:
    """Serve one command on standard input and output."""
    command = parse_command(sys.argv[-1])
    if command is None:
        print(f"not scp: {sys.argv[-1]!r}", file=sys.stderr)
        return 127
    streams = Streams()
    transport = PipeTransport(asyncio.get_running_loop(), os.dup(0), os.dup(1), streams)
    status = await serve_scp(command, SFTPServer(chroot=sys.argv[1]), streams.reader, streams)
    transport.close()
    await streams.closed.wait()
    return status


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
