"""ECDSA keys (RFC 5656): `ecdsa-sha2-nistp256`, `-nistp384`, `-nistp521`, and on secp256k1.

A curve that RFC 5656 does not name is called by its object identifier (section 6.1), so keys on
secp256k1 (SEC 2 section 2.4.1) are `ecdsa-sha2-1.3.132.0.10`.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from ssh_keys.errors import KeyExportError, KeyGenerationError, KeyImportError, SignatureError
from ssh_keys.key import SSHKey
from ssh_keys.key_material import printable
from ssh_keys.record import Record
from ssh_keys.wire import Reader, encode_mpint, encode_string, encode_uint32

__all__ = ["CURVES", "Curve", "ECDSAKey"]


#: First byte of a point with both coordinates (SEC 1 section 2.3.3).
UNCOMPRESSED = b"\x04"


class Curve(Record):
    """One curve (RFC 5656 section 10) and the hash of section 6.2.1 that goes with it.

    Attributes:
        name: identifier of RFC 5656.
        bits: size of the field.
        make: makes the curve as an object of `cryptography`.
        scheme: ECDSA with the hash of RFC 5656.
        p: the prime of the field (FIPS 186-4 section D.1.2).
        a, b: of the equation y^2 = x^3 + ax + b.
    """

    name: bytes
    bits: int
    make: Callable[[], ec.EllipticCurve]
    scheme: ec.ECDSA
    p: int
    a: int
    b: int

    @property
    def algorithm(self) -> bytes:
        """Name of the key type on this curve."""
        return b"ecdsa-sha2-" + self.name

    @property
    def point_size(self) -> int:
        """Length in bytes of an uncompressed point."""
        return 1 + 2 * ((self.bits + 7) // 8)


CURVES = {
    curve.name: curve
    for curve in (
        Curve(
            b"nistp256",
            256,
            ec.SECP256R1,
            ec.ECDSA(hashes.SHA256()),
            2**256 - 2**224 + 2**192 + 2**96 - 1,
            -3,
            0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        ),
        Curve(
            b"nistp384",
            384,
            ec.SECP384R1,
            ec.ECDSA(hashes.SHA384()),
            2**384 - 2**128 - 2**96 + 2**32 - 1,
            -3,
            int(
                "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875a"
                "c656398d8a2ed19d2a85c8edd3ec2aef",
                16,
            ),
        ),
        Curve(
            b"nistp521",
            521,
            ec.SECP521R1,
            ec.ECDSA(hashes.SHA512()),
            2**521 - 1,
            -3,
            int(
                "51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef10"
                "9e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
                16,
            ),
        ),
        Curve(
            b"1.3.132.0.10",
            256,
            ec.SECP256K1,
            ec.ECDSA(hashes.SHA256()),
            2**256 - 2**32 - 977,
            0,
            7,
        ),
    )
}


#: How each public key blob begins, up to the coordinates.
BLOB_PREFIXES = {
    name: b"".join(
        (
            encode_string(curve.algorithm),
            encode_string(name),
            encode_uint32(curve.point_size),
            UNCOMPRESSED,
        )
    )
    for name, curve in CURVES.items()
}


class ECDSAKey(SSHKey):
    """A key of type `ecdsa-sha2-<curve>`.

    Parameters:
        curve: one of `CURVES`.
        point: the public point in uncompressed form, which was found to be on the curve.
        private_key: the private key, None for a public key only.
        blob: the public key blob, if it is at hand.
    """

    def __init__(
        self,
        curve: Curve,
        point: bytes,
        private_key: ec.EllipticCurvePrivateKey | None = None,
        blob: bytes = b"",
    ) -> None:
        self._curve = curve
        # Made when it is needed: most keys of a file are only compared.
        self._public_key: ec.EllipticCurvePublicKey | None = None
        self._private_key = private_key
        self._point = point
        name = curve.algorithm
        blob = blob or BLOB_PREFIXES[curve.name] + point[1:]
        super().__init__(name, (name,), blob, private_key is not None)

    @classmethod
    def from_object(cls, key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) -> ECDSAKey:
        """Wrap a key of `cryptography`; raises KeyImportError for another curve."""
        for curve in CURVES.values():
            if isinstance(key.curve, type(curve.make())):
                if isinstance(key, ec.EllipticCurvePrivateKey):
                    return cls(curve, encode_point(curve, key.public_key()), key)
                return cls(curve, encode_point(curve, key))
        raise KeyImportError(f"no SSH key type for the curve {key.curve.name}")

    @classmethod
    def generate(cls, curve_name: bytes, **options: object) -> ECDSAKey:
        """Make a new private key on a curve; raises KeyGenerationError for any option."""
        if options:
            raise KeyGenerationError(f"ECDSA keys have no option {min(options)!r}")
        curve = CURVES[curve_name]
        key = ec.generate_private_key(curve.make())
        return cls(curve, encode_point(curve, key.public_key()), key)

    @classmethod
    def from_blob(cls, curve_name: bytes, blob: bytes) -> ECDSAKey:
        """Return the key of a blob with the prefix of its curve, and the right length.

        Raises KeyImportError for a point that is not on the curve.
        """
        curve = CURVES[curve_name]
        point = blob[-curve.point_size :]
        check_point(curve, point)
        return cls(curve, point, None, blob)

    @classmethod
    def decode_public(cls, curve_name: bytes, reader: Reader) -> ECDSAKey:
        """Read the public fields (RFC 5656 section 3.1)."""
        curve, point = read_point(curve_name, reader)
        check_point(curve, point)
        return cls(curve, point)

    @classmethod
    def decode_private(
        cls, curve_name: bytes, reader: Reader, skip_validation: bool = False
    ) -> ECDSAKey:
        """Read the private fields: curve, point, private value (PROTOCOL.key)."""
        curve, point = read_point(curve_name, reader)
        value, group = reader.mpint(), curve.make()
        if not 0 < value < group.group_order:
            raise KeyImportError("ECDSA private value out of range")
        check_form(curve, point)
        size = len(point) // 2
        x, y = (int.from_bytes(half, "big") for half in (point[1 : 1 + size], point[1 + size :]))
        numbers = ec.EllipticCurvePublicNumbers(x, y, group)
        try:
            # This checks that the two belong together, which costs less than deriving one.
            private_key = ec.EllipticCurvePrivateNumbers(value, numbers).private_key()
        except ValueError:
            raise KeyImportError("ECDSA private and public key do not belong together") from None
        return cls(curve, point, private_key)

    @property
    def bits(self) -> int:
        """Size of the curve in bits."""
        return self._curve.bits

    @property
    def type_name(self) -> str:
        """Short name of the key type."""
        return "ECDSA"

    def convert_to_public(self) -> ECDSAKey:
        """Return a key without the private part."""
        return self._with_comment(ECDSAKey(self._curve, self._point, None, self.public_data))

    def _private_fields(self) -> bytes:
        value = self.private_key_object().private_numbers().private_value
        return encode_string(self._curve.name) + encode_string(self._point) + encode_mpint(value)

    def _sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        der = self.private_key_object().sign(data, self._curve.scheme)
        r, s = decode_dss_signature(der)
        return encode_string(encode_mpint(r) + encode_mpint(s))

    def _verify(self, data: bytes, sig_algorithm: bytes, signature: Reader) -> None:
        inner = Reader(signature.string())
        signature.end()
        verify_rs(self._curve, self.public_key_object(), data, inner, sig_algorithm)

    def private_key_object(self) -> ec.EllipticCurvePrivateKey:
        """Return the private key as an object of `cryptography`; raises KeyExportError."""
        if self._private_key is None:
            raise KeyExportError("the key has no private part")
        return self._private_key

    def public_key_object(self) -> ec.EllipticCurvePublicKey:
        """Return the public key as an object of `cryptography`."""
        if self._public_key is None:
            self._public_key = load_point(self._curve, self._point)
        return self._public_key


def encode_point(curve: Curve, key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the point in uncompressed form (SEC 1 section 2.3.3)."""
    numbers = key.public_numbers()
    size = (curve.bits + 7) // 8
    return UNCOMPRESSED + numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")


