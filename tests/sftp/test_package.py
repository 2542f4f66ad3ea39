"""The package itself: what an application reads before anything else."""

from __future__ import annotations

import ssh_sftp


def test_version_is_a_string() -> None:
    assert ssh_sftp.__version__.count(".") == 2
