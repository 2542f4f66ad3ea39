"""ECDSA keys on secp256k1: what is not the same as for the curves that RFC 5656 names.

What is the same (formats, signatures, certificates) is with the tests of all types, and points in
`test_ecdsa_points`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import (
    KeyExportError,
    KeyImportError,
    SSHAuthorizedKeys,
    SSHKey,
    UnsupportedKeyError,
    decode_ssh_public_key,
    import_known_hosts,
)
from ssh_keys.cli.parser import run
from ssh_keys.ecdsa import ECDSAKey
from ssh_keys.formats.ppk import to_openssh
from ssh_keys.key_types import decode_ssh_private_key
from ssh_keys.wire import Reader, encode_mpint, encode_string

from .support import SECP256K1, make_key, public_line

NAME, CURVE = SECP256K1.encode(), b"1.3.132.0.10"
#: The order of the group, and its generator (SEC 2 section 2.4.1).
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
GENERATOR = bytes.fromhex(
    "04"
    "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
    "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
)


@pytest.fixture
def key() -> SSHKey:
    """The private key that all tests share."""
    return make_key(SECP256K1)


def blob(name: bytes, curve: bytes, point: bytes) -> bytes:
    """A public key blob (RFC 5656 section 3.1)."""
    return b"".join(map(encode_string, (name, curve, point)))


def private_fields(value: int, point: bytes = GENERATOR) -> Reader:
    """The fields of a private key (PROTOCOL.key)."""
    return Reader(encode_string(CURVE) + encode_string(point) + encode_mpint(value))


def test_facts(key: SSHKey) -> None:
    assert (key.get_algorithm(), key.bits, key.type_name) == (SECP256K1, 256, "ECDSA")
    assert key.sig_algorithms == key.default_sig_algorithms == (NAME,)
    assert key.public_data == blob(NAME, CURVE, key.public_data[-65:])
    public = key.public_key_object()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert isinstance(public.curve, ec.SECP256K1)


def test_generator_has_the_private_value_one() -> None:
    key = ECDSAKey.decode_private(CURVE, private_fields(1))
    assert key.public_data == blob(NAME, CURVE, GENERATOR)


@pytest.mark.parametrize("value", [-1, 0, 2, ORDER - 1, ORDER, 1 << 256, (1 << 256) + 1])
def test_private_values_that_do_not_belong_to_the_point(value: int) -> None:
    with pytest.raises(KeyImportError, match=r"out of range|do not belong together"):
        ECDSAKey.decode_private(CURVE, private_fields(value))


@pytest.mark.parametrize(
    "data",
    [
        blob(NAME, b"nistp256", GENERATOR),
        blob(NAME, b"secp256k1", GENERATOR),
        blob(NAME, b"1.3.132.0.34", GENERATOR),
        blob(NAME, b"", GENERATOR),
        blob(NAME, CURVE, b""),
        blob(NAME, CURVE, b"\0"),  # the point at infinity
        blob(NAME, CURVE, b"\0" * 65),
        blob(NAME, CURVE, b"\4" + b"\0" * 64),
        blob(NAME, CURVE, GENERATOR[:-1]),
        blob(NAME, CURVE, GENERATOR + b"\0"),
        blob(NAME, CURVE, b"\2" + GENERATOR[1:33]),
        blob(NAME, CURVE, b"\6" + GENERATOR[1:]),
        blob(NAME, CURVE, make_key("ecdsa-sha2-nistp256").public_data[-65:]),
        blob(b"ecdsa-sha2-nistp256", b"nistp256", GENERATOR),
        blob(b"ecdsa-sha2-nistp256", CURVE, GENERATOR),
    ],
    ids=range(15),
)
def test_other_blobs_are_refused(data: bytes) -> None:
    with pytest.raises(KeyImportError):
        decode_ssh_public_key(data)
    with pytest.raises(KeyImportError):
        decode_ssh_private_key(Reader(data + encode_mpint(1)))


@pytest.mark.parametrize("name", ["ecdsa-sha2-1.3.132.0.33", "ecdsa-sha2-secp256k1"])
def test_other_curves_are_unknown(name: str) -> None:
    with pytest.raises(UnsupportedKeyError, match="unknown key type"):
        decode_ssh_public_key(blob(name.encode(), CURVE, GENERATOR))


@given(st.binary(min_size=64, max_size=64))
def test_arbitrary_coordinates(coordinates: bytes) -> None:
    """Nearly all are off the curve; none of them comes through as a key that OpenSSL refuses."""
    point = b"\4" + coordinates
    try:
        found = decode_ssh_public_key(blob(NAME, CURVE, point))
    except KeyImportError:
        with pytest.raises(ValueError, match=r"\S"):
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), point)
        return
    found.public_key_object()


@given(st.integers(1, ORDER - 1))
def test_arbitrary_private_values(value: int) -> None:
    key = ECDSAKey.from_object(ec.derive_private_key(value, ec.SECP256K1()))
    for form in ("openssh", "pkcs8-der", "pkcs1-der"):
        assert ssh_keys.import_private_key(key.export_private_key(form)) == key
    locked = key.export_private_key("openssh", "x", rounds=1)
    assert ssh_keys.import_private_key(locked, "x") == key
    signature = key.sign(b"data")
    key.convert_to_public().verify(b"data", signature)


def test_the_smallest_value_without_its_zeros() -> None:
    """A SEC 1 key whose writer took the private value for an integer."""
    key = ECDSAKey.from_object(ec.derive_private_key(1, ec.SECP256K1()))
    data = key.export_private_key("pkcs1-der")
    value = b"\4\x20" + (1).to_bytes(32, "big")
    assert data[:2] == b"0\x74"
    assert value in data
    short = b"0\x55" + data[2:].replace(value, b"\4\1\1")
    assert ssh_keys.import_private_key(short) == key


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("ppk", f"PuTTY has no {SECP256K1} keys"),
        ("ppk2", f"PuTTY has no {SECP256K1} keys"),
        ("dropbear", f"Dropbear has no {SECP256K1} keys"),
    ],
)
def test_formats_of_programs_that_have_no_such_keys(key: SSHKey, form: str, text: str) -> None:
    with pytest.raises(KeyExportError, match=text):
        key.export_private_key(form)


def test_a_file_of_putty_with_such_a_key_is_refused(key: SSHKey) -> None:
    with pytest.raises(UnsupportedKeyError, match="PPK with the key type"):
        to_openssh(NAME, key.public_data, encode_mpint(1))


def test_trust_files(key: SSHKey) -> None:
    known = import_known_hosts(f"host {public_line(SECP256K1)}\n").lookup("host")
    assert known.check(key).name == "TRUSTED"
    assert known.check(make_key(SECP256K1, 1)).name == "MISMATCH"
    assert known.host_key_algorithms == (NAME,)
    keys = SSHAuthorizedKeys(f"restrict {public_line(SECP256K1)}\n")
    assert keys.lookup(key, "", "192.0.2.1") is not None
    assert keys.lookup(make_key(SECP256K1, 1), "", "192.0.2.1") is None


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "id"
    assert run(["generate", str(path), "--type", SECP256K1, "--no-passphrase"]) == 0
    key = ssh_keys.read_private_key(path)
    assert key.get_algorithm() == SECP256K1
    assert ssh_keys.read_public_key(f"{path}.pub") == key.convert_to_public()
    capsys.readouterr()
    assert run(["show", f"{path}.pub", "--json"]) == 0
    assert SECP256K1 in capsys.readouterr().out
