"""Going on with a transfer that was interrupted.

What is there already counts only if its last part is equal on both sides; otherwise the transfer
starts again. Lengths alone would take any other file of the same name for a beginning.
"""

from __future__ import annotations

import os
from typing import Final

from ssh_sftp import local
from ssh_sftp.aio import SFTPClientHandler
from ssh_sftp.client.replies import attrs_reply, data_reply, handle_reply, status_reply
from ssh_sftp.codec import requests
from ssh_sftp.codec.attrs import SFTPAttrs
from ssh_sftp.codec.attrs_flags import FILEXFER_ATTR_SIZE
from ssh_sftp.codec.constants import (
    ACE4_READ_DATA,
    FXF_OPEN_EXISTING,
    FXF_READ,
    SAFE_BLOCK_SIZE,
)
from ssh_sftp.codec.wire import encode_uint32
from ssh_sftp.errors import SFTPEOFError, SFTPError

__all__ = ["resume_download", "resume_upload"]

# Bytes at the end of what is there that are compared.
_OVERLAP: Final = 2 * SAFE_BLOCK_SIZE


async def resume_download(
    handler: SFTPClientHandler, handle: bytes, descriptor: int, size: int
) -> int:
    """Return where to go on with a local file; it is emptied if that is its beginning.

    Parameters:
        handle: the file of the server, open for reading.
        descriptor: the local file, open for reading and writing.
        size: length of the file of the server.

    Raises SFTPError, OSError.
    """
    there = os.fstat(descriptor).st_size
    if 0 < there <= size and await _same_end(handler, handle, descriptor, there):
        return there
    os.ftruncate(descriptor, 0)
    return 0


async def resume_upload(
    handler: SFTPClientHandler, path: bytes, handle: bytes, descriptor: int
) -> int:
    """Return where to go on with a file of the server; it is emptied if that is its beginning.

    Parameters:
        path: the file of the server, which is opened once more for reading.
        handle: the same, open for writing.
        descriptor: the local file, open for reading.

    Raises SFTPError, OSError.
    """
    version = handler.core.version
    wanted = b"" if version == 3 else encode_uint32(FILEXFER_ATTR_SIZE)
    there = (await handler.request(attrs_reply, requests.FStat, handle, wanted)).size or 0
    if not there:
        return 0
    if there <= os.fstat(descriptor).st_size:
        attrs = SFTPAttrs().encode(version)
        try:
            if version >= 5:
                reading = await handler.request(
                    handle_reply, requests.Open56, path, ACE4_READ_DATA, FXF_OPEN_EXISTING, attrs
                )
            else:
                reading = await handler.request(handle_reply, requests.Open, path, FXF_READ, attrs)
        except SFTPError:
            pass  # it may be written but not read: there is nothing to compare
        else:
            try:
                if await _same_end(handler, reading, descriptor, there):
                    return there
            finally:
                handler.close_handle(reading)
    body = SFTPAttrs(size=0).encode(version)
    await handler.request(status_reply, requests.FSetStat, handle, body)
    return 0


async def _same_end(handler: SFTPClientHandler, handle: bytes, descriptor: int, there: int) -> bool:
    """Whether the bytes in front of `there` are the same on both sides."""
    offset = max(0, there - _OVERLAP)
    while offset < there:
        size = min(SAFE_BLOCK_SIZE, there - offset)
        try:
            data = await handler.request(data_reply, requests.Read, handle, offset, size)
        except SFTPEOFError:
            return False
        if not 0 < len(data) <= size or local.read_at(descriptor, len(data), offset) != data:
            return False
        offset += len(data)
    return True
