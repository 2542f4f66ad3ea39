"""Dropbear's key files: dropbearkey and dropbearconvert both ways, every changed byte."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import KeyExportError, KeyImportError, KeyTruncatedError
from ssh_keys.wire import encode_mpint, encode_string

from .support import KEY_TYPES, make_key

needs_dropbear = pytest.mark.skipif(
    shutil.which("dropbearkey") is None or shutil.which("dropbearconvert") is None,
    reason="dropbear-bin is not installed",
)

GENERATE = {
    "ssh-rsa": ("rsa", "-s", "2048"),
    "ssh-dss": ("dss",),
    "ecdsa-sha2-nistp256": ("ecdsa", "-s", "256"),
    "ecdsa-sha2-nistp384": ("ecdsa", "-s", "384"),
    "ecdsa-sha2-nistp521": ("ecdsa", "-s", "521"),
    "ssh-ed25519": ("ed25519",),
}


def run(*words: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def described(text: str) -> tuple[list[str], str]:
    """Public key (type and base64) and fingerprint, as dropbearkey prints them."""
    lines = text.splitlines()
    (line,) = [line for line in lines if line.startswith(("ssh-", "ecdsa-"))]
    (fingerprint,) = [line.split()[1] for line in lines if line.startswith("Fingerprint:")]
    return line.split()[:2], fingerprint


@needs_dropbear
@pytest.mark.parametrize("name", GENERATE)
def test_we_read_its_keys(name: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    usage = subprocess.run(["dropbearkey", "-h"], capture_output=True, text=True, check=False)
    if GENERATE[name][0] not in (usage.stdout + usage.stderr).split():
        pytest.skip(f"this version of Dropbear has no {name}")
    printed = run("dropbearkey", "-t", *GENERATE[name], "-f", path)
    public, fingerprint = described(printed)
    key = ssh_keys.read_private_key(path)
    assert key.get_algorithm() == name
    assert key.export_public_key().decode().split()[:2] == public
    assert key.get_fingerprint() == fingerprint
    key.verify(b"x", key.sign(b"x"), key.sig_algorithms, minimum_rsa_bits=1024)
    assert key.export_private_key("dropbear") == path.read_bytes()
    # The line that `-y` prints is a public key file.
    (line,) = [each for each in printed.splitlines() if each.startswith(name)]
    assert ssh_keys.import_public_key(line) == key.convert_to_public()
    run("dropbearconvert", "dropbear", "openssh", path, tmp_path / "converted")
    assert ssh_keys.read_private_key(tmp_path / "converted") == key


@needs_dropbear
@pytest.mark.parametrize("name", KEY_TYPES)
def test_it_reads_our_keys(name: str, tmp_path: Path) -> None:
    key = make_key(name)
    key.write_private_key(tmp_path / "ours", "dropbear")
    public, fingerprint = described(run("dropbearkey", "-y", "-f", tmp_path / "ours"))
    assert public == key.export_public_key().decode().split()[:2]
    assert fingerprint == key.get_fingerprint()
    for form in ("openssh", "pkcs1-pem") if name.startswith("ssh-rsa") else ("openssh",):
        key.write_private_key(tmp_path / form, form)
        converted = tmp_path / f"{form}-converted"
        run("dropbearconvert", "openssh", "dropbear", tmp_path / form, converted)
        assert ssh_keys.read_private_key(converted) == key


@pytest.mark.parametrize("name", [*KEY_TYPES, "ssh-dss"])
def test_round_trip(name: str) -> None:
    key = make_key(name)
    data = key.export_private_key("dropbear")
    assert ssh_keys.import_private_key(data) == key
    with pytest.raises(KeyTruncatedError):
        ssh_keys.import_private_key(data[:-1])
    with pytest.raises(KeyImportError):
        ssh_keys.import_private_key(data + b"\0")


def test_export_refuses() -> None:
    with pytest.raises(KeyExportError, match="no encryption"):
        make_key("ssh-ed25519").export_private_key("dropbear", "passphrase")
    with pytest.raises(KeyExportError, match="no ssh-ed448"):
        make_key("ssh-ed448").export_private_key("dropbear")


@pytest.mark.parametrize("name", KEY_TYPES)
def test_every_changed_byte(name: str) -> None:
    key = make_key(name)
    data = key.export_private_key("dropbear")
    for position in range(0, len(data), 7 if name == "ssh-rsa" else 1):
        changed = bytearray(data)
        changed[position] ^= 0x41
        try:
            assert ssh_keys.import_private_key(bytes(changed)) != key
        except KeyImportError:
            pass


@pytest.mark.parametrize(("p", "q"), [(0, 1), (-7, 5), (15, 5), (1 << 20000, 3)], ids=range(4))
def test_primes_that_are_none(p: int, q: int) -> None:
    numbers = b"".join(map(encode_mpint, (65537, 35, 5, p, q)))
    with pytest.raises(KeyImportError):
        ssh_keys.import_private_key(encode_string(b"ssh-rsa") + numbers)


@given(st.sampled_from(sorted(GENERATE)), st.binary(max_size=200))
def test_arbitrary_data(name: str, data: bytes) -> None:
    with pytest.raises(KeyImportError):
        ssh_keys.import_private_key(encode_string(name.encode()) + data)
