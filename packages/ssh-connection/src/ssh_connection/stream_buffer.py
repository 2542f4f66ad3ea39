"""The received data of a channel until it is read, in order with what happened in between."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import AnyStr, Final, Generic, cast

from ssh_transport.errors import ProtocolError

from .channel.text import SSHChannel
from .decoding import TextDecoder
from .receiver import InputEnd
from .separator import compile_separator, find_separator

__all__ = ["StreamBuffer", "incomplete"]

_LARGE: Final = 16384  # a piece of this size is returned as it is: joining would copy it
_SMALL: Final = 4096  # pieces up to this size are joined, so that many tiny ones cost little


class StreamBuffer(Generic[AnyStr]):
    """Received data of one type, in order with the exceptions that belong between it.

    On a channel with an encoding there are two queues: what was received, and behind the decoder
    what can be read. Data moves from the first to the second when somebody reads.

    Parameters:
        channel: gets back what was consumed.
    """

    def __init__(self, channel: SSHChannel[AnyStr]) -> None:
        self._channel: SSHChannel[AnyStr] = channel
        self._items: deque[AnyStr | Exception] = deque()
        # A call of `cast` for each packet would cost more than the append.
        self._append: Callable[[AnyStr | bytes], None] = cast(
            "Callable[[AnyStr | bytes], None]", self._items.append
        )
        self._extend = cast("Callable[[list[bytes]], None]", self._items.extend)
        self._costs: deque[int] = deque()
        self._pos = 0
        self._size = 0
        self._eof = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._collecting = False
        self._wanted = 0  # what the last read asked for
        self._raw: deque[tuple[bytes | Exception, int, int | None]] = deque()
        self._decoder = TextDecoder(channel.get_encoding)
        self._failed = False

    # --- Filling -----------------------------------------------------------------------------

    def feed(self, data: AnyStr | bytes, size: int, datatype: int | None = None) -> None:
        """Take data that counts as `size` bytes of the channel's window."""
        if size >= _SMALL and not self._channel.encoded and not self._collecting:
            # Bulk data: pieces that are not worth being joined.
            self._append(data)
            self._costs.append(size)
            self._size += size
            if self._waiter is not None:
                self._wake()
            return
        if self._collecting:
            self._channel.consumed(size)
            size = 0
        if self._channel.encoded:
            if isinstance(data, bytes):
                self._feed_raw(data, size, datatype)
                return
            self._pull()
        decoded: object = data
        self._feed_decoded(cast("AnyStr", decoded), size)

    def feed_run(self, packets: list[bytes], start: int, ends: list[int], size: int) -> None:
        """Take several pieces, `packets[i][start : ends[i]]`, which are `size` bytes in all."""
        whole = zip(packets, ends, strict=True)
        if size < _SMALL * len(packets) or self._channel.encoded or self._collecting:
            for packet, end in whole:
                self.feed(packet[start:end], end - start)
            return
        together = self._wanted // (max(ends) - start)
        if together > 1:
            # They are copied once in any case: then at once as many as a read will take.
            views = [memoryview(packet)[start:end] for packet, end in whole]
            first = range(0, len(views), together)
            pieces = [b"".join(views[index : index + together]) for index in first]
        else:
            pieces = [packet[start:end] for packet, end in whole]
        self._extend(pieces)
        self._costs.extend(map(len, pieces))
        self._size += size
        if self._waiter is not None:
            self._wake()

    def _feed_raw(self, data: bytes, size: int, datatype: int | None) -> None:
        raw = self._raw
        if self._failed:
            self._channel.consumed(size)
            return
        if len(data) < _SMALL and raw:
            last, last_size, last_type = raw[-1]
            if isinstance(last, bytes) and len(last) < _SMALL and last_type == datatype:
                raw[-1] = (last + data, last_size + size, datatype)
                self._wake()
                return
        raw.append((data, size, datatype))
        self._wake()

    def _feed_decoded(self, data: AnyStr, size: int) -> None:
        items = self._items
        count = len(data)
        self._size += count
        if count < _SMALL and items and (self._pos == 0 or len(items) > 1):
            last = items[-1]
            if not isinstance(last, Exception) and len(last) < _SMALL:
                items[-1] = last + data
                self._costs[-1] += size
                self._wake()
                return
        items.append(data)
        self._costs.append(size)
        if self._waiter is not None:
            self._wake()

    def feed_exception(self, exc: Exception) -> None:
        """Take something that happened behind the data so far; a read will raise it."""
        if self._channel.encoded:
            self._raw.append((exc, 0, None))
        else:
            self._items.append(exc)
            self._costs.append(0)
        self._wake()

    def feed_eof(self, error: Exception | None = None) -> None:
        """No more data will come; reads raise `error` once the data is read."""
        self._eof = True
        if error is not None:
            self._error = error
        self._wake()

    def collect(self) -> None:
        """Count everything as consumed at once: it is wanted in memory, however much it is."""
        self._collecting = True
        held = sum(self._costs) + sum(size for _, size, _ in self._raw)
        self._raw = deque((data, 0, datatype) for data, _, datatype in self._raw)
        self._costs = deque([0] * len(self._costs))
        self._channel.consumed(held)

    def _pull(self) -> None:
        """Decode what was received, so that it can be read."""
        while self._raw:
            data, size, datatype = self._raw.popleft()
            if isinstance(data, Exception):
                self._items.append(data)
                self._costs.append(0)
                continue
            text, error = self._decoder.decode(data, datatype)
            self._add_text(text, size, error)
        if self._eof and self._channel.encoded and not self._failed:
            self._add_text(*self._finish_decoding())

    def _finish_decoding(self) -> tuple[str, int, ProtocolError | None]:
        text, error = self._decoder.finish()
        return text, 0, error

    def _add_text(self, text: object, size: int, error: ProtocolError | None) -> None:
        if text:
            self._feed_decoded(cast("AnyStr", text), size)
        else:
            self._channel.consumed(size)
        if error is not None:
            # What follows makes no sense: the error is what every read gives from here on.
            self._failed = self._eof = True
            self._error = self._error or error
            while self._raw:
                self._channel.consumed(self._raw.popleft()[1])

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # --- State -------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes or characters that can be read."""
        self._pull()
        return self._size

    def at_eof(self) -> bool:
        """Return whether everything was read and nothing more will come."""
        self._pull()
        return self._eof and not self._items and self._error is None

    @property
    def failure(self) -> Exception | None:
        """What is wrong with the text that was received, if anything is."""
        self._pull()
        return self._error if self._failed else None

    def empty(self) -> AnyStr:
        """Return what a read gives at the end: `b""` or `""`."""
        encoding, _ = self._channel.get_encoding()
        return cast("AnyStr", b"" if encoding is None else "")

    def take_all(self) -> AnyStr:
        """Return what can be read at once, up to the next exception."""
        self._pull()
        parts: list[AnyStr] = []
        while self._items and not isinstance(self._items[0], Exception):
            parts.append(self._pop())
        return self.empty().join(parts)

    def take_items(self) -> list[tuple[AnyStr | bytes | Exception, int | None]]:
        """Remove and return everything with its data type, for a redirection.

        What was decoded already comes as text, the rest as it was received.
        """
        items: list[tuple[AnyStr | bytes | Exception, int | None]] = []
        while self._items:
            head = self._items[0]
            if isinstance(head, Exception):
                self._items.popleft()
                self._costs.popleft()
                items.append((head, None))
            else:
                items.append((self._pop(), None))
        items.extend(self._decoder.pending())
        while self._raw:
            data, size, datatype = self._raw.popleft()
            self._channel.consumed(size)
            items.append((data, datatype))
        return items

    def _pop(self) -> AnyStr:
        """Remove the first piece and count it as consumed."""
        item = cast("AnyStr", self._items.popleft())
        if self._pos:
            item = item[self._pos :]
            self._pos = 0
        self._size -= len(item)
        self._channel.consumed(self._costs.popleft())
        return item

    def _unread(self, parts: Sequence[AnyStr], cost: int = 0) -> None:
        """Put data that was taken out back to the front."""
        for part in reversed(parts):
            if part:
                self._items.appendleft(part)
                self._costs.appendleft(cost)
                self._size += len(part)
                cost = 0
        if cost:
            self._channel.consumed(cost)

    async def _wait(self) -> None:
        """Wait until something is fed."""
        if self._waiter is not None and not self._waiter.done():
            raise RuntimeError("another coroutine is already waiting for data of this stream")
        self._channel.reopen()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiter = waiter
        try:
            await waiter
        finally:
            if self._waiter is waiter:
                self._waiter = None
        self._pull()

    def _raise_head(self) -> None:
        """Raise the exception that is next in the stream, if one is."""
        if self._items:
            head = self._items[0]
            if isinstance(head, Exception):
                self._items.popleft()
                self._costs.popleft()
                raise head
        elif self._eof and self._error is not None:
            raise self._error

    def _pass_end(self) -> None:
        """The read that an `InputEnd` has ended is over: the next one goes on behind it."""
        if self._items and isinstance(self._items[0], InputEnd):
            self._items.popleft()
            self._costs.popleft()

    def _ended(self) -> bool:
        """Whether no data comes before an exception or the end."""
        return (self._eof and not self._items) or (
            bool(self._items) and isinstance(self._items[0], Exception)
        )

    # --- Reading -----------------------------------------------------------------------------

    def read_nowait(self, n: int) -> AnyStr | None:
        """Return what `read` gives at once, for `n` above 0; None if it has to wait."""
        items = self._items
        self._wanted = n
        if self._raw or self._eof:
            self._pull()
        if not items:
            return None
        head = items[0]
        if not isinstance(head, Exception) and not self._pos and _LARGE <= len(head) <= n:
            # The bulk case: a whole piece, as it was received.
            items.popleft()
            self._size -= len(head)
            channel = self._channel
            channel.credit += self._costs.popleft()
            if channel.credit >= channel.credit_mark:
                channel.give_back()
            return head
        self._raise_head()
        return self._take(n)

    async def read(self, n: int) -> AnyStr:
        """Read up to `n`, at least one unless at the end; all up to the end if `n` is negative."""
        if n == 0:
            return self.empty()
        self._pull()
        if n < 0:
            return await self._read_all()
        while not self._items:
            if self._eof:
                self._raise_head()
                return self.empty()
            await self._wait()
        data = self.read_nowait(n)
        assert data is not None
        return data

    def _take(self, n: int) -> AnyStr:
        """Return up to `n` of what is there; the first item is data."""
        head = cast("AnyStr", self._items[0])
        if len(head) - self._pos > n:
            start = self._pos
            self._pos = start + n
            self._size -= n
            return head[start : start + n]
        parts = [self._pop()]
        n -= len(parts[0])
        if len(parts[0]) >= _LARGE:
            return parts[0]
        while n and self._items and not isinstance(self._items[0], Exception):
            if len(self._items[0]) > n:
                parts.append(self._take(n))
                break
            parts.append(self._pop())
            n -= len(parts[-1])
        return parts[0] if len(parts) == 1 else self.empty().join(parts)

    async def _read_all(self) -> AnyStr:
        parts: list[AnyStr] = []
        try:
            while True:
                while self._items and not isinstance(self._items[0], Exception):
                    parts.append(self._pop())
                if self._ended():
                    break
                await self._wait()
        except BaseException:
            self._unread(parts)
            raise
        if not parts:
            self._raise_head()
        self._pass_end()
        return self.empty().join(parts)

    async def readexactly(self, n: int) -> AnyStr:
        """Read exactly `n`; raises asyncio.IncompleteReadError at an exception or the end."""
        if n < 0:
            raise ValueError("readexactly size can not be less than zero")
        self._pull()
        parts: list[AnyStr] = []
        left = n
        try:
            while left:
                if self._items and not isinstance(self._items[0], Exception):
                    parts.append(self._take(left))
                    left -= len(parts[-1])
                elif self._ended():
                    break
                else:
                    await self._wait()
        except BaseException:
            self._unread(parts)
            raise
        result = self.empty().join(parts)
        if left:
            if not parts:
                self._raise_head()
            self._pass_end()
            raise incomplete(result, n)
        return result

    async def readline(self) -> AnyStr:
        """Read a line with its newline; what is left at EOF or when the window is full."""
        empty: object = self.empty()
        newline: object = b"\n" if isinstance(empty, bytes) else "\n"
        try:
            return await self.readuntil(newline, 0)
        except asyncio.IncompleteReadError as exc:
            partial: object = exc.partial
            return cast("AnyStr", partial)

    async def readuntil(self, separator: object, max_separator_len: int) -> AnyStr:
        """Read up to and with `separator`; see `SSHReader.readuntil`."""
        pattern, overlap = compile_separator(separator, max_separator_len)
        literal = separator if isinstance(separator, bytes | str) else None
        kind = type(self.empty())
        if not isinstance(pattern.pattern, kind):  # before anything is taken out
            raise TypeError(f"the separator has to be {kind.__name__} as the data are")
        self._pull()
        parts: list[AnyStr] = []
        cost = 0
        tail = self.empty()
        try:
            while True:
                while self._items and not isinstance(self._items[0], Exception):
                    piece, piece_cost = self._pop_uncounted()
                    cost += piece_cost
                    text = tail + piece if tail else piece
                    end = find_separator(text, literal, pattern)
                    if end >= 0:
                        end -= len(tail)
                        parts.append(piece[:end])
                        rest = piece[end:]
                        kept = min(cost, len(rest), piece_cost)
                        self._unread([rest], kept)
                        self._channel.consumed(cost - kept)
                        return parts[0] if len(parts) == 1 else self.empty().join(parts)
                    tail = text if overlap is None else text[-overlap:] if overlap else tail[:0]
                    if parts and len(parts[-1]) < _SMALL:
                        parts[-1] += piece
                    else:
                        parts.append(piece)
                if self._ended() or self._full(cost):
                    break
                await self._wait()
        except BaseException:
            self._unread(parts, cost)
            raise
        self._channel.consumed(cost)
        if not parts:
            self._raise_head()
        self._pass_end()
        raise incomplete(self.empty().join(parts), None)

    def _pop_uncounted(self) -> tuple[AnyStr, int]:
        """Remove the first piece; the part of it that was read before counts as consumed."""
        item = cast("AnyStr", self._items.popleft())
        cost = self._costs.popleft()
        if self._pos:
            read = min(cost, self._pos)
            self._channel.consumed(read)
            cost -= read
            item = item[self._pos :]
            self._pos = 0
        self._size -= len(item)
        return item, cost

    def _full(self, cost: int) -> bool:
        """Whether the peer can not send more before what is held here is consumed."""
        self._channel.reopen()
        return cost * 2 >= self._channel.get_recv_window() and self._channel.is_window_full()


def incomplete(partial: object, expected: int | None) -> asyncio.IncompleteReadError:
    """Return the error of a read that came to an end before it was complete."""
    # typeshed knows bytes only; the class takes text as well.
    return asyncio.IncompleteReadError(cast("bytes", partial), expected)
