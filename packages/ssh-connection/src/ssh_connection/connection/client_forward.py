"""Forwarding of a client: connections through the server, and listeners on both sides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, AnyStr, TypeAlias, Unpack

from ssh_transport.config import TransportConfig

from .. import socks
from ..addresses import check_port
from ..awaiting import holding
from ..channel.base import Channel
from ..channel.streamlocal import SSHUNIXChannel
from ..channel.tcpip import SSHTCPChannel
from ..forward.listener import SSHListener, forward_tcp_listener, forward_unix_listener
from ..forward.relay import AcceptHandler, RelaySession
from ..forward.remote import RemoteListeners
from ..messages.connection import ChannelOpen
from ..opening import opening
from ..options.base import SSHConnectionOptions
from ..session import SSHTCPSession, SSHUNIXSession
from ..stream_session import SocketHandler, SSHTCPStreamSession, SSHUNIXStreamSession
from ..userauth.protocols import MaybeAwait
from .forwarding import ChannelKwargs, Forwarding

__all__ = ["ClientForwarding"]

TCPSessionFactory: TypeAlias = Callable[[str, int], MaybeAwait[SSHTCPSession[AnyStr]]]
"""Takes host and port that a connection comes from, returns the session that serves it; raises
ChannelOpenError to refuse."""

UNIXSessionFactory: TypeAlias = Callable[[], MaybeAwait[SSHUNIXSession[AnyStr]]]

TCPHandlerFactory: TypeAlias = Callable[[str, int], MaybeAwait[SocketHandler[AnyStr]]]
"""Takes host and port that a connection comes from, returns the function that serves its reader
and writer; raises ChannelOpenError to refuse."""

UNIXHandlerFactory: TypeAlias = Callable[[], MaybeAwait[SocketHandler[AnyStr]]]


class ClientForwarding(Forwarding):
    """Forwards ports and paths."""

    def __init__(
        self, options: SSHConnectionOptions, config: TransportConfig, *, tunnelled: bool = False
    ) -> None:
        super().__init__(options, config, tunnelled=tunnelled)
        self._remote: RemoteListeners | None = None

    def _remote_listeners(self) -> RemoteListeners:
        mux = self._require_mux()
        if self._remote is None:
            self._remote = RemoteListeners(mux)
        return self._remote

    def _connection_lost(self, exc: Exception | None) -> None:
        super()._connection_lost(exc)
        remote, self._remote = self._remote, None
        if remote is not None:
            remote.connection_lost()

    # --- Connections through the server ------------------------------------------------------

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
        """Have the server connect to a TCP port (RFC 4254 section 7.2).

        Parameters:
            session_factory: makes the `SSHTCPSession`, once the channel is open.
            remote_host, remote_port: where the server shall connect.
            orig_host, orig_port: where the connection comes from, for the server's log.
            encoding: of what the session reads and writes, None for bytes.
            errors: what to do about errors of the encoding.
            window: bytes that the server may send before they are read.
            max_pktsize: bytes in one message of the server, at most.

        Raises ChannelOpenError if the server refuses or can not connect, ValueError for a port out
        of range.
        """
        check_port("remote_port", remote_port)
        channel: SSHTCPChannel[AnyStr] = self._tcp_channel(encoding, **kwargs)
        return await channel.connect(
            session_factory, remote_host, remote_port, orig_host, orig_port
        )

    async def create_unix_connection(
        self,
        session_factory: Callable[[], SSHUNIXSession[AnyStr]],
        remote_path: str,
        *,
        encoding: str | None = None,
        **kwargs: Unpack[ChannelKwargs],
    ) -> tuple[SSHUNIXChannel[AnyStr], SSHUNIXSession[AnyStr]]:
        """Have the server connect to a UNIX domain socket (PROTOCOL section 2.4).

        Parameters:
            session_factory: makes the `SSHUNIXSession`, once the channel is open.
            remote_path: where the server shall connect; the others as of `create_connection`.

        Raises ChannelOpenError if the server refuses or can not connect.
        """
        channel: SSHUNIXChannel[AnyStr] = self._unix_channel(encoding, **kwargs)
        return await channel.connect(session_factory, remote_path)

    # --- Listeners on the server -------------------------------------------------------------

    @opening
    async def create_server(
        self,
        session_factory: TCPSessionFactory[AnyStr],
        listen_host: str,
        listen_port: int,
        *,
        encoding: str | None = None,
        **kwargs: Unpack[ChannelKwargs],
    ) -> SSHListener:
        """Have the server listen on a TCP port for us (RFC 4254 section 7.1).

        Parameters:
            session_factory: called for each connection with the host and port it comes from;
                returns an `SSHTCPSession`, or raises ChannelOpenError to refuse.
            listen_host: address on the server; empty for all.
            listen_port: port on the server; 0 for one that is free, see `get_port`.
            encoding, errors, window, max_pktsize: as of `create_connection`.

        Raises ChannelListenError if the server refuses, ValueError for a port out of range.
        """

        def accept(
            host: str, port: int, orig_host: str, orig_port: int
        ) -> Channel | Awaitable[Channel]:
            channel = self._tcp_channel(encoding, **kwargs)
            channel.set_extra_info(peername=(orig_host, orig_port))
            channel.set_peer_names(host, port, orig_host, orig_port)
            return _with_session(channel, session_factory(orig_host, orig_port))

        return await self._remote_listeners().listen_tcp(listen_host, listen_port, accept)

    @opening
    async def start_server(
        self,
        handler_factory: TCPHandlerFactory[AnyStr],
        listen_host: str,
        listen_port: int,
        *,
        encoding: str | None = None,
        **kwargs: Unpack[ChannelKwargs],
    ) -> SSHListener:
        """Have the server listen on a TCP port for us, with streams.

        Parameters:
            handler_factory: called for each connection with the host and port it comes from;
                returns a function or coroutine function that gets reader and writer.

        The others and errors as of `create_server`.
        """

        def session(orig_host: str, orig_port: int) -> MaybeAwait[SSHTCPSession[AnyStr]]:
            handler = handler_factory(orig_host, orig_port)
            if isinstance(handler, Awaitable):
                return holding(_stream_later(handler, SSHTCPStreamSession), handler)
            return SSHTCPStreamSession(handler)

        return await self.create_server(
            session, listen_host, listen_port, encoding=encoding, **kwargs
        )

    @opening
    async def create_unix_server(
        self,
        session_factory: UNIXSessionFactory[AnyStr],
        listen_path: str,
        *,
        encoding: str | None = None,
        **kwargs: Unpack[ChannelKwargs],
    ) -> SSHListener:
        """Have the server listen on a UNIX domain socket for us (PROTOCOL section 2.4).

        Parameters:
            session_factory: called for each connection; returns an `SSHUNIXSession`, or raises
                ChannelOpenError to refuse.
            listen_path: path on the server; the others as of `create_connection`.

        Raises ChannelListenError if the server refuses.
        """

        def accept() -> Channel | Awaitable[Channel]:
            channel = self._unix_channel(encoding, **kwargs)
            channel.set_peer_name(listen_path)
            return _with_session(channel, session_factory())

        return await self._remote_listeners().listen_unix(listen_path, accept)

    @opening
    async def start_unix_server(
        self,
        handler_factory: UNIXHandlerFactory[AnyStr],
        listen_path: str,
        *,
        encoding: str | None = None,
        **kwargs: Unpack[ChannelKwargs],
    ) -> SSHListener:
        """Have the server listen on a UNIX domain socket for us, with streams.

        Parameters:
            handler_factory: called for each connection; returns a function or coroutine function
                that gets reader and writer.

        The others and errors as of `create_unix_server`.
        """

        def session() -> MaybeAwait[SSHUNIXSession[AnyStr]]:
            handler = handler_factory()
            if isinstance(handler, Awaitable):
                return holding(_stream_later(handler, SSHUNIXStreamSession), handler)
            return SSHUNIXStreamSession(handler)

        return await self.create_unix_server(session, listen_path, encoding=encoding, **kwargs)

    def _forwarded(self, request: ChannelOpen) -> Channel | Awaitable[Channel]:
        """The server has accepted a connection for us."""
        return self._remote_listeners().open_requested(request)

    # --- Local listeners ---------------------------------------------------------------------

    @opening
    async def forward_local_port(
        self,
        listen_host: str,
        listen_port: int,
        dest_host: str,
        dest_port: int,
        accept_handler: AcceptHandler | None = None,
    ) -> SSHListener:
        """Listen here, and have the server connect to a TCP port for each connection.

        Parameters:
            listen_host, listen_port: address here; an empty host for all, port 0 for any.
            dest_host, dest_port: where the server connects.
            accept_handler: called with host and port that a connection comes from; returns, or
                gives when awaited, whether it is forwarded.

        Raises OSError if the address can not be listened on, ValueError for a port out of range.
        """
        check_port("dest_port", dest_port)
        self._require_mux()
        return self._keep(
            await forward_tcp_listener(
                lambda factory, host, port: self.create_connection(
                    factory, dest_host, dest_port, host, port
                ),
                listen_host,
                listen_port,
                accept_handler,
            )
        )

    @opening
    async def forward_local_path(self, listen_path: str, dest_path: str) -> SSHListener:
        """Listen on a UNIX domain socket here, and have the server connect to one there.

        Raises OSError if the path can not be listened on.
        """
        self._require_mux()
        return self._keep(
            await forward_unix_listener(
                lambda factory, host, port: self.create_unix_connection(factory, dest_path),
                listen_path,
            )
        )

    @opening
    async def forward_local_port_to_path(
        self,
        listen_host: str,
        listen_port: int,
        dest_path: str,
        accept_handler: AcceptHandler | None = None,
    ) -> SSHListener:
        """Listen on a TCP port here, and have the server connect to a UNIX domain socket.

        Parameters and errors as of `forward_local_port`.
        """
        self._require_mux()
        return self._keep(
            await forward_tcp_listener(
                lambda factory, host, port: self.create_unix_connection(factory, dest_path),
                listen_host,
                listen_port,
                accept_handler,
            )
        )

    @opening
    async def forward_local_path_to_port(
        self, listen_path: str, dest_host: str, dest_port: int
    ) -> SSHListener:
        """Listen on a UNIX domain socket here, and have the server connect to a TCP port.

        Raises OSError if the path can not be listened on, ValueError for a port out of range.
        """
        check_port("dest_port", dest_port)
        self._require_mux()
        return self._keep(
            await forward_unix_listener(
                lambda factory, host, port: self.create_connection(factory, dest_host, dest_port),
                listen_path,
            )
        )

    @opening
    async def forward_socks(
        self, listen_host: str, listen_port: int, accept_handler: AcceptHandler | None = None
    ) -> SSHListener:
        """Listen here for SOCKS clients, and have the server connect to where each one wants to go.

        SOCKS 4, 4A and 5 (RFC 1928) without authentication, of which CONNECT is done. Whoever
        reaches the port reaches what the server reaches, so it is best on a loopback address.

        Parameters:
            listen_host, listen_port: address here; an empty host for all, port 0 for any.
            accept_handler: as of `forward_local_port`.

        Raises OSError if the address can not be listened on, ValueError for a port out of range.
        """
        self._require_mux()
        return self._keep(
            await socks.listen_socks(
                self.create_connection, listen_host, listen_port, accept_handler, self._log
            )
        )

    # --- Listeners on the server, forwarded here ---------------------------------------------

    @opening
    async def forward_remote_port(
        self, listen_host: str, listen_port: int, dest_host: str, dest_port: int
    ) -> SSHListener:
        """Have the server listen on a TCP port, and connect to a TCP port here for each connection.

        Parameters:
            listen_host, listen_port: address on the server; an empty host for all, port 0 for any.
            dest_host, dest_port: where we connect.

        Raises ChannelListenError if the server refuses, ValueError for a port out of range.
        """
        check_port("dest_port", dest_port)

        def connect(orig_host: str, orig_port: int) -> Awaitable[SSHTCPSession[bytes]]:
            return self.forward_connection(dest_host, dest_port)

        return await self.create_server(connect, listen_host, listen_port)

    @opening
    async def forward_remote_path(self, listen_path: str, dest_path: str) -> SSHListener:
        """Have the server listen on a UNIX domain socket, and connect to one here.

        Raises ChannelListenError if the server refuses.
        """
        return await self.create_unix_server(
            lambda: self.forward_unix_connection(dest_path), listen_path
        )

    @opening
    async def forward_remote_port_to_path(
        self, listen_host: str, listen_port: int, dest_path: str
    ) -> SSHListener:
        """Have the server listen on a TCP port, and connect to a UNIX domain socket here.

        Parameters and errors as of `forward_remote_port`.
        """

        def connect(orig_host: str, orig_port: int) -> Awaitable[SSHTCPSession[bytes]]:
            return _relay(self.forward_unix_connection(dest_path))

        return await self.create_server(connect, listen_host, listen_port)

    @opening
    async def forward_remote_path_to_port(
        self, listen_path: str, dest_host: str, dest_port: int
    ) -> SSHListener:
        """Have the server listen on a UNIX domain socket, and connect to a TCP port here.

        Raises ChannelListenError if the server refuses, ValueError for a port out of range.
        """
        check_port("dest_port", dest_port)
        return await self.create_unix_server(
            lambda: _relay(self.forward_connection(dest_host, dest_port)), listen_path
        )


def _relay(session: Awaitable[object]) -> Awaitable[RelaySession]:
    async def wait() -> RelaySession:
        # One relay serves channels of both kinds.
        made = await session
        assert isinstance(made, RelaySession)
        return made

    return holding(wait(), session)


async def _stream_later(handler: Awaitable[Any], session: Callable[[Any], Any]) -> Any:
    return session(await handler)


def _with_session(
    channel: SSHTCPChannel[Any] | SSHUNIXChannel[Any], session: MaybeAwait[Any]
) -> Channel | Awaitable[Channel]:
    if isinstance(session, Awaitable):

        async def wait() -> Channel:
            channel.set_session(await session)
            return channel

        return holding(wait(), session)
    channel.set_session(session)
    return channel
