"""Ed448 and DSA: not default, but complete."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa

import ssh_keys
from ssh_keys import (
    KeyGenerationError,
    KeyImportError,
    SignatureError,
    SSHKey,
    decode_ssh_public_key,
)
from ssh_keys.dsa import DSAKey
from ssh_keys.ed448 import Ed448Key
from ssh_keys.wire import Reader, encode_mpint, encode_string

from .support import make_key, needs_ssh_keygen, skip_unless_openssh_has, ssh_keygen

DATA = b"what is signed"


@pytest.fixture(params=["ssh-ed448", "ssh-dss"])
def key(request: pytest.FixtureRequest) -> SSHKey:
    """A private key of each of the rare types."""
    return make_key(request.param)


def test_sign_and_verify(key: SSHKey) -> None:
    public, signature = key.convert_to_public(), key.sign(DATA)
    public.verify(DATA, signature, [key.algorithm])
    with pytest.raises(SignatureError, match="wrong"):
        public.verify(DATA + b"!", signature, [key.algorithm])
    for position in range(len(signature)):
        changed = bytearray(signature)
        changed[position] ^= 1
        with pytest.raises(SignatureError):
            public.verify(DATA, bytes(changed), [key.algorithm])
    for end in range(len(signature)):
        with pytest.raises(SignatureError):
            public.verify(DATA, signature[:end], [key.algorithm])
    short = encode_string(key.algorithm) + encode_string(bytes(39))
    with pytest.raises(SignatureError, match="39 bytes"):
        public.verify(DATA, short, [key.algorithm])


def test_dsa_is_refused_unless_named() -> None:
    key = make_key("ssh-dss")
    with pytest.raises(SignatureError, match="ssh-dss is not allowed"):
        key.verify(DATA, key.sign(DATA))
    make_key("ssh-ed448").verify(DATA, make_key("ssh-ed448").sign(DATA))


def test_round_trips(key: SSHKey) -> None:
    for passphrase in ("", "x"):
        data = key.export_private_key(passphrase=passphrase, rounds=1)
        copy = ssh_keys.import_private_key(data, "x")
        assert copy == key
        assert copy.get_comment() == key.get_comment()
    assert decode_ssh_public_key(key.public_data) == key.convert_to_public()
    assert ssh_keys.import_public_key(key.export_public_key()) == key.convert_to_public()


def test_changed_blobs(key: SSHKey) -> None:
    for position in range(len(key.public_data)):
        changed = bytearray(key.public_data)
        changed[position] ^= 0x41
        try:
            assert decode_ssh_public_key(bytes(changed)).public_data == bytes(changed)
        except KeyImportError:
            continue


def test_facts() -> None:
    facts = [(make_key(name).bits, make_key(name).type_name) for name in ("ssh-ed448", "ssh-dss")]
    assert facts == [(456, "ED448"), (1024, "DSA")]
    for name in ("ssh-ed448", "ssh-dss"):
        with pytest.raises(KeyGenerationError, match="no option 'key_size'"):
            ssh_keys.generate_private_key(name, key_size=2048)


@pytest.mark.parametrize("length", [0, 32, 56, 58])
def test_ed448_lengths(length: int) -> None:
    with pytest.raises(KeyImportError, match=f"{length} bytes"):
        Ed448Key(bytes(length))
    with pytest.raises(KeyImportError, match=f"{length} bytes"):
        Ed448Key(make_key("ssh-ed448").public_data[-57:], bytes(length))


def test_ed448_parts_that_do_not_belong_together() -> None:
    public = make_key("ssh-ed448").public_data[-57:]
    with pytest.raises(KeyImportError, match="belong together"):
        Ed448Key(public, bytes(57))
    with pytest.raises(KeyImportError, match="114"):
        Ed448Key.decode_private(Reader(encode_string(public) + encode_string(b"x")))
    with pytest.raises(KeyImportError, match="another public key"):
        Ed448Key.decode_private(Reader(encode_string(public) + encode_string(bytes(114))))


def _dsa_numbers() -> list[int]:
    key = make_key("ssh-dss")
    assert isinstance(key, DSAKey)
    numbers = key.private_key_object().private_numbers()
    parameters = numbers.public_numbers.parameter_numbers
    return [parameters.p, parameters.q, parameters.g, numbers.public_numbers.y, numbers.x]


@pytest.mark.parametrize(
    ("index", "value"),
    [
        (0, 0),
        (0, -1),
        (0, 1 << 3100),
        (1, 3),
        (1, -1),
        (1, (1 << 160) - 1),
        (2, 0),
        (2, 1),
        (2, -1),
        (2, "p-1"),
        (3, 0),
        (3, 1),
        (3, -1),
        (3, "p-1"),
        (3, "p+y"),
        (4, 0),
        (4, -1),
        (4, 5),
        (4, "q+x"),
    ],
)
def test_dsa_numbers_out_of_range(index: int, value: int | str) -> None:
    fields = _dsa_numbers()
    p, q, _, y, x = fields
    named = {"p-1": p - 1, "p+y": p + y, "q+x": q + x}
    fields[index] = named[value] if isinstance(value, str) else value
    with pytest.raises(KeyImportError):
        DSAKey.decode_private(Reader(b"".join(map(encode_mpint, fields))))
    if index < 4:
        with pytest.raises(KeyImportError):
            DSAKey.decode_public(Reader(b"".join(map(encode_mpint, fields[:4]))))


def test_dsa_of_another_size_is_no_ssh_key() -> None:
    with pytest.raises(KeyImportError, match="256 bits, not 160"):
        DSAKey.from_object(dsa.generate_private_key(2048))


@needs_ssh_keygen
def test_ssh_keygen_and_dsa(tmp_path: Path) -> None:
    skip_unless_openssh_has("ssh-dss")
    path = tmp_path / "id"
    key = make_key("ssh-dss")
    key.write_private_key(path, passphrase="x", cipher_name="aes256-ctr", rounds=1)
    printed = ssh_keygen("-y", "-P", "x", "-f", path)
    assert printed.encode() == key.export_public_key()
    path.unlink()
    ssh_keygen("-q", "-t", "dsa", "-N", "", "-f", path)
    theirs = ssh_keys.read_private_key(path)
    assert theirs.convert_to_public() == ssh_keys.read_public_key(f"{path}.pub")
