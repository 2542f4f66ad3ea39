"""Tokens and environment variables in arguments: `%h`, `${HOME}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from ssh_transport.errors import printable

__all__ = ["expand", "expand_command", "expand_home"]

MAX_LENGTH: Final = 128 * 1024


def expand(text: str, tokens: Mapping[str, str], environ: Mapping[str, str] | None = None) -> str:
    """Replace tokens and environment variables, once: what is put in is not looked at again.

    Parameters:
        text: the argument.
        tokens: character behind `%` to what it stands for; `%%` is known.
        environ: variables for `${NAME}`; None if they mean nothing here.

    Raises ValueError for an unknown token, a variable that is not set, or a very long result.
    """

    def replace(match: re.Match[str]) -> str:
        token, braces, name = match[1], match[2], match[3]
        if token is not None:
            if token == "%":
                return "%"
            if token not in tokens:
                raise ValueError(f"no token %{printable(token)} here")
            return tokens[token]
        if braces is None or environ is None:
            return match[0]
        if not name or name not in environ:
            raise ValueError(f"no environment variable {printable(name or '')}")
        return environ[name]

    expanded = re.sub(r"(?s)%(.?)|\$(\{([^}]*)\})", replace, text)
    if len(expanded) > MAX_LENGTH:
        raise ValueError("too long when it is expanded")
    return expanded


def expand_command(
    text: str, tokens: Mapping[str, str], check_names: Callable[[str, str], None]
) -> str:
    """Replace tokens in a command that a shell runs.

    Parameters:
        text, tokens: as of `expand`.
        check_names: raises ValueError for a host or user that a command could mistake; asked about
            those that the command uses.

    Raises ValueError.
    """
    used = set(re.findall(r"(?s)%(.)", text))
    for token in used & {"h", "k", "n"}:
        check_names(tokens.get(token, ""), "")
    if "r" in used:
        check_names("", tokens["r"])
    return expand(text, tokens)


def expand_home(path: str, home: str) -> str:
    """Replace a `~` in front by the home directory of the user.

    Raises ValueError for the home directory of another user, `~name`.
    """
    if path == "~" or path.startswith("~/"):
        return home + path[1:]
    if path.startswith("~"):
        raise ValueError("home directories of other users are not looked up")
    return path
