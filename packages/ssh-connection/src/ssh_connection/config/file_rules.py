"""What the configuration files of a server say about one connection, and about its user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssh_keys import SSHAuthorizedKeys
from ssh_keys.record import Record

from ..options.server import SSHServerConnectionOptions
from ..userauth.options import merge_key_options
from ..userauth.protocols import KeyOptions
from .server_options import ServerConfig, login_of
from .user_keys import read_user_keys

__all__ = ["FileRules", "UserRules"]


class UserRules(Record):
    """What the files say about one user.

    Parameters:
        options: the options that hold for this user.
        restrictions: what is added to the options of keys.
        permitted: whether the user may log in at all.
        keys: what the authorized_keys files hold; None if nothing says where they are.
        problems: what is wrong with the files, for the log.
    """

    options: SSHServerConnectionOptions
    restrictions: Mapping[str, object]
    permitted: bool
    keys: SSHAuthorizedKeys | None
    problems: Sequence[str]


class FileRules:
    """The rules of the files for one connection.

    Parameters:
        options: of the listener.
        configuration: the files.
    """

    __slots__ = ("_base", "_configuration", "_restrictions")

    def __init__(self, options: SSHServerConnectionOptions, configuration: ServerConfig) -> None:
        self._base = options
        self._configuration = configuration
        self._restrictions: Mapping[str, object] = {}

    def for_user(self, user: str, peername: object, sockname: object) -> UserRules:
        """Return what the files say about a user; it changes nothing, and may run in a thread.

        A user for whom they make no sense may not log in: that can come out only now, since each
        has another set of `Match` blocks.

        Parameters:
            user: who wants to log in.
            peername, sockname: socket addresses of the client and of this end.
        """
        login = login_of(user, _address(peername)[0], _address(sockname))
        try:
            rules = self._configuration.rules(login)
            options = self._base.with_rules(rules)
        except ValueError as exc:
            return UserRules(self._base, {}, False, SSHAuthorizedKeys(), [str(exc)])
        if not rules.permitted:
            return UserRules(options, rules.restrictions, False, SSHAuthorizedKeys(), ())
        if rules.key_files is None:
            return UserRules(options, rules.restrictions, True, None, ())
        keys, problems = read_user_keys(rules.key_files, user, strict=rules.strict)
        return UserRules(options, rules.restrictions, True, keys, problems)

    def use(self, rules: UserRules) -> None:
        """Have the restrictions of a user hold."""
        self._restrictions = rules.restrictions

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
