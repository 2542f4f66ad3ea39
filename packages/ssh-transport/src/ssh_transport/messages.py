"""Messages of the transport layer, fields in wire order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from ssh_keys.wire import (
    Boolean,
    Message,
    NameList,
    PacketDecodeError,
    Reader,
    String,
    UInt32,
    encode_byte,
    encode_name_list,
    encode_string,
    encode_uint32,
    message,
)

from .constants import (
    SSH_MSG_DEBUG,
    SSH_MSG_DISCONNECT,
    SSH_MSG_EXT_INFO,
    SSH_MSG_IGNORE,
    SSH_MSG_KEXINIT,
    SSH_MSG_PING,
    SSH_MSG_PONG,
    SSH_MSG_SERVICE_ACCEPT,
    SSH_MSG_SERVICE_REQUEST,
    SSH_MSG_UNIMPLEMENTED,
)

__all__ = [
    "Debug",
    "Disconnect",
    "Ignore",
    "KexInit",
    "Ping",
    "Pong",
    "ServiceAccept",
    "ServiceRequest",
    "Unimplemented",
    "decode_ext_info",
    "encode_disconnect",
    "encode_ext_info",
    "our_ext_info",
    "split_names",
]

_MAX_EXTENSIONS = 256
_MAX_REASON = 8192  # characters; both lists of a failed negotiation have 2000
_MAX_KEPT = 2048


@message(SSH_MSG_DISCONNECT)
class Disconnect(Message):
    """RFC 4253 section 11.1. The text may be anything that a peer sends: it stays bytes."""

    reason_code: UInt32
    description: String
    language_tag: String


@lru_cache(maxsize=8)  # nearly all connections end with the same one
def encode_disconnect(code: int, reason: str, lang: str) -> bytes:
    """Return a whole SSH_MSG_DISCONNECT for any text: it must not fail while a connection ends.

    What is not text is escaped (the name of a file, for one), and what is long is cut.
    """
    texts = (text[:_MAX_REASON].encode("utf-8", "backslashreplace") for text in (reason, lang))
    return Disconnect(code & 0xFFFFFFFF, *texts).encode()


@message(SSH_MSG_IGNORE)
class Ignore(Message):
    """RFC 4253 section 11.2."""

    data: String


@message(SSH_MSG_UNIMPLEMENTED)
class Unimplemented(Message):
    """RFC 4253 section 11.4."""

    packet_sequence_number: UInt32


@message(SSH_MSG_DEBUG)
class Debug(Message):
    """RFC 4253 section 11.3."""

    always_display: Boolean
    message: String
    language_tag: String


@message(SSH_MSG_SERVICE_REQUEST)
class ServiceRequest(Message):
    """RFC 4253 section 10."""

    service_name: String


@message(SSH_MSG_SERVICE_ACCEPT)
class ServiceAccept(Message):
    """RFC 4253 section 10."""

    service_name: String


@message(SSH_MSG_KEXINIT)
class KexInit(Message):
    """RFC 4253 section 7.1; the 16 bytes of the cookie stand in front of these fields."""

    kex_algorithms: NameList
    server_host_key_algorithms: NameList
    encryption_algorithms_client_to_server: NameList
    encryption_algorithms_server_to_client: NameList
    mac_algorithms_client_to_server: NameList
    mac_algorithms_server_to_client: NameList
    compression_algorithms_client_to_server: NameList
    compression_algorithms_server_to_client: NameList
    languages_client_to_server: NameList
    languages_server_to_client: NameList
    first_kex_packet_follows: Boolean
    reserved: UInt32


@message(SSH_MSG_PING)
class Ping(Message):
    """PROTOCOL section 1.10 (ping@openssh.com)."""

    data: String


@message(SSH_MSG_PONG)
class Pong(Message):
    """PROTOCOL section 1.10."""

    data: String


def encode_ext_info(extensions: Mapping[bytes, bytes]) -> bytes:
    """Return a whole SSH_MSG_EXT_INFO (RFC 8308 section 2.3)."""
    parts = [encode_byte(SSH_MSG_EXT_INFO), encode_uint32(len(extensions))]
    for name, value in extensions.items():
        parts += (encode_string(name), encode_string(value))
    return b"".join(parts)


def our_ext_info(
    client: bool, sig_algorithms: tuple[bytes, ...], more: Mapping[bytes, bytes]
) -> bytes:
    """Return the SSH_MSG_EXT_INFO that we send behind our first SSH_MSG_NEWKEYS.

    Parameters:
        client: whether we are one.
        sig_algorithms: what a server accepts in user authentication (RFC 8308 section 3.1).
        more: what the layers above announce besides.
    """
    return _our_ext_info(client, sig_algorithms, tuple(more.items()))


@lru_cache(maxsize=32)  # all connections of a configuration send the same
def _our_ext_info(
    client: bool, sig_algorithms: tuple[bytes, ...], more: tuple[tuple[bytes, bytes], ...]
) -> bytes:
    if client:
        extensions = {b"ext-info-in-auth@openssh.com": b"0"}
    else:
        names = encode_name_list(sig_algorithms)[4:]
        extensions = {b"server-sig-algs": names, b"ping@openssh.com": b"0"}
    return encode_ext_info(extensions | dict(more))


def decode_ext_info(data: bytes, start: int, end: int) -> dict[bytes, bytes]:
    """Read the fields of SSH_MSG_EXT_INFO.

    The count is only believed together with the bytes that are there. Raises PacketDecodeError,
    also if an extension is named twice (RFC 8308 section 2.3).
    """
    fields = data[start:end]
    return dict(_known_ext_info(fields) if len(fields) <= _MAX_KEPT else _ext_info(fields))


def split_names(names: bytes) -> tuple[bytes, ...]:
    """Return the names of an extension's value, without empty ones, which some servers send."""
    return _known_names(names) if len(names) <= _MAX_KEPT else _split(names)


@lru_cache(maxsize=64)
def _known_names(names: bytes) -> tuple[bytes, ...]:
    return _split(names)


def _split(names: bytes) -> tuple[bytes, ...]:
    return tuple(name for name in names.split(b",") if name)


# Peers of one kind announce the same; what is unusually long is not kept.
@lru_cache(maxsize=64)
def _known_ext_info(fields: bytes) -> dict[bytes, bytes]:
    return _ext_info(fields)


def _ext_info(fields: bytes) -> dict[bytes, bytes]:
    reader = Reader(fields)
    count = reader.uint32()
    if count > _MAX_EXTENSIONS:
        raise PacketDecodeError(f"EXT_INFO with {count} extensions")
    extensions: dict[bytes, bytes] = {}
    for name, value in _pairs(reader, count):
        if name in extensions:
            raise PacketDecodeError("EXT_INFO names an extension twice")
        extensions[name] = value
    reader.end()
    return extensions


def _pairs(reader: Reader, count: int) -> Iterator[tuple[bytes, bytes]]:
    for _ in range(count):
        yield reader.string(), reader.string()
