"""`SSHReader` and `SSHWriter`: channels as streams.

A reader's data stays in its buffer until it is read, and only then counts as consumed for the
window of the channel: a reader that does not read stops the peer.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import AnyStr, Generic, Protocol

from .channel.text import SSHChannel
from .logging import SSHLogger
from .receiver import InputEnd
from .stream_buffer import StreamBuffer, incomplete

__all__ = ["SSHReader", "SSHWriter", "StreamSession"]


class StreamSession(Protocol[AnyStr]):
    """What readers and writers need from their session."""

    def buffer(self, datatype: int | None) -> StreamBuffer[AnyStr]:
        """The received data of one type."""
        ...

    async def drain(self, datatype: int | None = None) -> None:
        """Wait until writing more of one type is welcome."""
        ...


class SSHReader(Generic[AnyStr]):
    """Reads from a channel; made by the functions that open one.

    Data is `str` if the channel has an encoding, else bytes. On a server, reads of stdin raise
    `BreakReceived`, `SignalReceived` and `TerminalSizeChanged` where these happened in the data.

    Parameters:
        session: the stream session of the channel.
        chan: the channel.
        datatype: `EXTENDED_DATA_STDERR`, or None for ordinary data.
    """

    def __init__(
        self,
        session: StreamSession[AnyStr],
        chan: SSHChannel[AnyStr],
        datatype: int | None = None,
    ) -> None:
        self._session: StreamSession[AnyStr] = session
        self._chan: SSHChannel[AnyStr] = chan
        self._datatype = datatype
        self._buffer: StreamBuffer[AnyStr] = session.buffer(datatype)

    async def __aiter__(self) -> AsyncIterator[AnyStr]:
        """Iterate over the lines."""
        while True:
            line = await self.readline()
            if not line:
                break
            yield line

    @property
    def channel(self) -> SSHChannel[AnyStr]:
        """The channel that is read."""
        return self._chan

    @property
    def logger(self) -> SSHLogger:
        """Logger for what the application has to say about the channel."""
        return self._chan.logger

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return what is known about the channel or its connection; see `SSHChannel`."""
        return self._chan.get_extra_info(name, default)

    def get_redirect_info(self) -> tuple[StreamSession[AnyStr], int | None]:
        """Return the session and the data type, for the redirection of a process."""
        return self._session, self._datatype

    def feed_data(self, data: AnyStr) -> None:
        """Put data into the stream as if it had been received."""
        self._buffer.feed(data, 0)

    def feed_eof(self) -> None:
        """End the stream as if EOF had been received."""
        self._buffer.feed_eof()

    def at_eof(self) -> bool:
        """Return whether EOF was received and everything was read."""
        return self._buffer.at_eof()

    async def read(self, n: int = -1) -> AnyStr:
        """Read data.

        Parameters:
            n: return at most so many bytes or characters, as soon as there are any; -1: read
                until EOF or an exception in the stream.

        Returns an empty result at EOF; also where Control-D was typed at a terminal, behind which
        more can be read.
        """
        buffer = self._buffer
        try:
            if n > 0:
                data = buffer.read_nowait(n)
                if data is not None:
                    return data
            return await buffer.read(n)
        except InputEnd:
            return buffer.empty()

    async def readline(self) -> AnyStr:
        """Read a line with its newline; what is left at EOF or when the window is full."""
        try:
            return await self._buffer.readline()
        except InputEnd:
            return self._buffer.empty()

    async def readuntil(
        self,
        separator: AnyStr | Sequence[AnyStr] | re.Pattern[AnyStr],
        max_separator_len: int = 0,
    ) -> AnyStr:
        """Read data up to and with a separator.

        Parameters:
            separator: one, a sequence of several, or a compiled regular expression.
            max_separator_len: how long a match of a regular expression can be; 0 (not known)
                makes every search start at the beginning, which is slow for long data.

        Raises asyncio.IncompleteReadError, whose `partial` has the data, if EOF or an exception
        in the stream comes first or the window is full; ValueError for an empty separator.
        """
        try:
            return await self._buffer.readuntil(separator, max_separator_len)
        except InputEnd:
            raise incomplete(self._buffer.empty(), None) from None

    async def readexactly(self, n: int) -> AnyStr:
        """Read exactly `n` bytes or characters.

        Raises asyncio.IncompleteReadError, whose `partial` has the data, if EOF or an exception
        in the stream comes first.
        """
        try:
            return await self._buffer.readexactly(n)
        except InputEnd:
            raise incomplete(self._buffer.empty(), n) from None


class SSHWriter(Generic[AnyStr]):
    """Writes to a channel; made by the functions that open one.

    Parameters:
        session: the stream session of the channel.
        chan: the channel.
        datatype: `EXTENDED_DATA_STDERR`, or None for ordinary data.
    """

    def __init__(
        self,
        session: StreamSession[AnyStr],
        chan: SSHChannel[AnyStr],
        datatype: int | None = None,
    ) -> None:
        self._session: StreamSession[AnyStr] = session
        self._chan: SSHChannel[AnyStr] = chan
        self._datatype = datatype

    @property
    def channel(self) -> SSHChannel[AnyStr]:
        """The channel that is written."""
        return self._chan

    @property
    def logger(self) -> SSHLogger:
        """Logger for what the application has to say about the channel."""
        return self._chan.logger

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return what is known about the channel or its connection; see `SSHChannel`."""
        return self._chan.get_extra_info(name, default)

    def get_redirect_info(self) -> tuple[StreamSession[AnyStr], int | None]:
        """Return the session and the data type, for the redirection of a process."""
        return self._session, self._datatype

    def can_write_eof(self) -> bool:
        """Return whether the stream can send EOF."""
        return self._chan.can_write_eof()

    def close(self) -> None:
        """Close the channel once what was written is sent."""
        self._chan.close()

    def is_closing(self) -> bool:
        """Return whether the channel is closing or closed."""
        return self._chan.is_closing()

    async def wait_closed(self) -> None:
        """Wait until the channel is closed."""
        await self._chan.wait_closed()

    async def drain(self) -> None:
        """Wait until the channel's write buffer is below its low-water mark.

        Raises BrokenPipeError, or the error that ended it, if the channel is closed.
        """
        await self._session.drain(self._datatype)

    def write(self, data: AnyStr) -> None:
        """Write data; raises BrokenPipeError if the channel is not open for writing."""
        self._chan.write(data, self._datatype)

    def writelines(self, list_of_data: Iterable[AnyStr]) -> None:
        """Write several pieces of data as one."""
        self._chan.writelines(list_of_data, self._datatype)

    def write_eof(self) -> None:
        """Send EOF behind what was written."""
        self._chan.write_eof()
