"""Keys: generate, sign, verify, compare, fingerprint; every refusal of a signature and a size."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import (
    KeyExportError,
    KeyGenerationError,
    KeyImportError,
    KeyTruncatedError,
    SignatureError,
    SSHKey,
    UnsupportedKeyError,
    decode_ssh_public_key,
)
from ssh_keys.rsa import RSAKey
from ssh_keys.wire import encode_mpint, encode_string

from .support import KEY_TYPES, SECP256K1, make_key

DATA = b"what is signed"


@pytest.fixture(params=[*KEY_TYPES, SECP256K1])
def key(request: pytest.FixtureRequest) -> SSHKey:
    """A private key of each type."""
    return make_key(request.param)


def test_sign_and_verify_with_every_algorithm(key: SSHKey) -> None:
    public = key.convert_to_public()
    for name in key.sig_algorithms:
        signature = key.sign(DATA, name)
        assert signature.startswith(encode_string(name))
        public.verify(DATA, signature, [name])
        key.verify(DATA, signature, key.sig_algorithms)
        with pytest.raises(SignatureError, match="wrong"):
            public.verify(DATA + b"!", signature, [name])
        with pytest.raises(SignatureError, match="not allowed"):
            public.verify(DATA, signature, [])


def test_default_signature_is_the_best_and_verifies(key: SSHKey) -> None:
    signature = key.sign(DATA)
    assert signature.startswith(encode_string(key.sig_algorithms[0]))
    key.verify(DATA, signature)


def test_sha1_is_refused_unless_named() -> None:
    key = make_key("ssh-rsa")
    signature = key.sign(DATA, b"ssh-rsa")
    with pytest.raises(SignatureError, match="ssh-rsa is not allowed"):
        key.verify(DATA, signature)
    key.verify(DATA, signature, [b"ssh-rsa"])


@pytest.mark.parametrize("size", [224, 256, 384, 512])
def test_rsa_under_the_names_of_ssh_com(size: int) -> None:
    key, name = make_key("ssh-rsa"), f"ssh-rsa-sha{size}@ssh.com".encode()
    signature = key.sign(DATA, name)
    raw = signature[4 + len(name) + 4 :]
    public = key.public_key_object()
    assert isinstance(public, rsa.RSAPublicKey)
    hash_ = {
        224: hashes.SHA224(),
        256: hashes.SHA256(),
        384: hashes.SHA384(),
        512: hashes.SHA512(),
    }[size]
    public.verify(raw, DATA, padding.PKCS1v15(), hash_)
    key.verify(DATA, signature, [name])
    with pytest.raises(SignatureError, match=f"{name.decode()} is not allowed"):
        key.verify(DATA, signature)
    other = b"ssh-rsa-sha%d@ssh.com" % (256 if size == 512 else 512)
    with pytest.raises(SignatureError, match="wrong"):
        key.verify(DATA, encode_string(other) + encode_string(raw), [other])


def test_signature_algorithm_of_another_key(key: SSHKey) -> None:
    with pytest.raises(SignatureError, match="make no 'ssh-nonsense'"):
        key.sign(DATA, b"ssh-nonsense")
    body = key.sign(DATA)[4 + len(key.sig_algorithms[0]) :]
    foreign = encode_string(b"ssh-nonsense") + body
    with pytest.raises(SignatureError, match="is no signature of a key of type"):
        key.verify(DATA, foreign, [b"ssh-nonsense"])


def test_wrong_key(key: SSHKey) -> None:
    other = ssh_keys.generate_private_key(key.get_algorithm())
    with pytest.raises(SignatureError, match="wrong"):
        other.verify(DATA, key.sign(DATA))


def test_every_changed_byte_of_a_signature_is_refused(key: SSHKey) -> None:
    public, signature = key.convert_to_public(), key.sign(DATA)
    for position in range(len(signature)):
        for bit in (0x01, 0x80):
            changed = bytearray(signature)
            changed[position] ^= bit
            with pytest.raises(SignatureError):
                public.verify(DATA, bytes(changed), key.sig_algorithms)


def test_every_truncation_of_a_signature_is_refused(key: SSHKey) -> None:
    signature = key.sign(DATA)
    for end in range(len(signature)):
        with pytest.raises(SignatureError):
            key.verify(DATA, signature[:end])
    with pytest.raises(SignatureError, match="malformed"):
        key.verify(DATA, signature + b"\0")


@given(st.binary(max_size=200))
def test_arbitrary_signatures_raise_only_the_documented_error(signature: bytes) -> None:
    for name in KEY_TYPES:
        key = make_key(name)
        for blob in (signature, encode_string(key.sig_algorithms[0]) + encode_string(signature)):
            with pytest.raises(SignatureError):
                key.verify(DATA, blob)


@pytest.mark.parametrize("integers", [(0, 1), (1, 0), (-1, 1), (1, -1), (2**300, 1), (1, 2**300)])
def test_ecdsa_integers_out_of_range(integers: tuple[int, int]) -> None:
    body = encode_string(b"".join(map(encode_mpint, integers)))
    with pytest.raises(SignatureError, match="out of range"):
        make_key("ecdsa-sha2-nistp256").verify(
            DATA, encode_string(b"ecdsa-sha2-nistp256") + encode_string(body[4:])
        )


def test_public_key_does_not_sign(key: SSHKey) -> None:
    public = key.convert_to_public()
    assert not public.is_private
    with pytest.raises(SignatureError, match="private part"):
        public.sign(DATA)
    with pytest.raises(KeyExportError, match="private part"):
        public.private_data  # noqa: B018
    with pytest.raises(KeyExportError, match="private part"):
        public.export_private_key()
    with pytest.raises(KeyExportError, match="private part"):
        public.private_key_object()


def test_public_blob_round_trip(key: SSHKey) -> None:
    decoded = decode_ssh_public_key(key.public_data)
    assert decoded == key.convert_to_public()
    assert hash(decoded) == hash(key.convert_to_public())
    assert decoded.algorithm == key.algorithm
    assert decoded.public_data == key.public_data
    assert type(decoded) is type(key)


def test_public_blob_truncated_or_extended(key: SSHKey) -> None:
    for end in range(len(key.public_data)):
        with pytest.raises(KeyImportError):
            decode_ssh_public_key(key.public_data[:end])
    with pytest.raises(KeyTruncatedError):
        decode_ssh_public_key(key.public_data + b"\0")


@pytest.mark.parametrize("name", KEY_TYPES)
def test_every_changed_byte_of_a_blob_is_refused_or_another_key(name: str) -> None:
    blob = make_key(name).public_data
    for position in range(len(blob)):
        changed = bytearray(blob)
        changed[position] ^= 0x41
        try:
            other = decode_ssh_public_key(bytes(changed))
        except KeyImportError:
            continue
        assert other.public_data == bytes(changed)


@given(st.binary(max_size=100))
def test_arbitrary_blobs_raise_only_the_documented_error(data: bytes) -> None:
    with pytest.raises(KeyImportError):
        decode_ssh_public_key(data)
    for name in KEY_TYPES:
        with pytest.raises(KeyImportError):
            decode_ssh_public_key(encode_string(name.encode()) + data)


def test_compare(key: SSHKey) -> None:
    public = key.convert_to_public()
    assert key != public
    assert public == key.convert_to_public()
    assert len({key, public, key.convert_to_public()}) == 2
    assert key != key.public_data
    assert public.get_comment() == key.get_comment()
    public.set_comment("another")
    assert public == key.convert_to_public()


def test_repr_has_no_secret(key: SSHKey) -> None:
    text = repr(key)
    assert key.get_fingerprint() in text
    assert "private" in text
    secret = key.private_data
    for start in range(len(key.public_data) + 8, len(secret) - 16, 8):
        assert secret[start : start + 8].hex() not in text


def test_comments() -> None:
    key = ssh_keys.generate_private_key("ssh-ed25519", "Grüße")
    assert key.get_comment() == "Grüße"
    assert key.get_comment_bytes() == "Grüße".encode()
    key.set_comment("Grüße", "latin-1")
    assert key.get_comment_bytes() == b"Gr\xfc\xdfe"
    assert key.get_comment("latin-1") == "Grüße"
    with pytest.raises(UnicodeDecodeError):
        key.get_comment()
    assert key.get_comment(errors="replace") == "Gr\ufffd\ufffde"
    for nothing in (None, "", b""):
        key.set_comment(nothing)
        assert key.get_comment() is None
        assert key.get_comment_bytes() is None


def test_fingerprint_forms(key: SSHKey) -> None:
    assert key.get_fingerprint().startswith("SHA256:")
    assert key.get_fingerprint("sha-256") == key.get_fingerprint()
    assert key.get_fingerprint("md5").count(":") == 16
    assert key.get_fingerprint() == key.convert_to_public().get_fingerprint()
    with pytest.raises(ValueError, match="unknown fingerprint hash"):
        key.get_fingerprint("crc32")


def test_bits_and_type_names() -> None:
    facts = [(make_key(name).bits, make_key(name).type_name) for name in KEY_TYPES]
    assert facts == [
        (256, "ED25519"),
        (256, "ECDSA"),
        (384, "ECDSA"),
        (521, "ECDSA"),
        (2048, "RSA"),
    ]


# --- Policy on weak keys ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def weak() -> SSHKey:
    """An RSA key of 1024 bits."""
    return RSAKey.from_object(rsa.generate_private_key(65537, 1024))


def test_weak_rsa_key_is_read_but_proves_nothing(weak: SSHKey) -> None:
    assert decode_ssh_public_key(weak.public_data).bits == 1024
    signature = weak.sign(DATA)
    with pytest.raises(SignatureError, match="RSA key of 1024 bits, at least 2048"):
        weak.verify(DATA, signature)
    weak.verify(DATA, signature, minimum_rsa_bits=1024)


def rsa_blob(n: int, e: int) -> bytes:
    return encode_string(b"ssh-rsa") + encode_mpint(e) + encode_mpint(n)


N2048 = (1 << 2047) + 12345


@pytest.mark.parametrize(
    ("n", "e", "text"),
    [
        ((1 << 1022) + 1, 65537, "1023 bits"),
        ((1 << 16384) + 1, 65537, "16385 bits"),
        (-N2048, 65537, "out of range"),
        (N2048, 65536, "exponent"),
        (N2048, 1, "exponent"),
        (N2048, -3, "exponent"),
        (N2048, (1 << 64) + 1, "exponent"),
        (N2048 + 1, 65537, "out of range"),
        (0, 65537, "out of range"),
    ],
    ids=lambda value: value if isinstance(value, str) else "n",
)
def test_rsa_numbers_out_of_policy(n: int, e: int, text: str) -> None:
    with pytest.raises(KeyImportError, match=text):
        decode_ssh_public_key(rsa_blob(n, e))


def test_rsa_largest_size_is_read() -> None:
    assert decode_ssh_public_key(rsa_blob((1 << 16383) + 1, 65537)).bits == 16384


def test_numbers_with_leading_zeros_are_refused() -> None:
    numbers = make_key("ssh-rsa").public_key_object().public_numbers()  # type: ignore[union-attr]
    modulus = numbers.n.to_bytes(258, "big")  # type: ignore[union-attr]
    blob = encode_string(b"ssh-rsa") + encode_mpint(65537) + encode_string(modulus)
    with pytest.raises(KeyImportError, match="shortest form"):
        decode_ssh_public_key(blob)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_ed25519_length(length: int) -> None:
    blob = encode_string(b"ssh-ed25519") + encode_string(bytes(length))
    with pytest.raises(KeyImportError, match=f"{length} bytes"):
        decode_ssh_public_key(blob)


def point_blob(point: bytes, curve: bytes = b"nistp256") -> bytes:
    return encode_string(b"ecdsa-sha2-nistp256") + encode_string(curve) + encode_string(point)


@pytest.mark.parametrize(
    "point",
    [
        b"",
        b"\0",
        b"\x04",
        b"\x04" + bytes(64),
        b"\x04" + b"\xff" * 64,
        b"\x02" + bytes(32),
        b"\x04" + bytes(96),
    ],
)
def test_ecdsa_points_off_the_curve(point: bytes) -> None:
    with pytest.raises(KeyImportError, match="ECDSA point"):
        decode_ssh_public_key(point_blob(point))


def test_ecdsa_compressed_point_is_refused() -> None:
    point = make_key("ecdsa-sha2-nistp256").public_data[-65:]
    compressed = bytes((2 + (point[-1] & 1),)) + point[1:33]
    with pytest.raises(KeyImportError, match="uncompressed"):
        decode_ssh_public_key(point_blob(compressed))


def test_ecdsa_curve_of_another_type() -> None:
    point = make_key("ecdsa-sha2-nistp256").public_data[-65:]
    with pytest.raises(KeyImportError, match="curve 'nistp384' in a key for nistp256"):
        decode_ssh_public_key(point_blob(point, b"nistp384"))


@pytest.mark.parametrize(
    ("algorithm", "options", "text"),
    [
        ("ssh-nonsense", {}, "unknown key type 'ssh-nonsense'"),
        ("ssh-ed25519", {"key_size": 256}, "no option 'key_size'"),
        ("ecdsa-sha2-nistp256", {"exponent": 3}, "no option 'exponent'"),
        ("ssh-rsa", {"key_size": 1024}, "2048 to 16384"),
        ("ssh-rsa", {"key_size": 20000}, "2048 to 16384"),
        ("ssh-rsa", {"exponent": 5}, "65537 or 3"),
        ("ssh-rsa", {"curve": 1}, "no option 'curve'"),
    ],
)
def test_generate_refuses(algorithm: str, options: dict[str, int], text: str) -> None:
    with pytest.raises(KeyGenerationError, match=text):
        ssh_keys.generate_private_key(algorithm, None, **options)


def test_generate_rsa_options() -> None:
    key = ssh_keys.generate_private_key("rsa-sha2-256", b"c", key_size=2048, exponent=3)
    assert key.algorithm == b"ssh-rsa"
    assert key.get_comment() == "c"
    assert isinstance(key, RSAKey)
    assert key.public_key_object().public_numbers().e == 3


def test_unknown_type_is_escaped_in_the_message() -> None:
    with pytest.raises(UnsupportedKeyError) as caught:
        decode_ssh_public_key(encode_string(b"\x1b[2Jssh\xff" + b"A" * 1000))
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 400


# --- Private numbers that do not belong together ---------------------------------------------


def _rsa_fields(change: Callable[[list[int]], None]) -> bytes:
    key = make_key("ssh-rsa")
    assert isinstance(key, RSAKey)
    numbers = key.private_key_object().private_numbers()
    n, e = numbers.public_numbers.n, numbers.public_numbers.e
    fields = [n, e, numbers.d, numbers.iqmp, numbers.p, numbers.q]
    change(fields)
    return b"".join(map(encode_mpint, fields))


@pytest.mark.parametrize("index", range(6))
@pytest.mark.parametrize("value", [0, 1, -1, None])
def test_rsa_private_numbers(index: int, value: int | None) -> None:
    def change(fields: list[int]) -> None:
        fields[index] = fields[index] + 2 if value is None else value

    with pytest.raises(KeyImportError):
        RSAKey.decode_private(ssh_keys.wire.Reader(_rsa_fields(change)), True)


def test_rsa_validation_can_be_left_out() -> None:
    fields = _rsa_fields(lambda fields: None)
    for skip in (True, False):
        assert RSAKey.decode_private(ssh_keys.wire.Reader(fields), skip) == make_key("ssh-rsa")
