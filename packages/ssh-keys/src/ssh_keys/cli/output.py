"""What all commands share: how they answer, and what they say about keys and certificates."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from errno import EBADF
from os import strerror

from ssh_keys.certificate import SSHOpenSSHCertificate
from ssh_keys.certificate_base import SSHCertificate
from ssh_keys.key import SSHKey
from ssh_keys.record import Record
from ssh_keys.sk import FLAG_PRESENCE, FLAG_RESIDENT, FLAG_VERIFICATION, SecurityKey
from ssh_keys.time_values import FOREVER
from ssh_keys.x509.certificate import SSHX509Certificate
from ssh_keys.x509.purposes import purpose_name

__all__ = [
    "Answer",
    "UsageError",
    "describe_certificate",
    "describe_key",
    "moment",
    "plain",
    "write",
    "write_failure",
]


class UsageError(ValueError):
    """A command line that makes no sense.

    Parameters:
        message: why.
        usage: how the command is used, for a person.
    """

    def __init__(self, message: str, usage: str = "") -> None:
        super().__init__(message)
        self.usage = usage


class Answer(Record):
    """What a command has to say.

    Attributes:
        text: for a person; printed as it is.
        data: the same for a program, printed with `--json`.
        status: exit status: 0, or 1 for "no".
        content: in place of `text`: a file to print, byte for byte.
    """

    text: str
    data: Mapping[str, object]
    status: int = 0
    content: bytes | None = None


def plain(text: str) -> str:
    """Return text in which nothing moves the cursor, is invisible or turns the writing around."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    # A byte that is no text, as the names of files may have them.
    byte = ord(char) - 0xDC00
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else ascii(char)[1:-1]


def write(answer: Answer, as_json: bool) -> None:
    """Print an answer; raises OSError."""
    if sys.stdout is None:
        raise OSError(EBADF, strerror(EBADF))
    if answer.content is not None and not as_json:
        sys.stdout.flush()
        sys.stdout.buffer.write(answer.content)
        sys.stdout.buffer.flush()
        return
    text = json.dumps(answer.data, indent=2) if as_json else answer.text
    if text:
        # Names of files may have bytes that are no text.
        encoding = sys.stdout.encoding
        text = text.encode(encoding, "backslashreplace").decode(encoding)
        sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


def write_failure(exc: Exception, as_json: bool) -> None:
    """Say on the error output why a command failed, and with `--json` also in JSON."""
    text = plain(_message(exc))
    if as_json and sys.stdout is not None:
        sys.stdout.write(json.dumps({"error": text, "kind": type(exc).__name__}, indent=2) + "\n")
    if sys.stderr is not None:
        usage = exc.usage if isinstance(exc, UsageError) else ""
        sys.stderr.write(f"{usage}ssh-keys: {text}\n")


def _message(exc: Exception) -> str:
    """Return what an error says, and of one of the system no number."""
    if isinstance(exc, OSError) and exc.filename is not None and exc.strerror:
        return f"{str(exc.filename)!r}: {exc.strerror}"
    return str(exc)


def describe_key(key: SSHKey, hash_name: str) -> dict[str, object]:
    """Return the facts of a key."""
    facts: dict[str, object] = {
        "kind": "private key" if key.is_private else "public key",
        "algorithm": key.get_algorithm(),
        "bits": key.bits,
        "type": key.type_name,
        "fingerprint": key.get_fingerprint(hash_name),
        "comment": key.get_comment(errors="backslashreplace"),
    }
    if isinstance(key, SecurityKey):
        facts["application"] = key.application.decode("utf-8", "backslashreplace")
        if key.key_handle is not None:
            flags = key.key_handle.flags
            facts["touch_required"] = bool(flags & FLAG_PRESENCE)
            facts["verify_required"] = bool(flags & FLAG_VERIFICATION)
            facts["resident"] = bool(flags & FLAG_RESIDENT)
    return facts


def moment(seconds: int) -> str:
    """Return a time of a file, which may be any number, as ISO 8601 has it if that is possible."""
    if seconds == FOREVER:
        return "forever"
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def describe_certificate(certificate: SSHCertificate, hash_name: str) -> dict[str, object]:
    """Return the facts of a certificate, as `ssh-keygen -L` and `openssl x509` have them."""
    if isinstance(certificate, SSHX509Certificate):
        return _describe_x509(certificate, hash_name)
    assert isinstance(certificate, SSHOpenSSHCertificate)
    return _describe_openssh(certificate, hash_name)


def _describe_x509(certificate: SSHX509Certificate, hash_name: str) -> dict[str, object]:
    contents, purposes = certificate.contents, certificate.purposes
    return {
        "kind": "X.509 authority" if certificate.is_ca else "X.509 certificate",
        "algorithm": certificate.get_algorithm(),
        "fingerprint": certificate.get_fingerprint(hash_name),
        "subject": str(certificate.subject),
        "issuer": str(certificate.issuer),
        "serial": certificate.serial,
        "valid_after": moment(contents.valid_after),
        "valid_before": moment(contents.valid_before),
        "purposes": ["any"] if purposes is None else [purpose_name(oid) for oid in purposes],
        "user_principals": list(certificate.user_principals),
        "host_principals": list(certificate.host_principals),
        "path_length": contents.path_length,
        "comment": certificate.get_comment(errors="backslashreplace"),
    }


def _describe_openssh(certificate: SSHOpenSSHCertificate, hash_name: str) -> dict[str, object]:
    fields = certificate.fields

    def shown(options: Mapping[str, bytes]) -> dict[str, object]:
        known = certificate.options
        return {name: known.get(name, data.hex()) for name, data in options.items()}

    return {
        "kind": f"{fields.type.name.lower()} certificate",
        "algorithm": certificate.get_algorithm(),
        "fingerprint": certificate.get_fingerprint(hash_name),
        "signing_key": certificate.signing_key.get_fingerprint(hash_name),
        "signing_key_type": certificate.signing_key.type_name,
        "signature_algorithm": certificate.signature_algorithm.decode("ascii"),
        "key_id": fields.key_id,
        "serial": fields.serial,
        "valid_after": moment(fields.valid_after),
        "valid_before": moment(fields.valid_before),
        "principals": list(fields.principals),
        "critical_options": shown(fields.critical_options),
        "extensions": shown(fields.extensions),
        "comment": certificate.get_comment(errors="backslashreplace"),
    }
