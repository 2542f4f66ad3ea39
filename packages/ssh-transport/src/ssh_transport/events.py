"""What the core tells its owner: rare facts of a connection's life, never data.

Events marked *decision* stop the parsing of further packets until the owner has answered with the
method that is named.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from ssh_keys import SSHCertificate, SSHKey
from ssh_keys.record import Record

from .errors import DisconnectError
from .suites import NegotiatedAlgorithms

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


class PreBannerLine(Record):
    """The server sent a line before its identification string (RFC 4253 section 4.2)."""

    line: bytes


class VersionReceived(Record):
    """The peer's identification string, without CR LF."""

    version: bytes

    def __init__(self, version: bytes) -> None:
        # By hand, as in the other events of each handshake: a third of what is inherited.
        self.__dict__["version"] = version


class HostKeyOffered(Record):
    """*Decision* (client): the server proved that it owns this key; is it trusted?

    Answer with `core.accept_host_key()`, or `core.fail(HostKeyMismatch(...))`.

    Parameters:
        key: the key that signed.
        blob: what the server sent: the key, or the certificate that it is in.
        certificate: if a host key algorithm of certificates was negotiated. Of an OpenSSH
            certificate, only its own signature is checked yet: ask `certificate.validate`, and
            whether its authority is trusted. Of an X.509 certificate nothing is checked: ask
            `X509Trust.validate`, and whether it is for the host (`KnownHostsResult.check_x509`).
        signature: the signature of the exchange hash, which was verified.
    """

    key: SSHKey
    blob: bytes
    certificate: SSHCertificate | None = None
    signature: bytes = b""

    def __init__(
        self,
        key: SSHKey,
        blob: bytes,
        certificate: SSHCertificate | None = None,
        signature: bytes = b"",
    ) -> None:
        values = self.__dict__
        values["key"] = key
        values["blob"] = blob
        values["certificate"] = certificate
        values["signature"] = signature


class SignatureNeeded(Record):
    """*Decision* (server): the host key signs asynchronously; wait for its signature.

    Answer with `core.provide_signature(await event.signature)` or `core.fail(...)`.
    """

    signature: Awaitable[bytes]


class KexCompleted(Record):
    """New keys are in use in both directions.

    Parameters:
        first: true for the first key exchange of the connection.
        algorithms: what was negotiated.
    """

    first: bool
    algorithms: NegotiatedAlgorithms

    def __init__(self, first: bool, algorithms: NegotiatedAlgorithms) -> None:
        values = self.__dict__
        values["first"] = first
        values["algorithms"] = algorithms


class ExtInfoReceived(Record):
    """Extensions that the peer announced (RFC 8308 section 2.3)."""

    extensions: Mapping[bytes, bytes]

    def __init__(self, extensions: Mapping[bytes, bytes]) -> None:
        self.__dict__["extensions"] = extensions


class ServiceRequested(Record):
    """*Decision* (server): answer with `core.accept_service(name)` or `core.fail(...)`."""

    name: bytes


class ServiceAccepted(Record):
    """The server accepted the service that was requested (RFC 4253 section 10)."""

    name: bytes


class DebugReceived(Record):
    """SSH_MSG_DEBUG (RFC 4253 section 11.3). The text is the peer's, unescaped."""

    always_display: bool
    message: str
    lang: str


class Disconnected(Record):
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
