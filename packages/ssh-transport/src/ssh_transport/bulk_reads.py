"""Fewer and larger reads while a peer sends bulk data slower than we take it.

Such a peer wakes us for each packet it writes, and a turn of the event loop costs more than the
packet. SO_RCVLOWAT lets the kernel hold the wake-up back until several packets are there, as
network cards do with their interrupts. What comes last may be less than that, so a timer looks
after it: if some milliseconds went by without a read, the socket is an ordinary one again.

That pause is paid for only where it cannot matter: after half a megabyte without a small read and
without an answer of ours; and each time it was in vain, twice as much has to come before the next
attempt.
"""

from __future__ import annotations

import asyncio
import socket

__all__ = ["BULK_READ", "BulkReads"]

BULK_READ = 24 * 1024  # bytes of a read that belongs to bulk data
_LOW_WATER = 224 * 1024  # bytes to wait for; a read takes up to 256 KiB
_TICK = 0.004  # seconds; a timer that is due sooner makes every wait for the socket dearer
_FIRST = 16  # large reads in a row before the first attempt
_LAST = 4096
_WORTHWHILE = 64  # reads in an attempt that make it a success


class BulkReads:
    """Watches the reads of one socket.

    Parameters:
        transport: of asyncio, or what behaves like it.
        loop: runs the timer.
    """

    __slots__ = ("_count", "_loop", "_needed", "_seen", "_socket", "_timer")

    def __init__(self, transport: asyncio.BaseTransport, loop: asyncio.AbstractEventLoop) -> None:
        self._socket: socket.socket | None = transport.get_extra_info("socket")
        self._loop = loop
        self._count = 0
        self._needed = _FIRST
        self._seen = 0
        self._timer: asyncio.TimerHandle | None = None

    def answered(self) -> None:
        """A read made us send something: the peer may wait for that, as SFTP does."""
        self._count = self._count + 1 if self._timer else 0

    def note(self, size: int) -> None:
        """A read of `size` bytes was handled, and nothing was sent."""
        if self._timer is None and size < BULK_READ:
            self._count = 0
            return
        self._count += 1
        if self._timer is None and self._count >= self._needed and self._set(_LOW_WATER):
            self._count = self._seen = 0
            self._timer = self._loop.call_later(_TICK, self._tick)

    def close(self) -> None:
        """The socket is gone."""
        self._socket = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        if self._count != self._seen:
            self._seen = self._count
            self._timer = self._loop.call_later(_TICK, self._tick)
            return
        self._timer = None
        self._set(1)
        successful = self._count >= _WORTHWHILE
        self._needed = _FIRST if successful else min(2 * self._needed, _LAST)
        self._count = 0

    def _set(self, low_water: int) -> bool:
        if self._socket is None:
            return False
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, low_water)
        except (OSError, AttributeError, TypeError):
            # Not every system and not every transport can do it; then reads stay as they are.
            self.close()
            return False
        return True
