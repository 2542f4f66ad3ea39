"""Certification paths: which ones lead to an anchor, and what openssl says about the same ones."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509

import ssh_keys
from ssh_keys import (
    CertificateError,
    CertificateExpiredError,
    CertificateRevokedError,
    SSHX509Certificate,
    X509Name,
    X509Trust,
    load_x509_trust,
)
from ssh_keys.x509.purposes import PURPOSES

from .support import make_key
from .x509_support import (
    BASIC_CA,
    BASIC_END,
    DAY,
    MOMENT,
    NOW,
    WEB,
    Spec,
    build,
    leaf,
    middle,
    needs_openssl,
    openssl,
    openssl_accepts,
    root,
    usage,
)

UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\0")
Chain = tuple[SSHX509Certificate, ...]


def chain_of(*specs: Spec) -> Chain:
    """Certificates, the holder first and the root last."""
    return tuple(map(build, specs))


def validate(chain: Chain, purposes: str | None = "secureShellClient", **options: object) -> None:
    """Check a chain whose last certificate is trusted."""
    between = [each.contents for each in chain[1:-1]]
    holder = SSHX509Certificate(chain[0].key, chain[0].contents, between)
    trust = load_x509_trust([chain[-1]])
    trust.validate(holder, purposes, **{"now": MOMENT, **options})  # type: ignore[arg-type]


def critical(extension: x509.ExtensionType) -> list[tuple[x509.ExtensionType, bool]]:
    """One more extension that is critical."""
    return [(extension, True)]


def constraints(
    permitted: list[x509.GeneralName] | None = None, excluded: list[x509.GeneralName] | None = None
) -> list[tuple[x509.ExtensionType, bool]]:
    """Name constraints."""
    return critical(x509.NameConstraints(permitted, excluded))


def names(*values: x509.GeneralName) -> list[tuple[x509.ExtensionType, bool]]:
    """Alternative names."""
    return [(x509.SubjectAlternativeName(values), False)]


def directory(text: str) -> x509.DirectoryName:
    """A directory name."""
    return x509.DirectoryName(X509Name.parse(text).to_object())


DNS, MAIL, ADDRESS = x509.DNSName, x509.RFC822Name, x509.IPAddress
V4, V6 = ip_address("10.1.2.3"), ip_address("fe80::1")

GOOD: dict[str, Callable[[], Chain]] = {
    "two": lambda: chain_of(leaf(issuer="O=Org,CN=Root", signer=0), root()),
    "three": lambda: chain_of(leaf(), middle(), root()),
    "usages": lambda: chain_of(
        leaf(more=critical(usage("digital_signature"))),
        middle(more=critical(usage("key_cert_sign"))),
        root(more=critical(usage("key_cert_sign", "crl_sign"))),
    ),
    "first second": lambda: chain_of(leaf(valid_after=NOW), middle(), root()),
    "path length": lambda: chain_of(
        leaf(),
        middle(extensions=[(x509.BasicConstraints(ca=True, path_length=0), True)]),
        root(extensions=[(x509.BasicConstraints(ca=True, path_length=1), True)]),
    ),
    "no purposes": lambda: chain_of(leaf(extensions=[(BASIC_END, True)]), middle(), root()),
    "not critical": lambda: chain_of(leaf(more=[(UNKNOWN, False)]), middle(), root()),
    "host in permitted domain": lambda: chain_of(
        leaf(more=names(DNS("a.corp.example"))),
        middle(more=constraints([DNS("corp.example")])),
        root(),
    ),
    "host is the permitted domain": lambda: chain_of(
        leaf(more=names(DNS("corp.example"))),
        middle(more=constraints([DNS("corp.example")])),
        root(),
    ),
    "mail of permitted host": lambda: chain_of(
        leaf(more=names(MAIL("al@corp.example"))),
        middle(more=constraints([MAIL("corp.example")])),
        root(),
    ),
    "mail of permitted domain": lambda: chain_of(
        leaf(more=names(MAIL("al@a.corp.example"))),
        middle(more=constraints([MAIL(".corp.example")])),
        root(),
    ),
    "permitted mailbox": lambda: chain_of(
        leaf(more=names(MAIL("al@corp.example"))),
        middle(more=constraints([MAIL("al@corp.example")])),
        root(),
    ),
    "permitted network": lambda: chain_of(
        leaf(more=names(ADDRESS(V4), ADDRESS(V6))),
        middle(
            more=constraints([ADDRESS(ip_network("10.0.0.0/8")), ADDRESS(ip_network("fe80::/10"))])
        ),
        root(),
    ),
    "permitted directory": lambda: chain_of(
        leaf(), middle(more=constraints([directory("O=org ")])), root()
    ),
    "constraint of another form": lambda: chain_of(
        leaf(more=names(MAIL("al@corp.example"))),
        middle(more=constraints([DNS("x.example")])),
        root(),
    ),
    "policies": lambda: chain_of(
        leaf(
            more=critical(
                x509.CertificatePolicies(
                    [x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), None)]
                )
            )
        ),
        middle(more=critical(x509.InhibitAnyPolicy(0))),
        root(),
    ),
}

BAD: dict[str, Callable[[], Chain]] = {
    "expired": lambda: chain_of(leaf(valid_before=NOW - DAY / 2), middle(), root()),
    "a second too late": lambda: chain_of(leaf(valid_before=NOW - DAY / 86400), middle(), root()),
    "not yet": lambda: chain_of(leaf(valid_after=NOW + DAY / 2), middle(), root()),
    "authority expired": lambda: chain_of(leaf(), middle(valid_before=NOW - DAY / 2), root()),
    "root expired": lambda: chain_of(leaf(), middle(), root(valid_before=NOW - DAY / 2)),
    "authority is none": lambda: chain_of(leaf(), middle(extensions=[(BASIC_END, True)]), root()),
    "authority without constraints": lambda: chain_of(leaf(), middle(extensions=[]), root()),
    "root is none": lambda: chain_of(leaf(), middle(), root(extensions=[(BASIC_END, True)])),
    "authority may not certify": lambda: chain_of(
        leaf(), middle(more=critical(usage("digital_signature"))), root()
    ),
    "root may not certify": lambda: chain_of(
        leaf(), middle(), root(more=critical(usage("crl_sign")))
    ),
    "path too long for the middle": lambda: chain_of(
        leaf(signer=3, issuer="O=Org,CN=Deep"),
        Spec("O=Org,CN=Deep", "O=Org,CN=Middle", 3, 1, [(BASIC_CA, True)]),
        middle(extensions=[(x509.BasicConstraints(ca=True, path_length=0), True)]),
        root(),
    ),
    "path too long for the root": lambda: chain_of(
        leaf(), middle(), root(extensions=[(x509.BasicConstraints(ca=True, path_length=0), True)])
    ),
    "unknown critical extension": lambda: chain_of(leaf(more=critical(UNKNOWN)), middle(), root()),
    "unknown in authority": lambda: chain_of(leaf(), middle(more=critical(UNKNOWN)), root()),
    "wrong signature": lambda: chain_of(leaf(signer=0), middle(), root()),
    "wrong signature of authority": lambda: chain_of(leaf(), middle(signer=2), root()),
    "another issuer": lambda: chain_of(leaf(issuer="O=Org,CN=Other"), middle(), root()),
    "host outside of permitted domain": lambda: chain_of(
        leaf(more=names(DNS("acorp.example"))),
        middle(more=constraints([DNS("corp.example")])),
        root(),
    ),
    "excluded host": lambda: chain_of(
        leaf(more=names(DNS("x.CORP.example"))),
        middle(more=constraints(None, [DNS("corp.example")])),
        root(),
    ),
    "one host of two": lambda: chain_of(
        leaf(more=names(DNS("a.corp.example"), DNS("b.example"))),
        middle(more=constraints([DNS("corp.example")])),
        root(),
    ),
    "excluded wins": lambda: chain_of(
        leaf(more=names(DNS("a.b.example"))),
        middle(more=constraints([DNS("example")], [DNS("b.example")])),
        root(),
    ),
    "constraints of the root": lambda: chain_of(
        leaf(more=names(DNS("a.example"))), middle(), root(more=constraints([DNS("b.example")]))
    ),
    "mail of another host": lambda: chain_of(
        leaf(more=names(MAIL("al@a.corp.example"))),
        middle(more=constraints([MAIL("corp.example")])),
        root(),
    ),
    "mail of the domain itself": lambda: chain_of(
        leaf(more=names(MAIL("al@corp.example"))),
        middle(more=constraints([MAIL(".corp.example")])),
        root(),
    ),
    "another mailbox": lambda: chain_of(
        leaf(more=names(MAIL("bo@corp.example"))),
        middle(more=constraints([MAIL("al@corp.example")])),
        root(),
    ),
    "other network": lambda: chain_of(
        leaf(more=names(ADDRESS(V4))),
        middle(more=constraints([ADDRESS(ip_network("10.2.0.0/16"))])),
        root(),
    ),
    "excluded network": lambda: chain_of(
        leaf(more=names(ADDRESS(V6))),
        middle(more=constraints(None, [ADDRESS(ip_network("fe80::/10"))])),
        root(),
    ),
    "other directory": lambda: chain_of(
        leaf(), middle(more=constraints([directory("O=Other")])), root()
    ),
    "excluded directory in other letters": lambda: chain_of(
        leaf(), middle(more=constraints(None, [directory("O=ORG,CN= Alice")])), root()
    ),
}

#: Where we are stricter than openssl without a purpose.
OURS: dict[str, Callable[[], Chain]] = {
    "another purpose": lambda: chain_of(
        leaf(extensions=[(BASIC_END, True), (WEB, False)]), middle(), root()
    ),
    "authority for another purpose": lambda: chain_of(leaf(), middle(more=[(WEB, False)]), root()),
    "key is not for signatures": lambda: chain_of(
        leaf(more=critical(usage("key_agreement"))), middle(), root()
    ),
    "critical extension of the root": lambda: chain_of(
        leaf(), middle(), root(more=critical(UNKNOWN))
    ),
    "required policy": lambda: chain_of(
        leaf(), middle(more=critical(x509.PolicyConstraints(0, None))), root()
    ),
    "mail that is none": lambda: chain_of(
        leaf(more=names(MAIL("alice"))), middle(more=constraints([MAIL("corp.example")])), root()
    ),
}


@needs_openssl
@pytest.mark.parametrize("name", sorted(GOOD))
def test_good_paths(name: str, tmp_path: Path) -> None:
    chain = GOOD[name]()
    validate(chain)
    assert openssl_accepts(chain, tmp_path)


@needs_openssl
@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_paths(name: str, tmp_path: Path) -> None:
    chain = BAD[name]()
    with pytest.raises(CertificateError):
        validate(chain, None)
    assert not openssl_accepts(chain, tmp_path)


@pytest.mark.parametrize("name", sorted(OURS))
def test_paths_that_only_we_refuse(name: str) -> None:
    with pytest.raises(CertificateError):
        validate(OURS[name]())


def test_self_issued_authorities_do_not_count() -> None:
    """RFC 5280 section 4.2.1.9; openssl finds such a path only by key identifiers."""
    chain = chain_of(
        leaf(signer=3),
        Spec("O=Org,CN=Middle", "O=Org,CN=Middle", 3, 1, [(BASIC_CA, True)]),
        middle(extensions=[(x509.BasicConstraints(ca=True, path_length=0), True)]),
        root(),
    )
    validate(chain)
    made = chain[0].with_chain(each.contents for each in reversed(chain[1:]))
    assert made.intermediates == tuple(each.contents for each in chain[1:3])


def test_the_last_second_counts() -> None:
    """RFC 5280 section 4.1.2.5: through notAfter, inclusive; openssl ends a second earlier."""
    validate(chain_of(leaf(valid_before=NOW), middle(), root()))


def test_errors_tell_what_is_wrong() -> None:
    with pytest.raises(CertificateExpiredError, match="expired"):
        validate(BAD["expired"]())
    with pytest.raises(CertificateExpiredError, match="not valid yet"):
        validate(BAD["not yet"]())
    with pytest.raises(CertificateError, match=r"extension 1\.2\.3\.4\.5"):
        validate(BAD["unknown critical extension"]())
    with pytest.raises(CertificateError, match="wrong signature"):
        validate(BAD["wrong signature"]())


@pytest.mark.parametrize("number", range(3))
def test_revoked(number: int) -> None:
    chain = GOOD["three"]()
    with pytest.raises(CertificateRevokedError):
        validate(chain, revoked=[chain[number]])
    validate(chain, revoked=[build(leaf(serial=8))])


@pytest.mark.parametrize(
    ("purposes", "good"),
    [
        ("secureShellClient", True),
        ("secureShellServer", False),
        (["serverAuth", "secureShellClient"], True),
        ("serverAuth,1.3.6.1.5.5.7.3.21", True),
        ("1.3.6.1.5.5.7.3.20", False),
        ("any", True),
        (["serverAuth", "any"], True),
        ("2.5.29.37.0", True),
        (None, True),
        ((), True),
    ],
)
def test_purposes(purposes: str, good: bool) -> None:
    chain = GOOD["three"]()
    if good:
        validate(chain, purposes)
    else:
        with pytest.raises(CertificateError, match="another purpose"):
            validate(chain, purposes)


def test_any_purpose_in_the_certificate() -> None:
    any_purpose = x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.5.29.37.0")])
    validate(
        chain_of(leaf(extensions=[(BASIC_END, True), (any_purpose, True)]), middle(), root()),
        "secureShellServer",
    )


def test_unknown_purpose() -> None:
    with pytest.raises(ValueError, match=r"unknown X\.509 purpose"):
        validate(GOOD["three"](), "secureShell")


def test_a_trusted_certificate_needs_nobody_above_it() -> None:
    holder = build(leaf())
    trust = load_x509_trust(holder)
    assert len(trust.validate(holder, "secureShellClient", now=MOMENT).contents) == 1
    with pytest.raises(CertificateExpiredError):
        trust.validate(holder, "secureShellClient", now=MOMENT + 2 * 86400)
    with pytest.raises(CertificateError, match="no trusted authority"):
        trust.validate(build(leaf(serial=8)), "secureShellClient", now=MOMENT)


def test_an_authority_in_the_middle_can_be_the_anchor() -> None:
    trust = load_x509_trust(build(middle()))
    path = trust.validate(build(leaf()), None, now=MOMENT)
    assert [str(each.subject) for each in path.contents] == ["O=Org,CN=alice", "O=Org,CN=Middle"]


def test_nothing_is_trusted_by_default() -> None:
    assert not X509Trust()
    with pytest.raises(CertificateError, match="no trusted authority"):
        X509Trust().validate(build(root()), None, now=MOMENT)


def test_the_right_one_of_two_authorities_with_one_name() -> None:
    others = [build(root(serial=number, key=number, signer=number)) for number in (3, 4, 5)]
    trust = load_x509_trust([*others, build(root())])
    holder = build(leaf(issuer="O=Org,CN=Root", signer=0))
    assert trust.validate(holder, None, now=MOMENT).contents[-1].serial == 7
    with pytest.raises(CertificateError, match="wrong signature"):
        load_x509_trust(others).validate(holder, None, now=MOMENT)


def test_the_chain_has_to_be_in_order() -> None:
    """RFC 6187 section 2.1: each following certificate certifies the one preceding it."""
    deep = Spec("O=Org,CN=Deep", "O=Org,CN=Middle", 3, 1, [(BASIC_CA, True)])
    holder, low, high, top = chain_of(
        leaf(signer=3, issuer="O=Org,CN=Deep"), deep, middle(), root()
    )
    trust = load_x509_trust([top])
    right = SSHX509Certificate(holder.key, holder.contents, [low.contents, high.contents])
    wrong = SSHX509Certificate(holder.key, holder.contents, [high.contents, low.contents])
    trust.validate(right, None, now=MOMENT)
    with pytest.raises(CertificateError, match="does not certify"):
        trust.validate(wrong, None, now=MOMENT)
    # The root may be sent, too, and what follows behind it is not looked at.
    sent = SSHX509Certificate(
        holder.key, holder.contents, [each.contents for each in (low, high, top, holder)]
    )
    trust.validate(sent, None, now=MOMENT)


def test_what_a_peer_sends_is_not_trusted() -> None:
    holder, high, top = chain_of(leaf(), middle(), root())
    sent = SSHX509Certificate(holder.key, holder.contents, [high.contents, top.contents])
    with pytest.raises(CertificateError, match="wrong signature"):
        load_x509_trust([build(root(key=5, signer=5))]).validate(sent, None, now=MOMENT)


def test_long_chains_end() -> None:
    # An authority that issued itself, over and over, is all that a peer needs to send more.
    again = build(root())
    sent = SSHX509Certificate(again.key, again.contents, [again.contents] * 100)
    with pytest.raises(CertificateError, match="no trusted authority"):
        load_x509_trust([build(middle())]).validate(sent, None, now=MOMENT)


def test_small_rsa_keys(tmp_path: Path) -> None:
    key = make_key("ssh-rsa")
    signed = key.generate_x509_user_certificate(key, "CN=a", purposes=None)
    trust = load_x509_trust(signed)
    trust.validate(signed, None)
    with pytest.raises(CertificateError, match="RSA key of 2048 bits"):
        trust.validate(signed, None, minimum_rsa_bits=3072)


@needs_openssl
@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_broken_hashes(digest: str, tmp_path: Path) -> None:
    openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem"),
        *("-subj", "/CN=ca", "-days", "2", "-addext", "basicConstraints=critical,CA:true"),
        cwd=tmp_path,
    )
    openssl(
        *("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "u.key", "-out", "u.csr"),
        *("-subj", "/CN=alice"),
        cwd=tmp_path,
    )
    (tmp_path / "ext").write_text("basicConstraints=CA:false\n")
    common = ("x509", "-req", "-in", "u.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2")
    trust = load_x509_trust(tmp_path / "ca.pem")
    for name, good in (("sha256", True), (digest, False)):
        openssl(
            *common,
            *(f"-{name}", "-extfile", "ext", "-set_serial", "5", "-out", "u.pem"),
            cwd=tmp_path,
        )
        certificate = ssh_keys.read_certificate(tmp_path / "u.pem")
        assert isinstance(certificate, SSHX509Certificate)
        if good:
            trust.validate(certificate, None)
        else:
            with pytest.raises(CertificateError, match=f"signed with {digest}"):
                trust.validate(certificate, None)


@needs_openssl
@pytest.mark.parametrize("form", ["pem", "der"])
def test_directories(form: str, tmp_path: Path) -> None:
    """Files named as openssl names them, two of them with the same hash."""
    holder, high, top = chain_of(leaf(), middle(), root())
    folder = tmp_path / "trusted"
    folder.mkdir()
    build(root(key=5, signer=5)).write_certificate(folder / "a.pem", "pem")
    top.write_certificate(folder / "b.pem", "pem")
    openssl("rehash", "trusted", cwd=tmp_path)
    links = sorted(path.name for path in folder.iterdir() if path.suffix != ".pem")
    assert [name.split(".")[1] for name in links] == ["0", "1"]
    if form == "der":
        for path in folder.glob("*.pem"):
            path.write_bytes(ssh_keys.read_certificate(path).export_certificate("der"))
    trust = load_x509_trust(paths=str(folder))
    sent = holder.with_chain([high.contents])
    assert trust.validate(sent, None, now=MOMENT).contents[-1].der == top.contents.der
    with pytest.raises(CertificateError, match="no trusted authority"):
        trust.validate(holder, None, now=MOMENT)
    (folder / links[0]).unlink()
    (folder / links[0]).write_bytes(b"not a certificate")
    with pytest.raises(CertificateError, match=r"no X\.509 certificate found"):
        trust.validate(sent, None, now=MOMENT)


def test_directories_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        load_x509_trust(paths=[tmp_path, tmp_path / "nothing"])


def test_trust_from_everything(tmp_path: Path) -> None:
    top, other = build(root()), build(middle())
    path = tmp_path / "bundle.pem"
    path.write_bytes(
        b"a comment\n" + top.export_certificate("pem") + other.export_certificate("pem")
    )
    der = tmp_path / "both.der"
    der.write_bytes(top.export_certificate("der") + other.export_certificate("der"))
    lines = tmp_path / "lines"
    lines.write_bytes(b"# trusted\n" + top.export_certificate() + other.export_certificate())
    holder = build(leaf())
    for certs in (path, str(der), lines, path.read_bytes(), [top, other], (top, str(path))):
        load_x509_trust(certs).validate(holder, None, now=MOMENT)
    for nothing in ((), None):
        assert not load_x509_trust(nothing)
    path.write_bytes(b"")
    with pytest.raises(ssh_keys.KeyImportError, match=r"bundle\.pem.*no X.509 certificate"):
        load_x509_trust(path)


@needs_openssl
def test_authorities_with_keys_that_ssh_does_not_have(tmp_path: Path) -> None:
    """RFC 6187 section 2.1: chains may use algorithms without an SSH equivalent."""
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"),
        *("-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2"),
        *("-addext", "basicConstraints=critical,CA:true"),
        cwd=tmp_path,
    )
    openssl(
        *("req", "-newkey", "ed25519", "-nodes", "-keyout", "u.key", "-out", "u.csr"),
        *("-subj", "/O=Org/CN=alice"),
        cwd=tmp_path,
    )
    (tmp_path / "ext").write_text(
        "basicConstraints=CA:false\nextendedKeyUsage=secureShellClient\n"
        "subjectAltName=email:alice\n"
    )
    openssl(
        *("x509", "-req", "-in", "u.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2"),
        *("-extfile", "ext", "-set_serial", "5", "-out", "u.pem"),
        cwd=tmp_path,
    )
    certificate = ssh_keys.read_certificate(tmp_path / "u.pem")
    assert isinstance(certificate, SSHX509Certificate)
    load_x509_trust(tmp_path / "ca.pem").validate(certificate, "secureShellClient")
    assert certificate.user_principals == ("alice",)
    with pytest.raises(CertificateError, match="another purpose"):
        load_x509_trust(tmp_path / "ca.pem").validate(certificate, "secureShellServer")
    with pytest.raises(ssh_keys.KeyImportError, match="no SSH key type"):
        ssh_keys.read_certificate(tmp_path / "ca.pem")


def test_common_name_is_no_way_around_name_constraints() -> None:
    plain = chain_of(leaf(), middle(), root())
    path = load_x509_trust(plain[-1]).validate(
        plain[0].with_chain([plain[1].contents]), None, now=MOMENT
    )
    assert path.user_principals == ("alice",)
    limited = chain_of(leaf(), middle(more=constraints([MAIL("corp.example")])), root())
    path = load_x509_trust(limited[-1]).validate(
        limited[0].with_chain([limited[1].contents]), None, now=MOMENT
    )
    assert path.user_principals == ()


def test_clients_purpose_is_the_one_of_rfc_6187() -> None:
    assert PURPOSES["secureShellClient"] == "1.3.6.1.5.5.7.3.21"
    assert PURPOSES["secureShellServer"] == "1.3.6.1.5.5.7.3.22"
    certificate = build(leaf())
    assert certificate.purposes == ("1.3.6.1.5.5.7.3.21",)
