"""Client and server over a socket: authentication, callbacks, errors, the end of connections."""

from __future__ import annotations

import asyncio
import socket
from asyncio.trsock import TransportSocket
from collections.abc import AsyncIterator, Sequence

import pytest

from ssh_connection import (
    DISC_BY_APPLICATION,
    ChannelOpenError,
    PasswordChangeRequired,
    PermissionDenied,
    SSHClient,
    SSHClientConnection,
    SSHClientConnectionOptions,
    SSHServerProcess,
    connect,
    create_connection,
    create_server,
    get_server_auth_methods,
    get_server_host_key,
    listen,
    run_client,
    run_server,
)
from ssh_connection.connection.opening import open_client
from ssh_keys import SSHKey, SSHKeyPair, SSHLocalKeyPair
from ssh_transport import (
    ConnectionLost,
    ConnectionTimeoutError,
    DisconnectError,
    HostKeyMismatch,
    HostKeyUnknown,
)

from .loopback import (
    HOST,
    HOST_KEY,
    HOST_KEY_ECDSA,
    OTHER_KEY,
    RSA_KEY,
    USER_KEY,
    QuestionServer,
    Server,
    authorized,
    client,
    known_hosts,
    owner,
    server_side,
    serving,
)


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    """When a test is over, nothing of its connections may still run."""
    before = asyncio.all_tasks()
    yield
    for _ in range(3):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() - before - {asyncio.current_task()} == set()


class Recorder(SSHClient):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def connection_made(self, conn: SSHClientConnection) -> None:
        self.calls.append(("made", conn))

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append(("lost", exc))

    def debug_msg_received(self, msg: str, lang: str, always_display: bool) -> None:
        self.calls.append(("debug", msg, lang, always_display))

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self.calls.append(("banner", msg, lang))

    def auth_completed(self) -> None:
        self.calls.append(("completed",))


# --- Authentication --------------------------------------------------------------------------


async def test_password() -> None:
    async with serving() as server, await client(server, password="secret") as conn:
        assert conn.get_extra_info("username") == "user"
        assert (await conn.run("x", input="data")).stdout == "x\ndata"
        assert server_side(server).get_extra_info("username") == "user"


async def test_wrong_password() -> None:
    async with serving() as server:
        with pytest.raises(PermissionDenied) as caught:
            await client(server, password="wrong")
        assert "tried password" in str(caught.value)
        assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("key", [USER_KEY, RSA_KEY], ids=lambda key: key.get_algorithm())
async def test_publickey(key: SSHKey) -> None:
    keys = authorized()
    keys.load(RSA_KEY.export_public_key())
    async with (
        serving(authorized_client_keys=keys) as server,
        await client(server, client_keys=[key]) as conn,
    ):
        assert (await conn.run("x", input="")).exit_status == 7


async def test_publickey_among_many() -> None:
    async with (
        serving(authorized_client_keys=authorized()) as server,
        await client(server, client_keys=[RSA_KEY, OTHER_KEY, USER_KEY]) as conn,
    ):
        assert conn.get_extra_info("username") == "user"


async def test_unknown_key() -> None:
    async with serving(authorized_client_keys=authorized()) as server:
        with pytest.raises(PermissionDenied):
            await client(server, client_keys=[OTHER_KEY])


async def test_publickey_callback() -> None:
    class Callbacks(Server):
        def public_key_auth_supported(self) -> bool:
            return True

        async def validate_public_key(self, username: str, key: SSHKey) -> bool:
            await asyncio.sleep(0)
            return username == "user" and key == USER_KEY.convert_to_public()

    class Keys(SSHClient):
        async def public_key_auth_requested(self) -> SSHKey | None:
            await asyncio.sleep(0)
            return USER_KEY

    async with serving(server_factory=Callbacks) as server:
        async with await client(server, client_factory=Keys) as conn:
            assert conn.get_extra_info("username") == "user"
        with pytest.raises(PermissionDenied):
            await client(server, client_keys=[OTHER_KEY])


