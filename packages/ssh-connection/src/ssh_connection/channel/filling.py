"""Full messages out of small pieces of queued data."""

from __future__ import annotations

from collections import deque

__all__ = ["fill_message"]


def fill_message(
    first: bytes | memoryview,
    queue: deque[tuple[bytes, int | None]],
    datatype: int | None,
    room: int,
) -> tuple[bytes, int]:
    """Join a small piece with what is queued behind it, until the message is full.

    Of a large piece only what still fits is copied: its rest fills messages of its own.

    Parameters:
        first: the piece that was taken out of the queue.
        queue: pieces and their data types; what is used up is taken out.
        datatype: data type of `first`; another one does not go into the same message.
        room: the most bytes that the message may hold.

    Returns the joined data, and how many bytes of what is now the first piece are in it.
    """
    pieces = [first]
    size = len(first)
    while queue and size < room:
        data, other = queue[0]
        if other != datatype:
            break
        if len(data) > room - size:
            offset = room - size
            return b"".join((*pieces, memoryview(data)[:offset])), offset
        queue.popleft()
        pieces.append(data)
        size += len(data)
    return b"".join(pieces), 0
