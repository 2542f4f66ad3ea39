"""Listening on the peer's side for us (RFC 4254 section 7.1, PROTOCOL section 2.4).

`RemoteListeners` is the client's table: which listeners it asked the server for, and what accepts
the channels that the server opens for them. `ClientListeners` is the server's table: what it
listens on for the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol

from ssh_transport.errors import ConnectionLost, ProtocolError

from ..addresses import MAX_PORT, check_port
from ..awaiting import outlasting
from ..channel.base import Channel
from ..constants import OPEN_ADMINISTRATIVELY_PROHIBITED
from ..errors import ChannelListenError, ChannelOpenError, GlobalRequestError
from ..messages.connection import (
    CancelStreamlocalForward,
    CancelTcpipForward,
    ChannelOpen,
    ForwardedStreamlocal,
    ForwardedTcpip,
    StreamlocalForward,
    TcpipForward,
    TcpipForwardReply,
)
from .listener import SSHListener

__all__ = [
    "ClientListeners",
    "GlobalRequester",
    "RemoteListener",
    "RemoteListeners",
    "TCPAcceptor",
    "UNIXAcceptor",
]

MAX_LISTENERS: Final = 100
"""Listeners that a client may have on a server."""

TCPAcceptor = Callable[[str, int, str, int], "Channel | Awaitable[Channel]"]
"""Takes host and port of the listener and those of the originator, returns the channel with its
session set; raises ChannelOpenError to refuse."""
UNIXAcceptor = Callable[[], "Channel | Awaitable[Channel]"]


class GlobalRequester(Protocol):
    """What the tables need from the mux."""

    async def global_request(
        self, name: bytes, data: bytes = b"", answered: Callable[[bytes], None] | None = None
    ) -> bytes:
        """Send a global request and return the data of the reply."""
        ...


class RemoteListener(SSHListener):
    """A listener that the server has for us.

    Parameters:
        port: the port on the server, 0 for a UNIX domain socket.
        cancel: takes it out of the table and tells the server.
    """

    def __init__(self, port: int, cancel: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._port = port
        self._cancel: Callable[[], Awaitable[None]] | None = cancel
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def get_port(self) -> int:
        """Return the port that the server listens on, 0 for a UNIX domain socket."""
        return self._port

    def close(self) -> None:
        """Ask the server to stop listening; `wait_closed` waits for its answer."""
        if self._closing:
            return
        self._closing = True

        async def run() -> None:
            if self._cancel is not None:
                with suppress(ConnectionLost):  # then it does not listen any more, either
                    await self._cancel()

        self._task = asyncio.get_running_loop().create_task(run())
        # Not in the task, which the end of the loop may cancel before it begins.
        self._task.add_done_callback(lambda _: self.connection_lost())

    def connection_lost(self) -> None:
        """The connection ended, and the listener with it."""
        self._closing = True
        self._cancel = None  # which knows us
        super().close()


class RemoteListeners:
    """The client's table of listeners on the server.

    Parameters:
        mux: sends the requests.
    """

    def __init__(self, mux: GlobalRequester) -> None:
        self._mux = mux
        self._tcp: dict[tuple[str, int], TCPAcceptor] = {}
        self._unix: dict[str, UNIXAcceptor] = {}
        self._listeners: set[RemoteListener] = set()
        self._given_up: set[asyncio.Task[None]] = set()

    async def listen_tcp(self, host: str, port: int, acceptor: TCPAcceptor) -> SSHListener:
        """Ask the server to listen on a TCP port.

        Parameters:
            host: address to bind there; empty for all.
            port: 0 lets the server choose, see `get_port` of the result.
            acceptor: called for each connection.

        Raises ChannelListenError if the server refuses, ValueError for a port out of range.
        """
        check_port("listen_port", port)
        if (host, port) in self._tcp:
            raise ChannelListenError(f"already listening on {host or '*'} port {port}")
        bound = port

        def answered(reply: bytes) -> None:
            # Before any further message: a connection may already be in the next one.
            nonlocal bound
            if not port:
                bound = TcpipForwardReply.decode(reply).bound_port
                if not 0 < bound <= MAX_PORT:
                    raise ProtocolError(f"server listens on the impossible port {bound}")
            self._tcp[host, bound] = acceptor

        async def cancel() -> None:
            self._tcp.pop((host, bound), None)
            request = CancelTcpipForward(host, bound).encode()
            await self._request_end(b"cancel-tcpip-forward", request, listener)

        listener: RemoteListener | None = None
        try:
            request = TcpipForward(host, port).encode()
            await self._request(b"tcpip-forward", request, answered, cancel)
        except GlobalRequestError:
            raise ChannelListenError(f"Failed to listen on {host or '*'} port {port}") from None
        listener = RemoteListener(bound, cancel)
        self._listeners.add(listener)
        return listener

    async def listen_unix(self, path: str, acceptor: UNIXAcceptor) -> SSHListener:
        """Ask the server to listen on a UNIX domain socket.

        Raises ChannelListenError if the server refuses.
        """
        if path in self._unix:
            raise ChannelListenError(f"already listening on {path}")

        def answered(reply: bytes) -> None:
            self._unix[path] = acceptor

        async def cancel() -> None:
            self._unix.pop(path, None)
            request = CancelStreamlocalForward(path).encode()
            await self._request_end(b"cancel-streamlocal-forward@openssh.com", request, listener)

        listener: RemoteListener | None = None
        try:
            request = StreamlocalForward(path).encode()
            await self._request(b"streamlocal-forward@openssh.com", request, answered, cancel)
        except GlobalRequestError:
            raise ChannelListenError(f"Failed to listen on {path}") from None
        listener = RemoteListener(0, cancel)
        self._listeners.add(listener)
        return listener

    async def _request(
        self,
        name: bytes,
        data: bytes,
        answered: Callable[[bytes], None],
        cancel: Callable[[], Awaitable[None]],
    ) -> None:
        pending = asyncio.ensure_future(self._mux.global_request(name, data, answered))
        try:
            await outlasting(pending)
        except asyncio.CancelledError:
            # The server listens all the same, and would until the connection ends.
            task = asyncio.get_running_loop().create_task(self._give_up(pending, cancel))
            self._given_up.add(task)
            task.add_done_callback(self._given_up.discard)
            raise
        finally:
            del pending  # as in `Mux.open`

    async def _give_up(
        self, pending: asyncio.Future[bytes], cancel: Callable[[], Awaitable[None]]
    ) -> None:
        with suppress(GlobalRequestError, ConnectionLost):
            await pending
            await cancel()

    async def _request_end(
        self, name: bytes, data: bytes, listener: RemoteListener | None
    ) -> None:
        if listener is not None:
            self._listeners.discard(listener)
        try:
            await self._mux.global_request(name, data)
        except GlobalRequestError:
            # The server says that it did not listen any more: what was wanted.
            pass

    def open_requested(self, request: ChannelOpen) -> Channel | Awaitable[Channel]:
        """Accept a "forwarded-tcpip" or "forwarded-streamlocal@openssh.com" channel.

        Raises ChannelOpenError if we did not ask for that listener, PacketDecodeError if the
        request is malformed.
        """
        if request.channel_type == b"forwarded-tcpip":
            tcp = ForwardedTcpip.decode(request.type_data)
            acceptor = self._tcp.get((tcp.connected_address, tcp.connected_port))
            if acceptor is not None:
                return acceptor(
                    tcp.connected_address,
                    tcp.connected_port,
                    tcp.originator_address,
                    tcp.originator_port,
                )
        else:
            path = ForwardedStreamlocal.decode(request.type_data).socket_path
            unix_acceptor = self._unix.get(path)
            if unix_acceptor is not None:
                return unix_acceptor()
        raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, "No such listener")

    def connection_lost(self) -> None:
        """The connection ended, and all listeners with it."""
        self._tcp.clear()
        self._unix.clear()
        for listener in tuple(self._listeners):
            listener.connection_lost()
        self._listeners.clear()


class ClientListeners:
    """The server's table of what it listens on for its client.

    Parameters:
        listen_tcp: makes a listener for host and port, or returns None to refuse.
        listen_unix: the same for a path.
        max_listeners: how many there may be at a time.
    """

    def __init__(
        self,
        listen_tcp: Callable[[str, int], Awaitable[SSHListener | None]],
        listen_unix: Callable[[str], Awaitable[SSHListener | None]],
        *,
        max_listeners: int = MAX_LISTENERS,
    ) -> None:
        self._listen_tcp = listen_tcp
        self._listen_unix = listen_unix
        self._max_listeners = max_listeners
        self._listeners: dict[tuple[str, int] | str, SSHListener] = {}
        self._lost = False

    async def global_request(self, name: bytes, data: bytes) -> bytes | None:
        """Answer one of the four requests: the data of the reply, or None to refuse."""
        if name == b"tcpip-forward":
            return await self._add_tcp(TcpipForward.decode(data))
        if name == b"cancel-tcpip-forward":
            cancel = CancelTcpipForward.decode(data)
            return self._remove((cancel.address_to_bind, cancel.port_to_bind))
        if name == b"streamlocal-forward@openssh.com":
            return await self._add_unix(StreamlocalForward.decode(data))
        if name == b"cancel-streamlocal-forward@openssh.com":
            return self._remove(CancelStreamlocalForward.decode(data).socket_path)
        return None

    async def _add_tcp(self, request: TcpipForward) -> bytes | None:
        host, port = request.address_to_bind, request.port_to_bind
        if port > MAX_PORT or not self._has_room((host, port)):
            return None
        listener = await self._made(self._listen_tcp(host, port))
        if listener is None:
            return None
        # One that the application has made may not know its port.
        bound = listener.get_port() or port
        if not bound or not self._has_room((host, bound)):
            listener.close()
            return None
        self._listeners[host, bound] = listener
        return b"" if port else TcpipForwardReply(bound).encode()

    async def _add_unix(self, request: StreamlocalForward) -> bytes | None:
        path = request.socket_path
        if not self._has_room(path):
            return None
        listener = await self._made(self._listen_unix(path))
        if listener is None:
            return None
        self._listeners[path] = listener
        return b""

    def _has_room(self, key: tuple[str, int] | str) -> bool:
        # The application may have closed some.
        for name in [name for name, each in self._listeners.items() if each.is_closed()]:
            del self._listeners[name]
        return key not in self._listeners and len(self._listeners) < self._max_listeners

    async def _made(self, pending: Awaitable[SSHListener | None]) -> SSHListener | None:
        try:
            listener = await pending
        except (OSError, ChannelListenError):
            return None
        if listener is not None and self._lost:
            listener.close()
            return None
        return listener

    def _remove(self, key: tuple[str, int] | str) -> bytes | None:
        listener = self._listeners.pop(key, None)
        if listener is None:
            return None
        listener.close()
        return b""

    def connection_lost(self) -> None:
        """The connection ended: stop listening."""
        self._lost = True
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()
