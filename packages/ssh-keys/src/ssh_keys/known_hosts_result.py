"""What known_hosts says about one host: the seven lists, and what follows for its key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from functools import lru_cache
from typing import NamedTuple, cast

from ssh_keys.errors import CertificatePrincipalError, CertificateRevokedError
from ssh_keys.key import SSHKey
from ssh_keys.key_material import MINIMUM_RSA_BITS
from ssh_keys.record import Record
from ssh_keys.signature_algorithms import (
    CERTIFICATE_KEY_TYPES,
    HOST_KEY_ALGORITHMS,
    X509_KEY_TYPES,
)
from ssh_keys.x509.certificate import SSHX509Certificate
from ssh_keys.x509.names import X509NamePattern
from ssh_keys.x509.purposes import X509Purposes
from ssh_keys.x509.trust import X509Path, X509Trust

__all__ = ["Entry", "FoundEntries", "HostKeyStatus", "KnownHostsMatch", "KnownHostsResult"]

#: What a line can hold behind the names of hosts.
Entry = SSHKey | SSHX509Certificate | X509NamePattern


class HostKeyStatus(Enum):
    """What known_hosts says about a key that a host presents."""

    TRUSTED = "trusted"  # the key is listed for the host
    UNKNOWN = "unknown"  # no key is listed for the host
    MISMATCH = "mismatch"  # other keys are listed for the host: perhaps an attack
    REVOKED = "revoked"  # the key is listed as never to be trusted


class KnownHostsMatch(NamedTuple):
    """The seven lists of the public API, in its order."""

    trusted_host_keys: Sequence[SSHKey]
    trusted_ca_keys: Sequence[SSHKey]
    revoked_host_keys: Sequence[SSHKey]
    trusted_x509_certs: Sequence[SSHX509Certificate]
    revoked_x509_certs: Sequence[SSHX509Certificate]
    trusted_x509_subjects: Sequence[X509NamePattern]
    revoked_x509_subjects: Sequence[X509NamePattern]


class KnownHostsResult(Record):
    """What is known about one host.

    Attributes:
        trusted_keys: keys that the host may present.
        ca_keys: keys that may have signed the certificate that the host presents.
        revoked_keys: keys that must not be trusted in either role.
        problems: lines that name the host but could not be used, each with its line number.
        x509_certs: X.509 certificates that the host may present, or that may have issued them.
        revoked_x509_certs: those that must be nowhere in its chain.
        x509_subjects: subjects that its certificate may have, if an authority is trusted.
        revoked_x509_subjects: subjects that it must not have.
        other_port: what is trusted is known without the port: it may be another server's.
    """

    trusted_keys: tuple[SSHKey, ...] = ()
    ca_keys: tuple[SSHKey, ...] = ()
    revoked_keys: tuple[SSHKey, ...] = ()
    problems: tuple[str, ...] = ()
    x509_certs: tuple[SSHX509Certificate, ...] = ()
    revoked_x509_certs: tuple[SSHX509Certificate, ...] = ()
    x509_subjects: tuple[X509NamePattern, ...] = ()
    revoked_x509_subjects: tuple[X509NamePattern, ...] = ()
    other_port: bool = False

    @property
    def trusts_any(self) -> bool:
        """Whether any key, authority or subject is trusted for the host."""
        return bool(self.trusted_keys or self.ca_keys or self.x509_certs or self.x509_subjects)

    @classmethod
    def from_match(cls, match: KnownHostsMatch) -> KnownHostsResult:
        """Return the result that the seven lists of `match` stand for."""
        return cls(
            tuple(match.trusted_host_keys),
            tuple(match.trusted_ca_keys),
            tuple(match.revoked_host_keys),
            (),
            tuple(match.trusted_x509_certs),
            tuple(match.revoked_x509_certs),
            tuple(match.trusted_x509_subjects),
            tuple(match.revoked_x509_subjects),
        )

    def check(self, key: SSHKey) -> HostKeyStatus:
        """Return what is known of a key that the host presents.

        If any key is listed for the host, every other key is a mismatch, also one of another
        type: a host that has a known key can prove it. What is listed without the port that was
        asked for says nothing about other keys.
        """
        if _contains(self.revoked_keys, key):
            return HostKeyStatus.REVOKED
        if _contains(self.trusted_keys, key):
            return HostKeyStatus.TRUSTED
        mismatch = self.trusted_keys and not self.other_port
        return HostKeyStatus.MISMATCH if mismatch else HostKeyStatus.UNKNOWN

    def check_ca(self, key: SSHKey) -> HostKeyStatus:
        """Return what is known of the key that signed the host's certificate."""
        if _contains(self.revoked_keys, key):
            return HostKeyStatus.REVOKED
        return HostKeyStatus.TRUSTED if _contains(self.ca_keys, key) else HostKeyStatus.UNKNOWN

    def check_x509(
        self,
        certificate: SSHX509Certificate,
        host: str,
        trust: X509Trust,
        purposes: X509Purposes = "secureShellServer",
        *,
        now: float | None = None,
        minimum_rsa_bits: int = MINIMUM_RSA_BITS,
    ) -> X509Path:
        """Check an X.509 certificate of the host, and return the path that makes it good.

        Parameters:
            certificate: what the host presents, with the certificates above it.
            host: name or address that the user asked for.
            trust: authorities that are trusted for all hosts.
            purposes: what the certificate may be used for.
            now: the time in seconds since 1970; the present if not given.
            minimum_rsa_bits: smallest RSA key in the chain.

        Who is meant, the lines for the host decide if any of them lists a subject, or this very
        certificate. Otherwise the certificate has to name the host (RFC 6187 section 4).

        Raises CertificateError, CertificateRevokedError, CertificatePrincipalError.
        """
        if any(pattern.resembles(certificate.subject) for pattern in self.revoked_x509_subjects):
            raise CertificateRevokedError("X.509 subject is revoked")
        if _contains(self.revoked_keys, certificate.key):
            raise CertificateRevokedError("key of the X.509 certificate is revoked")
        path = trust.extended(self.x509_certs).validate(
            certificate,
            purposes,
            now=now,
            revoked=self.revoked_x509_certs,
            minimum_rsa_bits=minimum_rsa_bits,
        )
        if any(known.contents.der == certificate.contents.der for known in self.x509_certs):
            return path
        if self.x509_subjects:
            if not any(pattern.matches(certificate.subject) for pattern in self.x509_subjects):
                raise CertificatePrincipalError("X.509 subject is not the one of the host")
        elif not certificate.is_for_host(host):
            raise CertificatePrincipalError(f"X.509 certificate is not for {host!a}")
        return path

    @property
    def host_key_algorithms(self) -> tuple[bytes, ...]:
        """Names for `server_host_key_algorithms` that lead to a key which is known, best first.

        To be intersected with what the client offers at all: old names are among them.
        """
        types = {key.algorithm for key in self.trusted_keys}
        if self.ca_keys:
            # The authority may certify keys of any type.
            types |= set(CERTIFICATE_KEY_TYPES)
        if self.x509_certs or self.x509_subjects:
            types |= set(X509_KEY_TYPES)
        return _host_key_algorithms(frozenset(types))


