"""The command line of the benchmarks.

Every implementation runs in a process and an environment of its own. The processes of one row are
interleaved: round by round, in turning order, so that what else the machine does hits all alike.
Shown are medians over the rounds; the ratio is the median of the ratios to AsyncSSH within a round.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path

from tests.benchmarks.lab import Lab, Result, laboratory
from tests.benchmarks.rows import Row, rows, select
from tests.benchmarks.table import render


def measure(lab: Lab, row: Row, rounds: int, chosen: list[str]) -> dict[str, list[Result]]:
    """Measure one row in interleaved rounds."""
    names = [name for name in row.implementations if not chosen or name in chosen]
    measured: dict[str, list[Result]] = {name: [] for name in names}
    for turn in range(rounds):
        start = turn % len(names) if names else 0
        for name in names[start:] + names[:start]:
            if name not in measured:
                continue
            try:
                measured[name].append(row.measure(lab, name))
            except (RuntimeError, FileNotFoundError, ValueError) as exc:
                print(f"{row.name}: {name}: {exc}", file=sys.stderr)
                del measured[name]
    return measured


def main() -> int:
    """Parse the command line, measure, and print."""
    parser = argparse.ArgumentParser(prog="hatch run bench", description=__doc__)
    parser.add_argument("rows", nargs="*", help="beginnings of the names of rows; default: all")
    parser.add_argument("--list", action="store_true", help="print the names of the rows and stop")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds, default 5")
    parser.add_argument("--size", type=int, default=512, help="MiB in one bulk run, default 512")
    parser.add_argument("--impl", action="append", default=[], help="only these implementations")
    parser.add_argument("--json", type=Path, help="also write all results to this file")
    arguments = parser.parse_args()
    if arguments.list:
        for row in rows():
            print(f"{row.name:<24}{row.title}")
        return 0
    everything: dict[str, dict[str, list[Result]]] = {}
    print(f"{platform.platform()}, Python {platform.python_version()}, {arguments.rounds} rounds")
    with laboratory(arguments.size << 20) as lab:
        for row in select(arguments.rows):
            everything[row.name] = measure(lab, row, arguments.rounds, arguments.impl)
            print(render(row, everything[row.name]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(everything, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