class Remote(SSHKeyPair):
    """A key pair that signs somewhere else."""

    def __init__(self, key: SSHKey) -> None:
        self._local = SSHLocalKeyPair(key)
        super().__init__(self._local.algorithm, self._local.sig_algorithms, self._local.public_data)

    async def sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        await asyncio.sleep(0)
        return self._local.sign(data, sig_algorithm)


class Source:
    """An agent with one key."""

    def __init__(self, *keys: SSHKey, error: Exception | None = None) -> None:
        self._keys = keys
        self._error = error

    async def keypairs(self) -> Sequence[SSHKeyPair]:
        await asyncio.sleep(0)
        if self._error is not None:
            raise self._error
        return [Remote(key) for key in self._keys]


async def test_key_sources() -> None:
    broken = Source(error=ConnectionRefusedError("no agent"))
    async with serving(authorized_client_keys=authorized()) as server:
        for keys in ((USER_KEY,), (OTHER_KEY, USER_KEY)):
            async with await client(server, key_sources=(broken, Source(*keys))) as conn:
                assert conn.get_extra_info("username") == "user"


async def test_host_key_that_signs_elsewhere() -> None:
    async with (
        serving(server_host_keys=[Remote(HOST_KEY)]) as server,
        await client(server, password="secret") as conn,
    ):
        assert conn.get_server_host_key() == HOST_KEY.convert_to_public()


async def test_keyboard_interactive() -> None:
    class Answers(SSHClient):
        def kbdint_auth_requested(self) -> str:
            return ""

        async def kbdint_challenge_received(
            self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
        ) -> Sequence[str]:
            assert (name, instructions, lang) == ("Login", "Two questions", "")
            assert list(prompts) == [("Name: ", True), ("PIN: ", False)]
            await asyncio.sleep(0)
            return ["me", "1234"]

    async with serving(server_factory=QuestionServer) as server:
        async with await client(server, client_factory=Answers) as conn:
            assert conn.get_extra_info("username") == "user"
        with pytest.raises(PermissionDenied):
            await client(server, password="not a question for a password")


async def test_password_where_only_questions_are_asked() -> None:
    async with serving(auth_methods="keyboard-interactive") as server:
        async with await client(server, password="secret") as conn:
            assert conn.get_extra_info("username") == "user"
        with pytest.raises(PermissionDenied):
            await client(server, password="wrong")


async def test_password_functions() -> None:
    async def later() -> str:
        await asyncio.sleep(0)
        return "secret"

    class Asked(SSHClient):
        def password_auth_requested(self) -> str:
            return "secret"

    async with serving() as server:
        for password in (lambda: "secret", later):
            async with await client(server, password=password):
                pass
        async with await client(server, password="wrong", client_factory=Asked):
            pass


async def test_password_change() -> None:
    class Expired(Server):
        def validate_password(self, username: str, password: str) -> bool:
            raise PasswordChangeRequired("Time for a new one")

        async def change_password(self, username: str, old: str, new: str) -> bool:
            await asyncio.sleep(0)
            return (old, new) == ("secret", "better")

    class Changes(Recorder):
        def password_change_requested(self, prompt: str, lang: str) -> tuple[str, str]:
            self.calls.append(("change", prompt, lang))
            return "secret", "better"

        def password_changed(self) -> None:
            self.calls.append(("changed",))

    async with (
        serving(server_factory=Expired) as server,
        await client(server, password="secret", client_factory=Changes) as conn,
    ):
        calls = conn.owner.calls  # type: ignore[attr-defined]
        assert calls[1:] == [
            ("change", "Time for a new one", "en-US"),
            ("changed",),
            ("completed",),
        ]


async def test_no_authentication() -> None:
    async with serving() as server:
        async with await client(server, username="guest") as conn:
            assert (await conn.run("x", input="")).exit_status == 7
        with pytest.raises(PermissionDenied, match="without asking"):
            await client(server, username="guest", disable_trivial_auth=True)


