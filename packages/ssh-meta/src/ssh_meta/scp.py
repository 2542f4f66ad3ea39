"""`scp` over SSH connections.

The protocol is in ssh_sftp.scp. SFTP is the better choice wherever the other side has it; this is
for hosts that have nothing but an scp program.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeAlias, Unpack, cast

import ssh_sftp
from ssh_connection import SSHReader
from ssh_connection.options.base import ConfigArg
from ssh_connection.tunnel import parse_destination
from ssh_keys.record import Record
from ssh_sftp import scp as protocol
from ssh_transport import printable

from .api import connect
from .client import SSHClientConnection
from .keywords import ClientKwargs

if TYPE_CHECKING:
    from ssh_sftp.scp.copy import CommandRunner
    from ssh_sftp.scp.protocol import ByteReader, ByteWriter
    from ssh_sftp.scp.source import ErrorHandler, ProgressHandler

__all__ = ["SCPConnection", "SCPPath", "scp"]

SCPConnection: TypeAlias = str | tuple[str, int] | SSHClientConnection | None
"""A host as `[user@]host[:port]` or (host, port), a connection to one, or None for this machine."""

SCPPath: TypeAlias = (
    str | bytes | PurePath | SSHClientConnection | tuple[SCPConnection, str | bytes | PurePath]
)
"""A path as text or bytes, where `[user@]host:path` is on another host; a `Path`, always here; a
pair of host and path; or a connection, for the user's directory there."""

_WINDOW = 16 * 1024 * 1024
_PACKET = 128 * 1024
_END_SECONDS = 10.0
"""How long the program at the other end gets to end after all is copied."""


class SCPKwargs(ClientKwargs, total=False):
    """Keywords of `scp`."""

    port: int | tuple[()]
    config: ConfigArg


class _Place(Record):
    """Where a path is. `host` is None for this machine."""

    host: str | tuple[str, int] | SSHClientConnection | None
    path: bytes


def _place(path: SCPPath) -> _Place:
    """Tell host and path apart; raises ValueError."""
    if isinstance(path, SSHClientConnection):
        return _Place(path, b".")
    if isinstance(path, tuple):
        host, rest = path
        return _Place(host or None, os.fsencode(rest) or b".")
    if isinstance(path, PurePath):
        return _Place(None, os.fsencode(path))
    text = os.fsdecode(path)
    # As scp(1): a colon in front of any slash; an IPv6 address is in brackets.
    start = text.find("]:") + 1 if text.rpartition("@")[2].startswith("[") else 0
    colon = text.find(":", max(start, 0))
    if colon < 1 or "/" in text[:colon] or (os.name == "nt" and colon == 1):
        return _Place(None, os.fsencode(text))
    return _Place(text[:colon], os.fsencode(text[colon + 1 :]) or b".")


class _Runner:
    """`CommandRunner` of a connection."""

    def __init__(self, conn: SSHClientConnection) -> None:
        self._conn = conn

    def __call__(
        self, command: str, /
    ) -> AbstractAsyncContextManager[tuple[ByteReader, ByteWriter]]:
        return self._run(command)

    @asynccontextmanager
    async def _run(self, command: str) -> AsyncIterator[tuple[ByteReader, ByteWriter]]:
        writer, reader, stderr = await self._conn.open_session(
            command, encoding=None, request_pty=False, window=_WINDOW, max_pktsize=_PACKET
        )
        try:
            yield reader, writer
            writer.write_eof()
            async with asyncio.timeout(_END_SECONDS):
                await writer.wait_closed()
        except TimeoutError:
            pass  # everything is copied; what still runs there is not waited for
        except ssh_sftp.SFTPConnectionLost as exc:
            raise ssh_sftp.SFTPConnectionLost(await _explained(exc.reason, stderr)) from None
        finally:
            writer.channel.abort()


async def _explained(reason: str, stderr: SSHReader[bytes]) -> str:
    """Return why the other end has stopped, in its own words if it has any."""
    try:
        async with asyncio.timeout(1):
            text = (await stderr.read(1024)).strip()
    except (TimeoutError, OSError):
        return reason
    return f"{reason}: {printable(text)}" if text else reason


async def _runner(
    stack: AsyncExitStack, host: str | tuple[str, int] | SSHClientConnection, kwargs: SCPKwargs
) -> CommandRunner:
    """Return what runs commands on a host, connecting to it if need be."""
    if isinstance(host, SSHClientConnection):
        return _Runner(host)
    options = SCPKwargs(**kwargs)
    port = options.pop("port", ())
    if isinstance(host, tuple):
        name, port = host
    else:
        user, name, number = parse_destination(host)
        if user is not None:
            options["username"] = user
        port = number or port
    opened = connect(name, port, **cast(ClientKwargs, options))
    return _Runner(await stack.enter_async_context(opened))


async def scp(
    srcpaths: SCPPath | Sequence[SCPPath],
    dstpath: SCPPath | None = None,
    *,
    preserve: bool = False,
    recurse: bool = False,
    block_size: int = protocol.BLOCK_SIZE,
    progress_handler: ProgressHandler | None = None,
    error_handler: ErrorHandler | None = None,
    **kwargs: Unpack[SCPKwargs],
) -> None:
    """Copy files to a host, from a host, or from one host to another through this machine.

    Parameters:
        srcpaths: what to copy, one path or a list of paths on one machine; a host expands
            wildcards in its paths itself.
        dstpath: where to; the current directory here if it is None.
        preserve: keep times and permissions.
        recurse: copy directories with all that is in them.
        block_size: bytes per write.
        progress_handler: called with (source path, target path, bytes copied, bytes in all); not
            possible between two hosts.
        error_handler: called with the exception of each file that failed, instead of raising it.
        kwargs: keywords of `connect`, for hosts that are no connections yet; `port` is for those
            that are given without one.

    Raises SFTPError, OSError, ChannelOpenError, what `connect` raises, and ValueError if both are
    here or the sources are not on one machine.
    """
    if isinstance(srcpaths, str | bytes | PurePath | SSHClientConnection | tuple):
        srcpaths = [cast(SCPPath, srcpaths)]
    sources = [_place(path) for path in srcpaths]
    target = _Place(None, b".") if dstpath is None else _place(dstpath)
    if not sources or any(source.host != sources[0].host for source in sources):
        raise ValueError("scp needs sources that are all on one machine")
    origin, paths = sources[0].host, [source.path for source in sources]
    async with AsyncExitStack() as stack:
        if origin is None and target.host is None:
            raise ValueError("scp needs a host: both source and target are on this machine")
        if origin is None:
            assert target.host is not None
            runner = await _runner(stack, target.host, kwargs)
            await protocol.send_files(
                runner,
                paths,
                target.path,
                preserve=preserve,
                recurse=recurse,
                block_size=block_size,
                progress_handler=progress_handler,
                error_handler=error_handler,
            )
        elif target.host is None:
            runner = await _runner(stack, origin, kwargs)
            await protocol.receive_files(
                runner,
                paths,
                target.path,
                preserve=preserve,
                recurse=recurse,
                block_size=block_size,
                progress_handler=progress_handler,
                error_handler=error_handler,
            )
        else:
            if progress_handler is not None:
                raise ValueError("scp between two hosts has no progress_handler")
            await protocol.relay_files(
                await _runner(stack, origin, kwargs),
                paths,
                await _runner(stack, target.host, kwargs),
                target.path,
                preserve=preserve,
                recurse=recurse,
                block_size=block_size,
                error_handler=error_handler,
            )
