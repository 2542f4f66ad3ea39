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

# What the star brings is the package's `__all__`, to the letter: lists of names by hand would only
# be a way to forget one. Those of ssh_connection have to be listed, as some of them are replaced by
# what this package has itself, and a type checker believes whichever it sees first.
# tests/architecture/test_exports.py holds the union.
from ssh_agent import *  # noqa: F403
from ssh_connection import (  # noqa: F401
    DEVNULL,
    DISC_AUTH_CANCELLED_BY_USER,
    DISC_BY_APPLICATION,
    DISC_COMPRESSION_ERROR,
    DISC_CONNECTION_LOST,
    DISC_HOST_KEY_NOT_VERIFIABLE,
    DISC_HOST_KEY_NOT_VERIFYABLE,
    DISC_HOST_NOT_ALLOWED_TO_CONNECT,
    DISC_ILLEGAL_USER_NAME,
    DISC_KEY_EXCHANGE_FAILED,
    DISC_MAC_ERROR,
    DISC_NO_MORE_AUTH_METHODS_AVAILABLE,
    DISC_PROTOCOL_ERROR,
    DISC_PROTOCOL_VERSION_NOT_SUPPORTED,
    DISC_RESERVED,
    DISC_SERVICE_NOT_AVAILABLE,
    DISC_TOO_MANY_CONNECTIONS,
    EXTENDED_DATA_STDERR,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_CONNECT_FAILED,
    OPEN_REQUEST_PTY_FAILED,
    OPEN_REQUEST_SESSION_FAILED,
    OPEN_REQUEST_X11_FORWARDING_FAILED,
    OPEN_RESOURCE_SHORTAGE,
    OPEN_UNKNOWN_CHANNEL_TYPE,
    PIPE,
    PTY_CS7,
    PTY_CS8,
    PTY_ECHO,
    PTY_ECHOCTL,
    PTY_ECHOE,
    PTY_ECHOK,
    PTY_ECHOKE,
    PTY_ECHONL,
    PTY_ICANON,
    PTY_ICRNL,
    PTY_IEXTEN,
    PTY_IGNCR,
    PTY_IGNPAR,
    PTY_IMAXBEL,
    PTY_INLCR,
    PTY_INPCK,
    PTY_ISIG,
    PTY_ISTRIP,
    PTY_IUCLC,
    PTY_IUTF8,
    PTY_IXANY,
    PTY_IXOFF,
    PTY_IXON,
    PTY_NOFLSH,
    PTY_OCRNL,
    PTY_OLCUC,
    PTY_ONLCR,
    PTY_ONLRET,
    PTY_ONOCR,
    PTY_OP_END,
    PTY_OP_ISPEED,
    PTY_OP_OSPEED,
    PTY_OP_RESERVED,
    PTY_OPOST,
    PTY_PARENB,
    PTY_PARMRK,
    PTY_PARODD,
    PTY_PENDIN,
    PTY_TOSTOP,
    PTY_VDISCARD,
    PTY_VDSUSP,
    PTY_VEOF,
    PTY_VEOL,
    PTY_VEOL2,
    PTY_VERASE,
    PTY_VFLUSH,
    PTY_VINTR,
    PTY_VKILL,
    PTY_VLNEXT,
    PTY_VQUIT,
    PTY_VREPRINT,
    PTY_VSTART,
    PTY_VSTATUS,
    PTY_VSTOP,
    PTY_VSUSP,
    PTY_VSWTCH,
    PTY_WERASE,
    PTY_XCASE,
    STDOUT,
    AgentForwarder,
    BreakReceived,
    ByteReader,
    ByteWriter,
    ChannelListenError,
    ChannelOpenError,
    ExecInterceptor,
    IllegalUserName,
    KeyPairSource,
    Opening,
    PasswordChangeRequired,
    PermissionDenied,
    ProcessError,
    SignalReceived,
    SSHAcceptor,
    SSHChannel,
    SSHClient,
    SSHClientChannel,
    SSHClientProcess,
    SSHClientSession,
    SSHCompletedProcess,
    SSHConnection,
    SSHConnectionOptions,
    SSHForwarder,
    SSHListener,
    SSHReader,
    SSHServer,
    SSHServerChannel,
    SSHServerProcess,
    SSHServerSession,
    SSHTCPChannel,
    SSHTCPSession,
    SSHUNIXChannel,
    SSHUNIXSession,
    SSHWriter,
    SubsystemFactory,
    TerminalSizeChanged,
    TimeoutError,
    get_server_host_key,
    set_log_level,
)
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
