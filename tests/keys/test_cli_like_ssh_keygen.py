"""What the command shares with ssh-keygen beyond files: options of certificates, costs, sizes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ssh_keys
from ssh_keys.cli.parser import run
from ssh_keys.wire import encode_string

from .support import make_key, needs_ssh_keygen, ssh_keygen

CERTIFY = ("--ca", "ca", "--id", "x", "--principals", "p", "--valid-before", "+1d")
PASSPHRASE = ("--passphrase-env", "SSH_KEYS_TEST")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an authority and three keys."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SSH_KEYS_TEST", "secret")
    make_key("ssh-rsa").write_private_key("ca")
    for number in range(3):
        make_key("ssh-ed25519", number).write_public_key(f"{number}.pub")
    return tmp_path


def certificate_of(name: str) -> ssh_keys.SSHOpenSSHCertificate:
    certificate = ssh_keys.read_certificate(name)
    assert isinstance(certificate, ssh_keys.SSHOpenSSHCertificate)
    return certificate


@needs_ssh_keygen
@pytest.mark.usefixtures("folder")
def test_further_options(capsys: pytest.CaptureFixture[str]) -> None:
    """The same options as of `ssh-keygen -O critical:` and `-O extension:`."""
    theirs = (
        "critical:c@x.org=a=b",
        "critical:flag@x.org",
        "extension:e@x.org=text",
        "extension:f",
    )
    words = [word for option in theirs for word in ("-O", option)]
    ssh_keygen("-s", "ca", "-I", "x", "-n", "p", "-O", "clear", *words, "0.pub")
    other = certificate_of("0-cert.pub").fields
    words = [word for option in theirs for word in ("--" + option.replace(":", " ", 1)).split()]
    assert run(["sign-cert", "0.pub", *CERTIFY, "--permit", "none", *words, "--force"]) == 0
    fields = certificate_of("0-cert.pub").fields
    assert fields.critical_options == other.critical_options
    assert fields.critical_options["c@x.org"] == encode_string(b"a=b")
    assert fields.extensions == other.extensions == {"e@x.org": encode_string(b"text"), "f": b""}
    assert re.search(r"flag@x.org UNKNOWN.* OPTION", ssh_keygen("-L", "-f", "0-cert.pub"))
    host = ["sign-cert", "1.pub", "--host", *CERTIFY, "--extension", "e@x.org"]
    assert run(host) == 0
    assert certificate_of("1-cert.pub").fields.extensions == {"e@x.org": b""}
    capsys.readouterr()
    assert run([*host, "--critical", "x", "--force"]) == 2
    assert "host certificates have no critical options" in capsys.readouterr().err
    for wrong in ("", "=x", "a b", "a\x1b"):
        assert run(["sign-cert", "2.pub", *CERTIFY, "--extension", wrong]) == 2
    assert not Path("2-cert.pub").exists()


@needs_ssh_keygen
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["rsa-sha2-256", "rsa-sha2-512", None])
def test_signature_algorithms(name: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    option = [] if name is None else ["--signature-algorithm", name]
    assert run(["sign-cert", "0.pub", *CERTIFY, *option]) == 0
    used = name or "rsa-sha2-512"
    assert certificate_of("0-cert.pub").signature_algorithm == used.encode()
    assert f"(using {used})" in ssh_keygen("-L", "-f", "0-cert.pub")
    capsys.readouterr()
    for wrong in ("ssh-ed25519", "nonsense"):
        assert run(["sign-cert", "1.pub", *CERTIFY, "--signature-algorithm", wrong]) == 1
        assert wrong in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_several_keys(capsys: pytest.CaptureFixture[str]) -> None:
    files = ["0.pub", "1.pub", "2.pub"]
    assert run(["sign-cert", *files, *CERTIFY, "--serial", "+7"]) == 0
    assert capsys.readouterr().out == "0-cert.pub\n1-cert.pub\n2-cert.pub\n"
    for number in range(3):
        certificate = certificate_of(f"{number}-cert.pub")
        assert certificate.fields.serial == 7 + number
        assert certificate.key == make_key("ssh-ed25519", number).convert_to_public()
    assert run(["sign-cert", *files, *CERTIFY, "--serial", "7", "--force", "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)["certificates"]
    assert [answer["serial"] for answer in answers] == [7, 7, 7]
    assert [answer["output"] for answer in answers] == ["0-cert.pub", "1-cert.pub", "2-cert.pub"]
    for more in (["--output", "x"], ["--serial", "+18446744073709551615"], ["-"]):
        assert run(["sign-cert", *files, *CERTIFY, "--force", *more]) == 2
    # One that is no key: none is certified.
    for number in range(3):
        Path(f"{number}-cert.pub").unlink()
    Path("1.pub").write_text("junk")
    assert run(["sign-cert", *files, *CERTIFY]) == 1
    assert not list(Path().glob("*-cert.pub"))


@needs_ssh_keygen
@pytest.mark.usefixtures("folder")
def test_cipher_and_rounds(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--cipher", "chacha20-poly1305@openssh.com", "--rounds", "3"]
    assert run(["generate", "id", *PASSPHRASE, *words]) == 0
    assert ssh_keygen("-y", "-P", "secret", "-f", "id").split()[1] in Path("id.pub").read_text()

    def kdf() -> tuple[str, int]:
        data = Path("id").read_bytes()
        (block,) = ssh_keys.formats.armour.iterate_pem(data)
        container = ssh_keys.formats.openssh_key.parse(block.data)
        return container.cipher.name.decode(), container.rounds

    assert kdf() == ("chacha20-poly1305@openssh.com", 3)
    new = ("--new-passphrase-env", "SSH_KEYS_TEST")
    assert run(["edit", "id", *PASSPHRASE, *new, "--cipher", "aes128-gcm@openssh.com"]) == 0
    assert kdf() == ("aes128-gcm@openssh.com", 24)
    ssh_keygen("-p", "-P", "secret", "-N", "secret", "-a", "5", "-Z", "aes192-cbc", "-f", "id")
    assert kdf() == ("aes192-cbc", 5)
    assert run(["show", "id", *PASSPHRASE]) == 0
    capsys.readouterr()
    for words in (["--cipher", "rot13"], ["--rounds", "0"], ["--rounds", "1025"]):
        assert run(["generate", "x", *PASSPHRASE, *words]) == 2
        assert words[1] in capsys.readouterr().err
    assert not Path("x").exists()


@needs_ssh_keygen
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("bits", [256, 384, 521])
def test_sizes_of_ecdsa(bits: int) -> None:
    assert run(["generate", "id", "--type", "ECDSA", "--bits", str(bits), "--no-passphrase"]) == 0
    assert re.match(rf"{bits} .*\(ECDSA\)$", ssh_keygen("-l", "-f", "id"))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--type", "ecdsa", "--bits", "512"), "unknown key type 'ecdsa-sha2-nistp512'"),
        (("--type", "rsa1"), "unknown key type 'rsa1': there are dsa, ecdsa,"),
        (("--type", "ed25519", "--bits", "256"), "only RSA keys have --bits"),
        (("--comment", "a\nb"), "the comment has line breaks or NUL"),
    ],
)
def test_keys_that_cannot_be_made(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And then there is no half of one either."""
    assert run(["generate", "id", "--no-passphrase", *words]) in (1, 2)
    assert said in capsys.readouterr().err
    assert not list(Path().glob("id*"))


