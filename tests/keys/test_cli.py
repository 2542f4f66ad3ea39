"""The command line: every command, both kinds of answer, every exit status."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

import ssh_keys
from ssh_keys.cli.parser import run

from .support import make_key, needs_ssh_keygen, public_line, ssh_keygen

PASSPHRASE = ("--passphrase-env", "SSH_KEYS_TEST")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to work in, and a passphrase in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SSH_KEYS_TEST", "secret")
    return tmp_path


class Shell:
    """Runs command lines in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str, status: int = 0) -> str:
        assert run(words) == status
        captured = self._capsys.readouterr()
        failed = status == 2 or (status == 1 and not captured.out)
        if captured.out.startswith('{\n  "error"'):
            failed = True
            assert json.loads(captured.out)["error"] in captured.err
        assert bool(captured.err) is failed
        return captured.out if captured.out else captured.err

    def json(self, *words: str, status: int = 0) -> dict[str, object]:
        answer = json.loads(self(*words, "--json", status=status))
        assert isinstance(answer, dict)
        return answer

    def only(self, name: str, *words: str, status: int = 0) -> dict[str, object]:
        """The only entry of a list in an answer."""
        entries = self.json(*words, status=status)[name]
        assert isinstance(entries, list)
        (entry,) = entries
        assert isinstance(entry, dict)
        return entry


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    """A shell for command lines."""
    return Shell(capsys)


@pytest.mark.usefixtures("folder")
def test_generate(shell: Shell) -> None:
    facts = shell.json("generate", "id", "--comment", "a b", *PASSPHRASE)
    key = ssh_keys.read_private_key("id", "secret")
    assert facts["fingerprint"] == key.get_fingerprint()
    assert key.get_comment() == "a b"
    assert ssh_keys.read_public_key("id.pub") == key.convert_to_public()
    assert "exists" in shell("generate", "id", *PASSPHRASE, status=1)
    shell("generate", "id", "--type", "ecdsa", "--no-passphrase", "--force")
    assert ssh_keys.read_private_key("id").get_algorithm() == "ecdsa-sha2-nistp256"
    shell("generate", "rsa", "--type", "rsa", "--bits", "2048", "--no-passphrase")
    assert ssh_keys.read_private_key("rsa").bits == 2048
    assert "no passphrase" in shell("generate", "other", status=1)
    assert "not set" in shell("generate", "x", "--passphrase-env", "SSH_KEYS_NONE", status=1)
    assert "unknown key type" in shell("generate", "x", "--type", "zz", *PASSPHRASE, status=2)


def test_passphrase_in_a_file(folder: Path, shell: Shell) -> None:
    (folder / "pass").write_text("first line\nsecond\n")
    shell("generate", "id", "--passphrase-file", "pass")
    assert ssh_keys.read_private_key("id", "first line").is_private
    assert "private key" in str(shell.json("show", "id", "--passphrase-file", "pass"))
    assert "needs a passphrase" in shell("convert", "id", "o", "--format", "ppk", status=1)
    words = ("show", "id", "--passphrase-file", "pass", "--passphrase-env", "X")
    assert "not allowed with" in shell(*words, status=2)


def test_show_of_an_encrypted_key_needs_no_passphrase(folder: Path, shell: Shell) -> None:
    shell("generate", "id", *PASSPHRASE)
    fingerprint = ssh_keys.read_public_key("id.pub").get_fingerprint()
    (folder / "id.pub").unlink()
    assert shell("show", "id") == f"256 {fingerprint} no comment (ED25519)\n"
    entry = shell.only("entries", "show", "id")
    assert (entry["kind"], entry["encrypted"]) == ("private key", True)
    assert "encrypted" not in shell.only("entries", "show", "id", *PASSPHRASE)
    # These have nothing in clear.
    shell("convert", "id", "id8", "--format", "pkcs8-pem", *PASSPHRASE, "--no-passphrase")
    words = ("--new-passphrase-env", "SSH_KEYS_TEST")
    shell("convert", "id8", "id9", "--format", "pkcs8-pem", *words)
    assert "needs a passphrase" in shell("show", "id9", status=1)


