"""Points of ECDSA keys: our check when a key is read and OpenSSL's, when it is used, agree."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from ssh_keys import KeyImportError
from ssh_keys.ecdsa import CURVES, Curve, ECDSAKey, check_point, encode_point, load_point
from ssh_keys.wire import Reader, encode_mpint, encode_string

curves = pytest.mark.parametrize("curve", CURVES.values(), ids=lambda curve: curve.name.decode())


def accepted(curve: Curve, point: bytes) -> bool:
    """Whether we take a point; fails if OpenSSL is of another opinion."""
    try:
        check_point(curve, point)
        ours = True
    except KeyImportError:
        ours = False
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(curve.make(), point)
        theirs = True
    except ValueError:
        theirs = False
    # A compressed point is a point for OpenSSL, but not for SSH (RFC 5656 section 3.1).
    assert ours == (theirs and len(point) == curve.point_size and point[:1] == b"\x04")
    return ours


def encode(curve: Curve, x: int, y: int) -> bytes:
    size = curve.point_size // 2
    return b"\x04" + x.to_bytes(size, "big") + y.to_bytes(size, "big")


def point_with(curve: Curve, start: int) -> tuple[int, int]:
    """The first point with an x of `start` or more; p = 3 (mod 4) for all the curves."""
    x = start
    while True:
        square = (x**3 + curve.a * x + curve.b) % curve.p
        y = pow(square, (curve.p + 1) // 4, curve.p)
        if y * y % curve.p == square:
            return x, y
        x += 1


@curves
def test_generated_points(curve: Curve) -> None:
    for _ in range(20):
        point = encode_point(curve, ec.generate_private_key(curve.make()).public_key())
        assert accepted(curve, point)
        assert encode_point(curve, load_point(curve, point)) == point


@curves
@given(data=st.data())
def test_changed_points(curve: Curve, data: st.DataObject) -> None:
    x, y = point_with(curve, data.draw(st.integers(0, curve.p - 1000)))
    point = bytearray(encode(curve, x, y))
    assert accepted(curve, bytes(point))
    point[data.draw(st.integers(0, len(point) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert not accepted(curve, bytes(point))


@curves
def test_points_of_another_form(curve: Curve) -> None:
    x, y = point_with(curve, 1)
    size = curve.point_size // 2
    good = encode(curve, x, y)
    assert accepted(curve, encode(curve, x, curve.p - y))
    for bad in (
        # The same point, with coordinates that are not reduced: it would have two fingerprints.
        encode(curve, x + curve.p, y),
        encode(curve, x, curve.p),
        encode(curve, curve.p, y),
        encode(curve, 0, 0),
        encode(curve, (1 << 8 * size) - 1, (1 << 8 * size) - 1),
        b"\0",  # the point at infinity
        b"\0" * len(good),
        b"",
        good[:-1],
        good + b"\0",
        bytes((2 + (y & 1),)) + good[1 : 1 + size],
        bytes((6 + (y & 1),)) + good[1:],  # hybrid form
    ):
        assert not accepted(curve, bad)


@curves
def test_private_values_have_one_form(curve: Curve) -> None:
    """A value behind the order of the group belongs to the same point (SEC 1 section 3.2.1)."""
    made = ec.derive_private_key(5, curve.make())
    point, order = encode_point(curve, made.public_key()), curve.make().group_order
    for value, good in ((5, True), (order + 5, False), (order, False), (5 - order, False)):
        fields = b"".join((encode_string(curve.name), encode_string(point), encode_mpint(value)))
        if good:
            assert ECDSAKey.decode_private(curve.name, Reader(fields)).public_data.endswith(point)
        else:
            with pytest.raises(KeyImportError, match="out of range"):
                ECDSAKey.decode_private(curve.name, Reader(fields))
