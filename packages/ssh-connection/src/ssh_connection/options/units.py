"""Sizes and times of options, as numbers or as text with a unit."""

from __future__ import annotations

import re

__all__ = ["parse_bytes", "parse_seconds"]

_SIZE = re.compile(r"(\d+)([kmgt]?)", re.IGNORECASE | re.ASCII)
_TIME = re.compile(r"(\d+(?:\.\d+)?)([smhdw]?)", re.IGNORECASE | re.ASCII)

_SIZE_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TIME_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_bytes(name: str, value: int | str) -> int:
    """Return a number of bytes.

    Parameters:
        name: the option, for the error text.
        value: a number, or text such as `512m`; k, m, g and t are powers of 1024.

    Raises ValueError.
    """
    if isinstance(value, int):
        return value
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ValueError(f"{name} must be a number of bytes such as 512m, not {value!r}")
    return int(match[1]) * _SIZE_UNITS[match[2].lower()]


def parse_seconds(name: str, value: float | str | None) -> float:
    """Return a number of seconds; 0 for None.

    Parameters:
        name: the option, for the error text.
        value: a number, or text such as `1h30m`; s, m, h, d and w are the units.

    Raises ValueError, also for a negative number.
    """
    if value is None:
        return 0
    if isinstance(value, str):
        if not value or _TIME.sub("", value):
            raise ValueError(f"{name} must be a time such as 1h30m, not {value!r}")
        return sum(float(n) * _TIME_UNITS[unit.lower()] for n, unit in _TIME.findall(value))
    if not value >= 0:
        raise ValueError(f"{name} must not be negative")
    return value
