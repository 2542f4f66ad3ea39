"""Specifications of revocation lists: the same lists as ssh-keygen -k, byte for byte."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import (
    KeyGenerationError,
    KeyImportError,
    SSHKeyRevocationList,
    extend_krl,
    import_krl,
)
from ssh_keys.cli.parser import run

from .support import make_key, needs_ssh_keygen, public_line, ssh_keygen

CA, OTHER_CA = make_key("ssh-ed25519", 7), make_key("ssh-ed25519", 8)
ED, EC, RSA = (public_line(name) for name in ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"))


def certificate_line(serial: int, key_id: str = "id", ca: ssh_keys.SSHKey = CA) -> str:
    made = ca.generate_user_certificate(
        make_key("ecdsa-sha2-nistp384"), key_id, serial=serial, principals=["me"], comment="c"
    )
    return made.export_certificate().decode().strip()


NUMBERED, NAMELESS = certificate_line(44), certificate_line(0, "of no number")
FOREIGN = certificate_line(45, ca=OTHER_CA)
FINGERPRINT = make_key("ssh-rsa").get_fingerprint()

GOOD = {
    "serials": "serial: 5\nserial:0x10-0X20\nserial: 017 \nserial:\t9-18446744073709551615\n",
    "ids": "id: a b  \nid:x\tz\nid: \u00e4\nID: upper\n",
    "keys": f"key: {ED} a comment\nkey:{EC}\n{RSA} x y\n",
    "hashes": f"sha1: {ED} c\nsha256: {EC}\nhash: {FINGERPRINT}\nhash: {FINGERPRINT}=\n",
    "certificates": f"{NUMBERED}\n{NAMELESS}\n{FOREIGN}\n",
    "key of a certificate": f"key: {NUMBERED}\n",
    "hashes of keys of certificates": f"sha1: {NUMBERED}\nSHA256: {NAMELESS}\n",
    "comments": f"# x\n\n  # y\nserial: 7 # z\nid: a#b\n\t{ED} c # d\nhash: {FINGERPRINT} # e\n",
    "no id": "id:\nid: # nothing\n",
    "no line end": "serial: 5",
    "line ends of DOS": f"{ED}\r\nsha256: {EC}\r\n",
    "nothing": "",
    "all": f"serial: 1-3\nid: z\n{FOREIGN}\nkey: {ED}\nsha1: {EC}\nhash: {FINGERPRINT}\nserial: 5",
}

#: What ssh-keygen refuses, too, and what we say.
BAD = {
    "serial: 0": "no serial numbers '0'",
    "serial: 7-5": "no serial numbers '7-5'",
    "serial: 3 - 4": "'3 - 4' is no serial number",
    "serial: 5x": "'5x' is no serial number",
    "serial:": "'' is no serial number",
    "serial: 08": "'08' is no serial number",
    "serial: 0x": "'0x' is no serial number",
    "serial: 1-": "'1-' is no serial number",
    "serial: 18446744073709551616": "no serial numbers '18446744073709551616'",
    "hash: abc": "'abc' is no SHA256 fingerprint",
    "hash: SHA256:abc": "'SHA256:abc' is no SHA256 fingerprint",
    "hash: MD5:00:11": "'MD5:00:11' is no SHA256 fingerprint",
    f"hash: {FINGERPRINT.replace('256', '1')}": "is no SHA256 fingerprint",
    f"hash: 2048 {FINGERPRINT} c (RSA)": "is no SHA256 fingerprint",
    "key: junk": "not a public key line",
    "sha1: ssh-ed25519 AAAA": "public key",
    "thing: 5": "unknown directive 'thing:'",
    "serial 5": "base64",
    f"no-pty {ED}": "base64",
    "words": "not a public key line",
}

#: What ssh-keygen takes, but hardly for what was meant.
STRICTER = {
    "serial: -1": "'-1' is no serial number",
    "id: \udcff": "no text in UTF-8",
}


def same_list(spec: Path, path: Path, *words: str | Path, ca: ssh_keys.SSHKey | None) -> None:
    """Both make the same list of a specification."""
    ssh_keygen("-k", "-f", path, "-z", "9", *words, spec)
    theirs = path.read_bytes()
    ours = SSHKeyRevocationList(9, generated=import_krl(theirs).generated)
    extend_krl(ours, spec.read_bytes(), ca)
    assert ours.export_krl() == theirs
    assert extend_krl(ours, spec.read_text(encoding="utf-8"), ca) == extend_krl(
        ours, b"\xef\xbb\xbf" + spec.read_bytes(), ca
    )
    assert ours.export_krl() == theirs


@needs_ssh_keygen
@pytest.mark.parametrize("name", GOOD)
def test_same_bytes_as_ssh_keygen(name: str, tmp_path: Path) -> None:
    spec, ca_file, path = tmp_path / "spec", tmp_path / "ca.pub", tmp_path / "krl"
    spec.write_bytes(GOOD[name].encode())
    CA.write_public_key(ca_file)
    same_list(spec, path, "-s", ca_file, ca=CA)
    same_list(spec, path, "-s", "none", ca=None)


@needs_ssh_keygen
@pytest.mark.parametrize("line", BAD)
def test_lines_that_both_refuse(line: str, tmp_path: Path) -> None:
    spec, path = tmp_path / "spec", tmp_path / "krl"
    spec.write_text(f"serial: 5\n\n{line}\n")
    words = ["ssh-keygen", "-k", "-f", str(path), "-s", "none", str(spec)]
    assert subprocess.run(words, check=False, capture_output=True, timeout=60).returncode == 255
    with pytest.raises(KeyImportError, match=rf"^line 3: .*{re.escape(BAD[line])}"):
        extend_krl(SSHKeyRevocationList(), spec.read_bytes())


@pytest.mark.parametrize("line", STRICTER)
def test_lines_that_only_we_refuse(line: str) -> None:
    with pytest.raises(KeyImportError, match=STRICTER[line]):
        extend_krl(SSHKeyRevocationList(), line.encode("utf-8", "surrogateescape"))


def test_line_ends_of_dos_are_no_part_of_anything() -> None:
    """ssh-keygen refuses the one, and takes the line end for a part of the other."""
    revoked = SSHKeyRevocationList()
    assert extend_krl(revoked, "serial: 5\r\nid: somebody\r\n", CA) == 2
    assert [value for _, value, _ in revoked.entries()] == ["5", "somebody"]


def test_nothing_is_revoked_by_half() -> None:
    revoked = SSHKeyRevocationList()
    before = revoked.export_krl()
    for line in (*BAD, "key: x509v3-ssh-rsa AAAA"):
        with pytest.raises(KeyImportError):
            extend_krl(revoked, f"serial: 5\nid: x\nkey: {ED}\nhash: {FINGERPRINT}\n{line}\n", CA)
    with pytest.raises(KeyGenerationError, match="no hash 'md5'"):
        extend_krl(revoked, ED, hash_name="md5")
    assert revoked.export_krl() == before


def test_keys_by_hash() -> None:
    key = make_key("ssh-ed25519")
    for name in ("sha256", "sha1"):
        revoked = SSHKeyRevocationList()
        extend_krl(revoked, f"{ED}\n{NUMBERED}\nkey: {EC}\n", hash_name=name)
        assert revoked.is_revoked(key)
        assert sorted(kind for kind, _, _ in revoked.entries()) == sorted(["key", "serial", name])


def test_revoke_fingerprint() -> None:
    revoked = SSHKeyRevocationList()
    revoked.revoke_fingerprint(FINGERPRINT)
    assert revoked.is_revoked(make_key("ssh-rsa"))
    assert not revoked.is_revoked(make_key("ssh-ed25519"))
    for wrong in ("", "SHA256:", "sha256:" + FINGERPRINT[7:], FINGERPRINT[:-1], "SHA256:\u00e4"):
        with pytest.raises(KeyImportError, match="no SHA256 fingerprint"):
            revoked.revoke_fingerprint(wrong)


@given(st.binary(max_size=100))
def test_arbitrary_lines(data: bytes) -> None:
    heads = (b"", b"serial:", b"id:", b"key: ", b"sha1:", b"hash: SHA256:", ED.encode()[:60])
    for head in heads:
        try:
            extend_krl(SSHKeyRevocationList(), head + data, CA)
        except KeyImportError:
            continue


# --- The command -----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the key of an authority and a specification."""
    monkeypatch.chdir(tmp_path)
    CA.write_public_key("ca.pub")
    (tmp_path / "spec").write_text(GOOD["all"])
    return tmp_path


