"""Addresses of the network interfaces of this machine, for `Match localnetwork`."""

from __future__ import annotations

import sys
from ipaddress import IPv4Address, IPv6Address
from socket import AF_INET, AF_INET6
from typing import Final, TypeAlias

__all__ = ["Address", "local_addresses"]

Address: TypeAlias = IPv4Address | IPv6Address

_IFF_UP: Final = 1

#: Where BSD has the length of a socket address, Linux has the first byte of its family.
_FAMILY: Final = slice(0, 2) if sys.platform in ("linux", "android") else slice(1, 2)


def local_addresses() -> list[Address]:
    """Return the addresses of interfaces that are up, without those that only hold on one link.

    Raises ValueError where the system has no getifaddrs(3), or if that fails.
    """
    # Of the standard library, and only few ever need it.
    import ctypes

    class InterfaceAddress(ctypes.Structure):
        next: int | None
        flags: int
        address: int | None

    # struct ifaddrs as far as all systems agree on it.
    InterfaceAddress._fields_ = [
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("flags", ctypes.c_uint),
        ("address", ctypes.c_void_p),
    ]
    try:
        libc = ctypes.CDLL(None)
        getifaddrs, freeifaddrs = libc.getifaddrs, libc.freeifaddrs
    except (AttributeError, OSError, TypeError):
        raise ValueError("this system does not tell the addresses of its networks") from None
    first = ctypes.c_void_p()
    if getifaddrs(ctypes.byref(first)) != 0:
        raise ValueError("the addresses of local networks could not be read")
    found: list[Address] = []
    try:
        place = first.value
        while place:
            item = InterfaceAddress.from_address(place)
            if item.flags & _IFF_UP and item.address:
                # Family, and enough of what is behind it in any address.
                family = int.from_bytes(ctypes.string_at(item.address, 2)[_FAMILY], sys.byteorder)
                if family == AF_INET:
                    found.append(IPv4Address(ctypes.string_at(item.address, 8)[4:]))
                elif family == AF_INET6:
                    found.append(IPv6Address(ctypes.string_at(item.address, 24)[8:]))
            place = item.next
    finally:
        freeifaddrs(first)
    # As OpenSSH, to which they are addresses with a scope that no file can name.
    return [each for each in found if each.version == 4 or not each.is_link_local]
