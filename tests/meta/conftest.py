"""Everything here runs on asyncio's own event loop, and on uvloop's where that is installed.

It is no dependency. In continuous integration it has to be there all the same.
"""

from __future__ import annotations

import pytest

from tests.event_loops import LoopFactory, event_loops


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, LoopFactory]:
    """Names of the event loops, and what makes them."""
    return event_loops()