@pytest.mark.parametrize("name", ["none/id", "id"])
def test_errors_of_the_system_name_the_file(folder: Path, shell: Shell, name: str) -> None:
    if name == "id":
        (folder / "id").mkdir()
        (folder / "id.pub").mkdir()
    said = shell("generate", name, "--no-passphrase", "--force", status=1)
    assert said.startswith(f"ssh-keys: '{name}': ")
    assert "Errno" not in said
    assert shell("show", "nofile", status=1) == "ssh-keys: 'nofile': No such file or directory\n"


def test_show_of_a_certificate_is_text(shell: Shell, folder: Path) -> None:
    key = make_key("ssh-ed25519")
    cert = key.generate_user_certificate(
        key, "id", principals=["a", "b"], source_address=["10.0.0.0/8", "::1"], comment=""
    )
    cert.write_certificate("id-cert.pub")
    text = shell("show", "id-cert.pub")
    assert "\nprincipals: a, b\n" in text
    assert "\ncritical_options: source-address=10.0.0.0/8, ::1\n" in text
    assert text.endswith("\ncomment:\n")


def test_show(folder: Path, shell: Shell) -> None:
    key = make_key("ssh-ed25519")
    key.write_public_key("id.pub")
    text = shell("show", "id.pub", "--randomart")
    assert text.startswith(f"256 {key.get_fingerprint()} ssh-ed25519 0 (ED25519)\n+--[ED25519 256]")
    entry = shell.only("entries", "show", "id.pub", "--hash", "md5", "--randomart")
    assert str(entry["fingerprint"]).startswith("MD5:")
    assert "\n" in str(entry["randomart"])
    words = ssh_keys.bubblebabble(key)
    assert words in shell("show", "id.pub", "--bubblebabble")
    assert shell.only("entries", "show", "id.pub", "--bubblebabble")["bubblebabble"] == words
    key.set_comment("ssh-ed25519 0")
    hostile = key.convert_to_public()
    hostile.set_comment("\x1b[2Jx")
    hostile.write_public_key("bad.pub")
    assert "\x1b" not in shell("show", "bad.pub")
    (folder / "junk").write_text("junk")
    assert "no key and no certificate found" in shell("show", "junk", status=1)
    assert "No such file" in shell("show", "missing", status=1)


@pytest.mark.usefixtures("folder")
def test_convert(shell: Shell) -> None:
    key = make_key("ecdsa-sha2-nistp256")
    key.write_private_key("id")
    for form in ("openssh", "pkcs8-pem", "pkcs1-pem", "ppk", "ppk2"):
        shell("convert", "id", "out", "--force", "--format", form, "--no-passphrase")
        assert ssh_keys.read_private_key("out") == key
    for form in ("rfc4716", "pkcs8-der", "openssh"):
        shell("convert", "id", "out", "--force", "--format", form, "--public")
        assert ssh_keys.read_public_key("out") == key.convert_to_public()
    words = ("--new-passphrase-env", "SSH_KEYS_TEST")
    for form in ("openssh", "pkcs8-der", "ppk"):
        shell("convert", "id", "out", "--force", "--format", form, *words)
        assert ssh_keys.read_private_key("out", "secret") == key
    shell("convert", "id", "out", "--force", "--format", "pkcs1-der", "--no-passphrase")
    assert ssh_keys.read_private_key("out") == key


