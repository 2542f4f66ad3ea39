"""`TransportCore`: RFC 4253 without I/O.

Bytes and time go in, bytes and events come out. Packets are pushed to handlers through a table of
256 entries that is exchanged when the phase changes, so the data path has no range test; rare
facts are events that the owner drains. See docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from ssh_keys import SSHKey
from ssh_keys.wire import PacketDecodeError, encode_name_list

from .compression import COMPRESSIONS
from .config import TransportConfig
from .dispatch import Dispatcher, encode_debug
from .errors import (
    ConnectionLost,
    ConnectionTimeoutError,
    DisconnectError,
    MessageOrderError,
    ProtocolError,
)
from .events import (
    Disconnected,
    Event,
    HostKeyOffered,
    KexCompleted,
    PreBannerLine,
    SignatureNeeded,
    VersionReceived,
)
from .identification import Identification
from .keyexchange import KexState, KeyExchange
from .messages import (
    Disconnect,
    Ignore,
    KexInit,
    ServiceAccept,
    ServiceRequest,
    encode_ext_info,
)
from .negotiation import (
    EXT_INFO_CLIENT,
    EXT_INFO_SERVER,
    STRICT_CLIENT,
    STRICT_SERVER,
    NegotiatedAlgorithms,
)
from .outgoing import HeldMessages
from .packet import OutputPool, PacketReader, PacketWriter, ReceiveBuffer
from .phases import Phase
from .protocols import Handler, PacketOpener, PacketSealer, Role
from .rekey import RekeyLimits

__all__ = ["TransportCore"]

_FLUSH_SIZE = 128 * 1024
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

    An adapter may set four hooks: `on_output` (there is output where there was none),
    `on_output_full` (send now, before more is written), `on_writable` (`blocked` became false)
    and `on_events` (there are events where there were none).
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
        self.closed = False
        self.peer_version = b""
        self.server_sig_algs: tuple[bytes, ...] | None = None
        self.peer_extensions: dict[bytes, bytes] = {}
        self.on_output: Callable[[], None] = _nothing
        self.on_output_full: Callable[[], None] = _nothing
        self.on_writable: Callable[[], None] = _nothing
        self.on_events: Callable[[], None] = _nothing
        self._clock = clock
        self._reader = PacketReader(buffer)
        self._writer = PacketWriter(random, pool)
        self._kex = KeyExchange(config, self, random)
        self._limits = RekeyLimits(config.rekey_bytes, config.rekey_seconds)
        self._identification: Identification | None = Identification(config.role)
        self._events: list[Event] = []
        self._held = HeldMessages()
        self._services: Mapping[int, Handler] = {}
        self._kex_deadline: float | None = clock() + config.kex_timeout
        self._strict = self._peer_reads_ext_info = False
        self._sent_keys = self._output_paused = self._authenticated = False
        self._receiving_kex = True
        self._dispatcher = Dispatcher(self)
        self._update_handlers()

    # --- What was agreed on ---

    @property
    def session_id(self) -> bytes:
        """Session identifier (RFC 4253 section 7.2); empty before the first key exchange."""
        return self._kex.session_id

    @property
    def algorithms(self) -> NegotiatedAlgorithms | None:
        """What was negotiated last."""
        return self._kex.algorithms

    @property
    def host_key(self) -> SSHKey | None:
        """Client: the server's host key, once it is accepted."""
        return self._kex.host_key

    @property
    def strict_kex(self) -> bool:
        """Whether both sides speak strict key exchange (PROTOCOL section 1.9)."""
        return self._strict

    # --- Bytes in ---

    def start(self) -> None:
        """Send the identification string and KEXINIT; call once, when connected."""
        self._writer.write_raw(self.config.version + b"\r\n")
        self._kex.start()
        self._output_started()

    @property
    def input_full(self) -> bool:
        """True if received bytes wait for a decision: do not read from the socket now."""
        return self._reader.full

    def get_buffer(self) -> memoryview:
        """Return where the next received bytes go."""
        return self._reader.get_buffer()

    def buffer_updated(self, count: int) -> None:
        """Handle `count` bytes that were written into `get_buffer`.

        Never raises for what the peer sent: that ends the connection with a `Disconnected`.
        """
        self._reader.received(count)
        self._process()

    def feed(self, data: bytes) -> None:
        """Handle bytes that were received elsewhere (a tunnel, a test)."""
        view = memoryview(data)
        while view and not self.closed:
            if self._reader.full:
                raise ValueError("core is paused and its input is full")
            room = self._reader.get_buffer()
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

    def _process(self) -> None:
        if self.closed:
            return
        reader = self._reader
        try:
            if self._identification is not None and not reader.paused:
                reader.take_raw(self._identify)
            if self._identification is None:
                reader.process()
                self._check_epoch()
        except DisconnectError as exc:
            self.fail(exc)
        except PacketDecodeError as exc:
            self.fail(ProtocolError(str(exc)))

    def _identify(self, buf: bytearray, start: int, end: int) -> int:
        identification = self._identification
        assert identification is not None
        stop = identification.feed(buf, start, end)
        for line in identification.take_lines():
            self.emit(PreBannerLine(line))
        if identification.version:
            self._identification = None
            self.peer_version = identification.version
            ours, theirs = self.config.version, self.peer_version
            self._kex.versions = (ours, theirs) if self.role is Role.CLIENT else (theirs, ours)
            self.emit(VersionReceived(theirs))
        return stop

    def _check_epoch(self) -> None:
        reader, limits = self._reader, self._limits
        packets = max(reader.epoch_packets, self._writer.epoch_packets)
        if reader.epoch_bytes > limits.max_bytes or packets > limits.max_packets:
            self.request_rekey()
            if packets > limits.last_packet:
                raise ProtocolError("sequence numbers ran out before new keys were agreed on")

    # --- Bytes out ---

    @property
    def output_size(self) -> int:
        """Bytes that are ready to be sent."""
        return self._writer.size

    def output(self) -> memoryview:
        """Return a view of what is to be sent; then call `output_sent`."""
        return self._writer.output()

    def output_sent(self, *, reusable: bool) -> None:
        """The output was sent; `reusable` if nobody refers to its memory any more."""
        self._writer.sent(reusable=reusable)

    def take_output(self) -> bytes:
        """Return a copy of what is to be sent and forget it."""
        data = bytes(self._writer.output())
        self._writer.sent(reusable=True)
        return data

    def set_output_paused(self, paused: bool) -> None:
        """Tell the core that what it wrote is not being taken: bulk data has to wait."""
        self._output_paused = paused
        self._update_blocked()

    def _update_blocked(self) -> None:
        blocked = self._output_paused or self.closed or not self._may_send()
        if blocked is not self.blocked:
            self.blocked = blocked
            if not blocked:
                self.on_writable()

    def _may_send(self) -> bool:
        # From our KEXINIT to our NEWKEYS only the key exchange may send (RFC 4253 section 7.1).
        return self._kex.state in (KexState.IDLE, KexState.NEWKEYS_SENT)

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
        if not self._may_send():
            self._hold(head + data)
            return
        writer = self._writer
        size = writer.size
        if writer.needs_cover:
            writer.write(_COVER)
        writer.write(head, data)
        if not size:
            self.on_output()
        elif writer.size >= _FLUSH_SIZE:
            self.on_output_full()
        if writer.epoch_bytes > self._limits.max_bytes:
            self.request_rekey()

    def _hold(self, payload: bytes) -> None:
        try:
            self._held.append(payload)
        except ProtocolError as exc:
            self.fail(exc)

    def _output_started(self) -> None:
        if self._writer.size:
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
        if self.closed or not self._reader.paused:
            return
        self._reader.paused = False
        self._process()

    def accept_host_key(self) -> None:
        """Client: trust the key of `HostKeyOffered` and go on."""
        self._decided(self._kex.host_key_accepted)

    def provide_signature(self, signature: bytes) -> None:
        """Server: go on with the signature that `SignatureNeeded` asked for."""
        self._decided(lambda: self._kex.signature_provided(signature))

    def _decided(self, act: Callable[[], None]) -> None:
        if self.closed:
            return
        try:
            act()
        except DisconnectError as exc:
            self.fail(exc)
        else:
            self.resume()

    # --- Services (RFC 4253 section 10) ---

    def set_handlers(self, handlers: Mapping[int, Handler]) -> None:
        """Register the handlers of the messages 50 to 127 that are legal from now on."""
        self._services = handlers
        self._update_handlers()

    def _update_handlers(self) -> None:
        phase = self.phase
        if self._receiving_kex:
            first = phase is Phase.FIRST_KEX
            phase = Phase.REKEY if not first else Phase.STRICT_KEX if self._strict else phase
        self._reader.set_handlers(self._dispatcher.table(phase, self._services))

    def enter(self, phase: Phase) -> None:
        """Change the phase: other messages are legal from the next packet on."""
        self.phase = phase
        self._update_handlers()

    def request_service(self, name: bytes) -> None:
        """Client: send SSH_MSG_SERVICE_REQUEST."""
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
        self._authenticated = True
        self.enter(Phase.CONNECTION)
        self._start_compression(sending=True, receiving=True, methods=(True,))

    # --- The end ---

    def disconnect(self, code: int, reason: str, lang: str = "en-US") -> None:
        """Send SSH_MSG_DISCONNECT and close (RFC 4253 section 11.1)."""
        self.fail(DisconnectError(code, reason, lang))

    def fail(self, error: DisconnectError) -> None:
        """End the connection because of `error`, telling the peer its code and reason."""
        if self.closed:
            return
        if self.peer_version and not isinstance(error, ConnectionLost):
            message = Disconnect(
                error.code & 0xFFFFFFFF, error.reason.encode(), error.lang.encode()
            )
            self._writer.write(message.encode())
        self._close(error, by_peer=False)

    def _close(self, error: DisconnectError, *, by_peer: bool) -> None:
        self.closed = self.blocked = True
        self._held.clear()
        self._kex.abandon()
        self._reader.close()
        self.emit(Disconnected(error, by_peer))
        self._output_started()

    # --- Timers and rekeying ---

    def next_deadline(self) -> float | None:
        """Return when `handle_timer` has to be called, on the clock of the constructor."""
        if self.closed:
            return None
        return self._limits.deadline if self._kex_deadline is None else self._kex_deadline

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`."""
        deadline = self.next_deadline()
        if deadline is None or now < deadline:
            return
        if self._kex_deadline is not None:
            self.fail(ConnectionTimeoutError("key exchange took too long"))
        else:
            self.request_rekey()

    def send_debug(self, text: str, always_display: bool, lang: str) -> None:
        """Send SSH_MSG_DEBUG (RFC 4253 section 11.3)."""
        self.send(encode_debug(text, always_display, lang))

    def request_rekey(self) -> None:
        """Start a key re-exchange (RFC 4253 section 9) unless one is running."""
        if self.closed or not self.session_id or self._kex.state is not KexState.IDLE:
            return
        self._kex_deadline = self._clock() + self.config.kex_timeout
        self._kex.start()
        self._update_blocked()

    # --- DispatchHost and KexHost: what handlers and the key exchange ask for ---

    @property
    def sequence_number(self) -> int:
        """Sequence number of the packet that is being handled."""
        return (self._reader.seq - 1) & 0xFFFFFFFF

    @property
    def packets_since_newkeys(self) -> int:
        """Packets received under the present keys, with the one that is being handled."""
        return self._reader.epoch_packets

    def receive_kexinit(self, packet: bytes, start: int, end: int) -> None:
        """Handle SSH_MSG_KEXINIT."""
        self._kex.receive_kexinit(packet, start, end)

    def receive_kex_method(self, packet: bytes, start: int, end: int) -> None:
        """Handle the messages 30 to 49."""
        self._kex.receive_method(packet, start, end)

    def receive_newkeys(self, packet: bytes, start: int, end: int) -> None:
        """Handle SSH_MSG_NEWKEYS."""
        self._kex.receive_newkeys(start, end)

    def disconnected_by_peer(self, error: DisconnectError) -> None:
        """The peer sent SSH_MSG_DISCONNECT."""
        self._close(error, by_peer=True)

    def write_kex(self, payload: bytes) -> None:
        """Send a payload of the key exchange."""
        size = self._writer.size
        self._writer.write(payload)
        if not size:
            self.on_output()

    def kexinit_received(self, theirs: KexInit) -> None:
        """Note what the peer is capable of; from now on it may only send key exchange."""
        if self._kex_deadline is None:
            self._kex_deadline = self._clock() + self.config.kex_timeout
        if not self.session_id:
            names = theirs.kex_algorithms
            client = self.role is Role.CLIENT
            self._strict = (STRICT_SERVER if client else STRICT_CLIENT) in names
            self._peer_reads_ext_info = (EXT_INFO_SERVER if client else EXT_INFO_CLIENT) in names
            # KEXINIT must have been the first packet, or somebody put one in front of it.
            if self._strict and self._reader.seq != 1:
                raise MessageOrderError("KEXINIT was not the first packet in strict key exchange")
        self._receiving_kex = True
        self._update_handlers()
        self._update_blocked()

    def host_key_offered(self, key: SSHKey, blob: bytes) -> None:
        """Ask the owner whether it trusts the host key."""
        self._reader.pause()
        self.emit(HostKeyOffered(key, blob))

    def signature_awaited(self, signature: Awaitable[bytes]) -> None:
        """Ask the owner to wait for the signature."""
        self._reader.pause()
        self.emit(SignatureNeeded(signature))

    def use_outgoing_keys(self, sealer: PacketSealer, blocks: int, block_size: int) -> None:
        """Our NEWKEYS was sent."""
        first = not self._sent_keys
        self._sent_keys = True
        self._writer.set_sealer(sealer, reset_sequence=self._strict)
        self._start_compression(sending=True, receiving=False, methods=(False, self._authenticated))
        self._limits.restart(
            self._clock(),
            blocks=blocks,
            block_size=block_size,
            configured_bytes=self.config.rekey_bytes,
        )
        if first and self._peer_reads_ext_info:
            self._send_ext_info()
        for payload in self._held.take_all():
            self.send(payload)

    def use_incoming_keys(self, opener: PacketOpener) -> None:
        """The peer's NEWKEYS was received: the exchange is complete."""
        first = self._receiving_kex and self.phase is Phase.FIRST_KEX
        self._reader.set_opener(opener, reset_sequence=self._strict)
        self._start_compression(sending=False, receiving=True, methods=(False, self._authenticated))
        self._receiving_kex = False
        self._kex_deadline = None
        self.enter(Phase.SERVICE if first else self.phase)
        assert self.algorithms is not None
        self.emit(KexCompleted(first, self.algorithms))
        self._update_blocked()

    def _send_ext_info(self) -> None:
        if self.role is Role.SERVER:
            extensions = {
                b"server-sig-algs": encode_name_list(self.config.sig_algorithms)[4:],
                b"ping@openssh.com": b"0",
            }
        else:
            extensions = {b"ext-info-in-auth@openssh.com": b"0"}
        self._writer.write(encode_ext_info(extensions))

    def _start_compression(
        self, *, sending: bool, receiving: bool, methods: tuple[bool, ...]
    ) -> None:
        algorithms = self.algorithms
        assert algorithms is not None
        cs, sc = algorithms.compression_cs, algorithms.compression_sc
        ours, theirs = (cs, sc) if self.role is Role.CLIENT else (sc, cs)
        row = COMPRESSIONS[ours]
        if sending and row.delayed in methods:
            self._writer.set_compressor(row.compressor() if row.compressor else None)
        row = COMPRESSIONS[theirs]
        if receiving and row.delayed in methods:
            self._reader.set_decompressor(row.decompressor() if row.decompressor else None)
