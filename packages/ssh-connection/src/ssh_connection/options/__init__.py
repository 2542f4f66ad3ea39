"""Options of connections: one documented field each."""

from .base import SSHConnectionOptions
from .client import SSHClientConnectionOptions
from .server import SSHServerConnectionOptions

__all__ = [
    "SSHClientConnectionOptions",
    "SSHConnectionOptions",
    "SSHServerConnectionOptions",
]
