"""Certificate revocation lists (RFC 5280 section 5): what an authority has taken back.

Complete lists that an authority signed itself, for all of its certificates. Lists of changes, lists
of somebody else, and lists for some of the certificates only, are said so by critical extensions,
and are refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ssh_keys.errors import CertificateError, CertificateRevokedError, KeyImportError
from ssh_keys.formats.der import INTEGER, SEQUENCE, DERReader
from ssh_keys.record import Record
from ssh_keys.x509.contents import X509Contents

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["RevocationList", "check_not_revoked", "decode_crl"]

#: Largest list that is read, in bytes: some hundred thousand certificates.
MAXIMUM_CRL_SIZE = 32 << 20
#: Hashes for which two texts with the same signature can be made.
_BROKEN_HASHES = ("md5", "sha1")


class RevocationList(Record, kw_only=True):
    """A list whose signature nobody has checked.

    Attributes:
        der: the list itself.
        crl: the same, as an object of `cryptography`.
        issuer_der: who signed it, as it is encoded.
        valid_after: when it was made, in seconds since 1970.
        valid_before: when the next one is due, None if it does not say.
        unknown_critical: object identifiers of critical extensions.
    """

    _hidden = ("der", "crl", "issuer_der")

    der: bytes
    crl: x509.CertificateRevocationList
    issuer_der: bytes
    valid_after: int
    valid_before: int | None
    unknown_critical: tuple[str, ...] = ()


def decode_crl(der: bytes) -> RevocationList:
    """Return the list of DER data; raises KeyImportError."""
    if len(der) > MAXIMUM_CRL_SIZE:
        raise KeyImportError(f"X.509 revocation list of {len(der)} bytes")
    from cryptography import x509
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm

    issuer_der = _issuer(der)
    try:
        crl = x509.load_der_x509_crl(der)
        next_update = crl.next_update_utc
        return RevocationList(
            der=der,
            crl=crl,
            issuer_der=issuer_der,
            valid_after=int(crl.last_update_utc.timestamp()),
            valid_before=None if next_update is None else int(next_update.timestamp()),
            unknown_critical=tuple(
                extension.oid.dotted_string for extension in crl.extensions if extension.critical
            ),
        )
    except (
        ValueError,
        TypeError,
        OverflowError,
        InternalError,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ):
        raise KeyImportError("malformed X.509 revocation list") from None


def _issuer(der: bytes) -> bytes:
    reader = DERReader(der)
    fields = reader.sequence().sequence()
    reader.end()
    if fields.peek() == INTEGER:
        fields.integer()
    fields.sequence()  # the algorithm
    return fields.encoded(SEQUENCE)


def check_not_revoked(
    contents: X509Contents, issuer: X509Contents, lists: Iterable[RevocationList], now: float
) -> None:
    """Check a certificate against the lists of its authority (RFC 5280 section 6.3).

    Parameters:
        contents: the certificate.
        issuer: the authority that issued it.
        lists: all lists that have the name of the authority. Without any, nothing is checked; with
            some, one of them has to be good.
        now: the time in seconds since 1970.

    Raises CertificateRevokedError, and CertificateError if no list is good.
    """
    reason: CertificateError | None = None
    good = False
    for each in lists:
        try:
            _check_list(each, issuer, now)
        except CertificateError as exc:
            reason = exc
            continue
        good = True
        if each.crl.get_revoked_certificate_by_serial_number(contents.serial) is not None:
            raise CertificateRevokedError("X.509 certificate is revoked by its authority")
    if reason is not None and not good:
        raise reason


def _check_list(each: RevocationList, issuer: X509Contents, now: float) -> None:
    if each.unknown_critical:
        raise CertificateError(
            f"X.509 revocation list with the critical extension {each.unknown_critical[0]}"
        )
    if now < each.valid_after:
        raise CertificateError("X.509 revocation list is not valid yet")
    if each.valid_before is None:
        raise CertificateError("X.509 revocation list that does not say how long it is good")
    if now >= each.valid_before:
        raise CertificateError("X.509 revocation list has expired")
    if issuer.may_revoke is False:
        raise CertificateError("X.509 authority with a key that is not for revocation lists")
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm

    try:
        algorithm = each.crl.signature_hash_algorithm
        if algorithm is not None and algorithm.name in _BROKEN_HASHES:
            raise CertificateError(f"X.509 revocation list signed with {algorithm.name}")
        good = each.crl.is_signature_valid(issuer.certificate.public_key())  # type: ignore[arg-type]
    except CertificateError:
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
        good = False
    if not good:
        raise CertificateError("X.509 revocation list with a wrong signature")
