"""Messages that a hostile or broken peer may send, one by one."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from ssh_connection.channel.base import MAX_PENDING_REQUESTS
from ssh_connection.channel.session_client import SSHClientChannel
from ssh_connection.channel.session_server import (
    MAX_ENVIRONMENT,
    MAX_ENVIRONMENT_SIZE,
    SSHServerChannel,
)
from ssh_connection.channel.tcpip import SSHTCPChannel
from ssh_connection.constants import OPEN_RESOURCE_SHORTAGE
from ssh_connection.errors import ChannelOpenError
from ssh_connection.global_requests import MAX_PENDING_GLOBAL_REQUESTS
from ssh_connection.messages.connection import ChannelOpen
from ssh_connection.process.client import SSHClientProcess
from ssh_connection.session import SSHServerSession
from ssh_transport.errors import ProtocolError
from tests.connection.channels import RawPeer, RecordingSession, RunSession, encode


class Session(SSHServerSession[bytes]):
    """Accepts commands and remembers what happened."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def exec_requested(self, command: str) -> bool:
        self.seen.append(("exec", command))
        return True

    def session_started(self) -> None:
        self.seen.append("started")

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.seen.append(data)

    def signal_received(self, signal: str) -> None:
        self.seen.append(("signal", signal))

    def connection_lost(self, exc: Exception | None) -> None:
        self.seen.append(("lost", exc))


class RunCommand(RunSession):
    """Accepts commands and takes their input in runs."""

    def exec_requested(self, command: str) -> bool:
        return True


def ended_by(peer: RawPeer, text: str) -> None:
    """The real end has closed the connection with a protocol error that says `text`."""
    assert isinstance(peer.error, ProtocolError)
    assert peer.error.code == 2
    assert text in peer.error.reason


async def test_window_overrun_ends_the_connection() -> None:
    peer = RawPeer()
    peer.serve(Session(), window=100, encoding=None)
    peer.send(94, 0, bytes(60))
    assert peer.error is None
    peer.send(94, 0, bytes(41))
    ended_by(peer, "41 bytes exceeds the window")


async def test_window_of_extended_data_is_the_same_window() -> None:
    peer, _chan, task = await client_channel(window=100)
    peer.send(95, 0, 1, bytes(60))
    peer.send(94, 0, bytes(41))
    ended_by(peer, "exceeds the window")
    await finish(peer, task)


async def test_data_above_the_maximum_packet_size() -> None:
    peer = RawPeer()
    peer.serve(Session(), max_pktsize=1000)
    peer.send(94, 0, bytes(1000))
    assert peer.error is None
    peer.send(94, 0, bytes(1001))
    ended_by(peer, "1001 bytes exceeds the maximum of 1000")


