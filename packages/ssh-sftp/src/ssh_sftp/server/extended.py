"""Handlers of SSH_FXP_EXTENDED: OpenSSH's extensions (PROTOCOL section 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ssh_sftp.codec import extensions
from ssh_sftp.codec.attrs import SFTPAttrs, SFTPLimits, SFTPName
from ssh_sftp.codec.constants import (
    FX_INVALID_PARAMETER,
    MAX_BLOCK_SIZE,
    MAX_PACKET_LENGTH,
    PacketType,
)
from ssh_sftp.codec.responses import decode_attrs, encode_names
from ssh_sftp.codec.wire import PacketDecodeError, decode_uint32, encode_string
from ssh_sftp.server.core import Handler, SFTPServerCore, encode_nothing
from ssh_sftp.server.records import as_vfs_attrs

__all__ = ["EXTENDED"]

_REPLY = bytes((PacketType.SSH_FXP_EXTENDED_REPLY,))
_NAME = bytes((PacketType.SSH_FXP_NAME,))


def posix_rename(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """`posix-rename@openssh.com` (section 4.3)."""
    request = extensions.PosixRename.decode(data, pos, end)
    old, new, server = request.oldpath, request.newpath, core.server
    core.run(
        request_id, core.path_lane, True, lambda: server.posix_rename(old, new), encode_nothing
    )


def hardlink(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """`hardlink@openssh.com` (section 4.5)."""
    request = extensions.HardLink.decode(data, pos, end)
    old, new, server = request.oldpath, request.newpath, core.server
    core.run(request_id, core.path_lane, True, lambda: server.link(old, new), encode_nothing)


def _encode_vfs(result: object) -> bytes:
    return _REPLY + as_vfs_attrs(result).encode()


def statvfs(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """`statvfs@openssh.com` (section 4.4)."""
    path = extensions.StatVFS.decode(data, pos, end).path
    server = core.server
    core.run(request_id, core.path_lane, False, lambda: server.statvfs(path), _encode_vfs)


def fstatvfs(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """`fstatvfs@openssh.com` (section 4.4)."""
    file = core.file(extensions.FStatVFS.decode(data, pos, end).handle)
    server = core.server
    core.run(request_id, file.lane, False, lambda: server.fstatvfs(file.file_obj), _encode_vfs)


def fsync(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """`fsync@openssh.com` (section 4.6)."""
    file = core.file(extensions.FSync.decode(data, pos, end).handle)
    server = core.server
    core.run(request_id, file.lane, True, lambda: server.fsync(file.file_obj), encode_nothing)


def lsetstat(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """`lsetstat@openssh.com` (section 4.7)."""
    request = extensions.LSetStat.decode(data, pos, end)
    attrs = decode_attrs(request.attrs, 0, len(request.attrs), core.version)
    path, server = request.path, core.server
    core.run(request_id, core.path_lane, True, lambda: server.lsetstat(path, attrs), encode_nothing)


def limits(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """`limits@openssh.com` (section 4.8)."""
    extensions.Limits.decode(data, pos, end)
    reply = SFTPLimits(MAX_PACKET_LENGTH, MAX_BLOCK_SIZE, MAX_BLOCK_SIZE, core.max_handles)
    core.run(request_id, core.path_lane, False, lambda: None, lambda _: _REPLY + reply.encode())


def _name_reply(path: bytes, version: int) -> bytes:
    return _NAME + encode_names([SFTPName(path, path, SFTPAttrs())], version)


def expand_path(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """`expand-path@openssh.com` (section 4.9)."""
    path = extensions.ExpandPath.decode(data, pos, end).path
    server = core.server
    core.run(
        request_id,
        core.path_lane,
        False,
        lambda: server.expand_path(path),
        lambda result: _name_reply(result, core.version),
    )


def home_directory(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """`home-directory` (section 4.11)."""
    user = extensions.HomeDirectory.decode(data, pos, end).username
    server = core.server
    core.run(
        request_id,
        core.path_lane,
        False,
        lambda: server.expand_path(b"~" + user),
        lambda result: _name_reply(result, core.version),
    )


def copy_data(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """`copy-data` (section 4.10). Has the target alone; the source is only read."""
    request = extensions.CopyData.decode(data, pos, end)
    if request.read_from_handle == request.write_to_handle:
        core.send_status(request_id, FX_INVALID_PARAMETER, "source and target are the same handle")
        return
    source = core.file(request.read_from_handle)
    target = core.file(request.write_to_handle)
    server = core.server
    core.run(
        request_id,
        target.lane,
        True,
        lambda: server.copy_data(
            source.file_obj,
            request.read_from_offset,
            request.read_data_length,
            target.file_obj,
            request.write_to_offset,
        ),
        encode_nothing,
    )


def users_groups_by_id(
    core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int
) -> None:
    """`users-groups-by-id@openssh.com` (section 4.12)."""
    request = extensions.UsersGroupsById.decode(data, pos, end)
    users = _names(request.uids, core.server.format_user)
    groups = _names(request.gids, core.server.format_group)
    reply = _REPLY + encode_string(users) + encode_string(groups)
    core.run(request_id, core.path_lane, False, lambda: None, lambda _: reply)


def _names(ids: bytes, name_of: Callable[[int], str]) -> bytes:
    """Names for packed ids; one that has no name gives an empty string."""
    if len(ids) > 4 * 1024:
        raise PacketDecodeError("more than 1024 ids")
    names = []
    pos = 0
    while pos < len(ids):
        number, pos = decode_uint32(ids, pos, len(ids))
        name = name_of(number)
        names.append(encode_string(b"" if name == str(number) else name.encode()))
    return b"".join(names)


EXTENDED: Final[dict[bytes, Handler]] = {
    b"posix-rename@openssh.com": posix_rename,
    b"statvfs@openssh.com": statvfs,
    b"fstatvfs@openssh.com": fstatvfs,
    b"hardlink@openssh.com": hardlink,
    b"fsync@openssh.com": fsync,
    b"lsetstat@openssh.com": lsetstat,
    b"limits@openssh.com": limits,
    b"expand-path@openssh.com": expand_path,
    b"copy-data": copy_data,
    b"home-directory": home_directory,
    b"users-groups-by-id@openssh.com": users_groups_by_id,
}
