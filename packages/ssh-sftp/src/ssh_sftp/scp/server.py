"""scp as a server: the other end of `scp -O`, on the files of an `SFTPServer`."""

from __future__ import annotations

import logging
from inspect import isawaitable

from ssh_sftp.errors import SFTPConnectionLost, SFTPError, SFTPFailure
from ssh_sftp.scp.expansion import Expansion
from ssh_sftp.scp.files import ServerFiles
from ssh_sftp.scp.protocol import ByteReader, ByteWriter, ScpCommand, ScpStream
from ssh_sftp.scp.sink import ScpSink
from ssh_sftp.scp.source import ScpSource
from ssh_sftp.server.filesystem import SFTPServer

__all__ = ["serve_scp"]

logger = logging.getLogger("ssh_sftp.scp")


async def serve_scp(
    command: ScpCommand, server: SFTPServer, reader: ByteReader, writer: ByteWriter
) -> int:
    """Do what a command asks for, then end the server; return the exit status, 0 or 1.

    Parameters:
        command: from `parse_command`.
        server: its files are read and written.
        reader, writer: the stream to the client.
    """
    stream = ScpStream(reader, writer)
    files = ServerFiles(server)
    failed = False

    def note(error: BaseException) -> None:
        # Not kept: a client may report as many as it likes.
        nonlocal failed
        failed = True

    try:
        paths = await _expanded(command, files, stream)
        if command.source:
            source = ScpSource(
                stream,
                files,
                preserve=command.preserve,
                recurse=command.recurse,
                error_handler=note,
            )
            await source.run(paths)
        else:
            sink = ScpSink(
                stream,
                files,
                preserve=command.preserve,
                recurse=command.recurse,
                directory=command.directory,
                error_handler=note,
            )
            await sink.run(paths[0])
    except SFTPConnectionLost as exc:
        logger.info("scp ended: %s", exc.reason)
        return 1
    except (SFTPError, OSError) as exc:
        logger.info("scp failed: %s", exc)
        return 1
    finally:
        ended = server.exit()
        if isawaitable(ended):
            await ended
    return 1 if failed else 0


async def _expanded(command: ScpCommand, files: ServerFiles, stream: ScpStream) -> list[bytes]:
    """Return the paths, with patterns replaced as a shell does it before scp starts."""
    if not command.patterns:
        return list(command.paths)
    expansion = Expansion(files)
    try:
        paths = [path for word in command.patterns for path in await expansion.expand(word)]
        if not command.source and len(paths) > 1:
            raise SFTPFailure("ambiguous target")
    except SFTPFailure as exc:
        await stream.write_error(exc.reason, fatal=True)
        raise
    return paths
