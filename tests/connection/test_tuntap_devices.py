"""Tunnels between devices: real ones in networks of their own, and what stands for one."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import FileIO
from typing import Any

import pytest

from ssh_connection import (
    OPEN_CONNECT_FAILED,
    ChannelOpenError,
    SSHAcceptor,
    SSHClientConnection,
    SSHForwarder,
    SSHServerConnection,
)
from ssh_connection.channel.base import Channel
from ssh_connection.tuntap import device, relay
from ssh_connection.tuntap.framing import TunnelMode
from tests.event_loops import LoopFactory, event_loops
from tests.networks import INTERFACES, assert_joined, free_unit, needs_devices, wait_gone

from .devices import stand_ins
from .loopback import Server, client, server_side, serving
from .packets import FAMILY_4, ipv4, ipv6
from .test_tuntap import Peer

KINDS = ["tun", "tap"]


class Devices(Server):
    """Opens every device."""

    def tun_requested(self, unit: int | None) -> bool:
        return True

    def tap_requested(self, unit: int | None) -> bool:
        return True


@asynccontextmanager
async def connected() -> AsyncIterator[
    tuple[SSHClientConnection, SSHAcceptor[SSHServerConnection]]
]:
    """A client at a server that opens every device."""
    async with (
        serving(server_factory=Devices) as server,
        await client(server, password="secret") as conn,
    ):
        yield conn, server


def forward(conn: SSHClientConnection, kind: str, *units: int | None) -> Any:
    """`forward_tun` or `forward_tap`."""
    return (conn.forward_tap if kind == "tap" else conn.forward_tun)(*units)


# --- Real devices ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", event_loops())
def test_two_networks_are_joined(kind: str, name: str) -> None:
    needs_devices()
    factory: LoopFactory = event_loops()[name]

    async def run() -> None:
        unit = free_unit()
        async with connected() as (conn, _), forward(conn, kind, None, unit) as forwarder:
            assert isinstance(forwarder, SSHForwarder)
            interface = forwarder.get_extra_info("interface")
            assert isinstance(interface, str)
            assert interface.startswith(kind)
            await assert_joined(interface, f"{kind}{unit}")

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run())


@pytest.mark.parametrize("kind", KINDS)
async def test_devices_of_both_sides_end_together(kind: str) -> None:
    needs_devices()
    async with connected() as (conn, server):
        here, there = free_unit(), free_unit()
        names = [f"{kind}{unit}" for unit in (here, there)]

        async def gone() -> None:
            for name in names:
                await wait_gone(name)

        async with forward(conn, kind, here, there) as forwarder:
            assert forwarder.get_extra_info("interface") == names[0]
            assert all((INTERFACES / name).exists() for name in names)
        assert not (INTERFACES / names[0]).exists()
        await gone()

        for name in names:  # somebody deletes one of the devices
            forwarder = await forward(conn, kind, here, there)
            subprocess.run(["ip", "link", "del", name], check=True)
            await asyncio.wait_for(forwarder.wait_closed(), 20)
            await gone()

        forwarder = await forward(conn, kind, here, there)  # the server closes the channel
        (channel,) = server_side(server)._require_mux().channels
        channel._close()
        await asyncio.wait_for(forwarder.wait_closed(), 20)
        await gone()

        forwarder = await forward(conn, kind, here, there)  # the connection ends
        conn.abort()
        await asyncio.wait_for(forwarder.wait_closed(), 20)
        await gone()


async def test_a_device_that_is_down() -> None:
    """As new ones are: what comes before somebody brings it up is lost."""
    needs_devices()
    forwarder, session = relay.open_relay(TunnelMode.POINT_TO_POINT, None)
    peer = Peer(session)
    for _ in range(1000):
        peer.send(94, 0, FAMILY_4 + ipv4(bytes(1000)))
    assert peer.chan.receive_room + peer.chan.credit == peer.chan.window
    assert not peer.chan.is_closing()
    forwarder.close()
    await forwarder.wait_closed()


async def test_a_device_that_somebody_has() -> None:
    needs_devices()
    async with connected() as (conn, _):
        unit, other = free_unit(), free_unit()
        async with conn.forward_tun(unit):
            with pytest.raises(OSError, match=f"tun{unit}") as local:
                await conn.forward_tun(unit)
            assert local.value.errno == errno.EBUSY
            with pytest.raises(ChannelOpenError) as caught:
                await conn.forward_tun(other, unit)
            assert (caught.value.code, caught.value.reason) == (
                OPEN_CONNECT_FAILED,
                os.strerror(errno.EBUSY),
            )
            await wait_gone(f"tun{other}")  # it was opened first
            assert (INTERFACES / f"tun{unit}").exists()
        await conn.open_tun()  # and the connection goes on


async def test_a_server_that_refuses() -> None:
    needs_devices()
    unit = free_unit()
    async with serving() as server, await client(server, password="secret") as conn:
        with pytest.raises(ChannelOpenError):
            await conn.forward_tap(unit)
        await wait_gone(f"tap{unit}")


def test_without_the_privilege() -> None:
    """Only a device that was made for this user can be opened."""
    needs_devices()
    unit = free_unit()
    code = f"""
