"""The keys that commands are given: in files, or on tokens."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from ssh_keys.cli.files import parse_input
from ssh_keys.cli.passphrases import add_pin_options, ask, passphrase_of, pin_of
from ssh_keys.cli.recognition import is_private
from ssh_keys.errors import KeyImportError, KeyPassphraseError
from ssh_keys.importing import import_private_key, import_public_key
from ssh_keys.key import SSHKey
from ssh_keys.pkcs11_tokens import load_pkcs11_keys
from ssh_keys.sk import SecurityKey

__all__ = [
    "add_token_options",
    "private_key",
    "public_key",
    "public_key_of_file",
    "signing_key",
    "unlocked_key",
]

#: Where ssh-agent says how to get a key in an agent: it depends on us, so we do not import it.
AGENT_ENTRY_POINTS = "ssh_keys.agent"


def add_token_options(parser: ArgumentParser) -> None:
    """Add the options for a private key that is in no file: its file is that of the public key."""
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--pkcs11", metavar="MODULE", help="the key is on a token")
    place.add_argument(
        "--agent",
        action="store_true",
        help="the key is in the agent of SSH_AUTH_SOCK; needs the distribution ssh-agent",
    )
    add_pin_options(parser)


def unlocked_key(data: bytes, filename: str, options: Namespace) -> tuple[SSHKey, str | None]:
    """Return the private key in data, and the passphrase of the options or of a prompt."""
    passphrase = passphrase_of(options)
    try:
        return import_private_key(data, passphrase), passphrase
    except KeyPassphraseError as exc:
        if passphrase is not None:
            raise
        passphrase = ask(options, f"Passphrase for {filename}: ")
        if passphrase is None:
            names = "--passphrase-file or --passphrase-env"
            raise KeyPassphraseError(f"{exc}: give {names}") from None
    return import_private_key(data, passphrase), passphrase


def private_key(data: bytes, filename: str, options: Namespace) -> SSHKey:
    """Return the private key in data, with the passphrase of the options or of a prompt."""
    return unlocked_key(data, filename, options)[0]


def public_key(data: bytes, filename: str, options: Namespace) -> SSHKey:
    """Return the public key in data, or the public part of a private one."""
    try:
        return import_public_key(data)
    except KeyImportError:
        if not is_private(data):
            raise
        return private_key(data, filename, options).convert_to_public()


def public_key_of_file(filename: str, options: Namespace) -> SSHKey:
    """Read a public key, or the public part of a private one."""
    return parse_input(options, filename, lambda data: public_key(data, filename, options))


def signing_key(filename: str, options: Namespace) -> SSHKey:
    """Return a key that signs: of a private key file, or where its private part is.

    Raises KeyImportError if no token has it, and ValueError if the agent does not.
    """
    if options.agent:
        return _agent_key(parse_input(options, filename, import_public_key))
    if options.pkcs11 is not None:
        return _token_key(filename, options)
    key = parse_input(options, filename, lambda data: private_key(data, filename, options))
    if isinstance(key, SecurityKey):
        key.pin = lambda: pin_of(options, "the security key")
    return key


def _agent_key(public: SSHKey) -> SSHKey:
    # Takes longer to import than all that most commands need.
    from importlib.metadata import entry_points

    for found in entry_points(group=AGENT_ENTRY_POINTS):
        key_in_agent: Callable[[SSHKey], SSHKey] = found.load()
        return key_in_agent(public)
    raise KeyImportError("keys in an agent need the distribution ssh-agent")


def _token_key(filename: str, options: Namespace) -> SSHKey:
    public = parse_input(options, filename, import_public_key)
    pairs = load_pkcs11_keys(
        options.pkcs11, lambda label: pin_of(options, f"token {label}"), load_certs=False
    )
    for pair in pairs:
        if pair.public_data == public.public_data:
            return pair.key
    raise KeyImportError(f"no token has the private key of {filename!a}")
