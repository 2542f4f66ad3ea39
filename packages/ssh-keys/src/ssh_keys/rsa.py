"""RSA keys (RFC 4253 section 6.6): `ssh-rsa`, with the signature algorithms of RFC 8332 and others.

`ssh-rsa-sha256@ssh.com` and its like are what Tectia called the same signatures before RFC 8332.

Policy on sizes: keys of 1024 to 16384 bits can be read (OpenSSH reads no smaller ones either, and
larger ones cost a peer seconds to use); keys are made with 2048 bits or more; `verify` refuses
signatures of keys below 2048 bits unless the caller lowers the limit.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ssh_keys.errors import KeyExportError, KeyGenerationError, KeyImportError, SignatureError
from ssh_keys.key import SSHKey
from ssh_keys.wire import Reader, encode_mpint, encode_string

__all__ = ["RSAKey"]

MINIMUM_BITS = 1024
MINIMUM_GENERATED_BITS = 2048
MAXIMUM_BITS = 16384
DEFAULT_BITS = 3072
MAXIMUM_EXPONENT_SIZE = 8

_HASHES: dict[bytes, hashes.HashAlgorithm] = {
    b"rsa-sha2-512": hashes.SHA512(),
    b"rsa-sha2-256": hashes.SHA256(),
    b"ssh-rsa-sha512@ssh.com": hashes.SHA512(),
    b"ssh-rsa-sha384@ssh.com": hashes.SHA384(),
    b"ssh-rsa-sha256@ssh.com": hashes.SHA256(),
    b"ssh-rsa-sha224@ssh.com": hashes.SHA224(),
    b"ssh-rsa": hashes.SHA1(),
}
_ALGORITHMS = tuple(_HASHES)
_PADDING = padding.PKCS1v15()
_BLOB_PREFIX = encode_string(b"ssh-rsa")
#: The name that a signature has with an X.509 certificate (RFC 6187 section 3.3), and the smallest
#: key that may make it.
_X509_SIGNATURE, _X509_BITS = b"rsa2048-sha256", 2048


class RSAKey(SSHKey):
    """A key of type `ssh-rsa`.

    Parameters:
        e: the public exponent, as the content of an mpint.
        n: the modulus, as the content of an mpint.
        private_key: the private key, None for a public key only.

    Raises KeyImportError if one of the two is not in its shortest form, or out of range.
    """

    x509_sig_algorithms = (_X509_SIGNATURE,)

    def __init__(self, e: bytes, n: bytes, private_key: rsa.RSAPrivateKey | None = None) -> None:
        self._bits = check_public_fields(e, n)
        # Made when it is needed: most keys of a file are only compared.
        self._public_key: rsa.RSAPublicKey | None = None
        self._private_key = private_key
        self._e, self._n = e, n
        blob = _BLOB_PREFIX + encode_string(e) + encode_string(n)
        super().__init__(b"ssh-rsa", _ALGORITHMS, blob, private_key is not None)

    @classmethod
    def _from_integers(cls, n: int, e: int, private_key: rsa.RSAPrivateKey | None) -> RSAKey:
        return cls(encode_mpint(e)[4:], encode_mpint(n)[4:], private_key)

    @classmethod
    def from_object(cls, key: rsa.RSAPrivateKey | rsa.RSAPublicKey) -> RSAKey:
        """Wrap a key of `cryptography`; raises KeyImportError for a size out of range."""
        private_key = key if isinstance(key, rsa.RSAPrivateKey) else None
        public = key.public_key() if isinstance(key, rsa.RSAPrivateKey) else key
        numbers = public.public_numbers()
        return cls._from_integers(numbers.n, numbers.e, private_key)

    @classmethod
    def generate(
        cls, key_size: int = DEFAULT_BITS, exponent: int = 65537, **options: object
    ) -> RSAKey:
        """Make a new private key.

        Parameters:
            key_size: 2048 to 16384 bits.
            exponent: the public exponent, 65537 or 3.

        Raises KeyGenerationError for other values or options.
        """
        if options:
            raise KeyGenerationError(f"RSA keys have no option {min(options)!r}")
        if not MINIMUM_GENERATED_BITS <= key_size <= MAXIMUM_BITS:
            raise KeyGenerationError(
                f"RSA keys are made with {MINIMUM_GENERATED_BITS} to {MAXIMUM_BITS} bits"
            )
        if exponent not in (3, 65537):
            raise KeyGenerationError("the public exponent of new RSA keys is 65537 or 3")
        return cls.from_object(rsa.generate_private_key(exponent, key_size))

    @classmethod
    def decode_public(cls, reader: Reader) -> RSAKey:
        """Read the public fields: e, n (RFC 4253 section 6.6)."""
        return cls(reader.string(), reader.string())

    @classmethod
    def decode_private(cls, reader: Reader, skip_validation: bool = False) -> RSAKey:
        """Read the private fields: n, e, d, iqmp, p, q (PROTOCOL.key)."""
        n, e, d, iqmp, p, q = (reader.mpint() for _ in range(6))
        return cls.from_numbers(n, e, d, p, q, iqmp, skip_validation=skip_validation)

    @classmethod
    def from_numbers(
        cls,
        n: int,
        e: int,
        d: int,
        p: int,
        q: int,
        iqmp: int,
        *,
        skip_validation: bool = False,
    ) -> RSAKey:
        """Return the private key made of its numbers (RFC 8017 section 3.2).

        Parameters:
            skip_validation: leave out the costly primality tests; for keys from a trusted source.

        Raises KeyImportError if they are out of range or do not belong together.
        """
        check_public_fields(encode_mpint(e)[4:], encode_mpint(n)[4:])
        if p < 3 or q < 3 or p * q != n or not 1 < d < n or not 0 < iqmp < p:
            raise KeyImportError("RSA numbers do not belong together")
        numbers = rsa.RSAPrivateNumbers(
            p,
            q,
            d,
            rsa.rsa_crt_dmp1(d, p),
            rsa.rsa_crt_dmq1(d, q),
            iqmp,
            rsa.RSAPublicNumbers(e, n),
        )
        try:
            if iqmp * q % p != 1 or e * d % (p - 1) != 1 or e * d % (q - 1) != 1:
                raise ValueError
            private_key = numbers.private_key(unsafe_skip_rsa_key_validation=skip_validation)
        except ValueError:
            raise KeyImportError("RSA numbers do not belong together") from None
        return cls._from_integers(n, e, private_key)

    @property
    def bits(self) -> int:
        """Size of the modulus in bits."""
        return self._bits

    @property
    def type_name(self) -> str:
        """Short name of the key type."""
        return "RSA"

    def convert_to_public(self) -> RSAKey:
        """Return a key without the private part."""
        return self._with_comment(RSAKey(self._e, self._n))

    def _private_fields(self) -> bytes:
        numbers = self.private_key_object().private_numbers()
        public = numbers.public_numbers
        fields = (public.n, public.e, numbers.d, numbers.iqmp, numbers.p, numbers.q)
        return b"".join(map(encode_mpint, fields))

    def _sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        hash_ = self._hash(sig_algorithm)
        return encode_string(self.private_key_object().sign(data, _PADDING, hash_))

    def _verify(self, data: bytes, sig_algorithm: bytes, signature: Reader) -> None:
        raw = signature.string()
        signature.end()
        size = (self._bits + 7) // 8
        # RFC 8332 section 3 wants exact lengths, but signers that drop leading zero bytes exist.
        if not raw or len(raw) > size:
            raise SignatureError(f"RSA signature of {len(raw)} bytes for a key of {size}")
        try:
            self.public_key_object().verify(
                raw.rjust(size, b"\0"), data, _PADDING, self._hash(sig_algorithm)
            )
        except InvalidSignature:
            raise SignatureError(f"wrong {sig_algorithm.decode()} signature") from None

    def _hash(self, sig_algorithm: bytes) -> hashes.HashAlgorithm:
        if sig_algorithm != _X509_SIGNATURE:
            return _HASHES[sig_algorithm]
        if self._bits < _X509_BITS:
            raise SignatureError(f"rsa2048-sha256 signature of a key of {self._bits} bits")
        return _HASHES[b"rsa-sha2-256"]

    def _check_strength(self, minimum_rsa_bits: int) -> None:
        if self.bits < minimum_rsa_bits:
            raise SignatureError(
                f"RSA key of {self.bits} bits, at least {minimum_rsa_bits} are required"
            )

    def private_key_object(self) -> rsa.RSAPrivateKey:
        """Return the private key as an object of `cryptography`; raises KeyExportError."""
        if self._private_key is None:
            raise KeyExportError("the key has no private part")
        return self._private_key

    def public_key_object(self) -> rsa.RSAPublicKey:
        """Return the public key as an object of `cryptography`."""
        if self._public_key is None:
            e, n = int.from_bytes(self._e, "big"), int.from_bytes(self._n, "big")
            self._public_key = rsa.RSAPublicNumbers(e, n).public_key()
        return self._public_key


def check_public_fields(e: bytes, n: bytes) -> int:
    """Return the size of the modulus in bits.

    Parameters:
        e: the public exponent, as the content of an mpint (RFC 4251 section 5).
        n: the modulus.

    Raises KeyImportError unless size and exponent are within the policy, and both in their shortest
    form: two blobs for one key would give it two fingerprints.
    """
    for field in (e, n):
        if not field or field[0] >= 0x80 or not field[-1] & 1:
            raise KeyImportError("RSA modulus or exponent out of range")
        if field[0] == 0 and (len(field) == 1 or field[1] < 0x80):
            raise KeyImportError("public key with fields that are not in their shortest form")
    bits = 8 * len(n) - 8 + n[0].bit_length()
    if not MINIMUM_BITS <= bits <= MAXIMUM_BITS:
        raise KeyImportError(f"RSA modulus of {bits} bits, not {MINIMUM_BITS} to {MAXIMUM_BITS}")
    # OpenSSL takes no larger exponent for large keys: verifying would cost as much as signing.
    if e == b"\x01" or len(e.lstrip(b"\0")) > MAXIMUM_EXPONENT_SIZE:
        raise KeyImportError("RSA modulus or exponent out of range")
    return bits
