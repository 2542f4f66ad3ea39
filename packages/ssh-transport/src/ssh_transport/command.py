"""A connection through a program, as with ProxyCommand of ssh_config(5).

The program has pipes and not one end of a socket pair: so the end of its output is noticed even
while it keeps its input, its input can end while what it writes is still read, and it works where
sockets are no files.
"""

from __future__ import annotations

import asyncio
from asyncio.base_subprocess import BaseSubprocessTransport
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from errno import EPIPE
from functools import partial
from pathlib import Path
from typing import Final, cast

from .aio import AsyncTransport
from .errors import printable
from .process_groups import HANG_UP, KILL, has_terminal, signal_group, signal_program

__all__ = ["CommandTransport", "connect_command"]

_GRACE: Final = 2.0
"""Seconds that a program may take to end by itself after its input has ended."""

_GRACE_OF_SIGNAL: Final = 0.5

_STDERR_LINE: Final = 1000


async def connect_command(
    transport: AsyncTransport,
    command: str | Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    peername: tuple[str, int] | None = None,
    on_stderr: Callable[[str], None] | None = None,
) -> None:
    """Start a program and speak with its standard input and output.

    The program ends with the connection: its input first, itself by SIGHUP if it has not gone two
    seconds later, or at once if the connection is aborted, and by SIGKILL after another half of a
    second. A program that ends, or that closes its input or output, ends the connection; the error
    has its exit status and the last line of its standard error. The connection is not lost before
    the program has ended, and the event loop does not end before either, if it cancels its tasks
    as `asyncio.run` does.

    What the program has started gets the same signals, unless we have a controlling terminal: there
    the program stays in our session, so that it can ask for a passphrase, and its children are left
    to the end of their input.

    Parameters:
        transport: has a core of its own, made by `create_core` with `tunnelled=True`.
        command: program and arguments, or a line for the shell. Nothing of a peer, nor names of
            hosts and users that were not checked, belongs into a line.
        env, cwd: as for `asyncio.create_subprocess_exec`.
        peername: host and port, what `get_extra_info("peername")` returns.
        on_stderr: gets each line that the program writes to its standard error, escaped and cut
            to 1000 bytes.

    Raises OSError if the program cannot be started.
    """
    loop = asyncio.get_running_loop()
    alone = not has_terminal()
    protocol = _CommandProtocol(transport, peername, on_stderr, alone)
    program = (
        partial(loop.subprocess_shell, lambda: protocol, command)
        if isinstance(command, str)
        else partial(loop.subprocess_exec, lambda: protocol, *command)
    )
    try:
        await program(
            stdin=PIPE, stdout=PIPE, stderr=PIPE, env=env, cwd=cwd, start_new_session=alone
        )
    except BaseException:
        protocol.given_up = True
        raise


class CommandTransport(asyncio.Transport):
    """Makes a program look like a connected socket; its number is in the extra "proxy_pid".

    Parameters:
        protocol: the process's protocol, which knows process and pipes.
        peername: host and port of the server.
    """

    def __init__(self, protocol: _CommandProtocol, peername: tuple[str, int] | None) -> None:
        pid = protocol.process.get_pid()
        super().__init__({"peername": peername, "sockname": None, "proxy_pid": pid})
        self._protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write data; the caller may use its memory again."""
        if not self._protocol.closing:
            self._protocol.stdin.write(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Write several pieces of data as one."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """End the program's input behind what was written."""
        self._protocol.stdin.close()

    def can_write_eof(self) -> bool:
        """Return true."""
        return True

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that the program did not take yet."""
        return self._protocol.stdin.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the marks at which the protocol is told to pause and resume writing."""
        if not self._protocol.closing:
            self._protocol.stdin.set_write_buffer_limits(high, low)

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


