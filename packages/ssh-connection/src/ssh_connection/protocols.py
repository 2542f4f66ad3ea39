"""What this package needs from packages that it does not know: key agents and subsystems.

ssh-connection declares the need, whoever puts the packages together supplies it (`ssh_meta` wires
the agent and SFTP): no import goes upwards.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ssh_keys import SSHKeyPair
from ssh_keys.record import Record

if TYPE_CHECKING:
    from .channel.session_server import SSHServerChannel
    from .session import SSHServerSession

__all__ = [
    "AgentForwarder",
    "ByteReader",
    "ByteWriter",
    "ExecInterceptor",
    "KeyPairSource",
    "SessionBinding",
    "SessionForwarder",
    "SessionKeyPair",
    "SubsystemFactory",
]


class SessionBinding(Record):
    """What proves to an agent which server a connection is with (PROTOCOL.agent section 1).

    Parameters:
        host_key: the host key, or its certificate, as the server sent it.
        session_id: exchange hash of the first key exchange.
        signature: the server's signature of it.
    """

    host_key: bytes
    session_id: bytes
    signature: bytes


class SessionKeyPair(Protocol):
    """A key pair of somebody who wants to know for which server it signs."""

    def bound_to(self, binding: SessionBinding) -> SSHKeyPair:
        """Return the same key pair for one session."""
        ...


class KeyPairSource(Protocol):
    """Gives key pairs whose private part is somewhere else, in an agent for example.

    It is asked once per connection, before the connection is made, so that authentication can
    start without waiting.
    """

    async def keypairs(self) -> Sequence[SSHKeyPair]:
        """Return the key pairs to try; raises OSError or ssh_keys.Error if there are none."""
        ...


class ByteReader(Protocol):
    """What bytes are read from; `asyncio.StreamReader` is one."""

    async def read(self, n: int = -1, /) -> bytes:
        """Read up to `n` bytes; an empty result is the end."""
        ...


class ByteWriter(Protocol):
    """What bytes are written to; `asyncio.StreamWriter` is one."""

    def write(self, data: bytes, /) -> None:
        """Write, or queue."""
        ...

    async def drain(self) -> None:
        """Wait until writing more is welcome."""
        ...

    def close(self) -> None:
        """Write what is queued, then close."""
        ...


class AgentForwarder(Protocol):
    """Connects to the agent that a server may use through us (auth-agent@openssh.com)."""

    async def open(self) -> tuple[ByteReader, ByteWriter]:
        """Open one connection to the agent; raises OSError, ValueError or ssh_keys.Error."""
        ...


@runtime_checkable
class SessionForwarder(Protocol):
    """An `AgentForwarder` that tells the agent for which session it is used."""

    async def open_bound(self, binding: SessionBinding) -> tuple[ByteReader, ByteWriter]:
        """Do as `AgentForwarder.open`."""
        ...


SubsystemFactory = Callable[
    ["SSHServerChannel[bytes]"], "SSHServerSession[bytes] | Awaitable[SSHServerSession[bytes]]"
]
"""Makes the session that serves a subsystem, for the channel on which it was requested.

The session gets bytes, whatever encoding the server uses for its own sessions; from then on it
takes the place of the session that the channel was opened with.
"""

ExecInterceptor = Callable[
    [str, "SSHServerChannel[bytes]"],
    "SSHServerSession[bytes] | Awaitable[SSHServerSession[bytes]] | None",
]
"""Looks at a command before the application does: a session that serves it, or None to pass."""
