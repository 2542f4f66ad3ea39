"""SSH through SSH: a channel of one connection as the socket of another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ssh_transport.aio import AsyncTransport

from .channel.text import SSHChannel
from .session import SSHTCPSession

__all__ = ["TunnelSession", "TunnelTransport", "parse_destination"]


class TunnelTransport(asyncio.Transport):
    """Makes a channel look like a connected socket.

    Parameters:
        channel: an open channel of bytes.
        peername: address of the other end, as `get_extra_info("peername")` gives it.
    """

    def __init__(self, channel: SSHChannel[bytes], peername: tuple[str, int]) -> None:
        super().__init__({"peername": peername, "sockname": None, "tunnel": channel})
        self._channel = channel

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write data; the caller may use its memory again."""
        if not self._channel.is_closing():
            self._channel.write(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Write several pieces of data as one."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """Send EOF behind what was written."""
        self._channel.write_eof()

    def can_write_eof(self) -> bool:
        """Return true."""
        return True

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that the channel could not send yet."""
        return self._channel.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the marks at which the protocol is told to pause and resume writing."""
        self._channel.set_write_buffer_limits(high, low)

    def pause_reading(self) -> None:
        """Leave what arrives in the channel, whose window then stops the peer."""
        self._channel.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading."""
        self._channel.resume_reading()

    def is_closing(self) -> bool:
        """Return whether the channel is closing or closed."""
        return self._channel.is_closing()

    def close(self) -> None:
        """Close the channel once what was written is sent."""
        self._channel.close()

    def abort(self) -> None:
        """Close the channel at once."""
        self._channel.abort()


class TunnelSession(SSHTCPSession[bytes]):
    """Feeds what a channel receives to the transport of the inner connection.

    Parameters:
        protocol: the inner connection's protocol.
        peername: address of the other end.
    """

    def __init__(self, protocol: AsyncTransport, peername: tuple[str, int]) -> None:
        self._protocol = protocol
        self._peername = peername

    def connection_made(self, chan: SSHChannel[bytes]) -> None:
        """The channel is open: begin with the inner protocol."""
        self._protocol.connection_made(TunnelTransport(chan, self._peername))

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is gone."""
        self._protocol.connection_lost(exc)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Data arrived."""
        self._protocol.feed(data)

    def eof_received(self) -> bool:
        """The other end sends no more."""
        self._protocol.eof_received()
        return False

    def pause_writing(self) -> None:
        """The channel takes no more for now."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """The channel takes data again."""
        self._protocol.resume_writing()


def parse_destination(text: str) -> tuple[str | None, str, int | None]:
    """Split `[user@]host[:port]` into user, host and port; IPv6 addresses are in brackets.

    Raises ValueError.
    """
    user, _, rest = text.rpartition("@")
    if rest.startswith("["):
        host, bracket, tail = rest[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            raise ValueError(f"not [user@]host[:port]: {text!r}")
        port = tail[1:]
    elif rest.count(":") > 1:
        host, port = rest, ""
    else:
        host, _, port = rest.partition(":")
    if not host or (port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise ValueError(f"not [user@]host[:port]: {text!r}")
    return user or None, host, int(port) if port else None
