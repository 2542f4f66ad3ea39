"""What clients and servers have in common in forwarding (RFC 4254 section 7)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, AnyStr, TypeAlias, TypedDict, Unpack, cast, overload

from ssh_transport.config import TransportConfig

from ..channel.link import DEFAULT_MAX_PKTSIZE, DEFAULT_WINDOW
from ..channel.streamlocal import SSHUNIXChannel
from ..channel.tcpip import SSHTCPChannel
from ..forward.listener import SSHListener
from ..forward.relay import connect_tcp_relay, connect_unix_relay
from ..options.base import SSHConnectionOptions
from ..session import SSHTCPSession, SSHUNIXSession
from ..stream import SSHReader, SSHWriter
from ..stream_session import SSHTCPStreamSession, SSHUNIXStreamSession
from .base import SSHConnection

__all__ = ["ChannelKwargs", "Forwarding"]


_TextStreams: TypeAlias = tuple[SSHReader[str], SSHWriter[str]]
_ByteStreams: TypeAlias = tuple[SSHReader[bytes], SSHWriter[bytes]]


class ChannelKwargs(TypedDict, total=False):
    """Keywords of everything that opens a channel of a forwarded connection, besides `encoding`."""

    errors: str
    window: int
    max_pktsize: int


_KEYWORDS = frozenset(ChannelKwargs.__annotations__)


class Forwarding(SSHConnection):
    """Opens channels for connections, and keeps listeners."""

    def __init__(
        self, options: SSHConnectionOptions, config: TransportConfig, *, tunnelled: bool = False
    ) -> None:
        super().__init__(options, config, tunnelled=tunnelled)
        self._listeners: list[SSHListener] = []

    def _keep(self, listener: SSHListener) -> SSHListener:
        """Have a listener closed with the connection."""
        if self._lost:
            listener.close()
        self._listeners = [each for each in self._listeners if not each.is_closed()]
        self._listeners.append(listener)
        return listener

    def _connection_lost(self, exc: Exception | None) -> None:
        super()._connection_lost(exc)
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    # --- Channels ----------------------------------------------------------------------------

    def _tcp_channel(
        self, encoding: str | None = None, **kwargs: Unpack[ChannelKwargs]
    ) -> SSHTCPChannel[Any]:
        _refuse_unknown(kwargs)
        return SSHTCPChannel(
            self,
            self._require_mux(),
            encoding=encoding,
            errors=kwargs.get("errors", "strict"),
            window=kwargs.get("window", DEFAULT_WINDOW),
            max_pktsize=kwargs.get("max_pktsize", DEFAULT_MAX_PKTSIZE),
        )

    def _unix_channel(
        self, encoding: str | None = None, **kwargs: Unpack[ChannelKwargs]
    ) -> SSHUNIXChannel[Any]:
        _refuse_unknown(kwargs)
        return SSHUNIXChannel(
            self,
            self._require_mux(),
            encoding=encoding,
            errors=kwargs.get("errors", "strict"),
            window=kwargs.get("window", DEFAULT_WINDOW),
            max_pktsize=kwargs.get("max_pktsize", DEFAULT_MAX_PKTSIZE),
        )

    @abstractmethod
    async def create_connection(
        self,
        session_factory: Callable[[], SSHTCPSession[AnyStr]],
        remote_host: str,
        remote_port: int,
        orig_host: str = "",
        orig_port: int = 0,
        *,
        encoding: str | None = None,
        **kwargs: Unpack[ChannelKwargs],
    ) -> tuple[SSHTCPChannel[AnyStr], SSHTCPSession[AnyStr]]:
        """Open a channel for a TCP connection on the peer's side."""

    @abstractmethod
    async def create_unix_connection(
        self,
        session_factory: Callable[[], SSHUNIXSession[AnyStr]],
        remote_path: str,
        *,
        encoding: str | None = None,
        **kwargs: Unpack[ChannelKwargs],
    ) -> tuple[SSHUNIXChannel[AnyStr], SSHUNIXSession[AnyStr]]:
        """Open a channel for a connection to a UNIX domain socket on the peer's side."""

    @overload
    async def open_connection(
        self,
        remote_host: str,
        remote_port: int,
        orig_host: str = ...,
        orig_port: int = ...,
        *,
        encoding: None = ...,
        **kwargs: Unpack[ChannelKwargs],
    ) -> tuple[SSHReader[bytes], SSHWriter[bytes]]: ...

    @overload
    async def open_connection(
        self,
        remote_host: str,
        remote_port: int,
        orig_host: str = ...,
        orig_port: int = ...,
        *,
        encoding: str,
        **kwargs: Unpack[ChannelKwargs],
    ) -> tuple[SSHReader[str], SSHWriter[str]]: ...

    async def open_connection(
        self,
        remote_host: str,
        remote_port: int,
        orig_host: str = "",
        orig_port: int = 0,
        *,
        encoding: str | None = None,
        **kwargs: Unpack[ChannelKwargs],
    ) -> _TextStreams | _ByteStreams:
        """Open a channel as `create_connection` does, and return its streams."""
        chan, session = await self.create_connection(
            SSHTCPStreamSession[Any],
            remote_host,
            remote_port,
            orig_host,
            orig_port,
            encoding=encoding,
            **kwargs,
        )
        streams = cast("SSHTCPStreamSession[Any]", session)
        return cast(_ByteStreams, (SSHReader(streams, chan), SSHWriter(streams, chan)))

    @overload
    async def open_unix_connection(
        self, remote_path: str, *, encoding: None = ..., **kwargs: Unpack[ChannelKwargs]
    ) -> tuple[SSHReader[bytes], SSHWriter[bytes]]: ...

    @overload
    async def open_unix_connection(
        self, remote_path: str, *, encoding: str, **kwargs: Unpack[ChannelKwargs]
    ) -> tuple[SSHReader[str], SSHWriter[str]]: ...

    async def open_unix_connection(
        self, remote_path: str, *, encoding: str | None = None, **kwargs: Unpack[ChannelKwargs]
    ) -> _TextStreams | _ByteStreams:
        """Open a channel as `create_unix_connection` does, and return its streams."""
        chan, session = await self.create_unix_connection(
            SSHUNIXStreamSession[Any], remote_path, encoding=encoding, **kwargs
        )
        streams = cast("SSHUNIXStreamSession[Any]", session)
        return cast(_ByteStreams, (SSHReader(streams, chan), SSHWriter(streams, chan)))

    # --- Relays ------------------------------------------------------------------------------

    async def forward_connection(self, dest_host: str, dest_port: int) -> SSHTCPSession[bytes]:
        """Connect to a TCP port from here, and return the session of the channel that goes there.

        To be returned where a session is asked for, as from `connection_requested`.

        Parameters:
            dest_host, dest_port: where to connect.

        Raises ChannelOpenError if it does not work.
        """
        return await connect_tcp_relay(dest_host, dest_port)

    async def forward_unix_connection(self, dest_path: str) -> SSHUNIXSession[bytes]:
        """Connect to a UNIX domain socket here; otherwise as `forward_connection`."""
        return await connect_unix_relay(dest_path)


def _refuse_unknown(kwargs: ChannelKwargs) -> None:
    if not kwargs.keys() <= _KEYWORDS:
        unknown = ", ".join(sorted(kwargs.keys() - _KEYWORDS))
        raise TypeError(f"a channel has no keyword {unknown}")
