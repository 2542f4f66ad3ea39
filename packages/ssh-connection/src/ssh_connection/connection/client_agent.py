"""A client's agent in the hands of a server: "auth-agent@openssh.com" channels, this side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

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
from ..stream_session import SocketHandler, SSHUNIXStreamSession
from .base import SSHConnection

__all__ = ["ClientAgent"]

MAX_AGENT_CHANNELS = 64
"""Connections to the agent that a server may have open at a time."""

_READ_SIZE = 65536
_LENGTH_SIZE = 4


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
        channel.set_session(_AgentSession(relay, writer))
        return channel


class _AgentSession(SSHUNIXStreamSession[bytes]):
    """The session of a channel to the agent.

    Parameters:
        relay: carries the data.
        to_agent: is closed when the channel is, even if `relay` never began.
    """

    def __init__(self, relay: SocketHandler[bytes], to_agent: ByteWriter) -> None:
        super().__init__(relay)
        self._to_agent = to_agent

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed."""
        super().connection_lost(exc)
        self._to_agent.close()


class _Frames:
    """Counts the messages of one direction, each with its length in front."""

    def __init__(self) -> None:
        self.complete = 0
        self._head = b""
        self._left = 0

    def add(self, data: bytes) -> None:
        """Go through bytes of the stream."""
        position, end = 0, len(data)
        while position < end:
            if self._left:
                step = min(self._left, end - position)
                position += step
                self._left -= step
            else:
                piece = data[position : position + _LENGTH_SIZE - len(self._head)]
                self._head += piece
                position += len(piece)
                if len(self._head) < _LENGTH_SIZE:
                    return
                self._left = int.from_bytes(self._head, "big")
                self._head = b""
            self.complete += not self._left


async def _relay(
    from_server: SSHReader[bytes],
    to_server: SSHWriter[bytes],
    from_agent: ByteReader,
    to_agent: ByteWriter,
) -> None:
    """Carry requests to the agent and answers back, until either side ends.

    A program may end its side behind its last request. The agent is not told, as OpenSSH's would
    hang up without the answer: we do, when everything is answered.
    """
    requests, answers = _Frames(), _Frames()
    asking = asyncio.ensure_future(_pump(from_server, to_agent, requests))

    def is_answered() -> bool:
        return asking.done() and answers.complete >= requests.complete

    answering = asyncio.ensure_future(_pump(from_agent, to_server, answers, is_answered))
    gone = asyncio.ensure_future(to_server.wait_closed())
    try:
        await asyncio.wait((asking, answering, gone), return_when=asyncio.FIRST_COMPLETED)
        if asking.done() and asking.exception() is None and not is_answered():
            await asyncio.wait((answering, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        # First of all: the end of the loop may cancel the wait for the tasks, too.
        to_agent.close()
        to_server.close()
        for task in (asking, answering, gone):
            task.cancel()
        await asyncio.gather(asking, answering, gone, return_exceptions=True)


async def _pump(
    reader: ByteReader,
    writer: ByteWriter,
    frames: _Frames,
    is_last: Callable[[], bool] = lambda: False,
) -> None:
    while data := await reader.read(_READ_SIZE):
        frames.add(data)
        writer.write(data)
        await writer.drain()
        if is_last():
            return
