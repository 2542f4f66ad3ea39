"""Keys of an agent in `connect`, with the real `ssh-agent`."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import ssh_meta
from ssh_connection.protocols import SessionBinding
from ssh_meta import SSHAuthorizedKeys, connect_agent, generate_private_key
from ssh_meta.agent import ForwardedAgent
from tests.meta.support import USER_KEY, connected, running_server

RSA_KEY = generate_private_key("ssh-rsa", key_size=2048)


@pytest.fixture
def agent_path() -> Iterator[str]:
    """The socket of an agent without keys."""
    program = shutil.which("ssh-agent")
    if program is None:
        pytest.skip("ssh-agent is not installed")
    with tempfile.TemporaryDirectory(prefix="agent-") as folder:
        path = f"{folder}/agent"
        process = subprocess.Popen(
            [program, "-D", "-a", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        with process.stdout:
            assert b"SSH_AUTH_SOCK" in process.stdout.readline()
            yield path
            process.kill()
            process.wait()


@pytest.fixture(autouse=True)
def no_other_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No keys and no agent of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


async def test_agent_of_the_environment_is_used(
    agent_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", agent_path)
    async with connect_agent() as agent:
        await agent.add_keys([USER_KEY])
    async with running_server() as port:
        async with connected(port, client_keys=()) as conn:
            assert (await conn.run("echo", input="hello")).stdout == "hello"
        # None switches it off, and so does naming keys.
        for options in ({"agent_path": None}, {"client_keys": [RSA_KEY]}):
            with pytest.raises(ssh_meta.PermissionDenied):
                async with connected(port, **{"client_keys": (), **options}):
                    pytest.fail("let in without a key")


async def test_agent_that_is_named(agent_path: str) -> None:
    async with connect_agent(agent_path) as agent:
        await agent.add_keys([USER_KEY])
    async with running_server() as port, connected(port, client_keys=(), agent_path=agent_path):
        pass
    async with (
        running_server() as port,
        connected(port, client_keys=[RSA_KEY], agent_path=agent_path),
    ):
        pass


async def test_agent_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    async with running_server() as port:
        with pytest.raises(ssh_meta.AgentError, match="missing"):
            async with connected(port, client_keys=(), agent_path=str(tmp_path / "missing")):
                pytest.fail("connected")


async def test_agent_of_the_environment_may_be_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    async with running_server() as port, connected(port, client_keys=(), password="secret"):
        pass


async def test_rsa_keys_sign_with_sha2(agent_path: str) -> None:
    """The flags of the agent protocol: without them, OpenSSH's agent makes a SHA-1 signature."""

    class RSAServer(ssh_meta.SSHServer):
        def public_key_auth_supported(self) -> bool:
            return True

        def validate_public_key(self, username: str, key: ssh_meta.SSHKey) -> bool:
            return key == RSA_KEY.convert_to_public()

    async with connect_agent(agent_path) as agent:
        await agent.add_keys([RSA_KEY])
    async with running_server(server_factory=RSAServer) as port:
        for algorithm in ("rsa-sha2-256", "rsa-sha2-512"):
            async with connected(
                port, client_keys=(), agent_path=agent_path, signature_algs=[algorithm]
            ):
                pass


async def test_only_the_identities_that_are_wanted(agent_path: str) -> None:
    async with connect_agent(agent_path) as agent:
        await agent.add_keys([RSA_KEY, USER_KEY])
    options = {"client_keys": (), "agent_path": agent_path}
    async with running_server() as port:
        wanted = [USER_KEY.convert_to_public()]
        async with connected(port, **options, agent_identities=wanted):
            pass
        with pytest.raises(ssh_meta.PermissionDenied):
            async with connected(port, **options, agent_identities=[RSA_KEY.convert_to_public()]):
                pytest.fail("let in with another key")


async def test_no_connection_to_the_agent_stays_open(agent_path: str) -> None:
    """Many connections, options used again: the agent ends and nothing of ours notices."""
    async with connect_agent(agent_path) as agent:
        await agent.add_keys([USER_KEY])
        options = ssh_meta.SSHClientConnectionOptions(
            username="alice", known_hosts=None, agent_path=agent_path
        )
        async with running_server() as port:
            for _ in range(5):
                async with ssh_meta.connect("127.0.0.1", port, options=options) as conn:
                    await conn.run("echo", input="x")
            await agent.remove_all()
            with pytest.raises(ssh_meta.PermissionDenied):
                await ssh_meta.connect("127.0.0.1", port, options=options)


async def test_agent_that_hangs_does_not_hang_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_meta.agent, "_LIST_TIMEOUT", 0.1)
    with tempfile.TemporaryDirectory(prefix="agent-") as folder:
        path = f"{folder}/agent"

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        agent = await asyncio.start_unix_server(silent, path)
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
        async with agent, running_server() as port:
            async with connected(port, client_keys=(), password="secret"):
                pass
            with pytest.raises(ssh_meta.AgentError, match="within"):
                async with connected(port, client_keys=(), agent_path=path):
                    pytest.fail("connected")


