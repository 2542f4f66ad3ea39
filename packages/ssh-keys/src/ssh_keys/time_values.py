"""Moments as the public API takes them: numbers, datetimes, and ssh-keygen's short texts."""

from __future__ import annotations

import re
from datetime import UTC, datetime

__all__ = ["TimeValue", "current_time", "parse_time"]

TimeValue = int | float | str | datetime

_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_RELATIVE = re.compile(r"(?:[+-]?\d{1,12}[wdhms])+", re.IGNORECASE | re.ASCII)
_TERM = re.compile(r"([+-]?)(\d+)([wdhms])", re.IGNORECASE | re.ASCII)
_FORMATS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
FOREVER = 0xFFFFFFFFFFFFFFFF


def current_time() -> float:
    """Return the time, in seconds since 1970-01-01 UTC."""
    return datetime.now(UTC).timestamp()


def parse_time(value: TimeValue, now: float | None = None) -> int:
    """Return a moment in whole seconds since 1970-01-01 UTC.

    Parameters:
        value: seconds since 1970; a `datetime` (local time if it has no zone); or a text: `now`,
            `YYYYMMDD`, `YYYYMMDDHHMM`, `YYYYMMDDHHMMSS` (local time, UTC with a `Z` behind it), or
            a time relative to now made of numbers with `w`, `d`, `h`, `m`, `s`, such as `+1w2d` or
            `-3h`; a sign holds until the next one.
        now: what relative times refer to, in seconds since 1970; the present if not given.

    Raises ValueError for anything else.
    """
    if isinstance(value, datetime):
        return int(value.timestamp())
    if isinstance(value, int | float):
        if not 0 <= value <= FOREVER:
            raise ValueError(f"time value {value} is out of range")
        return int(value)
    if value == "now" or _RELATIVE.fullmatch(value):
        seconds, sign = 0, 1
        for mark, number, unit in _TERM.findall(value):
            sign = {"+": 1, "-": -1}.get(mark, sign)
            seconds += sign * int(number) * _UNITS[unit.lower()]
        moment = int(current_time() if now is None else now) + seconds
        return min(max(moment, 0), FOREVER)
    text = value.removesuffix("Z")
    if len(text) not in _FORMATS or not (text.isascii() and text.isdigit()):
        raise ValueError(f"unknown time value {value!a}")
    try:
        date = datetime.strptime(text, _FORMATS[len(text)])  # noqa: DTZ007 - the zone follows
        return int((date.replace(tzinfo=UTC) if value.endswith("Z") else date).timestamp())
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"time value {value!a} is no date") from None
