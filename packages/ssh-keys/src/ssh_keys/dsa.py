"""DSA keys (RFC 4253 section 6.6): `ssh-dss`, for old files and old peers only.

The signature format holds exactly 160-bit integers and SHA-1, so nothing stronger can be had.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from ssh_keys.errors import KeyExportError, KeyGenerationError, KeyImportError, SignatureError
from ssh_keys.key import SSHKey
from ssh_keys.wire import Reader, encode_mpint, encode_string

__all__ = ["DSAKey"]

KEY_BITS = 1024
MAXIMUM_BITS = 3072
INTEGER_SIZE = 20


class DSAKey(SSHKey):
    """A key of type `ssh-dss`.

    Parameters:
        public_key: the public key.
        private_key: the private key, None for a public key only.

    Raises KeyImportError if a size is not one of the format.
    """

    def __init__(
        self, public_key: dsa.DSAPublicKey, private_key: dsa.DSAPrivateKey | None = None
    ) -> None:
        numbers = public_key.public_numbers()
        parameters = numbers.parameter_numbers
        check_sizes(parameters.p, parameters.q)
        self._public_key = public_key
        self._private_key = private_key
        fields = (parameters.p, parameters.q, parameters.g, numbers.y)
        blob = encode_string(b"ssh-dss") + b"".join(map(encode_mpint, fields))
        super().__init__(b"ssh-dss", (b"ssh-dss",), blob, private_key is not None)

    @classmethod
    def from_object(cls, key: dsa.DSAPrivateKey | dsa.DSAPublicKey) -> DSAKey:
        """Wrap a key of `cryptography`; raises KeyImportError for a size out of range."""
        if isinstance(key, dsa.DSAPrivateKey):
            return cls(key.public_key(), key)
        return cls(key)

    @classmethod
    def generate(cls, **options: object) -> DSAKey:
        """Make a new private key of 1024 bits; raises KeyGenerationError for any option."""
        if options:
            raise KeyGenerationError(f"ssh-dss keys have no option {min(options)!r}")
        return cls.from_object(dsa.generate_private_key(KEY_BITS))

    @classmethod
    def decode_public(cls, reader: Reader) -> DSAKey:
        """Read the public fields: p, q, g, y (RFC 4253 section 6.6)."""
        return cls(load_public(*(reader.mpint() for _ in range(4))))

    @classmethod
    def decode_private(cls, reader: Reader, skip_validation: bool = False) -> DSAKey:
        """Read the private fields: p, q, g, y, x (PROTOCOL.key)."""
        p, q, g, y = (reader.mpint() for _ in range(4))
        x = reader.mpint()
        public_key = load_public(p, q, g, y)
        if not 0 < x < q or pow(g, x, p) != y:
            raise KeyImportError("DSA private and public key do not belong together")
        try:
            private_key = dsa.DSAPrivateNumbers(x, public_key.public_numbers()).private_key()
        except ValueError:
            raise KeyImportError("DSA numbers out of range") from None
        return cls(public_key, private_key)

    @property
    def bits(self) -> int:
        """Size of the prime in bits."""
        return self._public_key.key_size

    @property
    def type_name(self) -> str:
        """Short name of the key type."""
        return "DSA"

    def convert_to_public(self) -> DSAKey:
        """Return a key without the private part."""
        return self._with_comment(DSAKey(self._public_key))

    def _private_fields(self) -> bytes:
        numbers = self.private_key_object().private_numbers()
        parameters = numbers.public_numbers.parameter_numbers
        fields = (parameters.p, parameters.q, parameters.g, numbers.public_numbers.y, numbers.x)
        return b"".join(map(encode_mpint, fields))

    def _sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        r, s = decode_dss_signature(self.private_key_object().sign(data, hashes.SHA1()))
        raw = r.to_bytes(INTEGER_SIZE, "big") + s.to_bytes(INTEGER_SIZE, "big")
        return encode_string(raw)

    def _verify(self, data: bytes, sig_algorithm: bytes, signature: Reader) -> None:
        raw = signature.string()
        signature.end()
        if len(raw) != 2 * INTEGER_SIZE:
            raise SignatureError(f"DSA signature of {len(raw)} bytes, not {2 * INTEGER_SIZE}")
        r = int.from_bytes(raw[:INTEGER_SIZE], "big")
        s = int.from_bytes(raw[INTEGER_SIZE:], "big")
        try:
            self._public_key.verify(encode_dss_signature(r, s), data, hashes.SHA1())
        except InvalidSignature:
            raise SignatureError("wrong ssh-dss signature") from None

    def private_key_object(self) -> dsa.DSAPrivateKey:
        """Return the private key as an object of `cryptography`; raises KeyExportError."""
        if self._private_key is None:
            raise KeyExportError("the key has no private part")
        return self._private_key

    def public_key_object(self) -> dsa.DSAPublicKey:
        """Return the public key as an object of `cryptography`."""
        return self._public_key


def check_sizes(p: int, q: int) -> None:
    """Raise KeyImportError for sizes that the format does not have."""
    if p < 0 or not KEY_BITS <= p.bit_length() <= MAXIMUM_BITS:
        raise KeyImportError(f"DSA prime of {p.bit_length()} bits, not 1024 to {MAXIMUM_BITS}")
    if q < 0 or q.bit_length() != 8 * INTEGER_SIZE:
        raise KeyImportError(f"DSA group order of {q.bit_length()} bits, not 160")


def load_public(p: int, q: int, g: int, y: int) -> dsa.DSAPublicKey:
    """Return the public key of four numbers; raises KeyImportError."""
    check_sizes(p, q)
    # Elements of the subgroup, not 0, 1 or p - 1, which would verify anything.
    if not (1 < g < p - 1 and 1 < y < p - 1) or pow(y, q, p) != 1 or pow(g, q, p) != 1:
        raise KeyImportError("DSA numbers out of range")
    try:
        return dsa.DSAPublicNumbers(y, dsa.DSAParameterNumbers(p, q, g)).public_key()
    except ValueError:
        raise KeyImportError("DSA numbers out of range") from None
