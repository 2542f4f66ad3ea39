"""Targets for the parsers of configuration files; no command is run and nothing is read."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from itertools import repeat

from ssh_connection import ConfigParseError
from ssh_connection.config.client_keywords import CLIENT_ALIASES
from ssh_connection.config.client_options import convert, evaluate_client
from ssh_connection.config.criteria import LocalFacts
from ssh_connection.config.directives import Directive, File, parse_file
from ssh_connection.config.server_criteria import Login
from ssh_connection.config.server_keywords import SERVER_ALIASES
from ssh_connection.config.server_options import ServerConfig

SEPARATOR = b"\n---\n"
"""Between files; the first is read, the others can be included as `1`, `2` and so on."""

LINES = 2000


def _files(data: bytes, aliases: dict[str, str]) -> File:
    texts = [part.decode("utf-8", "surrogateescape") for part in data.split(SEPARATOR, 9)]
    budget = iter(repeat(0, LINES))

    def include(directive: Directive, name: str, depth: int) -> Sequence[File]:
        if name not in map(str, range(1, len(texts))):
            return ()
        return [parse_file(texts[int(name)], name, aliases, include, budget, depth)]

    return parse_file(texts[0], "first", aliases, include, budget)


def _check_error(error: ConfigParseError) -> None:
    assert str(error).isprintable()
    assert error.path in ("", "first", *"123456789")


def _never_twice(command: str) -> bool:
    """Stands for `Match exec`: the result depends on the command alone."""
    assert "\0" not in command
    return len(command) % 2 == 0


FACTS = LocalFacts(
    "me",
    "1000",
    "/nonexistent/home",
    "here.example",
    {"A": "b"},
    _never_twice,
    lambda: [IPv4Address("127.0.0.1"), IPv6Address("2001:db8::1")],
)


def client_configuration(data: bytes) -> None:
    """ssh_config(5) for a host, which is the first line."""
    host, _, text = data.partition(b"\n")
    given = {"host": host.decode("utf-8", "surrogateescape")}
    try:
        file = _files(text, CLIENT_ALIASES)
        evaluation = evaluate_client([file], given, FACTS)
        again = evaluate_client([file], given, FACTS)
    except ConfigParseError as exc:
        _check_error(exc)
        return
    assert again.values == evaluation.values
    assert all(lines and all(lines) for name, lines in evaluation.values.items() if name != "x")
    try:
        made, places = convert(evaluation, FACTS, given)
    except ConfigParseError as exc:
        _check_error(exc)
    except OSError:
        pass
    else:
        assert places.keys() <= made.keys() | {"x11_forwarding", "gss_host"}


def server_configuration(data: bytes) -> None:
    """sshd_config(5) for everybody, and for two users."""
    try:
        configuration = ServerConfig([_files(data, SERVER_ALIASES)])
        configuration.rules(None)
    except ConfigParseError as exc:
        _check_error(exc)
        return
    for user in ("bob", "eve"):
        login = Login(user, lambda name: ("staff", name), "192.0.2.1", "::1", 22)
        try:
            rules = configuration.rules(login)
        except ConfigParseError as exc:
            _check_error(exc)
        else:
            assert rules.places.keys() <= rules.options.keys()
