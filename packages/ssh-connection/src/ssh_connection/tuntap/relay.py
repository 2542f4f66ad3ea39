"""Carries packets between a network device and a channel, both ways.

Towards the channel: when its write buffer is full, the device is not read, and the kernel drops
what the queue of the device does not hold. Towards the device: what it does not take is dropped.
"""

from __future__ import annotations

import asyncio

from ..closing import ClosedOnExit
from ..forward.relay import RelaySession, SSHForwarder
from ..session import SSHTunTapSession
from .device import DeviceTransport, open_device
from .framing import TunnelMode

__all__ = ["TunTapForwarder", "TunTapRelay", "open_relay"]


class TunTapForwarder(SSHForwarder, ClosedOnExit):
    """The device's side of a tunnel; its extra info `interface` is the name of the interface.

    It is an async context manager that closes on exit.
    """

    def __init__(self) -> None:
        super().__init__()
        self._closed = asyncio.Event()
        self._dropped = False

    def data_received(self, data: bytes) -> None:
        """A packet of the device goes to the channel."""
        try:
            super().data_received(data)
        except ValueError as exc:
            # Other protocols than IP, or an MTU that is too large.
            if not self._dropped and self._channel is not None:
                self._channel.logger.warning("tunnel: packets are dropped: %s", exc)
            self._dropped = True

    def connection_lost(self, exc: Exception | None) -> None:
        """The device is closed: so is the channel."""
        super().connection_lost(exc)
        self._closed.set()

    async def wait_closed(self) -> None:
        """Wait until the device is closed."""
        await self._closed.wait()


class TunTapRelay(RelaySession, SSHTunTapSession):
    """The channel's side of a tunnel."""

    def eof_received(self) -> bool:
        """The peer sends no more packets: that is the end of the tunnel."""
        self._forwarder.close()
        return False


def open_relay(mode: TunnelMode, unit: int | None) -> tuple[TunTapForwarder, TunTapRelay]:
    """Open a device, and return its side of a tunnel and the session for the channel.

    Parameters and errors as of `open_device`.
    """
    device, interface = open_device(mode, unit)
    forwarder = TunTapForwarder()
    DeviceTransport(device, interface, forwarder)
    return forwarder, TunTapRelay(forwarder)
