"""Is this the host that was meant? The client's decision about host keys."""

from __future__ import annotations

from collections.abc import Sequence
from os import stat
from pathlib import Path
from typing import cast

from ssh_keys import (
    HostKeyStatus,
    KnownHostsArg,
    KnownHostsResult,
    SSHKey,
    SSHKnownHosts,
    import_known_hosts,
    match_known_hosts,
    read_known_hosts,
)
from ssh_transport.errors import (
    HostKeyMismatch,
    HostKeyNotVerifiable,
    HostKeyRevoked,
    HostKeyUnknown,
)

from ..client import SSHClient

__all__ = ["HostKeyVerifier", "load_known_hosts"]

KnownHosts = KnownHostsArg | tuple[()] | None

_DEFAULT_FILE = Path(".ssh", "known_hosts")
_CACHE_SIZE = 8
_cache: dict[Path, tuple[tuple[int, int, int], SSHKnownHosts]] = {}


def load_known_hosts(known_hosts: KnownHosts) -> KnownHosts:
    """Read the files that the option names, so that errors are found before connecting.

    A file that did not change since the last time is not read again. Raises OSError and
    KeyImportError; only a missing default file is an empty one.
    """
    if isinstance(known_hosts, tuple) and not known_hosts:
        path = Path.home() / _DEFAULT_FILE
        try:
            return _read(path)
        except FileNotFoundError:
            return SSHKnownHosts()
    if isinstance(known_hosts, str | Path):
        return _read(Path(known_hosts).expanduser())
    if isinstance(known_hosts, bytes):
        return import_known_hosts(known_hosts)
    return known_hosts


def _read(path: Path) -> SSHKnownHosts:
    status = stat(path)
    stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
    cached = _cache.get(path)
    if cached is not None and cached[0] == stamp:
        return cached[1]
    content = read_known_hosts(path)
    if len(_cache) >= _CACHE_SIZE:
        _cache.pop(next(iter(_cache)))
    _cache[path] = (stamp, content)
    return content


class HostKeyVerifier:
    """Decides about the host key of one connection.

    Parameters:
        known_hosts: what `load_known_hosts` returned; None to trust every key.
        host: name that the connection was asked for.
        alias: name to look up in place of it, if any.
        port: port that the connection was asked for.
        addr: numeric address of the peer.
    """

    def __init__(
        self, known_hosts: KnownHosts, host: str, alias: str | None, port: int, addr: str
    ) -> None:
        self._host = host
        self._addr = addr
        self._port = port
        self._known: KnownHostsResult | None = None
        if known_hosts is None:
            return
        # An alias stands for the host whatever its address and port are, as in ssh_config(5).
        where = (alias, "", None) if alias else (host, addr, port)
        if isinstance(known_hosts, SSHKnownHosts):
            self._known = known_hosts.lookup(*where)
        else:
            # Functions and lists; the empty tuple was replaced by the default file.
            lists = match_known_hosts(cast(KnownHostsArg, known_hosts), *where)
            self._known = KnownHostsResult(
                tuple(lists.trusted_host_keys),
                tuple(lists.trusted_ca_keys),
                tuple(lists.revoked_host_keys),
            )

    @property
    def problems(self) -> Sequence[str]:
        """Lines of the file that name the host but could not be used."""
        return () if self._known is None else self._known.problems

    def preferred(self, algorithms: Sequence[bytes]) -> tuple[bytes, ...]:
        """Return the host key algorithms with those of the known keys in front.

        Otherwise a host with several keys could show one that we do not know.
        """
        known = () if self._known is None else self._known.host_key_algorithms
        first = [name for name in algorithms if name in known]
        return (*first, *(name for name in algorithms if name not in known))

    def check(self, key: SSHKey, client: SSHClient) -> None:
        """Return if the key is trusted.

        Raises HostKeyUnknown, HostKeyMismatch or HostKeyRevoked, and what the callback raises:
        nothing that goes wrong here counts as trust.
        """
        if self._known is None:
            return
        status = self._known.check(key)
        if status is HostKeyStatus.TRUSTED:
            return
        shown = f"{key.get_algorithm()} key {key.get_fingerprint()} of host {self._host!r}"
        if status is HostKeyStatus.REVOKED:
            raise HostKeyRevoked(f"{shown} is revoked")
        if status is HostKeyStatus.MISMATCH:
            raise HostKeyMismatch(f"{shown} is not the one that is known: possibly an attack")
        if status is not HostKeyStatus.UNKNOWN:
            raise HostKeyNotVerifiable(f"{shown} is not trusted")
        if client.validate_host_public_key(self._host, self._addr, self._port, key) is not True:
            raise HostKeyUnknown(f"{shown} is not known")