def read_point(curve_name: bytes, reader: Reader) -> tuple[Curve, bytes]:
    """Read curve identifier and point; the identifier must be the one of the key type."""
    found, point = reader.string(), reader.string()
    if found != curve_name:
        raise KeyImportError(f"curve {printable(found)} in a key for {curve_name.decode()}")
    return CURVES[curve_name], point


def check_form(curve: Curve, point: bytes) -> None:
    """Raise KeyImportError unless a point is uncompressed and has the length of its curve."""
    if len(point) != curve.point_size or not point.startswith(UNCOMPRESSED):
        raise KeyImportError("ECDSA point is not an uncompressed point of its curve")


def check_point(curve: Curve, point: bytes) -> None:
    """Raise KeyImportError unless a point is uncompressed, and on the curve.

    The same as what OpenSSL checks when it loads the point (SEC 1 section 3.2.2.1; the cofactor is
    1), at a quarter of the time. It checks once more when the key is first used.
    """
    check_form(curve, point)
    half = len(point) // 2 + 1
    x, y = int.from_bytes(point[1:half], "big"), int.from_bytes(point[half:], "big")
    p = curve.p
    if x >= p or y >= p or (y * y - (x * x + curve.a) * x - curve.b) % p:
        raise KeyImportError("ECDSA point is not on its curve")


def load_point(curve: Curve, point: bytes) -> ec.EllipticCurvePublicKey:
    """Decode a point: uncompressed, exact length, on the curve, not at infinity."""
    check_form(curve, point)
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve.make(), point)
    except ValueError:
        raise KeyImportError("ECDSA point is not on its curve") from None


def verify_rs(
    curve: Curve, key: ec.EllipticCurvePublicKey, data: bytes, inner: Reader, name: bytes
) -> None:
    """Check the two integers of RFC 5656 section 3.1.2; raises SignatureError."""
    r, s = inner.mpint(), inner.mpint()
    inner.end()
    if r < 1 or s < 1 or max(r, s).bit_length() > curve.bits:
        raise SignatureError("ECDSA signature with an integer out of range")
    try:
        key.verify(encode_dss_signature(r, s), data, curve.scheme)
    except InvalidSignature:
        raise SignatureError(f"wrong {name.decode()} signature") from None
