"""What a proxy command runs: a program, its arguments, and the names among them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ssh_transport.errors import printable

if TYPE_CHECKING:
    from .options.base import ProxyCommandArg

__all__ = ["check_proxy_names", "proxy_arguments"]

# What a shell, or a program that reads its arguments, could take for something else than a name.
_NO_HOST = r"[\s'\"`$\\;&<>|(){}\x00-\x20\x7f]|^-"
_NO_USER = r"['\"`;&<>|(){}$\x00-\x1f\x7f]|^-|\s-|\\$"


def check_proxy_names(host: str, user: str) -> None:
    """Refuse names that a command could take for options or for something to run.

    Parameters:
        host, user: what `%h`, `%n` and `%r` of a command stand for.

    Raises ValueError.
    """
    if re.search(_NO_HOST, host):
        raise ValueError(f"host {printable(host)!r} can not be given to a command")
    if re.search(_NO_USER, user):
        raise ValueError(f"username {printable(user)!r} can not be given to a command")


def proxy_arguments(command: ProxyCommandArg, host: str, port: int, user: str) -> list[str]:
    """Return program and arguments of a proxy command, with its tokens replaced.

    Parameters:
        command: program and arguments; text is split as a shell does, but no shell runs it. Tokens
            are `%h` for the host, `%p` for the port, `%r` for the user and `%%`.
        host, port, user: what they stand for.

    Raises ValueError for an empty command, an unknown token, and for names that could be something
    else than a name to the program.
    """
    from shlex import split  # only here: most programs have no proxy command

    words = split(command) if isinstance(command, str) else [*(command or ())]
    if not words or not words[0]:
        raise ValueError("proxy_command is empty")
    values = {"h": host, "n": host, "p": str(port), "r": user, "%": "%"}

    def replace(match: re.Match[str]) -> str:
        token = match[1]
        if token not in values:
            raise ValueError(f"proxy_command: no token %{printable(token)}")
        if token in "hnr":
            # Only what is used has to be harmless.
            check_proxy_names(host if token != "r" else "", user if token == "r" else "")
        return values[token]

    return [re.sub(r"(?s)%(.?)", replace, word) for word in words]
