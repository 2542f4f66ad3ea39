"""Whether a program is still there."""

from __future__ import annotations

import os


def alive(pid: object) -> bool:
    """Whether there is a process of this number; one that nobody has waited for counts."""
    assert isinstance(pid, int)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
