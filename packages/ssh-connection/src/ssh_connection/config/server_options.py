"""sshd_config(5) as our options: which keyword becomes which, and for whom."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final

from ssh_keys.record import Record

from .accounts import is_root, user_files, user_groups
from .conversion import Conversion, is_yes, number
from .directives import Directive, File, Included
from .evaluate import Values
from .files import ConfigReader, config_paths
from .server_criteria import Login, ServerEvaluation, may_log_in
from .server_keywords import SERVER_ALIASES, permitted_address, split_address

__all__ = ["ServerConfig", "ServerRules", "login_of", "server_config"]

FOLDER: Final = "/etc/ssh"

_FLAGS = {
    "allowagentforwarding": "agent_forwarding",
    "gssapikeyexchange": "gss_kex",
    "hostbasedusesnamefrompacketonly": "trust_client_host",
    "permittty": "allow_pty",
    "pubkeyauthentication": "public_key_auth",
    "usedns": "rdns_lookup",
    "x11forwarding": "x11_forwarding",
}
_NUMBERS = {
    "clientaliveinterval": "keepalive_interval",
    "logingracetime": "login_timeout",
    "maxauthtries": "max_auth_tries",
    "maxsessions": "max_sessions",
}
_METHODS = {
    "host_based_auth": "hostbased",
    "kbdint_auth": "keyboard-interactive",
    "password_auth": "password",
    "public_key_auth": "publickey",
}
_ONE_ADDRESS = "a listener has one address and one port"
_LISTS = {"hostkey": "server_host_keys", "hostcertificate": "server_host_certs"}


class ServerRules(Record):
    """What holds for one connection, or for one user of it.

    Parameters:
        options: the options.
        restrictions: what is added to the options of keys, in the words of authorized_keys.
        permitted: whether the user may log in at all.
        key_files: authorized_keys files of the user; None if nothing says where they are.
        strict: whether others may not be able to write to these.
        places: where an option comes from.
    """

    options: dict[str, object]
    restrictions: Mapping[str, object]
    permitted: bool
    key_files: Sequence[str] | None
    strict: bool
    places: Mapping[str, Directive]


class ServerConfig:
    """The configuration of a server: read once, evaluated for each connection.

    Parameters:
        files: what was read.
    """

    def __init__(self, files: Sequence[File]) -> None:
        self.files = files

    def rules(self, login: Login | None) -> ServerRules:
        """Return what holds for a login, None for what holds for everybody.

        Raises ConfigParseError.
        """
        evaluation = ServerEvaluation(login)
        for file in self.files:
            evaluation.run(file)
        values = evaluation.result()
        user = "" if login is None else login.user
        conversion = _Conversion(evaluation, values, {}, {})
        conversion.run()
        options = conversion.made
        permitted = True
        if login is not None and user:
            permitted = may_log_in(values, login)
            if _first(values, "refuseconnection") == "yes":
                permitted = False
            root = _first(values, "permitrootlogin")
            if root == "no" and is_root(user):
                permitted = False
            if root == "prohibit-password" and is_root(user):
                options["password_auth"] = options["kbdint_auth"] = False
        if not _keep_possible_methods(options) and login is not None:
            permitted = False
            del options["auth_methods"]
        names = values.get("authorizedkeysfile")
        with conversion.at("authorizedkeysfile"):
            files = None if names is None or not user else user_files(names[0], user)
        strict = _first(values, "strictmodes") != "no"
        limits = _restrictions(values)
        return ServerRules(options, limits, permitted, files, strict, conversion.places)


class _Conversion(Conversion[ServerEvaluation]):
    """Makes options of values."""

    def run(self) -> None:
        """Make the options; raises ConfigParseError."""
        self.convert(_FLAGS, is_yes)
        self.convert(_NUMBERS, number)
        self.convert_common()
        for keyword, option in _LISTS.items():
            if keyword in self.values:
                with self.at(keyword):
                    names = [line[0] for line in self.values[keyword]]
                    self.made[option] = [name for name in names if name.lower() != "none"]
        self.apply(_OTHERS)
        self._address()

    def _alive_count(self, value: tuple[str, ...]) -> None:
        # With 0 it asks, and never gives up.
        self.made["keepalive_count_max"] = int(value[0]) or 2**31 - 1

    def _methods(self, value: tuple[str, ...]) -> None:
        self.made["auth_methods"] = [word for word in value if word != "any"]

    def _startups(self, value: tuple[str, ...]) -> None:
        self.made["max_startups"] = tuple(map(int, value))

    def _revoked(self, value: tuple[str, ...]) -> None:
        if value[0].lower() != "none":
            self.made["revoked_keys"] = value[0]

    def _moduli(self, value: tuple[str, ...]) -> None:
        self.made["moduli"] = value[0]

    def _compression(self, value: tuple[str, ...]) -> None:
        zlib = [] if value[0] == "no" else ["zlib@openssh.com"]
        self.made["compression_algs"] = ["none", *zlib]

    def _gss(self, value: tuple[str, ...]) -> None:
        if value[0] == "no":
            self.made["gss_auth"] = False

    def _address(self) -> None:
        ports, addresses = self.values.get("port", []), self.values.get("listenaddress", [])
        if ports:
            with self.at("port"):
                if len(ports) > 1:
                    raise ValueError(_ONE_ADDRESS)
                self.made["port"] = int(ports[0][0])
        if addresses:
            with self.at("listenaddress"):
                if len(addresses) > 1 or len(addresses[0]) > 1:
                    raise ValueError(_ONE_ADDRESS)
                host, port = split_address(addresses[0][0])
                self.made["host"] = "" if host == "*" else host
                if port:
                    self.made["port"] = port


_OTHERS: Final[dict[str, Callable[[_Conversion, tuple[str, ...]], None]]] = {
    "authenticationmethods": _Conversion._methods,
    "clientalivecountmax": _Conversion._alive_count,
    "compression": _Conversion._compression,
    "gssapiauthentication": _Conversion._gss,
    "maxstartups": _Conversion._startups,
    "modulifile": _Conversion._moduli,
    "revokedkeys": _Conversion._revoked,
}


def _keep_possible_methods(options: dict[str, object]) -> bool:
    """Leave out lists of AuthenticationMethods that need a method which is off.

    Returns whether one is left: if not, the first stays, which nobody can get through.
    """
    methods = options.get("auth_methods")
    if not isinstance(methods, list):
        return True
    off = {method for option, method in _METHODS.items() if options.get(option) is False}
    possible = [each for each in methods if off.isdisjoint(each.split(","))]
    options["auth_methods"] = possible or methods
    return bool(possible) or not methods


def server_config(config: object, login: Login | None = None) -> tuple[ServerRules, ServerConfig]:
    """Return what configuration files say about everybody or somebody, and all of it.

    Parameters:
        config: the option.
        login: who that is; None for everybody.

    Raises OSError and ConfigParseError.
    """
    usual = [(os.path.join(FOLDER, "sshd_config"), False)]
    reader = ConfigReader(SERVER_ALIASES, FOLDER, None)
    files = [reader.read(path) for path, _ in config_paths(config, usual)]
    made = ServerConfig(files)
    rules = made.rules(login)
    if rules.options.get("rdns_lookup"):
        for place in _directives(files):
            if _is_about_names(place):
                raise place.error("hosts are addresses here, which UseDNS contradicts")
    return rules, made


def _is_about_names(directive: Directive) -> bool:
    """Whether a line has criteria that would be about names of hosts with UseDNS."""
    if directive.name == "match":
        return "host" in re.split(r"[ \t=]+", directive.rest.lower())
    if directive.name in ("allowusers", "denyusers"):
        hosts = [word.rpartition("@")[2] for word in directive.words if "@" in word]
        return any(re.search("[g-z]", host.lower()) for host in hosts)
    return False


def login_of(user: str, addr: str, local: tuple[str, int], host: str = "") -> Login:
    """Return who wants to log in.

    Parameters:
        user: name of the user, empty if it is not known yet.
        addr: address of the client.
        local: address and port that it came to.
        host: name of the client's host; by default its address stands for it.
    """
    return Login(user, cache(user_groups), addr, *local, host)


def _directives(files: Sequence[File]) -> list[Directive]:
    found: list[Directive] = []
    for file in files:
        for line in file:
            found += _directives(line.files) if isinstance(line, Included) else [line]
    return found


def _first(values: Values, name: str) -> str | None:
    lines = values.get(name)
    return lines[0][0] if lines else None


def _restrictions(values: Values) -> dict[str, object]:
    """Return what values forbid, in the words of authorized_keys."""
    made: dict[str, object] = {}
    disabled = _first(values, "disableforwarding") == "yes"
    if disabled or _first(values, "allowtcpforwarding") == "no":
        made["no-port-forwarding"] = True
    if disabled:
        made["no-agent-forwarding"] = made["no-X11-forwarding"] = True
    tunnels = _first(values, "permittunnel")
    if tunnels in ("no", "ethernet"):
        made["no-tun"] = True
    if tunnels in ("no", "point-to-point"):
        made["no-tap"] = True
    command = _first(values, "forcecommand")
    if command is not None and command.lower() != "none":
        made["command"] = command
    if (opened := values.get("permitopen")) is not None and opened[0][0].lower() != "any":
        words = () if opened[0][0].lower() == "none" else opened[0]
        made["permitopen"] = frozenset(map(permitted_address, words))
    return made
