"""What the system knows about the users of a server: groups, home directories, their files."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import Final

from .tokens import expand

__all__ = ["is_root", "is_safe_file", "read_user_file", "user_files", "user_groups"]


MAX_USER_FILE: Final = 16 << 20
"""Bytes of a file of a user."""


def is_root(user: str) -> bool:
    """Whether a user may do everything, by whatever name."""
    try:
        import pwd

        return user == "root" or pwd.getpwnam(user).pw_uid == 0
    except (ImportError, KeyError):
        return False


def user_groups(user: str) -> Sequence[str]:
    """Return the names of the groups of a user; none for a user that does not exist."""
    try:
        import grp
        import pwd

        account = pwd.getpwnam(user)
        numbers = os.getgrouplist(user, account.pw_gid)
    except (ImportError, KeyError, OSError):
        return ()
    names = []
    for number in numbers:
        try:
            names.append(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return names


def user_files(names: Sequence[str], user: str) -> list[str]:
    """Return the files of a user that names with tokens stand for (AuthorizedKeysFile).

    Parameters:
        names: with `%h` for the home directory, `%u` for the user, `%U` for its number; relative
            ones are in the home directory.
        user: who it is; without an account there are no files.

    Raises ValueError for unknown tokens.
    """
    try:
        import pwd

        account = pwd.getpwnam(user)
    except (ImportError, KeyError):
        return []
    home = account.pw_dir
    tokens = {"h": home, "u": user, "U": str(account.pw_uid)}
    return [
        os.path.join(home, expand(name, tokens)) for name in names if name.lower() != "none"
    ]


def is_safe_file(path: str, user: str) -> bool:
    """Whether only a user and root can change a file and the folders it is in (StrictModes)."""
    try:
        import pwd

        account = pwd.getpwnam(user)
        path = os.path.realpath(path)
        home = os.path.realpath(account.pw_dir)
        while True:
            status = os.stat(path)
            if status.st_uid not in (0, account.pw_uid) or status.st_mode & 0o022:
                return False
            parent = os.path.dirname(path)
            if path in (home, parent):
                return True
            path = parent
    except (ImportError, KeyError, OSError):
        return False


def read_user_file(path: str) -> bytes:
    """Return the content of a file whose owner is not trusted.

    Raises OSError, and ValueError for what is no regular file or larger than 16 MiB.
    """
    # A pipe would keep us waiting for somebody who writes to it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("not a regular file")
        data = file.read(MAX_USER_FILE + 1)
    if len(data) > MAX_USER_FILE:
        raise ValueError(f"larger than {MAX_USER_FILE} bytes")
    return data
