"""Which lines of a configuration apply: blocks, first values, keywords that add up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Final, TypeAlias

from ssh_keys.patterns import PatternList
from ssh_keys.record import Record

from .directives import Directive, File, Included
from .values import Parser

__all__ = ["Count", "Evaluation", "Keyword", "Values", "pattern_list"]


class Count(Enum):
    """What becomes of a keyword that comes again."""

    FIRST = auto()
    """The first value holds."""
    EACH = auto()
    """Every value holds, those that are the same once."""
    PARTS = auto()
    """Each word of the first value holds, and of later ones what the first does not have."""
    WORDS = auto()
    """The words of all lines add up."""
    SIGNED_WORDS = auto()
    """The words of all lines add up; `-pattern` takes away what is there already."""


MAX_LINES: Final = 100
"""Lines of a keyword of which each one holds, as in OpenSSH."""

MAX_WORDS: Final = 20_000
"""Words of a keyword in all of its lines."""

MAX_SIGNED_WORDS: Final = 1000


class Keyword(Record):
    """What is known of a keyword.

    Parameters:
        parse: checks arguments.
        count: what becomes of it when it comes again.
        in_match: whether it may be in a `Match` block of a server.
    """

    parse: Parser
    count: Count = Count.FIRST
    in_match: bool = False


Values: TypeAlias = dict[str, list[tuple[str, ...]]]
"""Keyword to its values, one for each line that holds."""


def pattern_list(text: str, *, ignore_case: bool = False, networks: bool = False) -> PatternList:
    """Return the patterns of a text with commas between; raises ValueError."""
    return PatternList(text.split(","), ignore_case=ignore_case, networks=networks)


class Evaluation(ABC):
    """Goes through files and collects the values that hold.

    Parameters:
        keywords: all keywords that there are.
        values: what holds already, which no line can change.
    """

    def __init__(self, keywords: Mapping[str, Keyword], values: Values | None = None) -> None:
        self._keywords = keywords
        self.values: Values = {name: list(lines) for name, lines in (values or {}).items()}
        self.places: dict[str, Directive] = {}
        self._each_place: dict[tuple[str, tuple[str, ...]], Directive] = {}

    @abstractmethod
    def block(self, directive: Directive) -> bool | None:
        """Whether the lines behind a directive apply; None if it does not begin a block.

        Raises ValueError.
        """

    def unknown(self, directive: Directive) -> None:
        """Handle a keyword that does not exist; raises ConfigParseError."""
        raise directive.error("no such keyword")

    def allowed(self, directive: Directive, keyword: Keyword) -> bool:
        """Whether a keyword may be where it is."""
        return True

    @abstractmethod
    def check(self, directive: Directive, value: tuple[str, ...], applies: bool) -> None:
        """Look at a value once more; raises ValueError if it can not be where it is.

        Parameters:
            directive: where.
            value: what it is.
            applies: whether it counts.
        """

    def run(self, file: File, active: bool = True) -> None:
        """Go through a file.

        Parameters:
            file: its lines.
            active: whether they apply before the first block of its own begins. If not, none does.

        Raises ConfigParseError.
        """
        applies = active
        for line in file:
            if isinstance(line, Included):
                for each in line.files:
                    self.run(each, applies)
                continue
            try:
                begins = self.block(line) if active else self.inactive_block(line)
            except ValueError as exc:
                raise line.error(str(exc)) from None
            if begins is None:
                self._take(line, applies)
            else:
                applies = active and begins

    def inactive_block(self, directive: Directive) -> bool | None:
        """Do as `block` where the answer does not matter: nothing may be run for it."""
        return False if directive.name in ("host", "match") else None

    def _take(self, directive: Directive, applies: bool) -> None:
        keyword = self._keywords.get(directive.name)
        if keyword is None:
            self.unknown(directive)
            return
        if not self.allowed(directive, keyword):
            raise directive.error("not in a Match block")
        try:
            # Those of blocks that do not apply, too: a file is right or wrong for every host.
            value = keyword.parse(directive.words, directive.rest)
            self.check(directive, value, applies)
            if applies:
                self._add(directive.name, keyword.count, value)
        except ValueError as exc:
            raise directive.error(str(exc)) from None
        if applies:
            self._remember(directive, value)

    def place(self, name: str, value: tuple[str, ...] = ()) -> Directive | None:
        """Return where a value comes from; None for those that hold already.

        Parameters:
            name: the keyword.
            value: which one, if each line holds.
        """
        return self._each_place.get((name, value)) or self.places.get(name)

    def keep_places(self, before: Evaluation) -> None:
        """Take over where the values come from that hold already."""
        self.places.update(before.places)
        self._each_place.update(before._each_place)

    def _remember(self, directive: Directive, value: tuple[str, ...]) -> None:
        self.places.setdefault(directive.name, directive)
        if self._keywords[directive.name].count is Count.EACH:
            self._each_place.setdefault((directive.name, value), directive)

    def _add(self, name: str, count: Count, value: tuple[str, ...]) -> None:
        lines = self.values.setdefault(name, [])
        if count is Count.EACH:
            if value not in lines:
                if len(lines) >= MAX_LINES:
                    raise ValueError(f"more than {MAX_LINES} of them")
                lines.append(value)
        elif count is Count.PARTS:
            before = lines[0] if lines else ()
            self.values[name] = [before + value[len(before) :]]
        elif count is Count.WORDS:
            self.values[name] = [_limited((*(lines[0] if lines else ()), *value), MAX_WORDS)]
        elif count is Count.SIGNED_WORDS:
            value = _limited(value, MAX_SIGNED_WORDS)
            added = tuple(_added(lines[0] if lines else (), value))
            self.values[name] = [_limited(added, MAX_SIGNED_WORDS)]
        elif not lines:
            lines.append(value)

    def first(self, name: str) -> str | None:
        """Return the first word of a value, None if there is none."""
        lines = self.values.get(name)
        return lines[0][0] if lines else None


def _limited(words: tuple[str, ...], most: int) -> tuple[str, ...]:
    if len(words) > most:
        raise ValueError(f"more than {most} words")
    return words


def _added(before: Iterable[str], words: Iterable[str]) -> list[str]:
    """Add words to a list, or take away those that match a pattern with `-` in front."""
    result = list(before)
    for word in words:
        if word.startswith("-"):
            gone = PatternList([word[1:]], ignore_case=False)
            result = [each for each in result if not gone.matches([each])]
        else:
            result.append(word)
    return result
