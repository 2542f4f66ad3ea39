"""What programs written for AsyncSSH rely on, found by running the same scripts with both."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import pytest

import ssh_connection
import ssh_meta
from ssh_connection.connection.client_sessions import SessionKwargs
from ssh_meta import DisconnectError
from tests.meta.support import HOST_KEY, USER_KEY, Server, connected, process, running_server


class Forwarding(Server):
    """Listens and connects for its clients."""

    def server_requested(self, listen_host: str, listen_port: int) -> bool:
        """Listen."""
        return True


class Client(ssh_meta.SSHClient):
    """Callbacks of an application."""


LINE = HOST_KEY.export_public_key().decode()
OTHER = ssh_meta.generate_private_key("ssh-ed25519")
OTHER_LINE = OTHER.export_public_key().decode()


async def test_host_that_is_known_without_its_port() -> None:
    """As ssh: a host of which nothing is known under its port is looked up without it."""
    async with running_server() as port:
        async with connected(port, known_hosts=f"127.0.0.1 {LINE}".encode()):
            pass
        line = f"127.0.0.1 {LINE}[127.0.0.1]:{port} {OTHER_LINE}"
        with pytest.raises(ssh_meta.HostKeyMismatch):
            async with connected(port, known_hosts=line.encode()):
                pass
        with pytest.raises(ssh_meta.HostKeyUnknown):  # it may be another server's key
            async with connected(port, known_hosts=f"127.0.0.1 {OTHER_LINE}".encode()):
                pass
        lines = f"127.0.0.1 {LINE}@revoked [127.0.0.1]:{port} {LINE}"
        with pytest.raises(ssh_meta.HostKeyRevoked):
            async with connected(port, known_hosts=lines.encode()):
                pass


async def test_list_of_known_hosts_files(tmp_path: Path) -> None:
    (tmp_path / "other").write_text(f"other {OTHER_LINE}")
    (tmp_path / "this").write_text(f"127.0.0.1 {LINE}")
    files: list[str | PathLike[str]] = [str(tmp_path / "other"), tmp_path / "this"]
    async with running_server() as port, connected(port, known_hosts=files):
        pass
    match = ssh_meta.match_known_hosts(files, "127.0.0.1", "", None)
    assert list(match.trusted_host_keys) == [HOST_KEY.convert_to_public()]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (2, ssh_meta.ProtocolError),
        (3, ssh_meta.KeyExchangeFailed),
        (5, ssh_meta.MACError),
        (6, ssh_meta.CompressionError),
        (7, ssh_meta.ServiceNotAvailable),
        (8, ssh_meta.ProtocolNotSupported),
        (9, ssh_meta.HostKeyNotVerifiable),
        (10, ssh_meta.ConnectionLost),
        (11, DisconnectError),
        (14, ssh_meta.PermissionDenied),
        (15, ssh_meta.IllegalUserName),
        (99, DisconnectError),
    ],
)
async def test_class_of_a_disconnect(code: int, kind: type[DisconnectError]) -> None:
    class Refusing(Server):
        def connection_made(self, conn: ssh_connection.SSHServerConnection) -> None:
            self.conn = conn

        def begin_auth(self, username: str) -> bool:
            self.conn.disconnect(code, "go away", "en")
            return True

    async with running_server(server_factory=Refusing) as port:
        with pytest.raises(DisconnectError, match="go away") as caught:
            async with connected(port):
                pass
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.lang) == (code, "en")


def test_errors_take_a_language() -> None:
    assert ssh_meta.MACError("reason", "fr").lang == "fr"


async def test_sessions_refuse_unknown_keywords() -> None:
    async with running_server() as port, connected(port) as conn:
        methods: list[Callable[..., Any]] = [conn.run, conn.create_process, conn.open_session]
        for method in methods:
            with pytest.raises(TypeError, match="nosuch"):
                await asyncio.wait_for(method("echo", nosuch=1), 5)


async def test_forms_of_an_environment() -> None:
    async def show(process: ssh_meta.SSHServerProcess[bytes]) -> None:
        process.stdout.write(process.env.get("NAME", "").encode())
        process.exit(0)

    async with running_server(process_factory=show) as port, connected(port) as conn:
        for env in ({"NAME": "v"}, ["NAME=v"], [b"NAME=v"], [("NAME", "v")], {b"NAME": b"v"}):
            result = await conn.run(env=env)
            assert (result.stdout, result.env) == ("v", {"NAME": "v"})


async def test_results_can_be_changed() -> None:
    async with running_server() as port, connected(port) as conn:
        result = await conn.run("echo", input="text\n")
        result.stdout = result.stdout.strip()
        assert result.stdout == "text"


async def test_channels_of_forwards_refuse_unknown_keywords() -> None:
    async with running_server() as port, connected(port) as conn:
        methods: list[Callable[..., Any]] = [conn.create_connection, conn.open_connection]
        for method in methods:
            with pytest.raises(TypeError, match="nosuch"):
                await method(*(() if method == conn.open_connection else (None,)), "h", 1, nosuch=1)


async def test_names_of_both_ends_of_a_forwarded_connection(tmp_path: Path) -> None:
    """What came from the peer has the peer's end as the remote one."""
    seen: list[tuple[object, object]] = []

    def handler(reader: ssh_meta.SSHReader[bytes], writer: ssh_meta.SSHWriter[bytes]) -> None:
        names = (reader.get_extra_info(name) for name in ("local_peername", "remote_peername"))
        seen.append((next(names), next(names)))
        writer.close()

    class Forwarding(Server):
        def connection_requested(self, *args: object) -> Any:
            return handler

        def unix_connection_requested(self, dest_path: str) -> Any:
            return handler

        def server_requested(self, listen_host: str, listen_port: int) -> bool:
            return True

        def unix_server_requested(self, listen_path: str) -> bool:
            return True

    path = str(tmp_path / "socket")
    async with running_server(server_factory=Forwarding) as port, connected(port) as conn:
        reader, _ = await conn.open_connection("host", 7, "orig", 5)
        await reader.read()
        unix_reader, _ = await conn.open_unix_connection("/there")
        await unix_reader.read()
        assert seen == [(("host", 7), ("orig", 5)), ("/there", "")]
        seen.clear()
        async with (
            conn.start_server(lambda host, port: handler, "127.0.0.1", 0) as listener,
            conn.start_unix_server(lambda: handler, path),
        ):
            stream, writer = await asyncio.open_connection("127.0.0.1", listener.get_port())
            here = writer.get_extra_info("sockname")
            await stream.read()
            writer.close()
            stream, writer = await asyncio.open_unix_connection(path)
            await stream.read()
            writer.close()
        assert seen == [(("127.0.0.1", listener.get_port()), here), (path, "")]


