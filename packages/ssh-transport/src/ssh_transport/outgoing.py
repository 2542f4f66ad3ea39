"""Messages that wait while a key exchange is under way (RFC 4253 section 7.1)."""

from __future__ import annotations

from .errors import ProtocolError

__all__ = ["HeldMessages"]

_MAX_MESSAGES = 16_384
_MAX_BYTES = 8 * 1024 * 1024


class HeldMessages:
    """A bounded queue of payloads.

    Channels stop sending data during an exchange, so what gathers here are our answers to the
    peer: a queue that runs full is a peer that asks without end.
    """

    __slots__ = ("_bytes", "_payloads")

    def __init__(self) -> None:
        self._payloads: list[bytes] = []  # an empty deque takes 600 bytes
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._payloads)

    def append(self, payload: bytes) -> None:
        """Queue one payload; raises ProtocolError if there are too many."""
        self._bytes += len(payload)
        if len(self._payloads) >= _MAX_MESSAGES or self._bytes > _MAX_BYTES:
            raise ProtocolError("too many requests of the peer during a key exchange")
        self._payloads.append(payload)

    def take_all(self) -> list[bytes]:
        """Return the payloads in order and forget them."""
        payloads, self._payloads = self._payloads, []
        self._bytes = 0
        return payloads

    def clear(self) -> None:
        """Forget everything."""
        self._payloads.clear()
        self._bytes = 0
