"""ssh_config(5) as options of clients; tests/interop holds the parser against OpenSSH's."""

from __future__ import annotations

import os
import pwd
import socket
import sys
import threading
import time
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_connection import (
    ConfigParseError,
    SSHClientConnectionOptions,
    connect,
    get_server_host_key,
    listen_reverse,
)
from ssh_connection.config import client_config
from ssh_connection.config import files as config_files
from ssh_connection.config.interfaces import local_addresses
from ssh_connection.config.tokens import expand, expand_home
from ssh_connection.config.words import split_line, split_words
from ssh_keys import generate_private_key
from ssh_transport import HostKeyNotVerifiable
from tests.connection.loopback import HOST, HOST_KEY, USER_KEY, authorized, serving
from tests.processes import Family


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home directory without anything, and no display or agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/sh")
    for name in ("DISPLAY", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".ssh").mkdir(mode=0o700)


def options(path: Path, text: str, host: str = "host", **given: Any) -> SSHClientConnectionOptions:
    """Options with a file."""
    file = path / "config"
    file.write_text(text)
    return SSHClientConnectionOptions(config=str(file), host=host, **given)


def refused(path: Path, text: str, line: int, match: str, host: str = "host") -> None:
    """Check that a file is refused, and where."""
    with pytest.raises(ConfigParseError, match=match) as caught:
        options(path, text, host)
    assert (caught.value.path, caught.value.line) == (str(path / "config"), line)
    assert str(caught.value).startswith(f"{path / 'config'}:{line}: ")
    assert str(caught.value).isprintable()


# --- Values ----------------------------------------------------------------------------------


def test_first_value_holds_and_options_go_first(tmp_path: Path) -> None:
    text = "Host host\nUser bob\nPort 2222\nHost *\nUser alice\nServerAliveInterval 1m30s\n"
    found = options(tmp_path, text)
    assert (found.username, found.port, found.keepalive_interval) == ("bob", 2222, 90)
    given_first = options(tmp_path, text, username="me", port=22, keepalive_interval=0)
    assert (given_first.username, given_first.port, given_first.keepalive_interval) == ("me", 22, 0)
    # Criteria see what was given, as they see options of the command line in OpenSSH.
    text = "Match user me\nPort 33\nMatch !user me\nPort 44\n"
    assert options(tmp_path, text, username="me").port == 33
    assert options(tmp_path, text, username="you").port == 44


def test_no_file_is_read_unless_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / ".ssh" / "config").write_text("User bob\n")
    assert SSHClientConnectionOptions(host="host").username == ()
    nothings: list[Any] = [None, (), [], "", False]
    for nothing in nothings:
        assert SSHClientConnectionOptions(config=nothing, host="host").username == ()
    assert SSHClientConnectionOptions(config=True, host="host").username == "bob"


@pytest.mark.parametrize("host", ["machine/.host", "vsock/3", "example"])
def test_patterns_with_a_slash_are_no_networks(tmp_path: Path, host: str) -> None:
    # As systemd installs them in /etc/ssh/ssh_config.d.
    text = """
    Host .host machine/.host
        User one
    Match host vsock/*
        User two
    Host 10.0.0.0/8 *
        User three
    """
    found = options(tmp_path, text, host=host).username
    assert found == {"machine/.host": "one", "vsock/3": "two", "example": "three"}[host]


