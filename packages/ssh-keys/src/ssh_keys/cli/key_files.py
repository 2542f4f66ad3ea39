"""The two files of a new key, and how a private key in the format of OpenSSH is encrypted."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from ssh_keys.cli.arguments import rounds
from ssh_keys.cli.descriptions import describe_key
from ssh_keys.files import write_file
from ssh_keys.formats.openssh_ciphers import CIPHERS
from ssh_keys.formats.openssh_key import MAXIMUM_ROUNDS
from ssh_keys.key import SSHKey

__all__ = ["ROUNDS", "add_encryption_options", "write_new_key"]

CIPHER = "aes256-ctr"
#: Rounds of bcrypt that take a fraction of a second.
ROUNDS = 24


def add_encryption_options(parser: ArgumentParser) -> None:
    """Add the options for how a key in the format of OpenSSH is encrypted."""
    parser.add_argument(
        "--cipher",
        default=CIPHER,
        choices=[name.decode("ascii") for name in CIPHERS],
        metavar="NAME",
        help=f"of the encrypted key, as ssh -Q cipher has them; default: {CIPHER}",
    )
    parser.add_argument(
        "--rounds",
        default=ROUNDS,
        type=rounds,
        help=f"of bcrypt, 1 to {MAXIMUM_ROUNDS}: what trying a passphrase costs; default: {ROUNDS}",
    )


def write_new_key(
    key: SSHKey,
    private: Path,
    passphrase: str | None,
    cipher_name: str = CIPHER,
    rounds: int = ROUNDS,
) -> dict[str, object]:
    """Write both files of a key, and return its facts; a key that one cannot hold, has neither.

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
    return {**describe_key(key), "private": str(private), "public": str(public)}