@pytest.mark.usefixtures("folder")
def test_certificates(shell: Shell) -> None:
    make_key("ssh-ed25519", 7).write_private_key("ca")
    make_key("ssh-ed25519").write_public_key("host.pub")
    common = ("--ca", "ca", "--id", "web", "--principals", "a.example.com,b.example.com")
    validity = ("--valid-after", "20200101Z", "--valid-before", "20300101Z")
    words = ("sign-cert", "host.pub", "--host", "--serial", "5", *common, *validity)
    facts = shell.json(*words)
    assert facts["output"] == "host-cert.pub"
    assert facts["kind"] == "host certificate"
    assert facts["principals"] == ["a.example.com", "b.example.com"]
    assert facts["valid_after"] == "2020-01-01T00:00:00+00:00"
    certificate = ssh_keys.read_certificate("host-cert.pub")
    assert isinstance(certificate, ssh_keys.SSHOpenSSHCertificate)
    assert (certificate.fields.serial, certificate.fields.key_id) == (5, "web")
    text = shell("show", "host-cert.pub")
    assert "signing_key: " + make_key("ssh-ed25519", 7).get_fingerprint() in text
    options = ("--force-command", "ls", "--source-address", "192.0.2.0/24", "--output", "u")
    facts = shell.json("sign-cert", "host.pub", *common, *validity, *options)
    assert facts["critical_options"] == {
        "force-command": "ls",
        "source-address": ["192.0.2.0/24"],
    }
    assert "force-command=ls" in shell("show", "u")
    assert "no critical options" in shell(*words, "--force-command", "x", status=2)


def test_sign_and_verify(folder: Path, shell: Shell) -> None:
    make_key("ssh-ed25519").write_private_key("id")
    (folder / "data").write_bytes(b"release")
    (folder / "signers").write_text(f"me@example.com {public_line('ssh-ed25519')}\n")
    shell("sign", "data", "--key", "id", "--namespace", "release")
    words = ("verify", "data", "--allowed-signers", "signers", "--principal", "me@example.com")
    assert shell(*words, "--namespace", "release").startswith("Good signature")
    assert shell.json(*words, "--namespace", "release")["good"] is True
    answer = shell.json(*words, status=1)
    assert answer["good"] is False
    assert "for 'release', not for 'file'" in str(answer["reason"])
    (folder / "data").write_bytes(b"changed")
    assert shell(*words, "--namespace", "release", status=1).startswith("BAD signature")


def test_known_hosts(folder: Path, shell: Shell) -> None:
    make_key("ssh-ed25519").write_public_key("id.pub")
    file = ("--file", "known_hosts")
    added = shell.json("known-hosts", "add", "host", "--key", "id.pub", *file)
    assert added == {"added": True}
    assert "already" in shell("known-hosts", "add", "host", "--key", "id.pub", *file)
    words = ("--hashed", "--port", "2222", "--key", "id.pub")
    shell("known-hosts", "add", "host", *words, *file)
    assert shell("known-hosts", "find", "host", *file).startswith("1: host ssh-ed25519")
    assert shell.json("known-hosts", "hash", *file) == {"changed": 1}
    assert "example" not in (folder / "known_hosts").read_text()
    assert shell.only("lines", "known-hosts", "find", "host", *file)["line"] == 1
    assert shell("known-hosts", "remove", "host", *file).startswith("1: |1|")
    assert shell("known-hosts", "find", "host", *file, status=1) == "not found\n"
    assert shell("known-hosts", "find", "host", "--port", "2222", *file).startswith("1: |1|")
    assert "needs a host" in shell("known-hosts", "find", *file, status=2)
    assert "needs --key" in shell("known-hosts", "add", "x", *file, status=2)


def test_known_hosts_check(folder: Path, shell: Shell) -> None:
    first, second, third = (make_key("ssh-ed25519", number) for number in range(3))
    for number, key in enumerate((first, second, third)):
        key.write_public_key(f"{number}.pub")
    file = ("--file", "known_hosts")
    shell("known-hosts", "add", "host", "--key", "0.pub", "--hashed", *file)
    with (folder / "known_hosts").open("a") as lines:
        lines.write(f"@revoked * {third.export_public_key().decode()}")
    check = ("known-hosts", "check")
    assert shell(*check, "host", "--key", "0.pub", *file) == "trusted\n"
    assert shell(*check, "host", "--key", "1.pub", *file, status=1) == "mismatch\n"
    assert shell(*check, "host", "--key", "2.pub", *file, status=1) == "revoked\n"
    assert shell(*check, "other", "--key", "1.pub", *file, status=1) == "unknown\n"
    words = (*check, "host", "--key", "0.pub", "--port", "2222", *file)
    assert shell.json(*words, status=1) == {"host": "host", "status": "unknown"}
    assert "needs --key" in shell(*check, "host", *file, status=2)


