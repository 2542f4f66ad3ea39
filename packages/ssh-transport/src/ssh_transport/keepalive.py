"""When to ask whether the peer is still there, and when to stop believing it."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Protocol

from .errors import ConnectionTimeoutError
from .messages import Ignore, Ping
from .phases import Phase

__all__ = ["Keepalive", "KeepaliveHost"]

_IGNORE = Ignore(b"").encode()
_PING = Ping(b"").encode()


class KeepaliveHost(Protocol):
    """What a probe needs from the connection."""

    phase: Phase
    peer_extensions: dict[bytes, bytes]
    on_keepalive: Callable[[], None] | None

    def send(self, payload: bytes) -> None:
        """Send a message."""


class Keepalive:
    """Counts probes that nothing came back for; anything that is received is an answer.

    Looks at the state of the receiver when a timer fires, so that it costs nothing per packet.

    Parameters:
        seconds: silence after which a probe is due; 0 for never.
        count: unanswered probes after which the connection is dead.
    """

    __slots__ = ("_count", "_seconds", "_seen", "_unanswered", "deadline")

    def __init__(self, seconds: float, count: int) -> None:
        self._seconds = seconds
        self._count = count
        self._seen: tuple[int, ...] = ()
        self._unanswered = 0
        self.deadline = inf

    def start(self, now: float) -> None:
        """Begin to watch at `now`."""
        if self._seconds:
            self.deadline = now + self._seconds

    def check(self, now: float, seen: tuple[int, ...], *, answerable: bool) -> bool:
        """Return whether a probe is to be sent; call when `deadline` has come.

        Parameters:
            seen: something that changes with every byte that is received.
            answerable: whether the peer has to answer the probe.

        Raises ConnectionTimeoutError if too many probes were not answered.
        """
        self.deadline = now + self._seconds
        if seen != self._seen:
            self._seen = seen
            self._unanswered = 0
            return False
        if self._unanswered >= self._count:
            waited = self._seconds * self._unanswered
            raise ConnectionTimeoutError(
                f"no answer to {self._unanswered} keepalive messages in {waited:g} seconds"
            )
        self._unanswered += answerable
        return True

    def handle_timer(
        self, now: float, host: KeepaliveHost, seen: tuple[int, ...], *, may_ask: bool
    ) -> None:
        """Send a probe if one is due.

        PROTOCOL section 1.10: an answer is due to a ping of who announced it; OpenSSH gives none
        before the user is authenticated (since 9.9p2). SSH_MSG_IGNORE has none, but keeps
        firewalls from forgetting the connection, and TCP finds out.

        Parameters:
            host: sends it.
            may_ask: whether anything may be sent now.

        Raises as `check` does.
        """
        ping = host.phase is Phase.CONNECTION and b"ping@openssh.com" in host.peer_extensions
        ask = host.on_keepalive
        answerable = may_ask and (ping or ask is not None)
        if not self.check(now, seen, answerable=answerable) or not may_ask:
            return
        if ping:
            host.send(_PING)
        elif ask is not None:
            ask()
        else:
            host.send(_IGNORE)
