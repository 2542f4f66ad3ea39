"""IP packets and Ethernet frames for the tests, well-formed and not."""

from __future__ import annotations

from struct import pack

from hypothesis import strategies as st


def ipv4(payload: bytes = b"", identification: int = 0) -> bytes:
    """A packet of IPv4 between two addresses that nobody has."""
    size = 20 + len(payload)
    addresses = b"\xc0\x00\x02\x01\xc0\x00\x02\x02"
    head = pack(">BBHHHBBH", 0x45, 0, size, identification, 0, 64, 253, 0)
    return head + addresses + payload


def ipv6(payload: bytes = b"") -> bytes:
    """A packet of IPv6 between two addresses that nobody has."""
    address = b"\x20\x01\x0d\xb8" + bytes(12)
    return pack(">IHBB", 0x60000000, len(payload), 253, 64) + address + address + payload


def frame(payload: bytes = b"") -> bytes:
    """A frame of a local experimental type."""
    return bytes.fromhex("02000000000102000000000288b5") + payload


FAMILY_4, FAMILY_6 = pack(">I", 2), pack(">I", 24)

packets = st.one_of(st.builds(ipv4, st.binary()), st.builds(ipv6, st.binary()))
frames = st.builds(frame, st.binary())

MALFORMED = {
    "nothing": b"",
    "half a family": b"\0\0\0",
    "no packet": FAMILY_4,
    "unknown family": pack(">I", 10) + ipv6(),
    "family of Linux": pack(">I", 10) + ipv4(),
    "no family": ipv4(),
    "other version 4": FAMILY_4 + ipv6(),
    "other version 6": FAMILY_6 + ipv4(),
    "version 5": FAMILY_4 + b"\x55" + ipv4()[1:],
    "short header 4": FAMILY_4 + ipv4()[:19],
    "short header 6": FAMILY_6 + ipv6()[:39],
    "length in front": pack(">I", 24) + FAMILY_4 + ipv4(),
}
"""Messages that no tunnel for IP packets takes."""

MALFORMED_FRAMES = {"nothing": b"", "short header": frame()[:13]}
"""Messages that no tunnel for frames takes."""
