"""One handler per request: decodes it, calls the method of `SFTPServer`, encodes the reply."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from inspect import isawaitable
from struct import Struct
from typing import TYPE_CHECKING, Final

from ssh_sftp.codec import requests
from ssh_sftp.codec.attrs import SFTPAttrs, SFTPName
from ssh_sftp.codec.constants import FXF_READ, MAX_BLOCK_SIZE, PacketType
from ssh_sftp.codec.framing import pack_data_header
from ssh_sftp.codec.responses import decode_attrs, encode_names
from ssh_sftp.codec.wire import PacketDecodeError, decode_string, decode_uint32, encode_string
from ssh_sftp.errors import SFTPEOFError, SFTPFailure
from ssh_sftp.server import later
from ssh_sftp.server.core import (
    DirectoryHandle,
    FileHandle,
    Handler,
    SFTPServerCore,
    encode_nothing,
)
from ssh_sftp.server.extended import EXTENDED
from ssh_sftp.server.records import as_attrs

if TYPE_CHECKING:
    from ssh_sftp.server.filesystem import SFTPServer

__all__ = ["HANDLERS"]

_READ_TAIL = Struct(">QI")
_HANDLE = bytes((PacketType.SSH_FXP_HANDLE,))
_NAME = bytes((PacketType.SSH_FXP_NAME,))
_ATTRS = bytes((PacketType.SSH_FXP_ATTRS,))
_DATA = bytes((PacketType.SSH_FXP_DATA,))

# A reply to SSH_FXP_READDIR ends at this many names or bytes, whatever comes first.
_BATCH_NAMES: Final = 128
_BATCH_BYTES: Final = 32 * 1024


# --- The data path --------------------------------------------------------------------------------


def read(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_READ (section 6.4)."""
    name, pos = decode_string(data, pos, end)
    if end - pos != 12:
        raise PacketDecodeError(f"Read: {end - pos} bytes behind the handle")
    offset, size = _READ_TAIL.unpack_from(data, pos)
    size = min(size, MAX_BLOCK_SIZE)
    file = core.file(name)
    server = core.server
    if not server.reads_plainly or not file.lane.free_for(exclusive=False):
        core.run(
            request_id,
            file.lane,
            False,
            lambda: server.read(file.file_obj, offset, size),
            lambda result: _encode_data(result, size),
        )
        return
    block = server.read_block(file.file_obj, offset, size)
    count = len(block)
    if not count:
        core.send_status(request_id, 1, "")
        return
    core.send(pack_data_header(request_id, count), block)


def _encode_data(result: object, size: int) -> bytes:
    if not isinstance(result, bytes | bytearray | memoryview):
        raise SFTPFailure("read of the server gave no bytes")
    if not result:
        raise SFTPEOFError
    if len(result) > size:
        raise SFTPFailure("read of the server gave too many bytes")
    return _DATA + encode_string(bytes(result))


