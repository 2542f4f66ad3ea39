"""X11 displays of a client in the hands of a server: "x11" channels, this side."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias

from .. import x11
from ..channel.base import Channel
from ..channel.session_client import SSHClientChannel
from ..channel.x11 import X11_REQUEST, SSHX11Channel
from ..constants import (
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_REQUEST_X11_FORWARDING_FAILED,
    OPEN_RESOURCE_SHORTAGE,
)
from ..errors import ChannelOpenError
from ..logging import Peer
from ..messages.connection import ChannelOpen, X11Open
from .client_agent import ClientAgent

__all__ = ["ClientX11", "X11ForwardingArg"]

X11ForwardingArg: TypeAlias = bool | Literal["ignore_failure"]

MAX_X11_CHANNELS = 256
"""X11 connections that a server may have open at a time."""


class ClientX11(ClientAgent):
    """Passes a display on, to servers that were offered it in a session."""

    _x11: x11.ClientForwards | None = None

    def _connection_lost(self, exc: Exception | None) -> None:
        super()._connection_lost(exc)
        self._x11 = None

    async def _offer_x11(
        self,
        channel: SSHClientChannel[Any],
        forwarding: X11ForwardingArg,
        display: str | None,
        auth_path: str | Path | None,
        single: bool,
    ) -> None:
        """Ask the server to forward X11 in a session; raises ChannelOpenError if it does not."""
        if self._x11 is None:
            self._x11 = x11.ClientForwards(self._log)
        forwards = self._x11  # which the connection forgets when it is lost
        try:
            offer = await forwards.offer(channel, display, auth_path, single=single)
            if not await channel.request(X11_REQUEST, offer.request().encode()):
                forwards.withdraw(offer)
                raise ChannelOpenError(
                    OPEN_REQUEST_X11_FORWARDING_FAILED, "X11 forwarding request failed"
                )
        except ChannelOpenError as exc:
            if forwarding != "ignore_failure":
                raise
            self._log.info("no X11 forwarding: %s", Peer(exc.reason))

    def _x11_channel(self, request: ChannelOpen) -> Channel:
        """Make the channel for an X11 connection; raises ChannelOpenError if none is expected."""
        if self._x11 is None:
            self._log.warning("the server asked for a display that it was not offered")
            raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, "no display is forwarded")
        self._x11.check_open()
        opened = X11Open.decode(request.type_data)
        mux = self._require_mux()
        if sum(isinstance(each, SSHX11Channel) for each in mux.channels) >= MAX_X11_CHANNELS:
            raise ChannelOpenError(OPEN_RESOURCE_SHORTAGE, "too many X11 connections")
        self._log.debug(
            "X11 connection from %s port %s",
            Peer(opened.originator_address),
            opened.originator_port,
        )
        channel = SSHX11Channel(self, mux, encoding=None)
        channel.set_session(self._x11.new_session())
        return channel
