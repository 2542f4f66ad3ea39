"""Forwarded agents: the real ssh-agent through our connections, with OpenSSH and AsyncSSH."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ssh_meta
from tests.interop.own_client import connect
from tests.interop.own_server import own_server
from tests.interop.peers.agent import ssh_agent
from tests.interop.peers.availability import program, python_with
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.openssh import sshd
from tests.interop.peers.process import clean_environment, free_port, run, serving
from tests.interop.peers.python_peers import SCRIPTS


@pytest.fixture
def agent(credentials: Credentials) -> Iterator[str]:
    """The socket of an ssh-agent with the key of the user and another one."""
    with ssh_agent(credentials.user_key, credentials.other_key) as path:
        yield path


def keys(credentials: Credentials) -> list[str]:
    """What `ssh-add -L` says about the agent."""
    paths = (credentials.user_key, credentials.other_key)
    return [path.with_suffix(".pub").read_text().strip() for path in paths]


async def list_keys(process: ssh_meta.SSHServerProcess[str]) -> None:
    """Run ssh-add, or ssh, with the agent of the client."""
    path = process.channel.get_agent_path()
    environ = {"PATH": os.environ["PATH"], "SSH_AUTH_SOCK": path or ""}
    child = await asyncio.create_subprocess_exec(
        "sh", "-c", process.command or "", env=environ, stdout=subprocess.PIPE
    )
    output, _ = await child.communicate()
    process.stdout.write(output.decode())
    process.exit(child.returncode or 0)


def our_server(credentials: Credentials, **options: Any) -> Any:
    """A server of ours that runs commands with the agent of its client."""
    options.setdefault("authorized_client_keys", str(credentials.authorized_keys))
    options.setdefault("process_factory", list_keys)
    return ssh_meta.listen(HOST, 0, server_host_keys=[str(credentials.host_key)], **options)


# --- Our client ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["path", "agent_path", "environment", "not at all"])
async def test_our_client_at_sshd(
    credentials: Credentials,
    tmp_path: Path,
    agent: str,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    if how == "environment":
        monkeypatch.setenv("SSH_AUTH_SOCK", agent)
    choices: dict[str, dict[str, Any]] = {
        "path": {"agent_path": None, "agent_forwarding": agent},
        "agent_path": {"agent_path": agent, "agent_forwarding": True},
        "environment": {"agent_forwarding": True},
        "not at all": {"agent_path": agent},
    }
    with sshd(credentials, tmp_path) as server:
        async with connect(server, credentials, **{"agent_path": (), **choices[how]}) as conn:
            listed = str((await conn.run("ssh-add -L")).stdout).strip().split("\n")
            if how == "not at all":
                assert listed == [""]
                return
            assert listed == keys(credentials)
            # On from there, with a signature of the agent here.
            hop = "ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
            hop += f"-o BatchMode=yes -p {server.port} {HOST} exit 6"
            assert (await conn.run(hop)).exit_status == 6


async def test_our_client_at_asyncssh(credentials: Credentials, tmp_path: Path, agent: str) -> None:
    port = free_port()
    argv = [python_with("asyncssh"), str(SCRIPTS / "asyncssh_agent.py"), "server"]
    argv += ["--port", str(port), "--host-key", str(credentials.host_key)]
    with serving("asyncssh", argv, port, tmp_path, clean_environment(tmp_path)):
        async with ssh_meta.connect(
            HOST,
            port,
            username="user",
            known_hosts=str(credentials.known_hosts(port)),
            client_keys=None,
            agent_path=None,
            agent_forwarding=agent,
        ) as conn:
            done = await conn.run("")
    assert str(done.stdout).strip().split("\n") == ["user", "other", *keys(credentials)]


# --- Our server ------------------------------------------------------------------------------


@pytest.mark.parametrize("forwarding", ["-A", "-a"])
async def test_openssh_at_our_server(
    credentials: Credentials, tmp_path: Path, agent: str, forwarding: str
) -> None:
    async with our_server(credentials) as acceptor:
        port = acceptor.get_port()
        words = [program("ssh"), forwarding, "-v", "-F", "none", "-p", str(port)]
        known_hosts = credentials.known_hosts(port)
        words += ["-o", f"UserKnownHostsFile={known_hosts}", "-o", "BatchMode=yes"]
        environ = clean_environment(tmp_path, SSH_AUTH_SOCK=agent)
        done = await run([*words, f"user@{HOST}", "ssh-add -L"], environ)
        listed = done.stdout.decode().strip().split("\n")
        assert listed == (keys(credentials) if forwarding == "-A" else [""]), done.text
        if forwarding == "-A":
            # The server signs with the key of the client, to go on to another one.
            async with own_server(credentials) as other:
                hop = f"ssh -F none -o UserKnownHostsFile={credentials.known_hosts(other.port)} "
                hop += f"-o BatchMode=yes -p {other.port} {credentials.user}@{HOST} 'exit 6'"
                done = await run([*words, f"user@{HOST}", hop], environ)
                assert done.status == 6, done.text


async def test_connect_agent_with_a_connection(
    credentials: Credentials, tmp_path: Path, agent: str
) -> None:
    """The agent of an ssh client as source of keys for our own way on."""
    went_on: list[int | None] = []

    async def go_on(process: ssh_meta.SSHServerProcess[str]) -> None:
        connection = process.get_extra_info("connection")
        assert isinstance(connection, ssh_meta.SSHServerConnection)
        async with ssh_meta.connect_agent(connection) as client:
            assert [key.get_comment() for key in await client.get_keys()] == ["user", "other"]
        async with ssh_meta.connect(
            HOST,
            other.port,
            username=credentials.user,
            known_hosts=str(credentials.known_hosts(other.port)),
            client_keys=None,
            agent_path=connection,
        ) as conn:
            went_on.append((await conn.run("exit 6")).exit_status)
        process.exit(0)

    async with (
        own_server(credentials) as other,
        our_server(credentials, process_factory=go_on) as acceptor,
    ):
        port = acceptor.get_port()
        words = [program("ssh"), "-A", "-F", "none", "-p", str(port)]
        words += ["-o", f"UserKnownHostsFile={credentials.known_hosts(port)}"]
        environ = clean_environment(tmp_path, SSH_AUTH_SOCK=agent)
        done = await run([*words, "-o", "BatchMode=yes", f"user@{HOST}", "x"], environ)
    assert done.status == 0, done.text
    assert went_on == [6]


async def test_openssh_is_told_that_a_key_may_not(
    credentials: Credentials, tmp_path: Path, agent: str
) -> None:
    restricted = tmp_path / "authorized_keys"
    restricted.write_text(f"no-agent-forwarding {credentials.authorized_keys.read_text()}")
    async with our_server(credentials, authorized_client_keys=str(restricted)) as acceptor:
        port = acceptor.get_port()
        words = [program("ssh"), "-A", "-v", "-F", "none", "-p", str(port)]
        words += ["-o", f"UserKnownHostsFile={credentials.known_hosts(port)}"]
        environ = clean_environment(tmp_path, SSH_AUTH_SOCK=agent)
        done = await run([*words, f"user@{HOST}", "ssh-add -L"], environ)
    assert done.stdout == b"", done.text


async def test_asyncssh_at_our_server(credentials: Credentials, tmp_path: Path, agent: str) -> None:
    class Server(ssh_meta.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return password == "secret"

    async with our_server(credentials, server_factory=Server) as acceptor:
        port = acceptor.get_port()
        argv = [python_with("asyncssh"), str(SCRIPTS / "asyncssh_agent.py"), "client"]
        argv += ["--port", str(port), "--known-hosts", str(credentials.known_hosts(port))]
        argv += ["--user", "user", "--password", "secret", "--agent", agent]
        done = await run(argv, clean_environment(tmp_path))
    assert done.stdout.decode().strip().split("\n") == keys(credentials), done.text
