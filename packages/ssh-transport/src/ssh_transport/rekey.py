"""When new keys are due (RFC 4253 section 9, RFC 4344 section 3)."""

from __future__ import annotations

__all__ = ["MIN_PACKET", "RekeyLimits"]

MIN_PACKET = 16
"""The least size of a packet, in bytes (RFC 4253 section 6)."""

# RFC 4344 section 3.1: at the latest after 2**32 packets, as sequence numbers would repeat; half
# of it leaves time for the exchange itself.
_MAX_PACKETS = 1 << 31
_LAST_PACKET = 3 << 30


class RekeyLimits:
    """Limits of one key epoch.

    Parameters:
        max_bytes: bytes in one direction after which new keys are due.
        seconds: age of the keys at which new ones are due.
    """

    __slots__ = ("_configured_bytes", "_seconds", "deadline", "first_check", "max_bytes")

    max_packets = _MAX_PACKETS
    last_packet = _LAST_PACKET

    def __init__(self, max_bytes: int, seconds: float) -> None:
        self._configured_bytes = max_bytes
        self._seconds = seconds
        self.restart(0.0, max_bytes)

    def restart(self, now: float, max_bytes: int) -> None:
        """Start a new epoch at `now`, with a cipher that is good for `max_bytes`."""
        self.deadline = now + self._seconds
        """When the keys become too old, on the clock of `now`."""
        self.max_bytes = min(self._configured_bytes, max_bytes)
        self.first_check = min(self.max_bytes, self.max_packets * MIN_PACKET)
        """Bytes of an epoch in one direction before which no limit can be reached."""
