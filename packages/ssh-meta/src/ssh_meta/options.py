"""Options of clients and servers with the agent and SFTP in them.

Here, and only here, the packages are wired: each option of this module becomes something that
ssh-connection knows (a source of key pairs, the factory of a subsystem).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import ssh_connection
import ssh_sftp
from ssh_connection import SSHServerChannel
from ssh_keys import KeyListArg

from .agent import AgentKeySource, AgentPath, EnvironmentAgent, ForwardedAgent
from .scp_server import scp_interceptor
from .sftp import sftp_subsystem

if TYPE_CHECKING:
    from ssh_sftp import SFTPServer

__all__ = ["SFTPFactoryArg", "SSHClientConnectionOptions", "SSHServerConnectionOptions"]

SFTPFactoryArg: TypeAlias = bool | Callable[[SSHServerChannel[bytes]], "SFTPServer"] | None
"""A subclass of `SFTPServer`, or a function that makes one for a channel; True for `SFTPServer`."""



class SSHClientConnectionOptions(ssh_connection.SSHClientConnectionOptions):
    """Options of `connect` and `create_connection`."""

    agent_path: AgentPath | tuple[()] | None = ()
    """Path of the socket of an SSH agent whose keys are tried, or a server's connection whose
    client forwards its agent. By default the agent that the environment variable SSH_AUTH_SOCK
    names, if there is one and no `client_keys` are given. None for no agent."""

    agent_identities: KeyListArg | tuple[()] | None = ()
    """Public keys that the agent is asked for; by default all that it has."""

    agent_forwarding: bool | AgentPath = False
    """Whether servers may use our agent while the connection lasts: that of `agent_path`, or of
    SSH_AUTH_SOCK. A path instead of True is that of another agent for this. Whoever rules the
    server can sign with the keys in it."""

    def __post_init__(self) -> None:
        """Check the values; raises ValueError, TypeError, or KeyImportError for identities."""
        super().__post_init__()
        if self.agent_forwarding:
            path = None if self.agent_forwarding is True else self.agent_forwarding
            named = None if isinstance(self.agent_path, tuple) else self.agent_path
            self.agent_forwarder = ForwardedAgent(path or named)
        identities = None if self.agent_identities == () else self.agent_identities
        if isinstance(self.agent_path, tuple):
            # Keys that a configuration file names stand beside those of the agent.
            if self.client_keys == () or "client_keys" in self.configured:
                self.key_sources = (*self.key_sources, EnvironmentAgent(identities))
        elif self.agent_path:
            self.key_sources = (*self.key_sources, AgentKeySource(self.agent_path, identities))


class SSHServerConnectionOptions(ssh_connection.SSHServerConnectionOptions):
    """Options of `listen` and `create_server`."""

    sftp_factory: SFTPFactoryArg = None
    """Serves SFTP: True for an `SFTPServer` with the rights of this process, a subclass of it, or
    a function of the channel that makes one. None and False for no SFTP."""

    sftp_version: int | None = None
    """Highest version of SFTP that the server agrees on, 3 to 6; None for `max_version` of the
    class that `sftp_factory` gives, which is 3 unless it says otherwise."""

    allow_scp: bool = False
    """Whether clients may also copy files with the old scp protocol, on what `sftp_factory`
    makes; paths of theirs never reach a shell."""

    def __post_init__(self) -> None:
        """Check the values; raises ValueError or TypeError."""
        super().__post_init__()
        if self.sftp_version is not None and not 3 <= self.sftp_version <= 6:
            raise ValueError(f"sftp_version must be 3 to 6, not {self.sftp_version}")
        if self.allow_scp and not self.sftp_factory:
            raise ValueError("allow_scp needs an sftp_factory, whose files it serves")
        if self.sftp_factory:
            factory = ssh_sftp.SFTPServer if self.sftp_factory is True else self.sftp_factory
            sftp = sftp_subsystem(factory, self.sftp_version)
            self.subsystems = {**(self.subsystems or {}), "sftp": sftp}
            if self.allow_scp:
                self.exec_interceptors = (*self.exec_interceptors, scp_interceptor(factory))
