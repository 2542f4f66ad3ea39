"""Order of requests whose methods are coroutines.

"Implementations MUST process requests relating to the same file in the order in which they are
received" (draft-ietf-secsh-filexfer-02 section 6.1). A lane stands for one open handle, or for all
requests that name paths. Requests that only read share the lane, the others have it alone; nobody
overtakes. Methods that are not coroutines are done before the next request is looked at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

__all__ = ["Lane"]


class Lane:
    """A queue with shared and exclusive entry, first come first served."""

    __slots__ = ("_exclusive", "_shared", "_waiting")

    def __init__(self) -> None:
        self._shared = 0
        self._exclusive = False
        self._waiting: deque[tuple[bool, Callable[[], None]]] = deque()

    def free_for(self, exclusive: bool) -> bool:
        """True if a request may start now."""
        if self._waiting or self._exclusive:
            return False
        return not (exclusive and self._shared)

    def enter(self, exclusive: bool) -> None:
        """Count a request that has started and did not end at once."""
        if exclusive:
            self._exclusive = True
        else:
            self._shared += 1

    def wait(self, exclusive: bool, start: Callable[[], None]) -> None:
        """Call `start` as soon as the lane is free for it."""
        self._waiting.append((exclusive, start))

    def leave(self, exclusive: bool) -> None:
        """Count a request that has ended, and start those that waited for it."""
        if exclusive:
            self._exclusive = False
        else:
            self._shared -= 1
        self.advance()

    def advance(self) -> None:
        """Start what may start."""
        waiting = self._waiting
        while waiting:
            exclusive, start = waiting[0]
            if self._exclusive or (exclusive and self._shared):
                return
            waiting.popleft()
            start()

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
