"""The parameters of the documented API of AsyncSSH: a call that it takes can be made here.

`signatures` holds names, parameters and defaults of the versions 1.11.1 and 2.24.1, one callable a
line. Its positional parameters have their place and their name here, its keywords their name, and
both the same default; what we have besides can be left out.
"""

from __future__ import annotations

import getpass
import inspect
import io
import re
import socket
from collections.abc import Callable, Iterator
from functools import cache
from inspect import Parameter
from pathlib import Path
from typing import Any

import pytest

import ssh_meta
from tests.meta.support import HOST_KEY, USER_KEY, Server, known_hosts, process

#: Objects that the library makes; applications get them from functions and methods.
MADE_BY_US = {
    "SFTPClient",
    "SFTPClientFile",
    "SSHAcceptor",
    "SSHAgentClient",
    "SSHAgentKeyPair",
    "SSHCertificate",
    "SSHClientChannel",
    "SSHClientConnection",
    "SSHClientProcess",
    "SSHForwarder",
    "SSHKey",
    "SSHKeyPair",
    "SSHLineEditorChannel",
    "SSHServerChannel",
    "SSHServerConnection",
    "SSHServerProcess",
    "SSHSubprocessReadPipe",
    "SSHSubprocessTransport",
    "SSHSubprocessWritePipe",
    "SSHTCPChannel",
    "SSHTunTapChannel",
    "SSHUNIXChannel",
}

#: Names of 1.11.1 that 2.24.1 gave up for others. asyncio has no `loop` any more.
RENAMED: dict[str, dict[str, str | None]] = {
    "SFTPServer": {"conn": "chan"},
    "SSHAuthorizedKeys": {"data": "authorized_keys"},
    "SSHClient.connection_made": {"connection": "conn"},
    "SSHClient.kbdint_challenge_received": {"instruction": "instructions"},
    "SSHServer.connection_made": {"connection": "conn"},
    "connect_agent": {"loop": None},
    "create_connection": {"loop": None},
    "create_server": {"loop": None},
    "load_keypairs": {"loop": None},
    "read_authorized_keys": {"filename": "filelist"},
    "read_known_hosts": {"filename": "filelist"},
}

#: Methods whose parameters 2.24.1 has in another order than 1.11.1: these are keywords there.
#: `chown` takes the two numbers in the places that they always had.
REORDERED = {
    "SFTPClient.chown",
    "SFTPClientFile.chown",
    "SSHClientConnection.start_sftp_client",
    "SSHKey.generate_host_certificate",
    "SSHKey.generate_user_certificate",
    "SSHServerConnection.create_server_channel",
    "SSHServerConnection.create_tcp_channel",
    "SSHServerConnection.create_unix_channel",
    "ProcessError",
}

#: What is no option: parameters of the function alone, and the passes of ssh_config(5), which
#: sshd_config(5) does not have.
NO_OPTIONS = {
    "create_connection": {"flags", "host", "tunnel", "username"},
    "create_server": {"backlog", "flags", "host", "reuse_address"},
    "SSHServerConnectionOptions": {"canonical", "final"},
}

#: Sizes that only decide about speed, which are larger here.
SIZES = {"block_size", "bufsize", "max_pktsize"}

#: Defaults that say "the usual", by another name in each version.
USUAL = {
    ("connect_agent", "agent_path"),
    ("create_server", "host"),
    ("listen", "host"),
    ("SSHKey.generate_x509_ca_certificate", "hash_alg"),
    ("SSHKey.generate_x509_host_certificate", "hash_alg"),
    ("SSHKey.generate_x509_user_certificate", "hash_alg"),
    ("SSHServerConnection.create_server_channel", "encoding"),
    ("SSHServerConnection.create_server_channel", "window"),
}

NAMES: dict[str, Any] = {name: getattr(ssh_meta, name) for name in ("PIPE", "SFTPAttrs")}
NAMES |= {"socket": socket, "io": io, "SEEK_SET": io.SEEK_SET}

VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)

#: A complaint: the callable, its parameter, and what is wrong with that.
Complaint = tuple[str, str, str]


