"""OpenSSH certificates: generate, parse, validate; ssh-keygen; vectors; hostile blobs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import (
    CertificateError,
    CertificateFields,
    CertificateType,
    KeyExportError,
    KeyGenerationError,
    KeyImportError,
    SSHLocalKeyPair,
    SSHOpenSSHCertificate,
    UnsupportedKeyError,
    decode_ssh_certificate,
)
from ssh_keys.certificate import encode_body, sign_certificate
from ssh_keys.certificate_options import encode_option_list
from ssh_keys.time_values import FOREVER, parse_time
from ssh_keys.wire import encode_string

from .support import (
    KEY_TYPES,
    SECP256K1,
    VECTORS,
    make_key,
    needs_ssh_keygen,
    needs_vectors,
    ssh_keygen,
)

ALL_TYPES = (*KEY_TYPES, SECP256K1, "ssh-ed448", "ssh-dss")
CA = make_key("ssh-ed25519", 7)
KEY = make_key("ecdsa-sha2-nistp256")
USER, HOST = CertificateType.USER, CertificateType.HOST


def user_certificate(**options: object) -> SSHOpenSSHCertificate:
    return CA.generate_user_certificate(KEY, "an id", principals=["alice", "bob"], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ALL_TYPES)
@pytest.mark.parametrize("ca_name", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp384"])
def test_every_key_type(name: str, ca_name: str) -> None:
    key, ca_key = make_key(name), make_key(ca_name, 3)
    certificate = ca_key.generate_user_certificate(
        key, "id", serial=2**64 - 1, principals="alice, bob", valid_after=5, valid_before=10
    )
    assert certificate.get_algorithm() == f"{name}-cert-v01@openssh.com"
    assert certificate.get_comment() == key.get_comment()
    assert certificate.sig_algorithms == key.sig_algorithms
    copy = decode_ssh_certificate(certificate.public_data)
    assert copy == certificate
    assert hash(copy) == hash(certificate)
    assert copy.fields == certificate.fields
    assert copy.key == key.convert_to_public()
    assert copy.signing_key == ca_key.convert_to_public()
    assert copy.signature_algorithm == ca_key.sig_algorithms[0]
    assert copy.principals == ("alice", "bob")
    assert (copy.fields.valid_after, copy.fields.valid_before) == (5, 10)
    assert copy.get_fingerprint() == key.get_fingerprint()
    copy.validate(USER, "alice", now=5)


def test_host_key_algorithms_of_certificates() -> None:
    rsa = CA.generate_host_certificate(make_key("ssh-rsa"), "id")
    assert rsa.algorithm == b"ssh-rsa-cert-v01@openssh.com"
    assert rsa.host_key_algorithms == (
        b"rsa-sha2-512-cert-v01@openssh.com",
        b"rsa-sha2-256-cert-v01@openssh.com",
        b"ssh-rsa-cert-v01@openssh.com",
    )
    assert [ssh_keys.sig_algorithm_of(name) for name in rsa.host_key_algorithms] == [
        b"rsa-sha2-512",
        b"rsa-sha2-256",
        b"ssh-rsa",
    ]


@pytest.mark.parametrize("sig_alg", ["rsa-sha2-256", "rsa-sha2-512", b"rsa-sha2-256"])
def test_signature_algorithm_can_be_chosen(sig_alg: str | bytes) -> None:
    certificate = make_key("ssh-rsa").generate_user_certificate(
        KEY, "id", principals=["a"], sig_alg=sig_alg
    )
    expected = sig_alg.encode() if isinstance(sig_alg, str) else sig_alg
    assert certificate.signature_algorithm == expected
    certificate.validate(USER, "a")
    with pytest.raises(CertificateError, match="not allowed"):
        certificate.validate(USER, "a", sig_algorithms=[b"ssh-ed25519"])


def test_options() -> None:
    assert user_certificate().options == {
        "permit-X11-forwarding": True,
        "permit-agent-forwarding": True,
        "permit-port-forwarding": True,
        "permit-pty": True,
        "permit-user-rc": True,
    }
    certificate = user_certificate(
        permit_x11_forwarding=False,
        permit_agent_forwarding=False,
        permit_port_forwarding=False,
        permit_user_rc=False,
        touch_required=False,
        verify_required=True,
        force_command="ls -l",
        source_address="192.0.2.0/24,2001:db8::1",
        extensions={"mine@example.com": b"data"},
        comment="my comment",
    )
    assert certificate.options == {
        "permit-pty": True,
        "no-touch-required": True,
        "verify-required": True,
        "force-command": "ls -l",
        "source-address": ["192.0.2.0/24", "2001:db8::1"],
    }
    assert certificate.fields.extensions["mine@example.com"] == b"data"
    assert certificate.get_comment() == "my comment"
    certificate.validate(USER, "alice")
    assert CA.generate_host_certificate(KEY, "id").options == {}


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("192.0.2.9", True),
        ("::ffff:192.0.2.9", True),
        ("2001:db8::1", True),
        ("192.0.3.1", False),
        ("2001:db8::2", False),
        ("", False),
        ("client.example.com", False),
    ],
)
def test_source_address(address: str, allowed: bool) -> None:
    certificate = user_certificate(source_address=["192.0.2.0/24", "2001:db8::1"])
    if allowed:
        certificate.check_source_address(address)
    else:
        with pytest.raises(CertificateError, match="address"):
            certificate.check_source_address(address)
    user_certificate().check_source_address(address)


# --- Validation ------------------------------------------------------------------------------


def test_validity() -> None:
    certificate = user_certificate(valid_after=1000, valid_before=2000)
    certificate.validate(USER, "alice", now=1000)
    certificate.validate(USER, "bob", now=1999.9)
    with pytest.raises(CertificateError, match="not valid yet"):
        certificate.validate(USER, "alice", now=999.9)
    with pytest.raises(CertificateError, match="expired"):
        certificate.validate(USER, "alice", now=2000)
    with pytest.raises(CertificateError, match="expired"):
        certificate.validate(USER, "alice")
    with pytest.raises(CertificateError, match="user certificate used as another kind"):
        certificate.validate(HOST, "alice", now=1000)


@pytest.mark.parametrize("principal", ["carol", "ALICE", "alice,bob", "alic", "*", "alice "])
def test_principals_are_whole_strings(principal: str) -> None:
    with pytest.raises(CertificateError, match="certificate is not for"):
        user_certificate().validate(USER, principal)


def test_a_comma_in_a_principal_is_data() -> None:
    certificate = CA.generate_user_certificate(KEY, "id", principals=["alice,root"])
    certificate.validate(USER, "alice,root")
    for principal in ("alice", "root"):
        with pytest.raises(CertificateError):
            certificate.validate(USER, principal)


def test_user_principals_are_no_patterns() -> None:
    certificate = CA.generate_user_certificate(KEY, "id", principals=["*"])
    with pytest.raises(CertificateError):
        certificate.validate(USER, "root")


def test_without_principals_it_is_good_for_nobody() -> None:
    for certificate, kind in (
        (CA.generate_user_certificate(KEY, "id"), USER),
        (CA.generate_host_certificate(KEY, "id"), HOST),
    ):
        with pytest.raises(CertificateError, match="not for 'root'"):
            certificate.validate(kind, "root")
        # Whoever leaves the principal out compares the principals himself.
        certificate.validate(kind, "")
        assert certificate.principals == ()


@pytest.mark.parametrize(
    ("pattern", "host", "good"),
    [
        ("www.example.com", "www.example.com", True),
        ("www.example.com", "WWW.Example.com", True),
        ("*.example.com", "www.example.com", True),
        ("*.example.com", "example.com", False),
        ("www.example.com", "www.example.org", False),
    ],
)
def test_host_principals(pattern: str, host: str, good: bool) -> None:
    certificate = CA.generate_host_certificate(KEY, "id", principals=[pattern])
    if good:
        certificate.validate(HOST, host)
    else:
        with pytest.raises(CertificateError):
            certificate.validate(HOST, host)


def test_unknown_critical_options() -> None:
    certificate = user_certificate(critical_options={"new@example.com": b""})
    with pytest.raises(CertificateError, match=r"unknown critical option 'new@example\.com'"):
        certificate.validate(USER, "alice")
    assert (
        "new@example.com" in decode_ssh_certificate(certificate.public_data).fields.critical_options
    )
    # Host certificates have no critical option at all.
    fields = CertificateFields(
        type=HOST,
        key_id="id",
        principals=("h",),
        critical_options={"force-command": encode_string(b"x")},
    )
    host = sign_certificate(CA, KEY, fields, bytes(32))
    with pytest.raises(CertificateError, match="critical option 'force-command'"):
        host.validate(HOST, "h")


def test_sha1_and_weak_keys_are_refused() -> None:
    certificate = make_key("ssh-rsa").generate_user_certificate(
        KEY, "id", principals=["a"], sig_alg="ssh-rsa"
    )
    decoded = decode_ssh_certificate(certificate.public_data)
    with pytest.raises(CertificateError, match="'ssh-rsa', which is not allowed"):
        decoded.validate(USER, "a")
    decoded.validate(USER, "a", sig_algorithms=[b"ssh-rsa"])
    strong = make_key("ssh-rsa").generate_user_certificate(KEY, "id", principals=["a"])
    with pytest.raises(CertificateError, match="RSA key of 2048 bits"):
        strong.validate(USER, "a", minimum_rsa_bits=3072)
    dsa = make_key("ssh-dss").generate_user_certificate(KEY, "id", principals=["a"])
    with pytest.raises(CertificateError, match="'ssh-dss', which is not allowed"):
        dsa.validate(USER, "a")


# --- Generation that is refused --------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"version": 0}, "no version 0"),
        ({"serial": -1}, "serial number -1"),
        ({"serial": 2**64}, "serial number"),
        ({"valid_after": 5, "valid_before": 5}, "end before it begins"),
        ({"valid_after": "soon"}, "unknown time value 'soon'"),
        ({"valid_after": -1}, "out of range"),
        ({"source_address": "192.0.2.1/24"}, "source-address"),
        ({"source_address": "host"}, "source-address"),
        ({"sig_alg": "ssh-rsa"}, "no signature .ssh-rsa."),
        ({"key_id": "\ud800"}, "encode"),
    ],
)
def test_generation_refuses(options: dict[str, object], text: str) -> None:
    arguments = {"key_id": "id", "principals": ["a"], **options}
    with pytest.raises(KeyGenerationError, match=text):
        CA.generate_user_certificate(KEY, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("principals", [[""], ["a", ""], ["a"] * 257])
def test_principals_that_are_refused(principals: list[str]) -> None:
    with pytest.raises(KeyGenerationError, match="principals"):
        CA.generate_host_certificate(KEY, "id", principals=principals)


def test_public_keys_sign_nothing() -> None:
    with pytest.raises(KeyGenerationError, match="private part"):
        CA.convert_to_public().generate_user_certificate(KEY, "id")


# --- Time values -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (FOREVER, FOREVER),
        (12.9, 12),
        ("now", 1_000_000),
        ("+1w2d3h4m5s", 1_000_000 + 604800 + 2 * 86400 + 3 * 3600 + 4 * 60 + 5),
        ("1d", 1_086_400),
        ("-1d", 913_600),
        ("-1d2h", 1_000_000 - 86400 - 7200),
        ("-1d+2h", 1_000_000 - 86400 + 7200),
        ("-52w", 0),
        ("+1W", 1_604_800),
        ("19700102Z", 86400),
        ("197001020001Z", 86460),
        ("19700102000001Z", 86401),
        (datetime(1970, 1, 2, tzinfo=UTC), 86400),
        (datetime(2020, 5, 6, 7, 8, 9), int(datetime(2020, 5, 6, 7, 8, 9).timestamp())),  # noqa: DTZ001
        ("20200506070809", int(datetime(2020, 5, 6, 7, 8, 9).timestamp())),  # noqa: DTZ001
        ("20200506", int(datetime(2020, 5, 6).timestamp())),  # noqa: DTZ001
    ],
)
def test_time_values(value: int | float | str | datetime, expected: int) -> None:
    assert parse_time(value, 1_000_000) == expected


@pytest.mark.parametrize(
    "value",
    ["", "1", "+", "w", "1y", "2020", "20201301", "2020010a", "nowish", -1, 2**64, "\u0661d"],
)
def test_time_values_that_are_refused(value: int | str) -> None:
    with pytest.raises(ValueError, match="time value"):
        parse_time(value)


# --- Files -----------------------------------------------------------------------------------


def test_formats(tmp_path: Path) -> None:
    certificate = user_certificate()
    for form in ("openssh", "rfc4716"):
        data = certificate.export_certificate(form)
        copy = ssh_keys.import_certificate(data)
        assert copy == certificate
        assert copy.get_comment() == certificate.get_comment()
        assert ssh_keys.import_certificate(data.decode()) == certificate
    with pytest.raises(KeyExportError, match="unknown certificate format"):
        certificate.export_certificate("pem")
    path = tmp_path / "certs"
    certificate.write_certificate(path)
    other = CA.generate_host_certificate(KEY, "host")
    other.append_certificate(path)
    assert list(ssh_keys.read_certificate_list(path)) == [certificate, other]
    assert ssh_keys.read_certificate(path) == certificate
    for certlist in (path, str(path), [path], [certificate, other.export_certificate()]):
        loaded = ssh_keys.load_certificates(certlist)  # type: ignore[arg-type]
        assert list(loaded) == [certificate, other]
    assert list(ssh_keys.load_certificates(certificate)) == [certificate]
    path.write_text("# nothing\n")
    with pytest.raises(KeyImportError, match=r"certs': no certificate found"):
        ssh_keys.read_certificate(path)
    with pytest.raises(KeyImportError, match="no certificate found"):
        ssh_keys.import_certificate("")


def test_key_pairs_with_certificates(tmp_path: Path) -> None:
    certificate = user_certificate()
    pair = SSHLocalKeyPair(KEY, certificate)
    assert pair.public_data == certificate.public_data
    assert pair.algorithm == certificate.algorithm
    assert pair.host_key_algorithms == certificate.host_key_algorithms
    assert pair.sig_algorithms == KEY.sig_algorithms
    KEY.verify(b"x", pair.sign(b"x", pair.sig_algorithms[0]))
    with pytest.raises(ssh_keys.SignatureError, match="another key"):
        SSHLocalKeyPair(CA, certificate)
    assert SSHLocalKeyPair(KEY).certificate is None
    later = SSHLocalKeyPair(KEY)
    later.set_certificate(certificate)
    later.set_certificate(certificate)
    assert later.certificate is certificate
    assert later.public_data == certificate.public_data
    assert later.key_public_data == KEY.public_data

    path = tmp_path / "id"
    KEY.write_private_key(path)
    assert [p.public_data for p in ssh_keys.load_keypairs(path)] == [KEY.public_data]
    certificate.write_certificate(tmp_path / "id-cert.pub")
    both = [certificate.public_data, KEY.public_data]
    forms: tuple[object, ...] = (
        path,
        str(path),
        [path],
        (KEY, certificate),
        [(KEY, certificate)],
        [(path, tmp_path / "id-cert.pub")],
        [(KEY.export_private_key(), certificate.export_certificate())],
        (KEY, certificate.export_certificate()),
    )
    for keylist in forms:
        pairs = ssh_keys.load_keypairs(keylist)  # type: ignore[arg-type]
        assert [entry.public_data for entry in pairs] == both
    # A tuple says which certificate there is: none.
    assert [p.public_data for p in ssh_keys.load_keypairs([(path, None)])] == both[1:]
    assert [p.public_data for p in ssh_keys.load_keypairs((path, None))] == both[1:]
    assert [p.public_data for p in ssh_keys.load_keypairs(KEY, None, certificate)] == both
    assert [p.public_data for p in ssh_keys.load_keypairs(CA, None, certificate)] == [
        CA.public_data
    ]
    # The one that a tuple names has to be for its key.
    for wrong in ((CA, certificate), [(CA.export_private_key(), tmp_path / "id-cert.pub")]):
        with pytest.raises(KeyImportError, match="is not for the key"):
            ssh_keys.load_keypairs(wrong)
    # A tuple of two keys is a list of two keys.
    assert len(ssh_keys.load_keypairs((KEY, CA))) == 2


# --- Hostile blobs ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
def test_every_changed_byte_and_truncation(name: str) -> None:
    blob = CA.generate_user_certificate(make_key(name), "id", principals=["a"]).public_data
    for position in range(len(blob)):
        changed = bytearray(blob)
        changed[position] ^= 0x11
        with pytest.raises(KeyImportError):
            decode_ssh_certificate(bytes(changed))
        with pytest.raises(KeyImportError):
            decode_ssh_certificate(blob[:position])
    with pytest.raises(KeyImportError):
        decode_ssh_certificate(blob + b"\0")


@given(st.binary(max_size=200))
def test_arbitrary_blobs(data: bytes) -> None:
    for blob in (data, encode_string(b"ssh-ed25519-cert-v01@openssh.com") + data):
        with pytest.raises(KeyImportError):
            decode_ssh_certificate(blob)
        with pytest.raises(KeyImportError):
            ssh_keys.import_certificate(data)


def signed(change: Callable[[bytes], bytes], fields: CertificateFields | None = None) -> bytes:
    """A certificate whose body was changed before it was signed."""
    fields = fields or user_certificate().fields
    body = encode_body(KEY.convert_to_public(), bytes(32), fields, CA.convert_to_public())
    body = change(body)
    return body + encode_string(CA.sign(body))


def test_signed_body_is_read() -> None:
    assert decode_ssh_certificate(signed(lambda body: body)).fields == user_certificate().fields


def test_unknown_kind() -> None:
    fields = user_certificate().fields
    blob = signed(
        lambda body: body.replace(b"\0\0\0\1\0\0\0\5an id", b"\0\0\0\3\0\0\0\5an id"), fields
    )
    with pytest.raises(UnsupportedKeyError, match="kind 3"):
        decode_ssh_certificate(blob)


def test_certificate_as_authority() -> None:
    inner = user_certificate().public_data
    ca_blob = encode_string(CA.public_data)
    blob = signed(lambda body: body[: -len(ca_blob)] + encode_string(inner))
    with pytest.raises(KeyImportError, match="signed by a certificate"):
        decode_ssh_certificate(blob)


def test_options_twice_or_truncated() -> None:
    twice = encode_string(b"permit-pty") + encode_string(b"")
    for extensions in (twice * 2, twice[:-1], encode_string(b"") * 2):
        blob = _with_extensions(extensions)
        with pytest.raises(KeyImportError, match="option"):
            decode_ssh_certificate(blob)
    # The order means nothing.
    swapped = encode_string(b"z") + encode_string(b"") + encode_string(b"a") + encode_string(b"")
    assert set(decode_ssh_certificate(_with_extensions(swapped)).fields.extensions) == {"a", "z"}


def _with_extensions(data: bytes) -> bytes:
    fields = user_certificate().fields
    old = encode_string(encode_option_list(fields.extensions))
    return signed(lambda body: body.replace(old, encode_string(data)), fields)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("force-command", b""),
        ("force-command", b"\0\0\0\xff"),
        ("force-command", encode_string(b"x") + b"y"),
        ("force-command", encode_string(b"\xff")),
        ("source-address", encode_string(b"")),
        ("source-address", encode_string(b"192.0.2.1/24")),
        ("source-address", encode_string(b"*.example.com")),
        ("source-address", encode_string(b"192.0.2.1,")),
        ("verify-required", b"x"),
    ],
)
def test_options_with_malformed_values(name: str, data: bytes) -> None:
    fields = user_certificate().fields.replace(critical_options={name: data})
    with pytest.raises(KeyImportError, match=f"option {name}"):
        decode_ssh_certificate(signed(lambda body: body, fields))


def test_many_principals() -> None:
    fields = user_certificate().fields
    old = encode_string(encode_string(b"alice") + encode_string(b"bob"))
    for count, good in ((256, True), (257, False), (100_000, False)):
        blob = signed(
            lambda body, n=count: body.replace(old, encode_string(encode_string(b"a") * n)),  # type: ignore[misc]
            fields,
        )
        if good:
            assert len(decode_ssh_certificate(blob).principals) == count
        else:
            with pytest.raises(KeyImportError, match="more than 256 principals"):
                decode_ssh_certificate(blob)


def test_repr_is_safe() -> None:
    certificate = CA.generate_user_certificate(KEY, "\x1b[2Jid\n", serial=5)
    assert repr(certificate).isprintable()
    assert "serial 5" in repr(certificate)


def test_declared_type_must_be_the_decoded_one() -> None:
    line = user_certificate().export_certificate().split()
    with pytest.raises(KeyImportError, match="in front of another certificate"):
        ssh_keys.import_certificate(b"ssh-ed25519-cert-v01@openssh.com " + line[1])
    with pytest.raises(KeyImportError, match="not a certificate line"):
        ssh_keys.import_certificate(line[0])
    with pytest.raises(UnsupportedKeyError, match="unknown certificate type"):
        ssh_keys.import_certificate(KEY.export_public_key())


# --- ssh-keygen ------------------------------------------------------------------------------


def facts(path: Path) -> dict[str, str]:
    """What `ssh-keygen -L` prints, by heading; lists joined with blanks."""
    found: dict[str, str] = {}
    heading = ""
    for line in ssh_keygen("-L", "-f", path).splitlines()[1:]:
        if match := re.match(r"^        (\w[\w ]+):\s*(.*)$", line):
            heading = match[1]
            found[heading] = match[2]
        else:
            found[heading] = f"{found[heading]} {line.strip()}".strip()
    return found


@needs_ssh_keygen
@pytest.mark.parametrize("name", KEY_TYPES)
def test_ssh_keygen_reads_ours(name: str, tmp_path: Path) -> None:
    path = tmp_path / "cert.pub"
    key, ca_key = make_key(name), make_key(name, 5)
    ca_key.generate_user_certificate(
        key,
        "the id",
        serial=42,
        principals=["alice", "bob"],
        valid_after="20200101",
        valid_before="20300101",
        force_command="ls -l",
        source_address="192.0.2.0/24",
        permit_user_rc=False,
    ).write_certificate(path)
    printed = facts(path)
    assert printed["Type"] == f"{name}-cert-v01@openssh.com user certificate"
    assert key.get_fingerprint() in printed["Public key"]
    assert ca_key.get_fingerprint() in printed["Signing CA"]
    assert printed["Key ID"] == '"the id"'
    assert printed["Serial"] == "42"
    assert printed["Valid"] == "from 2020-01-01T00:00:00 to 2030-01-01T00:00:00"
    assert printed["Principals"] == "alice bob"
    assert printed["Critical Options"] == "force-command ls -l source-address 192.0.2.0/24"
    assert printed["Extensions"] == (
        "permit-X11-forwarding permit-agent-forwarding permit-port-forwarding permit-pty"
    )
    ca_key.generate_host_certificate(key, "h", principals="a.example.com").write_certificate(path)
    printed = facts(path)
    assert printed["Type"].endswith("host certificate")
    assert printed["Valid"] == "forever"
    assert printed["Extensions"] == "(none)"


@needs_ssh_keygen
@pytest.mark.parametrize("name", KEY_TYPES)
@pytest.mark.parametrize("kind", ["user", "host"])
def test_we_read_ssh_keygens(name: str, kind: str, tmp_path: Path) -> None:
    key, ca_key = make_key(name), make_key("ssh-rsa", 5)
    ca_key.write_private_key(tmp_path / "ca")
    key.write_public_key(tmp_path / "id.pub")
    options = ["-O", "clear", "-O", "force-command=ls", "-O", "permit-pty"]
    ssh_keygen(
        *("-q", "-s", tmp_path / "ca", "-I", "an id", "-n", "x,y.example.com", "-z", "7"),
        *("-V", "20200101:20300101", *(["-h"] if kind == "host" else options)),
        tmp_path / "id.pub",
    )
    path = tmp_path / "id-cert.pub"
    certificate = ssh_keys.read_certificate(path)
    assert isinstance(certificate, SSHOpenSSHCertificate)
    assert certificate.fields.type.name.lower() == kind
    assert certificate.key == key.convert_to_public()
    assert certificate.signing_key == ca_key.convert_to_public()
    assert certificate.signature_algorithm == b"rsa-sha2-512"
    assert certificate.principals == ("x", "y.example.com")
    assert (certificate.fields.key_id, certificate.fields.serial) == ("an id", 7)
    moments = [parse_time("20200101"), parse_time("20300101")]
    assert [certificate.fields.valid_after, certificate.fields.valid_before] == moments
    expected = {"force-command": "ls", "permit-pty": True} if kind == "user" else {}
    assert certificate.options == expected
    assert certificate.export_certificate() == path.read_bytes()
    certificate.validate(certificate.fields.type, "x", now=moments[0])


# --- Vectors ---------------------------------------------------------------------------------


CERTIFIED = (
    "rsa_1",
    "ecdsa_1",
    "ed25519_1",
    "rsa_1_sha1",
    "rsa_1_sha512",
    "ecdsa_sk1",
    "ed25519_sk1",
    "mldsa44_ed25519_1",
)


@needs_vectors
@pytest.mark.parametrize("name", CERTIFIED)
def test_vectors(name: str) -> None:
    path = VECTORS / "sshkey" / f"{name}-cert.pub"
    certificate = ssh_keys.read_certificate(path)
    assert certificate.export_certificate() == path.read_bytes()
    key = ssh_keys.read_public_key(VECTORS / "sshkey" / f"{name}.pub")
    assert certificate.key == key
    recorded = path.with_suffix(".fp")
    if recorded.exists():
        assert certificate.get_fingerprint() == recorded.read_text().strip()


AUTHOPT = {
    "all_permit": {"X11-forwarding", "agent-forwarding", "port-forwarding", "pty", "user-rc"},
    "no_permit": set(),
    "no_agentfwd": {"X11-forwarding", "port-forwarding", "pty", "user-rc"},
    "no_portfwd": {"X11-forwarding", "agent-forwarding", "pty", "user-rc"},
    "no_pty": {"X11-forwarding", "agent-forwarding", "port-forwarding", "user-rc"},
    "no_user_rc": {"X11-forwarding", "agent-forwarding", "port-forwarding", "pty"},
    "no_x11fwd": {"agent-forwarding", "port-forwarding", "pty", "user-rc"},
    "only_agentfwd": {"agent-forwarding"},
    "only_portfwd": {"port-forwarding"},
    "only_pty": {"pty"},
    "only_user_rc": {"user-rc"},
    "only_x11fwd": {"X11-forwarding"},
}


@needs_vectors
@pytest.mark.parametrize("name", sorted(AUTHOPT))
def test_authopt_vectors(name: str) -> None:
    certificate = ssh_keys.read_certificate(VECTORS / "authopt" / f"{name}.cert")
    assert isinstance(certificate, SSHOpenSSHCertificate)
    assert set(certificate.options) == {f"permit-{option}" for option in AUTHOPT[name]}
    certificate.validate(USER, "", now=certificate.fields.valid_after, minimum_rsa_bits=1024)


@needs_vectors
def test_authopt_vectors_with_critical_options() -> None:
    def read(name: str) -> SSHOpenSSHCertificate:
        certificate = ssh_keys.read_certificate(VECTORS / "authopt" / f"{name}.cert")
        assert isinstance(certificate, SSHOpenSSHCertificate)
        return certificate

    assert read("force_command").options["force-command"] == "foo"
    assert read("sourceaddr").options["source-address"] == ["127.0.0.1/32", "::1/128"]
    with pytest.raises(KeyImportError, match="source-address"):
        read("bad_sourceaddr")
    certificate = read("unknown_critical")
    with pytest.raises(CertificateError, match="unknown critical option"):
        certificate.validate(USER, "", now=certificate.fields.valid_after)
    with pytest.raises(CertificateError, match="host certificate used as another kind"):
        read("host").validate(USER, "")
