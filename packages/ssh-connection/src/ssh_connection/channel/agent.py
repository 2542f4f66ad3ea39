"""Channels to the agent of a client (PROTOCOL.agent, draft-ietf-sshm-ssh-agent section 5)."""

from __future__ import annotations

from collections.abc import Callable

from ..session import SSHUNIXSession
from .forward import SSHForwardChannel

__all__ = ["AGENT_CHANNEL", "AGENT_REQUEST", "SSHAgentChannel"]

AGENT_CHANNEL = b"auth-agent@openssh.com"
"""Type of a channel that the server opens to the agent of its client."""

AGENT_REQUEST = b"auth-agent-req@openssh.com"
"""Request of a session that allows the server to do so."""


class SSHAgentChannel(SSHForwardChannel[bytes]):
    """An "auth-agent@openssh.com" channel."""

    async def connect(self, session_factory: Callable[[], SSHUNIXSession[bytes]]) -> None:
        """Open the channel (server).

        Parameters:
            session_factory: called once the channel is open.

        Raises ChannelOpenError if the client refuses, or has no agent.
        """
        await self._open(session_factory, AGENT_CHANNEL)
