"""Lines of configuration files: keyword and arguments, with the quoting of OpenSSH."""

from __future__ import annotations

__all__ = ["first_word", "split_line", "split_words"]

_BLANKS = " \t"
_SEPARATORS = _BLANKS + "="


def split_line(line: str) -> tuple[str, str] | None:
    """Split a line into its keyword and the rest; None for one that is empty or a comment.

    A keyword ends with blanks, with one `=`, or both.
    """
    line = line.rstrip(" \t\r\n\f").lstrip(_BLANKS)
    if not line or line.startswith("#"):
        return None
    return first_word(line)


def first_word(text: str) -> tuple[str, str]:
    """Take the first word off a text: up to blanks or a `=`, or in double quotes.

    Raises ValueError for quotes without an end.
    """
    if text.startswith('"'):
        word, quote, rest = text[1:].partition('"')
        if not quote:
            raise ValueError("quotes without an end")
    else:
        end = next((i for i, char in enumerate(text) if char in _SEPARATORS), len(text))
        word, rest = text[:end], text[end:]
    rest = rest.lstrip(_BLANKS)
    if rest.startswith("="):
        rest = rest[1:].lstrip(_BLANKS)
    return word, rest


def split_words(text: str) -> list[str]:
    """Split the arguments of a keyword.

    Words may be in single or double quotes, also in part; a backslash stands before a quote,
    another backslash, or a blank that is meant; `#` begins a comment where a word would begin.

    Raises ValueError for quotes without an end.
    """
    words: list[str] = []
    position, end = 0, len(text)
    while True:
        while position < end and text[position] in _BLANKS:
            position += 1
        if position >= end or text[position] == "#":
            return words
        word: list[str] = []
        quote = ""
        while position < end:
            char = text[position]
            following = text[position + 1 : position + 2]
            escapes = "'\"\\" if quote else "'\"\\ "
            if char == "\\" and following and following in escapes:
                word.append(following)
                position += 1
            elif not quote and char in _BLANKS:
                break
            elif not quote and char in "'\"":
                quote = char
            elif char == quote:
                quote = ""
            else:
                word.append(char)
            position += 1
        if quote:
            raise ValueError("quotes without an end")
        words.append("".join(word))
