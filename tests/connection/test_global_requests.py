"""Global requests in both directions, and keepalive."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ssh_connection.errors import GlobalRequestError
from ssh_connection.global_requests import Keepalive
from ssh_transport.errors import ConnectionLost, ConnectionTimeoutError
from tests.connection.channels import RawPeer, encode
from tests.connection.mux_pair import Pair


async def test_requests_and_replies_match_by_order() -> None:
    async with Pair() as pair:
        gates: dict[bytes, asyncio.Future[bytes | None]] = {}

        def answer(name: bytes, data: bytes) -> Any:
            if name == b"now":
                return b"answer to " + data
            if name == b"no":
                return None
            gates[data] = asyncio.get_running_loop().create_future()
            return gates[data]

        pair.server.services.on_global = answer
        tasks = [
            asyncio.ensure_future(pair.client.mux.global_request(name, data))
            for name, data in ((b"later", b"1"), (b"now", b"2"), (b"no", b"3"), (b"later", b"4"))
        ]
        await pair.settle()
        assert list(gates) == [b"1"]
        gates[b"1"].set_result(b"one")
        await pair.settle()
        gates[b"4"].set_result(None)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[:2] == [b"one", b"answer to 2"]
        assert isinstance(results[2], GlobalRequestError)
        assert isinstance(results[3], GlobalRequestError)
        assert str(results[2]) == "global request no failed"
        assert results[3].name == b"later"


async def test_requests_without_reply() -> None:
    async with Pair() as pair:
        seen: list[tuple[bytes, bytes]] = []
        pair.server.services.on_global = lambda name, data: seen.append((name, data))
        pair.client.mux.send_global_request(b"hostkeys-00@openssh.com", b"data")
        await pair.settle()
        assert seen == [(b"hostkeys-00@openssh.com", b"data")]
        assert not pair.server.core.log
        pair.lose(None)
        pair.client.mux.send_global_request(b"x")
        with pytest.raises(ConnectionLost):
            await pair.client.mux.global_request(b"x")


async def test_a_handler_that_raises_refuses() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, info: reported.append(info))
    peer = RawPeer()

    def fail(name: bytes, data: bytes) -> Any:
        raise LookupError("inside")

    async def fail_later(name: bytes, data: bytes) -> Any:
        raise LookupError("inside")

    for handler in (fail, fail_later):
        peer.services.on_global = handler
        peer.send(80, b"x", True)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert peer.sent() == [encode(82)]
    assert [type(info["exception"]) for info in reported] == [LookupError] * 2


async def test_a_cancelled_request_does_not_shift_the_replies() -> None:
    peer = RawPeer()
    first = asyncio.ensure_future(peer.end.mux.global_request(b"first"))
    second = asyncio.ensure_future(peer.end.mux.global_request(b"second"))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    peer.end.receive(bytes([81]) + b"one")
    peer.end.receive(bytes([81]) + b"two")
    assert await second == b"two"
    assert first.cancelled()


class FakeTimer:
    """A timer that the test lets expire."""

    def __init__(self, clock: FakeClock, delay: float, callback: Any) -> None:
        self.clock = clock
        self.delay = delay
        self.callback = callback

    def cancel(self) -> None:
        """Forget it."""
        if self in self.clock.timers:
            self.clock.timers.remove(self)


class FakeClock:
    """The loop with timers of its own, so that no test waits."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.timers: list[FakeTimer] = []

    def call_later(self, delay: float, callback: Any) -> FakeTimer:
        """Keep the timer."""
        timer = FakeTimer(self, delay, callback)
        self.timers.append(timer)
        return timer

    def create_task(self, coroutine: Any) -> asyncio.Task[Any]:
        """As the loop does."""
        return self.loop.create_task(coroutine)

    async def expire(self) -> None:
        """Let the one timer expire."""
        (timer,) = self.timers
        self.timers.remove(timer)
        timer.callback()
        await asyncio.sleep(0)


async def test_keepalive_counts_what_is_not_answered() -> None:
    clock: Any = FakeClock()
    peer = RawPeer()
    expired: list[ConnectionTimeoutError] = []
    request = peer.end.mux.global_request
    keepalive = Keepalive(clock, request, expired.append, interval=15, count_max=2)
    keepalive.start()
    assert clock.timers[0].delay == 15
    await clock.expire()
    assert peer.sent() == [encode(80, b"keepalive@openssh.com", True)]
    # What most peers answer is a refusal, and it proves as much as anything.
    peer.send(82)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for _ in range(2):
        await clock.expire()
        assert not expired
    await clock.expire()
    assert "no answer to 2 keepalive requests in 30 seconds" in expired[0].reason
    assert not clock.timers
    await asyncio.sleep(0)
    keepalive.start()
    await clock.expire()
    peer.end.mux.connection_lost(None)
    await asyncio.sleep(0)
    keepalive.stop()
    assert not clock.timers


@pytest.mark.parametrize("options", [{"interval": 0}, {"interval": 1, "count_max": 0}])
async def test_keepalive_options(options: dict[str, Any]) -> None:
    peer = RawPeer()
    loop = asyncio.get_running_loop()
    with pytest.raises(ValueError, match="keepalive"):
        Keepalive(loop, peer.end.mux.global_request, print, **options)
