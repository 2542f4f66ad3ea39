"""The command line with keys that are somewhere else, and with what is asked for on a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ssh_keys
from ssh_keys.cli.parser import run

from .support import make_key, needs_ssh_keygen, ssh_keygen


def on_a_terminal(
    folder: Path, words: list[str], answers: list[str], *, piped: str = ""
) -> tuple[int, str]:
    """Run the program with a terminal of its own, and answer each prompt; status and output.

    With `piped`, its standard input is a pipe with this text.
    """
    command = [sys.executable, "-m", "ssh_keys", *words]
    if piped:
        command = ["sh", "-c", 'text=$1; shift; printf %s "$text" | "$@"', "sh", piped, *command]
    pid, terminal = pty.fork()
    if pid == 0:  # the child
        os.chdir(folder)
        os.execvp(command[0], command)
    printed, waiting, end = "", list(answers), time.monotonic() + 60
    asked = 0
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            data = os.read(terminal, 4096)
        except OSError:  # Linux says so at the end
            break
        if not data:
            break
        printed += data.decode()
        if printed[asked:].rstrip(" ").endswith(":") and waiting:
            asked = len(printed)
            time.sleep(0.1)  # until the program has switched off the echo
            os.write(terminal, waiting.pop(0).encode() + b"\n")
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert not waiting, printed
    return os.waitstatus_to_exitcode(status), printed


def test_passphrases_are_asked_for(tmp_path: Path) -> None:
    words = ["generate", "id", "--comment", "c", "--json"]
    status, printed = on_a_terminal(tmp_path, words, ["secret 1", "secret 2"])
    assert (status, "two passphrases differ" in printed) == (1, True)
    status, printed = on_a_terminal(tmp_path, words, ["secret 1", "secret 1"])
    assert status == 0
    assert "Passphrase for the new key" in printed
    assert "secret" not in printed
    key = ssh_keys.read_private_key(tmp_path / "id", "secret 1")
    assert json.loads(printed[printed.index("{") :])["fingerprint"] == key.get_fingerprint()

    (tmp_path / "id.pub").unlink()
    status, printed = on_a_terminal(tmp_path, ["show", "id"], [])
    assert (status, key.get_fingerprint() in printed) == (0, True)
    words = ["convert", "id", "out", "--format", "ppk", "--no-passphrase"]
    status, printed = on_a_terminal(tmp_path, words, ["wrong"])
    assert (status, "wrong passphrase" in printed) == (1, True)

    (tmp_path / "data").write_bytes(b"data")
    status, printed = on_a_terminal(tmp_path, ["sign", "data", "--key", "id"], ["secret 1"])
    assert (status, "Passphrase for id" in printed) == (0, True)
    ssh_keys.import_sshsig((tmp_path / "data.sig").read_bytes()).verify(b"data")
    # The data come from a pipe, the passphrase from the terminal.
    words = ["sign", "-", "--key", "id", "--output", "out.sig"]
    status, printed = on_a_terminal(tmp_path, words, ["secret 1"], piped="message")
    assert (status, "Passphrase for id" in printed) == (0, True)
    ssh_keys.import_sshsig((tmp_path / "out.sig").read_bytes()).verify(b"message")
    words = ["convert", "id", "out", "--format", "pkcs8-pem"]
    status, printed = on_a_terminal(tmp_path, words, ["secret 1", "new", "new"])
    assert status == 0
    assert ssh_keys.read_private_key(tmp_path / "out", "new") == key


def test_without_a_standard_input(tmp_path: Path) -> None:
    """A CI job may have none at all: then nothing is asked, and nothing hangs."""
    make_key("ssh-ed25519").write_private_key(tmp_path / "id", passphrase="x", rounds=1)
    command = f'exec "{sys.executable}" -m ssh_keys sign id --key id <&-'
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    said = "ssh-keys: 'id': the private key is encrypted and needs a passphrase: give "
    assert done.stderr == f"{said}--passphrase-file or --passphrase-env\n"


# --- Security keys ---------------------------------------------------------------------------


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> object:
    """An authenticator in software with a PIN, where one on USB would be found."""
    pytest.importorskip("fido2", reason="python-fido2 is not installed")
    from ssh_keys import authenticator

    from .ctap_authenticator import Authenticator

    device = Authenticator(pin="1234")
    monkeypatch.setattr(authenticator, "list_devices", lambda: iter((device,)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKEN_PIN", "1234")
    monkeypatch.setenv("WRONG_PIN", "4321")
    return device


PIN = ("--pin-env", "TOKEN_PIN")


def facts(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> dict[str, object]:
    capsys.readouterr()  # what came before
    assert run([*words, "--json"]) == status
    answer = json.loads(capsys.readouterr().out)
    assert isinstance(answer, dict)
    return answer


@needs_ssh_keygen
@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("kind", ["ed25519-sk", "ecdsa-sk"])
def test_security_keys(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("generate", "id", "--type", kind, "--no-passphrase", "--application", "ssh:work")
    made = facts(capsys, *words, "--verify-required", *PIN)
    assert (made["application"], made["touch_required"], made["verify_required"]) == (
        "ssh:work",
        True,
        True,
    )
    assert made["resident"] is False
    shown = facts(capsys, "show", "id.pub")["entries"]
    assert isinstance(shown, list)
    assert shown[0]["application"] == "ssh:work"
    (tmp_path / "data").write_bytes(b"data")
    assert facts(capsys, "sign", "data", "--key", "id", *PIN)["output"] == "data.sig"
    line = (tmp_path / "id.pub").read_text()
    (tmp_path / "signers").write_text(f"ada {line}")
    verify = ("verify", "data", "--allowed-signers", "signers", "--principal", "ada")
    assert facts(capsys, *verify)["good"] is True
    certify = ("sign-cert", "id.pub", "--ca", "id", "--id", "x", "--principals", "ada")
    assert run([*certify, "--valid-before", "+1d", *PIN]) == 0
    certificate = ssh_keys.read_certificate("id-cert.pub")
    certificate.validate(ssh_keys.CertificateType.USER, "ada")  # type: ignore[attr-defined]
    # No PIN, and no terminal to ask for one; a wrong PIN.
    again = ("sign", "data", "--force", "--key", "id")
    assert "needs a PIN" in str(facts(capsys, *again, status=1)["error"])
    wrong = facts(capsys, *again, "--pin-env", "WRONG_PIN", status=1)
    assert "wrong PIN" in str(wrong["error"])
    assert str(made["fingerprint"]) in ssh_keygen("-l", "-f", tmp_path / "id.pub")


@needs_ssh_keygen
@pytest.mark.usefixtures("token")
def test_resident_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["resident-keys", *PIN]) == 1
    assert capsys.readouterr().out == "no keys\n"
    for kind, user in (("ed25519-sk", "ada"), ("ecdsa-sk", "../bob")):
        words = ("generate", f"id-{kind}", "--type", kind, "--resident", "--user", user)
        assert facts(capsys, *words, "--no-passphrase", *PIN)["resident"] is True
    assert run(["resident-keys", *PIN]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ]
    (tmp_path / "out").mkdir()
    write = ("resident-keys", "--output", "out", "--no-passphrase", *PIN)
    assert run(write) == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [
        "id_ecdsa_sk_rk_.._bob",
        "id_ecdsa_sk_rk_.._bob.pub",
        "id_ed25519_sk_rk_ada",
        "id_ed25519_sk_rk_ada.pub",
    ]
    for path in (tmp_path / "out").iterdir():
        if path.suffix != ".pub":
            assert ssh_keygen("-y", "-P", "", "-f", path).startswith("sk-")
    again = facts(capsys, *write, status=1)
    assert "exists" in str(again["error"])
    only = facts(capsys, "resident-keys", "--user", "ada", *PIN)["keys"]
    assert isinstance(only, list)
    assert [entry["comment"] for entry in only] == ["ada"]


@pytest.mark.usefixtures("token")
def test_resident_keys_of_one_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """None of them replaces another, and if one cannot be written, none is."""
    for number, user in enumerate(("ada", "a/b", "a_b")):
        words = ("generate", f"id-{number}", "--type", "ed25519-sk", "--resident", "--user", user)
        assert run([*words, "--no-passphrase", *PIN]) == 0
    capsys.readouterr()
    (tmp_path / "out").mkdir()
    write = ("resident-keys", "--output", "out", "--no-passphrase", *PIN)
    said = facts(capsys, *write, "--force", status=1)["error"]
    assert said == "two keys would go to 'out/id_ed25519_sk_rk_a_b': take one, with --user"
    assert list((tmp_path / "out").iterdir()) == []
    assert run([*write, "--user", "a/b"]) == 0
    assert run([*write, "--user", "ada"]) == 0
    (tmp_path / "out" / "id_ed25519_sk_rk_ada").unlink()
    capsys.readouterr()
    assert "_ada.pub' exists" in str(facts(capsys, *write, "--user", "ada", status=1)["error"])


# --- PKCS#11 ---------------------------------------------------------------------------------


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """SoftHSM with one token that holds a key of an authority."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    from . import test_pkcs11

    if test_pkcs11.MODULE is None:
        pytest.skip("softhsm2 is not installed")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "conf"))
    monkeypatch.setenv("TOKEN_PIN", test_pkcs11.PIN)
    test_pkcs11.run("softhsm2-util", "--init-token", "--free", "--label", "one", "--so-pin", "1234")
    test_pkcs11.tool("--keypairgen", "--key-type", "EC:prime256v1", "--label", "ca", "--id", "01")
    return str(test_pkcs11.MODULE)


