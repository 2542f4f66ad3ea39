"""The library's own SSH serialization (`cryptography`) as a second opinion, where it has one.

Plain private keys and lines of public keys are in `test_openssh_key`.
"""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import (
    SSHCertificate,
    SSHCertificateBuilder,
    SSHCertificateType,
    load_ssh_public_identity,
    load_ssh_public_key,
    ssh_key_fingerprint,
)

import ssh_keys
from ssh_keys import CertificateType, SSHOpenSSHCertificate

from .support import KEY_TYPES, VECTORS, make_key, needs_vectors

AUTHORITIES = ("ssh-ed25519", "ecdsa-sha2-nistp384", "ssh-rsa")


def same(theirs: SSHCertificate, ours: SSHOpenSSHCertificate) -> None:
    """Compare everything that both tell."""
    theirs.verify_cert_signature()
    fields = ours.fields
    assert theirs.serial == fields.serial
    assert theirs.type.value == fields.type.value
    assert theirs.key_id == fields.key_id.encode()
    assert tuple(name.decode() for name in theirs.valid_principals) == fields.principals
    assert (theirs.valid_after, theirs.valid_before) == (fields.valid_after, fields.valid_before)
    for found, mine in (
        (theirs.critical_options, fields.critical_options),
        (theirs.extensions, fields.extensions),
    ):
        texts = {}
        for name, data in mine.items():
            # They take the string out of its wrapping.
            texts[name.encode()] = data[4:] if data else b""
        assert found == texts
    for key, mine_key in ((theirs.public_key(), ours.key), (theirs.signature_key(), None)):
        line = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        assert ssh_keys.import_public_key(line) == (mine_key or ours.signing_key)
    assert theirs.public_bytes().split()[:2] == ours.export_certificate().split()[:2]


@pytest.mark.parametrize("name", KEY_TYPES)
@pytest.mark.parametrize("authority", AUTHORITIES)
def test_it_reads_our_certificates(name: str, authority: str) -> None:
    ca, key = make_key(authority, 5), make_key(name)
    for made in (
        ca.generate_user_certificate(
            key,
            "the id",
            serial=2**64 - 1,
            principals=["ada", "bob"],
            valid_after="20200101",
            valid_before="20300101",
            force_command="ls -l",
            source_address="192.0.2.0/24",
            permit_user_rc=False,
        ),
        ca.generate_host_certificate(key, "h", principals="a.example.com"),
    ):
        theirs = load_ssh_public_identity(made.export_certificate())
        assert isinstance(theirs, SSHCertificate)
        same(theirs, made)


@pytest.mark.parametrize("name", KEY_TYPES)
@pytest.mark.parametrize("authority", AUTHORITIES)
def test_we_read_its_certificates(name: str, authority: str) -> None:
    ca, key = make_key(authority, 5), make_key(name)
    public: Any = key.public_key_object()
    private: Any = ca.private_key_object()
    builder = (
        SSHCertificateBuilder()
        .public_key(public)
        .serial(77)
        .type(SSHCertificateType.USER)
        .key_id(b"their id")
        .valid_principals([b"ada", b"bob"])
        .valid_after(1_600_000_000)
        .valid_before(1_900_000_000)
        .add_critical_option(b"force-command", b"ls")
        .add_critical_option(b"verify-required", b"")
        .add_extension(b"permit-pty", b"")
    )
    line = builder.sign(private).public_bytes()
    ours = ssh_keys.import_certificate(line)
    assert isinstance(ours, SSHOpenSSHCertificate)
    assert ours.options == {"force-command": "ls", "verify-required": True, "permit-pty": True}
    ours.validate(CertificateType.USER, "ada", now=1_700_000_000)
    theirs = load_ssh_public_identity(line)
    assert isinstance(theirs, SSHCertificate)
    same(theirs, ours)


@pytest.mark.parametrize("name", KEY_TYPES)
def test_fingerprints(name: str) -> None:
    key = make_key(name)
    public: Any = key.public_key_object()
    for algorithm in (hashes.SHA256(), hashes.MD5()):
        digest = ssh_key_fingerprint(public, algorithm)
        shown = key.get_fingerprint(algorithm.name)
        assert shown == ssh_keys.key_material.format_fingerprint(key.public_data, algorithm.name)
        if algorithm.name == "md5":
            assert shown == f"MD5:{digest.hex(':')}"


@needs_vectors
@pytest.mark.parametrize(
    "path", sorted(VECTORS.glob("*/*.pub")), ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_public_vectors(path: Any) -> None:
    """What it reads, we read as well, and to the same key."""
    data = path.read_bytes()
    if b"-cert-v01@" in data:
        try:
            theirs = load_ssh_public_identity(data)
        except UnsupportedAlgorithm:
            return
        ours = ssh_keys.import_certificate(data)
        assert isinstance(theirs, SSHCertificate)
        assert isinstance(ours, SSHOpenSSHCertificate)
        assert (theirs.serial, theirs.key_id) == (ours.fields.serial, ours.fields.key_id.encode())
        return
    try:
        key: Any = load_ssh_public_key(data)
    except (UnsupportedAlgorithm, ValueError):
        return
    mine = ssh_keys.import_public_key(data)
    if mine.get_algorithm().startswith("sk-"):
        # The library has the key without its application.
        point = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        raw = key.public_bytes(*point) if mine.type_name == "ECDSA-SK" else key.public_bytes_raw()
        assert raw in mine.public_data
    else:
        assert mine.public_key_object() == key
