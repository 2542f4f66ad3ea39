"""Agents as ssh-connection wants them: sources of key pairs."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Collection, Sequence
from copy import copy

from ssh_agent import (
    AgentConnectionError,
    AgentError,
    AgentExtensionFailure,
    AgentFailure,
    AgentOpener,
    AgentProtocolError,
    AgentWriter,
    ForwardedRequests,
    SSHAgentClient,
    SSHAgentKeyPair,
    connect_agent,
)
from ssh_agent.client import open_agent_stream
from ssh_agent.messages import AgentMessage, Extension
from ssh_connection import ByteReader, ByteWriter
from ssh_connection.protocols import SessionBinding
from ssh_keys import Error, KeyListArg, SSHKeyPair, load_public_keys
from ssh_keys.wire import encode_string

__all__ = ["AgentKeySource", "AgentPath", "EnvironmentAgent", "ForwardedAgent", "agent_keys"]

AgentPath = str | AgentOpener
"""Where an agent is: the path of its socket, or a server's connection whose client forwards it."""

_LIST_TIMEOUT = 10.0
"""Seconds that an agent may take to list its keys: there is nothing in it to confirm."""

_logger = logging.getLogger("ssh_meta.agent")


class _AgentOnDemand:
    """Signs in an agent that is connected to for each signature.

    A connection to an SSH server needs its agent for one or two signatures at its start. Keeping
    a connection to the agent for all its life would cost a file descriptor each, and somebody
    would have to close it.
    """

    def __init__(self, agent_path: AgentPath, binding: SessionBinding | None = None) -> None:
        self._agent_path = agent_path
        self._binding = binding

    def bound_to(self, binding: SessionBinding) -> _AgentOnDemand:
        """Return one that tells the agent for which session it signs."""
        return _AgentOnDemand(self._agent_path, binding)

    async def sign(self, key_blob: bytes, data: bytes, flags: int = 0) -> bytes:
        """Return a signature blob; raises AgentError."""
        async with connect_agent(self._agent_path) as agent:
            if self._binding is not None:
                await _bind(agent, self._binding, is_forwarding=False)
            return await agent.sign(key_blob, data, flags)

    async def remove_keys(self, keylist: list[SSHKeyPair]) -> None:
        """Remove keys from the agent; raises AgentError."""
        async with connect_agent(self._agent_path) as agent:
            await agent.remove_keys(keylist)


async def _bind(agent: SSHAgentClient, binding: SessionBinding, *, is_forwarding: bool) -> None:
    """Tell an agent for which session a connection to it is used (PROTOCOL.agent section 1).

    Many agents do not know that; those that do then refuse to sign with keys for other places.
    """
    try:
        await agent.bind_session(
            binding.host_key, binding.session_id, binding.signature, is_forwarding=is_forwarding
        )
    except (AgentFailure, AgentExtensionFailure) as exc:
        _logger.debug("agent: %s", exc)


class _SessionAgentKeyPair(SSHAgentKeyPair):
    """A key pair that can be bound to a session."""

    def __init__(
        self, agent: _AgentOnDemand, algorithm: bytes, public_data: bytes, comment: bytes | None
    ) -> None:
        super().__init__(agent, algorithm, public_data, comment)
        self._on_demand = agent

    def bound_to(self, binding: SessionBinding) -> SSHKeyPair:
        """Return the same key pair for one session."""
        bound = copy(self)
        bound._agent = self._on_demand.bound_to(binding)
        return bound


async def agent_keys(
    agent_path: AgentPath, identities: Collection[bytes] | None = None
) -> Sequence[SSHAgentKeyPair]:
    """Return the key pairs of an agent, which need no open connection to sign.

    Parameters:
        agent_path: where the agent is.
        identities: key blobs that are wanted; None for all of them.

    Raises AgentError.
    """
    async with connect_agent(agent_path, timeout=_LIST_TIMEOUT) as agent:
        found = await agent.get_keys(identities)
    signer = _AgentOnDemand(agent_path)
    return [
        _SessionAgentKeyPair(signer, pair.algorithm, pair.public_data, pair.get_comment_bytes())
        for pair in found
    ]


