"""sshd_config(5) as options of servers, and what it says about single users."""

from __future__ import annotations

import getpass
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from ssh_connection import (
    ChannelOpenError,
    ConfigParseError,
    PermissionDenied,
    SSHAcceptor,
    SSHClientConnection,
    SSHServerConnection,
    SSHServerConnectionOptions,
)
from tests.connection.loopback import (
    HOST,
    HOST_KEY,
    OTHER_KEY,
    USER_KEY,
    Server,
    authorized,
    client,
    owner,
    server_side,
    serving,
)

ME = getpass.getuser()


class Anybody(Server):
    """Lets everybody in with `secret`, and nobody without."""

    def begin_auth(self, username: str) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return password == "secret"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Where the file is."""
    return tmp_path / "sshd_config"


def options(config: Path, text: str, **given: Any) -> SSHServerConnectionOptions:
    """Options with a file."""
    config.write_text(text)
    return SSHServerConnectionOptions(config=str(config), **given)


async def login(
    acceptor: SSHAcceptor[SSHServerConnection], username: str, **kwargs: Any
) -> SSHClientConnection:
    """Connect with the password, unless there is a key."""
    kwargs.setdefault("password", "secret")
    return await client(acceptor, username=username, **kwargs)


def test_values(config: Path, tmp_path: Path) -> None:
    key = tmp_path / "host_key"
    key.write_bytes(HOST_KEY.export_private_key())
    found = options(
        config,
        f"""
        AllowAgentForwarding no
        AuthenticationMethods publickey,password publickey
        Ciphers aes256-ctr
        ClientAliveCountMax 0
        ClientAliveInterval 1m
        Compression no
        HostKey {key}
        HostKeyAlgorithms ssh-ed25519
        KexAlgorithms curve25519-sha256
        ListenAddress 127.0.0.1:2222
        LoginGraceTime 1m
        MaxAuthTries 3
        MaxSessions 4
        MaxStartups 5:30:60
        PasswordAuthentication yes
        PermitTTY no
        PubkeyAcceptedAlgorithms ssh-ed25519
        RekeyLimit 1G 1h
        TCPKeepAlive no
        Banner /etc/issue
        Subsystem sftp internal-sftp
        """,
    )
    assert (found.host, found.port) == ("127.0.0.1", 2222)
    assert found.agent_forwarding is False
    assert found.required_methods == ((b"publickey", b"password"), (b"publickey",))
    assert found.algorithms.ciphers == (b"aes256-ctr",)
    assert found.algorithms.own_host_keys == (b"ssh-ed25519",)
    assert found.algorithms.signatures == (b"ssh-ed25519",)
    assert (found.keepalive_interval, found.keepalive_count_max) == (60, 2**31 - 1)
    assert found.server_host_keys == [str(key)]
    assert (found.login_timeout, found.max_auth_tries, found.max_sessions) == (60, 3, 4)
    assert found.max_startups == (5, 30, 60)
    assert (found.allow_pty, found.tcp_keepalive) == (False, False)
    given_first = options(config, "Port 22\nMaxSessions 4\n", port=2200, max_sessions=1)
    assert (given_first.port, given_first.max_sessions) == (2200, 1)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("ChrootDirectory /x\n", "1: chrootdirectory: this restriction is not supported"),
        ("\nMatch User x\nChrootDirectory /x\n", "3: chrootdirectory: this restriction is"),
        ("AllowTcpForwarding local\n", "1: allowtcpforwarding: this restriction"),
        ("PermitListen 8080\n", "this restriction"),
        ("PermitRootLogin forced-commands-only\n", "this restriction"),
        ("Match User x\nPort 22\n", "2: port: not in a Match block"),
        ("Match Nonsense x\n", "1: match: no criterion nonsense"),
        ("Match\n", "no criterion"),
        ("Port 22\nPort 23\n", "one address and one port"),
        ("ListenAddress a\nListenAddress b\n", "one address and one port"),
        ("ListenAddress a:x\n", "is not an address"),
        ("UseDNS yes\nMatch Host *.example.org\n", "which UseDNS contradicts"),
        ("AllowUsers bob\nNoSuch x\n", "2: nosuch: no such keyword"),
        ("PermitOpen nothing\n", "not host:port"),
        ("AuthenticationMethods publickey any\n", '1: authenticationmethods: "any" must stand'),
        ("AuthenticationMethods publickey\nAuthenticationMethods any\n", "2: .* must stand alone"),
        ("Ciphers rot13\n", "1: ciphers: none of the algorithms is known"),
        ("MaxStartups 0\n", "out of range"),
    ],
)
def test_what_can_not_be_done_is_refused(config: Path, text: str, match: str) -> None:
    with pytest.raises(ConfigParseError, match=match):
        options(config, text)


async def test_lists_of_users(config: Path) -> None:
    config.write_text(
        f"DenyUsers eve\nAllowUsers bob {ME}@127.0.0.* carol@10.0.0.0/8 eve\nPermitRootLogin yes\n"
    )
    async with serving(
        config=str(config), server_factory=Anybody, authorized_client_keys=authorized()
    ) as acceptor:
        for user in ("bob", ME):
            async with await login(acceptor, user) as conn:
                assert (await conn.run("x", input="")).stdout == "x\n"
            async with await login(acceptor, user, password=None, client_keys=[USER_KEY]):
                pass
        for user in ("eve", "carol", "mallory"):
            for credentials in ({}, {"password": None, "client_keys": [USER_KEY]}):
                with pytest.raises(PermissionDenied) as caught:
                    await login(acceptor, user, **credentials)
                # Nobody can tell that it is not for the password.
                assert caught.value.methods is not None
                assert b"password" in caught.value.methods


async def test_groups_and_root(config: Path) -> None:
    group = os.getgrouplist(ME, pwd.getpwnam(ME).pw_gid)
    assert group
    config.write_text(f"AllowGroups no-such-group\nMatch Group {ME}\nAllowGroups {ME}\n")
    async with serving(config=str(config), server_factory=Anybody) as acceptor:
        async with await login(acceptor, ME):
            pass
        with pytest.raises(PermissionDenied):
            await login(acceptor, "nobody-there")
    config.write_text("PermitRootLogin no\n")
    async with serving(config=str(config), server_factory=Anybody) as acceptor:
        with pytest.raises(PermissionDenied):
            await login(acceptor, "root")
        async with await login(acceptor, "toor"):
            pass
    config.write_text("PermitRootLogin prohibit-password\n")
    async with serving(
        config=str(config), server_factory=Anybody, authorized_client_keys=authorized()
    ) as acceptor:
        with pytest.raises(PermissionDenied):
            await login(acceptor, "root")
        async with await login(acceptor, "root", client_keys=[USER_KEY]):
            pass


async def test_open_house_is_closed_to_those_who_are_denied(config: Path) -> None:
    class Open(Server):
        def begin_auth(self, username: str) -> bool:
            return False

    config.write_text("DenyUsers eve\n")
    async with serving(config=str(config), server_factory=Open) as acceptor:
        async with await login(acceptor, "bob", password=None):
            pass
        with pytest.raises(PermissionDenied):
            await login(acceptor, "eve", password=None)


async def test_methods_of_a_user(config: Path) -> None:
    config.write_text(
        "Match User bob\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "Match User carol\nAuthenticationMethods publickey,password\n"
        "Match Address 192.0.2.0/24\nPasswordAuthentication no\n"
    )
    async with serving(
        config=str(config), server_factory=Anybody, authorized_client_keys=authorized()
    ) as acceptor:
        async with await login(acceptor, "alice"):
            pass
        with pytest.raises(PermissionDenied) as caught:
            await login(acceptor, "bob")
        assert list(caught.value.methods or ()) == [b"publickey"]
        with pytest.raises(PermissionDenied):
            await login(acceptor, "carol")
        with pytest.raises(PermissionDenied):
            await login(acceptor, "carol", password=None, client_keys=[USER_KEY])
        async with await login(acceptor, "carol", client_keys=[USER_KEY]):
            pass


async def test_forced_command_and_forwarding(config: Path) -> None:
    config.write_text(
        "Match User bob\nForceCommand only this\nAllowTcpForwarding no\nMaxSessions 1\n"
        f"Match User carol\nPermitOpen {HOST}:1\n"
    )
    async with serving(
        config=str(config),
        server_factory=Anybody,
        authorized_client_keys=authorized('command="of the key"'),
    ) as acceptor:
        port = acceptor.get_port()
        for credentials in ({}, {"client_keys": [USER_KEY], "password": None}):
            async with await login(acceptor, "bob", **credentials) as conn:
                assert (await conn.run("anything", input="")).stdout == "only this\n"
                with pytest.raises(ChannelOpenError, match="not permitted"):
                    await conn.open_connection(HOST, port)
        async with await login(acceptor, "carol") as conn:
            with pytest.raises(ChannelOpenError, match="not permitted"):
                await conn.open_connection(HOST, port)
            assert (await conn.run("anything", input="")).stdout == "anything\n"
        async with await login(acceptor, "alice") as conn:
            reader, writer = await conn.open_connection(HOST, port)
            assert (await reader.readline()).startswith(b"SSH-2.0-")
            writer.close()


async def test_authorized_keys_of_the_user(config: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    (keys / ME).write_bytes(USER_KEY.export_public_key())
    config.write_text(f"StrictModes no\nAuthorizedKeysFile {keys}/%u .ssh/no-such-file\n")
    async with serving(config=str(config), server_factory=Anybody) as acceptor:
        async with await login(acceptor, ME, password=None, client_keys=[USER_KEY]):
            assert owner(server_side(acceptor)).calls
        for user, key in ((ME, OTHER_KEY), ("no-such-user-here", USER_KEY)):
            with pytest.raises(PermissionDenied) as caught:
                await login(acceptor, user, password=None, client_keys=[key])
            assert b"publickey" in (caught.value.methods or ())
    # Others can write to the folders above.
    (keys / ME).chmod(0o666)
    config.write_text(f"AuthorizedKeysFile {keys}/%u\n")
    async with serving(config=str(config), server_factory=Anybody) as acceptor:
        with pytest.raises(PermissionDenied):
            await login(acceptor, ME, password=None, client_keys=[USER_KEY])


async def test_update_reads_it_again(config: Path) -> None:
    config.write_text("DenyUsers eve\n")
    async with serving(config=str(config), server_factory=Anybody) as acceptor:
        config.write_text("DenyUsers bob\n")
        with pytest.raises(PermissionDenied):
            await login(acceptor, "eve")
        acceptor.update(rekey_bytes="1g")
        async with await login(acceptor, "eve"):
            pass
        with pytest.raises(PermissionDenied):
            await login(acceptor, "bob")
