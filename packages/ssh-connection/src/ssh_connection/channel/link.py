"""The seams of a channel: what it uses of the transport core and of the mux."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from ssh_transport.errors import DisconnectError

if TYPE_CHECKING:
    import asyncio

    from ..logging import ConnectionLog
    from .base import Channel

__all__ = [
    "DEFAULT_MAX_PKTSIZE",
    "DEFAULT_WINDOW",
    "ChannelHost",
    "ConnectionServices",
    "PacketSender",
]

DEFAULT_WINDOW: Final = 2 * 1024 * 1024
"""Receive window in bytes."""
DEFAULT_MAX_PKTSIZE: Final = 64 * 1024
"""Largest data of one message that the peer may send, in bytes.

Between two of ours 64 KiB cost a tenth less CPU time per byte than 32 KiB; 128 KiB cost more, and
so do windows of 8 MiB (they do not stay in the caches)."""


class PacketSender(Protocol):
    """The part of `ssh_transport.TransportCore` that the connection layer uses."""

    call_when_read: bool
    """Set it to have `Mux.on_writable` called once everything that was received is handled."""

    @property
    def blocked(self) -> bool:
        """Whether bulk data has to wait (keys are being exchanged, or the output is full)."""
        ...

    def send(self, payload: bytes) -> None:
        """Send a whole payload, message number first; queued while keys are exchanged."""
        ...

    def send_data(self, head: bytes, data: bytes | memoryview) -> None:
        """Send the payload head + data; only while not `blocked`."""
        ...

    def send_data_run(self, head: bytes, data: memoryview, size: int) -> int:
        """Send payloads of head and `size` bytes of data each, until it ends or `blocked`.

        Returns the bytes of `data` that were taken.
        """
        ...

    def fail(self, error: DisconnectError) -> None:
        """End the connection with SSH_MSG_DISCONNECT."""
        ...


class ConnectionServices(Protocol):
    """What channels need from the connection object."""

    @property
    def log(self) -> ConnectionLog:
        """Where the connection logs."""
        ...

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return what is known about the connection under `name`."""
        ...


class ChannelHost(Protocol):
    """What a channel needs from the mux."""

    core: PacketSender
    loop: asyncio.AbstractEventLoop
    ready: list[Channel]
    """Channels that wait for their turn to send."""

    async def open(self, channel: Channel, channel_type: bytes, type_data: bytes = b"") -> None:
        """Open the channel and wait for the peer; raises ChannelOpenError."""
        ...

    def schedule(self, channel: Channel) -> None:
        """Drain the channel now or, if others wait already or the core is blocked, in turn."""
        ...

    def schedule_when_read(self, channel: Channel) -> None:
        """Drain the channel once everything that was received is handled."""
        ...

    def remove(self, channel: Channel) -> None:
        """Forget the channel: both sides have closed it."""
        ...
