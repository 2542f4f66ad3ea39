"""The authorized_keys files of one user, where a configuration file says that they are.

They belong to the user, who is not trusted: what is in them, or in their place, must not stop the
server.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ssh_keys import KeyImportError, SSHAuthorizedKeys

from .accounts import is_safe_file, read_user_file

__all__ = ["read_user_keys"]

MAX_PROBLEMS: Final = 10
"""How many lines are complained about."""

MAX_PARTS: Final = 200_000
"""Lines of a file that may hold keys, and what is between commas in them (options, patterns of
hosts): reading them takes up to two seconds, which whoever knows the user's name can have us do."""

# Neither blank nor a comment, of which there may be any number.
_LINE: Final = re.compile(rb"^[ \t]*[^#\s][^\n]*", re.MULTILINE)


def read_user_keys(
    paths: Sequence[str], user: str, *, strict: bool
) -> tuple[SSHAuthorizedKeys, list[str]]:
    """Return the keys of a user, and what is wrong with the files.

    There are none if there are no files, so that nobody can tell who exists.

    Parameters:
        paths: the files; those that can not be read are passed over, and what is behind
            `MAX_PARTS` parts.
        user: whose files they are.
        strict: whether files that others can write to are passed over, too.
    """
    keys = SSHAuthorizedKeys()
    problems: list[str] = []
    for path in paths:
        try:
            data = read_user_file(path)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as exc:
            problems.append(f"{path}: {exc}")
            continue
        if strict and not is_safe_file(path, user):
            problems.append(f"{path}: others can write to it, or to a folder that it is in")
            continue
        parts = 0
        for line in _LINE.finditer(data):
            parts += 1 + line[0].count(b",")
            if parts > MAX_PARTS:
                problems.append(f"{path}: what is behind {MAX_PARTS} lines or commas is not read")
                break
            try:
                keys.load(line[0])
            except KeyImportError as exc:
                # Nobody gets in by this line; the others hold, as with OpenSSH.
                if len(problems) < MAX_PROBLEMS:
                    number = data.count(b"\n", 0, line.start()) + 1
                    problems.append(f"{path}:{number}: {str(exc).removeprefix('line 1: ')}")
    return keys, problems
