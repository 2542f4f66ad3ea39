"""The command host-keys: what a new server needs."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ssh_keys.cli.key_files import write_new_key
from ssh_keys.cli.output import Answer
from ssh_keys.files import check_directory
from ssh_keys.key_types import generate_private_key

__all__ = ["add_commands"]

#: Those that `ssh-keygen -A` makes: what their files are called, and the key types.
TYPES = {"rsa": "ssh-rsa", "ecdsa": "ecdsa-sha2-nistp256", "ed25519": "ssh-ed25519"}


def add_commands(commands: dict[str, ArgumentParser]) -> None:
    """Fill the parser of this command with its options."""
    parser = commands["host-keys"]
    parser.add_argument("folder", nargs="?", default="/etc/ssh", help="default: /etc/ssh")
    parser.add_argument(
        "--type",
        action="append",
        choices=tuple(TYPES),
        help=f"only this type; repeatable; default: {', '.join(TYPES)}",
    )
    parser.add_argument("--comment", default="", help="text behind the keys")
    parser.set_defaults(run=host_keys)


def host_keys(options: Namespace) -> Answer:
    """Make the host keys of a server that it does not have yet, without a passphrase."""
    folder = Path(os.path.expanduser(options.folder))
    check_directory(folder)
    created: list[dict[str, object]] = []
    kept: list[str] = []
    for name in dict.fromkeys(options.type or TYPES):
        private = folder / f"ssh_host_{name}_key"
        if os.path.lexists(private):
            kept.append(str(private))
            continue
        if os.path.lexists(f"{private}.pub"):
            raise FileExistsError(f"'{private}.pub' exists, but its private key does not")
        key = generate_private_key(TYPES[name], options.comment)
        created.append(write_new_key(key, private, None))
    lines = [f"{facts['private']} {facts['fingerprint']}" for facts in created]
    return Answer("\n".join(lines) or "all are there", {"created": created, "kept": kept})
