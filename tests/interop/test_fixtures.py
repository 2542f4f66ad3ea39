"""The peers work with each other: when this passes, a failure elsewhere is ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.conftest import CLIENTS, COPIERS, make_client, make_copier
from tests.interop.peers.credentials import Credentials
from tests.interop.peers.roles import PeerServer, Target


def target(server: PeerServer, credentials: Credentials, *, wrong: bool = False) -> Target:
    """A server of the peers, as a client program is told about it."""
    known_hosts = credentials.known_hosts(server.port, wrong=wrong)
    return Target(server.port, server.user, known_hosts, credentials.host_key, credentials.user_key)


async def test_openssh_client_runs_a_command(
    server: PeerServer, credentials: Credentials, tmp_path: Path
) -> None:
    client = make_client("ssh", tmp_path)
    done = await client.exec(target(server, credentials), "cat; exit 3", b"hello")
    assert (done.status, done.stdout) == (3, b"hello"), done.text


@pytest.mark.parametrize("name", CLIENTS)
async def test_clients_run_a_command_at_sshd(
    name: str, openssh_server: PeerServer, credentials: Credentials, tmp_path: Path
) -> None:
    client = make_client(name, tmp_path)
    done = await client.exec(target(openssh_server, credentials), "cat; exit 3", b"hello")
    assert (done.status, done.stdout) == (3, b"hello"), done.text


@pytest.mark.parametrize("name", CLIENTS)
async def test_clients_refuse_a_wrong_host_key(
    name: str, openssh_server: PeerServer, credentials: Credentials, tmp_path: Path
) -> None:
    client = make_client(name, tmp_path)
    done = await client.exec(target(openssh_server, credentials, wrong=True), "echo no")
    assert done.status != 0, done.text
    assert done.stdout == b""


async def test_openssh_client_copies_files(
    server: PeerServer, credentials: Credentials, tmp_path: Path
) -> None:
    await copy_both_ways("sftp", target(server, credentials), tmp_path)


@pytest.mark.parametrize("name", COPIERS)
async def test_copiers_copy_files_at_sshd(
    name: str, openssh_server: PeerServer, credentials: Credentials, tmp_path: Path
) -> None:
    await copy_both_ways(name, target(openssh_server, credentials), tmp_path)


async def copy_both_ways(name: str, target: Target, folder: Path) -> None:
    """Copy a file to a server and back with a program, and compare."""
    copier = make_copier(name, folder)
    source, remote, back = folder / "source", folder / "remote", folder / "back"
    source.write_bytes(bytes(range(256)) * 1000)
    done = await copier.put(target, source, str(remote))
    assert done.status == 0, done.text
    assert remote.read_bytes() == source.read_bytes()
    done = await copier.get(target, str(remote), back)
    assert done.status == 0, done.text
    assert back.read_bytes() == source.read_bytes()
