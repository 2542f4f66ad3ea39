"""The programs of the documentation and of the README, run as a reader would run them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import ssh_meta

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs/tutorial"

#: What each program prints, given the port of server.py.
PRINTED = {
    "client.py": "hello, Ada and Grace\napple\nfig\npear\nexit status 127\n",
    "files.py": "['to-ada.txt']\n10 bytes\nDear Ada,\ngone\n",
    "forward.py": "True\n",
}


def free_port() -> int:
    """A TCP port of loopback that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(script: Path, *arguments: str, port: int) -> Iterator[None]:
    """Run a server program in its folder until the block ends."""
    process = subprocess.Popen(
        [sys.executable, str(script), *arguments],
        cwd=script.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        deadline = time.monotonic() + 20
        while True:
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline, "the server does not listen"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)
        process.stderr.close()


def output(script: Path, *arguments: str, folder: Path) -> str:
    """Run a program in a folder and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("name", sorted(PRINTED))
def test_tutorial_program(name: str, tmp_path: Path) -> None:
    port = free_port()
    server = tmp_path / "server.py"
    server.write_text((TUTORIAL / "server.py").read_text())
    with running(server, str(port), port=port):
        printed = output(TUTORIAL / name, str(port), folder=tmp_path)
    assert printed == PRINTED[name]


def test_keys_program(tmp_path: Path) -> None:
    printed = output(TUTORIAL / "keys.py", folder=tmp_path)
    assert printed == "ssh-ed25519 ada@example\nTrue\nwrong passphrase\n"


def test_certificates_program(tmp_path: Path) -> None:
    printed = output(TUTORIAL / "certificates.py", folder=tmp_path)
    assert printed == "deploy: deploy\nrevoked\n"


def test_every_program_is_run_and_shown() -> None:
    programs = {path.name for path in TUTORIAL.glob("*.py")}
    assert programs == {*PRINTED, "server.py", "keys.py", "certificates.py"}
    page = (TUTORIAL / "index.md").read_text()
    assert set(re.findall(r"literalinclude\} (\S+)", page)) == programs


def blocks(path: Path) -> list[str]:
    """The Python programs of a Markdown file."""
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)


def test_readme_server_and_client(tmp_path: Path) -> None:
    client, server = blocks(ROOT / "README.md")
    port = free_port()
    for name, text in (("client", client), ("server", server)):
        assert text.count("8022") == 1
        (tmp_path / f"{name}.py").write_text(text.replace("8022", str(port)))
    (commands,) = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert commands.count("8022") == 1
    commands = commands.replace("8022", str(port))
    # The command of the interpreter that runs the tests, whatever is on the path.
    own = f'ssh-keys() {{ "{sys.executable}" -m ssh_keys "$@"; }}\n'
    subprocess.run(["bash", "-ec", own + commands], cwd=tmp_path, timeout=60, check=True)
    with running(tmp_path / "server.py", port=port):
        printed = output(tmp_path / "client.py", folder=tmp_path)
    assert printed == "hello, guest: uptime\n"
    assert (tmp_path / "copy.txt").read_text() == "all is well\n"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    """The socket of an agent of OpenSSH that holds one key."""
    program = shutil.which("ssh-agent")
    if program is None or shutil.which("ssh-add") is None:
        pytest.skip("ssh-agent is not installed")
    path = str(tmp_path / "agent")
    environ = os.environ | {"SSH_AUTH_SOCK": path}
    process = subprocess.Popen([program, "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not Path(path).exists():
            assert time.monotonic() < deadline, "the agent does not listen"
            time.sleep(0.02)
        ssh_meta.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "key"))
        (tmp_path / "key").chmod(0o600)
        subprocess.run(["ssh-add", "-q", str(tmp_path / "key")], env=environ, check=True)
        yield path
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize(
    "package", ["ssh-keys", "ssh-transport", "ssh-connection", "ssh-sftp", "ssh-agent", "ssh-meta"]
)
def test_package_readme(
    package: str, agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The examples in the README of each distribution run as they stand."""
    monkeypatch.setenv("SSH_AUTH_SOCK", agent)
    programs = blocks(ROOT / "packages" / package / "README.md")
    assert programs
    for number, text in enumerate(programs):
        script = tmp_path / f"example{number}.py"
        script.write_text(text)
        output(script, folder=tmp_path)
