"""Messages that are filled with what is queued, and data that is not copied for it."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from ssh_connection.channel.filling import fill_message
from ssh_connection.constants import EXTENDED_DATA_STDERR

from .loopback import client, serving

Pieces = deque[tuple[bytes, int | None]]


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.sampled_from([None, 1])), min_size=1),
    st.integers(1, 60),
)
def test_any_pieces(pieces: list[tuple[bytes, int | None]], room: int) -> None:
    """Nothing is lost or mixed; the message is full if there was enough of its type."""
    (first, datatype), *rest = pieces
    first = first[:room]
    queue: Pieces = deque(rest)
    data, offset = fill_message(first, queue, datatype, room)
    assert len(data) <= room
    if offset:
        assert len(data) == room
        assert offset < len(queue[0][0])
    elif len(data) < room:
        assert not queue or queue[0][1] != datatype
    used = [*rest[: len(rest) - len(queue)]]
    assert all(kind == datatype for _, kind in used)
    tail = queue[0][0][:offset] if offset else b""
    assert data == first + b"".join(piece for piece, _ in used) + tail


def test_of_a_large_piece_only_what_fits_is_copied() -> None:
    large = bytes(200_000)
    queue: Pieces = deque([(large, None)])
    data, offset = fill_message(b"header", queue, None, 32768)
    assert data == b"header" + bytes(32762)
    assert (queue[0][0] is large, offset) == (True, 32762)


def test_other_data_stay() -> None:
    queue: Pieces = deque([(b"warning", EXTENDED_DATA_STDERR)])
    assert fill_message(b"header", queue, None, 32768) == (b"header", 0)
    assert queue == deque([(b"warning", EXTENDED_DATA_STDERR)])


async def test_pieces_of_a_channel() -> None:
    """What is written in pieces arrives as one stream, whatever their sizes are."""
    pieces = [b"", b"head", bytes(range(256)) * 1000, b"x" * 5000, b"", b"y" * 31_000, b"end"]
    async with (
        serving(
            process_factory=lambda process: process.redirect(stdout=process.stdin), encoding=None
        ) as acceptor,
        await client(acceptor, password="secret") as conn,
    ):
        stdin, stdout, _ = await conn.open_session(encoding=None)
        for _ in range(20):
            stdin.channel.write_pieces(pieces)
            stdin.channel.write_pieces(pieces[-2:])
        stdin.write_eof()
        expected = (b"".join(pieces) + b"".join(pieces[-2:])) * 20
        assert await stdout.read() == expected
