"""Where the command line has secrets from: prompts, files and variables, never argv."""

from __future__ import annotations

import getpass
import os
import sys
from argparse import ArgumentParser, Namespace

from ssh_keys.cli.files import read_input, uses_standard_input
from ssh_keys.errors import KeyImportError, KeyPassphraseError

__all__ = [
    "add_passphrase_options",
    "add_pin_options",
    "ask",
    "new_passphrase",
    "passphrase_of",
    "pin_of",
]


def _add_secret(parser: ArgumentParser, name: str, what: str) -> None:
    """Add the two ways to give a secret without a prompt."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(f"--{name}-file", metavar="FILE", help=f"first line: {what}")
    group.add_argument(f"--{name}-env", metavar="NAME", help=f"variable: {what}")


def add_passphrase_options(parser: ArgumentParser, prefix: str = "", what: str = "the key") -> None:
    """Add the options for a passphrase that is not asked for on the terminal."""
    _add_secret(parser, f"{prefix}passphrase", f"passphrase of {what}")


def add_pin_options(parser: ArgumentParser) -> None:
    """Add the options for the PIN of a token or authenticator."""
    _add_secret(parser, "pin", "PIN of the token")


def _secret_of(options: Namespace, name: str) -> str | None:
    file = getattr(options, f"{name}_file")
    variable = getattr(options, f"{name}_env")
    if file is not None:
        # Asked for more than once, but standard input can be read only once.
        read: dict[str, str] = vars(options).setdefault("secrets", {})
        if file not in read:
            read[file] = _first_line(read_input(options, file), file)
        return read[file]
    if variable is not None:
        if variable not in os.environ:
            raise KeyPassphraseError(f"environment variable {variable!a} is not set")
        return os.environ[variable]
    return None


def _first_line(data: bytes, filename: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise KeyPassphraseError(f"{filename!a}: no text in UTF-8") from None
    # Not splitlines, for which a passphrase may end at other characters, too.
    return text.partition("\n")[0].removesuffix("\r")


def passphrase_of(options: Namespace, prefix: str = "") -> str | None:
    """Return the passphrase that the options name, None if they name none.

    Raises KeyPassphraseError for a variable that is not set, OSError for a file.
    """
    return _secret_of(options, f"{prefix}passphrase".replace("-", "_"))


def pin_of(options: Namespace, what: str) -> str | None:
    """Return the PIN of the options, or of a prompt; None if there is none."""
    given = _secret_of(options, "pin")
    return ask(options, f"PIN of {what}: ") if given is None else given


def ask(options: Namespace, prompt: str) -> str | None:
    """Ask on the terminal; None if there is none.

    Raises KeyPassphraseError if the end of the input is the answer.
    """
    if not _has_terminal(options):
        return None
    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise KeyPassphraseError("no answer to the prompt") from None


def _has_terminal(options: Namespace) -> bool:
    """Whether somebody can be asked: not in a pipeline, unless that is where the data come from."""
    if sys.stdin is not None and sys.stdin.isatty():
        return True
    if not uses_standard_input(options):
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def new_passphrase(options: Namespace, prefix: str = "") -> str | None:
    """Return the passphrase for a key that is written; raises KeyImportError if there is none."""
    if options.no_passphrase:
        return None
    given = passphrase_of(options, prefix)
    if given == "":
        # A variable that a CI job did not get its secret for; at a prompt, it is meant.
        raise KeyImportError("the passphrase for what is written is empty: give --no-passphrase")
    if given is None:
        given = ask(options, "Passphrase for the new key (empty for none): ")
        if given and given != ask(options, "The same again: "):
            raise KeyImportError("the two passphrases differ")
    if given is None:
        names = f"--{prefix}passphrase-file, --{prefix}passphrase-env or --no-passphrase"
        raise KeyImportError(f"no passphrase for what is written: give {names}")
    return given
