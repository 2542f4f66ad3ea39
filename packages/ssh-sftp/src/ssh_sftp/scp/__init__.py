"""The scp protocol (that of rcp) over any pair of byte streams: source, sink, copy, server.

It has no specification; what is here is what OpenSSH's scp speaks with `-O`. Sources and sinks move
files of this machine, or those of an `SFTPServer`. Names are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ssh_sftp.scp.copy import receive_files, relay_files, send_files
    from ssh_sftp.scp.protocol import parse_command
    from ssh_sftp.scp.server import serve_scp

__all__ = [
    "BLOCK_SIZE",
    "parse_command",
    "receive_files",
    "relay_files",
    "send_files",
    "serve_scp",
]

BLOCK_SIZE: Final = 256 * 1024
"""Bytes per read and write of files."""

_HOME = {
    "parse_command": "ssh_sftp.scp.protocol",
    "receive_files": "ssh_sftp.scp.copy",
    "relay_files": "ssh_sftp.scp.copy",
    "send_files": "ssh_sftp.scp.copy",
    "serve_scp": "ssh_sftp.scp.server",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
