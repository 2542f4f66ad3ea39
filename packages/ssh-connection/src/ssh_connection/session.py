"""Callback classes that applications derive their sessions from.

Callbacks are plain functions, called from the event loop. An exception that a callback raises
closes the channel (the session's `connection_lost` gets it), never the connection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, AnyStr, Generic, Protocol, runtime_checkable

if TYPE_CHECKING:
    from .channel.session_client import SSHClientChannel
    from .channel.session_server import SSHServerChannel
    from .channel.streamlocal import SSHUNIXChannel
    from .channel.tcpip import SSHTCPChannel
    from .tuntap import SSHTunTapChannel

__all__ = [
    "SSHClientSession",
    "SSHServerSession",
    "SSHSession",
    "SSHTCPSession",
    "SSHTunTapSession",
    "SSHUNIXSession",
    "ViewSession",
]


@runtime_checkable
class ViewSession(Protocol):
    """A session that gets its data where it lies, without a copy.

    Used on channels without an encoding, and on others if `decodes` is true: then the session
    decodes the data itself. If `explicit_consumption` is true the session has to
    call `channel.consumed(size)` for all bytes once it is done with them; until then the window
    does not open again. Such a session may have a method `data_run_received(packets, start, ends,
    size)`, too: it takes the plain data of several messages at once, `size` bytes in all, which are
    `packets[i][start : ends[i]]`.
    """

    explicit_consumption: bool
    decodes: bool

    def data_view_received(self, packet: bytes, start: int, end: int, datatype: int | None) -> None:
        """`packet[start:end]` was received; `packet` is immutable and may be kept."""
        ...


class SSHSession(Generic[AnyStr]):
    """What sessions of all kinds are told about their channel.

    Each kind has its own `connection_made`, with the type of its channel.
    """

    explicit_consumption: bool = False
    """True if the session itself calls `channel.consumed` (see `ViewSession`)."""
    decodes: bool = False
    """True if the session takes bytes though its channel has an encoding (see `ViewSession`)."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed; always the last call.

        Parameters:
            exc: None if it was closed in order, else why.
        """

    def session_started(self) -> None:
        """The session has begun: a shell, command or subsystem runs, or a connection is open."""

    def data_received(self, data: AnyStr, datatype: int | None) -> None:
        """Data was received.

        Parameters:
            data: `str` if the channel has an encoding, else bytes.
            datatype: `EXTENDED_DATA_STDERR`, or None for ordinary data.
        """

    def eof_received(self) -> bool | None:
        """The peer sends no more data.

        Return true to go on writing; otherwise EOF is sent too, behind what was written.
        """
        return False

    def pause_writing(self) -> None:
        """More is waiting to be sent than the high-water mark: stop writing for now."""

    def resume_writing(self) -> None:
        """No more is waiting than the low-water mark: writing may go on."""


class SSHClientSession(SSHSession[AnyStr]):
    """A session on a client: the counterpart of a shell, command or subsystem."""

    def connection_made(self, chan: SSHClientChannel[AnyStr]) -> None:
        """The channel is open; the command is not started yet.

        Parameters:
            chan: the channel; keep it to write to it.
        """

    def xon_xoff_requested(self, client_can_do: bool) -> None:
        """The server says whether Control-S and Control-Q may be handled locally.

        Parameters:
            client_can_do: RFC 4254 section 6.8.
        """

    def exit_status_received(self, status: int) -> None:
        """The remote process exited.

        Parameters:
            status: its exit status, 0 to 2**32 - 1.
        """

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        """The remote process was ended by a signal (RFC 4254 section 6.10).

        Parameters:
            signal: name without "SIG".
            core_dumped: whether it dumped core.
            msg: error message of the server, unescaped.
            lang: language tag of `msg`.
        """


class SSHServerSession(SSHSession[AnyStr]):
    """A session on a server. The `*_requested` methods may also be coroutines."""

    def connection_made(self, chan: SSHServerChannel[AnyStr]) -> None:
        """The channel is open; nothing was requested yet.

        Parameters:
            chan: the channel; keep it to write to it.
        """

    def pty_requested(
        self,
        term_type: str,
        term_size: tuple[int, int, int, int],
        term_modes: Mapping[int, int],
    ) -> bool | Awaitable[bool]:
        """The client wants a pseudo-terminal (RFC 4254 section 6.2).

        Parameters:
            term_type: as in `xterm`; empty if the client has none.
            term_size: width and height in characters, then in pixels.
            term_modes: `PTY_*` opcode to value.

        Return true to allow it, which is the default.
        """
        return True

    def shell_requested(self) -> bool | Awaitable[bool]:
        """The client wants a shell; return true to accept. The default is to refuse."""
        return False

    def exec_requested(self, command: str) -> bool | Awaitable[bool]:
        """The client wants to run `command`; return true to accept. The default is to refuse."""
        return False

    def subsystem_requested(self, subsystem: str) -> bool | Awaitable[bool]:
        """The client wants a subsystem; return true to accept. The default is to refuse."""
        return False

    def break_received(self, msec: int) -> bool | Awaitable[bool]:
        """The client sends a break (RFC 4335).

        Parameters:
            msec: its length in milliseconds.

        Return true if it was performed; the default is false.
        """
        return False

    def soft_eof_received(self) -> bool | None:
        """Control-D was pressed on an empty line, see `SSHLineEditorChannel`.

        Unlike behind EOF, more may be typed. Returns as `eof_received`, which it calls by default.
        """
        return self.eof_received()

    def signal_received(self, signal: str) -> None:
        """The client sends a signal (RFC 4254 section 6.9).

        Parameters:
            signal: name without "SIG", as the client sent it.
        """

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """The client's terminal has another size (RFC 4254 section 6.7).

        Parameters:
            width, height: in characters.
            pixwidth, pixheight: in pixels, 0 if not known.
        """


class SSHTCPSession(SSHSession[AnyStr]):
    """A session on a forwarded TCP connection."""

    def connection_made(self, chan: SSHTCPChannel[AnyStr]) -> None:
        """The channel is open.

        Parameters:
            chan: the channel; keep it to write to it.
        """


class SSHUNIXSession(SSHSession[AnyStr]):
    """A session on a forwarded UNIX domain socket."""

    def connection_made(self, chan: SSHUNIXChannel[AnyStr]) -> None:
        """The channel is open.

        Parameters:
            chan: the channel; keep it to write to it.
        """


class SSHTunTapSession(SSHSession[bytes]):
    """A session on a tunnel of network packets: each call of `data_received` is one of them.

    What that is depends on what was opened: an IP packet, or an Ethernet frame with its header.
    """

    def connection_made(self, chan: SSHTunTapChannel) -> None:
        """The channel is open.

        Parameters:
            chan: the channel; keep it to write to it, one packet at a time.
        """
