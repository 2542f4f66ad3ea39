"""zlib streams: what goes in comes out, and no peer can make more of it."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_keys.algorithms import Status
from ssh_transport.compression import COMPRESSIONS, ZlibCompressor, ZlibDecompressor
from ssh_transport.errors import CompressionError

LIMIT = 256 * 1024


def test_table() -> None:
    assert [row.name for row in COMPRESSIONS] == [b"none", b"zlib@openssh.com", b"zlib"]
    assert COMPRESSIONS[b"none"].compressor is None
    assert COMPRESSIONS[b"none"].decompressor is None
    assert COMPRESSIONS[b"zlib@openssh.com"].delayed
    assert not COMPRESSIONS[b"zlib"].delayed
    assert COMPRESSIONS[b"zlib"].status is Status.SUPPORTED
    assert all(row.available() for row in COMPRESSIONS)


@given(st.lists(st.binary(max_size=2000), max_size=8), st.integers(1, 9))
def test_round_trip(payloads: list[bytes], level: int) -> None:
    compressor, decompressor = ZlibCompressor(level), ZlibDecompressor()
    for payload in payloads:
        assert decompressor.decompress(compressor.compress(payload), 2000) == payload


def test_stream_remembers_earlier_packets() -> None:
    """One context for all packets of a direction (RFC 4253 section 6.2)."""
    compressor = ZlibCompressor()
    payload = bytes(range(256))
    first, second = compressor.compress(payload), compressor.compress(payload)
    assert len(second) < len(first) // 10


def test_limit_is_exact() -> None:
    compressed = ZlibCompressor().compress(bytes(LIMIT))
    assert len(compressed) < 1000
    assert ZlibDecompressor().decompress(compressed, LIMIT) == bytes(LIMIT)
    with pytest.raises(CompressionError, match="more than"):
        ZlibDecompressor().decompress(compressed, LIMIT - 1)


def test_bomb_takes_no_memory() -> None:
    bomb = ZlibCompressor(9).compress(bytes(64 << 20))
    assert len(bomb) < 100_000
    decompressor = ZlibDecompressor()
    tracemalloc.start()
    try:
        with pytest.raises(CompressionError, match="more than"):
            decompressor.decompress(bomb, LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 4 * LIMIT
    finally:
        tracemalloc.stop()


@given(st.binary(min_size=1, max_size=200))
def test_noise(data: bytes) -> None:
    """Noise is refused, or is a stream so far (and then the payload is bounded)."""
    try:
        assert len(ZlibDecompressor().decompress(data, 100)) <= 100
    except CompressionError:
        pass


def test_damaged_stream_is_malformed() -> None:
    compressor, decompressor = ZlibCompressor(), ZlibDecompressor()
    decompressor.decompress(compressor.compress(b"first"), LIMIT)
    compressor.compress(b"lost")
    with pytest.raises(CompressionError, match="malformed") as caught:
        decompressor.decompress(b"\xff" * 5000, LIMIT)
    assert caught.value.__suppress_context__


def test_stream_must_not_end() -> None:
    with pytest.raises(CompressionError, match="ended"):
        ZlibDecompressor().decompress(zlib.compress(b"payload") + b"what nobody would read", LIMIT)