async def test_window_overrun_within_one_read_delivers_what_fits() -> None:
    peer = RawPeer()
    session = RunCommand()
    peer.serve(session, window=100, encoding=None)
    peer.send(98, 0, b"exec", False, b"x")
    peer.send_run((0, b"a" * 30), (0, b"b" * 20))
    assert session.runs == [2]
    peer.send_run((0, b"c" * 60), (0, b"d" * 101))
    ended_by(peer, "101 bytes exceeds the window")
    assert session.data == b"a" * 30 + b"b" * 20 + b"c" * 60


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (encode(94, 0, bytes(1001)), "1001 bytes exceeds the maximum of 1000"),
        (encode(94, 9, b"x"), "which is not open"),
        (encode(94, 0, b"x") + b"y", "wrong length of its data"),
        (encode(94, 0, b"x")[:-1], "wrong length of its data"),
        (encode(94, 0), "truncated"),
        (encode(94), "truncated"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
async def test_bad_data_among_good(bad: bytes, text: str, place: int) -> None:
    peer = RawPeer()
    session = RunCommand()
    peer.serve(session, max_pktsize=1000, encoding=None)
    peer.send(98, 0, b"exec", False, b"x")
    payloads = [encode(94, 0, b"good"), encode(94, 0, b"behind")]
    payloads.insert(place, bad)
    peer.end.receive(*payloads)
    ended_by(peer, text)
    assert session.data == b"good" * place


async def test_one_read_with_data_of_two_channels_keeps_their_order() -> None:
    peer = RawPeer()
    sessions = RunCommand(), RunCommand()
    for number, session in enumerate(sessions):
        peer.serve(session, encoding=None)
        peer.send(98, number, b"exec", False, b"x")
    peer.send_run((0, b"a"), (1, b"b"), (0, b"c"))
    assert peer.error is None
    assert [bytes(session.data) for session in sessions] == [b"ac", b"b"]


async def test_a_session_that_fails_on_several_messages_closes_its_channel_only() -> None:
    class Failing(RunCommand):
        def data_run_received(
            self, packets: list[bytes], start: int, ends: list[int], size: int
        ) -> None:
            raise ValueError("no")

    peer = RawPeer()
    session = Failing()
    peer.serve(session, encoding=None)
    peer.send(98, 0, b"exec", False, b"x")
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    peer.send_run((0, b"a"), (0, b"b"))
    assert peer.error is None
    assert [message[0] for message in peer.sent()][-1:] == [97]
    peer.send_run((0, b"c"), (0, b"d"))
    peer.send(97, 0)
    assert peer.error is None
    assert isinstance(session.lost_with[0], ValueError)


@pytest.mark.parametrize("number", [93, 94, 95, 96, 97, 98, 99, 100, 91, 92])
async def test_messages_for_a_channel_that_never_was(number: int) -> None:
    peer = RawPeer()
    fields: dict[int, tuple[int | bytes | bool, ...]] = {
        91: (9, 1, 1, 1),
        92: (9, 1, b"", b""),
        93: (9, 1),
        94: (9, b""),
        95: (9, 1, b""),
        98: (9, b"x", True),
    }
    peer.send(number, *fields.get(number, (9,)))
    ended_by(peer, "channel 9, which is not open")


@pytest.mark.parametrize("number", [93, 94, 96, 97, 98])
async def test_messages_for_a_channel_that_was_closed(number: int) -> None:
    peer = RawPeer()
    peer.serve(Session())
    peer.send(97, 0)
    assert peer.sent() == [encode(97, 7)]
    fields: dict[int, tuple[int | bytes | bool, ...]] = {
        93: (0, 1),
        94: (0, b"x"),
        98: (0, b"x", True),
    }
    peer.send(number, *fields.get(number, (0,)))
    ended_by(peer, "channel 0, which is not open")


async def test_duplicate_eof() -> None:
    peer = RawPeer()
    peer.serve(Session())
    peer.send(96, 0)
    peer.send(96, 0)
    ended_by(peer, "SSH_MSG_CHANNEL_EOF on a channel whose state is EOF")


async def test_data_behind_eof() -> None:
    peer = RawPeer()
    peer.serve(Session())
    peer.send(96, 0)
    peer.send(94, 0, b"x")
    ended_by(peer, "SSH_MSG_CHANNEL_DATA on a channel whose state is EOF")


@pytest.mark.parametrize("number", [99, 100])
async def test_unsolicited_channel_reply(number: int) -> None:
    peer = RawPeer()
    peer.serve(Session())
    peer.send(number, 0)
    ended_by(peer, "reply to a channel request that was not sent")


@pytest.mark.parametrize("number", [81, 82])
async def test_unsolicited_global_reply(number: int) -> None:
    peer = RawPeer()
    peer.send(number)
    ended_by(peer, "reply to a global request that was not sent")


async def test_window_adjust_overflow() -> None:
    peer = RawPeer()
    peer.serve(Session())
    peer.send(93, 0, 0xFFFFFFFF - (1 << 20))
    assert peer.error is None
    peer.send(93, 0, 1)
    ended_by(peer, "window adjusted above 2**32 - 1")


async def test_adjusts_of_zero_do_nothing() -> None:
    peer = RawPeer()
    chan = peer.serve(Session(), encoding=None)
    for _ in range(1000):
        peer.send(93, 0, 0)
    assert peer.error is None
    assert peer.sent() == []
    chan.write(b"still there")
    assert peer.sent() == [encode(94, 7, b"still there")]


async def test_open_with_maximum_packet_size_zero_is_refused() -> None:
    peer = RawPeer()
    peer.services.accept = lambda request: pytest.fail("must not be asked")
    peer.send(90, b"session", 7, 1000, 0)
    (answer,) = peer.sent()
    assert answer[:9] == encode(92, 7, 1)
    assert peer.end.mux.channels == ()
    assert peer.error is None


async def test_confirmation_with_maximum_packet_size_zero() -> None:
    peer = RawPeer()
    chan: SSHTCPChannel[bytes] = SSHTCPChannel(peer.services, peer.end.mux)
    task = asyncio.create_task(chan.connect(RecordingSession, "host", 1))
    await asyncio.sleep(0)
    peer.send(91, 0, 7, 1000, 0)
    ended_by(peer, "maximum packet size of 0")
    await finish(peer, task)


async def test_zero_window_and_tiny_packets_do_not_spin() -> None:
    peer = RawPeer()
    chan = SSHServerChannel[bytes](peer.services, peer.end.mux, encoding=None)
    chan.set_session(Session())
    peer.services.accept = lambda request: chan
    peer.send(90, b"session", 7, 0, 1)
    peer.sent()
    chan.write(b"abc")
    assert peer.sent() == []
    peer.send(93, 0, 2)
    assert peer.sent() == [encode(94, 7, b"a"), encode(94, 7, b"b")]
    assert chan.get_write_buffer_size() == 1


async def test_channels_are_bounded() -> None:
    peer = RawPeer(max_channels=3)

    def accept(request: ChannelOpen) -> SSHServerChannel[bytes]:
        chan = SSHServerChannel[bytes](peer.services, peer.end.mux)
        chan.set_session(Session())
        return chan

    peer.services.accept = accept
    for number in range(5):
        peer.send(90, b"session", number, 1000, 1000)
    answers = peer.sent()
    assert [answer[0] for answer in answers] == [91, 91, 91, 92, 92]
    assert answers[3][:9] == encode(92, 3, OPEN_RESOURCE_SHORTAGE)
    # A channel that is gone makes room.
    peer.send(97, 0)
    peer.send(90, b"session", 9, 1000, 1000)
    assert [answer[0] for answer in peer.sent()] == [97, 91]
    assert len(peer.end.mux.channels) == 3


async def test_pending_opens_are_bounded_and_refused_ones_leave_nothing_behind() -> None:
    peer = RawPeer(max_pending_opens=2)
    decisions: list[asyncio.Future[Any]] = []

    def accept(request: ChannelOpen) -> asyncio.Future[Any]:
        decision: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        decisions.append(decision)
        return decision

    peer.services.accept = accept
    for number in range(4):
        peer.send(90, b"direct-tcpip", number, 1000, 1000)
    assert [answer[:9] for answer in peer.sent()] == [encode(92, 2, 4), encode(92, 3, 4)]
    for decision in decisions:
        decision.set_exception(ChannelOpenError(2, "refused"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [answer[:9] for answer in peer.sent()] == [encode(92, 0, 2), encode(92, 1, 2)]
    assert peer.end.mux.channels == ()
    assert not peer.end.mux._pending_opens
    assert not peer.end.mux._accepted


async def test_refusing_channels_for_ever_keeps_no_memory() -> None:
    peer = RawPeer()
    for number in range(1000):
        peer.send(90, b"x11", number, 1000, 1000)
    assert {answer[0] for answer in peer.sent()} == {92}
    gc.collect()
    mux = peer.end.mux
    left: tuple[Any, ...] = (mux._channels, mux._accepted, mux._opening, mux._pending_opens)
    assert not any(left)
    assert not mux.ready


async def test_a_handler_that_raises_refuses_and_says_nothing_of_it() -> None:
    peer = RawPeer()
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, info: reported.append(info))

    def accept(request: ChannelOpen) -> SSHServerChannel[bytes]:
        raise RuntimeError("secret path /etc/x")

    peer.services.accept = accept
    peer.send(90, b"session", 7, 1000, 1000)
    (answer,) = peer.sent()
    assert answer[0] == 92
    assert b"secret" not in answer
    assert str(reported[0]["exception"]) == "secret path /etc/x"
    assert peer.error is None


async def test_requests_that_wait_are_bounded() -> None:
    class Slow(Session):
        def exec_requested(self, command: str) -> Any:
            return asyncio.get_running_loop().create_future()

    peer = RawPeer()
    peer.serve(Slow())
    peer.send(98, 0, b"exec", True, b"sleep")
    for _ in range(MAX_PENDING_REQUESTS):
        peer.send(98, 0, b"env", True, b"A", b"b")
    assert peer.error is None
    assert peer.sent() == []
    peer.send(98, 0, b"env", True, b"A", b"b")
    ended_by(peer, "too many requests")
    peer.end.mux.connection_lost(peer.error)
    await asyncio.sleep(0)


async def test_global_requests_that_wait_are_bounded() -> None:
    peer = RawPeer()
    peer.services.on_global = lambda name, data: asyncio.get_running_loop().create_future()
    peer.send(80, b"tcpip-forward", True, b"", 0)
    for _ in range(MAX_PENDING_GLOBAL_REQUESTS):
        peer.send(80, b"x", True)
    assert peer.error is None
    peer.send(80, b"x", True)
    ended_by(peer, "too many requests")
    peer.end.mux.connection_lost(peer.error)
    await asyncio.sleep(0)


async def test_a_malformed_request_that_had_to_wait_ends_the_connection() -> None:
    decision: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    class Slow(Session):
        def exec_requested(self, command: str) -> Any:
            return decision

    peer = RawPeer()
    peer.serve(Slow())
    peer.send(98, 0, b"exec", True, b"sleep")
    peer.send(98, 0, b"signal", False)
    assert peer.error is None
    decision.set_result(True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ended_by(peer, "SignalRequest.signal_name")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (b"pty-req", b""),
        (b"pty-req", encode(0, b"xterm", 80, 24, 0, 0)[1:]),
        (b"pty-req", encode(0, b"xterm", 80, 24, 0, 0, b"\x01\0\0")[1:]),
        (b"pty-req", encode(0, b"xterm", 80, 24, 0, 0, b"\0\x01")[1:]),
        (b"pty-req", encode(0, b"\xff", 80, 24, 0, 0, b"\0")[1:]),
        (b"env", encode(0, b"A")[1:]),
        (b"exec", b"\0\0\0\x09ls"),
        (b"exec", encode(0, b"ls", b"more")[1:]),
        (b"shell", b"x"),
        (b"subsystem", b"\xff\xff\xff\xff"),
        (b"window-change", encode(0, 80, 24, 0)[1:]),
        (b"signal", b"\0"),
        (b"break", b"\0\0"),
    ],
)
async def test_malformed_requests_to_a_server(name: bytes, data: bytes) -> None:
    peer = RawPeer()
    peer.serve(Session())
    peer.end.receive(encode(98, 0, name, True) + data)
    assert isinstance(peer.error, ProtocolError)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (b"exit-status", b""),
        (b"exit-status", b"\0\0\0\0\0"),
        (b"exit-signal", encode(0, b"TERM")[1:]),
        (b"exit-signal", encode(0, b"\xff", False, b"", b"")[1:]),
        (b"xon-xoff", b""),
    ],
)
async def test_malformed_requests_to_a_client(name: bytes, data: bytes) -> None:
    peer, _chan, task = await client_channel()
    peer.end.receive(encode(98, 0, name, False) + data)
    assert isinstance(peer.error, ProtocolError)
    await finish(peer, task)


