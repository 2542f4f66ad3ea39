"""Shows every packet of a connection to somebody, for debugging.

A connection that is not traced pays nothing for this: the classes of its reader and writer are
exchanged for others, once, and only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from .core import TransportCore
from .packet import PacketReader
from .packet_writer import PacketWriter
from .protocols import Handler

__all__ = ["Trace", "trace_packets"]

Trace: TypeAlias = Callable[[bool, bytes], None]
"""Is told of each packet: whether it is sent, and its payload, which may hold secrets."""


class _TracedReader(PacketReader):
    """Tells of each packet before its handler is called."""

    trace: Trace

    def set_handlers(self, slots: bytes, handlers: Sequence[Handler]) -> None:
        """Use other handlers from the next packet on; none of them takes several at once."""
        super().set_handlers(slots, [_traced(self.trace, handler) for handler in handlers])


class _TracedWriter(PacketWriter):
    """Tells of each packet before it is sealed."""

    trace: Trace

    def write(self, head: bytes, data: bytes | memoryview = b"") -> None:
        """Append one packet."""
        self.trace(True, b"".join((head, data)))
        super().write(head, data)

    def write_run(self, head: bytes, data: memoryview, size: int, limit: int) -> int:
        """Append packets, one at a time."""
        self.write(head, data[:size])
        return size


def trace_packets(core: TransportCore, trace: Trace) -> None:
    """Have every packet shown from now on.

    Parameters:
        core: a connection, before it has started.
        trace: is told of each packet, and must not raise.
    """
    reader, writer = core._reader, core.writer
    # Attributes first: what is called by others in between would not find them.
    reader.__dict__["trace"] = writer.__dict__["trace"] = trace
    reader.__class__ = _TracedReader
    writer.__class__ = _TracedWriter
    core.update_handlers()


def _traced(trace: Trace, handler: Handler) -> Handler:
    def handle(packet: bytes, start: int, end: int) -> None:
        trace(False, packet[start - 1 : end])
        handler(packet, start, end)

    return handle
