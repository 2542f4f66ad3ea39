"""Curves, ML-KEM and sntrup761: published values, and public values that must be refused."""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mlkem
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base

from ssh_keys.wire import encode_mpint, encode_string
from ssh_transport.errors import KeyExchangeFailed
from ssh_transport.kex import curve as curves
from ssh_transport.kex import sntrup761
from ssh_transport.kex.curve import X448, X25519, x25519_by_libsodium, x25519_by_openssl
from ssh_transport.kex.ecdh import Curve, CurveExchange, Finish, NISTCurve, Random
from ssh_transport.kex.hybrid import KEM, MLKEM768, MLKEM1024, HybridExchange
from ssh_transport.kex.sntrup761 import SNTRUP761


class OneLibrary:
    """Curve25519 by one of the two libraries."""

    public_size = 32

    def __init__(self, make: Callable[[bytes], tuple[bytes, Finish]]) -> None:
        self._make = make

    def start(self, random: Random) -> tuple[bytes, Finish]:
        """See Curve."""
        return self._make(random(32))


SODIUM = (crypto_scalarmult_base, crypto_scalarmult)
X25519_LIBRARIES = (
    OneLibrary(x25519_by_openssl),
    OneLibrary(lambda secret: x25519_by_libsodium(secret, SODIUM)),
)
NIST = {"nistp256": ec.SECP256R1(), "nistp384": ec.SECP384R1(), "nistp521": ec.SECP521R1()}
CURVES: dict[str, Curve] = {
    "x25519": X25519(),
    "x25519 openssl": X25519_LIBRARIES[0],
    "x25519 libsodium": X25519_LIBRARIES[1],
    "x448": X448(),
    **{name: NISTCurve(curve) for name, curve in NIST.items()},
}
by_curve = pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES.keys())
by_nist_curve = pytest.mark.parametrize("curve", NIST.values(), ids=NIST.keys())

seeded = random.Random(2026).randbytes


def fixed(data: bytes) -> Callable[[int], bytes]:
    """A random source that gives one value, or the beginning of it."""

    def source(size: int) -> bytes:
        assert size <= len(data)
        return data[:size]

    return source


@pytest.mark.parametrize(
    ("curve", "private", "public", "peer", "shared"),
    [
        *(
            (
                library,  # RFC 7748 section 6.1, Bob
                "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
                "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
                "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
                "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
            )
            for library in X25519_LIBRARIES
        ),
        (
            X448(),  # RFC 7748 section 6.2, Alice
            (
                "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28d"
                "d9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b"
            ),
            (
                "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c"
                "22c5d9bbc836647241d953d40c5b12da88120d53177f80e532c41fa0"
            ),
            (
                "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b430"
                "27d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609"
            ),
            (
                "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282b"
                "b60c0b56fd2464c335543936521c24403085d59a449a5037514a879d"
            ),
        ),
        (
            X448(),  # Bob
            (
                "1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d"
                "6927c120bb5ee8972b0d3e21374c9c921b09d1b0366f10b65173992d"
            ),
            (
                "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b430"
                "27d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609"
            ),
            (
                "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c"
                "22c5d9bbc836647241d953d40c5b12da88120d53177f80e532c41fa0"
            ),
            (
                "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282b"
                "b60c0b56fd2464c335543936521c24403085d59a449a5037514a879d"
            ),
        ),
    ],
    ids=["x25519 openssl", "x25519 libsodium", "x448 alice", "x448 bob"],
)
def test_rfc_7748(curve: Curve, private: str, public: str, peer: str, shared: str) -> None:
    value, agree = curve.start(fixed(bytes.fromhex(private)))
    assert value.hex() == public
    assert len(value) == curve.public_size
    assert agree(bytes.fromhex(peer)).hex() == shared


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_both_libraries_of_curve25519_agree(secret: bytes, peer: bytes) -> None:
    outcomes: set[bytes | str] = set()
    for library in X25519_LIBRARIES:
        public, agree = library.start(fixed(secret))
        outcomes.add(public)
        try:
            outcomes.add(agree(peer))
        except KeyExchangeFailed as exc:
            outcomes.add(str(exc))
    assert len(outcomes) == 2