@needs_ssh_keygen
def test_create_and_update_as_ssh_keygen(folder: Path) -> None:
    (folder / "more").write_text(f"serial: 100-200\nid: more\n{RSA}\n{NUMBERED}\n")
    ssh_keygen("-k", "-f", "theirs", "-s", "ca.pub", "-z", "3", "spec")
    ssh_keygen("-k", "-u", "-f", "theirs", "-s", "ca.pub", "-z", "4", "more")
    assert run(["krl", "create", "ours", "spec", "--ca", "ca.pub", "--version-number", "3"]) == 0
    assert run(["krl", "update", "ours", "more", "--ca", "ca.pub"]) == 0
    ours, theirs = ssh_keys.read_krl("ours"), ssh_keys.read_krl("theirs")
    ours.generated = theirs.generated
    assert ours.export_krl() == Path("theirs").read_bytes()
    # Each goes on with the list of the other.
    ssh_keygen("-k", "-u", "-f", "ours", "-s", "ca.pub", "spec")
    assert run(["krl", "update", "theirs", "spec", "--ca", "ca.pub"]) == 0
    assert ssh_keys.read_krl("ours").entries() == ssh_keys.read_krl("theirs").entries()


@needs_ssh_keygen
def test_both_show_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ssh_keygen("-k", "-f", "list", "-s", "ca.pub", "-z", "3", "spec")
    capsys.readouterr()
    assert run(["krl", "show", "list"]) == 0
    ours = capsys.readouterr().out
    theirs = ssh_keygen("-Q", "-l", "-f", "list")
    assert "version 3 of" in ours
    assert "# KRL version 3" in theirs
    for line in ours.splitlines()[1:]:
        kind, _, value = line.removeprefix("key ").partition(" ")
        if kind in ("serial", "id"):
            value, _, authority = value.partition(" of ")
            assert f"# CA key ssh-ed25519 {authority}\n" in theirs
            assert f"\n{kind}: {value}\n" in theirs
        elif line.startswith("key "):
            assert f"hash: {line.removeprefix('key ')} # ssh-ed25519\n" in theirs
    shown = [line for line in theirs.splitlines() if line and line[:2] not in ("# ", "#")]
    hashes = [line for line in theirs.splitlines() if line.startswith("# hash ")]
    assert len(ours.splitlines()) == 1 + len(shown) + len(hashes)


