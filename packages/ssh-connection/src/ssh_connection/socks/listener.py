"""Listens for SOCKS clients, and relays each one through a channel to where it wants to go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from ..channel.text import SSHChannel
from ..constants import OPEN_ADMINISTRATIVELY_PROHIBITED, OPEN_CONNECT_FAILED
from ..errors import ChannelOpenError
from ..forward.accepted import AcceptedForwarder
from ..forward.listener import SocketListener, SSHListener, listen_tcp
from ..forward.relay import AcceptHandler, RelaySession
from ..logging import ConnectionLog, Peer
from .handshake import Reply, SocksError, SocksHandshake, SocksRequest, encode_reply

__all__ = ["HANDSHAKE_TIMEOUT", "MAX_HANDSHAKES", "SocksListener", "listen_socks"]

HANDSHAKE_TIMEOUT: Final = 30.0
"""Seconds that a client has for its request."""

MAX_HANDSHAKES: Final = 256
"""Clients that may be on their way to a request at a time; more are closed at once."""

DestinationOpener: TypeAlias = Callable[
    [Callable[[], RelaySession], str, int, str, int], Awaitable[object]
]
"""Opens a channel with the session that its first argument makes, to a host and port, for a
connection from the host and port of the others; raises ChannelOpenError."""

_REPLIES: Final = {
    OPEN_ADMINISTRATIVELY_PROHIBITED: Reply.NOT_ALLOWED,
    OPEN_CONNECT_FAILED: Reply.CONNECTION_REFUSED,
}


class SocksListener(SSHListener):
    """A local port for SOCKS clients.

    Parameters:
        sockets: what listens.
        pending: clients that have not said yet where they want to go; closed with the listener.
    """

    def __init__(self, sockets: SocketListener, pending: set[_SocksForwarder]) -> None:
        super().__init__()
        self._sockets = sockets
        self._pending = pending

    def get_port(self) -> int:
        """Return the port that is listened on."""
        return self._sockets.get_port()

    def get_addresses(self) -> list[tuple[object, ...]]:
        """Return the socket addresses that are listened on."""
        return self._sockets.get_addresses()

    def close(self) -> None:
        """Stop listening; connections whose request is there go on."""
        if self.is_closed():
            return
        self._sockets.close()
        for forwarder in list(self._pending):
            forwarder.close()
        super().close()


class _SocksForwarder(AcceptedForwarder):
    """The socket's side of a connection whose client says where it goes."""

    def __init__(
        self,
        opener: DestinationOpener,
        accept_handler: AcceptHandler | None,
        pending: set[_SocksForwarder],
        timeout: float,
        log: ConnectionLog,
    ) -> None:
        super().__init__(accept_handler)
        self._opener = opener
        self._handshakes = pending
        self._timeout = timeout
        self._log = log
        self._handshake: SocksHandshake | None = None
        self._request: SocksRequest | None = None
        self._timer: asyncio.TimerHandle | None = None

    def _accepted(self) -> None:
        """Wait for the client's request."""
        if len(self._handshakes) >= MAX_HANDSHAKES:
            self._log.warning("too many SOCKS clients without a request")
            self.close()
            return
        self._handshake = SocksHandshake()
        self._handshakes.add(self)
        self._timer = asyncio.get_running_loop().call_later(self._timeout, self._expired)
        self.set_reading(True)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed: nothing is waited for any more."""
        self._end_handshake()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A piece of the handshake, or data behind it."""
        if self._handshake is None:
            if self._request is not None:
                super().data_received(data)
            return
        try:
            self._request = self._handshake.feed(data)
            output, self._handshake.output = self._handshake.output, b""
        except SocksError as exc:
            self._log.info("SOCKS client refused: %s", exc)
            output, self._handshake.output = self._handshake.output, b""
            self._send(output + exc.reply)
            self.close()
            return
        self._send(output)
        if self._request is not None:
            # Kept until there is a channel; nothing more is read before.
            rest = self._handshake.rest()
            self._end_handshake()
            self.set_reading(False)
            if rest:
                super().data_received(rest)
            self._begin()

    def eof_received(self) -> bool:
        """EOF in a handshake ends the connection; behind it, it goes to the channel."""
        return self._request is not None and super().eof_received()

    def attach(self, channel: SSHChannel[bytes]) -> None:
        """The channel is open: say so to the client, then begin to relay."""
        self._answer(Reply.SUCCEEDED)
        super().attach(channel)

    def refuse(self, exc: ChannelOpenError | None) -> None:
        """There is no channel: say why, as far as SOCKS has words for it."""
        if exc is None:
            self._answer(Reply.NOT_ALLOWED)
        else:
            self._log.info("SOCKS request failed: %s", Peer(exc.reason))
            self._answer(_REPLIES.get(exc.code, Reply.GENERAL_FAILURE))
        self.close()

    def close(self) -> None:
        """Close the socket, and with it the channel."""
        self._end_handshake()
        super().close()

    def _open(self, factory: Callable[[], RelaySession], host: str, port: int) -> Awaitable[object]:
        assert self._request is not None
        wanted = self._request
        self._log.debug("SOCKS request for %s, port %d", Peer(wanted.host), wanted.port)
        return self._opener(factory, wanted.host, wanted.port, host, port)

    def _answer(self, reply: Reply) -> None:
        if self._request is not None:
            self._send(encode_reply(self._request.version, reply))

    def _send(self, data: bytes) -> None:
        # A few bytes for each connection: a client that does not read them costs no more.
        if data and self._transport is not None:
            self._transport.write(data)

    def _expired(self) -> None:
        self._log.info("SOCKS client has made no request in %g seconds", self._timeout)
        self.close()

    def _end_handshake(self) -> None:
        self._handshake = None
        self._handshakes.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def listen_socks(
    opener: DestinationOpener,
    listen_host: str | None,
    listen_port: int,
    accept_handler: AcceptHandler | None,
    log: ConnectionLog,
    *,
    timeout: float = HANDSHAKE_TIMEOUT,
) -> SocksListener:
    """Listen on a TCP port for SOCKS clients.

    Parameters:
        opener: opens the channel of one connection.
        listen_host: empty or None for all interfaces.
        listen_port: 0 for one that is free.
        accept_handler: says for each connection whether it may be forwarded; None: all may.
        log: where requests are logged.
        timeout: seconds that a client has for its request.

    Raises OSError if a socket can not be bound, ValueError for what is no port or no name.
    """
    pending: set[_SocksForwarder] = set()
    sockets = await listen_tcp(
        lambda: _SocksForwarder(opener, accept_handler, pending, timeout, log),
        listen_host,
        listen_port,
    )
    return SocksListener(sockets, pending)
