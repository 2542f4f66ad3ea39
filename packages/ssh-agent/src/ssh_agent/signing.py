"""A key in an agent for programs without an event loop: it certifies keys and signs files."""

from __future__ import annotations

import asyncio
from functools import partial

from ssh_keys import SSHKey
from ssh_keys.token_key import TokenBackedKey
from ssh_keys.wire import Reader

from .client import SSHAgentClient, connect_agent
from .errors import AgentFailure
from .keypair import SSHAgentKeyPair

__all__ = ["key_in_agent"]


def key_in_agent(public: SSHKey, agent_path: str | None = None) -> SSHKey:
    """Return a key that signs and certifies as a private key does, but in an agent.

    Each signature is made on a connection of its own. It waits for the agent, and perhaps for its
    user: programs with an event loop call it, and what signs, in another thread.

    Parameters:
        public: the public key.
        agent_path: path of the agent's socket; if it is missing, the environment variable
            SSH_AUTH_SOCK says where the agent is.

    Raises AgentFailure if the agent does not have the key, other AgentErrors if it cannot be asked
    for it, and RuntimeError in the thread of an event loop; what signs raises the same.
    """
    asyncio.run(_check(public, agent_path))
    return TokenBackedKey(public, partial(_sign, public, agent_path))


def _sign(public: SSHKey, agent_path: str | None, data: bytes, sig_algorithm: bytes) -> bytes:
    reader = Reader(asyncio.run(_signature(public, agent_path, data, sig_algorithm)))
    reader.string()  # the name of the algorithm, which the key pair has checked
    return reader.rest()


async def _check(public: SSHKey, agent_path: str | None) -> None:
    async with connect_agent(agent_path) as agent:
        await _held(agent, public)


async def _signature(
    public: SSHKey, agent_path: str | None, data: bytes, sig_algorithm: bytes
) -> bytes:
    async with connect_agent(agent_path) as agent:
        pair = await _held(agent, public)
        return await pair.sign(data, sig_algorithm)


async def _held(agent: SSHAgentClient, public: SSHKey) -> SSHAgentKeyPair:
    for pair in await agent.get_keys([public.public_data]):
        return pair
    raise AgentFailure(f"the agent does not have the key {public.get_fingerprint()}")
