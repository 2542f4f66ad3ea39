"""Tunnels of packets that applications serve themselves: no device, no privilege."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssh_connection import (
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_CONNECT_FAILED,
    ChannelOpenError,
    SSHReader,
    SSHTunTapChannel,
    SSHTunTapSession,
    SSHWriter,
)
from ssh_connection.channel.base import Channel
from ssh_connection.messages.connection import ChannelOpen, TunOpen
from ssh_connection.tuntap.channel import MAX_PACKETS
from ssh_connection.tuntap.framing import TunnelMode
from ssh_connection.tuntap.stream import SSHTunTapStreamSession
from ssh_transport.errors import ProtocolError

from .channels import RawPeer
from .loopback import USER_KEY, Server, authorized, client, owner, server_side, serving
from .mux_pair import Pair
from .packets import FAMILY_4, MALFORMED, MALFORMED_FRAMES, frame, ipv4, ipv6

TUN, TAP = TunnelMode


class Recorder(SSHTunTapSession):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.chan: SSHTunTapChannel | None = None
        self.packets: list[bytes] = []
        self.events: list[str] = []
        self.lost_with: list[Exception | None] = []

    def connection_made(self, chan: SSHTunTapChannel) -> None:
        self.chan = chan

    def session_started(self) -> None:
        self.events.append("started")

    def data_received(self, data: bytes, datatype: int | None) -> None:
        assert datatype is None
        self.packets.append(data)

    def eof_received(self) -> bool:
        self.events.append("eof")
        return True

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost_with.append(exc)


async def open_pair(
    pair: Pair, mine: SSHTunTapSession, theirs: SSHTunTapSession, mode: TunnelMode, **options: int
) -> tuple[SSHTunTapChannel, SSHTunTapChannel]:
    """Open a tunnel and return both of its ends; options are the server's."""
    accepted: list[SSHTunTapChannel] = []

    def accept(request: ChannelOpen) -> Channel:
        assert request.channel_type == b"tun@openssh.com"
        assert TunOpen.decode(request.type_data) == TunOpen(mode, 3)
        chan = SSHTunTapChannel(pair.server.services, pair.server.mux, **options)
        chan.mode = mode
        chan.set_session(theirs)
        accepted.append(chan)
        return chan

    pair.server.services.accept = accept
    chan = SSHTunTapChannel(pair.client.services, pair.client.mux)
    await chan.connect(lambda: mine, mode, 3)
    return chan, accepted[0]


class Peer(RawPeer):
    """Plays the client of a tunnel with raw messages; its number is 7, that of the server 0."""

    def __init__(
        self,
        session: SSHTunTapSession,
        mode: TunnelMode = TUN,
        window: int = 1 << 20,
        most: int = 32768,
        **options: int,
    ) -> None:
        super().__init__()
        self.chan = SSHTunTapChannel(self.services, self.end.mux, **options)
        self.chan.mode = mode
        self.chan.set_session(session)
        self.services.accept = lambda request: self.chan
        self.send(90, b"tun@openssh.com", 7, window, most)
        (confirmation,) = self.sent()
        assert confirmation[0] == 91

    def data(self) -> list[bytes]:
        """Data of the messages that were sent, with nothing else among them."""
        messages = self.sent()
        assert all(message[0] == 94 for message in messages)
        return [message[9:] for message in messages]

    def adjusted(self) -> int:
        """By how much the window was opened, with nothing else sent."""
        messages = self.sent()
        assert all(message[0] == 93 for message in messages)
        return sum(int.from_bytes(message[5:9]) for message in messages)