async def test_two_factors() -> None:
    options = {"authorized_client_keys": authorized(), "auth_methods": ["publickey,password"]}
    async with serving(**options) as server:  # type: ignore[arg-type]
        async with await client(server, client_keys=[USER_KEY], password="secret") as conn:
            assert conn.get_extra_info("username") == "user"
        for kwargs in ({"client_keys": [USER_KEY]}, {"password": "secret"}):
            with pytest.raises(PermissionDenied):
                await client(server, **kwargs)


async def test_preferred_auth_and_switches() -> None:
    async with serving(authorized_client_keys=authorized(), password_auth=False) as server:
        with pytest.raises(PermissionDenied, match="the server accepts publickey"):
            await client(server, password="secret", preferred_auth="password", kbdint_auth=False)
        with pytest.raises(PermissionDenied, match="tried nothing"):
            await client(server, client_keys=[USER_KEY], public_key_auth=False)


async def test_max_auth_tries() -> None:
    class Stubborn(SSHClient):
        asked = 0

        def password_auth_requested(self) -> str:
            self.asked += 1
            return "wrong"

    async with serving(max_auth_tries=3) as server:
        with pytest.raises(DisconnectError, match="too many authentication failures"):
            await client(server, client_factory=Stubborn)


async def test_banner_and_debug() -> None:
    class Greeting(Server):
        def begin_auth(self, username: str) -> bool:
            assert self.conn is not None
            self.conn.send_auth_banner("Hello\n", "en")
            return True

    async with (
        serving(server_factory=Greeting) as server,
        await client(server, password="secret", client_factory=Recorder) as conn,
    ):
        peer = server_side(server)
        with pytest.raises(OSError, match="during authentication"):
            peer.send_auth_banner("too late")
        peer.send_debug("from the server", "en", True)
        conn.send_debug("from the client")
        await conn.run("x", input="")
        assert isinstance(conn.owner, Recorder)
        assert conn.owner.calls[1:] == [
            ("banner", "Hello\n", "en"),
            ("completed",),
            ("debug", "from the server", "en", True),
        ]
        assert ("debug", "from the client", "en-US", False) in owner(peer).calls


# --- Callbacks that fail ---------------------------------------------------------------------


@pytest.mark.parametrize("where", ["connection_made", "auth_completed", "password_auth_requested"])
async def test_exception_in_a_client_callback_comes_out_of_connect(where: str) -> None:
    class Broken(SSHClient):
        pass

    def fail(*args: object) -> None:
        raise LookupError(where)

    setattr(Broken, where, fail)
    async with serving() as server:
        with pytest.raises(LookupError, match=where):
            await client(
                server, client_factory=Broken, password="wrong" if "pass" in where else "secret"
            )


@pytest.mark.parametrize("where", ["connection_made", "begin_auth", "validate_password"])
async def test_exception_in_a_server_callback_lets_nobody_in(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Server):
        pass

    def fail(*args: object) -> None:
        raise LookupError("internal detail")

    setattr(Broken, where, fail)
    async with serving(server_factory=Broken) as server:
        with pytest.raises(DisconnectError) as caught:
            await client(server, password="secret")
        assert "internal detail" not in str(caught.value)
    assert "internal detail" in caplog.text


# --- Host keys -------------------------------------------------------------------------------


async def test_unknown_host() -> None:
    async with serving() as server:
        with pytest.raises(HostKeyUnknown):
            await client(server, password="secret", known_hosts=b"")


async def test_host_that_changed_its_key() -> None:
    class Trusting(SSHClient):
        def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
            raise AssertionError("not a question of trust")

    async with serving(server_host_keys=[HOST_KEY_ECDSA]) as server:
        with pytest.raises(HostKeyMismatch):
            await client(server, password="secret", client_factory=Trusting)


async def test_callback_may_trust_an_unknown_host() -> None:
    seen: list[tuple[object, ...]] = []

    class Trusting(SSHClient):
        def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
            seen.append((host, addr, port, key))
            return True

    async with serving() as server:
        async with await client(
            server, password="secret", known_hosts=b"", client_factory=Trusting
        ):
            pass
        assert seen == [(HOST, HOST, server.get_port(), HOST_KEY.convert_to_public())]


