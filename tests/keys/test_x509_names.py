"""X.509 names: texts, patterns, DER, and openssl's opinion about all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import KeyImportError, SSHX509Certificate, X509Name, X509NamePattern

from .support import make_key
from .x509_support import needs_openssl, openssl

KEY = make_key("ecdsa-sha2-nistp256")
CN, O, OU = "2.5.4.3", "2.5.4.10", "2.5.4.11"  # noqa: E741

PARSED = {
    "O=Org,CN=alice": (((O, "Org"),), ((CN, "alice"),)),
    " O = Org , cn=alice ": (((O, "Org"),), ((CN, "alice"),)),
    "2.5.4.10=Org,2.5.4.3=alice": (((O, "Org"),), ((CN, "alice"),)),
    "CN=alice+OU=Ops,O=Org": (((OU, "Ops"), (CN, "alice")), ((O, "Org"),)),
    r"CN=a\,b\+c\=d\\e": (((CN, r"a,b+c=d\e"),),),
    r"CN=\C3\a4": (((CN, "ä"),),),
    r"CN=\ a\ ": (((CN, " a "),),),
    "CN=a b  c": (((CN, "a b  c"),),),
    "CN=a=b": (((CN, "a=b"),),),
    "1.2.3.4=x": ((("1.2.3.4", "x"),),),
    "emailAddress=a@b,E=c@d": (
        (("1.2.840.113549.1.9.1", "a@b"),),
        (("1.2.840.113549.1.9.1", "c@d"),),
    ),
    "": (),
}


@pytest.mark.parametrize("text", sorted(PARSED))
def test_texts(text: str) -> None:
    name = X509Name.parse(text)
    assert name.rdns == tuple(tuple(sorted(rdn)) for rdn in PARSED[text])
    assert X509Name.parse(str(name)) == name
    assert X509Name.from_der(name.to_object().public_bytes()) == name


@pytest.mark.parametrize(
    "text",
    [
        "alice",
        "CN=",
        "CN=a,,O=b",
        "CN=a,",
        ",CN=a",
        "CN=a+",
        "Foo=a",
        "=a",
        "CN=a\\",
        r"CN=\ff",
        "/CN=a",
        "1.2.=a",
        "9.1=a",
        "CN=" + "a" * 5000,
        ",".join(["CN=a"] * 65),
    ],
)
def test_texts_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        X509Name.parse(text)


@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from([CN, O, OU, "1.2.3.4"]), st.text(min_size=1, max_size=20)),
            min_size=1,
            max_size=3,
        ),
        max_size=4,
    )
)
def test_every_name_is_read_as_it_is_written(rdns: list[list[tuple[str, str]]]) -> None:
    try:
        for rdn in rdns:
            for _, value in rdn:
                value.encode()
    except UnicodeEncodeError:
        return
    name = X509Name(tuple(tuple(sorted(rdn)) for rdn in rdns))
    assert X509Name.parse(str(name)) == name
    assert "\n" not in str(name)


@given(st.binary(max_size=200))
def test_arbitrary_der(data: bytes) -> None:
    try:
        X509Name.from_der(data)
    except KeyImportError:
        pass


@needs_openssl
@pytest.mark.parametrize(
    "subject",
    [
        "O=Org,CN=alice",
        "CN=  Alice   B ",
        "C=DE,ST=Nordrhein-Westfalen,L=Köln,O=Straße & Co,OU=IT,CN=ÄÖÜ",
        "DC=example,DC=com,UID=alice",
        "CN=a+OU=b,O=c",
        "emailAddress=A@B.example,CN=x",
        "serialNumber=5,title=Dr,GN=Al,SN=Ice,STREET=Way 5",
    ],
)
def test_openssl_hash(subject: str, tmp_path: Path) -> None:
    made = KEY.generate_x509_ca_certificate(KEY, subject)
    made.write_certificate(tmp_path / "a.pem", "pem")
    said = openssl("x509", "-in", "a.pem", "-noout", "-subject_hash", cwd=tmp_path)
    assert f"{made.subject.openssl_hash():08x}" == said.strip()


@needs_openssl
@pytest.mark.parametrize("mask", ["utf8only", "default", "nombstr", "pkix"])
def test_names_that_openssl_makes(mask: str, tmp_path: Path) -> None:
    """In whatever type openssl puts a string: the name and the hash are the same."""
    config = tmp_path / "config"
    config.write_text(f"[req]\ndistinguished_name=dn\nstring_mask={mask}\n[dn]\n")
    openssl(
        *("req", "-config", "config", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", "k"),
        *("-utf8", "-subj", "/O=Ö r g/CN=alice/emailAddress=a@b", "-out", "a.pem"),
        cwd=tmp_path,
    )
    certificate = ssh_keys.read_certificate(tmp_path / "a.pem")
    assert isinstance(certificate, SSHX509Certificate)
    assert certificate.subject == X509Name.parse("O=Ö r g,CN=alice,emailAddress=a@b")
    said = openssl("x509", "-in", "a.pem", "-noout", "-subject_hash", cwd=tmp_path)
    assert f"{certificate.subject.openssl_hash():08x}" == said.strip()


# --- Patterns --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "subject", "good"),
    [
        ("O=Org,CN=alice", "O=Org,CN=alice", True),
        ("O=Org,CN=alice", "O=Org,CN=Alice", False),
        ("O=Org,CN=alice", "CN=alice,O=Org", False),
        ("O=Org,CN=alice", "O=Org,CN=alice,OU=x", False),
        ("O=Org,*", "O=Org,CN=alice", True),
        ("O=Org,*", "O=Org", True),
        ("O=Org,*", "O=Org,OU=a,OU=b,CN=c", True),
        ("O=Org,*", "O=Organisation,CN=alice", False),
        ("O=Org,*", "C=DE,O=Org,CN=alice", False),
        ("O=Or*", "O=Org", False),
        (r"O=Org,CN=a\,*", "O=Org,CN=a", False),
        (r"O=Org,CN=a\,*", r"O=Org,CN=a\,*", True),
        ("CN=a+OU=b", "OU=b+CN=a", True),
    ],
)
def test_patterns(pattern: str, subject: str, good: bool) -> None:
    parsed = X509NamePattern.parse(pattern)
    assert parsed.matches(X509Name.parse(subject)) is good
    assert X509NamePattern.parse(str(parsed)) == parsed


def test_revoked_subjects_match_more_than_trusted_ones() -> None:
    pattern = X509NamePattern.parse("O=Org,CN=alice")
    other = X509Name.parse("O=ORG,CN= Alice")
    assert pattern.resembles(other)
    assert not pattern.matches(other)
    assert not pattern.resembles(X509Name.parse("O=Org,CN=bob"))


@pytest.mark.parametrize("text", ["", "*", ",*", "CN=", "nonsense"])
def test_patterns_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        X509NamePattern.parse(text)


@pytest.mark.parametrize(
    "mark", ["Subject:", "subject:", "Subject=", "SUBJECT: ", "DN:", "Distinguished Name:"]
)
def test_marks(mark: str) -> None:
    pattern = X509NamePattern.parse_line(f"{mark}O=My Org,CN=a".encode())
    assert str(pattern) == "O=My Org,CN=a"


@pytest.mark.parametrize(
    "text", [b"CN=a", b"Subject:", b"Subject:*", b"Subject:CN=\xff", b"Object:CN=a"]
)
def test_lines_that_are_refused(text: bytes) -> None:
    with pytest.raises(KeyImportError):
        X509NamePattern.parse_line(text)
