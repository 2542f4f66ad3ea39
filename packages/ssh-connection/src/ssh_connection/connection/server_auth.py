"""What decides who may log in to a server: options, authorized keys and callbacks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ssh_keys import (
    CertificateType,
    SSHAuthorizedKeys,
    SSHCertificate,
    SSHKey,
    SSHKeyPair,
    SSHKeyRevocationList,
    SSHOpenSSHCertificate,
    X509Trust,
    load_keypairs,
    load_keypairs_async,
    read_authorized_keys,
)
from ssh_keys.record import Record
from ssh_transport.constants import NULL_HOST_KEY
from ssh_transport.kex.dh_groups import read_moduli

from .. import config
from ..constants import DEFAULT_LANG
from ..errors import PasswordChangeRequired
from ..options.server import AuthorizedKeysArg, SSHServerConnectionOptions
from ..server import SSHServer
from ..userauth.hostbased import HOSTBASED
from ..userauth.keyboard_interactive import KEYBOARD_INTERACTIVE
from ..userauth.options import KeyGrant
from ..userauth.password import PASSWORD
from ..userauth.protocols import KbdIntChallenge, KeyOptions, MaybeAwait
from ..userauth.publickey import PUBLICKEY
from .client_hosts import ClientHosts, resolve_host
from .gss import check_acceptor
from .host_keys import KnownHosts, load_known_hosts
from .revocation import is_revoked, load_revoked_keys
from .user_certificates import UserCertificates
from .x509_trust import server_x509_trust

if TYPE_CHECKING:
    from ..config import UserRules

__all__ = [
    "CallbackPolicy",
    "ServerResources",
    "load_authorized_keys",
    "load_server_resources",
    "load_server_resources_async",
]

_PASSWORD_CHALLENGE: KbdIntChallenge = ("", "", DEFAULT_LANG, (("Password: ", False),))

_NO_TRUST = X509Trust()


class ServerResources(Record):
    """What all connections of a listener share, read once.

    Parameters:
        host_keys: key pair by host key algorithm name.
        host_key_algorithms: these names in order of preference.
        authorized_keys: keys that hold for all users, if any.
        x509: X.509 certificates that are trusted for users.
        known_client_hosts: hosts whose keys are known, if there are any.
        revoked: keys that let nobody in, if there are any.
    """

    host_keys: dict[bytes, SSHKeyPair]
    host_key_algorithms: tuple[bytes, ...]
    authorized_keys: SSHAuthorizedKeys | None
    x509: X509Trust = _NO_TRUST
    known_client_hosts: KnownHosts = None
    revoked: SSHKeyRevocationList | None = None

    @property
    def expects_x509(self) -> bool:
        """Whether users may have X.509 certificates."""
        keys = self.authorized_keys
        return bool(self.x509) or (keys is not None and bool(keys.x509_entries))


async def load_server_resources_async(options: SSHServerConnectionOptions) -> ServerResources:
    """Read as `load_server_resources` does; the passphrase function may be a coroutine function.

    Raises as `load_server_resources`.
    """
    keys = options.server_host_keys
    if not keys or not callable(options.passphrase):
        return load_server_resources(options)
    certificates = options.server_host_certs
    pairs = await load_keypairs_async(keys, options.passphrase, certificates, run=asyncio.to_thread)
    return load_server_resources(options, pairs)


def load_server_resources(
    options: SSHServerConnectionOptions, pairs: Sequence[SSHKeyPair] | None = None
) -> ServerResources:
    """Read the host keys and authorized keys that the options name.

    Parameters:
        options: of the server.
        pairs: the host keys, if they were read already.

    Raises OSError, KeyImportError and ModuliFileError for files that can not be read, ValueError if
    there is no host key, another one of a type, or a certificate that is not a host's, and if
    GSS-API is asked for and there is no key to accept clients with. With GSS-API key exchange a
    server needs no host key (RFC 4462 section 5).
    """
    keys, gss = options.server_host_keys, options.gss
    if options.moduli is not None:
        # Now, and not when the first client asks for a group.
        read_moduli(str(options.moduli))
    revoked = load_revoked_keys(options.revoked_keys)
    trust = server_x509_trust(options.x509_trusted_certs, options.x509_trusted_cert_paths)
    if gss is not None:
        check_acceptor(gss)
    if not keys and gss is not None and gss.kex:
        authorized = load_authorized_keys(options.authorized_client_keys)
        hosts = _client_hosts(options)
        return ServerResources({}, (NULL_HOST_KEY,), authorized, trust, hosts, revoked)
    if not keys:
        raise ValueError("a server needs server_host_keys")
    host_keys: dict[bytes, SSHKeyPair] = {}
    if pairs is None:
        pairs = load_keypairs(keys, options.passphrase, certlist=options.server_host_certs)
    for pair in pairs:
        certificate = pair.certificate
        if isinstance(certificate, SSHOpenSSHCertificate):
            if certificate.fields.type is not CertificateType.HOST:
                raise ValueError(f"{certificate!r} is no host certificate")
        for name in pair.host_key_algorithms:
            known = host_keys.setdefault(name, pair)
            if known.key_public_data != pair.key_public_data:
                raise ValueError(f"two host keys for {name.decode()}")
            # Of certificates for one key the last, as sshd does it: that beside the key is first.
            host_keys[name] = pair
    names = tuple(name for name in options.algorithms.own_host_keys if name in host_keys)
    if not names:
        raise ValueError("no host key has an algorithm that may be used")
    authorized = load_authorized_keys(options.authorized_client_keys)
    hosts = _client_hosts(options)
    return ServerResources(host_keys, names, authorized, trust, hosts, revoked)


def _client_hosts(options: SSHServerConnectionOptions) -> KnownHosts:
    known = options.known_client_hosts
    # Nothing given is no host here, not the default file of clients.
    return None if known is None or known == () else load_known_hosts(known)


def load_authorized_keys(keys: AuthorizedKeysArg) -> SSHAuthorizedKeys | None:
    """Return authorized keys from file names or from what was read before.

    Raises OSError and KeyImportError.
    """
    if keys is None or isinstance(keys, SSHAuthorizedKeys):
        return keys
    if isinstance(keys, str | Path):
        return read_authorized_keys(keys)
    return read_authorized_keys(list(keys)) if keys else None


class CallbackPolicy:
    """Asks the callbacks of an `SSHServer`, and the authorized keys.

    Parameters:
        server: the callbacks.
        options: of the connection.
        resources: of the listener.
        addr: numeric address of the client.
        on_user: called with the name of the user who wants to log in, before the callbacks.
        certificates: decides about certificates.
        client_hosts: decides about client hosts.
    """

    def __init__(
        self,
        server: SSHServer,
        options: SSHServerConnectionOptions,
        resources: ServerResources,
        addr: str,
        on_user: Callable[[str], MaybeAwait[None]],
        certificates: UserCertificates,
        client_hosts: ClientHosts,
    ) -> None:
        self._owner = self._server = server
        self._keys_of_files: SSHAuthorizedKeys | None = None
        self._on_user = on_user
        self._options = options
        self._resources = resources
        self._addr = addr
        self._client_host = ""
        self._password_by_questions = False
        self.authorized_keys = resources.authorized_keys
        self._certificates = certificates
        self._client_hosts = client_hosts
        self.grant = KeyGrant()
        self.user = ""

    def use(self, rules: UserRules) -> None:
        """Take what the configuration files of the server say about the user."""
        self._options = rules.options
        self._server = self._owner if rules.permitted else config.DeniedUser(self._owner)
        self._keys_of_files = rules.keys

    def begin(self, user: str) -> MaybeAwait[bool]:
        """Forget the last user, and ask the callback."""
        self.user = user
        self.grant = KeyGrant()
        named = self._on_user(user)
        return self._begin(user) if named is None else self._begin_behind(named, user)

    async def _begin_behind(self, named: Awaitable[None], user: str) -> bool:
        await named
        answer = self._begin(user)
        return await answer if isinstance(answer, Awaitable) else answer

    def _begin(self, user: str) -> MaybeAwait[bool]:
        of_files = self._keys_of_files
        self.authorized_keys = self._resources.authorized_keys if of_files is None else of_files
        if self._options.rdns_lookup and not self._client_host:
            return self._begin_with_name(user)
        return self._server.begin_auth(user)

    async def _begin_with_name(self, user: str) -> bool:
        self._client_host = await resolve_host(self._addr)
        answer = self._server.begin_auth(user)
        return await answer if isinstance(answer, Awaitable) else answer

    def methods(self) -> Sequence[bytes]:
        """The methods that are enabled and that the callbacks support."""
        server = self._server
        passwords = server.password_auth_supported()
        kbdint = server.kbdint_auth_supported()
        self._password_by_questions = kbdint is NotImplemented
        supported = {
            HOSTBASED: self._resources.known_client_hosts is not None
            or server.host_based_auth_supported() is True,
            PUBLICKEY: self.authorized_keys is not None or server.public_key_auth_supported(),
            KEYBOARD_INTERACTIVE: passwords if self._password_by_questions else kbdint is True,
            PASSWORD: passwords,
        }
        return [name for name in self._options.methods if supported.get(name, True)]

    def validate_key(self, user: str, key: SSHKey) -> MaybeAwait[KeyOptions | None]:
        """Look into the authorized keys, then ask the callback."""
        if is_revoked(self._resources.revoked, key, None):
            return None
        if self.authorized_keys is not None:
            name = self._client_host or self._addr
            options = self.authorized_keys.validate(key, name, self._addr)
            if options is not None:
                return options
        answer = self._server.validate_public_key(user, key)
        if isinstance(answer, Awaitable):
            return _no_options_later(answer)
        return {} if answer is True else None

    def validate_certificate(
        self, user: str, certificate: SSHCertificate
    ) -> MaybeAwait[KeyOptions | None]:
        """Look for the authority in the authorized keys, then ask the callback about it."""
        if is_revoked(self._resources.revoked, certificate.key, certificate):
            return None
        if self._server is not self._owner:
            return None  # the user may not log in
        name = self._client_host or self._addr
        return self._certificates.validate(user, certificate, self.authorized_keys, name)

    def validate_client_host(
        self, host: str, key: SSHKey, certificate: SSHCertificate | None
    ) -> MaybeAwait[str | None]:
        """Look for the host in the known hosts, then ask the callbacks about its key."""
        return self._client_hosts.validate(host, key, certificate)

    def validate_host_based_user(
        self, user: str, client_host: str, client_user: str
    ) -> MaybeAwait[bool]:
        """Ask the callback."""
        return self._server.validate_host_based_user(user, client_host, client_user)

    def validate_password(self, user: str, password: str) -> MaybeAwait[bool]:
        """Ask the callback."""
        return self._server.validate_password(user, password)

    def change_password(self, user: str, old: str, new: str) -> MaybeAwait[bool]:
        """Ask the callback."""
        return self._server.change_password(user, old, new)

    def kbdint_challenge(
        self, user: str, lang: str, submethods: str
    ) -> MaybeAwait[KbdIntChallenge]:
        """Ask the callback what to ask the user, or ask for the password."""
        if self._password_by_questions:
            return _PASSWORD_CHALLENGE
        return self._server.get_kbdint_challenge(user, lang, submethods)

    def kbdint_validate(self, user: str, responses: Sequence[str]) -> MaybeAwait[KbdIntChallenge]:
        """Ask the callback about the answers, or about the password."""
        if not self._password_by_questions:
            return self._server.validate_kbdint_response(user, responses)
        try:
            answer = self._server.validate_password(user, responses[0])
        except PasswordChangeRequired:
            return False
        return _password_later(answer) if isinstance(answer, Awaitable) else answer is True

    def completed(self, user: str, grant: KeyGrant) -> MaybeAwait[None]:
        """Remember what the keys permit, and tell the callback."""
        self.user = user
        self.grant = grant
        return self._server.auth_completed()


async def _no_options_later(answer: Awaitable[bool]) -> KeyOptions | None:
    return {} if await answer is True else None


async def _password_later(answer: Awaitable[bool]) -> bool:
    try:
        return await answer is True
    except PasswordChangeRequired:
        # A change takes two passwords, which only the method "password" can ask for.
        return False
