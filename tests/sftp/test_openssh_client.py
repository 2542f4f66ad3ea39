"""OpenSSH's sftp against our server, over pipes and without any SSH (`sftp -D`)."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sftp.support import find_program


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "local"
    path.mkdir()
    return path


def sftp(root: Path, local: Path, *commands: str, options: tuple[str, ...] = ()) -> str:
    """Run commands in OpenSSH's sftp; return what it prints."""
    program = find_program("sftp")
    server = shlex.join([sys.executable, "-m", "ssh_sftp.stdio", "--chroot", str(root)])
    result = subprocess.run(
        [program, *options, "-b", "-", "-D", server],
        input="\n".join(commands) + "\n",
        cwd=local,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_files_both_ways(root: Path, local: Path) -> None:
    data = os.urandom(9_000_001)
    (local / "f").write_bytes(data)
    sftp(root, local, "put f", "get f back", "put -p f kept", "mkdir d", "put f d/x")
    assert (root / "f").read_bytes() == data
    assert (local / "back").read_bytes() == data
    assert (root / "d" / "x").read_bytes() == data
    assert (root / "kept").stat().st_mtime == int((local / "f").stat().st_mtime)


@pytest.mark.parametrize("options", [("-B", "4096", "-R", "1"), ("-B", "261120", "-R", "256")])
def test_request_sizes(root: Path, local: Path, options: tuple[str, ...]) -> None:
    data = os.urandom(3_000_003)
    (local / "f").write_bytes(data)
    sftp(root, local, "put f", "get f back", options=options)
    assert (root / "f").read_bytes() == data
    assert (local / "back").read_bytes() == data


def test_trees_and_resume(root: Path, local: Path) -> None:
    (local / "t" / "sub").mkdir(parents=True)
    for number in range(150):
        (local / "t" / "sub" / str(number)).write_bytes(bytes(number))
    sftp(root, local, "put -r t", "get -r t back")
    assert len(list((root / "t" / "sub").iterdir())) == 150
    assert len(list((local / "back" / "sub").iterdir())) == 150
    data = os.urandom(1_000_000)
    (local / "big").write_bytes(data)
    (root / "big").write_bytes(data[:400_000])
    (local / "got").write_bytes(data[:100_000])
    sftp(root, local, "reput big", "reget big got")
    assert (root / "big").read_bytes() == data
    assert (local / "got").read_bytes() == data


def test_names_and_attributes(root: Path, local: Path) -> None:
    (root / "f").write_bytes(b"12345")
    (root / "outside").symlink_to("/etc/passwd")
    output = sftp(
        root, local,
        "pwd", "ls -la", "rename f g", "chmod 640 g", "ln -s g soft", "ln g hard", "ls -l soft",
        "mkdir d", "cd d", "pwd", "cd ..", "df -h .", "rmdir d", "-get outside", "-ls /nothing",
        "rm hard", "cp g copy", "ls -1",
    )  # fmt: skip
    assert "Remote working directory: /\n" in output
    assert "Remote working directory: /d\n" in output
    assert os.readlink(root / "soft") == "g"
    assert (root / "g").stat().st_mode & 0o777 == 0o640
    assert (root / "copy").read_bytes() == b"12345"
    assert output.endswith("copy\ng\noutside\nsoft\n")
    assert not (local / "outside").exists()


def test_server_options(root: Path, local: Path) -> None:
    program = find_program("sftp")
    (root / "f").touch()
    server = shlex.join([sys.executable, "-m", "ssh_sftp.stdio", "-d", str(root)])
    result = subprocess.run(
        [program, "-b", "-", "-D", server],
        input="pwd\nls -1\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"Remote working directory: {root}\n" in result.stdout
    assert result.stdout.endswith("f\n")


def test_stray_output_does_not_get_among_the_packets(root: Path) -> None:
    code = (
        "import asyncio\n"
        "from ssh_sftp import SFTPServer\n"
        "from ssh_sftp.stdio import serve_stdio\n"
        "class Noisy(SFTPServer):\n"
        "    def stat(self, path):\n"
        "        print('debug output')\n"
        "        return super().stat(path)\n"
        "asyncio.run(serve_stdio(Noisy()))\n"
    )
    init = bytes.fromhex("0000000501 00000003")
    stat = bytes.fromhex("0000000a 11 00000001 00000001 2f")
    result = subprocess.run(
        [sys.executable, "-c", code], input=init + stat, capture_output=True, timeout=30, check=True
    )
    assert b"debug output" not in result.stdout
    assert b"debug output" in result.stderr
    assert result.stdout.startswith(b"\0\0")
    assert result.stdout[-37:-32] == bytes.fromhex("6900000001")
