"""Is this the client's host? The server's decision in host-based authentication."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from ssh_keys import SSHCertificate, SSHKey, SSHKnownHosts
from ssh_keys.patterns import parse_address
from ssh_transport.errors import HostKeyNotVerifiable

from ..userauth.protocols import MaybeAwait
from .certificate_trust import CertificateTrust
from .host_keys import HostKeyCallbacks, HostKeyVerifier, KnownHosts

__all__ = ["ClientHosts", "resolve_host"]

_LOOKUP_TIMEOUT = 20.0
_NOBODY = SSHKnownHosts()  # shared: connections are many


async def resolve_host(addr: str) -> str:
    """Return the name of the host with an address; the address itself if it has none.

    The name service of an address belongs to whoever has the address: a name counts only if it
    leads back there.
    """
    loop = asyncio.get_running_loop()
    wanted = parse_address(addr)
    try:
        async with asyncio.timeout(_LOOKUP_TIMEOUT):
            name, _ = await loop.getnameinfo((addr, 0), socket.NI_NAMEREQD)
            if parse_address(name) is not None:
                # An address as a name would pass for somebody else's.
                return addr
            found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return addr
    if wanted not in [parse_address(str(entry[4][0])) for entry in found]:
        return addr
    return name.removesuffix(".").lower()


class ClientHosts:
    """Looks for the keys of client hosts in known hosts, then asks the callbacks.

    Parameters:
        known_hosts: what `load_known_hosts` returned; None for no hosts.
        callbacks: asked about keys and authorities that are not known.
        addr, port: of the client.
        trust_name: whether the name that the client sends is believed; otherwise the host is the
            one that the name service knows for its address.
        trust: what certificates have to fulfil.
        log: called with a text that says why a host was refused.
    """

    def __init__(
        self,
        known_hosts: KnownHosts,
        callbacks: HostKeyCallbacks,
        addr: str,
        port: int,
        trust: CertificateTrust,
        log: Callable[[str], None],
        *,
        trust_name: bool = False,
    ) -> None:
        # None would stand for trust in everybody there.
        self._known_hosts = _NOBODY if known_hosts is None else known_hosts
        self._callbacks = callbacks
        self._addr = addr
        self._port = port
        self._trust = trust
        self._trust_name = trust_name
        self._log = log

    def validate(
        self, claimed: str, key: SSHKey, certificate: SSHCertificate | None
    ) -> MaybeAwait[str | None]:
        """Return the name of the host if the key is its own, else None.

        Parameters:
            claimed: the name that the client sent.
            key: the key that has to sign.
            certificate: that it is in, if there is one.
        """
        if certificate is not None and certificate.is_x509:
            # What is trusted in X.509 here is trusted for users.
            self._log("client host refused: X.509 certificates do not stand for hosts of clients")
            return None
        if self._trust_name:
            return self._check(claimed, key, certificate)
        return self._resolve(claimed, key, certificate)

    async def _resolve(
        self, claimed: str, key: SSHKey, certificate: SSHCertificate | None
    ) -> str | None:
        host = await resolve_host(self._addr)
        if host != claimed:
            self._log(f"client host says that it is {claimed!r}, its address belongs to {host!r}")
        return self._check(host, key, certificate)

    def _check(self, host: str, key: SSHKey, certificate: SSHCertificate | None) -> str | None:
        # The name alone is looked up: a line for the address of one host must not stand for
        # whatever name a client at that address sends.
        verifier = HostKeyVerifier(
            self._known_hosts, host, host, self._port, self._addr, self._trust
        )
        try:
            verifier.check(key, self._callbacks, certificate)
        except HostKeyNotVerifiable as exc:
            self._log(f"client host refused: {exc}")
            return None
        return host
