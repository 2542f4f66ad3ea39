"""Editing of known_hosts files that keeps comments, order and everything it was not asked about."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Callable, Sequence
from os import PathLike, urandom

from ssh_keys.errors import KeyExportError
from ssh_keys.files import edit_file
from ssh_keys.key import SSHKey
from ssh_keys.known_hosts import (
    DEFAULT_PORT,
    HostKeyStatus,
    SSHKnownHosts,
    is_hashable,
    split_line,
)
from ssh_keys.record import Record

__all__ = [
    "KnownHostsEditor",
    "KnownHostsLine",
    "hash_known_hosts",
    "learn_host_key",
    "remove_known_host",
]

SALT_SIZE = 20
MARKERS = ("", "@cert-authority", "@revoked")


class KnownHostsLine(Record):
    """A line that was found.

    Attributes:
        number: number of the line, from 1.
        marker: `@cert-authority`, `@revoked`, another one that is not known, or empty.
        text: the whole line.
        problem: why the line is skipped when the host is looked up, empty if it is not.
    """

    number: int
    marker: str
    text: str
    problem: str = ""


class KnownHostsEditor:
    """The text of a known_hosts file, to be changed line by line.

    Parameters:
        data: the text.

    Raises KeyImportError for a file that `SSHKnownHosts` refuses, with the line number.
    """

    def __init__(self, data: bytes = b"") -> None:
        self._lines = data.removesuffix(b"\n").split(b"\n") if data else []
        self._index = SSHKnownHosts(data)

    def to_bytes(self) -> bytes:
        """Return the text as it is now."""
        return b"".join(line + b"\n" for line in self._lines)

    def _changed(self) -> None:
        self._index = SSHKnownHosts(self.to_bytes())

    def find(self, host: str, port: int | None = None) -> Sequence[KnownHostsLine]:
        """Return the lines that name a host: what `ssh-keygen -F` finds, and what `ssh` skips.

        Parameters:
            host: name or address.
            port: port number, None for the default.
        """
        found = []
        for number in self._index.find_lines(host, "", port):
            line = self._lines[number - 1]
            marker = split_line(line)[0].decode("ascii", "replace")
            text = line.decode("utf-8", "surrogateescape")
            problem = self._index.line_problem(number)
            found.append(KnownHostsLine(number, marker, text, problem))
        return found

    def add(
        self,
        host: str,
        key: SSHKey,
        *,
        port: int | None = None,
        addr: str = "",
        marker: str = "",
        hashed: bool = False,
        random: Callable[[int], bytes] = urandom,
    ) -> bool:
        """Add a key of a host at the end; return False if it was there already.

        Parameters:
            host: name of the host, or a pattern.
            key: the key, or the key of an authority.
            port: port number, None for the default.
            addr: numeric address of the host, listed beside its name.
            marker: `@cert-authority`, `@revoked` or empty.
            hashed: whether to write the names so that nobody can read them.
            random: source of the salt.

        Raises KeyExportError for a name that the format cannot hold, or an unknown marker.
        """
        if marker not in MARKERS:
            raise KeyExportError(f"known_hosts has no marker {marker!a}")
        names = [_name(name, port) for name in dict.fromkeys((host, addr)) if name]
        if not names:
            raise KeyExportError("no name of the host")
        if hashed and not all(map(is_hashable, names)):
            raise KeyExportError("a pattern cannot be hashed")
        if self._has(host, key, port, marker):
            return False
        written = [hash_name(name, random) for name in names] if hashed else [b",".join(names)]
        for name in written:
            public = key.convert_to_public()
            parts = (marker.encode(), name, public.export_public_key().strip())
            self._lines.append(b" ".join(part for part in parts if part))
        self._changed()
        return True

    def _has(self, host: str, key: SSHKey, port: int | None, marker: str) -> bool:
        result = self._index.lookup(host, "", port)
        known = {
            "": result.trusted_keys,
            "@cert-authority": result.ca_keys,
            "@revoked": result.revoked_keys,
        }[marker]
        return any(entry.public_data == key.public_data for entry in known)

    def remove(self, host: str, port: int | None = None) -> Sequence[KnownHostsLine]:
        """Remove the keys of a host, and return the lines, as `ssh-keygen -R` does.

        Lines with markers stay. Parameters as of `find`.
        """
        removed = [line for line in self.find(host, port) if not line.marker]
        numbers = {line.number for line in removed}
        self._lines = [line for number, line in enumerate(self._lines, 1) if number not in numbers]
        self._changed()
        return removed

    def hash_names(self, random: Callable[[int], bytes] = urandom) -> int:
        """Hash all names, as `ssh-keygen -H` does; return the number of lines that were changed.

        A line with several names becomes several lines. Lines with patterns or markers stay.

        Parameters:
            random: source of the salts: returns so many random bytes.
        """
        lines: list[bytes] = []
        changed = 0
        for line in self._lines:
            marker, names, key = split_line(line)
            if marker or not names or not key or not is_hashable(names):
                lines.append(line)
                continue
            changed += 1
            lines += [hash_name(name, random) + b" " + key for name in names.split(b",") if name]
        self._lines = lines
        self._changed()
        return changed


def _name(name: str, port: int | None) -> bytes:
    if any(char.isspace() or char in ",#|@" or not char.isprintable() for char in name):
        raise KeyExportError(f"no name of a host: {name!a}")
    if port is not None and port != DEFAULT_PORT:
        name = f"[{name}]:{port}"
    return name.encode()


def hash_name(name: bytes, random: Callable[[int], bytes] = urandom) -> bytes:
    """Return the hashed form of a name: HMAC-SHA1 with a salt, as the format prescribes."""
    salt = random(SALT_SIZE)
    return b"|1|%b|%b" % (b64encode(salt), b64encode(hmac.digest(salt, name.lower(), "sha1")))


def learn_host_key(
    filename: str | PathLike[str],
    host: str,
    addr: str,
    port: int | None,
    key: SSHKey,
    *,
    hashed: bool = False,
) -> HostKeyStatus:
    """Add the key of a host that was never seen: `StrictHostKeyChecking accept-new`.

    The file is locked while it is looked up and replaced in one step, so that two processes cannot
    both learn a key for one host. It is made (mode 0600) if it does not exist.

    Parameters:
        filename: the known_hosts file.
        host: name that the connection was asked for.
        addr: numeric address that it leads to, listed too; empty for none.
        port: port number, None for the default.
        key: the key that the host has proved to own.
        hashed: whether to hash the names.

    Returns what was known before: UNKNOWN means that the key was added; with MISMATCH and REVOKED
    nothing is changed, and the connection must end.

    Raises OSError, KeyImportError for a file that cannot be read, KeyExportError for a name that
    cannot be written.
    """
    status = HostKeyStatus.UNKNOWN

    def change(data: bytes) -> bytes:
        nonlocal status
        editor = KnownHostsEditor(data)
        status = SSHKnownHosts(data).lookup(host, addr, port).check(key)
        if status is HostKeyStatus.UNKNOWN:
            editor.add(host, key, port=port, addr=addr, hashed=hashed)
            return editor.to_bytes()
        return data

    edit_file(filename, change)
    return status


def remove_known_host(
    filename: str | PathLike[str], host: str, port: int | None = None
) -> Sequence[KnownHostsLine]:
    """Remove the keys of a host from a file, and return the lines: `ssh-keygen -R`.

    Parameters:
        filename: the file.
        host: name or address.
        port: port number, None for the default.

    Raises OSError, and KeyImportError for a file that cannot be read.
    """
    removed: Sequence[KnownHostsLine] = ()

    def change(data: bytes) -> bytes:
        nonlocal removed
        editor = KnownHostsEditor(data)
        removed = editor.remove(host, port)
        return editor.to_bytes() if removed else data

    edit_file(filename, change)
    return removed


def hash_known_hosts(filename: str | PathLike[str]) -> int:
    """Hash all names in a file, and return the number of lines changed: `ssh-keygen -H`.

    Unlike ssh-keygen, no copy with the readable names is left behind. Raises OSError, and
    KeyImportError for a file that cannot be read.
    """
    changed = 0

    def change(data: bytes) -> bytes:
        nonlocal changed
        editor = KnownHostsEditor(data)
        changed = editor.hash_names()
        return editor.to_bytes() if changed else data

    edit_file(filename, change)
    return changed
