"""Our client at the servers of others."""

from __future__ import annotations

import asyncio
import hashlib
import re
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Unpack

import pytest

import ssh_meta
from ssh_meta.keywords import ClientKwargs
from tests.interop import own_client
from tests.interop.own_server import REKEY_BYTES
from tests.interop.peers.availability import needs_root
from tests.interop.peers.credentials import Credentials
from tests.interop.peers.roles import PeerServer


def connect(
    server: PeerServer, credentials: Credentials, **options: Unpack[ClientKwargs]
) -> AbstractAsyncContextManager[ssh_meta.SSHClientConnection]:
    """Connect to a server of the peers; keys are exchanged again and again."""
    options.setdefault("rekey_bytes", REKEY_BYTES)
    return own_client.connect(server, credentials, **options)


async def test_run(server: PeerServer, credentials: Credentials) -> None:
    async with connect(server, credentials) as conn:
        done = await conn.run("echo out; echo err >&2; exit 3")
    assert (done.exit_status, done.stdout, done.stderr) == (3, "out\n", "err\n")


async def test_run_with_input(server: PeerServer, credentials: Credentials) -> None:
    async with connect(server, credentials) as conn:
        done = await conn.run("tr a-z A-Z", input="hello\n", check=True)
    assert done.stdout == "HELLO\n"


class Upper(ssh_meta.SSHSubprocessProtocol[bytes]):
    """Joins what comes from the pipes."""

    def __init__(self) -> None:
        self.data = {1: b"", 2: b""}
        self.calls: list[str] = []
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """More of a pipe."""
        self.data[fd] += data

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """The end of a pipe."""
        self.calls.append(f"{fd} {exc}")

    def process_exited(self) -> None:
        """The end of the process."""
        self.calls.append("exited")

    def connection_lost(self, exc: Exception | None) -> None:
        """All is over."""
        self.over.set_result(None)


async def test_run_with_a_protocol(server: PeerServer, credentials: Credentials) -> None:
    command = "echo err >&2; tr a-z A-Z; exit 3"
    async with connect(server, credentials) as conn:
        transport, protocol = await conn.create_subprocess(Upper, command)
        assert isinstance(protocol, Upper)
        stdin = transport.get_pipe_transport(0)
        stdin.writelines([b"hello ", b"you\n"])
        stdin.write_eof()
        await asyncio.wait_for(protocol.over, 30)
    assert protocol.data == {1: b"HELLO YOU\n", 2: b"err\n"}
    assert sorted(protocol.calls) == ["1 None", "2 None", "exited"]
    assert transport.get_returncode() == 3


async def test_many_commands_on_one_connection(
    server: PeerServer, credentials: Credentials
) -> None:
    # Dropbear refuses sessions that start while it reaps others, whoever its client is.
    together = 1 if server.name == "dropbear" else 8
    gate = asyncio.Semaphore(together)

    async def echo_number(number: int) -> str | None:
        async with gate:
            return (await conn.run(f"echo {number}", check=True)).stdout

    async with connect(server, credentials) as conn:
        printed = await asyncio.gather(*(echo_number(number) for number in range(8)))
    assert printed == [f"{number}\n" for number in range(8)]


async def test_bulk_both_ways_with_rekeying(
    server: PeerServer, credentials: Credentials, bulk: bytes
) -> None:
    async with connect(server, credentials) as conn:
        assert await echo(conn, bulk) == hashlib.sha256(bulk).digest()
    if server.name == "sshd":
        # Each key exchange shows twice, once for each direction.
        log = server.process.whole_log()
        exchanges = len(re.findall(r"set_newkeys|rekey (?:in|out) after", log))
        assert exchanges >= 2 * (2 * len(bulk) // REKEY_BYTES) // 4


async def echo(conn: ssh_meta.SSHClientConnection, data: bytes) -> bytes:
    """Send data through ``cat`` while reading it back; return the hash of what came."""
    digest = hashlib.sha256()
    async with conn.create_process("cat", encoding=None) as process:

        async def send() -> None:
            for start in range(0, len(data), 1 << 17):
                process.stdin.write(data[start : start + (1 << 17)])
                await process.stdin.drain()
            process.stdin.write_eof()

        async def receive() -> None:
            while chunk := await process.stdout.read(1 << 17):
                digest.update(chunk)

        async with asyncio.timeout(100):
            await asyncio.gather(send(), receive())
    return digest.digest()


async def test_sftp_put_and_get(
    server: PeerServer, credentials: Credentials, tmp_path: Path, bulk: bytes
) -> None:
    source, remote, back = tmp_path / "source", tmp_path / "remote", tmp_path / "back"
    source.write_bytes(bulk[: 10 << 20])
    async with connect(server, credentials) as conn, conn.start_sftp_client() as sftp:
        await sftp.put(str(source), str(remote))
        assert remote.read_bytes() == source.read_bytes()
        await sftp.get(str(remote), str(back))
    assert back.read_bytes() == source.read_bytes()


async def test_sftp_directory(server: PeerServer, credentials: Credentials, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    async with connect(server, credentials) as conn, conn.start_sftp_client() as sftp:
        await sftp.mkdir(str(folder))
        (folder / "one").write_bytes(b"1")
        attrs = await sftp.stat(str(folder / "one"))
        assert attrs.size == 1
        await sftp.rename(str(folder / "one"), str(folder / "two"))
        assert "two" in await sftp.listdir(str(folder))
        await sftp.remove(str(folder / "two"))
        await sftp.rmdir(str(folder))
        with pytest.raises(ssh_meta.SFTPNoSuchFile):
            await sftp.stat(str(folder))
    assert not folder.exists()


async def test_wrong_host_key_is_refused(server: PeerServer, credentials: Credentials) -> None:
    with pytest.raises(ssh_meta.HostKeyNotVerifiable):
        async with connect(
            server, credentials, known_hosts=str(credentials.known_hosts(server.port, wrong=True))
        ):
            pass


async def test_wrong_key_is_refused(server: PeerServer, credentials: Credentials) -> None:
    with pytest.raises(ssh_meta.PermissionDenied):
        async with connect(server, credentials, client_keys=[str(credentials.other_key)]):
            pass


async def test_wrong_password_is_refused(server: PeerServer, credentials: Credentials) -> None:
    with pytest.raises(ssh_meta.PermissionDenied):
        async with connect(server, credentials, client_keys=None, password="not this"):
            pass


async def test_right_password_is_accepted(server: PeerServer, credentials: Credentials) -> None:
    if server.password is None:
        needs_root(f"accounts of its own for {server.name}")
    async with connect(server, credentials, client_keys=None, password=server.password) as conn:
        done = await conn.run("echo in", check=True)
    assert done.stdout == "in\n"
