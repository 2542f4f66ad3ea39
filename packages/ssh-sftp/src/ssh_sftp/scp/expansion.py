"""Pathname expansion of a POSIX shell, on the files of scp (POSIX.1, XCU section 2.13)."""

from __future__ import annotations

import re
from typing import Final

from ssh_sftp.codec.attrs_flags import FILEXFER_TYPE_DIRECTORY
from ssh_sftp.errors import SFTPError, SFTPFailure
from ssh_sftp.scp.files import ScpFiles
from ssh_sftp.scp.words import is_pattern, unescape

__all__ = ["MAX_NAMES", "Expansion", "compile_part"]

MAX_NAMES: Final = 100_000
"""Names that are looked at for one command, and directories, each of which counts as one more."""

_TOKEN: Final = re.compile(r"\\.|.", re.DOTALL)
_BRACKET: Final = re.compile(
    r"\[(?P<no>[!^]?)(?P<set>\]?(?:\[:[a-z]+:\]|\\.|[^\]\\])*)\]", re.DOTALL
)
_MEMBER: Final = re.compile(r"\[:(?P<name>[a-z]+):\]|(?P<char>\\.|.)", re.DOTALL)
_CLASSES: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "\\x21-\\x7e",
    "lower": "a-z",
    "print": "\\x20-\\x7e",
    "punct": "\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e",
    "space": " \\t\\n\\r\\f\\v",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


class Expansion:
    """Expands the patterns of one command.

    Parameters:
        files: where to look; what they refuse to list has no match.
    """

    def __init__(self, files: ScpFiles) -> None:
        self._files = files
        self._left = MAX_NAMES

    async def expand(self, pattern: str) -> list[bytes]:
        """Return the paths that match, sorted; if none does, the text of the pattern itself.

        Parameters:
            pattern: a word of `split_words`.

        Raises SFTPFailure for one that would have too many names looked at.
        """
        literal = [_bytes(unescape(pattern))]
        if not is_pattern(pattern):
            return literal
        found = [b""]
        parts = pattern.split("/")
        last = max(number for number, part in enumerate(parts) if is_pattern(part))
        for number, part in enumerate(parts[: last + 1]):
            found = await self._step(found, part)
            if number < last:
                found = [path + b"/" for path in found]
        if rest := parts[last + 1 :]:
            behind = b"/" + _bytes(unescape("/".join(rest)))
            found = [path + behind for path in found if await self._exists(path, behind)]
        return sorted(found) or literal

    async def _step(self, directories: list[bytes], part: str) -> list[bytes]:
        if not is_pattern(part):
            return [path + _bytes(unescape(part)) for path in directories]
        expression = compile_part(part)
        # Names with a dot in front are only meant by a pattern that has one, too.
        hidden = part.startswith(".")
        found: list[bytes] = []
        for directory in directories:
            self._spend(1)
            try:
                names = await self._files.names(directory or b".")
            except (SFTPError, OSError):
                continue
            self._spend(len(names))
            found += (
                directory + name
                for name in names
                if (hidden or not name.startswith(b".")) and expression.match(_text(name))
            )
        return found

    async def _exists(self, path: bytes, behind: bytes) -> bool:
        self._spend(1)
        only_directory = behind.endswith(b"/")
        try:
            attrs = await self._files.attrs((path + behind).rstrip(b"/"))
        except (SFTPError, OSError):
            return False
        return not only_directory or attrs.type == FILEXFER_TYPE_DIRECTORY

    def _spend(self, names: int) -> None:
        self._left -= names
        if self._left < 0:
            raise SFTPFailure("pattern that stands for too many files")


def compile_part(part: str) -> re.Pattern[str]:
    """Return the expression for one part of a path: it matches the whole of a name.

    Parameters:
        part: with `*`, `?`, `[...]`, and backslashes in front of what is meant as it stands.
    """
    pieces: list[str] = [""]
    place = 0
    while place < len(part):
        if part[place] == "[" and (bracket := _BRACKET.match(part, place)):
            pieces[-1] += _set(bracket["set"], negated=bool(bracket["no"]))
            place = bracket.end()
            continue
        token = _TOKEN.match(part, place)
        assert token is not None
        place = token.end()
        if token[0] == "*":
            pieces.append("")
        else:
            pieces[-1] += "." if token[0] == "?" else re.escape(unescape(token[0]))
    first, *others = pieces
    if not others:
        return re.compile(f"{first}\\Z", re.DOTALL)
    # The first place where a piece fits is the best for those behind it: there is nothing to go
    # back for, which would take time without a bound.
    middle = "".join(f"(?>.*?{piece})" for piece in others[:-1])
    return re.compile(f"{first}{middle}.*{others[-1]}\\Z", re.DOTALL)


def _set(text: str, *, negated: bool) -> str:
    members: list[str] = []
    ranges = ""
    for found in _MEMBER.finditer(text):
        if found["name"]:
            ranges += _CLASSES.get(found["name"], "")
        else:
            members.append(found["char"])
    place = 0
    while place < len(members):
        low = unescape(members[place])
        if members[place + 1 : place + 2] == ["-"] and place + 2 < len(members):
            high = unescape(members[place + 2])
            if low <= high:
                ranges += f"{_member(low)}-{_member(high)}"
            place += 3
        else:
            ranges += _member(low)
            place += 1
    if not ranges:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{ranges}]"


def _member(char: str) -> str:
    return f"\\{char}" if char in "\\]^-[&~|" else char


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
