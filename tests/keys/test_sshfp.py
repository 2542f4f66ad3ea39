"""SSHFP records: the examples of the RFCs, ssh-keygen -r both ways, zone files, hostile ones."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import (
    KeyExportError,
    KeyImportError,
    KeyTruncatedError,
    SSHFPRecord,
    SSHFPStatus,
    check_sshfp,
    create_sshfp,
    decode_sshfp,
    import_sshfp,
)
from ssh_keys.cli.parser import run

from .support import (
    KEY_TYPES,
    SECP256K1,
    VECTORS,
    make_key,
    needs_ssh_keygen,
    needs_vectors,
    skip_unless_openssh_has,
    ssh_keygen,
)

HOST = "host.example"
TYPES = (*KEY_TYPES, SECP256K1, "ssh-dss", "ssh-ed448")

#: RFC 6594 section 5 and RFC 7479 section 2: keys, and what their records are, as printed there.
RFC_6594_RSA = """---- BEGIN SSH2 PUBLIC KEY ----
AAAAB3NzaC1yc2EAAAADAQABAAABAQDCUR4JOhxTinzq7QO3bQXW4jmPCCulFsnh
8Yi7MKwpMnd96+T7uV7nEwy+6+GWYu98IxFJByIjFXX/a6BXDp3878wezH1DZ2tN
D/tu/eudz6ErpTFYmnVLyEDARYSzVBNQuIK1UDqvvB6KffJcyt78FpwW27euGkqE
kam7GaurPRAgwXehDB/gMwRtXVRZ+13zYWkAmAY+5OAWVmdXuQVm5kjlvcNzto2H
3m3nqJtD4J9L1lKPuSVVqwJr4/6hibXJkQEvWpUvdOAUw3frKpNwa932fXFk3ke4
rsDjQ/W8GyleMtK3Tx8tE4z1wuowXtYe6Ba8q3LAPs/m2S4pUscx
---- END SSH2 PUBLIC KEY ----
"""
RFC_6594_DSA = """---- BEGIN SSH2 PUBLIC KEY ----
AAAAB3NzaC1kc3MAAACBAPVFrc0U36gWaywbfJzjcv8ef13qAX4EJl8Na6xqvXh1
t+aCJEdS7soRjtvK4KsNhk78DjdtnfhEhyFKHHNz3i6/c/s9lP0UjV7mRAo6nA7A
3Gs6iQElb6O9Fqm6iVSC6bYWilTSB0tYencEEJUoaAua8YQF/uxRzPrReXxGqHnj
AAAAFQDC9M/pli8VIVmEGOO0wC1TeUTN4wAAAIEAgA2Fbkbbeo0+u/qw8mQFOFWZ
pTaqNo7d7jov3majbh5LqEVD7yT3MS1GSGhjgvvhus/ehMTqzYbjTc0szUM9JnwT
7xq15P2ZYDK98IVxrw31jMtsUUEmBqB4DUjTurtcaWmJ9LNaP1/k4bMo0/hotnOc
OVnIPsTLBFWVvdNRxUAAAACAOZcDcK01NTM1qIIYbBqCffrwjQ+9PmsuSKI6nUzf
S4NysXHkdbW5u5VxeXLcwWj5PGbRfoS2P3vwYAmakqgq502wigam18u9nAczUYl+
2kOeOiIRrtSmLfpV7thLOAb8k1ESjIlkbn35jKmTcoMFRXbFmkKRTK8OEnWQ8AVg
6w8=
---- END SSH2 PUBLIC KEY ----
"""
RFC_6594_ECDSA = """---- BEGIN SSH2 PUBLIC KEY ----
AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAD+9COUiX7W
YgcvIOdI8+djdoFDVUTxNrcog8sSYdbIzeG+bYdsssvcyy/nRfVhXC5QBCk8IThq
s7D4/lFxX5g=
---- END SSH2 PUBLIC KEY ----
"""
RFC_7479 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
EXAMPLES = (
    (
        RFC_6594_RSA,
        """server.example.net IN SSHFP 1 1 ( dd465c09cfa51fb45020cc83316fff
                                         21b9ec74ac )
           server.example.net IN SSHFP 1 2 ( b049f950d1397b8fee6a61e4d14a9a
                                         cdc4721e084eff5460bbed80cfaa2c
                                         e2cb )""",
    ),
    (
        RFC_6594_DSA,
        """server.example.net IN SSHFP 2 1 ( 3b6ba6110f5ffcd29469fc1ec2ee25
                                         d61718badd )
           server.example.net IN SSHFP 2 2 ( f9b8a6a460639306f1b38910456a6a
                                         e1018a253c47ecec12db77d7a0878b
                                         4d83 )""",
    ),
    (
        RFC_6594_ECDSA,
        """server.example.net IN SSHFP 3 1 ( c64607a28c5300fec1180b6e417b92
                                         2943cffcdd )
           server.example.net IN SSHFP 3 2 ( 821eb6c1c98d9cc827ab7f456304c0
                                         f14785b7008d9e8646a8519de80849
                                         afc7 )""",
    ),
    (
        RFC_7479,
        """ssh.example.com IN SSHFP 4 2 ( a87f1b687ac0e57d2a081a2f2826723
                                     34d90ed316d2b818ca9580ea384d924
                                     01 )""",
    ),
)


@pytest.mark.parametrize(("key_text", "zone"), EXAMPLES, ids=("rsa", "dsa", "ecdsa", "ed25519"))
def test_examples_of_the_rfcs(key_text: str, zone: str) -> None:
    key = ssh_keys.import_public_key(key_text)
    for paragraph in re.split(r"\n +(?=server)", zone):
        (record,) = import_sshfp(paragraph)
        assert record.matches(key)
        (host, *_) = paragraph.split()
        name = {1: "sha1", 2: "sha256"}[record.fingerprint_type]
        assert create_sshfp(host, key, (name,)) == (record,)
        assert decode_sshfp(record.encode(), host) == record


@pytest.mark.parametrize("name", TYPES)
def test_round_trip(name: str) -> None:
    key = make_key(name)
    records = create_sshfp(HOST, key)
    assert [record.fingerprint_type for record in records] == [1, 2]
    for generic in (False, True):
        text = "\n".join(record.export(generic) for record in records)
        assert import_sshfp(text) == records
        assert import_sshfp(text.encode()) == records
    assert check_sshfp(records, key, HOST) is SSHFPStatus.MATCH
    assert check_sshfp(records, key) is SSHFPStatus.MATCH
    for record in records:
        assert decode_sshfp(record.encode(), HOST) == record
        assert record.matches(key.convert_to_public())


def test_numbers() -> None:
    """RFC 4255 section 3.1.1, RFC 6594, RFC 7479, RFC 8709 section 8."""
    numbers = {name: create_sshfp(HOST, make_key(name))[0].algorithm for name in TYPES}
    assert numbers == {
        "ssh-rsa": 1,
        "ssh-dss": 2,
        "ecdsa-sha2-nistp256": 3,
        "ecdsa-sha2-nistp384": 3,
        "ecdsa-sha2-nistp521": 3,
        SECP256K1: 3,
        "ssh-ed25519": 4,
        "ssh-ed448": 6,
    }


def test_status() -> None:
    key, other = make_key("ssh-ed25519"), make_key("ssh-ed25519", 1)
    sha1, sha256 = create_sshfp(HOST, key)
    assert check_sshfp([], key) is SSHFPStatus.UNKNOWN
    assert check_sshfp([sha1, sha256], other) is SSHFPStatus.MISMATCH
    assert check_sshfp([sha1], key) is SSHFPStatus.MATCH
    assert check_sshfp([sha1], make_key("ecdsa-sha2-nistp256")) is SSHFPStatus.UNKNOWN
    # Several keys of an algorithm, as while one replaces the other.
    assert check_sshfp([*create_sshfp(HOST, other), sha256], key) is SSHFPStatus.MATCH
    # RFC 6594 section 4.1: a SHA-256 fingerprint that is wrong, is not made up for by SHA-1.
    assert check_sshfp([sha1, *create_sshfp(HOST, other)], key) is SSHFPStatus.MISMATCH
    # Hashes that are not known say nothing.
    new = SSHFPRecord(4, 3, b"x" * 64, HOST)
    assert not new.matches(key)
    assert check_sshfp([new], key) is SSHFPStatus.UNKNOWN
    assert check_sshfp([new, sha1], key) is SSHFPStatus.MATCH
    # A fingerprint of another algorithm is none, whatever it is.
    assert check_sshfp([sha256.replace(algorithm=1)], key) is SSHFPStatus.UNKNOWN


def test_hosts() -> None:
    key = make_key("ssh-ed25519")
    records = create_sshfp("Web.Example.", key)
    for host in ("web.example", "WEB.example."):
        assert check_sshfp(records, key, host) is SSHFPStatus.MATCH
    # Only letters of ASCII have two cases in the DNS (RFC 4343): this is a Kelvin sign.
    kelvin = [record.replace(host="\u212a.example") for record in records]
    assert check_sshfp(kelvin, key, "k.example") is SSHFPStatus.UNKNOWN
    assert check_sshfp(kelvin, key, "\u212a.Example") is SSHFPStatus.MATCH
    for host in ("example", "web.example.org", ""):
        assert check_sshfp(records, key, host) is SSHFPStatus.UNKNOWN
    nameless = [record.replace(host="") for record in records]
    assert check_sshfp(nameless, key, "anything") is SSHFPStatus.MATCH


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a b",
        "a\nb IN A 192.0.2.1",
        "a;b",
        'a"b',
        "a(b",
        "[a]:22",
        "a..b",
        ".a",
        "-" * 64,
        "a." * 128,
        "h\xe4user.example",
        "a*",
        "\u0661.example",
    ],
)
def test_names_that_the_dns_cannot_have(host: str) -> None:
    with pytest.raises(KeyExportError, match="no name for the DNS"):
        create_sshfp(host, make_key("ssh-ed25519"))
    with pytest.raises(KeyExportError, match="no name for the DNS"):
        SSHFPRecord(4, 2, b"x" * 32, host).export()


@pytest.mark.parametrize("host", ["@", "a", "a.example.", "*.example", "_x.a-b.example", "a" * 63])
def test_names_that_the_dns_has(host: str) -> None:
    (record,) = create_sshfp(host, make_key("ssh-ed25519"), ["sha256"])
    assert import_sshfp(record.export()) == (record,)


def test_what_has_no_record() -> None:
    with pytest.raises(KeyExportError, match="no SSHFP records of ssh-mldsa44-ed25519@openssh"):
        create_sshfp(HOST, make_key("ssh-mldsa44-ed25519@openssh.com"))
    with pytest.raises(KeyExportError, match="no hash 'md5'"):
        create_sshfp(HOST, make_key("ssh-ed25519"), ["md5"])
    with pytest.raises(KeyExportError, match="number 256"):
        SSHFPRecord(256, 2, b"", HOST).encode()
    assert check_sshfp([], make_key("ssh-mldsa44-ed25519@openssh.com")) is SSHFPStatus.UNKNOWN


ZONE = r"""$TTL 3600 ; of all
$ORIGIN example.
@       IN SOA ns.example. root.example. ( 1 ; serial
            7200 3600 1209600
            3600 )
