"""known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): parse, index, match.

Reading a file does no more than to sort its lines into an index: plain names into a dict, hashed
names and patterns into lists. Keys are decoded when a host asks for them. The exception are the
lines that take trust away or hand it out widely (`@revoked`, `@cert-authority`): they are decoded
at once, because ignoring a damaged `@revoked` line would turn the file into its opposite.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from os import PathLike
from typing import TypeGuard, cast

from ssh_keys.certificate_importing import CertListArg, load_certificates
from ssh_keys.errors import KeyImportError, UnsupportedKeyError
from ssh_keys.files import parse_file
from ssh_keys.hashed_names import HASH_MAGIC, HashedNames, decode_hashed_name
from ssh_keys.importing import KeyListArg, load_public_keys, parse_public_line
from ssh_keys.key import SSHKey
from ssh_keys.key_material import printable
from ssh_keys.known_hosts_result import (
    Entry,
    FoundEntries,
    HostKeyStatus,
    KnownHostsMatch,
    KnownHostsResult,
)
from ssh_keys.patterns import PatternList, parse_address
from ssh_keys.x509.certificate import SSHX509Certificate
from ssh_keys.x509.decoding import is_x509_line, parse_x509_line
from ssh_keys.x509.names import X509NamePattern

__all__ = [
    "HostKeyStatus",
    "KnownHostsArg",
    "KnownHostsMatch",
    "KnownHostsResult",
    "SSHKnownHosts",
    "import_known_hosts",
    "match_known_hosts",
    "read_known_hosts",
]

DEFAULT_PORT = 22
_PATTERN_CHARS = frozenset(b"*?!/")
#: The usual line: names without anything special about them, blank, key type.
_PLAIN_LINE = re.compile(rb"([^\s@|#*?!/]+)[ \t]+[a-z]")
_NOTHING = KnownHostsResult()
#: Markers, and what the key of the line is.
_KINDS = {
    b"": "host",
    b"@cert-authority": "ca",
    b"@cert_authority": "ca",
    b"@revoked": "revoked",
}


def _parse_entry(line: bytes) -> Entry:
    return parse_x509_line(line) if is_x509_line(line) else parse_public_line(line)


class SSHKnownHosts:
    """The content of known_hosts files.

    Parameters:
        known_hosts: text of a file, None for an empty one.

    Raises KeyImportError, with the line number, for a `@revoked` or `@cert-authority` line that is
    malformed. Other lines that are malformed, or have an unknown marker, and keys of unknown types
    are skipped, as `ssh` does it, and are reported in the result.
    """

    def __init__(self, known_hosts: str | bytes | None = None) -> None:
        # Lines are known by their index; a name of one line is kept without a list around it.
        self._lines: list[bytes] = []
        self._plain: dict[bytes, int | list[int]] = {}
        self._hashed = HashedNames()
        self._patterns: list[tuple[PatternList, int]] = []
        # Lines that were decoded: those with a marker when they are read, others on first use.
        self._entries: dict[int, tuple[str, Entry]] = {}
        if known_hosts:
            self.load(known_hosts)

    def load(self, known_hosts: str | bytes) -> None:
        """Add the lines of one more file; parameters and errors as of the class."""
        data = known_hosts.encode() if isinstance(known_hosts, str) else known_hosts
        lines = data.removesuffix(b"\n").split(b"\n")
        start = len(self._lines)
        self._lines.extend(lines)
        match, plain = _PLAIN_LINE.match, self._plain
        for number, line in enumerate(lines, start):
            found = match(line)
            if found is None:
                if line.startswith(HASH_MAGIC):
                    self._hashed.add(number, line.split(None, 1)[0])
                else:
                    self._add_rare(number, line)
                continue
            names = found[1].lower()
            if b"," not in names and names not in plain:
                plain[names] = number
            else:
                self._add_plain(number, names)

    def _add_plain(self, number: int, names: bytes) -> None:
        for name in names.split(b","):
            known = self._plain.setdefault(name, number)
            if isinstance(known, list):
                if known[-1] != number:  # a line may name a host twice
                    known.append(number)
            elif known != number:
                self._plain[name] = [known, number]

    def _add_rare(self, number: int, line: bytes) -> None:
        """Add a line that is marked, hashed, indented, with patterns, a comment or blank."""
        marker, names, _ = split_line(line)
        if marker and marker in _KINDS:
            self._add_marked(number, names)
        elif names:
            self._add_names(number, names, strict=False)

    def _add_marked(self, number: int, names: bytes) -> None:
        try:
            if not names:
                raise KeyImportError("no host names")
            # Nobody can use a key of an unknown type here: lookups report the line like any other.
            with suppress(UnsupportedKeyError):
                self._entry(number)
            self._add_names(number, names, strict=True)
        except KeyImportError as exc:
            raise type(exc)(f"line {number + 1}: {exc}") from None

    def _add_names(self, number: int, names: bytes, strict: bool) -> None:
        if names.startswith(HASH_MAGIC):
            if strict:
                decode_hashed_name(names)
            self._hashed.add(number, names)
        elif _PATTERN_CHARS.isdisjoint(names):
            self._add_plain(number, names.lower())
        else:
            try:
                texts = names.decode("utf-8", "surrogateescape").split(",")
                self._patterns.append((PatternList(texts), number))
            except ValueError as exc:
                if strict:
                    raise KeyImportError(str(exc)) from None

    def lookup(self, host: str, addr: str = "", port: int | None = None) -> KnownHostsResult:
        """Return what is known about a host.

        Parameters:
            host: name that the connection was asked for; empty if there is none.
            addr: numeric address that it leads to; empty if there is none.
            port: port number; 22 and None are the default port, others match `[host]:port` only.

        A line matches if one of its patterns matches name or address, and no negated one does.
        """
        numbers = self._matching(_names(host, addr, port), addr)
        if not numbers:
            return _NOTHING
        if len(numbers) == 1:
            # Most hosts have one line with a key, and most are asked for more than once.
            kind, entry = self._entries.get(numbers[0], ("", None))
            if kind == "host" and isinstance(entry, SSHKey):
                return KnownHostsResult((entry,))
        found = FoundEntries()
        problems: list[str] = []
        for number in numbers:
            try:
                kind, key = self._entry(number)
            except KeyImportError as exc:
                problems.append(f"line {number + 1}: {exc}")
            else:
                found.add(kind, key)
        return found.result(problems)

    def lookup_any_port(self, host: str, addr: str, port: int | None) -> KnownHostsResult:
        """Return what is known about a host, as `ssh` asks for it; parameters as of `lookup`.

        A host of which nothing is trusted under its port is looked up without it. What is revoked
        under either is revoked.
        """
        result = self.lookup(host, addr, port)
        if port is None or port == DEFAULT_PORT or result.trusts_any:
            return result
        other = self.lookup(host, addr)
        return other.replace(
            revoked_keys=(*result.revoked_keys, *other.revoked_keys),
            problems=(*result.problems, *other.problems),
            revoked_x509_certs=(*result.revoked_x509_certs, *other.revoked_x509_certs),
            revoked_x509_subjects=(*result.revoked_x509_subjects, *other.revoked_x509_subjects),
            other_port=other.trusts_any,
        )

    def _entry(self, number: int) -> tuple[str, Entry]:
        entry = self._entries.get(number)
        if entry is None:
            marker, _, key = split_line(self._lines[number])
            if marker not in _KINDS:
                raise KeyImportError(f"unknown marker {printable(marker)}")
            entry = _KINDS[marker], _parse_entry(key)
            self._entries[number] = entry
        return entry

    def _matching(self, names: Sequence[str], addr: str) -> Sequence[int]:
        """Return the lines for a host in the order of the file."""
        encoded = [name.encode("utf-8", "surrogateescape") for name in names]
        if len(encoded) == 1 and not self._hashed and not self._patterns:
            lines = self._plain.get(encoded[0], ())
            return (lines,) if isinstance(lines, int) else lines
        found: set[int] = set()
        for name in encoded:
            known = self._plain.get(name)
            if isinstance(known, int):
                found.add(known)
            elif known is not None:
                found.update(known)
        if self._hashed:
            found.update(self._hashed.find(tuple(encoded)))
        if self._patterns:
            address = parse_address(addr)
            addresses = () if address is None else (address,)
            found.update(
                number for patterns, number in self._patterns if patterns.matches(names, addresses)
            )
        return sorted(found)

    def find_lines(self, host: str, addr: str = "", port: int | None = None) -> Sequence[int]:
        """Return the numbers, from 1, of all lines for a host; parameters as of `lookup`."""
        return [number + 1 for number in self._matching(_names(host, addr, port), addr)]

    def line_problem(self, number: int) -> str:
        """Return why a line, of those of `find_lines`, is skipped; empty if it counts."""
        try:
            self._entry(number - 1)
        except KeyImportError as exc:
            return str(exc)
        return ""

    def match(self, host: str, addr: str, port: int | None) -> KnownHostsMatch:
        """Return the seven lists of the public API; parameters as of `lookup_any_port`.

        Trusted host keys, trusted CA keys, revoked keys; then the same for X.509: trusted
        certificates, revoked certificates, trusted subjects, revoked subjects.
        """
        result = self.lookup_any_port(host, addr, port)
        return KnownHostsMatch(
            result.trusted_keys,
            result.ca_keys,
            result.revoked_keys,
            result.x509_certs,
            result.revoked_x509_certs,
            result.x509_subjects,
            result.revoked_x509_subjects,
        )


def is_hashable(names: bytes) -> bool:
    """Whether names are neither patterns nor hashed already."""
    return _PATTERN_CHARS.isdisjoint(names) and not names.startswith(HASH_MAGIC)


def split_line(line: bytes) -> tuple[bytes, bytes, bytes]:
    """Return marker, names and key of a line, empty where there is none."""
    line = line.strip()
    if line.startswith(b"#"):
        return b"", b"", b""
    marker = b""
    if line.startswith(b"@"):
        marker, line = (*line.split(None, 1), b"")[:2]
    names, key = (*line.split(None, 1), b"", b"")[:2]
    return marker, names, key


def _names(host: str, addr: str, port: int | None) -> Sequence[str]:
    names = [host.lower()] if host else []
    if addr and addr.lower() not in names:
        names.append(addr.lower())
    if port is None or port == DEFAULT_PORT:
        return names
    return tuple(f"[{name}]:{port}" for name in names)


KnownHostsLists = (
    Sequence[KeyListArg]
    | tuple[
        KeyListArg,
        KeyListArg,
        KeyListArg,
        CertListArg,
        CertListArg,
        Sequence[str | X509NamePattern],
        Sequence[str | X509NamePattern],
    ]
)
KnownHostsFunction = Callable[[str, str, int | None], KnownHostsLists]
KnownHostsArg = (
    str
    | PathLike[str]
    | list[str | PathLike[str]]
    | list[str]
    | bytes
    | SSHKnownHosts
    | KnownHostsFunction
    | KnownHostsLists
)


def import_known_hosts(data: str | bytes) -> SSHKnownHosts:
    """Return the content of a known_hosts file.

    Raises KeyImportError as `SSHKnownHosts` does.
    """
    return SSHKnownHosts(data)


def read_known_hosts(
    filelist: str | PathLike[str] | Sequence[str | PathLike[str]],
) -> SSHKnownHosts:
    """Return the content of one or several known_hosts files.

    Raises OSError, and KeyImportError as `SSHKnownHosts` does; line numbers count on over files.
    """
    known_hosts = SSHKnownHosts()
    files = (filelist,) if isinstance(filelist, str | PathLike) else filelist
    for filename in files:
        parse_file(filename, known_hosts.load)
    return known_hosts


def match_known_hosts(
    known_hosts: KnownHostsArg, host: str, addr: str, port: int | None
) -> KnownHostsMatch:
    """Return the seven lists for a host from everything that the option `known_hosts` takes.

    Parameters:
        known_hosts: a file name, or a list of them; the bytes of a file; an `SSHKnownHosts`; a
            function of host, address and port that returns lists; or a tuple of the lists
            themselves: trusted host keys, trusted CA keys, revoked keys, and the four of X.509,
            which may be left out: trusted certificates, revoked ones, trusted subjects, revoked
            ones.
        host: name that the connection was asked for.
        addr: numeric address that it leads to.
        port: port number, None for the default.

    Raises OSError, KeyImportError, and ValueError if there are neither three nor seven lists.
    """
    if isinstance(known_hosts, str | PathLike) or is_file_list(known_hosts):
        known_hosts = read_known_hosts(known_hosts)
    elif isinstance(known_hosts, bytes):
        known_hosts = import_known_hosts(known_hosts)
    if isinstance(known_hosts, SSHKnownHosts):
        return known_hosts.match(host, addr, port)
    lists = known_hosts(host, addr, port) if callable(known_hosts) else known_hosts
    if len(lists) not in (3, 7):
        raise ValueError(f"known_hosts needs three or seven lists, not {len(lists)}")
    keys = [tuple(load_public_keys(entry)) for entry in lists[:3]]
    certs = [_x509_certificates(cast("CertListArg", entry)) for entry in lists[3:5]] or ((), ())
    subjects = [
        _x509_subjects(cast("Sequence[str | X509NamePattern]", entry)) for entry in lists[5:]
    ] or ((), ())
    return KnownHostsMatch(keys[0], keys[1], keys[2], certs[0], certs[1], subjects[0], subjects[1])


def is_file_list(known_hosts: object) -> TypeGuard[list[str | PathLike[str]]]:
    """Whether the option is a list of file names: lists of keys come in a tuple, or in lists."""
    return (
        isinstance(known_hosts, list)
        and bool(known_hosts)
        and all(isinstance(each, str | PathLike) for each in known_hosts)
    )


def _x509_certificates(certs: CertListArg) -> tuple[SSHX509Certificate, ...]:
    loaded = load_certificates(certs)
    for each in loaded:
        if not isinstance(each, SSHX509Certificate):
            raise KeyImportError(f"{each!r} is no X.509 certificate")
    return cast("tuple[SSHX509Certificate, ...]", tuple(loaded))


def _x509_subjects(
    subjects: str | Sequence[str | X509NamePattern],
) -> tuple[X509NamePattern, ...]:
    given = (subjects,) if isinstance(subjects, str) else subjects
    return tuple(
        each if isinstance(each, X509NamePattern) else X509NamePattern.parse(each) for each in given
    )
