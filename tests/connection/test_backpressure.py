"""Flow control: fairness between channels, and memory that stays bounded."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any

from ssh_connection.channel.tcpip import SSHTCPChannel
from ssh_connection.messages.connection import ChannelOpen
from ssh_connection.mux import QUANTUM
from ssh_connection.stream_session import SSHServerStreamSession
from tests.connection.channels import (
    RawPeer,
    RecordingSession,
    encode,
    open_tcp,
    serve_process,
    start_process,
)
from tests.connection.mux_pair import Pair

MIB = 1 << 20


class Writer(RecordingSession):
    """Writes whenever it may, as a relay or a server does; never more."""

    def __init__(self) -> None:
        super().__init__()
        self.paused = False
        self.written = 0

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.pump()

    def pump(self) -> None:
        """Write until told to pause."""
        assert self.chan is not None
        while not self.paused and self.written < 256 * MIB:
            self.chan.write(bytes(64 * 1024))
            self.written += 64 * 1024


async def test_a_huge_window_and_a_peer_that_freezes_cost_little() -> None:
    """The peer opens a window of 1 GiB and stops reading: the core blocks, writers are paused."""
    peer = RawPeer()
    peer.end.core.mark = MIB
    session = Writer()
    chan: SSHTCPChannel[bytes] = SSHTCPChannel(peer.services, peer.end.mux)
    chan.set_session(session)
    peer.services.accept = lambda request: chan
    tracemalloc.start()
    peer.send(90, b"direct-tcpip", 7, 1 << 30, 32768)
    session.pump()
    assert session.paused
    assert session.written < MIB + 128 * 1024 + 2 * 64 * 1024
    assert chan.get_write_buffer_size() <= 128 * 1024 + 64 * 1024
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * MIB
    # It thaws: everything flows on.
    before = session.written
    peer.sent()
    peer.end.mux.on_writable()
    assert session.written > before


async def test_a_session_that_does_not_read_holds_one_window() -> None:
    async with Pair() as pair:
        writer, reader = Writer(), RecordingSession()
        _, served = await open_tcp(pair, writer, reader, server_options={"window": 300_000})
        served.pause_reading()
        writer.pump()
        await pair.settle()
        assert sum(end - start for _, start, end, _ in served._held) == 300_000
        assert writer.paused
        assert writer.written <= 300_000 + 128 * 1024 + 64 * 1024
        served.resume_reading()
        while writer.written < 256 * MIB:
            await asyncio.sleep(0)
            reader.pieces.clear()
            reader.data.clear()
        assert pair.client.core.closed_with is None


async def test_a_reader_that_does_not_read_holds_one_window() -> None:
    async with Pair() as pair:

        async def serve(process: Any) -> None:
            for _ in range(1000):
                process.stdout.write(bytes(100_000))
                await process.stdout.drain()
            process.exit(0)

        serve_process(pair, serve, encoding=None)
        process = await start_process(
            pair, "x", channel_options={"encoding": None, "window": 500_000}
        )
        await pair.settle()
        assert process.buffer(None).size == 500_000
        total = 0
        while data := await process.stdout.read(1 << 20):
            assert len(data) <= 500_000
            total += len(data)
        assert total == 100_000_000
        assert (await process.wait()).exit_status == 0


async def test_windows_are_reopened_by_halves() -> None:
    peer = RawPeer()
    chan: SSHTCPChannel[bytes] = SSHTCPChannel(peer.services, peer.end.mux, window=1000)
    chan.set_session(RecordingSession())
    peer.services.accept = lambda request: chan
    peer.send(90, b"direct-tcpip", 7, 1000, 1000)
    peer.sent()
    for _ in range(10):
        peer.send(94, 0, bytes(100))
    adjusts = [(message[0], int.from_bytes(message[5:9], "big")) for message in peer.sent()]
    assert adjusts == [(93, 500), (93, 500)]
    assert chan.receive_room == 1000


async def test_channels_take_turns_when_the_core_is_blocked() -> None:
    """Ten channels with much to send: each gets its quantum before one gets a second."""
    peer = RawPeer()
    peer.end.core.mark = 64 * 1024
    channels: list[SSHTCPChannel[bytes]] = []

    def accept(request: ChannelOpen) -> SSHTCPChannel[bytes]:
        chan: SSHTCPChannel[bytes] = SSHTCPChannel(peer.services, peer.end.mux)
        chan.set_session(RecordingSession())
        channels.append(chan)
        return chan

    peer.services.accept = accept
    for number in range(10):
        peer.send(90, b"direct-tcpip", number, 1 << 30, 32768)
    peer.sent()
    for chan in channels:
        chan.write(bytes(2 * MIB))
    taken: dict[int, int] = {}
    most = 0
    while messages := peer.sent():
        for message in messages:
            number = int.from_bytes(message[1:5], "big")
            taken[number] = taken.get(number, 0) + len(message) - 9
        unfinished = [taken.get(number, 0) for number in range(10)]
        most = max(most, max(unfinished) - min(unfinished))
        peer.end.mux.on_writable()
    assert taken == dict.fromkeys(range(10), 2 * MIB)
    assert most <= QUANTUM + 2 * 64 * 1024


async def test_a_blocked_channel_does_not_hold_up_the_others() -> None:
    """One channel has no window left; another goes on, also an interactive one behind bulk."""
    peer = RawPeer()
    channels: list[SSHTCPChannel[bytes]] = []

    def accept(request: ChannelOpen) -> SSHTCPChannel[bytes]:
        chan: SSHTCPChannel[bytes] = SSHTCPChannel(peer.services, peer.end.mux)
        chan.set_session(RecordingSession())
        channels.append(chan)
        return chan

    peer.services.accept = accept
    peer.send(90, b"direct-tcpip", 0, 10, 32768)
    peer.send(90, b"direct-tcpip", 1, 1 << 30, 32768)
    peer.sent()
    channels[0].write(bytes(1000))
    channels[1].write(b"interactive")
    sent = peer.sent()
    assert [len(message) - 9 for message in sent] == [10, 11]
    assert channels[0].get_write_buffer_size() == 990
    peer.send(93, 0, 990)
    assert [len(message) - 9 for message in peer.sent()] == [990]


async def test_small_writes_that_had_to_wait_leave_as_few_messages() -> None:
    peer = RawPeer()
    chan: SSHTCPChannel[bytes] = SSHTCPChannel(peer.services, peer.end.mux)
    chan.set_session(RecordingSession())
    peer.services.accept = lambda request: chan
    peer.send(90, b"direct-tcpip", 7, 1 << 30, 32768)
    peer.sent()
    peer.end.core.held = True
    for index in range(1000):
        chan.write(b"%04d" % index)
    assert peer.sent() == []
    peer.end.core.held = False
    peer.end.mux.on_writable()
    (message,) = peer.sent()
    assert message[9:] == b"".join(b"%04d" % index for index in range(1000))


async def test_what_the_caller_changes_later_was_copied() -> None:
    peer = RawPeer()
    chan: SSHTCPChannel[bytes] = SSHTCPChannel(peer.services, peer.end.mux)
    chan.set_session(RecordingSession())
    peer.services.accept = lambda request: chan
    peer.send(90, b"direct-tcpip", 7, 1 << 30, 32768)
    peer.sent()
    peer.end.core.held = True
    buffer: Any = bytearray(b"before")
    chan.write(buffer)
    chan.write(memoryview(buffer)[:3])  # type: ignore[arg-type]
    buffer[:] = b"behind"
    peer.end.core.held = False
    peer.end.mux.on_writable()
    assert peer.sent()[0][9:] == b"beforebef"


async def test_a_window_full_of_tiny_packets_costs_little() -> None:
    """Before a session starts, while reading is paused, and in a stream nobody reads."""
    for start, pause in ((False, False), (True, True), (True, False)):
        peer = RawPeer()
        chan = peer.serve(SSHServerStreamSession[Any](lambda *streams: None), encoding=None)
        if start:
            peer.send(98, 0, b"shell", True)
        if pause:
            chan.pause_reading()
        message = encode(94, 0, b"xy")
        tracemalloc.start()
        for _ in range(20_000):
            peer.end.receive(message)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peer.error is None
        assert size < 300_000, (start, pause)


async def test_what_is_held_stays_in_order() -> None:
    """Small and large pieces of two types, held and released."""
    async with Pair() as pair:

        async def serve(process: Any) -> None:
            for number in range(200):
                size = 5000 if number % 3 else 10
                process.stdout.write(bytes([number]) * size)
                process.stderr.write(bytes([255 - number]) * (5010 - size))
            process.exit(0)

        serve_process(pair, serve, encoding=None)
        process = await start_process(pair, "x", channel_options={"encoding": None})
        process.channel.pause_reading()
        await pair.settle()
        process.channel.resume_reading()
        result = await process.wait()
        assert result.stdout == b"".join(
            bytes([number]) * (5000 if number % 3 else 10) for number in range(200)
        )
        assert result.stderr == b"".join(
            bytes([255 - number]) * (10 if number % 3 else 5000) for number in range(200)
        )
