"""Channels of a server: sessions that clients open, and channels made for the application."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, AnyStr, cast

from .. import editor
from ..awaiting import holding
from ..channel.base import Channel
from ..channel.link import DEFAULT_MAX_PKTSIZE
from ..channel.session_server import SSHServerChannel
from ..channel.streamlocal import SSHUNIXChannel
from ..channel.tcpip import SSHTCPChannel
from ..constants import (
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_CONNECT_FAILED,
    OPEN_RESOURCE_SHORTAGE,
)
from ..errors import ChannelOpenError
from ..options.server import SSHServerConnectionOptions
from ..process.server import SSHServerProcess
from ..server import NewSession, SSHServer
from ..session import SSHServerSession
from ..stream_session import SSHServerStreamSession
from ..userauth.protocols import KeyOptions
from .forced_command import RestrictedChannel
from .server_x11 import ServerX11

if TYPE_CHECKING:
    from ..editor import SSHLineEditorChannel

__all__ = ["ServerSessions"]


class ServerSessions(ServerX11):
    """Accepts sessions (RFC 4254 section 6)."""

    _no_more_sessions = False
    _pending_sessions = 0

    @property
    def server_options(self) -> SSHServerConnectionOptions:
        """The options of the connection."""
        options = self._options
        assert isinstance(options, SSHServerConnectionOptions)
        return options

    @property
    def owner(self) -> SSHServer:
        """The object that `server_factory` made."""
        raise NotImplementedError

    @property
    def _restrictions(self) -> KeyOptions:
        raise NotImplementedError

    # --- Sessions ----------------------------------------------------------------------------

    def _session_opened(self) -> Channel | Awaitable[Channel]:
        if self._no_more_sessions:
            raise ChannelOpenError(
                OPEN_ADMINISTRATIVELY_PROHIBITED, "no more sessions, as the client said itself"
            )
        sessions = sum(
            isinstance(channel, SSHServerChannel) for channel in self._require_mux().channels
        )
        if sessions + self._pending_sessions >= self.server_options.max_sessions:
            raise ChannelOpenError(OPEN_RESOURCE_SHORTAGE, "too many sessions")
        factory_session = self._session_of_factory()
        if factory_session is not None:
            return self._session_channel(factory_session)
        answer = self.owner.session_requested()
        if isinstance(answer, Awaitable):
            return holding(self._session_later(answer), answer)
        return self._session_channel(answer)

    def _session_of_factory(self) -> SSHServerSession[Any] | None:
        options = self.server_options
        if options.process_factory is not None:
            process: SSHServerSession[Any]
            process = SSHServerProcess[Any](cast(Any, options.process_factory))
            return process
        if options.session_factory is not None:
            return SSHServerStreamSession[Any](cast(Any, options.session_factory))
        return None

    async def _session_later(self, answer: Awaitable[NewSession]) -> Channel:
        self._pending_sessions += 1
        try:
            return self._session_channel(await answer)
        finally:
            self._pending_sessions -= 1

    def _session_channel(self, answer: NewSession) -> Channel:
        options = self.server_options
        channel: SSHServerChannel[Any]
        session: SSHServerSession[Any]
        if isinstance(answer, tuple):
            channel, session = cast("tuple[SSHServerChannel[Any], SSHServerSession[Any]]", answer)
        elif isinstance(answer, bool) or answer is None:
            if answer:
                raise ChannelOpenError(OPEN_CONNECT_FAILED, "session_requested gave no session")
            if not (options.subsystems or options.exec_interceptors):
                raise ChannelOpenError(OPEN_CONNECT_FAILED, "Session refused")
            # Nothing but subsystems: this session refuses all the rest.
            session = SSHServerStreamSession[Any](None)
            channel = self.create_server_channel()
        else:
            if isinstance(answer, SSHServerSession):
                session = answer
            else:
                session = SSHServerStreamSession[Any](cast(Any, answer))
            channel = self.create_server_channel()
        channel.set_session(session)
        return channel

    # --- Public API --------------------------------------------------------------------------

    def create_server_channel(
        self,
        encoding: str | None = "",
        errors: str = "",
        window: int = 0,
        max_pktsize: int = 0,
    ) -> SSHServerChannel[AnyStr]:
        """Make a session channel, to be returned from `session_requested` with its session.

        Parameters:
            encoding: of what the session reads and writes, None for bytes; empty for the option
                `encoding`.
            errors: what to do about errors of the encoding; empty for the option `errors`.
            window: bytes that the client may send before they are read; 0 for the option.
            max_pktsize: bytes in one message of the client, at most; 0 for the option.
        """
        options = self.server_options
        keys = self._restrictions
        agent = options.agent_forwarding and self._may_use_agent()
        display = options.x11_forwarding and self._may_use_x11()
        allow_pty = options.allow_pty and not keys.get("no-pty", False)
        edited = allow_pty and options.line_editor
        channel: RestrictedChannel[AnyStr]
        channel = (editor.SSHLineEditorChannel if edited else RestrictedChannel)(
            self,
            self._require_mux(),
            allow_pty=allow_pty,
            subsystems=options.subsystems,
            exec_interceptors=options.exec_interceptors,
            agent_listener=self._agent_listener if agent else None,
            x11_listener=self._listen_x11 if display else None,
            encoding=options.encoding if encoding == "" else encoding,
            errors=errors or options.errors,
            window=window or options.window,
            max_pktsize=max_pktsize or options.max_pktsize,
        )
        if edited:
            cast("SSHLineEditorChannel[AnyStr]", channel).use_editor(options)
        command = keys.get("command")
        environment = keys.get("environment")
        if isinstance(command, str) or isinstance(environment, Mapping):
            channel.restrict(
                command if isinstance(command, str) else None,
                environment if isinstance(environment, Mapping) else {},
            )
        return channel

    def create_tcp_channel(
        self,
        encoding: str | None = None,
        errors: str = "strict",
        window: int = 2 * 1024 * 1024,
        max_pktsize: int = DEFAULT_MAX_PKTSIZE,
    ) -> SSHTCPChannel[AnyStr]:
        """Make a channel, to be returned from `connection_requested` with its session.

        Parameters as of `create_server_channel`.
        """
        return SSHTCPChannel(
            self,
            self._require_mux(),
            encoding=encoding,
            errors=errors,
            window=window,
            max_pktsize=max_pktsize,
        )

    def create_unix_channel(
        self,
        encoding: str | None = None,
        errors: str = "strict",
        window: int = 2 * 1024 * 1024,
        max_pktsize: int = DEFAULT_MAX_PKTSIZE,
    ) -> SSHUNIXChannel[AnyStr]:
        """Make a channel, to be returned from `unix_connection_requested` with its session.

        Parameters as of `create_server_channel`.
        """
        return SSHUNIXChannel(
            self,
            self._require_mux(),
            encoding=encoding,
            errors=errors,
            window=window,
            max_pktsize=max_pktsize,
        )
