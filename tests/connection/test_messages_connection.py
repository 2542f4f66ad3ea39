"""Declarations of RFC 4254 against bytes written by hand, and terminal modes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_connection.channel.ptymodes import decode_terminal_modes, encode_terminal_modes
from ssh_connection.channel.tcpip import SSHTCPChannel
from ssh_connection.constants import PTY_ECHO, PTY_OP_OSPEED, PTY_VINTR, SIGNAL_NAMES
from ssh_connection.messages import connection as messages
from ssh_keys.wire import Message, PacketDecodeError
from tests.connection.channels import RawPeer, RecordingSession, encode

LITERALS: list[tuple[Message, bytes]] = [
    (messages.GlobalRequest(b"ab", True, b"rest"), b"\x50\0\0\0\2ab\1rest"),
    (messages.RequestSuccess(b"\0\0\0\x16"), b"\x51\0\0\0\x16"),
    (messages.RequestFailure(), b"\x52"),
    (
        messages.ChannelOpen(b"session", 1, 2, 3, b""),
        b"\x5a\0\0\0\7session\0\0\0\1\0\0\0\2\0\0\0\3",
    ),
    (messages.ChannelOpenConfirmation(1, 2, 3, 4), b"\x5b\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4"),
    (messages.ChannelOpenFailure(1, 2, b"no", b"en"), b"\x5c\0\0\0\1\0\0\0\2\0\0\0\2no\0\0\0\2en"),
    (messages.ChannelWindowAdjust(1, 2), b"\x5d\0\0\0\1\0\0\0\2"),
    (messages.ChannelData(1, b"ab"), b"\x5e\0\0\0\1\0\0\0\2ab"),
    (messages.ChannelExtendedData(1, 1, b"ab"), b"\x5f\0\0\0\1\0\0\0\1\0\0\0\2ab"),
    (messages.ChannelEof(1), b"\x60\0\0\0\1"),
    (messages.ChannelClose(1), b"\x61\0\0\0\1"),
    (messages.ChannelRequest(1, b"x", False, b"d"), b"\x62\0\0\0\1\0\0\0\1x\0d"),
    (messages.ChannelSuccess(1), b"\x63\0\0\0\1"),
    (messages.ChannelFailure(1), b"\x64\0\0\0\1"),
    (
        messages.PtyRequest("vt", 80, 24, 0, 0, b"\0"),
        b"\0\0\0\2vt\0\0\0\x50\0\0\0\x18\0\0\0\0\0\0\0\0\0\0\0\1\0",
    ),
    (messages.X11Request(True, b"M", b"0a", 1), b"\1\0\0\0\1M\0\0\0\0020a\0\0\0\1"),
    (messages.X11Open("h", 22), b"\0\0\0\1h\0\0\0\x16"),
    (messages.EnvRequest(b"A", b"b"), b"\0\0\0\1A\0\0\0\1b"),
    (messages.ExecRequest(b"ls"), b"\0\0\0\2ls"),
    (messages.SubsystemRequest("sftp"), b"\0\0\0\4sftp"),
    (messages.WindowChangeRequest(1, 2, 3, 4), b"\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4"),
    (messages.XonXoffRequest(True), b"\1"),
    (messages.SignalRequest("INT"), b"\0\0\0\3INT"),
    (messages.BreakRequest(500), b"\0\0\1\xf4"),
    (messages.ExitStatusRequest(3), b"\0\0\0\3"),
    (
        messages.ExitSignalRequest("INT", True, b"m", b"en"),
        b"\0\0\0\3INT\1\0\0\0\1m\0\0\0\2en",
    ),
    (messages.TcpipForward("h", 22), b"\0\0\0\1h\0\0\0\x16"),
    (messages.TcpipForwardReply(22), b"\0\0\0\x16"),
    (messages.CancelTcpipForward("h", 22), b"\0\0\0\1h\0\0\0\x16"),
    (messages.DirectTcpip("h", 22, "o", 5), b"\0\0\0\1h\0\0\0\x16\0\0\0\1o\0\0\0\5"),
    (messages.ForwardedTcpip("h", 22, "o", 5), b"\0\0\0\1h\0\0\0\x16\0\0\0\1o\0\0\0\5"),
    (messages.StreamlocalForward("/x"), b"\0\0\0\2/x"),
    (messages.CancelStreamlocalForward("/x"), b"\0\0\0\2/x"),
    (messages.DirectStreamlocal("/x"), b"\0\0\0\2/x\0\0\0\0\0\0\0\0"),
    (messages.ForwardedStreamlocal("/x"), b"\0\0\0\2/x\0\0\0\0"),
    (messages.TunOpen(2, 0x7FFFFFFF), b"\0\0\0\2\x7f\xff\xff\xff"),
]


@pytest.mark.parametrize(("message", "literal"), LITERALS, ids=lambda item: type(item).__name__)
def test_declarations(message: Message, literal: bytes) -> None:
    assert message.encode() == literal
    start = 1 if message.number >= 0 else 0
    assert type(message).decode(literal, start) == message


def test_every_declaration_is_tested() -> None:
    assert {type(message).__name__ for message, _ in LITERALS} == set(messages.__all__)


@given(data=st.binary(max_size=2000))
def test_data_packed_by_hand_agrees_with_the_declaration(data: bytes) -> None:
    import asyncio

    async def run() -> None:
        peer = RawPeer()
        session = RecordingSession()
        chan: SSHTCPChannel[bytes] = SSHTCPChannel(peer.services, peer.end.mux)
        chan.set_session(session)
        peer.services.accept = lambda request: chan
        peer.send(90, b"direct-tcpip", 7, 1 << 30, 100)
        peer.sent()
        chan.write(data)
        received = b""
        for payload in peer.sent():
            message = messages.ChannelData.decode(payload, 1)
            assert message.recipient_channel == 7
            assert 0 < len(message.data) <= 100
            received += message.data
        assert received == data
        peer.end.receive(messages.ChannelData(0, data).encode())
        peer.end.receive(messages.ChannelWindowAdjust(0, 1).encode())
        assert peer.error is None
        assert bytes(session.data) == data

    asyncio.run(run())


MODES = st.dictionaries(st.integers(1, 159), st.integers(0, 0xFFFFFFFF), max_size=20)


@given(modes=MODES)
def test_terminal_modes_round_trip(modes: dict[int, int]) -> None:
    assert decode_terminal_modes(encode_terminal_modes(modes)) == modes


def test_terminal_modes_literal() -> None:
    modes = {PTY_VINTR: 3, PTY_ECHO: 1, PTY_OP_OSPEED: 38400}
    literal = b"\x01\0\0\0\x03\x35\0\0\0\x01\x81\0\0\x96\0\0"
    assert encode_terminal_modes(modes) == literal
    assert decode_terminal_modes(literal) == modes
    assert decode_terminal_modes(b"") == {}
    assert decode_terminal_modes(literal[:-1]) == modes
    # Opcodes 160 to 255 are not defined yet and end the parsing.
    assert decode_terminal_modes(b"\x01\0\0\0\x03\xa0whatever") == {PTY_VINTR: 3}


@given(data=st.binary(max_size=50))
def test_terminal_modes_of_any_bytes(data: bytes) -> None:
    try:
        modes = decode_terminal_modes(data)
    except PacketDecodeError:
        return
    assert all(0 < opcode < 160 for opcode in modes)


@pytest.mark.parametrize("modes", [{0: 1}, {160: 1}, {1: -1}, {1: 1 << 32}])
def test_terminal_modes_out_of_range(modes: dict[int, int]) -> None:
    with pytest.raises(ValueError, match="terminal mode"):
        encode_terminal_modes(modes)


def test_signal_numbers_of_posix() -> None:
    import signal

    for number, name in SIGNAL_NAMES.items():
        assert getattr(signal, f"SIG{name}") == number


def test_hand_encoder_of_these_tests() -> None:
    assert encode(94, 1, b"ab", True) == b"\x5e\0\0\0\1\0\0\0\2ab\1"
