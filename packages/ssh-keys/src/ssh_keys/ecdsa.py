"""ECDSA keys on the NIST curves (RFC 5656): `ecdsa-sha2-nistp256`, `-nistp384`, `-nistp521`."""

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
from ssh_keys.wire import Reader, encode_mpint, encode_string

__all__ = ["CURVES", "Curve", "ECDSAKey"]


class Curve(Record):
    """One curve of RFC 5656 section 10.1 and the hash of section 6.2.1 that goes with it."""

    name: bytes
    bits: int
    make: Callable[[], ec.EllipticCurve]
    scheme: ec.ECDSA

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
        Curve(b"nistp256", 256, ec.SECP256R1, ec.ECDSA(hashes.SHA256())),
        Curve(b"nistp384", 384, ec.SECP384R1, ec.ECDSA(hashes.SHA384())),
        Curve(b"nistp521", 521, ec.SECP521R1, ec.ECDSA(hashes.SHA512())),
    )
}


class ECDSAKey(SSHKey):
    """A key of type `ecdsa-sha2-<curve>`.

    Parameters:
        curve: one of `CURVES`.
        public_key: the public point.
        private_key: the private key, None for a public key only.
        point: the public point in uncompressed form, if it is at hand.
    """

    def __init__(
        self,
        curve: Curve,
        public_key: ec.EllipticCurvePublicKey,
        private_key: ec.EllipticCurvePrivateKey | None = None,
        point: bytes | None = None,
    ) -> None:
        self._curve = curve
        self._public_key = public_key
        self._private_key = private_key
        self._point = encode_point(curve, public_key) if point is None else point
        name = curve.algorithm
        blob = encode_string(name) + encode_string(curve.name) + encode_string(self._point)
        super().__init__(name, (name,), blob, private_key is not None)

    @classmethod
    def from_object(cls, key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) -> ECDSAKey:
        """Wrap a key of `cryptography`; raises KeyImportError for another curve."""
        for curve in CURVES.values():
            if isinstance(key.curve, type(curve.make())):
                if isinstance(key, ec.EllipticCurvePrivateKey):
                    return cls(curve, key.public_key(), key)
                return cls(curve, key)
        raise KeyImportError(f"no SSH key type for the curve {key.curve.name}")

    @classmethod
    def generate(cls, curve_name: bytes, **options: object) -> ECDSAKey:
        """Make a new private key on a curve; raises KeyGenerationError for any option."""
        if options:
            raise KeyGenerationError(f"ECDSA keys have no option {min(options)!r}")
        curve = CURVES[curve_name]
        key = ec.generate_private_key(curve.make())
        return cls(curve, key.public_key(), key)

    @classmethod
    def decode_public(cls, curve_name: bytes, reader: Reader) -> ECDSAKey:
        """Read the public fields (RFC 5656 section 3.1)."""
        curve, point = read_point(curve_name, reader)
        return cls(curve, load_point(curve, point), point=point)

    @classmethod
    def decode_private(
        cls, curve_name: bytes, reader: Reader, skip_validation: bool = False
    ) -> ECDSAKey:
        """Read the private fields: curve, point, private value (PROTOCOL.key)."""
        curve, point = read_point(curve_name, reader)
        value = reader.mpint()
        if value < 1 or value.bit_length() > curve.bits:
            raise KeyImportError("ECDSA private value out of range")
        check_form(curve, point)
        size = len(point) // 2
        x, y = (int.from_bytes(half, "big") for half in (point[1 : 1 + size], point[1 + size :]))
        numbers = ec.EllipticCurvePublicNumbers(x, y, curve.make())
        try:
            # This checks that the two belong together, which costs less than deriving one.
            private_key = ec.EllipticCurvePrivateNumbers(value, numbers).private_key()
        except ValueError:
            raise KeyImportError("ECDSA private and public key do not belong together") from None
        return cls(curve, private_key.public_key(), private_key, point)

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
        return self._with_comment(ECDSAKey(self._curve, self._public_key, point=self._point))

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
        verify_rs(self._curve, self._public_key, data, inner, sig_algorithm)

    def private_key_object(self) -> ec.EllipticCurvePrivateKey:
        """Return the private key as an object of `cryptography`; raises KeyExportError."""
        if self._private_key is None:
            raise KeyExportError("the key has no private part")
        return self._private_key

    def public_key_object(self) -> ec.EllipticCurvePublicKey:
        """Return the public key as an object of `cryptography`."""
        return self._public_key


def encode_point(curve: Curve, key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the point in uncompressed form (SEC 1 section 2.3.3)."""
    numbers = key.public_numbers()
    size = (curve.bits + 7) // 8
    return b"\x04" + numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")


def read_point(curve_name: bytes, reader: Reader) -> tuple[Curve, bytes]:
    """Read curve identifier and point; the identifier must be the one of the key type."""
    found, point = reader.string(), reader.string()
    if found != curve_name:
        raise KeyImportError(f"curve {printable(found)} in a key for {curve_name.decode()}")
    return CURVES[curve_name], point


def check_form(curve: Curve, point: bytes) -> None:
    """Raise KeyImportError unless a point is uncompressed and has the length of its curve."""
    if len(point) != curve.point_size or point[0] != 4:
        raise KeyImportError("ECDSA point is not an uncompressed point of its curve")


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
