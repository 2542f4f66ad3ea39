"""Exceptions that are kept, or raised more than once.

The same file is `ssh_connection/kept_errors.py` and `ssh_sftp/kept_errors.py`: ssh-sftp has no
dependency, and a test holds the two copies byte-equal.
"""

from __future__ import annotations

from copy import copy
from typing import TypeVar

__all__ = ["without_traceback"]

E = TypeVar("E", bound=BaseException)


def without_traceback(error: E) -> E:
    """Return a copy of an exception: to keep, or to raise where something else keeps it.

    One that was raised knows the frames that it went through, and those what keeps it, be it a
    variable: only the garbage collector would free them, and all that the callers work with. And
    its traceback would grow each time.
    """
    try:
        same = copy(error)
    except Exception:
        # Many of ours: they are not made of what is in `args`.
        same = type(error).__new__(type(error), *error.args)
        same.__dict__.update(error.__dict__)
    same.args = error.args
    cause = error.__cause__
    same.__cause__ = None if cause is None else without_traceback(cause)
    return same
