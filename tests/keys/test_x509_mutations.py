"""Hostile certificates: changed DER and blobs lead to documented exceptions, and to nothing else.

A certificate that was changed but can still be decoded must not be trusted any more, since its
signature is over every byte of it.
"""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import example, given, settings
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import (
    CertificateError,
    KeyImportError,
    SSHX509Certificate,
    decode_x509_certificate,
    import_authorized_keys,
    import_known_hosts,
    load_x509_trust,
)
from ssh_keys.x509.contents import decode_contents
from ssh_keys.x509.decoding import certificate_from_contents

from .x509_support import (
    CLIENT,
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

NAMES = [
    x509.DNSName("a.example"),
    x509.RFC822Name("a@example"),
    x509.UniformResourceIdentifier("https://a.example"),
    x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")),
    x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x0c\x01a"),
]


@cache
def rich() -> SSHX509Certificate:
    """A certificate with all extensions that are looked at."""
    return build(
        leaf(
            more=[
                (usage("digital_signature"), True),
                (x509.SubjectAlternativeName(NAMES), False),
                (
                    x509.NameConstraints(
                        [x509.DNSName("a"), x509.RFC822Name("b")], [x509.DNSName("c")]
                    ),
                    True,
                ),
                (x509.PolicyConstraints(None, 1), True),
                (x509.InhibitAnyPolicy(1), True),
                (
                    x509.CertificatePolicies(
                        [x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), ["text"])]
                    ),
                    True,
                ),
                (
                    x509.UnrecognizedExtension(
                        x509.ObjectIdentifier("2.16.840.1.113730.1.13"), b"\x16\x02hi"
                    ),
                    False,
                ),
            ]
        )
    )


@cache
def sent() -> SSHX509Certificate:
    """A chain as it is sent."""
    return build(leaf()).with_chain([build(middle()).contents])


@cache
def trust() -> ssh_keys.X509Trust:
    """Who is trusted: the root of the chain, and nobody else."""
    return load_x509_trust(build(root()))


def look_at(certificate: SSHX509Certificate) -> None:
    """Ask for everything that there is."""
    assert str(certificate.subject) is not None
    assert certificate.export_certificate() is not None
    _ = certificate.user_principals, certificate.host_principals, repr(certificate)
    certificate.is_for_host("a.example")
    certificate.is_for_host("192.0.2.1")


changes = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 255), st.sampled_from("sidx")),
    min_size=1,
    max_size=4,
)


def changed(data: bytes, edits: list[tuple[int, int, str]]) -> bytes:
    """Data with bytes set, inserted, deleted, and cut off."""
    out = bytearray(data)
    for position, value, kind in edits:
        position %= max(len(out), 1)
        if kind == "s" and out:
            out[position] = value
        elif kind == "i":
            out.insert(position, value)
        elif kind == "d" and out:
            del out[position]
        elif kind == "x" and value < 16:
            del out[position:]
    return bytes(out)


@settings(max_examples=1500)
@given(changes)
def test_changed_certificates(edits: list[tuple[int, int, str]]) -> None:
    data = changed(rich().contents.der, edits)
    shown: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            look_at(certificate_from_contents(decode_contents(data)))
        except KeyImportError as exc:
            shown.append(str(exc))
    assert all(map(str.isprintable, shown))


def test_every_byte_of_a_certificate() -> None:
    data = rich().contents.der
    for position in range(len(data)):
        for value in (data[position] ^ 0x01, data[position] ^ 0x80, 0, 0xFF):
            other = data[:position] + bytes((value,)) + data[position + 1 :]
            try:
                look_at(certificate_from_contents(decode_contents(other)))
            except KeyImportError:
                pass
        with pytest.raises(KeyImportError):
            decode_contents(data[:position])


@settings(max_examples=1000)
@given(changes)
def test_changed_chains_are_not_trusted(edits: list[tuple[int, int, str]]) -> None:
    good = sent()
    data = changed(good.public_data, edits)
    try:
        certificate = decode_x509_certificate(data)
        look_at(certificate)
        path = trust().validate(certificate, "secureShellClient", now=MOMENT)
    except (KeyImportError, CertificateError):
        return
    # What was changed lies outside of the signed parts: OCSP responses, or nothing at all.
    assert [each.der for each in path.contents[:-1]] == [
        good.contents.der,
        good.intermediates[0].der,
    ]


