"""The two drivers of user authentication, without a transport, an event loop or a clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TypeVar, cast

from ssh_connection.messages.userauth import UserauthRequest
from ssh_connection.userauth.client import ClientAuthConfig, ClientAuthenticator
from ssh_connection.userauth.options import KeyGrant
from ssh_connection.userauth.protocols import KbdIntChallenge, KeyOptions, MaybeAwait, Prompts
from ssh_connection.userauth.server import ServerAuthConfig, ServerAuthenticator
from ssh_keys import SSHCertificate, SSHKey, SSHKeyPair, SSHOpenSSHCertificate
from ssh_transport.errors import DisconnectError
from ssh_transport.protocols import Handler

T = TypeVar("T")

SESSION_ID = b"session identifier"
ALL_ALGORITHMS = (
    b"ssh-ed25519",
    b"ecdsa-sha2-nistp256",
    b"rsa-sha2-512",
    b"rsa-sha2-256",
)


class Transport:
    """Records what is sent, and calls handlers the way the core does."""

    def __init__(self, server_sig_algs: tuple[bytes, ...] | None = ALL_ALGORITHMS) -> None:
        self.session_id = SESSION_ID
        self.server_sig_algs = server_sig_algs
        self.sent: list[bytes] = []
        self.error: DisconnectError | None = None
        self.is_authenticated = False
        self.handlers: Mapping[int, Handler] = {}
        self.waiting: deque[bytes] = deque()
        self.paused = False

    @property
    def closed(self) -> bool:
        return self.error is not None

    def send(self, payload: bytes) -> None:
        assert self.error is None
        self.sent.append(payload)

    def pause(self) -> None:
        assert not self.paused
        self.paused = True

    def resume(self) -> None:
        assert self.paused
        self.paused = False
        self._pump()

    def authenticated(self) -> None:
        assert not self.is_authenticated
        self.is_authenticated = True

    def fail(self, error: DisconnectError) -> None:
        self.error = self.error or error

    def receive(self, payload: bytes) -> None:
        """Hand over a message, or keep it while reading is paused."""
        self.waiting.append(payload)
        self._pump()

    def _pump(self) -> None:
        while self.waiting and not self.paused and self.error is None:
            payload = self.waiting.popleft()
            if self.is_authenticated and payload[0] == 50:
                continue  # RFC 4252 section 5.1, which is the core's part
            handler = self.handlers.get(payload[0])
            if handler is None:
                raise AssertionError(f"no handler for message {payload[0]}")
            try:
                handler(payload, 1, len(payload))
            except DisconnectError as exc:
                self.fail(exc)

    def take(self) -> list[bytes]:
        """Return what was sent since the last call."""
        sent, self.sent = self.sent, []
        return sent


class Background:
    """A `Spawn` whose awaitables go on only when the test says so."""

    def __init__(self) -> None:
        self.pending: list[tuple[Awaitable[object], Callable[..., None]]] = []
        self.cancelled = 0

    def __call__(
        self,
        awaitable: Awaitable[object],
        done: Callable[[object, BaseException | None], None],
    ) -> Callable[[], None]:
        entry = (awaitable, done)
        self.pending.append(entry)

        def cancel() -> None:
            self.cancelled += 1
            self.pending.remove(entry)
            cast("Coroutine[object, object, object]", awaitable).close()

        return cancel

    def run(self) -> None:
        """Finish everything that is pending; none of it really waits."""
        while self.pending:
            awaitable, done = self.pending.pop(0)
            try:
                cast("Coroutine[object, object, object]", awaitable).send(None)
            except StopIteration as stop:
                done(stop.value, None)
            except Exception as exc:
                done(None, exc)
            else:
                raise AssertionError("a test awaitable really waited")


class Credentials:
    """Credentials from lists, and a record of what was asked."""

    def __init__(
        self,
        passwords: Sequence[str] = (),
        keypairs: Sequence[Sequence[SSHKeyPair]] = (),
        changes: Sequence[tuple[str, str]] = (),
        answers: Sequence[Sequence[str]] | None = None,
        *,
        asynchronous: bool = False,
    ) -> None:
        self._passwords = list(passwords)
        self._keypairs = list(keypairs)
        self._changes = list(changes)
        self._answers = None if answers is None else list(answers)
        self._asynchronous = asynchronous
        self.banners: list[tuple[str, str]] = []
        self.prompts: list[tuple[str, str, str, list[tuple[str, bool]]]] = []
        self.change_prompts: list[tuple[str, str]] = []
        self.events: list[str] = []

    def _give(self, value: T) -> MaybeAwait[T]:
        if not self._asynchronous:
            return value

        async def later() -> T:
            return value

        return later()

    def keypairs(self) -> MaybeAwait[Sequence[SSHKeyPair]]:
        return self._give(self._keypairs.pop(0) if self._keypairs else ())

    def password(self) -> MaybeAwait[str | None]:
        return self._give(self._passwords.pop(0) if self._passwords else None)

    def password_change(self, prompt: str, lang: str) -> MaybeAwait[tuple[str, str] | None]:
        self.change_prompts.append((prompt, lang))
        return self._give(self._changes.pop(0) if self._changes else None)

    def password_changed(self) -> None:
        self.events.append("changed")

    def password_change_failed(self) -> None:
        self.events.append("change failed")

    def kbdint_submethods(self, offered: Sequence[bytes]) -> MaybeAwait[str | None]:
        return self._give(None if not self._answers else "")

    def kbdint_responses(
        self, name: str, instructions: str, lang: str, prompts: Prompts
    ) -> MaybeAwait[Sequence[str] | None]:
        self.prompts.append((name, instructions, lang, list(prompts)))
        return self._give(self._answers.pop(0) if self._answers else None)

    def banner(self, message: str, lang: str) -> None:
        self.banners.append((message, lang))


class Policy:
    """A policy from tables, and a record of what was asked."""

    def __init__(
        self,
        methods: Sequence[bytes] = (b"publickey", b"keyboard-interactive", b"password"),
        keys: Mapping[SSHKey, KeyOptions] | None = None,
        password: str = "secret",
        *,
        needed: bool = True,
        asynchronous: bool = False,
    ) -> None:
        self._methods = methods
        self._keys = {key.public_data: options for key, options in (keys or {}).items()}
        self._password = password
        self._needed = needed
        self._asynchronous = asynchronous
        self.calls: list[tuple[object, ...]] = []
        self.challenges: list[KbdIntChallenge] = []
        self.required_change: list[Exception] = []

    def _give(self, value: T) -> MaybeAwait[T]:
        if not self._asynchronous:
            return value

        async def later() -> T:
            return value

        return later()

    def begin(self, user: str) -> MaybeAwait[bool]:
        self.calls.append(("begin", user))
        return self._give(self._needed)

    def methods(self) -> Sequence[bytes]:
        return self._methods

    def validate_key(self, user: str, key: SSHKey) -> MaybeAwait[KeyOptions | None]:
        self.calls.append(("key", user, key.public_data))
        return self._give(self._keys.get(key.public_data))

    def validate_certificate(
        self, user: str, certificate: SSHCertificate
    ) -> MaybeAwait[KeyOptions | None]:
        assert isinstance(certificate, SSHOpenSSHCertificate)
        self.calls.append(("certificate", user, certificate.public_data))
        return self._give(self._keys.get(certificate.signing_key.public_data))

    def validate_client_host(
        self, host: str, key: SSHKey, certificate: SSHCertificate | None
    ) -> MaybeAwait[str | None]:
        self.calls.append(("host", host, key.public_data))
        return self._give(host if key.public_data in self._keys else None)

    def validate_host_based_user(
        self, user: str, client_host: str, client_user: str
    ) -> MaybeAwait[bool]:
        self.calls.append(("host user", user, client_host, client_user))
        return self._give(user == client_user)

    def validate_password(self, user: str, password: str) -> MaybeAwait[bool]:
        self.calls.append(("password", user, password))
        if self.required_change:
            raise self.required_change.pop(0)
        return self._give(password == self._password)

    def change_password(self, user: str, old: str, new: str) -> MaybeAwait[bool]:
        self.calls.append(("change", user, old, new))
        if self.required_change:
            raise self.required_change.pop(0)
        return self._give(old == self._password)

    def kbdint_challenge(
        self, user: str, lang: str, submethods: str
    ) -> MaybeAwait[KbdIntChallenge]:
        self.calls.append(("challenge", user, lang, submethods))
        return self._give(self.challenges.pop(0))

    def kbdint_validate(self, user: str, responses: Sequence[str]) -> MaybeAwait[KbdIntChallenge]:
        self.calls.append(("responses", user, list(responses)))
        return self._give(self.challenges.pop(0))

    def completed(self, user: str, grant: KeyGrant) -> MaybeAwait[None]:
        self.calls.append(("completed", user, dict(grant.restrictions)))
        return self._give(None)


async def no_wait(seconds: float) -> None:
    """A sleep that takes no time."""


class Server:
    """A server's driver on a recording transport."""

    def __init__(self, policy: Policy, **config: object) -> None:
        self.transport = Transport()
        self.background = Background()
        self.success: tuple[str, KeyOptions] | None = None
        self.grant = KeyGrant()
        self.crash: Exception | None = None
        values: dict[str, object] = {
            "sig_algorithms": ALL_ALGORITHMS,
            "clock": lambda: 0.0,
            "sleep": no_wait,
            "min_fail_seconds": 0.0,
            **config,
        }
        self.auth = ServerAuthenticator(
            self.transport,
            self.background,
            policy,
            ServerAuthConfig(**values),  # type: ignore[arg-type]
            self._succeeded,
            self._crashed,
        )
        self.transport.handlers = self.auth.handlers()
        self.auth.start()

    def _succeeded(self, user: str, grant: KeyGrant) -> None:
        self.success = user, grant.restrictions
        self.grant = grant

    def _crashed(self, exc: Exception) -> None:
        self.crash = exc

    def request(
        self,
        method: bytes,
        data: bytes = b"",
        user: str = "user",
        service: bytes = b"ssh-connection",
    ) -> list[bytes]:
        """Send a request, and return the answers."""
        return self.message(UserauthRequest(user, service, method, data).encode())

    def message(self, payload: bytes) -> list[bytes]:
        """Send a message, and return the answers."""
        self.transport.receive(payload)
        self.background.run()
        return self.transport.take()


