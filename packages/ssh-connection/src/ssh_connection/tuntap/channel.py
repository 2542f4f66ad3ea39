"""Channels whose messages are packets: a message is never split, and no two are joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Final

from ..channel.base import Deliver
from ..channel.forward import SSHForwardChannel
from ..channel.link import (
    DEFAULT_MAX_PKTSIZE,
    DEFAULT_WINDOW,
    ChannelHost,
    ConnectionServices,
)
from ..channel.text import DataType
from ..constants import SSH_MSG_CHANNEL_DATA
from ..messages.connection import TunOpen
from ..session import SSHTunTapSession
from .framing import TunnelMode, packet_start, to_wire, unit_number

__all__ = ["MAX_PACKETS", "SSHTunTapChannel"]

MAX_PACKETS: Final = 4096
"""Packets that are kept for somebody who does not read; more are dropped.

The window bounds their bytes, and would let a peer have us keep hundreds of thousands of tiny ones.
"""

_DATA = Struct(">BII").pack


class SSHTunTapChannel(SSHForwardChannel[bytes]):
    """A "tun@openssh.com" channel: what is read and written are whole packets or frames.

    IP packets go without their address family, as a device of Linux gives them. Something else
    that the peer sends closes the channel with a ProtocolError. Of what is not read, packets above
    4096 are dropped, as networks do.

    Parameters:
        conn: the connection object.
        mux: the channels of the connection.
        window: receive window in bytes.
        max_pktsize: largest message of the peer, in bytes.
    """

    mode = TunnelMode.POINT_TO_POINT
    """What is carried; to be set before the channel is open."""

    def __init__(
        self,
        conn: ConnectionServices,
        mux: ChannelHost,
        *,
        window: int = DEFAULT_WINDOW,
        max_pktsize: int = DEFAULT_MAX_PKTSIZE,
    ) -> None:
        super().__init__(conn, mux, window=window, max_pktsize=max_pktsize)
        # A peer that sends whole packets would wait for ever in front of half a small window.
        self.credit_mark = max(1, min(self.credit_mark, window - self.max_pktsize))

    async def connect(
        self,
        session_factory: Callable[[], SSHTunTapSession],
        mode: TunnelMode,
        unit: int | None,
    ) -> tuple[SSHTunTapChannel, SSHTunTapSession]:
        """Open the channel (client).

        Parameters:
            session_factory: called once the channel is open.
            mode: what is carried.
            unit: number of the server's device, None for one that the server chooses.

        Raises ChannelOpenError if the server refuses, ValueError for what is no unit.
        """
        self.mode = mode
        data = TunOpen(mode, unit_number(unit)).encode()
        return self, await self._open(session_factory, b"tun@openssh.com", data)

    def set_encoding(self, encoding: str | None, errors: str = "strict") -> None:
        """Raise ValueError for anything but None: packets are no text."""
        if encoding is not None:
            raise ValueError("packets are no text")
        super().set_encoding(encoding, errors)

    # --- Inbound -----------------------------------------------------------------------------

    def _direct_delivery(self) -> Deliver:
        return self._deliver_packet

    def _deliver_packet(self, packet: bytes, start: int, end: int, datatype: DataType) -> None:
        begin = packet_start(self.mode, packet, start, end)
        if self._view is not None:
            self._view(packet, begin, end, datatype)
        elif self._session is not None:
            self._session.data_received(packet[begin:end], datatype)
        self.consumed(begin - start if self._explicit else end - start)

    def _hold(self, packet: bytes, start: int, end: int, datatype: DataType) -> None:
        if len(self._held) < MAX_PACKETS:
            self._held.append((packet, start, end, datatype))
        else:
            self.consumed(end - start)

    # --- Outbound ----------------------------------------------------------------------------

    def write_pieces(self, pieces: Sequence[bytes]) -> None:
        """Write one packet that is in pieces."""
        self._send_data(b"".join(pieces), None)

    def _send_data(self, data: bytes, datatype: DataType) -> None:
        self._check_writable()
        framed = to_wire(self.mode, data)
        if len(framed) > self._send_max:
            raise ValueError(f"a packet of {len(data)} bytes is too long for the peer")
        super()._send_data(framed, datatype)

    def drain(self, quantum: int) -> bool:
        """Send packets up to about `quantum` bytes; true if there is one that the window allows."""
        core, queue = self._core, self._queue
        while quantum > 0 and not core.blocked and self._next_fits():
            data, _ = queue.popleft()
            size = len(data)
            self._send_window -= size
            self._queued -= size
            quantum -= size
            core.send_data(_DATA(SSH_MSG_CHANNEL_DATA, self.peer_number, size), data)
        super().drain(0)  # sends no data, but what has waited for the queue
        return self._next_fits()

    def _next_fits(self) -> bool:
        return bool(self._queue) and len(self._queue[0][0]) <= self._send_window
