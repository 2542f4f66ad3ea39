"""Connects to an agent through a named pipe of Windows: OpenSSH's agent, and Pageant since 0.75."""

from __future__ import annotations

import asyncio
import sys

from .errors import AgentConnectionError
from .streams import AgentReader, AgentWriter

__all__ = ["DEFAULT_PIPE", "open_pipe"]

DEFAULT_PIPE = r"\\.\pipe\openssh-ssh-agent"
"""Where the agent service of Windows listens."""


async def open_pipe(path: str = DEFAULT_PIPE) -> tuple[AgentReader, AgentWriter]:
    """Open the named pipe at `path`.

    Raises AgentConnectionError if there is no such pipe, the system is not Windows, or the event
    loop is not the proactor loop, the only one that can wait for pipes.
    """
    if sys.platform == "win32":
        loop = asyncio.get_running_loop()
        if not isinstance(loop, asyncio.ProactorEventLoop):
            raise AgentConnectionError("named pipes need asyncio's ProactorEventLoop")
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            transport, _ = await loop.create_pipe_connection(lambda: protocol, path)
        except OSError as exc:
            raise AgentConnectionError(f"no agent at {path!r}: {exc}") from exc
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
    raise AgentConnectionError("named pipes exist only on Windows")