class AgentKeySource:
    """`KeyPairSource` of an agent that was asked for.

    Parameters:
        agent_path: where the agent is.
        identities: public keys that are wanted; None for all that the agent has.
    """

    def __init__(self, agent_path: AgentPath, identities: KeyListArg | None = None) -> None:
        self._agent_path = agent_path
        self._identities = None
        if identities is not None:
            self._identities = frozenset(key.public_data for key in load_public_keys(identities))

    async def keypairs(self) -> Sequence[SSHKeyPair]:
        """Return the agent's key pairs.

        Raises AgentError, and no OSError even if there is no such agent: a source without keys
        is passed over, but this one was asked for.
        """
        try:
            return await agent_keys(self._agent_path, self._identities)
        except AgentConnectionError as exc:
            raise AgentError(str(exc)) from exc


class EnvironmentAgent:
    """`KeyPairSource` of the agent that SSH_AUTH_SOCK names, if there is one.

    Nobody asked for this agent, so one that cannot be used is not an error.
    """

    def __init__(self, identities: KeyListArg | None = None) -> None:
        self._identities = identities

    async def keypairs(self) -> Sequence[SSHKeyPair]:
        """Return the agent's key pairs; none if there is no agent."""
        path = os.environ.get("SSH_AUTH_SOCK")
        if not path:
            return ()
        try:
            return await AgentKeySource(path, self._identities).keypairs()
        except AgentError as exc:
            _logger.info("agent of SSH_AUTH_SOCK is not used: %s", exc)
        return ()


class ForwardedAgent:
    """`AgentForwarder` to an agent of ours.

    Servers may list keys, have them sign, and add and remove keys; they may not have the agent load
    libraries, or lock it (`ssh_agent.ForwardedRequests`).

    Parameters:
        agent_path: where the agent is; None for that of SSH_AUTH_SOCK.
    """

    def __init__(self, agent_path: AgentPath | None = None) -> None:
        self._agent_path = agent_path

    async def open(self) -> tuple[ByteReader, ByteWriter]:
        """Open a stream to the agent; raises AgentError."""
        reader, writer = await open_agent_stream(self._agent_path)
        return reader, _RequestWriter(writer)

    async def open_bound(self, binding: SessionBinding) -> tuple[ByteReader, ByteWriter]:
        """Open a stream to the agent, which knows for which session; raises AgentError."""
        reader, writer = await open_agent_stream(self._agent_path)
        try:
            async with asyncio.timeout(_LIST_TIMEOUT):
                answer = await _bind_stream(reader, writer, binding)
        except BaseException as exc:
            writer.close()
            if not isinstance(exc, OSError | Error):
                raise
            raise AgentConnectionError(f"the agent can not be bound to the session: {exc}") from exc
        _logger.debug("agent: bound to a session: %s", answer)
        return reader, _RequestWriter(writer)


async def _bind_stream(reader: ByteReader, writer: AgentWriter, binding: SessionBinding) -> bool:
    """Bind a stream that is then somebody else's; whether the agent knows what that is.

    Raises AgentProtocolError for an answer that is none.
    """
    contents = b"".join(
        encode_string(part) for part in (binding.host_key, binding.session_id, binding.signature)
    )
    request = Extension(b"session-bind@openssh.com", contents + b"\x01").encode()
    writer.write(encode_string(request))
    await writer.drain()
    answer = b""
    while len(answer) < 5:
        data = await reader.read(5 - len(answer))
        if not data:
            raise AgentConnectionError("the agent closed the connection")
        answer += data
    if answer[:4] != b"\0\0\0\x01":
        raise AgentProtocolError("the agent gave a strange answer")
    return answer[4] == AgentMessage.SSH_AGENT_SUCCESS


class _RequestWriter:
    """Writes to an agent what a server may ask of it."""

    def __init__(self, writer: AgentWriter) -> None:
        self._writer = writer
        self._requests = ForwardedRequests()

    def write(self, data: bytes) -> None:
        """Write requests; raises AgentProtocolError for what is none."""
        self._writer.write(self._requests.feed(data))

    async def drain(self) -> None:
        """Wait until writing more is welcome."""
        await self._writer.drain()

    def close(self) -> None:
        """Close the stream."""
        self._writer.close()
