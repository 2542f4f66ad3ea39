"""Is this the host that was meant? The decision about host keys, and keys of client hosts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from os import fspath, stat
from os.path import expanduser, join
from pathlib import Path
from typing import Protocol, cast

from ssh_keys import (
    CertificateError,
    CertificateExpiredError,
    CertificatePrincipalError,
    CertificateRevokedError,
    HostKeyStatus,
    KnownHostsArg,
    KnownHostsResult,
    SSHCertificate,
    SSHKey,
    SSHKnownHosts,
    SSHOpenSSHCertificate,
    SSHX509Certificate,
    import_known_hosts,
    match_known_hosts,
    read_known_hosts,
)
from ssh_keys.signature_algorithms import CERTIFICATE_ALGORITHMS, X509_ALGORITHMS
from ssh_transport.errors import (
    HostCertificateExpired,
    HostCertificateInvalid,
    HostCertificateMismatch,
    HostKeyMismatch,
    HostKeyNotVerifiable,
    HostKeyRevoked,
    HostKeyUnknown,
)

from ..options.algorithms import certificate_names, x509_names
from .certificate_trust import CertificateTrust
from .revocation import is_path_revoked, is_revoked

__all__ = ["HostKeyCallbacks", "HostKeyVerifier", "KnownHosts", "load_known_hosts"]

KnownHosts = KnownHostsArg | tuple[()] | None

_DEFAULT_FILE = join("~", ".ssh", "known_hosts")
_CACHE_SIZE = 8
_cache: dict[str, tuple[tuple[int, int, int], SSHKnownHosts]] = {}


def load_known_hosts(known_hosts: KnownHosts) -> KnownHosts:
    """Read the files that the option names, so that errors are found before connecting.

    A file that did not change since the last time is not read again. Raises OSError and
    KeyImportError; only a missing default file is an empty one.
    """
    if isinstance(known_hosts, tuple) and not known_hosts:
        try:
            return _read(_DEFAULT_FILE)
        except FileNotFoundError:
            return SSHKnownHosts()
    if isinstance(known_hosts, str | Path):
        return _read(fspath(known_hosts))
    if isinstance(known_hosts, bytes):
        return import_known_hosts(known_hosts)
    if isinstance(known_hosts, list) and all(isinstance(each, str | Path) for each in known_hosts):
        return read_known_hosts([expanduser(cast("str", each)) for each in known_hosts])
    return known_hosts


def _read(name: str) -> SSHKnownHosts:
    # A `Path` would take three times as long, which is a hundredth of a handshake.
    path = expanduser(name)
    status = stat(path)
    stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
    cached = _cache.get(path)
    if cached is not None and cached[0] == stamp:
        return cached[1]
    content = read_known_hosts(path)
    if len(_cache) >= _CACHE_SIZE:
        _cache.pop(next(iter(_cache)))
    _cache[path] = (stamp, content)
    return content


class HostKeyCallbacks(Protocol):
    """The part of `SSHClient` that is asked about hosts, and of `SSHServer` about client hosts."""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey, /) -> bool:
        """Whether a key that is not known is the host's."""
        ...

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: SSHKey, /) -> bool:
        """Whether an authority that is not known may certify the host."""
        ...


@lru_cache(maxsize=64)  # most connections ask with the same few names
def _preferred(
    algorithms: tuple[bytes, ...], known: tuple[bytes, ...], *, x509: bool, certificates: bool
) -> tuple[bytes, ...]:
    """Order host key algorithms, see `HostKeyVerifier.preferred`.

    Parameters:
        algorithms: the names that may be used.
        known: the names for which the host has a key that we know.
        x509, certificates: whether somebody may have signed one whom we trust.
    """
    first = x509_names(algorithms) if x509 else ()
    names = [name for name in algorithms if name not in X509_ALGORITHMS]
    signed = [name for name in names if name in CERTIFICATE_ALGORITHMS]
    plain = [name for name in names if name not in CERTIFICATE_ALGORITHMS]
    plain.sort(key=lambda name: name not in known)
    if certificates:
        return tuple(dict.fromkeys((*first, *signed, *certificate_names(plain), *plain)))
    return (*first, *plain, *signed)


