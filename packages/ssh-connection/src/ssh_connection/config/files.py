"""Reading configuration files and what is to be known about this machine."""

from __future__ import annotations

import getpass
import os
import socket
import stat
import subprocess
from collections.abc import Iterator, Sequence
from glob import has_magic, iglob
from itertools import islice
from pathlib import Path
from typing import Final

from ssh_transport.process_groups import KILL, signal_group

from ..errors import ConfigParseError
from .criteria import LocalFacts, local_tokens
from .directives import MAX_DIRECTIVES, MAX_SIZE, Directive, File, parse_file
from .interfaces import local_addresses
from .tokens import expand, expand_home

__all__ = ["ConfigReader", "config_paths", "local_facts"]

MAX_FILES: Final = 1000
"""Files that may be included."""

EXEC_SECONDS: Final = 30
"""Seconds that a command of `Match exec` may take."""


def config_paths(config: object, usual: Sequence[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Return the files that the option `config` names, each with whether it is only ours.

    Parameters:
        config: the option.
        usual: the files of OpenSSH itself; those that do not exist are left out.

    Raises TypeError.
    """
    if config is True:
        return [(path, own) for path, own in usual if os.path.exists(path)]
    if isinstance(config, str | os.PathLike):
        return [(os.fspath(config), False)]
    if isinstance(config, list | tuple):
        return [(os.fspath(path), False) for path in config]
    raise TypeError("config must be a file name, a list of them, or True")


class ConfigReader:
    """Reads files and the files that they include.

    Parameters:
        aliases: old name of a keyword to its present one.
        folder: where relative names of included files start.
        facts: for `~`, tokens and variables in names of included files; None if they mean nothing.
    """

    def __init__(self, aliases: dict[str, str], folder: str, facts: LocalFacts | None) -> None:
        self._aliases = aliases
        self._folder = folder
        self._facts = facts
        self._budget: Iterator[int] = iter(range(MAX_DIRECTIVES))
        self._files_left = MAX_FILES

    def read(self, path: str, *, own: bool = False) -> File:
        """Read a file.

        Parameters:
            path: its name.
            own: whether nobody else may be able to write to it, as with the user's own
                configuration.

        Raises OSError and ConfigParseError.
        """
        return self._read(path, own, 0)

    def _read(self, path: str, own: bool, depth: int) -> File:
        status = os.stat(path)
        named_pipe = depth == 0 and stat.S_ISFIFO(status.st_mode)
        if not (stat.S_ISREG(status.st_mode) or named_pipe or path == os.devnull):
            # Others may never end, or wait for ever when they are opened.
            raise ConfigParseError("not a regular file", path)
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if own and hasattr(os, "getuid"):
                if status.st_mode & 0o022 or status.st_uid not in (0, os.getuid()):
                    raise ConfigParseError("others can write to it", path)
            data = file.read(MAX_SIZE + 1)
        if len(data) > MAX_SIZE:
            raise ConfigParseError(f"larger than {MAX_SIZE} bytes", path)
        text = data.decode("utf-8", "surrogateescape")

        def include(directive: Directive, name: str, deeper: int) -> Sequence[File]:
            return self._include(directive, name, own, deeper)

        return parse_file(text, path, self._aliases, include, self._budget, depth)

    def _include(self, directive: Directive, name: str, own: bool, depth: int) -> Sequence[File]:
        try:
            if (facts := self._facts) is not None:
                name = expand(expand_home(name, facts.home), local_tokens(facts), facts.environ)
            if not os.path.isabs(name):
                name = os.path.join(self._folder, name)
            found = iglob(name) if has_magic(name) else [name]
            paths = sorted(islice(found, self._files_left + 1))
            if len(paths) > self._files_left:
                raise ValueError(f"more than {MAX_FILES} files")
            self._files_left -= len(paths)
        except ValueError as exc:
            raise directive.error(str(exc)) from None
        files: list[File] = []
        for path in paths:
            try:
                files.append(self._read(path, own, depth))
            except FileNotFoundError:
                continue
            except OSError as exc:
                raise directive.error(f"{path}: {exc.strerror}") from None
        return files


def local_facts() -> LocalFacts:
    """Return what tokens and criteria can ask about this machine and its user.

    Raises OSError for a user without a home directory.
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = ""
    uid = str(os.getuid()) if hasattr(os, "getuid") else ""
    try:
        home = str(Path.home())
    except RuntimeError as exc:
        raise OSError(str(exc)) from None
    host = socket.gethostname()
    return LocalFacts(user, uid, home, host, os.environ, _run, local_addresses)


def _run(command: str) -> bool:
    """Run a command of the user's own configuration, in the user's shell as OpenSSH does.

    A command that takes too long is no match, and is ended with all that it has started.
    """
    shell = os.environ.get("SHELL") or "/bin/sh"
    try:
        process = subprocess.Popen(
            [shell, "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    with process:
        try:
            return process.wait(EXEC_SECONDS) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            if process.returncode is None:
                signal_group(process.pid, KILL)
