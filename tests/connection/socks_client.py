"""A SOCKS client for tests, which says what it is told, and a port for it to reach."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import cast

from .loopback import HOST

GRANTED_4 = b"\0\x5a" + bytes(6)
REJECTED_4 = b"\0\x5b" + bytes(6)


def reply_5(code: int) -> bytes:
    """The reply of version 5 to a request."""
    return bytes((5, code, 0, 1)) + bytes(6)


def version_4(host: str, port: int) -> bytes:
    """A request of version 4; of 4A for a name."""
    try:
        address = ip_address(host).packed
    except ValueError:
        return b"\4\1" + port.to_bytes(2, "big") + b"\0\0\0\1me\0" + host.encode() + b"\0"
    return b"\4\1" + port.to_bytes(2, "big") + address + b"me\0"


def version_5(host: str, port: int) -> bytes:
    """A request of version 5, without the greeting."""
    try:
        address = ip_address(host).packed
        where = bytes([1 if len(address) == 4 else 4]) + address
    except ValueError:
        where = b"\3" + bytes([len(host)]) + host.encode()
    return b"\5\1\0" + where + port.to_bytes(2, "big")


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Streams to a port, that are closed afterwards."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield reader, writer
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError:
            pass


async def granted(port: int, sent: bytes, said: bytes, text: bytes, other: bytes = b"") -> bytes:
    """Send a handshake, expect one of two answers, then send text and its end; return the rest."""
    async with connected(port) as (reader, writer):
        writer.write(sent)
        answer = await asyncio.wait_for(reader.readexactly(len(said)), 20)
        assert answer in (said, other)
        writer.write(text)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 20)


async def all_of(port: int, *sent: bytes, eof: bool = False) -> bytes:
    """Send some pieces, and return what comes until the other end closes."""
    async with connected(port) as (reader, writer):
        for piece in sent:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if eof:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), 20)


class _Upper(asyncio.Protocol):
    """Answers in capital letters once everything is there."""

    def __init__(self, open_ones: set[asyncio.Transport]) -> None:
        self._open_ones = open_ones
        self._data = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not checked with isinstance: the transports of uvloop are no subclass.
        self._transport = cast(asyncio.Transport, transport)
        self._open_ones.add(self._transport)

    def data_received(self, data: bytes) -> None:
        self._data += data

    def eof_received(self) -> None:
        self._transport.write(self._data.upper())

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_ones.discard(self._transport)


@asynccontextmanager
async def upper_case(host: str = HOST) -> AsyncIterator[int]:
    """A port that answers in capital letters, and has nothing open afterwards."""
    transports: set[asyncio.Transport] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Upper(transports), host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        while transports:
            for transport in transports:
                transport.abort()
            await asyncio.sleep(0)
