"""Tunnels of network packets that clients ask for (PROTOCOL section 2.3)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from .. import tuntap
from ..channel.base import Channel
from ..channel.link import DEFAULT_MAX_PKTSIZE, DEFAULT_WINDOW
from ..constants import OPEN_ADMINISTRATIVELY_PROHIBITED, OPEN_CONNECT_FAILED
from ..errors import ChannelOpenError
from ..logging import Peer
from ..messages.connection import ChannelOpen, TunOpen
from ..session import SSHTunTapSession
from .server_forward import ServerForwarding

if TYPE_CHECKING:
    from ..tuntap import SSHTunTapChannel, TunnelMode

__all__ = ["ServerTunTap"]


class ServerTunTap(ServerForwarding):
    """Decides about tunnels, with the key's options and the callbacks."""

    def _tunnel(self, request: ChannelOpen) -> Channel | Awaitable[Channel]:
        wanted = TunOpen.decode(request.type_data)
        try:
            mode = tuntap.TunnelMode(wanted.tunnel_mode)
            unit = tuntap.unit_of(wanted.remote_unit_number)
        except ValueError as exc:
            raise ChannelOpenError(OPEN_CONNECT_FAILED, str(exc)) from None
        unit = self._permitted_unit(mode, unit)
        self._log.info("tunnel to %s device %s requested", mode.device, unit)
        new = self.create_tuntap_channel()
        ethernet = mode is tuntap.TunnelMode.ETHERNET

        def make(answer: Any) -> Channel | Awaitable[Channel]:
            if answer is True:
                answer = self._device(mode, unit)
            channel = self._answered(answer, new, SSHTunTapSession, tuntap.SSHTunTapStreamSession)
            assert isinstance(channel, tuntap.SSHTunTapChannel)
            channel.mode = mode
            return channel

        ask = self.owner.tap_requested if ethernet else self.owner.tun_requested
        return self._when(ask(unit), make)

    def _permitted_unit(self, mode: TunnelMode, unit: int | None) -> int | None:
        """Return the unit that is to be opened; raises ChannelOpenError if none may be."""
        restrictions = self._restrictions
        # Who may reach some addresses only may not reach a whole network.
        forbidding = {"permitopen", "permitlisten", f"no-{mode.device}"}
        permitted = self._may_forward() and not restrictions.keys() & forbidding
        only = restrictions.get("tunnel")  # as of sshd(8): a number, or "any"
        if isinstance(only, str):
            number = None if only.lower() == "any" else int(only)
            permitted = permitted and unit in (None, number)
            unit = number
        if not permitted:
            raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, "Tunnel not permitted")
        return unit

    def _device(self, mode: TunnelMode, unit: int | None) -> SSHTunTapSession:
        try:
            forwarder, session = tuntap.open_relay(mode, unit)
        except OSError as exc:
            self._log.warning("no device for a tunnel: %s", Peer(exc))
            reason = exc.strerror or "Tunnel device failed"
            raise ChannelOpenError(OPEN_CONNECT_FAILED, reason) from None
        self._log.info("tunnel through %s", forwarder.get_extra_info("interface"))
        return session

    # --- Public API --------------------------------------------------------------------------

    def create_tuntap_channel(
        self, window: int = DEFAULT_WINDOW, max_pktsize: int = DEFAULT_MAX_PKTSIZE
    ) -> SSHTunTapChannel:
        """Make a channel, to be returned from `tun_requested` or `tap_requested` with its session.

        Parameters:
            window: bytes that the client may send before they are read.
            max_pktsize: bytes in one packet of the client with 4 in front of it, at most.
        """
        mux = self._require_mux()
        return tuntap.SSHTunTapChannel(self, mux, window=window, max_pktsize=max_pktsize)