def test_every_value(tmp_path: Path) -> None:
    (tmp_path / "id").write_bytes(generate_private_key("ssh-ed25519").export_private_key())
    (tmp_path / "kh").write_bytes(b"")
    found = options(
        tmp_path,
        f"""
        AddressFamily inet
        BindAddress 127.0.0.1
        CASignatureAlgorithms ssh-ed25519
        Ciphers aes256-ctr,rijndael-cbc@lysator.liu.se
        Compression yes
        ConnectTimeout 5
        HostKeyAlgorithms ssh-ed25519
        HostKeyAlias other
        HostName %h.example.org
        IdentityFile {tmp_path}/id
        IdentityFile {tmp_path}/none
        KexAlgorithms +diffie-hellman-group14-sha1
        KbdInteractiveAuthentication no
        MACs hmac-sha2-512
        PasswordAuthentication no
        PreferredAuthentications publickey
        ProxyCommand nc "%h" %p 100%%
        PubkeyAuthentication host-bound
        PubkeyAcceptedAlgorithms ^rsa-sha2-256
        RekeyLimit 1G 1h
        RemoteCommand run %n as %r
        RequestTTY force
        SendEnv LANG LC_*
        SendEnv -LANG
        ServerAliveCountMax 7
        SetEnv A=1 "B=2 3"
        TCPKeepAlive no
        User bob
        UserKnownHostsFile ~/kh ~/none
        GlobalKnownHostsFile none
        """,
    )
    assert found.host == "host.example.org"
    assert found.family == socket.AF_INET
    assert found.local_addr == ("127.0.0.1", 0)
    assert found.algorithms.ciphers == (b"aes256-ctr",)
    assert found.algorithms.compressions[0] == b"zlib@openssh.com"
    assert found.algorithms.host_keys == (b"ssh-ed25519",)
    assert found.algorithms.kex[-1] == b"diffie-hellman-group14-sha1"
    assert found.algorithms.signatures[0] == b"rsa-sha2-256"
    assert found.algorithms.macs == (b"hmac-sha2-512",)
    assert found.connect_timeout == 5
    assert found.host_key_alias == "other"
    assert found.client_keys == [str(tmp_path / "id")]
    assert found.methods == (b"publickey",)
    command = ["/bin/sh", "-c", 'exec nc "host.example.org" 22 100%%']
    assert found.proxy_command == command
    assert (found.rekey_bytes, found.rekey_seconds) == (1 << 30, 3600)
    assert (found.command, found.request_pty) == ("run host as bob", "force")
    assert found.send_env == ["LC_*"]
    assert found.env == ["A=1", "B=2 3"]
    assert found.tcp_keepalive is False
    assert found.known_hosts == str(tmp_path / "kh")


def test_keys_that_are_given_stay_needed(tmp_path: Path) -> None:
    text = "IdentityFile ~/none\n"
    assert options(tmp_path, text).ignore_encrypted is True
    assert options(tmp_path, text, passphrase="x").ignore_encrypted == ()
    found = options(tmp_path, text, client_keys=["mine"])
    assert (found.client_keys, found.ignore_encrypted) == (["mine"], ())


def test_nobody_is_trusted_where_no_known_hosts_are(tmp_path: Path) -> None:
    text = "UserKnownHostsFile none\nGlobalKnownHostsFile /no/such/file\n"
    found = options(tmp_path, text)
    # None would trust everybody, and () would read the usual file.
    assert found.known_hosts == b""
    assert options(tmp_path, "StrictHostKeyChecking no\n").known_hosts == ()
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    found = options(tmp_path, "UserKnownHostsFile ~/a ~/b\n")
    assert isinstance(found.known_hosts, bytes)
    assert found.known_hosts.startswith(b"one\ntwo")


def test_jumps(tmp_path: Path) -> None:
    assert options(tmp_path, "ProxyJump me@a:2222,[::1]:3\n").tunnel == "me@a:2222,[::1]:3"
    assert options(tmp_path, "ProxyJump ssh://%r@jump\nUser bob").tunnel == "bob@jump"
    assert options(tmp_path, "ProxyJump none\nProxyCommand x\n").proxy_command == ()
    both = options(tmp_path, "ProxyCommand x\nProxyJump a\n")
    assert (both.proxy_command, both.tunnel) == (["/bin/sh", "-c", "exec x"], ())
    # What was given goes first, whichever of the two it is.
    assert options(tmp_path, "ProxyCommand x\n", tunnel=None).proxy_command == ()
    assert options(tmp_path, "ProxyJump x\n", proxy_command=["y"]).tunnel == ()
    # A host is not reached through itself.
    assert options(tmp_path, "ProxyJump host\n").tunnel == ()
    assert options(tmp_path, "ProxyJump host:2222\n").tunnel == "host:2222"


