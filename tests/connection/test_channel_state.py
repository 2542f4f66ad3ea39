"""Every message in every state of a channel, against the table and against RFC 4254 section 5."""

from __future__ import annotations

import pytest

from ssh_connection.channel.state import HALF_TRANSITIONS, MESSAGE_NAMES, HalfState, next_state
from ssh_connection.channel.tcpip import SSHTCPChannel
from ssh_transport.errors import ProtocolError
from tests.connection.channels import RawPeer, RecordingSession

DATA, EXTENDED, EOF, CLOSE = 94, 95, 96, 97
ADJUST, REQUEST, SUCCESS, FAILURE = 93, 98, 99, 100
CONFIRMATION, OPEN_FAILURE = 91, 92

MESSAGES: dict[int, tuple[int | bytes | bool, ...]] = {
    CONFIRMATION: (0, 7, 1000, 1000),
    OPEN_FAILURE: (0, 1, b"no", b""),
    ADJUST: (0, 10),
    DATA: (0, b"data"),
    EXTENDED: (0, 1, b"data"),
    EOF: (0,),
    CLOSE: (0,),
    REQUEST: (0, b"keepalive@openssh.com", True),
    SUCCESS: (0,),
    FAILURE: (0,),
}

# Independent of the table in the package: what the RFC allows behind EOF and CLOSE.
LEGAL = {
    "opening": {CONFIRMATION, OPEN_FAILURE},
    "open": {ADJUST, DATA, EXTENDED, EOF, CLOSE, REQUEST, SUCCESS, FAILURE},
    "eof": {ADJUST, CLOSE, REQUEST, SUCCESS, FAILURE},
    "closed": set(),
    # We have closed, the peer has not yet: what it sent before it knew still arrives.
    "we closed": {ADJUST, DATA, EXTENDED, EOF, CLOSE, REQUEST, SUCCESS, FAILURE},
    "we closed, eof": {ADJUST, CLOSE, REQUEST, SUCCESS, FAILURE},
    "we sent eof": {ADJUST, DATA, EXTENDED, EOF, CLOSE, REQUEST, SUCCESS, FAILURE},
}


class Stderr(SSHTCPChannel[bytes]):
    """A channel whose peer may send extended data."""

    read_datatypes = frozenset({1})


async def in_state(state: str) -> tuple[RawPeer, Stderr]:
    """A channel, number 0, of a real end in one of the states above, with a request pending."""
    peer = RawPeer()
    chan = Stderr(peer.services, peer.end.mux)
    session = RecordingSession()
    chan.set_session(session)
    if state == "opening":
        peer.end.mux._channels[0] = chan
        chan.number = 0
        peer.end.mux._opening[0] = peer.end.mux.loop.create_future()
        return peer, chan
    peer.services.accept = lambda request: chan
    peer.send(90, b"direct-tcpip", 7, 1000, 1000)
    if "eof" in state and state != "we sent eof":
        peer.send(EOF, 0)
    if state == "closed":
        peer.send(CLOSE, 0)
    if state.startswith("we closed"):
        chan.abort()
    if state == "we sent eof":
        chan.write_eof()
    assert peer.error is None
    chan._waiters.append((peer.end.mux.loop.create_future(), None))
    peer.sent()
    return peer, chan


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("state", LEGAL)
async def test_every_message_in_every_state(state: str, message: int) -> None:
    peer, _ = await in_state(state)
    peer.send(message, *MESSAGES[message])
    if message in LEGAL[state]:
        assert peer.error is None
    else:
        assert isinstance(peer.error, ProtocolError)
        assert peer.error.code == 2
    for waiter in peer.end.mux._opening.values():
        waiter.cancel()


def test_table_is_complete_and_names_its_messages() -> None:
    assert set(HALF_TRANSITIONS) == set(HalfState)
    assert {number for row in HALF_TRANSITIONS.values() for number in row} == set(MESSAGE_NAMES)
    assert set(MESSAGE_NAMES) == set(MESSAGES)
    for number, name in MESSAGE_NAMES.items():
        assert name.startswith("SSH_MSG_CHANNEL_"), number


def test_states_only_go_forward() -> None:
    for state, row in HALF_TRANSITIONS.items():
        for message, target in row.items():
            assert target >= state, (state, message)
            assert next_state(state, message) is target
    assert next_state(HalfState.CLOSED, CLOSE) is None
    assert next_state(HalfState.EOF, DATA) is None


async def test_nothing_is_sent_behind_our_close() -> None:
    peer, chan = await in_state("we closed")
    peer.send(REQUEST, 0, b"unknown", True)
    peer.send(DATA, 0, b"data")
    peer.send(EOF, 0)
    peer.send(ADJUST, 0, 100000)
    chan.consumed(1 << 20)
    assert peer.sent() == []
    with pytest.raises(BrokenPipeError):
        chan.write(b"x")
    chan.write_eof()
    chan.close()
    chan.abort()
    assert peer.sent() == []
    peer.send(CLOSE, 0)
    assert peer.error is None
    assert peer.end.mux.channels == ()


async def test_data_behind_our_close_still_counts_against_the_window() -> None:
    peer, chan = await in_state("we closed")
    for _ in range(chan.window // 32768):
        peer.send(DATA, 0, bytes(32768))
    assert peer.error is None
    peer.send(DATA, 0, b"x")
    assert "exceeds the window" in str(peer.error)
