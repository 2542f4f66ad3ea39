"""The command known-hosts, with its actions."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from errno import ENOENT
from os import strerror

from ssh_keys.cli.arguments import port, refuse_unused
from ssh_keys.cli.files import STANDARD, parse_input, parse_trust
from ssh_keys.cli.output import Answer, UsageError, plain
from ssh_keys.files import edit_file, file_exists
from ssh_keys.importing import import_public_key
from ssh_keys.known_hosts import HostKeyStatus, import_known_hosts
from ssh_keys.known_hosts_editor import (
    KnownHostsEditor,
    KnownHostsLine,
    hash_known_hosts,
    remove_known_host,
)

__all__ = ["add_commands"]


def add_commands(commands: dict[str, ArgumentParser]) -> None:
    """Fill the parsers of these commands with their options."""
    parser = commands["known-hosts"]
    parser.add_argument("action", choices=tuple(_OPTIONS))
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


# What each action has a use for; that of another action would be ignored.
_OPTIONS: dict[str, tuple[str, ...]] = {
    "find": ("host", "port"),
    "check": ("host", "port", "key"),
    "add": ("host", "port", "key", "hashed", "marker"),
    "remove": ("host", "port"),
    "hash": (),
}


def known_hosts(options: Namespace) -> Answer:
    """Look into a known_hosts file, or change it."""
    refuse_unused(options, _OPTIONS)
    changes = options.action in ("add", "remove", "hash")
    if changes and options.file == STANDARD:
        raise UsageError(f"{options.action} changes a file, not standard input")
    if options.action != "hash" and not options.host:
        raise UsageError(f"{options.action} needs a host")
    if options.action in ("check", "add") and not options.key:
        raise UsageError(f"{options.action} needs --key")
    if changes:
        _check_editable(options)
    return _ACTIONS[options.action](options)


def _check_editable(options: Namespace) -> None:
    """Refuse a file that cannot be edited, in the words of `parse_trust`."""
    if file_exists(options.file):
        parse_trust(options, options.file, KnownHostsEditor)
    elif options.action != "add":
        # Editing would make it.
        raise FileNotFoundError(ENOENT, strerror(ENOENT), options.file)


def _find(options: Namespace) -> Answer:
    editor = parse_trust(options, options.file, KnownHostsEditor)
    lines = editor.find(options.host, options.port)
    # What is skipped when the host is looked up, is not found.
    return _lines(lines, not all(line.problem for line in lines))


def _remove(options: Namespace) -> Answer:
    lines = remove_known_host(options.file, options.host, options.port)
    return _lines(lines, bool(lines))


def _hash(options: Namespace) -> Answer:
    count = hash_known_hosts(options.file)
    return Answer(f"{count} lines hashed", {"changed": count})


def _lines(found: Sequence[KnownHostsLine], is_yes: bool) -> Answer:
    texts, facts = [], []
    for line in found:
        fact = {"line": line.number, "marker": line.marker, "text": line.text}
        texts.append(f"{line.number}: {plain(line.text)}")
        if line.problem:
            fact["problem"] = line.problem
            texts[-1] += f" ({line.problem})"
        facts.append(fact)
    return Answer("\n".join(texts) or "not found", {"lines": facts}, int(not is_yes))


def _check(options: Namespace) -> Answer:
    """Say whether the file trusts a key for a host, as a client would find it."""
    known = parse_trust(options, options.file, import_known_hosts)
    found = known.lookup(options.host, port=options.port)
    status = found.check(parse_input(options, options.key, import_public_key))
    facts: dict[str, object] = {"host": options.host, "status": status.value}
    if found.problems:
        facts["problems"] = list(found.problems)
    text = "\n".join([status.value, *found.problems])
    return Answer(text, facts, int(status is not HostKeyStatus.TRUSTED))


def _add(options: Namespace) -> Answer:
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


_ACTIONS: dict[str, Callable[[Namespace], Answer]] = {
    "find": _find,
    "check": _check,
    "add": _add,
    "remove": _remove,
    "hash": _hash,
}
