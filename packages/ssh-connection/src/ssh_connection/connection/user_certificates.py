"""Does a certificate let a user in? The server's decision about user certificates."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from ssh_keys import (
    AuthorizedKeyEntry,
    CertificateError,
    CertificatePrincipalError,
    SSHAuthorizedKeys,
    SSHCertificate,
    SSHOpenSSHCertificate,
    SSHX509Certificate,
)

from ..server import SSHServer
from ..userauth.options import KeyGrant
from ..userauth.protocols import KeyOptions, MaybeAwait
from .certificate_trust import CertificateTrust
from .revocation import is_path_revoked

__all__ = ["UserCertificates"]


class UserCertificates:
    """Looks for the authority of a certificate in authorized keys, then asks the callback.

    Parameters:
        server: the callbacks.
        trust: what certificates have to fulfil.
        addr: numeric address of the client.
        log: called with a text that says why a certificate was refused.
    """

    def __init__(
        self, server: SSHServer, trust: CertificateTrust, addr: str, log: Callable[[str], None]
    ) -> None:
        self._server = server
        self._trust = trust
        self._addr = addr
        self._log = log

    def validate(
        self,
        user: str,
        certificate: SSHCertificate,
        authorized: SSHAuthorizedKeys | None,
        host: str,
    ) -> MaybeAwait[KeyOptions | None]:
        """Return the options of the line that lets the user in, None if there is none.

        Parameters:
            user: who wants to log in.
            certificate: what was presented; that the key signed is checked later.
            authorized: the authorized keys of the user, None if there are none.
            host: name of the client's host, as far as it is known; else its address.

        The user has to be among the principals, unless the authority's line has `principals=`,
        one of which the certificate has to have then (sshd(8)).
        """
        if isinstance(certificate, SSHX509Certificate):
            return None if authorized is None else self._x509(user, certificate, authorized, host)
        assert isinstance(certificate, SSHOpenSSHCertificate)
        listed = self._listed(user, certificate, authorized or (), host)
        if listed is not None:
            return listed
        try:
            self._trust.check_user(certificate, user, self._addr)
        except CertificateError as exc:
            self._log(f"{certificate!r} refused: {exc}")
            return None
        answer = self._server.validate_ca_key(user, certificate.signing_key)
        if isinstance(answer, Awaitable):
            return self._answered_later(certificate, answer)
        return self._answered(certificate, answer)

    def _listed(
        self,
        user: str,
        certificate: SSHOpenSSHCertificate,
        authorized: Iterable[AuthorizedKeyEntry],
        host: str,
    ) -> KeyOptions | None:
        authority = certificate.signing_key.public_data
        for entry in authorized:
            if not entry.is_ca or entry.key.public_data != authority:
                continue
            if not entry.allows(host, self._addr, certificate.principals):
                continue
            options = entry.options
            try:
                name = None if "principals" in options else user
                self._trust.check_user(certificate, name, self._addr)
                if KeyGrant().with_key(options, certificate.options) is None:
                    raise CertificateError("it forces another command than its authority's line")
            except CertificatePrincipalError:
                # Another line of the same authority may name the principals.
                continue
            except CertificateError as exc:
                self._log(f"{certificate!r} refused: {exc}")
                continue
            return options
        return None

    def _x509(
        self, user: str, certificate: SSHX509Certificate, authorized: SSHAuthorizedKeys, host: str
    ) -> KeyOptions | None:
        """Look for a line with the certificate, its subject or its authority."""
        trust = self._trust
        for entry in authorized.x509_entries:
            try:
                path = entry.validate(
                    certificate,
                    trust.x509,
                    trust.x509_purposes,
                    minimum_rsa_bits=trust.minimum_rsa_bits,
                )
            except CertificateError as exc:
                self._log(f"{certificate!r} refused: {exc}")
                continue
            if path is None or not entry.allows(host, self._addr, path.user_principals):
                continue
            if is_path_revoked(trust.revoked, path):
                self._log(f"{certificate!r} refused: a key of its path is revoked")
                return None
            if "principals" in entry.options or (user and user in path.user_principals):
                return entry.options
            self._log(f"{certificate!r} refused: it is not for this user")
        return None

    async def _answered_later(
        self, certificate: SSHOpenSSHCertificate, answer: Awaitable[bool]
    ) -> KeyOptions | None:
        return self._answered(certificate, await answer)

    def _answered(self, certificate: SSHOpenSSHCertificate, answer: bool) -> KeyOptions | None:
        if answer is True:
            return {}
        self._log(f"{certificate!r} refused: nobody knows its authority")
        return None
