"""Draws the line that is edited on a terminal, over as many rows as it takes.

What is on the screen is remembered; `draw` sends only what has to change. A line is drawn behind
what the application wrote on the same row. Every position is counted from the row in which that
began, so scrolling does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .cells import combines, shown
from .prompt import Prompt

__all__ = ["Screen"]

DEFAULT_COLUMNS: Final = 80
DEFAULT_ROWS: Final = 24
_MAX_SIZE: Final = 10_000
_TAB: Final = 8

Position = tuple[int, int]
"""Row, from that of the prompt on, and column."""


class Screen:
    """A terminal with a line of input on it.

    Parameters:
        columns, rows: its size; 0 if it is not known.
        plain: whether it understands no control sequences but carriage return and backspace: then
            a line is drawn as if it never reached the margin.
    """

    def __init__(self, columns: int, rows: int, *, plain: bool = False) -> None:
        self._plain = plain
        self._columns, self._rows = self._size(columns, rows)
        self._prompt = Prompt()
        self._out: list[str] = []
        self._text = ""  # what is drawn, and what was sent for each character of it
        self._drawn: list[str] = []
        self._ends: list[Position] = [(0, 0)]  # where terminals are behind each character
        self._places: list[Position] = [(0, 0)]  # of each drawn character, and of the end
        self._cursor = 0
        self._at: Position = (0, 0)
        self._wrapped = False  # hidden input has left the cursor in a row that was not begun

    def _size(self, columns: int, rows: int) -> Position:
        if self._plain:
            return 1 << 30, DEFAULT_ROWS
        columns, rows = columns or DEFAULT_COLUMNS, rows or DEFAULT_ROWS
        return max(4, min(columns, _MAX_SIZE)), max(2, min(rows, _MAX_SIZE))

    def take(self) -> str:
        """Return what has to be sent to the terminal."""
        text = "".join(self._out)
        self._out.clear()
        return text

    def send(self, text: str) -> None:
        """Send something that does not move the cursor."""
        self._out.append(text)

    # --- Output of the application -----------------------------------------------------------

    def hide(self) -> None:
        """Take the input away: the cursor is where the application left it."""
        if self._drawn:
            start = self._start()
            at_margin = start[1] >= self._columns
            self._move(self._places[0] if at_margin else start)
            self._erase(0)
            if at_margin:
                # The row is full: output goes on in the next one, or is that very line end.
                self._prompt.clear()
                self._wrapped = True
            self._drawn = []

    def write(self, text: str) -> None:
        """Send output of the application; the input has to be hidden."""
        if self._wrapped:
            text = text.removeprefix("\r\n")
            self._wrapped = False
        self._out.append(text)
        self._prompt.write(text)

    def new_line(self, behind: str = "") -> None:
        """Leave the input where it is and begin a new line.

        Parameters:
            behind: what to send behind the input.
        """
        if self._drawn:
            self._move(self._places[-1])
            self._drawn = []
        self._out.append(behind + "\r\n")
        self._prompt.clear()
        self._wrapped = False

    def keep(self) -> None:
        """Leave the input where it is; it counts as output of the application from now on."""
        if self._drawn:
            self._move(self._places[-1])
            self._prompt.write("".join(self._drawn))
            self._drawn = []

    # --- Drawing -----------------------------------------------------------------------------

    def draw(self, text: str, cursor: int) -> None:
        """Show a line.

        Parameters:
            text: the whole line.
            cursor: position in it, 0 to its length.
        """
        if not text:
            self.hide()
            return
        if not self._drawn:
            self._at = self._start()
            self._text, self._ends, self._places = "", [self._at], [self._at]
        text, self._cursor = self._window(text, cursor)
        if text != self._text:
            self._change(text)
        self._move(self._places[self._cursor])

    def _change(self, text: str) -> None:
        same = self._common(text)
        pieces, ends, places = self._layout(text, same)
        if same < max(len(pieces), len(self._drawn)):
            # Not always the same place: a character of two cells does not fit in the last column.
            self._move(min(places[same], self._places[same]))
            if same < len(self._drawn):
                self._erase(same)
            if same < len(pieces):
                self._print(pieces[same:], places[-1])
        self._text, self._drawn, self._ends, self._places = text, pieces, ends, places

    def _common(self, text: str) -> int:
        """Return how many characters at the beginning stay as they are."""
        drawn = self._text
        same, most = 0, min(len(drawn), len(text))
        if drawn[:most] == text[:most]:
            same = most
        while same < most and drawn[same] == text[same]:
            same += 1
        # A character that combines has to be sent right behind the one that it combines with.
        while same and any(same < len(each) and combines(each[same]) for each in (drawn, text)):
            same -= 1
        return same

    def _print(self, pieces: list[str], end: Position) -> None:
        self._out.append("".join(pieces))
        self._at = end
        if end[1] == 0:
            # The last row is full. Terminals wrap when the next character comes, some do at once:
            # behind a blank they agree.
            self._out.append(" \r")

    def _erase(self, first: int) -> None:
        """Erase what is drawn, from the cursor at the first character of it on."""
        if self._plain:
            cells = sum(map(_width, self._drawn[first:]))
            self._out.append(" " * cells + "\b" * cells)
        else:
            self._out.append("\x1b[J")

    def _start(self) -> Position:
        """Where the prompt ends; at the margin, terminals have not wrapped yet."""
        row, column = 0, self._prompt.skipped % self._columns
        for width in self._prompt.cells():
            if column + width > self._columns:
                row, column = row + 1, 0
            column += width
        return row, column

    def _layout(
        self, characters: Sequence[str], same: int = 0
    ) -> tuple[list[str], list[Position], list[Position]]:
        """Return what to send for each character, where terminals are behind it, where it goes.

        The second begins with where they are before the first, the third ends with where the
        cursor is at the end.

        Parameters:
            same: characters at the beginning that are drawn already.
        """
        pieces, ends, places = self._drawn[:same], self._ends[: same + 1], self._places[:same]
        row, column = ends[-1]
        limit = self._columns
        for char in characters[same:]:
            if char == "\t":
                column_now = column if column < limit else 0
                width = min(_TAB - column_now % _TAB, limit - column_now)
                piece = " " * width
            elif len(char) > 1:  # what was sent for a character before
                piece, width = char, len(char)
            else:
                piece, width = shown(char)
            if not width and not pieces:
                # Nothing to combine with but the prompt.
                piece = f"\\u{ord(char):04x}"
                width = len(piece)
            # Several characters are broken at the margin, one of two cells is not.
            if width and column + (1 if len(piece) > 1 else width) > limit:
                row, column = row + 1, 0
            places.append((row, column) if column < limit else (row + 1, 0))
            pieces.append(piece)
            column += width
            while column > limit:
                row, column = row + 1, column - limit
            ends.append((row, column))
        places.append((row, column) if column < limit else (row + 1, 0))
        return pieces, ends, places

    def _window(self, text: str, cursor: int) -> tuple[str, int]:
        """Return the part of a line that fits on the screen, and the cursor in it."""
        room = self._columns * self._rows - self._start()[1] - self._rows
        if len(text) * 2 < room or self._plain:
            return text, cursor
        widths = [_TAB if char == "\t" else shown(char)[1] for char in text]
        if sum(widths) <= room:
            return text, cursor
        # By quarters of the screen, so that it does not move with each key.
        first, before, step = 0, sum(widths[:cursor]), max(1, room // 4)
        skipped = 0
        while before - skipped > room - step:
            target = skipped + step
            while skipped < target:
                skipped += widths[first]
                first += 1
        last, shown_cells = first, 0
        while last < len(text) and shown_cells + widths[last] <= room:
            shown_cells += widths[last]
            last += 1
        return text[first:last], cursor - first

    # --- The cursor --------------------------------------------------------------------------

    def _move(self, place: Position) -> None:
        (row, column), (to_row, to_column) = self._at, place
        if self._plain:
            self._move_plain(to_column)
        else:
            if to_row != row:
                self._out.append(f"\x1b[{abs(to_row - row)}{'A' if to_row < row else 'B'}")
            if to_column == 0 != column:
                self._out.append("\r")
            elif to_column != column:
                steps = abs(to_column - column)
                self._out.append(f"\x1b[{steps}{'D' if to_column < column else 'C'}")
        self._at = place

    def _move_plain(self, column: int) -> None:
        now = self._at[1]
        if column < now:
            self._out.append("\b" * (now - column))
        elif column > now:
            passed = zip(self._drawn, self._places, strict=False)
            self._out.append(
                "".join(piece for piece, (_, start) in passed if now <= start < column)
            )

    # --- The window --------------------------------------------------------------------------

    def resize(self, columns: int, rows: int, text: str, cursor: int) -> None:
        """The terminal has another size: draw prompt and line anew.

        Parameters:
            columns, rows: 0 if not known.
            text, cursor: what is drawn, as of `draw`.
        """
        size = self._size(columns, rows)
        if size == (self._columns, self._rows):
            return
        self._columns, self._rows = size
        if not self._drawn or self._plain:
            return
        # Terminals that wrap lines anew have moved the cursor with them; those that cut lines off
        # have not, but there nothing is right until the next line anyway.
        drawn, self._ends = self._drawn, [self._start()]
        places = self._layout(drawn)[2]
        up = places[self._cursor][0]
        # Not all at once: what tmux is told to erase from the corner of its screen on goes to its
        # history, and comes back with the next size.
        self._out.append((f"\x1b[{up}A" if up else "") + "\r\x1b[K\x1b[C\x1b[J\r")
        self._again(text, cursor)

    def clear(self, text: str, cursor: int) -> None:
        """Clear the screen and draw prompt and line at its top."""
        self._out.append("\r\n" if self._plain else "\x1b[H\x1b[2J")
        self._again(text, cursor)

    def reprint(self, text: str, cursor: int) -> None:
        """Draw prompt and line once more on a new line, after something has garbled them."""
        if self._drawn:
            self._move(self._places[-1])
        self._out.append("\r\n")
        self._again(text, cursor)

    def _again(self, text: str, cursor: int) -> None:
        self._out.append(self._prompt.again())
        self._drawn = []
        self.draw(text, cursor)


def _width(piece: str) -> int:
    return len(piece) if len(piece) > 1 else shown(piece)[1]
