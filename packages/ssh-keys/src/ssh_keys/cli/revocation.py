"""The command krl, with its actions."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace

from ssh_keys.certificate import SSHOpenSSHCertificate
from ssh_keys.certificate_importing import some_certificates
from ssh_keys.cli.arguments import MAXIMUM_UINT64, refuse_unused, serials, uint64
from ssh_keys.cli.descriptions import moment
from ssh_keys.cli.files import parse_input, refuse_existing, write_output
from ssh_keys.cli.output import Answer, UsageError, plain
from ssh_keys.errors import KeyImportError
from ssh_keys.importing import import_public_key, some_public_keys
from ssh_keys.key import SSHKey
from ssh_keys.krl import SSHKeyRevocationList, import_krl
from ssh_keys.krl_specification import extend_krl, parse_subject_line, subject_lines
from ssh_keys.time_values import current_time

__all__ = ["add_commands"]

# Keys and certificates that are not one a line: PEM, RFC 4716, PuTTY, DER.
_BLOCKS = re.compile(rb"^-----BEGIN |^---- BEGIN |\A(?:PuTTY-User-Key-File-|\x30)", re.MULTILINE)

Subject = SSHKey | SSHOpenSSHCertificate


def add_commands(commands: dict[str, ArgumentParser]) -> None:
    """Fill the parser of this command with its options."""
    parser = commands["krl"]
    parser.add_argument("action", choices=tuple(_OPTIONS))
    parser.add_argument("file", help="the revocation list; - for standard input or output")
    parser.add_argument(
        "keys",
        nargs="*",
        help="public keys or certificates; for create and update also specifications, with lines "
        "like serial: N-M, id: KEY_ID, hash: SHA256:... (ssh-keygen(1), KEY REVOCATION LISTS)",
    )
    made = parser.add_argument_group("create and update")
    made.add_argument(
        "--ca", help="public key of the authority of serials and key ids; default: all authorities"
    )
    made.add_argument(
        "--serial", action="append", default=[], type=serials, help="revoke N or N-M; repeatable"
    )
    made.add_argument("--key-id", action="append", default=[], help="revoke this id; repeatable")
    made.add_argument("--by-hash", choices=("sha256", "sha1"), help="hashes in place of keys")
    made.add_argument("--version-number", type=uint64, help="default: 0; for update one more")
    made.add_argument("--comment", help="text in the list")
    made.add_argument("--force", action="store_true", help="for create: replace a file that exists")
    parser.set_defaults(run=krl)


# What each action has a use for; that of another action would be ignored.
_CREATE_OPTIONS = ("ca", "serial", "key_id", "by_hash", "version_number", "comment")
_OPTIONS: dict[str, tuple[str, ...]] = {
    "create": (*_CREATE_OPTIONS, "keys", "force"),
    "update": (*_CREATE_OPTIONS, "keys"),
    "check": ("keys",),
    "show": (),
}


def krl(options: Namespace) -> Answer:
    """Make a revocation list, or ask one."""
    refuse_unused(options, _OPTIONS)
    if options.action == "create":
        refuse_existing(options, options.file)
        return _extend(options, SSHKeyRevocationList(0))
    if options.action == "update":
        return _extend(options, parse_input(options, options.file, _next_version))
    if options.action == "show":
        return _show(options)
    if not options.keys:
        # Silence would be taken for "nothing is revoked".
        raise UsageError("check needs keys or certificates")
    return _check(options)


def _check(options: Namespace) -> Answer:
    """Say of each key and certificate whether it is revoked."""
    revoked = parse_input(options, options.file, import_krl)
    facts, texts = [], []
    for filename in options.keys:
        subjects = parse_input(options, filename, _subjects_of)
        for subject in subjects:
            reason = revoked.revocation_reason(subject)
            key = subject if isinstance(subject, SSHKey) else subject.key
            facts.append(
                {
                    "file": filename,
                    "fingerprint": key.get_fingerprint(),
                    "revoked": reason is not None,
                    "reason": reason,
                }
            )
            which = f"{filename} {key.get_fingerprint()}" if len(subjects) > 1 else filename
            texts.append(f"{which}: {'ok' if reason is None else 'REVOKED: ' + reason}")
    return Answer("\n".join(texts), {"keys": facts}, int(any(fact["revoked"] for fact in facts)))


def _subjects_of(data: bytes) -> list[Subject]:
    """Return all keys and certificates of a file; raises KeyImportError."""
    if _BLOCKS.search(data) is not None:
        return _of_blocks(data)
    subjects = [_numbered(number, line) for number, line in subject_lines(data)]
    if not subjects:
        raise KeyImportError("no public key and no certificate found")
    return subjects


def _numbered(number: int, line: bytes) -> Subject:
    try:
        return parse_subject_line(line)
    except KeyImportError as exc:
        raise type(exc)(f"line {number}: {exc}") from None


def _of_blocks(data: bytes) -> list[Subject]:
    """Return all keys or certificates of a file that does not consist of lines."""
    try:
        certificates = some_certificates(data)
    except KeyImportError:
        return list(some_public_keys(data))
    openssh = [each for each in certificates if isinstance(each, SSHOpenSSHCertificate)]
    if len(openssh) < len(certificates):
        raise KeyImportError("revocation lists have no X.509 certificates")
    return list(openssh)


def _show(options: Namespace) -> Answer:
    """List what a revocation list holds."""
    revoked = parse_input(options, options.file, import_krl)
    made = moment(revoked.generated)
    texts = [f"version {revoked.version} of {made} {plain(revoked.comment)}".rstrip()]
    facts = []
    for kind, value, authority in revoked.entries():
        facts.append({"kind": kind, "value": value, "authority": authority or None})
        of = f" of {authority}" if authority else ""
        texts.append(f"{kind} {plain(value)}{of}")
    data = {"version": revoked.version, "generated": made, "comment": revoked.comment}
    return Answer("\n".join(texts), {**data, "entries": facts})


def _next_version(data: bytes) -> SSHKeyRevocationList:
    """Return a list that says what another one does, made now."""
    revoked = import_krl(data)
    revoked.version = min(revoked.version + 1, MAXIMUM_UINT64)
    revoked.generated = int(current_time())
    return revoked


def _extend(options: Namespace, made: SSHKeyRevocationList) -> Answer:
    """Add what the options name to a revocation list, and write it."""
    if options.version_number is not None:
        made.version = options.version_number
    if options.comment is not None:
        made.comment = options.comment
    authority = parse_input(options, options.ca, import_public_key) if options.ca else None
    for filename in options.keys:
        parse_input(options, filename, lambda data: _revoke(made, data, authority, options.by_hash))
    for first, last in options.serial:
        made.revoke_serials(authority, first, last)
    for key_id in options.key_id:
        made.revoke_key_id(authority, key_id)
    return write_output(options.file, made.export_krl(), {"version": made.version})


def _revoke(
    made: SSHKeyRevocationList, data: bytes, authority: SSHKey | None, by_hash: str | None
) -> None:
    """Revoke all that a file names; raises KeyImportError."""
    if _BLOCKS.search(data) is None:
        extend_krl(made, data, authority, by_hash)
        return
    for subject in _of_blocks(data):
        if isinstance(subject, SSHOpenSSHCertificate):
            made.revoke_certificate(subject)
        elif by_hash:
            made.revoke_hash(subject, by_hash)
        else:
            made.revoke_key(subject)
