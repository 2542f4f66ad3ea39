"""What several test modules of ssh-keys share: keys, vectors, the real ssh-keygen."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

import ssh_keys
from ssh_keys import SSHKey

#: OpenSSH's own test data, beside the checkout; see docs on vectors.
VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "openssh"

needs_vectors = pytest.mark.skipif(not VECTORS.is_dir(), reason=f"no vectors at {VECTORS.name}")
needs_ssh_keygen = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed"
)

KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)
#: ECDSA on a curve that RFC 5656 has no name for, secp256k1. OpenSSH has no such keys.
SECP256K1 = "ecdsa-sha2-1.3.132.0.10"


def make_key(name: str, number: int = 0) -> SSHKey:
    """A private key that all tests share, because RSA keys take long to make."""
    return _make_key(name, number)


@cache
def _make_key(name: str, number: int) -> SSHKey:
    options = {"key_size": 2048} if name == "ssh-rsa" else {}
    return ssh_keys.generate_private_key(name, f"{name} {number}", **options)


def public_line(name: str, number: int = 0) -> str:
    """The public key line of a shared key, without the comment."""
    return " ".join(make_key(name, number).export_public_key().decode().split()[:2])


def skip_unless_openssh_has(name: str) -> None:
    """Skip the test if ssh does not know a key type."""
    types = subprocess.run(["ssh", "-Q", "key"], capture_output=True, text=True, check=True)
    if name not in types.stdout.split():
        pytest.skip(f"this version of OpenSSH has no {name}")


def ssh_keygen(*arguments: str | Path, check: bool = True) -> str:
    """Run the real ssh-keygen and return what it prints."""
    result = subprocess.run(
        ["ssh-keygen", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    if check:
        assert result.returncode == 0, result.stderr
    return result.stdout
