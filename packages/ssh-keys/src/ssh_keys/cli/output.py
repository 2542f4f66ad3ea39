"""How all commands answer: to a person, to a program, and when they fail."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from errno import EBADF
from os import strerror

from ssh_keys.record import Record

__all__ = [
    "Answer",
    "UsageError",
    "joined",
    "plain",
    "write",
    "write_failure",
]


class UsageError(ValueError):
    """A command line that makes no sense.

    Parameters:
        message: why.
        usage: how the command is used, for a person.
    """

    def __init__(self, message: str, usage: str = "") -> None:
        super().__init__(message)
        self.usage = usage


class Answer(Record):
    """What a command has to say.

    Attributes:
        text: for a person; printed as it is.
        data: the same for a program, printed with `--json`.
        status: exit status: 0, or 1 for "no".
        content: in place of `text`: a file to print, byte for byte.
    """

    text: str
    data: Mapping[str, object]
    status: int = 0
    content: bytes | None = None


def joined(answers: Sequence[Answer], name: str) -> Answer:
    """Return the only answer, or one with the data of all of them in a list of that name."""
    if len(answers) == 1:
        return answers[0]
    text = "\n".join(answer.text for answer in answers)
    return Answer(text, {name: [dict(answer.data) for answer in answers]})


def plain(text: str) -> str:
    """Return text in which nothing moves the cursor, is invisible or turns the writing around."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    # A byte that is no text, as the names of files may have them.
    byte = ord(char) - 0xDC00
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else ascii(char)[1:-1]


def write(answer: Answer, as_json: bool) -> None:
    """Print an answer; raises OSError."""
    if sys.stdout is None:
        raise OSError(EBADF, strerror(EBADF))
    if answer.content is not None and not as_json:
        sys.stdout.flush()
        sys.stdout.buffer.write(answer.content)
        sys.stdout.buffer.flush()
        return
    text = json.dumps(answer.data, indent=2) if as_json else answer.text
    if text:
        # Names of files may have bytes that are no text.
        encoding = sys.stdout.encoding
        text = text.encode(encoding, "backslashreplace").decode(encoding)
        sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


def write_failure(exc: Exception, as_json: bool) -> None:
    """Say on the error output why a command failed, and with `--json` also in JSON."""
    text = plain(_message(exc))
    if as_json and sys.stdout is not None:
        sys.stdout.write(json.dumps({"error": text, "kind": type(exc).__name__}, indent=2) + "\n")
    if sys.stderr is not None:
        usage = exc.usage if isinstance(exc, UsageError) else ""
        sys.stderr.write(f"{usage}ssh-keys: {text}\n")


def _message(exc: Exception) -> str:
    """Return what an error says, and of one of the system no number."""
    if isinstance(exc, OSError) and exc.filename is not None and exc.strerror:
        return f"{str(exc.filename)!r}: {exc.strerror}"
    return str(exc)
