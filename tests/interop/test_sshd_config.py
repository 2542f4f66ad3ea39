"""Configuration files of servers, as OpenSSH's own server understands them (`sshd -T`)."""

from __future__ import annotations

import getpass
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssh_connection import ConfigParseError
from ssh_connection.config.server_criteria import ServerEvaluation
from ssh_connection.config.server_keywords import SERVER_ALIASES
from ssh_connection.config.server_options import login_of, server_config
from tests.interop.peers.availability import find_program
from tests.interop.peers.credentials import Credentials

SSHD = find_program("sshd")
pytestmark = pytest.mark.skipif(SSHD is None, reason="needs OpenSSH's sshd")

#: Keyword to arguments, good ones and bad ones; those of the second half may be in Match blocks.
GENERAL: dict[str, list[str]] = {
    "AddressFamily": ["any", "inet", "inet6", "x"],
    "CASignatureAlgorithms": ["ssh-ed25519"],
    "Ciphers": ["aes256-ctr", "aes128-ctr,aes256-ctr"],
    "Compression": ["yes", "no", "delayed", "x"],
    "GSSAPIKeyExchange": ["yes", "no"],
    "HostbasedUsesNameFromPacketOnly": ["yes", "no"],
    "HostKeyAlgorithms": ["ssh-ed25519"],
    "KexAlgorithms": ["curve25519-sha256"],
    "LoginGraceTime": ["10", "2m", "none", "x"],
    "MACs": ["hmac-sha2-256"],
    "MaxStartups": ["5", "10:30:60", "10:0:60", "9:30:5", "x"],
    "Port": ["22", "2222", "0", "x", "ssh"],
    "PubkeyAcceptedAlgorithms": ["ssh-ed25519"],
    "StrictModes": ["yes", "no"],
    "TCPKeepAlive": ["yes", "no"],
    "UsePAM": ["yes", "no"],
    "PrintMotd": ["yes", "no"],
    "NoSuchKeyword": ["x"],
}
IN_MATCH: dict[str, list[str]] = {
    "AllowAgentForwarding": ["yes", "no", "true"],
    "AllowGroups": ["a", "a b"],
    "AllowTcpForwarding": ["yes", "no", "all"],
    "AllowUsers": ["bob", "bob carol@10.*", "-bob", "a@1.2.3.4/33", "a@", '""', "a,b !c"],
    "AuthenticationMethods": [
        *("publickey", "publickey,password password", "any"),
        *("any publickey", "magic"),
    ],
    "AuthorizedKeysFile": [".ssh/a", "/k/%u .ssh/b", '"/x y"', "none"],
    "ClientAliveCountMax": ["0", "5"],
    "ClientAliveInterval": ["10", "1m", "x"],
    "DenyUsers": ["eve", "mallory eve", "-eve"],
    "DisableForwarding": ["yes", "no"],
    "ForceCommand": ["echo hi # there", 'x "y z"', "none"],
    "HostbasedAuthentication": ["yes", "no"],
    "KbdInteractiveAuthentication": ["yes", "no"],
    "ChallengeResponseAuthentication": ["yes", "no"],
    "MaxAuthTries": ["3", "1"],
    "MaxSessions": ["4", "1"],
    "PasswordAuthentication": ["yes", "no", "maybe"],
    "PermitOpen": [
        *("any", "none", "host:22", "a:1 b:*", "*:22", "h", "h:0", "h:ssh"),
        *("a:1 any", "[::1]:1", "::1:2", "h/22"),
    ],
    "PermitRootLogin": ["yes", "no", "prohibit-password", "without-password", "x"],
    "PermitTTY": ["yes", "no"],
    "PermitTunnel": ["yes", "no", "point-to-point", "ethernet", "true", "x"],
    "PubkeyAuthentication": ["yes", "no"],
    "X11Forwarding": ["yes", "no"],
}
ARGUMENTS = {**GENERAL, **IN_MATCH}
#: What some versions of OpenSSH take, at least in blocks of others, and we never do.
#: What versions differ about if there is another line of it, too.
ANY_METHOD = ("AuthenticationMethods", "any")
REFUSED = ["AuthenticationMethods publickey any", "PermitOpen any a:1"]
LINES = [(name, each) for name, arguments in ARGUMENTS.items() for each in arguments]
BLOCKS = [
    "Match User bob",
    "Match User b*,!bob",
    "Match User carol Address 10.0.0.0/8",
    "Match Address 10.1.*",
    "Match Host 10.1.2.3",
    "Match LocalPort 22",
    "Match LocalAddress 10.9.9.9",
    f"Match Group {getpass.getuser()}",
    "Match All",
    "Match user=bob",
]


def spelled(names: list[str]) -> st.SearchStrategy[str]:
    """Lines."""
    return st.sampled_from(names).flatmap(
        lambda name: st.tuples(
            st.sampled_from([name, name.lower()]),
            st.sampled_from([" ", "=", "\t", "  "]),
            st.sampled_from([each for each in ARGUMENTS[name] if (name, each) != ANY_METHOD]),
        ).map("".join)
    )


