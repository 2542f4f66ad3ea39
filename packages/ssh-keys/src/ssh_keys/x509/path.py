"""Certification path validation (RFC 5280 section 6.1), from an SSH certificate to its anchor.

`cryptography.x509.verification` is made for the web: it refuses Ed25519, Ed448 and DSA keys, and
asks for host names. So the steps are here, one function each, on what `cryptography` decoded and
with its check of signatures. The path is in the order in which RFC 6187 section 2.1 wants it sent:
each certificate certifies the one before, so nothing has to be searched for.

Deliberately stricter than the RFC: anchors have to be valid at the time, too; an authority with an
ExtendedKeyUsage may only issue for these purposes; SHA-1 and MD5 prove nothing. Revocation is by
lists of certificates and subjects, and by those lists of authorities (CRLs) that are at hand; OCSP
responses are not evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ssh_keys.errors import CertificateError, CertificateExpiredError, CertificateRevokedError
from ssh_keys.record import Record
from ssh_keys.x509.constraints import check_name_constraints
from ssh_keys.x509.contents import X509Contents
from ssh_keys.x509.crl import RevocationList, check_not_revoked
from ssh_keys.x509.purposes import allows_purpose

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

__all__ = ["MAXIMUM_PATH_LENGTH", "PathPolicy", "check_issued", "find_path"]

#: Most certificates in a path, the anchor among them.
MAXIMUM_PATH_LENGTH = 10
#: Most anchors that are tried for one certificate: each costs a check of a signature.
MAXIMUM_CANDIDATES = 16
_NOT_ISSUED = "X.509 chain in which one certificate does not certify another"
#: Hashes for which two texts with the same signature can be made.
_BROKEN_HASHES = ("md5", "sha1")

Anchors = Callable[[X509Contents], Iterable[X509Contents]]


def no_lists(contents: X509Contents) -> Iterable[RevocationList]:
    """The revocation lists of somebody who has none."""
    return ()


class PathPolicy(Record, kw_only=True):
    """What a path has to fulfil besides leading to an anchor.

    Attributes:
        now: the time, in seconds since 1970.
        purposes: object identifiers of which the certificates must allow one, None for any.
        revoked: certificates, in DER, that must be nowhere in the path.
        minimum_rsa_bits: smallest RSA key in the path.
        lists: called with a certificate; returns the revocation lists with its issuer's name.
    """

    now: float
    purposes: frozenset[str] | None
    revoked: Collection[bytes] = ()
    minimum_rsa_bits: int = 2048
    lists: Callable[[X509Contents], Iterable[RevocationList]] = no_lists


def find_path(
    chain: Sequence[X509Contents], anchors: Anchors, policy: PathPolicy
) -> tuple[X509Contents, ...]:
    """Return the path from the first certificate of a chain to a trust anchor.

    Parameters:
        chain: the certificate itself, and each following one the issuer of the one before.
        anchors: called with a certificate; returns trusted certificates that are that certificate,
            or have its issuer's name.
        policy: what else has to be fulfilled.

    Raises CertificateError.
    """
    path: list[X509Contents] = []
    reason = CertificateError("no trusted authority issued the X.509 certificate")
    for contents in chain[:MAXIMUM_PATH_LENGTH]:
        if path and path[-1].issuer_der != contents.subject_der:
            raise CertificateError(_NOT_ISSUED)
        path.append(contents)
        for anchor in _candidates(contents, anchors):
            found = tuple(path) if anchor.der == contents.der else (*path, anchor)
            try:
                # From the anchor down: no key is used before somebody trusted vouches for it, so
                # that strangers cannot choose how much work a signature is.
                for issuer, below in pairwise(reversed(found)):
                    check_issued(below, issuer)
                _check_path(found, policy)
            except CertificateError as exc:
                reason = exc
            else:
                return found
    raise reason


def _candidates(contents: X509Contents, anchors: Anchors) -> Iterable[X509Contents]:
    for count, anchor in enumerate(anchors(contents)):
        if count >= MAXIMUM_CANDIDATES:
            return
        yield anchor


def check_issued(contents: X509Contents, issuer: X509Contents) -> None:
    """Check names and signature (RFC 5280 section 6.1.3 (a) (1) and (4)).

    Raises CertificateError.
    """
    from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm

    if contents.issuer_der != issuer.subject_der:
        raise CertificateError(_NOT_ISSUED)
    try:
        hash_algorithm = contents.certificate.signature_hash_algorithm
        if hash_algorithm is not None and hash_algorithm.name in _BROKEN_HASHES:
            raise CertificateError(f"X.509 certificate signed with {hash_algorithm.name}")
        contents.certificate.verify_directly_issued_by(issuer.certificate)
    except CertificateError:
        raise
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError, InternalError):
        raise CertificateError("X.509 certificate with a wrong signature") from None


def _check_path(path: Sequence[X509Contents], policy: PathPolicy) -> None:
    _check_holder(path[0], policy)
    authorities = 0
    for index, contents in enumerate(path):
        _check_each(contents, policy)
        if index:
            _check_authority(contents, authorities, policy)
            # Certificates that an authority issued to itself, with a new key, do not count.
            authorities += not contents.is_self_issued
        if contents.constraints is not None:
            for position, below in enumerate(path[:index]):
                if position and below.is_self_issued:
                    continue
                check_name_constraints(contents.constraints, below)
    # From the anchor down, as with the signatures: who signed a list, has to be trusted before.
    for issuer, below in pairwise(reversed(path)):
        check_not_revoked(below, issuer, policy.lists(below), policy.now)


def _check_each(contents: X509Contents, policy: PathPolicy) -> None:
    if contents.version != 3:
        raise CertificateError("X.509 certificate of a version before 3")
    if contents.der in policy.revoked:
        raise CertificateRevokedError("X.509 certificate is revoked")
    if policy.now < contents.valid_after:
        raise CertificateExpiredError("X.509 certificate is not valid yet")
    # The last second is valid as a whole.
    if policy.now >= contents.valid_before + 1:
        raise CertificateExpiredError("X.509 certificate has expired")
    if contents.unknown_critical:
        raise CertificateError(
            f"X.509 certificate with the unknown critical extension {contents.unknown_critical[0]}"
        )
    if contents.requires_policy:
        raise CertificateError("X.509 certificate that requires a check of policies")
    if not allows_purpose(contents.purposes, policy.purposes):
        raise CertificateError("X.509 certificate for another purpose")
    bits = _rsa_bits(contents)
    if bits is not None and bits < policy.minimum_rsa_bits:
        raise CertificateError(f"X.509 certificate with an RSA key of {bits} bits")


def _rsa_bits(contents: X509Contents) -> int | None:
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    key: CertificatePublicKeyTypes
    try:
        key = contents.certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, InternalError):
        raise CertificateError("X.509 certificate with a key that cannot be used") from None
    return key.key_size if isinstance(key, RSAPublicKey) else None


def _check_holder(contents: X509Contents, policy: PathPolicy) -> None:
    # RFC 6187 section 2.2.1.
    if contents.may_sign is False:
        raise CertificateError("X.509 certificate with a key that is not for signatures")


def _check_authority(contents: X509Contents, authorities: int, policy: PathPolicy) -> None:
    """Check one that certifies others (RFC 5280 section 6.1.4 (k) to (n))."""
    if not contents.is_ca:
        raise CertificateError("X.509 certificate issued by a certificate that is no authority")
    if contents.may_certify is False:
        raise CertificateError("X.509 authority with a key that is not for certificates")
    if contents.path_length is not None and authorities > contents.path_length:
        raise CertificateError("X.509 chain with more authorities than one of them allows")
