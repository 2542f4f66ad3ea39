"""Table "Authentication" of the requirements, against our server and our client on loopback."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

import ssh_meta
from ssh_keys import SSHKey, generate_private_key
from ssh_keys.wire import encode_boolean, encode_string, encode_uint32
from ssh_transport import DisconnectReason
from tests.security.conftest import USER_KEY, Serve
from tests.security.live_peer import (
    WAIT,
    LivePeer,
    attacking_client,
    attacking_server,
    channel_open,
    global_request,
    open_session,
    password_request,
    userauth_publickey,
    userauth_request,
)

RSA_KEY = generate_private_key("ssh-rsa", key_size=2048)
OTHER_KEY = generate_private_key("ssh-ed25519")

FAILURE, SUCCESS, BANNER, PK_OK = 51, 52, 53, 60
PROTOCOL_ERROR = DisconnectReason.SSH_DISCONNECT_PROTOCOL_ERROR
NO_MORE_METHODS = DisconnectReason.SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE


# --- Phases and roles ------------------------------------------------------------------------


async def test_honest_login_works(serve: Serve) -> None:
    """The attacks below fail for the right reason: this works."""
    async with serve() as victim, attacking_client(victim.port) as peer:
        await peer.authenticate("alice", USER_KEY)
        await open_session(peer)
        assert victim.record.completed == ["alice"]


@pytest.mark.parametrize("number", [SUCCESS, FAILURE, BANNER])
@pytest.mark.parametrize("requested", [False, True])
async def test_client_that_says_what_servers_say(
    serve: Serve, number: int, requested: bool
) -> None:
    """CVE-2018-10933 libssh, CVE-2018-7750 paramiko."""
    async with serve() as victim, attacking_client(victim.port) as peer:
        if requested:
            await peer.request_userauth()
        peer.send(bytes((number,)))
        code, _ = await peer.expect_disconnect()
        assert code == PROTOCOL_ERROR
        await victim.lost()
        assert victim.record.completed == []


@pytest.mark.parametrize(
    "payload",
    [channel_open(), global_request(b"tcpip-forward"), b"\x5e" + bytes(12), b"\x62" + bytes(20)],
    ids=["open", "global request", "data", "request"],
)
@pytest.mark.parametrize("requested", [False, True])
async def test_connection_layer_before_authentication(
    serve: Serve, payload: bytes, requested: bool
) -> None:
    """CVE-2025-32433 Erlang, CVE-2018-1000805 paramiko."""
    async with serve() as victim, attacking_client(victim.port) as peer:
        if requested:
            await peer.request_userauth()
        peer.send(payload)
        code, _ = await peer.expect_disconnect()
        assert code == PROTOCOL_ERROR


async def test_userauth_before_its_service(serve: Serve) -> None:
    """CVE-2023-46446: the service has to be asked for first."""
    async with serve() as victim, attacking_client(victim.port) as peer:
        peer.send(password_request(b"alice", b"secret"))
        await peer.expect_disconnect()
        assert victim.record.passwords == []


async def test_messages_behind_a_pending_decision_wait(serve: Serve) -> None:
    """While the application decides, nothing behind the request is looked at."""
    decide = asyncio.Event()
    asked: list[str] = []

    class Slow(ssh_meta.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        async def validate_password(self, username: str, password: str) -> bool:
            asked.append(password)
            await decide.wait()
            return False

    async with serve(server_factory=Slow) as victim, attacking_client(victim.port) as peer:
        await peer.request_userauth()
        peer.send(
            password_request(b"alice", b"first"),
            password_request(b"alice", b"second"),
            channel_open(),
        )
        await peer.wait_until(lambda: asked == ["first"])
        decide.set()
        await peer.expect(FAILURE)
        await peer.expect(FAILURE)
        await peer.expect_disconnect()
        assert asked == ["first", "second"]


async def test_late_userauth_requests_are_ignored(serve: Serve) -> None:
    """RFC 4252 section 5.1."""
    async with serve() as victim, attacking_client(victim.port) as peer:
        await peer.authenticate("alice", USER_KEY)
        peer.send(password_request(b"root", b"x"))
        await open_session(peer)
        assert victim.record.passwords == []
        assert victim.record.connections[0].get_extra_info("username") == "alice"


@pytest.mark.parametrize("service", [b"ssh-userauth", b"ssh-foo", b""])
async def test_other_service_behind_authentication(serve: Serve, service: bytes) -> None:
    async with serve() as victim, attacking_client(victim.port) as peer:
        await peer.request_userauth()
        peer.send(userauth_publickey(peer.core.session_id, b"alice", USER_KEY, service=service))
        payload = await peer.expect(1, FAILURE)
        assert victim.record.completed == []
        assert payload[0] in (1, FAILURE)


# --- Public keys -----------------------------------------------------------------------------


def query(user: bytes, key: SSHKey, algorithm: bytes | None = None) -> bytes:
    """A publickey request without a signature."""
    name = key.sig_algorithms[0] if algorithm is None else algorithm
    rest = encode_boolean(False) + encode_string(name) + encode_string(key.public_data)
    return userauth_request(user, b"publickey", rest)


async def test_query_lets_nobody_in(serve: Serve) -> None:
    async with serve() as victim, attacking_client(victim.port) as peer:
        await peer.request_userauth()
        peer.send(query(b"alice", USER_KEY))
        await peer.expect(PK_OK)
        peer.send(channel_open())
        await peer.expect_disconnect()
        assert victim.record.completed == []


BadRequest = Callable[[LivePeer], bytes]

BAD_SIGNATURES: dict[str, BadRequest] = {
    "of another key": lambda peer: userauth_publickey(
        peer.core.session_id, b"alice", OTHER_KEY, blob=USER_KEY.public_data
    ),
    "of another session": lambda peer: userauth_publickey(bytes(32), b"alice", USER_KEY),
    "for another user": lambda peer: userauth_publickey(
        peer.core.session_id, b"alice", USER_KEY, signed_user=b"mallory"
    ),
    "of a key that is not allowed": lambda peer: userauth_publickey(
        peer.core.session_id, b"alice", OTHER_KEY
    ),
    "of a user that is not allowed": lambda peer: userauth_publickey(
        peer.core.session_id, b"bob", USER_KEY
    ),
    "empty": lambda peer: query_with_signature(b""),
    "cut": lambda peer: query_with_signature(encode_string(b"ssh-ed25519") + b"\x00\x00"),
    "of zeros": lambda peer: query_with_signature(
        encode_string(b"ssh-ed25519") + encode_string(bytes(64))
    ),
    "with another name": lambda peer: query_with_signature(
        encode_string(b"rsa-sha2-256") + encode_string(bytes(64))
    ),
}


def query_with_signature(signature: bytes) -> bytes:
    """A request that claims to be signed."""
    rest = (
        encode_boolean(True)
        + encode_string(b"ssh-ed25519")
        + encode_string(USER_KEY.public_data)
        + encode_string(signature)
    )
    return userauth_request(b"alice", b"publickey", rest)


@pytest.mark.parametrize("case", BAD_SIGNATURES)
async def test_bad_signature(serve: Serve, case: str) -> None:
    async with serve() as victim, attacking_client(victim.port) as peer:
        await peer.request_userauth()
        peer.send(BAD_SIGNATURES[case](peer))
        payload = await peer.expect(FAILURE, 1)
        if payload[0] == FAILURE:
            peer.send(password_request(b"alice", b"secret"))
            await peer.expect(SUCCESS)
        assert victim.record.completed == (["alice"] if payload[0] == FAILURE else [])


@pytest.mark.parametrize("algorithm", [b"ssh-rsa", b"ssh-ed25519", b"none", b"", b"\xff"])
async def test_algorithm_that_is_not_offered(serve: Serve, algorithm: bytes) -> None:
    """SHA-1 signatures and algorithms of other keys are refused before anything is asked."""

    class Anybody(ssh_meta.SSHServer):
        def public_key_auth_supported(self) -> bool:
            return True

        def validate_public_key(self, username: str, key: SSHKey) -> bool:
            return True

    async with serve(server_factory=Anybody) as victim, attacking_client(victim.port) as peer:
        await peer.request_userauth()
        peer.send(query(b"alice", RSA_KEY, algorithm))
        await peer.expect(FAILURE)
        if algorithm == b"ssh-rsa":
            peer.send(
                userauth_publickey(peer.core.session_id, b"alice", RSA_KEY, algorithm=algorithm)
            )
            await peer.expect(FAILURE)
        peer.send(query(b"alice", RSA_KEY, b"rsa-sha2-256"))
        await peer.expect(PK_OK)


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\x00\x00\x00\x0bssh-ed25519",
        encode_string(b"ssh-ed25519") + encode_string(bytes(31)),
        encode_string(b"ssh-ed25519") + encode_string(bytes(33)),
        USER_KEY.public_data + b"\x00",
        encode_string(b"ssh-ed25519") + encode_uint32(1 << 31),
        encode_string(b"unknown@example.com") + bytes(40),
        RSA_KEY.public_data,
    ],
    ids=[
        "empty",
        "name only",
        "31 bytes",
        "33 bytes",
        "trailing",
        "2 GiB",
        "unknown",
        "other type",
    ],
)
async def test_bad_key_blob(serve: Serve, blob: bytes) -> None:
    """CVE-2020-9283: lengths are checked when a key is parsed."""
    async with serve() as victim, attacking_client(victim.port) as peer:
        await peer.request_userauth()
        rest = encode_boolean(False) + encode_string(b"ssh-ed25519") + encode_string(blob)
        peer.send(userauth_request(b"alice", b"publickey", rest))
        await peer.expect(FAILURE)
        assert victim.record.keys == []


async def test_what_counts_is_the_key_that_signed(serve: Serve) -> None:
    """CVE-2024-45337 x/crypto: keys that were only asked about decide nothing."""
    async with serve() as victim, attacking_client(victim.port) as peer:
        await peer.request_userauth()
        peer.send(query(b"alice", USER_KEY))
        await peer.expect(PK_OK)
        peer.send(userauth_publickey(peer.core.session_id, b"alice", OTHER_KEY))
        await peer.expect(FAILURE)
        peer.send(query(b"alice", OTHER_KEY))
        await peer.expect(FAILURE)
        peer.send(userauth_publickey(peer.core.session_id, b"alice", USER_KEY))
        await peer.expect(SUCCESS)
        assert victim.record.keys[-1] == ("alice", USER_KEY.convert_to_public())


# --- Several factors, several users ----------------------------------------------------------


async def test_two_factors_belong_to_one_user(serve: Serve) -> None:
    """CVE-2026-46705 russh: another user name starts again from nothing."""
    async with (
        serve(auth_methods="publickey,password") as victim,
        attacking_client(victim.port) as peer,
    ):
        await peer.request_userauth()
        peer.send(password_request(b"alice", b"secret"))
        await peer.expect(FAILURE)
        peer.send(userauth_publickey(peer.core.session_id, b"alice", USER_KEY))
        partial = await peer.expect(FAILURE)
        assert partial[-1] == 1  # partial success
        peer.send(password_request(b"bob", b"secret"))
        refused = await peer.expect(FAILURE)
        assert refused[-1] == 0
        peer.send(password_request(b"alice", b"secret"))
        await peer.expect(FAILURE)
        assert victim.record.completed == []
        peer.send(userauth_publickey(peer.core.session_id, b"alice", USER_KEY))
        await peer.expect(FAILURE)
        peer.send(password_request(b"alice", b"secret"))
        await peer.expect(SUCCESS)
        assert victim.record.completed == ["alice"]


# --- Limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("tries", [1, 3])
async def test_failed_attempts_are_counted(serve: Serve, tries: int) -> None:
    async with serve(max_auth_tries=tries) as victim, attacking_client(victim.port) as peer:
        await peer.request_userauth()
        for number in range(tries + 5):
            peer.send(password_request(b"alice", b"wrong %d" % number))
        code, _ = await peer.expect_disconnect()
        assert code == NO_MORE_METHODS
        assert len(victim.record.passwords) == tries


async def test_queries_are_counted_too(serve: Serve) -> None:
    """x/crypto 5adb68b, CVE-2026-59849 libssh: requests that never fail are bounded as well."""
    async with serve(max_auth_requests=20) as victim, attacking_client(victim.port) as peer:
        await peer.request_userauth()
        for _ in range(100):
            peer.send(query(b"alice", USER_KEY))
        await peer.expect_disconnect()
        assert len(victim.record.keys) <= 20


async def test_changing_the_user_name_does_not_help(serve: Serve) -> None:
    async with serve(max_auth_tries=4) as victim, attacking_client(victim.port) as peer:
        await peer.request_userauth()
        for number in range(20):
            peer.send(password_request(b"user%d" % number, b"wrong"))
        await peer.expect_disconnect()
        assert len(victim.record.passwords) <= 4


async def test_huge_password_is_not_looked_at(serve: Serve) -> None:
    """CVE-2016-6515: no hashing of 100 KiB."""
    async with serve() as victim, attacking_client(victim.port) as peer:
        await peer.request_userauth()
        peer.send(password_request(b"alice", b"x" * 100_000))
        await peer.expect(FAILURE)
        assert victim.record.passwords == []


@pytest.mark.parametrize(
    "payload",
    [
        b"\x32",
        b"\x32" + encode_uint32(1 << 31),
        password_request(b"alice", b"secret")[:-1],
        password_request(b"alice", b"secret") + b"\x00",
        userauth_request(b"alice", b"publickey"),
        userauth_request(b"alice", b"publickey", b"\x01" + encode_uint32((1 << 32) - 1)),
        userauth_request(b"alice", b"keyboard-interactive", b"\x00"),
        userauth_request(b"\xff\xfe", b"none"),
    ],
    ids=[
        "empty",
        "2 GiB",
        "cut",
        "trailing",
        "publickey without fields",
        "4 GiB",
        "kbdint cut",
        "user no UTF-8",
    ],
)
async def test_malformed_request(serve: Serve, payload: bytes) -> None:
    async with serve() as victim, attacking_client(victim.port) as peer:
        await peer.request_userauth()
        peer.send(payload)
        answer = await peer.expect(1, FAILURE)
        assert answer[0] in (1, FAILURE)
        assert victim.record.passwords == []
        assert victim.record.completed == []


@pytest.mark.parametrize("user", ["root", "nobody-of-that-name", "x" * 900])
async def test_unknown_names_look_like_wrong_passwords(serve: Serve, user: str) -> None:
    """CVE-2018-15473: the same answers for names that exist and names that do not."""

    async def answers(name: bytes) -> list[bytes]:
        async with attacking_client(victim.port) as peer:
            await peer.request_userauth()
            said = []
            for request in (
                userauth_request(name, b"none"),
                query(name, OTHER_KEY),
                password_request(name, b"wrong"),
            ):
                peer.send(request)
                said.append(await peer.expect(FAILURE, PK_OK, 1))
            return said

    async with serve() as victim:
        assert await answers(user.encode()) == await answers(b"alice")


@pytest.mark.parametrize(
    "user", ["../etc", "a/b", "a\0b", "a\nb", "\x1b[2J", "", "-oProxyCommand=x"]
)
async def test_strange_user_names(
    serve: Serve, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    """GHSA-qr67-gv47-xwwh, x/crypto 0f039f3: never a path, never raw in a log."""
    async with serve() as victim, attacking_client(victim.port) as peer:
        await peer.request_userauth()
        peer.send(password_request(user.encode(), b"wrong"))
        await peer.expect(FAILURE, 1)
        peer.close()
        await victim.lost()
    for record in caplog.records:
        if record.name.startswith("ssh_"):
            assert record.getMessage().isprintable(), record.getMessage()


async def test_passwords_are_never_logged(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serve() as victim:
        async with attacking_client(victim.port) as peer:
            await peer.request_userauth()
            peer.send(password_request(b"alice", b"hunter2-wrong"))
            await peer.expect(FAILURE)
        with pytest.raises(ssh_meta.PermissionDenied) as caught:
            await ssh_meta.connect(
                "127.0.0.1",
                victim.port,
                username="alice",
                password="hunter2-wrong",
                known_hosts=None,
                client_keys=None,
                agent_path=None,
            )
        assert "hunter2" not in str(caught.value)
    assert "hunter2" not in caplog.text


async def test_login_timeout(serve: Serve) -> None:
    async with serve(login_timeout=0.3) as victim:
        # Silent from the first byte, behind the key exchange, and behind a refusal.
        reader, writer = await asyncio.open_connection("127.0.0.1", victim.port)
        async with attacking_client(victim.port) as idle, attacking_client(victim.port) as peer:
            await peer.request_userauth()
            peer.send(password_request(b"alice", b"wrong"))
            await peer.expect(FAILURE)
            await peer.expect_end()
            await idle.expect_end()
        async with asyncio.timeout(WAIT):
            await reader.read()
        writer.close()
        await writer.wait_closed()
        await victim.lost(3)


async def test_a_failing_callback_refuses(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """An error is never taken for yes, and its text never reaches the client."""

    class Broken(ssh_meta.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            raise RuntimeError("the database says hunter2")

    async with serve(server_factory=Broken) as victim, attacking_client(victim.port) as peer:
        await peer.request_userauth()
        peer.send(password_request(b"alice", b"x"))
        payload = await peer.expect(1, FAILURE)
        assert b"hunter2" not in payload
        assert b"database" not in payload
    assert [each.getMessage().partition("] ")[2] for each in caplog.records if each.exc_info] == [
        "an authentication callback failed"
    ]
    caplog.clear()  # our own fault is logged with its traceback, and nothing else may be


# --- Our client against hostile servers ------------------------------------------------------


async def login(port: int, **options: object) -> ssh_meta.SSHClientConnection:
    """Log in to a hostile server."""
    settings: dict[str, object] = {
        "username": "alice",
        "password": "secret",
        "known_hosts": None,
        "client_keys": None,
        "agent_path": None,
        **options,
    }
    async with asyncio.timeout(WAIT):
        return await ssh_meta.connect("127.0.0.1", port, **settings)  # type: ignore[arg-type]


def when_ready(peer: LivePeer, *payloads: bytes) -> None:
    """Send payloads as soon as there are keys."""

    def send(ready: asyncio.Future[None]) -> None:
        if ready.exception() is None:
            peer.send(*payloads)

    peer.ready.add_done_callback(send)


INFO_REQUEST = b"\x3c" + encode_string(b"") * 3
SERVICE_ACCEPT = b"\x06" + encode_string(b"ssh-userauth")

SERVER_LIES = {
    "success before the service": [bytes((SUCCESS,))],
    "failure that nobody asked for": [bytes((FAILURE,)) + encode_string(b"password") + b"\x00"],
    "PK_OK that nobody asked for": [SERVICE_ACCEPT, b"\x3c"],
    "cut failure": [SERVICE_ACCEPT, bytes((FAILURE,)) + encode_uint32(99)],
    "success with fields": [SERVICE_ACCEPT, bytes((SUCCESS, 0))],
    "a client's request": [SERVICE_ACCEPT, password_request(b"alice", b"x")],
    "4 billion prompts": [SERVICE_ACCEPT, INFO_REQUEST + encode_uint32((1 << 32) - 1)],
    "channel before authentication": [SERVICE_ACCEPT, channel_open()],
    "banner flood": [
        SERVICE_ACCEPT,
        *[bytes((BANNER,)) + encode_string(b"x" * 1000) + encode_string(b"")] * 5000,
    ],
    "failure flood": [
        SERVICE_ACCEPT,
        *[bytes((FAILURE,)) + encode_string(b"password") + b"\x00"] * 5000,
    ],
}


@pytest.mark.parametrize("lie", SERVER_LIES)
async def test_client_is_not_fooled(lie: str) -> None:
    async with attacking_server(lambda peer: when_ready(peer, *SERVER_LIES[lie])) as (port, _):
        with pytest.raises(ssh_meta.DisconnectError):
            await login(port)


async def test_client_stops_trying() -> None:
    """A server that never says what it wants does not get more than a bounded number of tries."""
    attempts = [0]

    async def refuse_for_ever(peer: LivePeer) -> None:
        await peer.ready
        peer.send(SERVICE_ACCEPT)
        while True:
            await peer.expect(50, 61)
            attempts[0] += 1
            names = b"publickey,password,keyboard-interactive"
            peer.send(bytes((FAILURE,)) + encode_string(names) + b"\x01")

    tasks: list[asyncio.Task[None]] = []
    async with attacking_server(
        lambda peer: tasks.append(asyncio.ensure_future(refuse_for_ever(peer)))
    ) as (port, _):
        with pytest.raises(ssh_meta.DisconnectError):
            await login(port, client_keys=[USER_KEY, RSA_KEY])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert 0 < attempts[0] < 70


async def test_trivial_authentication_can_be_refused() -> None:
    """A server in the middle that lets us in without a proof learns what we would type."""

    def success(peer: LivePeer) -> None:
        peer.on_payload(50, lambda payload: peer.send(SERVICE_ACCEPT, bytes((SUCCESS,))))

    async with attacking_server(success) as (port, _):
        with pytest.raises(ssh_meta.PermissionDenied):
            await login(port, disable_trivial_auth=True, password=None)


async def test_banner_is_the_applications_to_escape_and_logs_are_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    banners: list[str] = []

    class Client(ssh_meta.SSHClient):
        def auth_banner_received(self, msg: str, lang: str) -> None:
            banners.append(msg)

    text = b"\x1b]0;owned\x07\nforged line\x00"
    payloads = [
        SERVICE_ACCEPT,
        bytes((BANNER,)) + encode_string(text) + encode_string(b""),
        b"\x01" + encode_uint32(14) + encode_string(text) + encode_string(b""),
    ]
    async with attacking_server(lambda peer: when_ready(peer, *payloads)) as (port, _):
        with pytest.raises(ssh_meta.DisconnectError) as caught:
            await login(port, client_factory=Client)
    assert str(caught.value).isprintable()
    for record in caplog.records:
        if record.name.startswith("ssh_"):
            assert record.getMessage().isprintable(), record.getMessage()


# --- Restrictions of keys --------------------------------------------------------------------


def authorized(options: str) -> ssh_meta.SSHAuthorizedKeys:
    """Authorized keys with the test's key and its options."""
    return ssh_meta.import_authorized_keys(f"{options} {USER_KEY.export_public_key().decode()}")


