"""Words of a command as a POSIX shell reads them, with what is quoted told from what is not."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_pattern", "split_words", "unescape"]

#: What is between blanks: plain characters, `'…'`, `"…"`, and a character behind a backslash.
_PART: Final = re.compile(
    r"""(?P<blank>[ \t\r\n]+)|'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|\\(?P<one>.)"""
    r"""|(?P<plain>[^ \t\r\n'"\\]+)""",
    re.DOTALL,
)
_IN_DOUBLE: Final = re.compile(r"\\([\\\"])")
_SPECIAL: Final = re.compile(r"([\\*?\[\]!^:-])")
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_MAGIC: Final = re.compile(r"(?:[^\\]|\\.)*?[*?\[]", re.DOTALL)


def split_words(line: str) -> list[str]:
    """Return the words of a line, where quoted characters that mean something in a pattern have
    a backslash in front.

    Nothing but words, quotes and backslashes is known: there are no variables and no commands.

    Raises ValueError for quotes without an end.
    """
    words: list[str] = []
    word: str | None = None
    place = 0
    while place < len(line):
        found = _PART.match(line, place)
        if found is None:
            raise ValueError("no closing quotation")
        place = found.end()
        kind = found.lastgroup
        if kind == "blank":
            if word is not None:
                words.append(word)
            word = None
            continue
        assert kind is not None
        text = found[kind]
        if kind == "double":
            text = _IN_DOUBLE.sub(r"\1", text)
        word = (word or "") + (text if kind == "plain" else _SPECIAL.sub(r"\\\1", text))
    return words if word is None else [*words, word]


def unescape(word: str) -> str:
    """Return what a word of `split_words` says if it is no pattern."""
    return _ESCAPED.sub(r"\1", word)


def is_pattern(word: str) -> bool:
    """Whether a word of `split_words`, or a part of one, has a wildcard in it."""
    return _MAGIC.match(word) is not None
