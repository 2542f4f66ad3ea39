"""A client of the SSH agent protocol.

What `add_keys` takes as `constraints` is in `ssh_agent.constraints`.
"""

from ssh_agent._version import __version__
from ssh_agent.client import AgentConnecting, SSHAgentClient, connect_agent
from ssh_agent.errors import (
    AgentConnectionError,
    AgentError,
    AgentExtensionFailure,
    AgentFailure,
    AgentProtocolError,
    AgentTimeoutError,
)
from ssh_agent.forwarding import ForwardedRequests
from ssh_agent.keypair import SSHAgentKeyPair
from ssh_agent.signing import key_in_agent
from ssh_agent.streams import AgentOpener, AgentReader, AgentWriter

__all__ = [
    "AgentConnecting",
    "AgentConnectionError",
    "AgentError",
    "AgentExtensionFailure",
    "AgentFailure",
    "AgentOpener",
    "AgentProtocolError",
    "AgentReader",
    "AgentTimeoutError",
    "AgentWriter",
    "ForwardedRequests",
    "SSHAgentClient",
    "SSHAgentKeyPair",
    "__version__",
    "connect_agent",
    "key_in_agent",
]
