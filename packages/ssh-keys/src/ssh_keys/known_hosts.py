"""known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): parse, index, match.

Reading a file does no more than to sort its lines into an index: plain names into a dict, hashed
names and patterns into lists. Keys are decoded when a host asks for them. The exception are the
lines that take trust away or hand it out widely (`@revoked`, `@cert-authority`): they are decoded
at once, because ignoring a damaged `@revoked` line would turn the file into its opposite.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from os import fspath
from pathlib import Path
from typing import NamedTuple

from ssh_keys.errors import KeyImportError
from ssh_keys.files import read_file
from ssh_keys.formats.armour import decode_base64
from ssh_keys.importing import KeyListArg, load_public_keys, parse_public_line
from ssh_keys.key import SSHKey
from ssh_keys.key_material import printable
from ssh_keys.patterns import PatternList, parse_address
from ssh_keys.signature_algorithms import HOST_KEY_ALGORITHMS

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
_HASH_MAGIC = b"|1|"
_PATTERN_CHARS = frozenset(b"*?!/")
_MARKERS = {b"@cert-authority": "ca", b"@cert_authority": "ca", b"@revoked": "revoked"}


class HostKeyStatus(Enum):
    """What known_hosts says about a key that a host presents."""

    TRUSTED = "trusted"  # the key is listed for the host
    UNKNOWN = "unknown"  # no key is listed for the host
    MISMATCH = "mismatch"  # other keys are listed for the host: perhaps an attack
    REVOKED = "revoked"  # the key is listed as never to be trusted


class KnownHostsMatch(NamedTuple):
    """The seven lists of the public API, in its order."""

    trusted_host_keys: Sequence[SSHKey]
    trusted_ca_keys: Sequence[SSHKey]
    revoked_host_keys: Sequence[SSHKey]
    trusted_x509_certs: Sequence[object]
    revoked_x509_certs: Sequence[object]
    trusted_x509_subjects: Sequence[object]
    revoked_x509_subjects: Sequence[object]


@dataclass(frozen=True, slots=True)
class KnownHostsResult:
    """What is known about one host.

    Attributes:
        trusted_keys: keys that the host may present.
        ca_keys: keys that may have signed the certificate that the host presents.
        revoked_keys: keys that must not be trusted in either role.
        problems: lines that name the host but could not be used, each with its line number.
    """

    trusted_keys: tuple[SSHKey, ...] = ()
    ca_keys: tuple[SSHKey, ...] = ()
    revoked_keys: tuple[SSHKey, ...] = ()
    problems: tuple[str, ...] = ()

    def check(self, key: SSHKey) -> HostKeyStatus:
        """Return what is known of a key that the host presents.

        If any key is listed for the host, every other key is a mismatch, also one of another
        type: a host that has a known key can prove it.
        """
        if _contains(self.revoked_keys, key):
            return HostKeyStatus.REVOKED
        if _contains(self.trusted_keys, key):
            return HostKeyStatus.TRUSTED
        return HostKeyStatus.MISMATCH if self.trusted_keys else HostKeyStatus.UNKNOWN

    def check_ca(self, key: SSHKey) -> HostKeyStatus:
        """Return what is known of the key that signed the host's certificate."""
        if _contains(self.revoked_keys, key):
            return HostKeyStatus.REVOKED
        return HostKeyStatus.TRUSTED if _contains(self.ca_keys, key) else HostKeyStatus.UNKNOWN

    @property
    def host_key_algorithms(self) -> tuple[bytes, ...]:
        """Names for `server_host_key_algorithms` that lead to a key which is known, best first.

        To be intersected with what the client offers at all: old names are among them.
        """
        types = {key.algorithm for key in self.trusted_keys}
        return tuple(row.name for row in HOST_KEY_ALGORITHMS if row.key_algorithm in types)


def _contains(keys: Iterable[SSHKey], key: SSHKey) -> bool:
    return any(known.public_data == key.public_data for known in keys)


class _Line(NamedTuple):
    """A line whose key was not decoded yet."""

    number: int
    kind: str
    key: bytes


class _Hashed(NamedTuple):
    salt: bytes
    digest: bytes
    line: _Line


