"""sshd_config(5) as our options: which keyword becomes which, and for whom."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from ssh_keys.record import Record

from ..errors import ConfigParseError
from ..options.algorithms import known_names
from .accounts import user_files, user_groups
from .client_options import rekey_options
from .directives import Directive, File, Included
from .evaluate import Values
from .files import ConfigReader, config_paths
from .server_criteria import Login, ServerEvaluation, may_log_in
from .server_keywords import SERVER_ALIASES

__all__ = ["ServerConfig", "ServerRules", "login_of", "server_config"]

FOLDER: Final = "/etc/ssh"

_FAMILIES = {"any": 0, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
_ALGORITHMS = {
    "casignaturealgorithms": "ca_signature_algs",
    "ciphers": "encryption_algs",
    "hostkeyalgorithms": "server_host_key_algs",
    "kexalgorithms": "kex_algs",
    "macs": "mac_algs",
    "pubkeyacceptedalgorithms": "signature_algs",
}
_FLAGS = {
    "allowagentforwarding": "agent_forwarding",
    "gssapikeyexchange": "gss_kex",
    "hostbasedauthentication": "host_based_auth",
    "hostbasedusesnamefrompacketonly": "trust_client_host",
    "kbdinteractiveauthentication": "kbdint_auth",
    "passwordauthentication": "password_auth",
    "permittty": "allow_pty",
    "pubkeyauthentication": "public_key_auth",
    "tcpkeepalive": "tcp_keepalive",
    "usedns": "rdns_lookup",
    "x11forwarding": "x11_forwarding",
}
_NUMBERS = {
    "clientaliveinterval": "keepalive_interval",
    "clientalivecountmax": "keepalive_count_max",
    "maxauthtries": "max_auth_tries",
    "maxsessions": "max_sessions",
}
_LISTS = {"hostkey": "server_host_keys", "hostcertificate": "server_host_certs"}


class ServerRules(Record):
    """What holds for one connection, or for one user of it.

    Parameters:
        options: the options.
        restrictions: what is added to the options of keys, in the words of authorized_keys.
        permitted: whether the user may log in at all.
        key_files: authorized_keys files of the user; None if nothing says where they are.
        strict: whether others may not be able to write to these.
    """

    options: dict[str, object]
    restrictions: Mapping[str, object]
    permitted: bool
    key_files: Sequence[str] | None
    strict: bool


class ServerConfig:
    """The configuration of a server: read once, evaluated for each connection.

    Parameters:
        files: what was read.
    """

    def __init__(self, files: Sequence[File]) -> None:
        self.files = files
        self._places: dict[str, Directive] = {}

    def rules(self, login: Login | None) -> ServerRules:
        """Return what holds for a login, None for what holds for everybody.

        Raises ConfigParseError.
        """
        evaluation = ServerEvaluation(login)
        for file in self.files:
            evaluation.run(file)
        self._places = evaluation.places
        values = evaluation.result()
        try:
            return self._rules(values, login)
        except ConfigParseError:
            raise
        except ValueError as exc:
            raise ConfigParseError(str(exc)) from None

    def _rules(self, values: Values, login: Login | None) -> ServerRules:
        user = "" if login is None else login.user
        options = self._options(values)
        permitted = True
        if login is not None and user:
            permitted = may_log_in(values, login)
            root = _first(values, "permitrootlogin")
            if user == "root" and root == "no":
                permitted = False
            if user == "root" and root == "prohibit-password":
                options["password_auth"] = options["kbdint_auth"] = False
        names = values.get("authorizedkeysfile")
        files = None if names is None or not user else user_files(names[0], user)
        strict = _first(values, "strictmodes") != "no"
        return ServerRules(options, _restrictions(values), permitted, files, strict)

    def _options(self, values: Values) -> dict[str, object]:
        made: dict[str, object] = {}
        for keyword, option in _FLAGS.items():
            if (text := _first(values, keyword)) is not None:
                made[option] = text == "yes"
        for keyword, option in _NUMBERS.items():
            if (text := _first(values, keyword)) is not None:
                made[option] = int(text)
        if made.get("keepalive_count_max") == 0:
            # It asks, and never gives up.
            made["keepalive_count_max"] = 2**31 - 1
        for keyword, option in _LISTS.items():
            if keyword in values:
                made[option] = [line[0] for line in values[keyword] if line[0].lower() != "none"]
        for keyword, option in _ALGORITHMS.items():
            text = _first(values, keyword)
            if text is not None and (names := self._known(keyword, option, text)):
                made[option] = names
        if (methods := values.get("authenticationmethods")) is not None:
            made["auth_methods"] = [word for word in methods[0] if word.lower() != "any"]
        if (grace := _first(values, "logingracetime")) is not None:
            made["login_timeout"] = int(grace)
        if (startups := values.get("maxstartups")) is not None:
            made["max_startups"] = tuple(int(word) for word in startups[0])
        if (revoked := _first(values, "revokedkeys")) is not None and revoked.lower() != "none":
            made["revoked_keys"] = revoked
        if (limit := values.get("rekeylimit")) is not None:
            made.update(rekey_options(limit[0]))
        if (compression := _first(values, "compression")) is not None:
            zlib = [] if compression == "no" else ["zlib@openssh.com"]
            made["compression_algs"] = ["none", *zlib]
        if _first(values, "gssapiauthentication") == "no":
            made["gss_auth"] = False
        if (family := _first(values, "addressfamily")) is not None:
            made["family"] = _FAMILIES[family]
        made.update(self._address(values))
        return made

    def _known(self, keyword: str, option: str, text: str) -> str:
        try:
            return known_names(option, text)
        except ValueError as exc:
            raise self._places[keyword].error(str(exc)) from None

    def _address(self, values: Values) -> dict[str, object]:
        made: dict[str, object] = {}
        ports, addresses = values.get("port", []), values.get("listenaddress", [])
        if len(ports) > 1 or len(addresses) > 1 or any(len(line) > 1 for line in addresses):
            place = self._places["listenaddress" if addresses else "port"]
            raise place.error("a listener has one address and one port")
        if ports:
            made["port"] = int(ports[0][0])
        if addresses:
            host, port = _split_address(addresses[0][0])
            made["host"] = "" if host == "*" else host
            if port:
                made["port"] = port
        return made


def server_config(
    config: object, names: Collection[str]
) -> tuple[dict[str, object], ServerConfig]:
    """Return the options that configuration files give everybody, and the rest of them.

    Parameters:
        config: the option.
        names: the options that there are.

    Raises OSError and ConfigParseError.
    """
    usual = [(os.path.join(FOLDER, "sshd_config"), False)]
    reader = ConfigReader(SERVER_ALIASES, FOLDER, None)
    files = [reader.read(path) for path, _ in config_paths(config, usual)]
    made = ServerConfig(files)
    rules = made.rules(None)
    if rules.options.get("rdns_lookup"):
        for place in _directives(files):
            if place.name == "match" and "host" in place.rest.lower().split():
                raise place.error("Host is about addresses here, which UseDNS contradicts")
    return {name: value for name, value in rules.options.items() if name in names}, made


def login_of(user: str, addr: str, local: tuple[str, int]) -> Login:
    """Return who wants to log in.

    Parameters:
        user: name of the user, empty if it is not known yet.
        addr: address of the client.
        local: address and port that it came to.
    """
    return Login(user, user_groups, addr, *local)


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
    command = _first(values, "forcecommand")
    if command is not None and command.lower() != "none":
        made["command"] = command
    if (opened := values.get("permitopen")) is not None and opened[0][0].lower() != "any":
        words = () if opened[0][0].lower() == "none" else opened[0]
        made["permitopen"] = frozenset(_permitted(word) for word in words)
    return made


def _permitted(word: str) -> tuple[str, int | None]:
    host, _, port = word.rpartition(":")
    host = host.strip("[]")
    if not host or not (port == "*" or (port.isascii() and port.isdigit())):
        raise ValueError(f"PermitOpen: {word!r} is not host:port")
    return host, None if port == "*" else int(port)


def _split_address(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, _, tail = text[1:].partition("]")
        port = tail.removeprefix(":")
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"ListenAddress: {text!r} is not an address")
    return host, int(port) if port else None
