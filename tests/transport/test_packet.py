"""Packet reader and writer on their own: offsets, buffers, bounds."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_transport import CIPHERS, COMPRESSIONS, MACS, MACError, ProtocolError
from ssh_transport.packet import (
    MAX_PACKET,
    MAX_PAYLOAD,
    PacketReader,
    ReceiveBuffer,
)
from ssh_transport.packet_writer import OutputPool, PacketWriter


class Sink:
    """A reader that records payloads."""

    def __init__(self, buffer: ReceiveBuffer | None = None) -> None:
        self.reader = PacketReader(buffer)
        self.payloads: list[bytes] = []
        self.reader.set_handlers(bytes(256), [self.handle])

    def handle(self, packet: bytes, start: int, end: int) -> None:
        self.payloads.append(packet[start - 1 : end])

    def write(self, data: bytes) -> None:
        """Put bytes into the buffer, as the event loop does, without processing them."""
        room = self.reader.get_buffer()
        room[: len(data)] = data
        self.reader.add(len(data))

    def feed(self, data: bytes) -> None:
        for start in range(0, len(data), 100_000):
            self.write(data[start : start + 100_000])
            self.reader.process()


def sealed(*payloads: bytes) -> bytes:
    writer = PacketWriter(os.urandom)
    for payload in payloads:
        writer.write(payload)
    return bytes(writer.output())


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=20), st.integers(1, 50))
def test_packets_in_any_pieces(payloads: list[bytes], chunk: int) -> None:
    sink = Sink()
    data = sealed(*payloads)
    for start in range(0, len(data), chunk):
        sink.feed(data[start : start + chunk])
    assert sink.payloads == payloads
    assert sink.reader.pending == 0


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 100)), max_size=60))
def test_readers_that_share_a_buffer_do_not_mix(reads: list[tuple[int, int]]) -> None:
    buffer = ReceiveBuffer()
    sinks = [Sink(buffer) for _ in range(3)]
    payloads = [[bytes([index + 1]) * (40 * n + 1) for n in range(5)] for index in range(3)]
    streams = [sealed(*each) for each in payloads]
    for index, count in reads:
        sinks[index].feed(streams[index][:count])
        streams[index] = streams[index][count:]
    for sink, stream in zip(sinks, streams, strict=True):
        sink.feed(stream)
    assert [sink.payloads for sink in sinks] == payloads


def test_a_reader_called_from_anothers_handler_gets_a_buffer_of_its_own() -> None:
    buffer = ReceiveBuffer()
    inner, outer = Sink(buffer), Sink(buffer)
    inner_data = sealed(b"\x01inner", b"\x02inner")

    def handle(packet: bytes, start: int, end: int) -> None:
        outer.payloads.append(packet[start - 1 : end])
        inner.feed(inner_data)

    outer.reader.set_handlers(bytes(256), [handle])
    inner_data = sealed(b"\x01inner")
    outer.feed(sealed(b"\x01outer", b"\x02outer", b"\x03outer"))
    assert outer.payloads == [b"\x01outer", b"\x02outer", b"\x03outer"]
    assert inner.payloads == [b"\x01inner"] * 3
    assert inner.reader._buffer is not buffer


def test_largest_packet_passes_and_one_more_byte_does_not() -> None:
    sink = Sink()
    payload = b"x" * (MAX_PAYLOAD - 1)
    sink.feed(sealed(payload))
    assert sink.payloads == [payload]
    with pytest.raises(ValueError, match="too large"):
        PacketWriter(os.urandom).write(b"x" * MAX_PAYLOAD)


@pytest.mark.parametrize("length", [0, 1, 4, 5, 11, 13, MAX_PACKET + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_impossible_lengths_are_refused_before_the_packet_is_there(length: int) -> None:
    with pytest.raises(ProtocolError, match="impossible packet length"):
        Sink().feed(length.to_bytes(4, "big") + bytes(12))


@pytest.mark.parametrize("padding", [0, 3, 11, 12, 255])
def test_impossible_padding(padding: int) -> None:
    with pytest.raises(ProtocolError, match="padding"):
        Sink().feed((12).to_bytes(4, "big") + bytes([padding]) + bytes(11))


@pytest.mark.parametrize("name", CIPHERS.names(), ids=lambda name: name.decode())
def test_every_damaged_byte_is_found_and_all_damage_looks_the_same(name: bytes) -> None:
    row = CIPHERS[name]
    macs = [MACS[b"hmac-sha2-256"], MACS[b"hmac-sha2-256-etm@openssh.com"]]
    for mac in [None] if row.tag_size else macs:
        mac_key = os.urandom(mac.key_size) if mac else b""
        keys = (os.urandom(row.key_size), os.urandom(row.iv_size), mac_key, mac)
        writer = PacketWriter(os.urandom)
        writer.set_sealer(row.sealer(*keys), reset_sequence=True)
        writer.write(b"\x5e" + b"payload" * 10)
        good = bytes(writer.output())
        texts = set()
        for position in range(len(good)):
            sink = Sink()
            sink.reader.set_opener(row.opener(*keys), reset_sequence=True)
            damaged = bytearray(good + bytes(MAX_PACKET + 64))
            damaged[position] ^= 1
            with pytest.raises(MACError) as caught:
                sink.feed(bytes(damaged))
            texts.add(str(caught.value))
            assert sink.payloads == []
        assert len(texts) == 1, texts


def test_pause_stops_before_the_next_packet_and_keeps_it() -> None:
    sink = Sink()
    original = sink.handle

    def handle(packet: bytes, start: int, end: int) -> None:
        original(packet, start, end)
        sink.reader.pause()

    sink.reader.set_handlers(bytes(256), [handle])
    sink.feed(sealed(b"1", b"2"))
    assert sink.payloads == [b"1"]
    assert sink.reader.pending > 0
    sink.reader.paused = False
    sink.reader.process()
    assert sink.payloads == [b"1", b"2"]


class RunSink(Sink):
    """A reader that records payloads of 94 in runs, and those of others one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[list[bytes]] = []
        self.after_run: list[Callable[[], None]] = []
        self.reader.set_run_handler(94, self.handle, self.handle_run)

    def handle_run(self, packets: list[bytes]) -> None:
        payloads = [packet[1 : len(packet) - packet[0]] for packet in packets]
        self.runs.append(payloads)
        self.payloads += payloads
        for act in self.after_run:
            act()


