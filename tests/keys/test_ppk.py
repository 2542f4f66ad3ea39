"""PuTTY's key files: both versions, puttygen both ways, every changed byte."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import (
    KeyEncryptionError,
    KeyExportError,
    KeyImportError,
    KeyPassphraseError,
    SSHKey,
    UnsupportedKeyError,
)
from ssh_keys.formats import ppk
from ssh_keys.formats.der import DERReader, encode_octets, encode_sequence

from .support import KEY_TYPES, make_key

TYPES = (*KEY_TYPES, "ssh-ed448", "ssh-dss")
FORMS = ("ppk", "ppk2")
needs_puttygen = pytest.mark.skipif(shutil.which("puttygen") is None, reason="no puttygen")


@pytest.fixture(params=TYPES)
def key(request: pytest.FixtureRequest) -> SSHKey:
    """A private key of each type that PuTTY has."""
    return make_key(request.param)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("passphrase", ["", "sécret"])
def test_round_trip(key: SSHKey, form: str, passphrase: str) -> None:
    data = key.export_private_key(form, passphrase, rounds=1)
    assert data.startswith(b"PuTTY-User-Key-File-" + (b"3" if form == "ppk" else b"2"))
    for text in (data, data.replace(b"\n", b"\r\n")):
        copy = ssh_keys.import_private_key(text, passphrase)
        assert copy == key
        assert copy.get_comment() == key.get_comment()
    # The public key is there for everybody.
    assert ssh_keys.import_public_key(data) == key.convert_to_public()
    if passphrase:
        with pytest.raises(KeyPassphraseError, match="wrong passphrase"):
            ssh_keys.import_private_key(data, "secret")
        with pytest.raises(KeyPassphraseError, match="needs a passphrase"):
            ssh_keys.import_private_key(data)


def test_export_refuses() -> None:
    key = make_key("ssh-ed25519")
    with pytest.raises(KeyEncryptionError, match="no cipher 'aes128-cbc'"):
        key.export_private_key("ppk", "x", "aes128-cbc")
    for rounds in (0, 513):
        with pytest.raises(KeyEncryptionError, match="passes of Argon2id"):
            key.export_private_key("ppk", "x", rounds=rounds)
    with pytest.raises(KeyExportError, match="PuTTY has no ssh-mldsa44"):
        make_key("ssh-mldsa44-ed25519@openssh.com").export_private_key("ppk")
    bad = ssh_keys.import_private_key(key.export_private_key())
    bad.set_comment("two\nlines")
    with pytest.raises(KeyExportError, match="line breaks"):
        bad.export_private_key("ppk")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
def test_every_changed_byte(name: str, form: str) -> None:
    key = make_key(name)
    data = key.export_private_key(form)
    for position in range(len(data) - 1):
        for value in (0x01, 0x10):
            changed = bytearray(data)
            changed[position] ^= value
            with pytest.raises(KeyImportError):
                ssh_keys.import_private_key(bytes(changed))
    for end in range(len(data) - 1):
        with pytest.raises(KeyImportError):
            ssh_keys.import_private_key(data[:end])


def test_changed_bytes_of_an_encrypted_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ppk, "MAXIMUM_WORK", 3 * 8192)
    data = make_key("ssh-ed25519").export_private_key("ppk", "x", rounds=1)
    # Each attempt costs a key derivation.
    for position in range(0, len(data) - 1, 17):
        changed = bytearray(data)
        changed[position] ^= 1
        with pytest.raises(KeyImportError):
            ssh_keys.import_private_key(bytes(changed), "x")


@given(st.binary(max_size=200))
def test_arbitrary_data(data: bytes) -> None:
    for text in (ppk.MAGIC + data, ppk.MAGIC + b"3: ssh-ed25519\nEncryption: none\n" + data):
        with pytest.raises(KeyImportError):
            ssh_keys.import_private_key(text, "x")
        with pytest.raises(KeyImportError):
            ssh_keys.import_public_key(text)


@pytest.mark.parametrize(
    ("old", "new", "error", "text"),
    [
        (b"File-3", b"File-1", UnsupportedKeyError, "version"),
        (b"aes256-cbc", b"rot13", UnsupportedKeyError, "cipher 'rot13'"),
        (b"Argon2id", b"scrypt", UnsupportedKeyError, "derivation 'scrypt'"),
        (b"Memory: 8192", b"Memory: 4294967295", KeyImportError, "Argon2 over 4294967295"),
        (b"Memory: 8192", b"Memory: 4", KeyImportError, "Argon2 over 4 KiB"),
        (b"Passes: 1", b"Passes: 0", KeyImportError, "0 passes"),
        (b"Passes: 1", b"Passes: 4294967295", KeyImportError, "passes"),
        (b"Parallelism: 1", b"Parallelism: 1000", KeyImportError, "lanes"),
        (b"Passes: 1", b"Passes: x", KeyImportError, "no number"),
        (b"Public-Lines: 2", b"Public-Lines: 99999", KeyImportError, "99999 lines"),
        (b"Argon2-Salt: ", b"Argon2-Salt: zz", KeyImportError, "hexadecimal"),
        (b"Comment: ", b"Remark: ", KeyImportError, "without Comment"),
    ],
)
def test_claims_that_are_refused_at_once(
    old: bytes, new: bytes, error: type[KeyImportError], text: str
) -> None:
    data = make_key("ssh-ed25519").export_private_key("ppk", "x", rounds=1)
    assert old in data
    start = time.perf_counter()
    with pytest.raises(error, match=text):
        ssh_keys.import_private_key(data.replace(old, new), "x")
    assert time.perf_counter() - start < 1


def test_another_key_type_than_it_says() -> None:
    data = make_key("ssh-ed25519").export_private_key("ppk")
    with pytest.raises(KeyImportError, match="MAC"):
        ssh_keys.import_private_key(data.replace(b"3: ssh-ed25519", b"3: ssh-ed448"))
    with pytest.raises(KeyImportError, match="another type"):
        ppk.to_openssh(b"ssh-ed448", make_key("ssh-ed25519").public_data, b"")
    unknown = b"\0\0\0\x07ssh-new"
    with pytest.raises(UnsupportedKeyError, match="type 'ssh-new'"):
        ppk.to_openssh(b"ssh-new", unknown, b"")


# --- puttygen --------------------------------------------------------------------------------


def puttygen(*arguments: str | Path) -> str:
    result = subprocess.run(
        ["puttygen", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@needs_puttygen
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("passphrase", ["", "secret"])
def test_puttygen_reads_ours(key: SSHKey, form: str, passphrase: str, tmp_path: Path) -> None:
    path, old, new = tmp_path / "key.ppk", tmp_path / "old", tmp_path / "new"
    key.write_private_key(path, form, passphrase, rounds=2)
    old.write_text(passphrase)
    new.write_text("")
    out = tmp_path / "id"
    puttygen(
        *(path, "--old-passphrase", old, "--new-passphrase", new),
        *("-O", "private-openssh-new", "-o", out),
    )
    assert ssh_keys.read_private_key(out) == key
    puttygen(path, "--old-passphrase", old, "-O", "public-openssh", "-o", out)
    assert ssh_keys.read_public_key(out) == key.convert_to_public()


@needs_puttygen
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--ppk-param", "version=2"),
        ("--ppk-param", "kdf=argon2id,memory=1024,passes=2"),
        ("--ppk-param", "kdf=argon2i,memory=1024,passes=2"),
        ("--ppk-param", "kdf=argon2d,memory=1024,passes=2,parallelism=2"),
    ],
)
@pytest.mark.parametrize("passphrase", ["", "secret"])
def test_we_read_puttygens(options: tuple[str, ...], passphrase: str, tmp_path: Path) -> None:
    source, old, new = tmp_path / "id", tmp_path / "old", tmp_path / "new"
    path = tmp_path / "key.ppk"
    old.write_text("")
    new.write_text(passphrase)
    for name in TYPES:
        key = make_key(name)
        if name in ("ssh-ed448",):
            key.write_private_key(source, "ppk")
        else:
            key.write_private_key(source)
        puttygen(
            source, "-P", "--old-passphrase", old, "--new-passphrase", new, *options, "-o", path
        )
        copy = ssh_keys.read_private_key(path, passphrase)
        assert copy == key
        assert copy.get_comment() == key.get_comment()


def _value_that(key_type: str, wanted: Callable[[bytes], bool]) -> SSHKey:
    """A new ECDSA key whose private value, in as many bytes as its curve has, is of some form."""
    while True:
        key = ssh_keys.generate_private_key(key_type)
        size = (key.bits + 7) // 8
        numbers = key.private_key_object().private_numbers()  # type: ignore[union-attr]
        if wanted(numbers.private_value.to_bytes(size, "big")):  # type: ignore[union-attr]
            return key


@needs_puttygen
@pytest.mark.parametrize("passphrase", ["", "secret"])
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("ecdsa-sha2-nistp256", lambda value: value[0] >= 0x80),
        ("ecdsa-sha2-nistp256", lambda value: 0 < value[0] < 0x80),
        ("ecdsa-sha2-nistp256", lambda value: value[0] == 0),
        ("ecdsa-sha2-nistp384", lambda value: value[0] >= 0x80),
        ("ecdsa-sha2-nistp521", lambda value: value[0] == 0),
        ("ecdsa-sha2-nistp521", lambda value: value[0] == 1),
        ("ssh-rsa", None),
        ("ssh-dss", None),
    ],
)
def test_we_read_what_puttygen_writes_in_old_formats(
    name: str, wanted: Callable[[bytes], bool] | None, passphrase: str, tmp_path: Path
) -> None:
    """PKCS#1 and SEC 1; puttygen writes private values of ECDSA keys as integers."""
    key = make_key(name) if wanted is None else _value_that(name, wanted)
    source, new, out = tmp_path / "key.ppk", tmp_path / "new", tmp_path / "out"
    new.write_text(passphrase)
    key.write_private_key(source, "ppk")
    puttygen(source, "-O", "private-openssh", "--new-passphrase", new, "-o", out)
    data = out.read_bytes()
    assert b"BEGIN OPENSSH" not in data
    assert ssh_keys.import_private_key(data, passphrase or None) == key
    for form in ("public", "public-openssh"):
        puttygen(source, "-O", form, "-o", out)
        assert ssh_keys.read_public_key(out) == key.convert_to_public()


@pytest.mark.parametrize("value", [b"", b"\0" * 40, b"\xff" * 33, b"\1" + bytes(32)])
def test_private_values_that_are_none(value: bytes) -> None:
    key = make_key("ecdsa-sha2-nistp256")
    outer = DERReader(key.export_private_key("pkcs1-der")).sequence()
    version, good = outer.encoded(0x02), outer.octets()
    rest = outer.encoded(0xA0) + outer.encoded(0xA1)
    outer.end()
    padded = encode_sequence(version, encode_octets(b"\0\0" + good), rest)
    assert ssh_keys.import_private_key(padded) == key
    for tail in (rest, rest[:-1], b"", rest + b"\5\0"):
        changed = encode_sequence(version, encode_octets(value), tail)
        with pytest.raises(KeyImportError, match=r"malformed|DER"):
            ssh_keys.import_private_key(changed)
