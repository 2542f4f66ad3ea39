"""The channel table of a connection and the dispatch of its messages (RFC 4254).

`Mux.handlers()` goes to `TransportCore.set_handlers`; nothing here opens a socket or starts a
timer. Inbound data costs one table look-up. Outbound, channels that wait for the core take turns,
each with a bounded quantum, when it becomes writable.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from struct import Struct
from typing import TYPE_CHECKING, Final, Protocol

from ssh_keys.wire import PacketDecodeError
from ssh_transport.errors import ProtocolError, printable
from ssh_transport.protocols import Handler
from ssh_transport.texts import DEFAULT_TEXT_ERRORS, decode_text

from .awaiting import start_waiting
from .channel.base import Channel
from .channel.link import ConnectionServices as _ChannelServices
from .channel.link import PacketSender
from .channel.state import HalfState
from .constants import (
    MAX_UINT32,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_CONNECT_FAILED,
    OPEN_RESOURCE_SHORTAGE,
    SSH_MSG_CHANNEL_CLOSE,
    SSH_MSG_CHANNEL_DATA,
    SSH_MSG_CHANNEL_EOF,
    SSH_MSG_CHANNEL_EXTENDED_DATA,
    SSH_MSG_CHANNEL_FAILURE,
    SSH_MSG_CHANNEL_OPEN,
    SSH_MSG_CHANNEL_OPEN_CONFIRMATION,
    SSH_MSG_CHANNEL_OPEN_FAILURE,
    SSH_MSG_CHANNEL_REQUEST,
    SSH_MSG_CHANNEL_SUCCESS,
    SSH_MSG_CHANNEL_WINDOW_ADJUST,
    SSH_MSG_GLOBAL_REQUEST,
    SSH_MSG_REQUEST_FAILURE,
    SSH_MSG_REQUEST_SUCCESS,
)
from .errors import ChannelOpenError
from .global_requests import GlobalRequests
from .messages.connection import (
    ChannelClose,
    ChannelEof,
    ChannelFailure,
    ChannelOpen,
    ChannelOpenConfirmation,
    ChannelOpenFailure,
    ChannelRequest,
    ChannelSuccess,
    ChannelWindowAdjust,
)

if TYPE_CHECKING:
    import asyncio

__all__ = ["ConnectionServices", "Mux"]

DEFAULT_MAX_CHANNELS: Final = 1000
"""Channels that the peer may have open."""
DEFAULT_MAX_PENDING_OPENS: Final = 64
"""Channel opens of the peer that may wait for a decision."""
QUANTUM: Final = 256 * 1024
"""Bytes that a channel may send before the next one has its turn."""

_OPEN = HalfState.OPEN
_TWO_UINT32 = Struct(">II").unpack_from
_THREE_UINT32 = Struct(">III").unpack_from


class ConnectionServices(_ChannelServices, Protocol):
    """What the mux and the channels need from the connection object."""

    def open_requested(self, request: ChannelOpen) -> Channel | Awaitable[Channel]:
        """The peer wants to open a channel.

        Return the new channel with its session set, or an awaitable of it (run as one task;
        the number of pending ones is bounded). Raise ChannelOpenError to refuse.
        """
        ...

    def global_request_received(
        self, name: bytes, data: bytes
    ) -> bytes | Awaitable[bytes | None] | None:
        """Answer a global request: data of SSH_MSG_REQUEST_SUCCESS, or None to refuse."""
        ...

    def channels_idle(self) -> None:
        """The last channel was closed."""
        ...


class Mux:
    """All channels of one connection.

    Parameters:
        core: the transport core, or what stands for it in a test.
        services: the connection object.
        loop: runs awaitable handlers and holds the futures of what waits.
        max_channels: channels that the peer may have open at a time; more are refused with
            OPEN_RESOURCE_SHORTAGE.
        max_pending_opens: opens of the peer that may wait for a decision; more are refused.
    """

    def __init__(
        self,
        core: PacketSender,
        services: ConnectionServices,
        loop: asyncio.AbstractEventLoop,
        *,
        max_channels: int = DEFAULT_MAX_CHANNELS,
        max_pending_opens: int = DEFAULT_MAX_PENDING_OPENS,
        text_errors: str = DEFAULT_TEXT_ERRORS,
    ) -> None:
        self.core = core
        self.loop = loop
        self._services = services
        self._max_channels = max_channels
        self._max_pending_opens = max_pending_opens
        self._text_errors = text_errors
        self._channels: dict[int, Channel] = {}
        # Dictionaries for sets: an empty one takes 64 bytes instead of 216.
        self._accepted: dict[int, None] = {}
        self._opening: dict[int, asyncio.Future[None]] = {}
        self._pending_opens: dict[asyncio.Task[None], None] = {}
        self._next_number = 0
        self.ready: list[Channel] = []  # short, and an empty deque takes 600 bytes
        self._lost = False
        self._global = GlobalRequests(core, loop, services.global_request_received)

    def handlers(self) -> Mapping[int, Handler]:
        """Message number to handler, for `TransportCore.set_handlers`."""
        return {
            SSH_MSG_GLOBAL_REQUEST: self._global.on_request,
            SSH_MSG_REQUEST_SUCCESS: self._global.on_success,
            SSH_MSG_REQUEST_FAILURE: self._global.on_failure,
            SSH_MSG_CHANNEL_OPEN: self._on_open,
            SSH_MSG_CHANNEL_OPEN_CONFIRMATION: self._on_open_confirmation,
            SSH_MSG_CHANNEL_OPEN_FAILURE: self._on_open_failure,
            SSH_MSG_CHANNEL_WINDOW_ADJUST: self._on_window_adjust,
            SSH_MSG_CHANNEL_DATA: self._on_data,
            SSH_MSG_CHANNEL_EXTENDED_DATA: self._on_extended_data,
            SSH_MSG_CHANNEL_EOF: self._on_eof,
            SSH_MSG_CHANNEL_CLOSE: self._on_close,
            SSH_MSG_CHANNEL_REQUEST: self._on_request,
            SSH_MSG_CHANNEL_SUCCESS: self._on_success,
            SSH_MSG_CHANNEL_FAILURE: self._on_failure,
        }

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Channels that are open or opening."""
        return tuple(self._channels.values())

    # --- For the connection object -----------------------------------------------------------

    async def open(self, channel: Channel, channel_type: bytes, type_data: bytes = b"") -> None:
        """Open `channel` (RFC 4254 section 5.1) and wait until the peer has confirmed it.

        Parameters:
            channel_type: as in `b"session"`.
            type_data: data of that channel type, encoded.

        Raises ChannelOpenError if the peer refuses or the connection is lost.
        """
        if self._lost:
            raise ChannelOpenError(OPEN_CONNECT_FAILED, "SSH connection closed")
        number = self._new_number()
        channel.number = number
        waiter: asyncio.Future[None] = self.loop.create_future()
        self._channels[number] = channel
        self._opening[number] = waiter
        request = ChannelOpen(channel_type, number, channel.window, channel.max_pktsize, type_data)
        self.core.send(request.encode())
        try:
            await waiter
        except BaseException:
            # Cancelled after the confirmation: nobody will use the channel. Cancelled before it:
            # so is the waiter, and the confirmation will be answered by CLOSE.
            channel.abandon()
            raise
        finally:
            del waiter  # it has the exception, and the exception this frame

    async def global_request(
        self, name: bytes, data: bytes = b"", answered: Callable[[bytes], None] | None = None
    ) -> bytes:
        """Send a global request (RFC 4254 section 4) and return the data of the reply.

        Parameters:
            answered: called at once with the data, before any further message is handled.

        Raises GlobalRequestError if the peer refuses, ConnectionLost if there is no reply.
        """
        return await self._global.request(name, data, answered)

    def send_global_request(self, name: bytes, data: bytes = b"") -> None:
        """Send a global request that wants no reply."""
        self._global.send(name, data)

    def on_writable(self) -> None:
        """The core can take bulk data again: let the waiting channels send in turn."""
        core, ready = self.core, self.ready
        while ready and not core.blocked:
            channel = ready.pop(0)
            channel.scheduled = False
            if channel.drain(QUANTUM):
                self._enqueue(channel)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended: every channel and everything that waits hears of it."""
        if self._lost:
            return
        self._lost = True
        for task in tuple(self._pending_opens):
            task.cancel()
        self.ready.clear()
        self._global.connection_lost(exc)
        channels, opening = tuple(self._channels.values()), tuple(self._opening.values())
        self._channels.clear()
        self._opening.clear()
        self._accepted.clear()
        for waiter in opening:
            if not waiter.done():
                reason = str(exc) if exc else "SSH connection closed"
                waiter.set_exception(ChannelOpenError(OPEN_CONNECT_FAILED, reason))
        for channel in channels:
            channel.on_connection_lost(exc)

    # --- For channels ------------------------------------------------------------------------

    def schedule(self, channel: Channel) -> None:
        """Drain the channel now or, if others wait already or the core is blocked, in turn."""
        if channel.scheduled:
            return
        others_wait = bool(self.ready)
        self._enqueue(channel)
        if not others_wait and not self.core.blocked:
            self.on_writable()

    def schedule_when_read(self, channel: Channel) -> None:
        """Drain the channel once everything that was received is handled.

        A peer may open the window many times in one read, by a little each time; filling it once
        makes full packets.
        """
        self._enqueue(channel)
        self.core.call_when_read = True

    def remove(self, channel: Channel) -> None:
        """Forget a channel that both sides have closed; its number may be used again."""
        del self._channels[channel.number]
        self._accepted.pop(channel.number, None)
        if not self._channels and not self._lost:
            self._services.channels_idle()

    def _enqueue(self, channel: Channel) -> None:
        if not channel.scheduled:
            channel.scheduled = True
            self.ready.append(channel)

    def _new_number(self) -> int:
        number = self._next_number
        while number in self._channels:
            number = (number + 1) & MAX_UINT32
        self._next_number = (number + 1) & MAX_UINT32
        return number

    # --- Data: the hot path, parsed by hand --------------------------------------------------

    def _on_data(self, packet: bytes, start: int, end: int) -> None:
        if end - start < 8:
            raise PacketDecodeError("SSH_MSG_CHANNEL_DATA truncated")
        number, size = _TWO_UINT32(packet, start)
        if size != end - start - 8:
            raise PacketDecodeError("SSH_MSG_CHANNEL_DATA: wrong length of its data")
        channel = self._channels.get(number)
        if channel is None:
            raise self._unknown(SSH_MSG_CHANNEL_DATA, number)
        left = channel.receive_room - size
        deliver = channel.deliver
        if left < 0 or size > channel.max_pktsize or channel.receiving is not _OPEN or not deliver:
            channel.on_data(packet, start + 8, end)
            return
        # What `on_data` does, without a call between: this is every packet of a transfer.
        channel.receive_room = left
        try:
            deliver(packet, start + 8, end, None)
        except Exception as exc:
            channel.delivery_failed(exc)

    def on_data_run(self, packets: list[bytes]) -> None:
        """Handle packets of SSH_MSG_CHANNEL_DATA that came one behind another.

        Mostly all are of one channel whose session takes them together. Whatever else they are,
        also malformed, they are handled one by one.
        """
        first = packets[0]
        channel = self._channels.get(_TWO_UINT32(first, 2)[0]) if len(first) >= 10 else None
        if channel is None or channel.deliver_run is None or not self._run_taken(channel, packets):
            for packet in packets:
                self._on_data(packet, 2, len(packet) - packet[0])

    def _run_taken(self, channel: Channel, packets: list[bytes]) -> bool:
        deliver = channel.deliver_run
        if deliver is None or channel.receiving is not _OPEN:
            return False
        number, left, largest = channel.number, channel.receive_room, channel.max_pktsize
        ends = []
        for packet in packets:
            end = len(packet) - packet[0]
            if end < 10:
                return False
            recipient, size = _TWO_UINT32(packet, 2)
            if recipient != number or size != end - 10 or size > largest:
                return False
            left -= size
            ends.append(end)
        if left < 0:
            return False
        size = channel.receive_room - left
        channel.receive_room = left
        try:
            deliver(packets, 10, ends, size)
        except Exception as exc:
            channel.delivery_failed(exc)
        return True

    def _on_extended_data(self, packet: bytes, start: int, end: int) -> None:
        if end - start < 12:
            raise PacketDecodeError("SSH_MSG_CHANNEL_EXTENDED_DATA truncated")
        number, datatype, size = _THREE_UINT32(packet, start)
        if size != end - start - 12:
            raise PacketDecodeError("SSH_MSG_CHANNEL_EXTENDED_DATA: wrong length of its data")
        channel = self._channels.get(number)
        if channel is None:
            raise self._unknown(SSH_MSG_CHANNEL_EXTENDED_DATA, number)
        channel.on_extended_data(datatype, packet, start + 12, end)

    def _on_window_adjust(self, packet: bytes, start: int, end: int) -> None:
        if end - start != 8:
            ChannelWindowAdjust.decode(packet, start, end)
        number, size = _TWO_UINT32(packet, start)
        channel = self._channels.get(number)
        if channel is None:
            raise self._unknown(SSH_MSG_CHANNEL_WINDOW_ADJUST, number)
        channel.on_window_adjust(size)

    # --- Other channel messages --------------------------------------------------------------

    def _unknown(self, message: int, number: int) -> ProtocolError:
        return ProtocolError(f"message {message} for channel {number}, which is not open")

    def _find(self, message: int, number: int) -> Channel:
        channel = self._channels.get(number)
        if channel is None:
            raise self._unknown(message, number)
        return channel

    def _on_eof(self, packet: bytes, start: int, end: int) -> None:
        number = ChannelEof.decode(packet, start, end).recipient_channel
        self._find(SSH_MSG_CHANNEL_EOF, number).on_eof()

    def _on_close(self, packet: bytes, start: int, end: int) -> None:
        number = ChannelClose.decode(packet, start, end).recipient_channel
        self._find(SSH_MSG_CHANNEL_CLOSE, number).on_close()

    def _on_request(self, packet: bytes, start: int, end: int) -> None:
        request = ChannelRequest.decode(packet, start, end)
        self._find(SSH_MSG_CHANNEL_REQUEST, request.recipient_channel).on_request(request)

    def _on_success(self, packet: bytes, start: int, end: int) -> None:
        number = ChannelSuccess.decode(packet, start, end).recipient_channel
        self._find(SSH_MSG_CHANNEL_SUCCESS, number).on_reply(SSH_MSG_CHANNEL_SUCCESS)

    def _on_failure(self, packet: bytes, start: int, end: int) -> None:
        number = ChannelFailure.decode(packet, start, end).recipient_channel
        self._find(SSH_MSG_CHANNEL_FAILURE, number).on_reply(SSH_MSG_CHANNEL_FAILURE)

    # --- Opening: ours -----------------------------------------------------------------------

    def _on_open_confirmation(self, packet: bytes, start: int, end: int) -> None:
        reply = ChannelOpenConfirmation.decode(packet, start, end)
        channel = self._find(SSH_MSG_CHANNEL_OPEN_CONFIRMATION, reply.recipient_channel)
        channel.on_open_confirmation(
            reply.sender_channel, reply.initial_window_size, reply.maximum_packet_size
        )
        waiter = self._opening.pop(channel.number)
        if waiter.done():
            channel.abandon()
        else:
            channel.opened()
            waiter.set_result(None)

    def _on_open_failure(self, packet: bytes, start: int, end: int) -> None:
        reply = ChannelOpenFailure.decode(packet, start, end)
        text = decode_text(reply.description, self._text_errors, "reason of an open failure")
        channel = self._find(SSH_MSG_CHANNEL_OPEN_FAILURE, reply.recipient_channel)
        channel.on_open_failure()
        waiter = self._opening.pop(channel.number)
        self.remove(channel)
        if not waiter.done():
            lang = printable(reply.language_tag)
            waiter.set_exception(ChannelOpenError(reply.reason_code, printable(text), lang))

    # --- Opening: the peer's -----------------------------------------------------------------

    def _on_open(self, packet: bytes, start: int, end: int) -> None:
        request = ChannelOpen.decode(packet, start, end)
        if request.maximum_packet_size == 0:
            self._refuse(
                request,
                ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, "maximum packet size is 0"),
            )
        elif (
            len(self._accepted) + len(self._pending_opens) >= self._max_channels
            or len(self._pending_opens) >= self._max_pending_opens
        ):
            self._refuse(request, ChannelOpenError(OPEN_RESOURCE_SHORTAGE, "too many channels"))
        else:
            self._decide(request)

    def _decide(self, request: ChannelOpen) -> None:
        try:
            answer = self._services.open_requested(request)
        except Exception as exc:
            self._refuse(request, exc)
            return
        if isinstance(answer, Channel):
            self._accept(request, answer)
        else:
            task = start_waiting(self.loop, self._wait_for_channel(request, answer), answer)
            self._pending_opens[task] = None
            task.add_done_callback(self._open_decided)

    def _open_decided(self, task: asyncio.Task[None]) -> None:
        self._pending_opens.pop(task, None)

    async def _wait_for_channel(self, request: ChannelOpen, answer: Awaitable[Channel]) -> None:
        try:
            channel = await answer
        except Exception as exc:
            self._refuse(request, exc)
        else:
            self._accept(request, channel)

    def _accept(self, request: ChannelOpen, channel: Channel) -> None:
        number = self._new_number()
        confirmation = channel.accept(
            number,
            request.sender_channel,
            request.initial_window_size,
            request.maximum_packet_size,
        )
        if self._lost:
            # What the application has prepared (a socket, say) hears of the end like any other.
            channel.opened()
            channel.on_connection_lost(None)
            return
        self._channels[number] = channel
        self._accepted[number] = None
        self.core.send(confirmation)
        channel.opened()

    def _refuse(self, request: ChannelOpen, exc: Exception) -> None:
        if self._lost:
            return
        if isinstance(exc, PacketDecodeError):
            # What the peer has sent, and no reason for a traceback here.
            exc = ChannelOpenError(OPEN_CONNECT_FAILED, "malformed request")
        elif not isinstance(exc, ChannelOpenError):
            self.loop.call_exception_handler(
                {"message": "opening of an SSH channel failed", "exception": exc}
            )
            exc = ChannelOpenError(OPEN_CONNECT_FAILED, "channel could not be opened")
        # Codes above the RFC's are of our API only; on the wire they would mean nothing.
        code = exc.code if exc.code <= 0xFEFFFFFF else OPEN_CONNECT_FAILED
        failure = ChannelOpenFailure(
            request.sender_channel, code, exc.reason.encode(), exc.lang.encode()
        )
        self.core.send(failure.encode())
