"""What client and server connections have in common: their life from the socket to the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from ssh_transport.aio import create_core
from ssh_transport.config import DEFAULT_VERSION, TransportConfig
from ssh_transport.constants import DisconnectReason
from ssh_transport.core import TransportCore
from ssh_transport.errors import (
    ConnectionLost,
    ConnectionTimeoutError,
    DisconnectError,
)
from ssh_transport.events import (
    DebugReceived,
    Disconnected,
    Event,
    KexCompleted,
    PreBannerLine,
    VersionReceived,
)
from ssh_transport.protocols import Role

from ..awaiting import start_waiting
from ..closing import ClosedOnExit
from ..constants import DEFAULT_LANG, OPEN_CONNECT_FAILED, SSH_MSG_CHANNEL_DATA
from ..errors import ChannelOpenError, error_of_peer
from ..global_requests import Keepalive
from ..logging import ConnectionLog, Peer, SSHLogger, trace_packets
from ..mux import Mux
from ..options.base import SSHConnectionOptions
from ..options.units import parse_seconds
from .transport import ConnectionTransport

if TYPE_CHECKING:
    from ..channel.base import Channel
    from ..messages.connection import ChannelOpen

__all__ = ["SSHConnection"]


# Name for `get_extra_info`: the field of the algorithms on a client, and on a server.
_NEGOTIATED = {
    "kex": ("kex", "kex"),
    "server_host_key_algorithm": ("host_key", "host_key"),
    "send_cipher": ("cipher_cs", "cipher_sc"),
    "recv_cipher": ("cipher_sc", "cipher_cs"),
    "send_mac": ("mac_cs", "mac_sc"),
    "recv_mac": ("mac_sc", "mac_cs"),
    "send_compression": ("compression_cs", "compression_sc"),
    "recv_compression": ("compression_sc", "compression_cs"),
}


class _Callbacks(Protocol):
    """What the objects of the client and the server factory have in common."""

    def connection_lost(self, exc: Exception | None) -> None: ...

    def debug_msg_received(self, msg: str, lang: str, always_display: bool) -> None: ...


class SSHConnection(ClosedOnExit):
    """Base of `SSHClientConnection` and `SSHServerConnection`.

    Parameters:
        options: what was asked for.
        config: the transport's share of it.
        tunnelled: whether the bytes come through another SSH connection.

    Has to be made in a running event loop.
    """

    def __init__(
        self,
        options: SSHConnectionOptions,
        config: TransportConfig,
        *,
        tunnelled: bool = False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._options = options
        self._log = ConnectionLog()
        self._config = config
        self._core: TransportCore = create_core(config, tunnelled=tunnelled)
        trace_packets(self._core, self._log)
        self._transport = ConnectionTransport(self._core, self)
        self._mux: Mux | None = None
        self._owner: _Callbacks | None = None
        self._extra: dict[str, object] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._login_timer: asyncio.TimerHandle | None = None
        self._keepalive: Keepalive | None = None
        self._closers: dict[object, Callable[[], None]] = {}
        self._lost = False
        self._close_waiters: list[asyncio.Future[None]] = []
        self._application_ended = False
        self._error: Exception | None = None
        self._goodbye: DisconnectError | None = None

    @property
    def transport(self) -> ConnectionTransport:
        """The asyncio protocol that reads from the socket."""
        return self._transport

    @property
    def options(self) -> SSHConnectionOptions:
        """The options of the connection."""
        return self._options

    @property
    def log(self) -> ConnectionLog:
        """Where it logs."""
        return self._log

    @property
    def logger(self) -> SSHLogger:
        """Logger for what the application has to say about this connection."""
        return self._log.for_application()

    # --- TransportOwner ----------------------------------------------------------------------

    def on_connected(self, transport: asyncio.Transport) -> None:
        """The socket is connected; nothing was sent yet."""
        self._extra["peername"] = peername = transport.get_extra_info("peername")
        self._extra["sockname"] = transport.get_extra_info("sockname")
        self._log.info("connected with %s", Peer(peername))
        if self._options.tcp_keepalive:
            _keep_alive(transport)
        login_timeout = self._options.seconds("login_timeout")
        if login_timeout is not None:
            self._login_timer = self._loop.call_later(login_timeout, self._login_expired)
        self._guard(self._connected)

    def on_event(self, event: Event) -> None:
        """Something happened in the transport."""
        if isinstance(event, KexCompleted):
            self._kex_completed(event)
        elif isinstance(event, VersionReceived):
            self._log.info("peer is %s", Peer(event.version))
            name = "server_version" if self._config.role is Role.CLIENT else "client_version"
            self._extra[name] = event.version.decode("ascii", "backslashreplace")
        elif isinstance(event, PreBannerLine):
            self._log.debug("peer says %s", Peer(event.line))
        elif isinstance(event, DebugReceived):
            self._log.debug("debug message: %s", Peer(event.message))
            owner = self._owner
            if owner is not None:
                self._guard(
                    lambda: owner.debug_msg_received(
                        event.message, event.lang, event.always_display
                    )
                )
        elif isinstance(event, Disconnected):
            self._disconnected(event)
        else:
            self._handle_event(event)

    def on_writable(self) -> None:
        """Bulk data may be sent again."""
        if self._mux is not None:
            self._mux.on_writable()

    def on_lost(self, exc: DisconnectError | None) -> None:
        """The connection is gone."""
        error: Exception | None = self._error or self._goodbye or exc
        if self._application_ended and self._error is None:
            error = None
        self._lost = True
        self._authentication_over()
        if self._keepalive is not None:
            self._keepalive.stop()
            self._keepalive = None
        self._connection_lost(error)
        mux, self._mux = self._mux, None
        if mux is not None:
            mux.connection_lost(error)
        closers, self._closers = list(self._closers.values()), {}
        for close in closers:
            self._report(close)
        for task in tuple(self._tasks):
            task.cancel()
        owner, self._owner = self._owner, None
        if owner is not None:
            self._report(lambda: owner.connection_lost(error))
        self._log.info("closed: %s", Peer(error or "in order"))
        for waiter in self._close_waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._close_waiters.clear()

    # --- For the subclasses ------------------------------------------------------------------

    def _connected(self) -> None:
        """Make the owner and tell it."""

    def _kex_completed(self, event: KexCompleted) -> None:
        self._log.debug("keys exchanged: %s", event.algorithms)

    def _handle_event(self, event: Event) -> None:
        """Handle the events that are different on clients and servers."""

    def _connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: end what waits for it."""

    def _disconnected(self, event: Disconnected) -> None:
        if event.by_peer and event.error.code == DisconnectReason.SSH_DISCONNECT_BY_APPLICATION:
            # Whoever says goodbye in order has not failed.
            self._application_ended = self._mux is not None
        if event.by_peer:
            self._goodbye = error_of_peer(event.error)
        if self._error is None and not self._application_ended:
            who = "the peer" if event.by_peer else "us"
            self._log.info("ended by %s: %s", who, Peer(event.error.reason))

    def _authentication_over(self) -> None:
        if self._login_timer is not None:
            self._login_timer.cancel()
            self._login_timer = None

    def _login_expired(self) -> None:
        self._login_timer = None
        self._core.fail(ConnectionTimeoutError("authentication took too long"))

    def _start_channels(self, mux: Mux) -> None:
        """Authentication is over: go on with the connection protocol."""
        self._authentication_over()
        self._mux = mux
        self._core.set_handlers(mux.handlers(), (SSH_MSG_CHANNEL_DATA, mux.on_data_run))
        self.set_keepalive()

    def _require_mux(self) -> Mux:
        if self._lost or self._core.closed:
            raise ChannelOpenError(OPEN_CONNECT_FAILED, "SSH connection closed")
        if self._mux is None:
            raise ChannelOpenError(OPEN_CONNECT_FAILED, "SSH connection is not authenticated yet")
        return self._mux

    def _guard(self, call: Callable[[], None]) -> None:
        """Call a callback of the application; the connection does not survive its exception."""
        try:
            call()
        except Exception as exc:
            self._crashed(exc)

    def _report(self, call: Callable[[], None]) -> None:
        """Call a callback of the application when there is nothing left to close."""
        try:
            call()
        except Exception as exc:
            self._log.exception("callback failed", exc)

    def _crashed(self, exc: Exception) -> None:
        """A callback of the application failed: that is no state to go on in."""
        if isinstance(exc, DisconnectError):
            self._core.fail(exc)
            return
        self._error = self._error or exc
        self._core.fail(
            DisconnectError(DisconnectReason.SSH_DISCONNECT_BY_APPLICATION, "internal error")
        )

    def _spawn(
        self,
        awaitable: Awaitable[object],
        done: Callable[[object, BaseException | None], None],
    ) -> Callable[[], None]:
        """Wait for what a callback gave, in a task of its own."""

        cancelled = False

        async def wait() -> None:
            try:
                result = await awaitable
            except asyncio.CancelledError:
                if cancelled or self._lost:
                    raise
                done(None, ConnectionLost("a callback was cancelled"))
            except Exception as exc:
                done(None, exc)
            else:
                done(result, None)

        def cancel() -> None:
            nonlocal cancelled
            cancelled = True
            task.cancel()

        task = start_waiting(self._loop, wait(), awaitable)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return cancel

    def close_with_connection(self, key: object, close: Callable[[], None]) -> None:
        """Have something closed when the connection ends."""
        if self._lost:
            close()
        else:
            self._closers[key] = close

    # --- ConnectionServices: what channels need ----------------------------------------------

    def open_requested(self, request: ChannelOpen) -> Channel | Awaitable[Channel]:
        """The peer wants to open a channel."""
        raise NotImplementedError

    def global_request_received(
        self, name: bytes, data: bytes
    ) -> bytes | Awaitable[bytes | None] | None:
        """The peer made a global request; what we do not know is refused."""
        return None

    def channels_idle(self) -> None:
        """The last channel was closed."""

    # --- Public API --------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return what is known about the connection.

        Parameters:
            name: `username`, `client_version`, `server_version`, `send_cipher`, `send_mac`,
                `send_compression`, `recv_cipher`, `recv_mac`, `recv_compression`, `kex`,
                `server_host_key_algorithm`, `server_host_certificate` (on clients), `peername`,
                `sockname`, `host`, `port`, or a name of `asyncio.BaseTransport.get_extra_info`
                such as `socket`.
            default: what to return if it is not known.
        """
        if name in self._extra:
            return self._extra[name]
        algorithms = self._core.algorithms
        if algorithms is not None and name in _NEGOTIATED:
            field = _NEGOTIATED[name][self._config.role is Role.SERVER]
            value: bytes = getattr(algorithms, field)
            # A cipher that authenticates by itself is its own MAC.
            return (value or getattr(algorithms, field.replace("mac", "cipher"))).decode()
        return self._transport.get_extra_info(name, default)

    def set_extra_info(self, **kwargs: object) -> None:
        """Set what `get_extra_info` returns."""
        self._extra.update(kwargs)

    def set_keepalive(
        self, interval: float | str | None = None, count_max: int | None = None
    ) -> None:
        """Ask the peer regularly whether it is still there, from now on.

        Parameters:
            interval: seconds, or text such as `1m`; 0 to stop asking; None for the option
                `keepalive_interval`.
            count_max: questions without an answer after which the connection is closed; None for
                the option `keepalive_count_max`.

        Raises ValueError for negative values.
        """
        options = self._options
        if interval is not None:
            options_interval = parse_seconds("interval", interval)
        else:
            options_interval = options.seconds("keepalive_interval") or 0
        count = options.keepalive_count_max if count_max is None else count_max
        if count < 1:
            raise ValueError("count_max must be at least 1")
        if self._keepalive is not None:
            self._keepalive.stop()
            self._keepalive = None
        if options_interval > 0 and self._mux is not None and not self._lost:
            self._keepalive = Keepalive(
                self._loop,
                self._mux.global_request,
                self._core.fail,
                interval=options_interval,
                count_max=count,
            )
            self._keepalive.start()

    def send_debug(self, msg: str, lang: str = DEFAULT_LANG, always_display: bool = False) -> None:
        """Send SSH_MSG_DEBUG (RFC 4253 section 11.3).

        Parameters:
            msg: text for the peer's log.
            lang: its language tag.
            always_display: whether the peer should show it in any case.
        """
        self._core.send_debug(msg, always_display, lang)

    def is_closed(self) -> bool:
        """Whether the connection is closed or closing."""
        return self._lost or self._core.closed

    def abort(self) -> None:
        """Close at once: data that was not sent yet is lost."""
        self._application_ended = self._application_ended or not self._core.closed
        self._transport.abort()

    def close(self) -> None:
        """Close in order: send what is on its way to the socket and SSH_MSG_DISCONNECT."""
        self.disconnect(DisconnectReason.SSH_DISCONNECT_BY_APPLICATION, "disconnected by user")

    def disconnect(self, code: int, reason: str, lang: str = DEFAULT_LANG) -> None:
        """Close in order, telling the peer why (RFC 4253 section 11.1).

        Parameters:
            code: a `DISC_*` reason.
            reason: text for a person.
            lang: its language tag.
        """
        if not self._core.closed:
            self._application_ended = True
            self._transport.disconnect(code, reason, lang)

    async def wait_closed(self) -> None:
        """Wait until the connection is closed and the last callback was called."""
        if not self._lost:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._close_waiters.append(waiter)
            await waiter


def _keep_alive(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    if sock is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except OSError:
            # The peer has reset the connection already; connection_lost will tell.
            pass


def version_string(version: str | bytes | tuple[()]) -> bytes:
    """Return our identification string for an option that names software and version."""
    if isinstance(version, tuple):
        return DEFAULT_VERSION
    software = version.encode("ascii", "strict") if isinstance(version, str) else version
    return b"SSH-2.0-" + software
