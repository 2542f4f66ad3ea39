"""The display of a client on its server: what local programs connect to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import x11
from ..channel.session_server import SSHServerChannel
from ..channel.x11 import SSHX11Channel
from ..forward.relay import RelaySession
from ..logging import Peer
from ..messages.connection import X11Request
from ..options.server import SSHServerConnectionOptions
from .server_agent import ServerAgent

__all__ = ["ServerX11"]


class ServerX11(ServerAgent):
    """Makes displays for sessions whose client forwards X11."""

    def _may_use_x11(self) -> bool:
        return not self._restrictions.get("no-X11-forwarding", False)

    async def _listen_x11(
        self, request: X11Request, channel: SSHServerChannel[Any]
    ) -> Mapping[str, str] | None:
        """A session offers a display: return variables for programs that use it, None for none."""
        options = self._options
        assert isinstance(options, SSHServerConnectionOptions)
        auth_path = options.x11_auth_path

        async def open_channel(
            session_factory: Callable[[], RelaySession], host: str, port: int
        ) -> None:
            x11_channel = SSHX11Channel(self, self._require_mux(), encoding=None)
            await x11_channel.connect(session_factory, host, port)

        try:
            listener = await x11.listen_display(request, open_channel, auth_path)
        except (OSError, ValueError) as exc:
            self._log.warning("no X11 forwarding: %s", Peer(exc))
            return None

        def close() -> None:
            self._closers.pop(listener, None)
            listener.close(lambda exc: self._log.warning("X11 cookie is left: %s", Peer(exc)))

        self.close_with_connection(listener, close)
        self._spawn(channel.wait_closed(), lambda result, error: close())
        variables = {"DISPLAY": listener.name}
        if auth_path is not None:
            variables["XAUTHORITY"] = listener.path
        return variables
