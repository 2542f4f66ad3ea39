"""`SSHClient`: the callbacks of a client connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ssh_keys import KeyPairListArg, SSHKey

from .userauth.protocols import MaybeAwait, Prompts

if TYPE_CHECKING:
    from .connection.client import SSHClientConnection

__all__ = ["SSHClient"]


class SSHClient:
    """Base of the objects that `create_connection` makes with its `client_factory`.

    Applications override what they need. Methods whose result is marked as awaitable may also be
    coroutine functions. Text that comes from the server is passed on as it was sent: escape it
    before it is shown on a terminal.
    """

    def connection_made(self, conn: SSHClientConnection) -> None:
        """The TCP connection is there; nothing was exchanged yet.

        Parameters:
            conn: the connection, to be kept for later use.
        """

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; always the last call.

        Parameters:
            exc: why, None if it was closed in order by one of the sides.
        """

    def debug_msg_received(self, msg: str, lang: str, always_display: bool) -> None:
        """The server sent SSH_MSG_DEBUG (RFC 4253 section 11.3).

        Parameters:
            msg: the text.
            lang: its language tag.
            always_display: whether the server wants it to be shown in any case.
        """

    def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
        """Whether to trust a host key that nothing is known about.

        It is called if no key at all is listed in known_hosts for the host. A host that shows
        another key than the listed ones, or a revoked one, is refused without this question.

        Parameters:
            host: name or address that the connection was asked for.
            addr: numeric address of the server.
            port: its port.
            key: the key; the server has proved that it owns it.

        Return True to trust it for this connection; only True itself counts as such.
        """
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
        """Whether the owner of a key may sign certificates of a host.

        It is called if the host presents a certificate of an authority that known_hosts does not
        list for it. With this method, hosts are asked for certificates even if known_hosts has no
        `@cert-authority` at all.

        Parameters:
            host, addr, port: as of `validate_host_public_key`.
            key: the key that signed the certificate.

        Return True to trust it for this connection. That the certificate is a host's, names this
        one, and is valid now, is checked then. Where the answer is another one, the host's key
        counts as if it had been presented without a certificate.
        """
        return False

    def auth_banner_received(self, msg: str, lang: str) -> None:
        """The server wants a text to be shown before authentication (RFC 4252 section 5.4).

        Parameters:
            msg: the text, possibly several lines.
            lang: its language tag.
        """

    def auth_completed(self) -> None:
        """Authentication has succeeded; channels can be opened now."""

    def public_key_auth_requested(self) -> MaybeAwait[KeyPairListArg | None]:
        """Return a private key, or a list of them, to try next; None if there is none.

        It is called when the keys of the option `client_keys` were refused, and again until it
        returns None.
        """
        return None

    def password_auth_requested(self) -> MaybeAwait[str | None]:
        """Return the password to try next, None if there is none.

        It is called when the option `password` was refused or not given, and again until it
        returns None.
        """
        return None

    def password_change_requested(
        self, prompt: str, lang: str
    ) -> MaybeAwait[tuple[str, str] | None]:
        """The password has expired: return the old and a new one, None to give up.

        Parameters:
            prompt: what the server says.
            lang: its language tag.
        """
        return None

    def password_changed(self) -> None:
        """The server took the new password."""

    def password_change_failed(self) -> None:
        """The server did not take the new password."""

    def kbdint_auth_requested(self) -> MaybeAwait[str | None]:
        """Return the submethods to ask for, mostly an empty text; None to do without.

        By default, keyboard-interactive is only used where the option `password` is given and the
        server does not offer the method "password": one hidden question is answered with it.
        """
        return None

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Prompts
    ) -> MaybeAwait[Sequence[str] | None]:
        """Answer the server's questions (RFC 4256 section 3.3); None to give up.

        Parameters:
            name: a title, possibly empty.
            instructions: text for all questions, possibly empty or several lines.
            lang: language tag of the texts.
            prompts: the questions, each with True if its answer may be shown while it is typed.

        Return one answer per question; there may be none.
        """
        return None
