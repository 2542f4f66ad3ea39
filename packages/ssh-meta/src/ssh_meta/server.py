"""`SSHServerConnection` of ssh-meta."""

from __future__ import annotations

import ssh_connection

__all__ = ["SSHServerConnection"]


class SSHServerConnection(ssh_connection.SSHServerConnection):
    """A connection of a client.

    Made by `listen` and its like; an application gets it in `SSHServer.connection_made`.
    """
