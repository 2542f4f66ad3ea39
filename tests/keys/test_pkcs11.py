"""Keys on PKCS#11 tokens, with SoftHSM: a real module whose token is a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import ssh_keys
from ssh_keys import KeyImportError, KeyPassphraseError, SignatureError, load_pkcs11_keys

from .support import make_key

pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")

MODULE = next(
    (
        path
        for path in (
            Path("/usr/lib/softhsm/libsofthsm2.so"),
            Path("/usr/lib64/softhsm/libsofthsm2.so"),
            Path("/usr/local/lib/softhsm/libsofthsm2.so"),
        )
        if path.exists()
    ),
    None,
)
pytestmark = pytest.mark.skipif(
    MODULE is None or shutil.which("pkcs11-tool") is None,
    reason="softhsm2 and opensc are not installed (.ci/install-peers does that)",
)

PIN = "123456"
KINDS = {
    "rsa:2048": "ssh-rsa",
    "EC:prime256v1": "ecdsa-sha2-nistp256",
    "EC:secp384r1": "ecdsa-sha2-nistp384",
    "EC:secp521r1": "ecdsa-sha2-nistp521",
    "EC:edwards25519": "ssh-ed25519",
    "EC:secp256k1": "ecdsa-sha2-1.3.132.0.10",
    "EC:brainpoolP256r1": "",  # SSH has no such keys
}


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The module, with one token that holds a key of each kind."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder / 'tokens'}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "conf"))
        run("softhsm2-util", "--init-token", "--free", "--label", "one", "--so-pin", "1" * 8)
        for number, kind in enumerate(KINDS, 1):
            tool("--keypairgen", "--key-type", kind, "--label", kind, "--id", f"{number:02}")
        yield str(MODULE)


def run(*words: str) -> None:
    pin = ("--pin", PIN)
    subprocess.run([*words, *pin], check=True, capture_output=True, timeout=60)


def tool(*words: str) -> None:
    run("pkcs11-tool", "--module", str(MODULE), "--token-label", "one", "--login", *words)


def test_every_kind_of_key_signs(module: str) -> None:
    pairs = load_pkcs11_keys(module, PIN)
    found = {pair.get_comment(): pair.get_algorithm() for pair in pairs}
    assert found == {kind: name for kind, name in KINDS.items() if name}
    for pair in pairs:
        assert (pair.get_key_type(), pair.needs_device) == ("pkcs11", True)
        key = ssh_keys.decode_ssh_public_key(pair.public_data)
        for name in pair.sig_algorithms:
            signature = pair.sign(b"data", name)
            assert isinstance(signature, bytes)
            key.verify(b"data", signature, [name])
        with pytest.raises(SignatureError, match="makes no"):
            pair.sign(b"data", b"ssh-dss")


def test_only_some_keys(module: str) -> None:
    def labels(**options: str | bytes) -> list[str | None]:
        pairs = load_pkcs11_keys(module, PIN, **options)  # type: ignore[arg-type]
        return [pair.get_comment() for pair in pairs]

    assert labels(key_label="rsa:2048") == ["rsa:2048"]
    assert labels(key_id="02") == labels(key_id=b"\2") == ["EC:prime256v1"]
    assert labels(key_id="99") == labels(key_label="other") == labels(token_label="two") == []
    assert labels(token_serial="0000") == []
    assert len(labels(token_label="one")) == 6
    with pytest.raises(KeyImportError, match="hexadecimal"):
        labels(key_id="no number")


def test_one_key_in_several_threads(module: str) -> None:
    (pair,) = load_pkcs11_keys(module, lambda label: PIN, key_id="02")
    key = ssh_keys.decode_ssh_public_key(pair.public_data)
    made: list[tuple[bytes, bytes]] = []

    def work(number: int) -> None:
        for round_number in range(20):
            data = b"%d %d" % (number, round_number)
            signature = pair.sign(data, b"ecdsa-sha2-nistp256")
            assert isinstance(signature, bytes)
            made.append((data, signature))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 80
    for data, signature in made:
        key.verify(data, signature)


def test_openssh_certificates(module: str) -> None:
    (pair,) = load_pkcs11_keys(module, PIN, key_id="02")
    key = ssh_keys.decode_ssh_public_key(pair.public_data)
    authority = make_key("ssh-ed25519")
    pair.set_certificate(authority.generate_user_certificate(key, "token", principals=["ada"]))
    assert pair.get_algorithm() == "ecdsa-sha2-nistp256-cert-v01@openssh.com"
    with pytest.raises(SignatureError, match="another key"):
        pair.set_certificate(authority.generate_user_certificate(authority, "x"))


def test_x509_certificates_on_the_token(module: str, tmp_path: Path) -> None:
    (plain,) = load_pkcs11_keys(module, PIN, key_id="01")
    key = ssh_keys.decode_ssh_public_key(plain.public_data)
    authority = make_key("ssh-rsa")
    certificate = authority.generate_x509_user_certificate(key, "CN=ada", "CN=authority")
    certificate.write_certificate(tmp_path / "certificate", "der")
    words = ("--write-object", str(tmp_path / "certificate"), "--type", "cert", "--id", "01")
    tool(*words, "--label", "certificate")
    try:
        certified, again = load_pkcs11_keys(module, PIN, key_id="01")
        assert certified.certificate is not None
        assert certified.certificate.is_x509
        assert again.public_data == plain.public_data
        for name in certified.sig_algorithms:
            signature = certified.sign(b"data", name)
            assert isinstance(signature, bytes)
            key.verify(b"data", signature, [name])
        (without,) = load_pkcs11_keys(module, PIN, key_id="01", load_certs=False)
        assert without.certificate is None
    finally:
        tool("--delete-object", "--type", "cert", "--id", "01")


def test_tokens_that_do_not_open(module: str, tmp_path: Path) -> None:
    """In a process of its own: here, somebody is logged in already."""
    code = """