async def test_loggers_of_applications(caplog: pytest.LogCaptureFixture) -> None:
    ssh_meta.set_log_level("INFO")
    try:
        async with running_server() as port, connected(port) as conn:
            async with conn.create_process("echo") as process:
                for place in (process, process.channel, process.stdin, process.stdout):
                    place.logger.info("here is %s", "text")
            conn.logger.info("100%")
    finally:
        ssh_meta.set_log_level("NOTSET")
    messages = [record.getMessage() for record in caplog.records]
    assert sum(", chan=" in each and each.endswith("] here is text") for each in messages) == 4
    assert any(each.startswith("[conn=") and each.endswith("] 100%") for each in messages)


def test_level_of_sftp() -> None:
    ssh_meta.set_sftp_log_level("ERROR")
    try:
        assert logging.getLogger("ssh_sftp.server").getEffectiveLevel() == logging.ERROR
    finally:
        ssh_meta.set_sftp_log_level("NOTSET")


async def test_separator_of_another_type_loses_nothing() -> None:
    async with running_server() as port, connected(port) as conn:
        process = await conn.create_process("echo")
        process.stdin.write("line\n")
        with pytest.raises(TypeError):
            await process.stdout.readuntil(b"\n")  # type: ignore[arg-type]
        assert await process.stdout.readline() == "line\n"
        process.close()


async def test_scp_to_a_host_with_the_keyword_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    async with running_server(sftp_factory=True, allow_scp=True) as port:
        await ssh_meta.scp(
            tmp_path / "file",
            f"127.0.0.1:{tmp_path / 'copy'}",
            port=port,
            username="alice",
            known_hosts=None,
            client_keys=[USER_KEY],
        )
    assert (tmp_path / "copy").read_text() == "content"


def test_options_on_top_of_others_by_position() -> None:
    kinds: list[Callable[..., Any]] = [
        ssh_meta.SSHClientConnectionOptions,
        ssh_meta.SSHServerConnectionOptions,
    ]
    for kind in kinds:
        base = kind(login_timeout=5, keepalive_interval=7)
        made = kind(base, login_timeout=6)
        assert (made.login_timeout, made.keepalive_interval) == (6, 7)
        assert kind(None).login_timeout == kind().login_timeout
        for wrong in ((base, base), ("text",)):
            with pytest.raises(TypeError):
                kind(*wrong)
        with pytest.raises(TypeError):
            kind(base, options=base)


@pytest.mark.parametrize("recv_eof", [True, False])
async def test_end_of_a_process_and_of_what_it_is_redirected_to(recv_eof: bool) -> None:
    async def copy(process: ssh_meta.SSHServerProcess[bytes]) -> None:
        process.stdout.write(await process.stdin.read())
        process.exit(0)

    async with running_server(process_factory=copy) as port, connected(port) as conn:
        second = await conn.create_process("x")
        async with conn.create_process("x", stdout=second.stdin, recv_eof=recv_eof) as first:
            first.stdin.write("one ")
            first.stdin.write_eof()
            await first.wait()
        if not recv_eof:
            second.stdin.write("two")
            second.stdin.write_eof()
        assert await second.stdout.read() == ("one " if recv_eof else "one two")


async def test_several_servers_on_one_port() -> None:
    def serve(port: int, reuse_port: bool | None = None) -> ssh_meta.Opening[Any]:
        return ssh_meta.listen(
            "127.0.0.1", port, server_host_keys=[HOST_KEY], reuse_port=reuse_port
        )

    async with serve(0, reuse_port=True) as one:
        async with serve(one.get_port(), reuse_port=True):
            pass
        with pytest.raises(OSError, match="in use"):
            await serve(one.get_port())


