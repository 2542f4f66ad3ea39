"""SFTP without SSH: our client with OpenSSH's sftp-server and with our own server, over pipes.

What is left when the transport is taken away is the cost of the SFTP layer itself, plus that of a
pipe. Run it as `python -m tests.benchmarks.sftp_pipe`; rounds of the two servers are interleaved,
and medians are shown: CPU seconds per GB of the client, CPU milliseconds per operation, wall speed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

from ssh_sftp import SFTPClient, connect_subprocess

SERVERS = {
    "sftp-server": ["/usr/lib/openssh/sftp-server"],
    "ssh_sftp": [sys.executable, "-m", "ssh_sftp.stdio"],
}


class Measure:
    """CPU and wall time of what is awaited."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], list[tuple[float, float]]] = {}

    async def run(self, server: str, row: str, work: Awaitable[object]) -> None:
        """Await `work` and add a sample."""
        cpu, wall = time.process_time(), time.perf_counter()
        await work
        sample = (time.process_time() - cpu, time.perf_counter() - wall)
        self.rows.setdefault((row, server), []).append(sample)

    def median(self, row: str, server: str) -> tuple[float, float]:
        """Median CPU and wall seconds."""
        samples = self.rows[row, server]
        return statistics.median(s[0] for s in samples), statistics.median(s[1] for s in samples)


async def stat_one_by_one(client: SFTPClient, path: str, count: int) -> None:
    """Ask `count` times, each time waiting for the answer."""
    for _ in range(count):
        await client.stat(path)


async def stat_together(client: SFTPClient, path: str, count: int) -> None:
    """Ask `count` times, 64 at a time."""
    for _ in range(count // 64):
        await asyncio.gather(*(client.stat(path) for _ in range(64)))


async def one_round(measure: Measure, server: str, folder: Path, turn: int) -> None:
    """Measure all rows once with one server."""
    async with connect_subprocess(SERVERS[server]) as client:
        out = folder / f"{server}-{turn}"
        out.mkdir()
        large, many = folder / "large", folder / "many"
        await measure.run(server, "get", client.get(large, out / "get"))
        await measure.run(server, "put", client.put(large, out / "put"))
        await measure.run(server, "get many", client.get(many, out / "gm", recurse=True))
        await measure.run(server, "put many", client.put(many, out / "pm", recurse=True))
        await measure.run(server, "stat", stat_one_by_one(client, str(large), 2048))
        await measure.run(server, "stat 64", stat_together(client, str(large), 2048))
        for path in (out / "get", out / "put"):
            if path.stat().st_size != large.stat().st_size:
                raise SystemExit(f"{path} is not what was copied")
            path.unlink()


async def measure_all(size: int, rounds: int, folder: Path) -> Measure:
    """Interleave the servers, round by round."""
    block = os.urandom(1 << 20)
    with (folder / "large").open("wb") as file:
        for _ in range(size):
            file.write(block)
    (folder / "many").mkdir()
    for number in range(1000):
        (folder / "many" / str(number)).write_bytes(block[:4096])
    measure = Measure()
    servers = [name for name, argv in SERVERS.items() if os.access(argv[0], os.X_OK)]
    for turn in range(rounds):
        for server in servers[turn % 2 :] + servers[: turn % 2]:
            await one_round(measure, server, folder, turn)
    return measure


def show(measure: Measure, size: int) -> None:
    """Print the table."""
    print(f"{'row':<12}{'server':<14}{'client CPU':>20}{'speed':>18}")
    for row, server in measure.rows:
        cpu, wall = measure.median(row, server)
        if row in ("get", "put"):
            costs, speed = f"{cpu / size * 1024:.2f} s/GB", f"{size / wall:.0f} MB/s"
        else:
            count = 1000 if "many" in row else 2048
            costs, speed = f"{cpu / count * 1000:.3f} ms each", f"{count / wall:.0f} /s"
        print(f"{row:<12}{server:<14}{costs:>20}{speed:>18}")


def main() -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="MiB of the large file")
    parser.add_argument("--rounds", type=int, default=5, help="rounds per server")
    parser.add_argument("--folder", default="/dev/shm", help="where the files go")
    arguments = parser.parse_args()
    where = arguments.folder if os.path.isdir(arguments.folder) else None
    with tempfile.TemporaryDirectory(dir=where) as folder:
        measure = asyncio.run(measure_all(arguments.size, arguments.rounds, Path(folder)))
    show(measure, arguments.size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
