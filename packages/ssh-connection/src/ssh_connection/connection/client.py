"""`SSHClientConnection`: life and authentication of a client connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import ClassVar, Self, cast

from ssh_keys import (
    Error,
    PacketDecodeError,
    SignatureError,
    SSHKey,
    SSHKeyPair,
    SSHKeyRevocationList,
    sig_algorithm_of,
)
from ssh_transport.config import TransportConfig
from ssh_transport.errors import ConnectionLost, printable
from ssh_transport.events import (
    Event,
    ExtInfoReceived,
    HostKeyOffered,
    KexCompleted,
    ServiceAccepted,
)
from ssh_transport.protocols import Role

from ..channel.agent import AGENT_CHANNEL
from ..channel.base import Channel
from ..channel.x11 import X11_CHANNEL
from ..client import SSHClient
from ..constants import OPEN_UNKNOWN_CHANNEL_TYPE
from ..errors import ChannelOpenError
from ..logging import Peer
from ..messages.connection import ChannelOpen
from ..mux import Mux
from ..options.client import HostKeysHandler, SSHClientConnectionOptions
from ..protocols import SessionBinding, SessionKeyPair
from ..userauth.client import ClientAuthConfig, ClientAuthenticator
from ..userauth.hostbased import HostIdentity
from ..userauth.publickey import HOST_BOUND_EXTENSION
from .base import version_string
from .certificate_trust import CertificateTrust
from .client_auth import OptionCredentials, load_client_keys, local_username
from .client_forward import ClientForwarding
from .client_sessions import ClientSessions
from .client_tunnel import ClientTunnel
from .client_tuntap import ClientTunTap
from .gss import ClientGSS, check_ticket
from .host_identity import host_identity, load_host_keys
from .host_key_update import HOST_KEYS, HostKeyUpdate
from .host_keys import HostKeyVerifier, KnownHosts, load_known_hosts
from .revocation import load_revoked_keys
from .time_limits import step
from .x509_trust import NO_TRUST, client_x509_trust

__all__ = ["DEFAULT_PORT", "SSHClientConnection"]

DEFAULT_PORT = 22


class SSHClientConnection(ClientSessions, ClientTunnel, ClientTunTap, ClientForwarding):
    """A connection to a server, made by `connect` and its like.

    It is an asynchronous context manager: leaving it closes the connection and waits for the end.

    Parameters:
        options: what was asked for.
        keypairs: keys to try first.
        known_hosts: what `load_known_hosts` returned.
        tunnelled: whether the bytes come through another SSH connection, or from a program.
    """

    options_class: ClassVar[type[SSHClientConnectionOptions]] = SSHClientConnectionOptions

    def __init__(
        self,
        options: SSHClientConnectionOptions,
        keypairs: Sequence[SSHKeyPair] = (),
        known_hosts: KnownHosts = None,
        *,
        tunnelled: bool = False,
    ) -> None:
        algorithms, gss = options.algorithms, options.gss
        host = options.host or "localhost"
        self._gss = None if gss is None else ClientGSS(gss, host)
        config = TransportConfig(
            role=Role.CLIENT,
            version=version_string(options.client_version),
            policy=algorithms.policy,
            kex_algorithms=algorithms.kex,
            host_key_algorithms=algorithms.host_keys,
            ciphers=algorithms.ciphers,
            macs=algorithms.macs,
            compressions=algorithms.compressions,
            sig_algorithms=algorithms.signatures,
            text_errors=options.utf8_decode_errors,
            rekey_bytes=int(options.rekey_bytes),
            rekey_seconds=float(options.rekey_seconds),
            gss=self._gss.new_context if self._gss and gss and gss.kex else None,
        )
        super().__init__(options, config, tunnelled=tunnelled)
        self._keypairs = keypairs
        self._known_hosts = known_hosts
        self._x509_trust = NO_TRUST
        self._revoked: SSHKeyRevocationList | None = None
        self._host_keys: Sequence[SSHKeyPair] = ()
        self._host_identity: HostIdentity | None = None
        self._was_accepted = False
        self._verifier: HostKeyVerifier | None = None
        self._host_keys_told = False
        self._client: SSHClient | None = None
        self._auth: ClientAuthenticator | None = None
        self._host_key_blob = self._host_key_signature = b""
        self._established: asyncio.Future[None] = self._loop.create_future()
        port = DEFAULT_PORT if isinstance(options.port, tuple) else options.port
        username = options.username if isinstance(options.username, str) else local_username()
        self._extra.update(
            host=host,
            port=port,
            username=username,
            client_version=config.version.decode("ascii"),
        )

    @classmethod
    async def prepare(cls, options: SSHClientConnectionOptions, *, tunnelled: bool = False) -> Self:
        """Read the keys and known hosts that the options name, and make the connection object.

        It is not connected yet: give its `transport` to the event loop, then await `established`.

        Raises OSError and KeyImportError for files that can not be read, KeyExchangeFailed if
        there is no key exchange method but those of GSS-API, and no ticket.
        """
        known_hosts = load_known_hosts(options.known_hosts)
        self = cls(options, (), known_hosts, tunnelled=tunnelled)
        if self._gss is not None and self._config.gss is not None:
            checking = check_ticket(self._gss, self._config, self._log)
            await step(options, checking, "no answer about a Kerberos ticket")
        self._revoked = load_revoked_keys(options.revoked_keys)
        self._x509_trust = client_x509_trust(
            options.x509_trusted_certs, options.x509_trusted_cert_paths
        )
        self._keypairs = await load_client_keys(options, self._log)
        self._host_keys = await load_host_keys(options)
        self._host_identity = host_identity(options, self._host_keys, self.get_extra_info)
        return self

    def another(self, *, tunnelled: bool = False) -> Self:
        """Make one more connection object for a server that comes to us, with the same keys.

        It is the server's address that has to be in known_hosts: it has no other name.
        """
        made = type(self)(
            self.client_options, self._keypairs, self._known_hosts, tunnelled=tunnelled
        )
        made._config.kex_algorithms = self._config.kex_algorithms
        made._revoked, made._x509_trust = self._revoked, self._x509_trust
        made._host_keys = self._host_keys
        made._host_identity = host_identity(
            self.client_options, self._host_keys, made.get_extra_info
        )
        made._was_accepted = True
        return made

    @property
    def client_options(self) -> SSHClientConnectionOptions:
        """The options of the connection."""
        options = self._options
        assert isinstance(options, SSHClientConnectionOptions)
        return options

    @property
    def port(self) -> int:
        """Port that the connection was asked for."""
        port = self._extra["port"]
        assert isinstance(port, int)
        return port

    @property
    def owner(self) -> SSHClient:
        """The object that `client_factory` made; RuntimeError before the socket is connected."""
        if self._client is None:
            raise RuntimeError("the connection has no owner before it is connected")
        return self._client

    async def established(self) -> None:
        """Wait until authentication has succeeded.

        Raises what went wrong: a DisconnectError (PermissionDenied, HostKeyNotVerifiable,
        ConnectionLost, ...), or what a callback raised.
        """
        await self._established

    def get_server_host_key(self) -> SSHKey | None:
        """Return the server's host key, None before it is trusted."""
        return self._core.host_key

    # --- Events ------------------------------------------------------------------------------

    def _connected(self) -> None:
        options = self.client_options
        peername = self._extra["peername"]
        addr = str(peername[0]) if isinstance(peername, tuple) and peername else ""
        if self._was_accepted:
            self._extra.update(host=addr, port=DEFAULT_PORT)
        host = str(self._extra["host"])
        client = self._client = (options.client_factory or SSHClient)()
        self._owner = client
        alias = options.host_key_alias if isinstance(options.host_key_alias, str) else None
        trust = CertificateTrust(
            options.algorithms.ca_signatures,
            self._config.min_rsa_bits,
            self._x509_trust,
            options.x509_purposes,
            self._revoked,
        )
        verifier = HostKeyVerifier(self._known_hosts, host, alias, self.port, addr, trust)
        for problem in verifier.problems:
            self._log.warning("known_hosts: %s", Peer(problem))
        if not options.server_host_key_algs:
            own = getattr(type(client), "validate_host_ca_key", None)
            names = verifier.preferred(
                self._config.host_key_algorithms,
                asks_callback=own is not SSHClient.validate_host_ca_key,
            )
            self._config.host_key_algorithms = names
        self._verifier = verifier
        client.connection_made(self)

    def _handle_event(self, event: Event) -> None:
        if isinstance(event, HostKeyOffered):
            self._guard(lambda: self._check_host_key(event))
        elif isinstance(event, ExtInfoReceived | ServiceAccepted):
            if self._auth is not None:
                self._auth.extensions_known()

    def _check_host_key(self, event: HostKeyOffered) -> None:
        key, certificate = event.key, event.certificate
        assert self._verifier is not None
        assert self._client is not None
        self._verifier.check(key, self._client, certificate)
        self._log.debug("host key %s is trusted", key)
        self._extra["server_host_certificate"] = certificate
        self._host_key_blob = self._host_key_blob or event.blob
        self._host_key_signature = self._host_key_signature or event.signature
        self._core.accept_host_key()

    def _host_key_to_sign(self) -> bytes:
        """Return the host key that authentication is bound to, if the server can check that."""
        version = self._core.peer_extensions.get(HOST_BOUND_EXTENSION)
        return self._host_key_blob if version == b"0" else b""

    def _kex_completed(self, event: KexCompleted) -> None:
        super()._kex_completed(event)
        if event.first:
            self._guard(self._begin_auth)

    def _begin_auth(self) -> None:
        options = self.client_options
        assert self._client is not None
        config = ClientAuthConfig(
            user=str(self._extra["username"]),
            methods=options.methods,
            keypairs=self._bound_keypairs(),
            sig_algorithms=options.algorithms.own_signatures,
            allow_trivial=not options.disable_trivial_auth,
            text_errors=options.utf8_decode_errors,
            log=self._log.debug,
            gss=self._gss,
            host=self._host_identity,
            server_host_key=self._host_key_to_sign,
        )
        if self._gss is not None:
            self._gss.kex_context = self._core.gss_context
        self._auth = ClientAuthenticator(
            self._core,
            self._spawn,
            OptionCredentials(options, self._client, self._log),
            config,
            self._auth_succeeded,
            self._crashed,
        )
        self._core.set_handlers(self._auth.handlers())
        # Request and first attempt leave in one flight: the answer to the one is no surprise.
        self._core.request_service(b"ssh-userauth")
        self._auth.start()
        self._core.answer_awaited = self._auth.answer_awaited

    def _bound_keypairs(self) -> Sequence[SSHKeyPair]:
        """Return the key pairs, with agents told which server they sign for."""
        if not self._host_key_signature:
            return self._keypairs  # GSS-API has proved who the server is
        session_id, signature = self._core.session_id, self._host_key_signature
        self._binding = binding = SessionBinding(self._host_key_blob, session_id, signature)
        # `isinstance` with a Protocol would take a hundredth of the handshake.
        return [
            cast("SessionKeyPair", pair).bound_to(binding) if hasattr(pair, "bound_to") else pair
            for pair in self._keypairs
        ]

    def _auth_succeeded(self) -> None:
        self._log.info("authenticated as %s", Peer(self._extra["username"]))
        self._auth = None
        text_errors = self._options.utf8_decode_errors
        self._start_channels(Mux(self._core, self, self._loop, text_errors=text_errors))
        client = self._client
        assert client is not None
        self._guard(client.auth_completed)
        if not self._established.done() and self._error is None:
            self._established.set_result(None)

    def _connection_lost(self, exc: Exception | None) -> None:
        super()._connection_lost(exc)
        if self._auth is not None:
            self._auth.close()
            self._auth = None
        if not self._established.done():
            self._established.set_exception(exc or ConnectionLost("connection closed"))
            # Nobody may be waiting any more; the error went to connection_lost as well.
            self._established.exception()

    # --- Channels of the server --------------------------------------------------------------

    def open_requested(self, request: ChannelOpen) -> Channel | Awaitable[Channel]:
        """The server wants to open a channel: only what we asked it for."""
        if request.channel_type in (b"forwarded-tcpip", b"forwarded-streamlocal@openssh.com"):
            return self._forwarded(request)
        if request.channel_type == AGENT_CHANNEL:
            return self._agent_channel()
        if request.channel_type == X11_CHANNEL:
            return self._x11_channel(request)
        raise ChannelOpenError(
            OPEN_UNKNOWN_CHANNEL_TYPE, f"no channel type {printable(request.channel_type)}"
        )

    def global_request_received(
        self, name: bytes, data: bytes
    ) -> bytes | Awaitable[bytes | None] | None:
        """The server made a global request (RFC 4254 section 4)."""
        handler = self.client_options.server_host_keys_handler
        if name == HOST_KEYS and handler is not None and not self._host_keys_told:
            self._host_keys_told = True
            self._spawn(self._update_host_keys(data, handler), self._host_keys_updated)
        return None

    async def _update_host_keys(self, data: bytes, handler: HostKeysHandler) -> None:
        assert self._verifier is not None
        names = self.client_options.algorithms.host_keys
        update = HostKeyUpdate(
            self._verifier.known,
            self._core.session_id,
            self._require_mux().global_request,
            tuple(dict.fromkeys(sig_algorithm_of(name) for name in names)),
            self._config.min_rsa_bits,
        )
        try:
            keys = await update.classify(data)
        except (PacketDecodeError, SignatureError, Error) as exc:
            self._log.warning("host keys of the server are not believed: %s", Peer(exc))
            return
        answer = handler(*keys)
        if isinstance(answer, Awaitable):
            await answer

    def _host_keys_updated(self, result: object, error: BaseException | None) -> None:
        if isinstance(error, Exception):
            self._log.exception("the handler of host keys failed", error)
