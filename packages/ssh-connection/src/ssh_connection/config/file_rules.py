"""What the configuration files of a server say about one connection, and about its user."""

from __future__ import annotations

from collections.abc import Mapping

from ..options.server import SSHServerConnectionOptions
from ..userauth.options import merge_key_options
from ..userauth.protocols import KeyOptions
from .server_options import ServerConfig, ServerRules, login_of

__all__ = ["FileRules"]


class FileRules:
    """The rules of the files for one connection.

    Parameters:
        options: of the listener.
        configuration: the files.
    """

    __slots__ = ("_base", "_configuration", "_restrictions", "options")

    def __init__(self, options: SSHServerConnectionOptions, configuration: ServerConfig) -> None:
        self._base = self.options = options
        self._configuration = configuration
        self._restrictions: Mapping[str, object] | None = None

    def for_user(self, user: str, peername: object, sockname: object) -> ServerRules:
        """Evaluate the files for a user.

        Parameters:
            user: who wants to log in.
            peername, sockname: socket addresses of the client and of this end.

        Raises ConfigParseError, and ValueError for options that contradict each other.
        """
        login = login_of(user, _address(peername)[0], _address(sockname))
        rules = self._configuration.rules(login)
        self.options = self._base.with_rules(rules)
        self._restrictions = rules.restrictions
        return rules

    def add_to(self, restrictions: KeyOptions) -> KeyOptions:
        """Return the restrictions of keys with those of the files."""
        if not self._restrictions:
            return restrictions
        forced = self._restrictions.get("command")
        merged = merge_key_options(
            self._restrictions,
            # The command of the files is the one that is run, whatever a key says (sshd_config(5)).
            {n: v for n, v in restrictions.items() if n != "command" or forced is None},
        )
        assert merged is not None
        return merged


def _address(name: object) -> tuple[str, int]:
    if isinstance(name, tuple) and len(name) > 1:
        return str(name[0]), int(name[1])
    return "", 0