web  1h30m IN SSHFP 4 1 (
        0102030405 060708090A 0b0c0d0e0f1011121314 ) ; the old one
     IN 3600 SSHFP 4 2 00 11 (
        2233445566778899aabbccddeeff00112233445566778899aabbccddeeff )
     TXT "4 2 (; \" not open" ; a remark
     sshfp 6 3 aabb
sshfp   TYPE44 \# 4 0402 0102
4    2  A 192.0.2.1
mail CH SSHFP \# 3 01 04 ff
"""


def test_zone_file() -> None:
    records = import_sshfp(ZONE.replace("sshfp   TYPE44 \\# 4 0402 0102\n", ""))
    assert [(record.host, record.algorithm, record.fingerprint_type) for record in records] == [
        ("web.example.", 4, 1),
        ("web.example.", 4, 2),
        ("web.example.", 6, 3),
        ("mail.example.", 1, 4),
    ]
    assert records[0].fingerprint == bytes(range(1, 21))
    assert records[1].fingerprint.hex().startswith("00112233")
    assert (records[2].fingerprint, records[3].fingerprint) == (b"\xaa\xbb", b"\xff")
    with pytest.raises(KeyImportError, match="line 12: SSHFP record with 2 bytes of sha256"):
        import_sshfp(ZONE)


@pytest.mark.parametrize(
    ("origins", "written", "absolute"),
    [
        ([], "web", "web"),
        ([], "@", "@"),
        (["example."], "web", "web.example."),
        (["example."], "web.example.", "web.example."),
        # What ssh-keygen -r prints is no absolute name: this is what the DNS makes of it.
        (["example."], "web.example", "web.example.example."),
        (["example."], "@", "example."),
        (["example.", "sub"], "web", "web.sub.example."),
        (["example.", "."], "web", "web."),
        (["example"], "web", "web.example"),
    ],
)
def test_origins(origins: list[str], written: str, absolute: str) -> None:
    """RFC 1035 section 5.1."""
    lines = [*(f"$origin {name} ; below" for name in origins), f"{written} SSHFP 1 3 00"]
    (record,) = import_sshfp("\n".join(lines))
    assert record.host == absolute


def test_short_answers_of_dig() -> None:
    key = make_key("ssh-ed25519")
    sha1, sha256 = create_sshfp(HOST, key)
    text = "".join(
        f"4 {record.fingerprint_type} {record.fingerprint.hex().upper()[:-8]} "
        f"{record.fingerprint.hex().upper()[-8:]}\r\n"
        for record in (sha256, sha1)
    )
    records = import_sshfp("\ufeff" + text)
    assert records == (sha256.replace(host=""), sha1.replace(host=""))
    assert check_sshfp(records, key, HOST) is SSHFPStatus.MATCH


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("", KeyImportError, "no SSHFP record found"),
        ("; nothing\n\n", KeyImportError, "no SSHFP record found"),
        ("host IN A 192.0.2.1", KeyImportError, "no SSHFP record found"),
        ("ssh-ed25519 AAAA", KeyImportError, "no SSHFP record found"),
        (" IN SSHFP 1 3 00", KeyImportError, "line 1: SSHFP record without a name"),
        ("h IN SSHFP", KeyImportError, "line 1: .*without the numbers"),
        ("h IN SSHFP 1 x 00", KeyImportError, "without the numbers"),
        ("h IN SSHFP 1 256 00", KeyImportError, "without the numbers"),
        ("h IN SSHFP 1 \u0662 00", KeyImportError, "without the numbers"),
        ("h IN SSHFP 1 3", KeyTruncatedError, "of 2 bytes"),
        ("h IN SSHFP 1 3 0", KeyImportError, "not hexadecimal"),
        ("h IN SSHFP 1 3 0g", KeyImportError, "not hexadecimal"),
        ("\nh IN SSHFP 1 1 00", KeyImportError, "line 2: .* 1 bytes of sha1, which has 20"),
        ("h IN SSHFP 1 3 ( 00", KeyTruncatedError, "line 1: parenthesis"),
        (r"h IN TYPE44 \# 5 01030000", KeyImportError, "another length"),
        (r"h IN TYPE44 \#", KeyImportError, "another length"),
        (r"h IN TYPE44 \# x 010300", KeyImportError, "another length"),
        ("$ORIGIN a\n" * 600, KeyImportError, "line 510: name that is too long"),
    ],
)
def test_texts_that_are_refused(text: str, error: type[KeyImportError], said: str) -> None:
    with pytest.raises(error, match=said):
        import_sshfp(text)


@given(st.text(alphabet='h \t\n();"\\#0123456789abINSSHFPTYPE44\x00\xff', max_size=80))
def test_arbitrary_text(text: str) -> None:
    for zone in (text, f"h IN SSHFP {text}", f"h IN TYPE44 {text}"):
        try:
            records = import_sshfp(zone)
        except KeyImportError:
            continue
        for record in records:
            assert decode_sshfp(record.encode(), record.host) == record


@given(st.binary(max_size=60))
def test_arbitrary_data(data: bytes) -> None:
    try:
        record = decode_sshfp(data)
    except KeyImportError:
        return
    assert record.encode() == data


@pytest.mark.parametrize("part", ['"\\', "(", '"', "1", "1s", "\\", ";(", "h "])
def test_time_grows_with_the_size_only(part: str) -> None:
    """A second would not do for patterns that try all ways: these have a hundred thousand words."""
    with pytest.raises(KeyImportError):
        import_sshfp("h " + part * 100_000 + "x\n")


# --- ssh-keygen ------------------------------------------------------------------------------


@needs_ssh_keygen
@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize("name", [*KEY_TYPES, "ssh-dss"])
def test_same_text_as_ssh_keygen(
    name: str, generic: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    skip_unless_openssh_has(name)
    key, file = make_key(name), tmp_path / "key.pub"
    key.write_public_key(file)
    option = ["-g"] if generic else []
    theirs = ssh_keygen("-r", HOST, *option, "-f", file)
    # A version that prints no SHA-1 would be welcome.
    names = ("sha1", "sha256")[-len(theirs.splitlines()) :]
    records = create_sshfp(HOST, key, names)
    assert theirs.splitlines() == [record.export(generic) for record in records]
    assert import_sshfp(theirs) == records
    words = ["sshfp", "create", HOST, str(file), *(["--generic"] if generic else [])]
    assert run([*words, "--hash", "sha256"] if names == ("sha256",) else words) == 0
    assert capsys.readouterr().out == theirs


@needs_ssh_keygen
@needs_vectors
@pytest.mark.parametrize(
    "name", ["rsa_1", "ecdsa_1", "ecdsa_2", "ed25519_1", "ed25519_2", "ed25519_sk1", "ecdsa_sk1"]
)
def test_vectors(name: str) -> None:
    file = VECTORS / "sshkey" / f"{name}.pub"
    key = ssh_keys.read_public_key(file)
    theirs = ssh_keygen("-r", HOST, "-f", file).splitlines()
    if "_sk" in name:
        # It says that there is no such record, too, and ends with status 0.
        assert theirs == []
        with pytest.raises(KeyExportError, match="no SSHFP records of sk-"):
            create_sshfp(HOST, key)
    else:
        assert theirs == [record.export() for record in create_sshfp(HOST, key)][-len(theirs) :]


@pytest.mark.skipif(shutil.which("named-compilezone") is None, reason="no BIND here")
def test_bind_reads_ours(tmp_path: Path) -> None:
    """BIND's own checker takes both forms for the same records, and we read what it prints."""
    keys = [make_key(name) for name in TYPES]
    records = [record for key in keys for record in create_sshfp("web.example.", key)]
    zone, made = tmp_path / "zone", tmp_path / "made"
    head = "$TTL 60\n@ IN SOA ns root 1 2 3 4 5\n@ IN NS ns\nns IN A 192.0.2.1\n"
    for generic in (False, True):
        zone.write_text(head + "".join(f"{record.export(generic)}\n" for record in records))
        words = ["named-compilezone", "-o", str(made), "example", str(zone)]
        subprocess.run(words, check=True, capture_output=True, timeout=60)
        assert set(import_sshfp(made.read_bytes())) == set(records)


