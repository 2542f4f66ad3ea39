"""allowed_signers files (ssh-keygen(1), ALLOWED SIGNERS): who may sign, for what, and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike

from ssh_keys.certificate import CertificateType, SSHOpenSSHCertificate
from ssh_keys.errors import (
    CertificateError,
    KeyImportError,
    SignatureError,
    UnsupportedKeyError,
)
from ssh_keys.files import parse_file
from ssh_keys.importing import parse_public_line
from ssh_keys.key import SSHKey
from ssh_keys.option_words import OptionWords, begins_with_key
from ssh_keys.patterns import PatternList
from ssh_keys.record import Record
from ssh_keys.time_values import current_time, parse_time

__all__ = [
    "AllowedSigner",
    "SSHAllowedSigners",
    "import_allowed_signers",
    "read_allowed_signers",
]


_NO_PRINCIPALS = "a public key without principals in front of it"


def _matches(patterns: Sequence[str], name: str) -> bool:
    return PatternList(patterns, ignore_case=False).matches([name])


class AllowedSigner(Record):
    """One line of an allowed_signers file.

    Attributes:
        principals: patterns of who may sign with the key.
        key: the key, or the key of an authority.
        cert_authority: whether it is the key of an authority.
        namespaces: patterns of what signatures may be for; empty for everything.
        valid_after: first second of validity since 1970, None for no limit.
        valid_before: first second after validity, None for no limit.
    """

    principals: tuple[str, ...]
    key: SSHKey
    cert_authority: bool = False
    namespaces: tuple[str, ...] = ()
    valid_after: int | None = None
    valid_before: int | None = None

    def allows(self, key: SSHKey, namespace: str, now: float) -> bool:
        """Whether the line has this key (of a signer or authority) for a namespace and time.

        Parameters:
            key: the key that signed, or the authority of its certificate.
            namespace: what the signature is for (PROTOCOL.sshsig).
            now: the time in seconds since 1970.
        """
        if self.key.public_data != key.public_data:
            return False
        if self.namespaces and not _matches(self.namespaces, namespace):
            return False
        if self.valid_after is not None and now < self.valid_after:
            return False
        return self.valid_before is None or now < self.valid_before


class SSHAllowedSigners:
    """The content of allowed_signers files.

    Parameters:
        allowed_signers: text of a file, None for an empty one.

    Raises KeyImportError, with the line number, for a line that cannot be read.
    """

    def __init__(self, allowed_signers: str | bytes | None = None) -> None:
        self._signers: list[AllowedSigner] = []
        self._problems: list[str] = []
        if allowed_signers:
            self.load(allowed_signers)

    @property
    def problems(self) -> tuple[str, ...]:
        """Lines with keys of an unknown type, which let nobody sign, with their numbers."""
        return tuple(self._problems)

    def load(self, allowed_signers: str | bytes) -> None:
        """Add the lines of one more file; parameters and errors as of the class."""
        data = allowed_signers
        data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        for number, line in enumerate(data.split(b"\n"), 1):
            text = line.decode("utf-8", "surrogateescape").strip()
            if text and not text.startswith("#"):
                try:
                    self._signers.append(parse_signer(text))
                except UnsupportedKeyError as exc:
                    self._problems.append(f"line {number}: {exc}")
                except KeyImportError as exc:
                    problem = _NO_PRINCIPALS if _is_public_key(text) else str(exc)
                    raise type(exc)(f"line {number}: {problem}") from None

    def __iter__(self) -> Iterator[AllowedSigner]:
        return iter(self._signers)

    def __len__(self) -> int:
        return len(self._signers)

    def check(
        self,
        principal: str,
        key: SSHKey,
        certificate: SSHOpenSSHCertificate | None,
        namespace: str,
        *,
        now: float | None = None,
    ) -> AllowedSigner:
        """Return the line that lets somebody sign.

        Parameters:
            principal: who is said to have signed.
            key: the key that signed.
            certificate: its certificate, if the signature has one.
            namespace: what the signature is for.
            now: the time of the check in seconds since 1970; the present if not given.

        Raises SignatureError if there is none.
        """
        moment = current_time() if now is None else now
        reason = "no line allows the key that signed"
        for signer in self._signers:
            if not _matches(signer.principals, principal):
                continue
            if not signer.cert_authority:
                if signer.allows(key, namespace, moment):
                    return signer
            elif certificate is not None and signer.allows(
                certificate.signing_key, namespace, moment
            ):
                try:
                    certificate.validate(CertificateType.USER, principal, now=moment)
                except CertificateError as exc:
                    reason = str(exc)
                else:
                    return signer
        raise SignatureError(f"{principal!a} may not sign for {namespace!a}: {reason}")

    def match_principals(self, principal: str) -> tuple[AllowedSigner, ...]:
        """Return the lines whose patterns are for somebody, as `-Y match-principals` finds them.

        Keys, namespaces and times make no difference here.

        Parameters:
            principal: who is looked for.
        """
        return tuple(signer for signer in self._signers if _matches(signer.principals, principal))

    def find_principals(
        self,
        key: SSHKey,
        namespace: str,
        certificate: SSHOpenSSHCertificate | None = None,
        *,
        now: float | None = None,
    ) -> tuple[str, ...]:
        """Return the principals of every line that lets a key sign, as `-Y find-principals` does.

        Parameters as of `check`. Lines of authorities give the principals of the certificate that
        their patterns match.
        """
        moment = current_time() if now is None else now
        found: dict[str, None] = {}
        for signer in self._signers:
            if not signer.cert_authority and signer.allows(key, namespace, moment):
                found.update(dict.fromkeys(signer.principals))
        for name in () if certificate is None else certificate.principals:
            try:
                self.check(name, key, certificate, namespace, now=moment)
            except SignatureError:
                continue
            found[name] = None
        return tuple(found)


def _is_public_key(text: str) -> bool:
    """Whether a line that makes no sense is that of a file of public keys."""
    try:
        parse_public_line(text.encode("utf-8", "surrogateescape"))
    except KeyImportError:
        return False
    return True


def parse_signer(text: str) -> AllowedSigner:
    """Return the entry of one line: principals, options, key type, key, comment.

    Raises UnsupportedKeyError for a key of an unknown type, KeyImportError for everything else.
    """
    if text.startswith('"'):
        names, _, rest = text[1:].partition('"')
    else:
        names, rest = (*text.split(None, 1), "")[:2]
    principals = tuple(names.split(","))
    rest = rest.strip()
    options: dict[str, str | None] = {}
    if rest and not begins_with_key(rest.encode("utf-8", "surrogateescape")):
        words = OptionWords(rest)
        for name, value in words:
            if name in options:
                raise KeyImportError(f"option {name!a} is given twice")
            options[name] = value
        rest = words.rest
    key = parse_public_line(rest.encode("utf-8", "surrogateescape"))
    return _make_signer(principals, key, options)


def _make_signer(
    principals: tuple[str, ...], key: SSHKey, options: dict[str, str | None]
) -> AllowedSigner:
    namespaces = options.pop("namespaces", "")
    moments: list[int | None] = []
    try:
        PatternList(principals, ignore_case=False)
        for name in ("valid-after", "valid-before"):
            text = options.pop(name, "")
            if text is None or text[:1] in ("+", "-"):
                raise KeyImportError(f"option {name} is no absolute time")
            moments.append(parse_time(text) if text else None)
        if namespaces is None:
            raise KeyImportError("option namespaces has no value")
        patterns = tuple(namespaces.split(",")) if namespaces else ()
        PatternList(patterns, ignore_case=False)
    except KeyImportError:
        raise
    except ValueError as exc:
        raise KeyImportError(str(exc)) from None
    cert_authority = "cert-authority" in options
    if cert_authority and options.pop("cert-authority") is not None:
        raise KeyImportError("option cert-authority has a value")
    if options:
        raise KeyImportError(f"unknown option {min(options)!a}")
    return AllowedSigner(principals, key, cert_authority, patterns, moments[0], moments[1])


def import_allowed_signers(data: str | bytes) -> SSHAllowedSigners:
    """Return the content of an allowed_signers file; raises KeyImportError."""
    return SSHAllowedSigners(data)


def read_allowed_signers(
    filelist: str | PathLike[str] | Sequence[str | PathLike[str]],
) -> SSHAllowedSigners:
    """Return the content of one or several allowed_signers files.

    Raises OSError, and KeyImportError as `SSHAllowedSigners` does.
    """
    allowed_signers = SSHAllowedSigners()
    files = (filelist,) if isinstance(filelist, str | PathLike) else filelist
    for filename in files:
        parse_file(filename, allowed_signers.load)
    return allowed_signers
