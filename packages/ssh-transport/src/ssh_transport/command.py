"""A connection through a program, as with ProxyCommand of ssh_config(5).

The program gets one end of a socket pair as its standard input and output, so it is an ordinary
connection for the event loop, with back-pressure in both directions.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from .aio import AsyncTransport

__all__ = ["connect_command", "end_command"]


async def connect_command(
    transport: AsyncTransport,
    command: str | Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    stderr: int | None = None,
) -> asyncio.subprocess.Process:
    """Start a program and speak with its standard input and output.

    The program is the caller's to end, see `end_command`: its connection ends like any other, so
    wait for `on_lost`.

    Parameters:
        transport: has a core of its own, made by `create_core`.
        command: program and arguments, or a line for the shell. Nothing of a peer, nor names of
            hosts and users that were not checked, belongs into a line.
        env, cwd, stderr: as for `asyncio.create_subprocess_exec`.

    Raises OSError if the program cannot be started.
    """
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    try:
        with theirs:
            process = await _start(command, theirs.fileno(), env, cwd, stderr)
        ours.setblocking(False)
        await loop.create_connection(lambda: transport, sock=ours)
    except BaseException:
        ours.close()
        raise
    return process


async def _start(
    command: str | Sequence[str],
    stdio: int,
    env: Mapping[str, str] | None,
    cwd: str | Path | None,
    stderr: int | None,
) -> asyncio.subprocess.Process:
    if isinstance(command, str):
        return await asyncio.create_subprocess_shell(
            command, stdin=stdio, stdout=stdio, stderr=stderr, env=env, cwd=cwd
        )
    program, *arguments = command
    return await asyncio.create_subprocess_exec(
        program, *arguments, stdin=stdio, stdout=stdio, stderr=stderr, env=env, cwd=cwd
    )


async def end_command(process: asyncio.subprocess.Process, *, seconds: float = 2) -> int:
    """Wait for the end of a program whose connection is lost, and make it end if it does not.

    Parameters:
        seconds: how long it may take to notice that its input ended, and again to react to
            SIGTERM.

    Returns its exit status.
    """
    for give_up in (None, process.terminate):
        if give_up is not None:
            with contextlib.suppress(ProcessLookupError):
                give_up()
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(process.wait(), seconds)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    return await process.wait()
