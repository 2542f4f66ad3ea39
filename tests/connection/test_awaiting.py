"""Waiting for what goes on when nobody waits any more."""

from __future__ import annotations

import asyncio

import pytest

from ssh_connection.awaiting import outlasting


async def wait_in_vain(future: asyncio.Future[int]) -> None:
    task = asyncio.ensure_future(outlasting(future))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nobody_hears_of_what_nobody_waits_for() -> None:
    """Python 3.14 says so if such a future fails behind `asyncio.shield`."""
    loop = asyncio.get_running_loop()
    said: list[object] = []
    loop.set_exception_handler(lambda loop, context: said.append(context))
    future: asyncio.Future[int] = loop.create_future()
    await wait_in_vain(future)
    assert not future.done()
    future.set_exception(OSError("late"))
    await asyncio.sleep(0)
    del future
    assert said == []


async def test_others_wait_on() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    other = asyncio.ensure_future(outlasting(future))
    await wait_in_vain(future)
    future.set_result(5)
    assert await other == 5
    assert await outlasting(future) == 5


async def test_what_went_wrong() -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[int] = loop.create_future()
    loop.call_soon(future.set_exception, OSError("wrong"))
    with pytest.raises(OSError, match="wrong"):
        await outlasting(future)
    future = loop.create_future()
    loop.call_soon(future.cancel)
    with pytest.raises(asyncio.CancelledError):
        await outlasting(future)
