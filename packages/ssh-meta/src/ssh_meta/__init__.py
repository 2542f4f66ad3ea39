"""SSH client and server for asyncio: connections, SFTP and agent in one import.

Every public name of the other five distributions is here. The names that this package has itself
are subclasses and functions of the same kind with the parts put together: `connect` gives a
connection that knows SFTP and tries the keys of an agent, `listen` serves SFTP.
"""

from typing import TYPE_CHECKING

import ssh_agent
import ssh_connection
import ssh_keys
import ssh_sftp
import ssh_transport

# What a star brings is the `__all__` of the package, to the letter. The names of ssh-connection
# stand here one by one, since some of them are replaced below, and type checkers would keep the
# first. tests/architecture/test_exports.py holds the union.
from ssh_agent import *  # noqa: F403
from ssh_connection import DEVNULL as DEVNULL
from ssh_connection import DISC_AUTH_CANCELLED_BY_USER as DISC_AUTH_CANCELLED_BY_USER
from ssh_connection import DISC_BY_APPLICATION as DISC_BY_APPLICATION
from ssh_connection import DISC_COMPRESSION_ERROR as DISC_COMPRESSION_ERROR
from ssh_connection import DISC_CONNECTION_LOST as DISC_CONNECTION_LOST
from ssh_connection import DISC_HOST_KEY_NOT_VERIFIABLE as DISC_HOST_KEY_NOT_VERIFIABLE
from ssh_connection import DISC_HOST_KEY_NOT_VERIFYABLE as DISC_HOST_KEY_NOT_VERIFYABLE
from ssh_connection import DISC_HOST_NOT_ALLOWED_TO_CONNECT as DISC_HOST_NOT_ALLOWED_TO_CONNECT
from ssh_connection import DISC_ILLEGAL_USER_NAME as DISC_ILLEGAL_USER_NAME
from ssh_connection import DISC_KEY_EXCHANGE_FAILED as DISC_KEY_EXCHANGE_FAILED
from ssh_connection import DISC_MAC_ERROR as DISC_MAC_ERROR
from ssh_connection import (
    DISC_NO_MORE_AUTH_METHODS_AVAILABLE as DISC_NO_MORE_AUTH_METHODS_AVAILABLE,
)
from ssh_connection import DISC_PROTOCOL_ERROR as DISC_PROTOCOL_ERROR
from ssh_connection import (
    DISC_PROTOCOL_VERSION_NOT_SUPPORTED as DISC_PROTOCOL_VERSION_NOT_SUPPORTED,
)
from ssh_connection import DISC_RESERVED as DISC_RESERVED
from ssh_connection import DISC_SERVICE_NOT_AVAILABLE as DISC_SERVICE_NOT_AVAILABLE
from ssh_connection import DISC_TOO_MANY_CONNECTIONS as DISC_TOO_MANY_CONNECTIONS
from ssh_connection import EXTENDED_DATA_STDERR as EXTENDED_DATA_STDERR
from ssh_connection import OPEN_ADMINISTRATIVELY_PROHIBITED as OPEN_ADMINISTRATIVELY_PROHIBITED
from ssh_connection import OPEN_CONNECT_FAILED as OPEN_CONNECT_FAILED
from ssh_connection import OPEN_REQUEST_PTY_FAILED as OPEN_REQUEST_PTY_FAILED
from ssh_connection import OPEN_REQUEST_SESSION_FAILED as OPEN_REQUEST_SESSION_FAILED
from ssh_connection import OPEN_REQUEST_X11_FORWARDING_FAILED as OPEN_REQUEST_X11_FORWARDING_FAILED
from ssh_connection import OPEN_RESOURCE_SHORTAGE as OPEN_RESOURCE_SHORTAGE
from ssh_connection import OPEN_UNKNOWN_CHANNEL_TYPE as OPEN_UNKNOWN_CHANNEL_TYPE
from ssh_connection import PIPE as PIPE
from ssh_connection import PTY_CS7 as PTY_CS7
from ssh_connection import PTY_CS8 as PTY_CS8
from ssh_connection import PTY_ECHO as PTY_ECHO
from ssh_connection import PTY_ECHOCTL as PTY_ECHOCTL
from ssh_connection import PTY_ECHOE as PTY_ECHOE
from ssh_connection import PTY_ECHOK as PTY_ECHOK
from ssh_connection import PTY_ECHOKE as PTY_ECHOKE
from ssh_connection import PTY_ECHONL as PTY_ECHONL
from ssh_connection import PTY_ICANON as PTY_ICANON
from ssh_connection import PTY_ICRNL as PTY_ICRNL
from ssh_connection import PTY_IEXTEN as PTY_IEXTEN
from ssh_connection import PTY_IGNCR as PTY_IGNCR
from ssh_connection import PTY_IGNPAR as PTY_IGNPAR
from ssh_connection import PTY_IMAXBEL as PTY_IMAXBEL
from ssh_connection import PTY_INLCR as PTY_INLCR
from ssh_connection import PTY_INPCK as PTY_INPCK
from ssh_connection import PTY_ISIG as PTY_ISIG
from ssh_connection import PTY_ISTRIP as PTY_ISTRIP
from ssh_connection import PTY_IUCLC as PTY_IUCLC
from ssh_connection import PTY_IUTF8 as PTY_IUTF8
from ssh_connection import PTY_IXANY as PTY_IXANY
from ssh_connection import PTY_IXOFF as PTY_IXOFF
from ssh_connection import PTY_IXON as PTY_IXON
from ssh_connection import PTY_NOFLSH as PTY_NOFLSH
from ssh_connection import PTY_OCRNL as PTY_OCRNL
from ssh_connection import PTY_OLCUC as PTY_OLCUC
from ssh_connection import PTY_ONLCR as PTY_ONLCR
from ssh_connection import PTY_ONLRET as PTY_ONLRET
from ssh_connection import PTY_ONOCR as PTY_ONOCR
from ssh_connection import PTY_OP_END as PTY_OP_END
from ssh_connection import PTY_OP_ISPEED as PTY_OP_ISPEED
from ssh_connection import PTY_OP_OSPEED as PTY_OP_OSPEED
from ssh_connection import PTY_OP_RESERVED as PTY_OP_RESERVED
from ssh_connection import PTY_OPOST as PTY_OPOST
from ssh_connection import PTY_PARENB as PTY_PARENB
from ssh_connection import PTY_PARMRK as PTY_PARMRK
from ssh_connection import PTY_PARODD as PTY_PARODD
from ssh_connection import PTY_PENDIN as PTY_PENDIN
from ssh_connection import PTY_TOSTOP as PTY_TOSTOP
from ssh_connection import PTY_VDISCARD as PTY_VDISCARD
from ssh_connection import PTY_VDSUSP as PTY_VDSUSP
from ssh_connection import PTY_VEOF as PTY_VEOF
from ssh_connection import PTY_VEOL as PTY_VEOL
from ssh_connection import PTY_VEOL2 as PTY_VEOL2
from ssh_connection import PTY_VERASE as PTY_VERASE
from ssh_connection import PTY_VFLUSH as PTY_VFLUSH
from ssh_connection import PTY_VINTR as PTY_VINTR
from ssh_connection import PTY_VKILL as PTY_VKILL
from ssh_connection import PTY_VLNEXT as PTY_VLNEXT
from ssh_connection import PTY_VQUIT as PTY_VQUIT
from ssh_connection import PTY_VREPRINT as PTY_VREPRINT
from ssh_connection import PTY_VSTART as PTY_VSTART
from ssh_connection import PTY_VSTATUS as PTY_VSTATUS
from ssh_connection import PTY_VSTOP as PTY_VSTOP
from ssh_connection import PTY_VSUSP as PTY_VSUSP
from ssh_connection import PTY_VSWTCH as PTY_VSWTCH
from ssh_connection import PTY_WERASE as PTY_WERASE
from ssh_connection import PTY_XCASE as PTY_XCASE
from ssh_connection import STDOUT as STDOUT
from ssh_connection import AgentForwarder as AgentForwarder
from ssh_connection import BreakReceived as BreakReceived
from ssh_connection import ByteReader as ByteReader
from ssh_connection import ByteWriter as ByteWriter
from ssh_connection import ChannelListenError as ChannelListenError
from ssh_connection import ChannelOpenError as ChannelOpenError
from ssh_connection import ConfigParseError as ConfigParseError
from ssh_connection import ExecInterceptor as ExecInterceptor
from ssh_connection import IllegalUserName as IllegalUserName
from ssh_connection import KeyPairSource as KeyPairSource
from ssh_connection import Opening as Opening
from ssh_connection import PasswordChangeRequired as PasswordChangeRequired
from ssh_connection import PermissionDenied as PermissionDenied
from ssh_connection import ProcessError as ProcessError
from ssh_connection import SignalReceived as SignalReceived
from ssh_connection import SSHAcceptor as SSHAcceptor
from ssh_connection import SSHChannel as SSHChannel
from ssh_connection import SSHClient as SSHClient
from ssh_connection import SSHClientChannel as SSHClientChannel
from ssh_connection import SSHClientProcess as SSHClientProcess
from ssh_connection import SSHClientSession as SSHClientSession
from ssh_connection import SSHCompletedProcess as SSHCompletedProcess
from ssh_connection import SSHConnection as SSHConnection
from ssh_connection import SSHConnectionOptions as SSHConnectionOptions
from ssh_connection import SSHForwarder as SSHForwarder
from ssh_connection import SSHListener as SSHListener
from ssh_connection import SSHReader as SSHReader
from ssh_connection import SSHServer as SSHServer
from ssh_connection import SSHServerChannel as SSHServerChannel
from ssh_connection import SSHServerProcess as SSHServerProcess
from ssh_connection import SSHServerSession as SSHServerSession
from ssh_connection import SSHTCPChannel as SSHTCPChannel
from ssh_connection import SSHTCPSession as SSHTCPSession
from ssh_connection import SSHTunTapSession as SSHTunTapSession
from ssh_connection import SSHUNIXChannel as SSHUNIXChannel
from ssh_connection import SSHUNIXSession as SSHUNIXSession
from ssh_connection import SSHWriter as SSHWriter
from ssh_connection import SubsystemFactory as SubsystemFactory
from ssh_connection import TerminalSizeChanged as TerminalSizeChanged
from ssh_connection import TimeoutError as TimeoutError
from ssh_connection import get_server_auth_methods as get_server_auth_methods
from ssh_connection import get_server_host_key as get_server_host_key
from ssh_connection import set_debug_level as set_debug_level
from ssh_connection import set_log_level as set_log_level
from ssh_transport import *  # noqa: F403

