"""`SSHX509Certificate`: an X.509 certificate as SSH uses it (RFC 6187), with its chain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from ssh_keys.certificate_base import SSHCertificate
from ssh_keys.errors import CertificateError, KeyExportError, UnsupportedKeyError
from ssh_keys.exporting import openssh_line
from ssh_keys.formats.armour import encode_pem
from ssh_keys.formats.rfc4716 import encode_rfc4716
from ssh_keys.patterns import parse_address
from ssh_keys.signature_algorithms import X509_ALGORITHMS, X509_KEY_TYPES
from ssh_keys.wire import encode_string, encode_uint32
from ssh_keys.x509.contents import X509Contents
from ssh_keys.x509.names import COMMON_NAME, X509Name
from ssh_keys.x509.path import MAXIMUM_PATH_LENGTH, check_issued

if TYPE_CHECKING:
    from cryptography import x509

    from ssh_keys.key import SSHKey

__all__ = ["PEM_LABEL", "SSHX509Certificate", "build_chain", "encode_blob"]

PEM_LABEL = b"CERTIFICATE"
#: Keys below this size have no name but that of SHA-1 (RFC 6187 section 3.3).
RSA2048_BITS = 2048


class SSHX509Certificate(SSHCertificate):
    """An X.509 certificate, whose signature was not checked yet: see `X509Trust.validate`.

    Attributes:
        contents: everything that it says.
        intermediates: the certificates that are sent with it, each the issuer of the one before.
        ocsp_responses: what was sent about revocation, in DER; kept, but not evaluated.
    """

    is_x509 = True

    def __init__(
        self,
        key: SSHKey,
        contents: X509Contents,
        intermediates: Sequence[X509Contents] = (),
        ocsp_responses: Sequence[bytes] = (),
        public_data: bytes | None = None,
    ) -> None:
        rows = [row for row in X509_ALGORITHMS if X509_KEY_TYPES[row.name] == key.algorithm]
        if key.type_name == "RSA" and key.bits < RSA2048_BITS:
            rows = [row for row in rows if row.sig_algorithm != b"rsa2048-sha256"]
        if not rows:
            raise UnsupportedKeyError(f"SSH has no X.509 certificates of {key.get_algorithm()}")
        self.contents = contents
        self.intermediates = tuple(intermediates)
        self.ocsp_responses = tuple(ocsp_responses)
        algorithm = rows[0].name
        super().__init__(
            algorithm,
            key,
            self._encode(algorithm) if public_data is None else public_data,
            tuple(row.sig_algorithm for row in rows),
            tuple(row.name for row in rows),
        )
        self.set_comment(contents.comment)

    # --- What it says ------------------------------------------------------------------------

    @property
    def subject(self) -> X509Name:
        """Whom it is about; `str` of it is the form of `known_hosts`."""
        return self.contents.subject

    @property
    def issuer(self) -> X509Name:
        """Who issued it."""
        return self.contents.issuer

    @property
    def serial(self) -> int:
        """The serial number."""
        return self.contents.serial

    @property
    def purposes(self) -> tuple[str, ...] | None:
        """Object identifiers of its ExtendedKeyUsage, None if there is none."""
        return self.contents.purposes

    @property
    def is_ca(self) -> bool:
        """Whether it may issue certificates."""
        return self.contents.is_ca

    @property
    def user_principals(self) -> tuple[str, ...]:
        """The names of users that it is for: rfc822Name, or the common name if there are no
        alternative names at all.
        """
        if self.contents.has_alternative_names:
            return self.contents.alternative_names.emails
        return self.subject.values(COMMON_NAME)

    @property
    def host_principals(self) -> tuple[str, ...]:
        """The names and addresses of hosts that it is for: dNSName and iPAddress."""
        names = self.contents.alternative_names
        return (*names.hosts, *map(str, names.addresses))

    def is_for_host(self, host: str) -> bool:
        """Whether it names a host (RFC 6187 section 4, RFC 6125 section 6.4).

        Parameters:
            host: name or numeric address that the user asked for.

        A `*` stands for one label, and only for the whole first one. The common name does not
        count.
        """
        names = self.contents.alternative_names
        address = parse_address(host)
        if address is not None:
            return any(
                parse_address(str(known)) == address
                for known in names.addresses
                if isinstance(known, IPv4Address | IPv6Address)
            )
        wanted = host.lower().removesuffix(".").split(".")
        return all(wanted) and any(_host_matches(wanted, pattern) for pattern in names.hosts)

    def to_object(self) -> x509.Certificate:
        """Return the certificate as an object of `cryptography`."""
        return self.contents.certificate

    # --- Chain and wire ----------------------------------------------------------------------

    def with_chain(self, others: Iterable[X509Contents]) -> SSHX509Certificate:
        """Return this certificate with those that lead to an authority, in order.

        Parameters:
            others: certificates in any order; those that do not belong to the chain are left out,
                and so is a self-signed one, which a peer has to know by itself.
        """
        chain = build_chain(self.contents, others)
        made = SSHX509Certificate(self.key, self.contents, chain)
        made.set_comment(self.get_comment_bytes())
        return made

    def blob_for(self, algorithm: bytes) -> bytes:
        """Return the blob whose name is that of the negotiated algorithm (RFC 6187 section 2.1)."""
        return self.public_data if algorithm == self.algorithm else self._encode(algorithm)

    def _encode(self, algorithm: bytes) -> bytes:
        ders = (self.contents.der, *(each.der for each in self.intermediates))
        return encode_blob(algorithm, ders, self.ocsp_responses)

    # --- Writing -----------------------------------------------------------------------------

    def export_certificate(self, format_name: str = "openssh") -> bytes:
        """Return the certificate in a file format.

        Parameters:
            format_name: `pem` and `der`, with the chain behind the certificate; `openssh`, one
                line with the base64 of the certificate itself; `rfc4716`, with all that is sent.

        Raises KeyExportError for another format.
        """
        ders = (self.contents.der, *(each.der for each in self.intermediates))
        if format_name == "der":
            return b"".join(ders)
        if format_name == "pem":
            return b"".join(encode_pem(PEM_LABEL, der) for der in ders)
        comment = self.get_comment_bytes()
        if format_name == "openssh":
            # The older name of RSA, which says what kind of key it is, is read by everybody.
            name = b"x509v3-ssh-rsa" if self.key.type_name == "RSA" else self.algorithm
            return openssh_line(name, self.contents.der, comment)
        if format_name == "rfc4716":
            return encode_rfc4716(self.public_data, comment)
        raise KeyExportError(f"unknown certificate format {format_name!r}")

    def __repr__(self) -> str:
        return (
            f"<SSHX509Certificate {self.get_algorithm()} {str(self.subject)!a} "
            f"serial {self.serial}>"
        )


def encode_blob(algorithm: bytes, ders: Sequence[bytes], ocsp_responses: Sequence[bytes]) -> bytes:
    """Return the key format of RFC 6187 section 2.1."""
    return b"".join(
        (
            encode_string(algorithm),
            encode_uint32(len(ders)),
            *map(encode_string, ders),
            encode_uint32(len(ocsp_responses)),
            *map(encode_string, ocsp_responses),
        )
    )


def build_chain(contents: X509Contents, others: Iterable[X509Contents]) -> tuple[X509Contents, ...]:
    """Return the certificates above one, each the issuer of the one before."""
    left = {each.der: each for each in others}
    left.pop(contents.der, None)
    chain: list[X509Contents] = []
    while len(chain) < MAXIMUM_PATH_LENGTH - 1:
        last = chain[-1] if chain else contents
        found = next((each for each in left.values() if _is_issued(last, each)), None)
        if found is None or _is_issued(found, found):
            break
        chain.append(left.pop(found.der))
    return tuple(chain)


def _is_issued(contents: X509Contents, issuer: X509Contents) -> bool:
    if contents.issuer_der != issuer.subject_der:
        return False
    try:
        check_issued(contents, issuer)
    except CertificateError:
        return False
    return True


def _host_matches(wanted: Sequence[str], pattern: str) -> bool:
    labels = pattern.lower().removesuffix(".").split(".")
    if len(labels) != len(wanted) or not all(labels):
        return False
    # Not for a whole top-level domain.
    if labels[0] == "*" and len(labels) > 2:
        return labels[1:] == wanted[1:]
    return labels == wanted
