"""The command sshfp, with its actions."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ssh_keys.cli.arguments import refuse_unused
from ssh_keys.cli.files import parse_input
from ssh_keys.cli.output import Answer, UsageError
from ssh_keys.errors import KeyImportError
from ssh_keys.importing import some_public_keys
from ssh_keys.key import SSHKey
from ssh_keys.sshfp import SSHFPRecord, SSHFPStatus, check_sshfp, create_sshfp, import_sshfp

__all__ = ["add_commands"]


def add_commands(commands: dict[str, ArgumentParser]) -> None:
    """Fill the parser of this command with its options."""
    parser = commands["sshfp"]
    parser.add_argument("action", choices=tuple(_OPTIONS))
    parser.add_argument("host", help="name of the host in the DNS")
    parser.add_argument("keys", nargs="+", help="its public keys; - for standard input")
    parser.add_argument("--hash", choices=("sha1", "sha256"), help="for create; default: both")
    parser.add_argument(
        "--generic", action="store_true", help="for create: as TYPE44, for old DNS software"
    )
    parser.add_argument(
        "--records",
        metavar="FILE",
        help="for check: zone file, or what dig printed; - for standard input",
    )
    parser.set_defaults(run=sshfp)


_OPTIONS: dict[str, tuple[str, ...]] = {"create": ("hash", "generic"), "check": ("records",)}


def sshfp(options: Namespace) -> Answer:
    """Make the records of host keys, or check keys against records."""
    refuse_unused(options, _OPTIONS)
    return _create(options) if options.action == "create" else _check(options)


def _keys(options: Namespace) -> list[tuple[str, SSHKey]]:
    """Return all keys of all files, with the names of the files; raises KeyImportError."""
    return [
        (filename, key)
        for filename in options.keys
        for key in parse_input(options, filename, some_public_keys)
    ]


def _create(options: Namespace) -> Answer:
    """Print the records as lines of a zone file."""
    names = ("sha1", "sha256") if options.hash is None else (options.hash,)
    records = [
        record for _, key in _keys(options) for record in create_sshfp(options.host, key, names)
    ]
    lines = [record.export(options.generic) for record in records]
    facts = [_facts(record, line) for record, line in zip(records, lines, strict=True)]
    return Answer("\n".join(lines), {"records": facts})


def _facts(record: SSHFPRecord, line: str) -> dict[str, object]:
    return {
        "host": record.host,
        "algorithm": record.algorithm,
        "fingerprint_type": record.fingerprint_type,
        "fingerprint": record.fingerprint.hex(),
        "text": line,
    }


def _check(options: Namespace) -> Answer:
    """Say of each key what the records of the host say about it."""
    if options.records is None:
        raise UsageError("check needs --records")
    records = parse_input(options, options.records, import_sshfp)
    if not any(record.belongs_to(options.host) for record in records):
        raise KeyImportError(f"{options.records!r}: no SSHFP record of {options.host!a}")
    facts, texts, good = [], [], True
    for filename, key in _keys(options):
        status = check_sshfp(records, key, options.host)
        good = good and status is SSHFPStatus.MATCH
        fingerprint = key.get_fingerprint()
        facts.append({"file": filename, "fingerprint": fingerprint, "status": status.value})
        texts.append(f"{filename} {key.type_name} {fingerprint}: {status.value}")
    return Answer("\n".join(texts), {"host": options.host, "keys": facts}, int(not good))
