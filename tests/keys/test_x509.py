"""X.509 certificates: generate, write, read, key pairs; trust files; openssl reads them, too."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ssh_keys
from ssh_keys import (
    CertificateError,
    CertificatePrincipalError,
    CertificateRevokedError,
    KeyExportError,
    KeyGenerationError,
    KeyImportError,
    SignatureError,
    SSHKey,
    SSHKnownHosts,
    SSHLocalKeyPair,
    SSHX509Certificate,
    UnsupportedKeyError,
    X509NamePattern,
    decode_x509_certificate,
    import_authorized_keys,
    load_x509_trust,
)
from ssh_keys.wire import encode_string, encode_uint32

from .support import KEY_TYPES, SECP256K1, make_key
from .x509_support import MOMENT, build, leaf, middle, needs_openssl, openssl, root

ALL = (*KEY_TYPES, SECP256K1, "ssh-ed448", "ssh-dss")
CA = make_key("ecdsa-sha2-nistp256", 9)
KEY = make_key("ecdsa-sha2-nistp256", 10)
NAMES = {
    "ssh-rsa": ("x509v3-rsa2048-sha256", "x509v3-ssh-rsa"),
    "ssh-dss": ("x509v3-ssh-dss",),
    **{name: (f"x509v3-{name}",) for name in ALL if name not in ("ssh-rsa", "ssh-dss")},
}


def user(**options: Any) -> SSHX509Certificate:
    """A certificate of a user."""
    values = {"subject": "O=Org,CN=alice", "issuer": "O=Org,CN=CA", **options}
    return CA.generate_x509_user_certificate(KEY, **values)


# --- Generating ------------------------------------------------------------------------------


@needs_openssl
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("signer", ALL)
def test_every_key_type(name: str, signer: str, tmp_path: Path) -> None:
    key, ca = make_key(name), make_key(signer, 1)
    top = ca.generate_x509_ca_certificate(ca, "O=Org,CN=CA", ca_path_len=0)
    made = ca.generate_x509_user_certificate(key, "CN=a", "O=Org,CN=CA", principals="a")
    assert made.host_key_algorithms == tuple(each.encode() for each in NAMES[name])
    assert made.key == key.convert_to_public()
    load_x509_trust([top]).validate(made, "secureShellClient")
    top.write_certificate(tmp_path / "ca.pem", "pem")
    made.write_certificate(tmp_path / "a.pem", "pem")
    said = openssl("verify", "-x509_strict", "-CAfile", "ca.pem", "a.pem", cwd=tmp_path)
    assert said.endswith("OK\n")


@needs_openssl
def test_what_openssl_reads(tmp_path: Path) -> None:
    made = user(
        serial=77,
        principals=["alice", "alice@example.com"],
        valid_after="20200101000000Z",
        valid_before="20300101000000Z",
        comment="a comment",
    )
    made.write_certificate(tmp_path / "a.pem", "pem")
    text = openssl("x509", "-in", "a.pem", "-noout", "-text", cwd=tmp_path).replace(" = ", "=")
    for expected in (
        "Serial Number: 77 (0x4d)",
        "Issuer: O=Org, CN=CA",
        "Subject: O=Org, CN=alice",
        "Not Before: Jan  1 00:00:00 2020 GMT",
        "Not After : Jan  1 00:00:00 2030 GMT",
        "CA:FALSE",
        "Digital Signature\n",
        "SSH Client",
        "email:alice, email:alice@example.com",
        "a comment",
    ):
        assert expected in text
    host = CA.generate_x509_host_certificate(
        KEY, "CN=h", "O=Org,CN=CA", principals="a.example,*.b.example,192.0.2.1,::1"
    )
    host.write_certificate(tmp_path / "h.pem", "pem")
    text = openssl("x509", "-in", "h.pem", "-noout", "-text", cwd=tmp_path)
    assert "SSH Server" in text
    assert (
        "DNS:a.example, DNS:*.b.example, IP Address:192.0.2.1, IP Address:0:0:0:0:0:0:0:1" in text
    )
    assert "Dec 31 23:59:59 9999 GMT" in text


def test_what_it_says() -> None:
    made = user(principals="a,b", comment="hello", serial=5)
    assert (str(made.subject), str(made.issuer), made.serial) == (
        "O=Org,CN=alice",
        "O=Org,CN=CA",
        5,
    )
    assert made.user_principals == ("a", "b")
    assert made.host_principals == ()
    assert made.get_comment() == "hello"
    assert made.is_x509
    assert not made.is_ca
    assert "CN=alice" in repr(made)
    assert user().user_principals == ("alice",)
    assert user(purposes=["any"]).purposes is None
    assert user(purposes=None).purposes is None
    assert user(purposes="serverAuth,1.2.3.4").purposes == ("1.2.3.4", "1.3.6.1.5.5.7.3.1")
    top = CA.generate_x509_ca_certificate(CA, "CN=CA", ca_path_len=2)
    assert top.is_ca
    assert top.contents.path_length == 2
    assert top.subject == top.issuer


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"subject": "alice"}, "no part"),
        ({"subject": "Foo=x"}, "unknown X.509 name attribute"),
        ({"subject": "CN=" + "a" * 65}, "length"),
        ({"subject": "C=Germany"}, ""),
        ({"subject": ""}, "need a subject"),
        ({"subject": "CN=a", "issuer": ""}, "issuer"),
        ({"serial": 0}, "serial number 0"),
        ({"serial": 1 << 160}, "out of range"),
        ({"principals": "a,,b"}, "empty principal"),
        ({"principals": ["ä"]}, ""),
        ({"purposes": "bogus"}, "unknown X.509 purpose"),
        ({"hash_alg": "sha1"}, "no X.509 signature with the hash 'sha1'"),
        ({"hash_alg": "md5"}, "md5"),
        ({"valid_after": "20300101", "valid_before": "20200101"}, "end before it begins"),
        ({"valid_before": 1 << 62}, "year 9999"),
        ({"valid_before": "nonsense"}, "time value"),
    ],
)
def test_generation_refuses(options: dict[str, object], text: str) -> None:
    with pytest.raises(KeyGenerationError) as caught:
        user(**options)
    assert text in str(caught.value)


def test_keys_that_make_no_certificate() -> None:
    for key in (make_key("ssh-ed25519"), make_key("ssh-ed448")):
        with pytest.raises(KeyGenerationError, match="hash of their own"):
            key.generate_x509_user_certificate(KEY, "CN=a", hash_alg="sha256")
    with pytest.raises(KeyGenerationError, match="no private part"):
        CA.convert_to_public().generate_x509_user_certificate(KEY, "CN=a")
    composite = make_key("ssh-mldsa44-ed25519@openssh.com")
    with pytest.raises(KeyGenerationError, match="OpenSSH's own formats"):
        composite.generate_x509_user_certificate(KEY, "CN=a")
    with pytest.raises(KeyGenerationError, match="OpenSSH's own formats"):
        CA.generate_x509_user_certificate(composite, "CN=a")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ssh-rsa", "sha256"),
        ("ecdsa-sha2-nistp256", "sha256"),
        ("ecdsa-sha2-nistp384", "sha384"),
        ("ecdsa-sha2-nistp521", "sha512"),
    ],
)
def test_hashes(name: str, expected: str) -> None:
    key = make_key(name)
    hash_ = key.generate_x509_user_certificate(KEY, "CN=a").to_object().signature_hash_algorithm
    assert hash_ is not None
    assert hash_.name == expected
    other = key.generate_x509_user_certificate(KEY, "CN=a", hash_alg="sha224")
    assert getattr(other.to_object().signature_hash_algorithm, "name", None) == "sha224"


# --- Forms -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("form", ["openssh", "pem", "der", "rfc4716"])
def test_forms(name: str, form: str, tmp_path: Path) -> None:
    made = CA.generate_x509_user_certificate(make_key(name), "CN=a", "CN=CA", comment="what")
    data = made.export_certificate(form)
    copy = ssh_keys.import_certificate(data)
    assert copy == made
    assert hash(copy) == hash(made)
    assert copy.get_comment() == "what"
    path = tmp_path / "file"
    made.write_certificate(path, form)
    assert ssh_keys.read_certificate(path) == made
    other = user()
    other.append_certificate(path, form)
    assert list(ssh_keys.read_certificate_list(path)) == [made, other] or form == "der"
    assert list(ssh_keys.load_certificates([str(path), made]))[:1] == [made]
    assert other != made


def test_der_files_with_several(tmp_path: Path) -> None:
    one, two = user(), user(serial=8)
    (tmp_path / "der").write_bytes(one.export_certificate("der") + two.export_certificate("der"))
    assert list(ssh_keys.read_certificate_list(tmp_path / "der")) == [one, two]


def test_forms_that_do_not_exist() -> None:
    for form in ("pkcs8-pem", "x509", ""):
        with pytest.raises(KeyExportError):
            user().export_certificate(form)
    openssh = CA.generate_user_certificate(KEY, "id")
    for form in ("pem", "der"):
        with pytest.raises(KeyExportError):
            openssh.export_certificate(form)


def test_the_wire_form() -> None:
    """RFC 6187 section 2.1, byte for byte."""
    holder, high = build(leaf()), build(middle())
    sent = holder.with_chain([high.contents])
    expected = (
        encode_string(b"x509v3-ecdsa-sha2-nistp256")
        + encode_uint32(2)
        + encode_string(holder.contents.der)
        + encode_string(high.contents.der)
        + encode_uint32(0)
    )
    assert sent.public_data == expected
    copy = decode_x509_certificate(expected)
    assert copy == sent
    assert copy.intermediates == sent.intermediates
    line = b"x509v3-ecdsa-sha2-nistp256 " + b64encode(expected)
    assert ssh_keys.import_certificate(line) == sent
    with_ocsp = expected[:-4] + encode_uint32(1) + encode_string(b"an answer")
    assert decode_x509_certificate(with_ocsp).ocsp_responses == (b"an answer",)
    assert decode_x509_certificate(with_ocsp).public_data == with_ocsp


def test_rsa_blobs_begin_with_the_negotiated_name() -> None:
    made = CA.generate_x509_user_certificate(make_key("ssh-rsa"), "CN=a", "CN=CA")
    old, new = b"x509v3-ssh-rsa", b"x509v3-rsa2048-sha256"
    assert made.public_data == made.blob_for(new)
    assert made.blob_for(old) == encode_string(old) + made.public_data[4 + len(new) :]
    assert decode_x509_certificate(made.blob_for(old)).public_data == made.blob_for(old)


def blob(name: bytes, *ders: bytes, count: int | None = None, tail: bytes = b"\0\0\0\0") -> bytes:
    """A blob of these parts."""
    number = len(ders) if count is None else count
    return encode_string(name) + encode_uint32(number) + b"".join(map(encode_string, ders)) + tail


P256 = b"x509v3-ecdsa-sha2-nistp256"


@pytest.mark.parametrize(
    "make",
    [
        lambda der: b"",
        lambda der: blob(b"x509v3-unknown", der),
        lambda der: blob(b"ssh-ed25519", der),
        lambda der: blob(b"x509v3-ssh-rsa", der),
        lambda der: blob(b"x509v3-ecdsa-sha2-nistp384", der),
        lambda der: blob(P256),
        lambda der: blob(P256, der, count=2),
        lambda der: blob(P256, der, count=0xFFFFFFFF),
        lambda der: blob(P256, *([der] * 11)),
        lambda der: blob(P256, der, tail=b""),
        lambda der: blob(P256, der, tail=b"\0\0\0\0x"),
        lambda der: blob(P256, der, tail=encode_uint32(2) + encode_string(b"") * 2),
        lambda der: blob(P256, der, tail=encode_uint32(0xFFFFFFFF)),
        lambda der: blob(P256, der + b"x"),
        lambda der: blob(P256, der[:-1]),
        lambda der: blob(P256, b""),
        lambda der: blob(P256, der, b"\x30\x00"),
        lambda der: blob(P256, b"\x30" * 70000),
    ],
)
def test_blobs_that_are_refused(make: Callable[[bytes], bytes]) -> None:
    with pytest.raises(KeyImportError):
        decode_x509_certificate(make(user().contents.der))


def test_lines_that_are_refused() -> None:
    line = user().export_certificate()
    for data in (
        line.replace(b"nistp256 ", b"nistp384 "),
        b"x509v3-ecdsa-sha2-nistp256",
        b"x509v3-ecdsa-sha2-nistp256 ####",
        b"x509v3-ecdsa-sha2-nistp256 Subject:CN=a",
        b"x509v3-unknown AAAA",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n",
        b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
    ):
        with pytest.raises(KeyImportError):
            ssh_keys.import_certificate(data)


# --- Key pairs -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_key_pairs_sign(name: str) -> None:
    key = make_key(name)
    made = CA.generate_x509_user_certificate(key, "CN=a", "CN=CA")
    pair = SSHLocalKeyPair(key, made)
    assert pair.certificate == made
    assert pair.host_key_algorithms == made.host_key_algorithms
    for algorithm in pair.host_key_algorithms:
        sig_algorithm = ssh_keys.sig_algorithm_of(algorithm)
        signature = pair.sign(b"data", sig_algorithm)
        made.key.verify(b"data", signature, (sig_algorithm,))
        assert decode_x509_certificate(pair.blob_for(algorithm)).key == made.key
    with pytest.raises(SignatureError):
        pair.sign(b"data", b"rsa-sha2-512")
    with pytest.raises(SignatureError, match="another key"):
        SSHLocalKeyPair(make_key(name, 5), made)


def test_the_rsa_signature_of_x509_is_for_x509_only() -> None:
    key = make_key("ssh-rsa")
    signature = key.sign(b"data", b"rsa2048-sha256")
    key.verify(b"data", signature, (b"rsa2048-sha256",))
    with pytest.raises(SignatureError, match="not allowed"):
        key.verify(b"data", signature)
    with pytest.raises(SignatureError):
        SSHLocalKeyPair(key).sign(b"data", b"rsa2048-sha256")
    assert b"rsa2048-sha256" not in key.sig_algorithms


def chain_files(folder: Path) -> tuple[SSHKey, SSHX509Certificate, bytes]:
    """A key, its certificate with the one above, and both in PEM in the wrong order."""
    holder, high, top = build(leaf()), build(middle()), build(root())
    data = top.export_certificate("pem") + high.export_certificate("pem")
    return (
        make_key("ecdsa-sha2-nistp256", 2),
        holder.with_chain([high.contents]),
        data + holder.export_certificate("pem"),
    )


def test_key_pairs_with_chains(tmp_path: Path) -> None:
    key, made, data = chain_files(tmp_path)
    path = tmp_path / "id"
    key.write_private_key(path)
    (tmp_path / "chain.pem").write_bytes(data)
    certificates = list(ssh_keys.load_certificates(tmp_path / "chain.pem"))
    for keylist in (
        [(key, certificates)],
        (key, certificates),
        [(str(path), str(tmp_path / "chain.pem"))],
        [(path.read_bytes(), certificates)],
        (key, made),
        (str(path), made.export_certificate("pem")),
    ):
        first, *others = ssh_keys.load_keypairs(keylist)
        assert first.certificate == made or keylist == (str(path), made.export_certificate("pem"))
        assert first.public_data.startswith(encode_string(P256))
        assert others[0].certificate is None
    first, _ = ssh_keys.load_keypairs(key, certlist=certificates)
    assert first.certificate == made
    (tmp_path / "id-cert.pub").write_bytes(data)
    first, _ = ssh_keys.load_keypairs(str(path))
    assert first.certificate == made


@pytest.mark.parametrize("form", ["pkcs8-pem", "pkcs1-pem", "pkcs8-der", "pkcs1-der"])
def test_certificates_in_the_file_of_the_key(form: str, tmp_path: Path) -> None:
    key, made, data = chain_files(tmp_path)
    path = tmp_path / "id"
    behind = data if form.endswith("pem") else made.export_certificate("der")
    path.write_bytes(key.export_private_key(form) + behind)
    assert ssh_keys.read_private_key(path) == key
    first, second = ssh_keys.load_keypairs(str(path))
    assert isinstance(first.certificate, SSHX509Certificate)
    assert first.certificate.contents == made.contents
    assert second.certificate is None
    if form.endswith("pem"):
        assert first.certificate == made


# --- Trust files -----------------------------------------------------------------------------

HOST = CA.generate_x509_host_certificate(
    KEY, "O=Org,CN=host", "O=Org,CN=CA", principals="a.example,*.w.example,192.0.2.1,::1"
)
TOP = CA.generate_x509_ca_certificate(CA, "O=Org,CN=CA")


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("a.example", True),
        ("A.Example.", True),
        ("b.a.example", False),
        ("x.w.example", True),
        ("w.example", False),
        ("x.y.w.example", False),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("::1", True),
        ("0:0::1", True),
        ("::ffff:192.0.2.1", True),
        ("", False),
        ("host", False),
    ],
)
def test_names_of_hosts(host: str, good: bool) -> None:
    assert HOST.is_for_host(host) is good
    known = SSHKnownHosts("").lookup("whatever")
    if good:
        known.check_x509(HOST, host, load_x509_trust(TOP))
    else:
        with pytest.raises(CertificatePrincipalError):
            known.check_x509(HOST, host, load_x509_trust(TOP))


@pytest.mark.parametrize("pattern", ["*", "*.example", "a*.example.com", "www.*.example.com"])
def test_wildcards_that_stand_for_nothing(pattern: str) -> None:
    made = CA.generate_x509_host_certificate(KEY, "CN=h", "CN=CA", principals=[pattern])
    for host in ("a.example", "ab.example.com", "www.a.example.com", "example"):
        assert not made.is_for_host(host)


def test_known_hosts() -> None:
    text = HOST.export_certificate().decode()
    lines = (
        f"a.example {text}"
        "*.example x509v3-ssh-rsa Subject:O=Org,CN=host\n"
        f"@cert-authority a.example {TOP.export_certificate().decode()}"
        f"@revoked a.example {user().export_certificate().decode()}"
        "@revoked *.example x509v3-sign-rsa Subject:O=Bad,*\n"
        "b.example x509v3-ssh-rsa nonsense\n"
    )
    known = SSHKnownHosts(lines)
    match = known.match("a.example", "", None)
    assert match[:3] == ((), (), ())
    assert list(match.trusted_x509_certs) == [HOST, TOP]
    assert [str(each.subject) for each in match.revoked_x509_certs] == ["O=Org,CN=alice"]
    assert list(match.trusted_x509_subjects) == [X509NamePattern.parse("O=Org,CN=host")]
    assert list(match.revoked_x509_subjects) == [X509NamePattern.parse("O=Bad,*")]
    assert b"x509v3-rsa2048-sha256" in known.lookup("a.example").host_key_algorithms
    assert known.lookup("b.example").problems
    assert known.match("c.test", "", None) == ((),) * 7


@pytest.mark.parametrize(
    "line", ["@revoked * x509v3-ssh-rsa Subject:*", "@revoked * x509v3-ssh-rsa AAAA"]
)
def test_damaged_lines_of_known_hosts(line: str) -> None:
    with pytest.raises(KeyImportError, match="line 1"):
        SSHKnownHosts(line)


def test_seven_lists() -> None:
    lists = ((), (), (), [HOST], TOP, ["O=Org,*"], [X509NamePattern.parse("O=Bad,*")])
    match = ssh_keys.match_known_hosts(lists, "a", "", None)
    assert list(match.trusted_x509_certs) == [HOST]
    assert list(match.revoked_x509_certs) == [TOP]
    assert list(map(str, match.trusted_x509_subjects)) == ["O=Org,*"]
    assert list(map(str, match.revoked_x509_subjects)) == ["O=Bad,*"]
    result = ssh_keys.KnownHostsResult.from_match(match)
    assert result.x509_certs == (HOST,)
    openssh = CA.generate_host_certificate(KEY, "id")
    with pytest.raises(KeyImportError, match=r"no X\.509 certificate"):
        ssh_keys.match_known_hosts(((), (), (), [openssh], (), (), ()), "a", "", None)
    with pytest.raises(ValueError):
        ssh_keys.match_known_hosts(((), (), (), (), (), ["nonsense"], ()), "a", "", None)


def test_who_decides_about_hosts() -> None:
    trust = load_x509_trust(TOP)
    subject = SSHKnownHosts("* x509v3-ssh-rsa Subject:O=Org,CN=host").lookup("elsewhere")
    subject.check_x509(HOST, "elsewhere", trust)
    with pytest.raises(CertificateError, match="no trusted authority"):
        subject.check_x509(HOST, "elsewhere", load_x509_trust())
    other = SSHKnownHosts("* x509v3-ssh-rsa Subject:O=Org,CN=other").lookup("a.example")
    with pytest.raises(CertificatePrincipalError, match="subject is not the one"):
        other.check_x509(HOST, "a.example", trust)
    listed = SSHKnownHosts(b"* " + HOST.export_certificate()).lookup("elsewhere")
    listed.check_x509(HOST, "elsewhere", load_x509_trust())
    revoked = [
        b"@revoked * x509v3-ssh-rsa Subject:o=ORG,cn=HOST",
        b"@revoked * " + HOST.export_certificate(),
        b"@revoked * " + KEY.export_public_key(),
    ]
    for line in revoked:
        known = SSHKnownHosts(line + b"\n* " + HOST.export_certificate()).lookup("a.example")
        with pytest.raises(CertificateRevokedError):
            known.check_x509(HOST, "a.example", trust)
    known = SSHKnownHosts(b"@revoked * " + TOP.export_certificate()).lookup("a.example")
    with pytest.raises(CertificateRevokedError):
        known.check_x509(HOST, "a.example", trust)
    # Also if it was sent and is not needed: the certificate itself is listed.
    sent = SSHX509Certificate(HOST.key, HOST.contents, [TOP.contents])
    with pytest.raises(CertificateRevokedError):
        load_x509_trust(HOST).validate(sent, None, revoked=[TOP])


def test_authorized_keys(tmp_path: Path) -> None:
    certificate = user(comment=None).export_certificate().decode().strip()
    authorized = import_authorized_keys(
        f"{certificate} a comment\n"
        'from="192.0.2.*",command="x" x509v3-ssh-rsa Subject:O=My Org,*\n'
        f'cert-authority,principals="a,b" {TOP.export_certificate().decode()}'
        "x509v3-unknown AAAA\n"
    )
    first, second, third = authorized.x509_entries
    assert len(authorized) == 3
    assert list(authorized) == []
    assert authorized.problems[0].startswith("line 4")
    assert isinstance(first.holder, SSHX509Certificate)
    assert first.holder.get_comment() == "a comment"
    assert str(second.holder) == "O=My Org,*"
    assert second.allows("", "192.0.2.9")
    assert not second.allows("", "192.0.3.9")
    assert second.options["command"] == "x"
    assert third.is_ca
    assert third.allows("", "", ["b"])
    assert not third.allows("", "", ["c"])
    for entry in authorized.x509_entries:
        (copy,) = import_authorized_keys(entry.export_line()).x509_entries
        assert copy.options == entry.options
        assert str(copy.holder) == str(entry.holder)


@pytest.mark.parametrize(
    "line",
    [
        "x509v3-ssh-rsa Subject:",
        "x509v3-ssh-rsa Subject:*",
        "x509v3-ssh-rsa AAAA",
        "x509v3-ssh-rsa",
        'command="x" x509v3-ssh-rsa Subject:nonsense',
    ],
)
def test_damaged_lines_of_authorized_keys(line: str) -> None:
    with pytest.raises(KeyImportError, match="line 1"):
        import_authorized_keys(line)


def test_lines_that_let_users_in() -> None:
    holder, high, top = build(leaf()), build(middle()), build(root())
    sent = holder.with_chain([high.contents])
    trust = load_x509_trust(top)

    def path_of(line: bytes | str, trusted: object = trust) -> object:
        (entry,) = import_authorized_keys(line).x509_entries
        assert isinstance(trusted, ssh_keys.X509Trust)
        return entry.validate(sent, trusted, now=MOMENT)

    nobody = load_x509_trust()
    assert path_of("x509v3-ssh-rsa Subject:O=Org,CN=alice") is not None
    assert path_of("x509v3-ssh-rsa Subject:O=Org,CN=bob") is None
    assert path_of(holder.export_certificate(), nobody) is not None
    assert path_of(build(leaf(serial=8)).export_certificate()) is None
    assert path_of(b"cert-authority " + top.export_certificate(), nobody) is not None
    assert path_of(b"cert-authority " + high.export_certificate(), nobody) is not None
    assert path_of("cert-authority x509v3-ssh-rsa Subject:O=Org,CN=Middle") is not None
    assert path_of("cert-authority x509v3-ssh-rsa Subject:O=Org,CN=alice") is None
    for line in (
        b"x509v3-ssh-rsa Subject:O=Org,CN=alice",
        b"cert-authority x509v3-ssh-rsa Subject:O=Org,CN=Middle",
    ):
        with pytest.raises(CertificateError):
            path_of(line, nobody)
    with pytest.raises(CertificateError):
        path_of(b"cert-authority " + build(root(key=5, signer=5)).export_certificate())


# --- The rest --------------------------------------------------------------------------------


def test_certificates_of_small_rsa_keys(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    from ssh_keys.rsa import RSAKey

    small = RSAKey.from_object(rsa.generate_private_key(65537, 1024))
    made = CA.generate_x509_user_certificate(small, "CN=a", "O=Org,CN=CA")
    assert made.host_key_algorithms == (b"x509v3-ssh-rsa",)
    with pytest.raises(CertificateError, match="1024 bits"):
        load_x509_trust(TOP).validate(made, None)
    with pytest.raises(SignatureError, match="1024 bits"):
        small.sign(b"data", b"rsa2048-sha256")


def test_revocation_lists_know_no_x509(tmp_path: Path) -> None:
    user().write_certificate(tmp_path / "a.pem", "pem")
    result = subprocess.run(
        [sys.executable, "-m", "ssh_keys", "krl", "create", "list", "a.pem"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "X.509" in result.stderr


def test_unsupported_keys_are_named() -> None:
    with pytest.raises(UnsupportedKeyError, match="x509v3-unknown"):
        decode_x509_certificate(blob(b"x509v3-unknown", user().contents.der))
