"""Commands on keys that are somewhere else: resident keys of authenticators, PKCS#11 tokens."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from ssh_keys.cli.descriptions import describe_key
from ssh_keys.cli.files import refuse_existing
from ssh_keys.cli.key_files import write_new_key
from ssh_keys.cli.output import Answer, plain
from ssh_keys.cli.passphrases import (
    add_passphrase_options,
    add_pin_options,
    new_passphrase,
    pin_of,
)
from ssh_keys.key import SSHKey
from ssh_keys.pkcs11_tokens import load_pkcs11_keys
from ssh_keys.resident_keys import load_resident_keys
from ssh_keys.sk import SecurityKey

__all__ = ["add_commands"]


def add_commands(commands: dict[str, ArgumentParser]) -> None:
    """Fill the parsers of these commands with their options."""
    parser = commands["resident-keys"]
    parser.add_argument("--application", default="ssh:", help="what the keys were made for")
    parser.add_argument("--user", help="only keys made for this user")
    parser.add_argument("--no-touch-required", action="store_true", help="sign without a touch")
    parser.add_argument("--output", metavar="FOLDER", help="write the keys to files there")
    parser.add_argument("--no-passphrase", action="store_true", help="do not encrypt the files")
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    add_passphrase_options(parser, what="the files")
    add_pin_options(parser)
    parser.set_defaults(run=resident_keys)

    parser = commands["pkcs11"]
    parser.add_argument("module", help="shared library of the token's vendor")
    parser.add_argument("--token-label", help="only this token")
    parser.add_argument("--key-label", help="only this key")
    add_pin_options(parser)
    parser.set_defaults(run=pkcs11)


def resident_keys(options: Namespace) -> Answer:
    """List the keys that the authenticators keep, and write them to files if asked to."""
    passphrase = new_passphrase(options) if options.output else None
    keys = load_resident_keys(
        lambda: pin_of(options, "the security key"),
        application=options.application,
        user=options.user,
        touch_required=not options.no_touch_required,
    )
    if options.output:
        paths = _new_files(options, keys)
        facts = [
            write_new_key(key, path, passphrase) for key, path in zip(keys, paths, strict=True)
        ]
        texts = list(map(str, paths))
    else:
        facts = list(map(describe_key, keys))
        texts = list(map(_line, keys))
    return Answer("\n".join(texts) or "no keys", {"keys": facts}, 0 if keys else 1)


def _new_files(options: Namespace, keys: Sequence[SSHKey]) -> list[Path]:
    """Return the files of the private keys; raises FileExistsError before any is written."""
    paths = [Path(options.output) / _file_name(key) for key in keys]
    for path in paths:
        refuse_existing(options, str(path), f"{path}.pub")
        if paths.count(path) > 1:
            raise FileExistsError(f"two keys would go to '{path}': take one, with --user")
    return paths


def _file_name(key: SSHKey) -> str:
    """The name that `ssh-keygen -K` gives the file, with nothing in it that leads elsewhere."""
    assert isinstance(key, SecurityKey)
    name = "id_ed25519_sk_rk" if key.type_name == "ED25519-SK" else "id_ecdsa_sk_rk"
    application = key.application.decode("utf-8", "replace").removeprefix("ssh:")
    comment = key.get_comment(errors="replace") or ""
    user = "" if comment == key.application.decode("utf-8", "replace") else comment
    for part in (application, user):
        if part:
            name += "_" + "".join(char if char.isalnum() or char in "-.@" else "_" for char in part)
    return name


def _line(key: SSHKey) -> str:
    return plain(key.export_public_key().decode("utf-8", "replace").strip())


def pkcs11(options: Namespace) -> Answer:
    """List the keys on the tokens of a module, each as a public key line."""
    pairs = load_pkcs11_keys(
        options.module,
        lambda label: pin_of(options, f"token {label}"),
        load_certs=False,
        token_label=options.token_label,
        key_label=options.key_label,
    )
    keys = [pair.key.convert_to_public() for pair in pairs]
    facts = [
        {**describe_key(key), "public_key": key.export_public_key().decode().strip()}
        for key in keys
    ]
    return Answer("\n".join(map(_line, keys)) or "no keys", {"keys": facts}, 0 if keys else 1)
