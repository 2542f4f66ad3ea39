"""What the core tells its owner: rare facts of a connection's life, never data.

Events marked *decision* stop the parsing of further packets until the owner has answered with the
method that is named.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass

from ssh_keys import SSHCertificate, SSHKey

from .errors import DisconnectError
from .negotiation import NegotiatedAlgorithms

__all__ = [
    "DebugReceived",
    "Disconnected",
    "Event",
    "ExtInfoReceived",
    "HostKeyOffered",
    "KexCompleted",
    "PreBannerLine",
    "ServiceAccepted",
    "ServiceRequested",
    "SignatureNeeded",
    "VersionReceived",
]


@dataclass(frozen=True, slots=True)
class PreBannerLine:
    """The server sent a line before its identification string (RFC 4253 section 4.2)."""

    line: bytes


@dataclass(frozen=True, slots=True)
class VersionReceived:
    """The peer's identification string, without CR LF."""

    version: bytes


@dataclass(frozen=True, slots=True)
class HostKeyOffered:
    """*Decision* (client): the server proved that it owns this key; is it trusted?

    Answer with `core.accept_host_key()`, or `core.fail(HostKeyMismatch(...))`.

    Parameters:
        key: the key that signed.
        blob: what the server sent: the key, or the certificate that it is in.
        certificate: if a host key algorithm of OpenSSH certificates was negotiated. Only its own
            signature is checked yet; ask `certificate.validate`, and whether its authority is
            trusted.
    """

    key: SSHKey
    blob: bytes
    certificate: SSHCertificate | None = None


@dataclass(frozen=True, slots=True)
class SignatureNeeded:
    """*Decision* (server): the host key signs asynchronously; wait for its signature.

    Answer with `core.provide_signature(await event.signature)` or `core.fail(...)`.
    """

    signature: Awaitable[bytes]


@dataclass(frozen=True, slots=True)
class KexCompleted:
    """New keys are in use in both directions.

    Parameters:
        first: true for the first key exchange of the connection.
        algorithms: what was negotiated.
    """

    first: bool
    algorithms: NegotiatedAlgorithms


@dataclass(frozen=True, slots=True)
class ExtInfoReceived:
    """Extensions that the peer announced (RFC 8308 section 2.3)."""

    extensions: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class ServiceRequested:
    """*Decision* (server): answer with `core.accept_service(name)` or `core.fail(...)`."""

    name: bytes


@dataclass(frozen=True, slots=True)
class ServiceAccepted:
    """The server accepted the service that was requested (RFC 4253 section 10)."""

    name: bytes


@dataclass(frozen=True, slots=True)
class DebugReceived:
    """SSH_MSG_DEBUG (RFC 4253 section 11.3). The text is the peer's, unescaped."""

    always_display: bool
    message: str
    lang: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """Nothing more will be sent or received.

    Parameters:
        error: why; its class and code tell the fault apart.
        by_peer: true if the peer sent SSH_MSG_DISCONNECT.
    """

    error: DisconnectError
    by_peer: bool


Event = (
    PreBannerLine
    | VersionReceived
    | HostKeyOffered
    | SignatureNeeded
    | KexCompleted
    | ExtInfoReceived
    | ServiceRequested
    | ServiceAccepted
    | DebugReceived
    | Disconnected
)