def test_known_hosts_lines_that_are_skipped(folder: Path, shell: Shell) -> None:
    key = make_key("ssh-ed25519").export_public_key().decode()
    (folder / "id.pub").write_text(key)
    (folder / "known_hosts").write_text(f"host {key}@what host,other {key}")
    file = ("--file", "known_hosts")
    reason = "unknown marker '@what'"
    found = shell("known-hosts", "find", "host", *file).splitlines()
    assert found[1] == f"2: @what host,other {key}".rstrip() + f" ({reason})"
    line = shell.only("lines", "known-hosts", "find", "other", *file, status=1)
    assert (line["marker"], line["problem"]) == ("@what", reason)
    check = ("known-hosts", "check", "host", "--key", "id.pub", *file)
    assert shell(*check) == f"trusted\nline 2: {reason}\n"
    assert shell.json(*check)["problems"] == [f"line 2: {reason}"]
    (folder / "known_hosts").write_text(f"host nonsense\n@what host {key}")
    assert len(shell("known-hosts", "remove", "host", *file).splitlines()) == 1


def test_krl_show(shell: Shell, folder: Path) -> None:
    authority, key = make_key("ssh-ed25519"), make_key("ssh-ed25519", 1)
    revoked = ssh_keys.SSHKeyRevocationList(7, "why \x1b", generated=1_700_000_000)
    revoked.revoke_serials(authority, 3, 9)
    revoked.revoke_serials(None, 12)
    revoked.revoke_key_id(authority, "id \x1b")
    revoked.revoke_key(key)
    revoked.revoke_hash(key)
    revoked.write_krl("revoked")
    signer, shown = authority.get_fingerprint(), key.get_fingerprint()
    assert shell("krl", "show", "revoked").splitlines() == [
        "version 7 of 2023-11-14T22:13:20+00:00 why \\x1b",
        f"serial 3-9 of {signer}",
        f"key id id \\x1b of {signer}",
        "serial 12",
        f"key {shown}",
        f"sha256 {shown}",
    ]
    facts = shell.json("krl", "show", "revoked")
    assert facts["version"] == 7
    entries = facts["entries"]
    assert isinstance(entries, list)
    assert entries[0] == {"kind": "serial", "value": "3-9", "authority": signer}
    assert entries[2]["authority"] is None
    far = bytearray(Path("revoked").read_bytes())
    far[20:28] = b"\xff" * 7 + b"\xfe"
    Path("revoked").write_bytes(far)
    assert shell("krl", "show", "revoked").startswith(f"version 7 of {(1 << 64) - 2} why")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("known-hosts", "find", "h", "--key", "id.pub"), "find has no use for --key"),
        (("known-hosts", "remove", "h", "--hashed"), "remove has no use for --hashed"),
        (("known-hosts", "hash", "h"), "hash has no use for host"),
        (("known-hosts", "hash", "--port", "1"), "hash has no use for --port"),
        (("krl", "check", "revoked", "id.pub", "--serial", "1"), "check has no use for --serial"),
        (("krl", "check", "revoked", "id.pub", "--key-id", "x"), "check has no use for --key-id"),
        (("krl", "check", "revoked"), "check needs keys or certificates"),
        (("krl", "show", "revoked", "id.pub"), "show has no use for keys"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_options_of_other_actions(shell: Shell, words: tuple[str, ...], said: str) -> None:
    assert shell(*words, status=2) == f"ssh-keys: {said}\n"


@pytest.mark.usefixtures("folder")
def test_krl(shell: Shell) -> None:
    ca, key = make_key("ssh-ed25519", 7), make_key("ssh-ed25519")
    ca.write_public_key("ca.pub")
    key.write_public_key("id.pub")
    make_key("ecdsa-sha2-nistp256").write_public_key("good.pub")
    other = make_key("ecdsa-sha2-nistp384")
    ca.generate_user_certificate(other, "x", serial=7).write_certificate("seven.pub")
    ca.generate_user_certificate(other, "bad", serial=1).write_certificate("id.cert")
    ca.generate_user_certificate(other, "x", serial=9).write_certificate("nine.pub")
    shell(
        *("krl", "create", "list", "id.pub", "nine.pub", "--ca", "ca.pub", "--serial", "5-7"),
        *("--key-id", "bad", "--version-number", "3"),
    )
    assert ssh_keys.read_krl("list").version == 3
    shell("krl", "check", "list", "good.pub")
    for name in ("id.pub", "seven.pub", "id.cert", "nine.pub"):
        assert shell.only("keys", "krl", "check", "list", name, status=1)["revoked"] is True
    for wrong in ("a", "0", "7-5", "²", "1-", "18446744073709551616"):
        assert "no serial number" in shell("krl", "create", "x", "--serial", wrong, status=2)


CERTIFY = ("sign-cert", "a.pub", "--ca", "b", "--id", "i", "--principals", "p")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("nonsense",),
        ("show",),
        ("show", "a", "--hash", "crc32"),
        ("convert", "a", "b"),
        ("convert", "a", "b", "--format", "word"),
        ("generate", "x", "--passphrase", "secret"),
        ("generate", "x", "--bits", "many"),
        CERTIFY,
        (*CERTIFY, "--valid-before", "someday"),
        (*CERTIFY, "--valid-after", "20209999", "--valid-before", "+1d"),
        ("krl", "sign", "x"),
        ("known-hosts", "learn", "x"),
        ("verify", "x"),
    ],
)
def test_command_lines_that_make_no_sense(words: tuple[str, ...], shell: Shell) -> None:
    said = shell(*words, status=2)
    assert said.startswith("usage: ssh-keys")
    answer = shell.json(*words, status=2)
    assert answer["kind"] == "UsageError"
    assert said.endswith(f"\nssh-keys: {answer['error']}\n")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("generate", "x", "--type", "ed25519", "--bits", "2048"), "only RSA keys"),
        (("generate", "x", "--type", "rsa", "--bits", "1024"), "2048 to 16384 bits"),
        (("generate", "x", "--resident"), "only security keys have --resident"),
        (("generate", "x", "--type", "rsa", "--bits", "2048", "--resident"), "have --resident"),
        (("generate", "x", "--no-touch-required"), "security keys have --no-touch-required"),
        (("generate", "x", "--pin-env", "SSH_KEYS_TEST"), "only security keys have --pin-env"),
        (("generate", "x", "--type", "ed25519-sk", "--bits", "256"), "only RSA keys"),
        (("sign", "x", "x", "--key", "id"), "more than one file would go to 'x.sig'"),
        (("sign", "x", "y", "--key", "id", "--output", "z"), "only one file can go to --output"),
        (("sign", "x", "-", "--key", "id"), "only one file can go to --output or to standard"),
        (
            ("sign-cert", "k", "k.pub", *CERTIFY[2:], "--valid-before", "+1d", "--force"),
            "more than one file would go to 'k-cert.pub'",
        ),
        (("generate", "x", "--type", "ssh-nonsense"), "unknown key type"),
        ((*CERTIFY, "--valid-before", "+1d", "--permit", "flying"), "nothing to permit"),
        ((*CERTIFY, "--valid-before", "+1d", "--host", "--permit", "pty"), "permit nothing"),
    ],
)
def test_what_only_the_command_knows_to_make_no_sense(
    words: tuple[str, ...], text: str, shell: Shell
) -> None:
    assert text in shell(*words, status=2)
    answer = shell.json(*words, status=2)
    assert text in str(answer["error"])
    assert answer["kind"] == "UsageError"
    assert not Path("x").exists()


