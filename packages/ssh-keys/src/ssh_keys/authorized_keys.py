"""authorized_keys files (sshd(8), AUTHORIZED_KEYS FILE FORMAT): parse, match, restrict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike

from ssh_keys.authorized_options import (
    AuthorizedKeyEntry,
    AuthorizedX509Entry,
    parse_options,
)
from ssh_keys.errors import KeyImportError, UnsupportedKeyError
from ssh_keys.files import parse_file
from ssh_keys.importing import parse_public_line
from ssh_keys.key import SSHKey
from ssh_keys.option_words import begins_with_key
from ssh_keys.x509.decoding import is_x509_line, parse_x509_line

__all__ = ["SSHAuthorizedKeys", "import_authorized_keys", "read_authorized_keys"]


class SSHAuthorizedKeys:
    """The content of authorized_keys files.

    Parameters:
        authorized_keys: text of a file, None for an empty one.

    Raises KeyImportError, with the line number, for a line that is malformed: a server that
    skipped it would lock somebody out without a word.
    """

    def __init__(self, authorized_keys: str | bytes | None = None) -> None:
        self._problems: list[str] = []
        self._x509_entries: list[AuthorizedX509Entry] = []
        self._keys: dict[bytes, list[AuthorizedKeyEntry]] = {}
        self._ca_keys: dict[bytes, list[AuthorizedKeyEntry]] = {}
        if authorized_keys:
            self.load(authorized_keys)

    @property
    def problems(self) -> tuple[str, ...]:
        """Lines with keys of a type that is not known, which let nobody in, with their numbers."""
        return tuple(self._problems)

    @property
    def x509_entries(self) -> tuple[AuthorizedX509Entry, ...]:
        """The lines with X.509 certificates and subjects, in order."""
        return tuple(self._x509_entries)

    def load(self, authorized_keys: str | bytes) -> None:
        """Add the lines of one more file; parameters and errors as of the class."""
        data = authorized_keys
        data = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        for number, line in enumerate(data.split(b"\n"), 1):
            line = line.strip()
            if not line or line.startswith(b"#"):
                continue
            try:
                entry = parse_line(line)
            except UnsupportedKeyError as exc:
                self._problems.append(f"line {number}: {exc}")
                continue
            except KeyImportError as exc:
                raise type(exc)(f"line {number}: {exc}") from None
            if isinstance(entry, AuthorizedX509Entry):
                self._x509_entries.append(entry)
                continue
            index = self._ca_keys if entry.is_ca else self._keys
            index.setdefault(entry.key.public_data, []).append(entry)

    def __iter__(self) -> Iterator[AuthorizedKeyEntry]:
        for index in (self._keys, self._ca_keys):
            for entries in index.values():
                yield from entries

    def __len__(self) -> int:
        return sum(1 for _ in self) + len(self._x509_entries)

    def validate(
        self,
        key: SSHKey,
        client_host: str,
        client_addr: str,
        cert_principals: Iterable[str] | None = None,
        ca: bool = False,
        now: float | None = None,
    ) -> Mapping[str, object] | None:
        """Return the options of the first entry that lets a key in, None if there is none.

        Parameters:
            key: the key that signed, or the key that signed its certificate if `ca` is true.
            client_host: name of the client, as far as it is known; else its address.
            client_addr: numeric address of the client.
            cert_principals: principals of the certificate if `ca` is true.
            ca: whether to look for entries with `cert-authority`, or for those without.
            now: the time, in seconds since 1970; the present if not given.

        The restrictions `from`, `principals` and `expiry-time` are enforced here. The options that
        restrict or configure the session are returned under the names of sshd(8): flags as True,
        `command` and `tunnel` as text, `environment` as a dict, `permitopen` and `permitlisten` as
        sets of (host, port), None for any port. `restrict` is also returned as all the `no-` flags
        that it stands for, less those that the entry gives back.
        """
        entry = self.lookup(key, client_host, client_addr, cert_principals, ca, now)
        return None if entry is None else entry.options

    def lookup(
        self,
        key: SSHKey,
        client_host: str,
        client_addr: str,
        cert_principals: Iterable[str] | None = None,
        ca: bool = False,
        now: float | None = None,
    ) -> AuthorizedKeyEntry | None:
        """Return the first entry that lets a key in, None if there is none.

        Its `typed_options` say what the session may do. Parameters as of `validate`.
        """
        index = self._ca_keys if ca else self._keys
        for entry in index.get(key.public_data, ()):
            if entry.allows(client_host, client_addr, cert_principals, now):
                return entry
        return None


def parse_line(line: bytes) -> AuthorizedKeyEntry | AuthorizedX509Entry:
    """Return the entry of one line: options, key type, key, comment.

    In place of the key there can be an X.509 certificate or subject.

    Raises UnsupportedKeyError for a key of an unknown type, KeyImportError for everything else.
    """
    if is_x509_line(line):
        return AuthorizedX509Entry(parse_x509_line(line), {})
    if begins_with_key(line):
        return AuthorizedKeyEntry(parse_public_line(line), {})
    options, rest = parse_options(line.decode("utf-8", "surrogateescape"))
    encoded = rest.encode("utf-8", "surrogateescape")
    if is_x509_line(encoded):
        return AuthorizedX509Entry(parse_x509_line(encoded), options)
    return AuthorizedKeyEntry(parse_public_line(encoded), options)


def import_authorized_keys(data: str | bytes) -> SSHAuthorizedKeys:
    """Return the content of an authorized_keys file.

    Raises KeyImportError as `SSHAuthorizedKeys` does.
    """
    return SSHAuthorizedKeys(data)


def read_authorized_keys(
    filelist: str | PathLike[str] | Sequence[str | PathLike[str]],
) -> SSHAuthorizedKeys:
    """Return the content of one or several authorized_keys files.

    Raises OSError, and KeyImportError as `SSHAuthorizedKeys` does.
    """
    authorized_keys = SSHAuthorizedKeys()
    files = (filelist,) if isinstance(filelist, str | PathLike) else filelist
    for filename in files:
        parse_file(filename, authorized_keys.load)
    return authorized_keys
