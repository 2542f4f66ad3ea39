"""OpenSSH's own test data: keys of all kinds parse, round-trip, and have the recorded facts."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

import ssh_keys
from ssh_keys import HostKeyStatus, KeyPassphraseError

from .support import VECTORS, needs_vectors

pytestmark = needs_vectors

SIGNING = (
    "rsa_1",
    "rsa_2",
    "ecdsa_1",
    "ecdsa_2",
    "ed25519_1",
    "ed25519_2",
    "mldsa44_ed25519_1",
    "mldsa44_ed25519_2",
)
KEYS = (*SIGNING, "ecdsa_sk1", "ecdsa_sk2", "ed25519_sk1", "ed25519_sk2")
ENCRYPTED = (
    "rsa_1",
    "rsa_n",
    "ecdsa_1",
    "ecdsa_n",
    "ed25519_1",
    "ecdsa_sk1",
    "ed25519_sk1",
    "mldsa44_ed25519_1",
)
SSHKEY = VECTORS / "sshkey"


def text(name: str) -> str:
    return (SSHKEY / name).read_text().strip()


@pytest.mark.parametrize("name", KEYS)
def test_keys(name: str) -> None:
    key = ssh_keys.read_private_key(SSHKEY / name)
    public = ssh_keys.read_public_key(SSHKEY / f"{name}.pub")
    assert key.convert_to_public() == public
    assert key.get_fingerprint() == public.get_fingerprint() == text(f"{name}.fp")
    assert public.export_public_key() == (SSHKEY / f"{name}.pub").read_bytes()
    again = ssh_keys.import_private_key(key.export_private_key())
    assert again == key
    assert again.get_comment() == key.get_comment()
    if name in SIGNING:
        signature = key.sign(b"x")
        public.verify(b"x", signature, minimum_rsa_bits=1024)


@pytest.mark.parametrize("name", ENCRYPTED)
def test_encrypted_keys(name: str) -> None:
    key = ssh_keys.read_private_key(SSHKEY / f"{name}_pw", text("pw"))
    assert key == ssh_keys.read_private_key(SSHKEY / name)
    for wrong in ("wrong", None):
        with pytest.raises(KeyPassphraseError):
            ssh_keys.read_private_key(SSHKEY / f"{name}_pw", wrong)


@pytest.mark.parametrize("name", ["rsa_1_sha1", "rsa_1_sha512"])
def test_further_rsa_keys(name: str) -> None:
    key = ssh_keys.read_private_key(SSHKEY / name)
    assert key.convert_to_public() == ssh_keys.read_public_key(SSHKEY / f"{name}.pub")


@pytest.mark.parametrize("name", ["rsa_1", "rsa_2"])
def test_rsa_numbers(name: str) -> None:
    key = ssh_keys.read_private_key(SSHKEY / name)
    numbers = key.private_key_object().private_numbers()  # type: ignore[union-attr]
    assert numbers.public_numbers.n == int(text(f"{name}.param.n"), 16)  # type: ignore[union-attr]
    factors = {int(text(f"{name}.param.{field}"), 16) for field in "pq"}
    assert {numbers.p, numbers.q} == factors  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["ecdsa_1", "ecdsa_2"])
def test_ecdsa_numbers(name: str) -> None:
    key = ssh_keys.read_private_key(SSHKEY / name)
    curve = {"prime256v1": "nistp256", "secp384r1": "nistp384", "secp521r1": "nistp521"}
    assert key.get_algorithm() == "ecdsa-sha2-" + curve[text(f"{name}.param.curve")]
    numbers = key.private_key_object().private_numbers()  # type: ignore[union-attr]
    assert numbers.private_value == int(text(f"{name}.param.priv"), 16)  # type: ignore[union-attr]
    point = bytes.fromhex(text(f"{name}.param.pub"))
    assert key.public_data.endswith(point)


HOSTKEYS = VECTORS / "hostkeys"


@pytest.fixture(scope="module")
def known_hosts() -> ssh_keys.SSHKnownHosts:
    """The file, some of whose lines cannot be used."""
    return ssh_keys.read_known_hosts(HOSTKEYS / "known_hosts")


def test_unknown_marker(known_hosts: ssh_keys.SSHKnownHosts) -> None:
    # The line has no name: that of the key type stands in its place.
    assert known_hosts.lookup("ssh-rsa").problems == ("line 37: unknown marker '@what'",)


def test_markers_and_damaged_lines(known_hosts: ssh_keys.SSHKnownHosts) -> None:
    sisyphus = known_hosts.lookup("sisyphus.example.com", "", 22)
    revoked = ssh_keys.read_public_key(HOSTKEYS / "ed25519_4.pub")
    assert sisyphus.check(revoked) is HostKeyStatus.REVOKED
    assert len(sisyphus.problems) == 3
    prometheus = known_hosts.lookup("prometheus.example.com", "", 22)
    authority = ssh_keys.read_public_key(HOSTKEYS / "ecdsa_4.pub")
    assert prometheus.check_ca(authority) is HostKeyStatus.TRUSTED
    assert len(prometheus.problems) == 2
    # The wildcard lines apply to both, and the hashed names are the same two hosts' and others'.
    wildcard = ssh_keys.read_public_key(HOSTKEYS / "ed25519_3.pub")
    assert sisyphus.check(wildcard) is prometheus.check(wildcard) is HostKeyStatus.TRUSTED


@pytest.mark.parametrize(
    ("host", "number", "status"),
    [
        ("sisyphus.example.com", 1, HostKeyStatus.TRUSTED),
        ("prometheus.example.com", 2, HostKeyStatus.TRUSTED),
        ("192.0.2.1", 2, HostKeyStatus.TRUSTED),
        ("2001:db8::1", 2, HostKeyStatus.TRUSTED),
    ],
)
@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_known_hosts(
    known_hosts: ssh_keys.SSHKnownHosts, host: str, number: int, status: HostKeyStatus, kind: str
) -> None:
    path = HOSTKEYS / f"{kind}_{number}.pub"
    key = ssh_keys.read_public_key(path)
    assert known_hosts.lookup(host, "", 22).check(key) is status
    assert known_hosts.lookup("nowhere.example.org").check(key) is HostKeyStatus.UNKNOWN


def test_every_changed_byte_of_a_vector() -> None:
    """Only documented exceptions, whatever byte of a real file is wrong."""
    for name in ("ecdsa_1", "ecdsa_1_pw", "ed25519_2", "ed25519_1.pub", "rsa_1.pub"):
        data = (SSHKEY / name).read_bytes()
        read = ssh_keys.import_public_key if name.endswith(".pub") else _import_private
        for position in range(len(data)):
            for value in (0x00, 0x01, 0x20, 0xFF):
                changed = bytearray(data)
                changed[position] ^= value
                try:
                    read(bytes(changed))
                except ssh_keys.KeyImportError:
                    continue


def _import_private(data: bytes) -> ssh_keys.SSHKey:
    return ssh_keys.import_private_key(data, "mekmitasdigoat", True)


def test_vectors_are_what_they_seem() -> None:
    line = (SSHKEY / "ed25519_1.pub").read_text().split()
    assert base64.b64decode(line[1]).startswith(b"\0\0\0\x0bssh-ed25519")
    assert Path(HOSTKEYS / "known_hosts").stat().st_size > 1000