@given(st.lists(st.sampled_from([b"\x5e", b"\x5f", b"\x5edata", b"\x50"])), st.integers(1, 500))
def test_runs_come_in_order_with_everything_else(payloads: list[bytes], chunk: int) -> None:
    sink = RunSink()
    data = sealed(*payloads)
    for start in range(0, len(data), chunk):
        sink.feed(data[start : start + chunk])
    assert sink.payloads == payloads
    assert all(payload[0] == 94 for run in sink.runs for payload in run)
    assert sink.reader.seq == len(payloads)
    assert sink.reader.epoch_bytes == len(data)
    assert sink.reader.pending == 0


def test_packets_that_come_together_are_one_run() -> None:
    sink = RunSink()
    sink.feed(sealed(b"^1", b"^2", b"_", b"^3", b"^4", b"^5"))
    assert sink.runs == [[b"^1", b"^2"], [b"^3", b"^4", b"^5"]]
    sink.feed(sealed(b"^6"))
    assert len(sink.runs) == 2
    assert sink.payloads[-1] == b"^6"


def test_only_the_handler_that_was_named_is_replaced_by_runs() -> None:
    """While keys are exchanged the table refuses data: so must a run of it be."""
    sink = RunSink()
    refused: list[bytes] = []

    def refuse(packet: bytes, start: int, end: int) -> None:
        refused.append(packet[start:end])

    sink.reader.set_handlers(bytes(number == 94 for number in range(256)), [sink.handle, refuse])
    sink.feed(sealed(b"^1", b"^2"))
    assert (sink.runs, refused) == ([], [b"1", b"2"])


def test_a_run_in_front_of_a_damaged_packet_is_handled() -> None:
    row = CIPHERS[b"aes128-gcm@openssh.com"]
    keys = (os.urandom(row.key_size), os.urandom(row.iv_size), b"", None)
    writer = PacketWriter(os.urandom)
    writer.set_sealer(row.sealer(*keys), reset_sequence=True)
    for payload in (b"^1", b"^2", b"^3"):
        writer.write(payload)
    data = bytearray(writer.output())
    data[-1] ^= 1
    sink = RunSink()
    sink.reader.set_opener(row.opener(*keys), reset_sequence=True)
    with pytest.raises(MACError):
        sink.feed(bytes(data))
    assert sink.runs == [[b"^1", b"^2"]]


def test_a_run_that_pauses_keeps_the_packet_behind_it() -> None:
    sink = RunSink()
    sink.after_run.append(sink.reader.pause)
    sink.feed(sealed(b"^1", b"_behind", b"^2", b"_last"))
    assert sink.payloads == [b"^1"]
    sink.reader.paused = False
    sink.reader.process()
    assert sink.payloads == [b"^1", b"_behind", b"^2"]
    sink.reader.paused = False
    sink.reader.process()
    assert sink.payloads == [b"^1", b"_behind", b"^2", b"_last"]


