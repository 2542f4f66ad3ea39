"""The authorized_keys files of one user, where a configuration file says that they are.

They belong to the user, who is not trusted: what is in them, or in their place, must not stop the
server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ssh_keys import KeyImportError, SSHAuthorizedKeys

from .accounts import is_safe_file, read_user_file

__all__ = ["read_user_keys"]

MAX_PROBLEMS: Final = 10
"""How many lines are complained about."""


def read_user_keys(
    paths: Sequence[str], user: str, *, strict: bool
) -> tuple[SSHAuthorizedKeys, list[str]]:
    """Return the keys of a user, and what is wrong with the files.

    There are none if there are no files, so that nobody can tell who exists.

    Parameters:
        paths: the files; those that can not be read are passed over.
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
        for number, line in enumerate(data.split(b"\n"), 1):
            try:
                keys.load(line)
            except KeyImportError as exc:
                # Nobody gets in by this line; the others hold, as with OpenSSH.
                if len(problems) < MAX_PROBLEMS:
                    problems.append(f"{path}:{number}: {str(exc).removeprefix('line 1: ')}")
    return keys, problems
