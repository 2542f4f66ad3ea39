"""Making X.509 certificates for users, hosts and authorities (RFC 5280, RFC 6187)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, cast

from ssh_keys.errors import KeyGenerationError
from ssh_keys.formats.der import encode_value
from ssh_keys.key_material import KeyMaterial
from ssh_keys.patterns import parse_address
from ssh_keys.record import Record
from ssh_keys.time_values import FOREVER, TimeValue, parse_time
from ssh_keys.x509.contents import X509Contents, decode_contents
from ssh_keys.x509.names import X509Name
from ssh_keys.x509.purposes import X509Purposes, parse_purposes

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import (
        CertificateIssuerPrivateKeyTypes,
        CertificateIssuerPublicKeyTypes,
        CertificatePublicKeyTypes,
    )
    from cryptography.hazmat.primitives.hashes import SHA224, SHA256, SHA384, SHA512

__all__ = ["HolderKind", "X509Request", "sign_x509_certificate"]

#: The end of the calendar: a certificate without end (RFC 5280 section 4.1.2.5).
_LAST_SECOND = 253402300799
_COMMENT_OID = "2.16.840.1.113730.1.13"
_IA5_STRING = 0x16
MAXIMUM_SERIAL_BITS = 159

#: The hash that fits an ECDSA key; SHA-256 for all others.
_CURVE_HASHES = {b"ecdsa-sha2-nistp384": "sha384", b"ecdsa-sha2-nistp521": "sha512"}


class HolderKind(Enum):
    """What a certificate is made for."""

    USER = "user"
    HOST = "host"
    CA = "ca"


class X509Request(Record, kw_only=True):
    """What a new certificate is to say; texts as of `SSHKey.generate_x509_user_certificate`."""

    kind: HolderKind
    subject: str
    issuer: str | None
    serial: int | None
    valid_after: TimeValue
    valid_before: TimeValue
    hash_alg: str | tuple[()]
    principals: str | Iterable[str] = ()
    purposes: X509Purposes = None
    path_length: int | None = None


def sign_x509_certificate(
    ca_key: KeyMaterial, key: KeyMaterial, request: X509Request, comment: bytes | None
) -> X509Contents:
    """Return a new certificate, in DER and decoded.

    Parameters:
        ca_key: private key of the authority.
        key: the key to be certified.
        request: what to say about it.
        comment: text to keep within, None for none.

    Raises KeyGenerationError for anything that no certificate can have.
    """
    from cryptography.exceptions import UnsupportedAlgorithm

    if not ca_key.is_private:
        raise KeyGenerationError("the signing key has no private part")
    try:
        private_key = cast("CertificateIssuerPrivateKeyTypes", ca_key.private_key_object())
        public_key = cast("CertificatePublicKeyTypes", key.public_key_object())
        builder = _builder(request, public_key)
        issuer_key = cast("CertificateIssuerPublicKeyTypes", ca_key.public_key_object())
        for extension, critical in _extensions(request, public_key, issuer_key, comment):
            builder = builder.add_extension(extension, critical)
        made = builder.sign(private_key, _hash(ca_key, request.hash_alg))
        return decode_contents(_der(made))
    except KeyGenerationError:
        raise
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm) as exc:
        raise KeyGenerationError(f"X.509 certificate: {exc}") from None


def _der(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def _builder(
    request: X509Request, public_key: CertificatePublicKeyTypes
) -> x509.CertificateBuilder:
    from cryptography import x509

    subject = X509Name.parse(request.subject)
    issuer = subject if request.issuer is None else X509Name.parse(request.issuer)
    if not issuer:
        raise KeyGenerationError("X.509 certificates need an issuer")
    serial = x509.random_serial_number() if request.serial is None else request.serial
    if serial <= 0 or serial.bit_length() > MAXIMUM_SERIAL_BITS:
        raise KeyGenerationError(f"serial number {serial} is out of range")
    valid_after, valid_before = _moment(request.valid_after), _moment(request.valid_before)
    if valid_after >= valid_before:
        raise KeyGenerationError("the certificate would end before it begins")
    return (
        x509.CertificateBuilder()
        .subject_name(subject.to_object())
        .issuer_name(issuer.to_object())
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(valid_after)
        .not_valid_after(valid_before)
    )


def _moment(value: TimeValue) -> datetime:
    seconds = parse_time(value)
    if seconds == FOREVER:
        seconds = _LAST_SECOND
    if seconds > _LAST_SECOND:
        raise KeyGenerationError("X.509 certificates know no time after the year 9999")
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def _hash(
    ca_key: KeyMaterial, hash_alg: str | tuple[()]
) -> SHA224 | SHA256 | SHA384 | SHA512 | None:
    from cryptography.hazmat.primitives import hashes

    if ca_key.algorithm in (b"ssh-ed25519", b"ssh-ed448"):
        if hash_alg:
            raise KeyGenerationError(f"{ca_key.type_name} signatures have a hash of their own")
        return None
    name = hash_alg or _CURVE_HASHES.get(ca_key.algorithm, "sha256")
    if name == "sha224":
        return hashes.SHA224()
    if name == "sha256":
        return hashes.SHA256()
    if name == "sha384":
        return hashes.SHA384()
    if name == "sha512":
        return hashes.SHA512()
    raise KeyGenerationError(f"no X.509 signature with the hash {name!a}")


def _extensions(
    request: X509Request,
    public_key: CertificatePublicKeyTypes,
    issuer_key: CertificateIssuerPublicKeyTypes,
    comment: bytes | None,
) -> Iterable[tuple[x509.ExtensionType, bool]]:
    from cryptography import x509

    is_ca = request.kind is HolderKind.CA
    yield x509.BasicConstraints(ca=is_ca, path_length=request.path_length), True
    yield (
        x509.KeyUsage(
            digital_signature=not is_ca,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=is_ca,
            crl_sign=is_ca,
            encipher_only=False,
            decipher_only=False,
        ),
        True,
    )
    purposes = parse_purposes(request.purposes)
    if purposes is not None:
        yield (
            x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in sorted(purposes)]),
            False,
        )
    yield x509.SubjectKeyIdentifier.from_public_key(public_key), False
    yield x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), False
    names = _alternative_names(request)
    if names:
        # Without a subject the alternative names are all there is (RFC 5280 section 4.1.2.6).
        yield x509.SubjectAlternativeName(names), not request.subject.strip()
    elif not request.subject.strip():
        raise KeyGenerationError("X.509 certificates need a subject or principals")
    if comment:
        data = encode_value(_IA5_STRING, comment)
        yield x509.UnrecognizedExtension(x509.ObjectIdentifier(_COMMENT_OID), data), False


def _alternative_names(request: X509Request) -> Sequence[x509.GeneralName]:
    from cryptography import x509

    given = request.principals
    names = given.split(",") if isinstance(given, str) else tuple(given)
    names = [name.strip() for name in names] if names != [""] else []
    if not all(names):
        raise KeyGenerationError("an empty principal")
    if request.kind is HolderKind.USER:
        return [x509.RFC822Name(name) for name in names]
    made: list[x509.GeneralName] = []
    for name in names:
        address = parse_address(name)
        made.append(x509.DNSName(name) if address is None else x509.IPAddress(address))
    return made
