"""ssh_config(5) as our options: which keyword becomes which."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Final

from ssh_keys.record import Struct

from ..errors import ConfigParseError
from ..options.algorithms import known_names
from ..proxy import check_proxy_names
from ..tunnel import parse_destination
from .client_keywords import CLIENT_ALIASES
from .criteria import ClientEvaluation, LocalFacts, Target
from .evaluate import Values
from .files import ConfigReader, config_paths, local_facts
from .identities import identity_options
from .tokens import expand, expand_home

__all__ = ["client_config", "client_values"]

FOLDER: Final = "/etc/ssh"

_FAMILIES = {"any": 0, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
_SEEDS = {"username": "user", "port": "port", "host_key_alias": "hostkeyalias"}
_ALGORITHMS = {
    "casignaturealgorithms": "ca_signature_algs",
    "ciphers": "encryption_algs",
    "hostkeyalgorithms": "server_host_key_algs",
    "kexalgorithms": "kex_algs",
    "macs": "mac_algs",
    "pubkeyacceptedalgorithms": "signature_algs",
}
_FLAGS = {
    "hostbasedauthentication": "host_based_auth",
    "kbdinteractiveauthentication": "kbdint_auth",
    "passwordauthentication": "password_auth",
    "tcpkeepalive": "tcp_keepalive",
    "canonicalizefallbacklocal": "canonicalize_fallback_local",
    "forwardx11": "x11_forwarding",
}
_NUMBERS = {
    "canonicalizemaxdots": "canonicalize_max_dots",
    "port": "port",
    "serveralivecountmax": "keepalive_count_max",
    "serveraliveinterval": "keepalive_interval",
}
_TEXTS = {
    "gssapiserveridentity": "gss_host",
    "hostkeyalias": "host_key_alias",
    "preferredauthentications": "preferred_auth",
    "user": "username",
}
_WORDS = {"canonicaldomains": "canonical_domains", "sendenv": "send_env", "setenv": "env"}
_KNOWN_HOSTS = {
    "userknownhostsfile": ("~/.ssh/known_hosts", "~/.ssh/known_hosts2"),
    "globalknownhostsfile": ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"),
}


# What decided about the name of the host is not decided again by blocks that wait for the name.
_SETTLED: Values = {
    "canonicalizehostname": [("no",)],
    "canonicalizemaxdots": [("1",)],
    "canonicalizefallbacklocal": [("yes",)],
}


def client_values(
    config: object,
    given: Mapping[str, object],
    facts: LocalFacts,
    canonical: str | None = None,
) -> ClientEvaluation:
    """Read and evaluate configuration files; the result has the values that hold.

    Parameters:
        config: the option.
        given: options that go first.
        facts: this machine.
        canonical: canonical name of the host, if it was looked up.

    Raises OSError and ConfigParseError.
    """
    own = os.path.join(facts.home, ".ssh")
    usual = [(os.path.join(own, "config"), True), (os.path.join(FOLDER, "ssh_config"), False)]
    files = []
    for path, ours in config_paths(config, usual):
        folder = FOLDER if config is True and not ours else own
        files.append(ConfigReader(CLIENT_ALIASES, folder, facts.home).read(path, own=ours))
    seeds: Values = {
        keyword: [(str(given[option]),)]
        for option, keyword in _SEEDS.items()
        if given.get(option, ()) not in ((), None)
    }
    original = str(given.get("host") or "localhost")
    try:
        evaluation = ClientEvaluation(Target(original, original), facts, seeds, check_proxy_names)
        for file in files:
            evaluation.run(file)
        if canonical is not None or evaluation.wants_final:
            host = (canonical or evaluation.host()).lower()
            target = Target(original, host, final=True)
            values: Values = {**_SETTLED, **evaluation.values, "hostname": [(host,)]}
            places = evaluation.places
            evaluation = ClientEvaluation(target, facts, values, check_proxy_names)
            evaluation.places.update(places)
            for file in files:
                evaluation.run(file)
        evaluation.host()
    except ConfigParseError:
        raise
    except ValueError as exc:
        raise ConfigParseError(str(exc)) from None
    return evaluation


def client_config(
    config: object,
    given: Mapping[str, object],
    names: Collection[str],
    canonical: str | None = None,
) -> dict[str, object]:
    """Return the options that configuration files give.

    Parameters:
        config, given, canonical: as of `client_values`.
        names: the options that there are.

    Raises OSError and ConfigParseError.
    """
    facts = local_facts()
    evaluation = client_values(config, given, facts, canonical)
    options = _Conversion(evaluation, facts, given, {}).run()
    return {name: value for name, value in options.items() if name in names}


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def rekey_options(limit: tuple[str, ...]) -> dict[str, object]:
    """Return the options of a `RekeyLimit`."""
    made: dict[str, object] = {}
    if size := int(limit[0]):
        made["rekey_bytes"] = max(size, 1024)
    if len(limit) > 1 and (seconds := int(limit[1])):
        made["rekey_seconds"] = seconds
    return made


class _Conversion(Struct):
    """Makes options of values.

    Parameters:
        evaluation: has the values.
        facts: this machine.
        given: options that go first.
        made: what is made.
    """

    evaluation: ClientEvaluation
    facts: LocalFacts
    given: Mapping[str, object]
    made: dict[str, object]

    def run(self) -> dict[str, object]:
        """Return the options; raises ConfigParseError."""
        first, made, values = self.evaluation.first, self.made, self.evaluation.values
        made["host"] = self.evaluation.host()
        for table, kind in ((_FLAGS, "yes".__eq__), (_NUMBERS, int), (_TEXTS, str)):
            convert: Callable[[str], object] = kind
            for keyword, option in table.items():
                text = first(keyword)
                if text is not None:
                    made[option] = convert(text)
        for keyword, option in _WORDS.items():
            if keyword in values:
                made[option] = list(values[keyword][0])
        for keyword, option in _ALGORITHMS.items():
            if (text := first(keyword)) is not None:
                self._at(keyword, partial(self._algorithms, option, text))
        for keyword in ("proxycommand", "proxyjump"):
            # In the order of the file: the first of the two keeps the other out.
            if next((n for n in values if n in ("proxycommand", "proxyjump")), "") == keyword:
                self._at(keyword, self._proxy)
        for keyword in _KNOWN_HOSTS:
            if keyword in values:
                self._at(keyword, self._known_hosts)
        self._at("remotecommand", self._session)
        self._network()
        self._authentication()
        self._at("identityfile", lambda: identity_options(self))
        return made

    def _at(self, keyword: str, convert: Callable[[], None]) -> None:
        """Convert a value; an error names the place that it comes from."""
        try:
            convert()
        except ConfigParseError:
            raise
        except ValueError as exc:
            place = self.evaluation.places.get(keyword)
            error = ConfigParseError(str(exc)) if place is None else place.error(str(exc))
            raise error from None

    def path(self, text: str) -> str:
        """Return a file name with everything expanded; raises ValueError."""
        home = expand_home(text, self.facts.home)
        return expand(home, self.evaluation.tokens(), self.facts.environ)

    def _algorithms(self, option: str, text: str) -> None:
        names = known_names(option, text)
        if names:
            self.made[option] = names

    def _proxy(self) -> None:
        first = self.evaluation.first
        if any(self.given.get(name, ()) != () for name in ("tunnel", "proxy_command")):
            return
        names = next(n for n in self.evaluation.values if n in ("proxycommand", "proxyjump"))
        text = first(names) or "none"
        if text.lower() == "none":
            return
        all_tokens = self.evaluation.tokens()
        tokens = {name: all_tokens[name] for name in "hnpr"}
        expanded = expand(text, tokens)
        if names == "proxyjump":
            hops = [hop.strip().removeprefix("ssh://") for hop in expanded.split(",")]
            _, host, port = parse_destination(hops[-1])
            own = (tokens["n"].lower(), tokens["h"].lower())
            if host.lower() not in own or (port or 22) != int(tokens["p"]):
                # Through itself nothing is reached: `Host *` is meant for all the others.
                self.made["tunnel"] = ",".join(hops)
            return
        if expanded != text.replace("%%", "%"):
            check_proxy_names(self.evaluation.host(), self.evaluation.user())
            check_proxy_names(tokens["n"], "")
        # As OpenSSH runs it; the names in it can not be mistaken for anything else.
        shell = self.facts.environ.get("SHELL") or "/bin/sh"
        self.made["proxy_command"] = [shell, "-c", "exec " + expanded.replace("%", "%%")]

    def _known_hosts(self) -> None:
        files: list[str] = []
        for keyword, usual in _KNOWN_HOSTS.items():
            lines = self.evaluation.values.get(keyword)
            names = usual if lines is None else lines[0]
            files += (self.path(name) for name in names if name.lower() != "none")
        found = [name for name in files if os.path.exists(name)]
        # Without any file nobody is known, which is not the same as everybody trusted.
        self.made["known_hosts"] = found[0] if len(found) == 1 else b"\n".join(map(_content, found))

    def _session(self) -> None:
        first, made = self.evaluation.first, self.made
        kind = first("sessiontype")
        command = first("remotecommand")
        if command is not None and command.lower() != "none":
            command = expand(command, self.evaluation.tokens())
            made["subsystem" if kind == "subsystem" else "command"] = command
        pty = {"no": False, "yes": True, "auto": "auto", "force": "force"}
        if (text := first("requesttty")) is not None:
            made["request_pty"] = pty[text]
        if (limit := self.evaluation.values.get("rekeylimit")) is not None:
            made.update(rekey_options(limit[0]))

    def _network(self) -> None:
        first, made = self.evaluation.first, self.made
        if (family := first("addressfamily")) is not None:
            made["family"] = _FAMILIES[family]
        if (address := first("bindaddress")) is not None:
            made["local_addr"] = (address, 0)
        if (timeout := first("connecttimeout")) is not None:
            made["connect_timeout"] = None if timeout == "none" else int(timeout)
        if (compression := first("compression")) is not None:
            zlib = ["zlib@openssh.com", "zlib"] if compression == "yes" else []
            made["compression_algs"] = [*zlib, "none"]
        if (canonicalize := first("canonicalizehostname")) is not None:
            made["canonicalize_hostname"] = {"yes": True, "no": False}.get(canonicalize, "always")
        if (cnames := self.evaluation.values.get("canonicalizepermittedcnames")) is not None:
            pairs = [word.partition(":")[::2] for word in cnames[0] if word.lower() != "none"]
            made["canonicalize_permitted_cnames"] = pairs

    def _authentication(self) -> None:
        first, made = self.evaluation.first, self.made
        if (public_key := first("pubkeyauthentication")) is not None:
            made["public_key_auth"] = public_key != "no"
        if first("enablesshkeysign") == "yes" and first("hostbasedauthentication") == "yes":
            made["client_host_keysign"] = True
        if not self.facts.environ.get("DISPLAY"):
            made.pop("x11_forwarding", None)  # without a display there is nothing to forward
        have_gss = find_spec("gssapi") is not None
        for keyword, option in (
            ("gssapikeyexchange", "gss_kex"),
            ("gssapidelegatecredentials", "gss_delegate_creds"),
        ):
            if (text := first(keyword)) is not None and (have_gss or text == "no"):
                made[option] = text == "yes"
        if first("gssapiauthentication") == "no":
            # `yes` is what is done anyway where it can be done; many files have it everywhere.
            made["gss_auth"] = False
        if not have_gss:
            made.pop("gss_host", None)
        self._at("revokedhostkeys", self._revoked)

    def _revoked(self) -> None:
        path = self.evaluation.first("revokedhostkeys")
        if path is not None and path.lower() != "none":
            self.made["revoked_keys"] = self.path(path)