class HostKeyVerifier:
    """Decides about the host key of one host.

    Parameters:
        known_hosts: what `load_known_hosts` returned; None to trust every key.
        host: name that the connection was asked for.
        alias: name to look up in place of it, if any.
        port: port that the connection was asked for.
        addr: numeric address of the peer.
        trust: what certificates have to fulfil.
    """

    def __init__(
        self,
        known_hosts: KnownHosts,
        host: str,
        alias: str | None,
        port: int,
        addr: str,
        trust: CertificateTrust,
    ) -> None:
        self._host = host
        self._addr = addr
        self._port = port
        self._principal = alias or host
        self._trust = trust
        self._known: KnownHostsResult | None = None
        if known_hosts is None:
            return
        # An alias stands for the host whatever its address and port are, as in ssh_config(5).
        where = (alias, "", None) if alias else (host, addr, port)
        if isinstance(known_hosts, SSHKnownHosts):
            self._known = known_hosts.lookup_any_port(*where)
        else:
            # Functions and lists; the empty tuple was replaced by the default file.
            lists = match_known_hosts(cast(KnownHostsArg, known_hosts), *where)
            self._known = KnownHostsResult.from_match(lists)

    @property
    def known(self) -> KnownHostsResult | None:
        """What is known about the host, None if every key is trusted."""
        return self._known

    @property
    def problems(self) -> Sequence[str]:
        """Lines of the file that name the host but could not be used."""
        return () if self._known is None else self._known.problems

    def preferred(
        self, algorithms: Sequence[bytes], *, asks_callback: bool = False
    ) -> tuple[bytes, ...]:
        """Return the host key algorithms in the order in which to ask for them.

        Parameters:
            algorithms: the names that may be used.
            asks_callback: whether the application wants to decide about authorities.

        Certificates come first if somebody may have signed one whom we trust, then the types of
        the known keys: otherwise a host with several keys could show one that we do not know.
        Certificates nobody could vouch for come last; X.509 certificates are not asked for then.
        """
        if self._known is None:
            return tuple(algorithms)
        return _preferred(
            tuple(algorithms),
            tuple(self._known.host_key_algorithms),
            x509=bool(self._trust.x509 or self._known.x509_certs),
            certificates=bool(self._known.ca_keys or asks_callback),
        )

    def check(
        self, key: SSHKey, callbacks: HostKeyCallbacks, certificate: SSHCertificate | None = None
    ) -> None:
        """Return if the key is trusted.

        Parameters:
            key: the key that the host has proved to own.
            callbacks: asked about keys and authorities that are not known.
            certificate: what the host presented for the key, if it did.

        A certificate of an authority that nobody knows is as good as the key in it.

        Raises HostKeyUnknown, HostKeyMismatch, HostKeyRevoked or HostCertificateInvalid, and what
        the callbacks raise: nothing that goes wrong here counts as trust.
        """
        if is_revoked(self._trust.revoked, key, certificate):
            shown = self._describe(key)
            raise HostKeyRevoked(f"{shown} is revoked, or the authority of its certificate")
        if self._known is None:
            return
        status = self._known.check(key)
        if certificate is None and status is HostKeyStatus.TRUSTED:
            return
        shown = self._describe(key)
        if status is HostKeyStatus.REVOKED:
            raise HostKeyRevoked(f"{shown} is revoked")
        if isinstance(certificate, SSHX509Certificate):
            self._check_x509(certificate, shown)
            return
        signed = certificate if isinstance(certificate, SSHOpenSSHCertificate) else None
        if signed is not None and self._is_certified(signed, callbacks, shown):
            return
        if status is HostKeyStatus.TRUSTED:
            return
        if signed is not None:
            shown += f" (certified by {_describe(signed.signing_key)}, which is not known)"
        if status is HostKeyStatus.MISMATCH:
            raise HostKeyMismatch(f"{shown} is not the one that is known: possibly an attack")
        if status is not HostKeyStatus.UNKNOWN:
            raise HostKeyNotVerifiable(f"{shown} is not trusted")
        if callbacks.validate_host_public_key(self._host, self._addr, self._port, key) is not True:
            raise HostKeyUnknown(f"{shown} is not known")

    def _describe(self, key: SSHKey) -> str:
        return f"{_describe(key)} of host {self._host!r}"

    def _check_x509(self, certificate: SSHX509Certificate, shown: str) -> None:
        """Return if the certificate leads to an authority that we trust, or its key is known.

        Raises HostKeyRevoked or HostCertificateInvalid.
        """
        assert self._known is not None
        trust = self._trust
        try:
            path = self._known.check_x509(
                certificate,
                self._principal,
                trust.x509,
                trust.x509_purposes,
                minimum_rsa_bits=trust.minimum_rsa_bits,
            )
        except CertificateRevokedError as exc:
            raise HostKeyRevoked(f"{shown}: {exc}") from None
        except CertificateError as exc:
            if self._known.check(certificate.key) is not HostKeyStatus.TRUSTED:
                raise _certificate_error(exc)(f"{shown}: {exc}") from None
        else:
            if is_path_revoked(trust.revoked, path):
                raise HostKeyRevoked(f"{shown}: an authority of its X.509 certificate is revoked")

    def _is_certified(
        self, certificate: SSHOpenSSHCertificate, callbacks: HostKeyCallbacks, shown: str
    ) -> bool:
        """Whether an authority that we trust stands for the key.

        Raises HostKeyRevoked, or HostCertificateInvalid for a certificate of such an authority
        that is not good, unless the key itself is known.
        """
        assert self._known is not None
        authority = certificate.signing_key
        status = self._known.check_ca(authority)
        if status is HostKeyStatus.REVOKED:
            raise HostKeyRevoked(f"{shown}: its authority {_describe(authority)} is revoked")
        if status is not HostKeyStatus.TRUSTED:
            where = self._host, self._addr, self._port
            if callbacks.validate_host_ca_key(*where, authority) is not True:
                return False
        try:
            self._trust.check_host(certificate, self._principal)
        except CertificateError as exc:
            if self._known.check(certificate.key) is HostKeyStatus.TRUSTED:
                return False
            raise _certificate_error(exc)(f"{shown}: {exc}") from None
        return True


def _describe(key: SSHKey) -> str:
    return f"{key.get_algorithm()} key {key.get_fingerprint()}"


def _certificate_error(exc: CertificateError) -> type[HostCertificateInvalid]:
    if isinstance(exc, CertificateExpiredError):
        return HostCertificateExpired
    if isinstance(exc, CertificatePrincipalError):
        return HostCertificateMismatch
    return HostCertificateInvalid
