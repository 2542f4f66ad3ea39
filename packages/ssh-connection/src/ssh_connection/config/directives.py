"""The shape of configuration files: keywords with their arguments, and files in files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from ssh_keys.record import Record

from ..errors import ConfigParseError
from .words import split_line, split_words

__all__ = ["MAX_DEPTH", "MAX_DIRECTIVES", "MAX_SIZE", "Directive", "File", "Included", "parse_file"]

MAX_DEPTH: Final = 16
"""Files in files: more of them is a circle."""

MAX_SIZE: Final = 1 << 20
"""Bytes of a file."""

MAX_DIRECTIVES: Final = 100_000
"""Keywords in all files together."""


class Directive(Record):
    """One keyword with its arguments.

    Parameters:
        name: the keyword in small letters, with its present name if it has had others.
        words: its arguments.
        rest: the arguments as they are written.
        path, line: where it stands.
    """

    name: str
    words: tuple[str, ...]
    rest: str
    path: str
    line: int

    def error(self, reason: str) -> ConfigParseError:
        """Return the error that names this place."""
        return ConfigParseError(f"{self.name}: {reason}", self.path, self.line)


class Included(Record):
    """What an `Include` stands for.

    Parameters:
        files: the files, in order.
    """

    files: tuple[File, ...]


File: TypeAlias = "tuple[Directive | Included, ...]"

Opener: TypeAlias = Callable[[Directive, str, int], Sequence["File"]]
"""Takes an `Include`, one of its arguments and a depth; gives the files that it names."""


def parse_file(
    text: str,
    path: str,
    aliases: dict[str, str],
    include: Opener,
    budget: Iterator[int],
    depth: int = 0,
) -> File:
    """Return what is in a file.

    Parameters:
        text: the content.
        path: its name, for errors.
        aliases: old name of a keyword to its present one, in small letters.
        include: reads other files.
        budget: gives a number for each directive that there may be.
        depth: how many files this one is in.

    Raises ConfigParseError.
    """
    found: list[Directive | Included] = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            split = split_line(line)
            if split is None:
                continue
            keyword, rest = split
            words = tuple(split_words(rest))
        except ValueError as exc:
            raise ConfigParseError(str(exc), path, number) from None
        if "\0" in line:
            raise ConfigParseError("a zero byte", path, number)
        if next(budget, None) is None:
            raise ConfigParseError(f"more than {MAX_DIRECTIVES} lines", path, number)
        name = keyword.lower()
        directive = Directive(aliases.get(name, name), words, rest, path, number)
        if name != "include":
            found.append(directive)
            continue
        if not words:
            raise directive.error("no file name")
        if depth >= MAX_DEPTH:
            raise directive.error(f"more than {MAX_DEPTH} files in files")
        files = [each for word in words for each in include(directive, word, depth + 1)]
        found.append(Included(tuple(files)))
    return tuple(found)
