"""A client of the SSH agent protocol."""

from ssh_agent._version import __version__

__all__ = ["__version__"]
