"""Messages of user authentication (RFC 4252, RFC 4256), fields in wire order.

The numbers from 60 on mean something else in each method (RFC 4250 section 4.1.2), so they are
declared per method. What follows the method name in a request is a structure without a number.
"""

from __future__ import annotations

from collections.abc import Sequence

from ssh_keys.wire import (
    Boolean,
    Message,
    NameList,
    PacketDecodeError,
    Reader,
    Rest,
    SecretText,
    String,
    Text,
    encode_boolean,
    encode_byte,
    encode_string,
    encode_text,
    encode_uint32,
    message,
)

__all__ = [
    "SSH_MSG_USERAUTH_BANNER",
    "SSH_MSG_USERAUTH_FAILURE",
    "SSH_MSG_USERAUTH_INFO_REQUEST",
    "SSH_MSG_USERAUTH_INFO_RESPONSE",
    "SSH_MSG_USERAUTH_METHOD_FIRST",
    "SSH_MSG_USERAUTH_METHOD_LAST",
    "SSH_MSG_USERAUTH_PASSWD_CHANGEREQ",
    "SSH_MSG_USERAUTH_PK_OK",
    "SSH_MSG_USERAUTH_REQUEST",
    "SSH_MSG_USERAUTH_SUCCESS",
    "HostbasedRequest",
    "HostBoundQuery",
    "HostBoundRequest",
    "KeyboardInteractiveRequest",
    "PasswordChangeRequest",
    "PasswordChangeRequestData",
    "PasswordRequest",
    "PublicKeyOK",
    "PublicKeyQuery",
    "PublicKeyRequest",
    "UserauthBanner",
    "UserauthFailure",
    "UserauthRequest",
    "UserauthSuccess",
    "decode_info_request",
    "decode_info_response",
    "encode_info_request",
    "encode_info_response",
]

# RFC 4252 section 6
SSH_MSG_USERAUTH_REQUEST = 50
SSH_MSG_USERAUTH_FAILURE = 51
SSH_MSG_USERAUTH_SUCCESS = 52
SSH_MSG_USERAUTH_BANNER = 53

# RFC 4250 section 4.1.2: 60 to 79 belong to the method that is in use.
SSH_MSG_USERAUTH_METHOD_FIRST = 60
SSH_MSG_USERAUTH_METHOD_LAST = 79
SSH_MSG_USERAUTH_PK_OK = 60  # RFC 4252 section 7
SSH_MSG_USERAUTH_PASSWD_CHANGEREQ = 60  # RFC 4252 section 8
SSH_MSG_USERAUTH_INFO_REQUEST = 60  # RFC 4256 section 5
SSH_MSG_USERAUTH_INFO_RESPONSE = 61


@message(SSH_MSG_USERAUTH_REQUEST)
class UserauthRequest(Message):
    """RFC 4252 section 5."""

    user_name: Text
    service_name: String
    method_name: String
    method_data: Rest = b""

    def __repr__(self) -> str:
        # The data of the method may be a password.
        return f"UserauthRequest({self.user_name!r}, {self.service_name!r}, {self.method_name!r})"


@message(SSH_MSG_USERAUTH_FAILURE)
class UserauthFailure(Message):
    """RFC 4252 section 5.1."""

    authentications_that_can_continue: NameList
    partial_success: Boolean


@message(SSH_MSG_USERAUTH_SUCCESS)
class UserauthSuccess(Message):
    """RFC 4252 section 5.1."""


@message(SSH_MSG_USERAUTH_BANNER)
class UserauthBanner(Message):
    """RFC 4252 section 5.4. What a peer sends as text may be anything: it stays bytes."""

    message: String
    language_tag: String


# --- "publickey" (RFC 4252 section 7) --------------------------------------------------------


@message()
class PublicKeyQuery(Message):
    """Method data without a signature: would this key be acceptable?"""

    has_signature: Boolean
    public_key_algorithm_name: String
    public_key_blob: String


@message()
class PublicKeyRequest(Message):
    """Method data with a signature."""

    has_signature: Boolean
    public_key_algorithm_name: String
    public_key_blob: String
    signature: String


