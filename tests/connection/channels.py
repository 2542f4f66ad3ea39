"""Channels over a `Pair` for the tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from struct import pack
from typing import Any

from ssh_connection.channel.base import Channel
from ssh_connection.channel.session_client import SSHClientChannel
from ssh_connection.channel.session_server import SSHServerChannel
from ssh_connection.channel.tcpip import SSHTCPChannel
from ssh_connection.messages.connection import ChannelOpen
from ssh_connection.process.client import SSHClientProcess
from ssh_connection.process.server import SSHServerProcess
from ssh_connection.session import SSHServerSession, SSHTCPSession
from ssh_keys.wire import encode_string
from tests.connection.mux_pair import End, Pair

ProcessHandler = Callable[[SSHServerProcess[Any]], Awaitable[None] | None]


class RecordingSession(SSHTCPSession[bytes]):
    """Remembers what it was told."""

    def __init__(self, keep_open: bool = True) -> None:
        self.chan: SSHTCPChannel[bytes] | None = None
        self.events: list[str] = []
        self.data = bytearray()
        self.pieces: list[tuple[Any, int | None]] = []
        self.keep_open = keep_open
        self.lost_with: list[Exception | None] = []

    def connection_made(self, chan: Any) -> None:
        self.chan = chan
        self.events.append("made")

    def session_started(self) -> None:
        self.events.append("started")

    def data_received(self, data: Any, datatype: int | None) -> None:
        self.pieces.append((data, datatype))
        if isinstance(data, bytes):
            self.data += data

    def eof_received(self) -> bool:
        self.events.append("eof")
        return self.keep_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost")
        self.lost_with.append(exc)

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")


async def open_tcp(
    pair: Pair,
    client: RecordingSession,
    server: RecordingSession,
    *,
    client_options: dict[str, Any] | None = None,
    server_options: dict[str, Any] | None = None,
) -> tuple[SSHTCPChannel[bytes], SSHTCPChannel[bytes]]:
    """Open a direct-tcpip channel and return both of its ends."""
    accepted: list[SSHTCPChannel[bytes]] = []

    def accept(request: ChannelOpen) -> Channel:
        assert request.channel_type == b"direct-tcpip"
        chan: SSHTCPChannel[bytes] = SSHTCPChannel(
            pair.server.services, pair.server.mux, **(server_options or {})
        )
        chan.set_session(server)
        accepted.append(chan)
        return chan

    pair.server.services.accept = accept
    chan: SSHTCPChannel[bytes] = SSHTCPChannel(
        pair.client.services, pair.client.mux, **(client_options or {})
    )
    await chan.connect(lambda: client, "host", 22)
    return chan, accepted[0]


def serve_session(
    pair: Pair, session: Callable[[], SSHServerSession[Any]], **options: Any
) -> list[SSHServerChannel[Any]]:
    """Let the server accept session channels; returns the list they are added to."""
    channels: list[SSHServerChannel[Any]] = []

    def accept(request: ChannelOpen) -> Channel:
        assert request.channel_type == b"session"
        chan: SSHServerChannel[Any] = SSHServerChannel(
            pair.server.services, pair.server.mux, **options
        )
        chan.set_session(session)
        channels.append(chan)
        return chan

    pair.server.services.accept = accept
    return channels


def serve_process(
    pair: Pair, handler: ProcessHandler, **options: Any
) -> list[SSHServerChannel[Any]]:
    """Let the server run `handler` for each session."""
    return serve_session(pair, lambda: SSHServerProcess(handler), **options)


async def start_process(
    pair: Pair,
    command: str | None = None,
    *,
    channel_options: dict[str, Any] | None = None,
    create_options: dict[str, Any] | None = None,
    **options: Any,
) -> SSHClientProcess[Any]:
    """What `create_process` of a connection does."""
    chan: SSHClientChannel[Any] = SSHClientChannel(
        pair.client.services, pair.client.mux, **(channel_options or {})
    )
    _, process = await chan.create(
        partial(SSHClientProcess[Any], hold_output=True), command, **(create_options or {})
    )
    assert isinstance(process, SSHClientProcess)
    await process.begin(**options)
    return process


class RunSession(RecordingSession):
    """Takes the data of several messages at once, and says how many each time."""

    explicit_consumption = True

    def __init__(self, keep_open: bool = True) -> None:
        super().__init__(keep_open)
        self.runs: list[int] = []

    def data_view_received(self, packet: bytes, start: int, end: int, datatype: int | None) -> None:
        self.data += packet[start:end]
        self._give_back(end - start)

    def data_run_received(
        self, packets: list[bytes], start: int, ends: list[int], size: int
    ) -> None:
        self.runs.append(len(packets))
        data = b"".join(packet[start:end] for packet, end in zip(packets, ends, strict=True))
        assert len(data) == size
        self.data += data
        self._give_back(size)

    def _give_back(self, size: int) -> None:
        assert self.chan is not None
        self.chan.consumed(size)


class RawPeer:
    """One real end, and a test that plays the other one with raw messages."""

    def __init__(self, **options: int) -> None:
        self.end = End(asyncio.get_running_loop(), 1 << 20, **options)
        self.services = self.end.services

    def send(self, number: int, *fields: int | bytes | bool) -> None:
        """Send a message: int is uint32, bytes is string, bool is boolean."""
        self.end.receive(encode(number, *fields))

    def send_run(self, *pieces: tuple[int, bytes]) -> None:
        """Send SSH_MSG_CHANNEL_DATA several times, (channel number, data), in one read."""
        self.end.receive(*(encode(94, number, data) for number, data in pieces))

    def sent(self) -> list[bytes]:
        """What the real end has sent since the last call."""
        messages = list(self.end.core.sent)
        self.end.core.sent.clear()
        self.end.core.waiting = 0
        return messages

    @property
    def error(self) -> Exception | None:
        """Why the real end has closed the connection, or None."""
        return self.end.core.closed_with

    def serve(self, session: Any, **options: Any) -> SSHServerChannel[Any]:
        """Open a session channel to the real end (which is a server); it is number 0."""
        chan: SSHServerChannel[Any] = SSHServerChannel(self.services, self.end.mux, **options)
        chan.set_session(session)
        self.services.accept = lambda request: chan
        self.send(90, b"session", 7, 1 << 20, 32768)
        (confirmation,) = self.sent()
        assert confirmation[0] == 91
        return chan


def encode(number: int, *fields: int | bytes | bool) -> bytes:
    """Encode a message by hand, so that also what no declaration allows can be made."""
    parts = [bytes([number])]
    for field in fields:
        if isinstance(field, bool):
            parts.append(bytes([field]))
        elif isinstance(field, int):
            parts.append(pack(">I", field))
        else:
            parts.append(encode_string(field))
    return b"".join(parts)
