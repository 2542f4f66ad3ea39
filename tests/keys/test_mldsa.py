"""The composite of ML-DSA-44 and Ed25519: both halves count, lengths are exact."""

from __future__ import annotations

import pytest

import ssh_keys
from ssh_keys import KeyGenerationError, KeyImportError, SignatureError
from ssh_keys.mldsa import ALGORITHM, MLDSA44Ed25519Key
from ssh_keys.wire import Reader, encode_string

from .support import make_key

NAME = ALGORITHM.decode()
KEY, OTHER = make_key(NAME), make_key(NAME, 1)
DATA = b"what is signed"
HEAD = 4 + len(ALGORITHM) + 4


def raw(signature: bytes) -> bytes:
    return signature[HEAD:]


def blob(body: bytes) -> bytes:
    return encode_string(ALGORITHM) + encode_string(body)


def test_round_trips() -> None:
    public = KEY.convert_to_public()
    assert ssh_keys.decode_ssh_public_key(KEY.public_data) == public
    copy = ssh_keys.import_private_key(KEY.export_private_key())
    assert copy == KEY
    public.verify(DATA, copy.sign(DATA))
    assert (KEY.bits, KEY.type_name) == (256, "MLDSA44-ED25519")
    certificate = make_key("ssh-ed25519").generate_user_certificate(KEY, "id", principals="a")
    assert certificate.algorithm == b"ssh-mldsa44-ed25519-cert-v01@openssh.com"


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
        with pytest.raises(KeyImportError, match=text):
            MLDSA44Ed25519Key.decode_private(Reader(encode_string(public) + encode_string(seeds)))
    with pytest.raises(KeyGenerationError, match="no option 'key_size'"):
        ssh_keys.generate_private_key(NAME, key_size=44)
    with pytest.raises(ssh_keys.KeyExportError, match="OpenSSH's own formats"):
        KEY.export_public_key("pkcs8-pem")
