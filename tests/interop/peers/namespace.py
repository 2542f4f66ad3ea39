"""Run a server with an empty home folder for its user, in a mount namespace that only it sees.

Servers take the home folder from the passwd file. What is there belongs to whoever runs the tests:
Dropbear would read its authorized_keys, and a shell its start-up files, which may be slow.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tests.interop.peers.availability import find_program


def can_mount() -> bool:
    """Whether this user may mount a folder over another one."""
    return os.geteuid() == 0 and find_program("unshare") is not None


def with_home(argv: Sequence[str], home: Path, user: str) -> list[str]:
    """A command line that runs ``argv`` with ``home`` mounted over the home folder of a user."""
    script = 'mount --bind "$0" "$1" && shift && exec "$@"'
    real_home = os.path.expanduser(f"~{user}")
    unshare = [find_program("unshare") or "unshare", "-m", "sh", "-c", script]
    return [*unshare, str(home), real_home, *argv]
