"""Programs of this machine that mistreat the port of `forward_socks`."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

import ssh_connection.socks.listener as listening
from ssh_connection import ChannelOpenError, SSHClientConnection, SSHListener
from tests.connection.loopback import HOST, Server, client, serving
from tests.connection.socks_client import (
    GRANTED_4,
    all_of,
    connected,
    reply_5,
    upper_case,
    version_4,
    version_5,
)

GREETING = b"\5\1\0"


@asynccontextmanager
async def forwarding(
    server_factory: type[Server] = Server,
) -> AsyncIterator[tuple[SSHClientConnection, SSHListener]]:
    """A connection and its port for SOCKS clients."""
    async with (
        serving(server_factory=server_factory) as server,
        await client(server, password="secret") as conn,
        await conn.forward_socks(HOST, 0) as listener,
    ):
        yield conn, listener


async def still_works(listener: SSHListener) -> None:
    """An honest client is served."""
    async with upper_case() as port:
        answer = await all_of(listener.get_port(), version_4(HOST, port), b"text", eof=True)
        assert answer == GRANTED_4 + b"TEXT"


@dataclass
class Timer:
    """The timer of a handshake. A test that wants it to go off calls `expire` and does not wait."""

    seconds: float
    expire: Callable[[], object]
    handle: asyncio.TimerHandle


@pytest.fixture
async def timers(monkeypatch: pytest.MonkeyPatch) -> list[Timer]:
    """The timers of handshakes, as they are set."""
    loop = asyncio.get_running_loop()
    call_later = loop.call_later
    found: list[Timer] = []

    def noting(delay: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        handle = call_later(delay, callback, *args)
        if getattr(callback, "__name__", "") == "_expired":
            found.append(Timer(delay, callback, handle))
        return handle

    monkeypatch.setattr(loop, "call_later", noting)
    return found


@pytest.mark.parametrize("sent", [b"", b"\4\1\0\x50", b"\5\2\0", GREETING, GREETING + b"\5\1\0\3"])
async def test_silence_ends(
    sent: bytes, timers: list[Timer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ssh_connection")
    async with forwarding() as (_, listener), connected(listener.get_port()) as (reader, writer):
        writer.write(sent)
        if sent.startswith(GREETING):
            assert await reader.readexactly(2) == b"\5\0"
        while not timers:
            await asyncio.sleep(0)
        (timer,) = timers
        assert timer.seconds == listening.HANDSHAKE_TIMEOUT == 30
        timer.expire()
        with suppress(ConnectionResetError):  # bytes that nobody has read any more
            assert await asyncio.wait_for(reader.read(), 20) == b""
        assert timer.handle.cancelled()
    assert "SOCKS client has made no request in 30 seconds" in caplog.text


async def test_the_timer_is_of_the_handshake_only(timers: list[Timer]) -> None:
    asked, decide = asyncio.Event(), asyncio.Event()

    class Slow(Server):
        async def connection_requested(  # type: ignore[override]
            self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
        ) -> bool:
            asked.set()
            await decide.wait()
            return True

    async with (
        upper_case() as port,
        forwarding(Slow) as (_, listener),
        connected(listener.get_port()) as (reader, writer),
    ):
        writer.write(version_4(HOST, port))
        await asked.wait()
        assert [timer.handle.cancelled() for timer in timers] == [True]
        decide.set()
        assert await reader.readexactly(8) == GRANTED_4


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\4\1\0\x50" + bytes(3) + b"\1" + b"u" * 100_000,
        b"\5\xff" + b"\1" * 255,
        GREETING + b"\5\1\0\xff" + bytes(1000),
        GREETING + b"\5\1\0\3\5a\x1b[2J\0\x50",
        GREETING + b"\5\1\0\3\2\xff\xfe\0\x50",
    ],
)
async def test_nonsense_is_not_passed_on(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    asked: list[str] = []

    class Noting(Server):
        def connection_requested(
            self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
        ) -> bool:
            asked.append(dest_host)
            return True

    caplog.set_level(logging.DEBUG, "ssh_connection")
    async with forwarding(Noting) as (_, listener):
        try:
            answer = await all_of(listener.get_port(), sent)
        except ConnectionError:
            answer = b""  # closed before everything was read
        assert len(answer) <= 12
        assert asked == []
        await still_works(listener)
    refusals = [r.getMessage() for r in caplog.records if "SOCKS client refused" in r.getMessage()]
    assert len(refusals) == 1
    assert refusals[0].isprintable()


async def test_clients_without_a_request_are_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listening, "MAX_HANDSHAKES", 3)
    async with forwarding() as (_, listener):
        port = listener.get_port()
        async with connected(port) as one, connected(port), connected(port):
            one[1].write(GREETING)
            assert await one[0].readexactly(2) == b"\5\0"
            assert await all_of(port) == b""
            assert "too many SOCKS clients" in caplog.text
        async with upper_case() as target, connected(port) as (reader, writer):
            # Those that have gone away, and those whose request is there, count no longer.
            writer.write(version_4(HOST, target))
            assert await reader.readexactly(8) == GRANTED_4
            for _ in range(4):
                await still_works(listener)


async def test_clients_that_go_away_at_once() -> None:
    async with upper_case() as target, forwarding() as (_, listener):
        request = GREETING + version_5(HOST, target) + b"text"
        for size in range(len(request)):
            with socket.create_connection((HOST, listener.get_port())) as sock:
                linger = bytes([1, 0, 0, 0, 0, 0, 0, 0])  # reset, not closed
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                sock.sendall(request[:size])
            await asyncio.sleep(0)
        await still_works(listener)


async def test_a_client_that_ends_in_its_handshake() -> None:
    async with forwarding() as (_, listener):
        for sent in (b"", b"\4\1", GREETING + b"\5\1"):
            answer = await all_of(listener.get_port(), sent, eof=True)
            assert answer == (b"\5\0" if sent.startswith(GREETING) else b"")
        await still_works(listener)


async def test_a_server_can_not_write_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    class Rude(Server):
        def connection_requested(
            self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
        ) -> bool:
            raise ChannelOpenError(1, "no\n[conn=1] root logged in\x1b[2J")

    caplog.set_level(logging.INFO, "ssh_connection")
    async with forwarding(Rude) as (_, listener):
        answer = await all_of(listener.get_port(), GREETING + version_5(HOST, 9))
        assert answer == b"\5\0" + reply_5(2)
    (failed,) = (r.getMessage() for r in caplog.records if "SOCKS request" in r.getMessage())
    assert failed.isprintable()
