"""The server's side of RFC 4252: what a user must prove, and how often they may try."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from os import urandom

from ssh_keys.key_material import MINIMUM_RSA_BITS
from ssh_keys.record import Struct
from ssh_transport.errors import MessageOrderError, ServiceNotAvailable, printable
from ssh_transport.protocols import Handler

from ..errors import IllegalUserName, PermissionDenied
from ..messages.gssapi import (
    SSH_MSG_USERAUTH_GSSAPI_ERRTOK,
    SSH_MSG_USERAUTH_GSSAPI_EXCHANGE_COMPLETE,
    SSH_MSG_USERAUTH_GSSAPI_MIC,
    SSH_MSG_USERAUTH_GSSAPI_TOKEN,
)
from ..messages.userauth import (
    SSH_MSG_USERAUTH_INFO_RESPONSE,
    SSH_MSG_USERAUTH_REQUEST,
    UserauthFailure,
    UserauthRequest,
    UserauthSuccess,
)
from .conversation import Conversation
from .exchange import SSH_CONNECTION, ServerExchange, Verdict
from .gssapi import (
    GSSAPI_KEYEX,
    GSSAPI_WITH_MIC,
    GSSAcceptor,
    validate_keyex,
    validate_with_mic,
)
from .hostbased import HOSTBASED, validate_hostbased
from .keyboard_interactive import KEYBOARD_INTERACTIVE, validate_keyboard_interactive
from .options import KeyGrant
from .password import PASSWORD, validate_password
from .protocols import AuthTransport, MaybeAwait, ServerAuthPolicy, Spawn
from .publickey import HOST_BOUND, PUBLICKEY, validate_publickey
from .saslprep import SASLPrepError, saslprep

__all__ = ["SERVER_METHODS", "ServerAuthConfig", "ServerAuthenticator"]

NONE = b"none"

_Validator = Callable[[ServerExchange, UserauthRequest], Coroutine[object, object, Verdict]]

_VALIDATORS: dict[bytes, _Validator] = {
    HOSTBASED: validate_hostbased,
    PUBLICKEY: validate_publickey,
    KEYBOARD_INTERACTIVE: validate_keyboard_interactive,
    PASSWORD: validate_password,
}

_GSS_VALIDATORS = {
    GSSAPI_KEYEX: validate_keyex,
    GSSAPI_WITH_MIC: validate_with_mic,
}
_GSS_MESSAGES = (
    SSH_MSG_USERAUTH_GSSAPI_TOKEN,
    SSH_MSG_USERAUTH_GSSAPI_EXCHANGE_COMPLETE,
    SSH_MSG_USERAUTH_GSSAPI_ERRTOK,
    SSH_MSG_USERAUTH_GSSAPI_MIC,
)

SERVER_METHODS = (*_GSS_VALIDATORS, *_VALIDATORS)
"""The methods a server knows."""

MAX_USER_NAME = 1024
"""Bytes of the longest user name that is looked up."""

_JITTER_KEY = urandom(32)


def _ignore(text: str) -> None:
    pass


class ServerAuthConfig(Struct, kw_only=True):
    """Limits and rules of a server.

    Parameters:
        sig_algorithms: public key algorithm names that are accepted.
        minimum_rsa_bits: smallest RSA key that proves something.
        required: lists of methods, one of which has to be completed in its order; empty if any
            one method is enough.
        max_tries: failed attempts after which the connection ends (OpenSSH: MaxAuthTries).
        max_requests: messages of any kind after which the connection ends, so that queries and
            partial successes have an end as well.
        min_fail_seconds: a refusal is never answered sooner than that, and a little later by an
            amount that depends on the user name: what takes longer for users that exist can not
            be told from what does not.
        clock: seconds of a monotonic clock.
        sleep: gives what can be awaited for some seconds.
        log: called with a text for each step.
        gss: what the GSS-API methods need; they are not offered without.
        host_key: K_S of the first key exchange; requests may be bound to it if it was announced
            that they may (PROTOCOL section 3.1).
    """

    sig_algorithms: tuple[bytes, ...]
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    minimum_rsa_bits: int = MINIMUM_RSA_BITS
    required: Sequence[tuple[bytes, ...]] = ()
    max_tries: int = 6
    max_requests: int = 64
    min_fail_seconds: float = 0.005
    log: Callable[[str], None] = _ignore
    gss: GSSAcceptor | None = None
    host_key: bytes = b""


_NO_GRANT = KeyGrant()


class _Progress(Struct):
    """What one user has achieved; a new one for each user name."""

    name: str
    user: str
    remaining: list[tuple[bytes, ...]]
    open_house: bool
    keys: set[bytes]
    grant: KeyGrant = _NO_GRANT


class ServerAuthenticator:
    """Authenticates one client.

    Parameters:
        transport: where messages go.
        spawn: waits for what callbacks give.
        policy: who may log in.
        config: see `ServerAuthConfig`.
        on_success: called once with the user name and what the keys that were used permit,
            directly after SSH_MSG_USERAUTH_SUCCESS was sent.
        crashed: called with an exception of a callback.
    """

    def __init__(
        self,
        transport: AuthTransport,
        spawn: Spawn,
        policy: ServerAuthPolicy,
        config: ServerAuthConfig,
        on_success: Callable[[str, KeyGrant], None],
        crashed: Callable[[Exception], None],
    ) -> None:
        self._conversation = Conversation(transport, spawn, crashed, pause=True)
        self._transport = transport
        self._policy = policy
        self._config = config
        self._on_success = on_success
        self._failures = 0
        self._requests = 0
        self._permitted = True
        self._validators: dict[bytes, _Validator] = dict(_VALIDATORS)
        if config.gss is not None:
            for name, validate in _GSS_VALIDATORS.items():
                if name != GSSAPI_KEYEX or config.gss.kex_context is not None:
                    self._validators[name] = partial(validate, gss=config.gss)

    def handlers(self) -> Mapping[int, Handler]:
        """What to register for the messages 50 to 79."""
        deliver = self._conversation.deliver

        def handler(number: int) -> Handler:
            return lambda data, start, end: deliver(number, data, start, end)

        numbers = {SSH_MSG_USERAUTH_REQUEST, SSH_MSG_USERAUTH_INFO_RESPONSE}
        if self._config.gss is not None:
            numbers |= set(_GSS_MESSAGES)
        return {number: handler(number) for number in numbers}

    def start(self) -> None:
        """Wait for the first request."""
        self._conversation.start(self._main())

    def limit(
        self, required: Sequence[tuple[bytes, ...]], max_tries: int, *, permitted: bool
    ) -> None:
        """Change, for a user who has just been named, what has to be achieved and how often tried.

        Parameters:
            required, max_tries: as of `ServerAuthConfig`.
            permitted: whether the user can get in at all.
        """
        self._config.required, self._config.max_tries = required, max_tries
        self._permitted = permitted

    def close(self) -> None:
        """Give up: the connection is gone."""
        self._conversation.close()

    async def _main(self) -> None:
        progress: _Progress | None = None
        while True:
            packet = await self._conversation.receive()
            if packet.number != SSH_MSG_USERAUTH_REQUEST:
                raise MessageOrderError(f"message {packet.number} without a question")
            self._count()
            request = UserauthRequest.decode(packet.data, packet.start, packet.end)
            if request.service_name != SSH_CONNECTION:
                raise ServiceNotAvailable(f"no service {printable(request.service_name)}")
            if progress is None or progress.name != request.user_name:
                # RFC 4252 section 5: what was proved for another user counts for nothing.
                progress = await self._begin(request.user_name)
            if await self._attempt(progress, request):
                break
        await self._conversation.resolve(self._policy.completed(progress.user, progress.grant))
        self._transport.send(UserauthSuccess().encode())
        self._transport.authenticated()
        self._on_success(progress.user, progress.grant)

    def _count(self) -> None:
        self._requests += 1
        if self._requests > self._config.max_requests:
            raise PermissionDenied("too many authentication requests")

    async def _begin(self, name: str) -> _Progress:
        if len(name.encode()) > MAX_USER_NAME:
            raise IllegalUserName("the user name is too long")
        try:
            user = saslprep(name)
        except SASLPrepError as exc:
            raise IllegalUserName(f"user name {printable(name)}: {exc}") from None
        needed = await self._conversation.resolve(self._policy.begin(user))
        return _Progress(name, user, list(self._config.required), needed is False, set())

    async def _attempt(self, progress: _Progress, request: UserauthRequest) -> bool:
        """Answer one request; True if the user is in."""
        started = self._config.clock()
        method = request.method_name
        if method == HOST_BOUND and self._config.host_key:
            method = PUBLICKEY  # by another name
        if progress.open_house and self._permitted:
            return True
        if method == NONE:
            self._fail(progress, partial=False)
            return False
        verdict = Verdict.REFUSED
        exchange = ServerExchange(
            self._conversation,
            self._policy,
            progress.user,
            self._config.sig_algorithms,
            self._count,
            minimum_rsa_bits=self._config.minimum_rsa_bits,
            host_key=self._config.host_key,
        )
        if method in self._allowed(progress):
            verdict = await self._validators[method](exchange, request)
        taken = verdict is Verdict.ACCEPTED and self._permitted and self._take(progress, exchange)
        if verdict is Verdict.ACCEPTED and not taken:
            verdict = Verdict.REFUSED
        self._config.log(f"{printable(method)} {verdict.name.lower()}")
        if verdict is Verdict.ACCEPTED:
            progress.remaining = [left[1:] for left in progress.remaining if left[0] == method]
            if not progress.remaining or () in progress.remaining:
                return True
            self._fail(progress, partial=True)
        elif verdict is Verdict.REFUSED:
            await self._refuse(progress, started)
        return False

    def _take(self, progress: _Progress, exchange: ServerExchange) -> bool:
        """Add what a key brought along; False if it can not count beside what is there."""
        if not exchange.key_blob:
            return True
        if exchange.key_blob in progress.keys:
            # A second factor that is the first one again proves nothing.
            return False
        certificate = exchange.certificate
        grant = progress.grant.with_key(
            exchange.key_options, None if certificate is None else certificate.options
        )
        if grant is None:
            return False
        progress.grant = grant
        progress.keys.add(exchange.key_blob)
        return True

    def _allowed(self, progress: _Progress) -> list[bytes]:
        supported = [name for name in self._policy.methods() if name in self._validators]
        if not progress.remaining:
            return supported
        first = {left[0] for left in progress.remaining if left}
        return [name for name in supported if name in first]

    def _fail(self, progress: _Progress, *, partial: bool) -> None:
        methods = tuple(self._allowed(progress))
        self._transport.send(UserauthFailure(methods, partial).encode())

    async def _refuse(self, progress: _Progress, started: float) -> None:
        self._failures += 1
        await self._delay(progress.user, started)
        if self._failures >= self._config.max_tries:
            raise PermissionDenied("too many authentication failures")
        self._fail(progress, partial=False)

    async def _delay(self, user: str, started: float) -> None:
        least = self._config.min_fail_seconds
        if least <= 0:
            return
        digest = blake2b(user.encode(), digest_size=4, key=_JITTER_KEY).digest()
        least *= 1 + int.from_bytes(digest, "big") / (1 << 32)
        elapsed = self._config.clock() - started
        while least < elapsed:
            least *= 2
        pause: MaybeAwait[None] = self._config.sleep(least - elapsed)
        await self._conversation.resolve(pause)
