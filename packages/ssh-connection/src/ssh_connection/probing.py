"""What a server shows before anybody logs in: its host key, and how one could log in."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from ssh_keys import SSHKey
from ssh_transport.constants import DisconnectReason
from ssh_transport.events import Event, HostKeyOffered

from .connection.client import SSHClientConnection
from .connection.opening import open_client
from .errors import PermissionDenied
from .merging import make_options
from .options.algorithms import AlgorithmsArg
from .options.base import ConfigArg, ProxyCommandArg
from .options.client import SSHClientConnectionOptions

__all__ = ["get_server_auth_methods", "get_server_host_key"]

_NONE = "none"


class _HostKeyProbe(SSHClientConnection):
    """Gets to know the host key, and leaves."""

    probed: SSHKey | None = None

    def _handle_event(self, event: Event) -> None:
        if isinstance(event, HostKeyOffered):
            self.probed = event.key
            self._established.set_result(None)
            self.disconnect(DisconnectReason.SSH_DISCONNECT_BY_APPLICATION, "host key seen")


async def get_server_host_key(
    host: str = "",
    port: int | tuple[()] = (),
    *,
    tunnel: str | SSHClientConnection | tuple[()] | None = (),
    proxy_command: ProxyCommandArg | tuple[()] = (),
    family: int | tuple[()] = (),
    flags: int = 0,
    local_addr: tuple[str, int] | tuple[()] | None = (),
    sock: socket.socket | None = None,
    client_version: str | bytes | tuple[()] = (),
    kex_algs: AlgorithmsArg = (),
    server_host_key_algs: AlgorithmsArg = (),
    config: ConfigArg | tuple[()] = (),
    options: SSHClientConnectionOptions | None = None,
) -> SSHKey | None:
    """Return the host key of a server; it has proved that it owns it, nothing else is known of it.

    Parameters:
        server_host_key_algs: which of its keys to ask for.

    The others and errors as of `connect`; nobody logs in.
    """
    merged = await make_options(
        SSHClientConnectionOptions,
        options,
        host=host or (),
        port=port,
        tunnel=tunnel,
        proxy_command=proxy_command,
        family=family,
        local_addr=local_addr,
        client_version=client_version,
        kex_algs=kex_algs or (),
        server_host_key_algs=server_host_key_algs or (),
        config=config,
        known_hosts=None,
        client_keys=None,
        username=_NONE,
        public_key_auth=False,
    )
    conn = await open_client(_HostKeyProbe, merged, sock=sock, flags=flags)
    await conn.wait_closed()
    return conn.probed


async def get_server_auth_methods(
    host: str = "",
    port: int | tuple[()] = (),
    username: str | tuple[()] = (),
    *,
    tunnel: str | SSHClientConnection | tuple[()] | None = (),
    proxy_command: ProxyCommandArg | tuple[()] = (),
    family: int | tuple[()] = (),
    flags: int = 0,
    local_addr: tuple[str, int] | tuple[()] | None = (),
    sock: socket.socket | None = None,
    client_version: str | bytes | tuple[()] = (),
    kex_algs: AlgorithmsArg = (),
    server_host_key_algs: AlgorithmsArg = (),
    config: ConfigArg | tuple[()] = (),
    options: SSHClientConnectionOptions | None = None,
) -> Sequence[str]:
    """Return the authentication methods that a server offers to a user (RFC 4252 section 5.2).

    They are as the server named them; "none" alone stands for a user who needs no authentication.
    Nothing is proved to the server, and its host key is not checked.

    Parameters:
        username: who would log in, the local user by default.

    The others and errors as of `connect`, apart from HostKeyNotVerifiable.
    """
    merged = await make_options(
        SSHClientConnectionOptions,
        options,
        host=host or (),
        port=port,
        username=username,
        tunnel=tunnel,
        proxy_command=proxy_command,
        family=family,
        local_addr=local_addr,
        client_version=client_version,
        kex_algs=kex_algs or (),
        server_host_key_algs=server_host_key_algs or (),
        config=config,
        known_hosts=None,
        client_keys=None,
        preferred_auth=_NONE,
    )
    try:
        conn = await open_client(SSHClientConnection, merged, sock=sock, flags=flags)
    except PermissionDenied as exc:
        if exc.methods is None:
            raise
        return [name.decode("utf-8", "backslashreplace") for name in exc.methods]
    conn.close()
    await conn.wait_closed()
    return [_NONE]
