"""What messages of tunnels hold: PROTOCOL section 2.3, as OpenSSH sends it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_connection.messages.connection import TunOpen
from ssh_connection.tuntap.framing import (
    TunnelMode,
    packet_start,
    to_wire,
    unit_number,
    unit_of,
)
from ssh_transport.errors import ProtocolError

from .packets import (
    FAMILY_4,
    FAMILY_6,
    MALFORMED,
    MALFORMED_FRAMES,
    frame,
    frames,
    ipv4,
    ipv6,
    packets,
)

TUN, TAP = TunnelMode


def test_recorded_messages() -> None:
    """Sent by ssh of OpenSSH 9.2 with `-w 5:7`, and by its device."""
    assert TunOpen(TUN, 7).encode() == bytes.fromhex("0000000100000007")
    assert TunOpen(TAP, unit_number(None)).encode() == bytes.fromhex("000000027fffffff")
    message = bytes.fromhex(
        "00000002450000210840400040110e780a0908010a09080297790009000d006b68656c6c6f"
    )
    assert to_wire(TUN, message[4:]) == message
    assert packet_start(TUN, message, 0, len(message)) == 4
    message = bytes.fromhex(
        "000000186000000000083afffe8000000000000092ab079e45d0c7e0"
        "ff0200000000000000000000000000028500d53c00000000"
    )
    assert to_wire(TUN, message[4:]) == message
    assert packet_start(TUN, message, 0, len(message)) == 4
    message = bytes.fromhex(
        "ffffffffffffaef7bee4c24d08060001080006040001aef7bee4c24d0a0908010000000000000a090802"
    )
    assert to_wire(TAP, message) == message
    assert packet_start(TAP, message, 0, len(message)) == 0


@given(packets, st.binary(max_size=9), st.binary(max_size=9))
def test_packets_come_back(packet: bytes, before: bytes, behind: bytes) -> None:
    message = to_wire(TUN, packet)
    assert message == (FAMILY_4 if packet[0] >> 4 == 4 else FAMILY_6) + packet
    start, end = len(before), len(before) + len(message)
    found = packet_start(TUN, before + message + behind, start, end)
    assert (before + message + behind)[found:end] == packet


@given(frames, st.binary(max_size=9), st.binary(max_size=9))
def test_frames_come_back(sent: bytes, before: bytes, behind: bytes) -> None:
    message = to_wire(TAP, sent)
    start, end = len(before), len(before) + len(message)
    assert message == sent
    assert packet_start(TAP, before + message + behind, start, end) == start


@given(st.sampled_from(TunnelMode), st.binary(max_size=80), st.data())
def test_anything_is_a_packet_or_an_error(
    mode: TunnelMode, data: bytes, draw: st.DataObject
) -> None:
    start = draw.draw(st.integers(0, len(data)))
    end = draw.draw(st.integers(start, len(data)))
    try:
        begin = packet_start(mode, data, start, end)
    except ProtocolError:
        return
    assert to_wire(mode, data[begin:end]) == data[start:end]


@given(st.sampled_from(TunnelMode), st.binary(max_size=80))
def test_what_is_written_can_be_read(mode: TunnelMode, packet: bytes) -> None:
    try:
        message = to_wire(mode, packet)
    except ValueError:
        return
    assert message[packet_start(mode, message, 0, len(message)) :] == packet


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_packets(name: str) -> None:
    message = b"\0\0\0\2" + MALFORMED[name] + ipv4()
    with pytest.raises(ProtocolError, match="tunnel"):
        packet_start(TUN, message, 4, 4 + len(MALFORMED[name]))


@pytest.mark.parametrize("name", MALFORMED_FRAMES)
def test_malformed_frames(name: str) -> None:
    message = MALFORMED_FRAMES[name] + frame()
    with pytest.raises(ProtocolError, match="no Ethernet frame"):
        packet_start(TAP, message, 0, len(MALFORMED_FRAMES[name]))


@pytest.mark.parametrize(
    "packet", [b"", b"\x45", ipv4()[:-1], ipv6()[:-1], b"\x55" * 40, FAMILY_4 + ipv4()]
)
def test_what_is_no_packet_is_not_written(packet: bytes) -> None:
    with pytest.raises(ValueError, match="no IP packet"):
        to_wire(TUN, packet)
    with pytest.raises(ValueError, match="no Ethernet frame"):
        to_wire(TAP, packet[:13])


def test_smallest_packets() -> None:
    for mode, packet in ((TUN, ipv4()), (TUN, ipv6()), (TAP, frame())):
        message = to_wire(mode, packet)
        assert message[packet_start(mode, message, 0, len(message)) :] == packet


@pytest.mark.parametrize("unit", [0, 7, 0x7FFFFFFD, None])
def test_units(unit: int | None) -> None:
    assert unit_of(unit_number(unit)) == unit


@pytest.mark.parametrize("unit", [-1, 0x7FFFFFFE, 0x80000000, 1 << 32])
def test_there_is_no_such_unit(unit: int) -> None:
    with pytest.raises(ValueError, match="there is no unit"):
        unit_number(unit)
    with pytest.raises(ValueError, match="there is no unit"):
        unit_of(unit)
