"""Handlers of the transport layer's own messages, and which handler a phase has for a number."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from operator import itemgetter
from typing import Protocol
from weakref import proxy

from ssh_keys.wire import encode_boolean, encode_byte, encode_string, encode_text

from .config import TransportConfig
from .constants import SSH_MSG_DEBUG, SSH_MSG_PONG
from .errors import (
    DisconnectError,
    MessageOrderError,
    ProtocolError,
    ServiceNotAvailable,
    printable,
)
from .events import (
    DebugReceived,
    Event,
    ExtInfoReceived,
    ServiceAccepted,
    ServiceRequested,
)
from .keyexchange import KeyExchange
from .messages import (
    Debug,
    Disconnect,
    Ping,
    ServiceAccept,
    ServiceRequest,
    Unimplemented,
    decode_ext_info,
    split_names,
)
from .phases import KNOWN, LEGAL, SERVICE_NUMBERS, Phase
from .protocols import Handler, Role
from .texts import decode_text

__all__ = ["DispatchHost", "Dispatcher", "encode_debug", "slots_of"]

_MAX_EXT_INFO = 2  # RFC 8308 section 2.4: a server may send two, a client one


def encode_debug(text: str, always_display: bool, lang: str) -> bytes:
    """Return a whole SSH_MSG_DEBUG (RFC 4253 section 11.3)."""
    return b"".join(
        (
            encode_byte(SSH_MSG_DEBUG),
            encode_boolean(always_display),
            encode_text(text),
            encode_text(lang),
        )
    )


class _Slot(IntEnum):
    """Where a handler of the transport is among the handlers of a connection."""

    UNKNOWN = 0
    OUT_OF_ORDER = 1
    IGNORE = 2
    DISCONNECT = 3
    UNIMPLEMENTED = 4
    DEBUG = 5
    SERVICE_REQUEST = 6
    SERVICE_ACCEPT = 7
    EXT_INFO = 8
    PING = 9
    KEXINIT = 10
    NEWKEYS = 11
    KEX_METHOD = 12


_OWN: dict[int, _Slot] = {
    1: _Slot.DISCONNECT,
    2: _Slot.IGNORE,
    3: _Slot.UNIMPLEMENTED,
    4: _Slot.DEBUG,
    5: _Slot.SERVICE_REQUEST,
    6: _Slot.SERVICE_ACCEPT,
    7: _Slot.EXT_INFO,
    20: _Slot.KEXINIT,
    21: _Slot.NEWKEYS,
    **dict.fromkeys(range(30, 50), _Slot.KEX_METHOD),
    50: _Slot.IGNORE,
    192: _Slot.PING,
    193: _Slot.IGNORE,
}

# Behind the slots of the transport is one for each number of the layer above.
_SERVICES = len(_Slot) - SERVICE_NUMBERS.start


def _illegal(number: int) -> _Slot:
    return _Slot.OUT_OF_ORDER if number in KNOWN else _Slot.UNKNOWN


def _slots(phase: Phase, legal: tuple[int, ...]) -> bytes:
    slots = bytearray(_illegal(number) for number in range(256))
    if phase is Phase.STRICT_KEX:
        # Nothing else is legal there, not even what nobody knows.
        slots = bytearray((_Slot.OUT_OF_ORDER,)) * 256
    for number in legal:
        is_service = number in SERVICE_NUMBERS
        slots[number] = number + _SERVICES if is_service else _OWN[number]
    return bytes(slots)


# Message number to slot: connections differ in their handlers only.
_SLOTS: dict[Role, dict[Phase, bytes]] = {
    role: {phase: _slots(phase, legal) for phase, legal in phases.items()}
    for role, phases in LEGAL.items()
}

# The handlers of the transport for numbers that the layer above has left out.
_left_out = itemgetter(*(_OWN.get(number, _illegal(number)) for number in SERVICE_NUMBERS))


def slots_of(role: Role, phase: Phase) -> bytes:
    """Return for each message number where its handler is in what `Dispatcher.handlers` gives."""
    return _SLOTS[role][phase]


class DispatchHost(Protocol):
    """What the handlers need from the connection."""

    config: TransportConfig
    role: Role
    phase: Phase
    peer_extensions: dict[bytes, bytes]
    server_sig_algs: tuple[bytes, ...] | None

    @property
    def sequence_number(self) -> int:
        """Sequence number of the packet that is being handled."""

    @property
    def packets_since_newkeys(self) -> int:
        """Packets received under the present keys, with the one that is being handled."""

    def emit(self, event: Event) -> None:
        """Tell the owner."""

    def pause(self) -> None:
        """Stop before the next packet."""

    def send(self, payload: bytes) -> None:
        """Send a message."""

    def disconnected_by_peer(self, error: DisconnectError) -> None:
        """The peer sent SSH_MSG_DISCONNECT."""

    def enter(self, phase: Phase) -> None:
        """Change the phase."""


class Dispatcher:
    """The transport layer's handlers.

    Parameters:
        host: the connection, which the dispatcher does not keep alive.
        kex: takes the messages 20, 21 and 30 to 49.
    """

    def __init__(self, host: DispatchHost, kex: KeyExchange) -> None:
        self._host: DispatchHost = proxy(host)
        self._kex = kex
        self._own: list[Handler] = []
        self._ext_info_seen = 0
        self.service_requested = False

    def handlers(self, services: Mapping[int, Handler]) -> list[Handler]:
        """Return the handlers of a connection, in the order that `slots_of` refers to.

        Parameters:
            services: handlers of 50 to 127 that the layer above has.
        """
        if not self._own:
            self._own = self._own_handlers()
        handlers = self._own.copy()
        for number, handler in services.items():
            handlers[number + _SERVICES] = handler
        return handlers

    def close(self) -> None:
        """Forget our handlers; with them the connection would keep itself alive."""
        self._own = []

    def _own_handlers(self) -> list[Handler]:
        kex = self._kex
        # In the order of _Slot.
        own: tuple[Handler, ...] = (
            self._unknown,
            self._out_of_order,
            self._ignore,
            self._disconnect,
            self._unimplemented_received,
            self._debug,
            self._service_request,
            self._service_accept,
            self._ext_info,
            self._ping,
            kex.receive_kexinit,
            kex.receive_newkeys,
            kex.receive_method,
        )
        return [*own, *_left_out(own)]

    def _unknown(self, packet: bytes, start: int, end: int) -> None:
        sequence = Unimplemented(self._host.sequence_number)
        self._host.send(sequence.encode())

    def _out_of_order(self, packet: bytes, start: int, end: int) -> None:
        raise MessageOrderError(
            f"message {packet[start - 1]} is not allowed here ({self._host.phase.value})"
        )

    def _ignore(self, packet: bytes, start: int, end: int) -> None:
        """Drop a message: SSH_MSG_IGNORE, PONG, a late SSH_MSG_USERAUTH_REQUEST."""

    def _unimplemented_received(self, packet: bytes, start: int, end: int) -> None:
        Unimplemented.decode(packet, start, end)

    def _disconnect(self, packet: bytes, start: int, end: int) -> None:
        message = Disconnect.decode(packet, start, end)
        self._host.disconnected_by_peer(
            DisconnectError(
                message.reason_code,
                printable(self._text(message.description, "reason of a disconnect")),
                printable(message.language_tag),
            )
        )

    def _text(self, data: bytes, what: str) -> str:
        return decode_text(data, self._host.config.text_errors, what)

    def _debug(self, packet: bytes, start: int, end: int) -> None:
        message = Debug.decode(packet, start, end)
        self._host.emit(
            DebugReceived(
                message.always_display,
                self._text(message.message, "debug message"),
                message.language_tag.decode("ascii", "replace"),
            )
        )

    def _ping(self, packet: bytes, start: int, end: int) -> None:
        data = Ping.decode(packet, start, end).data
        self._host.send(encode_byte(SSH_MSG_PONG) + encode_string(data))

    def _ext_info(self, packet: bytes, start: int, end: int) -> None:
        host = self._host
        # RFC 8308 section 2.4: directly behind NEWKEYS, or (server) before USERAUTH_SUCCESS.
        late = host.phase is Phase.USERAUTH
        if self._ext_info_seen >= _MAX_EXT_INFO or (not late and host.packets_since_newkeys != 1):
            raise MessageOrderError("EXT_INFO in a place where it is not allowed")
        self._ext_info_seen += 1
        extensions = decode_ext_info(packet, start, end)
        host.peer_extensions.update(extensions)
        names = extensions.get(b"server-sig-algs")
        if names is not None and host.role is Role.CLIENT:
            host.server_sig_algs = split_names(names)
        host.emit(ExtInfoReceived(extensions))

    def _service_request(self, packet: bytes, start: int, end: int) -> None:
        name = ServiceRequest.decode(packet, start, end).service_name
        if name != b"ssh-userauth":
            raise ServiceNotAvailable(f"no such service: {printable(name)}")
        self._host.pause()
        self._host.emit(ServiceRequested(name))

    def _service_accept(self, packet: bytes, start: int, end: int) -> None:
        name = ServiceAccept.decode(packet, start, end).service_name
        if not self.service_requested or name != b"ssh-userauth":
            raise ProtocolError(f"service that was not requested: {printable(name)}")
        self._host.enter(Phase.USERAUTH)
        self._host.emit(ServiceAccepted(name))
