"""The real ssh-keygen reads what we write, and we read what it writes."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest

import ssh_keys
from ssh_keys import HostKeyStatus
from ssh_keys.wire import encode_string, encode_uint32

from .support import KEY_TYPES, make_key, needs_ssh_keygen, public_line, ssh_keygen

pytestmark = needs_ssh_keygen

GENERATE = {
    "ssh-ed25519": ("-t", "ed25519"),
    "ecdsa-sha2-nistp256": ("-t", "ecdsa", "-b", "256"),
    "ecdsa-sha2-nistp384": ("-t", "ecdsa", "-b", "384"),
    "ecdsa-sha2-nistp521": ("-t", "ecdsa", "-b", "521"),
    "ssh-rsa": ("-t", "rsa", "-b", "2048"),
}
CIPHERS = (
    "3des-cbc",
    "aes128-cbc",
    "aes192-cbc",
    "aes256-cbc",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
)


@pytest.mark.parametrize("name", KEY_TYPES)
def test_we_read_its_keys(name: str, tmp_path: Path) -> None:
    path = tmp_path / "id"
    ssh_keygen("-q", *GENERATE[name], "-N", "", "-C", "a comment", "-f", path)
    key = ssh_keys.read_private_key(path)
    public = ssh_keys.read_public_key(tmp_path / "id.pub")
    assert key.convert_to_public() == public
    assert key.get_algorithm() == name
    assert key.get_comment() == public.get_comment() == "a comment"
    assert public.export_public_key() == (tmp_path / "id.pub").read_bytes()
    key.verify(b"x", key.sign(b"x"))
    for hash_name in ("sha256", "md5", "sha512", "sha1", "sha384"):
        bits, fingerprint, *comment = ssh_keygen("-l", "-E", hash_name, "-f", path).split()
        assert fingerprint == key.get_fingerprint(hash_name)
        assert int(bits) == key.bits
        assert comment == ["a", "comment", f"({key.type_name})"]


@pytest.mark.parametrize("name", KEY_TYPES)
def test_it_reads_our_keys(name: str, tmp_path: Path) -> None:
    key, path = make_key(name), tmp_path / "id"
    for passphrase in ("", "x"):
        key.write_private_key(path, passphrase=passphrase, cipher_name="aes256-ctr", rounds=1)
        printed = ssh_keygen("-y", "-P", passphrase, "-f", path)
        assert printed.encode() == key.export_public_key()
    key.write_public_key(tmp_path / "id.pub")
    printed = ssh_keygen("-l", "-f", tmp_path / "id.pub")
    assert printed.split()[1] == key.get_fingerprint()


@pytest.mark.parametrize("cipher", CIPHERS)
def test_every_cipher_both_ways(cipher: str, tmp_path: Path) -> None:
    key = make_key("ssh-ed25519")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    key.write_private_key(ours, passphrase="pässword", cipher_name=cipher, rounds=2)
    assert ssh_keygen("-y", "-P", "pässword", "-f", ours).encode() == key.export_public_key()
    ssh_keygen(*("-q", "-t", "ed25519", "-Z", cipher, "-a", "2", "-N", "pässword", "-f", theirs))
    read = ssh_keys.read_private_key(theirs, "pässword")
    assert read.convert_to_public() == ssh_keys.read_public_key(tmp_path / "theirs.pub")
    with pytest.raises(ssh_keys.KeyPassphraseError):
        ssh_keys.read_private_key(theirs, "password")


def test_it_changes_the_passphrase_of_our_key(tmp_path: Path) -> None:
    key, path = make_key("ssh-rsa"), tmp_path / "id"
    key.write_private_key(path, passphrase="old", cipher_name="aes128-cbc", rounds=1)
    ssh_keygen("-p", "-P", "old", "-N", "new", "-a", "1", "-f", path)
    assert ssh_keys.read_private_key(path, "new") == key
    ssh_keygen("-p", "-P", "new", "-N", "", "-f", path)
    assert ssh_keys.read_private_key(path) == key


@pytest.mark.parametrize("host", ["host.example.com", "[host.example.com]:2222", "2001:db8::1"])
def test_it_hashes_and_we_find(host: str, tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    line = public_line("ssh-ed25519")
    path.write_text(f"other,{host} {line}\n@revoked {host} {public_line('ssh-rsa')}\n")
    ssh_keygen("-H", "-f", path)
    text = path.read_text()
    assert "|1|" in text
    # ssh-keygen leaves marked lines as they are.
    assert [line.startswith("|1|") for line in text.splitlines()].count(False) == 1
    name, _, port = host.rpartition("]:")
    known_hosts = ssh_keys.read_known_hosts(path)
    result = known_hosts.lookup(name.lstrip("[") or host, "", int(port) if name else 22)
    assert result.check(make_key("ssh-ed25519")) is HostKeyStatus.TRUSTED
    assert result.check(make_key("ssh-rsa")) is HostKeyStatus.REVOKED
    assert known_hosts.lookup("host2.example.com").check(make_key("ssh-ed25519")) is (
        HostKeyStatus.UNKNOWN
    )


@pytest.mark.parametrize(
    ("names", "host"),
    [
        ("*.example.com", "www.example.com"),
        ("*.example.com", "example.com"),
        ("*.example.com,!www.example.com", "www.example.com"),
        ("!www.example.com,*.example.com", "ftp.example.com"),
        ("!www.example.com", "ftp.example.com"),
        ("h?st", "host"),
        ("[*.example.com]:2222", "[www.example.com]:2222"),
        ("[host]:22", "host"),
        ("HOST", "host"),
        ("host", "HOST"),
        ("*", "anything"),
        ("a,b,c", "b"),
    ],
)
def test_it_finds_the_same_hosts(names: str, host: str, tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"{names} {public_line('ssh-ed25519')}\n")
    found = bool(ssh_keygen("-F", host, "-f", path, check=False).strip())
    name, _, port = host.rpartition("]:")
    result = ssh_keys.read_known_hosts(path).lookup(
        name.lstrip("[") or host, "", int(port) if name else None
    )
    assert bool(result.trusted_keys) is found


def test_signatures_are_the_bytes_of_the_rfc(tmp_path: Path) -> None:
    """ssh-keygen -Y checks a signature over a blob that we made ourselves (PROTOCOL.sshsig)."""
    message = tmp_path / "message"
    message.write_bytes(b"hello")
    for name in KEY_TYPES:
        key = make_key(name)
        head = encode_string(b"file") + encode_string(b"") + encode_string(b"sha512")
        digest = hashlib.sha512(b"hello").digest()
        signature = key.sign(b"SSHSIG" + head + encode_string(digest))
        blob = (
            b"SSHSIG" + encode_uint32(1) + encode_string(key.public_data) + head
        ) + encode_string(signature)
        armour = base64.encodebytes(blob).decode()
        path = tmp_path / "message.sig"
        path.write_text(f"-----BEGIN SSH SIGNATURE-----\n{armour}-----END SSH SIGNATURE-----\n")
        printed = _check_novalidate(path, message)
        assert key.get_fingerprint() in printed


def _check_novalidate(signature: Path, message: Path) -> str:
    with message.open("rb") as stdin:
        result = subprocess.run(
            ["ssh-keygen", "-Y", "check-novalidate", "-n", "file", "-s", str(signature)],
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout
