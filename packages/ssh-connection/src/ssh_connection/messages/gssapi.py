"""Messages of the methods "gssapi-with-mic" and "gssapi-keyex" (RFC 4462), fields in wire order."""

from __future__ import annotations

from collections.abc import Sequence

from ssh_keys.wire import (
    Message,
    PacketDecodeError,
    Reader,
    String,
    UInt32,
    encode_string,
    encode_uint32,
    message,
)

__all__ = [
    "SSH_MSG_USERAUTH_GSSAPI_ERROR",
    "SSH_MSG_USERAUTH_GSSAPI_ERRTOK",
    "SSH_MSG_USERAUTH_GSSAPI_EXCHANGE_COMPLETE",
    "SSH_MSG_USERAUTH_GSSAPI_MIC",
    "SSH_MSG_USERAUTH_GSSAPI_RESPONSE",
    "SSH_MSG_USERAUTH_GSSAPI_TOKEN",
    "GSSAPIError",
    "GSSAPIErrorToken",
    "GSSAPIExchangeComplete",
    "GSSAPIKeyexRequest",
    "GSSAPIMIC",
    "GSSAPIResponse",
    "GSSAPIToken",
    "decode_mechanisms",
    "encode_mechanisms",
]

# RFC 4462 section 6
SSH_MSG_USERAUTH_GSSAPI_RESPONSE = 60
SSH_MSG_USERAUTH_GSSAPI_TOKEN = 61
SSH_MSG_USERAUTH_GSSAPI_EXCHANGE_COMPLETE = 63
SSH_MSG_USERAUTH_GSSAPI_ERROR = 64
SSH_MSG_USERAUTH_GSSAPI_ERRTOK = 65
SSH_MSG_USERAUTH_GSSAPI_MIC = 66


@message(SSH_MSG_USERAUTH_GSSAPI_RESPONSE)
class GSSAPIResponse(Message):
    """The mechanism that the server has chosen (section 3.3)."""

    mechanism: String


@message(SSH_MSG_USERAUTH_GSSAPI_TOKEN)
class GSSAPIToken(Message):
    """A token of either side (section 3.4)."""

    token: String


@message(SSH_MSG_USERAUTH_GSSAPI_EXCHANGE_COMPLETE)
class GSSAPIExchangeComplete(Message):
    """The client is done, with a context that can not protect messages (section 3.6)."""


@message(SSH_MSG_USERAUTH_GSSAPI_ERROR)
class GSSAPIError(Message):
    """What went wrong on the server (section 3.8). The text may be anything: it stays bytes."""

    major_status: UInt32
    minor_status: UInt32
    message: String
    language_tag: String


@message(SSH_MSG_USERAUTH_GSSAPI_ERRTOK)
class GSSAPIErrorToken(Message):
    """The token of a call that failed (section 3.9)."""

    error_token: String


@message(SSH_MSG_USERAUTH_GSSAPI_MIC)
class GSSAPIMIC(Message):
    """What binds the context to this connection (section 3.5)."""

    mic: String


@message()
class GSSAPIKeyexRequest(Message):
    """Method data of "gssapi-keyex" (section 4)."""

    mic: String


_MAX_MECHANISMS = 64


def encode_mechanisms(mechanisms: Sequence[bytes]) -> bytes:
    """Return the method data of "gssapi-with-mic": OIDs, each DER-encoded (section 3.2)."""
    return b"".join((encode_uint32(len(mechanisms)), *map(encode_string, mechanisms)))


def decode_mechanisms(data: bytes) -> list[bytes]:
    """Read the method data of "gssapi-with-mic"; raises PacketDecodeError.

    The count is believed only together with the bytes that are there.
    """
    reader = Reader(data, 0, len(data))
    count = reader.uint32()
    if count > _MAX_MECHANISMS:
        raise PacketDecodeError(f"{count} GSS-API mechanisms, {_MAX_MECHANISMS} is the limit")
    mechanisms = [reader.string() for _ in range(count)]
    reader.end()
    return mechanisms