@needs_ssh_keygen
def test_an_authority_on_a_token(module: str, tmp_path: Path) -> None:
    """In processes of their own, as in a CI job; the module remembers logins and tokens."""

    def command(*words: str, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "ssh_keys", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == status, done.stderr
        return done.stdout

    listed = json.loads(command("pkcs11", module, *PIN, "--json"))["keys"]
    (entry,) = listed
    assert (entry["type"], entry["bits"], entry["comment"]) == ("ECDSA", 256, "ca")
    line = command("pkcs11", module, "--key-label", "ca", *PIN)
    assert line.strip() == entry["public_key"]
    assert command("pkcs11", module, "--token-label", "two", *PIN, status=1) == "no keys\n"
    (tmp_path / "ca.pub").write_text(line)
    assert entry["fingerprint"] in ssh_keygen("-l", "-f", tmp_path / "ca.pub")

    make_key("ssh-ed25519").write_public_key(tmp_path / "host.pub")
    words = ("sign-cert", "host.pub", "--host", "--id", "h", "--principals", "h.example.com")
    token = ("--valid-before", "+1d", "--ca", "ca.pub", "--pkcs11", module)
    command(*words, *token, *PIN)
    assert entry["fingerprint"] in ssh_keygen("-L", "-f", tmp_path / "host-cert.pub")
    certificate = ssh_keys.read_certificate(tmp_path / "host-cert.pub")
    certificate.validate(ssh_keys.CertificateType.HOST, "h.example.com")  # type: ignore[attr-defined]

    (tmp_path / "data").write_bytes(b"data")
    command("sign", "data", "--key", "ca.pub", "--pkcs11", module, *PIN)
    ssh_keys.import_sshsig((tmp_path / "data.sig").read_bytes()).verify(b"data")

    make_key("ssh-ed25519", 1).write_public_key(tmp_path / "other.pub")
    other = ("sign", "data", "--force", "--key", "other.pub", "--pkcs11", module)
    assert "no token has" in json.loads(command(*other, *PIN, "--json", status=1))["error"]
