"""The asyncio side of the transport: sockets, flushing, timers, back-pressure.

Output is written once per turn of the event loop, or when 256 KiB are ready. Reading stops while
the peer does not take what we answer, or while a decision is pending and the input is full.
"""

from __future__ import annotations

import asyncio
import os
from time import monotonic
from typing import Protocol, cast
from weakref import WeakKeyDictionary

from .bulk_reads import BULK_READ, BulkReads
from .config import TransportConfig
from .constants import DisconnectReason
from .core import TransportCore
from .errors import ConnectionLost, DisconnectError, KeyExchangeFailed
from .events import Disconnected, Event
from .login_reads import LoginReads
from .packet import ReceiveBuffer
from .packet_writer import OutputPool
from .slow_steps import SlowStep

__all__ = ["AsyncTransport", "TransportOwner", "create_core"]

_WRITE_HIGH = 256 * 1024  # bytes the socket did not take at which `blocked` becomes true
_WRITE_LOW = 0  # then all of our memory is returned; what the kernel holds keeps the line busy
_STOP_READING = 1024 * 1024  # bytes of our answers not taken at which we stop reading
_REQUEST_SIZE = 4096  # bytes up to which a packet is taken for a request, not for bulk data
_QUIET = 0.0002  # seconds without output after which a packet is not held for others to join it
_CLOSE_TIMEOUT = 10.0  # seconds to send what is left, SSH_MSG_DISCONNECT in particular


class GetBuffer(Protocol):
    """Type of `asyncio.BufferedProtocol.get_buffer`."""

    def __call__(self, sizehint: int = -1) -> memoryview:
        """Return where the next received bytes go."""


class TransportOwner(Protocol):
    """What sits on top of a transport."""

    def on_event(self, event: Event) -> None:
        """Something happened; events come in order."""

    def on_writable(self) -> None:
        """`core.blocked` became false."""

    def on_lost(self, exc: DisconnectError | None) -> None:
        """The connection is gone; exactly once, the last call. None: it was closed by `close`."""


class _Nobody:
    """The owner of a transport that is gone."""

    def on_event(self, event: Event) -> None:
        """Nothing happens any more."""

    def on_writable(self) -> None:
        """Nothing can be sent any more."""

    def on_lost(self, exc: DisconnectError | None) -> None:
        """It is gone already."""


_NOBODY = _Nobody()