def test_tokens_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", "%h")
    tokens = {"h": "HOST%p", "p": "22"}
    assert expand("%h:%p %% ${NAME} $NAME", tokens, os.environ) == "HOST%p:22 % %h $NAME"
    assert expand("${NAME}", tokens) == "${NAME}"
    for wrong in ("%x", "%", "${NO_SUCH_NAME}", "${}"):
        with pytest.raises(ValueError):
            expand(wrong, tokens, os.environ)
    with pytest.raises(ValueError, match="too long"):
        expand("%a" * 1000, {"a": "x" * 1000})
    assert expand_home("~/a", "/home") == "/home/a"
    assert expand_home("a~", "/home") == "a~"
    with pytest.raises(ValueError, match="other users"):
        expand_home("~root/a", "/home")
    (tmp_path / "host-key.pub").write_text("x")
    text = "CertificateFile ~/%h-key.pub\nIdentityFile none\nIdentityFile ${HOME}/%n-key.pub\n"
    found = options(tmp_path, text)
    assert found.client_certs == [str(tmp_path / "host-key.pub")]
    assert found.client_keys == []


def test_blocks_see_the_host_name(tmp_path: Path) -> None:
    text = (
        "Match originalhost host host real.example.org\nPort 5\n"
        "Host host\nHostname real.example.org\n"
        "Match host real.example.org\nUser bob\n"
        "Match final host real.example.org\nPort 6\n"
    )
    found = options(tmp_path, text)
    assert (found.username, found.port) == ("bob", 5)


def test_restrictions_of_other_hosts(tmp_path: Path) -> None:
    text = (
        "Host other\nRefuseConnection no\nBindInterface tun0\nRequiredRSASize 4096\n"
        "Host *\nUser bob\nProxyUseFdpass yes\nRequiredRSASize 2048\n"
    )
    assert options(tmp_path, text).username == "bob"


def test_tags(tmp_path: Path) -> None:
    rules = 'Match tagged a,b?\nUser bob\nMatch !tagged *\nUser alice\nMatch tagged ""\nPort 3\n'
    for tag, user, port in (("", "alice", 3), ("Tag b1\n", "bob", ()), ("Tag A\n", "me", ())):
        found = options(tmp_path, f"{tag}{rules}Host *\nUser me\n")
        assert (found.username, found.port) == (user, port)


def test_x11_is_forwarded_to_those_who_are_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    assert options(tmp_path, "ForwardX11 yes\n").x11_forwarding is True
    assert options(tmp_path, "ForwardX11 yes\nForwardX11Trusted yes\n").x11_forwarding is True
    assert options(tmp_path, "ForwardX11 yes\nForwardX11Trusted no\n").x11_forwarding is False


