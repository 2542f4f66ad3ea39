"""When to ask whether the peer is still there, and when to stop believing it."""

from __future__ import annotations

from math import inf

from .errors import ConnectionTimeoutError

__all__ = ["Keepalive"]


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
