"""The request queue: answers reach their requests whatever the chunks, and lies end it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_agent.core import MAX_MESSAGE, MAX_PENDING, AgentCore
from ssh_agent.errors import AgentConnectionError, AgentError, AgentProtocolError

Reply = bytes | AgentError


def frame(body: bytes) -> bytes:
    """A message as it travels."""
    return len(body).to_bytes(4, "big") + body


def ask(core: AgentCore, replies: list[Reply], count: int = 1) -> None:
    """Make requests whose answers go to `replies`."""
    for _ in range(count):
        core.request(b"\x0b", replies.append)


def test_request_is_framed() -> None:
    assert AgentCore().request(b"\x0bxy", print) == b"\x00\x00\x00\x03\x0bxy"


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=10), st.data())
def test_answers_survive_any_chunking(bodies: list[bytes], data: st.DataObject) -> None:
    core = AgentCore()
    replies: list[Reply] = []
    ask(core, replies, len(bodies))
    stream = b"".join(frame(body) for body in bodies)
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        core.receive_data(stream[:size])
        stream = stream[size:]
    assert replies == bodies
    assert core.pending == 0


@pytest.mark.parametrize("length", [0, MAX_MESSAGE + 1, 1 << 31, (1 << 32) - 1])
def test_bad_length_is_refused_before_its_data(length: int) -> None:
    core = AgentCore()
    ask(core, [])
    with pytest.raises(AgentProtocolError, match=f"message of {length} bytes"):
        core.receive_data(length.to_bytes(4, "big"))


def test_longest_message_arrives() -> None:
    core = AgentCore()
    replies: list[Reply] = []
    ask(core, replies)
    core.receive_data(frame(bytes(MAX_MESSAGE)))
    assert replies == [bytes(MAX_MESSAGE)]


def test_unasked_answer_is_refused() -> None:
    core = AgentCore()
    replies: list[Reply] = []
    ask(core, replies)
    with pytest.raises(AgentProtocolError, match="nobody asked"):
        core.receive_data(frame(b"\x06") + frame(b"\x06"))
    assert replies == [b"\x06"]


@pytest.mark.parametrize("payload", [b"", bytes(MAX_MESSAGE + 1)], ids=len)
def test_own_requests_have_bounds_too(payload: bytes) -> None:
    core = AgentCore()
    with pytest.raises(AgentError, match=f"request of {len(payload)} bytes"):
        core.request(payload, print)
    assert core.pending == 0


def test_pending_requests_are_bounded() -> None:
    core = AgentCore()
    ask(core, [], MAX_PENDING)
    with pytest.raises(AgentError, match="without an answer"):
        ask(core, [])


def test_end_fails_everything_once() -> None:
    core = AgentCore()
    replies: list[Reply] = []
    ask(core, replies, 2)
    gone = AgentConnectionError("gone")
    core.end(gone)
    core.end(AgentConnectionError("again"))
    assert replies == [gone, gone]
    assert core.error is gone
    with pytest.raises(AgentConnectionError, match="gone"):
        ask(core, replies)


def test_a_handler_may_ask_again() -> None:
    core = AgentCore()
    replies: list[Reply] = []

    def again(reply: Reply) -> None:
        replies.append(reply)
        ask(core, replies)

    core.request(b"\x0b", again)
    core.receive_data(frame(b"first") + frame(b"second"))
    assert replies == [b"first", b"second"]
