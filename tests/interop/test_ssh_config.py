"""Configuration files of clients, as OpenSSH's own client understands them (`ssh -G`)."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import tempfile
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssh_connection import ConfigParseError
from ssh_connection.config.client_keywords import CLIENT_ALIASES, CLIENT_KEYWORDS
from ssh_connection.config.client_options import client_values
from ssh_connection.config.criteria import LocalFacts
from ssh_connection.config.files import local_facts
from ssh_connection.config.words import split_words

SSH = shutil.which("ssh")
pytestmark = pytest.mark.skipif(SSH is None, reason="needs OpenSSH's ssh")

HOSTS = ("alpha", "beta.example.com", "10.1.2.3", "Gamma")

#: Keyword to arguments, good ones and bad ones.
ARGUMENTS: dict[str, list[str]] = {
    "AddressFamily": ["any", "inet", "inet6", "INET", "ipx"],
    "BatchMode": ["no", "maybe"],  # yes changes ServerAliveInterval on Debian
    "BindAddress": ["127.0.0.1", "::1"],
    "CanonicalizeFallbackLocal": ["yes", "no"],
    "CanonicalDomains": ["a.example", "A b.", "none", "none a", ".a", "a..b", "a/b", "-a", "a_-"],
    "CanonicalizeMaxDots": ["0", "3", "x"],
    "CanonicalizePermittedCNAMEs": ["none", "a", "a:", "none a:b"],
    "CASignatureAlgorithms": ["ssh-ed25519", "ssh-ed25519,rsa-sha2-512"],
    "CertificateFile": ["~/c1", "/c2", '"/c 3"', "none"],
    "CheckHostIP": ["yes", "no"],
    "Ciphers": ["aes256-ctr", "aes128-ctr,aes256-ctr", '"aes256-ctr"'],
    "Compression": ["yes", "no", "true", ""],
    "ConnectionAttempts": ["3", "-1x"],
    "ConnectTimeout": ["10", "1m", "1h30m", "2W", "none", "x", "0"],
    "EnableSSHKeysign": ["yes", "no"],
    "ForwardAgent": ["yes", "no", "/run/agent", "$AGENT", "/run/other"],
    "ForwardX11": ["yes", "no"],
    "GlobalKnownHostsFile": ["/a", "/a /b", '"/a b" /c', "none"],
    "GSSAPIAuthentication": ["yes", "no"],
    "HostbasedAuthentication": ["yes", "no"],
    "HostKeyAlgorithms": ["ssh-ed25519", "rsa-sha2-512,ssh-ed25519"],
    "HostKeyAlias": ["other", '"other"', "o#ther", "other # comment"],
    "Hostname": ["%h.example.org", "real", "%%x", "1.2.3.4", "%n"],
    "IdentitiesOnly": ["yes", "no"],
    "IdentityAgent": ["none", "SSH_AUTH_SOCK", "~/agent", "/x/%u"],
    "IdentityFile": ["~/.ssh/id_a", "~/.ssh/id_b", "/keys/%h", "'/key s/b'", "/a\\ b", "none"],
    "KbdInteractiveAuthentication": ["yes", "no"],
    "ChallengeResponseAuthentication": ["yes", "no"],
    "KexAlgorithms": ["curve25519-sha256", "curve25519-sha256,ecdh-sha2-nistp256"],
    "LogLevel": ["INFO", "QUIET"],
    "MACs": ["hmac-sha2-256", "hmac-sha2-512,hmac-sha2-256"],
    "NumberOfPasswordPrompts": ["2"],
    "PasswordAuthentication": ["yes", "no", "YES"],
    "Port": ["22", "2222", "0", "65536", "ssh-no", "0022", "http", "HTTP", "+7", "0x16", '" 9"'],
    "PreferredAuthentications": ["publickey", "publickey,password"],
    "ProxyCommand": ["nc %h %p", 'run "a b" # not a comment', "none", "= x", "it''s"],
    "ProxyJump": [
        *("jump", "me@jump:2222", "a,b@c:9", "none", "ssh://u@h:3", "ssh://h:ssh/", "h:"),
        *("u@[::1]:4,a", "::1", "h:0", "a,,b", "a/b", "@h", "SSH://a", "[a"),
    ],
    "PubkeyAcceptedAlgorithms": ["ssh-ed25519", "rsa-sha2-512"],
    "PubkeyAuthentication": ["yes", "no", "unbound", "host-bound", "true", "x"],
    "RekeyLimit": ["1G", "512M 1h", "default none", "4K 30", "3", "1X", "default 2h"],
    "RemoteCommand": ["echo hi # there", 'x "y z"'],
    "RequestTTY": ["yes", "no", "force", "auto", "never"],
    "RevokedHostKeys": ["/revoked"],
    "SendEnv": ["A B", "LC_*", "-A", "-*", "C", "A=b", '""'],
    "ServerAliveCountMax": ["2", "7"],
    "ServerAliveInterval": ["15", "1m"],
    "SessionType": ["none", "subsystem", "default", "other"],
    "SetEnv": ["A=1", "A=1 B=2", '"A=1 2"', "C='x y'", "NONE", "A=1 A=2"],
    "StrictHostKeyChecking": ["yes", "no", "ask", "accept-new", "off", "x"],
    "TCPKeepAlive": ["yes", "no"],
    "User": ["bob", "carol", '"d e"', "x y", "'quo\"te'"],
    "UserKnownHostsFile": ["~/kh", "~/kh /kh2", "none"],
    "VisualHostKey": ["yes", "no"],
    "NoSuchKeyword": ["1"],
}

PATTERNS = ["alpha", "beta*", "*.com", "10.1.*", "?lpha", "*", "!alpha", "gamma", "Gamma", "real"]
USERS = ["bob", "carol", "!bob", "*", "b?b,carol", "bob,!b*"]
COMMANDS = ["true", "false", "test %h = alpha", "'test %n = alpha'", "test %i != x"]


def is_good(name: str, argument: str) -> bool:
    """Whether a line is one that is not refused."""
    keyword = CLIENT_KEYWORDS.get(CLIENT_ALIASES.get(name.lower(), name.lower()))
    try:
        return keyword is not None and bool(keyword.parse(tuple(split_words(argument)), argument))
    except ValueError:
        return False


ALL = [(name, argument) for name, arguments in ARGUMENTS.items() for argument in arguments]
GOOD = [line for line in ALL if is_good(*line)]


def spelled(lines: list[tuple[str, str]]) -> st.SearchStrategy[str]:
    """Lines with blanks and signs in different places."""
    return st.sampled_from(lines).flatmap(
        lambda line: st.tuples(
            st.sampled_from(["", "  ", "\t"]),
            st.sampled_from([line[0], line[0].lower(), line[0].upper()]),
            st.sampled_from([" ", "=", " = ", "  ", "\t"]),
            st.just(line[1]),
            st.sampled_from(["", " ", "\r", " \t"]),
        ).map("".join)
    )


host_lines = st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3).map(
    lambda patterns: "Host " + " ".join(patterns)
)
criteria = st.one_of(
    st.tuples(
        st.sampled_from(["host", "originalhost", "!host", "Host"]),
        st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2).map(",".join),
    ).map(" ".join),
    st.tuples(st.sampled_from(["user", "!user", "USER"]), st.sampled_from(USERS)).map(" ".join),
    st.just(f"localuser {getpass.getuser()}"),
    st.just("localuser nobody-at-all"),
    st.sampled_from(COMMANDS).map(lambda command: f'exec "{command}"'),
    st.sampled_from(["final", "canonical", "!canonical"]),
)
match_lines = st.one_of(
    st.lists(criteria, min_size=1, max_size=3).map(lambda found: "Match " + " ".join(found)),
    st.sampled_from(["Match all", "Match final all", "Match canonical all", "Match !all"]),
)


def files(lines: st.SearchStrategy[str], max_size: int) -> st.SearchStrategy[str]:
    """Whole files."""
    each = st.one_of(lines, lines, lines, host_lines, match_lines, st.just("# comment"))
    return st.lists(each, max_size=max_size).map("\n".join)


def openssh(path: Path, host: str, *command: str) -> dict[str, list[str]] | None:
    """What OpenSSH makes of a file; None if it refuses it.

    Args:
        path: the file.
        host: for which host; `-s` or `-N` may be in front of it, in `command`.
        command: what else is on the command line.
    """
    assert SSH is not None
    options = [word for word in command if word.startswith("-")]
    words = [word for word in command if not word.startswith("-")]
    done = subprocess.run(
        [SSH, "-G", "-F", str(path), *options, host, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        return None
    found = defaultdict(list)
    for line in done.stdout.splitlines():
        name, _, value = line.partition(" ")
        if name == "tcpkeepalive":
            value = {"true": "yes", "false": "no"}.get(value, value)  # versions differ
        found[name.lower()].append(value)
    return dict(found)


@cache
def defaults(host: str) -> dict[str, list[str]]:
    """What OpenSSH has for a host without any file."""
    found = openssh(Path("/dev/null"), host)
    assert found is not None
    return found


#: What `ssh -G` does not show as it is written, or not at all if it is the default.
SPECIAL = {"host", "hostname", "ignoreunknown"}
JOINED = {"userknownhostsfile", "globalknownhostsfile", "rekeylimit", "canonicaldomains"}
HIDDEN = {"certificatefile", "sessiontype"}


def ours(path: Path, host: str, **given: str) -> dict[str, list[str]] | None:
    """What we make of a file, in the same form; None if we refuse it."""
    facts: LocalFacts = local_facts()
    try:
        evaluation = client_values(str(path), {"host": host, **given}, facts)
    except ConfigParseError as exc:
        return None if exc.path in ("", str(path)) else {}
    found: dict[str, list[str]] = {}
    for name, values in evaluation.values.items():
        if name in JOINED:
            value = values[0] + ("0",) if name == "rekeylimit" else values[0]
            found[name] = [" ".join(value[:2] if name == "rekeylimit" else value)]
        elif name in ("sendenv", "setenv"):
            found[name] = list(values[0])
        else:
            found[name] = [value[0] for value in values]
    found["hostname"] = [evaluation.host()]
    return found


def compare(path: Path, host: str) -> None:
    """Hold both against each other."""
    theirs, mine = openssh(path, host), ours(path, host)
    text = path.read_text()
    assert (theirs is None) == (mine is None), text
    if theirs is None or mine is None:
        return
    for name in (name.lower() for name in ARGUMENTS):
        if name in SPECIAL - {"hostname"}:
            continue
        got = mine.get(name)
        expected = theirs.get(name)
        if name == "gssapiauthentication" and name not in defaults(host):
            continue  # OpenSSH can be built without it
        if got is None:
            assert expected == defaults(host).get(name), (name, text)
        else:
            assert shown(name, got) == (expected or []), (name, text)


SHOWN_AS_TRUE = {"pubkeyauthentication", "requesttty", "stricthostkeychecking"}


def shown(name: str, got: list[str]) -> list[str]:
    """What `ssh -G` shows of a value of ours."""
    facts = local_facts()
    if name == "hostname":
        return [got[0].lower()]
    if name == "forwardagent":
        return next(([each] for each in got if each not in ("yes", "no")), got[:1])
    if name == "proxyjump":
        return [] if got == ["none"] else got
    if name == "canonicaldomains":
        return [each.removesuffix(".") for each in got]
    if name in SHOWN_AS_TRUE:
        return [{"yes": "true", "no": "false"}.get(got[0], got[0])]
    if name in ("userknownhostsfile", "identityagent"):
        return [got[0].replace("~", facts.home).replace("%u", facts.user)]
    if name == "proxycommand" and got == ["none"]:
        return []
    return ["SILENT" if name == "loglevel" and each == "QUIET" else each for each in got]


@pytest.mark.parametrize(("name", "argument"), ALL)
def test_each_line(tmp_path: Path, name: str, argument: str) -> None:
    path = tmp_path / "config"
    for text in (f"{name} {argument}\n", f"{name}={argument}\n", f"Host x\n{name} {argument}\n"):
        path.write_text(text)
        compare(path, "alpha")


@pytest.mark.parametrize(
    "line",
    [
        "Match",
        "Match host",
        "Match all host x",
        "Match nonsense x",
        "Match host alpha,beta user # comment",
        "Host",
        "Port",
        "Port 22 23",
        "User",
        'User "open',
        'User ""',
        "Include",
        "Include nothing-there*",
        "Ciphers",
        '"Port" 23',
        "Port\t=\t23",
        "Port = = 23",
        "\x0cPort 23",
    ],
)
def test_odd_lines(tmp_path: Path, line: str) -> None:
    path = tmp_path / "config"
    path.write_text(line + "\n")
    compare(path, "alpha")


# The same files each time, so that CI says the same; without `derandomize` to look for more.
@settings(max_examples=300, deadline=None, derandomize=True)
@given(text=files(spelled(GOOD), 14), host=st.sampled_from(HOSTS))
def test_generated_files(tmp_path_factory: pytest.TempPathFactory, text: str, host: str) -> None:
    path = tmp_path_factory.getbasetemp() / "generated"
    path.write_text(text)
    compare(path, host)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(text=files(spelled(ALL), 5))
def test_generated_files_with_errors(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "generated"
    path.write_text(text)
    compare(path, "alpha")


@cache
def knows(criterion: str) -> bool:
    """Whether the installed OpenSSH has a criterion, which the older ones do not."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(f"Match {criterion} 127.0.0.1\n")
        file.flush()
        return openssh(Path(file.name), "alpha") is not None


