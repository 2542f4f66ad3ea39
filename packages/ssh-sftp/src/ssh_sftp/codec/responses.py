"""Responses from the server to the client, one declaration per packet (section 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssh_sftp.codec.attrs import SFTPAttrs, SFTPName
from ssh_sftp.codec.constants import MAX_HANDLE_LENGTH, PacketType
from ssh_sftp.codec.wire import (
    Message,
    PacketDecodeError,
    Rest,
    String,
    UInt32,
    decode_string,
    decode_uint32,
    encode_string,
    encode_uint32,
    message,
)
from ssh_sftp.errors import SFTPError, error_for_status, printable


@message(PacketType.SSH_FXP_VERSION)
class Version(Message):
    """Section 4. `extension_data`: pairs of strings."""

    version: UInt32
    extension_data: Rest = b""


@message(PacketType.SSH_FXP_STATUS)
class StatusReply(Message):
    """Section 7. Version 6 allows data behind the language tag."""

    request_id: UInt32
    status_code: UInt32
    error_message: String
    language_tag: String
    error_data: Rest = b""


@message(PacketType.SSH_FXP_HANDLE)
class Handle(Message):
    """Section 7."""

    request_id: UInt32
    handle: String


@message(PacketType.SSH_FXP_DATA)
class Data(Message):
    """Section 7; version 6 may add a boolean that says "end of file reached"."""

    request_id: UInt32
    data: String
    end_of_file: Rest = b""


@message(PacketType.SSH_FXP_NAME)
class Name(Message):
    """Section 7; `names` is read by `decode_names`."""

    request_id: UInt32
    count: UInt32
    names: Rest


@message(PacketType.SSH_FXP_ATTRS)
class Attrs(Message):
    """Section 7."""

    request_id: UInt32
    attrs: Rest


@message(PacketType.SSH_FXP_EXTENDED_REPLY)
class ExtendedReply(Message):
    """Section 8."""

    request_id: UInt32
    reply_data: Rest = b""


# --- Bodies behind the request id, as functions ---------------------------------------------------


def decode_extension_pairs(data: bytes, pos: int, end: int) -> dict[bytes, bytes]:
    """Read the extension pairs of INIT and VERSION; the first of equal names counts.

    Raises PacketDecodeError.
    """
    pairs: dict[bytes, bytes] = {}
    while pos < end:
        name, pos = decode_string(data, pos, end)
        value, pos = decode_string(data, pos, end)
        pairs.setdefault(name, value)
    return pairs


def encode_extension_pairs(pairs: Mapping[bytes, bytes]) -> bytes:
    """Return the extension pairs for INIT or VERSION."""
    return b"".join(encode_string(name) + encode_string(data) for name, data in pairs.items())


def decode_error(data: bytes, pos: int, end: int) -> SFTPError | None:
    """Read the body of SSH_FXP_STATUS: None for SSH_FX_OK, else the exception it stands for.

    Text and language tag may be missing, as in versions below 3. Raises PacketDecodeError.
    """
    code, pos = decode_uint32(data, pos, end)
    if code == 0:
        return None
    reason = lang = b""
    if pos < end:
        reason, pos = decode_string(data, pos, end)
    if pos < end:
        lang, pos = decode_string(data, pos, end)
    text = printable(reason.decode("utf-8", "replace"))
    return error_for_status(code, text, printable(lang.decode("ascii", "replace")))


def decode_handle(data: bytes, pos: int, end: int) -> bytes:
    """Read the body of SSH_FXP_HANDLE. Raises PacketDecodeError."""
    handle, pos = decode_string(data, pos, end)
    if len(handle) > MAX_HANDLE_LENGTH:
        raise PacketDecodeError(f"handle of {len(handle)} bytes, at most 256 are allowed")
    if pos != end:
        raise PacketDecodeError(f"Handle: {end - pos} bytes behind the last field")
    return handle


def decode_names(data: bytes, pos: int, end: int, version: int = 3) -> list[SFTPName]:
    """Read the body of SSH_FXP_NAME; names are bytes. Raises PacketDecodeError."""
    count, pos = decode_uint32(data, pos, end)
    # An entry takes at least one length and the flags, so a count cannot make us allocate more
    # than the packet is worth.
    if count > (end - pos) // 8:
        raise PacketDecodeError(f"{count} names do not fit the packet")
    names = []
    for _ in range(count):
        name, pos = SFTPName.decode(data, pos, end, version)
        names.append(name)
    if pos != end and not (version >= 6 and pos + 1 == end):
        raise PacketDecodeError(f"Name: {end - pos} bytes behind the last field")
    return names


def encode_names(names: Sequence[SFTPName], version: int = 3) -> bytes:
    """Return the body of SSH_FXP_NAME."""
    return encode_uint32(len(names)) + b"".join(name.encode(version) for name in names)


def decode_attrs(data: bytes, pos: int, end: int, version: int = 3) -> SFTPAttrs:
    """Read attributes that fill `data[pos:end]` exactly. Raises PacketDecodeError."""
    attrs, pos = SFTPAttrs.decode(data, pos, end, version)
    if pos != end:
        raise PacketDecodeError(f"Attrs: {end - pos} bytes behind the last field")
    return attrs
