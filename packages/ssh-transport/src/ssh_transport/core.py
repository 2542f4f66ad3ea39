"""`TransportCore`: RFC 4253 without I/O.

Bytes and time go in, bytes and events come out. Packets are pushed to handlers through a table that
is exchanged when the phase changes; rare facts are events that the owner drains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ssh_keys import SSHKey
from ssh_keys.wire import PacketDecodeError

from .config import TransportConfig
from .dispatch import Dispatcher, encode_debug, slots_of
from .epochs import KeyEpochs
from .errors import ConnectionLost, DisconnectError, ProtocolError
from .events import Disconnected, Event, PreBannerLine, VersionReceived
from .explain import Explanation, explain
from .identification import Identification
from .keepalive import Keepalive
from .messages import Ignore, ServiceAccept, ServiceRequest, encode_disconnect
from .packet import PacketReader, ReceiveBuffer
from .packet_writer import OutputPool, PacketWriter
from .phases import Phase
from .protocols import GSSContext, Handler, Role, RunHandler
from .slow_steps import SlowStep
from .suites import NegotiatedAlgorithms

__all__ = ["TransportCore"]

_FLUSH_SIZE = 256 * 1024
_COVER = Ignore(b"").encode()


def _nothing() -> None:
    """Do nothing: the hook of a core that nobody listens to."""


class TransportCore:
    """One side of one connection.

    Parameters:
        config: role, algorithms and limits.
        random: gives that many random bytes.
        clock: seconds, monotonic; the time base of `next_deadline`.
        buffer, pool: memory shared with other connections of the same event loop.

    `answer_awaited` is set by a layer above that has sent a request behind SSH_MSG_SERVICE_REQUEST:
    SSH_MSG_SERVICE_ACCEPT is not all that the peer has to send.

    An adapter may set six hooks: `on_output` (there is output where there was none),
    `on_output_full` (send now, before more is written), `on_writable` (`blocked` became false),
    `on_events` (there are events where there were none), `on_slow_step` (run a step of a key
    exchange that takes milliseconds, then call `step_finished`; without it the core runs it) and
    `on_keepalive` (ask a peer that knows no ping something that it has to answer).
    """

    def __init__(
        self,
        config: TransportConfig,
        *,
        random: Callable[[int], bytes],
        clock: Callable[[], float],
        buffer: ReceiveBuffer | None = None,
        pool: OutputPool | None = None,
    ) -> None:
        self.config = config
        self.role = config.role
        self.phase = Phase.FIRST_KEX
        self.blocked = True
        self.call_when_read = False
        self.closed = False
        self.answer_awaited = False
        self.peer_version = b""
        self.server_sig_algs: tuple[bytes, ...] | None = None
        self.peer_extensions: dict[bytes, bytes] = {}
        self.on_output: Callable[[], None] = _nothing
        self.on_output_full: Callable[[], None] = _nothing
        self.on_writable: Callable[[], None] = _nothing
        self.on_events: Callable[[], None] = _nothing
        self.on_slow_step: Callable[[SlowStep], None] | None = None
        self.on_keepalive: Callable[[], None] | None = None
        self._reader = PacketReader(buffer)
        self.least_size = self._reader.least_size
        """Returns the bytes of the smallest packet of the peer with a payload of that size."""
        self.get_buffer = self._reader.get_buffer
        """Returns where the next received bytes go."""
        self.writer = PacketWriter(random, pool)
        self.take_output = self.writer.take_output
        """Returns a copy of what is to be sent and forgets it."""
        self._identification: Identification | None = Identification(config.role)
        self._events: list[Event] = []
        self._output_paused = False
        self._epochs = KeyEpochs(self, self._reader, self.writer, random, clock)
        self._keepalive = Keepalive(config.keepalive_seconds, config.keepalive_count)
        self._clock = clock
        self._dispatcher = Dispatcher(self, self._epochs.kex)
        self._handlers = self._dispatcher.handlers({})
        self.update_handlers()

    @property
    def session_id(self) -> bytes:
        """Session identifier (RFC 4253 section 7.2); empty before the first key exchange."""
        return self._epochs.kex.session_id

    @property
    def algorithms(self) -> NegotiatedAlgorithms | None:
        """What was negotiated last."""
        suite = self._epochs.kex.suite
        return suite.algorithms if suite else None

    def explain(self) -> Explanation | None:
        """Say why each algorithm of the last negotiation was chosen and why each was not.

        Also after a negotiation that failed; None before the peer's SSH_MSG_KEXINIT.
        """
        offers = self._epochs.kex.offers()
        return explain(self.role, *offers) if offers else None

    @property
    def host_key(self) -> SSHKey | None:
        """Client: the server's host key, once it is accepted."""
        return self._epochs.kex.host_key

    @property
    def gss_context(self) -> GSSContext | None:
        """The context of the last GSS-API key exchange, for `gssapi-keyex` (RFC 4462 section 4)."""
        return self._epochs.kex.gss_context

    @property
    def strict_kex(self) -> bool:
        """Whether both sides speak strict key exchange (PROTOCOL section 1.9)."""
        return self._epochs.strict

    # --- Bytes in ---

    def start(self) -> None:
        """Send the identification string and KEXINIT; call once, when connected."""
        self.writer.write_raw(self.config.version + b"\r\n")
        self._epochs.kex.start()
        self.output_started()

    @property
    def input_full(self) -> bool:
        """True if received bytes wait for a decision: do not read from the socket now."""
        return self._reader.full

    def buffer_updated(self, count: int) -> bool:
        """Handle `count` bytes that were written into what `get_buffer` returned.

        Never raises for what the peer sent: that ends the connection with a `Disconnected`.
        Returns true if there is nothing to do now but to send output, if there is some.
        """
        reader = self._reader
        if self.closed:
            return False
        try:
            if self._identification is not None:
                reader.add(count)
                if reader.paused or not self._identified():
                    return False
                count = 0
            reader.process(count)
            if reader.epoch_bytes > reader.check_at:
                self._epochs.check_limits()
            if self.call_when_read and not self.blocked:
                self.call_when_read = False
                self.on_writable()
        except DisconnectError as exc:
            self.fail(exc)
        except PacketDecodeError as exc:
            self.fail(ProtocolError(str(exc)))
        return not (self._events or reader.paused or (self.blocked and self.writer.size))

    def feed(self, data: bytes) -> None:
        """Handle bytes that were received elsewhere (a tunnel, a test)."""
        view = memoryview(data)
        while view and not self.closed:
            if self._reader.paused and self._reader.full:
                raise ValueError("core is paused and its input is full")
            room = self.get_buffer()
            count = min(len(room), len(view))
            room[:count] = view[:count]
            view = view[count:]
            self.buffer_updated(count)

    def eof_received(self) -> None:
        """The peer closed the connection."""
        self.lost(ConnectionLost("connection closed by the peer"))

    def lost(self, error: DisconnectError) -> None:
        """The connection is gone: nothing can be sent any more."""
        if not self.closed:
            self._close(error, by_peer=False)

    def _identified(self) -> bool:
        self._reader.take_raw(self._identify)
        return self._identification is None

    def _identify(self, buf: bytearray, start: int, end: int) -> int:
        identification = self._identification
        assert identification is not None
        stop = identification.feed(buf, start, end)
        for line in identification.take_lines():
            self.emit(PreBannerLine(line))
        if identification.version:
            self._identification = None
            self.peer_version = identification.version
            versions = (self.config.version, self.peer_version)
            self._epochs.kex.versions = versions if self.role is Role.CLIENT else versions[::-1]
            self.emit(VersionReceived(self.peer_version))
        return stop

    # --- Bytes out ---

    @property
    def output_size(self) -> int:
        """Bytes that are ready to be sent."""
        return self.writer.size

    def output(self) -> memoryview:
        """Return a view of what is to be sent; then call `output_sent`."""
        return self.writer.output()

    def output_sent(self, *, reusable: bool) -> None:
        """The output was sent; `reusable` if nobody refers to its memory any more."""
        self.writer.sent(reusable=reusable)

    def output_returned(self) -> None:
        """Nobody refers to the memory of earlier output any more."""
        self.writer.returned()

    def set_output_paused(self, paused: bool) -> None:
        """Tell the core that what it wrote is not being taken: bulk data has to wait."""
        self._output_paused = paused
        self.update_blocked()

    def update_blocked(self) -> None:
        """Find out again whether bulk data may be sent."""
        blocked = self._output_paused or self.closed or not self._epochs.may_send
        if blocked is not self.blocked:
            self.blocked = blocked
            if not blocked:
                self.on_writable()

    def send(self, payload: bytes) -> None:
        """Send a message, or keep it until the key exchange that is running has new keys.

        Parameters:
            payload: message number and fields.

        Does nothing once the connection is closed.
        """
        self.send_data(payload, b"")

    def send_data(self, head: bytes, data: bytes | memoryview) -> None:
        """Send a message whose payload is `head + data`, without joining the two first.

        Bulk data should only be sent while `blocked` is false.
        """
        if self.closed:
            return
        if not self._epochs.may_send:
            held = self._epochs.held
            self._attempt(lambda: held.append(head + data))
            return
        writer = self.writer
        size = writer.size
        if writer.needs_cover:
            writer.write(_COVER)
        writer.write(head, data)
        if not size:
            self.on_output()
        elif writer.size >= _FLUSH_SIZE:
            self.on_output_full()
        if writer.epoch_bytes > writer.check_at:
            self._attempt(self._epochs.check_limits)

    def send_data_run(self, head: bytes, data: memoryview, size: int) -> int:
        """Send messages of `head` and `size` bytes of `data` each until it ends or `blocked`.

        Returns the bytes of `data` that were taken; its length has to be a multiple of `size`.
        """
        writer, taken = self.writer, 0
        while taken < len(data) and not self.blocked:
            quiet = not writer.size
            if writer.needs_cover:
                writer.write(_COVER)
            taken += writer.write_run(head, data[taken:], size, _FLUSH_SIZE)
            if writer.size >= _FLUSH_SIZE:
                self.on_output_full()
            elif quiet:
                self.on_output()
            if writer.epoch_bytes > writer.check_at:
                self._attempt(self._epochs.check_limits)
        return taken

    def _attempt(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except DisconnectError as exc:
            self.fail(exc)
            return False
        return True

    def output_started(self) -> None:
        """Wake the adapter if there is output."""
        if self.writer.size:
            self.on_output()

    # --- Events and decisions ---

    def emit(self, event: Event) -> None:
        """Add an event for the owner."""
        self._events.append(event)
        if len(self._events) == 1:
            self.on_events()

    def drain_events(self) -> list[Event]:
        """Return what happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    def pause(self) -> None:
        """Stop handling received packets until `resume`, because a decision takes time."""
        self._reader.pause()

    def resume(self) -> None:
        """Go on with the packets that were received meanwhile."""
        # During a slow step nothing of the peer may be handled, whoever asks for it.
        if self.closed or not self._reader.paused or self._epochs.kex.working:
            return
        self._reader.paused = False
        self.buffer_updated(0)

    def accept_host_key(self) -> None:
        """Client: trust the key of `HostKeyOffered` and go on."""
        self._decided(self._epochs.kex.host_key_accepted)

    def provide_signature(self, signature: bytes) -> None:
        """Server: go on with the signature that `SignatureNeeded` asked for."""
        self._decided(lambda: self._epochs.kex.signature_provided(signature))

    def step_finished(self, step: SlowStep) -> None:
        """Go on behind a step that `on_slow_step` was given and that was run.

        Raises what went wrong in it only if that was our own fault.
        """
        if self.closed:
            return
        # First, because what comes of the step may be a decision, which pauses again.
        self._reader.paused = False
        if self._attempt(lambda: self._epochs.kex.step_finished(step)):
            self.buffer_updated(0)

    def _decided(self, act: Callable[[], None]) -> None:
        if not self.closed and self._attempt(act):
            self.resume()

    # --- Services (RFC 4253 section 10) ---

    def set_handlers(
        self, handlers: Mapping[int, Handler], data: tuple[int, RunHandler] | None = None
    ) -> None:
        """Register the handlers of the messages 50 to 127 that are legal from now on.

        Parameters:
            handlers: message number to handler.
            data: number of the message that carries data, and what may take several at once.
        """
        self._handlers = self._dispatcher.handlers(handlers)
        if data is not None:
            self._dispatcher.close()  # it is the last protocol, and there may be thousands of us
            self._reader.set_run_handler(data[0], handlers[data[0]], data[1])
        self.update_handlers()

    def update_handlers(self) -> None:
        """Use the handlers that belong to the present phase and key exchange."""
        phase = self.phase
        if self._epochs.receiving_kex:
            if phase is not Phase.FIRST_KEX:
                phase = Phase.REKEY
            elif self._epochs.strict:
                phase = Phase.STRICT_KEX
        self._reader.set_handlers(slots_of(self.role, phase), self._handlers)

    def enter(self, phase: Phase) -> None:
        """Change the phase: other messages are legal from the next packet on."""
        if self.phase is Phase.FIRST_KEX:
            self._keepalive.start(self._clock())
        self.phase = phase
        self.update_handlers()

    def request_service(self, name: bytes) -> None:
        """Client: send SSH_MSG_SERVICE_REQUEST."""
        self._dispatcher.service_requested = True
        self.send(ServiceRequest(name).encode())

    def accept_service(self, name: bytes) -> None:
        """Server: answer `ServiceRequested`; messages of user authentication are legal now."""
        self.send(ServiceAccept(name).encode())
        self.enter(Phase.USERAUTH)
        self.resume()

    def authenticated(self) -> None:
        """The user is authenticated: messages of the connection protocol are legal now.

        A client calls it on SSH_MSG_USERAUTH_SUCCESS, a server right after sending it. Delayed
        compression starts here (draft-miller-secsh-compression-delayed).
        """
        self.enter(Phase.CONNECTION)
        self._epochs.start_delayed_compression()

    def disconnect(self, code: int, reason: str, lang: str = "en-US") -> None:
        """Send SSH_MSG_DISCONNECT and close (RFC 4253 section 11.1)."""
        self.fail(DisconnectError(code, reason, lang))

    def fail(self, error: DisconnectError) -> None:
        """End the connection because of `error`, telling the peer its code and reason."""
        if self.closed:
            return
        if self.peer_version and not isinstance(error, ConnectionLost):
            self.writer.write(encode_disconnect(error.code, error.reason, error.lang))
        self._close(error, by_peer=False)

    def _close(self, error: DisconnectError, *, by_peer: bool) -> None:
        self.closed = self.blocked = True
        # Nothing may keep a closed connection alive in a cycle: it has large buffers, and keys.
        self._epochs.close()
        self._reader.close()
        self._dispatcher.close()
        self._handlers = []
        self.emit(Disconnected(error, by_peer))
        self.output_started()

    # --- Timers and rekeying ---

    def next_deadline(self) -> float | None:
        """Return when `handle_timer` has to be called, on the clock of the constructor."""
        return None if self.closed else min(self._epochs.deadline, self._keepalive.deadline)

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`."""
        if self.closed:
            return
        try:
            if now >= self._epochs.deadline:
                self._epochs.handle_timer()
            if now >= self._keepalive.deadline:
                may_ask = self._epochs.may_send  # a key exchange has a time-out of its own
                self._keepalive.handle_timer(now, self, self._reader.progress, may_ask=may_ask)
        except DisconnectError as exc:
            self.fail(exc)

    def send_debug(self, text: str, always_display: bool, lang: str) -> None:
        """Send SSH_MSG_DEBUG (RFC 4253 section 11.3)."""
        self.send(encode_debug(text, always_display, lang))

    def request_rekey(self) -> None:
        """Start a key re-exchange (RFC 4253 section 9) unless one is running."""
        if not self.closed:
            self._epochs.request_rekey()

    # --- DispatchHost and EpochHost: what handlers and key epochs ask for ---

    @property
    def sequence_number(self) -> int:
        """Sequence number of the packet that is being handled."""
        return (self._reader.seq - 1) & 0xFFFFFFFF

    @property
    def packets_since_newkeys(self) -> int:
        """Packets received under the present keys, with the one that is being handled."""
        return self._reader.epoch_packets

    def run_elsewhere(self, step: SlowStep) -> bool:
        """Give a slow step to whoever set `on_slow_step`."""
        if self.on_slow_step is None:
            return False
        self.pause()
        self.on_slow_step(step)
        return True

    def disconnected_by_peer(self, error: DisconnectError) -> None:
        """The peer sent SSH_MSG_DISCONNECT."""
        self._close(error, by_peer=True)
