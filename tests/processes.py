"""Whether a program is still there."""

from __future__ import annotations

import os
import select
from pathlib import Path


def alive(pid: object) -> bool:
    """Whether there is a process of this number; one that nobody has waited for counts."""
    assert isinstance(pid, int)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Family:
    """A shell command that starts another program and waits for it, and whether one is left.

    Each of them holds a FIFO open for writing, so its reader sees the end when the last has gone,
    however long a process that has ended stays in the table.

    Parameters:
        path: where to make the FIFO.
    """

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._path = path
        self.command = f"exec 3>{path}; echo started >&3; sleep 60 & sleep 60"

    def wait_started(self) -> None:
        """Wait until the command runs."""
        assert select.select([self._reader], [], [], 60)[0]
        assert os.read(self._reader, 100) == b"started\n"

    def wait_gone(self) -> None:
        """Wait until nothing of it is left; fails if that takes half of the time it would run."""
        # If the command was ended before it opened the FIFO, there was no writer but this one.
        os.close(os.open(self._path, os.O_WRONLY))
        while True:
            assert select.select([self._reader], [], [], 30)[0], "something was left running"
            if not os.read(self._reader, 100):
                os.close(self._reader)
                return