from ._version import __version__ as __version__
from .agent import AgentKeySource as AgentKeySource
from .agent import AgentPath as AgentPath
from .api import connect as connect
from .api import connect_reverse as connect_reverse
from .api import create_connection as create_connection
from .api import create_server as create_server
from .api import listen as listen
from .api import listen_reverse as listen_reverse
from .api import run_client as run_client
from .api import run_server as run_server
from .client import SSHClientConnection as SSHClientConnection
from .keywords import ClientKwargs as ClientKwargs
from .keywords import CreateConnectionKwargs as CreateConnectionKwargs
from .keywords import CreateServerKwargs as CreateServerKwargs
from .keywords import ServerKwargs as ServerKwargs
from .options import SFTPFactoryArg as SFTPFactoryArg
from .options import SSHClientConnectionOptions as SSHClientConnectionOptions
from .options import SSHServerConnectionOptions as SSHServerConnectionOptions
from .scp import SCPConnection as SCPConnection
from .scp import SCPPath as SCPPath
from .scp import scp as scp
from .server import SSHServerConnection as SSHServerConnection

# The names of ssh-sftp are imported when they are first used: most connections copy no files.
# So are the channels of line editors and of tunnels, the transports of subprocesses, and the names
# of ssh-keys: some of them it imports that late itself, and a star would ask for them now.
if TYPE_CHECKING:
    from ssh_connection import SSHLineEditorChannel as SSHLineEditorChannel
    from ssh_connection import SSHSubprocessProtocol as SSHSubprocessProtocol
    from ssh_connection import SSHSubprocessReadPipe as SSHSubprocessReadPipe
    from ssh_connection import SSHSubprocessTransport as SSHSubprocessTransport
    from ssh_connection import SSHSubprocessWritePipe as SSHSubprocessWritePipe
    from ssh_connection import SSHTunTapChannel as SSHTunTapChannel
    from ssh_keys import *  # noqa: F403
    from ssh_sftp import *  # noqa: F403

# For type checkers, what was imported with a star or as itself is public; an `__all__` that they
# cannot compute would hide it.
if not TYPE_CHECKING:
    _OWN = (
        "AgentKeySource",
        "AgentPath",
        "CreateConnectionKwargs",
        "CreateServerKwargs",
        "SCPConnection",
        "SCPPath",
        "SFTPFactoryArg",
        "scp",
    )
    _PACKAGES = (ssh_agent, ssh_connection, ssh_keys, ssh_sftp, ssh_transport)
    __all__ = list(dict.fromkeys([*_OWN, *(n for each in _PACKAGES for n in each.__all__)]))

    _LATE = (ssh_connection, ssh_keys, ssh_sftp)

    def __getattr__(name: str) -> object:
        source = next((each for each in _LATE if name in each.__all__), None)
        if source is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(source, name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
