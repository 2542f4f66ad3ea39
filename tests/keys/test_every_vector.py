"""All of OpenSSH's own test data: each file is used, and each byte of it is changed."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import (
    KeyEncryptionError,
    KeyImportError,
    KeyPassphraseError,
    SSHOpenSSHCertificate,
)
from ssh_keys.formats import openssh_key
from ssh_keys.time_values import FOREVER, parse_time

from .support import VECTORS, needs_ssh_keygen, needs_vectors
from .test_certificate import facts

pytestmark = needs_vectors

PASSPHRASE = "mekmitasdigoat"
FILES = sorted(path for path in VECTORS.glob("*/*") if path.is_file()) if VECTORS.is_dir() else []


def kind(path: Path) -> str:
    """What is in a file."""
    folder, name = path.parent.name, path.name
    if ".param." in name or name in ("pw", "namespace", "signed-data"):
        return "text"
    for end, found in (
        ("-cert.pub", "certificate"),
        (".cert", "certificate"),
        (".pub", "SSH-1" if name.startswith("rsa1_") else "public"),
        (".fp.bb", "words"),
        ("-cert.fp", "fingerprint of a certificate"),
        (".fp", "fingerprint"),
        (".sig", "signature"),
        ("_pw", "encrypted"),
    ):
        if name.endswith(end):
            return found
    return "known_hosts" if folder == "hostkeys" else "private"


def of_kind(*kinds: str) -> pytest.MarkDecorator:
    chosen = [path for path in FILES if kind(path) in kinds]
    ids = [f"{path.parent.name}-{path.name}" for path in chosen]
    return pytest.mark.parametrize("path", chosen, ids=ids)


def test_there_is_no_other_kind() -> None:
    found = {each: sum(kind(path) == each for path in FILES) for each in map(kind, FILES)}
    assert len(FILES) == 153
    assert found == {
        "SSH-1": 6,
        "certificate": 25,
        "encrypted": 8,
        "fingerprint": 12,
        "fingerprint of a certificate": 6,
        "known_hosts": 1,
        "private": 22,
        "public": 39,
        "signature": 7,
        "text": 15,
        "words": 12,
    }


@of_kind("public")
def test_public_keys(path: Path) -> None:
    key = ssh_keys.read_public_key(path)
    words = path.read_bytes().split(None, 2)
    exported = key.export_public_key()
    assert exported.split(None, 2)[:2] == words[:2]
    assert ssh_keys.import_public_key(exported) == key
    for form in ("rfc4716", "pkcs8-pem", "pkcs8-der"):
        try:
            data = key.export_public_key(form)
        except ssh_keys.KeyExportError:
            assert form != "rfc4716"
            continue
        assert ssh_keys.import_public_key(data) == key


@of_kind("private")
def test_private_keys(path: Path) -> None:
    key = ssh_keys.read_private_key(path)
    again = ssh_keys.import_private_key(key.export_private_key())
    assert again == key
    assert again.get_comment_bytes() == key.get_comment_bytes()
    public = path.with_name(f"{path.name}.pub")
    if public.exists():
        assert key.convert_to_public() == ssh_keys.read_public_key(public)


@of_kind("encrypted")
def test_encrypted_keys(path: Path) -> None:
    key = ssh_keys.read_private_key(path, PASSPHRASE)
    assert key == ssh_keys.read_private_key(path.with_name(path.name.removesuffix("_pw")))
    with pytest.raises(KeyPassphraseError):
        ssh_keys.read_private_key(path, "wrong")


@of_kind("certificate")
def test_certificates(path: Path) -> None:
    if path.name == "bad_sourceaddr.cert":
        with pytest.raises(KeyImportError, match="source-address"):
            ssh_keys.read_certificate(path)
        return
    certificate = ssh_keys.read_certificate(path)
    words = path.read_bytes().split(None, 2)
    assert certificate.export_certificate().split(None, 2)[:2] == words[:2]
    assert ssh_keys.import_certificate(certificate.export_certificate("rfc4716")) == certificate


@of_kind("fingerprint", "fingerprint of a certificate")
def test_fingerprints(path: Path) -> None:
    recorded = path.read_text().strip()
    for name in (path.with_suffix(""), path.with_suffix(".pub")):
        if not name.exists():
            assert name.name.endswith("-cert")
        elif name.name.endswith("-cert.pub"):
            assert ssh_keys.read_certificate(name).get_fingerprint() == recorded
        elif name.suffix == ".pub":
            assert ssh_keys.read_public_key(name).get_fingerprint() == recorded
        else:
            assert ssh_keys.read_private_key(name).get_fingerprint() == recorded


@of_kind("words")
def test_fingerprints_in_words(path: Path) -> None:
    key = ssh_keys.read_public_key(path.with_name(path.name.removesuffix(".fp.bb") + ".pub"))
    assert ssh_keys.bubblebabble(key) == path.read_text().strip()


@of_kind("signature")
def test_signatures(path: Path) -> None:
    key = ssh_keys.read_public_key(path.with_suffix(".pub"))
    signature = ssh_keys.import_sshsig(path.read_bytes())
    assert signature.key == key
    assert ssh_keys.import_sshsig(signature.encode()).encode() == signature.encode()


@of_kind("SSH-1")
def test_keys_of_version_1(path: Path) -> None:
    with pytest.raises(KeyImportError):
        ssh_keys.read_public_key(path)


# --- Every byte ------------------------------------------------------------------------------


def _private(data: bytes) -> object:
    return ssh_keys.import_private_key(data, PASSPHRASE, unsafe_skip_rsa_key_validation=True)


READERS: dict[str, Callable[[bytes], object]] = {
    "certificate": ssh_keys.import_certificate,
    "encrypted": _private,
    "known_hosts": lambda data: ssh_keys.import_known_hosts(data).lookup("sisyphus.example.com"),
    "private": _private,
    "public": ssh_keys.import_public_key,
    "signature": ssh_keys.import_sshsig,
}


@of_kind(*READERS)
@settings(max_examples=2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mask=st.integers(1, 255))
def test_every_changed_byte(path: Path, mask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only documented exceptions, each within a second, whichever byte is wrong."""
    read, data = READERS[kind(path)], path.read_bytes()
    # Derived keys are remembered, and no larger cost is accepted: a thousand times a tenth of a
    # second would be too long for a test.
    monkeypatch.setattr(openssh_key, "MAXIMUM_ROUNDS", 24)
    monkeypatch.setattr(openssh_key, "derive", _derive)
    read_ok = 0
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= mask
        start = time.perf_counter()
        try:
            read(bytes(changed))
            read_ok += 1
        except (KeyImportError, KeyEncryptionError) as exc:
            assert str(exc).isprintable()  # noqa: PT017 - comments may be changed
        assert time.perf_counter() - start < 5
    assert read_ok < len(data)


