"""How many cells of a terminal a character takes, and what is shown for it."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

__all__ = ["combines", "next_position", "previous_position", "shown"]


@lru_cache(maxsize=4096)
def shown(char: str) -> tuple[str, int]:
    """Return what to send to a terminal to show a character, and how many cells that takes.

    Nothing that a terminal would act on comes out: controls are shown as `^X` or by their number.
    Characters that combine with the one before take no cell. A tab is not for this function.

    Parameters:
        char: one character; a lone surrogate stands for a byte that could not be decoded.
    """
    if " " <= char <= "~":
        return char, 1
    code = ord(char)
    if code < 0x20 or code == 0x7F:
        return f"^{chr(code ^ 0x40)}", 2
    category = unicodedata.category(char)
    if category == "Cs":
        text = f"\\x{code & 0xFF:02x}"
        return text, len(text)
    if category in ("Cc", "Zl", "Zp"):
        text = f"\\u{code:04x}"
        return text, len(text)
    if category in ("Mn", "Me") or 0x1160 <= code <= 0x11FF or 0xD7B0 <= code <= 0xD7FF:
        return char, 0  # the ranges are vowels and finals of Hangul, drawn into the syllable
    if category == "Cf":
        return (char, 1) if code == 0xAD else (char, 0)
    return char, 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def combines(char: str) -> bool:
    """Return whether a character is drawn into the cell of the one before."""
    return char != "\t" and not " " <= char <= "~" and shown(char)[1] == 0


def previous_position(text: str, position: int) -> int:
    """Return where the character before a position begins, with all that combines with it."""
    position -= 1
    while position > 0 and combines(text[position]):
        position -= 1
    return max(position, 0)


def next_position(text: str, position: int) -> int:
    """Return where the character at a position ends, with all that combines with it."""
    position += 1
    while position < len(text) and combines(text[position]):
        position += 1
    return min(position, len(text))
