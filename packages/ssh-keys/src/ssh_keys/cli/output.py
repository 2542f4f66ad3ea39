"""What all commands share: how they answer, and where passphrases come from."""

from __future__ import annotations

import getpass
import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from ssh_keys.certificate import SSHOpenSSHCertificate
from ssh_keys.certificate_base import SSHCertificate
from ssh_keys.errors import KeyImportError, KeyPassphraseError
from ssh_keys.importing import read_private_key, read_public_key
from ssh_keys.key import SSHKey
from ssh_keys.record import Record
from ssh_keys.time_values import FOREVER
from ssh_keys.x509.certificate import SSHX509Certificate
from ssh_keys.x509.purposes import purpose_name

__all__ = [
    "Answer",
    "add_passphrase_options",
    "describe_certificate",
    "describe_key",
    "key_of_file",
    "passphrase_of",
    "private_key_of_file",
    "write",
]


class Answer(Record):
    """What a command has to say.

    Attributes:
        text: for a person; printed as it is.
        data: the same for a program, printed with `--json`.
        status: exit status: 0, or 1 for "no".
    """

    text: str
    data: Mapping[str, object]
    status: int = 0


def write(answer: Answer, as_json: bool) -> None:
    """Print an answer."""
    text = json.dumps(answer.data, indent=2) if as_json else answer.text
    if text:
        sys.stdout.write(text.rstrip("\n") + "\n")


def add_passphrase_options(parser: ArgumentParser, prefix: str = "", what: str = "the key") -> None:
    """Add the two ways to give a passphrase without a prompt; argv is none of them."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        f"--{prefix}passphrase-file", metavar="FILE", help=f"first line: passphrase of {what}"
    )
    group.add_argument(
        f"--{prefix}passphrase-env", metavar="NAME", help=f"variable: passphrase of {what}"
    )


def passphrase_of(options: Namespace, prefix: str = "") -> str | None:
    """Return the passphrase that the options name, None if they name none.

    Raises KeyPassphraseError for a variable that is not set, OSError for a file.
    """
    name = prefix.replace("-", "_")
    file = getattr(options, f"{name}passphrase_file")
    variable = getattr(options, f"{name}passphrase_env")
    if file is not None:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
        return lines[0] if lines else ""
    if variable is not None:
        if variable not in os.environ:
            raise KeyPassphraseError(f"environment variable {variable!a} is not set")
        return os.environ[variable]
    return None


def ask(prompt: str) -> str | None:
    """Ask on the terminal; None if there is none."""
    if not sys.stdin.isatty():
        return None
    return getpass.getpass(prompt)


def private_key_of_file(filename: str, options: Namespace, prefix: str = "") -> SSHKey:
    """Read a private key, with the passphrase of the options or of a prompt."""
    given = passphrase_of(options, prefix)
    if given is not None:
        return read_private_key(filename, given)
    return read_private_key(filename, lambda name: ask(f"Passphrase for {name}: "))


def key_of_file(filename: str, options: Namespace) -> SSHKey:
    """Read a public key, or the public part of a private one."""
    try:
        return read_public_key(filename)
    except KeyImportError:
        return private_key_of_file(filename, options).convert_to_public()


def describe_key(key: SSHKey, hash_name: str) -> dict[str, object]:
    """Return the facts of a key."""
    return {
        "kind": "private key" if key.is_private else "public key",
        "algorithm": key.get_algorithm(),
        "bits": key.bits,
        "type": key.type_name,
        "fingerprint": key.get_fingerprint(hash_name),
        "comment": key.get_comment(errors="backslashreplace"),
    }


def _moment(seconds: int) -> str:
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
        "valid_after": _moment(contents.valid_after),
        "valid_before": _moment(contents.valid_before),
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
        "valid_after": _moment(fields.valid_after),
        "valid_before": _moment(fields.valid_before),
        "principals": list(fields.principals),
        "critical_options": shown(fields.critical_options),
        "extensions": shown(fields.extensions),
        "comment": certificate.get_comment(errors="backslashreplace"),
    }
