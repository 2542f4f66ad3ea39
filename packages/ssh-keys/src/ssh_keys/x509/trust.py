"""Which X.509 certificates are trusted: lists of them, and directories in OpenSSL's form."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from os import PathLike, fspath

from ssh_keys.errors import CertificateError, CertificateRevokedError, KeyImportError
from ssh_keys.files import check_directory, file_exists, parse_file, read_file
from ssh_keys.formats.armour import iterate_pem
from ssh_keys.key_material import MINIMUM_RSA_BITS
from ssh_keys.record import Record
from ssh_keys.time_values import current_time
from ssh_keys.x509.certificate import SSHX509Certificate
from ssh_keys.x509.contents import X509Contents, decode_contents
from ssh_keys.x509.crl import RevocationList, decode_crl
from ssh_keys.x509.decoding import is_x509_line, iterate_der, iterate_x509_pem, parse_x509_line
from ssh_keys.x509.path import PathPolicy, find_path
from ssh_keys.x509.purposes import X509Purposes, parse_purposes

__all__ = [
    "X509CertPathsArg",
    "X509CertsArg",
    "X509Path",
    "X509Trust",
    "load_x509_trust",
]

X509CertReference = str | PathLike[str] | bytes | SSHX509Certificate
X509CertsArg = X509CertReference | Sequence[X509CertReference] | None
X509CertPathsArg = str | PathLike[str] | Sequence[str | PathLike[str]] | None

#: Files of one name in a directory, e.g. of an authority that changed its key.
MAXIMUM_FILES_OF_A_NAME = 16


class X509Path(Record):
    """A path that was validated.

    Attributes:
        certificate: what the peer presented.
        contents: its contents and those of its authorities, the trust anchor last.
    """

    certificate: SSHX509Certificate
    contents: tuple[X509Contents, ...]

    @property
    def user_principals(self) -> tuple[str, ...]:
        """The names of users that the certificate is for.

        The common name stands in for alternative names only if no authority has name constraints:
        these say nothing about it, and it would be a way around them.
        """
        names = self.certificate.contents
        if not names.has_alternative_names and any(each.constraints for each in self.contents):
            return ()
        return self.certificate.user_principals


class X509Trust:
    """Certificates that are trusted, as authorities or by themselves.

    Parameters:
        certificates: trusted certificates, of authorities or of users and hosts.
        directories: directories of certificates in PEM or DER, in files named by the hash of
            their subject as `openssl rehash` or `c_rehash` does it (`9d66eef0.0`). They are read
            when a certificate of that name is needed. Revocation lists of authorities are in
            files named by the hash of their issuer (`9d66eef0.r0`).
        crls: revocation lists (RFC 5280 section 5). What an authority issued is trusted only if
            one of its lists is good now and does not have it. An authority without a list is
            taken to have revoked nothing.
    """

    def __init__(
        self,
        certificates: Iterable[X509Contents] = (),
        directories: Iterable[str | PathLike[str]] = (),
        crls: Iterable[RevocationList] = (),
    ) -> None:
        self._by_subject: dict[bytes, list[X509Contents]] = {}
        for contents in certificates:
            known = self._by_subject.setdefault(contents.subject_der, [])
            if contents not in known:
                known.append(contents)
        self._directories = tuple(fspath(directory) for directory in directories)
        self._crls = tuple(crls)

    def __bool__(self) -> bool:
        return bool(self._by_subject or self._directories or self._crls)

    def extended(self, certificates: Iterable[SSHX509Certificate]) -> X509Trust:
        """Return the same trust with further certificates."""
        return self.joined(X509Trust(certificate.contents for certificate in certificates))

    def joined(self, other: X509Trust) -> X509Trust:
        """Return the trust in what either of them, this or `other`, trusts."""
        if not other:
            return self
        groups = (*self._by_subject.values(), *other._by_subject.values())
        known = [each for group in groups for each in group]
        return X509Trust(
            known, (*self._directories, *other._directories), (*self._crls, *other._crls)
        )

    def validate(
        self,
        certificate: SSHX509Certificate,
        purposes: X509Purposes,
        *,
        now: float | None = None,
        revoked: Collection[SSHX509Certificate] = (),
        minimum_rsa_bits: int = MINIMUM_RSA_BITS,
    ) -> X509Path:
        """Check that a certificate leads to a trusted one (RFC 5280 section 6.1).

        Parameters:
            certificate: what a peer presented, with the certificates above it.
            purposes: what it may be used for, see "Specifying X.509 purposes".
            now: the time in seconds since 1970; the present if not given.
            revoked: certificates that are not trusted, nor what they issued.
            minimum_rsa_bits: smallest RSA key, of the holder and of all authorities.

        Who it is for, is not checked here: see `X509Path.user_principals` and
        `SSHX509Certificate.is_for_host`.

        Raises CertificateError; CertificateExpiredError outside of the time of validity.
        ValueError for purposes that are none.
        """
        policy = PathPolicy(
            now=current_time() if now is None else now,
            purposes=parse_purposes(purposes),
            revoked=frozenset(each.contents.der for each in revoked),
            minimum_rsa_bits=minimum_rsa_bits,
            lists=self._lists,
        )
        chain = (certificate.contents, *certificate.intermediates)
        if any(each.der in policy.revoked for each in chain):
            raise CertificateRevokedError("X.509 certificate is revoked")
        return X509Path(certificate, find_path(chain, self._anchors, policy))

    def _anchors(self, contents: X509Contents) -> Iterator[X509Contents]:
        """Yield the certificate itself if it is trusted, and what may have issued it."""
        for known in self._by_subject.get(contents.subject_der, ()):
            if known.der == contents.der:
                yield known
        yield from self._by_subject.get(contents.issuer_der, ())
        for directory in self._directories:
            yield from _in_directory(directory, contents)

    def _lists(self, contents: X509Contents) -> Iterator[RevocationList]:
        """Yield the revocation lists with the name of the issuer of a certificate."""
        for each in self._crls:
            if each.issuer_der == contents.issuer_der:
                yield each
        for directory in self._directories:
            stem = f"{directory}/{contents.issuer.openssl_hash():08x}.r"
            for number in range(MAXIMUM_FILES_OF_A_NAME):
                path = f"{stem}{number}"
                if not file_exists(path):
                    break
                try:
                    found = list(_crls_of(read_file(path)))
                except (OSError, KeyImportError) as exc:
                    raise CertificateError(f"revocation list {path!a}: {exc}") from None
                yield from (each for each in found if each.issuer_der == contents.issuer_der)


def _crls_of(data: bytes) -> Iterator[RevocationList]:
    """Decode the revocation lists in the data of a file; raises KeyImportError."""
    if data.startswith(b"\x30"):
        yield decode_crl(data)
        return
    for block in iterate_pem(data):
        if block.label == b"X509 CRL":
            yield decode_crl(block.data)


def _in_directory(directory: str, contents: X509Contents) -> Iterator[X509Contents]:
    for name in dict.fromkeys((contents.subject, contents.issuer)):
        for number in range(MAXIMUM_FILES_OF_A_NAME):
            path = f"{directory}/{name.openssl_hash():08x}.{number}"
            if not file_exists(path):
                break
            try:
                found = list(_contents(read_file(path)))
            except (OSError, KeyImportError) as exc:
                raise CertificateError(f"trusted certificate {path!a}: {exc}") from None
            for each in found:
                if each.der == contents.der or each.subject_der == contents.issuer_der:
                    yield each


def load_x509_trust(certs: X509CertsArg = (), paths: X509CertPathsArg = ()) -> X509Trust:
    """Return the trust that `x509_trusted_certs` and `x509_trusted_cert_paths` name.

    Parameters:
        certs: a file name, the bytes of certificates, an `SSHX509Certificate`, or a sequence of
            them. Files and bytes may hold several, in PEM, DER, or lines as of `known_hosts`. The
            keys may be of types that SSH does not have. Revocation lists (`X509 CRL`) in PEM may
            stand beside them, or in files of their own.
        paths: directories of certificates, see `X509Trust`; one or a sequence.

    Raises OSError, also for directories that do not exist; and KeyImportError if a file holds
    something else, or nothing.
    """
    directories = (paths,) if isinstance(paths, str | PathLike) else paths or ()
    for directory in directories:
        check_directory(directory)
    crls: list[RevocationList] = []
    return X509Trust(_load(certs or (), crls), directories, crls)


def _load(
    certs: X509CertReference | Sequence[X509CertReference], crls: list[RevocationList]
) -> tuple[X509Contents, ...]:
    references = (certs,) if isinstance(certs, str | PathLike | bytes) else certs
    if isinstance(references, SSHX509Certificate):
        references = (references,)
    loaded: list[X509Contents] = []
    for reference in references:
        if isinstance(reference, SSHX509Certificate):
            loaded.append(reference.contents)
        elif isinstance(reference, bytes):
            loaded.extend(_with_crls(reference, crls))
        else:
            loaded.extend(parse_file(reference, lambda data: list(_with_crls(data, crls))))
    return tuple(loaded)


def _with_crls(data: bytes, crls: list[RevocationList]) -> Iterator[X509Contents]:
    """Decode the certificates in the data of a file, and add the revocation lists to others."""
    if b"-----BEGIN X509 CRL-----" not in data:
        yield from _contents(data)
        return
    crls.extend(_crls_of(data))
    if b" CERTIFICATE-----" in data:
        yield from _contents(data)


def _contents(data: bytes) -> Iterator[X509Contents]:
    """Decode all certificates in the data of a file; raises KeyImportError."""
    count = 0
    if data.startswith(b"\x30"):
        for der in iterate_der(data):
            count += 1
            yield decode_contents(der)
    elif b"-----BEGIN " in data:
        for der in iterate_x509_pem(data):
            count += 1
            yield decode_contents(der)
    else:
        for line in map(bytes.strip, data.split(b"\n")):
            if not is_x509_line(line):
                continue
            found = parse_x509_line(line)
            if isinstance(found, SSHX509Certificate):
                count += 1
                yield found.contents
    if not count:
        raise KeyImportError("no X.509 certificate found")
