"""Sessions, with all that their streams may be redirected to, that end at any moment."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ssh_connection import SSHClientConnection, SSHServerProcess
from ssh_keys import Error
from tests.cut import Cut, Scenario, Way, cut_everywhere

from .loopback import client, serving

KEX = ["curve25519-sha256"]


@asynccontextmanager
async def logged_in(cut: Cut, **of_server: Any) -> AsyncIterator[SSHClientConnection]:
    """A connection that is there when things begin to end."""
    async with (
        serving(**of_server) as server,
        await client(server, password="secret", kex_algs=KEX) as conn,
    ):
        cut.begin(conn)
        yield conn


async def cat(process: SSHServerProcess[bytes]) -> None:
    """Send everything back, on both streams."""
    while data := await process.stdin.read(100):
        process.stdout.write(data)
        process.stderr.write(data)
        await process.stdout.drain()
    process.exit(0)


async def running(cut: Cut) -> None:
    async with logged_in(cut, process_factory=cat, encoding=None) as conn:
        await conn.run("cat", input=b"x" * 300, encoding=None)


async def talking(cut: Cut) -> None:
    async with (
        logged_in(cut, process_factory=cat, encoding=None) as conn,
        await conn.create_process("cat", encoding=None) as process,
    ):
        process.stdin.write(b"question")
        await process.stdout.readexactly(8)
        process.stdin.write_eof()
        await process.wait()


async def files(cut: Cut) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.write_bytes(b"x" * 1000)
        async with (
            logged_in(cut, process_factory=cat, encoding=None) as conn,
            await conn.create_process(
                "cat",
                encoding=None,
                stdin=source,
                stdout=Path(folder) / "out",
                stderr=Path(folder) / "err",
                bufsize=500,
            ) as process,
        ):
            await process.wait()


async def pipes(cut: Cut) -> None:
    stdin, feeding = os.pipe()
    reading, stdout = os.pipe()
    with (
        os.fdopen(feeding, "wb") as feed,
        os.fdopen(reading, "rb"),
        os.fdopen(stdin, "rb") as source,
        os.fdopen(stdout, "wb") as target,
    ):
        feed.write(b"x" * 1000)
        feed.close()
        async with (
            logged_in(cut, process_factory=cat, encoding=None) as conn,
            await conn.create_process("cat", encoding=None, stdin=source, stdout=target) as process,
        ):
            await process.wait()


async def sockets(cut: Cut) -> None:
    near, far = socket.socketpair()
    with near, far, near.dup() as other:
        far.send(b"x" * 1000)
        far.shutdown(socket.SHUT_WR)
        async with (
            logged_in(cut, process_factory=cat, encoding=None) as conn,
            await conn.create_process("cat", encoding=None, stdin=near, stderr=other) as process,
        ):
            await process.wait()


async def pipeline(cut: Cut) -> None:
    async with (
        logged_in(cut, process_factory=cat, encoding=None) as conn,
        await conn.create_process("cat", encoding=None) as first,
        await conn.create_process("cat", encoding=None, stdin=first.stdout) as second,
    ):
        first.stdin.write(b"x" * 200)
        first.stdin.write_eof()
        await second.wait()


async def terminal(cut: Cut) -> None:
    async def lines(process: SSHServerProcess[str]) -> None:
        async for line in process.stdin:
            process.stdout.write(f"<{line}>")
        process.exit(0)

    async with (
        logged_in(cut, process_factory=lines) as conn,
        await conn.create_process(term_type="xterm") as process,
    ):
        process.stdin.write("one\rtwo\r")
        await process.stdout.readuntil(">")
        process.stdin.write("\x04")
        await process.wait()


SCENARIOS = [
    running,
    talking,
    files,
    pipes,
    sockets,
    pipeline,
    terminal,
]


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_cut(scenario: Scenario, way: Way, tmp_path: Path) -> None:
    cut_everywhere(scenario, way, tmp_path, allowed=(OSError, EOFError, Error))
