"""Connects to an agent through a UNIX domain socket."""

from __future__ import annotations

import asyncio
import sys

from .errors import AgentConnectionError
from .streams import AgentReader, AgentWriter

__all__ = ["open_unix"]


async def open_unix(path: str) -> tuple[AgentReader, AgentWriter]:
    """Open the socket at `path`.

    Raises AgentConnectionError if nothing listens there or this system has no such sockets.
    """
    if sys.platform != "win32":
        try:
            return await asyncio.open_unix_connection(path)
        except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
            raise AgentConnectionError(f"no agent at {path!r}: {exc}") from exc
    raise AgentConnectionError("this system has no UNIX domain sockets")
