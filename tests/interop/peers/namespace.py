"""Run a server with an empty home folder for its user, in a mount namespace that only it sees.

It can get an /etc of its own there as well, with accounts that the machine does not have.

Servers take the home folder from the passwd file. What is there belongs to whoever runs the tests:
Dropbear would read its authorized_keys, and a shell its start-up files, which may be slow.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.interop.peers.availability import find_program


@cache
def can_mount() -> bool:
    """Whether this user may mount a folder over another one; root in a container may not."""
    unshare = find_program("unshare")
    if os.geteuid() != 0 or unshare is None:
        return False
    # Over a folder that everybody has, and that only the namespace loses.
    words = [unshare, "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


#: Mounts the home folder, then the /etc, of a command line behind them. A copy of /etc goes into
#: memory that ends with the namespace; what is to be different there is copied over it.
_SCRIPT = """\
set -e
mount --bind "$0" "$1"
if [ -n "$2" ]; then
    mount -t tmpfs -o mode=755 tmpfs "$2"
    cp -a /etc/. "$2"
    cp -R "$3/." "$2"
    mount --bind "$2" /etc
fi
shift 3
exec "$@"
"""


def with_home(argv: Sequence[str], home: Path, user: str, etc: Path | None = None) -> list[str]:
    """A command line that runs `argv` with `home` mounted over the home folder of a user.

    Args:
        argv: the program and its arguments.
        home: what the user gets as home folder.
        user: an account of this machine.
        etc: a folder whose files the program sees in /etc, in the place of the machine's own or
            beside them. Whatever is written to /etc is gone when the program has ended.
    """
    unshare = [find_program("unshare") or "unshare", "-m", "sh", "-c", _SCRIPT]
    mounts = [str(home), os.path.expanduser(f"~{user}"), "", ""]
    if etc is not None:
        over = etc.with_name("etc")
        over.mkdir(exist_ok=True)
        mounts[2:] = [str(over), str(etc)]
    return [*unshare, *mounts, *argv]