_derive = functools.lru_cache(maxsize=64)(openssh_key.derive)


# --- ssh-keygen ------------------------------------------------------------------------------


def _moments(text: str) -> list[int]:
    """The two ends of `from … to …` in seconds; ssh-keygen prints local time."""
    words = dict(zip(text.split()[::2], text.split()[1::2], strict=False))
    if text == "forever":
        return [0, FOREVER]
    start = parse_time(words["from"].replace("-", "").replace(":", "").replace("T", ""))
    if "to" not in words:
        return [start, FOREVER]
    return [start, parse_time(words["to"].replace("-", "").replace(":", "").replace("T", ""))]


@needs_ssh_keygen
@of_kind("certificate")
def test_certificates_as_ssh_keygen_prints_them(path: Path) -> None:
    if path.name.startswith("mldsa") or path.name == "bad_sourceaddr.cert":
        pytest.skip("ssh-keygen 9.2 does not know the type, or we refuse it")
    printed = facts(path)
    certificate = ssh_keys.read_certificate(path)
    assert isinstance(certificate, SSHOpenSSHCertificate)
    fields = certificate.fields
    assert (
        printed["Type"] == f"{certificate.get_algorithm()} {fields.type.name.lower()} certificate"
    )
    assert certificate.get_fingerprint() in printed["Public key"]
    assert certificate.signing_key.get_fingerprint() in printed["Signing CA"]
    assert printed["Signing CA"].endswith(f"(using {certificate.signature_algorithm.decode()})")
    assert printed["Key ID"] == f'"{fields.key_id}"'
    assert printed["Serial"] == str(fields.serial)
    assert printed["Principals"] == (" ".join(fields.principals) or "(none)")
    assert _moments(printed["Valid"]) == [fields.valid_after, fields.valid_before]
    for heading, options in (
        ("Critical Options", fields.critical_options),
        ("Extensions", fields.extensions),
    ):
        for name, data in options.items():
            assert name in printed[heading]
            assert (
                not data or data[4:].decode() in printed[heading] or "UNKNOWN" in printed[heading]
            )
        assert options or printed[heading] == "(none)"
