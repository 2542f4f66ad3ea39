"""sshd_config(5) as options of servers, and what it says about single users."""

from __future__ import annotations

import asyncio
import getpass
import os
import pwd
import threading
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
    listen,
)
from ssh_connection.config import server_options, user_keys
from ssh_transport import ModuliFileError
from ssh_transport.kex.dh_gex import choose_group
from ssh_transport.kex.dh_groups import BUILT_IN, SafePrimeGroup
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


def test_keywords_of_newer_versions(config: Path) -> None:
    """What concerns nothing of ours is no mistake: those that sshd has got since version 9.2."""
    found = options(
        config,
        """
        AgentSocketPath user:.ssh/agent
        GSSAPIDelegateCredentials yes
        PAMServiceName sshd
        PerSourcePenalties crash:2m noauth:5s
        PerSourcePenaltyExemptList 10.0.0.0/8
        RefuseConnection no
        SshdAuthPath /usr/lib/openssh/sshd-auth
        SshdSessionPath /usr/lib/openssh/sshd-session
        WarnWeakCrypto no-pq-kex
        Port 2222
        """,
    )
    assert found.port == 2222


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
        ("ListenAddress a:x\n", "1: listenaddress: 'x' is no port"),
        ("ListenAddress [a\n", "1: listenaddress: .* is not an address"),
        ("UseDNS yes\nDenyUsers eve@*.example.org\n", "2: denyusers: .* which UseDNS contradicts"),
        ("\nMatch User x\nPermitOpen nothing\n", "3: permitopen: 'nothing' is not host:port"),
        ("PermitOpen a:0\n", "'0' is no port"),
        ("PermitOpen any a:1\n", "is not host:port"),
        ("Match User x\nDenyUsers a@1.2.3.4/33\n", "2: denyusers: "),
        ("AllowUsers a@\n", "no pattern of users"),
        ("AuthenticationMethods magic\n", "1: authenticationmethods: 'magic' names a method that"),
        (
            "\nAuthenticationMethods password\nPasswordAuthentication no\n",
            "2: authenticationmethods: auth_methods: 'password' is not an enabled method",
        ),
        ("\nCiphers -*\n", "2: ciphers: encryption_algs: "),
        ("UseDNS yes\nMatch Host *.example.org\n", "which UseDNS contradicts"),
        ("AllowUsers bob\nNoSuch x\n", "2: nosuch: no such keyword"),
        ("PermitOpen nothing\n", "not host:port"),
        ("AuthenticationMethods publickey any\n", '1: authenticationmethods: "any" must stand'),
        ("Match User x\nAuthenticationMethods password any\n", "2: .* must stand alone"),
        ("Ciphers rot13\n", "1: ciphers: none of the algorithms is known"),
        ("MaxStartups 0\n", "out of range"),
    ],
)
def test_what_can_not_be_done_is_refused(config: Path, text: str, match: str) -> None:
    with pytest.raises(ConfigParseError, match=match):
        options(config, text)


def test_command_that_no_session_could_start(config: Path) -> None:
    config.write_bytes(b"Match User bob\nForceCommand echo caf\xe9\n")
    with pytest.raises(ConfigParseError, match=r"config:2: forcecommand: .* not UTF-8"):
        SSHServerConnectionOptions(config=str(config))


async def test_lists_of_users(config: Path) -> None:
    config.write_text(
        f"DenyUsers eve\nAllowUsers bob {ME}@127.0.0.* carol@10.0.0.0/8 eve dave\n"
        "PermitRootLogin yes\nMatch User dave\nRefuseConnection yes\n"
    )
    async with serving(
        config=str(config), server_factory=Anybody, authorized_client_keys=authorized()
    ) as acceptor:
        for user in ("bob", ME):
            async with await login(acceptor, user) as conn:
                assert (await conn.run("x", input="")).stdout == "x\n"
            async with await login(acceptor, user, password=None, client_keys=[USER_KEY]):
                pass
        for user in ("eve", "carol", "mallory", "dave"):
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


async def test_any_method_for_a_user(config: Path) -> None:
    """It holds for the users of its block, as in OpenSSH 10; of two for everybody, the first."""
    config.write_text(
        "AuthenticationMethods publickey,password\nAuthenticationMethods any\n"
        "Match User bob\nAuthenticationMethods any\n"
    )
    async with serving(
        config=str(config), server_factory=Anybody, authorized_client_keys=authorized()
    ) as acceptor:
        async with await login(acceptor, "bob"):
            pass
        with pytest.raises(PermissionDenied):
            await login(acceptor, "carol")


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


def test_lines_of_a_user_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_keys, "MAX_PARTS", 1000)
    file, good = tmp_path / "keys", USER_KEY.export_public_key()

    def read(data: bytes) -> tuple[bool, list[str]]:
        file.write_bytes(data)
        keys, problems = user_keys.read_user_keys([str(file)], ME, strict=False)
        return keys.validate(USER_KEY, "", "", None) is not None, problems

    assert read(b"# comment, one of many\n\r\n \t\n" * 2000 + b" \t" + good) == (True, [])
    for bad in (b"x\n" * 1000, b'from="' + b"a," * 1000 + b'a" ' + good):
        found, problems = read(bad + good)
        assert not found
        assert problems[-1] == f"{file}: what is behind 1000 lines or commas is not read"
        assert len(problems) <= user_keys.MAX_PROBLEMS + 1
    found, problems = read(b"\n\nx\n#\ny" + b"\n" + good)
    assert found
    assert [problem.split(" ")[0] for problem in problems] == [f"{file}:3:", f"{file}:5:"]


