"""What vouches for a client in host-based authentication: keys of its host, name and user."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import cast

from ssh_keys import KeyListArg, SignatureError, SSHKeyPair

from ..options.client import SSHClientConnectionOptions
from ..userauth.hostbased import HostIdentity
from .client_auth import load_named_keys, local_username
from .client_hosts import resolve_host
from .keysign import find_keysign, load_keysign_keys

__all__ = ["host_identity", "load_host_keys"]


async def load_host_keys(options: SSHClientConnectionOptions) -> Sequence[SSHKeyPair]:
    """Return the private keys of this host that the options name; none if ssh-keysign has them.

    Raises OSError and KeyImportError for keys that can not be read.
    """
    keys = options.client_host_keys
    if not options.host_based_auth or not keys or options.client_host_keysign:
        return ()
    return await load_named_keys(keys, options.client_host_certs, options)


def host_identity(
    options: SSHClientConnectionOptions,
    pairs: Sequence[SSHKeyPair],
    extra_info: Callable[[str], object],
) -> HostIdentity | None:
    """Return what the options name to vouch for the client, None if they name nothing.

    Parameters:
        options: of the connection.
        pairs: from `load_host_keys`.
        extra_info: gives `socket` and `sockname` when the connection is made.

    Raises OSError and KeyImportError for public keys that can not be read, and ValueError if
    ssh-keysign is asked for and is not there.
    """
    keysign = options.client_host_keysign
    if options.host_based_auth and keysign:
        program = find_keysign(keysign)
        public = cast("KeyListArg | None", options.client_host_keys or None)
        pairs = load_keysign_keys(program, public, lambda: _descriptor(extra_info("socket")))
    if not pairs:
        return None
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
