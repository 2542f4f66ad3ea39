"""Session channels on a server (RFC 4254 section 6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, AnyStr, ClassVar, Final, cast

from ssh_keys.wire import PacketDecodeError

from ..constants import DEFAULT_LANG, EXTENDED_DATA_STDERR
from ..messages.connection import (
    BreakRequest,
    EnvRequest,
    ExecRequest,
    ExitSignalRequest,
    ExitStatusRequest,
    PtyRequest,
    SignalRequest,
    SubsystemRequest,
    WindowChangeRequest,
    X11Request,
    XonXoffRequest,
)
from ..protocols import ExecInterceptor, SubsystemFactory
from ..session import SSHServerSession
from .agent import AGENT_REQUEST
from .link import DEFAULT_MAX_PKTSIZE, DEFAULT_WINDOW, ChannelHost, ConnectionServices
from .ptymodes import decode_terminal_modes
from .state import HalfState
from .text import SSHChannel
from .x11 import X11_REQUEST

__all__ = ["SSHServerChannel"]

MAX_ENVIRONMENT: Final = 256
"""Environment variables that a client may set."""
MAX_ENVIRONMENT_SIZE: Final = 64 * 1024
"""Bytes of names and values of all of them."""

X11Listener = Callable[[X11Request, "SSHServerChannel[Any]"], Awaitable[Mapping[str, str] | None]]
"""Makes a display for a request of a session."""

_START_REQUESTS: Final = frozenset({b"shell", b"exec", b"subsystem"})


class SSHServerChannel(SSHChannel[AnyStr]):
    """A session channel that a client opened.

    Parameters:
        conn: the connection object.
        mux: the channels of the connection.
        allow_pty: whether pseudo-terminals are allowed.
        subsystems: name to the factory of the session that serves it; other subsystems are up
            to the session of the channel.
        exec_interceptors: are asked in order before a command goes to the session.
        agent_listener: gives the path of a socket that leads to the client's agent; None if the
            client may not forward it.
        x11_listener: makes a display that leads to the client's, and gives variables for programs
            (DISPLAY), or None if it can not; None if the client may not forward X11.
        encoding, errors, window, max_pktsize: see `SSHChannel`.
    """

    write_datatypes: ClassVar[frozenset[int]] = frozenset({EXTENDED_DATA_STDERR})
    request_handlers: ClassVar[Mapping[bytes, str]] = {
        b"pty-req": "_pty_requested",
        b"env": "_env_received",
        b"shell": "_shell_requested",
        b"exec": "_exec_requested",
        b"subsystem": "_subsystem_requested",
        b"window-change": "_window_changed",
        b"signal": "_signal_received",
        b"break": "_break_received",
        b"eow@openssh.com": "_end_of_write",
        AGENT_REQUEST: "_agent_offered",
        X11_REQUEST: "_x11_requested",
    }

    def __init__(
        self,
        conn: ConnectionServices,
        mux: ChannelHost,
        *,
        allow_pty: bool = True,
        subsystems: Mapping[str, SubsystemFactory] | None = None,
        exec_interceptors: Sequence[ExecInterceptor] = (),
        agent_listener: Callable[[], Awaitable[str | None]] | None = None,
        x11_listener: X11Listener | None = None,
        encoding: str | None = "utf-8",
        errors: str = "strict",
        window: int = DEFAULT_WINDOW,
        max_pktsize: int = DEFAULT_MAX_PKTSIZE,
    ) -> None:
        super().__init__(
            conn, mux, encoding=encoding, errors=errors, window=window, max_pktsize=max_pktsize
        )
        self._allow_pty = allow_pty
        self._subsystems = subsystems or {}
        self._exec_interceptors = exec_interceptors
        self._agent_listener = agent_listener
        self._agent_path: str | None = None
        self._x11_listener = x11_listener
        self._x11_display: str | None = None
        self._env: dict[str, str] = {}
        self._env_size = 0
        self._command: str | None = None
        self._subsystem: str | None = None
        self._start_requested = False
        self._term_type: str | None = None
        self._term_size = (0, 0, 0, 0)
        self._term_modes: dict[int, int] = {}

    @property
    def _server_session(self) -> SSHServerSession[AnyStr]:
        return cast("SSHServerSession[AnyStr]", self._session)

    # --- Requests of the client --------------------------------------------------------------

    def _pty_requested(self, data: bytes) -> bool | Awaitable[bool]:
        request = PtyRequest.decode(data)
        modes = decode_terminal_modes(request.terminal_modes)
        if not self._allow_pty or self._start_requested or self._session is None:
            return False
        size = (request.width, request.height, request.pixel_width, request.pixel_height)
        answer = self._server_session.pty_requested(request.term, size, MappingProxyType(modes))

        def accepted() -> None:
            self._term_type, self._term_size, self._term_modes = request.term, size, modes

        return _when(answer, accepted)

    def _env_received(self, data: bytes) -> bool:
        request = EnvRequest.decode(data)
        size = len(request.variable_name) + len(request.variable_value)
        try:
            name, value = request.variable_name.decode(), request.variable_value.decode()
        except UnicodeDecodeError:
            return False
        if not name or "=" in name or "\0" in name or "\0" in value:
            return False
        if self._env_size + size > MAX_ENVIRONMENT_SIZE or (
            len(self._env) >= MAX_ENVIRONMENT and name not in self._env
        ):
            return False
        self._env_size += size
        self._env[name] = value
        return True

    def _may_start(self) -> bool:
        # RFC 4254 section 6.5: only one of these requests can succeed per channel.
        if self._start_requested or self._session is None:
            return False
        self._start_requested = True
        return True

    def _shell_requested(self, data: bytes) -> bool | Awaitable[bool]:
        if data:
            raise PacketDecodeError('"shell" request with data')
        return self._may_start() and self._server_session.shell_requested()

    def _exec_requested(self, data: bytes) -> bool | Awaitable[bool]:
        raw = ExecRequest.decode(data).command
        if not self._may_start():
            return False
        try:
            command = raw.decode()
        except UnicodeDecodeError:
            return False
        self._command = command
        for intercept in self._exec_interceptors:
            session = intercept(command, _byte_channel(self))
            if session is not None:
                return self._serve(session)
        return self._server_session.exec_requested(command)

    def _subsystem_requested(self, data: bytes) -> bool | Awaitable[bool]:
        name = SubsystemRequest.decode(data).subsystem_name
        if not self._may_start():
            return False
        self._subsystem = name
        factory = self._subsystems.get(name)
        if factory is not None:
            return self._serve(factory(_byte_channel(self)))
        return self._server_session.subsystem_requested(name)

    def _serve(
        self, session: SSHServerSession[bytes] | Awaitable[SSHServerSession[bytes]]
    ) -> bool | Awaitable[bool]:
        if not isinstance(session, Awaitable):
            self._replace_session(session)
            return True
        pending = session

        async def wait() -> bool:
            self._replace_session(await pending)
            return True

        return wait()

    def _replace_session(self, session: SSHServerSession[bytes]) -> None:
        """A subsystem or an interceptor serves this channel instead of the first session."""
        first = self._session
        replacement: object = session
        self._session = cast("SSHServerSession[AnyStr]", replacement)
        if first is not None:
            first.connection_lost(None)
        self.set_encoding(None)
        session.connection_made(_byte_channel(self))

    def _request_answered(self, name: bytes, accepted: bool) -> None:
        if name in _START_REQUESTS:
            if accepted:
                self._start()
            elif not self._started:
                self._start_requested = False
                self._command = self._subsystem = None

    def _window_changed(self, data: bytes) -> bool:
        request = WindowChangeRequest.decode(data)
        size = (request.width, request.height, request.pixel_width, request.pixel_height)
        self._term_size = size
        if self._session is not None:
            self._server_session.terminal_size_changed(*size)
        return True

    def _signal_received(self, data: bytes) -> bool:
        signal = SignalRequest.decode(data).signal_name
        if self._session is not None:
            self._server_session.signal_received(signal)
        return True

    def _break_received(self, data: bytes) -> bool | Awaitable[bool]:
        msec = BreakRequest.decode(data).break_length
        return self._session is not None and self._server_session.break_received(msec)

    def _agent_offered(self, data: bytes) -> bool | Awaitable[bool]:
        if data:
            raise PacketDecodeError("request to forward an agent with data")
        listen = self._agent_listener
        if listen is None or self._start_requested:
            return False

        async def wait() -> bool:
            self._agent_path = await listen()
            return True

        return wait()

    def _x11_requested(self, data: bytes) -> bool | Awaitable[bool]:
        request = X11Request.decode(data)
        # One display per session: the second request finds no listener.
        listen, self._x11_listener = self._x11_listener, None
        if listen is None or self._start_requested:
            return False

        async def wait() -> bool:
            variables = await listen(request, self)
            if variables is None:
                return False
            self._env.update(variables)
            self._x11_display = variables["DISPLAY"]
            return True

        return wait()

    def _end_of_write(self, data: bytes) -> bool:
        # PROTOCOL section 2.1: the client does not want our output any more. What is written
        # from now on goes the usual way; the client drops it.
        return True

    # --- Public API --------------------------------------------------------------------------

    def get_environment(self) -> Mapping[str, str]:
        """Return the environment variables that the client sent."""
        return MappingProxyType(self._env)

    def get_command(self) -> str | None:
        """Return the command that the client wants to run, or None."""
        return self._command

    def get_subsystem(self) -> str | None:
        """Return the subsystem that the client asked for, or None."""
        return self._subsystem

    def get_agent_path(self) -> str | None:
        """Return the path of a socket that leads to the agent of the client.

        It is meant as SSH_AUTH_SOCK of programs that are run for the client, and lasts as long as
        the connection. None if the client does not forward an agent, or may not.
        """
        return self._agent_path

    def get_x11_display(self) -> str | None:
        """Return the name of a display that leads to the one of the client.

        It is DISPLAY of programs that are run for the client (and is in `get_environment`), and
        lasts as long as the session. None if the client does not forward X11, or may not.
        """
        return self._x11_display

    def get_terminal_type(self) -> str | None:
        """Return the type of the pseudo-terminal, or None if there is none."""
        return self._term_type

    def get_terminal_size(self) -> tuple[int, int, int, int]:
        """Return width and height in characters, then in pixels; 0 if not known."""
        return self._term_size

    def get_terminal_mode(self, mode: int) -> int | None:
        """Return the value of a `PTY_*` mode, or None if the client did not set it."""
        return self._term_modes.get(mode)

    def get_terminal_modes(self) -> Mapping[int, int]:
        """Return all terminal modes that the client set."""
        return MappingProxyType(self._term_modes)

    def write_stderr(self, data: AnyStr) -> None:
        """Write data to the standard error of the session; see `write`."""
        self.write(data, EXTENDED_DATA_STDERR)

    def writelines_stderr(self, list_of_data: Iterable[AnyStr]) -> None:
        """Write several pieces of data to the standard error as one."""
        self.writelines(list_of_data, EXTENDED_DATA_STDERR)

    def set_xon_xoff(self, client_can_do: bool) -> None:
        """Tell the client whether it may handle Control-S and Control-Q itself.

        Parameters:
            client_can_do: RFC 4254 section 6.8.
        """
        self._send_request(b"xon-xoff", XonXoffRequest(client_can_do).encode())

    def exit(self, status: int) -> None:
        """Report the exit status behind all output, and close the channel.

        Parameters:
            status: 0 to 2**32 - 1; ValueError for others.
        """
        self._end(b"exit-status", ExitStatusRequest(status).encode())

    def exit_with_signal(
        self, signal: str, core_dumped: bool = False, msg: str = "", lang: str = DEFAULT_LANG
    ) -> None:
        """Report that a signal ended the process, and close the channel.

        Parameters:
            signal: name without "SIG" (RFC 4254 section 6.10).
            core_dumped: whether core was dumped.
            msg: error message for a person.
            lang: language tag of `msg`.
        """
        request = ExitSignalRequest(signal, core_dumped, msg.encode(), lang.encode())
        self._end(b"exit-signal", request.encode())

    def _end(self, name: bytes, data: bytes) -> None:
        if self.sending in (HalfState.OPEN, HalfState.EOF) and not self._close_wanted:
            self.write_eof()
            self._send_last_request(name, data)
            self._close()


def _byte_channel(channel: object) -> SSHServerChannel[bytes]:
    # What a factory gets is switched to bytes as soon as it has made its session.
    return cast("SSHServerChannel[bytes]", channel)


def _when(answer: bool | Awaitable[bool], accepted: Callable[[], None]) -> bool | Awaitable[bool]:
    """Call `accepted` if the answer is yes, now or when it is there."""
    if isinstance(answer, Awaitable):

        async def wait() -> bool:
            result = await answer
            if result:
                accepted()
            return bool(result)

        return wait()
    if answer:
        accepted()
    return bool(answer)
