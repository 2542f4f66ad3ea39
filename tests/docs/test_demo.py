"""``hatch run demo``: all of it works, and what does not ends in one line and status 1."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import ssh_meta

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "scripts/demo.py"


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end."""
    return subprocess.run(
        [sys.executable, str(DEMO), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_demo_against_our_own_server() -> None:
    done = run_demo("--size", "8")
    assert done.returncode == 0, done.stderr
    assert "line three" in done.stdout
    assert "equal" in done.stdout
    assert "hello through the forwarded port" in done.stdout
    assert re.search(r"cipher +\S+", done.stdout)
    assert done.stdout.rstrip().endswith("all of it worked")


def refused(*arguments: str) -> str:
    """Run a demo that has to fail; return the one line that it says."""
    done = run_demo(*arguments)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "Traceback" not in line
    return line


@pytest.mark.parametrize(
    ("destination", "host"),
    [
        ("someone@127.0.0.1:1", "127.0.0.1"),
        ("127.0.0.1:1", "127.0.0.1"),
        ("someone@[::1]:1", "::1"),
    ],
)
def test_nobody_listens(destination: str, host: str) -> None:
    line = refused(destination)
    assert line.startswith(f"demo: no connection to {host} port 1: ")
    assert "Errno" not in line
    assert "getaddrinfo" not in line


@pytest.mark.parametrize("destination", ["ada@", "ada@:22", "host:port", "host:70000", "[::1"])
def test_what_is_no_destination(destination: str) -> None:
    done = run_demo(destination)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "destination" in done.stderr.splitlines()[-1]


def test_files_that_are_not_there(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    for words in (["-i", missing], ["--known-hosts", missing], ["--password-file", missing]):
        line = refused("someone@127.0.0.1:1", *words)
        assert line == f"demo: cannot read {missing!r}: No such file or directory"


class OneUser(ssh_meta.SSHServer):
    """Lets in one user with a password."""

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return password == "right"


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """The port of a server whose host key is in ``known_hosts`` of the temporary folder."""
    key = ssh_meta.generate_private_key("ssh-ed25519")
    acceptor = await ssh_meta.listen("127.0.0.1", 0, server_factory=OneUser, server_host_keys=[key])
    line = key.export_public_key().decode()
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{acceptor.get_port()} {line}")
    yield acceptor.get_port()
    acceptor.close()
    await acceptor.wait_closed()


async def refused_at(port: int, folder: Path, password: str) -> str:
    """Run the demo with a password at a server; return the one line that it says."""
    (folder / "password").write_text(password)
    words = [f"someone@127.0.0.1:{port}", "--known-hosts", str(folder / "known_hosts")]
    return await asyncio.to_thread(refused, *words, "--password-file", str(folder / "password"))


async def test_wrong_password(port: int, tmp_path: Path) -> None:
    assert "refused the login" in await refused_at(port, tmp_path, "wrong")


async def test_wrong_host_key(port: int, tmp_path: Path) -> None:
    other = ssh_meta.generate_private_key("ssh-ed25519").export_public_key().decode()
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port} {other}")
    assert "host key" in await refused_at(port, tmp_path, "right")
