"""The examples of the README run, and do what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .support import needs_ssh_keygen, ssh_keygen

README = Path(__file__).resolve().parents[2] / "packages" / "ssh-keys" / "README.md"


def blocks(language: str) -> list[str]:
    text = README.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_python_example(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("ssh-ed25519 SHA256:")
    assert second == "HostKeyStatus.TRUSTED"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the README wants it, and the command ssh-keys on the path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ssh-keys").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ssh_keys "$@"\n')
    (programs / "ssh-keys").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CA_PASSPHRASE", "secret")
    monkeypatch.setenv("RELEASE_PASSPHRASE", "other")
    work = tmp_path / "work"
    work.mkdir()
    (work / "release.tar.gz").write_bytes(b"the release")
    return work


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = ["sh", "-e", "-u", "-c", script]
    return subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, timeout=200
    )


def test_commands(folder: Path) -> None:
    scripts = blocks("sh")
    assert sum(script.count("ssh-keys ") for script in scripts) >= 10
    for script in scripts:
        done = shell(script, folder)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    # What the last job is for: another release is refused.
    (folder / "release.tar.gz").write_bytes(b"another release")
    for script in scripts:
        for command in re.findall(r"^.*ssh-keys verify (?:[^\\\n]|\\\n)*", script, re.MULTILINE):
            assert shell(command, folder).returncode == 1


@needs_ssh_keygen
def test_ssh_keygen_agrees(folder: Path) -> None:
    """The real program reads what the commands of the README made."""
    assert shell("\n".join(blocks("sh")), folder).returncode == 0
    printed = ssh_keygen("-L", "-f", folder / "host_key-cert.pub")
    assert "Type: ssh-ed25519-cert-v01@openssh.com host certificate" in printed
    assert 'Key ID: "web 17"' in printed
    assert "Serial: 17" in printed
    ssh_keygen("-Q", "-f", folder / "revoked", folder / "host_key-cert.pub")
    ssh_keygen("-F", "web17.example.com", "-f", folder / "known_hosts")
    words = ["ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-I", "release@example.com"]
    done = subprocess.run(
        [*words, "-n", "release", "-s", "release.tar.gz.sig"],
        cwd=folder,
        input=b"the release",
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
