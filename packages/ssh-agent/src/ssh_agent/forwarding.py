"""What somebody to whom an agent is lent may ask of it.

An agent takes whoever reaches its socket for its user. Requests that come from a server are
another thing: a path of a PKCS#11 or FIDO provider in one of them makes the agent load a library
(CVE-2016-10009, CVE-2023-38408), and a lock with a passphrase that nobody knows shuts its user out.
"""

from __future__ import annotations

from struct import Struct

from ssh_keys.wire import PacketDecodeError, Reader

from .core import MAX_MESSAGE
from .errors import AgentProtocolError
from .messages import AgentMessage

__all__ = ["ForwardedRequests"]

_LENGTH = Struct(">I")

_ALLOWED = frozenset(
    {
        AgentMessage.SSH_AGENTC_REQUEST_IDENTITIES,
        AgentMessage.SSH_AGENTC_SIGN_REQUEST,
        AgentMessage.SSH_AGENTC_ADD_IDENTITY,
        AgentMessage.SSH_AGENTC_REMOVE_IDENTITY,
        AgentMessage.SSH_AGENTC_REMOVE_ALL_IDENTITIES,
        AgentMessage.SSH_AGENTC_ADD_ID_CONSTRAINED,
        AgentMessage.SSH_AGENTC_EXTENSION,
    }
)
_EXTENSIONS = frozenset({b"query", b"session-bind@openssh.com"})

#: The constraint that names the library for a security key (PROTOCOL.agent).
_PROVIDER = b"sk-provider@openssh.com"

#: A number for private use (section 5.1), which every agent answers with SSH_AGENT_FAILURE: the
#: answers stay in the order of the requests without any bookkeeping here.
_REFUSED = _LENGTH.pack(1) + b"\xf0"


class ForwardedRequests:
    """A stream of requests without those that nobody but the user of an agent may make.

    Allowed are listing, signing, adding and removing keys, the extension `query`, and binding to a
    session; not allowed are smart cards and libraries, locking, and other extensions.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Take bytes of requests, and return what may be sent to the agent.

        Raises AgentProtocolError for a request that is empty or longer than 256 KiB.
        """
        self._buffer += data
        allowed: list[bytes] = []
        start = 0
        while len(self._buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, start)
            if not 1 <= length <= MAX_MESSAGE:
                raise AgentProtocolError(f"request of {length} bytes for a forwarded agent")
            end = start + _LENGTH.size + length
            if end > len(self._buffer):
                break
            frame = bytes(self._buffer[start:end])
            allowed.append(frame if _is_allowed(frame[_LENGTH.size :]) else _REFUSED)
            start = end
        del self._buffer[:start]
        return b"".join(allowed)


def _is_allowed(request: bytes) -> bool:
    number = request[0]
    if number not in _ALLOWED:
        return False
    if number == AgentMessage.SSH_AGENTC_EXTENSION:
        try:
            return Reader(request, 1).string() in _EXTENSIONS
        except PacketDecodeError:
            return False
    # Looked for anywhere: where constraints begin depends on the type of the key.
    return number != AgentMessage.SSH_AGENTC_ADD_ID_CONSTRAINED or _PROVIDER not in request
