"""Is a certificate good for a host or a user? The rules that both roles share."""

from __future__ import annotations

from collections.abc import Collection

from ssh_keys import (
    CertificatePrincipalError,
    CertificateType,
    SSHKeyRevocationList,
    SSHOpenSSHCertificate,
    X509Purposes,
    X509Trust,
)
from ssh_keys.key_material import MINIMUM_RSA_BITS
from ssh_keys.patterns import parse_address
from ssh_keys.record import Record

__all__ = ["CertificateTrust", "host_principal"]

_NO_TRUST = X509Trust()


class CertificateTrust(Record):
    """What a certificate has to fulfil once its authority is trusted.

    Parameters:
        sig_algorithms: what the authority may have signed with.
        minimum_rsa_bits: smallest RSA key, of the authority and of the holder.
        x509: X.509 certificates that are trusted.
        x509_purposes: what an X.509 certificate may be used for.
        revoked: what must not be trusted, whoever else says so.
    """

    sig_algorithms: Collection[bytes]
    minimum_rsa_bits: int = MINIMUM_RSA_BITS
    x509: X509Trust = _NO_TRUST
    x509_purposes: X509Purposes = None
    revoked: SSHKeyRevocationList | None = None

    def check_host(self, certificate: SSHOpenSSHCertificate, host: str) -> None:
        """Return if a host certificate is good for a host now.

        Parameters:
            host: name or address that was asked for.

        Raises CertificateError.
        """
        self._check(certificate, CertificateType.HOST, host_principal(host))

    def check_user(self, certificate: SSHOpenSSHCertificate, user: str | None, addr: str) -> None:
        """Return if a user certificate is good for a client now.

        Parameters:
            user: name to log in as; None if other principals of the certificate were matched.
            addr: numeric address of the client.

        Raises CertificateError.
        """
        if user == "":
            # For `validate`, an empty name stands for none to be checked.
            raise CertificatePrincipalError("certificate is for nobody without a name")
        self._check(certificate, CertificateType.USER, user or "")
        certificate.check_source_address(addr)

    def _check(
        self, certificate: SSHOpenSSHCertificate, kind: CertificateType, principal: str
    ) -> None:
        certificate.validate(
            kind,
            principal,
            sig_algorithms=self.sig_algorithms,
            minimum_rsa_bits=self.minimum_rsa_bits,
        )


def host_principal(host: str) -> str:
    """Return what a host certificate has to name for a host: a name, or an address as it is usual.

    The address that a name leads to does not count: whoever can forge an answer of the name
    service could lead us to another host of the same authority.
    """
    address = parse_address(host)
    return (host.rstrip(".") or host) if address is None else str(address)
