"""What a server may ask of an agent that is lent to it."""

from __future__ import annotations

import random

import pytest

from ssh_agent import AgentProtocolError, ForwardedRequests
from ssh_agent.constraints import confirm_use, extension_constraint
from ssh_agent.core import MAX_MESSAGE
from ssh_agent.messages import (
    AddIdConstrained,
    AddIdentity,
    AddSmartcardKey,
    AddSmartcardKeyConstrained,
    Extension,
    Lock,
    RemoveAllIdentities,
    RemoveIdentity,
    RemoveSmartcardKey,
    RequestIdentities,
    SignRequest,
    Unlock,
)
from ssh_keys.wire import encode_string

KEY = encode_string(b"sk-ssh-ed25519@openssh.com") + bytes(40)
REFUSED = b"\0\0\0\x01\xf0"
PROVIDER = extension_constraint("sk-provider@openssh.com", encode_string(b"/lib/evil.so"))

ALLOWED = [
    RequestIdentities(),
    SignRequest(b"key", b"data", 2),
    AddIdentity(KEY, b"comment"),
    AddIdConstrained(KEY, b"comment", confirm_use()),
    RemoveIdentity(b"key"),
    RemoveAllIdentities(),
    Extension(b"query"),
    Extension(b"session-bind@openssh.com", b"x"),
]
FORBIDDEN = [
    AddSmartcardKey("/lib/evil.so", "1234"),
    AddSmartcardKeyConstrained("/lib/evil.so", "1234", b""),
    RemoveSmartcardKey("/lib/evil.so", "1234"),
    AddIdConstrained(KEY, b"comment", confirm_use() + PROVIDER),
    Lock("nobody knows"),
    Unlock("guess"),
    Extension(b"vendor@example.org", b"x"),
]


def frame(payload: bytes) -> bytes:
    return encode_string(payload)


@pytest.mark.parametrize("request_", ALLOWED, ids=lambda each: type(each).__name__)
def test_allowed(request_: RequestIdentities) -> None:
    data = frame(request_.encode())
    assert ForwardedRequests().feed(data) == data


@pytest.mark.parametrize("request_", FORBIDDEN, ids=lambda each: type(each).__name__)
def test_forbidden(request_: RequestIdentities) -> None:
    assert ForwardedRequests().feed(frame(request_.encode())) == REFUSED


def test_every_number_that_is_not_known_is_refused() -> None:
    known = {each.encode()[0] for each in ALLOWED}
    for number in range(256):
        data = frame(bytes((number,)) + encode_string(b"query"))
        expected = data if number in known else REFUSED
        assert ForwardedRequests().feed(data) == expected


def test_extension_without_a_name_is_refused() -> None:
    assert ForwardedRequests().feed(frame(b"\x1b")) == REFUSED
    assert ForwardedRequests().feed(frame(b"\x1b\0\0\0\xffquery")) == REFUSED


def test_pieces_of_any_size() -> None:
    rng = random.Random(1)
    stream, expected = b"", b""
    for _ in range(200):
        each = rng.choice([*ALLOWED, *FORBIDDEN])
        data = frame(each.encode())
        stream += data
        expected += data if each in ALLOWED else REFUSED
    requests, result = ForwardedRequests(), b""
    while stream:
        size = rng.randrange(1, 50)
        result += requests.feed(stream[:size])
        stream = stream[size:]
    assert result == expected


def test_nothing_leaves_before_a_request_is_complete() -> None:
    requests = ForwardedRequests()
    data = frame(AddSmartcardKey("/lib/evil.so", "1234").encode())
    for index in range(len(data) - 1):
        assert requests.feed(data[index : index + 1]) == b""
    assert requests.feed(data[-1:]) == REFUSED


@pytest.mark.parametrize("length", [0, MAX_MESSAGE + 1, 0xFFFFFFFF])
def test_length_that_can_not_be(length: int) -> None:
    with pytest.raises(AgentProtocolError):
        ForwardedRequests().feed(length.to_bytes(4, "big"))


def test_longest_request() -> None:
    data = frame(b"\x0d" + bytes(MAX_MESSAGE - 1))
    assert ForwardedRequests().feed(data) == data
