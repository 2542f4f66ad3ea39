"""Carries data between a local socket and a channel, both ways, with back-pressure.

Towards the socket: what the socket's transport could not take is not given back to the channel's
window, so a slow socket stops the peer after at most one window. Towards the channel: when the
channel's write buffer is full, reading from the socket is paused. Each direction ends on its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from ..channel.text import SSHChannel
from ..constants import OPEN_CONNECT_FAILED
from ..errors import ChannelOpenError
from ..session import SSHTCPSession, SSHUNIXSession

__all__ = [
    "AcceptHandler",
    "RelayOpener",
    "RelaySession",
    "SSHForwarder",
    "connect_tcp_relay",
    "connect_unix_relay",
]


class SSHForwarder(asyncio.Protocol):
    """The socket's side of a forwarded connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._channel: SSHChannel[bytes] | None = None
        self._lost = False
        self._eof_received = False
        self._paused = False
        self._unacknowledged = 0
        self._pending = bytearray()
        self._early: list[bytes] = []

    # --- Called by the socket's transport ----------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected; it is not read before there is a channel."""
        # Not checked with isinstance: the transports of uvloop are no subclass.
        self._transport = transport = cast(asyncio.Transport, transport)
        transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed: so is the channel."""
        self._lost = True
        self._transport = None
        channel, self._channel = self._channel, None
        if channel is not None:
            if exc is None:
                channel.close()
            else:
                channel.abort()

    def data_received(self, data: bytes) -> None:
        """Data from the socket goes to the channel."""
        if self._channel is None:
            # uvloop starts to read behind connection_made, whatever was said in it.
            if self._transport is not None and not self._transport.is_closing():
                self._early.append(data)
                self._transport.pause_reading()
        elif not self._channel.is_closing():
            self._channel.write(data)

    def eof_received(self) -> bool:
        """EOF from the socket goes to the channel; the other direction stays open."""
        self._eof_received = True
        if self._channel is not None:
            self._channel.write_eof()
        return True

    def pause_writing(self) -> None:
        """The socket takes no more for now: the channel's window stays closed."""
        self._paused = True

    def resume_writing(self) -> None:
        """The socket takes more."""
        # A write from in here that fails would make asyncio end the connection twice.
        asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        """Write what was kept, and give back what the socket has taken."""
        self._paused = False
        size, self._unacknowledged = self._unacknowledged, 0
        self._write_pending()
        self._taken(size)

    def _taken(self, size: int) -> None:
        """Give back what was written, unless that was more than the socket takes for now."""
        if self._paused:
            self._unacknowledged += size
        elif size and self._channel is not None:
            self._channel.consumed(size)

    def _write_pending(self) -> None:
        if self._pending and self._transport is not None:
            pending, self._pending = self._pending, bytearray()
            self._transport.write(pending)

    # --- Called by the channel's session -----------------------------------------------------

    def attach(self, channel: SSHChannel[bytes]) -> None:
        """The channel is open: begin to read from the socket."""
        if self._lost or self._transport is None:
            channel.abort()
            return
        self._channel = channel
        early, self._early = self._early, []
        for data in early:
            channel.write(data)
        if self._eof_received:
            channel.write_eof()
        self._transport.resume_reading()

    def detach(self) -> None:
        """The channel is closed: close the socket once what was written is sent."""
        self._channel = None
        self._write_pending()
        if self._transport is not None:
            self._transport.close()

    def write(self, packet: bytes, start: int, end: int) -> None:
        """Write a part of a packet to the socket."""
        transport = self._transport
        if transport is None or self._channel is None or transport.is_closing():
            return
        if self._paused:
            # Kept as one piece: a transport keeps many tiny ones as many objects.
            self._pending += memoryview(packet)[start:end]
            self._unacknowledged += end - start
            return
        transport.write(memoryview(packet)[start:end])
        self._taken(end - start)

    def write_eof(self) -> None:
        """Send EOF to the socket behind what was written."""
        self._write_pending()
        if self._transport is not None and self._transport.can_write_eof():
            try:
                self._transport.write_eof()
            except OSError:
                # The other end has reset the connection; connection_lost is on its way.
                pass

    def set_reading(self, active: bool) -> None:
        """Read from the socket, or leave it alone for now."""
        if self._transport is not None and not self._transport.is_closing():
            if active:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # --- Public API --------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return what is known about the socket, as asyncio's transports do."""
        return default if self._transport is None else self._transport.get_extra_info(name, default)

    def close(self) -> None:
        """Close the socket, and with it the channel."""
        if self._transport is not None:
            self._transport.close()


class RelaySession(SSHTCPSession[bytes], SSHUNIXSession[bytes]):
    """The channel's side of a forwarded connection.

    Parameters:
        forwarder: the socket's side, connected.
    """

    explicit_consumption = True

    def __init__(self, forwarder: SSHForwarder) -> None:
        self._forwarder = forwarder

    def connection_made(self, chan: SSHChannel[bytes]) -> None:
        """The channel is open."""
        self._forwarder.attach(chan)

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed."""
        self._forwarder.detach()

    def data_view_received(self, packet: bytes, start: int, end: int, datatype: int | None) -> None:
        """Data from the channel goes to the socket."""
        self._forwarder.write(packet, start, end)

    def eof_received(self) -> bool:
        """EOF from the channel goes to the socket; the other direction stays open."""
        self._forwarder.write_eof()
        return True

    def pause_writing(self) -> None:
        """The channel takes no more for now."""
        self._forwarder.set_reading(False)

    def resume_writing(self) -> None:
        """The channel takes more."""
        self._forwarder.set_reading(True)


RelayOpener = Callable[[Callable[[], RelaySession], str, int], Awaitable[object]]
"""Opens a channel with the session that its first argument makes, for a connection from the host
and port of the others; raises ChannelOpenError."""

AcceptHandler = Callable[[str, int], "bool | Awaitable[bool]"]
"""Takes host and port that a connection comes from and says whether it may be forwarded."""


async def connect_tcp_relay(
    host: str, port: int, local_addr: tuple[str, int] | None = None
) -> RelaySession:
    """Connect to a TCP port and return the session for the channel that is relayed to it.

    Parameters:
        host, port: where to connect.
        local_addr: address to connect from, or None.

    Raises ChannelOpenError (OPEN_CONNECT_FAILED) if it does not work.
    """
    loop = asyncio.get_running_loop()
    try:
        _, forwarder = await loop.create_connection(SSHForwarder, host, port, local_addr=local_addr)
    except (OSError, ValueError, OverflowError) as exc:
        raise ChannelOpenError(OPEN_CONNECT_FAILED, _reason(exc)) from exc
    return RelaySession(forwarder)


async def connect_unix_relay(path: str) -> RelaySession:
    """Connect to a UNIX domain socket and return the session for the channel.

    Raises ChannelOpenError (OPEN_CONNECT_FAILED) if it does not work.
    """
    loop = asyncio.get_running_loop()
    try:
        _, forwarder = await loop.create_unix_connection(SSHForwarder, path)
    except (OSError, UnicodeError, ValueError) as exc:
        raise ChannelOpenError(OPEN_CONNECT_FAILED, _reason(exc)) from exc
    return RelaySession(forwarder)


def _reason(exc: Exception) -> str:
    # The client learns what a failed connect means, nothing about local addresses or resolvers.
    text = exc.strerror if isinstance(exc, OSError) else None
    return text or "Connect failed"