@lru_cache(maxsize=64)  # there are a few types of keys, and many hosts
def _host_key_algorithms(types: frozenset[bytes]) -> tuple[bytes, ...]:
    return tuple(row.name for row in HOST_KEY_ALGORITHMS if row.key_algorithm in types)


def _contains(keys: Iterable[SSHKey], key: SSHKey) -> bool:
    return any(known.public_data == key.public_data for known in keys)


class FoundEntries:
    """What the lines for one host hold, each thing once."""

    def __init__(self) -> None:
        self._keys: dict[str, list[SSHKey]] = {"host": [], "ca": [], "revoked": []}
        self._certs: dict[bool, list[SSHX509Certificate]] = {False: [], True: []}
        self._subjects: dict[bool, list[X509NamePattern]] = {False: [], True: []}

    def add(self, kind: str, entry: Entry) -> None:
        """Add what a line of a kind holds: `host`, `ca` or `revoked`."""
        if isinstance(entry, SSHX509Certificate):
            # One that is trusted may always issue others: it says itself whether it is for that.
            known: list[Entry] = cast("list[Entry]", self._certs[kind == "revoked"])
        elif isinstance(entry, X509NamePattern):
            known = cast("list[Entry]", self._subjects[kind == "revoked"])
        else:
            known = cast("list[Entry]", self._keys[kind])
        if entry not in known:
            known.append(entry)

    def result(self, problems: Iterable[str]) -> KnownHostsResult:
        """Return all of it, and the lines that could not be used."""
        return KnownHostsResult(
            tuple(self._keys["host"]),
            tuple(self._keys["ca"]),
            tuple(self._keys["revoked"]),
            tuple(problems),
            tuple(self._certs[False]),
            tuple(self._certs[True]),
            tuple(self._subjects[False]),
            tuple(self._subjects[True]),
        )
