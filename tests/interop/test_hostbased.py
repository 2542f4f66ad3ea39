"""Host-based authentication with OpenSSH and AsyncSSH, both roles, and with the real ssh-keysign.

OpenSSH reads its host keys and its trust from fixed places: these tests put folders there that
only the programs under test see, which takes root.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import ssh_meta
from ssh_meta import PermissionDenied
from tests.interop.peers.availability import find_program, needs_root, program, python_with
from tests.interop.peers.certificates import make_authority
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.namespace import can_mount
from tests.interop.peers.openssh import sshd
from tests.interop.peers.process import Finished, clean_environment, free_port, run, serving
from tests.interop.peers.python_peers import SCRIPTS

NAME = "client.example.org"


@pytest.fixture
def _mounting() -> None:
    """For tests that mount a folder."""
    if not can_mount():
        needs_root("host keys and trust in places that are fixed")


mounting = pytest.mark.usefixtures("_mounting")


@pytest.fixture(params=["ed25519", "rsa", "ecdsa"])
def host_key(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The key of the client's host."""
    return make_authority(tmp_path, request.param, "client-host").key


def known(path: Path, key: Path, *names: str) -> Path:
    """A known_hosts file."""
    path.write_text(f"{','.join(names)} {key.with_suffix('.pub').read_text()}")
    return path


def vouched(host_key: Path, user: str, **options: Any) -> dict[str, Any]:
    """Options of our client whose host vouches for its user."""
    return {
        "username": user,
        "client_keys": None,
        "agent_path": None,
        "client_host_keys": [str(host_key)],
        "client_host": NAME,
        "client_username": user,
        **options,
    }


# --- Our client ------------------------------------------------------------------------------


@pytest.fixture
def trusting_sshd(credentials: Credentials, host_key: Path, tmp_path: Path) -> Iterator[int]:
    """An sshd that lets users of the client's host in."""
    home = tmp_path / "sshd-home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    known(home / ".ssh" / "known_hosts", host_key, NAME)
    (home / ".shosts").write_text(f"{NAME} {credentials.user}\n")
    options = {
        "HostbasedAuthentication": "yes",
        "HostbasedUsesNameFromPacketOnly": "yes",
        "IgnoreRhosts": "no",
        "IgnoreUserKnownHosts": "no",
        "PubkeyAuthentication": "no",
        "PasswordAuthentication": "no",
    }
    with sshd(credentials, tmp_path, options) as server:
        yield server.port


@mounting
async def test_our_client_at_sshd(
    credentials: Credentials, host_key: Path, trusting_sshd: int
) -> None:
    port = trusting_sshd
    known_hosts = str(credentials.known_hosts(port))
    good = vouched(host_key, credentials.user, known_hosts=known_hosts)
    async with ssh_meta.connect(HOST, port, **good) as conn:
        assert (await conn.run("exit 6")).exit_status == 6
    for bad in (
        {"client_host": "other.example.org"},
        {"client_username": "somebody"},
        {"client_host_keys": [str(credentials.other_key)]},
    ):
        with pytest.raises(PermissionDenied):
            async with ssh_meta.connect(HOST, port, **{**good, **bad}):
                pytest.fail("let in")


async def test_our_client_at_asyncssh(
    credentials: Credentials, host_key: Path, tmp_path: Path
) -> None:
    port = free_port()
    hosts = known(tmp_path / "hosts", host_key, NAME)
    argv = [python_with("asyncssh"), str(SCRIPTS / "asyncssh_hostbased.py"), "server"]
    argv += ["--port", str(port), "--host-key", str(credentials.host_key)]
    argv += ["--known-hosts", str(hosts)]
    known_hosts = str(credentials.known_hosts(port))
    with serving("asyncssh", argv, port, tmp_path, clean_environment(tmp_path)):
        good = vouched(host_key, "user", known_hosts=known_hosts)
        async with ssh_meta.connect(HOST, port, **good) as conn:
            assert (await conn.run("x")).exit_status == 6
        with pytest.raises(PermissionDenied):
            async with ssh_meta.connect(HOST, port, **{**good, "client_username": "other"}):
                pytest.fail("let in")


# --- Our server ------------------------------------------------------------------------------


async def greet(process: ssh_meta.SSHServerProcess[str]) -> None:
    process.stdout.write("in\n")
    process.exit(0)


@contextlib.asynccontextmanager
async def our_server(credentials: Credentials, **options: Any) -> AsyncIterator[int]:
    """A server of ours that asks for nothing but the word of a host."""
    async with ssh_meta.listen(
        HOST,
        0,
        server_host_keys=[str(credentials.host_key)],
        process_factory=greet,
        **options,
    ) as acceptor:
        yield acceptor.get_port()


