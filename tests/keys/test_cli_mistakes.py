"""What people do wrong: other files than were meant, damaged ones, odd comments, odd names."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import ssh_keys
from ssh_keys.cli.parser import run

from .support import make_key, needs_ssh_keygen, public_line, ssh_keygen

KEY, CA = make_key("ssh-ed25519"), make_key("ssh-ed25519", 7)
LINE = public_line("ssh-ed25519")
PUBLIC, PRIVATE = f"{LINE} c\n".encode(), KEY.export_private_key()
ENCRYPTED = KEY.export_private_key(passphrase="right", rounds=1)
CERTIFICATE = CA.generate_user_certificate(KEY, "id", principals=["me"]).export_certificate()
REVOKED = ssh_keys.SSHKeyRevocationList().export_krl()
SIGNATURE = ssh_keys.create_sshsig(KEY, b"data")
BOM = b"\xef\xbb\xbf"

FILES = {
    "id": PRIVATE,
    "id.pub": PUBLIC,
    "encrypted": ENCRYPTED,
    "id-cert.pub": CERTIFICATE,
    "revoked": REVOKED,
    "data": b"data",
    "data.sig": SIGNATURE,
    "empty": b"",
    "blank": b"\n \r\n",
    "bom": BOM + PRIVATE,
    "bom.pub": BOM + PUBLIC,
    "utf16.pub": PUBLIC.decode().encode("utf-16"),
    "wrapped.pub": PUBLIC[:30] + b"\n" + PUBLIC[30:],
    "signers": b"me " + PUBLIC,
    "pass": b"wrong\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one file of each kind."""
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    return tmp_path


def words_of(command: str) -> list[str]:
    return [" " if word == "_" else word for word in command.split()]


CERTIFY = "--id x --valid-before +1d --force --output out"
TO = "--no-passphrase --force --format"