class Client:
    """A client's driver on a recording transport."""

    def __init__(
        self,
        credentials: Credentials,
        server_sig_algs: tuple[bytes, ...] | None = ALL_ALGORITHMS,
        **config: object,
    ) -> None:
        self.transport = Transport(server_sig_algs)
        self.background = Background()
        self.succeeded = 0
        self.crash: Exception | None = None
        self.log: list[str] = []
        values: dict[str, object] = {
            "user": "user",
            "sig_algorithms": ALL_ALGORITHMS,
            "log": self.log.append,
            **config,
        }
        self.auth = ClientAuthenticator(
            self.transport,
            self.background,
            credentials,
            ClientAuthConfig(**values),  # type: ignore[arg-type]
            self._succeeded,
            self._crashed,
        )
        self.transport.handlers = self.auth.handlers()

    def _succeeded(self) -> None:
        self.succeeded += 1

    def _crashed(self, exc: Exception) -> None:
        self.crash = exc

    def start(self) -> list[bytes]:
        """Start, and return the first messages."""
        self.auth.start()
        self.background.run()
        return self.transport.take()

    def message(self, payload: bytes) -> list[bytes]:
        """Send a message of the server, and return what the client does."""
        self.transport.receive(payload)
        self.background.run()
        return self.transport.take()


def run(client: Client, server: Server) -> int:
    """Let the two talk until both are silent; return the number of messages of the client."""
    count = 0
    messages = client.start()
    while messages:
        count += len(messages)
        answers: list[bytes] = []
        for message in messages:
            answers += server.message(message)
        messages = []
        for answer in answers:
            messages += client.message(answer)
        if server.transport.error or client.transport.error:
            break
    return count
