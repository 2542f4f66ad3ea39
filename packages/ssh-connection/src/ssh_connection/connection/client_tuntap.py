"""Tunnels of network packets through a client's connection (PROTOCOL section 2.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from .. import tuntap
from ..channel.link import DEFAULT_MAX_PKTSIZE, DEFAULT_WINDOW
from ..opening import opening
from ..session import SSHTunTapSession
from ..stream import SSHReader, SSHWriter
from .base import SSHConnection

if TYPE_CHECKING:
    from ..tuntap import SSHTunTapChannel, TunnelMode, TunTapForwarder

__all__ = ["ClientTunTap"]

TunTapSessionFactory: TypeAlias = Callable[[], SSHTunTapSession]

_Streams: TypeAlias = tuple[SSHReader[bytes], SSHWriter[bytes]]


class ClientTunTap(SSHConnection):
    """Opens tunnels to a device of the server, or to what it has in the place of one."""

    async def create_tun(
        self,
        session_factory: TunTapSessionFactory,
        remote_unit: int | None = None,
        *,
        window: int = DEFAULT_WINDOW,
        max_pktsize: int = DEFAULT_MAX_PKTSIZE,
    ) -> tuple[SSHTunTapChannel, SSHTunTapSession]:
        """Open a tunnel for IP packets (layer 3).

        Parameters:
            session_factory: makes the `SSHTunTapSession`, once the channel is open.
            remote_unit: number of the server's device, None for one that the server chooses.
            window: bytes that the server may send before they are read.
            max_pktsize: bytes in one packet of the server with 4 in front of it, at most.

        Raises ChannelOpenError if the server refuses, ValueError for what is no unit.
        """
        mode = tuntap.TunnelMode.POINT_TO_POINT
        return await self._create(mode, session_factory, remote_unit, window, max_pktsize)

    async def create_tap(
        self,
        session_factory: TunTapSessionFactory,
        remote_unit: int | None = None,
        *,
        window: int = DEFAULT_WINDOW,
        max_pktsize: int = DEFAULT_MAX_PKTSIZE,
    ) -> tuple[SSHTunTapChannel, SSHTunTapSession]:
        """Open a tunnel for Ethernet frames (layer 2).

        Parameters and errors as of `create_tun`.
        """
        mode = tuntap.TunnelMode.ETHERNET
        return await self._create(mode, session_factory, remote_unit, window, max_pktsize)

    async def open_tun(
        self,
        remote_unit: int | None = None,
        *,
        window: int = DEFAULT_WINDOW,
        max_pktsize: int = DEFAULT_MAX_PKTSIZE,
    ) -> _Streams:
        """Open a tunnel for IP packets, and return its streams.

        A read of any size gives one packet, as does each turn of a loop over the reader; `b""` is
        the end. A write takes one packet, and raises ValueError for what is none, or is longer
        than the server takes.

        Parameters and errors as of `create_tun`.
        """
        mode = tuntap.TunnelMode.POINT_TO_POINT
        return await self._open_streams(mode, remote_unit, window, max_pktsize)

    async def open_tap(
        self,
        remote_unit: int | None = None,
        *,
        window: int = DEFAULT_WINDOW,
        max_pktsize: int = DEFAULT_MAX_PKTSIZE,
    ) -> _Streams:
        """Open a tunnel for Ethernet frames, and return its streams; otherwise as `open_tun`."""
        mode = tuntap.TunnelMode.ETHERNET
        return await self._open_streams(mode, remote_unit, window, max_pktsize)

    @opening
    async def forward_tun(
        self, local_unit: int | None = None, remote_unit: int | None = None
    ) -> TunTapForwarder:
        """Join a TUN device of this machine with one of the server, as `ssh -w` does.

        On Linux only, with the privilege CAP_NET_ADMIN or a device that was made for this user
        before. Who made an interface gives it its addresses; the name of ours is
        `get_extra_info("interface")` of what is returned. It is closed with the connection.

        Parameters:
            local_unit: number of our device, None for one that is free.
            remote_unit: number of the server's device, None for one that the server chooses.

        Raises OSError if our device can not be opened, ChannelOpenError if the server refuses,
        ValueError for what is no unit.
        """
        return await self._forward(tuntap.TunnelMode.POINT_TO_POINT, local_unit, remote_unit)

    @opening
    async def forward_tap(
        self, local_unit: int | None = None, remote_unit: int | None = None
    ) -> TunTapForwarder:
        """Join a TAP device of this machine with one of the server.

        Frames of Ethernet go through, as with `ssh -o Tunnel=ethernet -w`; the others as of
        `forward_tun`.
        """
        return await self._forward(tuntap.TunnelMode.ETHERNET, local_unit, remote_unit)

    async def _create(
        self,
        mode: TunnelMode,
        session_factory: TunTapSessionFactory,
        remote_unit: int | None,
        window: int = DEFAULT_WINDOW,
        max_pktsize: int = DEFAULT_MAX_PKTSIZE,
    ) -> tuple[SSHTunTapChannel, SSHTunTapSession]:
        mux = self._require_mux()
        channel = tuntap.SSHTunTapChannel(self, mux, window=window, max_pktsize=max_pktsize)
        return await channel.connect(session_factory, mode, remote_unit)

    async def _open_streams(
        self, mode: TunnelMode, remote_unit: int | None, window: int, max_pktsize: int
    ) -> _Streams:
        streams = tuntap.SSHTunTapStreamSession()
        channel, _ = await self._create(mode, lambda: streams, remote_unit, window, max_pktsize)
        return SSHReader(streams, channel), SSHWriter(streams, channel)

    async def _forward(
        self, mode: TunnelMode, local_unit: int | None, remote_unit: int | None
    ) -> TunTapForwarder:
        self._require_mux()
        forwarder, session = tuntap.open_relay(mode, local_unit)
        try:
            await self._create(mode, lambda: session, remote_unit)
        except BaseException:
            forwarder.close()
            raise
        return forwarder
