"""Revoked serial numbers (PROTOCOL.krl sections 2.1 to 2.3): sets, and their shortest encoding."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from ssh_keys.wire import encode_byte, encode_mpint, encode_string, encode_uint64

__all__ = ["SerialSet", "encode_serials"]

SERIAL_LIST, SERIAL_RANGE, SERIAL_BITMAP = 0x20, 0x21, 0x22
#: Bits of one bitmap that we write; several follow each other where that is not enough.
MAXIMUM_BITMAP_BITS = 1 << 16
_HEADER, _NUMBER = 5, 8

Interval = tuple[int, int]


class SerialSet:
    """A set of serial numbers, as intervals and bitmaps.

    Attributes:
        intervals: first and last serial of each interval, in any order.
        bitmaps: offset, and bits from the least significant byte on.
    """

    __slots__ = ("_sorted", "bitmaps", "intervals")

    def __init__(self) -> None:
        self.intervals: list[Interval] = []
        self.bitmaps: list[tuple[int, bytes]] = []
        self._sorted: list[Interval] | None = None

    def add(self, first: int, last: int) -> None:
        """Add all serials from first to last."""
        self.intervals.append((first, last))
        self._sorted = None

    def add_bitmap(self, offset: int, bitmap: int) -> None:
        """Add offset + N for every bit N that is set."""
        if bitmap:
            size = (bitmap.bit_length() + 7) // 8
            self.bitmaps.append((offset, bitmap.to_bytes(size, "little")))

    def __contains__(self, serial: int) -> bool:
        if self._sorted is None:
            self._sorted = merge(self.intervals)
        index = bisect_right(self._sorted, (serial, 1 << 64)) - 1
        if index >= 0 and self._sorted[index][1] >= serial:
            return True
        for offset, bits in self.bitmaps:
            byte, bit = divmod(serial - offset, 8)
            if 0 <= byte < len(bits) and bits[byte] >> bit & 1:
                return True
        return False

    def merged(self) -> list[Interval]:
        """Return the whole set as intervals in order that do not touch."""
        intervals = list(self.intervals)
        for offset, bits in self.bitmaps:
            intervals += _bitmap_intervals(offset, bits)
        return merge(intervals)


def merge(intervals: Sequence[Interval]) -> list[Interval]:
    """Return intervals in order, those that overlap or touch joined."""
    result: list[Interval] = []
    for first, last in sorted(intervals):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return result


def _bitmap_intervals(offset: int, bits: bytes) -> Iterator[Interval]:
    start = -1
    for position in range(8 * len(bits) + 1):
        byte = position >> 3
        if byte < len(bits) and bits[byte] >> (position & 7) & 1:
            start = position if start < 0 else start
        elif start >= 0:
            yield offset + start, offset + position - 1
            start = -1


def encode_serials(intervals: Sequence[Interval]) -> bytes:
    """Return the sections for a set of serials, in the kinds that take the least space.

    Parameters:
        intervals: as `SerialSet.merged` returns them.
    """
    return b"".join(_encode_section(kind, part) for kind, part in _choose(intervals))


def _encode_section(kind: int, intervals: Sequence[Interval]) -> bytes:
    first, last = intervals[0][0], intervals[-1][1]
    if kind == SERIAL_RANGE:
        body = encode_uint64(first) + encode_uint64(last)
    elif kind == SERIAL_LIST:
        body = b"".join(
            encode_uint64(serial) for low, high in intervals for serial in range(low, high + 1)
        )
    else:
        bitmap = 0
        for low, high in intervals:
            bitmap |= ((1 << high - low + 1) - 1) << low - first
        body = encode_uint64(first) + encode_mpint(bitmap)
    return encode_byte(kind) + encode_string(body)


def _choose(intervals: Sequence[Interval]) -> list[tuple[int, Sequence[Interval]]]:
    """Split intervals into sections so that the sum of their sizes is as small as can be.

    A walk over the intervals that remembers, for each kind that the current section may have, the
    cheapest way to get there: as in Viterbi's algorithm. The unit is the bit.
    """
    kinds = (SERIAL_LIST, SERIAL_RANGE, SERIAL_BITMAP)
    costs = {kind: (0 if kind == SERIAL_RANGE else 1 << 62) for kind in kinds}
    bitmap_start = 0
    # For each interval and kind: which kind its predecessor has, and whether a section begins.
    steps: list[dict[int, tuple[int, bool]]] = []
    for index, (first, last) in enumerate(intervals):
        count = last - first + 1
        best = min(kinds, key=lambda kind: costs[kind])
        opening = {
            SERIAL_RANGE: 8 * (_HEADER + 2 * _NUMBER),
            SERIAL_LIST: 8 * (_HEADER + _NUMBER * count),
            SERIAL_BITMAP: 8 * (_HEADER + _NUMBER + 4) + count,
        }
        new = {kind: costs[best] + cost for kind, cost in opening.items()}
        step = dict.fromkeys(kinds, (best, True))
        if count > MAXIMUM_BITMAP_BITS:
            new[SERIAL_BITMAP] = 1 << 62
        if index:
            extended = costs[SERIAL_LIST] + 8 * _NUMBER * count
            if extended <= new[SERIAL_LIST]:
                new[SERIAL_LIST], step[SERIAL_LIST] = extended, (SERIAL_LIST, False)
            extended = costs[SERIAL_BITMAP] + last - intervals[index - 1][1]
            fits = last - bitmap_start < MAXIMUM_BITMAP_BITS
            if fits and extended <= new[SERIAL_BITMAP]:
                new[SERIAL_BITMAP], step[SERIAL_BITMAP] = extended, (SERIAL_BITMAP, False)
        if step[SERIAL_BITMAP][1]:
            bitmap_start = first
        costs = new
        steps.append(step)
    sections: list[tuple[int, Sequence[Interval]]] = []
    kind = min(kinds, key=lambda kind: costs[kind])
    end = len(intervals)
    for index in range(len(intervals) - 1, -1, -1):
        before, begins = steps[index][kind]
        if begins:
            sections.append((kind, intervals[index:end]))
            end, kind = index, before
    return sections[::-1]
