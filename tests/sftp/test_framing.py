"""What the framer does with packets that come in pieces: what it copies, and what it keeps."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

import pytest

from ssh_sftp.codec.framing import PacketFramer

DATA = 103
SIZE = 255 * 1024


class Sink:
    """Keeps what the framer hands over."""

    def __init__(self) -> None:
        self.packets: list[tuple[int, bytes]] = []
        self.pieces: list[list[memoryview]] = []
        self.framer = PacketFramer(self.on_packet, self.on_pieces, DATA, 256 * 1024)

    def on_packet(self, kind: int, data: bytes, start: int, end: int) -> None:
        self.packets.append((kind, data[start:end]))

    def on_pieces(self, pieces: list[memoryview], length: int) -> None:
        assert sum(map(len, pieces)) == length
        self.pieces.append(pieces)

    def feed(self, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            self.framer.feed(chunk, 0, len(chunk))


def cut(data: bytes, *sizes: int) -> list[bytes]:
    """Chunks of these sizes, and the rest in chunks of the last size."""
    chunks = []
    pos = 0
    for size in sizes:
        chunks.append(data[pos : pos + size])
        pos += size
    while pos < len(data):
        chunks.append(data[pos : pos + sizes[-1]])
        pos += sizes[-1]
    return chunks


def packet(kind: int, size: int = SIZE) -> bytes:
    body = bytes([kind]) + bytes(index % 251 for index in range(size - 1))
    return len(body).to_bytes(4, "big") + body


@pytest.mark.parametrize("first", [5, 6, 9, 100, 276, 277, 281, 282, 1000, 2047, 2051, 2052, 3000])
def test_a_data_packet_that_begins_at_the_end_of_a_chunk_is_not_copied(first: int) -> None:
    """As with sshd, whose packets begin anywhere in the messages of the channel."""
    sink = Sink()
    data = packet(DATA)
    chunks = cut(data, first, 32 * 1024)
    sink.feed(chunks)
    (pieces,) = sink.pieces
    assert b"".join(pieces) == data[4:]
    assert len(pieces[0]) >= 277  # the whole header
    views = sum(len(piece) for piece in pieces if any(piece.obj is chunk for chunk in chunks))
    assert views >= SIZE - 2 * 277


@pytest.mark.parametrize("kind", [DATA, 101])
@pytest.mark.parametrize("size", [1, 2, 100, 500])
def test_many_small_chunks_do_not_cost_a_view_each(kind: int, size: int) -> None:
    sink = Sink()
    data = packet(kind)
    chunks = cut(data, size)
    tracemalloc.start()
    try:
        sink.feed(chunks)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The packet, its copy, and what a growing bytearray has to spare.
    assert peak < 4 * SIZE
    assert sink.packets == [(kind, data[5:])] or b"".join(sink.pieces[0]) == data[4:]


def test_small_chunks_between_large_ones_stay_few() -> None:
    sink = Sink()
    data = packet(DATA)
    chunks = []
    pos = 0
    while pos < len(data):
        for size in (4096, *[1] * 7):
            chunks.append(data[pos : pos + size])
            pos += size
    sink.feed(chunk for chunk in chunks if chunk)
    if sink.pieces:
        (pieces,) = sink.pieces
        assert len(pieces) <= 8 + SIZE // 2048 + 1
        assert b"".join(pieces) == data[4:]
    else:
        assert sink.packets == [(DATA, data[5:])]
