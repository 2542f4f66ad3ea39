"""Who is in a file of allowed signers: the same as ssh-keygen -Y match-principals."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from ssh_keys import import_allowed_signers
from ssh_keys.cli.parser import run

from .support import make_key, needs_ssh_keygen, public_line

ED, EC = public_line("ssh-ed25519"), public_line("ecdsa-sha2-nistp256")
SIGNERS = f"""# comment
ada@example.com {ED} her comment
*@example.com,!eve@example.com cert-authority {EC}
ada@example.com namespaces="git",valid-before="20200101" {EC}
"bob@x.org,b*@x.org" valid-after="20990101" {ED}
*@example.com,*@EXAMPLE.com {ED}
dup@d,dup@d {ED}
?@q,*@q,a@q {ED}
"""
NAMES = (
    *("ada@example.com", "Ada@example.com", "eve@example.com", "bob@x.org", "b1@x.org", "dup@d"),
    *("a@q", "*@example.com", "nobody", "ada@example.com,dup@d"),
)


def test_lines() -> None:
    signers = import_allowed_signers(SIGNERS)
    first, second, third, fourth = signers.match_principals("ada@example.com")
    assert first.key == make_key("ssh-ed25519").convert_to_public()
    assert second.cert_authority
    assert third.namespaces == ("git",)
    assert fourth.principals == ("*@example.com", "*@EXAMPLE.com")
    assert signers.match_principals("nobody") == ()


@needs_ssh_keygen
@pytest.mark.parametrize("name", NAMES)
def test_as_ssh_keygen(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "signers"
    path.write_text(SIGNERS)
    words = ["ssh-keygen", "-Y", "match-principals", "-I", name, "-f", str(path)]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    words = ["match-principals", name, "--allowed-signers", str(path)]
    assert run(words) == (done.returncode != 0)
    assert capsys.readouterr().out == (done.stdout or "nobody\n")
    assert run([*words, "--json"]) == (done.returncode != 0)
    lines = json.loads(capsys.readouterr().out)["lines"]
    assert [",".join(line["principals"]) for line in lines] == done.stdout.splitlines()


def test_answers_and_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "signers"
    path.write_text(SIGNERS)
    words = ["match-principals", "dup@d", "--json", "--allowed-signers"]
    assert run([*words, str(path)]) == 0
    (line,) = json.loads(capsys.readouterr().out)["lines"]
    assert line == {
        "principals": ["dup@d", "dup@d"],
        "fingerprint": make_key("ssh-ed25519").get_fingerprint(),
        "cert_authority": False,
    }
    path.write_text(f"\x1bx {ED}\nbroken line\n")
    assert run([*words, str(path)]) == 1
    assert "line 2: " in json.loads(capsys.readouterr().out)["error"]
    path.write_text(f"\x1bx {ED}\n")
    assert run(["match-principals", "\x1bx", "--allowed-signers", str(path)]) == 0
    assert capsys.readouterr().out == "\\x1bx\n"
    assert run(["match-principals", "x", "--allowed-signers", str(tmp_path)]) == 1
    assert "Is a directory" in capsys.readouterr().err
    assert run(["match-principals", "x"]) == 2