async def test_files_of_a_user_that_are_no_use(
    config: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What a user puts where the keys are belongs to somebody who is not trusted."""
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    os.mkfifo(keys / "pipe")
    (keys / "zero").symlink_to("/dev/zero")
    (keys / "folder").mkdir()
    with open(keys / "large", "wb") as file:
        file.truncate(17 << 20)
    good = USER_KEY.export_public_key()
    (keys / "good").write_bytes(b"ssh-ed25519 AAAA damaged\nno-such-option " + good + good)
    names = " ".join(str(path) for path in sorted(keys.iterdir(), key=lambda path: path.name))
    config.write_text(f"StrictModes no\nAuthorizedKeysFile {names}\n")
    async with asyncio.timeout(20), serving(config=str(config), server_factory=Anybody) as acceptor:
        conn = await login(acceptor, ME, password=None, client_keys=[USER_KEY])
        conn.close()
    assert "not a regular file" in caplog.text
    assert "good:1: " in caplog.text
    assert "larger than" in caplog.text


async def test_files_are_not_read_in_the_loop(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accounts and home directories may be on a network that does not answer."""
    threads = []

    def groups(user: str) -> tuple[str, ...]:
        threads.append(threading.current_thread())
        return ("staff",)

    monkeypatch.setattr(server_options, "user_groups", groups)
    config.write_text(
        "Match Group x,y\nMaxSessions 1\nMatch Group staff\nDenyGroups z\nMatch Group *\n"
    )
    async with serving(config=str(config), server_factory=Anybody) as acceptor:
        conn = await login(acceptor, "bob")
        conn.close()
    assert len(threads) == 1  # they are asked for once
    assert threads[0] is not threading.main_thread()


async def test_users_for_whom_the_files_contradict_themselves(
    config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config.write_text(
        "Match User eve\nAuthenticationMethods password\n"
        "Match User eve,bob\nPasswordAuthentication no\n"
        "Match User bob\nAuthenticationMethods publickey,password publickey\n"
        "Match User mallory\nAuthenticationMethods gssapi-keyex\n"
    )
    async with serving(
        config=str(config), server_factory=Anybody, authorized_client_keys=authorized()
    ) as acceptor:
        for user in ("eve", "mallory"):
            with pytest.raises(PermissionDenied) as caught:
                await login(acceptor, user, client_keys=[USER_KEY])
            assert caught.value.methods  # asked and refused like anybody
        # Lists with a method that is off are passed over while another is left.
        async with await login(acceptor, "bob", password=None, client_keys=[USER_KEY]):
            pass
    assert "sshd_config:8: authenticationmethods: auth_methods: 'gssapi-keyex'" in caplog.text


async def test_names_in_lists_of_users_are_patterns_of_one_name(config: Path) -> None:
    """A comma does not let two users in, and an exclamation mark or a minus keeps nobody out."""
    config.write_text("AllowUsers bob,carol * !alice -alice\nDenyUsers eve,mallory\n")
    async with serving(config=str(config), server_factory=Anybody) as acceptor:
        for user in ("bob", "alice", "eve"):
            async with await login(acceptor, user):
                pass
    config.write_text("AllowUsers bob,carol\nAllowGroups a,b\n")
    async with serving(config=str(config), server_factory=Anybody) as acceptor:
        with pytest.raises(PermissionDenied):
            await login(acceptor, "bob")


async def test_another_name_of_root(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = pwd.getpwuid(0)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: account)
    config.write_text("PermitRootLogin no\n")
    async with serving(config=str(config), server_factory=Anybody) as acceptor:
        with pytest.raises(PermissionDenied):
            await login(acceptor, "toor")


async def test_any_host_may_be_opened(config: Path) -> None:
    async with serving(server_factory=Anybody) as other:
        port = other.get_port()
        config.write_text(
            f"Match User bob\nPermitOpen *:{port}\nMatch User carol\nPermitOpen {HOST}:* *:1\n"
            f"Match User eve\nPermitOpen *:1 x:{port}\n"
        )
        async with serving(
            config=str(config),
            server_factory=Anybody,
            authorized_client_keys=authorized(f'permitopen="*:{port}",permitopen="y:1"'),
        ) as acceptor:
            for user, keys in (("bob", None), ("bob", [USER_KEY]), ("carol", [USER_KEY])):
                password = "secret" if keys is None else None
                async with await login(acceptor, user, password=password, client_keys=keys) as conn:
                    reader, writer = await conn.open_connection(HOST, port)
                    assert (await reader.readline()).startswith(b"SSH-2.0-")
                    writer.close()
            async with await login(acceptor, "eve") as conn:
                with pytest.raises(ChannelOpenError, match="not permitted"):
                    await conn.open_connection(HOST, port)


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


async def test_a_moduli_file_is_read_when_the_server_begins(config: Path, tmp_path: Path) -> None:
    moduli = tmp_path / "moduli"
    text = f"ModuliFile {moduli}\nKexAlgorithms diffie-hellman-group-exchange-sha256\n"
    made = options(config, text, server_host_keys=HOST_KEY)
    assert made.moduli == str(moduli)
    for broken, error in (("", OSError), ("some words\n", ModuliFileError)):
        if broken:
            moduli.write_text(broken)
        with pytest.raises(error, match="moduli"):
            await listen(HOST, 0, options=made)
    group = BUILT_IN[3072]
    moduli.write_text(f"20230319032544 2 6 100 3071 2 {group.p:X}\n")
    chosen = []

    def noted(*args: Any) -> SafePrimeGroup:
        chosen.append(choose_group(*args))
        return chosen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ssh_transport.kex.dh_gex.choose_group", noted)
        async with serving(config=str(config), server_factory=Anybody) as acceptor:
            conn = await client(acceptor, username=ME, password="secret", client_keys=None)
            conn.close()
    assert chosen == [group]
