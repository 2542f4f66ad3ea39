"""One channel at the level of RFC 4254 section 5: states, windows, send queue, requests.

Everything here is bytes; `ssh_connection.channel.text` puts sessions and encodings on top.

Back-pressure. In: `consumed` counts what the application has really taken, and only that is given
back to the peer by WINDOW_ADJUST, so what is buffered for a channel never exceeds its window. Out:
`send` queues, `drain` empties the queue as far as the peer's window and the core allow; between
the high and the low mark the session is told to pause and to resume writing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, Final

from ssh_transport.errors import ProtocolError

from ..constants import (
    MAX_UINT32,
    SSH_MSG_CHANNEL_CLOSE,
    SSH_MSG_CHANNEL_DATA,
    SSH_MSG_CHANNEL_EOF,
    SSH_MSG_CHANNEL_EXTENDED_DATA,
    SSH_MSG_CHANNEL_FAILURE,
    SSH_MSG_CHANNEL_OPEN_CONFIRMATION,
    SSH_MSG_CHANNEL_OPEN_FAILURE,
    SSH_MSG_CHANNEL_REQUEST,
    SSH_MSG_CHANNEL_SUCCESS,
    SSH_MSG_CHANNEL_WINDOW_ADJUST,
)
from ..messages.connection import ChannelOpenConfirmation, ChannelRequest
from ..replies import OrderedReplies
from .filling import fill_message
from .link import DEFAULT_MAX_PKTSIZE, DEFAULT_WINDOW, ChannelHost
from .state import MESSAGE_NAMES, HalfState, next_state

if TYPE_CHECKING:
    import asyncio

__all__ = ["MAX_PENDING_REQUESTS", "MAX_SEND_PKTSIZE", "Channel"]

MAX_SEND_PKTSIZE: Final = 64 * 1024
"""Largest data of one message that we send, however much the peer allows."""
MAX_RECEIVE_PKTSIZE: Final = 256 * 1024
"""Largest data of one message that fits a packet the transport takes; more is not announced."""
MAX_PENDING_REQUESTS: Final = 32
"""Requests of the peer that may wait for the answer to an earlier one."""

_GATHER: Final = 4096  # queued pieces below this size are joined into one message
_DATA = Struct(">BII").pack
_EXTENDED_DATA = Struct(">BIII").pack
_SHORT = Struct(">BI").pack
_ADJUST = Struct(">BII").pack

_OPEN = HalfState.OPEN
_EOF = HalfState.EOF
_CLOSED = HalfState.CLOSED

Deliver = Callable[[bytes, int, int, "int | None"], None]
DeliverRun = Callable[[list[bytes], int, list[int], int], None]


class Channel:
    """The wire level of a channel.

    Parameters:
        host: the mux.
        window: receive window in bytes, 1 to 2**32 - 1.
        max_pktsize: largest data of one message that the peer may send, in bytes.

    Raises ValueError for sizes out of range.
    """

    read_datatypes: ClassVar[frozenset[int]] = frozenset()
    """Extended data types (RFC 4254 section 5.2) that the peer may send."""
    write_datatypes: ClassVar[frozenset[int]] = frozenset()
    """Extended data types that may be written."""
    request_handlers: ClassVar[Mapping[bytes, str]] = {}
    """Request type to the name of the method that takes its data and says yes or no."""

    def __init__(
        self,
        host: ChannelHost,
        *,
        window: int = DEFAULT_WINDOW,
        max_pktsize: int = DEFAULT_MAX_PKTSIZE,
    ) -> None:
        if not 1 <= window <= MAX_UINT32:
            raise ValueError(f"window out of range: {window}")
        if not 1 <= max_pktsize <= MAX_UINT32:
            raise ValueError(f"max_pktsize out of range: {max_pktsize}")
        self._host = host
        self._core = host.core
        self.loop = host.loop
        self.number = -1
        self.peer_number = -1
        self.receiving = HalfState.OPENING
        self.sending = HalfState.OPENING
        # inbound
        self.window = window
        self.max_pktsize = min(max_pktsize, MAX_RECEIVE_PKTSIZE)
        self.receive_room = window
        """Bytes that the peer may still send before the window is opened again."""
        self.credit = 0
        self.credit_mark = max(1, window // 2)
        self.deliver: Deliver | None = None  # what takes the data, if anything still does
        self.deliver_run: DeliverRun | None = None  # what takes plain data of several messages
        self._replies = OrderedReplies[bool](host.loop, MAX_PENDING_REQUESTS, False, host.core.fail)
        # outbound
        self._send_window = 0
        self._send_max = 0
        self._queue: deque[tuple[bytes, int | None]] = deque()
        self._offset = 0
        self._queued = 0
        self._high = 128 * 1024
        self._low = 32 * 1024
        self._writing_paused = False
        self._eof_wanted = False
        self._last_requests: list[bytes] = []
        self._close_wanted = False
        self.scheduled = False
        self._waiters: deque[tuple[asyncio.Future[bool], Callable[[bool], None] | None]] = deque()

    # --- Life cycle: called by the mux -------------------------------------------------------

    def accept(self, number: int, peer_number: int, send_window: int, send_max: int) -> bytes:
        """The peer opened this channel: become open, return SSH_MSG_CHANNEL_OPEN_CONFIRMATION."""
        self.number = number
        self._become_open(peer_number, send_window, send_max)
        confirmation = ChannelOpenConfirmation(peer_number, number, self.window, self.max_pktsize)
        return confirmation.encode()

    def on_open_confirmation(self, peer_number: int, send_window: int, send_max: int) -> None:
        """SSH_MSG_CHANNEL_OPEN_CONFIRMATION (RFC 4254 section 5.1)."""
        self._receive(SSH_MSG_CHANNEL_OPEN_CONFIRMATION)
        if send_max == 0:
            raise ProtocolError("channel opened with a maximum packet size of 0")
        self._become_open(peer_number, send_window, send_max)

    def on_open_failure(self) -> None:
        """SSH_MSG_CHANNEL_OPEN_FAILURE (RFC 4254 section 5.1)."""
        self._receive(SSH_MSG_CHANNEL_OPEN_FAILURE)
        self.sending = _CLOSED

    def on_connection_lost(self, exc: Exception | None) -> None:
        """The connection ended: nothing more is sent or received."""
        was_open = self.receiving is not HalfState.OPENING
        self.receiving = self.sending = _CLOSED
        self._cleanup()
        if was_open:
            self._closed(exc)

    def _become_open(self, peer_number: int, send_window: int, send_max: int) -> None:
        self.peer_number = peer_number
        self._send_window = send_window
        self._send_max = min(send_max, MAX_SEND_PKTSIZE)
        self.receiving = self.sending = _OPEN

    def _receive(self, message: int) -> None:
        state = next_state(self.receiving, message)
        if state is None:
            raise ProtocolError(
                f"{MESSAGE_NAMES[message]} on a channel whose state is {self.receiving.name}"
            )
        self.receiving = state

    # --- Inbound: called by the mux ----------------------------------------------------------

    def on_data(self, packet: bytes, start: int, end: int, datatype: int | None = None) -> None:
        """SSH_MSG_CHANNEL_DATA (RFC 4254 section 5.2), the hot path."""
        left = self.receive_room - (end - start)
        if left < 0 or end - start > self.max_pktsize or self.receiving is not _OPEN:
            raise self._bad_data(datatype, end - start)
        self.receive_room = left
        deliver = self.deliver
        if deliver is not None:
            try:
                deliver(packet, start, end, datatype)
            except Exception as exc:
                self.delivery_failed(exc)
        else:
            self.consumed(end - start)

    def on_extended_data(self, datatype: int, packet: bytes, start: int, end: int) -> None:
        """SSH_MSG_CHANNEL_EXTENDED_DATA (RFC 4254 section 5.2)."""
        if datatype not in self.read_datatypes:
            raise ProtocolError(f"extended data of type {datatype} is not used on this channel")
        self.on_data(packet, start, end, datatype)

    def _bad_data(self, datatype: int | None, size: int) -> ProtocolError:
        plain, extended = SSH_MSG_CHANNEL_DATA, SSH_MSG_CHANNEL_EXTENDED_DATA
        self._receive(plain if datatype is None else extended)
        if size > self.max_pktsize:
            return ProtocolError(
                f"channel data of {size} bytes exceeds the maximum of {self.max_pktsize}"
            )
        return ProtocolError(f"channel data of {size} bytes exceeds the window")

    def consumed(self, size: int) -> None:
        """Count `size` bytes as taken by the application; re-opens the window by halves.

        A session with `explicit_consumption` calls it itself, for others the channel does.
        """
        self.credit += size
        if self.credit >= self.credit_mark:
            self.give_back()

    def reopen(self) -> None:
        """A reader, who may keep much, waits for more: open a small window even by a little."""
        if self.credit and self.receive_room <= self.credit_mark:
            self.give_back()

    def give_back(self) -> None:
        """Open the window by what was consumed, or at the end by all that nobody will read."""
        # Behind our `close` nothing is read: what is here must not keep the peer from its own end.
        credit = self.window - self.receive_room if self._close_wanted else self.credit
        self.credit = 0
        if credit and self.receiving is _OPEN and self.sending is not _CLOSED:
            self.receive_room += credit
            self._core.send(_ADJUST(SSH_MSG_CHANNEL_WINDOW_ADJUST, self.peer_number, credit))

    def on_window_adjust(self, size: int) -> None:
        """SSH_MSG_CHANNEL_WINDOW_ADJUST (RFC 4254 section 5.2)."""
        if self.receiving is not _OPEN:
            self._receive(SSH_MSG_CHANNEL_WINDOW_ADJUST)
        window = self._send_window + size
        if window > MAX_UINT32:
            raise ProtocolError("window adjusted above 2**32 - 1 bytes")
        self._send_window = window
        if self._queue and not self.scheduled:
            self._host.schedule_when_read(self)

    def on_eof(self) -> None:
        """SSH_MSG_CHANNEL_EOF (RFC 4254 section 5.3)."""
        self._receive(SSH_MSG_CHANNEL_EOF)
        if self.sending is not _CLOSED:
            self._eof()

    def on_close(self) -> None:
        """SSH_MSG_CHANNEL_CLOSE (RFC 4254 section 5.3): answered at once, data is dropped."""
        self._receive(SSH_MSG_CHANNEL_CLOSE)
        self._drop_queue()
        if self.sending is not _CLOSED:
            self._send_close()
        self._cleanup()
        self._host.remove(self)
        self._closed(None)

    def on_request(self, request: ChannelRequest) -> None:
        """SSH_MSG_CHANNEL_REQUEST (RFC 4254 section 5.4)."""
        self._receive(SSH_MSG_CHANNEL_REQUEST)
        name = request.request_type
        method = self.request_handlers.get(name)

        def run() -> bool | Awaitable[bool]:
            if method is None:
                return False
            handler: Callable[[bytes], bool | Awaitable[bool]] = getattr(self, method)
            return handler(request.request_data)

        def done(accepted: bool) -> None:
            if self.sending is _CLOSED:
                return
            if request.want_reply:
                reply = SSH_MSG_CHANNEL_SUCCESS if accepted else SSH_MSG_CHANNEL_FAILURE
                self._core.send(_SHORT(reply, self.peer_number))
            self._request_answered(name, accepted)

        self._replies.add(run, done)

    def on_reply(self, message: int) -> None:
        """SSH_MSG_CHANNEL_SUCCESS or _FAILURE (RFC 4254 section 5.4)."""
        self._receive(message)
        if not self._waiters:
            raise ProtocolError("reply to a channel request that was not sent")
        waiter, answered = self._waiters.popleft()
        if not waiter.done():
            if answered is not None:
                answered(message == SSH_MSG_CHANNEL_SUCCESS)
            waiter.set_result(message == SSH_MSG_CHANNEL_SUCCESS)

    # --- Outbound ----------------------------------------------------------------------------

    def _check_writable(self) -> None:
        if self.sending is not _OPEN or self._eof_wanted or self._close_wanted:
            raise BrokenPipeError("Channel not open for sending")

    def _send_data(self, data: bytes, datatype: int | None) -> None:
        """Queue bytes, sending what window and core allow; the bytes are not copied."""
        self._check_writable()
        size = len(data)
        if not size:
            return
        if (
            datatype is None
            and size <= self._send_max
            and size <= self._send_window
            and not self._queue
            and not self._host.ready
            and not self._core.blocked
        ):
            # One message, and nobody waits: the common case of interactive use and of requests.
            self._send_window -= size
            self._core.send_data(_DATA(SSH_MSG_CHANNEL_DATA, self.peer_number, size), data)
            return
        self._queue_data((data,), datatype)

    def _queue_data(self, pieces: Iterable[bytes], datatype: int | None) -> None:
        """Queue what may not be sent at once."""
        for data in pieces:
            self._queue.append((data, datatype))
            self._queued += len(data)
        if self._send_window:
            self._host.schedule(self)
        if self._queued > self._high and not self._writing_paused:
            self._writing_paused = True
            self._pause_writing()

    def drain(self, quantum: int) -> bool:
        """Send up to about `quantum` bytes; true if there is more that the window allows."""
        core, queue = self._core, self._queue
        while queue and not core.blocked:
            room = min(self._send_window, self._send_max)
            if not room or quantum <= 0:
                break
            data, datatype = queue[0]
            piece: bytes | memoryview = data
            start, size = self._offset, len(data) - self._offset
            if size > room:
                if datatype is None and size >= 2 * room:
                    quantum -= self._send_run(data, room, quantum)
                    continue
                self._offset, size = start + room, room
                piece = memoryview(data)[start : start + room]
            else:
                queue.popleft()
                self._offset = 0
                if start:
                    piece = memoryview(data)[start:]
                if size < _GATHER and queue:
                    piece, self._offset = fill_message(piece, queue, datatype, room)
                    size = len(piece)
            self._send_window -= size
            self._queued -= size
            quantum -= size
            if datatype is None:
                core.send_data(_DATA(SSH_MSG_CHANNEL_DATA, self.peer_number, size), piece)
            else:
                extended = SSH_MSG_CHANNEL_EXTENDED_DATA
                core.send_data(_EXTENDED_DATA(extended, self.peer_number, datatype, size), piece)
        if not queue:
            self._flush_end()
        if self._writing_paused and self._queued <= self._low:
            self._writing_paused = False
            self._resume_writing()
        return bool(queue) and self._send_window > 0

    def _send_run(self, data: bytes, size: int, quantum: int) -> int:
        """Send full messages out of the first queued piece; return the bytes sent."""
        core, start = self._core, self._offset
        view = memoryview(data)
        head = _DATA(SSH_MSG_CHANNEL_DATA, self.peer_number, size)
        room = min(self._send_window, quantum + size - 1, len(data) - start)
        pos = start + core.send_data_run(head, view[start : start + room // size * size], size)
        if pos == len(data):
            self._queue.popleft()
        self._offset = pos % len(data)
        self._send_window -= pos - start
        self._queued -= pos - start
        return pos - start

    def _flush_end(self) -> None:
        """Send what had to wait for the queue to be empty: EOF, last requests, CLOSE."""
        if self._eof_wanted and self.sending is _OPEN:
            self.sending = _EOF
            self._core.send(_SHORT(SSH_MSG_CHANNEL_EOF, self.peer_number))
            self._half_closed()
        if self.sending is not _CLOSED:
            for payload in self._last_requests:
                self._core.send(payload)
            self._last_requests.clear()
            if self._close_wanted:
                self._send_close()

    def _send_eof(self) -> None:
        self._eof_wanted = True
        if not self._queue:
            self._flush_end()

    def _close(self) -> None:
        """Close the channel once everything that was written is sent."""
        if self.sending is HalfState.OPENING or self._close_wanted:
            return
        self._close_wanted = True
        self._stop_delivery()
        if self._queue:
            self.give_back()
        else:
            self._flush_end()

    def _abort(self) -> None:
        """Close the channel now; what was written and not sent is dropped."""
        if self.sending in (_OPEN, _EOF):
            self._drop_queue()
            self._close_wanted = True
            self._stop_delivery()
            self._send_close()

    def abandon(self) -> None:
        """Nobody waits for the channel any more: close it, if it was opened."""
        self._abort()

    def _send_close(self) -> None:
        self.sending = _CLOSED
        self._core.send(_SHORT(SSH_MSG_CHANNEL_CLOSE, self.peer_number))

    def _drop_queue(self) -> None:
        self._queue.clear()
        self._offset = self._queued = 0
        self._last_requests.clear()

    def _request_payload(self, name: bytes, data: bytes, want_reply: bool) -> bytes:
        return ChannelRequest(self.peer_number, name, want_reply, data).encode()

    def _send_request(self, name: bytes, data: bytes = b"") -> None:
        """Send a request that wants no reply; dropped if the channel is closed."""
        if self.sending in (_OPEN, _EOF):
            self._core.send(self._request_payload(name, data, False))

    def _send_last_request(self, name: bytes, data: bytes) -> None:
        """Send a request behind all data that was written, and behind EOF."""
        self._last_requests.append(self._request_payload(name, data, False))
        if not self._queue:
            self._flush_end()

    async def _make_request(
        self, name: bytes, data: bytes = b"", answered: Callable[[bool], None] | None = None
    ) -> bool:
        """Send a request and wait for the reply; false if refused or the channel closed.

        `answered` is called at once with the reply, before any further message is handled.
        """
        if self.sending not in (_OPEN, _EOF):
            return False
        waiter: asyncio.Future[bool] = self.loop.create_future()
        self._waiters.append((waiter, answered))
        self._core.send(self._request_payload(name, data, True))
        return await waiter

    # --- For the layer above -----------------------------------------------------------------

    def _cleanup(self) -> None:
        self._drop_queue()
        self._replies.close()
        for waiter, _ in self._waiters:
            if not waiter.done():
                waiter.set_result(False)
        self._waiters.clear()

    def opened(self) -> None:
        """The peer's open was confirmed: attach the session."""

    def _stop_delivery(self) -> None:
        """We close: what still arrives is dropped."""
        self.deliver = None

    def _half_closed(self) -> None:
        """Our EOF was sent."""

    def _eof(self) -> None:
        """The peer's EOF arrived."""

    def _closed(self, exc: Exception | None) -> None:
        """Both sides have closed the channel, or the connection was lost."""

    def delivery_failed(self, exc: Exception) -> None:
        """The session raised `exc` while data was delivered."""
        self._abort()

    def _pause_writing(self) -> None:
        """More than the high mark is queued."""

    def _resume_writing(self) -> None:
        """No more than the low mark is queued."""

    def _request_answered(self, name: bytes, accepted: bool) -> None:
        """A request of the peer was answered."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.number} {self.sending.name}>"
