"""The client's side of RFC 4252: which method to try next, and when to give up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ssh_keys import SSHKeyPair
from ssh_keys.record import Struct
from ssh_transport.errors import ProtocolError, printable
from ssh_transport.protocols import Handler
from ssh_transport.texts import DEFAULT_TEXT_ERRORS, decode_text

from ..errors import PermissionDenied
from ..messages.gssapi import (
    SSH_MSG_USERAUTH_GSSAPI_ERROR,
    SSH_MSG_USERAUTH_GSSAPI_ERRTOK,
    SSH_MSG_USERAUTH_GSSAPI_TOKEN,
)
from ..messages.userauth import (
    SSH_MSG_USERAUTH_BANNER,
    SSH_MSG_USERAUTH_FAILURE,
    SSH_MSG_USERAUTH_METHOD_FIRST,
    SSH_MSG_USERAUTH_SUCCESS,
    UserauthBanner,
)
from .conversation import Conversation
from .exchange import ClientExchange, Outcome
from .gssapi import (
    GSSAPI_KEYEX,
    GSSAPI_WITH_MIC,
    GSSInitiator,
    KeyexClient,
    WithMICClient,
)
from .hostbased import HOSTBASED, HostbasedClient, HostIdentity
from .keyboard_interactive import KEYBOARD_INTERACTIVE, KeyboardInteractiveClient
from .password import PASSWORD, PasswordClient
from .protocols import AuthTransport, ClientCredentials, Spawn
from .publickey import PUBLICKEY, PublicKeyClient
from .saslprep import saslprep

__all__ = ["CLIENT_METHODS", "ClientAuthConfig", "ClientAuthenticator"]

NONE = b"none"

CLIENT_METHODS = (
    GSSAPI_KEYEX,
    GSSAPI_WITH_MIC,
    HOSTBASED,
    PUBLICKEY,
    KEYBOARD_INTERACTIVE,
    PASSWORD,
)
"""The methods a client knows, in the order in which they are tried."""

_GSS_MESSAGES = (
    SSH_MSG_USERAUTH_GSSAPI_TOKEN,
    SSH_MSG_USERAUTH_GSSAPI_ERROR,
    SSH_MSG_USERAUTH_GSSAPI_ERRTOK,
)

_MAX_BANNERS = 32


class _Method(Protocol):
    name: bytes

    async def attempt(self, offered: tuple[bytes, ...]) -> Outcome | None: ...


def _ignore(text: str) -> None:
    pass


class ClientAuthConfig(Struct, kw_only=True):
    """How a client authenticates.

    Parameters:
        user: the user name; SASLprep is applied.
        methods: names of the methods to use, the preferred first.
        keypairs: keys to try before the credentials are asked for more.
        sig_algorithms: public key algorithm names that may be used.
        allow_trivial: whether it is fine to be let in without having proved anything.
        max_messages: requests and responses that are sent at most.
        text_errors: what to do about errors in texts of the server, as for `bytes.decode`.
        log: called with a text for each step.
        gss: what the GSS-API methods need; they are not used without.
        host: what the host of the client says about it; method "hostbased" is not used without.
        server_host_key: gives the server's host key if the server takes requests that are bound to
            it (PROTOCOL section 3.1), else nothing.
    """

    user: str
    methods: tuple[bytes, ...] = CLIENT_METHODS
    keypairs: Sequence[SSHKeyPair] = ()
    sig_algorithms: Sequence[bytes] = ()
    allow_trivial: bool = True
    max_messages: int = 64
    text_errors: str = DEFAULT_TEXT_ERRORS
    log: Callable[[str], None] = _ignore
    gss: GSSInitiator | None = None
    host: HostIdentity | None = None
    server_host_key: Callable[[], bytes] = bytes


class ClientAuthenticator:
    """Authenticates once.

    `start` is called when the first key exchange is complete, `extensions_known` when it is
    clear whether the server announced signature algorithms. The result is `on_success`, or a
    `PermissionDenied` given to the transport.

    Parameters:
        transport: where messages go.
        spawn: waits for what callbacks give.
        credentials: what the client can prove who it is with.
        config: see `ClientAuthConfig`.
        on_success: called once, within the handler of SSH_MSG_USERAUTH_SUCCESS.
        crashed: called with an exception of a callback.
    """

    def __init__(
        self,
        transport: AuthTransport,
        spawn: Spawn,
        credentials: ClientCredentials,
        config: ClientAuthConfig,
        on_success: Callable[[], None],
        crashed: Callable[[Exception], None],
    ) -> None:
        self._conversation = Conversation(transport, spawn, crashed, pause=False)
        exchange = ClientExchange(self._conversation, saslprep(config.user), config.max_messages)
        self._exchange = exchange
        self._credentials = credentials
        self._config = config
        self._on_success = on_success
        self._publickey = PublicKeyClient(
            exchange,
            credentials,
            config.keypairs,
            config.sig_algorithms,
            config.log,
            config.server_host_key,
        )
        self._kbdint = KeyboardInteractiveClient(exchange, credentials)
        known: list[_Method] = [
            self._publickey,
            self._kbdint,
            PasswordClient(exchange, credentials),
        ]
        gss = config.gss
        self._with_mic: WithMICClient | None = None
        if gss is not None:
            self._with_mic = WithMICClient(exchange, gss, config.log)
            known.append(self._with_mic)
            if gss.kex_context is not None:
                known.append(KeyexClient(exchange, gss))
        if config.host is not None:
            known.append(HostbasedClient(exchange, config.host, config.sig_algorithms, config.log))
        by_name = {method.name: method for method in known}
        self._methods = [by_name[name] for name in config.methods if name in by_name]
        self._tried: dict[bytes, int] = {}
        self._banners = 0
        self._waiting = False

    def handlers(self) -> Mapping[int, Handler]:
        """What to register for the messages 50 to 79."""
        deliver = self._conversation.deliver

        def handler(number: int) -> Handler:
            return lambda data, start, end: deliver(number, data, start, end)

        numbers = (
            SSH_MSG_USERAUTH_FAILURE,
            SSH_MSG_USERAUTH_SUCCESS,
            SSH_MSG_USERAUTH_METHOD_FIRST,
            *(() if self._config.gss is None else _GSS_MESSAGES),
        )
        return {SSH_MSG_USERAUTH_BANNER: self._on_banner, **{n: handler(n) for n in numbers}}

    def start(self) -> None:
        """Send the first request, unless its signature algorithm depends on the server."""
        if (
            self._starts_with_key
            and self._publickey.needs_server_sig_algs
            and self._exchange.transport.server_sig_algs is None
        ):
            self._waiting = True
        else:
            self._conversation.start(self._main())

    def extensions_known(self) -> None:
        """The server has announced its signature algorithms, or it will not."""
        if self._waiting:
            self._waiting = False
            self._conversation.start(self._main())

    def close(self) -> None:
        """Give up: the connection is gone."""
        self._waiting = False
        self._conversation.close()

    @property
    def answer_awaited(self) -> bool:
        """Whether nothing happens before the server answers."""
        return self._conversation.receiving

    @property
    def _starts_with_key(self) -> bool:
        return self._methods[:1] == [self._publickey] and self._publickey.ready

    async def _main(self) -> None:
        outcome = await self._first()
        proved = outcome.partial
        exhausted: set[bytes] = set()
        method: _Method | None = None
        while not outcome.success:
            method = self._choose(outcome.methods, exhausted)
            if method is None:
                raise PermissionDenied(self._denied(outcome.methods), methods=outcome.methods)
            result = await self._attempt(method, outcome.methods)
            if result is None:
                exhausted.add(method.name)
                continue
            outcome = result
            if outcome.partial:
                # Once for each answer: a server that always says so must not keep us going.
                proved = True
                exhausted.clear()
        if not (proved or self._config.allow_trivial or self._proved()):
            raise PermissionDenied("the server let us in without asking for a proof")
        self._on_success()

    async def _first(self) -> Outcome:
        """Try a key at once, or learn from a request for "none" what the server accepts."""
        if self._starts_with_key:
            outcome = await self._attempt(self._publickey, ())
            if outcome is not None:
                if not outcome.success and PUBLICKEY not in outcome.methods:
                    # Nobody looked at the key: the server wants something else before.
                    self._publickey.try_again()
                return outcome
        self._exchange.request(NONE, b"")
        return await self._exchange.outcome()

    async def _attempt(self, method: _Method, offered: tuple[bytes, ...]) -> Outcome | None:
        self._config.log(f"trying {method.name.decode()}")
        outcome = await method.attempt(offered)
        if outcome is not None:
            self._tried[method.name] = self._tried.get(method.name, 0) + 1
        return outcome

    def _choose(self, offered: Sequence[bytes], exhausted: set[bytes]) -> _Method | None:
        for method in self._methods:
            if method.name in offered and method.name not in exhausted:
                return method
        return None

    def _proved(self) -> bool:
        """Whether the method that was let in last took any effort (disable_trivial_auth)."""
        tried = set(self._tried)
        if tried - {KEYBOARD_INTERACTIVE, GSSAPI_WITH_MIC}:
            return True
        return self._kbdint.asked or (self._with_mic is not None and self._with_mic.proved)

    def _denied(self, offered: Sequence[bytes]) -> str:
        tried = ", ".join(
            f"{name.decode()} ({count})" if count > 1 else name.decode()
            for name, count in self._tried.items()
        )
        return (
            f"permission denied for user {printable(self._exchange.user)}: "
            f"tried {tried or 'nothing'}; the server accepts "
            f"{printable(b', '.join(offered)) or 'no other method'}"
            + "".join(f"; {printable(reason)}" for reason in self._publickey.unusable)
        )

    def _on_banner(self, data: bytes, start: int, end: int) -> None:
        self._banners += 1
        if self._banners > _MAX_BANNERS:
            raise ProtocolError("too many banners")
        banner = UserauthBanner.decode(data, start, end)
        self._credentials.banner(
            decode_text(banner.message, self._config.text_errors, "banner"),
            banner.language_tag.decode("utf-8", "replace"),
        )
