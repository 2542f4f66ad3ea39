"""What the kernel is told about the reads of a connection until its user is authenticated.

* An identification string, or SSH_MSG_SERVICE_ACCEPT behind which a request of ours is already on
  its way, is nothing to wake up for: something else of the peer is certain to follow. SO_RCVLOWAT
  holds the wake-up back until that is there. Of the processor time of a login most is spent on
  coming back to work with cold caches, so two wake-ups less of six are a sixth of it.
* What the peer sends is acknowledged at once. Until the user is authenticated peers leave Nagle's
  algorithm on (RFC 896): the second of two small writes, as of SSH_MSG_SERVICE_ACCEPT and the
  answer behind it, waits for the acknowledgement of the first, which waits up to 40 ms for data of
  ours to go with (RFC 1122 section 4.2.3.2).

A peer that stops in the middle of something, against the protocol, must not be waited for in
silence: after a second every byte wakes us again. A server waits for nothing: closing a socket with
bytes that were never read resets the connection, and the client would not hear why.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from math import inf

from .core import TransportCore
from .messages import ServiceAccept
from .phases import Phase
from .protocols import Role

__all__ = ["LoginReads"]

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux
_PATIENCE = 1.0  # seconds


# No identification string (9 bytes) with an SSH_MSG_KEXINIT behind it (72, of empty lists) is less.
_LEAST_GREETING = 80
_UNREAD = 4096  # bytes: more than we wait for without looking
_SERVICE_ACCEPT = len(ServiceAccept(b"ssh-userauth").encode())


class LoginReads:
    """Watches the reads of one socket.

    Parameters:
        transport: of asyncio, or what behaves like it.
        core: knows what the peer has to send.
        now: seconds, on the clock of `expire`.
    """

    __slots__ = ("_core", "_low_water", "_socket", "deadline")

    def __init__(self, transport: asyncio.BaseTransport, core: TransportCore, now: float) -> None:
        self._socket: socket.socket | None = transport.get_extra_info("socket")
        self._core = core
        self._low_water = 1
        self.deadline = now + _PATIENCE if core.role is Role.CLIENT else inf
        """When to call `expire`."""

    def prepare(self) -> bool:
        """Get ready for the next read; whether this has to be called again behind it."""
        sock, core = self._socket, self._core
        if sock is None or core.closed or core.phase is Phase.CONNECTION:
            self.close()
            return False
        try:
            low_water = self._awaited()
            if low_water != self._low_water:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, low_water)
                self._low_water = low_water
            if _QUICKACK is not None:
                sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        except (OSError, AttributeError, TypeError):
            # No TCP, or no socket at all: then reads stay as they are.
            self.close()
            return False
        return True

    def _awaited(self) -> int:
        """Return a lower bound of what the peer has to send without hearing more from us."""
        core = self._core
        if self.deadline == inf:
            return 1
        if not core.peer_version:
            return _LEAST_GREETING
        if core.answer_awaited and core.phase is Phase.SERVICE:
            return core.least_size(_SERVICE_ACCEPT) + 1
        return 1

    def expire(self, now: float) -> None:
        """Have every byte wake us again if it is time."""
        if now >= self.deadline:
            self.deadline = inf
            self._reset()

    def _reset(self) -> None:
        if self._socket is not None and self._low_water != 1:
            self._low_water = 1
            with contextlib.suppress(OSError):  # it is gone, and so is what it waits for
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)

    def close(self) -> None:
        """Login is over, or the socket is about to be closed."""
        if self._socket is not None and self._low_water != 1 and self._core.closed:
            # What is closed with bytes that were never read is reset: the peer would hear that in
            # place of our SSH_MSG_DISCONNECT.
            with contextlib.suppress(OSError):  # there are none, or the peer has reset it
                os.read(self._socket.fileno(), _UNREAD)
        self._reset()
        self._socket = None
