"""SASLprep (RFC 4013): one form for user names and passwords that look the same."""

from __future__ import annotations

import stringprep
import unicodedata

__all__ = ["SASLPrepError", "saslprep"]


class SASLPrepError(ValueError):
    """The text has characters that SASLprep forbids."""


_PROHIBITED = (
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


def saslprep(text: str) -> str:
    """Return the text in the form that is compared.

    Raises SASLPrepError for control characters, private use, surrogates and the other characters
    of RFC 4013 section 2.3, and for text that mixes directions (RFC 3454 section 6).
    """
    if text.isascii() and text.isprintable():
        return text
    # RFC 4013 section 2.1: other spaces become U+0020, and some characters become nothing.
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char
        for char in text
        if not stringprep.in_table_b1(char)
    )
    result = unicodedata.normalize("NFKC", mapped)
    for char in result:
        if any(prohibited(char) for prohibited in _PROHIBITED):
            raise SASLPrepError("a character is not allowed in a user name or password")
    _check_direction(result)
    return result


def _check_direction(text: str) -> None:
    if not any(stringprep.in_table_d1(char) for char in text):
        return
    if any(stringprep.in_table_d2(char) for char in text):
        raise SASLPrepError("text of both directions in a user name or password")
    if not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise SASLPrepError("right-to-left text must begin and end with such a character")
