"""Whether a peer is installed. One that is missing is a visible skip, and a failure in CI."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[3]

#: Folders of servers, which are not on the path of every user.
EXTRA_PATH = ("/usr/sbin", "/sbin", "/usr/lib/openssh", "/usr/libexec/openssh")


def peers_required() -> bool:
    """Whether a missing peer is a failure."""
    return os.environ.get("CI") == "true" or os.environ.get("SSH_META_REQUIRE_PEERS") == "1"


def missing(what: str) -> NoReturn:
    """Skip the test because a peer is not installed, or fail it where peers are required."""
    reason = f"{what} is not installed; .ci/install-peers installs it"
    if peers_required():
        pytest.fail(reason)
    pytest.skip(reason)


def needs_root(what: str) -> NoReturn:
    """Skip the test because this user may not mount folders, or fail it as `missing` does."""
    reason = f"{what}: needs root and unshare, to mount a folder in a namespace of its own"
    if peers_required():
        pytest.fail(reason)
    pytest.skip(reason)


def find_program(name: str) -> str | None:
    """The absolute path of a program, also of one in a folder for servers."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *EXTRA_PATH]))


def program(name: str) -> str:
    """The absolute path of a program; without it, skip or fail the test."""
    return find_program(name) or missing(name)


def find_python() -> str | None:
    """The interpreter of the environment that holds AsyncSSH and Paramiko."""
    folder = Path(os.environ.get("SSH_META_PEERS") or ROOT / ".peers")
    python = folder / "bin" / "python"
    return str(python) if python.exists() else None


@cache
def can_import(python: str, module: str) -> bool:
    """Whether an interpreter finds a module."""
    return subprocess.run([python, "-c", f"import {module}"], check=False).returncode == 0


def python_with(module: str) -> str:
    """An interpreter that has a peer module; without it, skip or fail the test."""
    python = find_python()
    if python is None or not can_import(python, module):
        missing(f"the Python package {module}")
    return python
