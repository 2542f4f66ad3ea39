"""SSH keys, certificates, known_hosts and authorized_keys, without any network code."""

from ssh_keys._version import __version__

__all__ = ["__version__"]
