"""The agent of a client on its server: streams to it, and a socket for local programs."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress

from ..awaiting import outlasting
from ..channel.agent import SSHAgentChannel
from ..constants import OPEN_ADMINISTRATIVELY_PROHIBITED
from ..errors import ChannelOpenError
from ..forward.listener import SSHListener, forward_unix_listener
from ..session import SSHUNIXSession
from ..stream import SSHReader, SSHWriter
from ..stream_session import SSHUNIXStreamSession
from ..userauth.protocols import KeyOptions
from .base import SSHConnection

__all__ = ["ServerAgent"]


class ServerAgent(SSHConnection):
    """Uses the agent of a client that has offered it in a session."""

    _agent_offered = False
    _agent_socket: asyncio.Task[str | None] | None = None

    @property
    def _restrictions(self) -> KeyOptions:
        raise NotImplementedError

    def _may_use_agent(self) -> bool:
        return not self._restrictions.get("no-agent-forwarding", False)

    async def _agent_listener(self) -> str | None:
        """A session offers the agent: return the path of a socket that leads to it.

        There is one for all sessions of a connection. None if there can be none.
        """
        self._agent_offered = True
        if self._agent_socket is None:
            self._agent_socket = self._loop.create_task(self._listen_for_agent())
        try:
            return await outlasting(self._agent_socket)
        except OSError as exc:
            self._log.warning("no socket for the agent: %s", exc)
            return None

    async def _listen_for_agent(self) -> str | None:
        if not hasattr(socket, "AF_UNIX"):
            return None
        folder = os.path.join(_temporary_folder(), f"ssh-{os.urandom(8).hex()}")
        # Nobody but us may even look into it. An existing one is not taken: OSError.
        os.mkdir(folder, 0o700)
        path = os.path.join(folder, f"agent.{os.getpid()}")
        try:
            listener = await forward_unix_listener(
                lambda factory, host, port: self._open_agent_channel(factory), path
            )
        except BaseException:
            os.rmdir(folder)
            raise
        self.close_with_connection(listener, lambda: _remove(listener, folder))
        return path

    async def _open_agent_channel(
        self, session_factory: Callable[[], SSHUNIXSession[bytes]]
    ) -> SSHAgentChannel:
        if not self._agent_offered:
            raise ChannelOpenError(
                OPEN_ADMINISTRATIVELY_PROHIBITED, "the client does not forward an agent"
            )
        channel = SSHAgentChannel(self, self._require_mux(), encoding=None)
        await channel.connect(session_factory)
        return channel

    # --- Public API --------------------------------------------------------------------------

    async def open_agent_connection(self) -> tuple[SSHReader[bytes], SSHWriter[bytes]]:
        """Open a stream to the agent of the client, which it has to have offered in a session.

        A connection object can be given to `ssh_agent.connect_agent`, which calls this.

        Raises ChannelOpenError if the client does not forward an agent.
        """
        session = SSHUNIXStreamSession[bytes]()
        channel = await self._open_agent_channel(lambda: session)
        return SSHReader(session, channel), SSHWriter(session, channel)


def _temporary_folder() -> str:
    # As tempfile.gettempdir, whose module takes long to import.
    return os.environ.get("TMPDIR") or os.path.join(os.sep, "tmp")


def _remove(listener: SSHListener, folder: str) -> None:
    listener.close()
    with suppress(OSError):
        os.rmdir(folder)
