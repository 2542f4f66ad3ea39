"""SSH client and server for asyncio: connections, SFTP and agent in one import.

Every public name of the other five distributions is here. The names that this package has itself
are subclasses and functions of the same kind with the parts put together: `connect` gives a
connection that knows SFTP and tries the keys of an agent, `listen` serves SFTP.
"""

import ssh_agent
import ssh_connection
import ssh_keys
import ssh_sftp
import ssh_transport

# What the star brings is the package's `__all__`, to the letter: five lists of names by hand would
# only be a way to forget one. tests/architecture/test_exports.py holds the union.
from ssh_agent import *  # noqa: F403
from ssh_connection import *  # noqa: F403
from ssh_keys import *  # noqa: F403
from ssh_meta._version import __version__
from ssh_meta.agent import AgentKeySource, AgentPath
from ssh_meta.api import (
    connect,
    create_connection,
    create_server,
    listen,
    run_client,
    run_server,
)
from ssh_meta.client import SSHClientConnection
from ssh_meta.keywords import (
    ClientKwargs,
    CreateConnectionKwargs,
    CreateServerKwargs,
    ServerKwargs,
)
from ssh_meta.opening import Opening
from ssh_meta.options import (
    SFTPFactoryArg,
    SSHClientConnectionOptions,
    SSHServerConnectionOptions,
)
from ssh_meta.server import SSHServerConnection
from ssh_sftp import *  # noqa: F403
from ssh_transport import *  # noqa: F403

__all__ = [
    "AgentKeySource",
    "AgentPath",
    "ClientKwargs",
    "CreateConnectionKwargs",
    "CreateServerKwargs",
    "Opening",
    "SFTPFactoryArg",
    "SSHClientConnection",
    "SSHClientConnectionOptions",
    "SSHServerConnection",
    "SSHServerConnectionOptions",
    "ServerKwargs",
    "__version__",
    "connect",
    "create_connection",
    "create_server",
    "listen",
    "run_client",
    "run_server",
]
__all__ += ssh_agent.__all__
__all__ += ssh_connection.__all__
__all__ += ssh_keys.__all__
__all__ += ssh_sftp.__all__
__all__ += ssh_transport.__all__
__all__ = list(dict.fromkeys(__all__))