async def test_stream_that_is_being_bound_is_closed_by_the_end_of_the_connection() -> None:
    """The server asks for the agent and is gone before the agent answers."""
    asked, ended = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        asked.set()
        await reader.read()
        ended.set()
        writer.close()

    with tempfile.TemporaryDirectory(prefix="agent-") as folder:
        async with await asyncio.start_unix_server(silent, f"{folder}/agent"):
            agent = ForwardedAgent(f"{folder}/agent")
            opening = asyncio.create_task(agent.open_bound(SessionBinding(b"key", b"id", b"sig")))
            await asyncio.wait_for(asked.wait(), 10)
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            # While somebody still knows of the task and what it held.
            await asyncio.wait_for(ended.wait(), 10)


@pytest.mark.parametrize("key_type", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"])
async def test_certificate_in_the_agent(agent_path: str, key_type: str) -> None:
    authority, key = generate_private_key("ssh-ed25519"), generate_private_key(key_type)
    cert = authority.generate_user_certificate(key, "agent", principals=["me"])
    trusted = SSHAuthorizedKeys(b"cert-authority " + authority.export_public_key())
    async with connect_agent(agent_path) as agent:
        await agent.add_keys([(key, cert)])
    async with running_server(authorized_client_keys=trusted) as port:
        mine: dict[str, object] = {"client_keys": (), "agent_path": agent_path}
        async with connected(port, username="me", **mine) as conn:
            assert conn.get_extra_info("username") == "me"
        with pytest.raises(ssh_meta.PermissionDenied):
            async with connected(port, username="you", **mine):
                pytest.fail("let in as somebody else")


async def test_certificate_for_a_key_in_the_agent(agent_path: str) -> None:
    authority = generate_private_key("ssh-ed25519")
    key = generate_private_key("ssh-rsa", key_size=2048)
    cert = authority.generate_user_certificate(key, "file", principals=["me"])
    trusted = SSHAuthorizedKeys(b"cert-authority " + authority.export_public_key())
    async with connect_agent(agent_path) as agent:
        await agent.add_keys([key])
    async with running_server(authorized_client_keys=trusted) as port:
        mine: dict[str, object] = {"username": "me", "client_keys": (), "agent_path": agent_path}
        with pytest.raises(ssh_meta.PermissionDenied):
            async with connected(port, **mine):
                pytest.fail("let in without the certificate")
        async with connected(port, client_certs=[cert], **mine) as conn:
            assert conn.get_extra_info("username") == "me"


async def test_forwarded_agent_is_reached_through_the_connection(agent_path: str) -> None:
    listed: list[str] = []

    async def list_keys(process: ssh_meta.SSHServerProcess[bytes]) -> None:
        connection = process.get_extra_info("connection")
        assert isinstance(connection, ssh_meta.SSHServerConnection)
        for path in (connection, process.channel.get_agent_path()):
            async with connect_agent(path) as agent:
                listed.extend(key.get_algorithm() for key in await agent.get_keys())
        process.exit(0)

    async with connect_agent(agent_path) as agent:
        await agent.add_keys([USER_KEY])
    async with (
        running_server(process_factory=list_keys) as port,
        connected(port, agent_path=agent_path, agent_forwarding=True) as conn,
    ):
        assert (await conn.run("x")).exit_status == 0
    assert listed == ["ssh-ed25519", "ssh-ed25519"]


async def test_agent_that_is_forwarded_may_be_missing(tmp_path: Path) -> None:
    refused: list[str] = []

    async def ask(process: ssh_meta.SSHServerProcess[bytes]) -> None:
        connection = process.get_extra_info("connection")
        assert isinstance(connection, ssh_meta.SSHServerConnection)
        try:
            await connect_agent(connection)
        except ssh_meta.AgentError as exc:
            refused.append(str(exc))
        process.exit(0)

    async with running_server(process_factory=ask) as port:
        for forwarding in (True, str(tmp_path / "nothing")):
            async with connected(port, agent_forwarding=forwarding) as conn:
                assert (await conn.run("x")).exit_status == 0
        async with connected(port) as conn:
            assert (await conn.run("x")).exit_status == 0
    assert len(refused) == 3


async def test_server_may_not_do_everything_with_a_forwarded_agent(agent_path: str) -> None:
    """CVE-2023-38408: a real agent takes what comes through us for its user's own request."""
    outcome: list[str] = []

    async def attack(process: ssh_meta.SSHServerProcess[bytes]) -> None:
        connection = process.get_extra_info("connection")
        assert isinstance(connection, ssh_meta.SSHServerConnection)
        async with connect_agent(connection) as agent:
            for attempt in (
                agent.lock("nobody knows"),
                agent.add_smartcard_keys("/usr/lib/evil.so", "1234"),
                agent.remove_smartcard_keys("/usr/lib/evil.so", "1234"),
                agent.request_extension("vendor@example.org"),
            ):
                try:
                    await attempt
                    outcome.append("done")
                except ssh_meta.AgentError as exc:
                    outcome.append(type(exc).__name__)
            # The answers stay in order, and the agent is still there.
            outcome.append(str(len(await agent.get_keys())))
        process.exit(0)

    async with connect_agent(agent_path) as agent:
        await agent.add_keys([USER_KEY])
    async with (
        running_server(process_factory=attack) as port,
        connected(port, agent_forwarding=agent_path) as conn,
    ):
        assert (await conn.run("x")).exit_status == 0
    assert outcome == ["AgentFailure", "AgentFailure", "AgentFailure", "AgentFailure", "1"]
    # It was not locked: the user still sees the key.
    async with connect_agent(agent_path) as agent:
        assert len(await agent.get_keys()) == 1
