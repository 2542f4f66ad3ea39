"""`python -m ssh_sftp.stdio`: an SFTP server on standard input and output.

For `sftp -D`, for tests, and as the `Subsystem sftp` of another SSH server.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from ssh_sftp.aio import SFTPServerHandler
from ssh_sftp.pipes import PipeTransport
from ssh_sftp.server.filesystem import SFTPServer

__all__ = ["main", "serve_stdio"]


async def serve_stdio(server: SFTPServer) -> None:
    """Serve one session on standard input and output, and return at its end."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    handler = SFTPServerHandler(server, loop, ended.set)
    # Duplicates, so that closing them leaves descriptors 0 and 1 in place; standard output is
    # pointed at standard error, so that nothing printed by accident gets among the packets.
    read_fd, write_fd = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    PipeTransport(loop, read_fd, write_fd, handler)
    await ended.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server; returns the exit status."""
    parser = argparse.ArgumentParser(prog="ssh_sftp.stdio", description=__doc__)
    parser.add_argument("--chroot", metavar="DIR", help="serve nothing but this directory")
    parser.add_argument("-d", metavar="DIR", dest="directory", help="start in this directory")
    options = parser.parse_args(arguments)
    if options.directory:
        os.chdir(options.directory)
    asyncio.run(serve_stdio(SFTPServer(chroot=options.chroot)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
