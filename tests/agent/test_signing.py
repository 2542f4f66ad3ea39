"""Keys in a real agent as authorities and signers of files, in programs and on the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ssh_keys
from ssh_agent import AgentConnectionError, AgentFailure, key_in_agent
from ssh_keys.cli.parser import run

from .conftest import RunningAgent

pytestmark = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed"
)
TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp384", "ssh-rsa")
HOLDER = ssh_keys.generate_private_key("ssh-ed25519", comment="holder")


@pytest.fixture(params=TYPES)
def authority(
    request: pytest.FixtureRequest,
    agent: RunningAgent,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> ssh_keys.SSHKey:
    """A key that only the agent has; the file `ca.pub` is its public part."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SSH_AUTH_SOCK", agent.path)
    key = ssh_keys.generate_private_key(request.param, comment="authority")
    key.write_private_key("ca")
    agent.ssh_add("-q", str(tmp_path / "ca"))
    Path("ca").unlink()
    key.write_public_key("ca.pub")
    HOLDER.write_public_key("host.pub")
    return key.convert_to_public()


def ssh_keygen(*words: str, data: bytes = b"") -> str:
    """What the real ssh-keygen prints."""
    done = subprocess.run(
        ["ssh-keygen", *words], input=data, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_key_of_a_program(authority: ssh_keys.SSHKey, agent: RunningAgent) -> None:
    key = key_in_agent(authority, agent.path)
    assert (key.is_private, key.get_comment()) == (True, "authority")
    certificate = key.generate_host_certificate(HOLDER, "h", principals="h.example")
    assert certificate.signing_key == authority
    certificate.validate(ssh_keys.CertificateType.HOST, "h.example")
    for name in authority.default_sig_algorithms:
        authority.verify(b"data", key.sign(b"data", name), [name])
    with pytest.raises(ssh_keys.KeyExportError):
        key.export_private_key()
    agent.ssh_add("-q", "-D")
    with pytest.raises(AgentFailure, match="does not have the key SHA256:"):
        key.sign(b"data")
    with pytest.raises(AgentFailure, match="does not have the key SHA256:"):
        key_in_agent(authority)
    agent.process.kill()
    agent.process.wait()
    with pytest.raises(AgentConnectionError):
        key.sign(b"data")


def test_the_command_as_ssh_keygen(authority: ssh_keys.SSHKey) -> None:
    words = ["host.pub", "--host", "--id", "h", "--principals", "h.example", "--serial", "5"]
    validity = ["--valid-after", "20260101", "--valid-before", "20360101"]
    # As a program, which has found the agent's distribution by itself.
    command = [sys.executable, "-m", "ssh_keys", "sign-cert", "--ca", "ca.pub", "--agent"]
    subprocess.run([*command, *words, *validity], check=True, capture_output=True, timeout=60)
    ours = ssh_keygen("-L", "-f", "host-cert.pub")
    assert f"Signing CA: {authority.type_name} {authority.get_fingerprint()}" in ours
    theirs = ["-I", "h", "-h", "-n", "h.example", "-z", "5", "-V", "20260101:20360101"]
    ssh_keygen("-q", "-U", "-s", "ca.pub", *theirs, "host.pub")
    assert ssh_keygen("-L", "-f", "host-cert.pub") == ours


def test_files_are_signed(authority: ssh_keys.SSHKey) -> None:
    Path("data").write_bytes(b"data")
    assert run(["sign", "data", "--key", "ca.pub", "--agent"]) == 0
    Path("signers").write_bytes(b"me " + authority.export_public_key())
    words = ("-Y", "verify", "-f", "signers", "-I", "me", "-n", "file", "-s", "data.sig")
    assert "Good" in ssh_keygen(*words, data=b"data")


@pytest.mark.usefixtures("authority")
@pytest.mark.parametrize("authority", TYPES[:1], indirect=True)
def test_what_the_command_says_of_agents(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("data").write_bytes(b"data")

    def said(*words: str, status: int = 1) -> str:
        assert run(["sign", "data", "--agent", "--json", *words]) == status
        return str(json.loads(capsys.readouterr().out)["error"])

    assert "the agent does not have the key SHA256:" in said("--key", "host.pub")
    assert "not allowed with argument" in said("--key", "ca.pub", "--pkcs11", "x", status=2)
    monkeypatch.setenv("SSH_AUTH_SOCK", "none")
    assert "agent" in said("--key", "ca.pub")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: ())
    assert said("--key", "ca.pub") == "keys in an agent need the distribution ssh-agent"
    assert not Path("data.sig").exists()