@pytest.mark.skipif(shutil.which("named-compilezone") is None, reason="no BIND here")
def test_names_are_those_of_bind(tmp_path: Path) -> None:
    zone, made = tmp_path / "zone", tmp_path / "made"
    head = "$ORIGIN example.\n$TTL 60\n@ IN SOA ns root 1 2 3 4 5\n@ IN NS ns\nns IN A 192.0.2.1\n"
    data = "SSHFP 4 3 00\n"
    zone.write_text(
        f"{head}web {data}   {data}WEB.example. {data}web.example {data}@ {data}"
        f"$ORIGIN sub\nweb {data}@ {data}$ORIGIN example.\nlast {data}"
    )
    words = ["named-compilezone", "-o", str(made), "example", str(zone)]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    ours, theirs = (import_sshfp(path.read_bytes()) for path in (zone, made))
    assert {record.host.lower() for record in ours} == {record.host.lower() for record in theirs}


# --- The command -----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the public keys of a host, and records of them."""
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "keys.pub").open("wb") as file:
        for name in ("ssh-ed25519", "ecdsa-sha2-nistp256"):
            key = make_key(name)
            key.write_public_key(f"{name}.pub")
            file.write(key.export_public_key())
    make_key("ssh-ed25519", 1).write_public_key("other.pub")
    (tmp_path / "zone").write_text(
        "".join(f"{record.export()}\n" for record in create_sshfp(HOST, make_key("ssh-ed25519")))
    )
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_create(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sshfp", "create", HOST, "keys.pub"]) == 0
    text = capsys.readouterr().out
    assert [record.algorithm for record in import_sshfp(text)] == [4, 4, 3, 3]
    words = ["sshfp", "create", HOST, "ssh-ed25519.pub", "other.pub", "--hash", "sha256", "--json"]
    assert run(words) == 0
    answer = json.loads(capsys.readouterr().out)
    first, second = answer["records"]
    assert first["text"] in text
    assert (first["host"], first["algorithm"], first["fingerprint_type"]) == (HOST, 4, 2)
    assert first["fingerprint"] in first["text"]
    assert second["fingerprint"] not in text


@pytest.mark.usefixtures("folder")
def test_check(capsys: pytest.CaptureFixture[str]) -> None:
    check = ["sshfp", "check", HOST, "--records", "zone"]
    fingerprint = make_key("ssh-ed25519").get_fingerprint()
    assert run([*check, "ssh-ed25519.pub"]) == 0
    assert capsys.readouterr().out == f"ssh-ed25519.pub ED25519 {fingerprint}: match\n"
    for name, status in (("other", "mismatch"), ("ecdsa-sha2-nistp256", "unknown")):
        assert run([*check, "ssh-ed25519.pub", f"{name}.pub", "--json"]) == 1
        answer = json.loads(capsys.readouterr().out)
        assert [key["status"] for key in answer["keys"]] == ["match", status]
        assert answer["keys"][0]["fingerprint"] == fingerprint
    words = ["sshfp", "check", "another.example", "ssh-ed25519.pub", "--records", "zone"]
    assert run(words) == 1
    said = "ssh-keys: 'zone': no SSHFP record of 'another.example'\n"
    assert capsys.readouterr().err == said


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("check", HOST, "keys.pub"), 2, "check needs --records"),
        (("create", HOST, "keys.pub", "--records", "zone"), 2, "create has no use for --records"),
        (("check", HOST, "keys.pub", "--records", "zone", "--generic"), 2, "no use for --generic"),
        (("create", HOST), 2, "required: keys"),
        (("create", "a b", "keys.pub"), 1, "'a b' is no name for the DNS"),
        (("create", HOST, "nothing.pub"), 1, "'nothing.pub': No such file or directory"),
        (("check", HOST, "keys.pub", "--records", "keys.pub"), 1, "no SSHFP record found"),
    ],
)
def test_mistakes(
    words: tuple[str, ...], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sshfp", *words]) == status
    assert said in capsys.readouterr().err
    assert run(["sshfp", *words, "--json"]) == status
    assert said in json.loads(capsys.readouterr().out)["error"]