@cache
def text_of(version: str) -> str:
    """The file of a version."""
    return (Path(__file__).parent / "signatures" / f"asyncssh-{version}.txt").read_text()


def documented(version: str) -> Iterator[tuple[str, bool, list[Parameter]]]:
    """Names of the callables of a version, whether they are awaited, and their parameters."""
    owner = ""
    for line in text_of(version).partition("## options")[0].splitlines():
        found = re.fullmatch(r"( *)(async )?(\w+)(\(.*\))?", line)
        if found is None:
            continue  # a heading, or an attribute
        indent, awaited, name, listed = found.groups()
        made: dict[str, Any] = {}
        # A class without a list can be called, but it is not said how.
        exec(f"def {name}{listed or '(*args)'}: pass", dict(NAMES), made)
        owner = owner if indent else name
        parameters = list(inspect.signature(made[name]).parameters.values())
        yield (f"{owner}.{name}" if indent else name), awaited is not None, parameters


def attributes(version: str) -> Iterator[tuple[str, str]]:
    """Attributes of a version: classes and names."""
    owner = ""
    for line in text_of(version).partition("## options")[0].splitlines():
        owner = line.partition("(")[0] if re.match(r"\w", line) else owner
        if line.startswith("    ."):
            yield owner, line.strip(" .")


def find(name: str) -> tuple[Any, bool]:
    """Our callable of a name, and whether its first parameter is bound."""
    owner, _, method = name.partition(".")
    found = getattr(ssh_meta, owner)
    return (getattr(found, method), True) if method else (found, False)


def parameters_of(ours: Callable[..., Any], bound: bool) -> dict[str, Parameter]:
    """Parameters of ours, typed keywords among them; `()` says that one is not given."""
    listed = list(inspect.signature(ours).parameters.values())[bound:]
    source = vars(inspect.getmodule(inspect.unwrap(ours)))
    for each in listed[-1:]:
        unpacked = re.fullmatch(r"Unpack\[(\w+)\]", str(each.annotation))
        keywords = source[unpacked[1]].__annotations__ if unpacked else ()
        listed += [Parameter(key, Parameter.KEYWORD_ONLY, default=()) for key in keywords]
    return {each.name: each for each in listed}


def complaints(
    name: str, awaited: bool, theirs: list[Parameter], *, in_order: bool
) -> Iterator[Complaint]:
    """What a call of theirs would stumble over."""
    ours, bound = find(name)
    if inspect.isroutine(ours) and is_awaited(ours) is not awaited:
        yield name, "", "is not awaited" if awaited else "is awaited"
    passes_on = any(each.kind is Parameter.VAR_POSITIONAL for each in theirs)
    if passes_on and all(each.kind in VARIABLE for each in theirs):
        return  # to something that is in the list itself
    own = parameters_of(ours, bound)
    required = {key for key, each in own.items() if each.default is Parameter.empty}
    for place, parameter in enumerate(theirs):
        key = RENAMED.get(name, {}).get(parameter.name, parameter.name)
        if key is None or parameter.kind in VARIABLE:
            continue
        required.discard(key)
        match = own.get(key)
        if match is None:
            yield name, key, "is missing"
        elif parameter.kind is Parameter.POSITIONAL_OR_KEYWORD and (
            in_order and (match.kind is not parameter.kind or list(own)[place : place + 1] != [key])
        ):
            yield name, key, "has another place"
        elif not same_default(name, parameter, match):
            yield name, key, f"is {match.default!r}, not {parameter.default!r}"
    for key in required:
        if own[key].kind not in VARIABLE and in_order and not passes_on:
            yield name, key, "is required"


def is_awaited(ours: Callable[..., Any]) -> bool:
    """Whether the result of a call is for `await`."""
    result = str(inspect.signature(ours).return_annotation)
    return inspect.iscoroutinefunction(inspect.unwrap(ours)) or result.startswith(
        ("Opening[", "AgentConnecting")
    )


def same_default(name: str, theirs: Parameter, ours: Parameter) -> bool:
    """Whether a call without the parameter means the same."""
    if theirs.default is Parameter.empty or ours.default == ():
        return True
    if theirs.name in SIZES or (name, theirs.name) in USUAL:
        return ours.default is not Parameter.empty
    return bool(ours.default == theirs.default)


