"""Key epochs: when keys are exchanged, what may be sent meanwhile, what changes with new keys.

Between the running connection (`core.py`) and one exchange (`keyexchange.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol
from weakref import proxy

from ssh_keys import SSHCertificate, SSHKey

from .config import TransportConfig
from .errors import ConnectionTimeoutError, MessageOrderError, ProtocolError
from .events import Event, HostKeyOffered, KexCompleted, SignatureNeeded
from .keyexchange import KexState, KeyExchange
from .messages import KexInit, our_ext_info
from .negotiation import EXT_INFO_CLIENT, EXT_INFO_SERVER, STRICT_CLIENT, STRICT_SERVER
from .outgoing import HeldMessages
from .packet import PacketReader
from .packet_writer import PacketWriter
from .phases import Phase
from .protocols import PacketOpener, PacketSealer, Role
from .rekey import MIN_PACKET, RekeyLimits
from .slow_steps import SlowStep
from .suites import Direction

__all__ = ["EpochHost", "KeyEpochs"]

_LOOK_AGAIN = 1.0  # seconds after which keys are looked at again that are old, but must stay


class EpochHost(Protocol):
    """What key epochs need from the connection."""

    role: Role
    phase: Phase
    config: TransportConfig

    def emit(self, event: Event) -> None:
        """Tell the owner."""

    def pause(self) -> None:
        """Stop before the next received packet."""

    def send(self, payload: bytes) -> None:
        """Send a message."""

    def enter(self, phase: Phase) -> None:
        """Change the phase."""

    def update_handlers(self) -> None:
        """Other messages are legal now."""

    def update_blocked(self) -> None:
        """`may_send` has changed."""

    def output_started(self) -> None:
        """There may be output where there was none."""

    def run_elsewhere(self, step: SlowStep) -> bool:
        """Run a slow step off the event loop, if there is somewhere to run it."""


class KeyEpochs:
    """The sequence of key exchanges of one connection; implements `KexHost`.

    Parameters:
        host: the connection, which this does not keep alive.
        reader, writer: where new keys are used.
        random, clock: as in `TransportCore`.
    """

    def __init__(
        self,
        host: EpochHost,
        reader: PacketReader,
        writer: PacketWriter,
        random: Callable[[int], bytes],
        clock: Callable[[], float],
    ) -> None:
        self._host: EpochHost = proxy(host)
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._config = config = host.config
        self._client = host.role is Role.CLIENT
        self.kex = KeyExchange(config, self, random)
        self.held = HeldMessages()
        self.may_send = False
        self.strict = False
        self.receiving_kex = True
        self._limits = RekeyLimits(config.rekey_bytes, config.rekey_seconds)
        reader.check_at = writer.check_at = self._limits.first_check
        self._kex_deadline: float | None = clock() + config.kex_timeout
        self._peer_reads_ext_info = self._sent_keys = self._authenticated = False

    @property
    def deadline(self) -> float:
        """When `handle_timer` is due."""
        return self._limits.deadline if self._kex_deadline is None else self._kex_deadline

    def handle_timer(self) -> None:
        """Start an exchange; raises ConnectionTimeoutError if one is under way for too long."""
        if self._kex_deadline is not None:
            raise ConnectionTimeoutError("key exchange took too long")
        self.request_rekey()
        if self._kex_deadline is None:  # not before the user is authenticated: look again later
            self._limits.deadline = self._clock() + _LOOK_AGAIN

    def request_rekey(self) -> None:
        """Start an exchange unless one is running (RFC 4253 section 9).

        Only an authenticated connection does it: before, no limit can be reached, and OpenSSH
        refuses KEXINIT while it authenticates.
        """
        if self._host.phase is Phase.CONNECTION and self.kex.state is KexState.IDLE:
            self._kex_deadline = self._clock() + self._config.kex_timeout
            self.kex.start()

    def check_limits(self) -> None:
        """Start an exchange if enough was received or sent under the present keys.

        Due when `epoch_bytes` of reader or writer exceeds its `check_at`, which costs less per
        packet than counting: no packet is smaller than 16 bytes, so a limit of packets can not
        have been reached before.

        Raises ProtocolError if sequence numbers are about to repeat (RFC 4344 section 3.1).
        """
        reader, writer, limits = self._reader, self._writer, self._limits
        packets = max(reader.epoch_packets, writer.epoch_packets)
        size = max(reader.epoch_bytes, writer.epoch_bytes)
        if size > limits.max_bytes or packets > limits.max_packets:
            self.request_rekey()
            if packets > limits.last_packet:
                raise ProtocolError("sequence numbers ran out before new keys were agreed on")
            # Not before the user is authenticated: ask again with the next packet.
            idle = self.kex.state is KexState.IDLE
            room = 0 if idle else (limits.last_packet - packets) * MIN_PACKET
        else:
            room = (limits.max_packets - packets) * MIN_PACKET
            room = min(room, limits.max_bytes - size)
        reader.check_at = reader.epoch_bytes + room
        writer.check_at = writer.epoch_bytes + room

    def start_delayed_compression(self) -> None:
        """The user is authenticated: methods that waited for it start now."""
        self._authenticated = True
        suite = self.kex.suite
        assert suite is not None
        if suite.outgoing.compression.delayed:
            self._compress(suite.outgoing)
        if suite.incoming.compression.delayed:
            self._decompress(suite.incoming)

    def close(self) -> None:
        """Forget what is unfinished."""
        self.held.clear()
        self.kex.abandon()

    # --- KexHost ---

    def exchange_started(self) -> None:
        """Our KEXINIT is sent next: other messages wait (RFC 4253 section 7.1)."""
        if self.may_send:
            self.may_send = False
            self._host.update_blocked()

    def write_kex(self, payload: bytes) -> None:
        """Send a payload of the key exchange."""
        quiet = not self._writer.size
        self._writer.write(payload)
        if quiet:
            self._host.output_started()

    def kexinit_received(self, theirs: KexInit) -> None:
        """Note what the peer is capable of; from now on it may only send key exchange."""
        if self._kex_deadline is None:
            self._kex_deadline = self._clock() + self._config.kex_timeout
        if not self.kex.session_id:
            names = theirs.kex_algorithms
            client = self._client
            self.strict = (STRICT_SERVER if client else STRICT_CLIENT) in names
            self._peer_reads_ext_info = (EXT_INFO_SERVER if client else EXT_INFO_CLIENT) in names
            # KEXINIT must have been the first packet, or somebody put one in front of it.
            if self.strict and self._reader.seq != 1:
                raise MessageOrderError("KEXINIT was not the first packet in strict key exchange")
        self.receiving_kex = True
        self._host.update_handlers()

    def host_key_offered(
        self, key: SSHKey, blob: bytes, certificate: SSHCertificate | None
    ) -> None:
        """Ask the owner whether it trusts the host key."""
        self._host.pause()
        self._host.emit(HostKeyOffered(key, blob, certificate, self.kex.host_key_signature))

    def signature_awaited(self, signature: Awaitable[bytes]) -> None:
        """Ask the owner to wait for the signature."""
        self._host.pause()
        self._host.emit(SignatureNeeded(signature))

    def run_elsewhere(self, step: SlowStep) -> bool:
        """Run a slow step off the event loop, if there is somewhere to run it."""
        return self._host.run_elsewhere(step)

    def use_outgoing_keys(self, sealer: PacketSealer, direction: Direction) -> None:
        """Our NEWKEYS was sent."""
        first = not self._sent_keys
        self._sent_keys = True
        self._writer.set_sealer(sealer, reset_sequence=self.strict)
        self._compress(direction)
        self._limits.restart(self._clock(), direction.max_bytes)
        self._writer.check_at = self._limits.first_check
        if first and self._peer_reads_ext_info:
            self._send_ext_info()
        self.may_send = True
        for payload in self.held.take_all():
            self._host.send(payload)
        self._host.update_blocked()

    def use_incoming_keys(self, opener: PacketOpener) -> None:
        """The peer's NEWKEYS was received: the exchange is complete."""
        first = self.receiving_kex and self._host.phase is Phase.FIRST_KEX
        self._reader.set_opener(opener, reset_sequence=self.strict)
        first_check = self._limits.first_check
        self._reader.check_at = first_check
        # What was found due until now could not be started before this exchange was complete.
        self._writer.check_at = min(self._writer.check_at, first_check)
        suite = self.kex.suite
        assert suite is not None
        self._decompress(suite.incoming)
        self.receiving_kex = False
        self._kex_deadline = None
        self._host.enter(Phase.SERVICE if first else self._host.phase)
        self._host.emit(KexCompleted(first, suite.algorithms))

    def _send_ext_info(self) -> None:
        config = self._config
        self._writer.write(our_ext_info(self._client, config.sig_algorithms, config.extensions))

    def _compress(self, direction: Direction) -> None:
        row = direction.compression
        if self._authenticated or not row.delayed:
            self._writer.set_compressor(row.compressor() if row.compressor else None)

    def _decompress(self, direction: Direction) -> None:
        row = direction.compression
        if self._authenticated or not row.delayed:
            self._reader.set_decompressor(row.decompressor() if row.decompressor else None)
