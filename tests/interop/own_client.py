"""Our own client, as it connects to the servers of others."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Unpack

import ssh_meta
from ssh_meta.keywords import ClientKwargs
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.roles import PeerServer


def connect(
    server: PeerServer, credentials: Credentials, **options: Unpack[ClientKwargs]
) -> AbstractAsyncContextManager[ssh_meta.SSHClientConnection]:
    """Connect to a server that is known, with the key of the user and nothing else.

    Options replace what is said here.
    """
    given: ClientKwargs = {
        "username": server.user,
        "known_hosts": str(credentials.known_hosts(server.port)),
        "client_keys": [str(credentials.user_key)],
        "agent_path": None,
    }
    given.update(options)
    return ssh_meta.connect(HOST, server.port, **given)
