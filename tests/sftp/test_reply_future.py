"""When the tasks that wait for replies go on: with the reply, and as tasks of asyncio do."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine, Iterable
from contextvars import ContextVar
from typing import Any

import pytest

from ssh_sftp import SFTPClientHandler, SFTPConnectionLost, SFTPFailure
from ssh_sftp.client.replies import status_reply
from ssh_sftp.codec.constants import FX_FAILURE, FX_OK
from ssh_sftp.codec.framing import frame
from ssh_sftp.codec.responses import StatusReply, Version
from ssh_sftp.protocols import Buffer
from ssh_sftp.reply_future import ReplyFuture


class Stream:
    """Takes what the client writes."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default

    def write(self, data: Buffer) -> None:
        self.written.append(bytes(data))

    def writelines(self, parts: Iterable[Buffer]) -> None:
        self.write(b"".join(bytes(part) for part in parts))

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Client:
    """A session in the hands of a test, which gives the replies."""

    def __init__(self) -> None:
        self.handler = SFTPClientHandler()
        self.stream = Stream()
        self.handler.connection_made(self.stream)
        self.handler.core.start(3, lambda: None)
        self.receive(frame(Version(3, b"").encode()))
        self.stream.written.clear()

    def receive(self, data: bytes) -> None:
        """As an event loop calls it: outside of any task."""
        asyncio.get_running_loop().call_soon(self.handler.data_received, data)

    def request(self) -> asyncio.Future[None]:
        return self.handler.path_request(status_reply, 13, b"/name")

    @property
    def requests(self) -> int:
        return sum(data.count(b"/name") for data in self.stream.written)


def reply(request_id: int, code: int = FX_OK) -> bytes:
    return frame(StatusReply(request_id, code, b"", b"").encode())


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
async def client() -> Client:
    client = Client()
    await turns(2)
    assert client.handler.core.ready
    return client


async def start(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    task = asyncio.create_task(coroutine)
    await turns(1)
    return task


async def test_a_task_goes_on_in_the_turn_of_the_reply(client: Client) -> None:
    async def ask() -> None:
        for _ in range(3):
            await client.request()

    task = await start(ask())
    assert client.requests == 1
    for number in range(2):
        # Called by the loop: when this returns, the next request has left.
        client.receive(reply(number))
        await turns(1)
        assert client.requests == number + 2
    client.receive(reply(2))
    await task


async def test_all_tasks_of_one_read_go_on_in_order_and_leave_together(client: Client) -> None:
    order: list[int] = []

    async def ask(number: int) -> None:
        await client.request()
        order.append(number)
        await client.request()

    tasks = [await start(ask(number)) for number in range(5)]
    await turns(2)
    client.stream.written.clear()
    client.receive(b"".join(reply(number) for number in (3, 1, 4, 0, 2)))
    await turns(1)
    assert order == [3, 1, 4, 0, 2]
    assert len(client.stream.written) == 1
    assert client.requests == 5
    client.receive(b"".join(reply(number) for number in range(5, 10)))
    await asyncio.gather(*tasks)


async def test_replies_that_are_read_within_a_task_resume_others_later(client: Client) -> None:
    done: list[str] = []

    async def ask() -> None:
        await client.request()
        done.append("reply")

    task = await start(ask())
    client.handler.data_received(reply(0))
    assert done == []
    done.append("reader")
    await task
    assert done == ["reader", "reply"]


async def test_context_of_the_task_is_kept(client: Client) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="nothing")
    seen: list[str] = []

    async def ask(value: str) -> None:
        variable.set(value)
        await client.request()
        seen.append(variable.get())

    tasks = [await start(ask(value)) for value in ("one", "two")]
    await turns(2)
    client.receive(reply(0) + reply(1))
    await asyncio.gather(*tasks)
    assert seen == ["one", "two"]
    assert variable.get() == "nothing"


async def test_cancelled_while_it_waits(client: Client) -> None:
    task = await start(_alone(client))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    client.receive(reply(0))
    await turns(2)
    assert client.handler.core.error is None


async def test_cancelled_by_the_one_that_goes_on_before(client: Client) -> None:
    """Both replies were read together: the second task still learns that it was cancelled."""
    second: list[asyncio.Task[None]] = []

    async def first() -> None:
        await client.request()
        second[0].cancel()

    one = await start(first())
    second.append(await start(_alone(client)))
    await turns(2)
    client.receive(reply(0) + reply(1))
    await one
    with pytest.raises(asyncio.CancelledError):
        await second[0]


async def test_time_outs(client: Client) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await client.request()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.request(), 0.001)


async def test_errors_reach_the_task(client: Client) -> None:
    async def refused() -> None:
        with pytest.raises(SFTPFailure):
            await client.request()

    task = await start(refused())
    client.receive(reply(0, FX_FAILURE))
    await task
    task = await start(_lost(client))
    client.handler.connection_lost(None)
    await task


async def test_other_waits_of_asyncio(client: Client) -> None:
    both = asyncio.gather(client.request(), client.request())
    client.receive(reply(0) + reply(1))
    assert len(await both) == 2
    shielded = asyncio.shield(client.request())
    client.receive(reply(2))
    await shielded
    future = client.request()
    client.receive(reply(3))
    done, pending = await asyncio.wait([future], timeout=10)
    assert done == {future}
    assert not pending
    called: list[asyncio.Future[None]] = []
    future = client.request()
    future.add_done_callback(called.append)
    assert future.remove_done_callback(called.append) == 1
    future.add_done_callback(called.append)
    client.receive(reply(4))
    await turns(2)
    assert called == [future]
    await future


async def test_two_tasks_wait_for_one_reply(client: Client) -> None:
    future = client.request()

    async def wait() -> None:
        await future

    tasks = [await start(wait()), await start(wait())]
    client.receive(reply(0))
    await asyncio.gather(*tasks)


async def test_result_without_a_reply(client: Client) -> None:
    """Whoever holds the future may use it as any other."""
    future = client.request()

    async def wait() -> None:
        await future

    task = await start(wait())
    future.set_result(None)
    assert not task.done()
    await task


def test_keyboard_interrupt_leaves_nobody_behind() -> None:
    done: list[str] = []

    async def interrupted(client: Client) -> None:
        await client.request()
        raise KeyboardInterrupt

    async def other(client: Client) -> None:
        await client.request()
        done.append("other")

    async def begin() -> tuple[Client, list[asyncio.Task[None]]]:
        client = Client()
        await turns(2)
        tasks = [await start(interrupted(client)), await start(other(client))]
        await turns(2)
        return client, tasks

    async def answer(client: Client) -> None:
        client.receive(reply(0) + reply(1))
        await turns(2)

    loop = asyncio.new_event_loop()
    try:
        client, tasks = loop.run_until_complete(begin())
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(answer(client))
        loop.run_until_complete(turns(2))
        assert done == ["other"]
        assert not client.handler.replied
        with pytest.raises(KeyboardInterrupt):
            tasks[0].result()
        for task in asyncio.all_tasks(loop):
            loop.run_until_complete(task)
    finally:
        loop.close()


async def test_nothing_is_left_for_the_garbage_collector(client: Client) -> None:
    await turns(2)
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(each, ReplyFuture) for each in gc.get_objects())
        task = await start(_alone(client))
        client.receive(reply(0))
        await task
        del task
        after = sum(isinstance(each, ReplyFuture) for each in gc.get_objects())
    finally:
        gc.enable()
    assert after == before


async def _alone(client: Client) -> None:
    await client.request()


async def _lost(client: Client) -> None:
    with pytest.raises(SFTPConnectionLost):
        await client.request()
