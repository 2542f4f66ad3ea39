"""SSH user authentication and channels (RFC 4252, RFC 4254): sessions, processes, forwarding."""

from ssh_connection._version import __version__

__all__ = ["__version__"]
