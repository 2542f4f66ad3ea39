"""Revocation lists of X.509 authorities (RFC 5280 section 5), and what openssl says about them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from ssh_keys import (
    CertificateError,
    CertificateRevokedError,
    KeyImportError,
    SSHX509Certificate,
    X509Name,
    load_x509_trust,
)
from ssh_keys.x509.crl import decode_crl

from .support import make_key
from .x509_support import (
    DAY,
    MOMENT,
    NOW,
    Spec,
    build,
    leaf,
    middle,
    needs_openssl,
    openssl,
    root,
    usage,
)

DELTA = x509.DeltaCRLIndicator(1)
PARTIAL = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\0")


def crl(
    issuer: str,
    signer: int,
    serials: Iterable[int] = (),
    *,
    made: datetime = NOW - DAY,
    due: datetime | None = NOW + DAY,
    extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
    algorithm: str = "ecdsa-sha2-nistp256",
    digest: hashes.HashAlgorithm | None = None,
) -> bytes:
    """A revocation list in PEM, signed with the shared key of that number."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(X509Name.parse(issuer).to_object())
        .last_update(made)
        .next_update(due or NOW + DAY)
    )
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(made)
        builder = builder.add_revoked_certificate(entry.build())
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    key = make_key(algorithm, signer).private_key_object()
    chosen = None if isinstance(key, Ed25519PrivateKey) else digest or hashes.SHA256()
    signed = builder.sign(cast("CertificateIssuerPrivateKeyTypes", key), chosen)  # type: ignore[arg-type]
    return signed.public_bytes(Encoding.PEM)


def by_root(serials: Iterable[int] = (), **options: object) -> bytes:
    return crl("O=Org,CN=Root", 0, serials, **options)  # type: ignore[arg-type]


def by_middle(serials: Iterable[int] = (), **options: object) -> bytes:
    return crl("O=Org,CN=Middle", 1, serials, **options)  # type: ignore[arg-type]


def chain(
    leaf_spec: Spec | None = None, middle_spec: Spec | None = None
) -> tuple[SSHX509Certificate, ...]:
    return tuple(
        map(build, (leaf_spec or leaf(serial=100), middle_spec or middle(serial=50), root()))
    )


def accepted(certificates: tuple[SSHX509Certificate, ...], *lists: bytes) -> bool:
    """Whether the first certificate is good; raises CertificateError unless it is revoked."""
    holder, between, top = certificates
    trust = load_x509_trust([top, *lists])
    try:
        trust.validate(holder.with_chain([between.contents]), None, now=MOMENT)
    except CertificateRevokedError:
        return False
    return True


def openssl_says(certificates: tuple[SSHX509Certificate, ...], folder: Path, *lists: bytes) -> bool:
    """The same of `openssl verify -crl_check_all`, which wants a list of each authority."""
    for name, each in zip(("leaf", "middle", "root"), certificates, strict=True):
        each.write_certificate(folder / f"{name}.pem", "pem")
    (folder / "lists.pem").write_bytes(b"".join(lists))
    words = ("verify", "-attime", str(int(MOMENT)), "-crl_check_all", "-CRLfile", "lists.pem")
    said = openssl(
        *(*words, "-CAfile", "root.pem", "-untrusted", "middle.pem", "leaf.pem"),
        cwd=folder,
        check=False,
    )
    return said.strip().endswith("leaf.pem: OK")


@needs_openssl
@pytest.mark.parametrize(
    ("of_root", "of_middle", "good"),
    [
        ((), (), True),
        ((), (99, 101), True),
        ((), (99, 100, 101), False),
        ((50,), (), False),
        ((100,), (50,), True),
    ],
)
def test_serial_numbers(
    of_root: tuple[int, ...], of_middle: tuple[int, ...], good: bool, tmp_path: Path
) -> None:
    lists = by_root(of_root), by_middle(of_middle)
    assert accepted(chain(), *lists) is good
    assert openssl_says(chain(), tmp_path, *lists) is good


@needs_openssl
@pytest.mark.parametrize(
    ("lists", "text"),
    [
        ((by_root(), by_middle(due=NOW - timedelta(hours=1))), "has expired"),
        ((by_root(), by_middle(made=NOW + timedelta(hours=1))), "not valid yet"),
        ((by_root(), crl("O=Org,CN=Middle", 5)), "wrong signature"),
        ((by_root(), by_middle(extensions=[(UNKNOWN, True)])), "critical extension 1.2.3.4.5"),
    ],
    ids=["expired", "early", "signed by somebody else", "unknown extension"],
)
def test_lists_that_are_not_good(lists: tuple[bytes, ...], text: str, tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=text):
        accepted(chain(), *lists)
    assert not openssl_says(chain(), tmp_path, *lists)
    # Another list that is good makes up for it.
    assert accepted(chain(), *lists, by_middle())
    assert not accepted(chain(), *lists, by_middle([100]))


@pytest.mark.parametrize(
    ("extension", "oid"), [(DELTA, "2.5.29.27"), (PARTIAL, "2.5.29.28")], ids=["delta", "partial"]
)
def test_lists_that_are_not_complete(extension: x509.ExtensionType, oid: str) -> None:
    with pytest.raises(CertificateError, match=f"critical extension {oid}"):
        accepted(chain(), by_middle(extensions=[(extension, True)]))


