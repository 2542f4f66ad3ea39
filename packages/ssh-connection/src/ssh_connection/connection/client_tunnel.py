"""SSH through a client's connection, in both directions and for both roles."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Self, Unpack, cast

from ..acceptor import AcceptHandler, ErrorHandler, SSHAcceptor
from ..client import SSHClient
from ..listening import open_reverse_server, open_server
from ..merging import make_options
from ..opening import opening
from ..options.base import ConfigArg
from ..options.client import SSHClientConnectionOptions
from ..options.keywords import ClientKwargs, CreateConnectionKwargs, ServerKwargs
from ..options.server import SSHServerConnectionOptions
from .base import SSHConnection
from .opening import open_client, open_reverse
from .server import SSHServerConnection

if TYPE_CHECKING:
    from .client import SSHClientConnection

__all__ = ["ClientTunnel"]


class ClientTunnel(SSHConnection):
    """Connects to other SSH servers and clients through its server, and listens for them there."""

    options_class: ClassVar[type[SSHClientConnectionOptions]] = SSHClientConnectionOptions

    @property
    def _tunnel(self) -> SSHClientConnection:
        return cast("SSHClientConnection", self)

    @opening
    async def connect_ssh(
        self,
        host: str,
        port: int | tuple[()] = (),
        *,
        config: ConfigArg = (),
        options: SSHClientConnectionOptions | None = None,
        **kwargs: Unpack[ClientKwargs],
    ) -> Self:
        """Connect to another SSH server through this one.

        Parameters:
            host, port: where this server connects to.
            config, options, kwargs: as of `connect`; nothing is taken over from the options of this
                connection.

        Returns and raises as `connect`.
        """
        merged = await make_options(
            self.options_class,
            options,
            host=host,
            port=port,
            tunnel=self._tunnel,
            config=config,
            **kwargs,
        )
        return cast(Self, await open_client(type(self._tunnel), merged))

    async def create_ssh_connection(
        self,
        client_factory: Callable[[], SSHClient] | None,
        host: str,
        port: int | tuple[()] = (),
        *,
        config: ConfigArg = (),
        options: SSHClientConnectionOptions | None = None,
        **kwargs: Unpack[CreateConnectionKwargs],
    ) -> tuple[Self, SSHClient]:
        """Connect to another SSH server through this one, with an object for its callbacks.

        Parameters:
            client_factory: makes the `SSHClient`; None for the default.

        The others as of `connect_ssh`. Returns the connection and the object.
        """
        full = cast(ClientKwargs, {**kwargs})
        if client_factory is not None:
            full["client_factory"] = client_factory
        conn = await self.connect_ssh(host, port, config=config, options=options, **full)
        return conn, conn._tunnel.owner

    @opening
    async def connect_reverse_ssh(
        self,
        host: str,
        port: int | tuple[()] = (),
        *,
        config: ConfigArg = (),
        options: SSHServerConnectionOptions | None = None,
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
            tunnel=self._tunnel,
            config=config,
            **kwargs,
        )
        return await open_reverse(SSHServerConnection, merged, type(self._tunnel))

    @opening
    async def listen_ssh(
        self,
        host: str = "",
        port: int | tuple[()] = (),
        *,
        acceptor: AcceptHandler[SSHServerConnection] | None = None,
        error_handler: ErrorHandler[SSHServerConnection] | None = None,
        config: ConfigArg = (),
        options: SSHServerConnectionOptions | None = None,
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
            tunnel=self._tunnel,
            config=config,
            **kwargs,
        )
        return await open_server(
            SSHServerConnection,
            merged,
            type(self._tunnel),
            acceptor=acceptor,
            error_handler=error_handler,
        )

    @opening
    async def listen_reverse_ssh(
        self,
        host: str = "",
        port: int | tuple[()] = (),
        *,
        acceptor: AcceptHandler[SSHClientConnection] | None = None,
        error_handler: ErrorHandler[SSHClientConnection] | None = None,
        config: ConfigArg = (),
        options: SSHClientConnectionOptions | None = None,
        **kwargs: Unpack[ClientKwargs],
    ) -> SSHAcceptor[SSHClientConnection]:
        """Have this server listen for SSH servers that connect, and log in to them from here.

        Parameters:
            host, port: address on the server; an empty host for all, port 0 for any.
            acceptor, error_handler, config, options, kwargs: as of `listen_reverse`.

        Returns and raises as `listen_reverse`; ChannelListenError if the server refuses.
        """
        merged = await make_options(
            self.options_class,
            options,
            host=host,
            port=port,
            tunnel=self._tunnel,
            config=config,
            **kwargs,
        )
        return await open_reverse_server(
            type(self._tunnel), merged, acceptor=acceptor, error_handler=error_handler
        )
