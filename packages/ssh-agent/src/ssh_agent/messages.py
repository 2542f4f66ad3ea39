"""Messages of the agent protocol: draft-miller-ssh-agent, section by section.

A message is the body of one frame: its number, then its fields. The frame's uint32 length is the
business of `ssh_agent.core`. Pass phrases, PINs and private keys never show in a repr.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Annotated

from ssh_keys.record import Record
from ssh_keys.wire import (
    Message,
    PacketDecodeError,
    Reader,
    Rest,
    SecretText,
    String,
    UInt32,
    WireType,
    message,
)

__all__ = [
    "AddIdConstrained",
    "AddIdentity",
    "AddSmartcardKey",
    "AddSmartcardKeyConstrained",
    "AgentMessage",
    "Extension",
    "Identity",
    "Lock",
    "RemoveAllIdentities",
    "RemoveIdentity",
    "RemoveSmartcardKey",
    "RequestIdentities",
    "SSHAgentRsaFlag",
    "SignRequest",
    "SignResponse",
    "Unlock",
    "decode_extension_names",
    "decode_identities",
]


class AgentMessage(IntEnum):
    """Message numbers (section 5.1)."""

    SSH_AGENT_FAILURE = 5
    SSH_AGENT_SUCCESS = 6
    SSH_AGENTC_REQUEST_IDENTITIES = 11
    SSH_AGENT_IDENTITIES_ANSWER = 12
    SSH_AGENTC_SIGN_REQUEST = 13
    SSH_AGENT_SIGN_RESPONSE = 14
    SSH_AGENTC_ADD_IDENTITY = 17
    SSH_AGENTC_REMOVE_IDENTITY = 18
    SSH_AGENTC_REMOVE_ALL_IDENTITIES = 19
    SSH_AGENTC_ADD_SMARTCARD_KEY = 20
    SSH_AGENTC_REMOVE_SMARTCARD_KEY = 21
    SSH_AGENTC_LOCK = 22
    SSH_AGENTC_UNLOCK = 23
    SSH_AGENTC_ADD_ID_CONSTRAINED = 25
    SSH_AGENTC_ADD_SMARTCARD_KEY_CONSTRAINED = 26
    SSH_AGENTC_EXTENSION = 27
    SSH_AGENT_EXTENSION_FAILURE = 28
    SSH_AGENT_EXTENSION_RESPONSE = 29
    """Of the draft's successor; in -02, extensions answer with SSH_AGENT_SUCCESS."""


class SSHAgentRsaFlag(IntFlag):
    """Signature flags of a sign request, for RSA keys only (section 5.3)."""

    SSH_AGENT_RSA_SHA2_256 = 2
    SSH_AGENT_RSA_SHA2_512 = 4


def _encode_contents(value: bytes) -> bytes:
    return value


def _decode_contents(data: bytes, pos: int, end: int) -> tuple[bytes, int]:
    raise PacketDecodeError("the contents of a private key depend on its type")


KeyContents = Annotated[
    bytes, WireType("key type and contents", _encode_contents, _decode_contents, secret=True)
]
"""Type and contents of a private key as they stand in sections 4.2.1 to 4.2.4: fields without a
length around them, so only something that knows the key type can read them back."""


@message(AgentMessage.SSH_AGENTC_REQUEST_IDENTITIES)
class RequestIdentities(Message):
    """Section 4.4: ask for the list of keys."""


@message(AgentMessage.SSH_AGENTC_SIGN_REQUEST)
class SignRequest(Message):
    """Section 4.5: ask for a signature of `data`."""

    key_blob: String
    data: String
    flags: UInt32 = 0


@message(AgentMessage.SSH_AGENT_SIGN_RESPONSE)
class SignResponse(Message):
    """Section 4.5: the signature, in the format of its algorithm."""

    signature: String


@message(AgentMessage.SSH_AGENTC_ADD_IDENTITY)
class AddIdentity(Message):
    """Section 4.2: add a private key."""

    key_contents: KeyContents
    comment: String


@message(AgentMessage.SSH_AGENTC_ADD_ID_CONSTRAINED)
class AddIdConstrained(Message):
    """Section 4.2: add a private key whose use is limited."""

    key_contents: KeyContents
    comment: String
    constraints: Rest = b""


@message(AgentMessage.SSH_AGENTC_ADD_SMARTCARD_KEY)
class AddSmartcardKey(Message):
    """Section 4.2.5: add the keys of a token. `id` names it in a way that the agent knows."""

    id: SecretText
    pin: SecretText


@message(AgentMessage.SSH_AGENTC_ADD_SMARTCARD_KEY_CONSTRAINED)
class AddSmartcardKeyConstrained(Message):
    """Section 4.2.5: add the keys of a token with limits on their use."""

    id: SecretText
    pin: SecretText
    constraints: Rest = b""


@message(AgentMessage.SSH_AGENTC_REMOVE_IDENTITY)
class RemoveIdentity(Message):
    """Section 4.3: remove one key."""

    key_blob: String


@message(AgentMessage.SSH_AGENTC_REMOVE_ALL_IDENTITIES)
class RemoveAllIdentities(Message):
    """Section 4.3: remove every key."""


@message(AgentMessage.SSH_AGENTC_REMOVE_SMARTCARD_KEY)
class RemoveSmartcardKey(Message):
    """Section 4.3: remove the keys of a token."""

    reader_id: SecretText
    pin: SecretText


@message(AgentMessage.SSH_AGENTC_LOCK)
class Lock(Message):
    """Section 4.6: suspend all private key operations."""

    passphrase: SecretText


@message(AgentMessage.SSH_AGENTC_UNLOCK)
class Unlock(Message):
    """Section 4.6: resume private key operations."""

    passphrase: SecretText


@message(AgentMessage.SSH_AGENTC_EXTENSION)
class Extension(Message):
    """Section 4.7: a vendor's request."""

    extension_type: String
    contents: Rest = b""


class Identity(Record):
    """One key of an identities answer (section 4.4).

    Parameters:
        key_blob: public key or certificate in its wire encoding.
        comment: what the agent's user calls it; by convention UTF-8.
    """

    key_blob: bytes
    comment: bytes


def decode_identities(data: bytes, start: int = 0) -> list[Identity]:
    """Decode the fields of SSH_AGENT_IDENTITIES_ANSWER.

    The peer's `nkeys` only bounds the loop: nothing is allocated by it. Raises
    PacketDecodeError if the fields do not fill the message.
    """
    reader = Reader(data, start)
    count = reader.uint32()
    # Two empty strings take eight bytes: a larger count cannot be true.
    if count > reader.remaining // 8:
        raise PacketDecodeError(f"{count} keys claimed in {reader.remaining} bytes")
    identities = [Identity(reader.string(), reader.string()) for _ in range(count)]
    reader.end()
    return identities


def decode_extension_names(data: bytes, start: int = 0) -> list[str]:
    """Decode the names in the answer to the extension request "query" (section 4.7.1).

    Raises PacketDecodeError if they do not fill the message or are not UTF-8.
    """
    reader = Reader(data, start)
    names: list[str] = []
    while reader.remaining:
        names.append(reader.text())
    return names
