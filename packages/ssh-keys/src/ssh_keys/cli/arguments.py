"""Arguments that are more than text: what they mean, and why they are refused."""

from __future__ import annotations

from argparse import ArgumentTypeError

from ssh_keys.time_values import FOREVER, parse_time

__all__ = ["MAXIMUM_UINT64", "bound_of", "namespace", "port", "time_of", "uint64"]

MAXIMUM_UINT64 = (1 << 64) - 1
MAXIMUM_PORT = 65535
_NO_BOUNDS = {"always": 0, "forever": FOREVER}


def uint64(text: str) -> int:
    """Return a number that takes 64 bits in a file; raises ArgumentTypeError."""
    return _number(text, 0, MAXIMUM_UINT64)


def port(text: str) -> int:
    """Return the number of a port; raises ArgumentTypeError."""
    return _number(text, 1, MAXIMUM_PORT)


def _number(text: str, lowest: int, highest: int) -> int:
    # isdigit alone is true for digits of other scripts, int takes underscores and signs.
    plain = text.isascii() and text.isdigit() and len(text) <= len(str(highest))
    if not plain or not lowest <= int(text) <= highest:
        raise ArgumentTypeError(f"{text!a} is no number from {lowest} to {highest}")
    return int(text)


def time_of(text: str) -> int:
    """Return a time in seconds since 1970; raises ArgumentTypeError."""
    try:
        return parse_time(text)
    except ValueError as exc:
        raise ArgumentTypeError(str(exc)) from None


def bound_of(text: str) -> int:
    """Return a bound of validity in seconds since 1970; raises ArgumentTypeError.

    Those of `ssh-keygen -V` that are no times are among them: `always` and `forever`.
    """
    return _NO_BOUNDS[text] if text in _NO_BOUNDS else time_of(text)


def namespace(text: str) -> str:
    """Return what a signature is for; raises ArgumentTypeError if that is nothing."""
    if not text:
        raise ArgumentTypeError("a signature needs a namespace")
    return text
