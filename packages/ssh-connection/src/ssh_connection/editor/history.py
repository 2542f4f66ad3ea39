"""The lines that were entered before."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["MAX_CHARACTERS", "History"]

MAX_CHARACTERS: Final = 256 * 1024
"""Characters of all remembered lines together."""


class History:
    """Lines to go back to, the oldest of which are forgotten.

    Parameters:
        size: number of lines to remember, 0 for none.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lines: deque[str] = deque()
        self._characters = 0
        self._place: int | None = None
        self._current = ""

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, line: str) -> None:
        """Remember a line, unless it is blank or the same as the one before."""
        self.leave()
        if not line.strip() or not self._size or (self._lines and self._lines[-1] == line):
            return
        self._lines.append(line)
        self._characters += len(line)
        while len(self._lines) > self._size or (
            self._characters > MAX_CHARACTERS and len(self._lines) > 1
        ):
            self._characters -= len(self._lines.popleft())

    def leave(self) -> None:
        """The line that is edited is a new one."""
        self._place = None
        self._current = ""

    def move(self, step: int, line: str) -> str | None:
        """Return another line, None if there is none.

        Parameters:
            step: how many lines to go; negative for older ones.
            line: what is edited now, to come back to.
        """
        place = len(self._lines) if self._place is None else self._place
        return self._go(place + step, line)

    def first(self, line: str) -> str | None:
        """Return the oldest line; parameters and result as of `move`."""
        return self._go(0, line)

    def last(self, line: str) -> str | None:
        """Return to the line that was edited first; parameters and result as of `move`."""
        return self._go(len(self._lines), line)

    def _go(self, place: int, line: str) -> str | None:
        now = len(self._lines) if self._place is None else self._place
        if place == now or not 0 <= place <= len(self._lines):
            return None
        if self._place is None:
            self._current = line
        if place == len(self._lines):
            line = self._current
            self.leave()
            return line
        self._place = place
        return self._lines[place]
