"""Splits what a terminal sends into keys: controls and the sequences of ECMA-48.

A key is the text that was received for it: one control character such as `\\x01`, or a sequence
such as `\\x1bb` (Meta-b) or `\\x1b[1;5C` (Control-Right). SS3 (`\\x1bO`, section 8.3.143) and CSI
(`\\x1b[`, section 5.4) without parameters are given the same form, since terminals send one or the
other for the same key, depending on their mode.
"""

from __future__ import annotations

from typing import Final

__all__ = ["MAX_SEQUENCE", "KeyDecoder"]

MAX_SEQUENCE: Final = 32
"""Characters of a control sequence; a longer one is read to its end and thrown away."""

_ESC: Final = "\x1b"
_CAN, _SUB, _BEL = "\x18", "\x1a", "\x07"
_STRINGS: Final = "]P_"  # OSC, DCS, APC: up to ST or BEL


class KeyDecoder:
    """Takes characters one by one; nothing that is received makes it keep more than a sequence."""

    def __init__(self) -> None:
        self._held = ""
        self._string = False
        self._overlong = False

    @property
    def idle(self) -> bool:
        """Whether no sequence has begun, so that a character stands for itself."""
        return not self._held

    def reset(self) -> str:
        """Return the beginning of a sequence that is not complete, and forget it."""
        held = "" if self._string or self._overlong else self._held
        self._held, self._string, self._overlong = "", False, False
        return held

    def push(self, char: str) -> str | None:
        """Take a character; return the key that it completes, None if there is none yet."""
        if not self._held:
            if char == _ESC:
                self._held = char
                return None
            return char
        if self._string:
            return self._in_string(char)
        if char in (_CAN, _SUB):
            self.reset()
            return None
        if self._held in (_ESC, _ESC * 2):
            return self._behind_escape(char)
        return self._in_sequence(char)

    def _in_string(self, char: str) -> str | None:
        # Reports of a terminal: nobody asked for them, and they must not become input. What can not
        # be a part of one breaks it off: Meta-P begins it, too, and that user wants to go on.
        if self._held == _ESC:
            self._string = False
            if char != "\\":
                return self.push(char)
            self.reset()
            return None
        if char == _ESC or char >= " ":
            self._held = char
            return None
        self.reset()
        return None if char in (_BEL, _CAN, _SUB) else self.push(char)

    def _behind_escape(self, char: str) -> str | None:
        if char == _ESC:
            self._held = _ESC * 2  # Meta, and then a key that is a sequence itself
            return None
        if char in "[O":
            self._held += char
            return None
        if char in _STRINGS:
            self._held, self._string = char, True
            return None
        key = _ESC + char
        self.reset()
        return key

    def _in_sequence(self, char: str) -> str | None:
        if char < " " or char == "\x7f" or char > "\x7e":
            # Broken off: what comes instead counts.
            self.reset()
            return self.push(char)
        if char == "[" and self._held == _ESC + "[":
            self._held += char  # the Linux console has CSI [ A for F1
            return None
        introducer = self._held.lstrip(_ESC)[0]
        if introducer == "O" or "@" <= char <= "~":
            key = None if self._overlong else self._held + char
            self.reset()
            return key if key is None or introducer == "[" else key.replace("O", "[", 1)
        if len(self._held) >= MAX_SEQUENCE:
            self._overlong = True
        else:
            self._held += char
        return None