@pytest.mark.parametrize("number", range(80, 101))
async def test_truncated_messages(number: int) -> None:
    full: dict[int, bytes] = {
        80: encode(80, b"name", True),
        90: encode(90, b"session", 7, 1000, 1000),
        91: encode(91, 0, 7, 1000, 1000),
        92: encode(92, 0, 1, b"no", b"en"),
        93: encode(93, 0, 10),
        94: encode(94, 0, b"data"),
        95: encode(95, 0, 1, b"data"),
        96: encode(96, 0),
        97: encode(97, 0),
        98: encode(98, 0, b"x", True),
        99: encode(99, 0),
        100: encode(100, 0),
    }
    payload = full.get(number)
    if payload is None:
        return
    for end in range(1, len(payload)):
        peer = RawPeer()
        peer.serve(Session())
        peer.end.receive(payload[:end])
        assert isinstance(peer.error, ProtocolError), payload[:end]
    if number not in (80, 90, 98):
        peer = RawPeer()
        peer.serve(Session())
        peer.end.receive(payload + b"\0")
        assert isinstance(peer.error, ProtocolError)


@pytest.mark.parametrize("claimed", [0, 3, 5, 0x7FFFFFFF, 0xFFFFFFFF])
async def test_data_with_a_wrong_length(claimed: int) -> None:
    for head in (encode(94, 0, claimed), encode(95, 0, 1, claimed)):
        peer = RawPeer()
        peer.serve(Session())
        peer.end.receive(head + b"data")
        assert isinstance(peer.error, ProtocolError)


