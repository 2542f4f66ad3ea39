"""What a type checker says about an application that decides whom to trust; see client_api.py."""

from __future__ import annotations

from typing import assert_type

import ssh_meta
from ssh_meta import (
    AgentReader,
    AgentWriter,
    Policy,
    SSHClient,
    SSHKey,
    SSHKeyRevocationList,
    SSHReader,
    SSHServer,
    SSHServerConnection,
    SSHServerProcess,
    SSHWriter,
)


class Client(SSHClient):
    """Callbacks about hosts."""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
        """Nobody."""
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
        """Nobody."""
        return False


class Server(SSHServer):
    """Callbacks about users and their hosts, plain and as coroutines."""

    async def validate_ca_key(self, username: str, key: SSHKey) -> bool:
        """Nobody."""
        return False

    def host_based_auth_supported(self) -> bool:
        """Yes."""
        return True

    def validate_host_public_key(
        self, client_host: str, client_addr: str, client_port: int, key: SSHKey
    ) -> bool:
        """Nobody."""
        return False

    def validate_host_ca_key(
        self, client_host: str, client_addr: str, client_port: int, key: SSHKey
    ) -> bool:
        """Nobody."""
        return False

    async def validate_host_based_user(
        self, username: str, client_host: str, client_username: str
    ) -> bool:
        """Nobody."""
        return False


def told(
    added: list[SSHKey], removed: list[SSHKey], retained: list[SSHKey], revoked: list[SSHKey]
) -> None:
    """The host keys of a server."""


async def told_later(
    added: list[SSHKey], removed: list[SSHKey], retained: list[SSHKey], revoked: list[SSHKey]
) -> None:
    """The same, as a coroutine."""


async def clients(key: SSHKey, krl: SSHKeyRevocationList) -> None:
    """Options of clients."""
    await ssh_meta.connect(
        "host",
        client_factory=Client,
        policy="fips",
        ca_signature_algs="-rsa-sha2-256",
        known_hosts=([], [key], []),
        revoked_keys=krl,
        server_host_keys_handler=told,
        client_certs=["id-cert.pub"],
        client_host_keys=[key],
        client_host_certs="host-cert.pub",
        client_host="client.example.org",
        client_username="me",
        agent_forwarding=True,
    )
    await ssh_meta.connect(
        "host",
        policy=Policy.named("modern").select(ciphers="-aes*"),
        revoked_keys=[key, "revoked.pub"],
        server_host_keys_handler=told_later,
        client_host_keysign=True,
        client_host_keys="host.pub",
        agent_forwarding="/run/agent",
    )
    await ssh_meta.connect("host", revoked_keys=7)  # type: ignore[arg-type]
    await ssh_meta.connect("host", known_client_hosts="file")  # type: ignore[call-arg]
    await ssh_meta.connect("host", server_host_keys_handler=print_one)  # type: ignore[arg-type]


def print_one(key: SSHKey) -> None:
    """Not a handler of host keys."""


async def servers() -> None:
    """Options of servers."""
    await ssh_meta.listen(
        server_factory=Server,
        server_host_keys=["key"],
        server_host_certs="key-cert.pub",
        send_server_host_keys=True,
        known_client_hosts="known_hosts",
        trust_client_host=True,
        rdns_lookup=True,
        host_based_auth=False,
        revoked_keys="revoked",
        agent_forwarding=False,
        policy="compat",
    )
    await ssh_meta.listen(server_host_keys=["key"], agent_forwarding="path")  # type: ignore[arg-type]


async def session(process: SSHServerProcess[str], conn: SSHServerConnection) -> None:
    """What a server knows about the keys of its client, and its agent."""
    assert_type(process.channel.get_agent_path(), str | None)
    reader, writer = await conn.open_agent_connection()
    assert_type(reader, SSHReader[bytes])
    assert_type(writer, SSHWriter[bytes])
    streams: tuple[AgentReader, AgentWriter] = (reader, writer)
    assert streams
    async with ssh_meta.connect_agent(conn) as agent:
        await agent.get_keys()
    await ssh_meta.connect("host", agent_path=conn)
    assert_type(conn.check_key_permission("pty"), bool)
    assert_type(conn.check_certificate_permission("pty"), bool)
    assert_type(conn.get_key_option("command"), object)
    assert_type(conn.get_certificate_option("force-command"), object)
