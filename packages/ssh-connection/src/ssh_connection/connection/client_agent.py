"""A client's agent in the hands of a server: "auth-agent@openssh.com" channels, this side."""

from __future__ import annotations

import asyncio

from ssh_keys import Error

from ..channel.agent import SSHAgentChannel
from ..channel.base import Channel
from ..constants import (
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_CONNECT_FAILED,
    OPEN_RESOURCE_SHORTAGE,
)
from ..errors import ChannelOpenError
from ..options.client import SSHClientConnectionOptions
from ..protocols import (
    AgentForwarder,
    ByteReader,
    ByteWriter,
    SessionBinding,
    SessionForwarder,
)
from ..stream import SSHReader, SSHWriter
from ..stream_session import SSHUNIXStreamSession
from .base import SSHConnection

__all__ = ["ClientAgent"]

MAX_AGENT_CHANNELS = 64
"""Connections to the agent that a server may have open at a time."""

_READ_SIZE = 65536


class ClientAgent(SSHConnection):
    """Passes the agent on, to servers that were offered it in a session."""

    _binding: SessionBinding | None = None
    _agent_offered = False
    _agents_opening = 0

    def _agent_forwarder(self) -> AgentForwarder | None:
        """The agent that sessions offer to the server, None for none."""
        options = self._options
        assert isinstance(options, SSHClientConnectionOptions)
        return options.agent_forwarder

    async def _agent_channel(self) -> Channel:
        """Connect to the agent, for a channel that the server wants to open to it.

        Raises ChannelOpenError if the server was not offered an agent, or there is none.
        """
        forwarder = self._agent_forwarder()
        if forwarder is None or not self._agent_offered:
            self._log.warning("the server asked for an agent that it was not offered")
            raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, "no agent is forwarded")
        mux = self._require_mux()
        open_now = sum(isinstance(each, SSHAgentChannel) for each in mux.channels)
        if open_now + self._agents_opening >= MAX_AGENT_CHANNELS:
            raise ChannelOpenError(OPEN_RESOURCE_SHORTAGE, "too many connections to the agent")
        self._agents_opening += 1
        try:
            if self._binding is not None and isinstance(forwarder, SessionForwarder):
                reader, writer = await forwarder.open_bound(self._binding)
            else:
                reader, writer = await forwarder.open()
        except (OSError, Error, ValueError) as exc:
            self._log.warning("the agent can not be forwarded: %s", exc)
            raise ChannelOpenError(OPEN_CONNECT_FAILED, "no connection to the agent") from None
        finally:
            self._agents_opening -= 1
        self._log.info("the server uses our agent")

        async def relay(from_server: SSHReader[bytes], to_server: SSHWriter[bytes]) -> None:
            await _relay(from_server, to_server, reader, writer)

        channel = SSHAgentChannel(self, mux, encoding=None)
        channel.set_session(SSHUNIXStreamSession[bytes](relay))
        return channel


async def _relay(
    from_server: SSHReader[bytes],
    to_server: SSHWriter[bytes],
    from_agent: ByteReader,
    to_agent: ByteWriter,
) -> None:
    """Carry requests to the agent and answers back, until either side ends."""
    try:
        pumps = [
            asyncio.ensure_future(_pump(from_server, to_agent)),
            asyncio.ensure_future(_pump(from_agent, to_server)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
    finally:
        to_agent.close()
        to_server.close()


async def _pump(reader: ByteReader, writer: ByteWriter) -> None:
    while data := await reader.read(_READ_SIZE):
        writer.write(data)
        await writer.drain()
