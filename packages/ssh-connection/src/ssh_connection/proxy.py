"""Proxy commands: a program whose standard input and output are the socket of a connection."""

from __future__ import annotations

import asyncio
import re
import signal
from asyncio.subprocess import PIPE
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from errno import EPIPE
from typing import TYPE_CHECKING, Final, cast

from ssh_transport.aio import AsyncTransport
from ssh_transport.errors import printable

from .logging import ConnectionLog, Peer

if TYPE_CHECKING:
    from .options.base import ProxyCommandArg

__all__ = ["ProxyTransport", "check_proxy_names", "open_proxy", "proxy_arguments"]

_GRACE: Final = 2.0
"""Seconds that a program may take to end by itself after its input has ended."""

_GRACE_OF_SIGNAL: Final = 0.5

_STDERR_LINES: Final = 20
_STDERR_LINE: Final = 1000

# What a shell, or a program that reads its arguments, could take for something else than a name.
_NO_HOST = r"[\s'\"`$\\;&<>|(){}\x00-\x20\x7f]|^-"
_NO_USER = r"['\"`;&<>|(){}$\x00-\x1f\x7f]|^-|\s-|\\$"


def check_proxy_names(host: str, user: str) -> None:
    """Refuse names that a command could take for options or for something to run.

    Parameters:
        host, user: what `%h`, `%n` and `%r` of a command stand for.

    Raises ValueError.
    """
    if re.search(_NO_HOST, host):
        raise ValueError(f"host {printable(host)!r} can not be given to a command")
    if re.search(_NO_USER, user):
        raise ValueError(f"username {printable(user)!r} can not be given to a command")


def proxy_arguments(command: ProxyCommandArg, host: str, port: int, user: str) -> list[str]:
    """Return program and arguments of a proxy command, with its tokens replaced.

    Parameters:
        command: program and arguments; text is split as a shell does, but no shell runs it. Tokens
            are `%h` for the host, `%p` for the port, `%r` for the user and `%%`.
        host, port, user: what they stand for.

    Raises ValueError for an empty command, an unknown token, and for names that could be something
    else than a name to the program.
    """
    from shlex import split  # only here: most programs have no proxy command

    words = split(command) if isinstance(command, str) else [*(command or ())]
    if not words or not words[0]:
        raise ValueError("proxy_command is empty")
    values = {"h": host, "n": host, "p": str(port), "r": user, "%": "%"}

    def replace(match: re.Match[str]) -> str:
        token = match[1]
        if token not in values:
            raise ValueError(f"proxy_command: no token %{printable(token)}")
        if token in "hnr":
            # Only what is used has to be harmless.
            check_proxy_names(host if token != "r" else "", user if token == "r" else "")
        return values[token]

    return [re.sub(r"(?s)%(.?)", replace, word) for word in words]


class ProxyTransport(asyncio.Transport):
    """Makes a program look like a connected socket.

    Parameters:
        protocol: the process's protocol, which knows process and pipes.
        peername: host and port of the server.
    """

    def __init__(self, protocol: _ProxyProtocol, peername: tuple[str, int]) -> None:
        super().__init__({"peername": peername, "sockname": None, "proxy_pid": protocol.pid})
        self._protocol = protocol

    @property
    def _stdin(self) -> asyncio.WriteTransport:
        return self._protocol.stdin

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write data; the caller may use its memory again."""
        if not self._protocol.closing:
            self._stdin.write(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Write several pieces of data as one."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """End the program's input behind what was written."""
        self._stdin.close()

    def can_write_eof(self) -> bool:
        """Return true."""
        return True

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that the program did not take yet."""
        return self._stdin.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the marks at which the protocol is told to pause and resume writing."""
        self._stdin.set_write_buffer_limits(high, low)

    def pause_reading(self) -> None:
        """Leave what arrives in the pipe."""
        self._protocol.stdout.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading."""
        self._protocol.stdout.resume_reading()

    def is_closing(self) -> bool:
        """Return whether the transport is closing or closed."""
        return self._protocol.closing

    def close(self) -> None:
        """End the program's input once what was written is read, and wait for its end."""
        if not self._protocol.closing:
            self._protocol.finish(_GRACE)

    def abort(self) -> None:
        """End the program at once."""
        self._protocol.finish(0)