def test_commands_in_criteria(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    text = f'Match exec "test %n = host"\nUser yes\nMatch host other exec "touch {mark}"\nPort 1\n'
    assert options(tmp_path, text).username == "yes"
    # What can not matter any more is not run.
    assert not mark.exists()
    assert options(tmp_path, text, host="third").username == ()

    # Of names only those count that a command uses.
    text = 'User "o\'b"\nHostname "a;b"\nMatch exec "test %n = host"\nPort 7\n'
    assert options(tmp_path, text).port == 7
    assert options(tmp_path, text + "ProxyCommand nc %n %%r\n").proxy_command


def test_agent_forwarding_by_word_and_path(tmp_path: Path) -> None:
    def forwarding(*arguments: str) -> object:
        file = tmp_path / "config"
        file.write_text("".join(f"ForwardAgent {each}\n" for each in arguments))
        given = {"host": "host", "agent_path": "/run/other"}
        names = ("host", "agent_forwarding")
        return client_config(str(file), given, names)[0].get("agent_forwarding")

    assert forwarding("yes", "/run/agent") == "/run/agent"
    assert forwarding("/run/agent", "no", "/run/third") == "/run/agent"
    assert forwarding("no", "/run/agent") is False
    assert forwarding("no", "yes") is False
    assert forwarding("yes", "no") is True
    assert forwarding("$NOT_SET_HERE") is False


def test_forms_of_values(tmp_path: Path) -> None:
    assert options(tmp_path, "Port ssh\n").port == 22
    assert options(tmp_path, "SetEnv A=1 A=2 B=3\nSetEnv C=4\n").env == ["A=1", "B=3"]
    assert options(tmp_path, "ProxyJump ssh://a@b:ssh/,[::1]:4 x\n").tunnel == "a@b:22,[::1]:4"
    assert options(tmp_path, "CertificateFile none\n").client_certs == []
    assert options(tmp_path, "CanonicalDomains A.b.\n").canonical_domains == ["a.b"]
    assert options(tmp_path, "CanonicalDomains none\n").canonical_domains == []


# --- Hostile input ---------------------------------------------------------------------------


def test_many_values(tmp_path: Path) -> None:
    def lines(keyword: str, count: int) -> str:
        return "".join(f"{keyword} n{number}\n" for number in range(count))

    start = time.monotonic()
    assert options(tmp_path, lines("SendEnv", 1000)).send_env
    refused(tmp_path, lines("SendEnv", 1001), 1001, "more than 1000 words")
    refused(tmp_path, "SendEnv" + " -a*b" * 200_000, 1, "more than 1000 words")
    refused(tmp_path, lines("IdentityFile", 101), 101, "more than 100 of them")
    options(tmp_path, lines("LocalForward", 50_000))
    assert time.monotonic() - start < 10


def test_many_included_files(tmp_path: Path) -> None:
    """A few lines can name more files, with nothing but comments, than anybody could read."""
    folder = tmp_path / ".ssh" / "d"
    folder.mkdir()
    for number in range(300):
        (folder / str(number)).write_text("# nothing\n")
    options(tmp_path, "Include d/*\n" * 3)
    refused(tmp_path, "Include d/*\n" * 4, 4, "more than 1000 files")
    refused(tmp_path, "Include" + " d/0" * 1001, 1, "more than 1000 files")


def test_what_settles_the_name_is_settled_before_the_final_pass(tmp_path: Path) -> None:
    late = options(
        tmp_path,
        "Match final all\nCanonicalizeHostname yes\nCanonicalizeMaxDots 5\n"
        "CanonicalizeFallbackLocal no\nPort 77\n",
    )
    assert (late.canonicalize_hostname, late.canonicalize_max_dots) == (False, 1)
    assert (late.canonicalize_fallback_local, late.port) == (True, 77)
    early = options(tmp_path, "CanonicalizeMaxDots 5\nMatch final all\nCanonicalizeMaxDots 6\n")
    assert early.canonicalize_max_dots == 5


def test_only_final_itself_asks_for_a_final_pass(tmp_path: Path) -> None:
    """As in OpenSSH from version 10.1 on; what is for the final pass is for no other one."""
    rules = "Match canonical all\nPort 77\n"
    assert options(tmp_path, f"{rules}Match final\n").port == 77
    assert options(tmp_path, f"{rules}Match host host !final\n").port == ()
    assert options(tmp_path, "Match !final\nPort 77\n").port == 77


@pytest.mark.parametrize("host", ["$(touch x)", "a;b", "-oX", "a`b`", "a b", "a'b", "a|b"])
def test_names_reach_no_shell(tmp_path: Path, host: str) -> None:
    mark = tmp_path / "mark"
    for text in (f'Match exec "touch {mark} %h"\nPort 3\n', "ProxyCommand nc %h %p\n"):
        with pytest.raises(ConfigParseError, match="can not be given to a command"):
            options(tmp_path, text, host)
    with pytest.raises(ConfigParseError, match="can not be given to a command"):
        options(tmp_path, "ProxyCommand nc %r\n", username=host.replace(" ", " -"))
    assert not mark.exists()


def test_files_in_a_circle(tmp_path: Path) -> None:
    with pytest.raises(ConfigParseError, match="more than 16 files in files"):
        options(tmp_path, f"Include {tmp_path}/config\n")
    (tmp_path / "b").write_text(f"Include {tmp_path}/*\n")
    # Every level opens both again: the number of lines ends it before the number of levels does.
    start = time.monotonic()
    with pytest.raises(ConfigParseError):
        options(tmp_path, f"Include {tmp_path}/b {tmp_path}/b\nUser x\n" * 50)
    assert time.monotonic() - start < 20


def test_included_files(tmp_path: Path) -> None:
    (tmp_path / ".ssh" / "one.conf").write_text("Host other\nUser eve\nHost *\nPort 5\n")
    (tmp_path / ".ssh" / "two.conf").write_text("Compression yes\n")
    found = options(tmp_path, "Include *.conf nothing-there ~/none\nUser bob\n")
    assert (found.username, found.port) == ("bob", 5)
    # The blocks of a file end with it, and none of them applies inside of one that does not.
    found = options(tmp_path, "Host nobody\nInclude one.conf\nHost host\nUser bob\n")
    assert (found.username, found.port) == ("bob", ())
    (tmp_path / ".ssh" / "bad.conf").write_text("\nPort x\n")
    with pytest.raises(ConfigParseError, match=r"bad\.conf:2: port: 'x' is no port"):
        options(tmp_path, "Include bad.conf\n")


def test_names_of_included_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", str(tmp_path))
    (tmp_path / "more").write_text("Port 77\n")
    for name in ("${WHERE}/more", "%d/more", "~/mo*"):
        assert options(tmp_path, f"Include {name}\n").port == 77
    refused(tmp_path, "Port 1\nInclude ${NOT_SET_HERE}/more\n", 2, "no environment variable")
    refused(tmp_path, "Port 1\nInclude %h/more\n", 2, "no token %h")


def test_user_by_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM", "red")
    text = "Match user real-%*\nPort 5\nHost *\nUser real-%h-${TEAM}%%\nRemoteCommand as %r\n"
    found = options(tmp_path, "User real-%h-${TEAM}%%\n" + text)
    assert (found.username, found.command) == ("real-host-red%", "as real-host-red%")
    assert found.port == 5
    assert options(tmp_path, text, username="a%h").username == "a%h"
    refused(tmp_path, "\nUser %r\n", 2, "no token %r")


def test_large_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigParseError, match="larger than"):
        options(tmp_path, "# " + "x" * (1 << 20))
    with pytest.raises(ConfigParseError, match="more than 100000 lines"):
        options(tmp_path, "User x\n" * 100_001)
    # Patterns take no more time than their length.
    start = time.monotonic()
    options(tmp_path, "Host " + "a*" * 2000 + "b\nUser x\n", "a" * 250)
    assert time.monotonic() - start < 5


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        SSHClientConnectionOptions(config=str(tmp_path / "none"), host="host")
    with pytest.raises(ConfigParseError, match="not a regular file"):
        SSHClientConnectionOptions(config=str(tmp_path), host="host")
    with pytest.raises(ConfigParseError, match="not a regular file"):
        SSHClientConnectionOptions(config="/dev/zero", host="host")
    with pytest.raises(TypeError):
        SSHClientConnectionOptions(config=5, host="host")  # type: ignore[arg-type]


