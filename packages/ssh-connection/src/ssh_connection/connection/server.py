"""`SSHServerConnection`: life and authentication of a server connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from ssh_keys import HOST_KEY_ALGORITHMS, SSHAuthorizedKeys, sig_algorithm_of
from ssh_transport.config import TransportConfig
from ssh_transport.constants import DisconnectReason
from ssh_transport.errors import (
    ConnectionLost,
    DisconnectError,
    KeyExchangeFailed,
    ProtocolError,
    printable,
)
from ssh_transport.events import Event, ServiceRequested, SignatureNeeded
from ssh_transport.protocols import Role

from .. import config as config_files
from ..channel.base import Channel
from ..constants import DEFAULT_LANG, OPEN_UNKNOWN_CHANNEL_TYPE
from ..errors import ChannelOpenError
from ..logging import Peer
from ..messages.connection import ChannelOpen
from ..messages.userauth import UserauthBanner
from ..mux import Mux
from ..options.algorithms import x509_names
from ..options.server import AuthorizedKeysArg, SSHServerConnectionOptions
from ..server import SSHServer
from ..userauth.options import KeyGrant
from ..userauth.protocols import KeyOptions, MaybeAwait
from ..userauth.publickey import HOST_BOUND_EXTENSION
from ..userauth.server import ServerAuthConfig, ServerAuthenticator
from .base import version_string
from .certificate_trust import CertificateTrust
from .client_hosts import ClientHosts
from .gss import ServerGSS
from .host_key_update import (
    HOST_KEYS,
    PROVE_HOST_KEYS,
    encode_strings,
    plain_host_keys,
    prove_host_keys,
)
from .server_auth import (
    CallbackPolicy,
    ServerResources,
    load_authorized_keys,
    load_server_resources,
)
from .server_sessions import ServerSessions
from .server_tuntap import ServerTunTap
from .user_certificates import UserCertificates

if TYPE_CHECKING:
    from ..config import FileRules

__all__ = ["SSHServerConnection", "StartupHandler"]


StartupHandler: TypeAlias = "Callable[[SSHServerConnection, Exception | None], None]"
"""Called once when a client is authenticated, with None, or when it is gone before that."""


# Shared by all connections, whose memory counts when there are thousands.
_HOST_BOUND: Mapping[bytes, bytes] = MappingProxyType({HOST_BOUND_EXTENSION: b"0"})


@lru_cache(maxsize=16)
def _accepted(signatures: tuple[bytes, ...], expects_x509: bool) -> tuple[bytes, ...]:
    """Return the names that clients are told: with those of X.509 if that can let anybody in."""
    x509 = x509_names(signatures) if expects_x509 else ()
    return tuple(dict.fromkeys((*x509, *signatures)))


class SSHServerConnection(ServerTunTap, ServerSessions):
    """A connection of a client, made by a listener of `listen` and its like.

    Parameters:
        options: what was asked for.
        resources: host keys and authorized keys; read from the files that the options name if
            they are not given (ValueError if there is no host key).
        tunnelled: whether the bytes come through another SSH connection.
        on_authenticated: see `StartupHandler`.
    """

    def __init__(
        self,
        options: SSHServerConnectionOptions,
        resources: ServerResources | None = None,
        *,
        tunnelled: bool = False,
        on_authenticated: StartupHandler | None = None,
    ) -> None:
        self._resources = resources = resources or load_server_resources(options)
        algorithms, gss = options.algorithms, options.gss
        self._gss = None if gss is None else ServerGSS(gss, self._validate_principal)
        config = TransportConfig(
            role=Role.SERVER,
            version=version_string(options.server_version),
            policy=algorithms.policy,
            kex_algorithms=algorithms.kex,
            host_key_algorithms=resources.host_key_algorithms,
            ciphers=algorithms.ciphers,
            macs=algorithms.macs,
            compressions=algorithms.compressions,
            host_keys=resources.host_keys,
            sig_algorithms=_accepted(algorithms.signatures, resources.expects_x509),
            text_errors=options.utf8_decode_errors,
            rekey_bytes=int(options.rekey_bytes),
            rekey_seconds=float(options.rekey_seconds),
            moduli=None if options.moduli is None else str(options.moduli),
            gss=self._gss.new_context if self._gss and gss and gss.kex else None,
            extensions=_HOST_BOUND if options.public_key_auth else {},
        )
        super().__init__(options, config, tunnelled=tunnelled)
        self._on_authenticated = on_authenticated
        self._server: SSHServer | None = None
        self._policy: CallbackPolicy | None = None
        self._granted = KeyGrant()
        self._auth: ServerAuthenticator | None = None
        self._service_requested = False
        self._idle_timer: asyncio.TimerHandle | None = None
        self._established: asyncio.Future[None] = self._loop.create_future()
        self._rules_of_files: FileRules | None = None
        if options.configuration is not None:
            self._rules_of_files = config_files.FileRules(options, options.configuration)
        self._extra["server_version"] = config.version.decode("ascii")

    @property
    def owner(self) -> SSHServer:
        """The object that `server_factory` made; RuntimeError before the socket is connected."""
        if self._server is None:
            raise RuntimeError("the connection has no owner before it is connected")
        return self._server

    @property
    def _grant(self) -> KeyGrant:
        return self._granted if self._policy is None else self._policy.grant

    @property
    def _restrictions(self) -> KeyOptions:
        restrictions, files = self._grant.restrictions, self._rules_of_files
        return restrictions if files is None else files.add_to(restrictions)

    async def established(self) -> None:
        """Wait until the client is authenticated.

        Raises what went wrong, a DisconnectError.
        """
        await self._established

    # --- Events ------------------------------------------------------------------------------

    def _connected(self) -> None:
        options = self.server_options
        peername = self._extra["peername"]
        addr, port = ("", 0)
        if isinstance(peername, tuple) and len(peername) > 1:
            addr, port = str(peername[0]), int(peername[1])
        server = self._server = (options.server_factory or SSHServer)()
        self._owner = server

        def log(text: str) -> None:
            self._log.info("%s", Peer(text))

        trust = CertificateTrust(
            options.algorithms.ca_signatures,
            self._config.min_rsa_bits,
            self._resources.x509,
            options.x509_purposes,
            self._resources.revoked,
        )
        self._policy = CallbackPolicy(
            server,
            options,
            self._resources,
            addr,
            # Callbacks want to know already who it claims to be.
            self._user_named,
            UserCertificates(server, trust, addr, log),
            ClientHosts(
                self._resources.known_client_hosts,
                server,
                addr,
                port,
                trust,
                log,
                trust_name=options.trust_client_host,
            ),
        )
        server.connection_made(self)

    def _user_named(self, user: str) -> MaybeAwait[None]:
        self.set_extra_info(username=user)
        if self._gss is not None:
            self._gss.accepted = None
        files = self._rules_of_files
        return None if files is None else self._rules_asked(files, user)

    async def _rules_asked(self, files: FileRules, user: str) -> None:
        # Accounts and home directories may be on the network.
        names = self._extra["peername"], self._extra["sockname"]
        rules = await asyncio.to_thread(files.for_user, user, *names)
        for problem in rules.problems:
            self._log.warning("%s", Peer(problem))
        files.use(rules)
        self._options = rules.options
        if self._policy is not None:
            self._policy.use(rules)
        if self._auth is not None:
            required, tries = rules.options.required_methods, rules.options.max_auth_tries
            self._auth.limit(required, tries, permitted=rules.permitted)

    def _validate_principal(
        self, user: str, user_principal: str, host_principal: str
    ) -> MaybeAwait[bool]:
        return self.owner.validate_gss_principal(user, user_principal, host_principal)

    def _handle_event(self, event: Event) -> None:
        if isinstance(event, ServiceRequested):
            self._guard(lambda: self._begin_auth(event.name))
        elif isinstance(event, SignatureNeeded):
            self._spawn(event.signature, self._host_key_signed)

    def _host_key_signed(self, signature: object, error: BaseException | None) -> None:
        if isinstance(signature, bytes):
            self._core.provide_signature(signature)
        else:
            self._log.warning("the host key did not sign: %s", Peer(error))
            self._core.fail(KeyExchangeFailed("the host key can not be used"))

    def _begin_auth(self, service: bytes) -> None:
        if self._service_requested:
            # RFC 4253 section 10 knows no way back; what was proved could get lost or mixed up.
            self._core.fail(ProtocolError("a service was requested twice"))
            return
        self._service_requested = True
        options, policy = self.server_options, self._policy
        assert policy is not None
        config = ServerAuthConfig(
            sig_algorithms=self._config.sig_algorithms,
            minimum_rsa_bits=self._config.min_rsa_bits,
            clock=self._loop.time,
            sleep=asyncio.sleep,
            required=options.required_methods,
            max_tries=options.max_auth_tries,
            max_requests=options.max_auth_requests,
            min_fail_seconds=options.auth_fail_delay,
            log=self._log.debug,
            gss=self._gss,
            host_key=self._host_key_shown(),
        )
        if self._gss is not None:
            self._gss.kex_context = self._core.gss_context
        self._auth = ServerAuthenticator(
            self._core, self._spawn, policy, config, self._auth_succeeded, self._auth_crashed
        )
        self._core.set_handlers(self._auth.handlers())
        self._auth.start()
        self._core.accept_service(service)

    def _host_key_shown(self) -> bytes:
        """Return K_S of the key exchange; empty if GSS-API took its place."""
        algorithms = self._core.algorithms
        assert algorithms is not None
        pair = self._config.host_keys.get(algorithms.host_key)
        return b"" if pair is None else pair.public_data

    def _auth_crashed(self, exc: Exception) -> None:
        self._log.exception("an authentication callback failed", exc)
        self._core.fail(
            DisconnectError(DisconnectReason.SSH_DISCONNECT_BY_APPLICATION, "internal error")
        )

    def _crashed(self, exc: Exception) -> None:
        if not isinstance(exc, DisconnectError):
            self._log.exception("a callback failed", exc)
        super()._crashed(exc)

    def _auth_succeeded(self, user: str, grant: KeyGrant) -> None:
        self._log.info("user %s is authenticated", Peer(user))
        self._auth = None
        self._extra["username"] = user
        if self._gss is not None:
            self._extra.update(self._gss.extra_info())
        options = self.server_options
        mux = Mux(
            self._core,
            self,
            self._loop,
            max_channels=options.max_channels,
            text_errors=options.utf8_decode_errors,
        )
        self._start_channels(mux)
        self._startup_over(None)
        if not self._established.done():
            self._established.set_result(None)
        self.channels_idle()
        if self.server_options.send_server_host_keys:
            blobs = plain_host_keys(self._resources.host_keys)
            self._require_mux().send_global_request(HOST_KEYS, encode_strings(blobs))

    def _startup_over(self, exc: Exception | None) -> None:
        tell, self._on_authenticated = self._on_authenticated, None
        if tell is not None:
            tell(self, exc)

    def _connection_lost(self, exc: Exception | None) -> None:
        super()._connection_lost(exc)
        self._startup_over(exc or ConnectionLost("connection closed"))
        self._stop_idle_timer()
        if self._auth is not None:
            self._auth.close()
        self._granted = self._grant
        self._auth = self._policy = None
        if not self._established.done():
            self._established.set_exception(exc or ConnectionLost("connection closed"))
            self._established.exception()

    # --- Idle connections --------------------------------------------------------------------

    def channels_idle(self) -> None:
        """No channel is open: close the connection if that goes on for `idle_timeout`."""
        seconds = self.server_options.seconds("idle_timeout")
        if seconds is not None and not self._lost:
            self._stop_idle_timer()
            self._idle_timer = self._loop.call_later(seconds, self._idle)

    def _idle(self) -> None:
        self._idle_timer = None
        if self._mux is not None and not self._mux.channels:
            self.disconnect(DisconnectReason.SSH_DISCONNECT_BY_APPLICATION, "idle for too long")

    def _stop_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    # --- Requests of the client --------------------------------------------------------------

    def open_requested(self, request: ChannelOpen) -> Channel | Awaitable[Channel]:
        """The client wants to open a channel."""
        if request.channel_type == b"session":
            return self._session_opened()
        if request.channel_type == b"direct-tcpip":
            return self._direct_tcpip(request)
        if request.channel_type == b"direct-streamlocal@openssh.com":
            return self._direct_streamlocal(request)
        if request.channel_type == b"tun@openssh.com":
            return self._tunnel(request)
        raise ChannelOpenError(
            OPEN_UNKNOWN_CHANNEL_TYPE, f"no channel type {printable(request.channel_type)}"
        )

    def global_request_received(
        self, name: bytes, data: bytes
    ) -> bytes | Awaitable[bytes | None] | None:
        """The client made a global request (RFC 4254 section 4)."""
        if name == b"keepalive@openssh.com":
            return b""
        if name == b"no-more-sessions@openssh.com":
            self._no_more_sessions = True
            return b""
        if name == PROVE_HOST_KEYS and self.server_options.send_server_host_keys:
            return self._prove_host_keys(data)
        return self._forward_request(name, data)

    def _prove_host_keys(self, data: bytes) -> Awaitable[bytes | None] | None:
        algorithms = self._core.algorithms
        assert algorithms is not None
        # The client accepts what it has negotiated: that tells the signatures of RSA keys apart.
        names = (algorithms.host_key, *self._resources.host_key_algorithms)
        allowed = tuple(
            dict.fromkeys(sig_algorithm_of(name) for name in names if name in HOST_KEY_ALGORITHMS)
        )
        keys = plain_host_keys(self._resources.host_keys)
        return prove_host_keys(keys, self._core.session_id, data, allowed)

    # --- Public API --------------------------------------------------------------------------

    def send_auth_banner(self, msg: str, lang: str = DEFAULT_LANG) -> None:
        """Send a text that the client shows before authentication (RFC 4252 section 5.4).

        It can be sent in `begin_auth` and until authentication has succeeded; OSError afterwards.

        Parameters:
            msg: text, possibly several lines.
            lang: its language tag.
        """
        if self._auth is None:
            raise OSError("a banner can only be sent during authentication")
        self._core.send(UserauthBanner(msg.encode(), lang.encode()).encode())

    def set_authorized_keys(self, authorized_keys: AuthorizedKeysArg) -> None:
        """Set the keys that let the present user in; to be called in `begin_auth`.

        Call it for users that do not exist as well: the methods that a client is offered would
        otherwise tell who does.

        Parameters:
            authorized_keys: file names, or an `SSHAuthorizedKeys`; None for no keys.

        Raises OSError and KeyImportError. A file that does not exist is an error: catch it where
        users without keys are expected.
        """
        if self._policy is None:
            raise OSError("the connection is closed")
        keys = load_authorized_keys(authorized_keys)
        self._policy.authorized_keys = SSHAuthorizedKeys() if keys is None else keys

    def get_key_option(self, option: str, default: object = None) -> object:
        """Return an option of the key with which the user authenticated.

        With a certificate, the options are those of the line of its authority.

        Parameters:
            option: name as in authorized_keys, like `command` or `environment`.
            default: what to return if the key does not have it, or no key was used.
        """
        return self._grant.key_options.get(option, default)

    def check_key_permission(self, permission: str) -> bool:
        """Whether the key with which the user authenticated allows something.

        What either the key or the certificate does not allow is refused anyway.

        Parameters:
            permission: `X11-forwarding`, `agent-forwarding`, `port-forwarding`, `pty`, `user-rc`.
        """
        return not self._grant.key_options.get("no-" + permission, False)

    def get_certificate_option(self, option: str, default: object = None) -> object:
        """Return an option of the certificate with which the user authenticated.

        Parameters:
            option: name of a critical option or extension (PROTOCOL.certkeys): `force-command` is
                text, `source-address` a list of networks, the others are True if they are there.
            default: what to return if the certificate does not have it, or none was used.
        """
        return (self._grant.certificate_options or {}).get(option, default)

    def check_certificate_permission(self, permission: str) -> bool:
        """Whether the certificate with which the user authenticated allows something.

        Without a certificate nothing is restricted by one.

        Parameters:
            permission: as of `check_key_permission`.
        """
        options = self._grant.certificate_options
        return options is None or bool(options.get("permit-" + permission, False))