class _LoopMemory:
    """Memory that the connections of one event loop share.

    On selector loops (asyncio's and uvloop's) `get_buffer`, the read and `buffer_updated` run
    without interruption, so one receive buffer is enough for all connections.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.pool = OutputPool()
        shared = isinstance(loop, asyncio.SelectorEventLoop) or type(loop).__module__ == "uvloop"
        self.buffer = ReceiveBuffer() if shared else None


_memory: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopMemory] = WeakKeyDictionary()


def create_core(config: TransportConfig, *, tunnelled: bool = False) -> TransportCore:
    """Return a core for the running event loop.

    Parameters:
        config: role, algorithms and limits.
        tunnelled: true if its bytes do not come from a socket of the loop but from a handler of
            another connection: it then has a receive buffer of its own.
    """
    loop = asyncio.get_running_loop()
    memory = _memory.get(loop)
    if memory is None:
        memory = _memory[loop] = _LoopMemory(loop)
    return TransportCore(
        config,
        random=os.urandom,
        clock=loop.time,
        buffer=None if tunnelled else memory.buffer,
        pool=memory.pool,
    )


class AsyncTransport(asyncio.BufferedProtocol):
    """Binds a `TransportCore` to an asyncio transport.

    Parameters:
        core: made by `create_core`.
        owner: gets the events.
    """

    get_buffer: GetBuffer
    """Returns where asyncio reads the next bytes into; the core's, without a call between."""

    def __init__(self, core: TransportCore, owner: TransportOwner) -> None:
        self.core = core
        self.get_buffer = core.get_buffer
        self._writer = core.writer
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._busy = False
        self._turn: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._reading_paused = False
        self._backed_up = False
        self._clean = False
        self._error: DisconnectError | None = None
        self._flushed_at = 0.0
        self._lent = False
        self._bulk: BulkReads | None = None
        self._bulk_sent = 0
        self._login: LoginReads | None = None
        core.on_output = self._output_started
        core.on_events = self._schedule
        core.on_output_full = self._flush
        core.on_writable = owner.on_writable
        core.on_slow_step = self._run_slow_step

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return what asyncio knows of the connection: "peername", "sockname", "socket", ..."""
        if self._transport is None:
            return default
        value: object = self._transport.get_extra_info(name, default)
        return value

    # --- asyncio.BufferedProtocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the protocol: our identification string and KEXINIT leave in one write."""
        # Not checked with isinstance: the transports of uvloop are no subclass.
        self._transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(high=_WRITE_HIGH, low=_WRITE_LOW)
        self._login = login = LoginReads(transport, self.core, self._loop.time())
        self.core.start()
        self._settle()
        self._prepare_read(login)

    def buffer_updated(self, nbytes: int) -> None:
        """Handle bytes that were read."""
        self._busy = True
        if not self.core.buffer_updated(nbytes) or self._backed_up:
            quiet = False
            self._settle()
        elif quiet := not self._writer.size:
            self._busy = False
        else:
            # The answers of interactive use: nothing that `_settle` looks after has changed.
            self._flush()
            self._busy = False
        if self._login is not None:
            self._prepare_read(self._login)
        bulk = self._bulk
        if self._bulk_sent:
            sent, self._bulk_sent = self._bulk_sent, 0
            if bulk is not None:
                bulk.acknowledged(nbytes, sent)
            elif self._transport is not None:
                self._bulk = BulkReads(self._transport, self._loop)
        elif bulk is not None:
            if quiet:
                bulk.note(nbytes)
            else:
                bulk.answered()
        elif nbytes >= BULK_READ and self._transport is not None:
            self._bulk = BulkReads(self._transport, self._loop)

    def _prepare_read(self, login: LoginReads) -> None:
        if not login.prepare():
            self._login = None

    def feed(self, data: bytes) -> None:
        """Handle bytes that came by another way than `get_buffer` (a tunnel)."""
        self._busy = True
        self.core.feed(data)
        self._settle()

    def eof_received(self) -> bool:
        """The peer closed its side."""
        self.core.eof_received()
        self._settle()
        return False

    def pause_writing(self) -> None:
        """The socket does not take more: bulk data waits."""
        self._backed_up = True
        self.core.set_output_paused(True)

    def resume_writing(self) -> None:
        """The socket takes data again."""
        self._backed_up = False
        self.core.set_output_paused(False)
        self._settle()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if not self.core.closed:
            self.core.lost(_connection_lost(exc))
        self._transport = None
        if self._bulk is not None:
            self._bulk.close()
        if self._login is not None:
            self._login.close()
        for handle in (self._turn, self._timer, self._close_timer):
            if handle is not None:
                handle.cancel()
        self._deliver_events()
        self.core.output_sent(reusable=True)
        self._owner.on_lost(None if self._clean else self._error)
        # Nothing may keep them alive in a cycle: there may be thousands of connections.
        self._owner = _NOBODY
        self.core.on_output = self.core.on_events = self.core.on_output_full = _nothing
        self.core.on_writable = _nothing
        self.core.on_slow_step = None

    # --- The owner's side ---

    def close(self) -> None:
        """Say goodbye to the peer and close once everything was sent."""
        if not self.core.closed:
            self._clean = True
            self.disconnect(DisconnectReason.SSH_DISCONNECT_BY_APPLICATION, "closed")

    def disconnect(self, code: int, reason: str, lang: str = "en-US") -> None:
        """Say goodbye to the peer, now rather than with the next turn of the loop.

        Parameters as of `TransportCore.disconnect`.
        """
        if self._busy or self._transport is None:
            self.core.disconnect(code, reason, lang)
            return
        self._busy = True
        try:
            self.core.disconnect(code, reason, lang)
        finally:
            self._settle()

    def abort(self) -> None:
        """Close at once; output that the socket did not take yet is lost."""
        if not self.core.closed:
            self._clean = True
            self.core.lost(ConnectionLost("connection aborted"))
        if self._transport is not None:
            self._transport.abort()

    # --- Slow steps of key exchange, in a thread of the loop's executor ---

    def _run_slow_step(self, step: SlowStep) -> None:
        try:
            future = self._loop.run_in_executor(None, step)
        except RuntimeError:
            self.core.fail(KeyExchangeFailed("event loop is shutting down"))
        else:
            future.add_done_callback(lambda _: self._slow_step_done(step))

    def _slow_step_done(self, step: SlowStep) -> None:
        self._busy = True
        try:
            self.core.step_finished(step)
        except Exception as exc:
            self.core.lost(_connection_lost(exc))
        self._settle()

    # --- Turns of the loop ---

    def _output_started(self) -> None:
        """Send a small first packet after a while at once, what follows it with the next turn.

        A request that waits for its answer so saves a turn of the loop (10 us), while a burst
        costs one write more. Bulk data is better sent together.
        """
        if self._busy or self._turn is not None or self._transport is None:
            return
        if self._writer.size <= _REQUEST_SIZE and monotonic() - self._flushed_at > _QUIET:
            self._flush()
        else:
            self._turn = self._loop.call_soon(self._run_turn)

    def _schedule(self) -> None:
        if not self._busy and self._turn is None and self._transport is not None:
            self._turn = self._loop.call_soon(self._run_turn)

    def _run_turn(self) -> None:
        self._turn = None
        self._settle()

    def _settle(self) -> None:
        """Deliver events, send what is ready, adjust reading and the timer."""
        self._busy = True
        try:
            self._deliver_events()
            self._flush()
        finally:
            self._busy = False
        transport = self._transport
        if transport is None:
            return
        core = self.core
        stop = core.input_full or (
            self._backed_up and transport.get_write_buffer_size() > _STOP_READING
        )
        if stop is not self._reading_paused and not transport.is_closing():
            self._reading_paused = stop
            if stop:
                transport.pause_reading()
            else:
                transport.resume_reading()
        deadline = core.next_deadline()
        if self._login is not None and deadline is not None:
            deadline = min(deadline, self._login.deadline)
        if deadline != self._deadline:
            self._arm(deadline)

    def _deliver_events(self) -> None:
        while events := self.core.drain_events():
            for event in events:
                if isinstance(event, Disconnected):
                    self._ended(event)
                self._owner.on_event(event)

    def _ended(self, event: Disconnected) -> None:
        self._error = event.error
        transport = self._transport
        if transport is not None:
            self._flush()
            transport.close()
            if transport.get_write_buffer_size():
                self._close_timer = self._loop.call_later(_CLOSE_TIMEOUT, transport.abort)

    def _flush(self) -> None:
        transport = self._transport
        core = self.core
        size = self._writer.size
        if transport is None or not size:
            return
        if transport.is_closing():
            core.output_sent(reusable=True)
            return
        self._flushed_at = monotonic()
        if size <= _REQUEST_SIZE:
            transport.write(core.take_output())
            return
        self._bulk_sent += size
        if self._lent and not transport.get_write_buffer_size():
            core.output_returned()
        transport.write(core.output())
        # What the socket did not take, asyncio may keep as a view of our memory.
        self._lent = transport.get_write_buffer_size() > 0
        core.output_sent(reusable=not self._lent)

    def _arm(self, deadline: float | None) -> None:
        self._deadline = deadline
        timer = self._timer
        if timer is not None:
            # One that fires too early costs less than cancelling it with every change.
            if deadline is not None and timer.when() <= deadline:
                return
            timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = self._deadline = None
        now = self._loop.time()
        if self._login is not None:
            self._login.expire(now)
        self.core.handle_timer(now)
        self._settle()


def _nothing() -> None:
    """Do nothing: what the hooks of a core without a connection call."""


def _connection_lost(exc: Exception | None) -> ConnectionLost:
    if exc is None:
        return ConnectionLost("connection lost")
    if isinstance(exc, OSError):
        return ConnectionLost(f"connection lost: {exc.strerror or type(exc).__name__}")
    error = ConnectionLost("connection ended by an internal error")
    error.__cause__ = exc
    return error