async def test_callback_that_fails_is_not_trust() -> None:
    class Broken(SSHClient):
        def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
            raise OSError("database is gone")

    class Vague(SSHClient):
        def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
            return "perhaps"  # type: ignore[return-value]

    async with serving() as server:
        with pytest.raises(OSError, match="database is gone"):
            await client(server, password="secret", known_hosts=b"", client_factory=Broken)
        with pytest.raises(HostKeyUnknown):
            await client(server, password="secret", known_hosts=b"", client_factory=Vague)


async def test_known_key_is_asked_for_first() -> None:
    async with serving(server_host_keys=[HOST_KEY_ECDSA, HOST_KEY]) as server:
        port = server.get_port()
        ecdsa = f"[{HOST}]:{port} ".encode() + HOST_KEY_ECDSA.export_public_key()
        for known, key in ((known_hosts(port), HOST_KEY), (ecdsa, HOST_KEY_ECDSA)):
            async with await client(server, password="secret", known_hosts=known) as conn:
                assert conn.get_server_host_key() == key.convert_to_public()


async def test_get_server_host_key() -> None:
    async with serving(server_host_keys=[HOST_KEY_ECDSA, HOST_KEY]) as server:
        port = server.get_port()
        assert await get_server_host_key(HOST, port) == HOST_KEY.convert_to_public()
        key = await get_server_host_key(HOST, port, server_host_key_algs="ecdsa-*")
        assert key == HOST_KEY_ECDSA.convert_to_public()


async def test_get_server_auth_methods() -> None:
    async with serving(authorized_client_keys=authorized()) as server:
        port = server.get_port()
        methods = await get_server_auth_methods(HOST, port, "user")
        assert methods == ["publickey", "keyboard-interactive", "password"]
        assert await get_server_auth_methods(HOST, port, "guest") == ["none"]
    with pytest.raises(ConnectionRefusedError):
        await get_server_auth_methods(HOST, port, "user")


@pytest.mark.parametrize("keys", [[USER_KEY], [OTHER_KEY, USER_KEY]], ids=["one key", "two"])
async def test_key_that_was_tried_too_early_is_tried_again(keys: list[SSHKey]) -> None:
    async with (
        serving(authorized_client_keys=authorized(), auth_methods="password,publickey") as server,
        await client(server, client_keys=keys, password="secret") as conn,
    ):
        assert conn.get_extra_info("username") == "user"


async def test_permission_denied_knows_the_methods() -> None:
    async with serving() as server:
        with pytest.raises(PermissionDenied) as caught:
            await client(server, password="wrong")
        assert caught.value.methods == (b"keyboard-interactive", b"password")


INFO = (
    "username",
    "client_version",
    "server_version",
    "send_cipher",
    "recv_cipher",
    "send_mac",
    "recv_mac",
    "send_compression",
    "recv_compression",
)

# --- Information -----------------------------------------------------------------------------


async def test_extra_info() -> None:
    async with (
        serving(server_version="Server_1") as server,
        await client(
            server,
            password="secret",
            client_version="Client_2",
            encryption_algs="aes256-ctr",
            mac_algs="hmac-sha2-512-etm@openssh.com",
            compression_algs="none",
            kex_algs="curve25519-sha256",
        ) as conn,
    ):
        peer = server_side(server)
        for end in (conn, peer):
            values = {name: end.get_extra_info(name) for name in INFO}
            assert values == {
                "username": "user",
                "client_version": "SSH-2.0-Client_2",
                "server_version": "SSH-2.0-Server_1",
                "send_cipher": "aes256-ctr",
                "recv_cipher": "aes256-ctr",
                "send_mac": "hmac-sha2-512-etm@openssh.com",
                "recv_mac": "hmac-sha2-512-etm@openssh.com",
                "send_compression": "none",
                "recv_compression": "none",
            }
        assert conn.get_extra_info("peername") == (HOST, server.get_port())
        assert conn.get_extra_info("sockname") == peer.get_extra_info("peername")
        for end in (conn, peer):
            sock = end.get_extra_info("socket")
            assert isinstance(sock, TransportSocket)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert conn.get_extra_info("nothing", "default") == "default"
        conn.set_extra_info(nothing=1)
        assert conn.get_extra_info("nothing") == 1


