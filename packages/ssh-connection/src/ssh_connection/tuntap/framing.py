"""What a message of a tunnel holds: one IP packet or one Ethernet frame (PROTOCOL section 2.3).

The "packet length" of that section is the length of the string in SSH_MSG_CHANNEL_DATA: neither
OpenSSH nor AsyncSSH sends another one. In front of an IP packet is its address family, in the
numbers of OpenBSD whatever the system. Applications and devices see the packet alone: its first
four bits say the same.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final

from ssh_transport.errors import ProtocolError

__all__ = ["TunnelMode", "packet_start", "to_wire", "unit_number", "unit_of"]


class TunnelMode(IntEnum):
    """What is carried (SSH_TUNMODE_* of PROTOCOL section 2.3)."""

    POINT_TO_POINT = 1
    """IP packets (layer 3), of a "tun" device."""
    ETHERNET = 2
    """Ethernet frames (layer 2), of a "tap" device."""

    @property
    def device(self) -> str:
        """The kind of device, with which the names of interfaces begin."""
        return "tap" if self is TunnelMode.ETHERNET else "tun"


_ANY_UNIT: Final = 0x7FFFFFFF
_MAX_UNIT: Final = 0x7FFFFFFD  # the next one stands for an error in OpenSSH

_FAMILIES: Final = {4: 2, 6: 24}  # IP version to SSH_TUN_AF_*
_SHORTEST: Final = {4: 20, 6: 40}  # IP version to the length of the header without options
_SHORTEST_FRAME: Final = 14
_FAMILY = Struct(">I")


def unit_number(unit: int | None) -> int:
    """Return the number on the wire of a unit, None being one that the server may choose.

    Raises ValueError for what is no unit.
    """
    if unit is None:
        return _ANY_UNIT
    if not 0 <= unit <= _MAX_UNIT:
        raise ValueError(f"there is no unit {unit}")
    return unit


def unit_of(number: int) -> int | None:
    """Return the unit of a number on the wire, see `unit_number`."""
    return None if number == _ANY_UNIT else unit_number(number)


def to_wire(mode: TunnelMode, packet: bytes) -> bytes:
    """Return the data of the message that carries a packet or frame.

    Raises ValueError for what is none.
    """
    if mode is TunnelMode.ETHERNET:
        if len(packet) < _SHORTEST_FRAME:
            raise ValueError(f"{len(packet)} bytes are no Ethernet frame")
        return packet
    version = packet[0] >> 4 if packet else 0
    if len(packet) < _SHORTEST.get(version, 1 << 32):
        raise ValueError(f"{len(packet)} bytes, IP version {version}: no IP packet")
    return _FAMILY.pack(_FAMILIES[version]) + packet


def packet_start(mode: TunnelMode, data: bytes, start: int, end: int) -> int:
    """Return where the packet or frame begins in `data[start:end]`, the data of a message.

    Raises ProtocolError for what is none.
    """
    if mode is TunnelMode.ETHERNET:
        if end - start < _SHORTEST_FRAME:
            raise ProtocolError(f"tunnel: {end - start} bytes are no Ethernet frame")
        return start
    begin = start + _FAMILY.size
    if begin >= end:
        raise ProtocolError(f"tunnel: {end - start} bytes are no IP packet")
    (family,) = _FAMILY.unpack_from(data, start)
    version = data[begin] >> 4
    if family != _FAMILIES.get(version) or end - begin < _SHORTEST[version]:
        raise ProtocolError(
            f"tunnel: {end - begin} bytes of IP version {version}, address family {family}"
        )
    return begin
