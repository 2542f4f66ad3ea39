"""What programs written for AsyncSSH rely on, found by running the same scripts with both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import pytest

import ssh_connection
import ssh_meta
from ssh_meta import DisconnectError
from tests.meta.support import HOST_KEY, Server, connected, running_server

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
