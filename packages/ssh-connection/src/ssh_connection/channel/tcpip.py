"""Channels of forwarded TCP connections (RFC 4254 section 7.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import AnyStr

from ..messages.connection import DirectTcpip, ForwardedTcpip
from ..session import SSHTCPSession
from .forward import SSHForwardChannel

__all__ = ["SSHTCPChannel"]


class SSHTCPChannel(SSHForwardChannel[AnyStr]):
    """A "direct-tcpip" or "forwarded-tcpip" channel."""

    async def connect(
        self,
        session_factory: Callable[[], SSHTCPSession[AnyStr]],
        host: str,
        port: int,
        orig_host: str = "",
        orig_port: int = 0,
    ) -> tuple[SSHTCPChannel[AnyStr], SSHTCPSession[AnyStr]]:
        """Open "direct-tcpip": the peer connects to `host` and `port`.

        Parameters:
            session_factory: called once the channel is open.
            orig_host, orig_port: where the forwarded connection came from.

        Raises ChannelOpenError if the peer refuses or can not connect.
        """
        self._describe(host, port, orig_host, orig_port)
        data = DirectTcpip(host, port, orig_host, orig_port).encode()
        return await self._begin(b"direct-tcpip", data, session_factory)

    async def connect_forwarded(
        self,
        session_factory: Callable[[], SSHTCPSession[AnyStr]],
        dest_host: str,
        dest_port: int,
        orig_host: str,
        orig_port: int,
    ) -> tuple[SSHTCPChannel[AnyStr], SSHTCPSession[AnyStr]]:
        """Open "forwarded-tcpip" (server): a connection came to a port we listen on for the client.

        Parameters:
            session_factory: called once the channel is open.
            dest_host, dest_port: the address that the client asked to bind, and the real port.
            orig_host, orig_port: where the connection came from.

        Raises ChannelOpenError if the client refuses.
        """
        self._describe(dest_host, dest_port, orig_host, orig_port)
        data = ForwardedTcpip(dest_host, dest_port, orig_host, orig_port).encode()
        return await self._begin(b"forwarded-tcpip", data, session_factory)

    def set_peer_names(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> None:
        """Set the extra info of a channel that the peer opened: it comes from the remote end.

        Parameters:
            dest_host, dest_port: where the connection goes, or came to.
            orig_host, orig_port: where it comes from.
        """
        self.set_extra_info(
            local_peername=(dest_host, dest_port), remote_peername=(orig_host, orig_port)
        )

    def _describe(self, host: str, port: int, orig_host: str, orig_port: int) -> None:
        self.set_extra_info(
            peername=(orig_host, orig_port),
            remote_peername=(host, port),
            local_peername=(orig_host, orig_port),
        )

    async def _begin(
        self,
        channel_type: bytes,
        data: bytes,
        session_factory: Callable[[], SSHTCPSession[AnyStr]],
    ) -> tuple[SSHTCPChannel[AnyStr], SSHTCPSession[AnyStr]]:
        return self, await self._open(session_factory, channel_type, data)