# --- The end of connections ------------------------------------------------------------------


async def test_close_tells_both_sides_once() -> None:
    async with serving() as server:
        conn = await client(server, password="secret", client_factory=Recorder)
        peer = server_side(server)
        assert not conn.is_closed()
        conn.close()
        conn.close()
        assert conn.is_closed()
        await conn.wait_closed()
        await peer.wait_closed()
        await conn.wait_closed()
        assert isinstance(conn.owner, Recorder)
        assert conn.owner.calls[-1] == ("lost", None)
        assert owner(peer).calls.count(("lost", None)) == 1
        assert server.connections == ()


async def test_disconnect_gives_the_peer_the_reason() -> None:
    async with serving() as server:
        conn = await client(server, password="secret", client_factory=Recorder)
        peer = server_side(server)
        peer.disconnect(2, "reason\x1b[2J")
        await conn.wait_closed()
        assert isinstance(conn.owner, Recorder)
        name, error = conn.owner.calls[-1]
        assert name == "lost"
        assert isinstance(error, DisconnectError)
        assert error.code == 2
        assert str(error).isprintable()
        assert owner(peer).calls[-1] == ("lost", None)


async def test_disconnect_without_a_text_leaves_the_connection_as_it_was() -> None:
    async with serving() as server:
        conn = await client(server, password="secret")
        peer = server_side(server)
        with pytest.raises(TypeError):
            conn.disconnect(2, None)  # type: ignore[arg-type]
        assert not conn.is_closed()
        conn.disconnect(2, "reason")
        assert conn._core.output_size == 0, "it has not left"
        async with asyncio.timeout(10):
            await peer.wait_closed()
        name, error = owner(peer).calls[-1]
        assert name == "lost"
        assert isinstance(error, DisconnectError)
        assert error.reason == "reason"


async def test_abort_is_a_lost_connection_for_the_peer() -> None:
    async with serving() as server:
        conn = await client(server, password="secret", client_factory=Recorder)
        peer = server_side(server)
        peer.abort()
        await conn.wait_closed()
        await peer.wait_closed()
        assert isinstance(conn.owner, Recorder)
        assert isinstance(conn.owner.calls[-1][1], ConnectionLost)


async def test_lost_connection_ends_everything_that_waits() -> None:
    async def stuck(process: SSHServerProcess[str]) -> None:
        await process.stdin.read()

    async with serving(process_factory=stuck) as server:
        conn = await client(server, password="secret")
        process = await conn.create_process("x")
        listener = await conn.forward_local_port(HOST, 0, HOST, server.get_port())
        remote = await conn.forward_remote_port(HOST, 0, HOST, server.get_port())
        waiting = [
            asyncio.create_task(process.wait()),
            asyncio.create_task(process.stdout.read()),
            asyncio.create_task(listener.wait_closed()),
            asyncio.create_task(remote.wait_closed()),
            asyncio.create_task(conn.wait_closed()),
        ]
        await asyncio.sleep(0)
        server_side(server).abort()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(results[0], ConnectionLost)
        assert isinstance(results[1], ConnectionLost)
        assert results[2:] == [None, None, None]
        with pytest.raises(ChannelOpenError):
            await conn.run("x")
        with pytest.raises(ChannelOpenError):
            await conn.open_connection(HOST, 1)