class _ProxyProtocol(asyncio.SubprocessProtocol):
    """The protocol of the program: feeds its output to the transport of the connection.

    Parameters:
        inner: the protocol of the connection.
        log: gets what the program writes to its standard error.
        peername: host and port of the server.
    """

    def __init__(
        self, inner: AsyncTransport, log: ConnectionLog, peername: tuple[str, int]
    ) -> None:
        self._inner = inner
        self._log = log
        self._peername = peername
        self._process: asyncio.SubprocessTransport | None = None
        self._killer: asyncio.TimerHandle | None = None
        self._lines: deque[str] = deque(maxlen=_STDERR_LINES)
        self._partial = b""
        self._closing = False
        self._lost = False

    @property
    def process(self) -> asyncio.SubprocessTransport:
        """The process; it has started."""
        assert self._process is not None
        return self._process

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self.process.get_pid()

    @property
    def stdin(self) -> asyncio.WriteTransport:
        """The program's input."""
        return cast(asyncio.WriteTransport, self.process.get_pipe_transport(0))

    @property
    def stdout(self) -> asyncio.ReadTransport:
        """The program's output."""
        return cast(asyncio.ReadTransport, self.process.get_pipe_transport(1))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The program runs: begin with the inner protocol."""
        self._process = cast(asyncio.SubprocessTransport, transport)
        self._inner.connection_made(ProxyTransport(self, self._peername))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """The program wrote something."""
        if fd == 1:
            if not self._lost:
                self._inner.feed(data)
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > _STDERR_LINE:
            lines.append(self._partial)
            self._partial = b""
        for line in lines:
            self._stderr(line)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """The program closed a pipe."""
        if fd == 2 and self._partial:
            self._stderr(self._partial)
            self._partial = b""
        elif fd != 2:
            # SSH can not go on; wait for what the program has to say about it.
            self.finish(_GRACE)

    def _stderr(self, line: bytes) -> None:
        text = printable(line.rstrip(b"\r")[:_STDERR_LINE])
        if text:
            self._lines.append(text)
            self._log.warning("proxy command: %s", text)

    def process_exited(self) -> None:
        """The program has ended; its pipes may hold something yet."""
        self.finish(_GRACE)

    def pause_writing(self) -> None:
        """The program takes no more for now."""
        if not self._lost:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The program takes data again."""
        if not self._lost:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The program has ended, and its pipes are empty."""
        self._end()

    def finish(self, grace: float) -> None:
        """End the input of the program, and the program itself if it takes longer than `grace`."""
        if self._lost:
            return
        self._closing = True
        self.stdin.close()
        if self._killer is None or not grace:
            self._arm(grace, self._hang_up)

    @property
    def closing(self) -> bool:
        """Whether nothing more may be written."""
        return self._closing

    def _arm(self, seconds: float, step: Callable[[], None]) -> None:
        if self._killer is not None:
            self._killer.cancel()
        self._killer = asyncio.get_running_loop().call_later(seconds, step)

    def _hang_up(self) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(getattr(signal, "SIGHUP", signal.SIGTERM))
        self._arm(_GRACE_OF_SIGNAL, self._kill)

    def _kill(self) -> None:
        # Closes the pipes, even if a child of the program holds their other ends, and kills it.
        self.process.close()

    def _end(self) -> None:
        if self._lost:
            return
        self._lost = self._closing = True
        if self._killer is not None:
            self._killer.cancel()
        code = self.process.get_returncode()
        self.process.close()
        said = f": {self._lines[-1]}" if self._lines else ""
        self._inner.connection_lost(
            OSError(EPIPE, f"the proxy command ended with status {code}{said}")
        )


async def open_proxy(
    command: Sequence[str],
    protocol: AsyncTransport,
    log: ConnectionLog,
    peername: tuple[str, int],
) -> None:
    """Run a proxy command as the socket of a connection.

    Its standard error goes to the log, and the last line of it into the error with which a
    connection ends. The program is ended with the connection: its input first, itself if it has
    not gone some seconds later.

    Parameters:
        command: program and arguments.
        protocol: the transport of the connection object.
        log: of the connection.
        peername: host and port that the command is for.

    Raises OSError if the program can not be started.
    """
    log.info("proxy command: %s", Peer(command[0]))
    await asyncio.get_running_loop().subprocess_exec(
        lambda: _ProxyProtocol(protocol, log, peername),
        *command,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
