"""Which numbers can be TCP ports: those of applications and those of peers."""

from __future__ import annotations

from typing import Final

__all__ = ["MAX_PORT", "check_port"]

MAX_PORT: Final = 65535
"""The largest TCP port; messages have room for more (RFC 4254 section 7)."""


def check_port(name: str, port: int) -> None:
    """Raise ValueError for what can not be a TCP port, and TypeError for what is no number.

    Parameters:
        name: of the option or parameter, for the text of the error.
        port: the port; 0, which stands for any that is free, is fine.
    """
    if not isinstance(port, int):
        raise TypeError(f"{name} must be a number, not {type(port).__name__}")
    if not 0 <= port <= MAX_PORT:
        raise ValueError(f"{name} must be between 0 and {MAX_PORT}, not {port}")