@message()
class HostBoundQuery(Message):
    """As `PublicKeyQuery`, of "publickey-hostbound-v00@openssh.com" (PROTOCOL section 3.1)."""

    has_signature: Boolean
    public_key_algorithm_name: String
    public_key_blob: String
    server_host_key: String


@message()
class HostBoundRequest(Message):
    """As `PublicKeyRequest`, with the server's host key in front of the signature."""

    has_signature: Boolean
    public_key_algorithm_name: String
    public_key_blob: String
    server_host_key: String
    signature: String


@message(SSH_MSG_USERAUTH_PK_OK)
class PublicKeyOK(Message):
    """The key of a query would be acceptable."""

    public_key_algorithm_name: String
    public_key_blob: String


# --- "hostbased" (RFC 4252 section 9) --------------------------------------------------------


@message()
class HostbasedRequest(Message):
    """Method data; a host name is US-ASCII, but what a peer sends may be anything."""

    public_key_algorithm: String
    host_key: String
    client_host_name: String
    client_user_name: Text
    signature: String


# --- "password" (RFC 4252 section 8) ---------------------------------------------------------


@message()
class PasswordRequest(Message):
    """Method data without a change of the password."""

    change: Boolean
    password: SecretText


@message()
class PasswordChangeRequestData(Message):
    """Method data that changes the password."""

    change: Boolean
    old_password: SecretText
    new_password: SecretText


@message(SSH_MSG_USERAUTH_PASSWD_CHANGEREQ)
class PasswordChangeRequest(Message):
    """The password has expired. The texts of the peer stay bytes."""

    prompt: String
    language_tag: String


# --- "keyboard-interactive" (RFC 4256) -------------------------------------------------------


@message()
class KeyboardInteractiveRequest(Message):
    """Method data, RFC 4256 section 3.1."""

    language_tag: String
    submethods: Text


_MAX_PROMPTS = 256


def encode_info_request(
    name: str, instruction: str, language_tag: str, prompts: Sequence[tuple[str, bool]]
) -> bytes:
    """Return a whole SSH_MSG_USERAUTH_INFO_REQUEST (RFC 4256 section 3.2).

    Parameters:
        prompts: texts, each with True if the answer may be shown while it is typed.
    """
    parts = [
        encode_byte(SSH_MSG_USERAUTH_INFO_REQUEST),
        encode_text(name),
        encode_text(instruction),
        encode_text(language_tag),
        encode_uint32(len(prompts)),
    ]
    for prompt, echo in prompts:
        parts += (encode_text(prompt), encode_boolean(echo))
    return b"".join(parts)


def decode_info_request(
    data: bytes, start: int, end: int
) -> tuple[str, str, str, list[tuple[str, bool]]]:
    """Read the fields of SSH_MSG_USERAUTH_INFO_REQUEST: name, instruction, language, prompts.

    The count is believed only together with the bytes that are there. Raises PacketDecodeError.
    """
    reader = Reader(data, start, end)
    name, instruction, language = reader.text(), reader.text(), reader.text()
    count = _count(reader)
    prompts = [(reader.text(), reader.boolean()) for _ in range(count)]
    reader.end()
    return name, instruction, language, prompts


def encode_info_response(responses: Sequence[str]) -> bytes:
    """Return a whole SSH_MSG_USERAUTH_INFO_RESPONSE (RFC 4256 section 3.4)."""
    parts = [encode_byte(SSH_MSG_USERAUTH_INFO_RESPONSE), encode_uint32(len(responses))]
    parts += (encode_string(response.encode()) for response in responses)
    return b"".join(parts)


def decode_info_response(data: bytes, start: int, end: int) -> list[str]:
    """Read the fields of SSH_MSG_USERAUTH_INFO_RESPONSE; raises PacketDecodeError."""
    reader = Reader(data, start, end)
    count = _count(reader)
    responses = [reader.text() for _ in range(count)]
    reader.end()
    return responses


def _count(reader: Reader) -> int:
    count = reader.uint32()
    if count > _MAX_PROMPTS:
        raise PacketDecodeError(f"{count} prompts or responses, {_MAX_PROMPTS} is the limit")
    return count