class SSHKnownHosts:
    """The content of known_hosts files.

    Parameters:
        known_hosts: text of a file, None for an empty one.

    Raises KeyImportError, with the line number, for an unknown marker, and for a marked line that
    is malformed. Unmarked lines that are malformed never match, and are reported in the result.
    """

    def __init__(self, known_hosts: str | bytes | None = None) -> None:
        self._plain: dict[bytes, list[_Line]] = {}
        self._hashed: list[_Hashed] = []
        self._patterns: list[tuple[PatternList, _Line]] = []
        self._marked: dict[int, SSHKey] = {}
        self._lines = 0
        if known_hosts:
            self.load(known_hosts)

    def load(self, known_hosts: str | bytes) -> None:
        """Add the lines of one more file; parameters and errors as of the class."""
        data = known_hosts.encode() if isinstance(known_hosts, str) else known_hosts
        offset = self._lines
        number = offset
        for number, line in enumerate(data.split(b"\n"), offset + 1):
            if line and line[0] not in b"# \t\r@" and line[:3] != _HASH_MAGIC:
                names, _, key = line.partition(b" ")
                if b"\t" in names:
                    names, key = (*line.split(None, 1), b"")[:2]
                self._add_plain(names, _Line(number, "host", key))
            elif line:
                self._add_rare(number, line.strip())
        self._lines = number

    def _add_plain(self, names: bytes, line: _Line) -> None:
        if not _PATTERN_CHARS.isdisjoint(names):
            self._add_patterns(names, line)
            return
        plain = self._plain
        for name in names.lower().split(b","):
            lines = plain.get(name)
            if lines is None:
                plain[name] = [line]
            else:
                lines.append(line)

    def _add_patterns(self, names: bytes, line: _Line) -> None:
        try:
            patterns = PatternList(names.decode("utf-8", "surrogateescape").split(","))
        except ValueError as exc:
            if line.kind != "host":
                raise KeyImportError(f"line {line.number}: {exc}") from None
            return
        self._patterns.append((patterns, line))

    def _add_rare(self, number: int, text: bytes) -> None:
        """Add a line that is marked, hashed, indented, a comment or blank."""
        if not text or text[0] == 0x23:
            return
        kind = "host"
        if text[0] == 0x40:
            marker, *rest = text.split(None, 1)
            if marker not in _MARKERS:
                raise KeyImportError(f"line {number}: unknown marker {printable(marker)}")
            kind, text = _MARKERS[marker], b"".join(rest)
        names, *rest = text.split(None, 1) or [b""]
        line = _Line(number, kind, b"".join(rest))
        if kind != "host":
            self._decode_marked(line, names)
        if names.startswith(_HASH_MAGIC):
            self._add_hashed(names, line)
        else:
            self._add_plain(names, line)

    def _decode_marked(self, line: _Line, names: bytes) -> None:
        try:
            if not names:
                raise KeyImportError("no host names")
            self._marked[line.number] = parse_public_line(line.key)
        except KeyImportError as exc:
            raise type(exc)(f"line {line.number}: {exc}") from None

    def _add_hashed(self, names: bytes, line: _Line) -> None:
        salt, _, digest = names[len(_HASH_MAGIC) :].partition(b"|")
        try:
            self._hashed.append(_Hashed(decode_base64(salt), decode_base64(digest), line))
        except KeyImportError as exc:
            if line.kind != "host":
                raise type(exc)(f"line {line.number}: {exc}") from None

    def lookup(self, host: str, addr: str = "", port: int | None = None) -> KnownHostsResult:
        """Return what is known about a host.

        Parameters:
            host: name that the connection was asked for; empty if there is none.
            addr: numeric address that it leads to; empty if there is none.
            port: port number; 22 and None are the default port, others match `[host]:port` only.

        A line matches if one of its patterns matches name or address, and no negated one does.
        """
        names = _names(host, addr, port)
        lists: dict[str, list[SSHKey]] = {"host": [], "ca": [], "revoked": []}
        problems: list[str] = []
        for line in self._matching(names, addr):
            try:
                key = self._marked.get(line.number) or parse_public_line(line.key)
            except KeyImportError as exc:
                problems.append(f"line {line.number}: {exc}")
            else:
                if key not in lists[line.kind]:
                    lists[line.kind].append(key)
        return KnownHostsResult(
            tuple(lists["host"]), tuple(lists["ca"]), tuple(lists["revoked"]), tuple(problems)
        )

    def _matching(self, names: Sequence[str], addr: str) -> Sequence[_Line]:
        """Return the lines for a host in the order of the file."""
        encoded = [name.encode("utf-8", "surrogateescape") for name in names]
        found = {line.number: line for name in encoded for line in self._plain.get(name, ())}
        found.update((line.number, line) for line in self._matching_hashes(encoded))
        if self._patterns:
            address = parse_address(addr)
            addresses = () if address is None else (address,)
            for patterns, line in self._patterns:
                if patterns.matches(names, addresses):
                    found[line.number] = line
        return [found[number] for number in sorted(found)]

    def _matching_hashes(self, names: Sequence[bytes]) -> Iterator[_Line]:
        digest_of, same = hmac.digest, hmac.compare_digest
        for salt, digest, line in self._hashed:
            for name in names:
                # HMAC-SHA1 is what the format prescribes.
                if same(digest_of(salt, name, "sha1"), digest):
                    yield line

    def match(self, host: str, addr: str, port: int | None) -> KnownHostsMatch:
        """Return the seven lists of the public API; parameters as of `lookup`.

        Trusted host keys, trusted CA keys, revoked keys; then the same for X.509: trusted
        certificates, revoked certificates, trusted subjects, revoked subjects.
        """
        result = self.lookup(host, addr, port)
        return KnownHostsMatch(
            result.trusted_keys, result.ca_keys, result.revoked_keys, (), (), (), ()
        )


