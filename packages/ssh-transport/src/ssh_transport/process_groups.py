"""Ending a program that we started together with the programs that it has started.

A signal to a process does not reach its children: a shell that is killed leaves what it runs. A
program with a session of its own is also a process group of its own, and that can be ended as one.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

__all__ = ["HANG_UP", "KILL", "has_terminal", "signal_group", "signal_program"]

HANG_UP = getattr(signal, "SIGHUP", signal.SIGTERM)
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def has_terminal() -> bool:
    """Return whether programs have a terminal to ask on, which a session of their own has not."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | getattr(os, "O_NOCTTY", 0)))
    except OSError:
        return False
    return True


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a program and its children, as far as they are there.

    Parameters:
        pid: of a program that was started with a session of its own, and that may have ended.
        number: the signal.
    """
    # A program of another user, as ssh-keysign, can not be signalled, but does not stay either.
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(pid, number)
        else:  # pragma: no cover - Windows
            os.kill(pid, number)


def signal_program(pid: int, number: int) -> None:
    """Send a signal to a program alone, if it is there.

    Parameters:
        pid: of a program that was started by us, and whose status nobody has yet.
        number: the signal.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