def etc_ssh(folder: Path, host_key: Path) -> Path:
    """What ssh-keysign finds in /etc/ssh."""
    folder.mkdir()
    shutil.copy(host_key, folder / "ssh_host_ed25519_key")
    (folder / "ssh_host_ed25519_key").chmod(0o600)
    shutil.copy(host_key.with_suffix(".pub"), folder / "ssh_host_ed25519_key.pub")
    (folder / "ssh_config").write_text("EnableSSHKeysign yes\n")
    return folder


def seeing(folder: Path, *argv: str) -> list[str]:
    """A command line that runs a program with a folder in the place of /etc/ssh."""
    script = 'mount --bind "$0" /etc/ssh && exec "$@"'
    return [find_program("unshare") or "unshare", "-m", "sh", "-c", script, str(folder), *argv]


@mounting
@pytest.mark.parametrize("user", ["me", "other"])
async def test_openssh_at_our_server(
    credentials: Credentials, host_key: Path, tmp_path: Path, user: str
) -> None:
    program("ssh-keysign")
    hosts = known(tmp_path / "hosts", host_key, "localhost", HOST)
    folder = etc_ssh(tmp_path / "etc", host_key)
    async with our_server(credentials, known_client_hosts=str(hosts)) as port:
        words = [program("ssh"), "-v", "-F", "none", "-p", str(port)]
        for option in (
            f"UserKnownHostsFile={credentials.known_hosts(port)}",
            "HostbasedAuthentication=yes",
            "EnableSSHKeysign=yes",
            "PreferredAuthentications=hostbased",
        ):
            words += ["-o", option]
        target = f"{credentials.user if user == 'me' else user}@{HOST}"
        done = await run(seeing(folder, *words, target, "x"), clean_environment(tmp_path))
    assert (done.status, done.stdout) == ((0, b"in\n") if user == "me" else (255, b"")), done.text


@pytest.mark.parametrize(("client_user", "status"), [("user", 0), ("other", 255)])
async def test_asyncssh_at_our_server(
    credentials: Credentials, host_key: Path, tmp_path: Path, client_user: str, status: int
) -> None:
    hosts = known(tmp_path / "hosts", host_key, NAME)
    options: dict[str, Any] = {"known_client_hosts": str(hosts), "trust_client_host": True}
    async with our_server(credentials, **options) as port:
        argv = [python_with("asyncssh"), str(SCRIPTS / "asyncssh_hostbased.py"), "client"]
        argv += ["--port", str(port), "--host-key", str(host_key), "--client-host", NAME]
        argv += ["--known-hosts", str(credentials.known_hosts(port)), "--client-user", client_user]
        done: Finished = await run(argv, clean_environment(tmp_path))
    assert done.status == status, done.text


# --- ssh-keysign -----------------------------------------------------------------------------


def wrapped_keysign(folder: Path) -> str:
    """The real ssh-keysign, with another /etc/ssh."""
    program("ssh-keysign")
    wrapper = folder.parent / "keysign"
    words = " ".join(f"'{word}'" for word in seeing(folder, program("ssh-keysign")))
    wrapper.write_text(f"#!/bin/sh\nexec {words}\n")
    wrapper.chmod(0o700)
    return str(wrapper)


@mounting
async def test_our_client_with_keysign(
    credentials: Credentials, host_key: Path, tmp_path: Path
) -> None:
    folder = etc_ssh(tmp_path / "etc", host_key)
    hosts = known(tmp_path / "hosts", host_key, "localhost", HOST)
    async with our_server(credentials, known_client_hosts=str(hosts)) as port:
        options: dict[str, Any] = {
            "username": credentials.user,
            "known_hosts": str(credentials.known_hosts(port)),
            "client_keys": None,
            "agent_path": None,
            "client_host_keysign": wrapped_keysign(folder),
            "client_host_keys": str(host_key.with_suffix(".pub")),
        }
        async with ssh_meta.connect(HOST, port, **options) as conn:
            assert (await conn.run("x")).stdout == "in\n"
        # It signs for no other name than that of the connection, and for no other user.
        for bad in ({"client_host": "bank.example.org"}, {"client_username": "other"}):
            with pytest.raises(PermissionDenied):
                async with ssh_meta.connect(HOST, port, **{**options, **bad}):
                    pytest.fail("let in")
        (folder / "ssh_config").write_text("EnableSSHKeysign no\n")
        with pytest.raises(PermissionDenied):
            async with ssh_meta.connect(HOST, port, **options):
                pytest.fail("let in")
