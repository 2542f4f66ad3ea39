"""Certificates with whatever is wrong with them, made by `cryptography` and by openssl."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificatePublicKeyTypes,
)
from cryptography.hazmat.primitives.serialization import Encoding

import ssh_keys
from ssh_keys import SSHKey, SSHX509Certificate, X509Name

from .support import make_key

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed"
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BITS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
#: `NOW` as ours take it.
MOMENT = NOW.timestamp()
DAY = timedelta(days=1)

BASIC_CA = x509.BasicConstraints(ca=True, path_length=None)
BASIC_END = x509.BasicConstraints(ca=False, path_length=None)


def usage(*names: str) -> x509.KeyUsage:
    """A KeyUsage with these bits."""
    return x509.KeyUsage(**{bit: bit in names for bit in BITS})


CLIENT = x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.21")])
WEB = x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.1")])


@dataclass
class Spec:
    """What to put into a certificate.

    Parameters:
        subject, issuer: names as `X509Name.parse` takes them.
        key: number of the shared key that it is for.
        signer: number of the key that signs.
        extensions: with whether they are critical.
    """

    subject: str
    issuer: str
    key: int
    signer: int
    extensions: Iterable[tuple[x509.ExtensionType, bool]] = ()
    valid_after: datetime = NOW - DAY
    valid_before: datetime = NOW + DAY
    algorithm: str = "ecdsa-sha2-nistp256"
    serial: int = 7
    more: list[tuple[x509.ExtensionType, bool]] = field(default_factory=list)


def build(spec: Spec) -> SSHX509Certificate:
    """Make the certificate."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(X509Name.parse(spec.subject).to_object())
        .issuer_name(X509Name.parse(spec.issuer).to_object())
        .public_key(cast("CertificatePublicKeyTypes", holder(spec).public_key_object()))
        .serial_number(spec.serial)
        .not_valid_before(spec.valid_after)
        .not_valid_after(spec.valid_before)
    )
    for extension, critical in (*spec.extensions, *spec.more):
        builder = builder.add_extension(extension, critical)
    signer = make_key(spec.algorithm, spec.signer).private_key_object()
    algorithm = None if isinstance(signer, Ed25519PrivateKey) else hashes.SHA256()
    made = builder.sign(cast("CertificateIssuerPrivateKeyTypes", signer), algorithm)
    certificate = ssh_keys.import_certificate(made.public_bytes(Encoding.DER))
    assert isinstance(certificate, SSHX509Certificate)
    return certificate


def holder(spec: Spec) -> SSHKey:
    """The key that a certificate is for."""
    return make_key(spec.algorithm, spec.key)


def root(**changes: object) -> Spec:
    """A self-signed authority, key 0."""
    return _spec("O=Org,CN=Root", "O=Org,CN=Root", 0, 0, [(BASIC_CA, True)], changes)


def middle(**changes: object) -> Spec:
    """An authority below the root, key 1."""
    return _spec("O=Org,CN=Middle", "O=Org,CN=Root", 1, 0, [(BASIC_CA, True)], changes)


def leaf(**changes: object) -> Spec:
    """A user's certificate below the middle, key 2."""
    extensions = [(BASIC_END, True), (CLIENT, False)]
    return _spec("O=Org,CN=alice", "O=Org,CN=Middle", 2, 1, extensions, changes)


def _spec(
    subject: str,
    issuer: str,
    key: int,
    signer: int,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
    changes: dict[str, object],
) -> Spec:
    return replace(Spec(subject, issuer, key, signer, extensions), **changes)  # type: ignore[arg-type]


def openssl(*arguments: str | Path, cwd: Path, check: bool = True) -> str:
    """Run openssl and return what it prints."""
    result = subprocess.run(
        ["openssl", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    if check:
        assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def openssl_accepts(chain: Iterable[SSHX509Certificate], folder: Path) -> bool:
    """Whether `openssl verify` finds a path: root last, holder first."""
    first, *others = chain
    first.write_certificate(folder / "leaf.pem", "pem")
    others[-1].write_certificate(folder / "root.pem", "pem")
    untrusted: list[str | Path] = []
    if others[:-1]:
        data = b"".join(each.export_certificate("pem") for each in others[:-1])
        (folder / "middle.pem").write_bytes(data)
        untrusted = ["-untrusted", "middle.pem"]
    said = openssl(
        *("verify", "-attime", str(int(MOMENT)), "-CAfile", "root.pem"),
        *untrusted,
        "leaf.pem",
        cwd=folder,
        check=False,
    )
    return said.strip().endswith("leaf.pem: OK")