#: Command lines, and what they say.
MISTAKES = {
    "show empty": "'empty': no key and no certificate found; it is empty",
    "show blank": "'blank': no key and no certificate found; it is empty",
    "show folder": "'folder': Is a directory",
    "show none": "'none': No such file or directory",
    "show wrapped.pub": "'wrapped.pub': no key and no certificate found; line 1: ",
    "show utf16.pub": "it is text in UTF-16, save it as UTF-8",
    "show bom": "it begins with the byte order mark of an editor, save it without",
    "show bom.pub": "it begins with the byte order mark of an editor, save it without",
    "show revoked": "; it is a revocation list",
    "show data.sig": "; it is a signature",
    "show encrypted --passphrase-file pass": "'encrypted': wrong passphrase",
    "show encrypted --passphrase-file none": "'none': No such file or directory",
    "show encrypted --passphrase-file folder": "'folder': Is a directory",
    f"convert id.pub out {TO} ppk": "'id.pub': no private key found; it is a public key",
    f"convert id-cert.pub out {TO} ppk": "no private key found; it is a certificate",
    f"convert empty out {TO} ppk": "'empty': no private key found; it is empty",
    f"convert empty out {TO} openssh --public": "'empty': no public key found; it is empty",
    f"convert data out {TO} openssh --public": "'data': line 1: not a public key line",
    f"convert id-cert.pub out {TO} ppk --public": "'id-cert.pub': line 1: ",
    f"convert encrypted out {TO} ppk": "needs a passphrase: give --passphrase-file or",
    f"convert encrypted out {TO} ppk --passphrase-file pass": "'encrypted': wrong passphrase",
    f"convert id none/out {TO} ppk": "'none/out': No such file or directory",
    f"convert id folder {TO} ppk": "'folder': Is a directory",
    "convert id out --format ppk": "give --new-passphrase-file, --new-passphrase-env or --no-pass",
    "generate new": "give --passphrase-file, --passphrase-env or --no-passphrase",
    "edit id.pub --comment x": "'id.pub': only private keys in the format of OpenSSH are edited",
    "edit empty --comment x": "are edited: convert it; it is empty",
    "edit encrypted --comment x": "needs a passphrase: give --passphrase-file or",
    "edit encrypted --comment x --passphrase-file pass": "'encrypted': wrong passphrase",
    f"sign-cert id.pub --ca id.pub --principals p {CERTIFY}": "found; it is a public key",
    f"sign-cert id-cert.pub --ca id --principals p {CERTIFY}": "; it is a certificate",
    f"sign-cert empty --ca id --principals p {CERTIFY}": "no public key found; it is empty",
    f"sign-cert id.pub --ca folder --principals p {CERTIFY}": "'folder': Is a directory",
    f"sign-cert id.pub --ca id --principals _ {CERTIFY}": "--principals with an empty name: ' '",
    f"sign-cert id.pub --ca id --principals p,,q {CERTIFY}": "with an empty name: 'p,,q'",
    f"sign-cert id.pub --ca id --principals p, {CERTIFY} --host": "with an empty name: 'p,'",
    "sign data --key id.pub --force": "'id.pub': no private key found; it is a public key",
    "sign data --key empty --force": "'empty': no private key found; it is empty",
    "sign folder --key id": "'folder': Is a directory",
    "find-principals data --allowed-signers signers": "'data': not an SSH signature",
    "find-principals id.pub --allowed-signers signers": "signature; it is a public key",
    "find-principals data.sig --allowed-signers id.pub": "'id.pub': line 1: a public key without",
    "find-principals data.sig --allowed-signers id": "; it is a private key",
    "known-hosts add h --key id --file kh": "'id': no public key found; it is a private key",
    "known-hosts add h --key id-cert.pub --file kh": "; it is a certificate",
    "known-hosts check h --key utf16.pub --file kh": "'kh': No such file or directory",
    "krl create list id": "'id': no public key found; it is a private key",
    "krl create list data.sig": "; it is a signature",
    "krl create list utf16.pub": "it is text in UTF-16",
    "krl create list id.pub --ca id": "'id': no public key found; it is a private key",
    "krl show id.pub": "'id.pub': not a revocation list; it is a public key",
    "krl check empty id.pub": "'empty': not a revocation list; it is empty",
    "krl check revoked revoked": "; it is a revocation list",
    "sshfp create h id": "'id': no public key found; it is a private key",
    "sshfp check h id.pub --records empty": "'empty': no SSHFP record found; it is empty",
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", MISTAKES)
def test_mistakes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words, said = words_of(command), MISTAKES[command]
    assert run(words) == 1 + ("empty name" in said)
    captured = capsys.readouterr()
    assert captured.out == ""
    *_, line = captured.err.splitlines()
    assert line.startswith("ssh-keys: ")
    assert said in line
    assert line.count("it is a") <= 1
    run([*words, "--json"])
    assert said in json.loads(capsys.readouterr().out)["error"]
    assert not {"out", "kh", "list", "new"} & set(os.listdir())
    assert Path("id").read_bytes() == PRIVATE


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("--signature data", "'data': not an SSH signature"),
        ("--signature empty", "'empty': not an SSH signature; it is empty"),
        ("--signature id.pub", "'id.pub': not an SSH signature; it is a public key"),
    ],
)
def test_what_is_no_signature(command: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["verify", "data", "--allowed-signers", "signers", "--principal", "me"]
    assert run([*words, *command.split()]) == 1
    assert capsys.readouterr().out == f"BAD signature: {said}\n"


def test_a_damaged_private_key_is_not_called_another_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = PRIVATE.splitlines(keepends=True)
    (folder / "damaged").write_bytes(b"".join([*lines[:2], *lines[3:]]))
    assert run(["convert", "damaged", "out", "--format", "ppk", "--no-passphrase"]) == 1
    assert "public" not in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
@pytest.mark.usefixtures("folder")
def test_files_that_may_not_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    Path("id").chmod(0)
    Path("folder").chmod(0o500)
    for command in ("show id", "generate folder/new --no-passphrase"):
        words = command.split()
        assert run(words) == 1
        assert capsys.readouterr().err == f"ssh-keys: '{words[1]}': Permission denied\n"


@pytest.mark.usefixtures("folder")
def test_names_that_lead_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    Path("loop").symlink_to("loop")
    for command, said in (
        ("show loop", "'loop': Too many levels of symbolic links"),
        ("show id/id", "'id/id': Not a directory"),
        ("generate id/id --no-passphrase", "'id/id': Not a directory"),
        ("known-hosts hash --file loop", "'loop': No such file or directory"),
    ):
        assert run(command.split()) == 1
        assert capsys.readouterr().err == f"ssh-keys: {said}\n"


# --- Secrets that are not there, or odd ------------------------------------------------------


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("option", ["--passphrase-env NOTHING", "--passphrase-file empty"])
@pytest.mark.parametrize(
    "command",
    [
        "generate new",
        "convert id new --format ppk --new",
        "edit id --new",
    ],
)
def test_an_empty_passphrase_is_none(
    command: str, option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A CI job without its secret must not write a key that is not encrypted."""
    monkeypatch.setenv("NOTHING", "")
    if command.endswith(" --new"):
        command, option = command.removesuffix(" --new"), option.replace("--", "--new-", 1)
    assert run([*command.split(), *option.split()]) == 1
    said = "the passphrase for what is written is empty: give --no-passphrase"
    assert said in capsys.readouterr().err
    assert not Path("new").exists()
    assert Path("id").read_bytes() == PRIVATE


@pytest.mark.parametrize(
    ("content", "passphrase"),
    [
        (b"secret", "secret"),
        (b"secret\r\nsecond\r\n", "secret"),
        (BOM + b"secret\n", "secret"),
        ("a\x85b\u2028c\x0cd\n".encode(), "a\x85b\u2028c\x0cd"),
        (b" blanks \n", " blanks "),
        (b"a\rb\n", "a\rb"),
    ],
)
def test_files_of_passphrases(content: bytes, passphrase: str, folder: Path) -> None:
    (folder / "pass").write_bytes(content)
    assert run(["generate", "new", "--passphrase-file", "pass", "--rounds", "1"]) == 0
    assert ssh_keys.read_private_key("new", passphrase).is_private


# --- Trust files of editors ------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        "known-hosts find me --file trust",
        "known-hosts check me --key id.pub --file trust",
        "known-hosts add you --key id.pub --file trust",
        "known-hosts remove me --file trust",
        "known-hosts hash --file trust",
        "match-principals me --allowed-signers trust",
        "find-principals data.sig --allowed-signers trust",
        "verify data --principal me --allowed-signers trust",
    ],
)
def test_byte_order_marks(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The mark would be a part of the first name, which then nobody has."""
    line = b"me " + PUBLIC
    (folder / "trust").write_bytes(BOM + line)
    assert run(command.split()) == 1
    said = "'trust': the first line cannot be read; it begins with the byte order mark"
    assert said in capsys.readouterr().err
    assert (folder / "trust").read_bytes() == BOM + line
    (folder / "trust").write_bytes(line)
    assert run(command.split()) == 0


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("words", [["remove", "me"], ["hash"], ["find", "me"], ["add", "me"]])
def test_errors_in_lines_name_the_file(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("trust").write_bytes(b"me " + PUBLIC + b"@revoked")
    key = ["--key", "id.pub"] if words[0] == "add" else []
    assert run(["known-hosts", *words, *key, "--file", "trust"]) == 1
    assert capsys.readouterr().err == "ssh-keys: 'trust': line 2: no host names\n"


@pytest.mark.usefixtures("folder")
def test_a_format_without_encryption_takes_no_passphrase(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEW", "secret")
    make_key("ssh-rsa").write_private_key("rsa")
    for name in ("pkcs1-der", "dropbear"):
        words = ["convert", "rsa", "out", "--format", name, "--new-passphrase-env", "NEW"]
        assert run(words) == 1
        assert capsys.readouterr().err.endswith(f"{name} has no encryption\n")
        assert not Path("out").exists()


# --- Odd files that are good -----------------------------------------------------------------

GOOD = {
    "line ends of DOS": PUBLIC.replace(b"\n", b"\r\n"),
    "private, line ends of DOS": PRIVATE.replace(b"\n", b"\r\n"),
    "no line end": LINE.encode(),
    "tabs": PUBLIC.replace(b" ", b"\t"),
    "indented": b"   " + PUBLIC,
    "private, text behind it": PRIVATE + b"garbage\n",
    "private, text in front of it": b"garbage\n" + PRIVATE,
}


@pytest.mark.parametrize("name", GOOD)
def test_odd_files(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file"
    path.write_bytes(GOOD[name])
    assert run(["show", str(path), "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["entries"]
    assert entry["fingerprint"] == KEY.get_fingerprint()
    assert entry["comment"] in ("c", "ssh-ed25519 0", None)


COMMENTS = {
    b"a\x1b[31mred\x07\0b": r"a\x1b[31mred\x07\x00b",
    b"caf\xe9 \xff": r"caf\xe9 \xff",
    "Jos\u00e9, \u00c1d\u00e1m, \u6f22".encode(): "Jos\u00e9, \u00c1d\u00e1m, \u6f22",
    "a\u202eb\u200bc\u2028d".encode(): r"a\u202eb\u200bc\u2028d",
    b"back\\slash": "back\\slash",
    b"a\rb": r"a\rb",
    b"'\"": "'\"",
    b"x" * 100_000: "x" * 100_000,
}


@pytest.mark.parametrize("comment", COMMENTS, ids=lambda value: ascii(value[:8]))
def test_comments(comment: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "id.pub"
    path.write_bytes(LINE.encode() + b" " + comment + b"\n")
    assert run(["show", str(path)]) == 0
    shown = COMMENTS[comment]
    assert capsys.readouterr().out == f"256 {KEY.get_fingerprint()} {shown} (ED25519)\n"
    assert ssh_keys.read_public_key(path).get_comment_bytes() == comment
    assert run(["show", str(path), "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["entries"]
    assert entry["comment"] == comment.decode("utf-8", "backslashreplace")
    known = tmp_path / "known"
    known.write_bytes(b"host " + path.read_bytes())
    assert run(["known-hosts", "find", "host", "--file", str(known)]) == 0
    assert capsys.readouterr().out.isascii() is shown.isascii()


@pytest.mark.parametrize("comment", COMMENTS, ids=lambda value: ascii(value[:8]))
@pytest.mark.parametrize("form", ["openssh", "rfc4716", "pkcs8-pem"])
def test_what_is_written_can_be_read(comment: bytes, form: str, tmp_path: Path) -> None:
    key = KEY.convert_to_public()
    key.set_comment(comment)
    refused = None
    if form != "pkcs8-pem" and set(comment) & set(b"\r\0"):
        refused = "line breaks or NUL"
    elif form == "rfc4716" and len(comment) > 1022:
        refused = "no room for a comment of 100000"
    if refused is not None:
        with pytest.raises(ssh_keys.KeyExportError, match=refused):
            key.export_public_key(form)
        return
    data = key.export_public_key(form)
    again = ssh_keys.import_public_key(data)
    assert again == key
    assert again.get_comment_bytes() == (None if form == "pkcs8-pem" else comment)


@pytest.mark.parametrize("size", [1022, 1023])
def test_the_longest_comment_of_rfc_4716(size: int) -> None:
    """Section 3.3: a value has 1024 bytes at most, here with the quotes."""
    key = KEY.convert_to_public()
    key.set_comment("c" * size)
    if size > 1022:
        with pytest.raises(ssh_keys.KeyExportError, match="no room for a comment of 1023 bytes"):
            key.export_public_key("rfc4716")
    else:
        data = key.export_public_key("rfc4716")
        assert max(map(len, data.splitlines())) <= 72
        assert ssh_keys.import_public_key(data).get_comment() == "c" * size


@needs_ssh_keygen
@pytest.mark.usefixtures("folder")
def test_times_before_now(capsys: pytest.CaptureFixture[str]) -> None:
    """As clocks differ: `-5m` is a time, not an option."""
    words = ["sign-cert", "id.pub", "--ca", "id", "--id", "x", "--principals", "p", "--force"]
    assert run([*words, "--valid-after", "-5m", "--valid-before", "+1d", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    certificate = ssh_keys.read_certificate("id-cert.pub")
    assert isinstance(certificate, ssh_keys.SSHOpenSSHCertificate)
    fields = certificate.fields
    assert fields.valid_before - fields.valid_after == 86400 + 300
    assert facts["valid_after"] < facts["valid_before"]
    assert "Valid: from" in ssh_keygen("-L", "-f", "id-cert.pub")
    assert run([*words, "--valid-after", "-x", "--valid-before", "+1d"]) == 2
    assert run(["verify", "data", "--allowed-signers", "signers", "--time", "-1d"]) == 2
    assert "--principal" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("name", ["\u00fc", "\udce9", "a\x1bb", "a\nb", "it's"])
def test_odd_names_of_files(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["show", name]) == 1
    said = capsys.readouterr().err
    assert said.isprintable() or said[:-1].isprintable()
    assert "\\\\" not in said
    Path(name).write_bytes(b"")
    assert run(["show", name, "--json"]) == 1
    assert "it is empty" in json.loads(capsys.readouterr().out)["error"]