FORCED = ("generate", "convert", "sign-cert", "sign")


def test_every_command_answers_in_json(folder: Path, shell: Shell) -> None:
    """Whatever is printed, is JSON with --json, in front of the command or behind it."""
    make_key("ssh-ed25519").write_private_key("id")
    (folder / "data").write_bytes(b"x")
    (folder / "signers").write_text(f"me {public_line('ssh-ed25519')}\n")
    hosts = ("--file", "hosts")
    validity = ("--id", "i", "--principals", "p", "--valid-before", "+1d")
    lines: list[tuple[tuple[str, ...], str]] = [
        (("generate", "id2", "--no-passphrase"), "fingerprint"),
        (("show", "id"), "entries"),
        (("convert", "id", "id.pub", "--format", "openssh", "--public"), "output"),
        (("sign-cert", "id.pub", "--ca", "id", *validity), "key_id"),
        (("sign", "data", "--key", "id"), "output"),
        (("verify", "data", "--allowed-signers", "signers", "--principal", "me"), "good"),
        (("known-hosts", "add", "h", "--key", "id.pub", *hosts), "added"),
        (("known-hosts", "find", "h", *hosts), "lines"),
        (("known-hosts", "hash", *hosts), "changed"),
        (("known-hosts", "remove", "h", *hosts), "lines"),
        (("krl", "create", "list", "id2.pub"), "output"),
        (("krl", "check", "list", "id.pub"), "keys"),
    ]
    for words, name in lines:
        assert name in shell.json(*words)
        writes = (*FORCED, "krl") if words[:2] == ("krl", "create") else FORCED
        words = (*words, "--force") if words[0] in writes else words
        if words[:2] != ("known-hosts", "remove"):
            assert name in json.loads(shell("--json", *words))
    failed = shell.json("show", "nothing", status=1)
    assert failed["kind"] == "FileNotFoundError"
    assert "nothing" in str(failed["error"])


