"""What opens something can be awaited, run as a task, and used in `async with`."""

from __future__ import annotations

import asyncio
from typing import Self, assert_type

import pytest

from ssh_connection import Opening
from ssh_connection.opening import opening


class Door:
    """Counts how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.closed += 1


@opening
async def open_door(wait: float = 0.0) -> Door:
    """Open."""
    await asyncio.sleep(wait)
    return Door()


async def test_await_gives_it() -> None:
    door = assert_type(await open_door(), Door)
    assert door.closed == 0


async def test_async_with_gives_it_and_closes_it() -> None:
    async with open_door() as door:
        assert assert_type(door, Door).closed == 0
    assert door.closed == 1
    with pytest.raises(ZeroDivisionError):
        async with open_door() as door:
            raise ZeroDivisionError
    assert door.closed == 1


async def test_it_is_a_coroutine_for_tasks_and_gather() -> None:
    assert asyncio.iscoroutine(start := open_door())
    assert isinstance(await asyncio.create_task(start), Door)
    doors = await asyncio.gather(open_door(), open_door())
    assert len(doors) == 2
    assert isinstance(await asyncio.wait_for(open_door(), 1), Door)


async def test_a_task_that_opens_can_be_cancelled() -> None:
    task = asyncio.create_task(open_door(10))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(open_door(10), 0.01)


def test_it_can_be_run_and_given_up() -> None:
    assert isinstance(asyncio.run(open_door()), Door)
    given_up: Opening[Door] = open_door()
    given_up.close()


def test_the_function_keeps_its_name_and_text() -> None:
    assert open_door.__doc__ == "Open."