@pytest.mark.usefixtures("folder")
def test_an_edit_that_cannot_be_written_changes_nothing() -> None:
    assert run(["generate", "id", "--no-passphrase", "--comment", "c"]) == 0
    before = Path("id").read_bytes(), Path("id.pub").read_bytes()
    assert run(["edit", "id", "--comment", "a\nb", "--no-passphrase"]) == 1
    assert (Path("id").read_bytes(), Path("id.pub").read_bytes()) == before


# --- Several files ---------------------------------------------------------------------------


@pytest.mark.usefixtures("folder")
def test_show_several_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "0.pub"]) == 0
    first = capsys.readouterr().out
    assert run(["show", "1.pub"]) == 0
    second = capsys.readouterr().out
    assert run(["show", "0.pub", "1.pub"]) == 0
    assert capsys.readouterr().out == f"0.pub:\n{first}1.pub:\n{second}"
    assert run(["show", "0.pub", "ca", "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert [file["file"] for file in files] == ["0.pub", "ca"]
    assert files[1]["entries"][0]["kind"] == "private key"
    assert run(["show", "0.pub", "none"]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "ssh-keys: 'none': No such file or directory\n")


@needs_ssh_keygen
def test_sign_several_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (folder / name).write_bytes(name.encode())
    assert run(["sign", "a", "none", "--key", "ca"]) == 1
    assert capsys.readouterr().err == "ssh-keys: 'none': No such file or directory\n"
    assert not (folder / "a.sig").exists()
    assert run(["sign", "a", "b", "--key", "ca"]) == 0
    assert capsys.readouterr().out == "a.sig\nb.sig\n"
    (folder / "signers").write_bytes(b"me " + make_key("ssh-rsa").export_public_key())
    words = ["-Y", "verify", "-f", "signers", "-I", "me", "-n", "file", "-s"]
    for name in ("a", "b"):
        done = subprocess.run(
            ["ssh-keygen", *words, f"{name}.sig"],
            input=name.encode(),
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
    capsys.readouterr()
    assert run(["sign", "a", "b", "--key", "ca", "--force", "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)["signatures"]
    assert [answer["output"] for answer in answers] == ["a.sig", "b.sig"]
    assert run(["sign", "a", "b", "--key", "ca", "--output", "x"]) == 2
    assert run(["sign", "a", "-", "--key", "ca"]) == 2


# --- Host keys -------------------------------------------------------------------------------


@needs_ssh_keygen
def test_host_keys(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As `ssh-keygen -A -f PREFIX`: the keys that are not there, and only those."""
    made = folder / "etc" / "ssh"
    made.mkdir(parents=True)
    assert run(["host-keys", str(made), "--type", "ed25519", "--comment", "c"]) == 0
    capsys.readouterr()
    kept = (made / "ssh_host_ed25519_key").read_bytes()
    assert run(["host-keys", str(made), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [facts["type"] for facts in answer["created"]] == ["RSA", "ECDSA"]
    assert answer["kept"] == [str(made / "ssh_host_ed25519_key")]
    before = {path: path.read_bytes() for path in made.iterdir()}
    assert len(before) == 6
    for facts in answer["created"]:
        assert facts["fingerprint"] in ssh_keygen("-l", "-f", facts["private"])
        assert Path(facts["private"]).stat().st_mode & 0o777 == 0o600
        assert run(["show", facts["private"]]) == 0
    capsys.readouterr()
    assert run(["host-keys", str(made)]) == 0
    assert capsys.readouterr().out == "all are there\n"
    # ssh-keygen finds nothing to do there either, but what it makes of its own.
    ssh_keygen("-A", "-f", str(folder))
    assert before.items() <= {path: path.read_bytes() for path in made.iterdir()}.items()
    assert before[made / "ssh_host_ed25519_key"] == kept


@pytest.mark.usefixtures("folder")
def test_host_keys_that_cannot_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["host-keys", "none"]) == 1
    assert capsys.readouterr().err == "ssh-keys: 'none': no such directory\n"
    Path("keys").mkdir()
    Path("keys/ssh_host_ecdsa_key.pub").write_text("x")
    assert run(["host-keys", "keys", "--type", "ecdsa"]) == 1
    assert "'keys/ssh_host_ecdsa_key.pub' exists, but its private" in capsys.readouterr().err
    assert run(["host-keys", "keys", "--type", "dsa"]) == 2
    assert [path.name for path in Path("keys").iterdir()] == ["ssh_host_ecdsa_key.pub"]


# --- Answers that cannot be printed ----------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "command", ["show 0.pub", "show 0.pub --json", "convert 0.pub - --format openssh --public"]
)
def test_a_full_disk(command: str, folder: Path) -> None:
    words = [sys.executable, "-m", "ssh_keys", *command.split()]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            words, cwd=folder, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60
        )
    said = b"ssh-keys: the answer cannot be printed: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.parametrize(
    ("redirection", "name", "said", "status"),
    [
        (">&-", "0.pub", "ssh-keys: the answer cannot be printed: Bad file descriptor\n", 1),
        (">&-", "none", "ssh-keys: 'none': No such file or directory\n", 1),
        (">&- 2>&-", "0.pub", "", 1),
        (">&- 2>&-", "none", "", 1),
        ("2>&-", "0.pub", "", 0),
        ("2>&-", "none", "", 1),
    ],
)
def test_without_output(redirection: str, name: str, said: str, status: int, folder: Path) -> None:
    for option in ("", "--json"):
        command = f'exec "{sys.executable}" -m ssh_keys show {name} {option} {redirection}'
        words = ["sh", "-c", command]
        done = subprocess.run(
            words, cwd=folder, capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.stderr, done.returncode) == (said, status)
