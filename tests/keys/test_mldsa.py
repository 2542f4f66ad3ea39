"""The composite of ML-DSA-44 and Ed25519: both halves count, lengths are exact."""

from __future__ import annotations

from pathlib import Path

import pytest

import ssh_keys
from ssh_keys import KeyGenerationError, KeyImportError, SignatureError
from ssh_keys.certificate import SSHOpenSSHCertificate
from ssh_keys.mldsa import ALGORITHM, EARLY_ALGORITHM, MLDSA44Ed25519Key
from ssh_keys.wire import Reader, encode_string

from .support import make_key, needs_ssh_keygen, skip_unless_openssh_has, ssh_keygen

NAME = ALGORITHM.decode()
CERTIFICATE = "ssh-mldsa44-ed25519-cert"
EARLY_NAME, EARLY_CERTIFICATE = EARLY_ALGORITHM.decode(), f"{CERTIFICATE}-v01@openssh.com"
NAMES = [(NAME, CERTIFICATE), (EARLY_NAME, EARLY_CERTIFICATE)]
#: Made with `ssh-keygen` of OpenSSH 10.6.
MADE = Path(__file__).parent / "openssh_10_6"
KEY, OTHER = make_key(NAME), make_key(NAME, 1)
DATA = b"what is signed"
HEAD = 4 + len(ALGORITHM) + 4


def raw(signature: bytes) -> bytes:
    return signature[HEAD:]


def blob(body: bytes) -> bytes:
    return encode_string(ALGORITHM) + encode_string(body)


@pytest.mark.parametrize(("name", "certificate_name"), NAMES)
def test_round_trips(name: str, certificate_name: str) -> None:
    key = make_key(name)
    assert key.get_algorithm() == name
    public = key.convert_to_public()
    assert ssh_keys.decode_ssh_public_key(key.public_data) == public
    assert ssh_keys.import_public_key(key.export_public_key()) == public
    copy = ssh_keys.import_private_key(key.export_private_key())
    assert copy == key
    public.verify(DATA, copy.sign(DATA))
    assert (key.bits, key.type_name) == (512, "MLDSA44-ED25519")
    certificate = make_key("ssh-ed25519").generate_user_certificate(key, "id", principals="a")
    assert certificate.get_algorithm() == certificate_name
    text = certificate.export_certificate()
    assert ssh_keys.import_certificate(text) == certificate
    # Bytes in a pair are a certificate if they look like one.
    pair, _ = ssh_keys.load_keypairs((key, text))
    assert pair.get_algorithm() == certificate_name


def test_the_names_are_two_types() -> None:
    early = MLDSA44Ed25519Key(KEY.public_data[-1344:], None, EARLY_ALGORITHM)
    assert early != KEY.convert_to_public()
    with pytest.raises(SignatureError):
        early.verify(DATA, KEY.sign(DATA))


def test_what_openssh_made() -> None:
    key = ssh_keys.read_private_key(MADE / "key")
    assert (key.get_algorithm(), key.get_comment()) == (NAME, "hello")
    assert key.convert_to_public() == ssh_keys.read_public_key(MADE / "key.pub")
    signature = ssh_keys.import_sshsig((MADE / "data.sig").read_bytes())
    assert signature.key == key.convert_to_public()
    signature.verify(DATA)
    certificate = ssh_keys.read_certificate(MADE / "key-cert.pub")
    assert certificate.get_algorithm() == CERTIFICATE
    assert certificate.key == key.convert_to_public()
    signed = ssh_keys.read_certificate(MADE / "signed-cert.pub")
    assert isinstance(signed, SSHOpenSSHCertificate)
    assert signed.signing_key == key.convert_to_public()


@needs_ssh_keygen
def test_what_openssh_reads(tmp_path: Path) -> None:
    skip_unless_openssh_has(NAME)
    path = tmp_path / "key"
    KEY.write_private_key(path)
    assert ssh_keygen("-y", "-f", path).split()[:2] == KEY.export_public_key().decode().split()[:2]
    assert ssh_keygen("-l", "-f", MADE / "key.pub").startswith("512 SHA256:")
    certificate = KEY.generate_user_certificate(OTHER, "id", principals="a")
    certificate.write_certificate(tmp_path / "certificate")
    printed = ssh_keygen("-L", "-f", tmp_path / "certificate")
    assert f"Type: {CERTIFICATE} user certificate" in printed
    assert f"(using {NAME})" in printed


def test_both_halves_have_to_be_right() -> None:
    good, foreign = raw(KEY.sign(DATA)), raw(OTHER.sign(DATA))
    assert len(good) == 2420 + 64
    KEY.verify(DATA, blob(good))
    for mixed in (good[:2420] + foreign[2420:], foreign[:2420] + good[2420:], foreign):
        with pytest.raises(SignatureError, match="wrong"):
            KEY.verify(DATA, blob(mixed))
    for position in (0, 1000, 2419, 2420, 2483):
        changed = bytearray(good)
        changed[position] ^= 1
        with pytest.raises(SignatureError, match="wrong"):
            KEY.verify(DATA, blob(bytes(changed)))
    # The plain Ed25519 signature of the data is another one.
    with pytest.raises(SignatureError, match="wrong"):
        KEY.verify(DATA + b"!", blob(good))


@pytest.mark.parametrize("length", [0, 64, 2420, 2483, 2485])
def test_signature_lengths(length: int) -> None:
    with pytest.raises(SignatureError, match=f"signature of {length} bytes"):
        KEY.verify(DATA, blob(bytes(length)))


def test_key_lengths() -> None:
    with pytest.raises(KeyImportError, match="1343 bytes"):
        MLDSA44Ed25519Key(bytes(1343))
    public = KEY.public_data[-1344:]
    for seeds, text in ((bytes(63), "63 bytes"), (bytes(64), "belong together")):
        fields = Reader(encode_string(public) + encode_string(seeds))
        with pytest.raises(KeyImportError, match=text):
            MLDSA44Ed25519Key.decode_private(ALGORITHM, fields)
    with pytest.raises(KeyGenerationError, match="no option 'key_size'"):
        ssh_keys.generate_private_key(NAME, key_size=44)
    with pytest.raises(ssh_keys.KeyExportError, match="OpenSSH's own formats"):
        KEY.export_public_key("pkcs8-pem")
