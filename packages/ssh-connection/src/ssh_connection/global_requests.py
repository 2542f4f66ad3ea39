"""Global requests in both directions (RFC 4254 section 4), and the keepalive made of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from ssh_transport.errors import ConnectionLost, ConnectionTimeoutError, ProtocolError

from .channel.link import PacketSender
from .errors import GlobalRequestError
from .messages.connection import (
    GlobalRequest,
    RequestFailure,
    RequestSuccess,
)
from .replies import OrderedReplies

if TYPE_CHECKING:
    import asyncio

__all__ = ["GlobalRequests", "Keepalive"]

MAX_PENDING_GLOBAL_REQUESTS: Final = 64
"""Global requests of the peer that may wait for the answer to an earlier one."""

GlobalRequestHandler = Callable[[bytes, bytes], "bytes | Awaitable[bytes | None] | None"]


class _Waiting(NamedTuple):
    """A request of ours that was not answered yet."""

    name: bytes
    waiter: asyncio.Future[bytes]
    answered: Callable[[bytes], None] | None


class GlobalRequests:
    """The ordered queues of requests that wait for a reply, ours and the peer's.

    Parameters:
        core: sends the messages.
        loop: runs handlers that are awaitable.
        handler: answers the peer's requests: data of the success reply, or None to refuse.
    """

    def __init__(
        self,
        core: PacketSender,
        loop: asyncio.AbstractEventLoop,
        handler: GlobalRequestHandler,
    ) -> None:
        self._core = core
        self._loop = loop
        self._handler = handler
        self._waiting: list[_Waiting] = []
        # Not OrderedReplies[...](...), which takes as long as everything else here.
        self._replies: OrderedReplies[bytes | None] = OrderedReplies(
            loop, MAX_PENDING_GLOBAL_REQUESTS, None, core.fail
        )
        self._lost = False

    # --- Ours --------------------------------------------------------------------------------

    async def request(
        self, name: bytes, data: bytes = b"", answered: Callable[[bytes], None] | None = None
    ) -> bytes:
        """Send a request and return the data of the reply.

        Parameters:
            answered: called at once with the data, before any further message is handled.

        Raises GlobalRequestError if it is refused, ConnectionLost if there is no reply.
        """
        if self._lost:
            raise ConnectionLost("SSH connection closed")
        waiter: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting.append(_Waiting(name, waiter, answered))
        self._core.send(GlobalRequest(name, True, data).encode())
        try:
            return await waiter
        finally:
            del waiter  # as in `Mux.open`

    def send(self, name: bytes, data: bytes = b"") -> None:
        """Send a request that wants no reply."""
        if not self._lost:
            self._core.send(GlobalRequest(name, False, data).encode())

    def on_success(self, packet: bytes, start: int, end: int) -> None:
        """SSH_MSG_REQUEST_SUCCESS."""
        reply = RequestSuccess.decode(packet, start, end)
        _, waiter, answered = self._oldest()
        if not waiter.done():
            if answered is not None:
                answered(reply.response_data)
            waiter.set_result(reply.response_data)

    def on_failure(self, packet: bytes, start: int, end: int) -> None:
        """SSH_MSG_REQUEST_FAILURE."""
        RequestFailure.decode(packet, start, end)
        name, waiter, _ = self._oldest()
        if not waiter.done():
            waiter.set_exception(GlobalRequestError(name))

    def _oldest(self) -> _Waiting:
        if not self._waiting:
            raise ProtocolError("reply to a global request that was not sent")
        return self._waiting.pop(0)

    # --- The peer's --------------------------------------------------------------------------

    def on_request(self, packet: bytes, start: int, end: int) -> None:
        """SSH_MSG_GLOBAL_REQUEST."""
        request = GlobalRequest.decode(packet, start, end)

        def done(result: bytes | None) -> None:
            if request.want_reply:
                reply = RequestFailure() if result is None else RequestSuccess(result)
                self._core.send(reply.encode())

        self._replies.add(lambda: self._handler(request.request_name, request.request_data), done)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more is sent or received."""
        self._lost = True
        self._replies.close()
        while self._waiting:
            waiter = self._waiting.pop(0).waiter
            if not waiter.done():
                waiter.set_exception(ConnectionLost(str(exc) if exc else "SSH connection closed"))


class Keepalive:
    """Asks for a sign of life when nothing was received for a while.

    Any reply proves that the peer is alive, also SSH_MSG_REQUEST_FAILURE, which is what most
    peers answer.

    Parameters:
        loop: runs the timer.
        request: sends a global request and waits for the reply (`Mux.global_request`).
        expired: called once if `count_max` requests in a row were not answered.
        interval: seconds between two requests, above 0.
        count_max: unanswered requests after which the connection counts as dead.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        request: Callable[[bytes], Awaitable[bytes]],
        expired: Callable[[ConnectionTimeoutError], None],
        *,
        interval: float,
        count_max: int = 3,
    ) -> None:
        if interval <= 0 or count_max < 1:
            raise ValueError("keepalive needs an interval above 0 and a count of at least 1")
        self._loop = loop
        self._request = request
        self._expired = expired
        self._interval = interval
        self._count_max = count_max
        self._unanswered = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start, or start anew, the timer."""
        self.stop()
        self._unanswered = 0
        self._timer = self._loop.call_later(self._interval, self._tick)

    def stop(self) -> None:
        """Stop the timer and forget the requests under way."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task in tuple(self._tasks):
            task.cancel()

    def _tick(self) -> None:
        if self._unanswered >= self._count_max:
            self.stop()
            self._expired(
                ConnectionTimeoutError(
                    f"no answer to {self._unanswered} keepalive requests in "
                    f"{self._interval * self._unanswered:g} seconds"
                )
            )
            return
        self._unanswered += 1
        task = self._loop.create_task(self._ask())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._timer = self._loop.call_later(self._interval, self._tick)

    async def _ask(self) -> None:
        try:
            await self._request(b"keepalive@openssh.com")
        except GlobalRequestError:
            pass
        except ConnectionLost:
            return
        self._unanswered = 0