#: What is on the command line besides the host, and the options that say the same.
ASKED: list[tuple[list[str], dict[str, str]]] = [
    ([], {}),
    (["ls"], {"command": "ls"}),
    (["ls -l"], {"command": "ls -l"}),
    (["a,b"], {"command": "a,b"}),
    (["-s", "sftp"], {"subsystem": "sftp"}),
]

#: Lines of a file, the last of which is followed by one that tells whether it applies.
NEW_CRITERIA = [
    "Match command ls",
    "Match command l*,pwd",
    "Match command LS",
    'Match command "ls -l"',
    'Match command ""',
    'Match !command ""',
    'Match command "*"',
    "Match command !ls",
    "Match command !ls,*",
    "Match command a,b",
    "Match command",
    "Match command=ls",
    "RemoteCommand foo\nMatch command foo",
    'RemoteCommand foo\nMatch command ""',
    "Match sessiontype shell",
    "Match sessiontype exec",
    "Match sessiontype EXEC",
    "Match sessiontype subsystem",
    "Match sessiontype none",
    "Match sessiontype s*",
    "Match sessiontype exec,shell",
    "Match sessiontype !exec,*",
    "Match !sessiontype exec",
    "Match sessiontype bogus",
    'Match sessiontype ""',
    "Match sessiontype",
    'Match host nobody sessiontype ""',
    "RemoteCommand foo\nMatch sessiontype exec",
    "RemoteCommand foo\nMatch sessiontype shell",
    "Match version nobody_*",
    "Match version *",
    "Match !version nobody_*",
    'Match version ""',
    "Match version",
    'Match host nobody version ""',
    "Match localnetwork 127.0.0.0/8",
    "Match localnetwork 127.0.0.1",
    "Match localnetwork 127.0.0.2/32",
    "Match localnetwork 10.255.254.0/24,127.0.0.0/8",
    "Match localnetwork 0.0.0.0/0",
    "Match localnetwork ::/0",
    "Match localnetwork fe80::/10",
    "Match localnetwork ::ffff:127.0.0.0/104",
    "Match !localnetwork 127.0.0.0/8",
    "Match localnetwork 127.0.0.0/08",
    "Match localnetwork !10.0.0.0/8,127.0.0.0/8",
    "Match localnetwork 127.*",
    "Match localnetwork 127.0.0.0/255.0.0.0",
    "Match localnetwork 127.0.0.1/8",
    "Match localnetwork 127.0.0.0/33",
    "Match localnetwork 127.0.0.0/",
    "Match localnetwork 127.0.0.0/8,",
    "Match localnetwork [::1]/128",
    "Match localnetwork lo",
    'Match localnetwork ""',
    "Match host nobody localnetwork lo",
]


