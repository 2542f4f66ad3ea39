"""Channels over the real transport on loopback, with keys exchanged while data flows."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import Any

import pytest

from ssh_connection import SSHClientProcess, SSHServerProcess
from tests.connection.loopback import HOST, client, serving

DATA = os.urandom(3_000_000)


async def reflect(process: SSHServerProcess[Any]) -> None:
    """Send back what comes, then the hash of it on stderr."""
    digest = hashlib.sha256()
    while data := await process.stdin.read(100_000):
        digest.update(data)
        process.stdout.write(data)
        await process.stdout.drain()
    process.stderr.write(digest.hexdigest().encode())
    process.exit(0)


@pytest.mark.parametrize("rekeys", ["client", "server", "both", "nobody"])
async def test_bulk_on_several_channels_while_keys_are_exchanged(rekeys: str) -> None:
    few = 400_000
    server: dict[str, Any] = {"rekey_bytes": few} if rekeys in ("server", "both") else {}
    ours: dict[str, Any] = {"rekey_bytes": few} if rekeys in ("client", "both") else {}
    async with (
        serving(process_factory=reflect, encoding=None, **server) as acceptor,
        await client(acceptor, password="secret", **ours) as conn,
    ):
        results = await asyncio.gather(
            *(conn.run("x", input=DATA[start:], encoding=None) for start in (0, 1, 2, 3))
        )
        for start, result in enumerate(results):
            assert result.stdout == DATA[start:]
            assert result.stderr == hashlib.sha256(DATA[start:]).hexdigest().encode()
            assert result.exit_status == 0


async def test_an_interactive_channel_beside_bulk() -> None:
    """While one channel is flooded without an end, another one answers."""
    stop = asyncio.Event()
    received = 0

    async def flood(process: SSHClientProcess[bytes]) -> int:
        sent = 0
        while not stop.is_set():
            process.stdin.write(DATA[: 1 << 18])
            sent += 1 << 18
            await process.stdin.drain()
        process.stdin.write_eof()
        return sent

    async def count(process: SSHClientProcess[bytes]) -> None:
        nonlocal received
        while data := await process.stdout.read(1 << 20):
            received += len(data)

    async with (
        serving(process_factory=reflect, encoding=None) as acceptor,
        await client(acceptor, password="secret") as conn,
        await conn.create_process("bulk", encoding=None) as bulk,
        await conn.create_process("interactive", encoding=None) as process,
    ):
        tasks = [asyncio.ensure_future(flood(bulk)), asyncio.ensure_future(count(bulk))]
        for number in range(10):
            line = b"line %d\n" % number
            process.stdin.write(line)
            assert await process.stdout.readline() == line
        stop.set()
        sent, _ = await asyncio.gather(*tasks)
        assert received == sent
        assert sent > 0


async def test_a_client_that_does_not_read_stops_the_server() -> None:
    written = 0
    stalled = asyncio.Event()

    async def flood(process: SSHServerProcess[Any]) -> None:
        nonlocal written
        while written < 1 << 30:
            process.stdout.write(bytes(1 << 18))
            written += 1 << 18
            try:
                await asyncio.wait_for(process.stdout.drain(), 0.3)
            except TimeoutError:
                break
        stalled.set()

    async with (
        serving(process_factory=flood, encoding=None) as acceptor,
        await client(acceptor, password="secret") as conn,
    ):
        process = await conn.create_process("x", encoding=None)
        await stalled.wait()
        # One window at the client, the write buffer and one write at the server, nothing else:
        # the transport is empty, because the client goes on reading it.
        assert written <= (2 << 20) + (1 << 17) + (1 << 19)
        process.channel.abort()


async def test_forwarding_through_the_real_transport() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read())[::-1])
        writer.close()

    destination = await asyncio.start_server(answer, HOST, 0)
    port = destination.sockets[0].getsockname()[1]
    async with (
        serving(rekey_bytes=400_000) as acceptor,
        await client(acceptor, password="secret") as conn,
        await conn.forward_local_port(HOST, 0, HOST, port) as local,
        await conn.forward_remote_port(HOST, 0, HOST, port) as remote,
    ):
        for listener in (local, remote):
            reader, writer = await asyncio.open_connection(HOST, listener.get_port())
            writer.write(DATA)
            writer.write_eof()
            assert await reader.read() == DATA[::-1]
            writer.close()
            await writer.wait_closed()
    destination.close()
