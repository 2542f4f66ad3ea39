"""Peers that mistreat a tunnel: what they ask for, and what they send through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

import ssh_meta
from ssh_connection.tuntap.channel import MAX_PACKETS
from ssh_keys.wire import Reader, encode_string, encode_uint32
from tests.connection.packets import FAMILY_4, MALFORMED, MALFORMED_FRAMES, frame, ipv4
from tests.security.conftest import Serve
from tests.security.live_peer import (
    LivePeer,
    attacking_client,
    attacking_server,
    channel_data,
    channel_open,
    channel_request,
    confirmed,
    global_request,
    open_session,
    userauth_request,
)

SUCCESS, CONFIRMATION, OPEN_FAILURE, DATA, CLOSE, FAILURE = 81, 91, 92, 94, 97, 100
UNKNOWN_TYPE, CONNECT_FAILED, SHORTAGE = 3, 2, 4
TUN, TAP = 1, 2


class Tunnels(ssh_meta.SSHServer):
    """Lets everybody in, and sends packets back."""

    asked: ClassVar[list[int | None]] = []

    def begin_auth(self, username: str) -> bool:
        return False

    def tun_requested(self, unit: int | None) -> Any:
        self.asked.append(unit)
        return self._serve

    tap_requested = tun_requested

    async def _serve(
        self, reader: ssh_meta.SSHReader[bytes], writer: ssh_meta.SSHWriter[bytes]
    ) -> None:
        async for packet in reader:
            writer.write(packet)


class Idle(Tunnels):
    """Does not read until it is told to."""

    go: ClassVar[asyncio.Event]
    read: ClassVar[list[bytes]]

    async def _serve(
        self, reader: ssh_meta.SSHReader[bytes], writer: ssh_meta.SSHWriter[bytes]
    ) -> None:
        await self.go.wait()
        while not self.read or self.read[-1] != ipv4(b"last"):
            self.read.append(await reader.read())
        writer.write(self.read[-1])


def tunnel(mode: int, unit: int = 0x7FFFFFFF, number: int = 0) -> bytes:
    """The request for a tunnel."""
    rest = encode_uint32(mode) + encode_uint32(unit)
    return channel_open(number, kind=b"tun@openssh.com", rest=rest)


async def logged_in(peer: LivePeer) -> None:
    """Get in without a proof."""
    await peer.request_userauth()
    peer.send(userauth_request(b"alice", b"none"))
    await peer.expect(52)


async def opened(peer: LivePeer, mode: int) -> int:
    """Open a tunnel and return the server's number for it."""
    peer.send(tunnel(mode))
    return confirmed(await peer.expect(CONFIRMATION))[0]


async def test_honest_clients_are_served(serve: Serve) -> None:
    """The attacks below fail for the right reason: this works."""
    async with serve(server_factory=Tunnels) as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        for mode, message in ((TUN, FAMILY_4 + ipv4(b"text")), (TAP, frame(b"text"))):
            number = await opened(peer, mode)
            peer.send(channel_data(number, message))
            assert Reader(await peer.expect(DATA), 5).string() == message


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        encode_uint32(1),
        encode_uint32(1) + b"\x7f\xff\xff",
        encode_uint32(1) + encode_uint32(0) + b"\0",
        encode_uint32(0) + encode_uint32(0),
        encode_uint32(3) + encode_uint32(0),
        encode_uint32(0xFFFFFFFF) + encode_uint32(0),
        encode_uint32(1) + encode_uint32(0x7FFFFFFE),
        encode_uint32(2) + encode_uint32(0x80000000),
        encode_uint32(2) + encode_uint32(0xFFFFFFFF),
        encode_string(b"1") + encode_string(b"2"),
    ],
)
async def test_requests_that_make_no_sense(serve: Serve, rest: bytes) -> None:
    Tunnels.asked.clear()
    async with serve(server_factory=Tunnels) as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        peer.send(channel_open(kind=b"tun@openssh.com", rest=rest))
        answer = await peer.expect(OPEN_FAILURE)
        assert Reader(answer, 5).uint32() == CONNECT_FAILED
        assert not Tunnels.asked
        await open_session(peer)


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        *((TUN, each) for each in MALFORMED.values()),
        *((TAP, each) for each in MALFORMED_FRAMES.values()),
    ],
)
async def test_malformed_packets_close_the_tunnel(serve: Serve, mode: int, message: bytes) -> None:
    """And nothing else: the connection goes on."""
    async with serve(server_factory=Tunnels) as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        number = await opened(peer, mode)
        peer.send(channel_data(number, message))
        assert Reader(await peer.expect(CLOSE), 1).uint32() == 0
        peer.send(channel_data(number, message))  # it was under way
        peer.send(b"\x61" + encode_uint32(number))
        await open_session(peer)


