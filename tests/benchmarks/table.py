"""Medians of interleaved rounds, and ratios to one implementation in the same rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from tests.benchmarks.lab import Result
from tests.benchmarks.rows import Row

#: The implementation that ratios are taken to.
BASE = "asyncssh"

#: Results of one row: for each implementation one result per round.
Measured = Mapping[str, Sequence[Result]]

LABELS = {
    "cpu_gb": "CPU-s/GB",
    "server_cpu_gb": "server CPU-s/GB",
    "mb_s": "MB/s",
    "rate": "per s",
    "cpu_ms": "CPU ms",
    "cpu_us": "CPU µs",
    "sends": "sends",
    "growth_mib": "growth MiB",
    "kib_each": "KiB each",
    "rss_mib": "RSS MiB",
}


def ratio(measured: Measured, implementation: str, column: str) -> float | None:
    """The median over the rounds of this implementation's number divided by the base's."""
    pairs = [
        mine[column] / base[column]
        for mine, base in zip(measured[implementation], measured.get(BASE, ()), strict=False)
        if column in mine and base.get(column)
    ]
    return median(pairs) if pairs else None


def number(value: float) -> str:
    """Three digits that matter."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def render(row: Row, measured: Measured) -> str:
    """The table of one row, as lines of text."""
    heads = [LABELS.get(column, column) for column in row.columns]
    first = row.columns[0]
    lines = [f"\n{row.name}: {row.title}"]
    lines.append("".join(f"{head:>24}" for head in ("", *heads, "ratio", "range")))
    for implementation, results in measured.items():
        cells = []
        for column in row.columns:
            values = [result[column] for result in results if column in result]
            cells.append(number(median(values)) if values else "-")
        share = ratio(measured, implementation, first)
        cells.append("-" if share is None else f"{share:.2f}x")
        values = [result[first] for result in results if first in result]
        cells.append(f"{number(min(values))} to {number(max(values))}" if values else "-")
        lines.append("".join(f"{cell:>24}" for cell in (implementation, *cells)))
    return "\n".join(lines)
