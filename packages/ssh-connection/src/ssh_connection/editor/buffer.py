"""The line that is edited: its text, the cursor, and what was killed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .cells import next_position, previous_position

__all__ = ["EditBuffer"]

_KILLS: Final = 8  # texts in the kill ring


class EditBuffer:
    """A line with a cursor.

    Methods that edit return whether there was anything to do; if not, a terminal should beep.

    Parameters:
        limit: characters that the line may have.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.text = ""
        self.cursor = 0
        self._kills: list[str] = []
        self._yanked = (0, 0)
        self._last_key = self._this_key = ""

    def next_key(self) -> None:
        """A key was pressed; what it does may depend on whether the one before killed or yanked."""
        self._last_key, self._this_key = self._this_key, ""

    # --- Content -----------------------------------------------------------------------------

    def set(self, text: str, cursor: int | None = None) -> None:
        """Replace the line; the cursor goes to its end unless it is given."""
        self.text = text[: self._limit]
        size = len(self.text)
        self.cursor = size if cursor is None else max(0, min(cursor, size))
        self._this_key = ""  # what was yanked is not where it was

    def take(self) -> str:
        """Return the line and begin a new one."""
        text = self.text
        self.set("")
        return text

    def insert(self, text: str) -> bool:
        """Insert as much of a text as there is room for; false if that is not all of it."""
        fits = text[: max(0, self._limit - len(self.text))]
        self.text = self.text[: self.cursor] + fits + self.text[self.cursor :]
        self.cursor += len(fits)
        return len(fits) == len(text)

    def _delete(self, start: int, end: int) -> bool:
        if start == end:
            return False
        self.text = self.text[:start] + self.text[end:]
        self.cursor = start
        return True

    def delete(self) -> bool:
        """Delete the character under the cursor."""
        if self.cursor == len(self.text):
            return False
        return self._delete(self.cursor, next_position(self.text, self.cursor))

    def backspace(self) -> bool:
        """Delete the character before the cursor."""
        return self._delete(previous_position(self.text, self.cursor), self.cursor)

    # --- Moving ------------------------------------------------------------------------------

    def move_to(self, position: int) -> bool:
        """Put the cursor somewhere."""
        moved = position != self.cursor
        self.cursor = position
        return moved

    def left(self) -> bool:
        """Move to the character before."""
        return self.move_to(previous_position(self.text, self.cursor))

    def right(self) -> bool:
        """Move to the next character."""
        return self.cursor < len(self.text) and self.move_to(next_position(self.text, self.cursor))

    def home(self) -> bool:
        """Move to the beginning."""
        self.move_to(0)
        return True

    def end(self) -> bool:
        """Move to the end."""
        self.move_to(len(self.text))
        return True

    def word_end(self) -> int:
        """Return where the word at or behind the cursor ends."""
        text, position = self.text, self.cursor
        while position < len(text) and not text[position].isalnum():
            position += 1
        while position < len(text) and text[position].isalnum():
            position = next_position(text, position)
        return position

    def word_start(self, blank: Callable[[str], bool] | None = None) -> int:
        """Return where the word before the cursor begins.

        Parameters:
            blank: tells what is between words; by default all but letters and digits.
        """
        text, position = self.text, self.cursor
        between = blank or (lambda char: not char.isalnum())
        for wanted in (True, False):
            while position:
                start = previous_position(text, position)
                if between(text[start]) is not wanted:
                    break
                position = start
        return position

    def word_right(self) -> bool:
        """Move behind the word."""
        return self.move_to(self.word_end())

    def word_left(self) -> bool:
        """Move to the beginning of the word."""
        return self.move_to(self.word_start())

    # --- Killing and yanking -----------------------------------------------------------------

    def kill(self, start: int, end: int, *, secret: bool = False) -> bool:
        """Delete a part of the line, which can be put back with `yank`.

        Kills that follow one another make one text.

        Parameters:
            secret: whether to forget it.
        """
        text = self.text[start:end]
        forward = start == self.cursor
        if not self._delete(start, end):
            return False
        if secret:
            return True
        if self._last_key == "kill":
            last = self._kills[-1]
            self._kills[-1] = (last + text if forward else text + last)[: self._limit]
        else:
            self._kills = [*self._kills[1 - _KILLS :], text]
        self._this_key = "kill"
        return True

    def yank(self) -> bool:
        """Insert what was killed last."""
        if not self._kills:
            return False
        start = self.cursor
        whole = self.insert(self._kills[-1])
        self._yanked = (start, self.cursor)
        self._this_key = "yank"
        return whole

    def yank_pop(self) -> bool:
        """Directly behind a yank: put what was killed before that in its place."""
        if self._last_key != "yank":
            return False
        self._delete(*self._yanked)
        self._kills.insert(0, self._kills.pop())
        return self.yank()

    def transpose(self) -> bool:
        """Exchange the two characters around the cursor, at the end those before it."""
        text = self.text
        middle = self.cursor
        if middle == len(text):
            middle = previous_position(text, middle)
        start = previous_position(text, middle)
        if middle <= 0:
            return False
        end = next_position(text, middle)
        self.text = text[:start] + text[middle:end] + text[start:middle] + text[end:]
        self.cursor = end
        return True

    def change_word(self, change: Callable[[str], str]) -> bool:
        """Put something in the place of the rest of a word, of at most the same length."""
        start, end = self.cursor, self.word_end()
        if start == end:
            return False
        changed = change(self.text[start:end])
        self.text = (self.text[:start] + changed + self.text[end:])[: self._limit]
        self.cursor = min(start + len(changed), len(self.text))
        return True
