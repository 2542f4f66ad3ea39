"""What the agent client needs from the stream that leads to an agent."""

from __future__ import annotations

from typing import Protocol

__all__ = ["AgentOpener", "AgentReader", "AgentWriter"]


class AgentReader(Protocol):
    """Incoming half of a byte stream; `asyncio.StreamReader` is one."""

    async def read(self, n: int = -1, /) -> bytes:
        """Return at most `n` bytes, at least one; b"" at the end of the stream."""
        ...


class AgentWriter(Protocol):
    """Outgoing half of a byte stream; `asyncio.StreamWriter` is one."""

    def write(self, data: bytes, /) -> None:
        """Queue bytes to be sent."""
        ...

    async def drain(self) -> None:
        """Wait until the queue is short enough for more."""
        ...

    def close(self) -> None:
        """Close both halves of the stream."""
        ...

    async def wait_closed(self) -> None:
        """Wait until the stream is closed."""
        ...


class AgentOpener(Protocol):
    """Something that leads to an agent: a server's connection to a client that forwards its own.

    `ssh_connection.SSHServerConnection` is one.
    """

    async def open_agent_connection(self) -> tuple[AgentReader, AgentWriter]:
        """Open a stream to the agent; raises an `OSError` or an `ssh_keys.Error`."""
        ...
