"""Commands on trust: known-hosts find, check, add, remove, hash; krl create, check, show."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from ssh_keys.certificate import SSHOpenSSHCertificate
from ssh_keys.certificate_importing import read_certificate
from ssh_keys.cli.output import Answer, UsageError, moment
from ssh_keys.errors import KeyImportError
from ssh_keys.files import edit_file, read_file
from ssh_keys.importing import read_public_key
from ssh_keys.key import SSHKey
from ssh_keys.known_hosts import HostKeyStatus, read_known_hosts
from ssh_keys.known_hosts_editor import (
    KnownHostsEditor,
    KnownHostsLine,
    hash_known_hosts,
    remove_known_host,
)
from ssh_keys.krl import SSHKeyRevocationList, read_krl

__all__ = ["add_commands"]


def add_commands(commands: dict[str, ArgumentParser]) -> None:
    """Fill the parsers of these commands with their options."""
    parser = commands["known-hosts"]
    parser.add_argument("action", choices=tuple(_KNOWN_HOSTS_OPTIONS))
    parser.add_argument("host", nargs="?", help="name or address; not for hash")
    parser.add_argument("--file", default="~/.ssh/known_hosts")
    parser.add_argument("--port", type=int)
    parser.add_argument("--key", help="for add and check: file with the public key")
    parser.add_argument("--hashed", action="store_true", help="for add: hash the name")
    parser.set_defaults(run=known_hosts)

    parser = commands["krl"]
    parser.add_argument("action", choices=tuple(_KRL_OPTIONS))
    parser.add_argument("file", help="the revocation list")
    parser.add_argument("keys", nargs="*", help="public keys or certificates")
    parser.add_argument("--ca", help="for create: key of the authority of serials and key ids")
    parser.add_argument("--serial", action="append", default=[], help="for create: N or N-M")
    parser.add_argument("--key-id", action="append", default=[], help="for create")
    parser.add_argument("--by-hash", choices=("sha256", "sha1"), help="for create: hashes of keys")
    parser.add_argument("--version-number", type=int, default=0, help="for create")
    parser.add_argument("--comment", default="", help="for create")
    parser.set_defaults(run=krl)


# What each action has a use for; that of another action would be ignored.
_KNOWN_HOSTS_OPTIONS = {
    "find": ("host", "port"),
    "check": ("host", "port", "key"),
    "add": ("host", "port", "key", "hashed"),
    "remove": ("host", "port"),
    "hash": (),
}
_CREATE_OPTIONS = ("ca", "serial", "key_id", "by_hash", "version_number", "comment")
_KRL_OPTIONS: dict[str, tuple[str, ...]] = {
    "create": (*_CREATE_OPTIONS, "keys"),
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
        lines = KnownHostsEditor(read_file(options.file)).find(options.host, options.port)
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
    found = read_known_hosts(options.file).lookup(options.host, port=options.port)
    status = found.check(read_public_key(options.key))
    word = status.name.lower()
    return Answer(
        word, {"host": options.host, "status": word}, int(status is not HostKeyStatus.TRUSTED)
    )


def _add(options: Namespace) -> Answer:
    if not options.key:
        raise UsageError("add needs --key")
    key = read_public_key(options.key)
    added = False

    def change(data: bytes) -> bytes:
        nonlocal added
        editor = KnownHostsEditor(data)
        added = editor.add(options.host, key, port=options.port, hashed=options.hashed)
        return editor.to_bytes() if added else data

    edit_file(options.file, change)
    return Answer("added" if added else "was there already", {"added": added})


def _read_subject(filename: str) -> SSHKey | SSHOpenSSHCertificate:
    try:
        certificate = read_certificate(filename)
    except KeyImportError:
        return read_public_key(filename)
    if not isinstance(certificate, SSHOpenSSHCertificate):
        raise KeyImportError(f"{filename!a}: revocation lists have no X.509 certificates")
    return certificate


def krl(options: Namespace) -> Answer:
    """Make a revocation list, or ask one."""
    _refuse_unused(options, _KRL_OPTIONS)
    if options.action == "create":
        return _create(options)
    if options.action == "show":
        return _show(options)
    if not options.keys:
        # Silence would be taken for "nothing is revoked".
        raise UsageError("check needs keys or certificates")
    revoked = read_krl(options.file)
    facts, texts = [], []
    for filename in options.keys:
        reason = revoked.revocation_reason(_read_subject(filename))
        facts.append({"file": filename, "revoked": reason is not None, "reason": reason})
        texts.append(f"{filename}: {'ok' if reason is None else 'REVOKED: ' + reason}")
    return Answer("\n".join(texts), {"keys": facts}, int(any(fact["revoked"] for fact in facts)))


def _show(options: Namespace) -> Answer:
    """List what a revocation list holds."""
    revoked = read_krl(options.file)
    made = moment(revoked.generated)
    texts = [f"version {revoked.version} of {made} {ascii(revoked.comment)[1:-1]}".rstrip()]
    facts = []
    for kind, value, authority in revoked.entries():
        facts.append({"kind": kind, "value": value, "authority": authority or None})
        of = f" of {authority}" if authority else ""
        texts.append(f"{kind} {ascii(value)[1:-1]}{of}")
    data = {"version": revoked.version, "generated": made, "comment": revoked.comment}
    return Answer("\n".join(texts), {**data, "entries": facts})


def _create(options: Namespace) -> Answer:
    made = SSHKeyRevocationList(options.version_number, options.comment)
    for filename in options.keys:
        subject = _read_subject(filename)
        if isinstance(subject, SSHOpenSSHCertificate):
            made.revoke_certificate(subject)
        elif options.by_hash:
            made.revoke_hash(subject, options.by_hash)
        else:
            made.revoke_key(subject)
    authority = read_public_key(options.ca) if options.ca else None
    for text in options.serial:
        first, _, last = text.partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            raise UsageError(f"no serial number: {text!a}")
        made.revoke_serials(authority, int(first), int(last or first))
    for key_id in options.key_id:
        made.revoke_key_id(authority, key_id)
    made.write_krl(options.file)
    return Answer(options.file, {"output": options.file, "version": made.version})
