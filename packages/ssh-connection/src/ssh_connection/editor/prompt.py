"""Where on its line the output of an application ends, which is where input begins."""

from __future__ import annotations

import re
from typing import Final

from .cells import shown

__all__ = ["Prompt"]

_KEPT: Final = 4096  # characters of a line of output that are looked at
_FAR: Final = 1000  # columns; sequences that move the cursor further mean the margin

# Control sequences, strings up to their terminator, other escape sequences (ECMA-48 sections 5.4,
# 5.6, 5.3; ECMA-35), and sequences that are not complete yet.
_SEQUENCE: Final = re.compile(
    r"\x1b(?:\[([0-?]*)[ -/]*([@-~])|\[[0-?]*[ -/]*"
    r"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]|)"
)
_TAB: Final = 8


class Prompt:
    """Follows the output of an application since the beginning of its last line."""

    def __init__(self) -> None:
        self._text = ""
        self._cells: list[int] | None = []
        self.skipped = 0
        """Cells of a long line that are in front of those that `cells` knows of."""

    def write(self, text: str) -> None:
        """The application has written something."""
        start = text.rfind("\n") + 1
        if start:
            self.clear()
        line = self._text + text[start:]
        if len(line) > _KEPT:
            head = line[: -_KEPT // 2]
            line = line[-_KEPT // 2 :]
            plain = head.isascii() and head.isprintable()
            self.skipped += len(head) if plain else sum(_measure(head))
        self._text = line
        self._cells = None

    def clear(self) -> None:
        """What follows begins at the beginning of a line."""
        self._text, self._cells, self.skipped = "", [], 0

    def again(self) -> str:
        """Return what was written, to write it once more at the beginning of a row.

        Of a long line that is its end, which counts as the whole of it from then on.
        """
        self.skipped = 0
        return self._text

    def cells(self) -> list[int]:
        """Return the widths of all characters that are in front of the input."""
        if self._cells is None:
            self._cells = _measure(self._text)
        return self._cells


def _measure(text: str) -> list[int]:
    cells: list[int] = []
    column = position = 0
    while position < len(text):
        char = text[position]
        if char == "\x1b":
            match = _SEQUENCE.match(text, position)
            assert match is not None  # an ESC alone matches, too
            position = match.end()
            if match[2]:
                column = _move(cells, column, _target(column, match[1], match[2]))
            continue
        position += 1
        if char == "\r":
            column = _move(cells, column, 0)
        elif char == "\b":
            column = _move(cells, column, column - 1)
        elif char == "\t":
            column = _move(cells, column, column + _TAB - column % _TAB)
        elif char >= " " and char != "\x7f" and not "\x80" <= char < "\xa0":
            width = shown(char)[1]
            if width:
                cells.append(width)
                column += width
    return cells


def _target(column: int, parameters: str, final: str) -> int:
    """Return the column behind a sequence; most do not move the cursor."""
    numbers = [int(n) if n.isdecimal() else 1 for n in parameters[:64].split(";")]
    first = max(1, min(numbers[0], _FAR))
    if final == "C":
        return max(column, min(column + first, _FAR))
    if final == "D":
        return column - first
    if final in "G`":
        return first - 1
    if final in "Hf":
        return min(numbers[1], _FAR) - 1 if len(numbers) > 1 else 0
    return 0 if final in "EF" else column


def _move(cells: list[int], column: int, target: int) -> int:
    """Have the cells, which end at a column, end at another one; return it, 0 or more."""
    target = max(0, target)
    if not target:
        cells.clear()
    else:
        while column > target:
            column -= cells.pop()
        # Also in the middle of a character of two cells.
        cells += [1] * (target - column)
    return target
