"""SSH user authentication and channels (RFC 4252, RFC 4254): sessions, processes, forwarding."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from ssh_transport.constants import DisconnectReason as _Reason

from . import editor as _editor
from . import subprocess as _subprocess
from . import tuntap as _tuntap
from ._version import __version__
from .acceptor import SSHAcceptor
from .api import (
    connect,
    connect_reverse,
    create_connection,
    create_server,
    listen,
    listen_reverse,
    run_client,
    run_server,
)
from .channel.session_client import SSHClientChannel
from .channel.session_server import SSHServerChannel
from .channel.streamlocal import SSHUNIXChannel
from .channel.tcpip import SSHTCPChannel
from .channel.text import SSHChannel
from .client import SSHClient
from .connection.base import SSHConnection
from .connection.client import SSHClientConnection
from .connection.server import SSHServerConnection
from .constants import (
    EXTENDED_DATA_STDERR,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_CONNECT_FAILED,
    OPEN_REQUEST_PTY_FAILED,
    OPEN_REQUEST_SESSION_FAILED,
    OPEN_REQUEST_X11_FORWARDING_FAILED,
    OPEN_RESOURCE_SHORTAGE,
    OPEN_UNKNOWN_CHANNEL_TYPE,
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
)
from .errors import (
    BreakReceived,
    ChannelListenError,
    ChannelOpenError,
    ConfigParseError,
    IllegalUserName,
    PasswordChangeRequired,
    PermissionDenied,
    ProcessError,
    SignalReceived,
    TerminalSizeChanged,
    TimeoutError,
)
from .forward.listener import SSHListener
from .forward.relay import SSHForwarder
from .logging import set_debug_level, set_log_level
from .opening import Opening
from .options.base import SSHConnectionOptions
from .options.client import SSHClientConnectionOptions
from .options.keywords import ClientKwargs, ServerKwargs
from .options.server import SSHServerConnectionOptions
from .probing import get_server_auth_methods, get_server_host_key
from .process.client import SSHClientProcess
from .process.redirect import DEVNULL, PIPE, STDOUT
from .process.result import SSHCompletedProcess
from .process.server import SSHServerProcess
from .protocols import (
    AgentForwarder,
    ByteReader,
    ByteWriter,
    ExecInterceptor,
    KeyPairSource,
    SubsystemFactory,
)
from .server import SSHServer
from .session import (
    SSHClientSession,
    SSHServerSession,
    SSHTCPSession,
    SSHTunTapSession,
    SSHUNIXSession,
)
from .stream import SSHReader, SSHWriter

if _TYPE_CHECKING:
    from .editor import SSHLineEditorChannel
    from .subprocess import (
        SSHSubprocessProtocol,
        SSHSubprocessReadPipe,
        SSHSubprocessTransport,
        SSHSubprocessWritePipe,
    )
    from .tuntap import SSHTunTapChannel

# RFC 4253 section 11.1, under the names of the public API.
DISC_HOST_NOT_ALLOWED_TO_CONNECT = _Reason.SSH_DISCONNECT_HOST_NOT_ALLOWED_TO_CONNECT
DISC_PROTOCOL_ERROR = _Reason.SSH_DISCONNECT_PROTOCOL_ERROR
DISC_KEY_EXCHANGE_FAILED = _Reason.SSH_DISCONNECT_KEY_EXCHANGE_FAILED
DISC_RESERVED = _Reason.SSH_DISCONNECT_RESERVED
DISC_MAC_ERROR = _Reason.SSH_DISCONNECT_MAC_ERROR
DISC_COMPRESSION_ERROR = _Reason.SSH_DISCONNECT_COMPRESSION_ERROR
DISC_SERVICE_NOT_AVAILABLE = _Reason.SSH_DISCONNECT_SERVICE_NOT_AVAILABLE
DISC_PROTOCOL_VERSION_NOT_SUPPORTED = _Reason.SSH_DISCONNECT_PROTOCOL_VERSION_NOT_SUPPORTED
DISC_HOST_KEY_NOT_VERIFIABLE = _Reason.SSH_DISCONNECT_HOST_KEY_NOT_VERIFIABLE
DISC_CONNECTION_LOST = _Reason.SSH_DISCONNECT_CONNECTION_LOST
DISC_BY_APPLICATION = _Reason.SSH_DISCONNECT_BY_APPLICATION
DISC_TOO_MANY_CONNECTIONS = _Reason.SSH_DISCONNECT_TOO_MANY_CONNECTIONS
DISC_AUTH_CANCELLED_BY_USER = _Reason.SSH_DISCONNECT_AUTH_CANCELLED_BY_USER
DISC_NO_MORE_AUTH_METHODS_AVAILABLE = _Reason.SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE
DISC_ILLEGAL_USER_NAME = _Reason.SSH_DISCONNECT_ILLEGAL_USER_NAME
DISC_HOST_KEY_NOT_VERIFYABLE = DISC_HOST_KEY_NOT_VERIFIABLE

__all__ = [
    "Opening",
    "AgentForwarder",
    "BreakReceived",
    "ByteReader",
    "ByteWriter",
    "ChannelListenError",
    "ChannelOpenError",
    "ConfigParseError",
    "ClientKwargs",
    "DEVNULL",
    "DISC_AUTH_CANCELLED_BY_USER",
    "DISC_BY_APPLICATION",
    "DISC_COMPRESSION_ERROR",
    "DISC_CONNECTION_LOST",
    "DISC_HOST_KEY_NOT_VERIFIABLE",
    "DISC_HOST_KEY_NOT_VERIFYABLE",
    "DISC_HOST_NOT_ALLOWED_TO_CONNECT",
    "DISC_ILLEGAL_USER_NAME",
    "DISC_KEY_EXCHANGE_FAILED",
    "DISC_MAC_ERROR",
    "DISC_NO_MORE_AUTH_METHODS_AVAILABLE",
    "DISC_PROTOCOL_ERROR",
    "DISC_PROTOCOL_VERSION_NOT_SUPPORTED",
    "DISC_RESERVED",
    "DISC_SERVICE_NOT_AVAILABLE",
    "DISC_TOO_MANY_CONNECTIONS",
    "EXTENDED_DATA_STDERR",
    "ExecInterceptor",
    "IllegalUserName",
    "KeyPairSource",
    "OPEN_ADMINISTRATIVELY_PROHIBITED",
    "OPEN_CONNECT_FAILED",
    "OPEN_REQUEST_PTY_FAILED",
    "OPEN_REQUEST_SESSION_FAILED",
    "OPEN_REQUEST_X11_FORWARDING_FAILED",
    "OPEN_RESOURCE_SHORTAGE",
    "OPEN_UNKNOWN_CHANNEL_TYPE",
    "PIPE",
    "PTY_CS7",
    "PTY_CS8",
    "PTY_ECHO",
    "PTY_ECHOCTL",
    "PTY_ECHOE",
    "PTY_ECHOK",
    "PTY_ECHOKE",
    "PTY_ECHONL",
    "PTY_ICANON",
    "PTY_ICRNL",
    "PTY_IEXTEN",
    "PTY_IGNCR",
    "PTY_IGNPAR",
    "PTY_IMAXBEL",
    "PTY_INLCR",
    "PTY_INPCK",
    "PTY_ISIG",
    "PTY_ISTRIP",
    "PTY_IUCLC",
    "PTY_IUTF8",
    "PTY_IXANY",
    "PTY_IXOFF",
    "PTY_IXON",
    "PTY_NOFLSH",
    "PTY_OCRNL",
    "PTY_OLCUC",
    "PTY_ONLCR",
    "PTY_ONLRET",
    "PTY_ONOCR",
    "PTY_OPOST",
    "PTY_OP_END",
    "PTY_OP_ISPEED",
    "PTY_OP_OSPEED",
    "PTY_OP_RESERVED",
    "PTY_PARENB",
    "PTY_PARMRK",
    "PTY_PARODD",
    "PTY_PENDIN",
    "PTY_TOSTOP",
    "PTY_VDISCARD",
    "PTY_VDSUSP",
    "PTY_VEOF",
    "PTY_VEOL",
    "PTY_VEOL2",
    "PTY_VERASE",
    "PTY_VFLUSH",
    "PTY_VINTR",
    "PTY_VKILL",
    "PTY_VLNEXT",
    "PTY_VQUIT",
    "PTY_VREPRINT",
    "PTY_VSTART",
    "PTY_VSTATUS",
    "PTY_VSTOP",
    "PTY_VSUSP",
    "PTY_VSWTCH",
    "PTY_WERASE",
    "PTY_XCASE",
    "PasswordChangeRequired",
    "PermissionDenied",
    "ProcessError",
    "SSHAcceptor",
    "SSHChannel",
    "SSHClient",
    "SSHClientChannel",
    "SSHClientConnection",
    "SSHClientConnectionOptions",
    "SSHClientProcess",
    "SSHClientSession",
    "SSHCompletedProcess",
    "SSHConnection",
    "SSHConnectionOptions",
    "SSHForwarder",
    "SSHLineEditorChannel",
    "SSHListener",
    "SSHReader",
    "SSHServer",
    "SSHServerChannel",
    "SSHServerConnection",
    "SSHServerConnectionOptions",
    "SSHServerProcess",
    "SSHServerSession",
    "SSHSubprocessProtocol",
    "SSHSubprocessReadPipe",
    "SSHSubprocessTransport",
    "SSHSubprocessWritePipe",
    "SSHTCPChannel",
    "SSHTCPSession",
    "SSHTunTapChannel",
    "SSHTunTapSession",
    "SSHUNIXChannel",
    "SSHUNIXSession",
    "SSHWriter",
    "STDOUT",
    "ServerKwargs",
    "SignalReceived",
    "SubsystemFactory",
    "TerminalSizeChanged",
    "TimeoutError",
    "__version__",
    "connect",
    "connect_reverse",
    "create_connection",
    "create_server",
    "get_server_auth_methods",
    "get_server_host_key",
    "listen",
    "listen_reverse",
    "run_client",
    "run_server",
    "set_debug_level",
    "set_log_level",
]

if not _TYPE_CHECKING:
    # Imported when they are first used: most programs serve no terminals, and no networks.
    _LATE = {
        "SSHLineEditorChannel": _editor,
        "SSHTunTapChannel": _tuntap,
        **dict.fromkeys(_subprocess.__all__, _subprocess),
    }

    def __getattr__(name: str) -> object:
        if name not in _LATE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value = getattr(_LATE[name], name)
        return value
