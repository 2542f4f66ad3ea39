"""`SSHClientConnection` with what ssh-connection leaves to others: SFTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import ssh_connection
import ssh_sftp
from ssh_connection import SSHAcceptor
from ssh_connection.acceptor import AcceptHandler, ErrorHandler
from ssh_connection.api import make_options, open_reverse, open_server
from ssh_connection.connection.client_sessions import EnvArg
from ssh_connection.opening import opening
from ssh_connection.options.base import ConfigArg

from .keywords import ServerKwargs
from .options import SSHClientConnectionOptions, SSHServerConnectionOptions
from .server import SSHServerConnection
from .sftp import SFTPClientSession

if TYPE_CHECKING:
    from ssh_sftp import SFTPClient

__all__ = ["SSHClientConnection"]

_WINDOW = 16 * 1024 * 1024
_PACKET = 128 * 1024


class SSHClientConnection(ssh_connection.SSHClientConnection):
    """A connection to a server.

    Made by `connect` and its like; not directly.
    """

    options_class = SSHClientConnectionOptions

    @opening
    async def start_sftp_client(
        self,
        env: EnvArg | tuple[()] = (),
        send_env: Sequence[str] | tuple[()] | None = (),
        path_encoding: str | None = "utf-8",
        path_errors: str = "strict",
        sftp_version: int = 3,
    ) -> SFTPClient:
        """Start an SFTP session: `await` it, or use it in `async with`, which ends it.

        Parameters:
            env: environment variables for the server's process; a mapping, or a list of
                NAME=value. Most servers accept only a few names.
            send_env: names of local environment variables to send, with wildcards.
            path_encoding: encoding of file names; None for names in bytes only.
            path_errors: what to do about errors in names, as for `bytes.decode`.
            sftp_version: highest version of the protocol to offer, 3 to 6.

        Raises ChannelOpenError if the server refuses the session or has no SFTP, SFTPError if it
        does not start, and ValueError for a version that does not exist.
        """
        if not 3 <= sftp_version <= 6:
            raise ValueError(f"sftp_version must be 3 to 6, not {sftp_version}")
        handler = ssh_sftp.SFTPClientHandler()
        try:
            await self.create_session(
                lambda: SFTPClientSession(handler),
                None,
                subsystem="sftp",
                env=env,
                send_env=send_env,
                request_pty=False,
                encoding=None,
                window=_WINDOW,
                max_pktsize=_PACKET,
            )
            await handler.start(sftp_version)
        except BaseException:
            handler.abort()
            raise
        return ssh_sftp.SFTPClient(handler, path_encoding, path_errors)

    @opening
    async def connect_reverse_ssh(
        self,
        host: str,
        port: int | tuple[()] = (),
        *,
        config: ConfigArg = (),
        options: ssh_connection.SSHServerConnectionOptions | None = None,
        **kwargs: Unpack[ServerKwargs],
    ) -> SSHServerConnection:
        """Connect through this server to a client that waits for servers, and serve it.

        Parameters:
            host, port: where this server connects to.
            config, options, kwargs: as of `connect_reverse`.

        Returns and raises as `connect_reverse`.
        """
        merged = await make_options(
            SSHServerConnectionOptions,
            options,
            host=host,
            port=port,
            tunnel=self,
            config=config,
            **kwargs,
        )
        return await open_reverse(SSHServerConnection, merged, type(self))

    @opening
    async def listen_ssh(  # type: ignore[override]  # as `listen`, it gives our connections
        self,
        host: str = "",
        port: int | tuple[()] = (),
        *,
        acceptor: AcceptHandler[SSHServerConnection] | None = None,
        error_handler: ErrorHandler[SSHServerConnection] | None = None,
        config: ConfigArg = (),
        options: ssh_connection.SSHServerConnectionOptions | None = None,
        **kwargs: Unpack[ServerKwargs],
    ) -> SSHAcceptor[SSHServerConnection]:
        """Have this server listen for SSH clients, and serve them here.

        Parameters:
            host, port: address on the server; an empty host for all, port 0 for any.
            acceptor, error_handler, config, options, kwargs: as of `listen`.

        Returns and raises as `listen`; ChannelListenError if the server refuses.
        """
        merged = await make_options(
            SSHServerConnectionOptions,
            options,
            host=host,
            port=port,
            tunnel=self,
            config=config,
            **kwargs,
        )
        return await open_server(
            SSHServerConnection,
            merged,
            type(self),
            acceptor=acceptor,
            error_handler=error_handler,
        )
