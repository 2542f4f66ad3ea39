"""Sessions that turn the callbacks of a channel into streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, AnyStr

from ssh_keys import Error

from .awaiting import start_waiting
from .channel.state import HalfState
from .channel.text import SSHChannel
from .constants import EXTENDED_DATA_STDERR
from .errors import BreakReceived, SignalReceived, TerminalSizeChanged
from .receiver import InputEnd, Receiver
from .session import (
    SSHClientSession,
    SSHServerSession,
    SSHSession,
    SSHTCPSession,
    SSHUNIXSession,
)
from .stream import SSHReader, SSHWriter
from .stream_buffer import StreamBuffer

if TYPE_CHECKING:
    import asyncio

__all__ = [
    "SSHClientStreamSession",
    "SSHServerStreamSession",
    "SSHSocketStreamSession",
    "SSHStreamSession",
    "SSHTCPStreamSession",
    "SSHUNIXStreamSession",
    "ServerHandler",
    "SocketHandler",
]

ServerHandler = Callable[
    [SSHReader[AnyStr], SSHWriter[AnyStr], SSHWriter[AnyStr]], "Awaitable[None] | None"
]
"""Takes stdin, stdout and stderr of a session; a function or a coroutine function."""
SocketHandler = Callable[[SSHReader[AnyStr], SSHWriter[AnyStr]], "Awaitable[None] | None"]
"""Takes the streams of a forwarded connection; a function or a coroutine function."""


class SSHStreamSession(SSHSession[AnyStr]):
    """Buffers what is received, one buffer per data type, and lets writers wait.

    Data is kept as it was received and decoded when it is read, so that a redirection passes it
    on unchanged, and malformed text is the reader's error.
    """

    explicit_consumption = True
    decodes = True

    def __init__(self) -> None:
        self._chan: SSHChannel[AnyStr] | None = None
        self._buffers: dict[int | None, StreamBuffer[AnyStr]] = {}
        self._receivers: dict[int | None, Receiver[AnyStr]] = {}
        self._write_paused = False
        self._drain_waiters: list[asyncio.Future[None]] = []
        self._connection_lost = False
        self._exception: Exception | None = None
        self._eof_received = False
        self._task: asyncio.Task[None] | None = None

    # --- Callbacks of the channel ------------------------------------------------------------

    def connection_made(self, chan: SSHChannel[AnyStr]) -> None:
        """The channel is open."""
        self._chan = chan
        for datatype in (None, *sorted(chan.read_datatypes)):
            buffer = StreamBuffer(chan)
            self._buffers[datatype] = buffer
            self._receivers[datatype] = buffer

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed."""
        self._connection_lost = True
        self._exception = exc
        if not self._eof_received or exc is not None:
            self._eof_received = True
            for receiver in tuple(self._receivers.values()):
                receiver.feed_eof(exc)
        self._wake_writers()

    def data_view_received(self, packet: bytes, start: int, end: int, datatype: int | None) -> None:
        """Data was received."""
        self._receivers[datatype].feed(packet[start:end], end - start, datatype)

    def data_run_received(
        self, packets: list[bytes], start: int, ends: list[int], size: int
    ) -> None:
        """Plain data of several messages was received."""
        receiver = self._receivers[None]
        if isinstance(receiver, StreamBuffer):
            receiver.feed_run(packets, start, ends, size)
        else:
            for packet, end in zip(packets, ends, strict=True):
                receiver.feed(packet[start:end], end - start)

    def eof_received(self) -> bool:
        """EOF was received; the other direction stays open."""
        self._eof_received = True
        for receiver in tuple(self._receivers.values()):
            receiver.feed_eof()
        return True

    def pause_writing(self) -> None:
        """The write buffer of the channel is full."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """The write buffer of the channel has room again."""
        self._write_paused = False
        self._wake_writers()

    def _wake_writers(self) -> None:
        waiters, self._drain_waiters = self._drain_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # --- For readers, writers and processes --------------------------------------------------

    @property
    def stream_channel(self) -> SSHChannel[AnyStr]:
        """The channel; RuntimeError before there is one."""
        if self._chan is None:
            raise RuntimeError("the session has no channel yet")
        return self._chan

    def buffer(self, datatype: int | None) -> StreamBuffer[AnyStr]:
        """The received data of one type."""
        return self._buffers[datatype]

    async def drain(self, datatype: int | None = None) -> None:
        """Wait until writing more is welcome.

        Raises what ended the channel, or BrokenPipeError, if it is closed.
        """
        while self._write_paused and not self._connection_lost:
            waiter: asyncio.Future[None] = self.stream_channel.loop.create_future()
            self._drain_waiters.append(waiter)
            await waiter
        if self._connection_lost:
            if self._exception is not None:
                raise self._exception
            raise BrokenPipeError("Channel is closed")

    def _run(self, result: Awaitable[None] | None) -> None:
        """Run what a handler returned; if it raises, the channel is aborted."""
        if not isinstance(result, Awaitable):
            return  # the handler was an ordinary function, whatever it has returned
        chan = self.stream_channel

        async def run(pending: Awaitable[None]) -> None:
            try:
                await pending
            except Exception as exc:
                # A handler that merely finds its client gone has not failed. What it did not read
                # yet comes before it is told.
                gone = self._connection_lost or chan.receiving is HalfState.CLOSED
                if not (gone and isinstance(exc, OSError | EOFError | Error)):
                    chan.loop.call_exception_handler(
                        {"message": f"handler of {chan!r} failed", "exception": exc}
                    )
                chan.abort()
            finally:
                self._task = None  # when it is cancelled, its traceback knows us

        self._task = start_waiting(chan.loop, run(result), result)


class SSHClientStreamSession(SSHStreamSession[AnyStr], SSHClientSession[AnyStr]):
    """The streams of a session on a client."""


class SSHServerStreamSession(SSHStreamSession[AnyStr], SSHServerSession[AnyStr]):
    """The streams of a session on a server.

    Parameters:
        handler: is given stdin, stdout and stderr when a shell, command or subsystem starts;
            without one, all of them are refused.
    """

    def __init__(self, handler: ServerHandler[AnyStr] | None = None) -> None:
        super().__init__()
        self._handler: ServerHandler[AnyStr] | None = handler

    def shell_requested(self) -> bool:
        """Accept if there is a handler."""
        return self._has_handler()

    def exec_requested(self, command: str) -> bool:
        """Accept if there is a handler."""
        return self._has_handler()

    def subsystem_requested(self, subsystem: str) -> bool:
        """Accept if there is a handler."""
        return self._has_handler()

    def _has_handler(self) -> bool:
        return self._handler is not None

    def session_started(self) -> None:
        """Start the handler."""
        if self._handler is not None:
            chan = self.stream_channel
            stdin = SSHReader(self, chan)
            stdout = SSHWriter(self, chan)
            stderr = SSHWriter(self, chan, EXTENDED_DATA_STDERR)
            self._run(self._handler(stdin, stdout, stderr))

    def break_received(self, msec: int) -> bool:
        """Put the break into stdin."""
        self._receivers[None].feed_exception(BreakReceived(msec))
        return True

    def soft_eof_received(self) -> bool:
        """End one read of stdin; what it is redirected to ends for good."""
        receiver = self._receivers[None]
        if receiver is self._buffers[None]:
            receiver.feed_exception(InputEnd())
        else:
            receiver.feed_eof()
        return True

    def signal_received(self, signal: str) -> None:
        """Put the signal into stdin."""
        self._receivers[None].feed_exception(SignalReceived(signal))

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """Put the change into stdin."""
        exc = TerminalSizeChanged(width, height, pixwidth, pixheight)
        self._receivers[None].feed_exception(exc)


class SSHSocketStreamSession(SSHStreamSession[AnyStr]):
    """The streams of a forwarded connection.

    Parameters:
        handler: is given reader and writer once the connection is open.
    """

    def __init__(self, handler: SocketHandler[AnyStr] | None = None) -> None:
        super().__init__()
        self._handler: SocketHandler[AnyStr] | None = handler

    def session_started(self) -> None:
        """Start the handler."""
        if self._handler is not None:
            chan = self.stream_channel
            self._run(self._handler(SSHReader(self, chan), SSHWriter(self, chan)))


class SSHTCPStreamSession(SSHSocketStreamSession[AnyStr], SSHTCPSession[AnyStr]):
    """The streams of a forwarded TCP connection."""


class SSHUNIXStreamSession(SSHSocketStreamSession[AnyStr], SSHUNIXSession[AnyStr]):
    """The streams of a forwarded UNIX domain socket."""