def write(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_WRITE (section 6.4) in one piece."""
    name, pos = decode_string(data, pos, end)
    if end - pos < 12:
        raise PacketDecodeError("Write: truncated")
    offset, count = _READ_TAIL.unpack_from(data, pos)
    pos += 12
    if count != end - pos:
        raise PacketDecodeError(f"Write: {count} bytes claimed, {end - pos} there")
    core.write_pieces(request_id, name, offset, [memoryview(data)[pos:end]], count)


# --- Open and close -------------------------------------------------------------------------------


def open_file(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_OPEN (section 6.3; -05 section 6.3.1)."""
    if core.version >= 5:
        _open_file_56(core, request_id, data, pos, end)
        return
    path, pos = decode_string(data, pos, end)
    pflags, pos = decode_uint32(data, pos, end)
    attrs = decode_attrs(data, pos, end, core.version)
    server = core.server
    core.reserve_handle()
    core.run(
        request_id,
        core.path_lane,
        pflags & ~FXF_READ != 0,
        lambda: server.open(path, pflags, attrs),
        lambda result: _HANDLE + encode_string(core.add_handle(FileHandle(result))),
        server.close_late,
    )


def _open_file_56(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    path, pos = decode_string(data, pos, end)
    access, pos = decode_uint32(data, pos, end)
    flags, pos = decode_uint32(data, pos, end)
    attrs = decode_attrs(data, pos, end, core.version)
    server = core.server
    core.reserve_handle()
    core.run(
        request_id,
        core.path_lane,
        True,
        lambda: server.open56(path, access, flags, attrs),
        lambda result: _HANDLE + encode_string(core.add_handle(FileHandle(result))),
        server.close_late,
    )


def opendir(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_OPENDIR (section 6.7)."""
    path = _only_string(data, pos, end)
    server = core.server
    core.reserve_handle()
    core.run(
        request_id,
        core.path_lane,
        False,
        lambda: server.open_directory(path),
        lambda result: _HANDLE + encode_string(core.add_handle(DirectoryHandle(result))),
    )


def close(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_CLOSE (section 6.3). The handle is invalid from now on."""
    handle = core.remove_handle(_only_string(data, pos, end))

    def call() -> object:
        core.closing(handle)
        return close_handle(core.server, handle)

    core.run(request_id, handle.lane, True, call, encode_nothing)


def close_handle(server: SFTPServer, handle: FileHandle | DirectoryHandle) -> object:
    """Close what a handle stands for; the result may have to be awaited."""
    if isinstance(handle, FileHandle):
        return server.close(handle.file_obj)
    return close_entries(handle.entries)


def close_entries(entries: object) -> object:
    """Close an iterator of names; the result may have to be awaited."""
    for method in ("close", "aclose"):
        function = getattr(entries, method, None)
        if function is not None:
            return function()
    return None


# --- Directories ----------------------------------------------------------------------------------


def readdir(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_READDIR (section 6.7)."""
    directory = core.directory(_only_string(data, pos, end))
    entries = directory.entries
    core.run(
        request_id,
        directory.lane,
        True,
        lambda: _batch(core, entries),
        lambda names: _encode_names(core, names),
    )


def _encode_names(core: SFTPServerCore, names: list[SFTPName]) -> bytes:
    if not names:
        raise SFTPEOFError
    if core.version >= 4:
        for name in names:
            name_owner(core.server, name.attrs)
    return _NAME + encode_names(names, core.version)


def _batch(core: SFTPServerCore, entries: object) -> object:
    if isinstance(entries, Iterator):
        return _sync_batch(core, entries)
    if isinstance(entries, AsyncIterator):
        return _async_batch(core, entries)
    raise SFTPFailure("the directory of the server is no iterator")


def _sync_batch(
    core: SFTPServerCore, entries: Iterator[SFTPName]
) -> list[SFTPName] | Awaitable[list[SFTPName]]:
    names: list[SFTPName] = []
    size = 0
    for name in entries:
        result = core.server.format_longname(name)
        if isawaitable(result):
            return _finish_batch(core, entries, names, name, result)
        names.append(name)
        size += _room(name)
        if len(names) >= _BATCH_NAMES or size >= _BATCH_BYTES:
            break
    return names


async def _finish_batch(
    core: SFTPServerCore,
    entries: Iterator[SFTPName],
    names: list[SFTPName],
    first: SFTPName,
    formatted: Awaitable[None],
) -> list[SFTPName]:
    """The rest of a batch, when `format_longname` turns out to be a coroutine."""
    await formatted
    names.append(first)
    size = _room(first)
    if size < _BATCH_BYTES:
        for name in entries:
            result = core.server.format_longname(name)
            if isawaitable(result):
                await result
            names.append(name)
            size += _room(name)
            if len(names) >= _BATCH_NAMES or size >= _BATCH_BYTES:
                break
    return names


async def _async_batch(core: SFTPServerCore, entries: AsyncIterator[SFTPName]) -> list[SFTPName]:
    names: list[SFTPName] = []
    size = 0
    while len(names) < _BATCH_NAMES and size < _BATCH_BYTES:
        try:
            name = await anext(entries)
        except StopAsyncIteration:
            break
        result = core.server.format_longname(name)
        if isawaitable(result):
            await result
        names.append(name)
        size += _room(name)
    return names


def _room(name: SFTPName) -> int:
    extended = name.attrs.extended
    room = 48 + len(name.filename) + len(name.longname)
    return room + sum(len(key) + len(value) + 8 for key, value in extended) if extended else room


# --- Requests that are a path or two --------------------------------------------------------------


def _only_string(data: bytes, pos: int, end: int) -> bytes:
    value, pos = decode_string(data, pos, end)
    if pos != end:
        raise PacketDecodeError(f"{end - pos} bytes behind the last field")
    return value


def _path_handler(method: str, exclusive: bool) -> Handler:
    """Handler of a request that is a path and is answered with a status."""

    def handler(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
        path = _only_string(data, pos, end)
        function = getattr(core.server, method)
        core.run(request_id, core.path_lane, exclusive, lambda: function(path), encode_nothing)

    handler.__doc__ = f"Path request answered by `SFTPServer.{method}` with a status."
    return handler


def _attrs_handler(method: str) -> Handler:
    """Handler of a request that is a path and is answered with attributes."""

    def handler(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
        path, pos = decode_string(data, pos, end)
        _check_flags(core, pos, end)
        function = getattr(core.server, method)
        core.run(
            request_id,
            core.path_lane,
            False,
            lambda: function(path),
            lambda result: _encode_attrs(core, result),
        )

    handler.__doc__ = f"Path request answered by `SFTPServer.{method}` with attributes."
    return handler


def _encode_attrs(core: SFTPServerCore, result: object) -> bytes:
    attrs = as_attrs(result)
    if core.version >= 4:
        name_owner(core.server, attrs)
    return _ATTRS + attrs.encode(core.version)


def name_owner(server: SFTPServer, attrs: SFTPAttrs) -> None:
    """Fill in the names that version 4 and up have in place of numbers."""
    if attrs.owner is None and attrs.group is None:
        if attrs.uid is not None and attrs.gid is not None:
            attrs.owner = server.format_user(attrs.uid)
            attrs.group = server.format_group(attrs.gid)


def _check_flags(core: SFTPServerCore, pos: int, end: int) -> None:
    # Version 4 and up say which attributes are wanted; more may be sent.
    if end - pos != (0 if core.version == 3 else 4):
        raise PacketDecodeError(f"{end - pos} bytes behind the last field")


def realpath(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_REALPATH (section 6.11)."""
    if core.version >= 6:
        later.realpath(core, request_id, data, pos, end)
        return
    path = _only_string(data, pos, end)
    server = core.server
    core.run(
        request_id,
        core.path_lane,
        False,
        lambda: server.realpath(path),
        lambda result: encode_name(result, core.version),
    )


def readlink(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_READLINK (section 6.10)."""
    path = _only_string(data, pos, end)
    server = core.server
    core.run(
        request_id,
        core.path_lane,
        False,
        lambda: server.readlink(path),
        lambda result: encode_name(result, core.version),
    )


def encode_name(path: bytes, version: int) -> bytes:
    """SSH_FXP_NAME with one name and dummy attributes (section 6.10)."""
    return _NAME + encode_names([SFTPName(path, path, SFTPAttrs())], version)


def setstat(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_SETSTAT (section 6.9)."""
    path, pos = decode_string(data, pos, end)
    attrs = decode_attrs(data, pos, end, core.version)
    server = core.server
    core.run(request_id, core.path_lane, True, lambda: server.setstat(path, attrs), encode_nothing)


def mkdir(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_MKDIR (section 6.6)."""
    path, pos = decode_string(data, pos, end)
    attrs = decode_attrs(data, pos, end, core.version)
    server = core.server
    core.run(request_id, core.path_lane, True, lambda: server.mkdir(path, attrs), encode_nothing)


def rename(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_RENAME (section 6.5)."""
    request = requests.Rename.decode(_with_id(data, pos, end))
    replace = later.replaces(request.flags, core.version)
    old, new, server = request.oldpath, request.newpath, core.server
    call = server.posix_rename if replace else server.rename
    core.run(request_id, core.path_lane, True, lambda: call(old, new), encode_nothing)


def symlink(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_SYMLINK (section 6.10; for the order of the arguments see `peers.py`)."""
    request = requests.Symlink.decode(_with_id(data, pos, end))
    target, link, server = request.targetpath, request.linkpath, core.server
    if not core.symlink_target_first:
        target, link = link, target
    core.run(request_id, core.path_lane, True, lambda: server.symlink(target, link), encode_nothing)


def _with_id(data: bytes, pos: int, end: int) -> bytes:
    """The declared form of a request begins with its id."""
    return bytes(data[pos - 4 : end])


# --- Requests on a handle -------------------------------------------------------------------------


def fstat(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_FSTAT (section 6.8)."""
    name, pos = decode_string(data, pos, end)
    _check_flags(core, pos, end)
    file = core.file(name)
    server = core.server
    core.run(
        request_id,
        file.lane,
        False,
        lambda: server.fstat(file.file_obj),
        lambda result: _encode_attrs(core, result),
    )


def fsetstat(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_FSETSTAT (section 6.9)."""
    name, pos = decode_string(data, pos, end)
    attrs = decode_attrs(data, pos, end, core.version)
    file = core.file(name)
    server = core.server
    core.run(
        request_id,
        file.lane,
        True,
        lambda: server.fsetstat(file.file_obj, attrs),
        encode_nothing,
    )


def extended(core: SFTPServerCore, request_id: int, data: bytes, pos: int, end: int) -> None:
    """SSH_FXP_EXTENDED (section 8): by name, see `server/extended.py`."""
    name, pos = decode_string(data, pos, end)
    handler = EXTENDED.get(name) if name in core.server.extensions else None
    if handler is None:
        core.send_status(request_id, 8, "extended request is not supported")
        return
    handler(core, request_id, data, pos, end)


HANDLERS: Final[dict[int, Handler]] = {
    PacketType.SSH_FXP_OPEN: open_file,
    PacketType.SSH_FXP_CLOSE: close,
    PacketType.SSH_FXP_READ: read,
    PacketType.SSH_FXP_WRITE: write,
    PacketType.SSH_FXP_LSTAT: _attrs_handler("lstat"),
    PacketType.SSH_FXP_FSTAT: fstat,
    PacketType.SSH_FXP_SETSTAT: setstat,
    PacketType.SSH_FXP_FSETSTAT: fsetstat,
    PacketType.SSH_FXP_OPENDIR: opendir,
    PacketType.SSH_FXP_READDIR: readdir,
    PacketType.SSH_FXP_REMOVE: _path_handler("remove", exclusive=True),
    PacketType.SSH_FXP_MKDIR: mkdir,
    PacketType.SSH_FXP_RMDIR: _path_handler("rmdir", exclusive=True),
    PacketType.SSH_FXP_REALPATH: realpath,
    PacketType.SSH_FXP_STAT: _attrs_handler("stat"),
    PacketType.SSH_FXP_RENAME: rename,
    PacketType.SSH_FXP_READLINK: readlink,
    PacketType.SSH_FXP_SYMLINK: symlink,
    PacketType.SSH_FXP_LINK: later.link,
    PacketType.SSH_FXP_BLOCK: later.block,
    PacketType.SSH_FXP_UNBLOCK: later.unblock,
    PacketType.SSH_FXP_EXTENDED: extended,
}
