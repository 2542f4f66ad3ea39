"""Runs one side of the authentication protocol, written as a coroutine, without an event loop.

The drivers read like the RFC: send a request, receive the answer, decide. Between two messages
they are suspended, and go on inside the handler of the next message: no task, no loop turn. Only
when a callback of the application gives an awaitable, a task is made for that awaitable
(`Spawn`); a server stops reading for that time, so that pipelined requests stay in order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Generic, TypeVar, cast

from ssh_keys.record import Struct
from ssh_keys.wire import PacketDecodeError
from ssh_transport.errors import DisconnectError, MessageOrderError, ProtocolError

from .protocols import AuthTransport, MaybeAwait, Spawn

__all__ = ["Conversation", "Packet"]

T = TypeVar("T")


class Packet(Struct):
    """A received message: its number, and its fields at `data[start:end]`."""

    number: int
    data: bytes
    start: int
    end: int


class _Receive:
    """Suspends the driver until the next message."""

    def __await__(self) -> Generator[_Receive, Packet, Packet]:
        packet = yield self
        return packet


class _Resolve(Generic[T]):
    """Suspends the driver until an awaitable is done."""

    def __init__(self, awaitable: Awaitable[T]) -> None:
        self.awaitable = awaitable

    def __await__(self) -> Generator[_Resolve[T], T, T]:
        result = yield self
        return result


_RECEIVE = _Receive()


class Conversation:
    """One run of the authentication protocol.

    Parameters:
        transport: where messages go.
        spawn: waits for an awaitable in the background.
        crashed: called with an exception that came out of a callback of the application.
        pause: stop reading while an awaitable is pending (a server does, a client goes on
            reading so that it notices a disconnect).
    """

    def __init__(
        self,
        transport: AuthTransport,
        spawn: Spawn,
        crashed: Callable[[Exception], None],
        *,
        pause: bool,
    ) -> None:
        self.transport = transport
        self._spawn = spawn
        self._crashed = crashed
        self._pause = pause
        self._coroutine: Coroutine[object, object, None] | None = None
        self.receiving = False
        """Whether the driver waits for a message."""
        self._paused = False
        self._stepping = False
        self._cancel: Callable[[], None] | None = None
        self._unread: Packet | None = None

    @property
    def running(self) -> bool:
        """Whether the protocol has been started and is not finished."""
        return self._coroutine is not None

    def start(self, coroutine: Coroutine[object, object, None]) -> None:
        """Run the driver up to its first suspension."""
        self._coroutine = coroutine
        self._advance(None, None)

    def close(self) -> None:
        """Give up: the connection is gone."""
        coroutine, self._coroutine = self._coroutine, None
        self.receiving = False
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        if coroutine is not None and not self._stepping:
            coroutine.close()

    def deliver(self, number: int, data: bytes, start: int, end: int) -> None:
        """Hand a received message to the driver; MessageOrderError if it waits for none."""
        if not self.receiving:
            raise MessageOrderError(f"message {number} was not expected now")
        self.receiving = False
        self._advance(Packet(number, data, start, end), None)

    async def receive(self) -> Packet:
        """Wait for the next message."""
        if self._unread is not None:
            packet, self._unread = self._unread, None
            return packet
        return await _RECEIVE

    def unread(self, packet: Packet) -> None:
        """Put a message back, so that the next `receive` gives it again."""
        self._unread = packet

    async def resolve(self, value: MaybeAwait[T]) -> T:
        """Return what a callback gave, waiting for it if it is awaitable."""
        if isinstance(value, Awaitable):
            result: T = await _Resolve(cast("Awaitable[T]", value))
            return result
        return value

    def _advance(self, value: object, error: BaseException | None) -> None:
        coroutine = self._coroutine
        if coroutine is None:
            return
        self._stepping = True
        try:
            wanted = coroutine.send(value) if error is None else coroutine.throw(error)
        except StopIteration:
            self._coroutine = None
            return
        except Exception as exc:
            self._coroutine = None
            self._failed(exc)
            return
        finally:
            self._stepping = False
        if self._coroutine is None:
            # A callback closed the connection under the driver.
            coroutine.close()
        elif isinstance(wanted, _Resolve):
            if self._pause and not self._paused:
                self._paused = True
                self.transport.pause()
            self._cancel = self._spawn(wanted.awaitable, self._resolved)
        else:
            self.receiving = True

    def _resolved(self, result: object, error: BaseException | None) -> None:
        self._cancel = None
        if self.transport.closed:
            return  # `close` is on its way
        self._advance(result, error)
        if self._paused and self._cancel is None:
            self._paused = False
            self.transport.resume()

    def _failed(self, exc: Exception) -> None:
        if isinstance(exc, DisconnectError):
            self.transport.fail(exc)
        elif isinstance(exc, PacketDecodeError):
            self.transport.fail(ProtocolError(f"malformed message: {exc}"))
        else:
            self._crashed(exc)
