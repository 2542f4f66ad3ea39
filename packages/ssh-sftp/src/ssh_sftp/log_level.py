"""The level of what this package logs."""

from __future__ import annotations

import logging

__all__ = ["set_sftp_log_level"]


def set_sftp_log_level(level: int | str) -> None:
    """Set the level from which on SFTP and scp are logged, as for `logging.Logger.setLevel`."""
    logging.getLogger("ssh_sftp").setLevel(level)
