"""The command `show`: what is in a file of keys, certificates or trust."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from functools import partial

from ssh_keys.authorized_keys import parse_line
from ssh_keys.authorized_options import AuthorizedKeyEntry
from ssh_keys.bubble_babble import bubblebabble
from ssh_keys.certificate_base import SSHCertificate
from ssh_keys.certificate_importing import some_certificates
from ssh_keys.cli.descriptions import describe_certificate, describe_key
from ssh_keys.cli.files import parse_input
from ssh_keys.cli.input_keys import private_key
from ssh_keys.cli.output import Answer, plain
from ssh_keys.cli.passphrases import add_passphrase_options, passphrase_of
from ssh_keys.cli.recognition import is_private
from ssh_keys.drunken_bishop import randomart
from ssh_keys.errors import KeyImportError, UnsupportedKeyError
from ssh_keys.formats.armour import iterate_pem
from ssh_keys.formats.openssh_key import parse
from ssh_keys.importing import parse_public_line, some_public_keys
from ssh_keys.key import SSHKey
from ssh_keys.key_material import FINGERPRINT_HASHES
from ssh_keys.key_types import decode_ssh_public_key
from ssh_keys.known_hosts import split_line

__all__ = ["add_commands"]

#: What is printed for a person, and the facts for a program.
Shown = tuple[str, dict[str, object]]
_NOTHING: Mapping[str, object] = {}


def add_commands(commands: dict[str, ArgumentParser]) -> None:
    """Fill the parser of this command with its options."""
    parser = commands["show"]
    parser.add_argument(
        "file",
        nargs="+",
        help="keys, certificates, known_hosts or authorized_keys; - for standard input",
    )
    parser.add_argument(
        "--hash", default="sha256", choices=FINGERPRINT_HASHES, help="hash of fingerprints"
    )
    parser.add_argument("--randomart", action="store_true", help="fingerprint as a picture")
    parser.add_argument("--bubblebabble", action="store_true", help="fingerprint in words")
    add_passphrase_options(parser)
    parser.set_defaults(run=show)


def show(options: Namespace) -> Answer:
    """Describe what is in files."""
    answers = [
        parse_input(options, name, partial(_shown, filename=name, options=options))
        for name in options.file
    ]
    if len(answers) == 1:
        return answers[0]
    named = list(zip(options.file, answers, strict=True))
    text = "\n".join(f"{plain(name)}:\n{answer.text}" for name, answer in named)
    return Answer(text, {"files": [{"file": name, **answer.data} for name, answer in named]})


def _shown(data: bytes, filename: str, options: Namespace) -> Answer:
    """Describe data; raises KeyImportError."""
    try:
        return _answer([_certificate(found, options) for found in some_certificates(data)])
    except KeyImportError:
        pass
    try:
        return _answer([_key(key, options) for key in some_public_keys(data)])
    except KeyImportError:
        pass
    listed, problems = _trust_lines(data, options)
    if listed:
        return _answer(listed, problems)
    clear = _clear_part(data) if passphrase_of(options) is None else None
    if clear is not None:
        more: dict[str, object] = {"kind": "private key", "encrypted": True}
        return _answer([_key(clear, options, more)])
    if not is_private(data):
        raise KeyImportError("; ".join(["no key and no certificate found", *problems[:1]]))
    return _answer([_key(private_key(data, filename, options), options)])


def _answer(shown: Sequence[Shown], problems: Sequence[str] = ()) -> Answer:
    text = "\n".join([*(text for text, _ in shown), *problems])
    data: dict[str, object] = {"entries": [facts for _, facts in shown]}
    return Answer(text, {**data, "problems": list(problems)} if problems else data)


def _certificate(certificate: SSHCertificate, options: Namespace) -> Shown:
    described = describe_certificate(certificate, options.hash)
    return "\n".join(_fact_line(name, value) for name, value in described.items()), described


def _key(key: SSHKey, options: Namespace, more: Mapping[str, object] = _NOTHING) -> Shown:
    """Describe a key.

    Parameters:
        key: the key.
        options: of the command.
        more: facts of the file that it is in; `names` are shown in place of a missing comment.
    """
    described = {**describe_key(key, options.hash), **more}
    comment = plain(str(described["comment"] or more.get("names") or "")) or "no comment"
    lines = [f"{key.bits} {described['fingerprint']} {comment} ({key.type_name})"]
    if options.bubblebabble:
        described["bubblebabble"] = bubblebabble(key)
        lines.append(str(described["bubblebabble"]))
    if options.randomart:
        described["randomart"] = randomart(key, options.hash)
        lines.append(str(described["randomart"]))
    return "\n".join(lines), described


def _trust_lines(data: bytes, options: Namespace) -> tuple[list[Shown], list[str]]:
    """Describe the keys of an authorized_keys or known_hosts file, and say what is no such line."""
    listed, problems = [], []
    for number, line in enumerate(data.split(b"\n"), 1):
        line = line.strip()
        if not line or line.startswith(b"#"):
            continue
        try:
            key, more = _trusted_key(line)
        except KeyImportError as exc:
            problems.append(f"line {number}: {plain(str(exc))}")
        else:
            listed.append(_key(key, options, {"line": number, **more}))
    return listed, problems


def _trusted_key(line: bytes) -> tuple[SSHKey, dict[str, object]]:
    """Return the key of a line, and what is in front of it; raises KeyImportError."""
    marker, names, rest = split_line(line)
    try:
        key = parse_public_line(rest)
    except KeyImportError:
        pass
    else:
        facts: dict[str, object] = {"names": names.decode("utf-8", "backslashreplace")}
        return key, {**facts, "marker": marker.decode("ascii", "replace")} if marker else facts
    entry = parse_line(line)
    if not isinstance(entry, AuthorizedKeyEntry):
        raise UnsupportedKeyError("an X.509 subject")
    return entry.key, {"options": entry.typed_options.export_options()} if entry.options else {}


def _clear_part(data: bytes) -> SSHKey | None:
    """Return the public key in front of an encrypted OpenSSH private key, None without one.

    It has no comment: that is among what is encrypted.
    """
    for block in iterate_pem(data):
        if block.label == b"OPENSSH PRIVATE KEY":
            container = parse(block.data)
            return decode_ssh_public_key(container.public_data) if container.encrypted else None
    return None


def _fact_line(name: str, fact: object) -> str:
    """Return a fact as one line in which nothing can move the cursor."""
    return f"{name}: {plain(_joined(fact))}".rstrip()


def _joined(fact: object) -> str:
    if isinstance(fact, dict):
        parts = (name if data is True else f"{name}={_joined(data)}" for name, data in fact.items())
        return ", ".join(parts)
    if isinstance(fact, list | tuple):
        return ", ".join(map(str, fact))
    return "" if fact is None else str(fact)