import sys, ssh_keys
for pin in ("999999", "1", None):
    try:
        print(len(ssh_keys.load_pkcs11_keys(sys.argv[1], pin)))
    except ssh_keys.KeyPassphraseError as exc:
        print("wrong PIN" in str(exc))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, module],
        check=True,
        capture_output=True,
        text=True,
        env=dict(os.environ),
        timeout=60,
    )
    assert done.stdout.split() == ["True", "True", "0"]
    (tmp_path / "text.so").write_text("no module\n")
    for name in ("text.so", "nothing.so"):
        with pytest.raises(KeyImportError, match=name) as caught:
            load_pkcs11_keys(tmp_path / name, PIN)
        assert not isinstance(caught.value, KeyPassphraseError)


def in_another_process(code: str, *words: str, **environ: str) -> list[str]:
    """What a program prints that nobody has logged in for."""
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **environ},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_wrong_pin_after_a_right_one(module: str) -> None:
    """Modules do not look at the PIN of a second login of one program; we do."""
    code = """
import sys, ssh_keys
for pin in ("123456", "123456", "999999", lambda label: "1234567", "123456"):
    try:
        print(len(ssh_keys.load_pkcs11_keys(sys.argv[1], pin)))
    except ssh_keys.KeyPassphraseError as exc:
        print(exc)
"""
    first, second, *wrong, last = in_another_process(code, module)
    assert first == second == last == "6"
    assert wrong == ["wrong PIN: token 'one' was opened with another one"] * 2


def test_keys_that_ask_for_the_pin_each_time(module: str) -> None:
    """CKA_ALWAYS_AUTHENTICATE, as the signature key of a PIV card has it."""
    words = ("--label", "careful", "--id", "77", "--always-auth", "--sensitive")
    tool("--keypairgen", "--key-type", "EC:prime256v1", *words)
    tool("--keypairgen", "--key-type", "rsa:2048", "--label", "rsa", "--id", "78", "--always-auth")
    try:
        code = """
import sys, ssh_keys
asked = []
def pin(label):
    asked.append(label)
    return pins[0]
for key_id, name in (("77", b"ecdsa-sha2-nistp256"), ("78", b"rsa-sha2-512")):
    pins = ["123456"]
    (pair,) = ssh_keys.load_pkcs11_keys(sys.argv[1], pin, key_id=key_id)
    key = ssh_keys.decode_ssh_public_key(pair.public_data)
    for number in range(2):
        key.verify(b"data", pair.sign(b"data", name), [name])
    pins = ["1234567"]
    try:
        pair.sign(b"data", name)
    except ssh_keys.SignatureError as exc:
        print(exc)
    pins = [None]
    try:
        pair.sign(b"data", name)
    except ssh_keys.SignatureError as exc:
        print(exc)
    pins = ["123456"]
    key.verify(b"more", pair.sign(b"more", name), [name])
    print(len(asked), set(asked))
    (pair,) = ssh_keys.load_pkcs11_keys(sys.argv[1], "123456", key_id=key_id)
    key.verify(b"data", pair.sign(b"data", name), [name])
"""
        printed = in_another_process(code, module)
        refused = [
            "the token does not sign: wrong PIN",
            "the key needs the PIN of its token for each signature",
        ]
        assert printed == [*refused, "6 {'one'}", *refused, "12 {'one'}"]
    finally:
        for key_id in ("77", "78"):
            for kind in ("privkey", "pubkey"):
                tool("--delete-object", "--type", kind, "--id", key_id)


def test_a_token_as_authority(module: str, tmp_path: Path) -> None:
    for key_id, kind in (("01", "ssh-rsa"), ("02", "ecdsa-sha2-nistp256"), ("05", "ssh-ed25519")):
        (pair,) = load_pkcs11_keys(module, PIN, key_id=key_id)
        assert isinstance(pair, ssh_keys.SSHPKCS11KeyPair)
        authority = pair.key
        assert (authority.get_algorithm(), authority.needs_device) == (kind, True)
        assert authority.is_private
        public = ssh_keys.decode_ssh_public_key(pair.public_data)
        assert authority.convert_to_public() == public
        assert (authority.bits, authority.type_name) == (public.bits, public.type_name)
        authority.verify(b"data", authority.sign(b"data"))
        holder = make_key("ssh-ed25519")
        certificate = authority.generate_user_certificate(holder, "id", principals=["ada"])
        certificate.validate(ssh_keys.CertificateType.USER, "ada")
        certificate.write_certificate(tmp_path / "cert.pub")
        if shutil.which("ssh-keygen"):
            printed = subprocess.run(
                ["ssh-keygen", "-L", "-f", tmp_path / "cert.pub"],
                check=True,
                capture_output=True,
                text=True,
                timeout=60,
            ).stdout
            assert authority.get_fingerprint() in printed
        armoured = ssh_keys.create_sshsig(pair, b"data")
        ssh_keys.import_sshsig(armoured).verify(b"data")
        assert ssh_keys.create_sshsig(authority, b"data").startswith(b"-----BEGIN SSH SIGNATURE")
        for form in ("openssh", "pkcs8-pem", "ppk"):
            with pytest.raises(ssh_keys.KeyExportError, match="does not leave its token"):
                authority.export_private_key(form)
        with pytest.raises((ssh_keys.KeyExportError, ssh_keys.KeyGenerationError)):
            authority.generate_x509_user_certificate(holder, "CN=a", "CN=b")