class Forwarding(ssh_meta.SSHServer):
    """Would forward everything; the options of the key say no."""

    def password_auth_supported(self) -> bool:
        """As the second factor."""
        return True

    def validate_password(self, username: str, password: str) -> bool:
        """Alice's password."""
        return password == "secret"

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        """Forward it."""
        return True


def tcpip_open(port: int) -> bytes:
    """A request for a connection to loopback."""
    return channel_open(
        kind=b"direct-tcpip",
        rest=encode_string(b"127.0.0.1")
        + encode_uint32(port)
        + encode_string(b"127.0.0.1")
        + encode_uint32(1),
    )


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ('from="127.0.0.1"', True),
        ('from="127.0.0.0/8"', True),
        ('from="10.0.0.1"', False),
        ('from="*,!127.0.0.1"', False),
        ('expiry-time="20200101"', False),
    ],
)
async def test_where_and_until_when_a_key_counts(serve: Serve, options: str, allowed: bool) -> None:
    """CVE-2024-45337, CVE-2026-56854: source-address is enforced."""
    async with (
        serve(server_factory=Forwarding, authorized_client_keys=authorized(options)) as victim,
        attacking_client(victim.port) as peer,
    ):
        await peer.request_userauth()
        peer.send(userauth_publickey(peer.core.session_id, b"alice", USER_KEY))
        assert (await peer.expect(SUCCESS, FAILURE))[0] == (SUCCESS if allowed else FAILURE)


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ("", True),
        ("no-port-forwarding", False),
        ("restrict", False),
        ('permitopen="127.0.0.1:1"', False),
    ],
)
@pytest.mark.parametrize("methods", ["publickey", "publickey,password"])
async def test_restrictions_of_a_key_hold_behind_other_factors(
    serve: Serve, methods: str, options: str, allowed: bool
) -> None:
    """CVE-2026-39828 x/crypto: partial success does not wash them off."""
    async with (
        serve(
            server_factory=Forwarding,
            authorized_client_keys=authorized(options),
            auth_methods=methods,
        ) as victim,
        attacking_client(victim.port) as peer,
    ):
        await peer.request_userauth()
        peer.send(userauth_publickey(peer.core.session_id, b"alice", USER_KEY))
        if methods != "publickey":
            assert (await peer.expect(FAILURE))[-1] == 1
            peer.send(password_request(b"alice", b"secret"))
        await peer.expect(SUCCESS)
        peer.send(tcpip_open(victim.port))
        assert (await peer.expect(91, 92))[0] == (91 if allowed else 92)


