"""Kinds of values: what an argument may be, and what it is then."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from .ports import to_port

__all__ = [
    "Parser",
    "choice",
    "domains",
    "flag",
    "integer",
    "jumps",
    "names",
    "one",
    "permitted_names",
    "port",
    "raw",
    "rekey",
    "seconds",
    "variable_names",
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
    """One `NAME=value` or more; the first of a name holds."""
    found: dict[str, str] = {}
    for word in words(args, rest):
        name, equals, _ = word.partition("=")
        if not name or not equals:
            raise ValueError(f"{word!r} is not NAME=value")
        found.setdefault(name, word)
    return tuple(found.values())


def variable_names(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """One name of a variable or more, perhaps with `-` in front."""
    for word in words(args, rest):
        if not word or "=" in word:
            raise ValueError(f"{word!r} is no name of a variable")
    return args


def domains(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """Names of domains, or `none`."""
    for word in _none_alone(args):
        if not re.fullmatch(r"[A-Za-z0-9](\.?[A-Za-z0-9_-])*\.?", word):
            raise ValueError(f"{word!r} is no name of a domain")
    return tuple(word.rstrip(".").lower() for word in args)


def permitted_names(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """Pairs of lists of patterns with a colon between, or `none`."""
    for word in _none_alone(args):
        source, _, target = word.partition(":")
        if word.lower() != "none" and not (target and all(f"{source},{target}".split(","))):
            raise ValueError(f"{word!r} is not like a:b")
    return args


def _none_alone(args: tuple[str, ...]) -> tuple[str, ...]:
    found = words(args, "")
    if len(found) > 1 and "none" in (word.lower() for word in found):
        raise ValueError('"none" must stand alone')
    return found


def jumps(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """Hosts to go through with commas between, up to the first blank of the line, or `none`."""
    text = raw(args, rest)[0].split()[0]
    if text.lower() == "none":
        return ("none",)
    return (",".join(map(_jump, text.split(","))),)


def _jump(text: str) -> str:
    """Check `[user@]host[:port]`, also as `ssh://…`, and return it without that."""
    plain = text
    if text.startswith("ssh://"):
        plain = text.removeprefix("ssh://").removesuffix("/")
    match = re.fullmatch(r"((?:.+@)?)(\[[^\[\]@/]+\]|[^\[\]:@/]+)(?::([^:@/]*))?", plain)
    if match is None:
        raise ValueError(f"{text!r} is not [user@]host[:port]")
    return match[1] + match[2] + (f":{to_port(match[3])}" if match[3] else "")


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


def port(args: tuple[str, ...], rest: str) -> tuple[str, ...]:
    """A port, by number or name."""
    return (str(to_port(_single(args))),)


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