@pytest.mark.usefixtures("folder")
def test_files_with_several_keys(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All keys of a file count: with the first only, the others would stay good."""
    (folder / "many.pub").write_text(f"{ED} a\n# b\n{EC} c\n{NUMBERED}\n")
    rfc4716 = b"".join(
        make_key(name).export_public_key("rfc4716") for name in ("ssh-rsa", "ecdsa-sha2-nistp521")
    )
    (folder / "many.4716").write_bytes(rfc4716)
    assert run(["krl", "create", "list", "many.pub", "many.4716"]) == 0
    revoked = ssh_keys.read_krl("list")
    assert [kind for kind, _, _ in revoked.entries()] == ["serial", "key", "key", "key", "key"]
    capsys.readouterr()
    (folder / "mixed.pub").write_text(f"{public_line('ssh-ed25519', 1)}\n{EC}\n{NUMBERED}\n")
    assert run(["krl", "check", "list", "mixed.pub", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert [key["revoked"] for key in answer["keys"]] == [False, True, True]
    assert answer["keys"][1]["fingerprint"] == make_key("ecdsa-sha2-nistp256").get_fingerprint()
    assert run(["krl", "check", "list", "mixed.pub"]) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"mixed.pub {make_key('ssh-ed25519', 1).get_fingerprint()}: ok"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("thing: 1\n", "'file': line 1: unknown directive 'thing:'"),
        (f"{ED}\nkey: x\n", "'file': line 2: not a public key line"),
        (make_key("ssh-ed25519").export_private_key().decode(), "'file': no public key found"),
        ("x509v3-ssh-rsa AAAA\n", "'file': line 1: revocation lists have no X.509 certificates"),
    ],
)
def test_files_that_are_refused(
    folder: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "file").write_text(content)
    SSHKeyRevocationList(generated=5).write_krl("list")
    for words in (["create", "--force", "list"], ["update", "list"]):
        assert run(["krl", *words, "spec", "file"]) == 1
        assert said in capsys.readouterr().err
        assert ssh_keys.read_krl("list").generated == 5
    if "thing" not in content and "key:" not in content:
        assert run(["krl", "check", "list", "file"]) == 1
        assert said in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_a_file_of_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty specification makes an empty list; there is no use in checking nothing."""
    (folder / "empty").write_text("# nothing yet\n")
    assert run(["krl", "create", "list", "empty"]) == 0
    assert not ssh_keys.read_krl("list").entries()
    capsys.readouterr()
    assert run(["krl", "check", "list", "empty"]) == 1
    assert "no public key and no certificate found" in capsys.readouterr().err
