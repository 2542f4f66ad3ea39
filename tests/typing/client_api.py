"""What a type checker says about an application with a client: nothing, and the right types.

Nothing here is run. `mypy --strict` checks `assert_type`, and that each wrong call is one: an
ignore that is not needed is an error as well.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import assert_type

import ssh_meta
from ssh_meta import (
    AgentConnecting,
    Opening,
    SSHAgentClient,
    SSHAgentKeyPair,
    SSHClient,
    SSHClientConnection,
    SSHClientConnectionOptions,
    SSHClientProcess,
    SSHCompletedProcess,
    SSHKey,
    SSHReader,
    SSHSubprocessProtocol,
    SSHSubprocessReadPipe,
    SSHSubprocessTransport,
    SSHSubprocessWritePipe,
    SSHWriter,
)


class Subprocess(SSHSubprocessProtocol[bytes]):
    """Callbacks with the types of the base class."""

    def connection_made(self, transport: SSHSubprocessTransport[bytes]) -> None:
        """The process runs."""

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Something came."""


class Client(SSHClient):
    """Callbacks with the types of the base class."""

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
        """Trust nobody."""
        return False

    async def password_auth_requested(self) -> str | None:
        """Callbacks that are awaitable may be coroutines."""
        return None


async def connecting(sock: socket.socket, agent: SSHAgentClient) -> None:
    """Every way to a connection."""
    assert_type(await ssh_meta.connect("host"), SSHClientConnection)
    assert_type(ssh_meta.connect("host"), Opening[SSHClientConnection])
    async with ssh_meta.connect(
        "host",
        2222,
        username="me",
        password="secret",
        client_keys=["~/.ssh/id_ed25519", ssh_meta.generate_private_key("ssh-ed25519")],
        known_hosts=None,
        agent_path=None,
        agent_identities=(),
        kex_algs=["curve25519-sha256"],
        rekey_bytes="1g",
        keepalive_interval="30s",
        connect_timeout=3.5,
    ) as conn:
        assert_type(conn, SSHClientConnection)

    conn, client = await ssh_meta.create_connection(Client, "host", username="me")
    assert_type(conn, SSHClientConnection)
    assert_type(client, SSHClient)
    assert_type(await ssh_meta.run_client(sock, username="me"), SSHClientConnection)
    assert_type(await ssh_meta.run_client(sock, "config"), SSHClientConnection)
    assert_type(await ssh_meta.connect("host", config=True), SSHClientConnection)
    assert_type(await ssh_meta.get_server_host_key("host"), SSHKey | None)
    assert_type(await ssh_meta.get_server_auth_methods("host", 22, "user"), Sequence[str])

    options = SSHClientConnectionOptions(username="me", agent_path="/run/agent")
    assert_type(options, SSHClientConnectionOptions)
    assert_type(await ssh_meta.connect("host", options=options), SSHClientConnection)
    assert_type(await ssh_meta.connect("host", tunnel=conn), SSHClientConnection)


async def wrong_calls() -> None:
    """What is not an option, or not of its type."""
    await ssh_meta.connect("host", usernam="me")  # type: ignore[call-arg]
    await ssh_meta.connect("host", port="22")  # type: ignore[arg-type]
    await ssh_meta.connect("host", sftp_factory=True)  # type: ignore[call-arg]
    await ssh_meta.connect("host", keepalive_interval=[1])  # type: ignore[arg-type]
    await ssh_meta.create_connection(Client, "host", client_factory=Client)  # type: ignore[misc]


async def running(conn: SSHClientConnection) -> None:
    """Commands: text unless the encoding is None."""
    result = await conn.run("ls", check=True)
    assert_type(result, SSHCompletedProcess[str])
    assert_type(result.exit_status, int | None)
    assert_type(await conn.create_process("cat"), SSHClientProcess[str])
    transport, protocol = await conn.create_subprocess(Subprocess, "cat", input=b"bytes")
    assert_type(transport, SSHSubprocessTransport[bytes])
    assert_type(protocol, SSHSubprocessProtocol[bytes])
    assert_type(transport.get_pipe_transport(0), SSHSubprocessWritePipe[bytes])
    assert_type(transport.get_pipe_transport(2), SSHSubprocessReadPipe[bytes])
    text, _ = await conn.create_subprocess(SSHSubprocessProtocol[str], encoding="utf-8")
    assert_type(text, SSHSubprocessTransport[str])
    await conn.create_subprocess(Subprocess, "cat", encoding="utf-8")  # type: ignore[arg-type]
    async with conn.create_process("cat", encoding=None) as process:
        assert_type(process, SSHClientProcess[bytes])
        assert_type(process.stdin, SSHWriter[bytes])
        assert_type(process.stdout, SSHReader[bytes])
        assert_type(await process.stdout.read(), bytes)
        process.stdin.write(b"data")
        process.stdin.write("data")  # type: ignore[arg-type]


async def forwarding(conn: SSHClientConnection) -> None:
    """Ports and streams."""
    listener = await conn.forward_local_port("", 0, "db", 5432)
    assert_type(await conn.forward_socks("", 1080), ssh_meta.SSHListener)
    assert_type(listener.get_port(), int)
    reader, writer = await conn.open_connection("db", 5432)
    assert_type(reader, SSHReader[bytes])
    assert_type(writer, SSHWriter[bytes])
    packets, sender = await conn.open_tun(remote_unit=7)
    assert_type(await packets.read(), bytes)
    assert_type(sender, SSHWriter[bytes])
    channel, session = await conn.create_tap(ssh_meta.SSHTunTapSession, window=1 << 20)
    assert_type(channel, ssh_meta.SSHTunTapChannel)
    assert_type(session, ssh_meta.SSHTunTapSession)
    async with conn.forward_tap(1, 2) as tunnel:
        forwarder: ssh_meta.SSHForwarder = tunnel
        assert_type(forwarder.get_extra_info("interface"), object)


async def agents() -> None:
    """Agents and their keys."""
    assert_type(ssh_meta.connect_agent(), AgentConnecting)
    async with ssh_meta.connect_agent("/run/agent") as agent:
        assert_type(agent, SSHAgentClient)
        for pair in await agent.get_keys():
            assert_type(pair, SSHAgentKeyPair)
            assert_type(await pair.sign(b"data", b"ssh-ed25519"), bytes)
        assert_type(list(await agent.query_extensions()), list[str])
