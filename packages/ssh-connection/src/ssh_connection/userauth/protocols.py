"""What user authentication needs from the transport, and from whoever knows the credentials."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from ssh_keys import SSHCertificate, SSHKey, SSHKeyPair
from ssh_transport.errors import DisconnectError

if TYPE_CHECKING:
    from .options import KeyGrant

__all__ = [
    "NO_KEY_OPTIONS",
    "AuthTransport",
    "ClientCredentials",
    "KbdIntChallenge",
    "KeyOptions",
    "MaybeAwait",
    "Prompts",
    "ServerAuthPolicy",
    "Spawn",
]

T = TypeVar("T")

MaybeAwait: TypeAlias = T | Awaitable[T]
"""What a callback may give: the value itself, or something that can be awaited for it."""

Prompts = Sequence[tuple[str, bool]]
"""Texts to ask for, each with True if the answer may be shown while it is typed."""

KbdIntChallenge: TypeAlias = bool | tuple[str, str, str, Prompts]
"""True or False for accepted or refused, or one more (name, instructions, language, prompts)."""

KeyOptions = Mapping[str, object]
"""Options of an authorized key (sshd(8), AUTHORIZED_KEYS FILE FORMAT)."""

NO_KEY_OPTIONS: KeyOptions = MappingProxyType({})
"""None of them."""


class AuthTransport(Protocol):
    """The part of `ssh_transport.TransportCore` that user authentication uses."""

    @property
    def session_id(self) -> bytes:
        """The session identifier (RFC 4253 section 7.2)."""
        ...

    @property
    def server_sig_algs(self) -> tuple[bytes, ...] | None:
        """What the server said it accepts (RFC 8308 section 3.1), None if it did not say."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the connection is over; its socket may not know that yet."""
        ...

    def send(self, payload: bytes) -> None:
        """Send a whole message."""
        ...

    def pause(self) -> None:
        """Hand over no more messages until `resume`."""
        ...

    def resume(self) -> None:
        """Go on handing over messages."""
        ...

    def authenticated(self) -> None:
        """Go on to the connection protocol."""
        ...

    def fail(self, error: DisconnectError) -> None:
        """Tell the peer why, and end the connection."""
        ...


class Spawn(Protocol):
    """Waits for something in the background; the only place where a task is made."""

    def __call__(
        self,
        awaitable: Awaitable[object],
        done: Callable[[object, BaseException | None], None],
    ) -> Callable[[], None]:
        """Call `done(result, error)` later, once; return what cancels it."""
        ...


class ClientCredentials(Protocol):
    """What a client can prove who it is with."""

    def keypairs(self) -> MaybeAwait[Sequence[SSHKeyPair]]:
        """Key pairs to try next; an empty sequence if there are no more."""
        ...

    def password(self) -> MaybeAwait[str | None]:
        """The password to try next, None if there is none."""
        ...

    def password_change(self, prompt: str, lang: str) -> MaybeAwait[tuple[str, str] | None]:
        """Old and new password, None to give up."""
        ...

    def password_changed(self) -> None:
        """The server took the new password."""
        ...

    def password_change_failed(self) -> None:
        """The server did not take the new password."""
        ...

    def kbdint_submethods(self, offered: Sequence[bytes]) -> MaybeAwait[str | None]:
        """Submethods to ask for, possibly empty; None to do without keyboard-interactive.

        Parameters:
            offered: the methods that the server would accept now.
        """
        ...

    def kbdint_responses(
        self, name: str, instructions: str, lang: str, prompts: Prompts
    ) -> MaybeAwait[Sequence[str] | None]:
        """One answer to each prompt, None to give up."""
        ...

    def banner(self, message: str, lang: str) -> None:
        """The server wants this text to be shown before authentication."""
        ...


class ServerAuthPolicy(Protocol):
    """Who may log in to a server, and how."""

    def begin(self, user: str) -> MaybeAwait[bool]:
        """Start anew for this user; False if no authentication is needed."""
        ...

    def methods(self) -> Sequence[bytes]:
        """Names of the methods that this user may try."""
        ...

    def validate_key(self, user: str, key: SSHKey) -> MaybeAwait[KeyOptions | None]:
        """The options that come with the key, None if it does not let the user in."""
        ...

    def validate_certificate(
        self, user: str, certificate: SSHCertificate
    ) -> MaybeAwait[KeyOptions | None]:
        """The options of the authority, None if the certificate does not let the user in.

        Only the authority's signature has been checked.
        """
        ...

    def validate_client_host(
        self, host: str, key: SSHKey, certificate: SSHCertificate | None
    ) -> MaybeAwait[str | None]:
        """The name of the host that a key belongs to, None if we do not know it.

        Parameters:
            host: the name that the client sent, in small letters.
            key: what has to sign.
            certificate: that the key is in, if there is one.
        """
        ...

    def validate_host_based_user(
        self, user: str, client_host: str, client_user: str
    ) -> MaybeAwait[bool]:
        """Whether a user of another host may log in; the host has proved that it says so."""
        ...

    def validate_password(self, user: str, password: str) -> MaybeAwait[bool]:
        """Whether the password is right; raises PasswordChangeRequired."""
        ...

    def change_password(self, user: str, old: str, new: str) -> MaybeAwait[bool]:
        """Whether the password was changed; raises PasswordChangeRequired."""
        ...

    def kbdint_challenge(
        self, user: str, lang: str, submethods: str
    ) -> MaybeAwait[KbdIntChallenge]:
        """The first challenge, or a decision."""
        ...

    def kbdint_validate(self, user: str, responses: Sequence[str]) -> MaybeAwait[KbdIntChallenge]:
        """The next challenge, or a decision."""
        ...

    def completed(self, user: str, grant: KeyGrant) -> MaybeAwait[None]:
        """The user is in, with what the keys that were used permit."""
        ...