# --- Boundaries ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", TunnelMode)
async def test_packets_stay_what_they_are(mode: TunnelMode) -> None:
    """Tiny and large ones, at once and queued, through a window that is opened bit by bit."""
    make: Callable[[bytes], bytes] = frame if mode is TAP else ipv4
    sizes = [0, 1, 5, 20_000, 3, 0, 4000, 4096, 5000, 1, 30_000, 2] * 20
    sent = [make(bytes([number % 256]) * size) for number, size in enumerate(sizes)]
    mine, theirs = Recorder(), Recorder()
    async with Pair(mark=40_000) as pair:
        chan, other = await open_pair(pair, mine, theirs, mode, window=40_000, max_pktsize=32768)
        for packet in sent:
            chan.write(packet)
            other.write(packet)
        await pair.settle()
        assert theirs.packets == sent
        assert mine.packets == sent
        assert "pause" in mine.events
        assert mine.events[-1] == "resume"


async def test_a_packet_waits_for_a_window_that_takes_it_whole() -> None:
    session = Recorder()
    peer = Peer(session, window=100)
    first, second, third = ipv4(bytes(50)), ipv4(bytes(60)), ipv6()
    for packet in (first, second, third):
        peer.chan.write(packet)
    assert peer.data() == [FAMILY_4 + first]  # 26 bytes of the window are left
    peer.send(93, 0, 57)
    assert peer.data() == []
    peer.send(93, 0, 1)
    assert peer.data() == [FAMILY_4 + second]
    assert peer.chan.get_write_buffer_size() == 44
    peer.chan.close()  # behind what was written
    assert peer.sent() == []
    peer.send(93, 0, 1000)
    kinds = [message[0] for message in peer.sent()]
    assert kinds == [94, 97]


async def test_a_blocked_core_gets_no_data() -> None:
    session = Recorder()
    peer = Peer(session)
    peer.end.core.held = True
    packets = [ipv4(bytes([n])) for n in range(5)]
    for packet in packets:
        peer.chan.write(packet)
    assert peer.data() == []
    peer.end.core.held = False
    peer.end.mux.on_writable()
    assert peer.data() == [FAMILY_4 + packet for packet in packets]


async def test_tunnels_take_turns() -> None:
    """One that has much to send does not keep the others waiting."""
    session = Recorder()
    peer = Peer(session, window=1 << 30)
    peer.end.core.held = True
    for _ in range(100):
        peer.chan.write(ipv4(bytes(20_000)))
    peer.end.core.held = False
    assert peer.chan.drain(50_000)
    assert len(peer.data()) == 3


async def test_packets_that_the_peer_does_not_take() -> None:
    session = Recorder()
    peer = Peer(session, most=1500)
    peer.chan.write(ipv4(bytes(1476)))
    assert len(peer.data()) == 1
    with pytest.raises(ValueError, match="1497 bytes is too long for the peer"):
        peer.chan.write(ipv4(bytes(1477)))
    with pytest.raises(ValueError, match="no IP packet"):
        peer.chan.write(b"no packet")
    with pytest.raises(TypeError):
        peer.chan.write("text")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="data type"):
        peer.chan.write(ipv4(), 1)
    assert peer.data() == []
    peer.chan.close()
    with pytest.raises(BrokenPipeError):
        peer.chan.write(ipv4())


async def test_ways_to_write_a_packet() -> None:
    peer = Peer(Recorder())
    packet = ipv4(b"payload")
    peer.chan.write(packet)
    peer.chan.write(bytearray(packet))  # type: ignore[arg-type]
    peer.chan.write_raw(packet)
    peer.chan.writelines([packet[:20], packet[20:]])
    peer.chan.write_pieces([packet[:20], packet[20:]])
    assert peer.data() == [FAMILY_4 + packet] * 5


async def test_packets_are_no_text() -> None:
    peer = Peer(Recorder())
    peer.chan.set_encoding(None)
    with pytest.raises(ValueError, match="no text"):
        peer.chan.set_encoding("utf-8")


# --- What is not read ------------------------------------------------------------------------


async def test_packets_are_held_apart() -> None:
    session = Recorder()
    peer = Peer(session)
    peer.chan.pause_reading()
    packets = [ipv4(bytes([n])) for n in range(100)]
    peer.send_run(*((0, FAMILY_4 + packet) for packet in packets))
    assert session.packets == []
    peer.chan.resume_reading()
    assert session.packets == packets
    assert peer.chan.receive_room + peer.chan.credit == peer.chan.window