class _CommandProtocol(asyncio.SubprocessProtocol):
    """The protocol of the program: feeds its output to the transport of the connection.

    Parameters:
        inner: the protocol of the connection.
        peername, on_stderr: as of `connect_command`.
        alone: whether the program has a session of its own.
    """

    process: asyncio.SubprocessTransport
    stdin: asyncio.WriteTransport
    stdout: asyncio.ReadTransport

    def __init__(
        self,
        inner: AsyncTransport,
        peername: tuple[str, int] | None,
        on_stderr: Callable[[str], None] | None,
        alone: bool,
    ) -> None:
        self._alone = alone
        #: Nobody waits for the start any more: the program ends as soon as it is known.
        self.given_up = False
        self.closing = False
        self._inner = inner
        self._peername = peername
        self._on_stderr = on_stderr
        self._said = ""
        self._partial = b""
        self._lost = asyncio.Event()
        self._killer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The program runs: begin with the inner protocol."""
        self.process = cast(asyncio.SubprocessTransport, transport)
        if self.given_up:
            # The loop has closed it, and may tell us nothing else.
            self._lost.set()
            self.closing = True
            if self._alone:
                signal_group(self.process.get_pid(), KILL)
            return
        self.stdin = cast(asyncio.WriteTransport, self.process.get_pipe_transport(0))
        self.stdout = cast(asyncio.ReadTransport, self.process.get_pipe_transport(1))
        # Under uvloop a program that ends at once has closed it, and said nothing of that yet.
        self.closing = self.stdin.is_closing()
        self._outliving = asyncio.create_task(self._outlive())
        self._inner.connection_made(CommandTransport(self, self._peername))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """The program wrote something."""
        if fd == 1:
            if not self._lost.is_set():
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
        if fd == 2:
            self._stderr(self._partial)
            self._partial = b""
        else:
            # SSH can not go on; wait for what the program has to say about it.
            self.finish(_GRACE)

    def _stderr(self, line: bytes) -> None:
        text = printable(line.rstrip(b"\r")[:_STDERR_LINE])
        if text:
            self._said = f": {text}"
            if self._on_stderr is not None:
                self._on_stderr(text)

    def process_exited(self) -> None:
        """The program has ended; its pipes may hold something yet."""
        self.finish(_GRACE)

    def pause_writing(self) -> None:
        """The program takes no more for now."""
        if not self._lost.is_set():
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The program takes data again."""
        if not self._lost.is_set():
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The program has ended, and its pipes are empty."""
        if self._lost.is_set():
            return
        self._lost.set()
        self.closing = True
        if self._killer is not None:
            self._killer.cancel()
        code = self.process.get_returncode()
        self.process.close()
        self._inner.connection_lost(
            OSError(EPIPE, f"the proxy command ended with status {code}{self._said}")
        )

    def finish(self, grace: float) -> None:
        """End the input of the program, and the program itself if it takes longer than `grace`."""
        if self._lost.is_set():
            return
        self.closing = True
        self.stdin.close()
        if self._killer is None or not grace:
            self._arm(grace, self._hang_up)

    def _arm(self, seconds: float, step: Callable[[], None]) -> None:
        if self._killer is not None:
            self._killer.cancel()
        self._killer = asyncio.get_running_loop().call_later(seconds, step)

    def _hang_up(self) -> None:
        self._signal(HANG_UP)
        self._arm(_GRACE_OF_SIGNAL, self._kill)

    def _kill(self) -> None:
        self._signal(KILL)
        # A child of the program may hold the other ends of the pipes: wait for none of them.
        if self.stdin.get_write_buffer_size():
            self.stdin.abort()
        of_asyncio = isinstance(self.process, BaseSubprocessTransport)
        if not of_asyncio:
            self.process.close()  # uvloop, where what is said below does not hold
            return
        for number in range(3):
            pipe = self.process.get_pipe_transport(number)
            if pipe is not None:
                pipe.close()

    def _signal(self, number: int) -> None:
        # Not by asyncio, nor is its transport closed before the program has ended: it would ask for
        # the status of the program in between, and whoever waits for that would not get it.
        if self._alone:
            signal_group(self.process.get_pid(), number)
        elif self.process.get_returncode() is None:
            signal_program(self.process.get_pid(), number)

    async def _outlive(self) -> None:
        """Be there until the program has ended; end it with the event loop."""
        try:
            await self._lost.wait()
        except asyncio.CancelledError:
            self._kill()
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_GRACE):
                        await self._lost.wait()
            finally:
                self.process.close()
            raise