def test_empty_tuple_says_that_an_option_is_not_given() -> None:
    for kind, names in (
        (ssh_meta.SSHClientConnectionOptions, ["password_auth", "rekey_bytes", "command"]),
        (ssh_meta.SSHServerConnectionOptions, ["allow_pty", "login_timeout", "tcp_keepalive"]),
    ):
        make: Any = kind
        for name in names:
            assert getattr(make(**{name: ()}), name) == getattr(make(), name)
    base = ssh_meta.SSHClientConnectionOptions(client_keys=[USER_KEY], username="me")
    made = ssh_meta.SSHClientConnectionOptions(base, client_keys=(), username=())
    assert (made.client_keys, made.username) == ([USER_KEY], "me")


async def test_empty_tuple_says_that_a_keyword_of_a_session_is_not_given() -> None:
    names = SessionKwargs.__annotations__
    nothing: Any = dict.fromkeys(["command", "encoding", *names], ())
    options: Any = {"command": "fail", "errors": "replace", "window": 70_000, "max_pktsize": 5_000}
    async with running_server() as port, connected(port, **options) as conn:
        async with conn.create_process(**nothing) as process:
            assert process.channel.get_encoding() == ("utf-8", "replace")
            assert process.channel.get_recv_window() == 70_000
            assert await process.stderr.read() == "it failed\n"
        stdin, stdout, _ = await conn.open_session(**{**nothing, "command": "echo"})
        stdin.write("text")
        stdin.write_eof()
        assert await stdout.read() == "text"


async def test_configuration_behind_a_connected_socket(tmp_path: Path) -> None:
    for name, text in (("client", "User bob\nSetEnv NAME=value\n"), ("server", "PermitTTY no\n")):
        (tmp_path / name).write_text(text)
    near, far = socket.socketpair()
    serving = asyncio.create_task(
        ssh_meta.run_server(
            near,
            str(tmp_path / "server"),
            ssh_meta.SSHServerConnectionOptions(server_factory=Server, process_factory=process),
            server_host_keys=[HOST_KEY],
            encoding=None,
        )
    )
    options = ssh_meta.SSHClientConnectionOptions(known_hosts=None, client_keys=[USER_KEY])
    async with ssh_meta.run_client(far, str(tmp_path / "client"), options) as conn:
        assert conn.get_extra_info("username") == "bob"
        result = await conn.run("echo", input="text")
        assert (result.stdout, result.env) == ("text", {"NAME": "value"})
        with pytest.raises(ssh_meta.ChannelOpenError, match="PTY request failed"):
            await conn.run("echo", term_type="xterm")
    async with await asyncio.wait_for(serving, 10) as served:
        assert served.get_extra_info("username") == "bob"


async def test_keywords_of_what_goes_through_a_connection(tmp_path: Path) -> None:
    """As of `connect` and `listen`: options objects, files and callbacks are among them."""
    (tmp_path / "config").write_text("User bob\n")
    accepted: asyncio.Queue[object] = asyncio.Queue()
    failed: asyncio.Queue[object] = asyncio.Queue()

    def refused(conn: object, exc: Exception) -> None:
        failed.put_nowait(type(exc))

    server = ssh_meta.SSHServerConnectionOptions(
        server_factory=Forwarding, server_host_keys=[HOST_KEY], process_factory=process
    )
    keys = ssh_meta.SSHClientConnectionOptions(known_hosts=None, client_keys=[USER_KEY])
    config = str(tmp_path / "config")
    async with running_server(server_factory=Forwarding) as port, connected(port) as conn:
        async with conn.connect_ssh("127.0.0.1", port, config=config, options=keys) as inner:
            assert inner.get_extra_info("username") == "bob"
        inner, client = await conn.create_ssh_connection(
            Client, "127.0.0.1", port, config=config, options=keys
        )
        assert isinstance(client, Client)
        assert inner.get_extra_info("username") == "bob"
        async with conn.listen_ssh(
            "127.0.0.1", acceptor=accepted.put, error_handler=refused, options=server, port=0
        ) as listener:
            there: Any = listener.get_port()
            async with ssh_meta.connect("127.0.0.1", there, options=keys, username="eve"):
                assert isinstance(await accepted.get(), ssh_meta.SSHServerConnection)
            with pytest.raises(ssh_meta.PermissionDenied):
                await ssh_meta.connect("127.0.0.1", there, known_hosts=None, client_keys=None)
            assert issubclass(await failed.get(), DisconnectError)  # type: ignore[arg-type]
        async with (
            conn.listen_reverse_ssh(
                "127.0.0.1", 0, acceptor=accepted.put, config=config, options=keys
            ) as waiting,
            conn.connect_reverse_ssh("127.0.0.1", waiting.get_port(), options=server) as served,
        ):
            assert served.get_extra_info("username") == "bob"
            assert isinstance(await accepted.get(), ssh_meta.SSHClientConnection)
