"""Arguments that are more than text: what they mean, and why they are refused."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping

from ssh_keys.certificate_options import PERMISSIONS
from ssh_keys.cli.output import UsageError
from ssh_keys.errors import KeyImportError
from ssh_keys.formats.openssh_key import MAXIMUM_ROUNDS
from ssh_keys.krl_specification import parse_serials
from ssh_keys.time_values import FOREVER, parse_time
from ssh_keys.wire import encode_string

__all__ = [
    "MAXIMUM_UINT64",
    "PERMITTED",
    "bound_of",
    "certificate_option",
    "namespace",
    "permissions",
    "port",
    "refuse_unused",
    "rounds",
    "serial_step",
    "serials",
    "time_of",
    "uint64",
]

MAXIMUM_UINT64 = (1 << 64) - 1
MAXIMUM_PORT = 65535
_POSITIONAL = ("host", "keys")
_NO_BOUNDS = {"always": 0, "forever": FOREVER}
#: What user certificates can permit, in the order of ssh-keygen.
PERMITTED = tuple(name.removeprefix("permit-") for name in PERMISSIONS)


def uint64(text: str) -> int:
    """Return a number that takes 64 bits in a file; raises ArgumentTypeError."""
    return _number(text, 0, MAXIMUM_UINT64)


def port(text: str) -> int:
    """Return the number of a port; raises ArgumentTypeError."""
    return _number(text, 1, MAXIMUM_PORT)


def rounds(text: str) -> int:
    """Return a number of rounds of bcrypt; raises ArgumentTypeError."""
    return _number(text, 1, MAXIMUM_ROUNDS)


def serial_step(text: str) -> tuple[int, int]:
    """Return a serial number, and 1 if it counts up (`+N`) or 0; raises ArgumentTypeError."""
    return uint64(text.removeprefix("+")), int(text.startswith("+"))


def certificate_option(text: str) -> tuple[str, bytes]:
    """Return name and data of an option of certificates: `NAME`, which is a flag, or `NAME=TEXT`.

    Raises ArgumentTypeError for one without a name.
    """
    name, equals, value = text.partition("=")
    if not name.isprintable() or not name or " " in name:
        raise ArgumentTypeError(f"{text!a} is no option of certificates")
    return name, encode_string(value.encode("utf-8", "surrogateescape")) if equals else b""


def permissions(text: str) -> dict[str, bool]:
    """Return whether each permission of user certificates is among those with commas between.

    The names of the result are those of the parameters of `SSHKey.generate_user_certificate`.
    Raises ArgumentTypeError for a permission that there is not.
    """
    known = [name.lower() for name in PERMITTED]
    wanted = {word.strip().lower() for word in text.split(",")}
    if unknown := wanted - {*known, "none"}:
        raise ArgumentTypeError(f"there is nothing to permit with the name {min(unknown)!a}")
    return {f"permit_{name.replace('-', '_')}": name in wanted for name in known}


def _number(text: str, lowest: int, highest: int) -> int:
    # isdigit alone is true for digits of other scripts, int takes underscores and signs.
    plain = text.isascii() and text.isdigit() and len(text) <= len(str(highest))
    if not plain or not lowest <= int(text) <= highest:
        raise ArgumentTypeError(f"{text!a} is no number from {lowest} to {highest}")
    return int(text)


def serials(text: str) -> tuple[int, int]:
    """Return the first and the last of serial numbers, `N` or `N-M`; raises ArgumentTypeError."""
    try:
        return parse_serials(text.encode("ascii", "backslashreplace"))
    except KeyImportError as exc:
        raise ArgumentTypeError(str(exc)) from None


def time_of(text: str) -> int:
    """Return a time in seconds since 1970; raises ArgumentTypeError."""
    try:
        return parse_time(text)
    except ValueError as exc:
        raise ArgumentTypeError(str(exc)) from None


def bound_of(text: str) -> int:
    """Return a bound of validity in seconds since 1970; raises ArgumentTypeError.

    Those of `ssh-keygen -V` that are no times are among them: `always` and `forever`.
    """
    return _NO_BOUNDS[text] if text in _NO_BOUNDS else time_of(text)


def namespace(text: str) -> str:
    """Return what a signature is for; raises ArgumentTypeError if that is nothing."""
    if not text:
        raise ArgumentTypeError("a signature needs a namespace")
    return text


def refuse_unused(options: Namespace, known: Mapping[str, tuple[str, ...]]) -> None:
    """Raise UsageError for an option of another action.

    Parameters:
        options: of the command, with its `action`.
        known: what each action has a use for.
    """
    for name in dict.fromkeys(name for names in known.values() for name in names):
        if getattr(options, name) and name not in known[options.action]:
            word = name if name in _POSITIONAL else f"--{name.replace('_', '-')}"
            raise UsageError(f"{options.action} has no use for {word}")
