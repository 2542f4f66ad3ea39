"""The asyncio transport of a connection object."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from ssh_transport.aio import AsyncTransport, TransportOwner
from ssh_transport.core import TransportCore

__all__ = ["ConnectionOwner", "ConnectionTransport"]


class ConnectionOwner(TransportOwner, Protocol):
    """A connection object."""

    def on_connected(self, transport: asyncio.Transport) -> None:
        """The socket is connected; nothing was sent yet."""
        ...


class ConnectionTransport(AsyncTransport):
    """Tells its owner when the socket is connected, before anything is sent.

    Only then the peer's address is known, which may decide about the algorithms that are offered.

    Parameters:
        core: made by `create_core`.
        owner: the connection object.
    """

    def __init__(self, core: TransportCore, owner: ConnectionOwner) -> None:
        super().__init__(core, owner)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tell the owner, then start the protocol."""
        # Not checked with isinstance: the transports of uvloop are no subclass.
        owner = cast(ConnectionOwner, self._owner)
        owner.on_connected(cast(asyncio.Transport, transport))
        super().connection_made(transport)
