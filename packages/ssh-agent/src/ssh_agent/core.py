"""The agent protocol without input and output: requests become frames, frames answers.

An agent answers requests in the order in which they came (draft-miller-ssh-agent section 4), so a
queue is all that is needed to tell which answer belongs to which request.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from struct import Struct

from .errors import AgentError, AgentProtocolError

__all__ = ["MAX_MESSAGE", "MAX_PENDING", "AgentCore", "ReplyHandler"]

MAX_MESSAGE = 256 * 1024
"""Longest message in bytes in either direction; agents in use have the same limit."""

MAX_PENDING = 256
"""Most requests that may wait for their answer."""

ReplyHandler = Callable[["bytes | AgentError"], None]
"""Called once: with the message that answered the request, number first, or with what ended the
connection."""

_LENGTH = Struct(">I")


class AgentCore:
    """One connection to an agent."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._pending: deque[ReplyHandler] = deque()
        self._error: AgentError | None = None

    @property
    def pending(self) -> int:
        """Number of requests that wait for their answer."""
        return len(self._pending)

    @property
    def error(self) -> AgentError | None:
        """What ended the connection; None while it is usable."""
        return self._error

    def request(self, payload: bytes, on_reply: ReplyHandler) -> bytes:
        """Queue a request and return the frame to send.

        Parameters:
            payload: the message, number first.
            on_reply: gets the answer.

        Raises AgentError if the connection has ended, the message is too long (more than
        256 KiB), or too many requests wait already.
        """
        if self._error:
            raise self._error
        if not 1 <= len(payload) <= MAX_MESSAGE:
            raise AgentError(f"agent request of {len(payload)} bytes, at most {MAX_MESSAGE}")
        if len(self._pending) >= MAX_PENDING:
            raise AgentError(f"more than {MAX_PENDING} agent requests without an answer")
        self._pending.append(on_reply)
        return _LENGTH.pack(len(payload)) + payload

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the agent, and hand the answers in them to their requests.

        Raises AgentProtocolError if the agent breaks the protocol; the caller closes the
        connection and calls `end`.
        """
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= 4:
                (length,) = _LENGTH.unpack_from(buffer, start)
                if not 1 <= length <= MAX_MESSAGE:
                    raise AgentProtocolError(f"the agent sent a message of {length} bytes")
                if not self._pending:
                    raise AgentProtocolError("the agent sent an answer that nobody asked for")
                stop = start + 4 + length
                if len(buffer) < stop:
                    return
                reply = bytes(buffer[start + 4 : stop])
                start = stop
                self._pending.popleft()(reply)
        finally:
            del buffer[:start]

    def end(self, error: AgentError) -> None:
        """Give up: every request that waits, and every later one, fails with `error`."""
        if self._error:
            return
        self._error = error
        self._buffer.clear()
        while self._pending:
            self._pending.popleft()(error)