async def test_packets_above_the_limit_are_dropped() -> None:
    session = Recorder()
    peer = Peer(session)
    peer.chan.pause_reading()
    packets = [ipv4(identification=n) for n in range(MAX_PACKETS + 1000)]
    for packet in packets:
        peer.send(94, 0, FAMILY_4 + packet)
    room = peer.chan.receive_room + peer.chan.credit
    assert room == peer.chan.window - MAX_PACKETS * 24  # those that were dropped are given back
    peer.chan.resume_reading()
    assert session.packets == packets[:MAX_PACKETS]
    assert peer.chan.receive_room + peer.chan.credit == peer.chan.window


async def test_the_buffer_of_a_reader_has_the_limit_as_well() -> None:
    session = SSHTunTapStreamSession()
    peer = Peer(session)
    reader = SSHReader(session, peer.chan)
    packets = [ipv4(identification=n) for n in range(MAX_PACKETS + 1000)]
    for packet in packets:
        peer.send(94, 0, FAMILY_4 + packet)
    peer.send(96, 0)
    assert [packet async for packet in reader] == packets[:MAX_PACKETS]
    assert peer.chan.receive_room + peer.chan.credit == peer.chan.window
    assert reader.at_eof()


async def test_a_reader_that_does_not_read_stops_the_peer() -> None:
    session = SSHTunTapStreamSession()
    peer = Peer(session, window=1 << 20)
    peer.sent()
    for _ in range(peer.chan.window // 1024):
        peer.send(94, 0, FAMILY_4 + ipv4(bytes(1000)))
    assert peer.adjusted() < peer.chan.window // 10  # headers are given back at once
    reader = SSHReader(session, peer.chan)
    for _ in range(peer.chan.window // 1024):
        assert len(await reader.read()) == 1020
    assert peer.adjusted() > peer.chan.window // 3
    assert peer.chan.receive_room + peer.chan.credit == peer.chan.window


# --- Malformed messages ----------------------------------------------------------------------


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("paused", [False, True])
async def test_malformed_packets_close_the_channel(name: str, paused: bool) -> None:
    session = Recorder()
    peer = Peer(session)
    if paused:
        peer.chan.pause_reading()
    peer.send(94, 0, FAMILY_4 + ipv4())
    peer.send(94, 0, MALFORMED[name])
    peer.chan.resume_reading()
    assert session.packets == [ipv4()]
    assert [message[0] for message in peer.sent()] == [97]
    peer.send(94, 0, FAMILY_4 + ipv4())  # it was under way
    peer.send(97, 0)
    assert session.packets == [ipv4()]
    (error,) = session.lost_with
    assert isinstance(error, ProtocolError)
    assert str(error).startswith("tunnel: ")
    assert peer.error is None


@pytest.mark.parametrize("name", MALFORMED_FRAMES)
async def test_malformed_frames_close_the_channel(name: str) -> None:
    session = SSHTunTapStreamSession()
    peer = Peer(session, TAP)
    reader = SSHReader(session, peer.chan)
    peer.send(94, 0, frame(b"first"))
    peer.send(94, 0, MALFORMED_FRAMES[name])
    assert [message[0] for message in peer.sent()] == [97]
    peer.send(97, 0)
    assert await reader.read() == frame(b"first")
    with pytest.raises(ProtocolError, match="no Ethernet frame"):
        await reader.read()
    assert peer.error is None


async def test_stderr_of_a_tunnel_ends_the_connection() -> None:
    peer = Peer(Recorder())
    peer.send(95, 0, 1, FAMILY_4 + ipv4())
    assert isinstance(peer.error, ProtocolError)


# --- Streams ---------------------------------------------------------------------------------


async def test_each_read_gives_a_packet() -> None:
    session = SSHTunTapStreamSession()
    peer = Peer(session)
    reader = SSHReader(session, peer.chan)
    packets = [ipv4(bytes([n]) * n) for n in range(8)]
    early = asyncio.create_task(reader.read(1))
    await asyncio.sleep(0)
    peer.send_run(*((0, FAMILY_4 + packet) for packet in packets))
    assert await early == packets[0]
    assert await reader.read(1) == packets[1]
    assert await reader.read(100_000) == packets[2]
    assert await reader.read() == packets[3]
    assert not reader.at_eof()
    peer.send(96, 0)
    assert [packet async for packet in reader] == packets[4:]
    assert await reader.read() == b""
    assert reader.at_eof()


# --- Over a connection -----------------------------------------------------------------------


class Tunnels(Server):
    """Answers as its tests say."""

    answer: Any = False

    async def tun_requested(self, unit: int | None) -> Any:
        self.calls.append(("tun", unit))
        await asyncio.sleep(0)
        return self.answer() if callable(self.answer) else self.answer

    def tap_requested(self, unit: int | None) -> Any:
        self.calls.append(("tap", unit))
        return self.answer() if callable(self.answer) else self.answer


def answering(answer: Any) -> type[Tunnels]:
    """A class of servers: what it answers, or a function that makes it."""
    return type("Answering", (Tunnels,), {"answer": staticmethod(answer)})


async def echo(reader: SSHReader[bytes], writer: SSHWriter[bytes]) -> None:
    """Send packets back, the second half of each in front."""
    async for packet in reader:
        writer.write(packet)
    writer.close()


class EchoSession(SSHTunTapSession):
    """Sends packets back."""

    def connection_made(self, chan: SSHTunTapChannel) -> None:
        self._chan = chan

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._chan.write(data)


@pytest.mark.parametrize("served", ["handler", "session", "tuple"])
async def test_streams(served: str) -> None:
    def make() -> Any:
        if served == "handler":
            return echo
        if served == "session":
            return EchoSession()
        return server_side(server).create_tuntap_channel(window=1 << 16), EchoSession()

    async with (
        serving(server_factory=answering(make)) as server,
        await client(server, password="secret") as conn,
    ):
        reader, writer = await conn.open_tun(5)
        for packet in (ipv4(b"text"), ipv6(b"text"), ipv4(bytes(30_000))):
            writer.write(packet)
            assert await reader.read() == packet
        reader, writer = await conn.open_tap(window=1 << 16)
        for packet in (frame(b"text"), frame(bytes(30_000))):
            writer.write(packet)
            assert await reader.read() == packet
        writer.write_eof()
        assert await reader.read() == b""
        calls = [call for call in owner(server_side(server)).calls if call[0] in ("tun", "tap")]
        assert calls == [("tun", 5), ("tap", None)]


async def test_sessions() -> None:
    async with (
        serving(server_factory=answering(EchoSession)) as server,
        await client(server, password="secret") as conn,
    ):
        channel, session = await conn.create_tun(Recorder, None, window=1 << 16, max_pktsize=1504)
        assert isinstance(session, Recorder)
        assert session.chan is channel
        assert session.events == ["started"]
        channel.write(ipv4(bytes(1480)))
        with pytest.raises(ValueError, match="no Ethernet frame"):
            (await conn.create_tap(Recorder))[0].write(b"")
        while not session.packets:
            await asyncio.sleep(0.001)
        assert session.packets == [ipv4(bytes(1480))]
        (other, *_) = server_side(server)._require_mux().channels
        assert isinstance(other, SSHTunTapChannel)
        with pytest.raises(ValueError, match="too long for the peer"):
            other.write(ipv4(bytes(1481)))


async def test_units_that_there_are_not() -> None:
    async with serving() as server, await client(server, password="secret") as conn:
        for unit in (-1, 0x7FFFFFFE, 0x7FFFFFFF):
            with pytest.raises(ValueError, match="there is no unit"):
                await conn.open_tun(unit)
        assert not conn._require_mux().channels


def refusal(exc: ChannelOpenError) -> tuple[int, str]:
    """Code and text."""
    return exc.code, exc.reason


async def test_servers_refuse_by_default() -> None:
    async with serving() as server, await client(server, password="secret") as conn:
        for opening in (conn.open_tun(), conn.open_tap(3)):
            with pytest.raises(ChannelOpenError) as caught:
                await opening
            assert refusal(caught.value) == (OPEN_CONNECT_FAILED, "Connection refused")


async def test_servers_say_why() -> None:
    def refuse() -> None:
        raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, "not today")

    async with (
        serving(server_factory=answering(refuse)) as server,
        await client(server, password="secret") as conn,
    ):
        with pytest.raises(ChannelOpenError) as caught:
            await conn.open_tun()
        assert refusal(caught.value) == (OPEN_ADMINISTRATIVELY_PROHIBITED, "not today")


PROHIBITED = (OPEN_ADMINISTRATIVELY_PROHIBITED, "Tunnel not permitted")


@pytest.mark.parametrize(
    ("line", "unit", "asked"),
    [
        ("", None, None),
        ("", 4, 4),
        ('tunnel="4"', None, 4),
        ('tunnel="4"', 4, 4),
        ('tunnel="4"', 3, "no"),
        ('tunnel="any"', None, None),
        ('tunnel="any"', 0, "no"),
        ("no-port-forwarding", None, "no"),
        ("restrict", None, "no"),
        ("restrict,port-forwarding", None, None),
        ('permitopen="a:1"', None, "no"),
        ('permitlisten="1"', None, "no"),
        ('restrict,tunnel="4"', 4, "no"),
        ("no-pty", 1, 1),
    ],
)
async def test_options_of_keys(line: str, unit: int | None, asked: int | str | None) -> None:
    async with (
        serving(
            server_factory=answering(EchoSession), authorized_client_keys=authorized(line)
        ) as server,
        await client(server, client_keys=[USER_KEY]) as conn,
    ):
        for kind, opening in (("tun", conn.open_tun), ("tap", conn.open_tap)):
            if asked == "no":
                with pytest.raises(ChannelOpenError) as caught:
                    await opening(unit)
                assert refusal(caught.value) == PROHIBITED
            else:
                await opening(unit)
                assert owner(server_side(server)).calls[-1] == (kind, asked)


@pytest.mark.parametrize(
    ("line", "permitted"),
    [
        ("", {"tun", "tap"}),
        ("PermitTunnel yes", {"tun", "tap"}),
        ("PermitTunnel no", set()),
        ("PermitTunnel point-to-point", {"tun"}),
        ("PermitTunnel ethernet", {"tap"}),
        ("Match User user\nPermitTunnel ethernet\nMatch User other\nPermitTunnel no", {"tap"}),
        ("PermitTunnel yes\nDisableForwarding yes", set()),
        ("PermitTunnel yes\nAllowTcpForwarding no", set()),
        ("PermitTunnel yes\nPermitOpen a:1", set()),
    ],
)
async def test_configuration_files(tmp_path: Path, line: str, permitted: set[str]) -> None:
    config = tmp_path / "sshd_config"
    config.write_text(line)
    async with (
        serving(server_factory=answering(EchoSession), config=str(config)) as server,
        await client(server, password="secret") as conn,
    ):
        for kind, opening in (("tun", conn.open_tun), ("tap", conn.open_tap)):
            if kind in permitted:
                await opening()
            else:
                with pytest.raises(ChannelOpenError) as caught:
                    await opening()
                assert refusal(caught.value) == PROHIBITED


async def test_requests_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ssh_connection")
    async with (
        serving(server_factory=answering(EchoSession)) as server,
        await client(server, password="secret") as conn,
    ):
        await conn.open_tap(9)
    assert "tunnel to tap device 9 requested" in caplog.text
