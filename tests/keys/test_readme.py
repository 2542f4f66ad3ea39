"""The examples of the README run, and do what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ssh_keys.cli.parser import run

from .support import make_key

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


def test_jobs_of_ci(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CA_PASSPHRASE", "secret")
    make_key("ssh-ed25519").write_public_key("host_key.pub")
    for name, passphrase in (("ca_key", "secret"), ("release_key", "other")):
        make_key("ssh-ed25519", 7).write_private_key(
            name, passphrase=passphrase, cipher_name="aes256-ctr", rounds=1
        )
    line = " ".join(make_key("ssh-ed25519", 7).export_public_key().decode().split()[:2])
    Path("allowed_signers").write_text(f'release@example.com namespaces="release" {line}\n')
    Path("pass.txt").write_text("other\n")
    Path("release.tar.gz").write_bytes(b"the release")
    commands = [
        shlex.split(line)
        for block in blocks("sh")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    assert len(commands) == 4
    for program, *words in commands:
        assert program == "ssh-keys"
        assert run(words) == 0
    Path("release.tar.gz").write_bytes(b"another release")
    assert run(commands[-1][1:]) == 1
