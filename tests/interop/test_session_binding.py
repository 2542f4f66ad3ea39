"""Keys in OpenSSH's agent that are only for one destination (PROTOCOL.agent sections 1 and 2)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

import ssh_meta
from tests.interop.own_client import connect
from tests.interop.peers.agent import ssh_agent
from tests.interop.peers.availability import program
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.openssh import sshd
from tests.interop.peers.roles import PeerServer


@pytest.fixture
def agent() -> Iterator[str]:
    """The socket of an empty agent."""
    with ssh_agent() as path:
        yield path


def add_key(agent: str, credentials: Credentials, known: Path, *places: str) -> None:
    """Put the key of the user into the agent, for some places alone."""
    words = [program("ssh-add"), "-q", "-H", str(known)]
    for place in places:
        words += ["-h", place]
    environ = {**os.environ, "SSH_AUTH_SOCK": agent}
    subprocess.run([*words, str(credentials.user_key)], env=environ, check=True)


def hosts(folder: Path, **names: Path) -> Path:
    """A known_hosts file with names for the destinations of keys."""
    path = folder / "places"
    path.write_text("".join(f"{name} {key.read_text()}" for name, key in names.items()))
    return path


def connecting(
    server: PeerServer, credentials: Credentials, agent: str
) -> AbstractAsyncContextManager[ssh_meta.SSHClientConnection]:
    """Connect with the keys of the agent alone."""
    return connect(server, credentials, client_keys=None, agent_path=agent, agent_forwarding=True)


async def test_key_for_this_server(credentials: Credentials, tmp_path: Path, agent: str) -> None:
    known = hosts(
        tmp_path,
        here=credentials.host_key.with_suffix(".pub"),
        there=credentials.other_key.with_suffix(".pub"),
    )
    with sshd(credentials, tmp_path) as server:
        # For another server the agent does not sign: it was told which one this is.
        add_key(agent, credentials, known, "there")
        with pytest.raises(ssh_meta.PermissionDenied):
            async with connecting(server, credentials, agent):
                pass
        subprocess.run(
            [program("ssh-add"), "-q", "-D"], env={**os.environ, "SSH_AUTH_SOCK": agent}, check=True
        )
        add_key(agent, credentials, known, "here")
        async with connecting(server, credentials, agent) as conn:
            # It may not be used from the server: the agent knows that it is forwarded.
            hop = "ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
            hop += f"-o BatchMode=yes -p {server.port} {HOST} exit 6"
            assert (await conn.run("ssh-add -L")).stdout == "The agent has no identities.\n"
            assert (await conn.run(hop)).exit_status == 255
        add_key(agent, credentials, known, "here", "here>here")
        async with connecting(server, credentials, agent) as conn:
            listed = (await conn.run("ssh-add -L")).stdout
            assert credentials.user_key.with_suffix(".pub").read_text().split()[1] in str(listed)
            assert (await conn.run(hop)).exit_status == 6


async def test_key_without_a_destination(
    credentials: Credentials, tmp_path: Path, agent: str
) -> None:
    add_key(agent, credentials, hosts(tmp_path))
    with sshd(credentials, tmp_path) as server:
        async with connecting(server, credentials, agent) as conn:
            assert (await conn.run("echo ok")).stdout == "ok\n"
