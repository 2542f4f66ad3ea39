"""Which message number is legal in which phase. Data only.

Absent and known to us: the peer is disconnected. Absent and unknown: SSH_MSG_UNIMPLEMENTED with
its sequence number (RFC 4253 section 11.4), except in a strict first key exchange.
"""

from __future__ import annotations

from enum import Enum

from .protocols import Role

__all__ = ["KNOWN", "LEGAL", "SERVICE_NUMBERS", "Phase"]


class Phase(Enum):
    """What the connection is doing, as far as the peer's next message is concerned."""

    FIRST_KEX = "first key exchange"
    STRICT_KEX = "strict first key exchange"
    REKEY = "key exchange"
    SERVICE = "service request"
    USERAUTH = "user authentication"
    CONNECTION = "connection"

    __hash__ = object.__hash__  # each is the only one of its kind; that of Enum hashes the name


_GENERIC = (1, 2, 3, 4)  # DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG
_KEX = (20, 21, *range(30, 50))  # the exact order is checked by the key exchange itself
_PING = (192, 193)

SERVICE_NUMBERS = range(50, 128)
"""RFC 4250 section 4.1.2: 50 to 79 user authentication, 80 to 127 connection protocol."""

# RFC 4252 section 6 and RFC 4254 section 9: numbers that a service may register.
_USERAUTH_SERVER = (50, *range(60, 80))
_USERAUTH_CLIENT = (51, 52, 53, *range(60, 80))
_CONNECTION = (80, 81, 82, *range(90, 101))

# 7 in SERVICE and USERAUTH: its count and place are checked by the handler (RFC 8308
# section 2.4). 50 in CONNECTION: a server ignores late requests (RFC 4252 section 5.1).
LEGAL: dict[Role, dict[Phase, tuple[int, ...]]] = {
    Role.CLIENT: {
        Phase.FIRST_KEX: (*_GENERIC, *_KEX),
        Phase.STRICT_KEX: (1, *_KEX),
        Phase.REKEY: (*_GENERIC, *_KEX),
        Phase.SERVICE: (*_GENERIC, 6, 7, 20, *_PING),
        Phase.USERAUTH: (*_GENERIC, 7, 20, *_PING, *_USERAUTH_CLIENT),
        Phase.CONNECTION: (*_GENERIC, 20, *_PING, *_CONNECTION),
    },
    Role.SERVER: {
        Phase.FIRST_KEX: (*_GENERIC, *_KEX),
        Phase.STRICT_KEX: (1, *_KEX),
        Phase.REKEY: (*_GENERIC, *_KEX),
        Phase.SERVICE: (*_GENERIC, 5, 7, 20, *_PING),
        Phase.USERAUTH: (*_GENERIC, 5, 20, *_PING, *_USERAUTH_SERVER),
        Phase.CONNECTION: (*_GENERIC, 20, 50, *_PING, *_CONNECTION),
    },
}

KNOWN: frozenset[int] = frozenset(
    (*range(1, 9), *_KEX, *range(50, 54), *range(60, 80), *_CONNECTION, *_PING)
)
"""Numbers that we know in some phase: where they are not legal they are an attack or a fault."""
