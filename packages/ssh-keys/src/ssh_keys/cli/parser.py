"""The parser of the command line, and the exit status of every outcome.

0: done, or yes. 1: no (a bad signature, a revoked key, a host that is not found), or a file that
cannot be read. 2: a command line that makes no sense.
"""

from __future__ import annotations

import os
import sys
from argparse import SUPPRESS, Action, ArgumentParser, Namespace
from collections.abc import Sequence
from typing import NoReturn

from ssh_keys._version import __version__
from ssh_keys.cli import (
    certificates,
    devices,
    host_keys,
    keys,
    revocation,
    show,
    signatures,
    sshfp,
    trust,
)
from ssh_keys.cli.output import Answer, UsageError, write, write_failure

__all__ = ["run", "run_program"]

COMMANDS = {
    "generate": "make a key",
    "host-keys": "make the host keys that a server does not have yet",
    "show": "describe keys and certificates",
    "convert": "write a key in another format",
    "edit": "change the passphrase or the comment of a private key",
    "sign-cert": "certify the key of a user or host",
    "sign": "sign a file",
    "verify": "check the signature of a file, and that its signer may sign",
    "check-novalidate": "check the signature of a file, and not who has made it",
    "find-principals": "list who may have made a signature",
    "match-principals": "list the lines of allowed_signers that are for somebody",
    "known-hosts": "look into a known_hosts file, or change it",
    "krl": "make, extend or ask a revocation list",
    "sshfp": "make the DNS records of host keys, or check keys against records",
    "resident-keys": "list the keys that security keys hold, or write them to files",
    "pkcs11": "list the keys on smart cards and hardware modules",
}
_TIME_OPTIONS = ("--time", "--valid-after", "--valid-before")
EPILOG = "Exit status: 0 done or yes; 1 no, or a file cannot be used; 2 wrong command line."


class Parser(ArgumentParser):
    """A parser that raises UsageError, so that a wrong command line is answered in JSON, too."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(message, self.format_usage())


class _Version(Action):
    """Prints the version; argparse's own action would not answer in JSON."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, *_: object, **__: object
    ) -> NoReturn:
        write(Answer(f"ssh-keys {__version__}", {"version": __version__}), namespace.asks_json)
        parser.exit()


def build_parser() -> ArgumentParser:
    """Return the parser of the whole command line."""
    # Without abbreviations: one that a script uses would stop working with the next option.
    parser = Parser(
        prog="ssh-keys", description="SSH keys, certificates and trust files.", allow_abbrev=False
    )
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands = {}
    for name, text in COMMANDS.items():
        description = f"{text[0].upper()}{text[1:]}."
        commands[name] = subparsers.add_parser(
            name, help=text, description=description, epilog=EPILOG, allow_abbrev=False
        )
        # Before the command or behind it: what is not given here, must not hide what was.
        commands[name].add_argument(
            "--json", action="store_true", default=SUPPRESS, help="answer in JSON"
        )
    for module in (
        keys,
        host_keys,
        certificates,
        show,
        signatures,
        trust,
        revocation,
        sshfp,
        devices,
    ):
        module.add_commands(commands)
    return parser


def _with_times(arguments: Sequence[str]) -> list[str]:
    """Join a time before now (`-5m`) to its option: argparse takes it for another option."""
    joined: list[str] = []
    for word in arguments:
        if joined and joined[-1] in _TIME_OPTIONS and word[:1] == "-" and word[1:2].isdigit():
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status.

    Parameters:
        arguments: the words behind the name of the program.

    Raises SystemExit with status 0 when help or the version was asked for, and OSError if the
    answer cannot be printed, which `run_program` says.
    """
    words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    asks_json = "--json" in words
    try:
        options = build_parser().parse_args(_with_times(arguments), Namespace(asks_json=asks_json))
        answer = options.run(options)
    except (ValueError, OSError) as exc:
        write_failure(exc, asks_json)
        return 2 if isinstance(exc, UsageError) else 1
    write(answer, asks_json)
    status: int = answer.status
    return status


def _leave_output() -> None:
    """Let what is left go nowhere, or the interpreter complains at its end."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run_program(arguments: Sequence[str]) -> int:
    """Run a command line as a program, which somebody interrupts, or stops to listen to.

    Parameters and result as of `run`.
    """
    try:
        return run(arguments)
    except BrokenPipeError:
        _leave_output()  # as in `ssh-keys show FILE | head -1`
    except OSError as exc:
        write_failure(OSError(f"the answer cannot be printed: {exc.strerror}"), as_json=False)
        _leave_output()
    except KeyboardInterrupt:
        sys.stderr.write("\nssh-keys: interrupted\n")
    return 1
