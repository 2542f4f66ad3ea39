"""Runs of data in a stream: one copy, in pieces of the size that is read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssh_connection.channel.tcpip import SSHTCPChannel
from ssh_connection.stream_buffer import StreamBuffer

from .channels import RawPeer

KIB = 1024
HEAD = 10


def buffer() -> StreamBuffer[bytes]:
    peer = RawPeer()
    chan: SSHTCPChannel[bytes] = SSHTCPChannel(peer.services, peer.end.mux)
    return StreamBuffer(chan)


def run_of(pieces: list[bytes]) -> tuple[list[bytes], int, list[int], int]:
    """The pieces as packets: a header in front, padding behind."""
    packets = [bytes(HEAD) + piece + b"pad" for piece in pieces]
    return packets, HEAD, [HEAD + len(piece) for piece in pieces], sum(map(len, pieces))


def pieces_of(count: int, size: int = 32 * KIB) -> list[bytes]:
    return [bytes([index]) * size for index in range(count)]


@pytest.mark.parametrize(
    ("wanted", "sizes"),
    [
        (128 * KIB, [128, 128, 32]),
        (100 * KIB, [96, 96, 96]),
        (32 * KIB, [32] * 9),
        (1 << 30, [288]),
    ],
)
async def test_a_read_gets_what_it_asked_for_last_time(wanted: int, sizes: list[int]) -> None:
    stream = buffer()
    pieces = pieces_of(9)
    assert stream.read_nowait(wanted) is None
    stream.feed_run(*run_of(pieces))
    got = []
    while (data := stream.read_nowait(wanted)) is not None:
        got.append(data)
    assert [len(data) // KIB for data in got] == sizes
    assert b"".join(got) == b"".join(pieces)
    assert stream.size == 0


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.binary(min_size=1, max_size=40 * KIB), min_size=1, max_size=6),
            st.integers(1, 200 * KIB),
        ),
        max_size=6,
    )
)
def test_any_runs_and_reads(steps: list[tuple[list[bytes], int]]) -> None:
    async def check() -> None:
        stream = buffer()
        fed = b""
        got = b""
        for pieces, wanted in steps:
            stream.feed_run(*run_of(pieces))
            fed += b"".join(pieces)
            data = await stream.read(wanted)
            assert 0 < len(data) <= wanted
            got += data
            assert stream.size == len(fed) - len(got)
        stream.feed_eof()
        got += await stream.read(-1)
        assert got == fed

    asyncio.run(check())


async def test_what_was_read_is_given_back() -> None:
    """Each byte counts once towards the window, however the pieces were put together."""
    stream = buffer()
    channel: Any = stream._channel
    channel.credit_mark = 1 << 40
    stream.read_nowait(100 * KIB)
    stream.feed_run(*run_of(pieces_of(7)))
    assert channel.credit == 0
    await stream.read(100 * KIB)
    assert channel.credit == 96 * KIB
    await stream.readexactly(10)
    await stream.read(1 << 30)
    assert channel.credit <= 7 * 32 * KIB
    stream.feed_eof()
    await stream.read(-1)
    assert channel.credit == 7 * 32 * KIB
