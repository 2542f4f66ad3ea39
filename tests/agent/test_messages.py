"""Messages and constraints: their bytes, written out from the draft, and hostile answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_agent import constraints
from ssh_agent.messages import (
    AddIdConstrained,
    AddIdentity,
    AddSmartcardKey,
    AddSmartcardKeyConstrained,
    AgentMessage,
    Extension,
    Identity,
    Lock,
    RemoveAllIdentities,
    RemoveIdentity,
    RemoveSmartcardKey,
    RequestIdentities,
    SignRequest,
    SignResponse,
    Unlock,
    decode_extension_names,
    decode_identities,
)
from ssh_keys.wire import Message, PacketDecodeError, encode_string, encode_uint32

#: Every request of draft-miller-ssh-agent section 4, written out by hand.
REQUESTS: list[tuple[Message, bytes]] = [
    (RequestIdentities(), b"\x0b"),
    (
        SignRequest(b"key", b"data", 4),
        b"\x0d\x00\x00\x00\x03key\x00\x00\x00\x04data\x00\x00\x00\x04",
    ),
    (
        AddIdentity(b"\x00\x00\x00\x01tK", b"c"),
        b"\x11\x00\x00\x00\x01tK\x00\x00\x00\x01c",
    ),
    (
        AddIdConstrained(b"\x00\x00\x00\x01tK", b"c", b"\x02"),
        b"\x19\x00\x00\x00\x01tK\x00\x00\x00\x01c\x02",
    ),
    (RemoveIdentity(b"key"), b"\x12\x00\x00\x00\x03key"),
    (RemoveAllIdentities(), b"\x13"),
    (AddSmartcardKey("lib", "12"), b"\x14\x00\x00\x00\x03lib\x00\x00\x00\x0212"),
    (
        AddSmartcardKeyConstrained("lib", "12", b"\x02"),
        b"\x1a\x00\x00\x00\x03lib\x00\x00\x00\x0212\x02",
    ),
    (RemoveSmartcardKey("lib", ""), b"\x15\x00\x00\x00\x03lib\x00\x00\x00\x00"),
    (Lock("pw"), b"\x16\x00\x00\x00\x02pw"),
    (Unlock("pw"), b"\x17\x00\x00\x00\x02pw"),
    (Extension(b"query"), b"\x1b\x00\x00\x00\x05query"),
    (Extension(b"a@b", b"rest"), b"\x1b\x00\x00\x00\x03a@brest"),
]


@pytest.mark.parametrize(("request_message", "wire"), REQUESTS, ids=lambda value: repr(value)[:40])
def test_requests_have_the_bytes_of_the_draft(request_message: Message, wire: bytes) -> None:
    assert request_message.encode() == wire


@pytest.mark.parametrize(
    "secret",
    [
        Lock("hunter2"),
        Unlock("hunter2"),
        AddIdentity(b"hunter2", b"comment"),
        AddIdConstrained(b"hunter2", b"comment"),
        AddSmartcardKey("provider", "hunter2"),
        AddSmartcardKeyConstrained("provider", "hunter2"),
        RemoveSmartcardKey("provider", "hunter2"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_secrets_are_not_shown(secret: Message) -> None:
    assert "hunter2" not in repr(secret)


def test_private_keys_are_not_read_back() -> None:
    with pytest.raises(PacketDecodeError, match="depend on its type"):
        AddIdentity.decode(AddIdentity(b"contents", b"comment").encode(), 1)


def test_sign_response_has_one_field() -> None:
    body = bytes((AgentMessage.SSH_AGENT_SIGN_RESPONSE,)) + encode_string(b"signature")
    assert SignResponse.decode(body, 1).signature == b"signature"
    for wrong in (body[:-1], body + b"x", body[:3]):
        with pytest.raises(PacketDecodeError):
            SignResponse.decode(wrong, 1)


def identities(*pairs: tuple[bytes, bytes]) -> bytes:
    """The fields of an identities answer."""
    return encode_uint32(len(pairs)) + b"".join(
        encode_string(blob) + encode_string(comment) for blob, comment in pairs
    )


@given(st.lists(st.tuples(st.binary(max_size=60), st.binary(max_size=20)), max_size=8))
def test_identities_come_back(pairs: list[tuple[bytes, bytes]]) -> None:
    assert decode_identities(identities(*pairs)) == [Identity(*pair) for pair in pairs]


def test_every_truncation_of_identities_is_refused() -> None:
    whole = identities((b"blob", b"comment"), (b"", b""))
    for length in range(len(whole)):
        with pytest.raises(PacketDecodeError):
            decode_identities(whole[:length])
    with pytest.raises(PacketDecodeError):
        decode_identities(whole + b"\x00")


@pytest.mark.parametrize("count", [1, 2, 1000, 1 << 31, (1 << 32) - 1])
def test_a_count_alone_allocates_nothing(count: int) -> None:
    with pytest.raises(PacketDecodeError, match=f"{count} keys claimed in 0 bytes"):
        decode_identities(encode_uint32(count))


def test_extension_names_fill_the_message() -> None:
    body = encode_string(b"query") + encode_string(b"a@example.com")
    assert decode_extension_names(body) == ["query", "a@example.com"]
    assert decode_extension_names(b"") == []
    for wrong in (body[:-1], body + b"\x00", encode_string(b"\xff")):
        with pytest.raises(PacketDecodeError):
            decode_extension_names(wrong)


def test_constraints_have_the_bytes_of_the_draft() -> None:
    assert constraints.lifetime(600) == b"\x01\x00\x00\x02\x58"
    assert constraints.confirm_use() == b"\x02"
    assert constraints.extension_constraint("a@b", b"details") == b"\xff\x00\x00\x00\x03a@bdetails"


@pytest.mark.parametrize("seconds", [0, -1, 1 << 32])
def test_lifetime_out_of_range(seconds: int) -> None:
    with pytest.raises(ValueError, match="lifetime out of range"):
        constraints.lifetime(seconds)


@pytest.mark.parametrize(
    "hop",
    [
        constraints.DestinationHop("", [constraints.KeySpec(b"key")]),
        constraints.DestinationHop("host", []),
        constraints.DestinationHop("host", [constraints.KeySpec(b"key")], from_hostname="gate"),
    ],
)
def test_a_hop_has_two_ends(hop: constraints.DestinationHop) -> None:
    with pytest.raises(ValueError, match="host key"):
        constraints.restrict_destination([hop])