async def test_extended_data_to_a_server_and_of_unknown_types() -> None:
    peer = RawPeer()
    peer.serve(Session())
    peer.send(95, 0, 1, b"x")
    ended_by(peer, "extended data of type 1")
    peer, _chan, task = await client_channel()
    peer.send(95, 0, 2, b"x")
    ended_by(peer, "extended data of type 2")
    await finish(peer, task)


async def test_environment_is_bounded() -> None:
    peer = RawPeer()
    chan = peer.serve(Session())
    for number in range(MAX_ENVIRONMENT + 10):
        peer.send(98, 0, b"env", True, b"NAME%d" % number, b"value")
    answers = [message[0] for message in peer.sent()]
    assert answers == [99] * MAX_ENVIRONMENT + [100] * 10
    assert len(chan.get_environment()) == MAX_ENVIRONMENT
    chan = RawPeer().serve(Session())
    peer = RawPeer()
    chan = peer.serve(Session())
    for number in range(10):
        peer.send(98, 0, b"env", True, b"N%d" % number, bytes(b"v" * 20000))
    assert sum(map(len, chan.get_environment().values())) <= MAX_ENVIRONMENT_SIZE
    assert [message[0] for message in peer.sent()].count(100) == 7


@pytest.mark.parametrize("name", [b"", b"A=B", b"A\0B", b"\xff"])
async def test_impossible_environment_is_refused(name: bytes) -> None:
    peer = RawPeer()
    chan = peer.serve(Session())
    peer.send(98, 0, b"env", True, name, b"value")
    assert peer.sent() == [encode(100, 7)]
    assert not chan.get_environment()


