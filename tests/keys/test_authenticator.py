"""Security keys that make keys and signatures (PROTOCOL.u2f), with authenticators in software."""

from __future__ import annotations

import contextlib
import io
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ssh_keys
from ssh_keys import (
    KeyGenerationError,
    KeyImportError,
    KeyPassphraseError,
    SignatureError,
    authenticator,
    load_resident_keys,
)
from ssh_keys.sk import SecurityKey

from .support import needs_ssh_keygen, ssh_keygen

pytest.importorskip("fido2", reason="python-fido2 is not installed")
from .ctap_authenticator import Authenticator

KINDS = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")
Connect = Callable[..., None]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Puts authenticators where those on USB would be found."""

    def put(*devices: object) -> None:
        monkeypatch.setattr(authenticator, "list_devices", lambda: iter(devices))

    return put


@pytest.mark.parametrize("kind", KINDS)
def test_generate_and_sign(kind: str, connect: Connect) -> None:
    device = Authenticator()
    connect(device)
    key = ssh_keys.generate_private_key(kind, "of the token")
    assert (key.get_algorithm(), key.get_comment(), key.needs_device) == (
        kind,
        "of the token",
        True,
    )
    signature = key.sign(b"data")
    key.convert_to_public().verify(b"data", signature)
    assert device.touches == 2
    with pytest.raises(SignatureError):
        key.verify(b"other", signature)
    with pytest.raises(SignatureError, match="not verified"):
        key.verify(b"data", signature, verify_required=True)
    again = ssh_keys.import_private_key(key.export_private_key(passphrase="x", rounds=1), "x")
    again.verify(b"more", again.sign(b"more"))
    (pair,) = ssh_keys.load_keypairs(again)
    assert pair.needs_device


@pytest.mark.parametrize("kind", KINDS)
def test_without_touch(kind: str, connect: Connect) -> None:
    device = Authenticator()
    connect(device)
    key = ssh_keys.generate_private_key(kind, touch_required=False)
    signature = key.sign(b"data")
    assert device.touches == 1
    key.verify(b"data", signature, touch_required=False)
    with pytest.raises(SignatureError, match="not present"):
        key.verify(b"data", signature)


@pytest.mark.parametrize("kind", KINDS)
def test_keys_that_verify_their_user(kind: str, connect: Connect) -> None:
    connect(Authenticator(pin="1234"))
    key = ssh_keys.generate_private_key(kind, pin="1234", verify_required=True)
    key.verify(b"data", key.sign(b"data"), verify_required=True)
    again = ssh_keys.import_private_key(key.export_private_key())
    assert isinstance(again, SecurityKey)
    with pytest.raises(SignatureError, match="needs a PIN"):
        again.sign(b"data")
    again.pin = lambda: "1234"
    again.verify(b"data", again.sign(b"data"), verify_required=True)
    again.pin = "4321"
    with pytest.raises(SignatureError, match="wrong PIN"):
        again.sign(b"data")


def test_resident_keys(connect: Connect) -> None:
    device = Authenticator(pin="1234")
    connect(device)
    made = [
        ssh_keys.generate_private_key(kind, user=user, pin="1234", resident=True)
        for kind, user in zip(KINDS, ("ada", "bob"), strict=True)
    ]
    ssh_keys.generate_private_key(KINDS[0], pin="1234")  # not resident
    ssh_keys.generate_private_key(KINDS[0], pin="1234", resident=True, application="ssh:other")
    loaded = load_resident_keys("1234")
    assert list(loaded) == made
    assert [key.get_comment() for key in loaded] == ["ada", "bob"]
    for key in loaded:
        key.verify(b"data", key.sign(b"data"))
    assert list(load_resident_keys("1234", user="bob")) == made[1:]
    assert list(load_resident_keys("1234", user="eve")) == []
    (other,) = load_resident_keys(lambda: "1234", application="ssh:other", touch_required=False)
    other.verify(b"data", other.sign(b"data"), touch_required=False)


def test_wrong_and_missing_pins(connect: Connect) -> None:
    device = Authenticator(pin="1234")
    connect(device)
    with pytest.raises(KeyGenerationError, match="needs a PIN"):
        ssh_keys.generate_private_key(KINDS[0])
    with pytest.raises(KeyGenerationError, match="wrong PIN"):
        ssh_keys.generate_private_key(KINDS[0], pin="4321")
    for pin in (None, "", lambda: None):
        with pytest.raises(KeyPassphraseError, match="needs a PIN"):
            load_resident_keys(pin)
    with pytest.raises(KeyPassphraseError, match="wrong PIN"):
        load_resident_keys("4321")
    device.retries = 0
    with pytest.raises(KeyPassphraseError, match="blocked"):
        load_resident_keys("1234")
    device.pin = None
    with pytest.raises(KeyPassphraseError, match="have one set"):
        load_resident_keys("1234")


def test_several_authenticators(connect: Connect) -> None:
    first, second = Authenticator(), Authenticator()
    connect(second)
    key = ssh_keys.generate_private_key(KINDS[0])
    connect(first, second)
    key.verify(b"data", key.sign(b"data"))
    assert (first.touches, second.touches) == (0, 2)
    connect(first)
    with pytest.raises(SignatureError, match="no authenticator has the key"):
        key.sign(b"data")


def test_no_authenticator(connect: Connect) -> None:
    connect(Authenticator())
    key = ssh_keys.generate_private_key(KINDS[0])
    connect()
    with pytest.raises(KeyGenerationError, match="no authenticator is connected"):
        ssh_keys.generate_private_key(KINDS[0])
    with pytest.raises(SignatureError, match="no authenticator is connected"):
        key.sign(b"data")
    with pytest.raises(KeyImportError, match="no authenticator is connected"):
        load_resident_keys("1234")


def test_authenticators_of_this_machine() -> None:
    """The search on USB runs; that a key is plugged in is not expected."""
    assert len(list(authenticator.list_devices())) >= 0


def test_parameters_that_no_key_can_have(connect: Connect) -> None:
    connect(Authenticator(algorithms=(-7,)))
    for options, text in (
        ({"application": "https://example.com"}, "begins with ssh:"),
        ({"user": "x" * 33}, "32 bytes"),
        ({"key_size": 256}, "no option 'key_size'"),
        ({}, "unsupported_algorithm"),
    ):
        with pytest.raises(KeyGenerationError, match=f"(?i){text}"):
            ssh_keys.generate_private_key(KINDS[0], **options)


@needs_ssh_keygen
@pytest.mark.parametrize("kind", KINDS)
def test_openssh_believes_the_signatures(kind: str, connect: Connect, tmp_path: Path) -> None:
    connect(Authenticator(pin="1234"))
    key = ssh_keys.generate_private_key(kind, "token", pin="1234", verify_required=True)
    key.write_private_key(tmp_path / "key")
    printed = ssh_keygen("-y", "-f", tmp_path / "key")
    assert printed.split()[1] == key.export_public_key().decode().split()[1]
    (tmp_path / "data.sig").write_bytes(ssh_keys.create_sshsig(key, b"data", namespace="file"))
    (tmp_path / "signers").write_bytes(b"ada " + key.export_public_key())
    done = subprocess.run(
        [
            "ssh-keygen",
            "-Y",
            "verify",
            "-f",
            "signers",
            "-I",
            "ada",
            "-n",
            "file",
            "-s",
            "data.sig",
        ],
        cwd=tmp_path,
        input=b"data",
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def independent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """An authenticator that somebody else wrote (the package soft-fido2): ECDSA, no PIN."""
    pytest.importorskip("soft_fido2", reason="soft-fido2 is not installed")
    from fido2.ctap import CtapDevice
    from fido2.hid import CAPABILITY
    from soft_fido2.ctap import CBORCommand  # type: ignore[import-untyped]
    from soft_fido2.key_pair import KeyUtils  # type: ignore[import-untyped]

    monkeypatch.setenv("FIDO_HOME", str(tmp_path))
    monkeypatch.setenv("SOFT_FIDO2_SKIP_UP", "1")
    KeyUtils.create_platform_key()

    class Device(CtapDevice):
        capabilities = CAPABILITY.CBOR

        def call(
            self, cmd: int, data: bytes = b"", event: object = None, on_keepalive: object = None
        ) -> bytes:
            with contextlib.redirect_stdout(io.StringIO()):
                command = CBORCommand(b"\0\1\0\2", len(data).to_bytes(2, "big") + data)
                if not command.response_ready:
                    command.unpack()
            return bytes(command.response)

        @classmethod
        def list_devices(cls) -> Iterator[Device]:
            yield cls()

    return Device()


def test_an_authenticator_of_somebody_else(independent: object, connect: Connect) -> None:
    connect(independent)
    key = ssh_keys.generate_private_key(KINDS[1])
    key.convert_to_public().verify(b"data", key.sign(b"data"))
