"""How long the steps on the way to a connection may take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from ssh_transport.errors import ConnectionTimeoutError

from ..options.base import SSHConnectionOptions

__all__ = ["limited", "step"]

T = TypeVar("T")


async def step(options: SSHConnectionOptions, waited: Awaitable[T], missing: str) -> T:
    """Wait for something in front of the login, as long as the login itself may take at the most.

    The timer of the login begins with the connection, and `connect_timeout` is none by default:
    without this nothing would end the wait for a host that answers nothing at all, or for somebody
    who does not type a passphrase.

    Raises as `limited`.
    """
    return await limited(waited, options.seconds("login_timeout"), missing)


async def limited(waited: Awaitable[T], seconds: float | None, missing: str) -> T:
    """Wait for something.

    Raises ConnectionTimeoutError, which says what is missing, if it takes longer.
    """
    if seconds is None:
        return await waited
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await waited
    except TimeoutError:
        if not limit.expired():
            raise  # of something else: the system has such an error, too
        raise ConnectionTimeoutError(f"{missing} after {seconds:g} seconds") from None
