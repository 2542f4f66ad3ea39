"""The SSH transport protocol (RFC 4253) as a sans-IO core with an asyncio adapter."""

from ssh_transport._version import __version__
from ssh_transport.ciphers import CIPHERS
from ssh_transport.compression import COMPRESSIONS
from ssh_transport.config import DEFAULT_VERSION, TransportConfig
from ssh_transport.constants import DisconnectReason
from ssh_transport.core import TransportCore
from ssh_transport.errors import (
    AlgorithmNegotiationError,
    CompressionError,
    ConnectionLost,
    ConnectionTimeoutError,
    DisconnectError,
    HostCertificateExpired,
    HostCertificateInvalid,
    HostCertificateMismatch,
    HostKeyMismatch,
    HostKeyNotVerifiable,
    HostKeyRevoked,
    HostKeyUnknown,
    KeyExchangeFailed,
    MACError,
    MessageOrderError,
    ProtocolError,
    ProtocolNotSupported,
    ServiceNotAvailable,
    TooManyConnections,
    printable,
)
from ssh_transport.events import (
    DebugReceived,
    Disconnected,
    Event,
    ExtInfoReceived,
    HostKeyOffered,
    KexCompleted,
    PreBannerLine,
    ServiceAccepted,
    ServiceRequested,
    SignatureNeeded,
    VersionReceived,
)
from ssh_transport.explain import Choice, Explanation, explain
from ssh_transport.kex import KEX_METHODS
from ssh_transport.kex.dh_groups import ModuliFileError
from ssh_transport.mac import MACS
from ssh_transport.phases import Phase
from ssh_transport.policy import PRESETS, Policy
from ssh_transport.protocols import Handler, Role
from ssh_transport.suites import NegotiatedAlgorithms

__all__ = [
    "CIPHERS",
    "COMPRESSIONS",
    "DEFAULT_VERSION",
    "KEX_METHODS",
    "MACS",
    "PRESETS",
    "AlgorithmNegotiationError",
    "Choice",
    "CompressionError",
    "ConnectionLost",
    "ConnectionTimeoutError",
    "DebugReceived",
    "DisconnectError",
    "DisconnectReason",
    "Disconnected",
    "Event",
    "Explanation",
    "ExtInfoReceived",
    "Handler",
    "HostCertificateExpired",
    "HostCertificateInvalid",
    "HostCertificateMismatch",
    "HostKeyMismatch",
    "HostKeyNotVerifiable",
    "HostKeyOffered",
    "HostKeyRevoked",
    "HostKeyUnknown",
    "KexCompleted",
    "KeyExchangeFailed",
    "MACError",
    "MessageOrderError",
    "ModuliFileError",
    "NegotiatedAlgorithms",
    "Phase",
    "Policy",
    "PreBannerLine",
    "ProtocolError",
    "ProtocolNotSupported",
    "Role",
    "ServiceAccepted",
    "ServiceNotAvailable",
    "ServiceRequested",
    "SignatureNeeded",
    "TooManyConnections",
    "TransportConfig",
    "TransportCore",
    "VersionReceived",
    "__version__",
    "explain",
    "printable",
]
