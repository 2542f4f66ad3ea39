"""Errors that end a connection (RFC 4253 section 11.1).

::

    ssh_keys.Error
    └─ DisconnectError                    code = SSH_DISCONNECT_*
       ├─ ProtocolError ─ MessageOrderError
       ├─ KeyExchangeFailed ─ AlgorithmNegotiationError
       ├─ HostKeyNotVerifiable ─ HostKeyUnknown, HostKeyMismatch, HostKeyRevoked
       │  └─ HostCertificateInvalid ─ HostCertificateExpired, HostCertificateMismatch
       ├─ MACError  CompressionError
       ├─ ConnectionLost ─ ConnectionTimeoutError
       └─ ProtocolNotSupported  ServiceNotAvailable  TooManyConnections

The text of an error never holds a control character of the peer: use `printable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ssh_keys.errors import Error

from .constants import DisconnectReason

__all__ = [
    "AlgorithmNegotiationError",
    "CompressionError",
    "ConnectionLost",
    "ConnectionTimeoutError",
    "DisconnectError",
    "HostCertificateExpired",
    "HostCertificateInvalid",
    "HostCertificateMismatch",
    "HostKeyMismatch",
    "HostKeyNotVerifiable",
    "HostKeyRevoked",
    "HostKeyUnknown",
    "KeyExchangeFailed",
    "MACError",
    "MessageOrderError",
    "ProtocolError",
    "ProtocolNotSupported",
    "ServiceNotAvailable",
    "TooManyConnections",
    "printable",
]

_MAX_PRINTABLE = 1024


def printable(text: str | bytes) -> str:
    """Return peer text that is safe in a log, an exception or a terminal.

    Control characters and everything that is not printable are escaped, as Python's `repr`
    does it; what is longer than 1024 characters is cut.
    """
    if not isinstance(text, str):
        text = text.decode("utf-8", "backslashreplace")
    cut = text[:_MAX_PRINTABLE]
    if not cut.isprintable():
        cut = "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut
        )
    return cut if len(text) <= _MAX_PRINTABLE else cut + "..."


class DisconnectError(Error):
    """The connection was ended, by us or by the peer.

    Parameters:
        code: an `SSH_DISCONNECT_*` reason (RFC 4253 section 11.1).
        reason: what went wrong, for a person.
        lang: language tag of `reason`.
    """


class _CodedDisconnectError(DisconnectError):
    """A `DisconnectError` whose class says the code."""

    default_code: ClassVar[DisconnectReason]

    def __init__(self, reason: str, lang: str = "en-US") -> None:
        super().__init__(int(self.default_code), reason, lang)


class ProtocolError(_CodedDisconnectError):
    """The peer broke the protocol."""

    default_code = DisconnectReason.SSH_DISCONNECT_PROTOCOL_ERROR


class MessageOrderError(ProtocolError):
    """The peer sent a message that is not legal in this phase."""


class KeyExchangeFailed(_CodedDisconnectError):
    """No keys could be agreed on."""

    default_code = DisconnectReason.SSH_DISCONNECT_KEY_EXCHANGE_FAILED


class AlgorithmNegotiationError(KeyExchangeFailed):
    """The two sides have no algorithm of one kind in common (RFC 4253 section 7.1).

    Parameters:
        kind: which name-list it was ("key exchange method", "cipher client to server", ...).
        ours: the names that we offered.
        theirs: the names that the peer offered.
    """

    def __init__(self, kind: str, ours: Sequence[bytes], theirs: Sequence[bytes]) -> None:
        super().__init__(
            f"no common {kind}: we offer {printable(b','.join(ours)) or 'none'}, "
            f"the peer offers {printable(b','.join(theirs)) or 'none'}"
        )
        self.kind = kind
        self.ours = tuple(ours)
        self.theirs = tuple(theirs)


class HostKeyNotVerifiable(_CodedDisconnectError):
    """The server's host key is not trusted."""

    default_code = DisconnectReason.SSH_DISCONNECT_HOST_KEY_NOT_VERIFIABLE


class HostKeyUnknown(HostKeyNotVerifiable):
    """No key is known for the host."""


class HostKeyMismatch(HostKeyNotVerifiable):
    """Other keys are known for the host than the one it showed: possibly an attack."""


class HostKeyRevoked(HostKeyNotVerifiable):
    """The host's key, or the authority that signed its certificate, is marked as revoked."""


class HostCertificateInvalid(HostKeyNotVerifiable):
    """A trusted authority signed the host's certificate, but it is not good for this."""


class HostCertificateExpired(HostCertificateInvalid):
    """The host's certificate is not valid any more, or not yet."""


class HostCertificateMismatch(HostCertificateInvalid):
    """The host's certificate is for another host: possibly an attack."""


class MACError(_CodedDisconnectError):
    """A packet failed its integrity check (also: bad length or padding, told apart by nobody)."""

    default_code = DisconnectReason.SSH_DISCONNECT_MAC_ERROR

    def __init__(
        self, reason: str = "packet failed its integrity check", lang: str = "en-US"
    ) -> None:
        super().__init__(reason, lang)


class CompressionError(_CodedDisconnectError):
    """Compressed data that is malformed or larger than a packet may be."""

    default_code = DisconnectReason.SSH_DISCONNECT_COMPRESSION_ERROR


class ConnectionLost(_CodedDisconnectError):
    """The connection ended without SSH_MSG_DISCONNECT."""

    default_code = DisconnectReason.SSH_DISCONNECT_CONNECTION_LOST


class ConnectionTimeoutError(ConnectionLost, TimeoutError):
    """The peer did not answer in time."""


class ProtocolNotSupported(_CodedDisconnectError):
    """The peer does not speak SSH 2.0."""

    default_code = DisconnectReason.SSH_DISCONNECT_PROTOCOL_VERSION_NOT_SUPPORTED


class ServiceNotAvailable(_CodedDisconnectError):
    """The service that was asked for does not exist (RFC 4253 section 10)."""

    default_code = DisconnectReason.SSH_DISCONNECT_SERVICE_NOT_AVAILABLE


class TooManyConnections(_CodedDisconnectError):
    """The server has no room for another connection."""

    default_code = DisconnectReason.SSH_DISCONNECT_TOO_MANY_CONNECTIONS
