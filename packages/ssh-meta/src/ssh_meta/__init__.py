"""SSH client and server for asyncio: connections, SFTP and agent in one import."""

from ssh_meta._version import __version__

__all__ = ["__version__"]
