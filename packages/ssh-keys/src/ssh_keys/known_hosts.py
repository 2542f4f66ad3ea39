"""known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): parse, index, match.

Reading a file does no more than to sort its lines into an index: plain names into a dict, hashed
names and patterns into lists. Keys are decoded when a host asks for them. The exception are the
lines that take trust away or hand it out widely (`@revoked`, `@cert-authority`): they are decoded
at once, because ignoring a damaged `@revoked` line would turn the file into its opposite.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from os import PathLike, fspath
from typing import NamedTuple

from ssh_keys.errors import KeyImportError, UnsupportedKeyError
from ssh_keys.files import read_file
from ssh_keys.formats.armour import decode_base64
from ssh_keys.importing import KeyListArg, load_public_keys, parse_public_line
from ssh_keys.key import SSHKey
from ssh_keys.key_material import printable
from ssh_keys.patterns import PatternList, parse_address
from ssh_keys.record import Record
from ssh_keys.signature_algorithms import CERTIFICATE_KEY_TYPES, HOST_KEY_ALGORITHMS

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
#: The usual line: names without anything special about them, blank, key type.
_PLAIN_LINE = re.compile(rb"([^\s@|#*?!/]+)[ \t]+[a-z]")
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


class KnownHostsResult(Record):
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
        if self.ca_keys:
            # The authority may certify keys of any type.
            types |= set(CERTIFICATE_KEY_TYPES)
        return tuple(row.name for row in HOST_KEY_ALGORITHMS if row.key_algorithm in types)


def _contains(keys: Iterable[SSHKey], key: SSHKey) -> bool:
    return any(known.public_data == key.public_data for known in keys)


class _Hashed:
    """A hashed name, decoded when it is first compared."""

    __slots__ = ("_digest", "_salt", "number")

    def __init__(self, number: int, names: bytes) -> None:
        self.number = number
        self._salt = names
        self._digest: bytes | None = None

    def decode(self) -> None:
        """Decode salt and digest; raises KeyImportError."""
        salt, _, digest = self._salt[len(_HASH_MAGIC) :].partition(b"|")
        self._salt, self._digest = decode_base64(salt), decode_base64(digest)

    def matches(self, names: Iterable[bytes]) -> bool:
        if self._digest is None:
            try:
                self.decode()
            except KeyImportError:
                self._digest = b""
        salt, digest, found = self._salt, self._digest or b"", False
        # HMAC-SHA1 is what the format prescribes. No early end: the time shall say nothing.
        for name in names:
            found |= hmac.compare_digest(hmac.digest(salt, name, "sha1"), digest)
        return found


class SSHKnownHosts:
    """The content of known_hosts files.

    Parameters:
        known_hosts: text of a file, None for an empty one.

    Raises KeyImportError, with the line number, for an unknown marker, and for a marked line that
    is malformed. Unmarked lines that are malformed, and keys of unknown types, are never trusted,
    and are reported in the result.
    """

    def __init__(self, known_hosts: str | bytes | None = None) -> None:
        # Lines are known by their index; a name of one line is kept without a list around it.
        self._lines: list[bytes] = []
        self._plain: dict[bytes, int | list[int]] = {}
        self._hashed: list[_Hashed] = []
        self._patterns: list[tuple[PatternList, int]] = []
        self._marked: dict[int, tuple[str, SSHKey]] = {}
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
                if line.startswith(_HASH_MAGIC):
                    self._hashed.append(_Hashed(number, line.split(None, 1)[0]))
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
                known.append(number)
            elif known != number:
                self._plain[name] = [known, number]

    def _add_rare(self, number: int, line: bytes) -> None:
        """Add a line that is marked, hashed, indented, with patterns, a comment or blank."""
        marker, names, key = split_line(line)
        if not names:
            if marker:
                raise KeyImportError(f"line {number + 1}: no host names")
            return
        try:
            if marker:
                if marker not in _MARKERS:
                    raise KeyImportError(f"unknown marker {printable(marker)}")
                self._mark(number, _MARKERS[marker], key)
            self._add_names(number, names, strict=bool(marker))
        except KeyImportError as exc:
            raise type(exc)(f"line {number + 1}: {exc}") from None

    def _mark(self, number: int, kind: str, key: bytes) -> None:
        try:
            self._marked[number] = (kind, parse_public_line(key))
        except UnsupportedKeyError:
            # Nobody can use such a key here: lookups report the line like any other.
            pass

    def _add_names(self, number: int, names: bytes, strict: bool) -> None:
        if names.startswith(_HASH_MAGIC):
            hashed = _Hashed(number, names)
            if strict:
                hashed.decode()
            self._hashed.append(hashed)
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
        lists: dict[str, list[SSHKey]] = {"host": [], "ca": [], "revoked": []}
        problems: list[str] = []
        for number in self._matching(_names(host, addr, port), addr):
            try:
                kind, key = self._entry(number)
            except KeyImportError as exc:
                problems.append(f"line {number + 1}: {exc}")
            else:
                if key not in lists[kind]:
                    lists[kind].append(key)
        return KnownHostsResult(
            tuple(lists["host"]), tuple(lists["ca"]), tuple(lists["revoked"]), tuple(problems)
        )

    def _entry(self, number: int) -> tuple[str, SSHKey]:
        marked = self._marked.get(number)
        return marked or ("host", parse_public_line(split_line(self._lines[number])[2]))

    def _matching(self, names: Sequence[str], addr: str) -> Sequence[int]:
        """Return the lines for a host in the order of the file."""
        encoded = [name.encode("utf-8", "surrogateescape") for name in names]
        found: set[int] = set()
        for name in encoded:
            known = self._plain.get(name, ())
            found.update((known,) if isinstance(known, int) else known)
        found.update(hashed.number for hashed in self._hashed if hashed.matches(encoded))
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

    def match(self, host: str, addr: str, port: int | None) -> KnownHostsMatch:
        """Return the seven lists of the public API; parameters as of `lookup`.

        Trusted host keys, trusted CA keys, revoked keys; then the same for X.509: trusted
        certificates, revoked certificates, trusted subjects, revoked subjects.
        """
        result = self.lookup(host, addr, port)
        return KnownHostsMatch(
            result.trusted_keys, result.ca_keys, result.revoked_keys, (), (), (), ()
        )


def is_hashable(names: bytes) -> bool:
    """Whether names are neither patterns nor hashed already."""
    return _PATTERN_CHARS.isdisjoint(names) and not names.startswith(_HASH_MAGIC)


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
    names = dict.fromkeys(name.lower() for name in (host, addr) if name)
    if port is None or port == DEFAULT_PORT:
        return tuple(names)
    return tuple(f"[{name}]:{port}" for name in names)


KnownHostsLists = Sequence[KeyListArg]
KnownHostsFunction = Callable[[str, str, int | None], KnownHostsLists]
KnownHostsArg = str | PathLike[str] | bytes | SSHKnownHosts | KnownHostsFunction | KnownHostsLists


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
    if isinstance(known_hosts, str | PathLike):
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
