"""A terminal for the tests of the line editor: pyte, which draws what a real one would."""

from __future__ import annotations

import pyte

from ssh_connection.editor.cells import shown
from ssh_connection.editor.events import InputEvent
from ssh_connection.editor.line_editor import LineEditor


class Emulator(pyte.Screen):  # type: ignore[misc, unused-ignore]
    """A screen that wraps wide characters at the margin, as xterm does and pyte does not."""

    def draw(self, data: str) -> None:
        for char in data:
            if self.cursor.x == self.columns - 1 and shown(char)[1] == 2:
                self.cursor.x = self.columns
            super().draw(char)


class Terminal:
    """An editor with a terminal in front of it."""

    def __init__(self, columns: int = 20, rows: int = 8, **options: object) -> None:
        self.screen = Emulator(columns, rows)
        self.stream = pyte.Stream(self.screen)
        self.editor = LineEditor("xterm", columns, rows, **options)  # type: ignore[arg-type]
        self.sent = ""
        self.output = ""
        self.events: list[InputEvent] = []

    def show(self) -> str:
        """Show what the editor has to show; return it."""
        text = self.editor.take_output()
        self.sent += text
        self.stream.feed(text)
        return text

    def type(self, text: str) -> list[InputEvent]:
        """Type something; return the events."""
        self.editor.feed(text)
        events = []
        while self.editor.pending:
            event = self.editor.next_event()
            self.show()
            if event is not None:
                events.append(event)
        self.events += events
        return events

    def lines(self, text: str) -> list[str]:
        """Type something; return the texts of the events."""
        return [event.text for event in self.type(text)]

    def write(self, text: str) -> None:
        """The application writes."""
        self.output += text.replace("\n", "\r\n")
        self.editor.write(text)
        self.show()

    def resize(self, columns: int, rows: int) -> None:
        """The window changes; lines are not wrapped anew."""
        self.screen.resize(rows, columns)
        self.editor.resize(columns, rows)
        self.show()

    @property
    def rows(self) -> list[str]:
        """The rows of the screen without blanks at their ends, up to the last one in use."""
        rows = [row.rstrip() for row in self.screen.display]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column of the cursor."""
        return self.screen.cursor.y, self.screen.cursor.x
