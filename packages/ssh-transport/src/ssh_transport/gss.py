"""GSS-API security contexts by the `gssapi` package (extra `gssapi`): Kerberos 5, as a rule.

The package is imported when the first context is made. A client's first step asks the KDC for a
ticket, so it may take as long as the network does: run it off the event loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Protocol

from .errors import printable

__all__ = ["KERBEROS_OID", "GSSAPIContext", "GSSError", "gssapi_available"]

KERBEROS_OID = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
"""1.2.840.113554.1.2.2, DER-encoded (RFC 1964)."""


class GSSError(Exception):
    """A call of the GSS-API that failed (RFC 2743 section 1.2.1).

    Parameters:
        text: what went wrong, in the words of the mechanism.
        major, minor: status codes.
        token: what should be sent to the peer nevertheless, or empty.
    """

    def __init__(self, text: str, major: int = 0, minor: int = 0, token: bytes = b"") -> None:
        super().__init__(text)
        self.major = major
        self.minor = minor
        self.token = token


@cache
def gssapi_available() -> bool:
    """Whether the `gssapi` package is installed."""
    return find_spec("gssapi") is not None


class _SecurityContext(Protocol):
    """What is used of `gssapi.SecurityContext`."""

    complete: bool
    actual_flags: int
    initiator_name: object
    target_name: object
    delegated_creds: object

    def step(self, token: bytes | None) -> bytes | None: ...
    def get_signature(self, message: bytes) -> bytes: ...
    def verify_signature(self, message: bytes, mic: bytes) -> int: ...


class GSSAPIContext:
    """A security context of one key exchange or one authentication.

    Make it with `initiator` or `acceptor`.
    """

    def __init__(self, context: _SecurityContext, gssapi: ModuleType) -> None:
        self._context = context
        self._error: type[Exception] = gssapi.exceptions.GSSError
        flags = gssapi.RequirementFlag
        self._integrity = int(flags.integrity)
        self._protection = int(flags.mutual_authentication | flags.integrity)

    @classmethod
    def initiator(
        cls, host: str, *, delegate: bool = False, store: Mapping[str, str] | None = None
    ) -> GSSAPIContext:
        """Return a client's context.

        Parameters:
            host: name of the server; its principal is `host/NAME`.
            delegate: give the server our credentials (RFC 4462 section 2.1, deleg_req_flag).
            store: where the credentials are, such as {"ccache": "FILE:/tmp/krb5cc_0"}; what the
                system says if not given.

        Raises GSSError, and ImportError without the `gssapi` package.
        """
        gssapi = import_module("gssapi")

        flags = [gssapi.RequirementFlag.mutual_authentication, gssapi.RequirementFlag.integrity]
        if delegate:
            flags.append(gssapi.RequirementFlag.delegate_to_peer)
        try:
            name = gssapi.Name(f"host@{host}", gssapi.NameType.hostbased_service)
            credentials = gssapi.Credentials(usage="initiate", store=store) if store else None
            return cls(
                gssapi.SecurityContext(
                    name=name,
                    creds=credentials,
                    usage="initiate",
                    flags=flags,
                    mech=gssapi.MechType.kerberos,
                ),
                gssapi,
            )
        except gssapi.exceptions.GSSError as exc:
            raise _translated(exc) from None

    @classmethod
    def acceptor(
        cls, host: str | None = None, *, store: Mapping[str, str] | None = None
    ) -> GSSAPIContext:
        """Return a server's context.

        Parameters:
            host: our name; any key of service `host` in the keytab is good if not given.
            store: where the key is, such as {"keytab": "/etc/krb5.keytab"}.

        Raises GSSError, and ImportError without the `gssapi` package.
        """
        gssapi = import_module("gssapi")

        try:
            service = "host" if host is None else f"host@{host}"
            name = gssapi.Name(service, gssapi.NameType.hostbased_service)
            credentials = gssapi.Credentials(name=name, usage="accept", store=store)
            return cls(gssapi.SecurityContext(creds=credentials, usage="accept"), gssapi)
        except gssapi.exceptions.GSSError as exc:
            raise _translated(exc) from None

    @property
    def complete(self) -> bool:
        """Whether the context is established (GSS_S_COMPLETE)."""
        return bool(self._context.complete)

    @property
    def protects(self) -> bool:
        """Whether both sides are authenticated and messages can be (mutual_state, integ_avail)."""
        return self._context.actual_flags & self._protection == self._protection

    @property
    def integrity(self) -> bool:
        """Whether messages can be authenticated (integ_avail)."""
        return bool(self._context.actual_flags & self._integrity)

    @property
    def initiator_name(self) -> str:
        """The client's name, "user@REALM"; the context has to be complete."""
        return str(self._context.initiator_name)

    @property
    def acceptor_name(self) -> str:
        """The server's name, "host/NAME@REALM"; the context has to be complete."""
        return str(self._context.target_name)

    @property
    def delegated_credentials(self) -> object | None:
        """Server: the `gssapi.Credentials` that the client delegated, or None."""
        return self._context.delegated_creds

    def step(self, token: bytes) -> bytes:
        """Take the peer's token (empty at the beginning) and return ours, empty if there is none.

        GSS_Init_sec_context or GSS_Accept_sec_context; raises GSSError.
        """
        try:
            return self._context.step(token or None) or b""
        except self._error as exc:
            raise _translated(exc) from None

    def sign(self, message: bytes) -> bytes:
        """Return a message integrity code (GSS_GetMIC); raises GSSError."""
        try:
            return self._context.get_signature(message)
        except self._error as exc:
            raise _translated(exc) from None

    def verify(self, message: bytes, code: bytes) -> None:
        """Check a message integrity code (GSS_VerifyMIC); raises GSSError unless it is good."""
        try:
            self._context.verify_signature(message, code)
        except self._error as exc:
            raise _translated(exc) from None


def _translated(error: Exception) -> GSSError:
    # The text may hold names that came from the peer.
    return GSSError(
        printable(str(error)),
        getattr(error, "maj_code", 0),
        getattr(error, "min_code", 0),
        getattr(error, "token", None) or b"",
    )
