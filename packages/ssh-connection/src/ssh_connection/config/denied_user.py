"""A user who may not log in, whatever is proved, and who cannot tell why."""

from __future__ import annotations

from collections.abc import Sequence

from ssh_keys import SSHKey

from ..server import SSHServer
from ..userauth.protocols import KbdIntChallenge, MaybeAwait

__all__ = ["DeniedUser"]


class DeniedUser(SSHServer):
    """Asks for the same things as the server of the application, and accepts nothing.

    Parameters:
        server: the callbacks of the application.
    """

    def __init__(self, server: SSHServer) -> None:
        self._server = server

    def begin_auth(self, username: str) -> MaybeAwait[bool]:
        """Let nobody in without authentication."""
        return True

    def password_auth_supported(self) -> bool:
        """Offer what others are offered."""
        return self._server.password_auth_supported()

    def public_key_auth_supported(self) -> bool:
        """Offer what others are offered."""
        return self._server.public_key_auth_supported()

    def host_based_auth_supported(self) -> bool:
        """Offer what others are offered."""
        return self._server.host_based_auth_supported()

    def kbdint_auth_supported(self) -> bool:
        """Offer what others are offered."""
        return self._server.kbdint_auth_supported()

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> MaybeAwait[KbdIntChallenge]:
        """Ask what others are asked."""
        return self._server.get_kbdint_challenge(username, lang, submethods)

    def validate_kbdint_response(
        self, username: str, responses: Sequence[str]
    ) -> MaybeAwait[KbdIntChallenge]:
        """Accept no answer."""
        return False

    def validate_password(self, username: str, password: str) -> MaybeAwait[bool]:
        """Accept no password."""
        return False

    def change_password(
        self, username: str, old_password: str, new_password: str
    ) -> MaybeAwait[bool]:
        """Accept no password."""
        return False

    def validate_public_key(self, username: str, key: SSHKey) -> MaybeAwait[bool]:
        """Accept no key."""
        return False

    def validate_ca_key(self, username: str, key: SSHKey) -> MaybeAwait[bool]:
        """Accept no authority."""
        return False

    def validate_host_based_user(
        self, username: str, client_host: str, client_username: str
    ) -> MaybeAwait[bool]:
        """Accept no host."""
        return False

    async def validate_gss_principal(
        self, username: str, user_principal: str, host_principal: str
    ) -> bool:
        """Accept no principal."""
        return False
