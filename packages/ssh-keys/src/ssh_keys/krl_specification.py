"""Specifications of revocation lists (ssh-keygen(1), KEY REVOCATION LISTS): one entry a line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from ssh_keys.certificate import MAXIMUM_SERIAL, SSHOpenSSHCertificate
from ssh_keys.certificate_importing import parse_certificate_line
from ssh_keys.errors import KeyGenerationError, KeyImportError, UnsupportedKeyError
from ssh_keys.importing import parse_public_line
from ssh_keys.key import SSHKey
from ssh_keys.key_material import printable
from ssh_keys.krl import SSHKeyRevocationList, decode_fingerprint
from ssh_keys.signature_algorithms import CERTIFICATE_KEY_TYPES, X509_KEY_TYPES

__all__ = ["extend_krl", "parse_serials", "parse_subject_line", "subject_lines"]

_BOM = b"\xef\xbb\xbf"
_DIRECTIVE = re.compile(rb"(serial|id|key|sha1|sha256|hash):(.*)", re.IGNORECASE | re.DOTALL)
# Decimal, hexadecimal or octal, as C has them.
_NUMBER = rb"(0x[0-9a-f]{1,16}|0[0-7]{0,22}|[1-9][0-9]{0,19})"
_SERIALS = re.compile(_NUMBER + rb"(?:-" + _NUMBER + rb")?", re.IGNORECASE)

Step = Callable[[], None]


def extend_krl(
    krl: SSHKeyRevocationList,
    specification: str | bytes,
    ca_key: SSHKey | None = None,
    hash_name: str | None = None,
) -> int:
    """Add what a specification names to a revocation list, and return how many entries that are.

    Its lines are those of ssh-keygen(1), KEY REVOCATION LISTS: `serial: N` or `serial: N-M`,
    `id: KEY_ID`, `key: PUBLIC_KEY`, `sha1: PUBLIC_KEY`, `sha256: PUBLIC_KEY`,
    `hash: SHA256:...`, or a public key or certificate alone. `#` begins a comment, anywhere.

    Parameters:
        krl: the list, which stays as it is if an error is raised.
        specification: the text.
        ca_key: key of the authority of the lines `serial:` and `id:`; None for all authorities. A
            certificate says by itself whose it is.
        hash_name: revoke the keys of lines without a directive by this hash (`sha256` or `sha1`),
            not by listing them.

    Raises KeyImportError or one of its subclasses, with the line number, for a line that cannot be
    read; KeyGenerationError for another hash.
    """
    data = specification.encode() if isinstance(specification, str) else bytes(specification)
    if hash_name not in (None, "sha256", "sha1"):
        raise KeyGenerationError(f"revocation lists have no hash {hash_name!a}")
    steps = []
    for number, line in subject_lines(data):
        try:
            steps.append(_parse(krl, line, ca_key, hash_name))
        except KeyImportError as exc:
            raise type(exc)(f"line {number}: {exc}") from None
    for step in steps:
        step()
    return len(steps)


def subject_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that say something, with their numbers and without comments and blanks."""
    for number, line in enumerate(data.removeprefix(_BOM).split(b"\n"), 1):
        line = line.partition(b"#")[0].strip()
        if line:
            yield number, line


def parse_subject_line(line: bytes) -> SSHKey | SSHOpenSSHCertificate:
    """Return the public key or the certificate of a line; raises KeyImportError."""
    name = line.split(None, 1)[0] if line else b""
    if name in X509_KEY_TYPES:
        raise UnsupportedKeyError("revocation lists have no X.509 certificates")
    if name not in CERTIFICATE_KEY_TYPES:
        return parse_public_line(line)
    certificate = parse_certificate_line(line)
    assert isinstance(certificate, SSHOpenSSHCertificate)
    return certificate


def _parse(
    krl: SSHKeyRevocationList, line: bytes, ca_key: SSHKey | None, hash_name: str | None
) -> Step:
    """Return what a line does to a list; raises KeyImportError."""
    directive = _DIRECTIVE.fullmatch(line)
    if directive is None:
        return _revoke_subject(krl, line, hash_name)
    kind, value = directive[1].lower(), directive[2].strip()
    if kind == b"serial":
        first, last = parse_serials(value)
        return partial(krl.revoke_serials, ca_key, first, last)
    if kind == b"id":
        return partial(krl.revoke_key_id, ca_key, _parse_key_id(value))
    if kind == b"hash":
        fingerprint = value.decode("ascii", "backslashreplace")
        decode_fingerprint(fingerprint)  # now, so that nothing is revoked if it is none
        return partial(krl.revoke_fingerprint, fingerprint)
    subject = parse_subject_line(value)
    key = subject.key if isinstance(subject, SSHOpenSSHCertificate) else subject
    if kind == b"key":
        return partial(krl.revoke_key, key)
    return partial(krl.revoke_hash, key, kind.decode())


def _revoke_subject(krl: SSHKeyRevocationList, line: bytes, hash_name: str | None) -> Step:
    word = line.split(None, 1)[0]
    if word.endswith(b":"):
        raise KeyImportError(f"unknown directive {printable(word)}")
    subject = parse_subject_line(line)
    if isinstance(subject, SSHOpenSSHCertificate):
        return partial(krl.revoke_certificate, subject)
    if hash_name is not None:
        return partial(krl.revoke_hash, subject, hash_name)
    return partial(krl.revoke_key, subject)


def parse_serials(text: bytes) -> tuple[int, int]:
    """Return the first and the last of serial numbers, `N` or `N-M`, in decimal, hex or octal.

    Raises KeyImportError if there are none such.
    """
    found = _SERIALS.fullmatch(text)
    if found is None:
        raise KeyImportError(f"{printable(text)} is no serial number and no range of them")
    first = _parse_number(found[1])
    last = first if found[2] is None else _parse_number(found[2])
    if not 1 <= first <= last <= MAXIMUM_SERIAL:
        raise KeyImportError(f"there are no serial numbers {printable(text)}")
    return first, last


def _parse_number(text: bytes) -> int:
    if text[:2].lower() == b"0x":
        return int(text, 16)
    return int(text, 8 if text.startswith(b"0") else 10)


def _parse_key_id(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise KeyImportError("key id that is no text in UTF-8") from None
