"""Authenticators that speak U2F only."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import ssh_keys
from ssh_keys import KeyGenerationError, KeyImportError, SignatureError, authenticator, u2f

from .support import needs_ssh_keygen, ssh_keygen

pytest.importorskip("fido2", reason="python-fido2 is not installed")
from .ctap_authenticator import Authenticator
from .u2f_authenticator import U2FAuthenticator

ECDSA, ED25519 = "sk-ecdsa-sha2-nistp256@openssh.com", "sk-ssh-ed25519@openssh.com"
Connect = Callable[..., None]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Puts authenticators where those on USB would be found."""
    monkeypatch.setattr(u2f, "INTERVAL", 0.001)

    def put(*devices: object) -> None:
        monkeypatch.setattr(authenticator, "list_devices", lambda: iter(devices))

    return put


@needs_ssh_keygen
def test_generate_and_sign(connect: Connect, tmp_path: Path) -> None:
    connect(U2FAuthenticator())
    key = ssh_keys.generate_private_key(ECDSA, "old token")
    key.convert_to_public().verify(b"data", key.sign(b"data"))
    with pytest.raises(SignatureError, match="not verified"):
        key.verify(b"data", key.sign(b"data"), verify_required=True)
    key.write_private_key(tmp_path / "key")
    again = ssh_keys.read_private_key(tmp_path / "key")
    (tmp_path / "data.sig").write_bytes(ssh_keys.create_sshsig(again, b"data"))
    (tmp_path / "signers").write_bytes(b"ada " + key.export_public_key())
    printed = ssh_keygen("-y", "-P", "", "-f", tmp_path / "key")
    assert printed.split()[1] == key.export_public_key().decode().split()[1]
    words = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "ada", "-n", "file"]
    done = subprocess.run(
        [*words, "-s", "data.sig"],
        cwd=tmp_path,
        input=b"data",
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_it_cannot_do(connect: Connect) -> None:
    connect(U2FAuthenticator())
    with pytest.raises(KeyGenerationError, match="no Ed25519 keys"):
        ssh_keys.generate_private_key(ED25519)
    with pytest.raises(KeyGenerationError, match="keeps no keys"):
        ssh_keys.generate_private_key(ECDSA, resident=True)
    with pytest.raises(KeyGenerationError, match="verifies no user"):
        ssh_keys.generate_private_key(ECDSA, verify_required=True)
    with pytest.raises(KeyImportError, match="lists its keys"):
        ssh_keys.load_resident_keys("1234")


def test_the_right_one_of_several(connect: Connect) -> None:
    old, older, new = U2FAuthenticator(), U2FAuthenticator(), Authenticator()
    connect(old)
    key = ssh_keys.generate_private_key(ECDSA)
    connect(new)
    other = ssh_keys.generate_private_key(ECDSA)
    connect(older, new, old)
    for each in (key, other):
        each.verify(b"data", each.sign(b"data"))
    connect(older, new)
    with pytest.raises(SignatureError, match="no authenticator has the key"):
        key.sign(b"data")


def test_nobody_touches_it(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(u2f, "TOUCH_TIME", 0.05)
    device = U2FAuthenticator(patience=1_000_000)
    connect(device)
    with pytest.raises(KeyGenerationError, match="nobody touched it"):
        ssh_keys.generate_private_key(ECDSA)
    device.patience = 0
    key = ssh_keys.generate_private_key(ECDSA)
    device.patience = 1_000_000
    with pytest.raises(SignatureError, match="nobody touched it"):
        key.sign(b"data")


def test_it_refuses(connect: Connect) -> None:
    connect(U2FAuthenticator(refusal=0x6E00))
    with pytest.raises(KeyGenerationError, match="status 0x6e00"):
        ssh_keys.generate_private_key(ECDSA)
