"""Sessions of a client: shells, commands and subsystems."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, AnyStr, Literal, TypeAlias, TypedDict, Unpack, cast, overload

from .. import subprocess
from ..channel.session_client import SSHClientChannel, TermSize
from ..constants import EXTENDED_DATA_STDERR
from ..opening import Opening
from ..options.client import SSHClientConnectionOptions
from ..process.client import SSHClientProcess
from ..process.redirect import DEFAULT_BUFSIZE, PIPE, ProcessSource, ProcessTarget
from ..process.result import SSHCompletedProcess
from ..session import SSHClientSession
from ..stream import SSHReader, SSHWriter
from ..stream_session import SSHClientStreamSession
from .base import SSHConnection
from .client_x11 import ClientX11, X11ForwardingArg

if TYPE_CHECKING:
    from ..subprocess import SSHSubprocessProtocol, SSHSubprocessTransport

__all__ = ["ClientSessions", "EnvArg", "ProcessKwargs", "SessionKwargs"]

EnvArg = (
    Mapping[str, str]
    | Mapping[bytes, bytes]
    | Sequence[str]
    | Sequence[bytes]
    | Sequence[tuple[str, str]]
    | None
)
"""Environment variables: a mapping, a list of NAME=value, or one of pairs."""


_TextStreams: TypeAlias = tuple[SSHWriter[str], SSHReader[str], SSHReader[str]]
_TextSubprocess: TypeAlias = "tuple[SSHSubprocessTransport[str], SSHSubprocessProtocol[str]]"
_ByteSubprocess: TypeAlias = "tuple[SSHSubprocessTransport[bytes], SSHSubprocessProtocol[bytes]]"
_ByteStreams: TypeAlias = tuple[SSHWriter[bytes], SSHReader[bytes], SSHReader[bytes]]


class SessionKwargs(TypedDict, total=False):
    """Keywords of everything that opens a session, besides `command` and `encoding`.

    What is not given, or `()`, is taken from the options of the connection.
    """

    subsystem: str | tuple[()] | None
    env: EnvArg | tuple[()]
    send_env: Sequence[str] | tuple[()] | None
    request_pty: bool | Literal["force", "auto"] | tuple[()]
    term_type: str | tuple[()] | None
    term_size: TermSize | tuple[()] | None
    term_modes: Mapping[int, int] | tuple[()] | None
    x11_forwarding: X11ForwardingArg | tuple[()]
    x11_display: str | tuple[()] | None
    x11_auth_path: str | Path | tuple[()] | None
    x11_single_connection: bool | tuple[()]
    errors: str | tuple[()]
    window: int | tuple[()]
    max_pktsize: int | tuple[()]


class ProcessKwargs(SessionKwargs, total=False):
    """Keywords of `create_process` and `run`, besides `command`, `encoding` and `input`."""

    stdin: ProcessSource
    stdout: ProcessTarget
    stderr: ProcessTarget
    bufsize: int
    send_eof: bool
    recv_eof: bool


class ClientSessions(ClientX11):
    """Opens sessions (RFC 4254 section 6)."""

    async def create_session(
        self,
        session_factory: Callable[[], SSHClientSession[AnyStr]],
        command: str | bytes | tuple[()] | None = (),
        *,
        encoding: str | tuple[()] | None = (),
        **kwargs: Unpack[SessionKwargs],
    ) -> tuple[SSHClientChannel[AnyStr], SSHClientSession[AnyStr]]:
        """Open a session.

        Parameters:
            session_factory: makes the `SSHClientSession`, once the channel is open.
            command: what to run; None for a shell.
            encoding: of what the session reads and writes; None for bytes.
            subsystem: what to start instead of a shell or command, as in `sftp`.
            env: environment variables; most servers accept only a few names.
            send_env: names of local environment variables to send, with wildcards.
            request_pty: whether to ask for a terminal: True if there is a `term_type`, "auto" if
                it is a shell as well, "force" always, False never.
            term_type, term_size, term_modes: of the terminal: type, width and height in characters
                and optionally pixels, `PTY_*` opcode to value.
            x11_forwarding: whether the server may use our X11 display while the session lasts: True
                or False, or "ignore_failure" to go on without if that does not work.
            x11_display: name of the display, by default that of DISPLAY.
            x11_auth_path: Xauthority file with its cookie, which the server does not get to know;
                by default that of XAUTHORITY, or `~/.Xauthority`.
            x11_single_connection: whether the server may connect to it only once.
            errors: what to do about errors of the encoding.
            window: bytes that the server may send before they are read.
            max_pktsize: bytes in one message of the server, at most.

        Returns the channel and the session. Raises ChannelOpenError if the server refuses, and
        TypeError for another keyword.
        """
        if not kwargs.keys() <= _SESSION_KEYWORDS:
            unknown = ", ".join(sorted(kwargs.keys() - _SESSION_KEYWORDS))
            raise TypeError(f"a session has no keyword {unknown}")
        options = _client_options(self)
        command = options.command if isinstance(command, tuple) else command
        chosen = partial(_chosen, options, kwargs)
        subsystem = chosen("subsystem") if command is None else kwargs.get("subsystem", ()) or None
        term_type = chosen("term_type")
        channel: SSHClientChannel[AnyStr] = SSHClientChannel(
            self,
            self._require_mux(),
            encoding=options.encoding if isinstance(encoding, tuple) else encoding,
            errors=chosen("errors"),
            window=chosen("window"),
            max_pktsize=chosen("max_pktsize"),
            utf8_decode_errors=options.utf8_decode_errors,
        )
        self._agent_offered |= options.agent_forwarder is not None
        return await channel.create(
            session_factory,
            command,
            subsystem=subsystem,
            agent_forwarding=options.agent_forwarder is not None,
            env=_environment(chosen("env"), chosen("send_env")),
            request_pty=_wants_pty(
                chosen("request_pty"), term_type, command is None and subsystem is None
            ),
            term_type=term_type,
            term_size=chosen("term_size") or (0, 0),
            term_modes=chosen("term_modes"),
            prepare=self._x11_preparation(chosen),
        )

    def _x11_preparation(
        self, chosen: Callable[[str], Any]
    ) -> Callable[[SSHClientChannel[Any]], Awaitable[None]] | None:
        forwarding = chosen("x11_forwarding")
        if not forwarding:
            return None
        return partial(
            self._offer_x11,
            forwarding=forwarding,
            display=chosen("x11_display"),
            auth_path=chosen("x11_auth_path"),
            single=chosen("x11_single_connection"),
        )

    @overload
    async def open_session(
        self,
        command: str | bytes | tuple[()] | None = ...,
        *,
        encoding: None,
        **kwargs: Unpack[SessionKwargs],
    ) -> tuple[SSHWriter[bytes], SSHReader[bytes], SSHReader[bytes]]: ...

    @overload
    async def open_session(
        self,
        command: str | bytes | tuple[()] | None = ...,
        *,
        encoding: str = ...,
        **kwargs: Unpack[SessionKwargs],
    ) -> tuple[SSHWriter[str], SSHReader[str], SSHReader[str]]: ...

    async def open_session(
        self,
        command: str | bytes | tuple[()] | None = (),
        *,
        encoding: str | tuple[()] | None = (),
        **kwargs: Unpack[SessionKwargs],
    ) -> _TextStreams | _ByteStreams:
        """Open a session and return the streams of its stdin, stdout and stderr.

        Parameters and errors as of `create_session`.
        """
        factory = SSHClientStreamSession[Any]
        chan, session = await self.create_session(factory, command, encoding=encoding, **kwargs)
        streams = cast("SSHClientStreamSession[Any]", session)
        stderr = SSHReader(streams, chan, EXTENDED_DATA_STDERR)
        return cast(_ByteStreams, (SSHWriter(streams, chan), SSHReader(streams, chan), stderr))

    @overload
    def create_process(
        self,
        command: str | bytes | tuple[()] | None = ...,
        *,
        input: bytes | None = ...,
        encoding: None,
        **kwargs: Unpack[ProcessKwargs],
    ) -> Opening[SSHClientProcess[bytes]]: ...

    @overload
    def create_process(
        self,
        command: str | bytes | tuple[()] | None = ...,
        *,
        input: str | None = ...,
        encoding: str = ...,
        **kwargs: Unpack[ProcessKwargs],
    ) -> Opening[SSHClientProcess[str]]: ...

    def create_process(
        self,
        command: str | bytes | tuple[()] | None = (),
        *,
        input: str | bytes | None = None,
        encoding: str | tuple[()] | None = (),
        **kwargs: Unpack[ProcessKwargs],
    ) -> Opening[SSHClientProcess[str]] | Opening[SSHClientProcess[bytes]]:
        """Start a process: `await` it, or use it in `async with`, which closes it.

        Parameters:
            command: what to run; None for a shell.
            input: what to write to its stdin, followed by EOF.
            encoding: of what is read and written; None for bytes.
            stdin, stdout, stderr: what to redirect where, see `SSHClientProcess.redirect`; by
                default the streams of the process object.
            bufsize: bytes read at once from a source.
            send_eof: whether the end of the source of stdin is sent as EOF.
            recv_eof: whether EOF of the process ends the targets.
            kwargs: as of `create_session`.

        Returns the process, which is an asynchronous context manager. Raises ChannelOpenError if
        the server refuses, and OSError or TypeError for redirections that can not be.
        """
        process = self._create_process(command, input, encoding, kwargs)
        return cast("Opening[SSHClientProcess[bytes]]", Opening(process))

    async def _create_process(
        self,
        command: str | bytes | tuple[()] | None,
        input: str | bytes | None,
        encoding: str | tuple[()] | None,
        kwargs: ProcessKwargs,
    ) -> SSHClientProcess[Any]:
        redirection = {name: kwargs.pop(name, default) for name, default in _REDIRECTION}  # type: ignore[misc]
        factory = partial(SSHClientProcess[Any], hold_output=True)
        _, session = await self.create_session(
            factory, command, encoding=encoding, **cast(SessionKwargs, kwargs)
        )
        process = cast("SSHClientProcess[Any]", session)
        await process.begin(input=input, **cast(Any, redirection))
        return process

    @overload
    async def create_subprocess(
        self,
        protocol_factory: Callable[[], SSHSubprocessProtocol[bytes]],
        command: str | bytes | tuple[()] | None = ...,
        bufsize: int = ...,
        input: bytes | None = ...,
        stdin: ProcessSource = ...,
        stdout: ProcessTarget = ...,
        stderr: ProcessTarget = ...,
        encoding: None = ...,
        **kwargs: Unpack[SessionKwargs],
    ) -> _ByteSubprocess: ...

    @overload
    async def create_subprocess(
        self,
        protocol_factory: Callable[[], SSHSubprocessProtocol[str]],
        command: str | bytes | tuple[()] | None = ...,
        bufsize: int = ...,
        input: str | None = ...,
        stdin: ProcessSource = ...,
        stdout: ProcessTarget = ...,
        stderr: ProcessTarget = ...,
        *,
        encoding: str,
        **kwargs: Unpack[SessionKwargs],
    ) -> _TextSubprocess: ...

    async def create_subprocess(
        self,
        protocol_factory: Callable[[], SSHSubprocessProtocol[str] | SSHSubprocessProtocol[bytes]],
        command: str | bytes | tuple[()] | None = (),
        bufsize: int = DEFAULT_BUFSIZE,
        input: str | bytes | None = None,
        stdin: ProcessSource = PIPE,
        stdout: ProcessTarget = PIPE,
        stderr: ProcessTarget = PIPE,
        encoding: str | None = None,
        **kwargs: Unpack[SessionKwargs],
    ) -> _TextSubprocess | _ByteSubprocess:
        """Start a process with a protocol, as `loop.subprocess_exec` of asyncio does.

        Parameters:
            protocol_factory: makes the `SSHSubprocessProtocol`, which gets the output.
            encoding: of what is read and written; None for bytes.

        The others and errors as of `create_process`. Returns the transport and the protocol.
        """
        protocol = cast("SSHSubprocessProtocol[Any]", protocol_factory())
        _, session = await self.create_session(
            partial(subprocess.SSHSubprocessTransport[Any], lambda: protocol),
            command,
            encoding=encoding,
            **kwargs,
        )
        transport = cast("SSHSubprocessTransport[Any]", session)
        await transport.begin(
            input=input, stdin=stdin, stdout=stdout, stderr=stderr, bufsize=bufsize
        )
        return transport, protocol

    @overload
    async def run(
        self,
        command: str | bytes | tuple[()] | None = ...,
        *,
        check: bool = ...,
        timeout: float | None = ...,
        input: bytes | None = ...,
        encoding: None,
        **kwargs: Unpack[ProcessKwargs],
    ) -> SSHCompletedProcess[bytes]: ...

    @overload
    async def run(
        self,
        command: str | bytes | tuple[()] | None = ...,
        *,
        check: bool = ...,
        timeout: float | None = ...,
        input: str | None = ...,
        encoding: str = ...,
        **kwargs: Unpack[ProcessKwargs],
    ) -> SSHCompletedProcess[str]: ...

    async def run(
        self,
        command: str | bytes | tuple[()] | None = (),
        *,
        check: bool = False,
        timeout: float | None = None,
        input: str | bytes | None = None,
        encoding: str | tuple[()] | None = (),
        **kwargs: Unpack[ProcessKwargs],
    ) -> SSHCompletedProcess[str] | SSHCompletedProcess[bytes]:
        """Run a process to its end.

        Parameters:
            check: raise ProcessError if its exit status is not zero, if a signal ended it, or if
                nobody knows: the connection was closed before it ended, or the channel without an
                exit status, which a server may leave out (RFC 4254 section 6.10).
            timeout: seconds after which to give up; the process is closed then.

        The others as of `create_process`. Returns the exit status and the output that was not
        redirected. Raises ProcessError, TimeoutError with the output received so far, and what
        `create_process` raises.
        """
        process: SSHClientProcess[Any] = await self.create_process(
            command, input=cast(Any, input), encoding=cast(Any, encoding), **kwargs
        )
        try:
            result: SSHCompletedProcess[Any] = await process.wait(check, timeout)
            return result
        except BaseException:
            process.channel.abort()
            raise


_SESSION_KEYWORDS = frozenset(SessionKwargs.__annotations__)

_REDIRECTION: tuple[tuple[str, object], ...] = (
    ("stdin", PIPE),
    ("stdout", PIPE),
    ("stderr", PIPE),
    ("bufsize", DEFAULT_BUFSIZE),
    ("send_eof", True),
    ("recv_eof", True),
)


def _client_options(connection: SSHConnection) -> SSHClientConnectionOptions:
    options = connection.options
    assert isinstance(options, SSHClientConnectionOptions)
    return options


def _chosen(options: SSHClientConnectionOptions, given: SessionKwargs, name: str) -> Any:
    """Return what was given, or the option where nothing was, which `()` stands for."""
    value = given.get(name, ())
    return getattr(options, name) if isinstance(value, tuple) and not value else value


def _wants_pty(choice: bool | str, term_type: str | None, shell: bool) -> bool:
    if choice == "force":
        return True
    return bool(choice) and bool(term_type) and (choice != "auto" or shell)


def _environment(env: EnvArg, send_env: Sequence[str] | None) -> Mapping[str, str]:
    """Return the variables to send: those that are named, with those that are given on top."""
    result = {
        name: value
        for name, value in (os.environ.items() if send_env else ())
        if any(fnmatchcase(name, pattern) for pattern in send_env or ())
    }
    if isinstance(env, Mapping):
        for key, content in env.items():
            result[_text(key)] = _text(content)
    else:
        for item in env or ():
            if isinstance(item, tuple):
                result[_text(item[0])] = _text(item[1])
                continue
            name, equals, value = _text(item).partition("=")
            if not equals or not name:
                raise ValueError(f"environment variable {name!r} is not NAME=value")
            result[name] = value
    return result


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")
