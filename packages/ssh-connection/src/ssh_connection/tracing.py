"""Log records of packets: debug levels 2 and 3 of `set_debug_level`."""

from __future__ import annotations

from typing import Final

import ssh_transport.constants as transport_constants
from ssh_transport.core import TransportCore
from ssh_transport.tracing import trace_packets

from . import constants
from .constants import SSH_MSG_CHANNEL_DATA, SSH_MSG_CHANNEL_EXTENDED_DATA, SSH_MSG_CHANNEL_REQUEST
from .logging import ConnectionLog, Peer
from .messages import userauth

__all__ = ["trace_connection"]

_MAX_DUMP: Final = 4096
"""Bytes of a packet that are shown."""

_METHOD_NUMBERS: Final = (*range(30, 50), *range(60, 80))
"""Numbers that mean something else in each method (RFC 4250 section 4.1.1)."""

_NAMES: Final[dict[int, str]] = (
    {
        value: name
        for module in (transport_constants, userauth, constants)
        for name, value in vars(module).items()
        if name.startswith("SSH_MSG_") and value not in _METHOD_NUMBERS
    }
    | dict.fromkeys(range(30, 50), "key exchange")
    | dict.fromkeys(range(60, 80), "authentication")
)

_SECRET: Final = frozenset(
    {50, *range(60, 80), SSH_MSG_CHANNEL_DATA, SSH_MSG_CHANNEL_EXTENDED_DATA}
)
"""Passwords and answers, and whatever people type."""


def trace_connection(core: TransportCore, log: ConnectionLog, *, dump: bool) -> None:
    """Have the packets of a connection logged.

    Parameters:
        core: the connection.
        log: where to.
        dump: whether to show what is in them, as hexadecimal digits. Requests for authentication
            and the data of channels are never shown, of channel requests only the name.
    """

    def trace(sent: bool, payload: bytes) -> None:
        number = payload[0] if payload else 0
        name = _NAMES.get(number, "unknown message")
        what = "sending" if sent else "received"
        if number == SSH_MSG_CHANNEL_REQUEST:
            name = f"{name} {Peer(_request_type(payload))}"
        elif dump and number not in _SECRET:
            more = "..." if len(payload) > _MAX_DUMP else ""
            shown = payload[:_MAX_DUMP].hex()
            log.debug("%s %s (%d), %d bytes: %s%s", what, name, number, len(payload), shown, more)
            return
        log.debug("%s %s (%d), %d bytes", what, name, number, len(payload))

    trace_packets(core, trace)


def _request_type(payload: bytes) -> bytes:
    """Return the name in SSH_MSG_CHANNEL_REQUEST: behind it there may be cookies and variables."""
    size = int.from_bytes(payload[5:9], "big")
    return payload[9 : 9 + min(size, 64)]
