"""What a reply body turns into: one function per kind of answer that a request may have.

Each takes (kind, data, pos, end, version) and returns the value, raises the SFTPError that the
server reported, or raises SFTPBadMessage or PacketDecodeError for an answer that does not belong to
the request, which ends the session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ssh_sftp.codec import responses
from ssh_sftp.codec.attrs import SFTPAttrs, SFTPLimits, SFTPName, SFTPVFSAttrs
from ssh_sftp.codec.constants import PacketType
from ssh_sftp.codec.wire import decode_string
from ssh_sftp.errors import SFTPBadMessage, SFTPError

T = TypeVar("T")
ReplyDecoder = Callable[[int, bytes, int, int, int], T]

_STATUS = PacketType.SSH_FXP_STATUS.value
_HANDLE = PacketType.SSH_FXP_HANDLE.value
_DATA = PacketType.SSH_FXP_DATA.value
_NAME = PacketType.SSH_FXP_NAME.value
_ATTRS = PacketType.SSH_FXP_ATTRS.value
_EXTENDED_REPLY = PacketType.SSH_FXP_EXTENDED_REPLY.value


class ReportedError(Exception):
    """Carries the SFTPError that the server reported: no fault of the session."""

    def __init__(self, error: SFTPError) -> None:
        super().__init__(error)
        self.error = error


def _expect(wanted: int, kind: int, data: bytes, pos: int, end: int) -> None:
    if kind == wanted:
        return
    if kind == _STATUS:
        error = responses.decode_error(data, pos, end)
        if error is not None:
            raise ReportedError(error)
        raise SFTPBadMessage("status SSH_FX_OK where a result was asked for")
    raise SFTPBadMessage(f"reply of type {kind} where type {wanted} was asked for")


def status_reply(kind: int, data: bytes, pos: int, end: int, _version: int) -> None:
    """SSH_FXP_STATUS."""
    if kind != _STATUS:
        raise SFTPBadMessage(f"reply of type {kind} where a status was asked for")
    error = responses.decode_error(data, pos, end)
    if error is not None:
        raise ReportedError(error)


def handle_reply(kind: int, data: bytes, pos: int, end: int, _version: int) -> bytes:
    """SSH_FXP_HANDLE."""
    _expect(_HANDLE, kind, data, pos, end)
    return responses.decode_handle(data, pos, end)


def data_reply(kind: int, data: bytes, pos: int, end: int, version: int) -> bytes:
    """SSH_FXP_DATA."""
    _expect(_DATA, kind, data, pos, end)
    value, pos = decode_string(data, pos, end)
    if pos != end and not (version >= 6 and pos + 1 == end):
        raise SFTPBadMessage(f"{end - pos} bytes behind the data")
    return value


def names_reply(kind: int, data: bytes, pos: int, end: int, version: int) -> list[SFTPName]:
    """SSH_FXP_NAME."""
    _expect(_NAME, kind, data, pos, end)
    return responses.decode_names(data, pos, end, version)


def name_reply(kind: int, data: bytes, pos: int, end: int, version: int) -> SFTPName:
    """SSH_FXP_NAME with exactly one name (REALPATH, READLINK)."""
    names = names_reply(kind, data, pos, end, version)
    if len(names) != 1:
        raise SFTPBadMessage(f"{len(names)} names where one was asked for")
    return names[0]


def attrs_reply(kind: int, data: bytes, pos: int, end: int, version: int) -> SFTPAttrs:
    """SSH_FXP_ATTRS."""
    if kind != _ATTRS:
        _expect(_ATTRS, kind, data, pos, end)
    return responses.decode_attrs(data, pos, end, version)


def vfs_reply(kind: int, data: bytes, pos: int, end: int, _version: int) -> SFTPVFSAttrs:
    """SSH_FXP_EXTENDED_REPLY of statvfs@openssh.com."""
    _expect(_EXTENDED_REPLY, kind, data, pos, end)
    return SFTPVFSAttrs.decode(data, pos, end)


def limits_reply(kind: int, data: bytes, pos: int, end: int, _version: int) -> SFTPLimits:
    """SSH_FXP_EXTENDED_REPLY of limits@openssh.com."""
    _expect(_EXTENDED_REPLY, kind, data, pos, end)
    return SFTPLimits.decode(data, pos, end)


def extended_reply(kind: int, data: bytes, pos: int, end: int, _version: int) -> bytes:
    """SSH_FXP_EXTENDED_REPLY, undecoded."""
    _expect(_EXTENDED_REPLY, kind, data, pos, end)
    return bytes(data[pos:end])
