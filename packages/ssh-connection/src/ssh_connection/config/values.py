"""Kinds of values: what an argument may be, and what it is then."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

__all__ = [
    "Parser",
    "choice",
    "flag",
    "integer",
    "names",
    "one",
    "raw",
    "rekey",
    "seconds",
    "variables",
    "words",
]

Parser: TypeAlias = Callable[["tuple[str, ...]", str], "tuple[str, ...]"]
"""Takes arguments and the rest of the line; gives the value, in its usual spelling.

Raises ValueError."""

_TIME = re.compile(r"(\d{1,9})([smhdw]?)", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_FLAGS = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}


def _single(args: tuple[str, ...]) -> str:
    if not args or not args[0]:
        raise ValueError("an argument is missing")
    if len(args) > 1:
        raise ValueError("more arguments than one")
    return args[0]


def one(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """One argument, whatever it is."""
    return (_single(args),)


def words(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """One argument or more."""
    if not args:
        raise ValueError("an argument is missing")
    return args


def variables(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """One `NAME=value` or more."""
    for word in words(args, rest):
        name, equals, _ = word.partition("=")
        if not name or not equals:
            raise ValueError(f"{word!r} is not NAME=value")
    return args


def names(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """Names of algorithms with commas between, perhaps with `+`, `-` or `^` in front."""
    text = _single(args)
    if not text.lstrip("+-^").strip(","):
        raise ValueError("no names")
    return (text,)


def raw(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """The rest of the line as it is: a command."""
    rest = rest.lstrip(" \t=")
    if not rest:
        raise ValueError("an argument is missing")
    return (rest,)


def flag(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """`yes` or `no`."""
    text = _single(args).lower()
    if text not in _FLAGS:
        raise ValueError(f"{text!r} is neither yes nor no")
    return (_FLAGS[text],)


def choice(*allowed: str, flags: bool = True) -> Parser:
    """One of several words.

    Parameters:
        allowed: the words, in small letters; `old=new` for one that is another.
        flags: whether `yes` and `no` are among them.
    """
    known = dict(_FLAGS) if flags else {}
    for word in allowed:
        old, _, new = word.partition("=")
        known[old] = new or old

    def parse(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
        text = _single(args).lower()
        if text not in known:
            raise ValueError(f"{text!r} is none of {', '.join(dict.fromkeys(known.values()))}")
        return (known[text],)

    return parse


def integer(low: int = 0, high: int = 2**31 - 1) -> Parser:
    """A number.

    Parameters:
        low, high: the smallest and the largest.
    """

    def parse(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
        text = _single(args)
        if not re.fullmatch(r"-?[0-9]{1,10}", text) or not low <= int(text) <= high:
            raise ValueError(f"{text!r} is no number from {low} to {high}")
        return (str(int(text)),)

    return parse


def to_seconds(text: str) -> int:
    """Return the seconds of a text such as `1h30m`; raises ValueError."""
    if not text or _TIME.sub("", text):
        raise ValueError(f"{text!r} is no time")
    total = sum(int(number) * _UNITS[unit.lower()] for number, unit in _TIME.findall(text))
    if total > 2**31 - 1:
        raise ValueError(f"{text!r} is too long a time")
    return total


def seconds(*others: str) -> Parser:
    """A time such as `90` or `1h30m`, in seconds then.

    Parameters:
        others: words that it may be as well.
    """

    def parse(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
        text = _single(args)
        return (text.lower(),) if text.lower() in others else (str(to_seconds(text)),)

    return parse


def to_bytes(text: str) -> int:
    """Return the bytes of a text such as `1G`; raises ValueError."""
    match = re.fullmatch(r"(\d{1,18})([kmg]?)", text, re.IGNORECASE | re.ASCII)
    if match is None:
        raise ValueError(f"{text!r} is no size")
    return int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[match[2].lower()]


def rekey(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """`RekeyLimit`: a size or `default`, and perhaps a time; 0 stands for `default`."""
    if not 1 <= len(args) <= 2:
        raise ValueError("not one argument or two")
    size = 0 if args[0].lower() == "default" else to_bytes(args[0])
    if args[0].lower() != "default" and size < 16:
        raise ValueError("too small")
    if len(args) == 1 or args[1].lower() == "none":
        return (str(size),)
    return (str(size), str(to_seconds(args[1])))
