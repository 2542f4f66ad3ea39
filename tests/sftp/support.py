"""A client and a server in one process, over a stream in memory that behaves like a real one."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ssh_sftp.aio import SFTPClientHandler, SFTPServerHandler
from ssh_sftp.client.client import SFTPClient
from ssh_sftp.protocols import Buffer, StreamHandler
from ssh_sftp.server.filesystem import SFTPServer
from ssh_sftp.subprocess import start_sftp_client


class MemoryTransport:
    """One direction of a stream in memory: chunks, water marks, pausing, close and abort.

    Parameters:
        chunk: bytes per delivery; 0 cuts at random places.
        high: bytes in the buffer at which the writer is paused.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, chunk: int = 32768, high: int = 65536):
        self._loop = loop
        self._chunk = chunk
        self._high = high
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._closing = False
        self._lost = False
        self._scheduled = False
        self._reading = True
        self._paused_writer = False
        self._random = random.Random(4711)
        self.peer: MemoryTransport
        self.handler: StreamHandler
        self.highest = 0
        self.written = 0

    def write(self, data: Buffer) -> None:
        self.writelines((data,))

    def writelines(self, parts: Iterable[Buffer]) -> None:
        if self._closing:
            return
        for part in parts:
            self._queue.append(bytes(part))
            self._queued += len(part)
            self.written += len(part)
        self.highest = max(self.highest, self._queued)
        self._schedule()
        if self._queued > self._high and not self._paused_writer:
            self._paused_writer = True
            self.handler.pause_writing()

    def _schedule(self) -> None:
        if not self._scheduled and not self._lost:
            self._scheduled = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        peer = self.peer
        if self._lost or not peer._reading:
            return
        if self._queue:
            data = self._queue.popleft()
            size = self._chunk or self._random.choice((1, 2, 5, 100, 2000, 70000))
            if len(data) > size:
                self._queue.appendleft(data[size:])
                data = data[:size]
            self._queued -= len(data)
            # As an SSH channel does: the bytes lie somewhere within a packet.
            peer.handler.data_received(b"head" + data + b"tail", 4, 4 + len(data))
            if self._paused_writer and self._queued <= self._high // 4 and not self._lost:
                self._paused_writer = False
                self.handler.resume_writing()
            self._schedule()
        elif self._closing:
            self._lost = True
            peer._end_of_stream()
            self.handler.connection_lost(None)

    def _end_of_stream(self) -> None:
        if not self._lost and not self.handler.eof_received():
            self.close()

    def close(self) -> None:
        self._closing = True
        self._schedule()

    def abort(self) -> None:
        if self._lost:
            return
        self._closing = self._lost = True
        self._queue.clear()
        self._queued = 0
        self._loop.call_soon(self.handler.connection_lost, None)
        self._loop.call_soon(self.peer._reset)

    def _reset(self) -> None:
        if not self._lost:
            self._closing = self._lost = True
            self._queue.clear()
            self._queued = 0
            self.handler.connection_lost(ConnectionResetError("aborted by the peer"))

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return self._queued

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        self.peer._schedule()


def connect(
    left: StreamHandler, right: StreamHandler, chunk: int = 32768, high: int = 65536
) -> tuple[MemoryTransport, MemoryTransport]:
    """Join two handlers by a stream in memory."""
    loop = asyncio.get_running_loop()
    one, two = MemoryTransport(loop, chunk, high), MemoryTransport(loop, chunk, high)
    one.peer, two.peer = two, one
    one.handler, two.handler = left, right
    left.connection_made(one)
    right.connection_made(two)
    return one, two


class Pair:
    """A client and a server that talk to each other."""

    def __init__(
        self, client: SFTPClient, handler: SFTPClientHandler, server: SFTPServerHandler
    ) -> None:
        self.client = client
        self.handler = handler
        self.server_handler = server
        self.to_server: MemoryTransport
        self.to_client: MemoryTransport


@asynccontextmanager
async def pair(
    server: SFTPServer, *, chunk: int = 32768, path_encoding: str | None = "utf-8"
) -> AsyncIterator[Pair]:
    """Start a session with `server`; on leaving, wait until the server has cleaned up."""
    ended = asyncio.Event()
    client_handler = SFTPClientHandler()
    server_handler = SFTPServerHandler(server, on_end=ended.set)
    one, two = connect(client_handler, server_handler, chunk)
    client = await start_sftp_client(client_handler, path_encoding=path_encoding, timeout=10)
    result = Pair(client, client_handler, server_handler)
    result.to_server, result.to_client = one, two
    try:
        yield result
    finally:
        client.exit()
        await client.wait_closed()
        await ended.wait()


def find_program(name: str, *candidates: str) -> str:
    """Return the path of a peer program; its absence is a skip, and a failure in CI."""
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return candidate
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found


def sftp_server_program() -> str:
    """OpenSSH's sftp-server."""
    return find_program(
        "sftp-server",
        "/usr/lib/openssh/sftp-server",
        "/usr/libexec/openssh/sftp-server",
        "/usr/libexec/sftp-server",
        "/usr/lib/ssh/sftp-server",
    )


def make_tree(root: Path) -> dict[str, bytes]:
    """Fill a directory with files; return relative path and content."""
    content = {
        "empty": b"",
        "small": b"small file\n",
        "block": os.urandom(261120),
        "large": os.urandom(3 * 261120 + 17),
        "sub/a": b"a" * 40000,
        "sub/deep/er/b": b"b",
        "sub/.hidden": b"hidden",
    }
    for name, data in content.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return content


def read_tree(root: Path) -> dict[str, bytes]:
    """The reverse of `make_tree`."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
