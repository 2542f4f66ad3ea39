"""What a line editor tells, and what it asks."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

__all__ = ["EventKind", "InputEvent", "KeyHandler"]

KeyHandler = Callable[[str, int], "bool | tuple[str, int]"]
"""Takes the line and the position of the cursor in it. Returns the new line and position; or True
to beep and leave the line as it is, False to do what the key does without the handler."""


class EventKind(Enum):
    """What has happened at a terminal."""

    LINE = 1
    """A line was entered; its text ends with a newline."""
    DATA = 2
    """Something was typed while lines are not edited."""
    INTERRUPT = 3
    """Control-C: the line was thrown away."""
    END = 4
    """Control-D on an empty line: the end of the input."""


class InputEvent(NamedTuple):
    """Something for the application."""

    kind: EventKind
    text: str = ""