def test_user_without_a_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(OSError, match="home directory"):
        options(tmp_path, "Port 22\n", username="me")


def test_values_that_options_refuse(tmp_path: Path) -> None:
    refused(tmp_path, '\nUser "a\x01b"\n', 2, "user: username has a control character")
    refused(tmp_path, '\nHostname "a\x01b"\n', 2, "hostname: host has a control character")
    text = "Host host\nMACs -*\nHost *\nMACs hmac-sha2-256\n"
    refused(tmp_path, text, 2, "macs: mac_algs: ")
    refused(tmp_path, "Port 1\nIdentityFile x\nIdentityFile ~eve/x\n", 3, "other users")
    refused(tmp_path, "CertificateFile x\nCertificateFile %x\n", 2, "no token %x")
    refused(tmp_path, "\nUserKnownHostsFile ${NOT_SET_HERE}\n", 2, "no environment variable")
    refused(tmp_path, "\nIdentityAgent %x\n", 2, "no token %x")
    # Lines of files that are included, and of the pass behind `Match final`.
    (tmp_path / ".ssh" / "one").write_text("\n\nMACs -*\n")
    with pytest.raises(ConfigParseError, match=r"one:3: macs: "):
        options(tmp_path, "Include one\nMatch final all\nMACs hmac-sha2-256\n")
    with pytest.raises(ConfigParseError, match=r"config:2: macs: "):
        options(tmp_path, "Match final all\nMACs -*\n")
    with pytest.raises(ValueError, match="username has a control character") as caught:
        options(tmp_path, "Port 22\n", username="a\x01b")
    assert not isinstance(caught.value, ConfigParseError)


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigParseError, match="not a regular file"):
        options(tmp_path, f"Include {tmp_path}/pipe\n")


def test_own_file_that_others_can_write(tmp_path: Path) -> None:
    file = tmp_path / ".ssh" / "config"
    file.write_text("User bob\n")
    file.chmod(0o666)
    with pytest.raises(ConfigParseError, match="others can write to it"):
        SSHClientConnectionOptions(config=True, host="host")
    # Whoever names a file knows it.
    assert SSHClientConnectionOptions(config=str(file), host="host").username == "bob"


