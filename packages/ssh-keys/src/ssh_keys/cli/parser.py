"""The parser of the command line, and the exit status of every outcome.

0: done, or yes. 1: no (a bad signature, a revoked key, a host that is not found), or a file that
cannot be read. 2: a command line that makes no sense.
"""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser
from collections.abc import Sequence

from ssh_keys._version import __version__
from ssh_keys.cli import devices, keys, trust
from ssh_keys.cli.output import UsageError, write, write_failure

__all__ = ["run"]

COMMANDS = {
    "generate": "make a key",
    "show": "describe keys and certificates",
    "convert": "write a key in another format",
    "sign-cert": "certify the key of a user or host",
    "sign": "sign a file",
    "verify": "check the signature of a file",
    "known-hosts": "look into a known_hosts file, or change it",
    "krl": "make or ask a revocation list",
    "resident-keys": "list the keys that security keys hold, or write them to files",
    "pkcs11": "list the keys on smart cards and hardware modules",
}


def build_parser() -> ArgumentParser:
    """Return the parser of the whole command line."""
    parser = ArgumentParser(prog="ssh-keys", description="SSH keys, certificates and trust files.")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.add_argument("--version", action="version", version=f"ssh-keys {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands = {}
    for name, text in COMMANDS.items():
        commands[name] = subparsers.add_parser(name, help=text, description=text)
        # Before the command or behind it: what is not given here, must not hide what was.
        commands[name].add_argument(
            "--json", action="store_true", default=SUPPRESS, help="answer in JSON"
        )
    keys.add_commands(commands)
    trust.add_commands(commands)
    devices.add_commands(commands)
    return parser


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status.

    Parameters:
        arguments: the words behind the name of the program.

    Raises SystemExit with status 2 for a command line that makes no sense.
    """
    options = build_parser().parse_args(arguments)
    try:
        answer = options.run(options)
    except (ValueError, OSError) as exc:
        write_failure(exc, options.json)
        return 2 if isinstance(exc, UsageError) else 1
    write(answer, options.json)
    status: int = answer.status
    return status
