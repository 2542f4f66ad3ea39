"""Forwarding of a server: what clients may connect to and have us listen on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Set
from fnmatch import fnmatchcase
from typing import Any, AnyStr, Unpack, cast

from ssh_transport.config import TransportConfig

from ..addresses import MAX_PORT
from ..awaiting import holding
from ..channel.base import Channel
from ..channel.streamlocal import SSHUNIXChannel
from ..channel.tcpip import SSHTCPChannel
from ..constants import OPEN_ADMINISTRATIVELY_PROHIBITED, OPEN_CONNECT_FAILED
from ..errors import ChannelOpenError
from ..forward.listener import SSHListener, forward_tcp_listener, forward_unix_listener
from ..forward.relay import connect_tcp_relay, connect_unix_relay
from ..forward.remote import ClientListeners
from ..logging import Peer
from ..messages.connection import ChannelOpen, DirectStreamlocal, DirectTcpip
from ..options.base import SSHConnectionOptions
from ..options.server import SSHServerConnectionOptions
from ..server import SSHServer
from ..session import SSHTCPSession, SSHUNIXSession
from ..stream_session import SSHTCPStreamSession, SSHUNIXStreamSession
from ..userauth.protocols import KeyOptions
from .forwarding import ChannelKwargs, Forwarding

__all__ = ["ServerForwarding"]

_REQUESTS = frozenset(
    {
        b"tcpip-forward",
        b"cancel-tcpip-forward",
        b"streamlocal-forward@openssh.com",
        b"cancel-streamlocal-forward@openssh.com",
    }
)


class ServerForwarding(Forwarding):
    """Decides about forwarding, with the key's options and the callbacks."""

    def __init__(
        self, options: SSHConnectionOptions, config: TransportConfig, *, tunnelled: bool = False
    ) -> None:
        super().__init__(options, config, tunnelled=tunnelled)
        self._client_listeners: ClientListeners | None = None

    @property
    def owner(self) -> SSHServer:
        """The object that `server_factory` made."""
        raise NotImplementedError

    @property
    def _restrictions(self) -> KeyOptions:
        raise NotImplementedError

    def _connection_lost(self, exc: Exception | None) -> None:
        super()._connection_lost(exc)
        listeners, self._client_listeners = self._client_listeners, None
        if listeners is not None:
            listeners.connection_lost()

    # --- Channels that clients open ----------------------------------------------------------

    def _may_forward(self) -> bool:
        return not self._restrictions.get("no-port-forwarding", False)

    def _direct_tcpip(self, request: ChannelOpen) -> Channel | Awaitable[Channel]:
        wanted = DirectTcpip.decode(request.type_data)
        host, port = wanted.host_to_connect, wanted.port_to_connect
        orig = wanted.originator_address, wanted.originator_port
        if not (self._may_forward() and self._may_open(host, port)):
            raise ChannelOpenError(
                OPEN_ADMINISTRATIVELY_PROHIBITED, "Port forwarding not permitted"
            )
        if port > MAX_PORT:
            raise ChannelOpenError(OPEN_CONNECT_FAILED, "there is no such port")
        self._log.info("connection to %s port %s requested", Peer(host), port)

        new = self._tcp_channel()
        new.set_peer_names(host, port, *orig)

        def make(answer: Any) -> Channel | Awaitable[Channel]:
            if answer is True:
                answer = connect_tcp_relay(host, port)
            return self._answered(answer, new, SSHTCPSession, SSHTCPStreamSession)

        return self._when(self.owner.connection_requested(host, port, *orig), make)

    def _direct_streamlocal(self, request: ChannelOpen) -> Channel | Awaitable[Channel]:
        path = DirectStreamlocal.decode(request.type_data).socket_path
        if not self._may_forward() or "permitopen" in self._restrictions:
            raise ChannelOpenError(
                OPEN_ADMINISTRATIVELY_PROHIBITED, "Port forwarding not permitted"
            )
        self._log.info("connection to %s requested", Peer(path))

        new = self._unix_channel()
        new.set_peer_name(path)

        def make(answer: Any) -> Channel | Awaitable[Channel]:
            if answer is True:
                answer = connect_unix_relay(path)
            return self._answered(answer, new, SSHUNIXSession, SSHUNIXStreamSession)

        return self._when(self.owner.unix_connection_requested(path), make)

    @staticmethod
    def _when(
        answer: Any, make: Callable[[Any], Channel | Awaitable[Channel]]
    ) -> Channel | Awaitable[Channel]:
        """Make the channel now, or when the answer is there."""
        if not isinstance(answer, Awaitable):
            return make(answer)

        async def wait() -> Channel:
            made = make(await answer)
            return await made if isinstance(made, Awaitable) else made

        return holding(wait(), answer)

    def _answered(
        self,
        answer: Any,
        new: Any,
        session_type: type[Any],
        stream_session: Callable[[Any], Any],
    ) -> Channel | Awaitable[Channel]:
        """Turn the answer of a callback into a channel with its session.

        Parameters:
            answer: as of `SSHServer.connection_requested`.
            new: a channel for it. It was made before anything is waited for: when the connection
                has ended meanwhile, it tells the session, which may have a socket already.
            session_type, stream_session: class of sessions, and what makes one of a handler.
        """
        if isinstance(answer, Awaitable):

            async def wait() -> Channel:
                made = self._answered(await answer, new, session_type, stream_session)
                assert isinstance(made, Channel)
                return made

            return holding(wait(), answer)
        if not answer:
            raise ChannelOpenError(OPEN_CONNECT_FAILED, "Connection refused")
        if isinstance(answer, tuple):
            channel, session = answer
        elif isinstance(answer, session_type):
            channel, session = new, answer
        else:
            channel, session = new, stream_session(answer)
        channel.set_session(session)
        return cast(Channel, channel)

    def _may_open(self, host: str, port: int) -> bool:
        """Whether the key's option `permitopen` lets this be opened (sshd(8))."""
        permitted = self._restrictions.get("permitopen")
        if permitted is None:
            return True
        assert isinstance(permitted, Set)
        # An asterisk stands for any host, or port, but for no part of one.
        return any((name, number) in permitted for name in (host, "*") for number in (port, None))

    # --- Listeners that clients ask for ------------------------------------------------------

    def _forward_request(self, name: bytes, data: bytes) -> Awaitable[bytes | None] | None:
        if name not in _REQUESTS or not self._may_forward():
            return None
        if self._client_listeners is None:
            options = self._options
            assert isinstance(options, SSHServerConnectionOptions)
            self._client_listeners = ClientListeners(
                self._listen_tcp, self._listen_unix, max_listeners=options.max_listeners
            )
        return self._client_listeners.global_request(name, data)

    async def _listen_tcp(self, host: str, port: int) -> SSHListener | None:
        if not self._may_listen(host, port):
            return None
        self._log.info("listener on %s port %s requested", Peer(host), port)
        answer = self.owner.server_requested(host, port)
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer is not True:
            return answer or None
        listener: SSHListener | None = None

        async def open_channel(
            factory: Callable[[], SSHTCPSession[bytes]], orig_host: str, orig_port: int
        ) -> object:
            assert listener is not None
            bound = listener.get_port()
            return await self.create_connection(factory, host, bound, orig_host, orig_port)

        listener = await self._listening(forward_tcp_listener(open_channel, host, port))
        return listener

    async def _listen_unix(self, path: str) -> SSHListener | None:
        if "permitlisten" in self._restrictions:
            return None
        self._log.info("listener on %s requested", Peer(path))
        answer = self.owner.unix_server_requested(path)
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer is not True:
            return answer or None
        return await self._listening(
            forward_unix_listener(
                lambda factory, orig_host, orig_port: self.create_unix_connection(factory, path),
                path,
            )
        )

    async def _listening(self, pending: Awaitable[SSHListener]) -> SSHListener | None:
        try:
            return await pending
        except (OSError, ValueError) as exc:
            # Addresses are the client's: one that is taken, or that is none at all.
            self._log.info("no listener: %s", Peer(exc))
            return None

    def _may_listen(self, host: str, port: int) -> bool:
        """Whether the key's option `permitlisten` lets us listen there (sshd(8))."""
        permitted = self._restrictions.get("permitlisten")
        if permitted is None:
            return True
        assert isinstance(permitted, Set)
        return any(
            (not pattern or fnmatchcase(host, pattern)) and number in (port, None)
            for pattern, number in permitted
        )

    # --- Public API --------------------------------------------------------------------------

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
        """Hand the client a connection to an address that it had us listen on.

        Parameters:
            session_factory: makes the `SSHTCPSession`, once the channel is open.
            remote_host, remote_port: the address, as the client asked for it.
            orig_host, orig_port: where the connection comes from.
            encoding: of what the session reads and writes, None for bytes.
            errors: what to do about errors of the encoding.
            window: bytes that the client may send before they are read.
            max_pktsize: bytes in one message of the client, at most.

        Raises ChannelOpenError if the client refuses.
        """
        channel: SSHTCPChannel[AnyStr] = self._tcp_channel(encoding, **kwargs)
        return await channel.connect_forwarded(
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
        """Hand the client a connection to a path that it had us listen on.

        Parameters:
            session_factory: makes the `SSHUNIXSession`, once the channel is open.
            remote_path: the path, as the client asked for it; the others as of
                `create_connection`.

        Raises ChannelOpenError if the client refuses.
        """
        channel: SSHUNIXChannel[AnyStr] = self._unix_channel(encoding, **kwargs)
        return await channel.connect_forwarded(session_factory, remote_path)
