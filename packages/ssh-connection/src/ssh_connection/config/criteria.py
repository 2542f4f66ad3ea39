"""`Host` and `Match` of ssh_config(5): whether a block applies to a connection."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

from ssh_keys.patterns import PatternList
from ssh_keys.record import Record
from ssh_transport.errors import printable

from .client_keywords import CLIENT_KEYWORDS
from .directives import Directive
from .evaluate import Evaluation, Values, pattern_list
from .tokens import expand, expand_command
from .words import first_word

__all__ = ["ClientEvaluation", "LocalFacts", "Target", "client_tokens", "local_tokens"]

DEFAULT_PORT: Final = "22"


class LocalFacts(Record):
    """What is to be known about this machine and its user.

    Parameters:
        user: name of the user.
        uid: number of the user.
        home: home directory of the user.
        host: name of the machine, with its domain if it has one.
        environ: environment variables.
        run: runs a command for `Match exec`; whether it succeeded.
        addresses: gives the addresses of its interfaces for `Match localnetwork`; raises
            ValueError if they are not known.
    """

    user: str
    uid: str
    home: str
    host: str
    environ: Mapping[str, str]
    run: Callable[[str], bool]
    addresses: Callable[[], Sequence[IPv4Address | IPv6Address]]


class Target(Record):
    """Which connection a configuration is evaluated for.

    Parameters:
        original: the host as it was asked for.
        host: what it is called in this pass: the same, or what an earlier pass made of it.
        version: our software and its version, as the identification string has it.
        command: command or subsystem that the application asks for; empty if it does not.
        session_type: "exec" or "subsystem" if the application asks for that, otherwise empty: then
            `SessionType` says what it is.
        final: whether this is the second pass, after the host has got its name. OpenSSH makes no
            difference between `final` and `canonical` then.
    """

    original: str
    host: str
    version: str
    command: str = ""
    session_type: str = ""
    final: bool = False


class ClientEvaluation(Evaluation):
    """Evaluates ssh_config(5).

    Parameters:
        target: which connection.
        facts: this machine.
        values: what holds already.
        check_names: raises ValueError for a host or user that a command could mistake.
    """

    def __init__(
        self,
        target: Target,
        facts: LocalFacts,
        values: Values,
        check_names: Callable[[str, str], None],
    ) -> None:
        super().__init__(CLIENT_KEYWORDS, values)
        self._target = target
        self._facts = facts
        self._check_names = check_names
        self.wants_final = False

    def unknown(self, directive: Directive) -> None:
        """Pass over a keyword that `IgnoreUnknown` names."""
        ignored = self.first("ignoreunknown")
        if ignored is None or not pattern_list(ignored, ignore_case=True).matches([directive.name]):
            super().unknown(directive)

    def check(self, directive: Directive, value: tuple[str, ...], applies: bool) -> None:
        """Any value may be anywhere."""

    def block(self, directive: Directive) -> bool | None:
        """Whether the lines behind `Host` or `Match` apply."""
        if directive.name == "host":
            if not directive.words:
                raise ValueError("no pattern")
            # With the case that it was asked for in, as OpenSSH does; `Match host` ignores it.
            # Not of networks: those of systemd for local machines look like `machine/*`.
            patterns = PatternList(directive.words, ignore_case=False, networks=False)
            return patterns.matches([self._target.host])
        if directive.name == "match":
            return self._match(directive.rest)
        return None

    def host(self) -> str:
        """Return the name of the host, as `Hostname` changes it."""
        name = self.first("hostname")
        if name is None or self._target.final:
            return self._target.host
        return expand(name, {"h": self._target.host})

    def user(self) -> str:
        """Return the user to log in as."""
        return self.first("user") or self._facts.user

    def tokens(self) -> dict[str, str]:
        """Return what tokens stand for."""
        return client_tokens(
            self._facts,
            original=self._target.original,
            host=self.host(),
            port=self.first("port") or DEFAULT_PORT,
            user=self.user(),
            alias=self.first("hostkeyalias"),
        )

    def _match(self, rest: str) -> bool:
        result, number = True, 0
        if not rest:
            raise ValueError("no criterion")
        while rest and not rest.startswith("#"):
            name, rest = first_word(rest)
            name = name.lower()
            negated = name.startswith("!")
            name = name.lstrip("!") if negated else name
            number += 1
            if name == "all":
                if number > 1 or (rest and not rest.startswith("#")):
                    raise ValueError("all stands alone")
                return result and not negated
            if name in ("canonical", "final"):
                # Not before version 10.1, `!final` asks OpenSSH for no second pass either.
                self.wants_final = self.wants_final or (name == "final" and not negated)
                found = self._target.final
                number -= 1
            else:
                if not rest or rest.startswith("#"):
                    raise ValueError(f"{printable(name)} needs an argument")
                argument, rest = first_word(rest)
                found = self._criterion(name, argument, needed=result)
            result = result and found is not negated
            rest = rest.lstrip()
        return result

    def _criterion(self, name: str, argument: str, *, needed: bool) -> bool:
        if name == "exec":
            return needed and self._exec(argument)
        if name in ("host", "originalhost"):
            text = self.host() if name == "host" else self._target.original
            return pattern_list(argument, ignore_case=True).matches([text.lower()])
        if name in ("user", "localuser"):
            text = self.user() if name == "user" else self._facts.user
            return pattern_list(argument).matches([text])
        if name == "tagged":
            tag = self.first("tag")
            if not argument or tag is None:
                return not argument and tag is None
            return pattern_list(argument).matches([tag])
        if name == "command":
            command = self._target.command
            if not argument or not command:
                return not argument and not command
            return pattern_list(argument).matches([command])
        if name == "sessiontype":
            return pattern_list(argument).matches([self._session_type()])
        if name == "version":
            return pattern_list(argument).matches([self._target.version])
        if name == "localnetwork":
            networks = _networks(argument)
            return needed and any(
                address in network for address in self._facts.addresses() for network in networks
            )
        raise ValueError(f"no criterion {printable(name)}")

    def _session_type(self) -> str:
        in_file = self.first("sessiontype") or "default"
        return self._target.session_type or {"default": "shell"}.get(in_file, in_file)

    def _exec(self, command: str) -> bool:
        return self._facts.run(expand_command(command, self.tokens(), self._check_names))


def _networks(text: str) -> list[IPv4Network | IPv6Network]:
    """Return networks with commas between; as in OpenSSH no other patterns, and no negation."""
    networks: list[IPv4Network | IPv6Network] = []
    for word in text.split(","):
        _, slash, size = word.partition("/")
        try:
            if "%" in word or (slash and not size.isdigit()):
                raise ValueError  # a scope or a mask, which ip_network would take
            networks.append(ip_network(word))
        except ValueError:
            raise ValueError(f"{printable(word)} is no network") from None
    return networks


def local_tokens(facts: LocalFacts) -> dict[str, str]:
    """Return what tokens stand for that are about this machine (ssh_config(5), TOKENS)."""
    return {
        "d": facts.home,
        "i": facts.uid,
        "L": facts.host.partition(".")[0],
        "l": facts.host,
        "u": facts.user,
    }


def client_tokens(
    facts: LocalFacts, *, original: str, host: str, port: str, user: str, alias: str | None
) -> dict[str, str]:
    """Return what tokens stand for (ssh_config(5), TOKENS).

    Parameters:
        facts: this machine.
        original: the host as it was asked for.
        host: its name as it is connected to.
        port: its port.
        user: who logs in.
        alias: `HostKeyAlias`.
    """
    identity = "".join((facts.host, host, port, user)).encode()
    return {
        **local_tokens(facts),
        # Nothing secret: a short name for files, as OpenSSH makes it.
        "C": hashlib.sha1(identity, usedforsecurity=False).hexdigest(),
        "h": host,
        "k": alias or original,
        "n": original,
        "p": port,
        "r": user,
    }
