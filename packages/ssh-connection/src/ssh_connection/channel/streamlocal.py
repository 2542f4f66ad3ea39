"""Channels of forwarded UNIX domain sockets (PROTOCOL section 2.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import AnyStr

from ..messages.connection import DirectStreamlocal, ForwardedStreamlocal
from ..session import SSHUNIXSession
from .forward import SSHForwardChannel

__all__ = ["SSHUNIXChannel"]


class SSHUNIXChannel(SSHForwardChannel[AnyStr]):
    """A "direct-streamlocal@openssh.com" or "forwarded-streamlocal@openssh.com" channel."""

    async def connect(
        self, session_factory: Callable[[], SSHUNIXSession[AnyStr]], path: str
    ) -> tuple[SSHUNIXChannel[AnyStr], SSHUNIXSession[AnyStr]]:
        """Open "direct-streamlocal@openssh.com": the peer connects to the socket at `path`.

        Parameters:
            session_factory: called once the channel is open.
            path: of the socket on the peer.

        Raises ChannelOpenError if the peer refuses or can not connect.
        """
        self.set_extra_info(remote_peername=path, local_peername="")
        data = DirectStreamlocal(path).encode()
        return await self._begin(b"direct-streamlocal@openssh.com", data, session_factory)

    async def connect_forwarded(
        self, session_factory: Callable[[], SSHUNIXSession[AnyStr]], path: str
    ) -> tuple[SSHUNIXChannel[AnyStr], SSHUNIXSession[AnyStr]]:
        """Open "forwarded-streamlocal@openssh.com" (server): a connection came to `path`.

        Parameters:
            session_factory: called once the channel is open.
            path: the socket that the client asked to bind.

        Raises ChannelOpenError if the client refuses.
        """
        self.set_extra_info(local_peername=path, remote_peername="")
        data = ForwardedStreamlocal(path).encode()
        return await self._begin(b"forwarded-streamlocal@openssh.com", data, session_factory)

    def set_peer_name(self, path: str) -> None:
        """Set the extra info of a channel that the peer opened to, or from, a socket at `path`."""
        self.set_extra_info(local_peername=path, remote_peername="")

    async def _begin(
        self,
        channel_type: bytes,
        data: bytes,
        session_factory: Callable[[], SSHUNIXSession[AnyStr]],
    ) -> tuple[SSHUNIXChannel[AnyStr], SSHUNIXSession[AnyStr]]:
        return self, await self._open(session_factory, channel_type, data)