import errno
from ssh_connection.tuntap.device import open_device
from ssh_connection.tuntap.framing import TunnelMode
try:
    open_device(TunnelMode.ETHERNET, None)
except PermissionError as exc:
    assert exc.errno == errno.EPERM and exc.filename == "tap%d", exc
    print("refused")
device, name = open_device(TunnelMode.POINT_TO_POINT, {unit})
print("opened", name)
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = ["unshare", "--user", "--map-root-user"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine has no user namespaces")
    device = ["ip", "tuntap", "{}", "dev", f"tun{unit}", "mode", "tun"]
    subprocess.run([*(each.format("add") for each in device), "user", "root"], check=True)
    try:
        done = subprocess.run(
            [*words, sys.executable, "-c", code], capture_output=True, check=False, env=environ
        )
    finally:
        subprocess.run([each.format("del") for each in device], check=True)
    assert done.stdout.decode() == f"refused\nopened tun{unit}\n", done.stderr


# --- What needs no device --------------------------------------------------------------------


async def test_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected() as (conn, _):
        monkeypatch.setattr(sys, "platform", "darwin")
        with pytest.raises(OSError, match="supported on Linux only") as caught:
            await conn.forward_tun()
        assert caught.value.errno == errno.EOPNOTSUPP
        with pytest.raises(ChannelOpenError, match="supported on Linux only"):
            await conn.open_tap()


async def test_units_that_there_are_not() -> None:
    async with connected() as (conn, _):
        for unit in (-1, 0x7FFFFFFE):
            with pytest.raises(ValueError, match="there is no unit"):
                await conn.forward_tun(unit)


async def test_without_a_connection() -> None:
    """Nothing is opened that nobody would close."""
    async with connected() as (conn, _):
        pass
    unit = free_unit()
    with pytest.raises((OSError, ChannelOpenError)):
        await conn.forward_tun(unit)
    await wait_gone(f"tun{unit}")


@dataclass
class Tunnel:
    """The relay of a tunnel between a network and a peer, both of which are played by the test."""

    network: socket.socket
    forwarder: relay.TunTapForwarder
    peer: Peer

    @property
    def chan(self) -> Channel:
        """The channel."""
        return self.peer.chan

    async def close(self) -> None:
        """End it."""
        self.forwarder.close()
        await self.forwarder.wait_closed()


OpenTunnel = Callable[..., Tunnel]


@pytest.fixture
def open_tunnel() -> Iterator[OpenTunnel]:
    """Makes tunnels; takes what `Peer` takes behind the session."""
    with stand_ins() as networks:

        def make(mode: TunnelMode = TunnelMode.POINT_TO_POINT, **options: int) -> Tunnel:
            forwarder, session = relay.open_relay(mode, None)
            return Tunnel(networks[-1], forwarder, Peer(session, mode, **options))

        yield make


async def turns() -> None:
    """Let the loop read what there is."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_packets_of_the_device(
    open_tunnel: OpenTunnel, caplog: pytest.LogCaptureFixture
) -> None:
    tunnel = open_tunnel(most=1504)
    packets = [ipv4(bytes(1480)), ipv6(b"x"), b"\x88\xcc neither", ipv4(bytes(1481)), ipv4(b"y")]
    for packet in packets:
        tunnel.network.send(packet)
    await turns()
    # Other protocols than IP, and what is too long for the peer, do not harm the rest.
    expected = [packets[0], packets[1], packets[4]]
    assert [data[4:] for data in tunnel.peer.data()] == expected
    assert caplog.text.count("packets are dropped") == 1
    await tunnel.close()


async def test_packets_for_the_device(open_tunnel: OpenTunnel) -> None:
    tunnel = open_tunnel()
    packets = [ipv4(bytes([n]) * n) for n in range(50)]
    tunnel.peer.send_run(*((0, FAMILY_4 + packet) for packet in packets))
    assert [tunnel.network.recv(65536) for _ in packets] == packets
    assert tunnel.chan.receive_room + tunnel.chan.credit == tunnel.chan.window
    await tunnel.close()


async def test_a_device_that_takes_nothing(open_tunnel: OpenTunnel) -> None:
    """Packets are lost, none is kept, and the window stays open."""
    tunnel = open_tunnel()
    packet = ipv4(bytes(1000))
    for _ in range(5000):
        tunnel.peer.send(94, 0, FAMILY_4 + packet)
    assert tunnel.chan.receive_room + tunnel.chan.credit == tunnel.chan.window
    assert tunnel.forwarder._unacknowledged == 0
    received = 0
    while True:
        try:
            assert tunnel.network.recv(65536) == packet
        except BlockingIOError:
            break
        received += 1
    assert 0 < received < 5000
    await tunnel.close()


async def test_a_peer_that_takes_nothing(open_tunnel: OpenTunnel) -> None:
    """The device is not read any more, and drops what it can not hold."""
    tunnel = open_tunnel(window=0)
    packet = ipv4(bytes(1400))
    for _ in range(2000):
        try:
            tunnel.network.send(packet)
        except BlockingIOError:
            pass
        await asyncio.sleep(0)
    queued = tunnel.peer.chan.get_write_buffer_size()
    assert 128 * 1024 < queued <= 128 * 1024 + 1424
    assert tunnel.peer.data() == []
    tunnel.peer.send(93, 0, 1 << 30)
    await turns()
    assert len(tunnel.peer.data()) > 128 * 1024 // 1424  # those that the device held, too
    assert tunnel.peer.chan.get_write_buffer_size() == 0
    await tunnel.close()


async def test_the_end_of_the_peer_s_packets_closes_the_device(
    open_tunnel: OpenTunnel,
) -> None:
    tunnel = open_tunnel()
    tunnel.network.send(ipv4(b"last"))
    await turns()
    tunnel.peer.send(96, 0)
    await asyncio.wait_for(tunnel.forwarder.wait_closed(), 20)
    kinds = [message[0] for message in tunnel.peer.sent()]
    assert kinds == [94, 96, 97]
    assert tunnel.network.recv(1) == b""


async def test_a_malformed_packet_closes_the_device(open_tunnel: OpenTunnel) -> None:
    tunnel = open_tunnel()
    tunnel.peer.send(94, 0, ipv4())
    assert [message[0] for message in tunnel.peer.sent()] == [97]
    tunnel.network.send(ipv4())  # nobody wants it any more
    await turns()
    tunnel.peer.send(97, 0)
    await asyncio.wait_for(tunnel.forwarder.wait_closed(), 20)
    assert tunnel.peer.sent() == []


async def test_a_device_that_is_closed_closes_the_channel(open_tunnel: OpenTunnel) -> None:
    tunnel = open_tunnel()
    await tunnel.close()
    assert [message[0] for message in tunnel.peer.sent()] == [97]
    assert tunnel.forwarder.get_extra_info("interface") is None
    tunnel.forwarder.close()
    tunnel.peer.send(94, 0, FAMILY_4 + ipv4())
    tunnel.peer.send(97, 0)
    assert tunnel.peer.error is None


async def test_transport() -> None:
    mine, network = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mine.setblocking(False)
    received: list[bytes] = []
    lost = asyncio.Event()

    class Protocol(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            received.append(data)
            if len(received) == 3:
                transport.pause_reading()

        def connection_lost(self, exc: Exception | None) -> None:
            assert exc is None
            lost.set()

    transport = device.DeviceTransport(FileIO(mine.detach(), "r+"), "tap7", Protocol())
    assert not transport.is_reading()
    transport.resume_reading()
    transport.resume_reading()
    for n in range(5):
        network.send(bytes([n]))
    await turns()
    assert received == [b"\0", b"\1", b"\2"]  # also within a batch
    transport.resume_reading()
    await turns()
    assert received == [b"\0", b"\1", b"\2", b"\3", b"\4"]
    assert not transport.can_write_eof()
    transport.abort()
    transport.close()
    assert transport.is_closing()
    transport.resume_reading()
    transport.write(b"nobody is there")
    assert not transport.is_reading()
    await asyncio.wait_for(lost.wait(), 20)
    assert network.recv(1) == b""
    network.close()


def test_a_device_is_closed_when_there_are_no_threads_any_more(
    open_tunnel: OpenTunnel,
) -> None:
    async def run() -> None:
        tunnel = open_tunnel(TunnelMode.ETHERNET)
        await asyncio.get_running_loop().shutdown_default_executor()
        await tunnel.close()

    asyncio.run(run())
