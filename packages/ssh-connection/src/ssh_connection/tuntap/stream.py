"""Tunnels as streams: one read gives one packet."""

from __future__ import annotations

from ..channel.text import SSHChannel
from ..session import SSHTunTapSession
from ..stream_buffer import StreamBuffer
from ..stream_session import SSHSocketStreamSession
from .channel import MAX_PACKETS

__all__ = ["SSHTunTapStreamSession"]


class _PacketBuffer(StreamBuffer[bytes]):
    """Received packets until they are read, one by one, whatever size is asked for."""

    def feed(self, data: bytes, size: int, datatype: int | None = None) -> None:
        """Take a packet, or drop it if too many are here."""
        if len(self._items) >= MAX_PACKETS:
            self._channel.consumed(size)
            return
        self._items.append(data)
        self._costs.append(size)
        self._size += size
        self._wake()

    def read_nowait(self, n: int) -> bytes | None:
        """Return a packet, or None if there is none."""
        head = self._items[0] if self._items else b""
        return super().read_nowait(n if isinstance(head, Exception) else len(head))

    async def read(self, n: int) -> bytes:
        """Return a packet; nothing at the end."""
        return await super().read(1)

    async def readline(self) -> bytes:
        """Return a packet: a loop over the reader is one over packets."""
        return await self.read(1)


class SSHTunTapStreamSession(SSHSocketStreamSession[bytes], SSHTunTapSession):
    """The streams of a tunnel."""

    def connection_made(self, chan: SSHChannel[bytes]) -> None:
        """The channel is open."""
        super().connection_made(chan)
        self._buffers[None] = self._receivers[None] = _PacketBuffer(chan)