@needs_ssh_keygen
def test_as_a_program(folder: Path) -> None:
    command = [sys.executable, "-m", "ssh_keys", "generate", "id", "--no-passphrase", "--json"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    facts = json.loads(result.stdout)
    assert facts["fingerprint"] in ssh_keygen("-l", "-f", folder / "id")
    again = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert again.stderr == "ssh-keys: 'id' exists; --force replaces it\n"


# --- X.509 -----------------------------------------------------------------------------------


def test_x509_certificates(folder: Path, shell: Shell) -> None:
    ca, key = make_key("ecdsa-sha2-nistp256"), make_key("ssh-rsa")
    made = ca.generate_x509_user_certificate(
        key, "O=Org,CN=alice\x1b[31m", "O=Org,CN=CA", 7, ["alice"], "20200101Z", comment="c"
    )
    made.write_certificate("a.pem", "pem")
    ca.generate_x509_ca_certificate(ca, "O=Org,CN=CA", ca_path_len=1).append_certificate(
        "a.pem", "pem"
    )
    user, authority = cast("list[dict[str, object]]", shell.json("show", "a.pem")["entries"])
    assert user["kind"] == "X.509 certificate"
    assert user["algorithm"] == "x509v3-rsa2048-sha256"
    assert user["fingerprint"] == key.get_fingerprint()
    assert user["subject"] == "O=Org,CN=alice\\1b[31m"
    assert (user["issuer"], user["serial"]) == ("O=Org,CN=CA", 7)
    assert user["valid_after"] == "2020-01-01T00:00:00+00:00"
    assert user["valid_before"] == "9999-12-31T23:59:59+00:00"
    assert user["purposes"] == ["secureShellClient"]
    assert user["user_principals"] == ["alice"]
    assert user["comment"] == "c"
    assert authority["kind"] == "X.509 authority"
    assert (authority["path_length"], authority["purposes"]) == (1, ["any"])
    text = shell("show", "a.pem")
    assert "subject: O=Org,CN=alice" in text
    assert "\x1b" not in text


def test_x509_convert(folder: Path, shell: Shell) -> None:
    ca = make_key("ecdsa-sha2-nistp256")
    made = ca.generate_x509_host_certificate(ca, "CN=h", principals=["h.example"])
    made.write_certificate("h.pem", "pem")
    last = "h.pem"
    for form in ("der", "openssh", "rfc4716", "pem"):
        facts = shell.json("convert", last, f"h.{form}2", "--format", form)
        last = f"h.{form}2"
        assert facts["host_principals"] == ["h.example"]
        assert ssh_keys.read_certificate(last) == made
        assert (folder / last).read_bytes() == made.export_certificate(form)
    ca.write_private_key("id")
    assert "certificate" in shell("convert", "id", "x", "--format", "pem", status=1)
    # A file with both: the key is what the other formats are for.
    (folder / "both").write_bytes(
        ca.export_private_key("pkcs8-pem") + made.export_certificate("pem")
    )
    shell("convert", "both", "both.key", "--format", "openssh", "--no-passphrase")
    assert ssh_keys.read_private_key("both.key") == ca
    shell("convert", "both", "both.der", "--format", "der")
    assert ssh_keys.read_certificate("both.der") == made
    shell("convert", "h.pem", "h.pub", "--format", "openssh", "--public", status=1)
    certificate = ca.generate_user_certificate(ca, "id", principals=["a"])
    certificate.write_certificate("id-cert.pub")
    shell("convert", "id-cert.pub", "id.4716", "--format", "rfc4716")
    assert ssh_keys.read_certificate("id.4716") == certificate
    assert "format" in shell("convert", "id-cert.pub", "x", "--format", "der", status=1)


@needs_ssh_keygen
def test_what_a_certificate_permits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_key("ssh-ed25519").write_private_key("ca")
    make_key("ssh-ed25519", 1).write_public_key("key.pub")
    words = [
        "sign-cert",
        "key.pub",
        "--ca",
        "ca",
        "--id",
        "x",
        "--principals",
        "ada",
        "--valid-before",
        "+1d",
        "--force",
    ]
    for more, permitted in (
        ([], ["agent-forwarding", "port-forwarding", "pty", "user-rc", "x11-forwarding"]),
        (["--permit", "pty, X11-forwarding"], ["pty", "x11-forwarding"]),
        (["--permit", "none"], []),
    ):
        assert run([*words, *more]) == 0
        printed = ssh_keygen("-L", "-f", "key-cert.pub").lower()
        assert re.findall(r"^ +permit-(\S+)$", printed, re.MULTILINE) == sorted(
            permitted, key=lambda name: (name[0] != "x", name)
        )
    assert run([*words, "--verify-required", "--no-touch-required"]) == 0
    printed = ssh_keygen("-L", "-f", "key-cert.pub")
    assert "verify-required" in printed
    assert "no-touch-required" in printed
    assert run([*words, "--permit", "everything"]) == 2
    for option in ("--verify-required", "--no-touch-required"):
        assert run([*words, "--host", option]) == 2


@needs_ssh_keygen
@pytest.mark.parametrize("kind", ["sha256", "sha1"])
def test_revoked_by_hash(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_key("ssh-ed25519").write_public_key("key.pub")
    assert run(["krl", "create", "revoked", "key.pub", "--by-hash", kind]) == 0
    assert run(["krl", "check", "revoked", "key.pub"]) == 1
    assert make_key("ssh-ed25519").public_data not in Path("revoked").read_bytes()
    assert "REVOKED" in ssh_keygen("-Q", "-f", "revoked", "key.pub", check=False)
