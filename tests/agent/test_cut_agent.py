"""Connections to an agent that end at any moment."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ssh_agent import connect_agent
from tests.cut import Cut, Scenario, Way, cut_everywhere

NO_KEYS = bytes((0, 0, 0, 5, 12, 0, 0, 0, 0))


class Agent(asyncio.Protocol):
    """An agent without keys, which is asked for them: requests of five bytes."""

    def __init__(self, made: list[asyncio.Transport]) -> None:
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._made.append(transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(NO_KEYS * (len(data) // 5))


@asynccontextmanager
async def agent() -> AsyncIterator[str]:
    """An agent that runs."""
    made: list[asyncio.Transport] = []
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/agent"
        server = await asyncio.get_running_loop().create_unix_server(lambda: Agent(made), path)
        try:
            yield path
        finally:
            server.close()
            for transport in made:
                transport.abort()


async def asking(cut: Cut) -> None:
    async with agent() as path:
        cut.begin()
        async with connect_agent(path) as client:
            assert not await client.get_keys()


async def asking_twice(cut: Cut) -> None:
    async with agent() as path, connect_agent(path) as client:
        cut.begin()
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(client.get_keys())


@pytest.mark.parametrize("way", [Way.LOOP, Way.CANCEL, Way.BOTH])
@pytest.mark.parametrize("scenario", [asking, asking_twice], ids=lambda each: each.__name__)
def test_cut(scenario: Scenario, way: Way, socket_folder: Path) -> None:
    cut_everywhere(scenario, way, socket_folder)
