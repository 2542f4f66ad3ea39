"""ssh_config(5) as our options: which keyword becomes which."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.util import find_spec
from typing import Final

from ssh_keys.files import read_file
from ssh_keys.key_material import MINIMUM_RSA_BITS
from ssh_transport.config import DEFAULT_VERSION

from ..proxy import check_proxy_names
from ..tunnel import parse_destination
from .client_keywords import CLIENT_ALIASES
from .conversion import Conversion, error_at, is_yes, number
from .criteria import ClientEvaluation, LocalFacts, Target
from .directives import Directive, File
from .evaluate import Values
from .files import ConfigReader, config_paths, local_facts
from .identities import identity_options
from .tokens import expand, expand_command, expand_home

__all__ = ["client_config", "client_values", "convert", "evaluate_client"]

FOLDER: Final = "/etc/ssh"

_SEEDS = {"username": "user", "port": "port", "host_key_alias": "hostkeyalias"}
_FLAGS = {
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
_WORDS = {"sendenv": "send_env", "setenv": "env"}
_GSS_FLAGS = {"gssapidelegatecredentials": "gss_delegate_creds", "gssapikeyexchange": "gss_kex"}
_CANONICALIZE = {"yes": True, "no": False}
_PTY = {"no": False, "yes": True, "auto": "auto", "force": "force"}
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
        files.append(ConfigReader(CLIENT_ALIASES, folder, facts).read(path, own=ours))
    return evaluate_client(files, given, facts, canonical)


def evaluate_client(
    files: Sequence[File],
    given: Mapping[str, object],
    facts: LocalFacts,
    canonical: str | None = None,
) -> ClientEvaluation:
    """Do as `client_values` with files that were read; raises ConfigParseError."""
    seeds: Values = {
        keyword: [(str(given[option]),)]
        for option, keyword in _SEEDS.items()
        if given.get(option, ()) not in ((), None)
    }
    original = str(given.get("host") or "localhost")
    target = _target(original, given)
    evaluation = ClientEvaluation(target, facts, seeds, check_proxy_names)
    for file in files:
        evaluation.run(file)
    host = _host_name(evaluation)
    wanted = any(given.get(name) for name in ("canonical", "final"))
    if canonical is not None or evaluation.wants_final or wanted:
        host = (canonical or host).lower()
        values: Values = {**_SETTLED, **evaluation.values, "hostname": [(host,)]}
        target = target.replace(host=host, final=True)
        final = ClientEvaluation(target, facts, values, check_proxy_names)
        final.keep_places(evaluation)
        for file in files:
            final.run(file)
        evaluation = final
    return evaluation


def _target(host: str, given: Mapping[str, object]) -> Target:
    version = given.get("client_version") or DEFAULT_VERSION.removeprefix(b"SSH-2.0-")
    if isinstance(version, bytes):
        version = version.decode("ascii", "backslashreplace")
    session_types = {"subsystem": "subsystem", "command": "exec"}
    wanted = next((name for name in session_types if given.get(name)), "")
    return Target(
        host,
        host,
        version=str(version),
        command=str(given[wanted]) if wanted else "",
        session_type=session_types.get(wanted, ""),
    )


def _host_name(evaluation: ClientEvaluation) -> str:
    try:
        return evaluation.host()
    except ValueError as exc:
        raise error_at(evaluation.place("hostname"), exc) from None


def client_config(
    config: object,
    given: Mapping[str, object],
    names: Collection[str],
    canonical: str | None = None,
) -> tuple[dict[str, object], dict[str, Directive]]:
    """Return the options that configuration files give, and where each of them comes from.

    Parameters:
        config, given, canonical: as of `client_values`.
        names: the options that there are.

    Raises OSError and ConfigParseError.
    """
    facts = local_facts()
    evaluation = client_values(config, given, facts, canonical)
    options, places = convert(evaluation, facts, given)
    return {name: value for name, value in options.items() if name in names}, places


def convert(
    evaluation: ClientEvaluation, facts: LocalFacts, given: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, Directive]]:
    """Return the options that values stand for, and where each of them comes from.

    Parameters:
        evaluation: has the values.
        facts: this machine.
        given: options that go first.

    Raises OSError and ConfigParseError.
    """
    conversion = _Conversion(evaluation, evaluation.values, {}, {}, facts, given)
    return conversion.run(), conversion.places


class _Conversion(Conversion[ClientEvaluation]):
    """Makes options of values.

    Parameters:
        facts: this machine.
        given: options that go first.
    """

    facts: LocalFacts
    given: Mapping[str, object]

    def run(self) -> dict[str, object]:
        """Return the options; raises OSError and ConfigParseError."""
        made, values = self.made, self.values
        with self.at("hostname"):
            made["host"] = self.evaluation.host()
        with self.at("user"):
            self._expand_user()
        self.convert(_FLAGS, is_yes)
        self.convert(_NUMBERS, number)
        self.convert(_TEXTS, lambda value: value[0])
        self.convert(_WORDS, list)
        self.convert_common()
        proxy = next((name for name in values if name in ("proxycommand", "proxyjump")), None)
        if proxy is not None:
            # In the order of the file: the first of the two keeps the other out.
            with self.at(proxy):
                self._proxy(proxy, values[proxy][0][0])
        if any(keyword in values for keyword in _KNOWN_HOSTS):
            self._known_hosts()
        self.apply(_OTHERS)
        self._authentication()
        identity_options(self)
        return made

    def _expand_user(self) -> None:
        """Replace tokens in the user's name, unless it was given; criteria do not do that."""
        if self.evaluation.place("user") is not None:
            tokens = self.evaluation.tokens()
            for circular in "Cr":
                del tokens[circular]
            user = expand(self.values["user"][0][0], tokens, self.facts.environ)
            self.values["user"] = [(user,)]

    def path(self, text: str) -> str:
        """Return a file name with everything expanded; raises ValueError."""
        home = expand_home(text, self.facts.home)
        return expand(home, self.evaluation.tokens(), self.facts.environ)

    def _proxy(self, keyword: str, text: str) -> None:
        if any(self.given.get(name, ()) != () for name in ("tunnel", "proxy_command")):
            return
        if text.lower() == "none":
            return
        if keyword == "proxycommand" and self.evaluation.first("proxyusefdpass") == "yes":
            raise ValueError("the socket of another program (ProxyUseFdpass) is not supported")
        all_tokens = self.evaluation.tokens()
        tokens = {name: all_tokens[name] for name in "hnpr"}
        if keyword == "proxyjump":
            hops = expand(text, tokens)
            _, host, port = parse_destination(hops.rpartition(",")[2])
            own = (tokens["n"].lower(), tokens["h"].lower())
            if host.lower() not in own or (port or 22) != int(tokens["p"]):
                # Through itself nothing is reached: `Host *` is meant for all the others.
                self.made["tunnel"] = hops
            return
        expanded = expand_command(text, tokens, check_proxy_names)
        # As OpenSSH runs it; the names in it can not be mistaken for anything else.
        shell = self.facts.environ.get("SHELL") or "/bin/sh"
        self.made["proxy_command"] = [shell, "-c", "exec " + expanded.replace("%", "%%")]

    def _known_hosts(self) -> None:
        files: list[str] = []
        for keyword, usual in _KNOWN_HOSTS.items():
            with self.at(keyword):
                lines = self.evaluation.values.get(keyword)
                names = usual if lines is None else lines[0]
                files += (self.path(name) for name in names if name.lower() != "none")
        found = [name for name in files if os.path.exists(name)]
        # Without any file nobody is known, which is not the same as everybody trusted.
        one = found[0] if len(found) == 1 else None
        self.made["known_hosts"] = one or b"\n".join(map(read_file, found))

    def _command(self, value: tuple[str, ...]) -> None:
        if value[0].lower() != "none":
            command = expand(value[0], self.evaluation.tokens())
            subsystem = self.evaluation.first("sessiontype") == "subsystem"
            self.made["subsystem" if subsystem else "command"] = command

    def _pty(self, value: tuple[str, ...]) -> None:
        self.made["request_pty"] = _PTY[value[0]]

    def _local_address(self, value: tuple[str, ...]) -> None:
        self.made["local_addr"] = (value[0], 0)

    def _connect_timeout(self, value: tuple[str, ...]) -> None:
        self.made["connect_timeout"] = None if value[0] == "none" else int(value[0])

    def _compression(self, value: tuple[str, ...]) -> None:
        zlib = ["zlib@openssh.com", "zlib"] if value[0] == "yes" else []
        self.made["compression_algs"] = [*zlib, "none"]

    def _canonicalize(self, value: tuple[str, ...]) -> None:
        self.made["canonicalize_hostname"] = _CANONICALIZE.get(value[0], "always")

    def _domains(self, value: tuple[str, ...]) -> None:
        self.made["canonical_domains"] = [word for word in value if word != "none"]

    def _permitted_names(self, value: tuple[str, ...]) -> None:
        pairs = [word.partition(":")[::2] for word in value if word.lower() != "none"]
        self.made["canonicalize_permitted_cnames"] = pairs

    def _public_key(self, value: tuple[str, ...]) -> None:
        self.made["public_key_auth"] = value[0] != "no"

    def _revoked(self, value: tuple[str, ...]) -> None:
        if value[0].lower() != "none":
            self.made["revoked_keys"] = self.path(value[0])

    def _refuse_interface(self, value: tuple[str, ...]) -> None:
        raise ValueError("this restriction is not supported")

    def _refuse_connection(self, value: tuple[str, ...]) -> None:
        raise ValueError(value[0])

    def _rsa_size(self, value: tuple[str, ...]) -> None:
        if int(value[0]) > MINIMUM_RSA_BITS:
            raise ValueError("this restriction is not supported")

    def _authentication(self) -> None:
        first, made = self.evaluation.first, self.made
        if first("enablesshkeysign") == "yes" and first("hostbasedauthentication") == "yes":
            made["client_host_keysign"] = True
        if not self.facts.environ.get("DISPLAY") or first("forwardx11trusted") == "no":
            # Without a display there is nothing to forward. Programs of the server that are not
            # trusted would need a cookie of the X server that says so, and ssh does without, too.
            made.pop("x11_forwarding", None)
        have_gss = find_spec("gssapi") is not None
        for keyword, option in _GSS_FLAGS.items():
            if (text := first(keyword)) is not None and (have_gss or text == "no"):
                with self.at(keyword):
                    made[option] = text == "yes"
        if first("gssapiauthentication") == "no":
            # `yes` is what is done anyway where it can be done; many files have it everywhere.
            made["gss_auth"] = False
        if not have_gss:
            made.pop("gss_host", None)


_OTHERS: Final[dict[str, Callable[[_Conversion, tuple[str, ...]], None]]] = {
    "bindaddress": _Conversion._local_address,
    "bindinterface": _Conversion._refuse_interface,
    "canonicaldomains": _Conversion._domains,
    "canonicalizehostname": _Conversion._canonicalize,
    "canonicalizepermittedcnames": _Conversion._permitted_names,
    "compression": _Conversion._compression,
    "connecttimeout": _Conversion._connect_timeout,
    "pubkeyauthentication": _Conversion._public_key,
    "refuseconnection": _Conversion._refuse_connection,
    "remotecommand": _Conversion._command,
    "requesttty": _Conversion._pty,
    "requiredrsasize": _Conversion._rsa_size,
    "revokedhostkeys": _Conversion._revoked,
}
