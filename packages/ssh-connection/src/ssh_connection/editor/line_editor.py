"""The line editor: characters of a terminal in, what to show on it and lines out.

Nothing here reads or writes. Whoever has a terminal at hand calls `feed` with what was typed, then
`next_event` until nothing is `pending`, and sends what `take_output` returns after each call of any
method. What an application writes goes through `write`, which puts it above the line that is
edited. All that is kept is bounded, whatever is typed.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from itertools import takewhile
from typing import Final

from ..constants import PTY_ECHO, PTY_ICANON, PTY_ONLCR, PTY_OPOST
from .bindings import key_bindings
from .buffer import EditBuffer
from .events import EventKind, InputEvent, KeyHandler
from .history import History
from .keys import KeyDecoder
from .screen import Screen

__all__ = ["LineEditor"]

_WORK: Final = 1024
"""Work after which `next_event` returns without an event, so that output is sent, and others have
their turn: characters that were inserted, and for each key a part of the line it works on."""
_PART: Final = 4

# What does nothing but insert itself.
_PRINTABLE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]+")

_PLAIN_TERMINALS: Final = frozenset({"", "dumb", "unknown"})


class LineEditor:
    """Edits lines, keeps a history, and shows both on a terminal.

    Parameters:
        term_type: type of the terminal; one that is empty or `dumb` gets no control sequences.
        columns, rows: its size; 0 if it is not known.
        modes: its encoded modes (RFC 4254 section 8): `PTY_*` opcode to value.
        echo: whether what is typed is shown, if the modes of the terminal do not forbid it.
        history_size: lines to remember, 0 for none.
        max_line_length: characters that a line can have.

    Raises ValueError for sizes that are not positive.
    """

    def __init__(
        self,
        term_type: str = "xterm",
        columns: int = 0,
        rows: int = 0,
        modes: Mapping[int, int] | None = None,
        *,
        echo: bool = True,
        line_mode: bool = True,
        history_size: int = 1000,
        max_line_length: int = 1024,
    ) -> None:
        if history_size < 0 or max_line_length < 1:
            raise ValueError("history_size and max_line_length must be positive")
        modes = modes or {}
        self._echo = echo and modes.get(PTY_ECHO, 1) != 0
        self._line_mode = line_mode and modes.get(PTY_ICANON, 1) != 0
        self._newlines = modes.get(PTY_OPOST, 1) != 0 and modes.get(PTY_ONLCR, 1) != 0
        self._bindings = key_bindings(modes)
        self._handlers: dict[str, KeyHandler] = {}
        self._screen = Screen(columns, rows, plain=term_type in _PLAIN_TERMINALS)
        self._buffer = EditBuffer(max_line_length)
        self._history = History(history_size)
        self._keys = KeyDecoder()
        self._input = ""
        self._position = 0
        self._events: deque[InputEvent] = deque()
        self._quoting = False
        self._pasting = False
        self._bell = False
        self._secret = not self._echo  # some of this line was typed without showing it

    # --- Input -------------------------------------------------------------------------------

    @property
    def pending(self) -> bool:
        """Whether there is something that `next_event` has not looked at yet."""
        return self._position < len(self._input) or bool(self._events)

    @property
    def line_mode(self) -> bool:
        """Whether lines are edited."""
        return self._line_mode

    def feed(self, text: str) -> None:
        """Take what was typed."""
        self._input = self._input[self._position :] + text
        self._position = 0

    def next_event(self) -> InputEvent | None:
        """Go on with what was typed, up to the next event.

        Returns None if all of it was taken, or if there is much to show first (see `pending`).
        """
        work = _WORK
        while work > 0 and not self._events and self._position < len(self._input):
            if not self._line_mode:
                self._events.append(InputEvent(EventKind.DATA, self._take_input()))
                break
            work -= self._next_key(work)
        event = self._events.popleft() if self._events else None
        self._refresh()
        return event

    def end(self) -> InputEvent | None:
        """The input has ended: return what was typed since the last line, None if nothing was."""
        self._keys.reset()
        text = self._buffer.take()
        self._screen.keep()
        return InputEvent(EventKind.DATA, text) if text else None

    def stop(self) -> str:
        """Edit no more: return all that was typed and that no event has told of."""
        self.set_line_mode(False)
        text = "".join(event.text for event in self._events) + self._take_input()
        self._events.clear()
        return text

    def _take_input(self) -> str:
        text = self._input[self._position :]
        self._input, self._position = "", 0
        return text

    def _next_key(self, most: int) -> int:
        """Look at one key, or at most so many characters to insert; return what work it was."""
        char = self._input[self._position]
        if self._quoting:
            self._position += 1
            self._quoting = False
            self._insert(char)
            return 1
        run = self._run(self._position + most) if self._keys.idle else ""
        if run:
            self._position += len(run)
            self._buffer.next_key()
            self._insert(run)
            return len(run)
        self._position += 1
        key = self._keys.push(char)
        if key is None:
            return 1
        work = 1 + len(self._buffer.text) // _PART
        self._buffer.next_key()
        self._press(key)
        return work

    def _run(self, stop: int) -> str:
        """Return the next characters that do nothing but insert themselves."""
        match = _PRINTABLE.match(self._input, self._position, stop)
        run = "" if match is None else match[0]
        if self._handlers:
            run = "".join(takewhile(lambda char: char not in self._handlers, run))
        return run

    def _press(self, key: str) -> None:
        handler = self._handlers.get(key)
        if handler is not None and not self._pasting and self._handled(handler):
            return
        action = self._bindings.get(key)
        if self._pasting and action not in ("enter", "paste_ends"):
            self._insert(key)
        elif action is not None:
            method: Callable[[], object] = getattr(self, f"_{action}", None) or getattr(
                self._buffer, action
            )
            if method() is False:
                self._bell = True
        elif len(key) == 1 and _PRINTABLE.match(key):
            self._insert(key)
        else:
            self._bell = True

    def _handled(self, handler: KeyHandler) -> bool:
        answer = handler(self._buffer.text, self._buffer.cursor)
        if isinstance(answer, tuple):
            self._buffer.set(*answer)
            return True
        self._bell = self._bell or answer
        return answer

    def _insert(self, text: str) -> None:
        if not self._buffer.insert(text):
            self._bell = True

    # --- What keys do; the rest are methods of the buffer ------------------------------------

    def _enter(self) -> None:
        secret = self._secret
        line = self._finish_line()
        if not secret:
            self._history.add(line)
        self._events.append(InputEvent(EventKind.LINE, line + "\n"))

    def _finish_line(self, behind: str = "") -> str:
        """Leave the line on the screen and begin a new one below."""
        self._buffer.end()
        self._refresh()
        self._screen.new_line(behind)
        self._history.leave()
        self._secret = not self._echo
        return self._buffer.take()

    def _interrupt(self) -> None:
        self._finish_line("^C" if self._echo else "")
        self._events.append(InputEvent(EventKind.INTERRUPT))

    def _delete_or_end(self) -> bool:
        if self._buffer.text:
            return self._buffer.delete()
        self._events.append(InputEvent(EventKind.END))
        return True

    def _tab(self) -> None:
        self._insert("\t")

    def _quote(self) -> None:
        self._quoting = True

    def _paste_begins(self) -> None:
        self._pasting = True

    def _paste_ends(self) -> None:
        self._pasting = False

    def _kill(self, start: int, end: int) -> bool:
        return self._buffer.kill(start, end, secret=self._secret)

    def _kill_to_end(self) -> bool:
        return self._kill(self._buffer.cursor, len(self._buffer.text))

    def _kill_to_start(self) -> bool:
        return self._kill(0, self._buffer.cursor)

    def _kill_word(self) -> bool:
        return self._kill(self._buffer.cursor, self._buffer.word_end())

    def _kill_word_back(self) -> bool:
        return self._kill(self._buffer.word_start(), self._buffer.cursor)

    def _kill_blank_word(self) -> bool:
        return self._kill(self._buffer.word_start(str.isspace), self._buffer.cursor)

    def _upper(self) -> bool:
        return self._buffer.change_word(str.upper)

    def _lower(self) -> bool:
        return self._buffer.change_word(str.lower)

    def _capital(self) -> bool:
        return self._buffer.change_word(str.title)

    def _older(self) -> bool:
        return self._recall(partial(self._history.move, -1))

    def _newer(self) -> bool:
        return self._recall(partial(self._history.move, 1))

    def _oldest(self) -> bool:
        return self._recall(self._history.first)

    def _newest(self) -> bool:
        return self._recall(self._history.last)

    def _recall(self, go: Callable[[str], str | None]) -> bool:
        # Not while a password is typed: a line of before is none, and this one is not to be kept.
        line = None if self._secret else go(self._buffer.text)
        if line is None:
            return False
        self._buffer.set(line)
        return True

    def _clear_screen(self) -> None:
        self._refresh()
        self._screen.clear(*self._shown())

    def _reprint(self) -> None:
        self._refresh()
        self._screen.reprint(*self._shown())

    # --- Output ------------------------------------------------------------------------------

    def take_output(self) -> str:
        """Return what has to be sent to the terminal since the last call."""
        return self._screen.take()

    def write(self, text: str) -> None:
        """The application writes: its text comes in front of the line that is edited."""
        self._screen.hide()
        self._screen.write(text.replace("\n", "\r\n") if self._newlines else text)
        self._refresh()

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has another size; 0 if it is not known."""
        self._screen.resize(columns, rows, *self._shown())

    def _shown(self) -> tuple[str, int]:
        if self._echo and self._line_mode:
            return self._buffer.text, self._buffer.cursor
        return "", 0

    def _refresh(self) -> None:
        self._screen.draw(*self._shown())
        if self._bell:
            self._screen.send("\a")
            self._bell = False

    # --- For the application -----------------------------------------------------------------

    def set_echo(self, echo: bool) -> None:
        """Show what is typed, or hide it: the line that is edited, and those behind it.

        A line any part of which was typed while hidden is neither remembered nor can be yanked.
        """
        self._echo = echo
        self._secret = not echo or (self._secret and bool(self._buffer.text))
        self._refresh()

    def set_line_mode(self, line_mode: bool) -> None:
        """Edit lines from now on, or pass on what is typed, as it is and without showing it."""
        if line_mode == self._line_mode:
            return
        if not line_mode:
            self._screen.keep()
            text = self._buffer.take() + self._keys.reset()
            if text:
                self._events.append(InputEvent(EventKind.DATA, text))
            self._quoting = self._pasting = False
        self._history.leave()
        self._secret = not self._echo
        self._line_mode = line_mode
        self._refresh()

    def set_input(self, line: str, position: int) -> None:
        """Replace the line that is edited.

        Parameters:
            line: its text; what is too long is cut off.
            position: of the cursor in it.
        """
        self._buffer.set(line, position)
        self._refresh()

    def clear_input(self) -> None:
        """Throw away what was typed: the line that is edited, and what comes behind it."""
        self._take_input()
        self._events.clear()
        self._keys.reset()
        self._quoting = self._pasting = False
        self._history.leave()
        self._secret = not self._echo
        self.set_input("", 0)

    def register_key(self, key: str, handler: KeyHandler) -> None:
        """Have a handler called for a key, see `KeyHandler`.

        Parameters:
            key: what the terminal sends for it: one character, or a sequence that begins with ESC.

        Raises ValueError if it is neither.
        """
        name = _key(key)
        if name is None:
            raise ValueError(f"not a key: {key!r}")
        self._handlers[name] = handler

    def unregister_key(self, key: str) -> None:
        """Let a key do again what it does by default; KeyError if it has no handler."""
        del self._handlers[_key(key) or key]


def _key(text: str) -> str | None:
    """Return the key that terminals send as some text, None if that is not one key."""
    decoder = KeyDecoder()
    pushed = [decoder.push(char) for char in text]
    return pushed[-1] if pushed and not any(pushed[:-1]) else None
