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

    __slots__ = ("_seconds", "_started_at", "max_bytes")

    max_packets = _MAX_PACKETS
    last_packet = _LAST_PACKET

    def __init__(self, max_bytes: int, seconds: float) -> None:
        self.max_bytes = max_bytes
        self._seconds = seconds
        self._started_at = 0.0

    def restart(self, now: float, *, blocks: int, block_size: int, configured_bytes: int) -> None:
        """Start a new epoch at `now`, with a cipher good for `blocks` blocks."""
        self._started_at = now
        self.max_bytes = min(configured_bytes, blocks * block_size)

    @property
    def first_check(self) -> int:
        """Bytes of an epoch in one direction before which no limit can be reached."""
        return min(self.max_bytes, self.max_packets * MIN_PACKET)

    @property
    def deadline(self) -> float:
        """When the keys become too old, on the clock that `restart` was given."""
        return self._started_at + self._seconds
