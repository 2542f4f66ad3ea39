"""Requests of versions 5 and 6 that version 3 does not have, or has in another form."""

from __future__ import annotations

import posixpath
from collections.abc import Awaitable
from inspect import isawaitable

from ssh_sftp.codec import requests
from ssh_sftp.codec.attrs import SFTPAttrs, SFTPName
from ssh_sftp.codec.constants import (
    FXR_ATOMIC,
    FXR_NATIVE,
    FXR_OVERWRITE,
    FXRP_NO_CHECK,
    FXRP_STAT_ALWAYS,
    FXRP_STAT_IF_EXISTS,
    PacketType,
)
from ssh_sftp.codec.responses import encode_names
from ssh_sftp.codec.wire import PacketDecodeError, decode_byte, decode_string, decode_uint32
from ssh_sftp.errors import SFTPError, SFTPInvalidParameter, SFTPOpUnsupported
from ssh_sftp.server.core import SFTPServerCore, encode_nothing
from ssh_sftp.server.records import as_attrs

__all__ = ["block", "link", "realpath", "replaces", "unblock"]

_NAME = bytes((PacketType.SSH_FXP_NAME,))


def replaces(flags: bytes, version: int) -> bool:
    """Whether the flags of SSH_FXP_RENAME (-05 section 6.5) ask to replace the target.

    Raises PacketDecodeError, SFTPOpUnsupported.
    """
    if version < 5:
        if flags:
            raise PacketDecodeError(f"{len(flags)} bytes behind the last field")
        return False
    value, pos = decode_uint32(flags, 0, len(flags))
    if pos != len(flags):
        raise PacketDecodeError(f"{len(flags) - pos} bytes behind the last field")
    if value & ~(FXR_OVERWRITE | FXR_ATOMIC | FXR_NATIVE):
        raise SFTPOpUnsupported(f"rename flags {value:#x}")
    return bool(value)


def realpath(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_REALPATH of version 6 (-13 section 8.9): a check, and paths to compose."""
    path, pos = decode_string(data, pos, end)
    check = FXRP_NO_CHECK
    if pos < end:
        check, pos = decode_byte(data, pos, end)
    while pos < end:
        part, pos = decode_string(data, pos, end)
        path = posixpath.join(path, part)
    if check not in (FXRP_NO_CHECK, FXRP_STAT_IF_EXISTS, FXRP_STAT_ALWAYS):
        raise SFTPInvalidParameter(f"no check of realpath: {check}")
    core.run(
        request_id,
        core.path_lane,
        False,
        lambda: _checked_path(core, path, check),
        lambda name: _NAME + encode_names([name], core.version),
    )


async def _checked_path(core: SFTPServerCore, path: bytes, check: int) -> SFTPName:
    server = core.server
    real = server.realpath(path)
    if isawaitable(real):
        real = await real
    attrs = SFTPAttrs()
    if check != FXRP_NO_CHECK:
        try:
            result: object | Awaitable[object] = server.stat(real)
            if isawaitable(result):
                result = await result
            attrs = as_attrs(result)
        except (SFTPError, OSError):
            if check == FXRP_STAT_ALWAYS:
                raise
    return SFTPName(real, attrs=attrs)


def link(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_LINK (-13 section 8.7)."""
    _need_version_6(core)
    request = requests.Link.decode(data, pos - 4, end)
    new, existing, server = request.new_link_path, request.existing_path, core.server
    call = server.symlink if request.sym_link else server.link
    core.run(request_id, core.path_lane, True, lambda: call(existing, new), encode_nothing)


def block(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_BLOCK (-13 section 8.8)."""
    _need_version_6(core)
    request = requests.Block.decode(data, pos - 4, end)
    file, server = core.file(request.handle), core.server
    core.run(
        request_id,
        file.lane,
        True,
        lambda: server.lock(file.file_obj, request.offset, request.length, request.uflags),
        encode_nothing,
    )


def unblock(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_UNBLOCK (-13 section 8.8)."""
    _need_version_6(core)
    request = requests.Unblock.decode(data, pos - 4, end)
    file, server = core.file(request.handle), core.server
    core.run(
        request_id,
        file.lane,
        True,
        lambda: server.unlock(file.file_obj, request.offset, request.length),
        encode_nothing,
    )


def _need_version_6(core: SFTPServerCore) -> None:
    if core.version < 6:
        raise SFTPOpUnsupported("the request is of SFTP version 6")