@pytest.mark.parametrize("loaded", [True, False])
def test_libsodium_is_used_where_it_is_loaded(
    loaded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not loaded:
        monkeypatch.delitem(sys.modules, "nacl.bindings")
    monkeypatch.setattr(curves, "x25519_by_openssl", lambda secret: (b"", None))
    public, _ = X25519().start(seeded)
    assert bool(public) is loaded


@pytest.mark.parametrize("size", [0, 31, 33])
def test_private_keys_of_curve25519_have_32_octets(size: int) -> None:
    with pytest.raises(ValueError):
        x25519_by_libsodium(bytes(size), SODIUM)


@by_nist_curve
def test_nist_curve_against_the_library(curve: ec.EllipticCurve) -> None:
    peer = ec.generate_private_key(curve)
    encoded = peer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    public, agree = NISTCurve(curve).start(seeded)
    ours = ec.EllipticCurvePublicKey.from_encoded_point(curve, public)
    assert agree(encoded) == peer.exchange(ec.ECDH(), ours)


@by_nist_curve
@pytest.mark.parametrize("filler", [b"\0", b"\xff"])
def test_any_random_bytes_give_a_scalar(curve: ec.EllipticCurve, filler: bytes) -> None:
    public, _ = NISTCurve(curve).start(fixed(filler * 100))
    ec.EllipticCurvePublicKey.from_encoded_point(curve, public)


def test_secret_is_an_mpint_of_the_octets() -> None:
    """RFC 8731 section 3.1: taken as a big-endian number, so a leading zero octet is dropped."""
    exchange = CurveExchange(X25519())
    for _ in range(2000):
        init, finish = exchange.start(seeded)
        reply, secret = exchange.respond(seeded, init)
        assert finish(reply) == secret
        raw = X25519().start(seeded)
        assert raw
        if int.from_bytes(secret[:4], "big") < 32:
            break
    else:  # pragma: no cover
        pytest.fail("no short secret in 2000 exchanges")
    assert secret[4] != 0 or secret[5] & 0x80


@by_curve
def test_wrong_length_is_refused(curve: Curve) -> None:
    public, agree = curve.start(seeded)
    for size in {0, 1, 31, 32, 33, len(public) - 1, len(public) + 1, 2 * len(public)}:
        if size != len(public):
            with pytest.raises(KeyExchangeFailed, match="peer's public value"):
                agree(bytes(public * 2)[:size])


@pytest.mark.parametrize(
    "value",
    [
        # Points of small order on Curve25519 and its twist (RFC 7748 section 7): the secret is 0.
        bytes(32),
        (1).to_bytes(32, "little"),
        ((1 << 255) - 19 - 1).to_bytes(32, "little"),
        ((1 << 255) - 19).to_bytes(32, "little"),
        ((1 << 255) - 19 + 1).to_bytes(32, "little"),
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    ],
    ids=lambda value: value.hex()[:8],
)
def test_zero_secret_of_curve25519_is_refused(value: bytes) -> None:
    for library in X25519_LIBRARIES:
        _, agree = library.start(seeded)
        with pytest.raises(KeyExchangeFailed, match="Curve25519"):
            agree(value)


@pytest.mark.parametrize("number", [0, 1, (1 << 448) - (1 << 224) - 2, (1 << 448) - (1 << 224) - 1])
def test_zero_secret_of_curve448_is_refused(number: int) -> None:
    _, agree = X448().start(seeded)
    with pytest.raises(KeyExchangeFailed, match="Curve448"):
        agree(number.to_bytes(56, "little"))


@by_nist_curve
def test_points_off_the_curve_are_refused(curve: ec.EllipticCurve) -> None:
    ours = NISTCurve(curve)
    public, agree = ours.start(seeded)
    size = (len(public) - 1) // 2
    x, y = public[1 : 1 + size], public[1 + size :]
    compressed = bytes((2 + y[-1] % 2,)) + x
    bad = {
        "infinity": b"\0",
        "padded infinity": bytes(len(public)),
        "zero": b"\4" + bytes(2 * size),
        "off the curve": public[:-1] + bytes((public[-1] ^ 1,)),
        "swapped": b"\4" + y + x,
        "above p": b"\4" + b"\xff" * 2 * size,
        "compressed": compressed,
        "compressed, padded": compressed.ljust(len(public), b"\0"),
        "hybrid": bytes((6 + y[-1] % 2,)) + x + y,
        "other curve": CURVES["nistp256" if size != 32 else "nistp384"].start(seeded)[0],
    }
    for value in bad.values():
        with pytest.raises(KeyExchangeFailed, match="not a point"):
            agree(value)
    assert agree(public)


# --- KEMs and hybrids ------------------------------------------------------------------------

KEMS: dict[str, KEM] = {
    "mlkem768": MLKEM768(),
    "mlkem1024": MLKEM1024(),
    "sntrup761": SNTRUP761(),
}
by_kem = pytest.mark.parametrize("kem", KEMS.values(), ids=KEMS.keys())


@by_kem
def test_kem(kem: KEM) -> None:
    public, decapsulate = kem.start(seeded)
    assert len(public) == kem.public_size
    secret, ciphertext = kem.encapsulate(seeded, public)
    assert len(ciphertext) == kem.ciphertext_size
    assert len(secret) == 32
    assert decapsulate(ciphertext) == secret
    # Implicit rejection: a changed ciphertext gives a secret that nobody else has, always the same.
    changed = bytes((ciphertext[0] ^ 1,)) + ciphertext[1:]
    assert decapsulate(changed) == decapsulate(changed) != secret


@pytest.mark.parametrize("kem", [MLKEM768(), MLKEM1024()], ids=["mlkem768", "mlkem1024"])
def test_mlkem_coefficients_are_below_q(kem: KEM) -> None:
    """FIPS 203 section 7.2, the modulus check."""
    public, _ = kem.start(seeded)
    for position in (0, 3, kem.public_size - 35):
        bad = bytearray(public)
        bad[position : position + 3] = b"\xff\xff\xff"  # two coefficients of 4095
        with pytest.raises(ValueError):
            kem.encapsulate(seeded, bytes(bad))


@pytest.mark.parametrize(
    ("kem", "curve", "hash_name"),
    [
        (MLKEM768(), X25519(), "sha256"),
        (MLKEM768(), CURVES["nistp256"], "sha256"),
        (MLKEM1024(), CURVES["nistp384"], "sha384"),
    ],
    ids=["mlkem768x25519", "mlkem768nistp256", "mlkem1024nistp384"],
)
def test_hybrid_secret(kem: KEM, curve: Curve, hash_name: str) -> None:
    """draft-ietf-sshm-mlkem-hybrid-kex section 2.4: HASH(K_PQ || K_CL), as a string."""
    exchange = HybridExchange(kem, curve, hash_name)
    init, finish = exchange.start(seeded)
    assert len(init) == kem.public_size + curve.public_size
    kem_secret, ciphertext = kem.encapsulate(seeded, init[: kem.public_size])
    public, agree = curve.start(seeded)
    curve_secret = agree(init[kem.public_size :])
    expected = encode_string(hashlib.new(hash_name, kem_secret + curve_secret).digest())
    assert finish(ciphertext + public) == expected
    assert expected != encode_mpint(int.from_bytes(expected[4:], "big")) or expected[4] < 0x80


@pytest.mark.parametrize("kem", [MLKEM768(), SNTRUP761()], ids=["mlkem768", "sntrup761"])
def test_hybrid_refuses_other_lengths(kem: KEM) -> None:
    exchange = HybridExchange(kem, X25519(), "sha512")
    init, finish = exchange.start(seeded)
    reply, _ = exchange.respond(seeded, init)
    for size in (0, 1, 32, kem.ciphertext_size, len(reply) - 1):
        with pytest.raises(KeyExchangeFailed, match=f"has {size} bytes instead of {len(reply)}"):
            finish(reply[:size])
    with pytest.raises(KeyExchangeFailed, match="bytes instead of"):
        finish(reply + b"\0")
    for value in (b"", init[:-1], init + b"\0", init[:32]):
        with pytest.raises(KeyExchangeFailed, match=f"bytes instead of {len(init)}"):
            exchange.respond(seeded, value)


def test_hybrid_refuses_each_bad_half() -> None:
    exchange = HybridExchange(MLKEM768(), X25519(), "sha256")
    init, finish = exchange.start(seeded)
    reply, _ = exchange.respond(seeded, init)
    with pytest.raises(KeyExchangeFailed, match="Curve25519"):
        finish(reply[:-32] + bytes(32))
    with pytest.raises(KeyExchangeFailed, match="Curve25519"):
        exchange.respond(seeded, init[:-32] + bytes(32))
    with pytest.raises(KeyExchangeFailed, match="ML-KEM-768"):
        exchange.respond(seeded, b"\xff" * 1184 + init[-32:])


def test_mlkem_key_is_that_of_its_seed() -> None:
    seed = bytes(range(64))
    public, _ = MLKEM768().start(fixed(seed))
    assert public == mlkem.MLKEM768PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()


# --- sntrup761 -------------------------------------------------------------------------------

P, Q = 761, 4591


def schoolbook(a: list[int], b: list[int], modulus: int) -> list[int]:
    """The product modulo x**761 - x - 1, coefficient by coefficient."""
    product = [0] * (2 * P - 1)
    for i, x in enumerate(a):
        if x:
            for j, y in enumerate(b):
                product[i + j] += x * y
    for i in range(2 * P - 2, P - 1, -1):
        product[i - P] += product[i]
        product[i - P + 1] += product[i]
    return [c % modulus for c in product[:P]]


@pytest.mark.parametrize("modulus", [3, Q])
def test_sntrup_product_and_inverse(modulus: int) -> None:
    source = random.Random(modulus)
    sparse = [source.randrange(modulus) if i % 7 == 0 else 0 for i in range(P)]
    dense = [source.randrange(modulus) for _ in range(P)]
    assert sntrup761._multiply(sparse, dense, modulus) == schoolbook(sparse, dense, modulus)
    inverse = sntrup761._inverse(dense, modulus)
    if inverse is not None:
        assert sntrup761._multiply(dense, inverse, modulus) == [1] + [0] * (P - 1)


def test_sntrup_inverse_of_zero() -> None:
    assert sntrup761._inverse([0] * P, Q) is None


def test_sntrup_rounding() -> None:
    for value in range(Q):
        centred = value if value <= (Q - 1) // 2 else value - Q
        (rounded,) = sntrup761._from_rounded(sntrup761._rounded([value]))
        assert rounded == 3 * round(centred / 3) % Q


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([sntrup761._Q_MODULI, sntrup761._ROUNDED_MODULI]), st.randoms())
def test_sntrup_encoding(moduli: tuple[int, ...], source: random.Random) -> None:
    values = [source.randrange(modulus) for modulus in moduli]
    encoded = sntrup761._encode(values, moduli)
    assert len(encoded) == {4591: 1158, 1531: 1007}[moduli[0]]
    assert sntrup761._decode(encoded, moduli) == values


def test_sntrup_short_elements_have_the_right_weight() -> None:
    short = sntrup761._random_short(seeded)
    assert len(short) == P
    assert sum(map(abs, short)) == 286
    assert set(short) == {-1, 0, 1}
    assert set(sntrup761._random_small(seeded)) == {-1, 0, 1}


def test_sntrup_public_key_has_one_encoding() -> None:
    kem = SNTRUP761()
    for bad in (b"\xff" * 1158, b"\xff" * 1157 + b"\0"):
        with pytest.raises(ValueError, match="public key"):
            kem.encapsulate(seeded, bad)
    exchange = HybridExchange(kem, X25519(), "sha512")
    with pytest.raises(KeyExchangeFailed, match="sntrup761"):
        exchange.respond(seeded, b"\xff" * 1158 + bytes(32))


def test_sntrup_replays() -> None:
    """The same random bytes give the same key, ciphertext and secret."""
    results = set()
    for _ in range(2):
        source = random.Random(3).randbytes
        public, decapsulate = SNTRUP761().start(source)
        secret, ciphertext = SNTRUP761().encapsulate(source, public)
        assert decapsulate(ciphertext) == secret
        results.add((public, ciphertext, secret))
    assert len(results) == 1
