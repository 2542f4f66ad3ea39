"""`Match` of sshd_config(5), and the lists of users who may log in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ssh_keys.patterns import match_wildcard, parse_address
from ssh_keys.record import Record
from ssh_transport.errors import printable

from .directives import Directive, File
from .evaluate import Count, Evaluation, Keyword, Values, pattern_list
from .server_keywords import RESTRICTIONS, SERVER_KEYWORDS
from .words import first_word

__all__ = ["Login", "ServerEvaluation", "may_log_in"]


class Login(Record):
    """Who wants to log in, from where; what is empty is not known yet.

    Parameters:
        user: name of the user.
        groups: gives the names of the groups of a user; none for one that does not exist.
        addr: address that the client comes from.
        local_addr, local_port: where it came to.
        host: name of the client's host; by default its address stands for it.
    """

    user: str
    groups: Callable[[str], Sequence[str]]
    addr: str
    local_addr: str = ""
    local_port: int = 0
    host: str = ""


class ServerEvaluation(Evaluation):
    """Evaluates sshd_config(5).

    Parameters:
        login: for whom; None to look at nothing but what holds for everybody.
    """

    def __init__(self, login: Login | None) -> None:
        super().__init__(SERVER_KEYWORDS)
        self._login = login
        self._in_match = False
        self._everybody: Values = self.values
        self._matched: Values = {}
        self._matched_places: dict[str, Directive] = {}

    def run(self, file: File, active: bool = True) -> None:
        """Go through a file; a block ends with it."""
        before = self._in_match
        super().run(file, active)
        self._in_match = before

    def result(self) -> Values:
        """Return the values: those of blocks instead of the general ones."""
        return {**self._everybody, **self._matched}

    def block(self, directive: Directive) -> bool | None:
        """Whether the lines behind `Match` apply."""
        if directive.name != "match":
            return None
        self._in_match = True
        return self._match(directive.rest)

    def inactive_block(self, directive: Directive) -> bool | None:
        """Look at a block in a file that does not apply."""
        return None if self.block(directive) is None else False

    def allowed(self, directive: Directive, keyword: Keyword) -> bool:
        """Whether a keyword may be in the block that it is in."""
        return keyword.in_match or not self._in_match

    def check(self, directive: Directive, value: tuple[str, ...], applies: bool) -> None:
        """Refuse restrictions that we do not know how to keep, or that contradict each other."""
        name = directive.name
        harmless = RESTRICTIONS.get(name)
        if harmless is not None and (len(value) != 1 or value[0].lower() not in harmless):
            raise ValueError("this restriction is not supported")
        if name == "forcecommand" and any("\ud800" <= char <= "\udfff" for char in value[0]):
            raise ValueError("a command that is not UTF-8 can not be started")

    def place(self, name: str, value: tuple[str, ...] = ()) -> Directive | None:
        """Return where the value comes from that holds."""
        return self._matched_places.get(name) or super().place(name, value)

    def _remember(self, directive: Directive, value: tuple[str, ...]) -> None:
        if self._in_match:
            self._matched_places.setdefault(directive.name, directive)
        else:
            super()._remember(directive, value)

    def _add(self, name: str, count: Count, value: tuple[str, ...]) -> None:
        # Lines of blocks override the others, whatever the order.
        self.values = self._matched if self._in_match else self._everybody
        super()._add(name, count, value)

    def _match(self, rest: str) -> bool:
        result, number = True, 0
        if not rest:
            raise ValueError("no criterion")
        while rest and not rest.startswith("#"):
            name, rest = first_word(rest)
            number += 1
            if name.lower() == "all":
                if number > 1 or rest:
                    raise ValueError("all stands alone")
                return self._login is not None
            if not rest:
                raise ValueError(f"{printable(name)} needs an argument")
            argument, rest = first_word(rest)
            result = self._criterion(name.lower(), argument) and result
        return result and self._login is not None

    def _criterion(self, name: str, argument: str) -> bool:
        login = self._login or Login("", lambda user: (), "")
        if name == "user":
            return pattern_list(argument).matches([login.user]) and bool(login.user)
        if name == "group":
            patterns = pattern_list(argument)
            return bool(login.user) and patterns.matches(login.groups(login.user))
        if name in ("address", "host"):
            # Names of hosts are not looked up, so `Host` is about addresses, too.
            text = (login.host if name == "host" else "") or login.addr
            return bool(text) and _address_list(argument, text)
        if name == "localaddress":
            return bool(login.local_addr) and _address_list(argument, login.local_addr)
        if name == "localport":
            if not argument.isascii() or not argument.isdigit():
                raise ValueError("LocalPort needs a number")
            return login.local_port == int(argument)
        raise ValueError(f"no criterion {printable(name)}")


def _address_list(text: str, addr: str) -> bool:
    address = parse_address(addr)
    addresses = [] if address is None else [address]
    return pattern_list(text, networks=True).matches([addr.lower()], addresses)


def may_log_in(values: Values, login: Login) -> bool:
    """Whether the lists of users and groups let a user in (sshd_config(5), AllowUsers).

    Parameters:
        values: that hold for the user.
        login: who it is.

    Raises ValueError for patterns that are none.
    """
    lists = {name: values.get(name, [()])[0] for name in ("denyusers", "allowusers")}
    if any(_is_user(word, login) for word in lists["denyusers"]):
        return False
    if lists["allowusers"] and not any(_is_user(word, login) for word in lists["allowusers"]):
        return False
    groups = {name: values.get(name, [()])[0] for name in ("denygroups", "allowgroups")}
    if not any(groups.values()):
        return True
    names = login.groups(login.user)
    if _is_group(groups["denygroups"], names):
        return False
    return not groups["allowgroups"] or _is_group(groups["allowgroups"], names)


def _is_group(patterns: Sequence[str], names: Sequence[str]) -> bool:
    return any(match_wildcard(name, pattern) for pattern in patterns for name in names)


def _is_user(word: str, login: Login) -> bool:
    name, at, host = word.rpartition("@") if "@" in word else (word, "", "")
    # One pattern: commas, and signs of exclamation, are part of names.
    if not match_wildcard(login.user, name):
        return False
    return not at or _address_list(host, login.addr)
