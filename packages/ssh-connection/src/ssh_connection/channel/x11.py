"""Channels of X11 connections (RFC 4254 section 6.3)."""

from __future__ import annotations

from collections.abc import Callable

from ..messages.connection import X11Open
from ..session import SSHTCPSession
from .forward import SSHForwardChannel

__all__ = ["X11_CHANNEL", "X11_REQUEST", "SSHX11Channel"]

X11_CHANNEL = b"x11"
"""Type of a channel that the server opens to the display of its client."""

X11_REQUEST = b"x11-req"
"""Request of a session that allows the server to do so."""


class SSHX11Channel(SSHForwardChannel[bytes]):
    """An "x11" channel."""

    async def connect(
        self, session_factory: Callable[[], SSHTCPSession[bytes]], orig_host: str, orig_port: int
    ) -> None:
        """Open the channel (server).

        Parameters:
            session_factory: called once the channel is open.
            orig_host, orig_port: where the X11 client has connected from.

        Raises ChannelOpenError if the client refuses.
        """
        await self._open(session_factory, X11_CHANNEL, X11Open(orig_host, orig_port).encode())