async def test_connect_that_is_cancelled() -> None:
    accepted = asyncio.Event()
    closed = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        while await reader.read(1024):
            pass
        writer.close()
        closed.set()

    server = await asyncio.start_server(silent, HOST, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        task = asyncio.create_task(connect(HOST, port, known_hosts=None, client_keys=None))
        await accepted.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await closed.wait()


@pytest.mark.parametrize("option", ["connect_timeout", "login_timeout"])
async def test_server_that_says_nothing(option: str) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            pass
        writer.close()

    server = await asyncio.start_server(silent, HOST, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionTimeoutError) as caught:
            await connect(HOST, port, known_hosts=None, client_keys=None, **{option: 0.05})  # type: ignore[arg-type]
        assert isinstance(caught.value, TimeoutError)


async def test_client_that_says_nothing() -> None:
    errors: list[Exception] = []
    async with serving(login_timeout=0.05) as server:
        reader, writer = await asyncio.open_connection(HOST, server.get_port())
        await reader.read()  # the server closes the connection
        writer.close()
        await writer.wait_closed()
        assert server.connections == ()
        assert errors == []


async def test_login_timeout_while_a_callback_runs() -> None:
    cancelled = asyncio.Event()

    class Slow(Server):
        async def validate_password(  # type: ignore[override]
            self, username: str, password: str
        ) -> bool:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return True

    async with serving(server_factory=Slow, login_timeout=0.1) as server:
        with pytest.raises(ConnectionLost):
            await client(server, password="secret")
        await cancelled.wait()


async def test_refused_connection_is_an_oserror() -> None:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        with pytest.raises(ConnectionRefusedError):
            await connect(HOST, sock.getsockname()[1], known_hosts=None, client_keys=None)


async def test_peer_that_is_no_ssh_server() -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n" * 2000)
        writer.close()

    server = await asyncio.start_server(web, HOST, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(DisconnectError):
            await connect(HOST, port, known_hosts=None, client_keys=None)


# --- Other ways to connect -------------------------------------------------------------------


async def test_create_connection_and_create_server() -> None:
    acceptor = await create_server(
        Server, HOST, 0, server_host_keys=[HOST_KEY], process_factory=lambda process: None
    )
    async with acceptor:
        conn, made = await create_connection(
            Recorder,
            HOST,
            acceptor.get_port(),
            known_hosts=None,
            username="user",
            password="secret",
            client_keys=None,
        )
        assert isinstance(made, Recorder)
        assert made.calls[0] == ("made", conn)
        conn.close()
        await conn.wait_closed()
        (peer,) = acceptor.connections or (None,)
        if peer is not None:
            await peer.wait_closed()


async def test_sockets_that_are_connected() -> None:
    ours, theirs = socket.socketpair()
    server, conn = await asyncio.gather(
        run_server(theirs, server_factory=Server, server_host_keys=[HOST_KEY]),
        run_client(ours, known_hosts=None, username="user", password="secret", client_keys=None),
    )
    assert server.get_extra_info("username") == "user"
    conn.close()
    await conn.wait_closed()
    await server.wait_closed()


async def test_socket_whose_other_end_is_gone() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with pytest.raises(ConnectionLost):
        await run_client(ours, known_hosts=None, client_keys=None)
    ours, theirs = socket.socketpair()
    theirs.close()
    with pytest.raises(ConnectionLost):
        await run_server(ours, server_host_keys=[HOST_KEY])


async def test_options_object_is_used_many_times() -> None:
    async with serving() as server:
        options = SSHClientConnectionOptions(
            known_hosts=known_hosts(server.get_port()),
            username="user",
            password="secret",
            client_keys=None,
        )
        for _ in range(3):
            async with await connect(HOST, server.get_port(), options=options):
                pass
        with pytest.raises(PermissionDenied):
            await connect(HOST, server.get_port(), options=options, password="wrong")


async def test_ssh_through_ssh() -> None:
    async with serving() as server, await client(server, password="secret") as outer:
        port = server.get_port()
        inner = await outer.connect_ssh(
            HOST,
            port,
            known_hosts=known_hosts(port),
            username="user",
            password="secret",
            client_keys=None,
        )
        async with inner:
            data = "x" * 1_000_000
            assert (await inner.run("far", input=data)).stdout == "far\n" + data
            assert inner.get_extra_info("peername") == (HOST, port)
        again, made = await outer.create_ssh_connection(
            Recorder, HOST, port, known_hosts=None, username="guest", client_keys=None
        )
        outer.abort()
        await again.wait_closed()
        assert isinstance(made, Recorder)
        assert isinstance(made.calls[-1][1], ConnectionLost)


async def test_tunnel_by_name() -> None:
    async with serving() as server:
        port = server.get_port()
        conn = await client(
            server, password="secret", tunnel=f"user@{HOST}:{port},user@{HOST}:{port}"
        )  # type: ignore[call-arg]
        assert len(server.connections) == 3
        async with conn:
            assert (await conn.run("far", input="")).stdout == "far\n"
        peers = server.connections
        for peer in peers:
            await peer.wait_closed()


async def test_tunnel_to_nowhere() -> None:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        nowhere = sock.getsockname()[1]
        async with serving() as server, await client(server, password="secret") as outer:
            with pytest.raises(ChannelOpenError):
                await outer.connect_ssh(HOST, nowhere, known_hosts=None, client_keys=None)


async def test_acceptor_handlers() -> None:
    accepted: list[str] = []
    failed: list[str] = []
    ready = asyncio.Event()

    async def accept(conn: object) -> None:
        await asyncio.sleep(0)
        accepted.append("accepted")
        ready.set()

    acceptor = await listen(
        HOST,
        0,
        server_factory=Server,
        server_host_keys=[HOST_KEY],
        auth_fail_delay=0,
        acceptor=accept,
        error_handler=lambda conn, exc: failed.append(type(exc).__name__),
    )
    async with acceptor:
        async with await client(acceptor, password="secret"):
            await ready.wait()
        with pytest.raises(PermissionDenied):
            await client(acceptor, password="wrong")
        for conn in acceptor.connections:
            await conn.wait_closed()
    assert accepted == ["accepted"]
    assert failed == ["PermissionDenied"]
    assert DISC_BY_APPLICATION == 11


async def test_what_opens_is_a_context_manager() -> None:
    async with listen(HOST, 0, server_factory=Server, server_host_keys=[HOST_KEY]) as server:
        port = server.get_port()
        known = known_hosts(port)
        async with connect(
            HOST, port, known_hosts=known, username="user", password="secret", client_keys=None
        ) as conn:
            async with conn.connect_ssh(
                HOST, port, known_hosts=known, username="guest", client_keys=None
            ) as inner:
                assert not inner.is_closed()
            assert inner.is_closed()
        assert conn.is_closed()
        for peer in server.connections:
            await peer.wait_closed()
    ours, theirs = socket.socketpair()

    async def serve() -> None:
        async with run_server(theirs, server_factory=Server, server_host_keys=[HOST_KEY]) as peer:
            await peer.wait_closed()

    task = asyncio.create_task(serve())
    async with run_client(ours, known_hosts=None, username="guest", client_keys=None) as conn:
        assert not conn.is_closed()
    await task


async def test_tunnel_that_does_not_open() -> None:
    class Silent(Server):
        async def connection_requested(  # type: ignore[override]
            self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
        ) -> bool:
            await asyncio.Event().wait()
            return False

    async with serving(server_factory=Silent) as server:
        outer = await client(server, password="secret")
        peer = server_side(server)
        with pytest.raises(ConnectionTimeoutError):
            await outer.connect_ssh(
                HOST, server.get_port(), known_hosts=None, client_keys=None, login_timeout=0.05
            )
        ours, theirs = socket.socketpair()
        with pytest.raises(ValueError, match="exclude each other"):
            await connect(sock=ours, tunnel=outer, known_hosts=None, client_keys=None)
        ours.close()
        theirs.close()
        outer.close()
        await outer.wait_closed()
        await peer.wait_closed()


async def test_handshake_takes_few_sends() -> None:
    sent: list[int] = []

    class Counting(SSHClientConnection):
        def on_connected(self, transport: asyncio.Transport) -> None:
            write = transport.write

            def counted(data: bytes | bytearray | memoryview) -> None:
                sent.append(len(data))
                write(data)

            transport.write = counted  # type: ignore[method-assign]
            super().on_connected(transport)

    async with serving(authorized_client_keys=authorized()) as server:
        options = SSHClientConnectionOptions(
            host=HOST,
            port=server.get_port(),
            known_hosts=known_hosts(server.get_port()),
            username="user",
            client_keys=[USER_KEY],
        )
        async with await open_client(Counting, options):
            # Version with KEXINIT; key exchange; NEWKEYS with service and signed request.
            assert len(sent) == 3
