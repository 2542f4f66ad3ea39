"""OpenSSH's agent, with a socket of its own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.peers.availability import program


@contextmanager
def ssh_agent(*keys: Path) -> Iterator[str]:
    """Run an agent with some keys; return the path of its socket."""
    # Not the folder of the test: its path may be too long for the name of a socket.
    with tempfile.TemporaryDirectory(prefix="agent-") as folder:
        path = f"{folder}/agent"
        words = [program("ssh-agent"), "-D", "-a", path]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            assert process.stdout is not None
            with process.stdout:
                # It prints the variables for the shell once its socket listens.
                assert b"SSH_AUTH_SOCK" in process.stdout.readline()
            for key in keys:
                environ = {**os.environ, "SSH_AUTH_SOCK": path}
                subprocess.run([program("ssh-add"), "-q", str(key)], env=environ, check=True)
            yield path
        finally:
            process.kill()
            process.wait()
