"""Where a client's credentials come from: options, callbacks, files, agents."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from copy import copy
from getpass import getuser
from pathlib import Path
from typing import cast

from ssh_keys import (
    CertificateType,
    CertListArg,
    Error,
    KeyImportError,
    KeyPairListArg,
    KeyPassphraseError,
    SSHCertificate,
    SSHKeyPair,
    SSHOpenSSHCertificate,
    load_certificates,
    load_keypairs_async,
    load_pkcs11_keys,
)
from ssh_keys.certificate_importing import certificates_for
from ssh_keys.signature_algorithms import CERTIFICATE_KEY_TYPES, X509_KEY_TYPES

from ..client import SSHClient
from ..logging import ConnectionLog, Peer
from ..options.client import SSHClientConnectionOptions
from ..userauth.protocols import MaybeAwait, Prompts
from .device_key import off_loop
from .time_limits import step

__all__ = ["OptionCredentials", "load_client_keys", "load_named_keys", "local_username"]

_CERTIFIED = frozenset((*CERTIFICATE_KEY_TYPES, *X509_KEY_TYPES))
_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


def local_username() -> str:
    """Return the name of the user who runs this program; raises ValueError if there is none."""
    try:
        return getuser()
    except (KeyError, OSError, ImportError):
        raise ValueError("username is needed: the local user has no name") from None


async def load_client_keys(
    options: SSHClientConnectionOptions, log: ConnectionLog
) -> Sequence[SSHKeyPair]:
    """Return the key pairs to try, in order: those of the options, then those of the sources.

    Certificates come before plain keys: where they are in use, the plain keys are mostly not known,
    and each that is refused counts as a failure. The option `client_certs` also holds for the keys
    of sources.

    Raises OSError and KeyImportError for keys that were named and can not be read. Keys in their
    default places and sources that can not be used are left out.
    """
    if not options.public_key_auth:
        return ()
    keys = options.client_keys
    pairs: list[SSHKeyPair] = []
    if isinstance(keys, tuple) and not keys:
        pairs += await _default_keys(options, log)
    elif keys is not None:
        pairs += await load_named_keys(
            cast(KeyPairListArg, keys),
            options.client_certs,
            options,
            ignore_encrypted=options.ignore_encrypted is True,
        )
    certificates: Sequence[SSHCertificate] = ()
    if options.key_sources or options.pkcs11_provider:
        certificates = load_certificates(options.client_certs)
    if options.pkcs11_provider:
        # A module of PKCS#11 that does not return keeps its thread, but nobody who waits for it.
        loading = asyncio.to_thread(load_pkcs11_keys, options.pkcs11_provider, options.pkcs11_pin)
        for held in await step(options, loading, "no keys of tokens"):
            pairs += (*_certified(held, certificates), held)
    for source in options.key_sources:
        try:
            # An agent that does not answer must not keep us from trying the other keys.
            for pair in await step(options, source.keypairs(), "no answer"):
                pairs += (*_certified(pair, certificates), pair)
        except (OSError, Error) as exc:
            log.info("no keys from %s: %s", type(source).__name__, Peer(exc))
    usable = [pair for pair in off_loop(pairs) if _is_for_users(pair, log)]
    return _unique(sorted(usable, key=lambda pair: pair.algorithm not in _CERTIFIED))


async def load_named_keys(
    keys: KeyPairListArg,
    certificates: CertListArg,
    options: SSHClientConnectionOptions,
    *,
    ignore_encrypted: bool = False,
) -> Sequence[SSHKeyPair]:
    """Return the key pairs of an option, with the certificates of another one.

    Parameters:
        options: where the passphrase is.
        ignore_encrypted: leave out keys whose passphrase is missing or wrong.

    Raises OSError and KeyImportError for what can not be read.
    """
    secret = options.passphrase
    # Deriving a key from a passphrase takes tenths of a second, typing one much longer.
    run = None if secret is None else asyncio.to_thread
    loading = load_keypairs_async(
        keys, secret, certificates, ignore_encrypted=ignore_encrypted, run=run
    )
    return await (loading if secret is None else step(options, loading, "private keys not read"))


def _certified(pair: SSHKeyPair, certificates: Sequence[SSHCertificate]) -> Iterator[SSHKeyPair]:
    """Return a key pair of a source once more for each certificate that is for its key."""
    for certificate in certificates_for(pair.key_public_data, certificates):
        certified = copy(pair)
        certified.set_certificate(certificate)
        yield certified


def _is_for_users(pair: SSHKeyPair, log: ConnectionLog) -> bool:
    certificate = pair.certificate
    if certificate is None or not isinstance(certificate, SSHOpenSSHCertificate):
        return True
    if certificate.fields.type is CertificateType.USER:
        return True
    log.warning("left out %s: it is no user certificate", Peer(certificate))
    return False


async def _default_keys(
    options: SSHClientConnectionOptions, log: ConnectionLog
) -> list[SSHKeyPair]:
    pairs: list[SSHKeyPair] = []
    folder = Path.home() / ".ssh"
    for name in _DEFAULT_KEYS:
        path = folder / name
        if not path.exists():
            continue
        try:
            pairs += await load_named_keys(str(path), options.client_certs, options)
        except KeyPassphraseError:
            if options.ignore_encrypted is False:
                raise
            log.debug("left out %s: it needs a passphrase", path)
        except (OSError, KeyImportError) as exc:
            log.warning("left out %s: %s", path, Peer(exc))
    return pairs


def _unique(pairs: Sequence[SSHKeyPair]) -> Sequence[SSHKeyPair]:
    first: dict[bytes, SSHKeyPair] = {}
    for pair in pairs:
        first.setdefault(pair.public_data, pair)
    return tuple(first.values())


class OptionCredentials:
    """The credentials of the options first, then those of the callbacks.

    Parameters:
        options: of the connection.
        client: the callbacks.
        log: of the connection.
    """

    def __init__(
        self, options: SSHClientConnectionOptions, client: SSHClient, log: ConnectionLog
    ) -> None:
        self._options = options
        self._client = client
        self._log = log
        self._password_given = options.password is not None
        self._kbdint_password = False

    def keypairs(self) -> MaybeAwait[Sequence[SSHKeyPair]]:
        """Ask the callback for keys; those of the options were tried first."""
        answer = self._client.public_key_auth_requested()
        if isinstance(answer, Awaitable):
            return self._load_later(answer)
        return () if answer is None else self._load(answer)

    async def _load_later(self, answer: Awaitable[KeyPairListArg | None]) -> Sequence[SSHKeyPair]:
        keys = await answer
        return () if keys is None else await self._load(keys)

    async def _load(self, keys: KeyPairListArg) -> Sequence[SSHKeyPair]:
        pairs = await load_named_keys(keys, self._options.client_certs, self._options)
        return tuple(off_loop(pairs))

    def password(self) -> MaybeAwait[str | None]:
        """Give the password of the options once, then ask the callback."""
        if self._password_given:
            self._password_given = False
            given = self._option_password()
            if given is not None:
                return given
        return self._client.password_auth_requested()

    def _option_password(self) -> MaybeAwait[str | None]:
        password = self._options.password
        return password() if callable(password) else password

    def password_change(self, prompt: str, lang: str) -> MaybeAwait[tuple[str, str] | None]:
        """Ask the callback for a new password."""
        answer: MaybeAwait[tuple[str, str] | None]
        answer = self._client.password_change_requested(prompt, lang)
        # AsyncSSH's default is NotImplemented; applications pass it on.
        return None if answer is cast(object, NotImplemented) else answer

    def password_changed(self) -> None:
        """Tell the callback."""
        self._client.password_changed()

    def password_change_failed(self) -> None:
        """Tell the callback."""
        self._client.password_change_failed()

    def kbdint_submethods(self, offered: Sequence[bytes]) -> MaybeAwait[str | None]:
        """Ask the callback; else use the password where there is no better way to send it."""
        self._kbdint_password = self._password_given and b"password" not in offered
        if self._kbdint_password:
            return ""
        return self._client.kbdint_auth_requested()

    def kbdint_responses(
        self, name: str, instructions: str, lang: str, prompts: Prompts
    ) -> MaybeAwait[Sequence[str] | None]:
        """Answer a hidden question with the password, or ask the callback."""
        if not self._kbdint_password:
            return self._client.kbdint_challenge_received(name, instructions, lang, prompts)
        if not prompts:
            return ()
        if len(prompts) > 1 or prompts[0][1] or not self._password_given:
            # Not a question for a password, or the password was wrong.
            self._kbdint_password = self._password_given = False
            return None
        self._password_given = False
        password = self._option_password()
        if isinstance(password, Awaitable):
            return self._respond_later(password)
        return None if password is None else (password,)

    async def _respond_later(self, password: Awaitable[str | None]) -> Sequence[str] | None:
        answer = await password
        return None if answer is None else (answer,)

    def banner(self, message: str, lang: str) -> None:
        """Pass the text on."""
        self._log.debug("banner: %s", Peer(message))
        self._client.auth_banner_received(message, lang)
