"""SFTP codec, client and server over any byte stream, with no dependency."""

from ssh_sftp._version import __version__

__all__ = ["__version__"]
