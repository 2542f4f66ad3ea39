"""Errors of the authentication and connection protocols.

::

    ssh_keys.Error
    ├─ ssh_transport.DisconnectError
    │  ├─ PermissionDenied                 SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE
    │  └─ IllegalUserName                  SSH_DISCONNECT_ILLEGAL_USER_NAME
    ├─ ChannelOpenError                    code = OPEN_* (RFC 4254 section 5.1)
    ├─ GlobalRequestError                  the peer answered SSH_MSG_REQUEST_FAILURE
    └─ ProcessError ─ TimeoutError         code = exit status
    ValueError
    └─ ConfigParseError                    a configuration file is wrong
    Exception
    ├─ ChannelListenError
    └─ BreakReceived  SignalReceived  TerminalSizeChanged  PasswordChangeRequired
                                           (things that happen, not failures)
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence

from ssh_keys.errors import Error
from ssh_transport.constants import DisconnectReason
from ssh_transport.errors import (
    CompressionError,
    ConnectionLost,
    DisconnectError,
    HostKeyNotVerifiable,
    KeyExchangeFailed,
    MACError,
    ProtocolError,
    ProtocolNotSupported,
    ServiceNotAvailable,
    TooManyConnections,
    printable,
)

from .constants import DEFAULT_LANG

__all__ = [
    "BreakReceived",
    "ChannelListenError",
    "ChannelOpenError",
    "ConfigParseError",
    "GlobalRequestError",
    "IllegalUserName",
    "PasswordChangeRequired",
    "PermissionDenied",
    "ProcessError",
    "SignalReceived",
    "TerminalSizeChanged",
    "TimeoutError",
]

ExitSignal = tuple[str, bool, str, str]
"""Name of a signal without "SIG", whether core was dumped, message, language tag."""


class PermissionDenied(DisconnectError):
    """Authentication failed: no method is left.

    Parameters:
        reason: what went wrong, for a person.
        lang: language tag of `reason`.
        methods: what the server said last that it would accept; None if it was not that far.
    """

    def __init__(
        self,
        reason: str,
        lang: str = DEFAULT_LANG,
        methods: Sequence[bytes] | None = None,
    ) -> None:
        code = DisconnectReason.SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE
        super().__init__(int(code), reason, lang)
        self.methods = methods


class IllegalUserName(DisconnectError):
    """The user name can not be used (malformed, or with characters that are not allowed)."""

    def __init__(self, reason: str, lang: str = DEFAULT_LANG) -> None:
        super().__init__(int(DisconnectReason.SSH_DISCONNECT_ILLEGAL_USER_NAME), reason, lang)


_BY_CODE: dict[int, Callable[[str, str], DisconnectError]] = {
    DisconnectReason.SSH_DISCONNECT_PROTOCOL_ERROR: ProtocolError,
    DisconnectReason.SSH_DISCONNECT_KEY_EXCHANGE_FAILED: KeyExchangeFailed,
    DisconnectReason.SSH_DISCONNECT_MAC_ERROR: MACError,
    DisconnectReason.SSH_DISCONNECT_COMPRESSION_ERROR: CompressionError,
    DisconnectReason.SSH_DISCONNECT_SERVICE_NOT_AVAILABLE: ServiceNotAvailable,
    DisconnectReason.SSH_DISCONNECT_PROTOCOL_VERSION_NOT_SUPPORTED: ProtocolNotSupported,
    DisconnectReason.SSH_DISCONNECT_HOST_KEY_NOT_VERIFIABLE: HostKeyNotVerifiable,
    DisconnectReason.SSH_DISCONNECT_CONNECTION_LOST: ConnectionLost,
    DisconnectReason.SSH_DISCONNECT_TOO_MANY_CONNECTIONS: TooManyConnections,
    DisconnectReason.SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE: PermissionDenied,
    DisconnectReason.SSH_DISCONNECT_ILLEGAL_USER_NAME: IllegalUserName,
}


def error_of_peer(error: DisconnectError) -> DisconnectError:
    """Return the SSH_MSG_DISCONNECT of a peer as the class that its reason code has here."""
    kind = _BY_CODE.get(error.code)
    return error if kind is None else kind(error.reason, error.lang)


class ChannelOpenError(Error):
    """A channel could not be opened.

    Raised by what opens a channel; an application's handler raises it to refuse one.

    Parameters:
        code: an `OPEN_*` reason (RFC 4254 section 5.1).
        reason: what went wrong, for a person; from the peer it is escaped.
        lang: language tag of `reason`.
    """


class ChannelListenError(Exception):
    """The peer refused to listen for us (RFC 4254 section 7.1), or to stop listening."""


class GlobalRequestError(Error):
    """The peer answered a global request with SSH_MSG_REQUEST_FAILURE (RFC 4254 section 4).

    Parameters:
        name: the request, as in `b"tcpip-forward"`.
    """

    def __init__(self, name: bytes) -> None:
        super().__init__(0, f"global request {name.decode('ascii', 'backslashreplace')} failed")
        self.name = name


class ProcessError(Error):
    """A process ended with a non-zero exit status or by a signal, and a check was asked for.

    Parameters:
        env: environment variables that were sent.
        command: the command, or None.
        subsystem: the subsystem, or None.
        exit_status: the exit status; -1 if a signal ended the process; None if not known.
        exit_signal: signal name, core dumped, message and language; None without a signal.
        returncode: exit status, or the negative number of the signal (see `SIGNAL_NUMBERS`).
        stdout, stderr: output that was not redirected elsewhere.
        reason: overrides the text that is made of the exit status or signal.
        lang: language tag of `reason`.
    """

    def __init__(
        self,
        env: Mapping[str, str] | None,
        command: str | None,
        subsystem: str | None,
        exit_status: int | None,
        exit_signal: ExitSignal | None,
        returncode: int | None,
        stdout: bytes | str | None,
        stderr: bytes | str | None,
        reason: str = "",
        lang: str = DEFAULT_LANG,
    ) -> None:
        if exit_signal and not reason:
            name, core_dumped, message, lang = exit_signal
            # The text is the peer's, and ends up in logs and on terminals; the fields are raw.
            reason = f"Process exited with signal {printable(name)}"
            if message:
                reason += f": {printable(message)}"
            if core_dumped:
                reason += " (core dumped)"
        elif exit_status and not reason:
            reason = f"Process exited with non-zero exit status {exit_status}"
        super().__init__(exit_status or 0, reason, lang)
        self.env = env
        self.command = command
        self.subsystem = subsystem
        self.exit_status = exit_status
        self.exit_signal = exit_signal
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr


class TimeoutError(ProcessError, builtins.TimeoutError):
    """A process did not end in time; holds the output received until then.

    It is also a `builtins.TimeoutError` (which is `asyncio.TimeoutError`).
    """


class BreakReceived(Exception):
    """The client sent a break; raised by reads of a server's stdin, in order with its data.

    Parameters:
        msec: length of the break in milliseconds (RFC 4335).
    """

    def __init__(self, msec: int) -> None:
        super().__init__(f"Break for {msec} msec")
        self.msec = msec


class SignalReceived(Exception):
    """The client sent a signal; raised by reads of a server's stdin, in order with its data.

    Parameters:
        signal: name without "SIG" (RFC 4254 section 6.9), as the client sent it.
    """

    def __init__(self, signal: str) -> None:
        super().__init__(f"Signal: {signal!r}")
        self.signal = signal


class TerminalSizeChanged(Exception):
    """The client's terminal changed its size; raised by reads of a server's stdin.

    Parameters:
        width, height: in characters.
        pixwidth, pixheight: in pixels, 0 if not known.
    """

    def __init__(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        super().__init__(f"Terminal size change: ({width}, {height}, {pixwidth}, {pixheight})")
        self.width = width
        self.height = height
        self.pixwidth = pixwidth
        self.pixheight = pixheight

    @property
    def term_size(self) -> tuple[int, int, int, int]:
        """The four sizes as one tuple."""
        return self.width, self.height, self.pixwidth, self.pixheight


class PasswordChangeRequired(Exception):
    """Raised by a server's password check: the password is right but must be changed.

    Parameters:
        prompt: what the user is asked (RFC 4252 section 8).
        lang: language tag of `prompt`.
    """

    def __init__(self, prompt: str, lang: str = DEFAULT_LANG) -> None:
        super().__init__(f"Password change required: {prompt}")
        self.prompt = prompt
        self.lang = lang


class ConfigParseError(ValueError):
    """A configuration file can not be used.

    Parameters:
        reason: what is wrong.
        path: name of the file, empty if it is no single one.
        line: number of the line in it, from 1; 0 for the file as a whole.
    """

    def __init__(self, reason: str, path: str = "", line: int = 0) -> None:
        place = f"{printable(path)}:{line}: " if line else f"{printable(path)}: " if path else ""
        super().__init__(f"{place}{printable(reason)}")
        self.reason = reason
        self.path = path
        self.line = line
