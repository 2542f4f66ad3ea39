"""The pipes of a process: their ends as transports, and what takes their data."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import AnyStr, Final, Generic, cast

from ..channel.text import SSHChannel
from ..decoding import TextDecoder

__all__ = ["PipeReceiver", "SSHSubprocessReadPipe", "SSHSubprocessWritePipe"]

_SMALL: Final = 4096  # kept pieces below this size are joined, so that tiny ones cost little


class PipeReceiver(Generic[AnyStr]):
    """Takes what a process writes to one of its pipes, and delivers it unless that is paused.

    What is kept was not given back to the window of the channel, which bounds it.

    Parameters:
        channel: of the process.
        deliver: called with data.
        ended: called once with what was wrong, or None, when there is no more data.
    """

    def __init__(
        self,
        channel: SSHChannel[AnyStr],
        deliver: Callable[[AnyStr], None],
        ended: Callable[[Exception | None], None],
    ) -> None:
        self._channel: SSHChannel[AnyStr] = channel
        self._deliver: Callable[[AnyStr], None] = deliver
        self._report_end = ended
        self._decoder = TextDecoder(channel.get_encoding)
        self._kept: deque[tuple[bytes, int, int | None]] = deque()
        self._paused = False
        self._at_end = False
        self._error: Exception | None = None
        self._ended = False

    def feed(self, data: AnyStr | bytes, size: int, datatype: int | None = None) -> None:
        """Take data as it was received."""
        received: object = data
        raw = cast("bytes", received)
        if self._paused:
            self._keep(raw, size, datatype)
        else:
            self._pass_on(raw, size, datatype)

    def _keep(self, data: bytes, size: int, datatype: int | None) -> None:
        if self._kept:
            last, last_size, last_type = self._kept[-1]
            if len(last) < _SMALL and last_type == datatype:
                self._kept[-1] = (last + data, last_size + size, datatype)
                return
        self._kept.append((data, size, datatype))

    def _pass_on(self, data: bytes, size: int, datatype: int | None) -> None:
        self._channel.consumed(size)
        if self._ended:
            return
        decoded: object = data
        error = None
        if self._channel.encoded:
            decoded, error = self._decoder.decode(data, datatype)
        if decoded:
            self._deliver(cast("AnyStr", decoded))
        if error is not None:
            self._channel.delivery_failed(error)

    def feed_exception(self, exc: Exception) -> None:
        """Nothing: signals and the like do not come to a client."""

    def feed_eof(self, error: Exception | None = None) -> None:
        """No more data comes."""
        self._at_end = True
        self._error = self._error or error
        if not self._paused:
            self._end()

    def _end(self) -> None:
        if self._ended:
            return
        text, error = self._decoder.finish()
        if text:
            rest: object = text
            self._deliver(cast("AnyStr", rest))
        self._ended = True
        self._report_end(self._error or error)

    def pause(self) -> None:
        """Keep what comes."""
        self._paused = True

    def resume(self) -> None:
        """Deliver what was kept, until it is paused again, and what comes."""
        self._paused = False
        while self._kept and not self._paused:
            self._pass_on(*self._kept.popleft())
        if self._at_end and not self._paused:
            self._end()

    def drop(self) -> None:
        """Drop what was kept."""
        kept, self._kept = self._kept, deque()
        self._channel.consumed(sum(size for _, size, _ in kept))
        self._paused = False

    def close(self) -> None:
        """Drop what was kept, and what comes: this is the end of it."""
        self.drop()
        if not self._ended:
            self._ended = True
            self._report_end(None)


class SSHSubprocessReadPipe(Generic[AnyStr]):
    """Where the standard output or the standard error of a process comes from.

    Parameters:
        chan: the channel of the process.
        receiver: takes what comes.
    """

    def __init__(self, chan: SSHChannel[AnyStr], receiver: PipeReceiver[AnyStr]) -> None:
        self._chan: SSHChannel[AnyStr] = chan
        self._receiver: PipeReceiver[AnyStr] = receiver

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return what is known about the channel or its connection; see `SSHChannel`."""
        return self._chan.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Deliver nothing of this pipe until `resume_reading`; at most a window of it is kept."""
        self._receiver.pause()

    def resume_reading(self) -> None:
        """Deliver what was kept, and what comes."""
        self._receiver.resume()

    def close(self) -> None:
        """Drop what was kept, and what still comes; the process goes on."""
        self._receiver.close()


class SSHSubprocessWritePipe(Generic[AnyStr]):
    """Where the standard input of a process goes to.

    Parameters:
        chan: the channel of the process.
    """

    def __init__(self, chan: SSHChannel[AnyStr]) -> None:
        self._chan: SSHChannel[AnyStr] = chan

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return what is known about the channel or its connection; see `SSHChannel`."""
        return self._chan.get_extra_info(name, default)

    def can_write_eof(self) -> bool:
        """Return whether the pipe can send EOF, which it can."""
        return self._chan.can_write_eof()

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that wait to be sent."""
        return self._chan.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the marks, in bytes, at which the protocol is told to pause and resume writing.

        Raises ValueError unless high >= low >= 0.
        """
        self._chan.set_write_buffer_limits(high, low)

    def write(self, data: AnyStr) -> None:
        """Write data; what can not be sent at once is queued.

        Raises BrokenPipeError behind EOF or the end, TypeError for the wrong kind of data.
        """
        self._chan.write(data)

    def writelines(self, list_of_data: Iterable[AnyStr]) -> None:
        """Write several pieces of data as one; raises as `write`."""
        self._chan.writelines(list_of_data)

    def write_eof(self) -> None:
        """Send EOF behind what was written; the process goes on."""
        self._chan.write_eof()

    def close(self) -> None:
        """Do as `write_eof`."""
        self._chan.write_eof()

    def abort(self) -> None:
        """Drop what was not sent yet, and close the process, which would miss it."""
        self._chan.abort()