files = st.tuples(
    st.lists(spelled(sorted(ARGUMENTS)), max_size=6).map("\n".join),
    st.lists(
        st.tuples(
            st.sampled_from(BLOCKS), st.lists(spelled(sorted(IN_MATCH)), max_size=4).map("\n".join)
        ).map("\n".join),
        max_size=3,
    ).map("\n".join),
).map("\n".join)


#: Values that `sshd -T` of some versions shows in another way.
SHOWN = {
    ("tcpkeepalive", "true"): "yes",
    ("tcpkeepalive", "false"): "no",
    ("permitrootlogin", "without-password"): "prohibit-password",
}


def openssh(path: Path, key: Path, user: str, addr: str) -> dict[str, list[str]] | None:
    """What OpenSSH makes of a file for a login; None if it refuses it."""
    assert SSHD is not None
    login = f"user={user},host={addr},addr={addr},laddr=10.9.9.9,lport=22"
    done = subprocess.run(
        [SSHD, "-T", "-f", str(path), "-h", str(key), "-C", login],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    if done.returncode:
        return None
    found = defaultdict(list)
    for line in done.stdout.splitlines():
        name, _, value = line.partition(" ")
        # Versions differ in how they write names and a few values.
        found[name.lower()].append(SHOWN.get((name.lower(), value), value))
    return dict(found)


def ours(path: Path, user: str, addr: str) -> dict[str, list[str]] | None:
    """What we make of it, in the same form."""
    try:
        _, config = server_config(str(path))
        login = login_of(user, addr, ("10.9.9.9", 22))
        config.rules(login)
        evaluation = ServerEvaluation(login)
        for file in config.files:
            evaluation.run(file)
    except ConfigParseError:
        return None
    return {name: [" ".join(line) for line in lines] for name, lines in evaluation.result().items()}


#: What OpenSSH takes in Match blocks, and we do not.
NOT_PER_USER = {
    "CASignatureAlgorithms",
    "HostbasedUsesNameFromPacketOnly",
    "PubkeyAcceptedAlgorithms",
}


def compare(path: Path, key: Path, user: str, addr: str) -> None:
    """Hold both against each other."""
    theirs, mine = openssh(path, key, user, addr), ours(path, user, addr)
    text = path.read_text()
    if mine is None and theirs is not None and "port" in theirs and len(theirs["port"]) > 1:
        return  # a listener of ours has one port
    empty = path.with_name("empty")
    empty.write_text("")
    usual = openssh(empty, key, user, addr)
    assert usual is not None
    if "gssapikeyexchange" in text.lower() and "gssapikeyexchange" not in usual:
        return  # a patch that not every version of Debian has
    assert (theirs is None) == (mine is None), text
    if theirs is None or mine is None:
        return
    for name in {SERVER_ALIASES.get(name.lower(), name.lower()) for name in ARGUMENTS}:
        got, expected = mine.get(name), theirs.get(name)
        if name in ("allowusers", "denyusers", "allowgroups"):
            assert (got or [""])[0].split() == (expected or []), (name, text)
        elif name == "port":
            assert set(got or ["22"]) == set(expected or []), text
        elif got is None:
            assert expected == usual.get(name), (name, text)
        else:
            assert shown(name, got) == (expected or ["none"]), (name, text)


def shown(name: str, got: list[str]) -> list[str]:
    """What `sshd -T` shows of a value of ours."""
    if name == "maxstartups":
        return [got[0].replace(" ", ":")]
    if name == "compression":
        return ["yes" if got == ["delayed"] else got[0]]
    if name == "permitrootlogin" and got == ["without-password"]:
        return ["prohibit-password"]
    return got


@pytest.mark.parametrize("line", REFUSED)
def test_what_versions_differ_about(tmp_path: Path, line: str) -> None:
    path = tmp_path / "config"
    path.write_text(line)
    assert ours(path, "bob", "10.1.2.3") is None


@pytest.mark.parametrize(("name", "argument"), LINES)
def test_each_line(tmp_path: Path, credentials: Credentials, name: str, argument: str) -> None:
    path = tmp_path / "config"
    for text in (f"{name} {argument}\n", f"Match User nobody-here\n{name} {argument}\n"):
        if text.startswith("Match") and name in NOT_PER_USER:
            continue
        path.write_text(text)
        compare(path, credentials.host_key, "bob", "10.1.2.3")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    text=files,
    user=st.sampled_from(["bob", "carol", getpass.getuser()]),
    addr=st.sampled_from(["10.1.2.3", "192.0.2.1"]),
)
def test_generated_files(
    tmp_path_factory: pytest.TempPathFactory,
    credentials: Credentials,
    text: str,
    user: str,
    addr: str,
) -> None:
    path = tmp_path_factory.getbasetemp() / "sshd_config"
    path.write_text(text)
    compare(path, credentials.host_key, user, addr)
