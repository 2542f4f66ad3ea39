"""Errors of the agent client.

::

    ValueError
    └─ AgentError
       ├─ AgentFailure ─ AgentExtensionFailure     the agent refused the request
       ├─ AgentProtocolError                       the agent broke the protocol
       └─ AgentConnectionError (ConnectionError)   there is no agent, or it is gone
          └─ AgentTimeoutError (TimeoutError)      the agent did not answer in time

`AgentError` is a `ValueError` because the operations on an agent always failed with one, and
`AgentConnectionError` is an `OSError`, as everything is that concerns a socket.
"""

from __future__ import annotations

__all__ = [
    "AgentConnectionError",
    "AgentError",
    "AgentExtensionFailure",
    "AgentFailure",
    "AgentProtocolError",
    "AgentTimeoutError",
]


class AgentError(ValueError):
    """An operation on an SSH agent failed; the text says which and why."""


class AgentFailure(AgentError):
    """The agent answered SSH_AGENT_FAILURE (draft-miller-ssh-agent section 4.1)."""


class AgentExtensionFailure(AgentFailure):
    """The agent knows the extension, and the request failed (section 4.7)."""


class AgentProtocolError(AgentError):
    """The agent sent something that is no answer to the request."""


class AgentConnectionError(ConnectionError, AgentError):
    """There is no agent to talk to, or the connection to it is closed."""


class AgentTimeoutError(TimeoutError, AgentConnectionError):
    """The agent did not answer in time; the connection to it was closed."""
