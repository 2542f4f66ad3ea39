"""Session channels on a client (RFC 4254 section 6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import AnyStr, ClassVar, Final, cast

from ssh_keys.wire import encode_string, encode_text
from ssh_transport.texts import DEFAULT_TEXT_ERRORS, decode_text

from ..constants import (
    EXTENDED_DATA_STDERR,
    OPEN_REQUEST_PTY_FAILED,
    OPEN_REQUEST_SESSION_FAILED,
    SIGNAL_NAMES,
    SIGNAL_NUMBERS,
)
from ..errors import ChannelOpenError, ExitSignal
from ..messages.connection import (
    BreakRequest,
    EnvRequest,
    ExitSignalRequest,
    ExitStatusRequest,
    PtyRequest,
    SignalRequest,
    WindowChangeRequest,
    XonXoffRequest,
)
from ..session import SSHClientSession
from .agent import AGENT_REQUEST
from .link import DEFAULT_MAX_PKTSIZE, DEFAULT_WINDOW, ChannelHost, ConnectionServices
from .ptymodes import encode_terminal_modes
from .text import SSHChannel

__all__ = ["SSHClientChannel", "TermSize"]

TermSize = tuple[int, int] | tuple[int, int, int, int]
"""Width and height in characters, and optionally in pixels."""

_UNKNOWN_SIGNAL: Final = 99  # return code of a signal whose number is not known


class SSHClientChannel(SSHChannel[AnyStr]):
    """A session channel that we opened."""

    read_datatypes: ClassVar[frozenset[int]] = frozenset({EXTENDED_DATA_STDERR})
    request_handlers: ClassVar[Mapping[bytes, str]] = {
        b"xon-xoff": "_xon_xoff_requested",
        b"exit-status": "_exit_status_received",
        b"exit-signal": "_exit_signal_received",
        b"eow@openssh.com": "_end_of_write",
    }

    def __init__(
        self,
        conn: ConnectionServices,
        mux: ChannelHost,
        *,
        encoding: str | None = "utf-8",
        errors: str = "strict",
        window: int = DEFAULT_WINDOW,
        max_pktsize: int = DEFAULT_MAX_PKTSIZE,
        utf8_decode_errors: str = DEFAULT_TEXT_ERRORS,
    ) -> None:
        super().__init__(
            conn, mux, encoding=encoding, errors=errors, window=window, max_pktsize=max_pktsize
        )
        self._text_errors = utf8_decode_errors
        self._env: dict[str, str] = {}
        self._command: str | None = None
        self._subsystem: str | None = None
        self._exit_status: int | None = None
        self._exit_signal: ExitSignal | None = None
        self.cut_off = False
        """Whether the connection ended before the channel did."""

    def on_connection_lost(self, exc: Exception | None) -> None:
        """The connection ended: what the process comes to, nobody will tell."""
        self.cut_off = True
        super().on_connection_lost(exc)

    async def create(
        self,
        session_factory: Callable[[], SSHClientSession[AnyStr]],
        command: str | bytes | None = None,
        *,
        subsystem: str | None = None,
        env: Mapping[str, str] | Mapping[bytes, bytes] | None = None,
        request_pty: bool = False,
        term_type: str | None = None,
        term_size: TermSize = (0, 0),
        term_modes: Mapping[int, int] | None = None,
        agent_forwarding: bool = False,
        prepare: Callable[[SSHClientChannel[AnyStr]], Awaitable[None]] | None = None,
    ) -> tuple[SSHClientChannel[AnyStr], SSHClientSession[AnyStr]]:
        """Open the channel, send the requests and start the session.

        Parameters:
            session_factory: called once the channel is open.
            command: what to run; a shell if there is neither a command nor a subsystem.
            subsystem: name of a subsystem.
            env: environment variables, sent as UTF-8; servers ignore most of them.
            request_pty: whether to ask for a pseudo-terminal.
            term_type: its type, as in `xterm`.
            term_size: width and height in characters, and optionally in pixels.
            term_modes: `PTY_*` opcode to value.
            agent_forwarding: whether to offer our agent; the server may ignore it.
            prepare: makes further requests (`request`) before the session starts.

        Raises ChannelOpenError if the channel, the pseudo-terminal or the session is refused,
        ValueError for arguments that can not be encoded, and what `session_factory` raises.
        """
        environment = [
            EnvRequest(_encode(name), _encode(value)).encode()
            for name, value in (env or {}).items()
        ]
        self._env = {_text(name): _text(value) for name, value in (env or {}).items()}
        self._command = _text(command) if command is not None else None
        self._subsystem = subsystem
        pty = _pty_request(term_type, term_size, term_modes) if request_pty else None
        request, data = _start_request(command, subsystem)
        session = await self._open(session_factory, b"session")
        try:
            if agent_forwarding:
                self._send_request(AGENT_REQUEST)
            for each in environment:
                self._send_request(b"env", each)
            if prepare is not None:
                await prepare(self)
            # Not joined with the start of the session: the command must not run without the
            # terminal that was asked for.
            if pty is not None and not await self._make_request(b"pty-req", pty):
                raise ChannelOpenError(OPEN_REQUEST_PTY_FAILED, "PTY request failed")
            if not await self._make_request(request, data, self._session_answered):
                raise ChannelOpenError(OPEN_REQUEST_SESSION_FAILED, "Session request failed")
        except BaseException:
            self._abort()
            raise
        return self, session

    def _session_answered(self, accepted: bool) -> None:
        # Not in the coroutine, which runs later: data, EOF and CLOSE may follow in this packet.
        if accepted:
            self._start()

    # --- Requests of the server --------------------------------------------------------------

    @property
    def _client_session(self) -> SSHClientSession[AnyStr] | None:
        return cast("SSHClientSession[AnyStr] | None", self._session)

    def _xon_xoff_requested(self, data: bytes) -> bool:
        request = XonXoffRequest.decode(data)
        if self._client_session is not None:
            self._client_session.xon_xoff_requested(request.client_can_do)
        return True

    def _exit_status_received(self, data: bytes) -> bool:
        self._exit_status = ExitStatusRequest.decode(data).exit_status
        if self._client_session is not None:
            self._client_session.exit_status_received(self._exit_status)
        return True

    def _exit_signal_received(self, data: bytes) -> bool:
        request = ExitSignalRequest.decode(data)
        self._exit_signal = (
            request.signal_name,
            request.core_dumped,
            decode_text(request.error_message, self._text_errors, "message of an exit signal"),
            request.language_tag.decode("ascii", "backslashreplace"),
        )
        if self._client_session is not None:
            self._client_session.exit_signal_received(*self._exit_signal)
        return True

    def _end_of_write(self, data: bytes) -> bool:
        # PROTOCOL section 2.1: the process does not read its stdin any more. What we write is
        # dropped by the server, so nothing has to change here.
        return True

    async def request(self, name: bytes, data: bytes = b"") -> bool:
        """Make a request (RFC 4254 section 5.4); false if the server refuses.

        Parameters:
            name: type of the request.
            data: what is specific to it, encoded.
        """
        return await self._make_request(name, data)

    # --- Public API --------------------------------------------------------------------------

    def get_environment(self) -> Mapping[str, str]:
        """Return the environment variables that were sent."""
        return MappingProxyType(self._env)

    def get_command(self) -> str | None:
        """Return the command, or None for a shell or a subsystem."""
        return self._command

    def get_subsystem(self) -> str | None:
        """Return the subsystem, or None."""
        return self._subsystem

    def get_exit_status(self) -> int | None:
        """Return the exit status, -1 if a signal ended the process, None if it is not known."""
        if self._exit_status is not None:
            return self._exit_status
        return -1 if self._exit_signal is not None else None

    def get_exit_signal(self) -> ExitSignal | None:
        """Return name, core dumped, message and language of the signal that ended the process."""
        return self._exit_signal

    def get_returncode(self) -> int | None:
        """Return the exit status, or the negative number of the signal, as `subprocess` does.

        -99 stands for a signal whose number is not known.
        """
        if self._exit_status is not None:
            return self._exit_status
        if self._exit_signal is not None:
            return -SIGNAL_NUMBERS.get(self._exit_signal[0], _UNKNOWN_SIGNAL)
        return None

    def change_terminal_size(
        self, width: int, height: int, pixwidth: int = 0, pixheight: int = 0
    ) -> None:
        """Tell the server the new size of the terminal (RFC 4254 section 6.7).

        Parameters:
            width, height: in characters.
            pixwidth, pixheight: in pixels, 0 if not known.
        """
        request = WindowChangeRequest(width, height, pixwidth, pixheight)
        self._send_request(b"window-change", request.encode())

    def send_break(self, msec: int) -> None:
        """Ask the server for a break of `msec` milliseconds (RFC 4335)."""
        self._send_request(b"break", BreakRequest(msec).encode())

    def send_signal(self, signal: str | int) -> None:
        """Send a signal to the process (RFC 4254 section 6.9).

        Parameters:
            signal: name without "SIG", or its number on a POSIX system.

        Raises ValueError for a number without a name in the RFC.
        """
        if isinstance(signal, int):
            name = SIGNAL_NAMES.get(int(signal))
            if name is None:
                raise ValueError(f"no name is known for signal {signal}")
            signal = name
        self._send_request(b"signal", SignalRequest(signal).encode())

    def terminate(self) -> None:
        """Send the signal TERM."""
        self.send_signal("TERM")

    def kill(self) -> None:
        """Send the signal KILL."""
        self.send_signal("KILL")


def _encode(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")


def _start_request(command: str | bytes | None, subsystem: str | None) -> tuple[bytes, bytes]:
    if command is not None and subsystem is not None:
        raise ValueError("a session has a command or a subsystem, not both")
    if command is not None:
        return b"exec", encode_string(_encode(command))
    if subsystem is not None:
        return b"subsystem", encode_text(subsystem)
    return b"shell", b""


def _pty_request(
    term_type: str | None, term_size: TermSize, term_modes: Mapping[int, int] | None
) -> bytes:
    if len(term_size) == 2:
        width, height, pixwidth, pixheight = *term_size, 0, 0
    elif len(term_size) == 4:
        width, height, pixwidth, pixheight = term_size
    else:
        raise ValueError("If set, terminal size must be a tuple of 2 or 4 integers")
    modes = encode_terminal_modes(term_modes or {})
    return PtyRequest(term_type or "", width, height, pixwidth, pixheight, modes).encode()