@pytest.mark.parametrize("text", NEW_CRITERIA)
def test_criteria_of_later_versions(tmp_path: Path, text: str) -> None:
    criterion = next(
        name for name in ("command", "sessiontype", "version", "localnetwork") if name in text
    )
    if not knows(criterion):
        pytest.skip(f"this OpenSSH does not know Match {criterion}")
    path = tmp_path / "config"
    path.write_text(f"{text}\nPort 9\n")
    # Of RemoteCommand and a command at once ssh says that it is an error.
    for words, options in ASKED[:1] if text.startswith("RemoteCommand") else ASKED:
        theirs, mine = openssh(path, "alpha", *words), ours(path, "alpha", **options)
        assert (theirs is None) == (mine is None), words
        if theirs is not None and mine is not None:
            assert mine.get("port", ["22"]) == theirs["port"], words


@pytest.mark.parametrize("value", ["none", "subsystem", "default"])
@pytest.mark.parametrize("wanted", ["none", "subsystem", "shell", "exec"])
def test_session_type_of_the_file(tmp_path: Path, value: str, wanted: str) -> None:
    """As of a client that was started without a command."""
    if not knows("sessiontype"):
        pytest.skip("this OpenSSH does not know Match sessiontype")
    path = tmp_path / "config"
    path.write_text(f"SessionType {value}\nMatch sessiontype {wanted}\nPort 9\n")
    words = ["sftp"] if value == "subsystem" else []  # ssh wants to know which
    theirs, mine = openssh(path, "alpha", *words), ours(path, "alpha")
    assert theirs is not None
    assert mine is not None
    assert mine.get("port", ["22"]) == theirs["port"]