async def test_only_one_start_request_succeeds() -> None:
    peer = RawPeer()
    session = Session()
    peer.serve(session)
    peer.send(98, 0, b"shell", True)
    peer.send(98, 0, b"exec", True, b"first")
    peer.send(98, 0, b"exec", True, b"second")
    peer.send(98, 0, b"shell", True)
    peer.send(98, 0, b"pty-req", True, b"xterm", 80, 24, 0, 0, b"\0")
    assert peer.sent() == [encode(number, 7) for number in (100, 99, 100, 100, 100)]
    assert session.seen == [("exec", "first"), "started"]


async def test_requests_without_want_reply_get_none() -> None:
    peer = RawPeer()
    peer.serve(Session())
    peer.send(98, 0, b"unknown", False)
    peer.send(98, 0, b"env", False, b"A", b"b")
    peer.send(98, 0, b"shell", False)
    assert peer.sent() == []
    peer.send(98, 0, b"unknown@example.com", True)
    assert peer.sent() == [encode(100, 7)]


async def test_text_of_the_peer_is_escaped() -> None:
    peer = RawPeer()
    chan: SSHTCPChannel[bytes] = SSHTCPChannel(peer.services, peer.end.mux)
    task = asyncio.create_task(chan.connect(RecordingSession, "host", 1))
    await asyncio.sleep(0)
    peer.send(92, 0, 2, b"no \x1b[31mway\r\n\xff", b"en\x07")
    with pytest.raises(ChannelOpenError) as info:
        await task
    assert info.value.code == 2
    assert info.value.reason == r"no \x1b[31mway\r\n\xff"
    assert info.value.lang == r"en\x07"


async def test_an_open_that_was_cancelled_is_closed_when_confirmed() -> None:
    peer = RawPeer()
    chan: SSHTCPChannel[bytes] = SSHTCPChannel(peer.services, peer.end.mux)
    session = RecordingSession()
    task = asyncio.create_task(chan.connect(lambda: session, "host", 1))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    peer.sent()
    peer.send(91, 0, 7, 1000, 1000)
    peer.send(94, 0, b"data nobody wants")
    assert peer.sent() == [encode(97, 7)]
    peer.send(97, 0)
    assert peer.error is None
    assert peer.end.mux.channels == ()
    assert session.events == []


async def test_connection_lost_reaches_everything_once() -> None:
    peer, chan, task = await client_channel()
    opening: SSHTCPChannel[bytes] = SSHTCPChannel(peer.services, peer.end.mux)
    pending = asyncio.create_task(opening.connect(RecordingSession, "host", 1))
    request = asyncio.create_task(peer.end.mux.global_request(b"x"))
    await asyncio.sleep(0)
    error = ProtocolError("cut")
    peer.end.mux.connection_lost(error)
    peer.end.mux.connection_lost(None)
    for waiting in (task, pending):
        with pytest.raises(ChannelOpenError):
            await waiting
    with pytest.raises(Exception, match="cut"):
        await request
    with pytest.raises(ChannelOpenError):
        await peer.end.mux.open(opening, b"x")
    await chan.wait_closed()
    assert peer.end.mux.channels == ()


async def client_channel(
    **options: Any,
) -> tuple[RawPeer, SSHClientChannel[Any], asyncio.Task[Any]]:
    """A client's channel, number 0, whose exec request was not answered yet."""
    peer = RawPeer()
    chan: SSHClientChannel[Any] = SSHClientChannel(peer.services, peer.end.mux, **options)
    task = asyncio.create_task(chan.create(SSHClientProcess, "command"))
    await asyncio.sleep(0)
    assert peer.sent()[0][0] == 90
    peer.send(91, 0, 7, 1 << 20, 32768)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert peer.sent()[0][0] == 98
    return peer, chan, task


async def finish(peer: RawPeer, task: asyncio.Task[Any]) -> None:
    """Cut the connection; what waits ends with an error of ours."""
    peer.end.mux.connection_lost(peer.error)
    with pytest.raises(ChannelOpenError):
        await task
