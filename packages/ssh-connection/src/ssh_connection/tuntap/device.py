"""TUN and TAP devices of Linux: opened by number, read and written by the event loop."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from io import FileIO
from struct import pack
from typing import Final

from .framing import TunnelMode, unit_number

if sys.platform == "linux":
    from fcntl import ioctl

__all__ = ["DeviceTransport", "open_device"]

_CLONE: Final = "/dev/net/tun"

# linux/if_tun.h
_IFF: Final = {TunnelMode.POINT_TO_POINT: 0x0001, TunnelMode.ETHERNET: 0x0002}
_IFF_NO_PI: Final = 0x1000  # nothing in front of the packet
_TUNSETIFF: Final = 0x400454CA
_TUNSETIFF_OTHER: Final = 0x800454CA
_OTHERS: Final = ("alpha", "mips", "ppc", "sparc")  # machines with other numbers for directions

_MAX_FRAME: Final = 65536 + 18  # the largest MTU, and the header of a frame with a VLAN
_BATCH: Final = 64  # packets that are read before others have their turn


def open_device(mode: TunnelMode, unit: int | None) -> tuple[FileIO, str]:
    """Open a device, which is made if there is none, and goes when it is closed if it was made.

    It needs the privilege CAP_NET_ADMIN, or a device that was made for this user before. A new
    device is down, and has no address.

    Parameters:
        mode: the kind of device.
        unit: its number, None for one that is free.

    Returns the device, which never blocks, and the name of the network interface.
    Raises OSError: EOPNOTSUPP if this is not Linux, EPERM without the privilege, EBUSY if somebody
    has the device; ValueError for what is no unit.
    """
    if sys.platform != "linux":
        raise OSError(errno.EOPNOTSUPP, "TUN and TAP devices are supported on Linux only")
    name = f"{mode.device}{'%d' if unit is None else unit_number(unit)}"
    request = pack("16sH22x", name.encode(), _IFF[mode] | _IFF_NO_PI)
    other = os.uname().machine.startswith(_OTHERS)
    device = FileIO(os.open(_CLONE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC), "r+")
    try:
        answer = ioctl(device, _TUNSETIFF_OTHER if other else _TUNSETIFF, request)
    except OSError as exc:
        device.close()
        raise OSError(exc.errno, exc.strerror, name) from None
    return device, answer[:16].rstrip(b"\0").decode()


class DeviceTransport(asyncio.Transport):
    """A device as a transport, each packet one call of `data_received`; not read at first.

    What the device does not take is dropped: an interface that is down takes nothing. The device
    is closed in a thread, since the kernel takes milliseconds for it.

    Parameters:
        device: what `open_device` returned; closed by the transport.
        interface: its name, which is the extra info `interface`.
        protocol: gets what is read.
    """

    def __init__(self, device: FileIO, interface: str, protocol: asyncio.Protocol) -> None:
        super().__init__({"interface": interface})
        self._loop = asyncio.get_running_loop()
        self._device = device
        self._protocol = protocol
        self._reading = False
        self._closing = False
        protocol.connection_made(self)

    def is_reading(self) -> bool:
        """Return whether packets are read."""
        return self._reading

    def pause_reading(self) -> None:
        """Leave packets in the queue of the device, which drops what it does not hold."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._device)

    def resume_reading(self) -> None:
        """Read packets."""
        if not self._reading and not self._closing:
            self._reading = True
            self._loop.add_reader(self._device, self._readable)

    def _readable(self) -> None:
        for _ in range(_BATCH):
            if not self._reading:
                break
            try:
                packet = self._device.read(_MAX_FRAME)
            except OSError as exc:
                self._end(exc)  # somebody has deleted the device
                break
            if not packet:
                break
            self._protocol.data_received(packet)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Give a packet to the device."""
        if not self._closing:
            try:
                self._device.write(data)
            except OSError:
                pass  # down, full, or no packet to the kernel: it is lost, as on any link

    def can_write_eof(self) -> bool:
        """Return false: a device can only be closed."""
        return False

    def is_closing(self) -> bool:
        """Return whether the device is closed, or about to be."""
        return self._closing

    def close(self) -> None:
        """Close the device."""
        self._end(None)

    def abort(self) -> None:
        """Close the device."""
        self._end(None)

    def _end(self, exc: Exception | None) -> None:
        if self._closing:
            return
        self.pause_reading()
        self._closing = True
        try:
            closed = self._loop.run_in_executor(None, self._device.close)
        except RuntimeError:  # the loop is about to end, and has no threads any more
            self._device.close()
            self._loop.call_soon(self._protocol.connection_lost, exc)
        else:
            closed.add_done_callback(lambda _: self._protocol.connection_lost(exc))
