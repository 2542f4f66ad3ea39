"""What commands read and write: files, and `-` for standard input and output."""

from __future__ import annotations

import hashlib
import os
import sys
from argparse import Namespace
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from typing import BinaryIO, TypeVar

from ssh_keys.cli.output import Answer, UsageError
from ssh_keys.cli.recognition import BYTE_ORDER_MARK, recognized
from ssh_keys.errors import KeyImportError, KeyPassphraseError
from ssh_keys.files import MAXIMUM_FILE_SIZE, hash_file, read_file, write_file

__all__ = [
    "STANDARD",
    "digest_of",
    "outputs_of",
    "parse_input",
    "parse_trust",
    "read_input",
    "refuse_existing",
    "uses_standard_input",
    "write_output",
]

#: In place of a file name: standard input, or standard output.
STANDARD = "-"
_READ_SIZE = 256 << 10
T = TypeVar("T")


def uses_standard_input(options: Namespace) -> bool:
    """Return whether a command has standard input or output in place of a file."""
    lists = [value if isinstance(value, list) else [value] for value in vars(options).values()]
    return any(STANDARD in values for values in lists)


def _standard_input(options: Namespace) -> BinaryIO:
    if getattr(options, "stdin_was_read", False):
        raise UsageError("standard input can be read only once")
    if sys.stdin is None:
        raise KeyImportError("there is no standard input")
    options.stdin_was_read = True
    return sys.stdin.buffer


def read_input(options: Namespace, name: str) -> bytes:
    """Return the content of a file, or what comes from standard input.

    Raises OSError, KeyImportError if it is too large, UsageError if standard input was read before.
    """
    if name != STANDARD:
        return read_file(name)
    data = _standard_input(options).read(MAXIMUM_FILE_SIZE + 1)
    if len(data) > MAXIMUM_FILE_SIZE:
        raise KeyImportError(f"standard input is larger than {MAXIMUM_FILE_SIZE} bytes")
    return data


def parse_trust(options: Namespace, name: str, parse: Callable[[bytes], T]) -> T:
    """Return what a function makes of an input with names in its lines, as `parse_input`.

    Raises KeyImportError for a byte order mark, too, which would be a part of the first name.
    """

    def checked(data: bytes) -> T:
        if data.startswith(BYTE_ORDER_MARK):
            raise KeyImportError("the first line cannot be read")
        return parse(data)

    return parse_input(options, name, checked)


def parse_input(options: Namespace, name: str, parse: Callable[[bytes], T]) -> T:
    """Return what a function makes of an input; errors of the function name the file."""
    data = read_input(options, name)
    try:
        return parse(data)
    except KeyImportError as exc:
        what = "standard input" if name == STANDARD else repr(name)
        raise type(exc)(f"{what}: {exc}{_hint(data, exc)}") from None


def _hint(data: bytes, exc: KeyImportError) -> str:
    """Return what an input is that is not what was expected, empty if the error is about that."""
    hint = "" if isinstance(exc, KeyPassphraseError) else recognized(data)
    return f"; {hint}" if hint and hint.removeprefix("it is a ") not in str(exc) else ""


def digest_of(options: Namespace, name: str, hash_name: str) -> bytes:
    """Return the hash of an input of any size; errors of `read_input`."""
    if name != STANDARD:
        return hash_file(name, hash_name)
    stream, digest = _standard_input(options), hashlib.new(hash_name)
    while part := stream.read(_READ_SIZE):
        digest.update(part)
    return digest.digest()


def outputs_of(options: Namespace, beside: Callable[[str], str]) -> list[str]:
    """Return where what is made of each file goes; raises UsageError if that is one place.

    Parameters:
        options: of the command, with `file`, a list, and `output`.
        beside: returns the name of the output for that of a file; what comes from standard input
            goes to standard output.
    """
    names: list[str] = options.file
    if len(names) > 1 and (options.output is not None or STANDARD in names):
        raise UsageError("only one file can go to --output or to standard output")
    if options.output is not None:
        return [options.output]
    outputs = [STANDARD if name == STANDARD else beside(name) for name in names]
    output, count = Counter(outputs).most_common(1)[0]
    if count > 1:
        raise UsageError(f"more than one file would go to {output!a}")
    return outputs


def refuse_existing(options: Namespace, *names: str) -> None:
    """Raise FileExistsError for a file that would be replaced without `--force`."""
    for name in names:
        if name != STANDARD and not options.force and os.path.lexists(os.path.expanduser(name)):
            raise FileExistsError(f"{name!r} exists; --force replaces it")


def write_output(name: str, data: bytes, facts: dict[str, object], private: bool = False) -> Answer:
    """Write what a command has made to a file, and return the answer.

    On standard output there is nothing but the data, or with `--json` the facts and the data. A
    file is replaced: `refuse_existing` is for the time before somebody is asked for passphrases.

    Parameters:
        name: of the file; `-` for standard output.
        data: what to write.
        facts: the answer for programs.
        private: whether only the owner may read the file.

    Raises OSError.
    """
    if name == STANDARD:
        try:
            content = {"content": data.decode("utf-8")}
        except UnicodeDecodeError:
            content = {"content_base64": b64encode(data).decode("ascii")}
        return Answer("", {**facts, **content}, content=data)
    write_file(name, data, private)
    return Answer(name, {**facts, "output": name})