async def test_a_flood_of_tiny_packets(serve: Serve) -> None:
    """A tunnel that nobody reads keeps some of them, and the rest is lost."""
    Idle.go, Idle.read = asyncio.Event(), []
    async with serve(server_factory=Idle) as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        number = await opened(peer, TUN)
        tiny = channel_data(number, FAMILY_4 + ipv4())
        for _ in range(40):
            peer.send(*([tiny] * 500))
            peer.send(global_request(b"keepalive@openssh.com"))
            await peer.expect(SUCCESS)  # by then all of them have come
        Idle.go.set()
        while not Idle.read:
            await asyncio.sleep(0)
        peer.send(channel_data(number, FAMILY_4 + ipv4(b"last")))
        await peer.expect(DATA)
        assert Idle.read == [ipv4()] * MAX_PACKETS + [ipv4(b"last")]


async def test_tunnels_count_as_channels(serve: Serve) -> None:
    async with (
        serve(server_factory=Tunnels, max_channels=3) as victim,
        attacking_client(victim.port) as peer,
    ):
        await logged_in(peer)
        for number in range(3):
            peer.send(tunnel(TUN, number=number))
            await peer.expect(CONFIRMATION)
        peer.send(tunnel(TAP, number=3))
        assert Reader(await peer.expect(OPEN_FAILURE), 5).uint32() == SHORTAGE


async def test_a_tunnel_runs_no_command(serve: Serve) -> None:
    async with serve(server_factory=Tunnels) as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        number = await opened(peer, TUN)
        for kind in (b"exec", b"shell", b"subsystem", b"pty-req"):
            peer.send(channel_request(number, kind, encode_string(b"sftp")))
            await peer.expect(FAILURE)


# --- Our client ------------------------------------------------------------------------------


@asynccontextmanager
async def at_a_hostile_server() -> AsyncIterator[tuple[ssh_meta.SSHClientConnection, LivePeer]]:
    """A client that a server has let in."""

    def welcome(peer: LivePeer) -> None:
        peer.on_payload(5, lambda _: peer.send(b"\x06" + encode_string(b"ssh-userauth")))
        peer.on_payload(50, lambda _: peer.send(b"\x34"))

    async with (
        attacking_server(welcome) as (port, peers),
        ssh_meta.connect(
            "127.0.0.1", port, username="alice", known_hosts=None, client_keys=None
        ) as conn,
    ):
        yield conn, peers[0]


async def accepted(
    peer: LivePeer, opening: Awaitable[Any], window: int = 1 << 20, most: int = 32768
) -> Any:
    """What opens a tunnel gives when the server allows it; the numbers are 0."""
    task = asyncio.ensure_future(opening)
    await peer.expect(90)
    fields = (0, 0, window, most)
    peer.send(b"\x5b" + b"".join(map(encode_uint32, fields)))
    return await task


async def test_clients_open_no_tunnels_for_servers() -> None:
    async with at_a_hostile_server() as (_, peer):
        for mode in (TUN, TAP):
            peer.send(tunnel(mode))
            answer = await peer.expect(OPEN_FAILURE)
            assert Reader(answer, 5).uint32() == UNKNOWN_TYPE


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_packets_of_a_server(name: str) -> None:
    async with at_a_hostile_server() as (conn, peer):
        reader, writer = await accepted(peer, conn.open_tun())
        peer.send(channel_data(0, FAMILY_4 + ipv4(b"good")), channel_data(0, MALFORMED[name]))
        await peer.expect(CLOSE)
        peer.send(b"\x61" + encode_uint32(0))
        await writer.wait_closed()
        assert await reader.read() == ipv4(b"good")
        with pytest.raises(ssh_meta.ProtocolError, match="tunnel"):
            await reader.read()
        with pytest.raises(BrokenPipeError):
            writer.write(ipv4())


async def test_a_server_that_takes_no_packets() -> None:
    """Of a packet that its window or its largest packet does not take, it gets nothing."""
    async with at_a_hostile_server() as (conn, peer):
        _, writer = await accepted(peer, conn.open_tun(), window=23, most=25)
        with pytest.raises(ValueError, match="too long for the peer"):
            writer.write(ipv4(b"xx"))
        writer.write(ipv4())
        writer.write(ipv4(b"x"))
        await writer.drain()  # so little is welcome
        peer.send(b"\x5d" + encode_uint32(0) + encode_uint32(1))
        assert Reader(await peer.expect(DATA), 5).string() == FAMILY_4 + ipv4()
        peer.send(b"\x5d" + encode_uint32(0) + encode_uint32(25))
        assert Reader(await peer.expect(DATA), 5).string() == FAMILY_4 + ipv4(b"x")
