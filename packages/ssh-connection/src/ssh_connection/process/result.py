"""What is left of a process when it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from ssh_keys.record import Struct

from ..errors import ExitSignal

__all__ = ["SSHCompletedProcess"]

Output_co = TypeVar("Output_co", bytes, str, covariant=True)


class SSHCompletedProcess(Struct, Generic[Output_co]):
    """Result of `SSHClientProcess.wait` and of `run`.

    Parameters:
        env: environment variables that were sent.
        command: the command, or None.
        subsystem: the subsystem, or None.
        exit_status: the exit status; -1 if a signal ended the process; None if the server
            reported neither.
        exit_signal: signal name, core dumped, message and language; None without a signal.
        returncode: exit status, or the negative number of the signal.
        stdout, stderr: output that was not redirected elsewhere, empty otherwise.
    """

    env: Mapping[str, str] | None
    command: str | None
    subsystem: str | None
    exit_status: int | None
    exit_signal: ExitSignal | None
    returncode: int | None
    stdout: Output_co
    stderr: Output_co
