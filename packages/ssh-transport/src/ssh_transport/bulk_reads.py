"""Fewer and larger reads while bulk data is on its way, in either direction.

A peer that sends slower than we take wakes us for each packet it writes, and one that takes bulk
data from us for each piece it has taken; a turn of the event loop costs more than the packet.
SO_RCVLOWAT lets the kernel hold the wake-up back until several packets are there, as network cards
do with their interrupts. What comes last may be less than that, so a timer looks after it: if some
milliseconds went by without a read, the socket is an ordinary one again.

That pause is paid for only where it cannot matter: after half a megabyte without a small read and
without an answer of ours, or after sixteen small reads that each let us send bulk data, and nothing
else; and each time it was in vain, twice as much has to come before the next attempt.
"""

from __future__ import annotations

import asyncio
import socket

__all__ = ["BULK_READ", "BulkReads"]

BULK_READ = 24 * 1024  # bytes of a read that belongs to bulk data
_LOW_WATER = 224 * 1024  # bytes to wait for
_HIGH_WATER = 736 * 1024  # the same, of a quick peer; a read takes up to 768 KiB
_BUSY = 3  # reads in a tick that make twice the bytes worth waiting for
_TICK = 0.004  # seconds; a timer that is due sooner makes every wait for the socket dearer
_SENDING_TICK = 0.008  # as long as a peer that takes 64 MB/s needs to say so
_FIRST = 16  # large reads, or acknowledgements, in a row before the first attempt
_LAST = 4096
_WORTHWHILE = 64  # reads in an attempt that make it a success
_ACKNOWLEDGEMENT = 1024  # bytes of a read that has nothing but acknowledgements, at most
_PROGRESS = 512 * 1024  # bytes sent that are worth one wake-up: a quarter of a usual window


class BulkReads:
    """Watches the reads of one socket.

    Parameters:
        transport: of asyncio, or what behaves like it.
        loop: runs the timer.
    """

    __slots__ = (
        "_ack_bytes",
        "_ack_sent",
        "_acks",
        "_acks_needed",
        "_count",
        "_loop",
        "_low_water",
        "_needed",
        "_seen",
        "_sending",
        "_socket",
        "_timer",
    )

    def __init__(self, transport: asyncio.BaseTransport, loop: asyncio.AbstractEventLoop) -> None:
        self._socket: socket.socket | None = transport.get_extra_info("socket")
        self._loop = loop
        self._low_water = 0
        self._count = 0
        self._needed = _FIRST
        self._seen = 0
        self._timer: asyncio.TimerHandle | None = None
        self._sending = False
        self._acks_needed = _FIRST
        self._acks = self._ack_bytes = self._ack_sent = 0

    def answered(self) -> None:
        """A read made us send something: the peer may wait for that, as SFTP does."""
        self._acks = self._ack_bytes = self._ack_sent = 0
        if self._timer is None:
            self._count = 0
        elif self._sending:
            self._leave()
        else:
            self._count += 1

    def note(self, size: int) -> None:
        """A read of `size` bytes was handled, and nothing was sent."""
        if self._timer is None and size < BULK_READ:
            self._count = 0
            return
        self._count += 1
        if self._timer is None:
            if self._count >= self._needed:
                self._enter(_LOW_WATER, sending=False)
        elif self._sending and size >= BULK_READ:
            self._leave()

    def acknowledged(self, size: int, sent: int) -> None:
        """A read of `size` bytes was handled; `sent` bytes of bulk data left since the last one."""
        if self._timer is not None:
            self._count += 1
            return
        self._count = 0
        if size > _ACKNOWLEDGEMENT:
            self._acks = self._ack_bytes = self._ack_sent = 0
            return
        self._acks += 1
        self._ack_bytes += size
        self._ack_sent += sent
        if self._acks >= self._acks_needed:
            # What the peer says about so much of our data, however many messages that are.
            low_water = self._ack_bytes * _PROGRESS // self._ack_sent
            if low_water * self._acks >= 2 * self._ack_bytes:
                self._enter(low_water, sending=True)
            self._acks = self._ack_bytes = self._ack_sent = 0

    def _enter(self, low_water: int, *, sending: bool) -> None:
        if self._set(low_water):
            self._sending = sending
            self._low_water = low_water
            self._count = self._seen = 0
            self._wait()

    def _wait(self) -> None:
        tick = _SENDING_TICK if self._sending else _TICK
        self._timer = self._loop.call_later(tick, self._tick)

    def _leave(self) -> None:
        """Be an ordinary socket again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._set(1)
        successful = self._count >= _WORTHWHILE or self._low_water > _LOW_WATER
        needed = self._acks_needed if self._sending else self._needed
        needed = _FIRST if successful else min(2 * needed, _LAST)
        if self._sending:
            self._acks_needed = needed
        else:
            self._needed = needed
        self._count = 0

    def close(self) -> None:
        """The socket is gone."""
        self._socket = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        reads = self._count - self._seen
        if not reads:
            self._leave()
            return
        self._seen = self._count
        if reads >= _BUSY and self._low_water < _HIGH_WATER and not self._sending:
            self._low_water = min(2 * self._low_water, _HIGH_WATER)
            self._set(self._low_water)
        self._wait()

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
