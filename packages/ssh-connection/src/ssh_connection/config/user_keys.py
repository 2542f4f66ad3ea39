"""The authorized_keys files of one user, where a configuration file says that they are."""

from __future__ import annotations

from collections.abc import Sequence

from ssh_keys import KeyImportError, SSHAuthorizedKeys, read_authorized_keys

from .accounts import is_safe_file

__all__ = ["read_user_keys"]


def read_user_keys(paths: Sequence[str], user: str, *, strict: bool) -> SSHAuthorizedKeys:
    """Return the keys of a user; none if there are no files, so that nobody can tell who exists.

    Parameters:
        paths: the files; those that can not be read are passed over.
        user: whose files they are.
        strict: whether files that others can write to are passed over, too.
    """
    found: list[str] = []
    for path in paths:
        if strict and not is_safe_file(path, user):
            continue
        try:
            read_authorized_keys(path)
        except (OSError, KeyImportError):
            continue
        found.append(path)
    return read_authorized_keys(list(found)) if found else SSHAuthorizedKeys()
