"""Sessions of keys with the option `command` (sshd(8), AUTHORIZED_KEYS FILE FORMAT)."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import AnyStr

from ..channel.session_server import SSHServerChannel
from ..messages.connection import ExecRequest, SubsystemRequest

__all__ = ["RestrictedChannel"]

_INTERNAL_SFTP = "internal-sftp"


class RestrictedChannel(SSHServerChannel[AnyStr]):
    """A session channel that starts one command, whatever the client asks for.

    What the client asked for is in the variable SSH_ORIGINAL_COMMAND. As in sshd_config(5), the
    command `internal-sftp` stands for the subsystem `sftp`.
    """

    _forced: str | None = None

    def restrict(self, command: str | None, environment: Mapping[str, str]) -> None:
        """Set the command, None for the client's choice, and variables of the key."""
        self._forced = command
        self._env.update(environment)

    def _shell_requested(self, data: bytes) -> bool | Awaitable[bool]:
        if self._forced is None:
            return super()._shell_requested(data)
        return self._start_forced(None)

    def _exec_requested(self, data: bytes) -> bool | Awaitable[bool]:
        if self._forced is None:
            return super()._exec_requested(data)
        return self._start_forced(ExecRequest.decode(data).command)

    def _subsystem_requested(self, data: bytes) -> bool | Awaitable[bool]:
        if self._forced is None:
            return super()._subsystem_requested(data)
        return self._start_forced(SubsystemRequest.decode(data).subsystem_name.encode())

    def _start_forced(self, original: bytes | None) -> bool | Awaitable[bool]:
        assert self._forced is not None
        if original is not None:
            text = original.decode("utf-8", "surrogateescape")
            self._env["SSH_ORIGINAL_COMMAND"] = text.partition("\0")[0]
        words = self._forced.split(None, 1)
        if words and words[0] == _INTERNAL_SFTP and "sftp" in self._subsystems:
            return super()._subsystem_requested(SubsystemRequest("sftp").encode())
        return super()._exec_requested(ExecRequest(self._forced.encode()).encode())
