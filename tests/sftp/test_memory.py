"""Memory that files' contents pass through stays with the process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_BLOCKS_AFTER_IMPORT = """
import resource
import {module}

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def blocks():
    for _ in range(200):
        block = [b"x" * 262_144 for _ in range(2)]
        del block

blocks()
before = faults()
blocks()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these thresholds")
@pytest.mark.parametrize(
    "module",
    [
        "ssh_sftp.client.client_transfer",
        "ssh_sftp.server.filesystem",
        "ssh_sftp.scp.source",
        "ssh_sftp.scp.sink",
    ],
)
def test_blocks_of_a_transfer_take_no_page_faults(module: str) -> None:
    """The server did not have it while only the client's transfers asked for it: 96 a block."""
    child = [sys.executable, "-c", _BLOCKS_AFTER_IMPORT.format(module=module)]
    done = subprocess.run(child, capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) < 1000