@pytest.mark.parametrize("version", ["1.11.1", "2.24.1"])
def test_calls_of_a_version(version: str) -> None:
    found = [
        complaint
        for name, awaited, theirs in documented(version)
        if name not in MADE_BY_US
        for complaint in complaints(
            name, awaited, theirs, in_order=version != "1.11.1" or name not in REORDERED
        )
    ]
    assert found == []


def test_differences_are_seen() -> None:
    def theirs(path: str, size: int = 1, *, other: int = 2) -> None:
        """A call that is another one here."""

    listed = list(inspect.signature(theirs).parameters.values())
    found = complaints("SFTPClientFile.truncate", False, listed, in_order=True)
    assert list(found) == [
        ("SFTPClientFile.truncate", "", "is awaited"),
        ("SFTPClientFile.truncate", "path", "is missing"),
        ("SFTPClientFile.truncate", "size", "has another place"),
        ("SFTPClientFile.truncate", "other", "is missing"),
    ]


@pytest.mark.parametrize("version", ["1.11.1", "2.24.1"])
def test_attributes_of_a_version(version: str) -> None:
    wanted = list(attributes(version))
    assert len(wanted) > 10
    assert [each for each in wanted if not hasattr(getattr(ssh_meta, each[0]), each[1])] == []


#: Values of an options object that are another way to say the same, and of the only option that is
#: not as strict as AsyncSSH's: a banner in Latin-1 is no reason to go away.
EQUAL: dict[str, tuple[object, ...]] = {
    "config": ((), None),
    "connect_timeout": (None, 0),
    "gss_delegate_creds": ((), False),
    "port": ((), 22),
    "server_host_keys": ((), None),
    "session_encoding": ((), "utf-8"),
    "sftp_version": (None, 3),
    "utf8_decode_errors": ("backslashreplace", "strict"),
}


@pytest.mark.parametrize("version", ["1.11.1", "2.24.1"])
@pytest.mark.parametrize("side", ["client", "server"])
def test_documented_defaults_of_options_change_nothing(version: str, side: str) -> None:
    kind: Any
    if side == "client":
        kind, name = ssh_meta.SSHClientConnectionOptions, "create_connection"
    else:
        kind, name = ssh_meta.SSHServerConnectionOptions, "create_server"
    name = name if version == "1.11.1" else kind.__name__
    (text,) = re.findall(rf"^{name}: (.*)$", text_of(version), re.MULTILINE)
    plain, asked = kind(), set(kind.option_names) - {"key_sources"}
    for option, value in eval(f"dict({text})", dict(NAMES)).items():
        if option in SIZES | NO_OPTIONS.get(name, set()):
            continue
        made = kind(**{option: value})
        for key in asked | {"algorithms", "gss", "methods"}:
            values = getattr(plain, key), getattr(made, key)
            assert values[0] == values[1] or values == EQUAL.get(key), (option, key)


async def test_calls_with_all_the_old_defaults() -> None:
    """As 1.11.1 has them: what nobody asked for changes nothing, also where it was None."""
    given: dict[str, dict[str, Any]] = {}
    for name in ("create_connection", "create_server"):
        (text,) = re.findall(rf"^{name}: (.*)$", text_of("1.11.1"), re.MULTILINE)
        given[name] = eval(f"dict({text})", dict(NAMES))
        del given[name]["port"]
    given["create_server"] |= {"server_host_keys": [HOST_KEY], "process_factory": process}
    given["create_server"] |= {"server_factory": Server, "session_encoding": None}
    given["create_server"]["family"] = socket.AF_INET  # or it would have two ports
    given["create_connection"] |= {"known_hosts": known_hosts(), "client_keys": [USER_KEY]}
    async with ssh_meta.create_server(port=0, **given["create_server"]) as server:
        given["create_connection"] |= {"host": None, "port": server.get_port()}
        conn, client = await ssh_meta.create_connection(**given["create_connection"])
        async with conn:
            assert isinstance(client, ssh_meta.SSHClient)
            assert conn.get_extra_info("username") == getpass.getuser()
            assert (await conn.run("echo", input="text")).stdout == "text"
