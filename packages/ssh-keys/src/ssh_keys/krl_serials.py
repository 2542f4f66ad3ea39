"""Revoked serial numbers (PROTOCOL.krl sections 2.1 to 2.3): sets, and their encoding."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from ssh_keys.wire import encode_byte, encode_mpint, encode_string, encode_uint64

__all__ = ["SerialSet", "encode_serials"]

SERIAL_LIST, SERIAL_RANGE, SERIAL_BITMAP = 0x20, 0x21, 0x22
#: Bits of one bitmap that we write; several follow each other where that is not enough. OpenSSH
#: reads no longer ones, although ssh-keygen writes them.
MAXIMUM_BITMAP_BITS = 1 << 14

#: Bits of the parts that sections are made of: the type, a serial, both together.
_TYPE, _NUMBER, _RESTART = 8, 64, 72

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
    """Return the sections for a set of serials, in the kinds that ssh-keygen chooses.

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
    """Split intervals into sections, one after the other, by what each choice seems to cost.

    This is not always the shortest form, but it is that of ssh-keygen 9.2, so that its files and
    ours are the same byte for byte; only where its bitmaps would become too long for itself to
    read, ours begin anew. The rules were found by comparing the sections of thousands of its files.
    """
    sections: list[tuple[int, Sequence[Interval]]] = []
    kind, start = 0, 0
    for index, (first, last) in enumerate(intervals):
        # Distances to the neighbours; None where there is none.
        before = first - intervals[index - 1][1] if index else None
        behind = intervals[index + 1][0] - last if index + 1 < len(intervals) else None
        fits = last - intervals[start][0] < MAXIMUM_BITMAP_BITS
        chosen, goes_on = _choose_kind(kind, last - first + 1, before, behind, fits)
        if index and not goes_on:
            sections.append((kind, intervals[start:index]))
            start = index
        kind = chosen
    return [*sections, (kind, intervals[start:])] if intervals else []


def _choose_kind(
    kind: int, count: int, before: int | None, behind: int | None, fits: bool
) -> tuple[int, bool]:
    """Return the kind of section for an interval, and whether the section before it goes on.

    Parameters:
        kind: of the section before, 0 if there is none.
        count: serials in the interval.
        before: distance to the interval before.
        behind: distance to the interval behind.
        fits: whether a bitmap that is there has room for the interval.
    """
    # All costs are in bits. What follows will need a new section, or the bitmap has to reach it.
    restart = 0 if behind is None else _RESTART
    reach = 0 if behind is None else min(behind, _RESTART)
    new_bitmap = _RESTART if kind == SERIAL_BITMAP else _NUMBER + min(before or 0, _TYPE)
    costs = [
        ((SERIAL_LIST, kind == SERIAL_LIST), _TYPE * (kind != SERIAL_LIST) + _NUMBER * count),
        ((SERIAL_RANGE, False), _TYPE + 2 * _NUMBER),
    ]
    costs = [(choice, cost + restart) for choice, cost in costs]
    if count <= MAXIMUM_BITMAP_BITS:
        costs.append(((SERIAL_BITMAP, False), new_bitmap + count + reach))
    if kind == SERIAL_BITMAP and fits:
        costs.insert(0, ((SERIAL_BITMAP, True), (before or 0) + count + reach))
    # Compared in whole bytes; the first of equals counts.
    return min(costs, key=lambda item: (item[1] + 7) // 8)[0]
