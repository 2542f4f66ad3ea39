"""What a server allows: sessions, options of keys, limits, time-outs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ssh_connection import (
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_CONNECT_FAILED,
    OPEN_RESOURCE_SHORTAGE,
    OPEN_UNKNOWN_CHANNEL_TYPE,
    ChannelListenError,
    ChannelOpenError,
    PermissionDenied,
    SSHClientConnection,
    SSHClientConnectionOptions,
    SSHClientSession,
    SSHReader,
    SSHServer,
    SSHServerChannel,
    SSHServerConnection,
    SSHServerConnectionOptions,
    SSHServerProcess,
    SSHServerSession,
    SSHWriter,
    create_server,
    listen,
)
from ssh_connection.acceptor import Startups
from ssh_connection.channel.session_client import SSHClientChannel
from ssh_connection.connection.opening import open_client
from ssh_connection.server import NewSession
from ssh_keys import SSHAuthorizedKeys, generate_private_key
from ssh_transport import (
    ConnectionLost,
    ConnectionTimeoutError,
    DisconnectError,
    MessageOrderError,
)

from .loopback import (
    HOST,
    HOST_KEY,
    OTHER_KEY,
    USER_KEY,
    Server,
    authorized,
    client,
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


# --- Sessions --------------------------------------------------------------------------------


class Session(SSHServerSession[str]):
    """Says what it was asked for, and ends."""

    def __init__(self) -> None:
        self.chan: SSHServerChannel[str] | None = None

    def connection_made(self, chan: object) -> None:
        assert isinstance(chan, SSHServerChannel)
        self.chan = chan

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        return command != "refuse me"

    def session_started(self) -> None:
        assert self.chan is not None
        self.chan.write(f"session {self.chan.get_command()}")
        self.chan.exit(0)


async def handler(stdin: SSHReader[str], stdout: SSHWriter[str], stderr: SSHWriter[str]) -> None:
    """Serve a session with streams."""
    stdout.write("stream " + await stdin.read())
    stdout.channel.close()


def a_session(server: Server) -> NewSession:
    return Session()


async def a_session_later(server: Server) -> NewSession:
    await asyncio.sleep(0)
    return Session()


def a_handler(server: Server) -> NewSession:
    return handler


def a_channel(server: Server) -> NewSession:
    assert server.conn is not None
    channel: SSHServerChannel[str] = server.conn.create_server_channel(
        "utf-16", "strict", 4096, 512
    )
    return channel, Session()


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        (a_session, "session x"),
        (a_session_later, "session x"),
        (a_handler, "stream in"),
        (a_channel, "session x"),
    ],
)
async def test_answers_of_session_requested(answer: object, output: str) -> None:
    class Answering(Server):
        session_requested = answer  # type: ignore[assignment]

    async with await_server(Answering) as server, await client(server, password="secret") as conn:
        encoding = "utf-16" if answer is a_channel else "utf-8"
        result = await conn.run("x", input="in", encoding=encoding)
        assert result.stdout == output
        if answer is not a_handler:
            assert (await conn.run(None, encoding=encoding)).stdout == "session None"
            with pytest.raises(ChannelOpenError, match="Session request failed"):
                await conn.run("refuse me", encoding=encoding)


class await_server:
    """A server that has no factory of sessions."""

    def __init__(self, factory: type[SSHServer], **kwargs: object) -> None:
        self._factory = factory
        self._kwargs = kwargs

    async def __aenter__(self):  # type: ignore[no-untyped-def]
        self._acceptor = await create_server(
            self._factory,
            HOST,
            0,
            server_host_keys=[HOST_KEY],
            auth_fail_delay=0,
            **self._kwargs,  # type: ignore[arg-type]
        )
        return self._acceptor

    async def __aexit__(self, *exc_info: object) -> None:
        self._acceptor.close()
        for conn in self._acceptor.connections:
            conn.abort()
            await conn.wait_closed()


async def test_sessions_are_refused_by_default() -> None:
    async with await_server(Server) as server, await client(server, password="secret") as conn:
        with pytest.raises(ChannelOpenError) as caught:
            await conn.run("x")
        assert caught.value.code == OPEN_CONNECT_FAILED


async def test_reason_of_a_refusal_reaches_the_client() -> None:
    class Refusing(Server):
        def session_requested(self) -> NewSession:
            raise ChannelOpenError(OPEN_RESOURCE_SHORTAGE, "come back\x07 later", "en")

    async with await_server(Refusing) as server, await client(server, password="secret") as conn:
        with pytest.raises(ChannelOpenError) as caught:
            await conn.run("x")
        assert caught.value.code == OPEN_RESOURCE_SHORTAGE
        assert caught.value.reason == "come back\\x07 later"


async def test_session_factory() -> None:
    async with (
        serving(session_factory=handler) as server,
        await client(server, password="secret") as conn,
    ):
        assert (await conn.run("x", input="data")).stdout == "stream data"
        stdin, stdout, stderr = await conn.open_session("x")
        stdin.write("more")
        stdin.write_eof()
        assert await stdout.read() == "stream more"
        assert await stderr.read() == ""


async def test_bytes_and_encodings() -> None:
    async def raw(process: SSHServerProcess[bytes]) -> None:
        process.stdout.write(await process.stdin.read())
        process.exit(0)

    async with (
        serving(process_factory=raw, encoding=None) as server,
        await client(server, password="secret", encoding=None) as conn,
    ):
        result = await conn.run("x", input=b"\xff\x00", encoding=None)
        assert result.stdout == b"\xff\x00"
        chan, _ = await conn.create_session(SSHClientSession[bytes], "x")
        assert chan.get_encoding()[0] is None
        chan.close()
        await chan.wait_closed()


async def test_session_options_of_a_connection() -> None:
    async def tell(process: SSHServerProcess[str]) -> None:
        process.stdout.write(
            f"{process.command} {process.term_type} {process.term_size} {dict(process.env)}"
        )
        process.exit(0)

    async with (
        serving(process_factory=tell) as server,
        await client(
            server,
            password="secret",
            command="default",
            env={"A": "1"},
            term_type="xterm",
            term_size=(80, 24),
        ) as conn,
    ):
        assert (await conn.run()).stdout == "default xterm (80, 24, 0, 0) {'A': '1'}"
        result = await conn.run("other", env=["B=2"], request_pty=False)
        assert result.stdout == "other None (0, 0, 0, 0) {'B': '2'}"
        result = await conn.run("x", request_pty="auto")
        assert result.stdout == "x None (0, 0, 0, 0) {'A': '1'}"
        result = await conn.run(None, request_pty="auto")
        assert result.stdout == "None xterm (80, 24, 0, 0) {'A': '1'}"
        with pytest.raises(ValueError, match="NAME=value"):
            await conn.run("x", env=["nothing"])


async def test_send_env(monkeypatch: pytest.MonkeyPatch) -> None:
    async def tell(process: SSHServerProcess[str]) -> None:
        process.stdout.write(str(dict(process.env)))
        process.exit(0)

    monkeypatch.setenv("SENT_ONE", "1")
    monkeypatch.setenv("SENT_TWO", "2")
    async with (
        serving(process_factory=tell) as server,
        await client(server, password="secret") as conn,
    ):
        result = await conn.run("x", send_env=["SENT_*"], env={"SENT_TWO": "3"})
        assert result.stdout == "{'SENT_ONE': '1', 'SENT_TWO': '3'}"


class Subsystem(SSHServerSession[bytes]):
    """Answers with its name."""

    def __init__(self, name: bytes) -> None:
        self._name = name

    def connection_made(self, chan: object) -> None:
        assert isinstance(chan, SSHServerChannel)
        self._chan = chan

    def session_started(self) -> None:
        self._chan.write(self._name)
        self._chan.exit(0)


async def test_subsystems_and_interceptors() -> None:
    def intercept(command: str, chan: SSHServerChannel[bytes]) -> Subsystem | None:
        return Subsystem(b"intercepted") if command.startswith("scp ") else None

    async def later(chan: SSHServerChannel[bytes]) -> Subsystem:
        await asyncio.sleep(0)
        return Subsystem(b"later")

    kwargs = {
        "subsystems": {"now": lambda chan: Subsystem(b"now"), "later": later},
        "exec_interceptors": (intercept,),
    }
    async with (
        await_server(Server, **kwargs) as server,
        await client(server, password="secret") as conn,
    ):
        assert (await conn.run(None, subsystem="now")).stdout == "now"
        assert (await conn.run(None, subsystem="later")).stdout == "later"
        assert (await conn.run("scp -t x")).stdout == "intercepted"
        for command, subsystem in ((None, "other"), ("ls", None), (None, None)):
            with pytest.raises(ChannelOpenError, match="Session request failed"):
                await conn.run(command, subsystem=subsystem)


# --- Options of keys -------------------------------------------------------------------------


async def tell(process: SSHServerProcess[str]) -> None:
    """Say what was started, and with which variables."""
    process.stdout.write(f"{process.command}|{process.subsystem}|{process.term_type}|")
    process.stdout.write(",".join(f"{name}={value}" for name, value in process.env.items()))
    process.exit(0)


async def test_forced_command() -> None:
    keys = authorized('command="forced",environment="A=1"')
    async with (
        serving(process_factory=tell, authorized_client_keys=keys) as server,
        await client(server, client_keys=[USER_KEY]) as conn,
    ):
        peer = server_side(server)
        assert peer.get_key_option("command") == "forced"
        assert peer.get_key_option("nothing", 1) == 1
        assert peer.get_certificate_option("force-command", 2) == 2
        assert peer.check_certificate_permission("pty")
        result = await conn.run("rm -rf /")
        assert result.stdout == "forced|None|None|A=1,SSH_ORIGINAL_COMMAND=rm -rf /"
        assert (await conn.run(None)).stdout == "forced|None|None|A=1"
        result = await conn.run(None, subsystem="sftp")
        assert result.stdout == "forced|None|None|A=1,SSH_ORIGINAL_COMMAND=sftp"


async def test_forced_internal_sftp() -> None:
    keys = authorized('command="internal-sftp"')
    subsystems = {"sftp": lambda chan: Subsystem(b"sftp")}
    async with (
        serving(process_factory=tell, authorized_client_keys=keys, subsystems=subsystems) as server,
        await client(server, client_keys=[USER_KEY]) as conn,
    ):
        assert (await conn.run("anything")).stdout == "sftp"


async def test_restricted_key() -> None:
    keys = authorized("restrict")
    async with (
        serving(process_factory=tell, authorized_client_keys=keys) as server,
        await client(server, client_keys=[USER_KEY]) as conn,
    ):
        peer = server_side(server)
        for permission in ("pty", "port-forwarding", "agent-forwarding", "X11-forwarding"):
            assert not peer.check_key_permission(permission)
        with pytest.raises(ChannelOpenError, match="PTY request failed"):
            await conn.run("x", term_type="xterm")
        with pytest.raises(ChannelOpenError) as caught:
            await conn.open_connection(HOST, server.get_port())
        assert caught.value.code == OPEN_ADMINISTRATIVELY_PROHIBITED
        with pytest.raises(ChannelOpenError):
            await conn.open_unix_connection("/nowhere")
        with pytest.raises(ChannelListenError):
            await conn.forward_remote_port(HOST, 0, HOST, 1)
        with pytest.raises(ChannelListenError):
            await conn.forward_remote_path("/nowhere", "/nowhere")


async def test_permitopen_and_permitlisten() -> None:
    async with serving(authorized_client_keys=SSHAuthorizedKeys()) as server:
        port = server.get_port()
        server.update(
            authorized_client_keys=authorized(f'permitopen="{HOST}:{port}",permitlisten="{HOST}:*"')
        )
        async with await client(server, client_keys=[USER_KEY]) as conn:
            reader, writer = await conn.open_connection(HOST, port)
            assert (await reader.readline()).startswith(b"SSH-2.0-")
            writer.close()
            await writer.wait_closed()
            for host, number in ((HOST, port - 1), ("localhost", port), ("127.0.0.2", port)):
                with pytest.raises(ChannelOpenError) as caught:
                    await conn.open_connection(host, number)
                assert caught.value.code == OPEN_ADMINISTRATIVELY_PROHIBITED
            listener = await conn.forward_remote_port(HOST, 0, HOST, port)
            listener.close()
            await listener.wait_closed()
            with pytest.raises(ChannelListenError):
                await conn.forward_remote_port("", 0, HOST, port)


async def test_from_is_enforced() -> None:
    async with serving(authorized_client_keys=authorized('from="192.0.2.0/24"')) as server:
        with pytest.raises(PermissionDenied):
            await client(server, client_keys=[USER_KEY])
        server.update(authorized_client_keys=authorized('from="127.0.0.0/8"'))
        async with await client(server, client_keys=[USER_KEY]):
            pass


async def test_unknown_users_are_offered_the_same_methods() -> None:
    class PerUser(Server):
        def begin_auth(self, username: str) -> bool:
            assert self.conn is not None
            self.conn.set_authorized_keys(authorized() if username == "user" else None)
            return True

    answers = []
    async with serving(server_factory=PerUser) as server:
        for name in ("user", "nobody"):
            for kwargs in ({"client_keys": [OTHER_KEY]}, {"password": "wrong"}):
                with pytest.raises(PermissionDenied) as caught:
                    await client(server, username=name, **kwargs)
                answers.append(str(caught.value).partition(": ")[2])
    assert answers[:2] == answers[2:]
    assert "publickey" in answers[0]


async def test_set_authorized_keys_per_user() -> None:
    class PerUser(Server):
        def begin_auth(self, username: str) -> bool:
            assert self.conn is not None
            self.conn.set_authorized_keys(authorized() if username == "user" else None)
            return True

    async with serving(server_factory=PerUser) as server:
        async with await client(server, client_keys=[USER_KEY]):
            pass
        for kwargs in ({"username": "other"}, {"client_keys": [OTHER_KEY]}):
            with pytest.raises(PermissionDenied):
                await client(server, **{"client_keys": [USER_KEY], **kwargs})  # type: ignore[arg-type]


# --- Limits ----------------------------------------------------------------------------------


async def test_sessions_per_connection() -> None:
    async with (
        serving(max_sessions=2) as server,
        await client(server, password="secret") as conn,
    ):
        first = await conn.create_process("1")
        second = await conn.create_process("2")
        with pytest.raises(ChannelOpenError) as caught:
            await conn.create_process("3")
        assert caught.value.code == OPEN_RESOURCE_SHORTAGE
        first.stdin.write_eof()
        await first.wait()
        await conn.run("3", input="")
        second.stdin.write_eof()
        await second.wait()


async def test_channels_per_connection() -> None:
    async with (
        serving(max_channels=1) as server,
        await client(server, password="secret") as conn,
    ):
        _, writer = await conn.open_connection(HOST, server.get_port())
        with pytest.raises(ChannelOpenError) as caught:
            await conn.run("x")
        assert caught.value.code == OPEN_RESOURCE_SHORTAGE
        writer.close()
        await writer.wait_closed()


async def test_listeners_per_connection() -> None:
    async with (
        serving(max_listeners=1) as server,
        await client(server, password="secret") as conn,
    ):
        await conn.forward_remote_port(HOST, 0, HOST, 1)
        with pytest.raises(ChannelListenError):
            await conn.forward_remote_port(HOST, 0, HOST, 1)


def test_startups_drop_at_random() -> None:
    drawn: list[int] = []
    startups = Startups((2, 30, 4), lambda top: drawn.pop())
    assert startups.admit()
    assert startups.admit()
    drawn[:] = [29]
    assert not startups.admit()  # 30 percent
    drawn[:] = [30]
    assert startups.admit()
    drawn[:] = [64]
    assert not startups.admit()  # 65 percent
    drawn[:] = [65]
    assert startups.admit()
    assert not startups.admit()  # full
    startups.leave()
    drawn[:] = [99]
    assert startups.admit()
    assert startups.count == 4


async def test_unauthenticated_connections_are_limited() -> None:
    async with serving(max_startups=2) as server:
        waiting = [await asyncio.open_connection(HOST, server.get_port()) for _ in range(2)]
        for reader, _ in waiting:
            await reader.readline()
        with pytest.raises((ConnectionLost, ConnectionError)):
            await client(server, password="secret")
        first = waiting[0][1]
        (peer,) = (
            conn
            for conn in server.connections
            if conn.get_extra_info("peername") == first.get_extra_info("sockname")
        )
        first.close()
        await peer.wait_closed()
        # Authenticated connections do not count.
        connections = [await client(server, password="secret") for _ in range(3)]
        for conn in connections:
            conn.abort()
            await conn.wait_closed()
        waiting[1][1].close()
        await waiting[1][1].wait_closed()


async def test_answer_of_a_callback_behind_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """The connection is closed, but its socket is not yet: nobody logs in any more."""
    completed: list[bool] = []

    class Closing(Server):
        async def validate_password(  # type: ignore[override]
            self, username: str, password: str
        ) -> bool:
            assert self.conn is not None
            loop = asyncio.get_running_loop()
            waiter = loop.create_future()
            loop.call_soon(waiter.set_result, True)
            loop.call_soon(self.conn.close)
            return bool(await waiter)

        def auth_completed(self) -> None:
            completed.append(True)

    async with serving(server_factory=Closing) as server:
        with pytest.raises(DisconnectError):
            await client(server, password="secret")
    assert not completed
    assert not caplog.records


async def test_no_more_sessions() -> None:
    async with serving() as server, await client(server, password="secret") as conn:
        process = await conn.create_process("before")
        conn._require_mux().send_global_request(b"no-more-sessions@openssh.com")
        with pytest.raises(ChannelOpenError) as caught:
            await conn.run("after")
        assert caught.value.code == OPEN_ADMINISTRATIVELY_PROHIBITED
        process.stdin.write_eof()
        assert (await process.wait()).stdout == "before\n"


@pytest.mark.parametrize("opener", ["client", "server"])
async def test_unknown_channel_types(opener: str) -> None:
    async with serving() as server, await client(server, password="secret") as conn:
        end = conn if opener == "client" else server_side(server)
        mux = end._require_mux()
        for name in (b"session\x1b", b"x11@example.com", b"auth-agent", b"forwarded"):
            with pytest.raises(ChannelOpenError) as caught:
                await mux.open(SSHClientChannel(end, mux), name)
            assert caught.value.code == OPEN_UNKNOWN_CHANNEL_TYPE
            assert caught.value.reason.isprintable()


async def test_server_opens_what_was_not_asked_for() -> None:
    async with serving() as server, await client(server, password="secret"):
        peer = server_side(server)
        with pytest.raises(ChannelOpenError) as caught:
            await peer.open_connection("somewhere", 80, "else", 81)
        assert caught.value.code == OPEN_ADMINISTRATIVELY_PROHIBITED
        with pytest.raises(ChannelOpenError):
            await peer.open_unix_connection("/somewhere")


# --- Time-outs -------------------------------------------------------------------------------


async def test_idle_connection_is_closed() -> None:
    async with serving(idle_timeout=0.05) as server:
        conn = await client(server, password="secret")
        await conn.wait_closed()
        assert server.connections == ()


async def test_connection_with_a_channel_is_not_idle() -> None:
    async with (
        serving(idle_timeout=0.05) as server,
        await client(server, password="secret") as conn,
    ):
        process = await conn.create_process("x")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(conn.wait_closed(), 0.2)
        process.stdin.write_eof()
        await process.wait()
        await conn.wait_closed()


async def test_keepalive_is_answered() -> None:
    async with (
        serving(keepalive_interval=0.01, keepalive_count_max=2) as server,
        await client(server, password="secret", keepalive_interval=0.01) as conn,
    ):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(conn.wait_closed(), 0.2)
        conn.set_keepalive(0)
        conn.set_keepalive("1m", 5)
        with pytest.raises(ValueError, match="at least 1"):
            conn.set_keepalive(count_max=0)


async def test_keepalive_finds_a_dead_peer() -> None:
    lost: list[Exception | None] = []

    class Watching(Server):
        def connection_lost(self, exc: Exception | None) -> None:
            lost.append(exc)

    async with serving(
        server_factory=Watching, keepalive_interval=0.02, keepalive_count_max=2
    ) as server:
        conn = await client(server, password="secret")
        # From now on the client reads nothing: as if its host were gone.
        transport = conn.transport._transport
        assert transport is not None
        transport.pause_reading()
        await server_side(server).wait_closed()
        assert isinstance(lost[0], ConnectionTimeoutError)
        transport.resume_reading()
        await conn.wait_closed()


# --- Listening -------------------------------------------------------------------------------


async def test_a_server_needs_a_host_key() -> None:
    with pytest.raises(ValueError, match="server_host_keys"):
        await listen(HOST, 0)
    second = generate_private_key("ssh-ed25519")
    with pytest.raises(ValueError, match="two host keys"):
        await listen(HOST, 0, server_host_keys=[HOST_KEY, second])
    with pytest.raises(FileNotFoundError):
        await listen(HOST, 0, server_host_keys=["/nowhere/key"])
    with pytest.raises(FileNotFoundError):
        await listen(
            HOST, 0, server_host_keys=[HOST_KEY], authorized_client_keys="/nowhere/authorized_keys"
        )


async def test_acceptor_knows_where_it_listens() -> None:
    async with serving() as server:
        assert server.get_addresses() == [(HOST, server.get_port())]
    server.close()
    await server.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        await client(server, password="secret")


async def test_update_of_a_listener() -> None:
    async with serving() as server:
        with pytest.raises(ValueError, match="server_host_keys"):
            server.update(server_host_keys=[])
        server.update(password_auth=False, kbdint_auth=False)
        with pytest.raises(PermissionDenied):
            await client(server, password="secret")


async def test_connection_object_by_itself() -> None:
    options = SSHServerConnectionOptions(server_host_keys=[HOST_KEY])
    conn = SSHServerConnection(options)
    with pytest.raises(RuntimeError):
        _ = conn.owner
    with pytest.raises(OSError, match="banner"):
        conn.send_auth_banner("x")
    with pytest.raises(ChannelOpenError):
        conn.create_server_channel()
    assert conn.get_key_option("command") is None
    assert conn.check_key_permission("pty")
    assert conn.get_extra_info("peername") is None


async def test_service_can_not_be_requested_twice() -> None:
    class Twice(SSHServer):
        def begin_auth(self, username: str) -> bool:
            return True

    async with serving(server_factory=Twice) as server:

        class Impatient(SSHClientConnection):
            def _begin_auth(self) -> None:
                self._core.request_service(b"ssh-userauth")
                self._core.request_service(b"ssh-userauth")

        options = SSHClientConnectionOptions(
            host=HOST, port=server.get_port(), known_hosts=None, client_keys=None, username="x"
        )
        with pytest.raises(DisconnectError, match="requested twice"):
            await open_client(Impatient, options)


@pytest.mark.parametrize(
    "message", [b"\x34", b"\x33\0\0\0\0\0", b"\x5a", b"\x50", b"\x3c", b"\x5e"]
)
async def test_messages_out_of_place_before_authentication(message: bytes) -> None:
    """CVE-2018-10933, CVE-2025-32433: nothing of it gets a client in, or to a channel."""

    class Hostile(SSHClientConnection):
        def _begin_auth(self) -> None:
            self._core.request_service(b"ssh-userauth")
            self._core.send(message)

    errors: list[Exception] = []
    acceptor = await listen(
        HOST,
        0,
        server_factory=Server,
        server_host_keys=[HOST_KEY],
        error_handler=lambda conn, exc: errors.append(exc),
    )
    async with acceptor:
        options = SSHClientConnectionOptions(
            host=HOST, port=acceptor.get_port(), known_hosts=None, client_keys=None, username="x"
        )
        with pytest.raises(DisconnectError):
            await open_client(Hostile, options)
        for conn in acceptor.connections:
            await conn.wait_closed()
    assert isinstance(errors[0], MessageOrderError)
