"""Connections that end at any moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssh_transport.errors import DisconnectError
from tests.cut import Cut, Scenario, Way, cut_everywhere

from .loopback import client, serving

KEX = ["curve25519-sha256"]


async def connecting(cut: Cut) -> None:
    async with serving() as server:
        cut.begin()
        async with await client(server, password="secret", kex_algs=KEX):
            pass


async def listening(cut: Cut) -> None:
    cut.begin()
    async with serving():
        pass


SCENARIOS = [connecting, listening]


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_cut(scenario: Scenario, way: Way, tmp_path: Path) -> None:
    cut_everywhere(scenario, way, tmp_path, allowed=(OSError, DisconnectError))


async def test_what_comes_after_the_end_is_refused() -> None:
    """asyncio asks for a protocol one turn after it has accepted a socket."""
    async with serving() as server:
        pass
    server.make_protocol()
    assert server.connections == ()