def test_no_changed_bit_of_a_signed_certificate_is_trusted() -> None:
    """Every bit of the holder's certificate, with the right chain above it."""
    good = sent()
    data = good.contents.der
    above = list(good.intermediates)
    for position in range(len(data)):
        other = (
            data[:position] + bytes((data[position] ^ 1 << position % 8,)) + data[position + 1 :]
        )
        try:
            contents = decode_contents(other)
        except KeyImportError:
            continue
        made = SSHX509Certificate(good.key, contents, above)
        with pytest.raises(CertificateError):
            trust().validate(made, None, now=MOMENT)


@settings(max_examples=500)
@given(st.binary(max_size=300))
@example(b"0\x80\0\0")
@example(b"0\x84\xff\xff\xff\xff")
@example(b"0\x00")
@example(b"0" * 300)
def test_arbitrary_data(data: bytes) -> None:
    for read in (decode_contents, decode_x509_certificate, ssh_keys.import_certificate):
        with pytest.raises(KeyImportError):
            read(data)


@settings(max_examples=300)
@given(st.binary(max_size=80), st.sampled_from([b"", b"@revoked ", b"@cert-authority "]))
def test_arbitrary_lines(data: bytes, marker: bytes) -> None:
    for kind in (b"x509v3-ssh-rsa ", b"x509v3-ssh-rsa Subject:", b"x509v3-ssh-rsa Subject:CN="):
        try:
            import_authorized_keys(kind + data.replace(b"\n", b""))
        except KeyImportError:
            pass
        try:
            known = import_known_hosts(marker + b"host " + kind + data.replace(b"\n", b""))
            known.lookup("host")
        except KeyImportError:
            pass


def test_too_many_names() -> None:
    names = [x509.DNSName(f"h{number}") for number in range(1025)]
    with pytest.raises(KeyImportError, match="more than 1024 names"):
        build(leaf(more=[(x509.SubjectAlternativeName(names), False)]))


def test_many_names_and_constraints_take_no_long_time() -> None:
    names = [x509.DNSName(f"h{number}.example") for number in range(1000)]
    rules = [x509.DNSName(f"x{number}.example") for number in range(500)]
    holder = build(leaf(more=[(x509.SubjectAlternativeName(names), False)]))
    high = build(middle(more=[(x509.NameConstraints(None, rules), True)]))
    certificate = holder.with_chain([high.contents])
    assert len(trust().validate(certificate, None, now=MOMENT).contents) == 3


@needs_openssl
@pytest.mark.parametrize("serial", ["-5", "0"])
def test_serial_numbers_are_positive(serial: str, tmp_path: Path) -> None:
    """OpenSSL makes others, and `cryptography` reads them with a warning."""
    openssl(
        *("req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", "k", "-out", "a.pem"),
        *("-subj", "/CN=a", "-set_serial", serial),
        cwd=tmp_path,
    )
    with pytest.raises(KeyImportError, match="not positive"):
        ssh_keys.read_certificate(tmp_path / "a.pem")


def test_parameters_of_algorithms_that_have_none() -> None:
    """What Java 11 made of ECDSA: `cryptography` warns that it will refuse it one day."""
    der = build(leaf()).contents.der
    oid = bytes.fromhex("300a06082a8648ce3d040302")
    with_null = bytes.fromhex("300c06082a8648ce3d0403020500")
    assert der.count(oid) == 2
    first, second, third = der.split(oid)
    for data in (
        first + with_null + second + oid + third,
        first + oid + second + with_null + third,
    ):
        size = len(data) - 4
        data = data[:2] + size.to_bytes(2, "big") + data[4:]
        with pytest.raises(KeyImportError):
            decode_contents(data)


def test_version_1_is_no_holder() -> None:
    """Certificates of version 1 say nothing about authorities, and RFC 6187 wants version 3."""
    data = build(Spec("CN=a", "CN=a", 3, 3, [(CLIENT, False)], NOW)).contents.der
    assert decode_contents(data).version == 3
    other = data.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x00", 1)
    with pytest.raises(KeyImportError):
        decode_contents(other)
