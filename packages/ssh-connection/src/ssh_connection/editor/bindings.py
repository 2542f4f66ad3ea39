"""Which key does what: as in emacs and most shells, and as the client's terminal has set it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ..constants import (
    PTY_ISIG,
    PTY_VEOF,
    PTY_VERASE,
    PTY_VINTR,
    PTY_VKILL,
    PTY_VLNEXT,
    PTY_VREPRINT,
    PTY_WERASE,
)

__all__ = ["DEFAULT_BINDINGS", "PASTE_BEGIN", "PASTE_END", "key_bindings"]

PASTE_BEGIN: Final = "\x1b[200~"
PASTE_END: Final = "\x1b[201~"

DEFAULT_BINDINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "\r": "enter",
        "\n": "enter",
        "\x01": "home",  # Control-A and so on
        "\x02": "left",
        "\x03": "interrupt",
        "\x04": "delete_or_end",
        "\x05": "end",
        "\x06": "right",
        "\x08": "backspace",
        "\t": "tab",
        "\x0b": "kill_to_end",
        "\x0c": "clear_screen",
        "\x0e": "newer",
        "\x10": "older",
        "\x12": "reprint",
        "\x14": "transpose",
        "\x15": "kill_to_start",
        "\x16": "quote",
        "\x17": "kill_blank_word",
        "\x19": "yank",
        "\x7f": "backspace",
        "\x1bb": "word_left",  # Meta-b and so on
        "\x1bf": "word_right",
        "\x1bd": "kill_word",
        "\x1b\x7f": "kill_word_back",
        "\x1b\x08": "kill_word_back",
        "\x1by": "yank_pop",
        "\x1bu": "upper",
        "\x1bl": "lower",
        "\x1bc": "capital",
        "\x1b<": "oldest",
        "\x1b>": "newest",
        "\x1b[A": "older",
        "\x1b[B": "newer",
        "\x1b[C": "right",
        "\x1b[D": "left",
        "\x1b[H": "home",
        "\x1b[F": "end",
        "\x1b[1~": "home",
        "\x1b[7~": "home",
        "\x1b[4~": "end",
        "\x1b[8~": "end",
        "\x1b[3~": "delete",
        "\x1b[5~": "oldest",
        "\x1b[6~": "newest",
        "\x1b[3;5~": "kill_word",
        **{f"\x1b[1;{modifier}C": "word_right" for modifier in "359"},  # Alt, Control, Meta
        **{f"\x1b[1;{modifier}D": "word_left" for modifier in "359"},
        "\x1b[1;2C": "right",
        "\x1b[1;2D": "left",
        "\x1b\x1b[C": "word_right",
        "\x1b\x1b[D": "word_left",
        PASTE_BEGIN: "paste_begins",
        PASTE_END: "paste_ends",
    }
)

_SPECIAL: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        PTY_VINTR: ("\x03", "interrupt"),
        PTY_VEOF: ("\x04", "delete_or_end"),
        PTY_VERASE: ("\x7f", "backspace"),
        PTY_VKILL: ("\x15", "kill_to_start"),
        PTY_WERASE: ("\x17", "kill_blank_word"),
        PTY_VREPRINT: ("\x12", "reprint"),
        PTY_VLNEXT: ("\x16", "quote"),
    }
)
_NONE: Final = 255  # RFC 4254 section 8: no such character


def key_bindings(modes: Mapping[int, int]) -> dict[str, str]:
    """Return what each key does on the terminal of a client.

    Parameters:
        modes: encoded terminal modes (RFC 4254 section 8): `PTY_*` opcode to value. Special
            characters count if they are controls; what a program needs to read a line stays.
    """
    bindings = dict(DEFAULT_BINDINGS)
    for opcode, (usual, action) in _SPECIAL.items():
        code = modes.get(opcode)
        if code == _NONE:
            if action != "backspace":
                bindings.pop(usual, None)
        elif code is not None and (0 < code < 0x20 or code == 0x7F) and chr(code) not in "\r\n\x1b":
            bindings[chr(code)] = action
    if modes.get(PTY_ISIG, 1) == 0:
        return {key: action for key, action in bindings.items() if action != "interrupt"}
    return bindings
