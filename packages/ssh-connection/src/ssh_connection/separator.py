"""What ends a read of `SSHReader.readuntil`: one separator, several, or a regular expression."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import AnyStr, cast

__all__ = ["compile_separator", "find_separator"]


def compile_separator(
    separator: object, max_separator_len: int
) -> tuple[re.Pattern[str] | re.Pattern[bytes], int | None]:
    """Return a pattern for any kind of separator, and how far a match may reach back.

    Raises ValueError for an empty separator or an empty sequence of them.
    """
    if isinstance(separator, re.Pattern):
        return separator, max_separator_len - 1 if max_separator_len > 0 else None
    if isinstance(separator, bytes):
        separators: Sequence[bytes] | Sequence[str] = [separator]
    elif isinstance(separator, str):
        separators = [separator]
    else:
        separators = list(cast("Iterable[str]", separator))
    if not separators or not all(separators):
        raise ValueError("Separator should contain at least one element")
    overlap = max(map(len, separators)) - 1
    if isinstance(separators[0], bytes):
        alternatives = b"|".join(re.escape(each) for each in cast("Sequence[bytes]", separators))
        return re.compile(alternatives), overlap
    return re.compile(
        "|".join(re.escape(each) for each in cast("Sequence[str]", separators))
    ), overlap


def find_separator(
    text: AnyStr,
    literal: bytes | str | None,
    pattern: re.Pattern[str] | re.Pattern[bytes],
) -> int:
    """Return the position behind the first match, or -1."""
    if literal is not None:
        index = text.find(cast("AnyStr", literal))
        return index + len(literal) if index >= 0 else -1
    match = cast("re.Pattern[AnyStr]", pattern).search(text)
    return match.end() if match else -1
