"""Commands on keys that are somewhere else: resident keys of authenticators, PKCS#11 tokens."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ssh_keys.cli.files import refuse_existing
from ssh_keys.cli.output import Answer, describe_key, plain
from ssh_keys.cli.passphrases import (
    add_passphrase_options,
    add_pin_options,
    new_passphrase,
    pin_of,
)
from ssh_keys.files import write_file
from ssh_keys.key import SSHKey
from ssh_keys.pkcs11_tokens import load_pkcs11_keys
from ssh_keys.resident_keys import load_resident_keys
from ssh_keys.sk import SecurityKey

__all__ = ["add_commands", "write_new_key"]

#: bcrypt rounds that take a fraction of a second.
ROUNDS = 24
CIPHER = "aes256-ctr"


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


def write_new_key(
    key: SSHKey,
    private: Path,
    passphrase: str | None,
    cipher_name: str = CIPHER,
    rounds: int = ROUNDS,
) -> dict[str, object]:
    """Write both files of a key, or none of them, and return its facts.

    Parameters:
        key: the key.
        private: file of the private key; the public one has `.pub` behind its name.
        passphrase: what to encrypt with; None for a key that is not encrypted.
        cipher_name: the cipher for that.
        rounds: rounds of bcrypt.

    Raises OSError, KeyExportError for a comment that breaks the line, KeyEncryptionError for a
    cipher or rounds that there are not.
    """
    public = Path(f"{private}.pub")
    line = key.export_public_key()
    data = key.export_private_key("openssh", passphrase, cipher_name, rounds=rounds)
    write_file(private, data, private=True)
    write_file(public, line)
    return {**describe_key(key, "sha256"), "private": str(private), "public": str(public)}


def resident_keys(options: Namespace) -> Answer:
    """List the keys that the authenticators keep, and write them to files if asked to."""
    passphrase = new_passphrase(options) if options.output else None
    keys = load_resident_keys(
        lambda: pin_of(options, "the security key"),
        application=options.application,
        user=options.user,
        touch_required=not options.no_touch_required,
    )
    facts, texts = [], []
    for key in keys:
        described = describe_key(key, "sha256")
        if options.output:
            path = Path(options.output) / _file_name(key)
            refuse_existing(options, str(path))
            described = write_new_key(key, path, passphrase)
        facts.append(described)
        texts.append(str(described.get("private") or _line(key)))
    return Answer("\n".join(texts) or "no keys", {"keys": facts}, 0 if keys else 1)


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
        {**describe_key(key, "sha256"), "public_key": key.export_public_key().decode().strip()}
        for key in keys
    ]
    return Answer("\n".join(map(_line, keys)) or "no keys", {"keys": facts}, 0 if keys else 1)
