"""Where a client finds the X.509 authorities that it trusts by default."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssh_connection.connection.x509_trust import client_x509_trust, server_x509_trust
from ssh_keys import (
    CertificateError,
    KeyImportError,
    SSHX509Certificate,
    X509Trust,
    generate_private_key,
)

KEY = generate_private_key("ecdsa-sha2-nistp256")


def authority(name: str) -> SSHX509Certificate:
    """A self-signed certificate."""
    return KEY.generate_x509_ca_certificate(KEY, f"CN={name}")


def believes(trust: X509Trust, name: str) -> bool:
    """Whether a certificate of that authority is good."""
    made = KEY.generate_x509_user_certificate(KEY, "CN=alice", f"CN={name}")
    try:
        trust.validate(made, "secureShellClient")
    except CertificateError:
        return False
    return True


ONE, TWO = authority("one"), authority("two")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory with nothing in its .ssh."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path / ".ssh"


def test_nothing_by_default(home: Path) -> None:
    assert not client_x509_trust((), ())
    assert not client_x509_trust(None, None)
    assert not server_x509_trust((), ())


def test_files_of_the_user(home: Path) -> None:
    ONE.write_certificate(home / "ca-bundle.crt", "pem")
    assert believes(client_x509_trust((), ()), "one")
    assert not client_x509_trust(None, ())
    assert not server_x509_trust((), ())
    named = client_x509_trust(TWO, ())
    assert believes(named, "two")
    assert not believes(named, "one")
    (home / "crt").mkdir()
    name = f"{TWO.subject.openssl_hash():08x}.0"
    TWO.write_certificate(home / "crt" / name, "der")
    both = client_x509_trust((), ())
    assert believes(both, "one")
    assert believes(both, "two")
    assert not believes(client_x509_trust((), None), "two")


def test_a_file_that_changed_is_read_again(home: Path) -> None:
    path = home / "ca-bundle.crt"
    ONE.write_certificate(path, "pem")
    assert client_x509_trust((), ()) is client_x509_trust((), ())
    TWO.append_certificate(path, "pem")
    assert believes(client_x509_trust((), ()), "two")
    path.write_bytes(b"damaged")
    with pytest.raises(KeyImportError, match=r"ca-bundle\.crt"):
        client_x509_trust((), ())


def test_files_that_are_named_have_to_be_there(home: Path) -> None:
    with pytest.raises(FileNotFoundError):
        client_x509_trust(str(home / "nothing"), ())
    with pytest.raises(NotADirectoryError):
        server_x509_trust((), str(home / "nothing"))