@pytest.mark.parametrize(
    ("text", "line", "match"),
    [
        ("User bob\nPort x\n", 2, "'x' is no port"),
        ("Nonsense 1\n", 1, "nonsense: no such keyword"),
        ('\n\nUser "bob\n', 3, "quotes without an end"),
        ("Match nonsense x\n", 1, "no criterion nonsense"),
        ("Compression maybe\n", 1, "none of yes, no"),
        ("Ciphers rot13\n", 1, "none of the algorithms is known"),
        ("ProxyCommand nc %x\n", 1, "no token %x"),
        ("ProxyJump [::1\n", 1, "not .user@.host"),
        ("UserKnownHostsFile ~nobody/x\n", 1, "other users"),
        ("IdentityFile %q\n", 1, "no token %q"),
        ("User a\0b\n", 1, "zero byte"),
        ("RekeyLimit 1G 1h x\n", 1, "not one argument or two"),
        ('Host *\nRefuseConnection "use the other one"\n', 2, "use the other one"),
        ("\nBindInterface tun0\n", 2, "not supported"),
        ("RequiredRSASize 4096\n", 1, "not supported"),
        ("ProxyUseFdpass yes\nProxyCommand nc\n", 2, "ProxyUseFdpass"),
        ("\x1b[31m 1\n", 1, r"no such keyword"),
    ],
)
def test_errors_name_the_place(tmp_path: Path, text: str, line: int, match: str) -> None:
    refused(tmp_path, text, line, match)


def test_unknown_keywords_that_are_named(tmp_path: Path) -> None:
    assert options(tmp_path, "IgnoreUnknown My*,Other\nMyOption x\nother y\nUser b\n").username


@given(st.text(max_size=200))
def test_any_line_is_split_or_refused(text: str) -> None:
    for line in text.split("\n"):
        try:
            split = split_line(line)
            if split is not None:
                split_words(split[1])
        except ValueError:
            pass


@given(st.binary(max_size=300))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    try:
        SSHClientConnectionOptions(config=str(path), host="host")
    except (ConfigParseError, ValueError):
        pass


# --- Connections -----------------------------------------------------------------------------


async def test_connect_by_a_name_of_the_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(USER_KEY.export_private_key())
    async with serving(authorized_client_keys=authorized()) as acceptor:
        port = acceptor.get_port()
        known = tmp_path / "known"
        known.write_bytes(f"[{HOST}]:{port} ".encode() + HOST_KEY.export_public_key())
        config = tmp_path / "config"
        config.write_text(
            f"Host short\n Hostname {HOST}\n Port {port}\n User user\n IdentityFile {key}\n"
            f" UserKnownHostsFile {known}\n RemoteCommand of the file\n"
            "Host far\n ProxyJump short\n Hostname 127.0.0.1\n"
            f" HostKeyAlias [{HOST}]:{port}\n User user\n IdentityFile {key}\n"
            f" UserKnownHostsFile {known}\n Port {port}\n"
        )
        async with connect("short", config=config) as conn:
            assert conn.get_extra_info("host") == HOST
            assert (await conn.run(input="")).stdout == "of the file\n"
        # The jump host is looked up in the file as well.
        async with connect("far", config=config) as conn:
            assert (await conn.run("far", input="")).stdout == "far\n"
        found = await get_server_host_key("short", config=str(config))
        assert found is not None
        assert found.public_data == HOST_KEY.public_data
        config.write_text("Port x\n")
        with pytest.raises(ConfigParseError):
            await connect("short", config=config)


async def test_proxy_command_of_the_file(tmp_path: Path) -> None:
    script = tmp_path / "relay.py"
    script.write_text(
        "import os, socket, sys, threading\n"
        "sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def back():\n"
        "    while data := sock.recv(65536): os.write(1, data)\n"
        "    os._exit(0)\n"
        "threading.Thread(target=back).start()\n"
        "while data := os.read(0, 65536): sock.sendall(data)\n"
        "sock.shutdown(socket.SHUT_WR)\n"
    )
    config = tmp_path / "config"
    async with serving() as acceptor:
        config.write_text(
            f"Hostname {HOST}\nPort {acceptor.get_port()}\nUser user\n"
            f"ProxyCommand {sys.executable} {script} %h %p 2>/dev/null\n"
        )
        async with connect(
            "any", config=config, password="secret", client_keys=None, known_hosts=None
        ) as conn:
            assert conn.get_extra_info("proxy_pid")
            assert (await conn.run("x", input="")).stdout == "x\n"


# --- Canonical names -------------------------------------------------------------------------


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A name service: name to canonical name; the address is that of the tests."""
    known: dict[str, str] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(host, str) and host.rstrip(".").endswith(".test"):
            if host.rstrip(".") not in known:
                raise socket.gaierror(socket.EAI_NONAME, "not known")
            name = known[host.rstrip(".")]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, name, (HOST, args[0] or 0))]
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


async def test_canonical_names(tmp_path: Path, names: dict[str, str]) -> None:
    config = tmp_path / "config"
    names.update({"short.b.test": "short.b.test", "alias.b.test": "real.c.test"})
    async with serving() as acceptor:
        config.write_text(
            "CanonicalizeHostname yes\nCanonicalDomains a.test b.test\n"
            "CanonicalizePermittedCNAMEs *.b.test:*.c.test\n"
            f"Host *.test\nUser user\nPort {acceptor.get_port()}\n"
        )

        async def host(name: str, **kwargs: Any) -> object:
            async with connect(
                name, password="secret", client_keys=None, known_hosts=None, **kwargs
            ) as conn:
                return conn.get_extra_info("host")

        assert await host("short", config=config) == "short.b.test"
        names["real.c.test"] = "real.c.test"
        assert await host("alias", config=config) == "real.c.test"
        given = {"canonicalize_hostname": True, "canonical_domains": ["b.test"]}
        port = acceptor.get_port()
        # Without permission the alias itself is the name.
        assert await host("alias", username="user", port=port, **given) == "alias.b.test"
        with pytest.raises(OSError):
            await host("nowhere", port=port, canonicalize_fallback_local=False, **given)


async def test_no_command_of_a_file_runs_in_the_loop(
    tmp_path: Path, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may take half a minute, in which nothing else would happen."""
    threads: list[threading.Thread] = []

    def run(command: str) -> bool:
        threads.append(threading.current_thread())
        return True

    monkeypatch.setattr(config_files, "_run", run)
    names["far.b.test"] = "far.b.test"
    config = tmp_path / "config"
    given: dict[str, Any] = {"config": str(config), "password": "secret"}
    given |= {"client_keys": None, "known_hosts": None}
    async with serving() as acceptor:
        port = acceptor.get_port()
        config.write_text(
            f'Match exec "true"\nUser user\nPort {port}\nHost far\nProxyJump near\n'
            f"CanonicalizeHostname always\nCanonicalDomains b.test\n"
            f"Host *\nHostname {HOST}\n"
        )
        async with connect("far", **given) as conn:
            count = len(threads)
            assert count >= 3  # for the host, its canonical name, and the jump host
            async with conn.connect_ssh("near", **given):
                assert len(threads) == count + 1
            async with conn.listen_reverse_ssh(HOST, 0, **given):
                # For its address, and for hosts in between, of which there are none.
                assert len(threads) == count + 3
        with pytest.raises(HostKeyNotVerifiable):
            await listen_reverse(HOST, 0, tunnel="near", **given)
        assert len(threads) > count + 5
    assert threading.main_thread() not in threads


def test_commands_that_take_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = config_files.local_facts().run
    assert run("true") is True
    assert run("false") is False
    monkeypatch.setattr(config_files, "EXEC_SECONDS", 1)
    family = Family(tmp_path / "fifo")
    assert run(family.command) is False
    family.wait_gone()  # what the shell had started, too


# --- Criteria of later versions of OpenSSH ---------------------------------------------------


