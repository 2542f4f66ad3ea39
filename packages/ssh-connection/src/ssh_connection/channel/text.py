"""The channel that sessions see: an asyncio-like transport for bytes or text.

`SSHChannel` puts on the wire level (`Channel`) a session whose callbacks are called, the encoding
of the channel, pausing of reading, and the methods of the public API that all channel types share.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, AnyStr, Final, Generic, Protocol, TypeVar, cast

from ssh_transport.errors import ProtocolError

from ..decoding import TextDecoder
from ..session import SSHSession
from .base import Channel, Deliver, DeliverRun
from .link import DEFAULT_MAX_PKTSIZE, DEFAULT_WINDOW, ChannelHost, ConnectionServices
from .state import HalfState

if TYPE_CHECKING:
    import asyncio

    from ..logging import SSHLogger

__all__ = ["DataType", "SSHChannel"]

S = TypeVar("S", bound=SSHSession[Any])

DataType = int | None
"""Extended data type (`EXTENDED_DATA_STDERR`), or None for ordinary data."""

_EOF_MARK: Final = -1  # in the queue of held data: the peer's EOF
_SMALL: Final = 1024  # held data below this size is gathered
_GATHERED: Final = 64 * 1024


class _Attachable(Protocol):
    """A session of any kind, whose channel is of the kind that goes with it."""

    def connection_made(self, chan: object) -> None:
        """The channel is open."""
        ...


class SSHChannel(Channel, Generic[AnyStr]):
    """Base of the channels of the public API.

    Parameters:
        conn: the connection object.
        mux: the channels of the connection.
        encoding: of the data the session reads and writes as `str`; None for `bytes`.
        errors: how malformed text is handled (`codecs`); with "strict", text of the peer that
            is malformed closes the channel with a ProtocolError.
        window: receive window in bytes.
        max_pktsize: largest data of one message that the peer may send, in bytes.
    """

    def __init__(
        self,
        conn: ConnectionServices,
        mux: ChannelHost,
        *,
        encoding: str | None = None,
        errors: str = "strict",
        window: int = DEFAULT_WINDOW,
        max_pktsize: int = DEFAULT_MAX_PKTSIZE,
    ) -> None:
        super().__init__(mux, window=window, max_pktsize=max_pktsize)
        self._conn = conn
        self._session: SSHSession[AnyStr] | None = None
        self._session_factory: Callable[[], SSHSession[AnyStr]] | None = None
        self._view: Deliver | None = None
        self._view_run: DeliverRun | None = None
        self._explicit = False
        self._decodes = False
        self._started = False
        self._made = False
        self._reading_paused = False
        self._held: deque[tuple[bytes | bytearray, int, int, DataType]] = deque()
        self._end_held = False
        self._error: Exception | None = None
        self._extra: dict[str, object] = {"connection": conn}
        self._close_waiters: list[asyncio.Future[None]] = []
        self._finished = False
        self.set_encoding(encoding, errors)

    # --- Session -----------------------------------------------------------------------------

    def set_session(self, session: SSHSession[AnyStr] | Callable[[], SSHSession[AnyStr]]) -> None:
        """Set the session, or what makes it, of a channel that the peer opens."""
        if isinstance(session, SSHSession):
            self._session = session
        else:
            self._session_factory = session

    def opened(self) -> None:
        """The channel is open: make the session known to it."""
        self._choose_delivery()
        try:
            self._attach()
        except Exception as exc:
            self.delivery_failed(exc)

    async def _open(
        self, session_factory: Callable[[], S], channel_type: bytes, type_data: bytes = b""
    ) -> S:
        """Open the channel and return its session; by then the channel may be closed again.

        Raises ChannelOpenError, and what the session raised.
        """
        made: list[S] = []

        def make() -> S:
            made.append(session_factory())
            return made[0]

        self._session_factory = make
        await self._host.open(self, channel_type, type_data)
        if self._error is not None:
            raise self._error
        return made[0]

    def _attach(self) -> None:
        factory, self._session_factory = self._session_factory, None
        if self._session is None and factory is not None:
            self._session = factory()
        if self._session is not None:
            self._made = True
            cast("_Attachable", self._session).connection_made(self)

    def _start(self) -> None:
        """The session may begin: tell it, and deliver what arrived before."""
        session = self._session
        if session is None or self._finished:
            return
        # Not `isinstance` with a Protocol, which takes longer than all else that a session starts.
        if (view := getattr(session, "data_view_received", None)) is not None:
            self._view = view
            self._explicit = session.explicit_consumption
            self._decodes = session.decodes
            if self._explicit:
                self._view_run = getattr(session, "data_run_received", None)
        try:
            session.session_started()
            self._started = True
            self._release()
        except Exception as exc:
            self.delivery_failed(exc)

    def _report(self, exc: Exception) -> None:
        self.loop.call_exception_handler(
            {"message": f"session of {self!r} failed", "exception": exc}
        )

    def delivery_failed(self, exc: Exception) -> None:
        """A callback of the session raised: close the channel, the connection goes on."""
        if not isinstance(exc, ProtocolError):
            self._report(exc)
        if self._error is None:
            self._error = exc
        self._abort()

    # --- Inbound -----------------------------------------------------------------------------

    def _choose_delivery(self) -> None:
        """Set what the next data goes to."""
        self.deliver_run = None
        # Before it is open nothing comes, and a method of ours would keep a channel alive.
        if self.sending in (HalfState.OPENING, HalfState.CLOSED) or self._close_wanted:
            self.deliver = None
        elif not self._started or self._reading_paused or self._held:
            self.deliver = self._hold
        else:
            self.deliver = self._direct_delivery()
            if self.deliver is self._view:
                self.deliver_run = self._view_run

    def _direct_delivery(self) -> Deliver:
        if self._encoding is not None and not self._decodes:
            return self._deliver_text
        if self._view is None:
            return self._deliver_bytes
        return self._view if self._explicit else self._deliver_view

    def _hold(self, packet: bytes, start: int, end: int, datatype: DataType) -> None:
        held = self._held
        if end - start >= _SMALL:
            held.append((packet, start, end, datatype))
            return
        # A window full of single bytes would take a hundred times its size. The last entry but
        # one: that a peer changes the type with each byte must not help it.
        for place in range(-1, -1 - min(2, len(held)), -1):
            gathered, _, _, other = held[place]
            if other == datatype:
                if isinstance(gathered, bytearray) and len(gathered) < _GATHERED:
                    gathered += packet[start:end]
                    return
                break  # data of one type stays in order
        held.append((bytearray(packet[start:end]), 0, 0, datatype))

    def _deliver_view(self, packet: bytes, start: int, end: int, datatype: DataType) -> None:
        assert self._view is not None
        self._view(packet, start, end, datatype)
        self.consumed(end - start)

    def _deliver_bytes(self, packet: bytes, start: int, end: int, datatype: DataType) -> None:
        cast("SSHSession[bytes]", self._session).data_received(packet[start:end], datatype)
        self.consumed(end - start)

    def _deliver_text(self, packet: bytes, start: int, end: int, datatype: DataType) -> None:
        text, error = self._decoder.decode(packet[start:end], datatype)
        if text:
            cast("SSHSession[str]", self._session).data_received(text, datatype)
        if error is not None:
            raise error
        self.consumed(end - start)

    def _release(self) -> None:
        """Deliver what was held, in order, until reading is paused again."""
        while self._held and not self._reading_paused:
            packet, start, end, datatype = self._held.popleft()
            if start == _EOF_MARK:
                self._deliver_eof()
            elif isinstance(packet, bytearray):
                self._direct_delivery()(bytes(packet), 0, len(packet), datatype)
            else:
                self._direct_delivery()(packet, start, end, datatype)
        self._choose_delivery()
        self._finish_late()

    def _stop_delivery(self) -> None:
        self._held.clear()
        self.deliver = self.deliver_run = None

    def _close(self) -> None:
        super()._close()
        self._give_up_held()

    def _abort(self) -> None:
        super()._abort()
        self._give_up_held()

    def _give_up_held(self) -> None:
        """The peer has closed the channel, and what came before is not wanted: that is the end."""
        if self._end_held:
            self._close_wanted = True
            self._stop_delivery()
            self.loop.call_soon(self._finish_late)  # maybe this is a callback of the session

    def _finish_late(self) -> None:
        if self._end_held and not self._held:
            self._end_held = False
            self._finish(None)

    def _eof(self) -> None:
        if self._held or not self._started or self._reading_paused:
            self._held.append((b"", _EOF_MARK, _EOF_MARK, None))
            return
        try:
            self._deliver_eof()
        except Exception as exc:
            self.delivery_failed(exc)

    def _deliver_eof(self) -> None:
        session = self._session
        if session is None or self._close_wanted:
            return
        rest, error = self._decoder.finish()
        if rest:
            text: object = rest
            session.data_received(cast("AnyStr", text), None)
        if error is not None:
            raise error
        if not session.eof_received():
            self.write_eof()

    def _closed(self, exc: Exception | None) -> None:
        if exc is None and self._held and self._started and self._reading_paused:
            self._end_held = True
        else:
            self._finish(exc)

    def _finish(self, exc: Exception | None) -> None:
        """Tell the session, once, that the channel is gone.

        From here on the session knows the channel, and the channel nobody: both are freed as soon
        as the application has no use for them, and with them the connection.
        """
        if self._finished:
            return
        self._finished = True
        self._stop_delivery()
        session, self._session = self._session, None
        self._view = self._view_run = None
        if self._made and session is not None:
            try:
                session.connection_lost(exc or self._error)
            except Exception as error:
                self._report(error)
        for waiter in self._close_waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._close_waiters.clear()

    # --- Outbound ----------------------------------------------------------------------------

    def _pause_writing(self) -> None:
        if self._session is not None:
            self._session.pause_writing()

    def _resume_writing(self) -> None:
        if self._session is not None:
            try:
                self._session.resume_writing()
            except Exception as exc:
                self.delivery_failed(exc)

    # --- Public API: information -------------------------------------------------------------

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return what is known about the channel, or else about its connection, as `name`."""
        if name in self._extra:
            return self._extra[name]
        return self._conn.get_extra_info(name, default)

    @property
    def logger(self) -> SSHLogger:
        """Logger for what the application has to say about this channel."""
        return self._conn.log.for_application(self.number)

    def set_extra_info(self, **kwargs: object) -> None:
        """Set what `get_extra_info` returns."""
        self._extra.update(kwargs)

    def get_encoding(self) -> tuple[str | None, str]:
        """Return the encoding, None for bytes, and its error handling."""
        return self._encoding, self._errors

    def set_encoding(self, encoding: str | None, errors: str = "strict") -> None:
        """Change the encoding of what is read and written from now on; None for bytes.

        Raises LookupError if the encoding is not known.
        """
        if encoding is not None:
            codecs.lookup(encoding)
        self._encoding = encoding
        self._errors = errors
        self.encoded = encoding is not None
        self._decoder = TextDecoder(lambda: (encoding, errors))
        self._choose_delivery()

    def get_recv_window(self) -> int:
        """Return the receive window in bytes."""
        return self.window

    def is_window_full(self) -> bool:
        """Return whether hardly anything can come before some of what was received is consumed."""
        return self.receive_room <= self.window >> 6

    def get_read_datatypes(self) -> frozenset[int]:
        """Return the extended data types that may be received."""
        return self.read_datatypes

    def get_write_datatypes(self) -> frozenset[int]:
        """Return the extended data types that may be written."""
        return self.write_datatypes

    # --- Public API: reading -----------------------------------------------------------------

    def pause_reading(self) -> None:
        """Hold back data until `resume_reading`; at most a window of it is received."""
        self._reading_paused = True
        self._choose_delivery()

    def resume_reading(self) -> None:
        """Deliver what was held back, and what arrives."""
        if self._reading_paused:
            self._reading_paused = False
            if self._started:
                try:
                    self._release()
                except Exception as exc:
                    self.delivery_failed(exc)

    # --- Public API: writing -----------------------------------------------------------------

    def can_write_eof(self) -> bool:
        """Return true: every channel can be closed in one direction (RFC 4254 section 5.3)."""
        return True

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that wait for the peer's window or the core."""
        return self._queued

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the marks, in bytes, at which the session is told to pause and resume writing.

        Raises ValueError unless high >= low >= 0.
        """
        if high is None:
            high = 4 * low if low is not None else 128 * 1024
        if low is None:
            low = high // 4
        if not 0 <= low <= high:
            raise ValueError(f"high ({high}) must be >= low ({low}) must be >= 0")
        self._high = high
        self._low = low

    def write(self, data: AnyStr, datatype: DataType = None) -> None:
        """Write data; what can not be sent at once is queued.

        Parameters:
            data: `str` if the channel has an encoding, else bytes.
            datatype: `EXTENDED_DATA_STDERR`, or None for ordinary data.

        Raises BrokenPipeError if the channel is not open for writing, TypeError for the wrong
        kind of data, ValueError for a data type that the channel does not have.
        """
        if datatype is not None and datatype not in self.write_datatypes:
            raise ValueError("Invalid data type")
        encoding = self._encoding
        if encoding is None:
            if type(data) is bytes:
                self._send_data(data, datatype)
            elif isinstance(data, bytes | bytearray | memoryview):
                self._send_data(bytes(data), datatype)  # the caller may change it later
            else:
                raise TypeError(f"bytes expected, not {type(data).__name__}")
        elif isinstance(data, str):
            self._send_data(data.encode(encoding, self._errors), datatype)
        else:
            raise TypeError(f"str expected, not {type(data).__name__}")

    def write_raw(self, data: bytes, datatype: DataType = None) -> None:
        """Write bytes that are encoded already; otherwise like `write`."""
        if datatype is not None and datatype not in self.write_datatypes:
            raise ValueError("Invalid data type")
        self._send_data(data, datatype)

    def write_pieces(self, pieces: Sequence[bytes]) -> None:
        """Write bytes that are encoded already, in pieces of which large ones are not copied.

        Raises BrokenPipeError if the channel is not open for writing.
        """
        if sum(map(len, pieces)) <= self._send_max:
            self._send_data(b"".join(pieces), None)
        else:
            self._check_writable()
            self._queue_data(filter(None, pieces), None)

    def writelines(self, list_of_data: Iterable[AnyStr], datatype: DataType = None) -> None:
        """Write several pieces of data as one."""
        joined = b"" if self._encoding is None else ""
        self.write(cast("AnyStr", joined).join(list_of_data), datatype)

    def write_eof(self) -> None:
        """Send EOF behind what was written; reading goes on. A second call does nothing."""
        if self.sending is HalfState.OPEN and not self._eof_wanted and not self._close_wanted:
            self._send_eof()

    # --- Public API: closing -----------------------------------------------------------------

    def abort(self) -> None:
        """Close the channel now; what was written and not sent is dropped."""
        self._abort()

    def close(self) -> None:
        """Close the channel once what was written is sent; nothing more is delivered."""
        self._close()

    def is_closing(self) -> bool:
        """Return whether the channel is closing or closed."""
        return self._close_wanted or self.sending is HalfState.CLOSED

    async def wait_closed(self) -> None:
        """Wait until both sides have closed the channel and the session knows it."""
        if not self._finished and self.number >= 0:
            waiter: asyncio.Future[None] = self.loop.create_future()
            self._close_waiters.append(waiter)
            await waiter