def test_a_run_that_closes_drops_the_packet_behind_it() -> None:
    sink = RunSink()
    sink.after_run.append(sink.reader.close)
    sink.feed(sealed(b"^1", b"_behind", b"^2"))
    sink.reader.process()
    assert sink.payloads == [b"^1"]


def test_compressed_data_comes_one_by_one() -> None:
    row = COMPRESSIONS[b"zlib"]
    assert row.compressor is not None
    assert row.decompressor is not None
    writer = PacketWriter(os.urandom)
    writer.set_compressor(row.compressor())
    sink = RunSink()
    sink.reader.set_decompressor(row.decompressor())
    for payload in (b"^1", b"^2"):
        writer.write(payload)
    sink.feed(bytes(writer.output()))
    assert (sink.runs, sink.payloads) == ([], [b"^1", b"^2"])


def test_full_is_said_while_there_is_still_room_for_a_read() -> None:
    sink = Sink()
    sink.reader.pause()
    written = 0
    while not sink.reader.full:
        room = sink.reader.get_buffer()
        assert len(room) >= 1
        sink.reader.add(len(room))
        written += len(room)
    assert sink.reader.pending == written <= 1024 * 1024


def test_output_buffers_are_used_again_only_when_nobody_holds_them() -> None:
    pool = OutputPool()
    writer = PacketWriter(os.urandom, pool)
    writer.write(b"\x5eone")
    first = writer._buf
    writer.sent(reusable=True)
    writer.write(b"\x5etwo")
    assert writer._buf is first
    held = writer.output()
    text = bytes(held)
    writer.sent(reusable=False)
    writer.write(b"\x5ethree")
    assert writer._buf is not first
    assert bytes(held) == text


@pytest.mark.parametrize("name", CIPHERS.names(), ids=lambda name: name.decode())
@pytest.mark.parametrize("compressed", [False, True])
def test_a_run_is_written_as_single_packets_are(name: bytes, compressed: bool) -> None:
    row = CIPHERS[name]
    mac = None if row.tag_size else MACS[b"hmac-sha2-256-etm@openssh.com"]
    mac_key = os.urandom(mac.key_size) if mac else b""
    keys = (os.urandom(row.key_size), os.urandom(row.iv_size), mac_key, mac)
    writer, sink = PacketWriter(os.urandom), RunSink()
    writer.set_sealer(row.sealer(*keys), reset_sequence=True)
    sink.reader.set_opener(row.opener(*keys), reset_sequence=True)
    if compressed:
        method = COMPRESSIONS[b"zlib"]
        assert method.compressor is not None
        assert method.decompressor is not None
        writer.set_compressor(method.compressor())
        sink.reader.set_decompressor(method.decompressor())
    data = memoryview(os.urandom(1000) * 100)
    writer.write(b"^before")
    taken = runs = 0
    while taken < len(data):
        used = writer.write_run(b"^", data[taken:], 1000, 16_000)
        assert used >= 1000
        taken += used
        runs += 1
        assert writer.size == len(writer.output())
        sink.feed(bytes(writer.output()))
        writer.sent(reusable=True)
    assert compressed or writer.needs_cover or runs <= 8
    assert sink.payloads[0] == b"^before"
    assert b"".join(payload[1:] for payload in sink.payloads[1:]) == data
    assert {len(payload) for payload in sink.payloads[1:]} == {1001}
    assert writer.seq == sink.reader.seq == 101
    assert writer.epoch_bytes == sink.reader.epoch_bytes


def test_padding_of_a_run_is_random() -> None:
    writer = PacketWriter(os.urandom)
    writer.write_run(b"^", memoryview(bytes(100)), 10, 100_000)
    output = bytes(writer.output())
    packet = len(output) // 10
    assert len({output[pos : pos + packet] for pos in range(0, len(output), packet)}) == 10


def test_output_grows_without_losing_what_is_there() -> None:
    payloads = [os.urandom(50_000) for _ in range(40)]
    sink = Sink()
    sink.feed(sealed(*payloads))
    assert sink.payloads == payloads


def test_padding_is_random_and_within_its_bounds() -> None:
    packets = set()
    for _ in range(200):
        packet = sealed(b"\x5e")
        assert len(packet) == 16
        assert packet[4] >= 4
        packets.add(packet)
    assert len(packets) == 200