def test_command_and_session_type_are_what_the_application_asks_for(tmp_path: Path) -> None:
    rules = (
        'Match command ls\nPort 1\nMatch command sftp\nPort 2\nMatch command ""\nPort 3\n'
        "Match sessiontype exec\nUser exec\nMatch sessiontype subsystem\nUser subsystem\n"
        "Match sessiontype shell\nUser shell\nMatch sessiontype none\nUser nobody\n"
    )

    def found(text: str, **given: Any) -> tuple[object, object]:
        made = options(tmp_path, text, **given)
        return made.port, made.username

    assert found(rules) == (3, "shell")
    assert found(rules, command="ls") == (1, "exec")
    assert found(rules, subsystem="sftp") == (2, "subsystem")
    # A type in the file counts where the application says nothing; a command in it never does.
    assert found("SessionType none\n" + rules) == (3, "nobody")
    assert found("SessionType none\n" + rules, command="ls") == (1, "exec")
    assert found("SessionType subsystem\nRemoteCommand sftp\n" + rules) == (3, "subsystem")
    # It is what was asked for behind `Match final`, too.
    assert found("Match final command ls\nPort 9\n" + rules, command="ls") == (1, "exec")


def test_version_is_our_own(tmp_path: Path) -> None:
    text = "Match version ssh_meta_*\nPort 1\nMatch version OpenSSH_*\nPort 2\n"
    assert options(tmp_path, text).port == 1
    for version in ("OpenSSH_10.0", b"OpenSSH_10.0"):
        assert options(tmp_path, text, client_version=version).port == 2


def test_local_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [ip_address("192.0.2.7"), ip_address("2001:db8::7")]
    asked: list[None] = []

    def known() -> list[IPv4Address | IPv6Address]:
        asked.append(None)
        return addresses

    monkeypatch.setattr(config_files, "local_addresses", known)
    for network, port in (
        ("192.0.2.0/24", 1),
        ("192.0.2.7", 1),
        ("10.0.0.0/8,2001:db8::/32", 1),
        ("192.0.2.0/29", 1),
        ("192.0.2.8/29,127.0.0.0/8", 22),
        ("2001:db8::8", 22),
    ):
        found = options(tmp_path, f"Match localnetwork {network}\nPort 1\n").port
        assert found == (1 if port == 1 else ())
        negated = options(tmp_path, f"Match !localnetwork {network}\nPort 1\n").port
        assert negated == (1 if port == 22 else ())
    asked.clear()
    options(tmp_path, "Match host nobody localnetwork 192.0.2.0/24\nPort 1\n")
    assert asked == []

    def unknown() -> list[IPv4Address | IPv6Address]:
        raise ValueError("not here")

    monkeypatch.setattr(config_files, "local_addresses", unknown)
    refused(tmp_path, "Match localnetwork 192.0.2.0/24\n", 1, "not here")


def test_addresses_of_this_machine() -> None:
    found = local_addresses()
    assert ip_address("127.0.0.1") in found
    for address in found:
        if address.version == 4:
            with socket.socket() as sock:
                sock.bind((str(address), 0))  # nobody else's address can be bound


@pytest.mark.parametrize("missing", [TypeError, OSError, AttributeError])
def test_systems_that_do_not_tell_their_addresses(
    missing: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_library(name: object) -> object:
        raise missing

    monkeypatch.setattr("ctypes.CDLL", no_library)
    with pytest.raises(ValueError, match="does not tell"):
        local_addresses()


def test_addresses_that_can_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        """A C library whose getifaddrs fails."""

        def getifaddrs(self, first: object) -> int:
            return -1

        def freeifaddrs(self, first: object) -> None:
            raise AssertionError

    monkeypatch.setattr("ctypes.CDLL", lambda name: Library())
    with pytest.raises(ValueError, match="could not be read"):
        local_addresses()


@pytest.mark.parametrize(
    "network",
    [
        *("lo", "127.*", '""', "!10.0.0.0/8", "10.0.0.0/8,", "10.0.0.1/8", "10.0.0.0/33"),
        *("10.0.0.0/255.0.0.0", "10.0.0.0/", "[::1]/128", "fe80::1%eth0", "10.0.0.0/-1"),
    ],
)
def test_what_is_no_network(tmp_path: Path, network: str) -> None:
    """Also where the answer does not matter."""
    for host in ("", "host nobody "):
        refused(tmp_path, f"Port 1\nMatch {host}localnetwork {network}\n", 2, "is no network")


@pytest.mark.parametrize("criterion", ["version", "sessiontype", "localnetwork", "command"])
def test_criteria_without_an_argument(tmp_path: Path, criterion: str) -> None:
    refused(tmp_path, f"Match {criterion}\n", 1, "needs an argument")
    if criterion not in ("command", "localnetwork"):
        refused(tmp_path, f'Match {criterion} ""\n', 1, "empty pattern")
