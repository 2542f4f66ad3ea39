"""`copy-data` on the server (PROTOCOL section 4.10)."""

from __future__ import annotations

import asyncio
import errno
import io
import os
from inspect import isawaitable
from typing import TYPE_CHECKING, Final

from ssh_sftp.codec.constants import MAX_BLOCK_SIZE
from ssh_sftp.errors import SFTPEOFError, SFTPFailure, SFTPInvalidParameter

if TYPE_CHECKING:
    from ssh_sftp.server.filesystem import SFTPServer

# Bytes copied by the kernel before other sessions get their turn.
_STEP: Final = 8 * 1024 * 1024
_NO_KERNEL_COPY: Final = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF)


async def copy_data(
    server: SFTPServer,
    source: object,
    source_offset: int,
    length: int,
    target: object,
    target_offset: int,
) -> None:
    """Copy a range; a length of 0 copies to the end. Raises SFTPError, OSError."""
    plain = (
        server.reads_plainly
        and server.writes_pieces
        and isinstance(source, io.FileIO)
        and isinstance(target, io.FileIO)
    )
    if isinstance(source, io.FileIO) and isinstance(target, io.FileIO):
        # Reading what was just written would go on until the disk is full.
        if os.path.samestat(os.fstat(source.fileno()), os.fstat(target.fileno())):
            raise SFTPInvalidParameter("source and target are the same file")
        if plain and await _kernel_copy(source, source_offset, length, target, target_offset):
            return
    done = 0
    while not length or done < length:
        size = MAX_BLOCK_SIZE if not length else min(MAX_BLOCK_SIZE, length - done)
        try:
            data = server.read(source, source_offset + done, size)
            if isawaitable(data):
                data = await data
        except SFTPEOFError:
            return
        if not data:
            return
        written = server.write(target, target_offset + done, data)
        if isawaitable(written):
            await written
        done += len(data)
        await asyncio.sleep(0)


async def _kernel_copy(
    source: io.FileIO, source_offset: int, length: int, target: io.FileIO, target_offset: int
) -> bool:
    """Let the kernel copy; False if it cannot, with nothing done."""
    if not hasattr(os, "copy_file_range"):
        return False
    done = 0
    while not length or done < length:
        step = _STEP if not length else min(_STEP, length - done)
        try:
            count = os.copy_file_range(
                source.fileno(), target.fileno(), step, source_offset + done, target_offset + done
            )
        except OSError as exc:
            if not done and exc.errno in _NO_KERNEL_COPY:
                return False
            raise
        if not count:
            if not done and not length:
                return False  # files of /proc give nothing this way
            break
        done += count
        await asyncio.sleep(0)
        if source.closed or target.closed:
            raise SFTPFailure("file was closed while it was copied")
    return True
