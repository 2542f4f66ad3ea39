"""SFTP on the channels of an SSH connection: the adapter between ssh-sftp and ssh-connection.

The two packages do not know each other. A channel's session gets packets where they lie
(`data_view_received`) and hands the SFTP part of them to the SFTP session's handler without a
copy; what the handler writes goes to the channel as one piece of bytes.

Modules of ssh-sftp are imported when they are first used: most connections copy no files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import ssh_sftp
from ssh_connection import SSHClientChannel, SSHClientSession, SSHServerChannel, SSHServerSession

if TYPE_CHECKING:
    from ssh_sftp import SFTPClientHandler, SFTPServer
    from ssh_sftp.protocols import Buffer

__all__ = ["SFTPClientSession", "SFTPServerSession", "sftp_subsystem"]

_WRITE_HIGH = 512 * 1024
_WRITE_LOW = 128 * 1024
"""Bytes of requests or replies that may wait in a channel, and at which writing goes on."""


class _ChannelTransport:
    """A channel as the `ByteTransport` that an SFTP session writes to.

    Parameters:
        chan: the channel, which carries bytes.
        close: what ends it in order.
    """

    def __init__(
        self,
        chan: SSHClientChannel[bytes] | SSHServerChannel[bytes],
        close: Callable[[], None],
    ) -> None:
        chan.set_write_buffer_limits(_WRITE_HIGH, _WRITE_LOW)
        self._chan = chan
        self._write_raw = chan.write_raw
        self._close = close

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return a fact about the connection; SFTP wants the identification string of the peer."""
        return self._chan.get_extra_info(name, default)

    def write(self, data: Buffer) -> None:
        """Send or queue data; dropped when the channel is closing."""
        try:
            self._write_raw(data if type(data) is bytes else bytes(data))
        except BrokenPipeError:
            pass

    def writelines(self, parts: Iterable[Buffer]) -> None:
        """Send or queue all parts so that they fill the packets of the channel."""
        pieces = [part if type(part) is bytes else bytes(part) for part in parts]
        try:
            self._chan.write_pieces(pieces)
        except BrokenPipeError:
            pass

    def close(self) -> None:
        """Send what is queued, then close."""
        self._close()

    def abort(self) -> None:
        """Close at once."""
        self._chan.abort()

    def is_closing(self) -> bool:
        """Whether the channel is closed or closing."""
        return self._chan.is_closing()

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that are queued."""
        return self._chan.get_write_buffer_size()

    def pause_reading(self) -> None:
        """Take no more: the window of the channel stays closed."""
        self._chan.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        self._chan.resume_reading()


class SFTPClientSession(SSHClientSession[bytes]):
    """The client's end of the subsystem `sftp`.

    Parameters:
        handler: the SFTP session.
    """

    # One call less per packet than when the channel counts.
    explicit_consumption = True

    def __init__(self, handler: SFTPClientHandler) -> None:
        self._handler = handler
        self._run_received = handler.data_run_received

    def connection_made(self, chan: SSHClientChannel[bytes]) -> None:
        """Give the channel to the SFTP session."""
        self._chan = chan
        self._handler.connection_made(_ChannelTransport(chan, chan.close))

    def data_view_received(self, packet: bytes, start: int, end: int, datatype: int | None) -> None:
        """Hand the data on; what the server's process says on its stderr is no SFTP."""
        if datatype is None:
            self._run_received([packet], start, [end])
        # `consumed` of the channel, without a call.
        chan = self._chan
        chan.credit += end - start
        if chan.credit >= chan.credit_mark:
            chan.give_back()

    def data_run_received(
        self, packets: list[bytes], start: int, ends: list[int], size: int
    ) -> None:
        """Hand on what several messages brought."""
        self._run_received(packets, start, ends)
        self._chan.consumed(size)

    def eof_received(self) -> bool | None:
        """The server is done."""
        return self._handler.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed."""
        self._handler.connection_lost(exc)

    def pause_writing(self) -> None:
        """The channel is full."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """The channel takes more."""
        self._handler.resume_writing()


class SFTPServerSession(SSHServerSession[bytes]):
    """The server's end of the subsystem `sftp`.

    Parameters:
        server: what the requests are made to.
        sftp_version: highest version to agree on, 3 to 6; None is what the server says.
    """

    # One call less per packet than when the channel counts.
    explicit_consumption = True

    def __init__(self, server: SFTPServer, sftp_version: int | None = None) -> None:
        self._handler = ssh_sftp.SFTPServerHandler(server, sftp_version=sftp_version)
        self._run_received = self._handler.data_run_received

    def connection_made(self, chan: SSHServerChannel[bytes]) -> None:
        """Give the channel to the SFTP session."""
        self._consumed = chan.consumed
        self._handler.connection_made(_ChannelTransport(chan, lambda: chan.exit(0)))

    def data_view_received(self, packet: bytes, start: int, end: int, datatype: int | None) -> None:
        """Hand the data on."""
        self._run_received([packet], start, [end])
        self._consumed(end - start)

    def data_run_received(
        self, packets: list[bytes], start: int, ends: list[int], size: int
    ) -> None:
        """Hand on what several messages brought."""
        self._run_received(packets, start, ends)
        self._consumed(size)

    def eof_received(self) -> bool | None:
        """The client is done: answer what it has asked for."""
        return self._handler.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed."""
        self._handler.connection_lost(exc)

    def pause_writing(self) -> None:
        """The channel is full."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """The channel takes more."""
        self._handler.resume_writing()


def sftp_subsystem(
    factory: Callable[[SSHServerChannel[bytes]], SFTPServer], sftp_version: int | None = None
) -> Callable[[SSHServerChannel[bytes]], SSHServerSession[bytes]]:
    """Return what serves the subsystem `sftp` with the servers that `factory` makes."""

    def start(chan: SSHServerChannel[bytes]) -> SSHServerSession[bytes]:
        return SFTPServerSession(factory(chan), sftp_version)

    return start
