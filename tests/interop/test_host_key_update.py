"""Host key updates with OpenSSH: sshd tells our client its keys, ssh learns those of our server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import ssh_meta
from tests.interop.peers.availability import program, python_with
from tests.interop.peers.certificates import make_authority
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.openssh import sshd
from tests.interop.peers.process import clean_environment, run

WAIT = 20

LEARN = """
import asyncio, sys, asyncssh

async def main(port, known_hosts, key):
    told = asyncio.get_running_loop().create_future()
    async with asyncssh.connect(
        "127.0.0.1", port, username="user", known_hosts=known_hosts, client_keys=[key],
        agent_path=None, config=[], server_host_keys_handler=lambda *keys: told.set_result(keys),
    ):
        for keys in await asyncio.wait_for(told, 20):
            print(*sorted(key.get_fingerprint() for key in keys))

asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
"""


@pytest.fixture
def more_keys(tmp_path: Path) -> list[Path]:
    """Further host keys."""
    return [make_authority(tmp_path, name, f"host-{name}").key for name in ("ecdsa", "rsa")]


def public(*paths: Path) -> set[ssh_meta.SSHKey]:
    return {ssh_meta.read_public_key(path.with_suffix(".pub")) for path in paths}


async def test_sshd_proves_its_keys(
    credentials: Credentials, tmp_path: Path, more_keys: list[Path]
) -> None:
    told: asyncio.Future[tuple[list[ssh_meta.SSHKey], ...]]
    told = asyncio.get_running_loop().create_future()
    lines = "\nHostKey ".join(map(str, (credentials.host_key, *more_keys)))
    with sshd(credentials, tmp_path, {"HostKey": lines}) as server:
        other = credentials.other_key.with_suffix(".pub").read_text()
        known_hosts = tmp_path / "known_hosts"
        text = credentials.known_hosts(server.port).read_text()
        known_hosts.write_text(f"{text}[{HOST}]:{server.port} {other}")
        async with ssh_meta.connect(
            HOST,
            server.port,
            username=server.user,
            known_hosts=str(known_hosts),
            client_keys=[str(credentials.user_key)],
            agent_path=None,
            server_host_keys_handler=lambda *keys: told.set_result(keys),
        ) as conn:
            added, removed, retained, revoked = await asyncio.wait_for(told, WAIT)
            assert (await conn.run("exit 6")).exit_status == 6
    assert set(added) == public(*more_keys)
    assert set(removed) == public(credentials.other_key)
    assert set(retained) == public(credentials.host_key)
    assert revoked == []


async def greet(process: ssh_meta.SSHServerProcess[str]) -> None:
    await asyncio.sleep(1)  # ssh asks for the proof while its session runs
    process.exit(0)


async def test_ssh_learns_our_keys(
    credentials: Credentials, tmp_path: Path, more_keys: list[Path]
) -> None:
    async with ssh_meta.listen(
        HOST,
        0,
        server_host_keys=[str(credentials.host_key), *map(str, more_keys)],
        authorized_client_keys=str(credentials.authorized_keys),
        send_server_host_keys=True,
        process_factory=greet,
    ) as acceptor:
        port = acceptor.get_port()
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text(credentials.known_hosts(port).read_text())
        words = [program("ssh"), "-v", "-F", "none", "-p", str(port)]
        for option in (
            f"UserKnownHostsFile={known_hosts}",
            "GlobalKnownHostsFile=/dev/null",
            "HashKnownHosts=no",
            "UpdateHostKeys=yes",
            "IdentitiesOnly=yes",
            f"IdentityFile={credentials.user_key}",
        ):
            words += ["-o", option]
        done = await run([*words, f"user@{HOST}", "x"], clean_environment(tmp_path))
        assert done.status == 0, done.text
        learned = ssh_meta.read_known_hosts(known_hosts).lookup(HOST, "", port)
    assert set(learned.trusted_keys) == public(credentials.host_key, *more_keys), done.text


async def test_asyncssh_learns_our_keys(
    credentials: Credentials, tmp_path: Path, more_keys: list[Path]
) -> None:
    script = tmp_path / "learn.py"
    script.write_text(LEARN)
    async with ssh_meta.listen(
        HOST,
        0,
        server_host_keys=[str(credentials.host_key), *map(str, more_keys)],
        authorized_client_keys=str(credentials.authorized_keys),
        send_server_host_keys=True,
        process_factory=greet,
    ) as acceptor:
        port = acceptor.get_port()
        argv = [python_with("asyncssh"), str(script), str(port)]
        argv += [str(credentials.known_hosts(port)), str(credentials.user_key)]
        done = await run(argv, clean_environment(tmp_path))
    added, removed, retained, *_ = done.stdout.decode().split("\n")
    fingerprints = sorted(key.get_fingerprint() for key in public(*more_keys))
    assert added == " ".join(fingerprints), done.text
    assert (removed, retained) == ("", next(iter(public(credentials.host_key))).get_fingerprint())
