"""What vouches for a client in host-based authentication: keys of its host, name and user."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from ssh_keys import KeyListArg, KeyPairListArg, SignatureError, load_keypairs

from ..options.client import SSHClientConnectionOptions
from ..userauth.hostbased import HostIdentity
from .client_auth import local_username
from .client_hosts import resolve_host
from .keysign import find_keysign, load_keysign_keys

__all__ = ["load_host_identity"]


def load_host_identity(
    options: SSHClientConnectionOptions, extra_info: Callable[[str], object]
) -> HostIdentity | None:
    """Return what the options name to vouch for the client, None if they name nothing.

    Parameters:
        options: of the connection.
        extra_info: gives `socket` and `sockname` when the connection is made.

    Raises OSError and KeyImportError for keys that can not be read, and ValueError if ssh-keysign
    is asked for and is not there.
    """
    keys, keysign = options.client_host_keys, options.client_host_keysign
    if not options.host_based_auth or not (keys or keysign):
        return None
    if keysign:
        program = find_keysign(keysign)
        public = cast("KeyListArg | None", keys or None)
        pairs = load_keysign_keys(program, public, lambda: _descriptor(extra_info("socket")))
    else:
        pairs = load_keypairs(
            cast(KeyPairListArg, keys), options.passphrase, certlist=options.client_host_certs
        )
    user = options.client_username

    async def host() -> str:
        return options.client_host or await _local_host(extra_info("sockname"))

    return HostIdentity(pairs, host, local_username() if isinstance(user, tuple) else user)


def _descriptor(connected: object) -> int:
    number: object = getattr(connected, "fileno", lambda: -1)()
    if not isinstance(number, int) or number < 0:
        raise SignatureError("ssh-keysign needs a connection with a socket of its own")
    return number


async def _local_host(address: object) -> str:
    """Return the name of this host: that of the address we connect from, else its own."""
    if isinstance(address, tuple) and address:
        addr = str(address[0])
        name = await resolve_host(addr)
        if name != addr:
            return name
    return await asyncio.get_running_loop().run_in_executor(None, socket.getfqdn)
