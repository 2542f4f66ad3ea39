"""SASLprep (RFC 4013): one form for user names and passwords that look the same."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["SASLPrepError", "saslprep"]


class SASLPrepError(ValueError):
    """The text has characters that SASLprep forbids."""


def saslprep(text: str) -> str:
    """Return the text in the form that is compared.

    Raises SASLPrepError for control characters, private use, surrogates and the other characters
    of RFC 4013 section 2.3, and for text that mixes directions (RFC 3454 section 6).
    """
    if text.isascii() and text.isprintable():
        return text
    return _normalized(text)


def _normalized(text: str) -> str:
    # Imported here because hardly any name or password is not ASCII: they have large tables.
    import stringprep
    import unicodedata

    # RFC 4013 section 2.1: other spaces become U+0020, and some characters become nothing.
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char
        for char in text
        if not stringprep.in_table_b1(char)
    )
    result = unicodedata.normalize("NFKC", mapped)
    prohibited = (
        stringprep.in_table_c12,
        stringprep.in_table_c21_c22,
        stringprep.in_table_c3,
        stringprep.in_table_c4,
        stringprep.in_table_c5,
        stringprep.in_table_c6,
        stringprep.in_table_c7,
        stringprep.in_table_c8,
        stringprep.in_table_c9,
    )
    if any(is_in(char) for char in result for is_in in prohibited):
        raise SASLPrepError("a character is not allowed in a user name or password")
    _check_direction(result, stringprep.in_table_d1, stringprep.in_table_d2)
    return result


def _check_direction(
    text: str, is_right_to_left: Callable[[str], bool], is_left_to_right: Callable[[str], bool]
) -> None:
    if not any(is_right_to_left(char) for char in text):
        return
    if any(is_left_to_right(char) for char in text):
        raise SASLPrepError("text of both directions in a user name or password")
    if not (is_right_to_left(text[0]) and is_right_to_left(text[-1])):
        raise SASLPrepError("right-to-left text must begin and end with such a character")
