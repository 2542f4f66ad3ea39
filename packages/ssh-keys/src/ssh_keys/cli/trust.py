"""Commands on trust: known-hosts and krl, with their actions."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from errno import ENOENT
from os import strerror

from ssh_keys.certificate import SSHOpenSSHCertificate
from ssh_keys.certificate_importing import import_certificate
from ssh_keys.cli.arguments import MAXIMUM_UINT64, port, uint64
from ssh_keys.cli.files import STANDARD, parse_input, refuse_existing, write_output
from ssh_keys.cli.output import Answer, UsageError, moment
from ssh_keys.errors import KeyImportError
from ssh_keys.files import edit_file, file_exists
from ssh_keys.importing import import_public_key
from ssh_keys.key import SSHKey
from ssh_keys.known_hosts import HostKeyStatus, import_known_hosts
from ssh_keys.known_hosts_editor import (
    KnownHostsEditor,
    KnownHostsLine,
    hash_known_hosts,
    remove_known_host,
)
from ssh_keys.krl import SSHKeyRevocationList, import_krl
from ssh_keys.time_values import current_time

__all__ = ["add_commands"]


def add_commands(commands: dict[str, ArgumentParser]) -> None:
    """Fill the parsers of these commands with their options."""
    parser = commands["known-hosts"]
    parser.add_argument("action", choices=tuple(_KNOWN_HOSTS_OPTIONS))
    parser.add_argument("host", nargs="?", help="name or address; not for hash")
    parser.add_argument(
        "--file",
        default="~/.ssh/known_hosts",
        help="default: ~/.ssh/known_hosts; for find and check, - for standard input",
    )
    parser.add_argument("--port", type=port, help="port of the host, if it is not 22")
    parser.add_argument(
        "--key", help="for add and check: file with the public key; - for standard input"
    )
    parser.add_argument("--hashed", action="store_true", help="for add: hash the name")
    parser.add_argument(
        "--marker",
        choices=("cert-authority", "revoked"),
        help="for add: the key is that of an authority, or a revoked one",
    )
    parser.set_defaults(run=known_hosts)

    parser = commands["krl"]
    parser.add_argument("action", choices=tuple(_KRL_OPTIONS))
    parser.add_argument("file", help="the revocation list; - for standard input or output")
    parser.add_argument("keys", nargs="*", help="public keys or certificates")
    made = parser.add_argument_group("create and update")
    made.add_argument("--ca", help="public key of the authority of serials and key ids")
    made.add_argument("--serial", action="append", default=[], help="revoke N or N-M; repeatable")
    made.add_argument("--key-id", action="append", default=[], help="revoke this id; repeatable")
    made.add_argument("--by-hash", choices=("sha256", "sha1"), help="hashes in place of keys")
    made.add_argument("--version-number", type=uint64, help="default: 0; for update one more")
    made.add_argument("--comment", help="text in the list")
    made.add_argument("--force", action="store_true", help="for create: replace a file that exists")
    parser.set_defaults(run=krl)


# What each action has a use for; that of another action would be ignored.
_KNOWN_HOSTS_OPTIONS = {
    "find": ("host", "port"),
    "check": ("host", "port", "key"),
    "add": ("host", "port", "key", "hashed", "marker"),
    "remove": ("host", "port"),
    "hash": (),
}
_CREATE_OPTIONS = ("ca", "serial", "key_id", "by_hash", "version_number", "comment")
_KRL_OPTIONS: dict[str, tuple[str, ...]] = {
    "create": (*_CREATE_OPTIONS, "keys", "force"),
    "update": (*_CREATE_OPTIONS, "keys"),
    "check": ("keys",),
    "show": (),
}


def _refuse_unused(options: Namespace, known: dict[str, tuple[str, ...]]) -> None:
    """Raise UsageError for an option of another action."""
    for name in dict.fromkeys(name for names in known.values() for name in names):
        if getattr(options, name) and name not in known[options.action]:
            word = name if name in ("host", "keys") else f"--{name.replace('_', '-')}"
            raise UsageError(f"{options.action} has no use for {word}")


def known_hosts(options: Namespace) -> Answer:
    """Look into a known_hosts file, or change it."""
    _refuse_unused(options, _KNOWN_HOSTS_OPTIONS)
    if options.file == STANDARD and options.action not in ("find", "check"):
        raise UsageError(f"{options.action} changes a file, not standard input")
    if options.action in ("remove", "hash") and not file_exists(options.file):
        # Editing would make it.
        raise FileNotFoundError(ENOENT, strerror(ENOENT), options.file)
    if options.action == "hash":
        count = hash_known_hosts(options.file)
        return Answer(f"{count} lines hashed", {"changed": count})
    if not options.host:
        raise UsageError(f"{options.action} needs a host")
    if options.action == "add":
        return _add(options)
    if options.action == "check":
        return _check(options)
    if options.action == "remove":
        lines = remove_known_host(options.file, options.host, options.port)
    else:
        editor = parse_input(options, options.file, KnownHostsEditor)
        lines = editor.find(options.host, options.port)
    return _lines(lines)


def _lines(found: Sequence[KnownHostsLine]) -> Answer:
    text = "\n".join(f"{line.number}: {ascii(line.text)[1:-1]}" for line in found)
    facts = [
        {"line": line.number, "marker": line.marker, "text": ascii(line.text)[1:-1]}
        for line in found
    ]
    return Answer(text or "not found", {"lines": facts}, 0 if found else 1)


def _check(options: Namespace) -> Answer:
    """Say whether the file trusts a key for a host, as a client would find it."""
    if not options.key:
        raise UsageError("check needs --key")
    known = parse_input(options, options.file, import_known_hosts)
    found = known.lookup(options.host, port=options.port)
    status = found.check(parse_input(options, options.key, import_public_key))
    word = status.name.lower()
    return Answer(
        word, {"host": options.host, "status": word}, int(status is not HostKeyStatus.TRUSTED)
    )


def _add(options: Namespace) -> Answer:
    if not options.key:
        raise UsageError("add needs --key")
    key = parse_input(options, options.key, import_public_key)
    marker = f"@{options.marker}" if options.marker else ""
    added = False

    def change(data: bytes) -> bytes:
        nonlocal added
        editor = KnownHostsEditor(data)
        added = editor.add(
            options.host, key, port=options.port, marker=marker, hashed=options.hashed
        )
        return editor.to_bytes() if added else data

    edit_file(options.file, change)
    return Answer("added" if added else "was there already", {"added": added})


def _subject_of(data: bytes) -> SSHKey | SSHOpenSSHCertificate:
    try:
        certificate = import_certificate(data)
    except KeyImportError:
        return import_public_key(data)
    if not isinstance(certificate, SSHOpenSSHCertificate):
        raise KeyImportError("revocation lists have no X.509 certificates")
    return certificate


def krl(options: Namespace) -> Answer:
    """Make a revocation list, or ask one."""
    _refuse_unused(options, _KRL_OPTIONS)
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
    revoked = parse_input(options, options.file, import_krl)
    facts, texts = [], []
    for filename in options.keys:
        reason = revoked.revocation_reason(parse_input(options, filename, _subject_of))
        facts.append({"file": filename, "revoked": reason is not None, "reason": reason})
        texts.append(f"{filename}: {'ok' if reason is None else 'REVOKED: ' + reason}")
    return Answer("\n".join(texts), {"keys": facts}, int(any(fact["revoked"] for fact in facts)))


def _show(options: Namespace) -> Answer:
    """List what a revocation list holds."""
    revoked = parse_input(options, options.file, import_krl)
    made = moment(revoked.generated)
    texts = [f"version {revoked.version} of {made} {ascii(revoked.comment)[1:-1]}".rstrip()]
    facts = []
    for kind, value, authority in revoked.entries():
        facts.append({"kind": kind, "value": value, "authority": authority or None})
        of = f" of {authority}" if authority else ""
        texts.append(f"{kind} {ascii(value)[1:-1]}{of}")
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
    for filename in options.keys:
        subject = parse_input(options, filename, _subject_of)
        if isinstance(subject, SSHOpenSSHCertificate):
            made.revoke_certificate(subject)
        elif options.by_hash:
            made.revoke_hash(subject, options.by_hash)
        else:
            made.revoke_key(subject)
    authority = parse_input(options, options.ca, import_public_key) if options.ca else None
    for text in options.serial:
        first, _, last = text.partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            raise UsageError(f"no serial number: {text!a}")
        made.revoke_serials(authority, int(first), int(last or first))
    for key_id in options.key_id:
        made.revoke_key_id(authority, key_id)
    options.force = options.force or options.action == "update"
    return write_output(options, options.file, made.export_krl(), {"version": made.version})