def test_keys_that_are_for_no_lists() -> None:
    certifies = usage("key_cert_sign")
    certificates = chain(middle_spec=middle(serial=50, more=[(certifies, True)]))
    with pytest.raises(CertificateError, match="not for revocation lists"):
        accepted(certificates, by_middle())
    both = usage("key_cert_sign", "crl_sign")
    assert accepted(chain(middle_spec=middle(serial=50, more=[(both, True)])), by_middle())


def test_lists_of_others_say_nothing() -> None:
    assert accepted(chain(), crl("O=Other,CN=Root", 0, [50, 100]))
    # A list revokes what its issuer issued, not what has the same number.
    assert accepted(chain(), by_root([100]))


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp384"])
def test_kinds_of_keys(algorithm: str) -> None:
    top = build(root(algorithm=algorithm))
    held = build(leaf(algorithm=algorithm, issuer="O=Org,CN=Root", signer=0, serial=3))
    for serials, good in (((3,), False), ((4,), True)):
        trust = load_x509_trust([top, by_root(serials, algorithm=algorithm)])
        if good:
            trust.validate(held, None, now=MOMENT)
        else:
            with pytest.raises(CertificateRevokedError, match="by its authority"):
                trust.validate(held, None, now=MOMENT)


@needs_openssl
def test_list_of_openssl(tmp_path: Path) -> None:
    """`openssl ca -revoke` and `-gencrl`, in a file with the certificate and in a directory."""
    holder, between, top = chain()
    top.write_certificate(tmp_path / "root.pem", "pem")
    between.write_certificate(tmp_path / "middle.pem", "pem")
    make_key("ecdsa-sha2-nistp256", 0).write_private_key(tmp_path / "root.key", "pkcs8-pem")
    (tmp_path / "index").write_text("")
    (tmp_path / "number").write_text("01\n")
    (tmp_path / "conf").write_text(
        "[ca]\ndefault_ca=own\n[own]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\n"
        "private_key=root.key\ncertificate=root.pem\ndefault_crl_days=30000\n"
    )
    ca = ("ca", "-config", "conf")
    openssl(*ca, "-gencrl", "-out", "before.pem", cwd=tmp_path)
    openssl(*ca, "-revoke", "middle.pem", cwd=tmp_path)
    openssl(*ca, "-gencrl", "-out", "after.pem", cwd=tmp_path)
    later = MOMENT + 10 * 365 * 86400  # the list is of today, whenever that is
    spec = {"valid_before": NOW + 30 * 365 * DAY}
    holder, between, top = chain(leaf(serial=100, **spec), middle(serial=50, **spec))
    top = build(root(**spec))
    sent = holder.with_chain([between.contents])
    for name, good in (("before.pem", True), ("after.pem", False)):
        bundle = tmp_path / f"bundle-{name}"
        bundle.write_bytes(top.export_certificate("pem") + (tmp_path / name).read_bytes())
        folder = tmp_path / f"folder-{name}"
        folder.mkdir()
        top.write_certificate(folder / "root.pem", "pem")
        (folder / "list.pem").write_bytes((tmp_path / name).read_bytes())
        openssl("rehash", folder, cwd=tmp_path)
        assert any(path.name.endswith(".r0") for path in folder.iterdir())
        for trust in (load_x509_trust(bundle), load_x509_trust(paths=folder)):
            if good:
                trust.validate(sent, None, now=later)
                continue
            with pytest.raises(CertificateRevokedError):
                trust.validate(sent, None, now=later)
    folder = tmp_path / "folder-before.pem"
    (folder / f"{top.subject.openssl_hash():08x}.r1").write_bytes(b"0")
    with pytest.raises(CertificateError, match=r"\.r1"):
        load_x509_trust(paths=folder).validate(sent, None, now=later)


def test_joined_and_extended_trust_keeps_its_lists() -> None:
    holder, between, top = chain()
    sent = holder.with_chain([between.contents])
    alone = load_x509_trust(by_middle([100]))
    assert alone
    for trust in (
        load_x509_trust(top).joined(alone),
        alone.joined(load_x509_trust(top)),
        alone.extended([top]),
    ):
        with pytest.raises(CertificateRevokedError):
            trust.validate(sent, None, now=MOMENT)


DER = x509.load_pem_x509_crl(by_middle([100])).public_bytes(Encoding.DER)


def test_every_changed_byte() -> None:
    """Nothing but the documented exceptions, and no changed list takes anything back or away."""
    holder, between, top = chain()
    sent = holder.with_chain([between.contents])
    for position in range(len(DER)):
        changed = bytearray(DER)
        changed[position] ^= 0x01
        try:
            each = decode_crl(bytes(changed))
        except KeyImportError:
            continue
        trust = load_x509_trust(top)
        trust._crls = (each,)
        if each.issuer_der != between.contents.subject_der:
            continue
        with pytest.raises(CertificateError):
            trust.validate(sent, None, now=MOMENT)
    for end in range(len(DER)):
        with pytest.raises(KeyImportError):
            decode_crl(DER[:end])


@given(st.binary(max_size=200))
def test_arbitrary_data(data: bytes) -> None:
    for text in (data, b"\x30" + data, DER[: len(data)] + data):
        with pytest.raises(KeyImportError):
            decode_crl(text)


def test_largest_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssh_keys.x509.crl.MAXIMUM_CRL_SIZE", len(DER) - 1)
    with pytest.raises(KeyImportError, match="bytes"):
        decode_crl(DER)