def _names(host: str, addr: str, port: int | None) -> Sequence[str]:
    names = dict.fromkeys(name.lower() for name in (host, addr) if name)
    if port is None or port == DEFAULT_PORT:
        return tuple(names)
    return tuple(f"[{name}]:{port}" for name in names)


KnownHostsLists = Sequence[KeyListArg]
KnownHostsFunction = Callable[[str, str, int | None], KnownHostsLists]
KnownHostsArg = str | Path | bytes | SSHKnownHosts | KnownHostsFunction | KnownHostsLists


def import_known_hosts(data: str | bytes) -> SSHKnownHosts:
    """Return the content of a known_hosts file.

    Raises KeyImportError as `SSHKnownHosts` does.
    """
    return SSHKnownHosts(data)


def read_known_hosts(filelist: str | Path | Sequence[str | Path]) -> SSHKnownHosts:
    """Return the content of one or several known_hosts files.

    Raises OSError, and KeyImportError as `SSHKnownHosts` does; line numbers count on over files.
    """
    known_hosts = SSHKnownHosts()
    files = (filelist,) if isinstance(filelist, str | Path) else filelist
    for filename in files:
        try:
            known_hosts.load(read_file(filename))
        except KeyImportError as exc:
            raise type(exc)(f"{fspath(filename)!r}: {exc}") from None
    return known_hosts


def match_known_hosts(
    known_hosts: KnownHostsArg, host: str, addr: str, port: int | None
) -> KnownHostsMatch:
    """Return the seven lists for a host from everything that the option `known_hosts` takes.

    Parameters:
        known_hosts: a file name; the bytes of a file; an `SSHKnownHosts`; a function of host,
            address and port that returns lists; or the lists themselves: trusted host keys,
            trusted CA keys, revoked keys, and the four of X.509, which may be left out.
        host: name that the connection was asked for.
        addr: numeric address that it leads to.
        port: port number, None for the default.

    Raises OSError, KeyImportError, and ValueError if there are neither three nor seven lists.
    """
    if isinstance(known_hosts, str | Path):
        known_hosts = read_known_hosts(known_hosts)
    elif isinstance(known_hosts, bytes):
        known_hosts = import_known_hosts(known_hosts)
    if isinstance(known_hosts, SSHKnownHosts):
        return known_hosts.match(host, addr, port)
    lists = known_hosts(host, addr, port) if callable(known_hosts) else known_hosts
    if len(lists) not in (3, 7):
        raise ValueError(f"known_hosts needs three or seven lists, not {len(lists)}")
    if any(lists[3:]):
        raise ValueError("X.509 host certificates need the extra x509")
    keys = [tuple(load_public_keys(entry)) for entry in lists[:3]]
    return KnownHostsMatch(keys[0], keys[1], keys[2], (), (), (), ())
