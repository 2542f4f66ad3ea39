"""The keywords of `connect`, `listen` and their like, for type checkers.

Those of ssh-connection, and the options that `ssh_meta.options` adds;
`tests/meta/test_options.py` holds both together.
"""

from __future__ import annotations

from ssh_connection.options import keywords
from ssh_keys import KeyListArg

from .agent import AgentPath
from .options import SFTPFactoryArg

__all__ = ["ClientKwargs", "CreateConnectionKwargs", "CreateServerKwargs", "ServerKwargs"]


class _AgentKwargs(keywords.CommonKwargs, total=False):
    agent_path: AgentPath | tuple[()] | None
    agent_identities: KeyListArg | tuple[()] | None
    agent_forwarding: bool | AgentPath


class _FileKwargs(keywords.CommonKwargs, total=False):
    sftp_factory: SFTPFactoryArg
    allow_scp: bool
    sftp_version: int | None


class CreateConnectionKwargs(keywords.CreateConnectionKwargs, _AgentKwargs, total=False):
    """Keywords of `create_connection`: fields of `SSHClientConnectionOptions`."""


class ClientKwargs(keywords.ClientKwargs, _AgentKwargs, total=False):
    """Keywords of `connect`: fields of `SSHClientConnectionOptions`."""


class CreateServerKwargs(keywords.CreateServerKwargs, _FileKwargs, total=False):
    """Keywords of `create_server`: fields of `SSHServerConnectionOptions`."""


class ServerKwargs(keywords.ServerKwargs, _FileKwargs, total=False):
    """Keywords of `listen`: fields of `SSHServerConnectionOptions`."""