async def test_forced_command(serve: Serve) -> None:
    """What the client asks for is only the original command."""
    commands: list[tuple[str | None, str | None]] = []

    def run(process: ssh_meta.SSHServerProcess[bytes]) -> None:
        original = process.env.get("SSH_ORIGINAL_COMMAND")
        commands.append((process.command, original))
        process.exit(0)

    async with (
        serve(
            server_factory=Forwarding,
            authorized_client_keys=authorized('command="safe"'),
            process_factory=run,
            sftp_factory=True,
        ) as victim,
        attacking_client(victim.port) as peer,
    ):
        await peer.authenticate("alice", USER_KEY)
        for kind, rest in (
            (b"exec", encode_string(b"rm -rf /")),
            (b"shell", b""),
            (b"subsystem", encode_string(b"sftp")),
        ):
            chan = await open_session(peer)
            peer.send(b"\x62" + encode_uint32(chan) + encode_string(kind) + b"\x01" + rest)
            await peer.expect(99, 100)
            await peer.expect(97)
            peer.send(b"\x61" + encode_uint32(chan))
        assert {command for command, _ in commands} == {"safe"}
        assert commands[0] == ("safe", "rm -rf /")


# --- The host key, as our client sees it ------------------------------------------------------


async def test_error_while_a_host_key_is_verified_is_no_success() -> None:
    """CVE-2025-26465."""
    asked: list[bool] = []

    class Broken(ssh_meta.SSHClient):
        def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
            asked.append(True)
            raise RuntimeError("the check itself failed")

    async with attacking_server() as (port, peers):
        with pytest.raises(RuntimeError, match="the check itself failed"):
            await login(port, client_factory=Broken, known_hosts=ssh_meta.import_known_hosts(""))
        await peers[0].expect_end()
        assert not [payload for payload in peers[0].said if payload[0] in (5, 50)]
    assert asked


@pytest.mark.parametrize("answer", [False, None, 1, "yes"])
async def test_only_true_is_yes(answer: object) -> None:
    class Odd(ssh_meta.SSHClient):
        def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
            return answer  # type: ignore[return-value]

    async with attacking_server() as (port, peers):
        with pytest.raises(ssh_meta.HostKeyNotVerifiable):
            await login(port, client_factory=Odd, known_hosts=ssh_meta.import_known_hosts(""))
        await peers[0].expect_end()
