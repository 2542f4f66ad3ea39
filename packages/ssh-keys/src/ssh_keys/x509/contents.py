"""What is in one X.509 certificate (RFC 5280 section 4), read once and completely.

`cryptography` decodes lazily: a malformed extension shows only when it is asked for. Here all that
counts is asked for at once, so that there is one place where hostile data can fail, in one way.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any

from ssh_keys.errors import KeyImportError, KeyTruncatedError, UnsupportedKeyError
from ssh_keys.formats.der import NULL, SEQUENCE, DERReader
from ssh_keys.record import Record
from ssh_keys.x509.names import X509Name

if TYPE_CHECKING:
    from cryptography import x509

__all__ = [
    "MAXIMUM_CERTIFICATE_SIZE",
    "AlternativeNames",
    "NameConstraints",
    "X509Contents",
    "decode_contents",
]

#: Largest certificate that is looked at, in bytes; usual ones have one or two thousand.
MAXIMUM_CERTIFICATE_SIZE = 64 << 10
#: Most names in one certificate, and most rules in its name constraints. Both are multiplied.
MAXIMUM_NAMES = 1024

_VERSION = 0xA0
_PKCS1 = "1.2.840.113549.1.1."
_COMMENT = "2.16.840.1.113730.1.13"
#: Critical extensions whose meaning is carried out. With every policy acceptable, those about
#: policies change nothing, except for the one demand that `requires_policy` is about.
_KNOWN = frozenset(
    (
        "2.5.29.15",  # keyUsage
        "2.5.29.17",  # subjectAltName
        "2.5.29.19",  # basicConstraints
        "2.5.29.30",  # nameConstraints
        "2.5.29.32",  # certificatePolicies
        "2.5.29.33",  # policyMappings
        "2.5.29.36",  # policyConstraints
        "2.5.29.37",  # extKeyUsage
        "2.5.29.54",  # inhibitAnyPolicy
    )
)


class AlternativeNames(Record, kw_only=True):
    """Names by their form: those of a subject, or those of one list of name constraints.

    Attributes:
        emails: rfc822Name.
        hosts: dNSName.
        addresses: iPAddress, networks in constraints.
        names: directoryName.
        uris: uniformResourceIdentifier.
        others: whether there are names of other forms.
    """

    emails: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    addresses: tuple[IPv4Address | IPv6Address | IPv4Network | IPv6Network, ...] = ()
    names: tuple[X509Name, ...] = ()
    uris: tuple[str, ...] = ()
    others: bool = False


class NameConstraints(Record):
    """The extension of that name (RFC 5280 section 4.2.1.10).

    Attributes:
        permitted: subtrees of which one must match, for the forms that are there at all.
        excluded: subtrees of which none may match.
    """

    permitted: AlternativeNames
    excluded: AlternativeNames


class X509Contents(Record, kw_only=True):
    """The contents of a certificate whose signature nobody has checked.

    Attributes:
        der: the certificate itself.
        certificate: the same, as an object of `cryptography`.
        version: 1 or 3.
        serial: the serial number.
        subject: whom it is about.
        issuer: who signed it.
        issuer_der, subject_der: both as they are encoded.
        valid_after: first second of validity, since 1970; negative before.
        valid_before: last second of validity, since 1970.
        is_ca: whether it may sign certificates by its basic constraints.
        path_length: how many authorities may follow, None for any number.
        may_sign: keyUsage digitalSignature, None if there is no key usage.
        may_certify: keyUsage keyCertSign, None if there is no key usage.
        may_revoke: keyUsage cRLSign, None if there is no key usage.
        purposes: object identifiers of ExtendedKeyUsage, None if there is none.
        alternative_names: subjectAltName.
        has_alternative_names: whether there is such an extension.
        constraints: name constraints for the certificates below, if any.
        requires_policy: whether it wants the policies of the path to be checked.
        unknown_critical: object identifiers of critical extensions that nothing here carries out.
        comment: the comment that Netscape's extension holds.
    """

    _hidden = ("der", "subject_der", "issuer_der", "certificate")

    der: bytes
    certificate: x509.Certificate
    version: int
    serial: int
    subject: X509Name
    issuer: X509Name
    subject_der: bytes
    issuer_der: bytes
    valid_after: int
    valid_before: int
    is_ca: bool = False
    path_length: int | None = None
    may_sign: bool | None = None
    may_certify: bool | None = None
    may_revoke: bool | None = None
    purposes: tuple[str, ...] | None = None
    alternative_names: AlternativeNames = AlternativeNames()
    has_alternative_names: bool = False
    constraints: NameConstraints | None = None
    requires_policy: bool = False
    unknown_critical: tuple[str, ...] = ()
    comment: bytes | None = None

    @property
    def is_self_issued(self) -> bool:
        """Whether subject and issuer are the same."""
        return self.subject_der == self.issuer_der


def decode_contents(der: bytes) -> X509Contents:
    """Return the contents of a certificate in DER.

    Raises KeyTruncatedError for data that is no DER sequence of that size, UnsupportedKeyError for
    things that X.509 has and `cryptography` does not, and KeyImportError for everything else.
    """
    if len(der) > MAXIMUM_CERTIFICATE_SIZE:
        raise KeyImportError(f"X.509 certificate of {len(der)} bytes")
    names = _encoded_names(der)
    from cryptography import x509
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm

    try:
        return _decode(der, x509.load_der_x509_certificate(der), *names)
    except KeyImportError:
        raise
    except (UnsupportedAlgorithm, x509.UnsupportedGeneralNameType) as exc:
        raise UnsupportedKeyError(f"X.509 certificate: {_shown(exc)}") from None
    except (
        ValueError,
        TypeError,
        OverflowError,
        InternalError,
        x509.InvalidVersion,
        x509.DuplicateExtension,
    ) as exc:
        raise KeyImportError(f"malformed X.509 certificate: {_shown(exc)}") from None


def _shown(exc: Exception) -> str:
    """Return the text of an error of `cryptography`, in which there may be text of the peer."""
    return ascii(str(exc)[:200])[1:-1]


def _decode(
    der: bytes, certificate: x509.Certificate, issuer_der: bytes, subject_der: bytes
) -> X509Contents:
    facts: dict[str, Any] = {}
    for extension in certificate.extensions:
        _add_extension(facts, extension)
    # Asked for now, so that an unknown algorithm or a malformed key shows here.
    _ = certificate.signature_algorithm_oid, certificate.public_key_algorithm_oid
    return X509Contents(
        der=der,
        certificate=certificate,
        version=3 if certificate.version.name == "v3" else 1,
        serial=certificate.serial_number,
        subject=X509Name.from_der(subject_der),
        issuer=X509Name.from_der(issuer_der),
        subject_der=subject_der,
        issuer_der=issuer_der,
        valid_after=int(certificate.not_valid_before_utc.timestamp()),
        valid_before=int(certificate.not_valid_after_utc.timestamp()),
        **facts,
    )


def _encoded_names(der: bytes) -> tuple[bytes, bytes]:
    """Return issuer and subject as they are encoded (RFC 5280 section 4.1).

    Not by way of `cryptography`, which cannot read all of the old string types.

    Raises KeyTruncatedError, and KeyImportError for what `cryptography` reads with a warning: that
    it will not for long. A peer shall not be able to make us warn of something.
    """
    reader = DERReader(der)
    certificate = reader.sequence()
    reader.end()
    fields = certificate.sequence()
    if fields.peek() == _VERSION:
        fields.value()
    if fields.integer() <= 0:
        raise KeyImportError("X.509 certificate with a serial number that is not positive")
    for algorithm in (fields.sequence(), certificate.sequence()):
        # PKCS#1 has a NULL for parameters (RFC 4055 section 5), all others have none.
        if not algorithm.oid().startswith(_PKCS1) and algorithm.peek() == NULL:
            raise KeyImportError("X.509 certificate with parameters that its algorithm has not")
    issuer_der = fields.encoded(SEQUENCE)
    fields.sequence()  # the time of validity
    return issuer_der, fields.encoded(SEQUENCE)


def _add_extension(facts: dict[str, Any], extension: x509.Extension[x509.ExtensionType]) -> None:
    from cryptography import x509

    value, oid = extension.value, extension.oid.dotted_string
    if isinstance(value, x509.BasicConstraints):
        facts.update(is_ca=value.ca, path_length=value.path_length)
    elif isinstance(value, x509.KeyUsage):
        facts.update(
            may_sign=value.digital_signature,
            may_certify=value.key_cert_sign,
            may_revoke=value.crl_sign,
        )
    elif isinstance(value, x509.ExtendedKeyUsage):
        facts["purposes"] = tuple(purpose.dotted_string for purpose in value)
    elif isinstance(value, x509.SubjectAlternativeName):
        facts.update(alternative_names=_names(value), has_alternative_names=True)
    elif isinstance(value, x509.NameConstraints):
        facts["constraints"] = NameConstraints(
            _names(value.permitted_subtrees or ()), _names(value.excluded_subtrees or ())
        )
    elif isinstance(value, x509.PolicyConstraints):
        facts["requires_policy"] = value.require_explicit_policy is not None
    elif oid == _COMMENT and isinstance(value, x509.UnrecognizedExtension):
        facts["comment"] = _comment(value.value)
    if extension.critical and oid not in _KNOWN:
        facts["unknown_critical"] = (*facts.get("unknown_critical", ()), oid)


def _names(names: Iterable[x509.GeneralName]) -> AlternativeNames:
    from cryptography import x509

    emails: list[str] = []
    hosts: list[str] = []
    uris: list[str] = []
    addresses: list[IPv4Address | IPv6Address | IPv4Network | IPv6Network] = []
    directories: list[X509Name] = []
    others = False
    for count, name in enumerate(names):
        if count >= MAXIMUM_NAMES:
            raise KeyImportError(f"X.509 certificate with more than {MAXIMUM_NAMES} names")
        if isinstance(name, x509.RFC822Name):
            emails.append(name.value)
        elif isinstance(name, x509.DNSName):
            hosts.append(name.value)
        elif isinstance(name, x509.IPAddress):
            addresses.append(name.value)
        elif isinstance(name, x509.DirectoryName):
            directories.append(X509Name.from_der(name.value.public_bytes()))
        elif isinstance(name, x509.UniformResourceIdentifier):
            uris.append(name.value)
        else:
            others = True
    return AlternativeNames(
        emails=tuple(emails),
        hosts=tuple(hosts),
        addresses=tuple(addresses),
        names=tuple(directories),
        uris=tuple(uris),
        others=others,
    )


def _comment(data: bytes) -> bytes | None:
    """Return the text of an IA5String; a comment that is none is not worth an error."""
    try:
        reader = DERReader(data)
        _, text = reader.value()
        reader.end()
    except KeyTruncatedError:
        return None
    return bytes(char if 0x20 <= char < 0x7F or char > 0x9F else 0x3F for char in text) or None
