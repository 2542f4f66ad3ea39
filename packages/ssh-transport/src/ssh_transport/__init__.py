"""The SSH transport protocol (RFC 4253) as a sans-IO core with an asyncio adapter."""

from ssh_transport._version import __version__

__all__ = ["__version__"]
