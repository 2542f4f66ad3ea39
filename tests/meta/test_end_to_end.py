"""Our client and our server together: everything that an application does on its first day."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

import ssh_meta
from tests.meta.support import HOST_KEY, connected, known_hosts, running_server

DATA = os.urandom(1 << 20) * 8


async def test_run() -> None:
    async with running_server() as port, connected(port) as conn:
        result = await conn.run("echo", input="hello\n")
        assert (result.stdout, result.exit_status, result.returncode) == ("hello\n", 0, 0)
        result = await conn.run("fail")
        assert (result.stderr, result.exit_status) == ("it failed\n", 3)
        with pytest.raises(ssh_meta.ProcessError) as caught:
            await conn.run("fail", check=True)
        assert caught.value.exit_status == 3
        assert caught.value.stderr == "it failed\n"


async def test_bulk_data_with_rekeys() -> None:
    """Both directions at once, new keys every MiB, started by both sides."""
    async with (
        running_server(rekey_bytes=1 << 20) as port,
        connected(port, rekey_bytes=1 << 20) as conn,
    ):
        result = await conn.run("echo", input=DATA, encoding=None)
        assert isinstance(result.stdout, bytes)
        assert hashlib.sha256(result.stdout).digest() == hashlib.sha256(DATA).digest()


@pytest.mark.parametrize(
    "options",
    [
        {"kex_algs": [name]}
        for name in ("mlkem768x25519-sha256", "curve25519-sha256", "ecdh-sha2-nistp256")
    ]
    + [
        {"encryption_algs": [name]}
        for name in ("aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr")
    ]
    + [{"mac_algs": ["hmac-sha2-512-etm@openssh.com"], "encryption_algs": ["aes128-ctr"]}]
    + [{"compression_algs": ["zlib@openssh.com"]}],
    ids=lambda options: "-".join(value[0] for value in options.values()),
)
async def test_algorithms(options: dict[str, object]) -> None:
    async with running_server(**options) as port, connected(port, **options) as conn:
        result = await conn.run("echo", input=DATA[: 1 << 20], encoding=None)
        assert result.stdout == DATA[: 1 << 20]
        names = [str(conn.get_extra_info(name)) for name in ("kex", "send_cipher", "send_mac")]
        names.append(str(conn.get_extra_info("recv_compression")))
        assert {value[0] for value in options.values()} <= set(names)  # type: ignore[index]


@pytest.mark.parametrize(
    ("server", "client", "agreed"), [(None, 6, 3), (3, 6, 3), (4, 6, 4), (6, 6, 6), (6, 3, 3)]
)
async def test_version_of_sftp(
    server: int | None, client: int, agreed: int, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"content")
    async with (
        running_server(sftp_factory=True, sftp_version=server) as port,
        connected(port) as conn,
        conn.start_sftp_client(sftp_version=client) as sftp,
    ):
        assert sftp.version == agreed
        async with sftp.open(str(tmp_path / "file"), "rb") as file:
            assert await file.read() == b"content"


async def test_many_sessions_at_once() -> None:
    async with running_server(max_sessions=50) as port, connected(port) as conn:
        texts = [f"session {number}" for number in range(40)]
        results = await asyncio.gather(*(conn.run("echo", input=text) for text in texts))
        assert [result.stdout for result in results] == texts


async def test_password_and_wrong_password() -> None:
    async with running_server() as port:
        async with connected(port, client_keys=None, password="secret"):
            pass
        with pytest.raises(ssh_meta.PermissionDenied):
            async with connected(port, client_keys=None, password="wrong"):
                pytest.fail("let in")


async def test_wrong_host_key() -> None:
    other = ssh_meta.generate_private_key("ssh-ed25519")
    line = other.export_public_key().decode()
    async with running_server() as port:
        with pytest.raises(ssh_meta.HostKeyMismatch):
            async with connected(port, known_hosts=ssh_meta.import_known_hosts(f"* {line}")):
                pytest.fail("trusted")
        with pytest.raises(ssh_meta.HostKeyUnknown):
            async with connected(port, known_hosts=ssh_meta.import_known_hosts("")):
                pytest.fail("trusted")
        line = f"@revoked * {HOST_KEY.export_public_key().decode()}"
        with pytest.raises(ssh_meta.HostKeyRevoked):
            async with connected(port, known_hosts=ssh_meta.import_known_hosts(line)):
                pytest.fail("trusted")


async def test_sftp(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(DATA)
    async with (
        running_server(sftp_factory=True) as port,
        connected(port) as conn,
        conn.start_sftp_client() as sftp,
    ):
        await sftp.put(str(source), str(tmp_path / "there"))
        await sftp.get(str(tmp_path / "there"), str(target))
        assert target.read_bytes() == DATA
        await sftp.mkdir(str(tmp_path / "folder"))
        async with sftp.open(str(tmp_path / "folder" / "file"), "w") as file:
            await file.write("text")
        assert sorted(await sftp.listdir(str(tmp_path / "folder"))) == [".", "..", "file"]
        assert (await sftp.stat(str(source))).size == len(DATA)
        with pytest.raises(ssh_meta.SFTPNoSuchFile):
            await sftp.stat(str(tmp_path / "missing"))


async def test_sftp_session_can_be_awaited_and_ended(tmp_path: Path) -> None:
    async with running_server(sftp_factory=True) as port, connected(port) as conn:
        sftp = await conn.start_sftp_client()
        assert await sftp.realpath("/") == "/"
        sftp.exit()
        await sftp.wait_closed()
        with pytest.raises(ssh_meta.SFTPError):
            await sftp.realpath("/")
        async with conn.start_sftp_client() as other:
            assert await other.realpath("/tmp") == "/tmp"


async def test_sftp_with_a_root(tmp_path: Path) -> None:
    (tmp_path / "inside").write_bytes(b"inside")

    class Rooted(ssh_meta.SFTPServer):
        def __init__(self, chan: object) -> None:
            super().__init__(chan, chroot=str(tmp_path))

    async with (
        running_server(sftp_factory=Rooted) as port,
        connected(port) as conn,
        conn.start_sftp_client() as sftp,
    ):
        assert await sftp.listdir("/") == [".", "..", "inside"]
        with pytest.raises(ssh_meta.SFTPError):
            await sftp.stat("/../../etc/passwd")


async def test_sftp_factory_is_called_with_the_channel() -> None:
    seen: list[str | None] = []

    def factory(chan: ssh_meta.SSHServerChannel[bytes]) -> ssh_meta.SFTPServer:
        seen.append(str(chan.get_extra_info("username")))
        return ssh_meta.SFTPServer(chan)

    async with (
        running_server(sftp_factory=factory) as port,
        connected(port) as conn,
        conn.start_sftp_client() as sftp,
    ):
        await sftp.getcwd()
        assert seen == ["alice"]


async def test_server_without_sftp() -> None:
    async with running_server(process_factory=None) as port, connected(port) as conn:
        with pytest.raises(ssh_meta.ChannelOpenError):
            await conn.start_sftp_client()
        with pytest.raises(ValueError, match="3 to 6"):
            await conn.start_sftp_client(sftp_version=7)


async def test_peer_that_does_not_speak_sftp() -> None:
    """The echo of our own INIT is no VERSION; the connection goes on."""
    async with running_server() as port, connected(port) as conn:
        with pytest.raises(ssh_meta.SFTPBadMessage):
            await conn.start_sftp_client()
        assert (await conn.run("echo", input="x")).stdout == "x"


async def test_sftp_when_the_connection_is_lost(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(DATA)
    async with running_server(sftp_factory=True) as port, connected(port) as conn:
        sftp = await conn.start_sftp_client()
        copying = asyncio.create_task(
            sftp.get(str(tmp_path / "big"), str(tmp_path / "copy"), block_size=1024)
        )
        while not (tmp_path / "copy").exists():
            await asyncio.sleep(0.001)
        conn.abort()
        with pytest.raises(ssh_meta.SFTPError):
            await copying


async def test_local_port_forwarding() -> None:
    async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        await writer.drain()
        writer.close()

    target = await asyncio.start_server(upper, "127.0.0.1", 0)
    async with target, running_server() as port, connected(port) as conn:
        target_port = target.sockets[0].getsockname()[1]
        listener = await conn.forward_local_port("127.0.0.1", 0, "127.0.0.1", target_port)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.get_port())
        writer.write(b"hello")
        writer.write_eof()
        assert await reader.read() == b"HELLO"
        writer.close()
        await writer.wait_closed()
        listener.close()
        await listener.wait_closed()

        direct_reader, direct_writer = await conn.open_connection("127.0.0.1", target_port)
        direct_writer.write(b"direct")
        direct_writer.write_eof()
        assert await direct_reader.read() == b"DIRECT"
        direct_writer.close()


async def test_create_connection_and_create_server() -> None:
    lost: list[Exception | None] = []

    class Client(ssh_meta.SSHClient):
        def connection_made(self, conn: ssh_meta.SSHClientConnection) -> None:  # type: ignore[override]
            self.conn = conn

        def connection_lost(self, exc: Exception | None) -> None:
            lost.append(exc)

    class Anybody(ssh_meta.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return False

    acceptor = await ssh_meta.create_server(Anybody, "127.0.0.1", 0, server_host_keys=[HOST_KEY])
    async with acceptor:
        conn, client = await ssh_meta.create_connection(
            Client,
            "127.0.0.1",
            acceptor.get_port(),
            known_hosts=known_hosts(),
            client_keys=None,
            agent_path=None,
        )
        assert isinstance(client, Client)
        assert client.conn is conn
        assert type(conn) is ssh_meta.SSHClientConnection
        conn.close()
        await conn.wait_closed()
    assert lost == [None]
