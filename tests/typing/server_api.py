"""What a type checker says about an application with a server; see client_api.py."""

from __future__ import annotations

import socket
from typing import assert_type

import ssh_meta
from ssh_meta import (
    Opening,
    SFTPServer,
    SSHAcceptor,
    SSHKey,
    SSHServer,
    SSHServerChannel,
    SSHServerConnection,
    SSHServerProcess,
    SSHServerSession,
)


class Server(SSHServer):
    """Callbacks with the types of the base class, plain and as coroutines."""

    def begin_auth(self, username: str) -> bool:
        """Everybody."""
        return True

    async def validate_password(self, username: str, password: str) -> bool:
        """Nobody."""
        return False

    def validate_public_key(self, username: str, key: SSHKey) -> bool:
        """Nobody."""
        return False

    def session_requested(self) -> SSHServerSession[str]:
        """A session of text."""
        return SSHServerSession()


class Files(SFTPServer):
    """Files below a directory."""

    def __init__(self, chan: SSHServerChannel[bytes]) -> None:
        super().__init__(chan, chroot="/srv")


async def text(process: SSHServerProcess[str]) -> None:
    """A process of text."""
    assert_type(await process.stdin.readline(), str)
    assert_type(process.command, str | None)
    process.stdout.write("text")


def data(process: SSHServerProcess[bytes]) -> None:
    """A process of bytes, without a coroutine."""
    process.stdout.write(b"data")
    process.exit(0)


async def accepted(conn: SSHServerConnection) -> None:
    """What a server may do with a client that is in."""
    assert_type(conn.get_extra_info("username"), object)


async def listening(sock: socket.socket) -> None:
    """Every way to a server."""
    opening = ssh_meta.listen("", 8022, server_host_keys=["key"], process_factory=text)
    assert_type(opening, Opening[SSHAcceptor[SSHServerConnection]])
    acceptor = await opening
    assert_type(acceptor, SSHAcceptor[SSHServerConnection])
    assert_type(acceptor.get_port(), int)
    async with ssh_meta.create_server(
        Server,
        "",
        8022,
        server_host_keys=["key"],
        sftp_factory=Files,
        process_factory=data,
        encoding=None,
        acceptor=accepted,
    ) as other:
        assert_type(other, SSHAcceptor[SSHServerConnection])
    conn = await ssh_meta.run_server(sock, server_host_keys=["key"], sftp_factory=True)
    assert_type(conn, SSHServerConnection)


async def wrong_calls() -> None:
    """What is not an option, or not of its type."""
    await ssh_meta.listen("", 22, password="me")  # type: ignore[call-arg]
    await ssh_meta.listen("", 22, sftp_factory="yes")  # type: ignore[arg-type]
    await ssh_meta.listen("", 22, agent_path=None)  # type: ignore[call-arg]
    await ssh_meta.create_server(Server, "", 22, server_factory=Server)  # type: ignore[misc]
