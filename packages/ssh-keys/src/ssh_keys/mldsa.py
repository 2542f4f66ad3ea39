"""The post-quantum composite `ssh-mldsa44-ed25519`: ML-DSA-44 together with Ed25519.

A signature holds one of each, over the same representative of the message
(draft-ietf-lamps-pq-composite-sigs): prefix, label, length of the context (0), SHA-512 of the
message. ML-DSA gets the label as its context too. Both have to be right.

OpenSSH 10.4 and 10.5 call it `ssh-mldsa44-ed25519@openssh.com`, which nothing else distinguishes;
10.6 knows only the name that IANA has registered since.
"""

from __future__ import annotations

from hashlib import sha512
from os import urandom
from typing import TYPE_CHECKING

from ssh_keys.errors import (
    KeyGenerationError,
    KeyImportError,
    SignatureError,
    UnsupportedKeyError,
)
from ssh_keys.key import SSHKey
from ssh_keys.sodium import ed25519
from ssh_keys.wire import Reader, encode_string

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

__all__ = ["MLDSA44Ed25519Key"]

ALGORITHM = b"ssh-mldsa44-ed25519"
EARLY_ALGORITHM = ALGORITHM + b"@openssh.com"
_PREFIX = b"CompositeAlgorithmSignatures2025"
_LABEL = b"COMPSIG-MLDSA44-Ed25519-SHA512"
SEED_SIZE = 32
MLDSA_KEY_SIZE, MLDSA_SIGNATURE_SIZE = 1312, 2420
PUBLIC_SIZE, SIGNATURE_SIZE = MLDSA_KEY_SIZE + 32, MLDSA_SIGNATURE_SIZE + 64


def representative(data: bytes) -> bytes:
    """Return what both algorithms sign in place of the message."""
    return _PREFIX + _LABEL + b"\0" + sha512(data).digest()


class MLDSA44Ed25519Key(SSHKey):
    """A key of type `ssh-mldsa44-ed25519`.

    Parameters:
        public_key: the public keys of ML-DSA-44 and Ed25519, 1344 bytes.
        seeds: the two seeds of 32 bytes, None for a public key.
        algorithm: which of its two names the type has.

    Raises KeyImportError if a length is wrong, or the parts do not belong together.
    """

    def __init__(
        self, public_key: bytes, seeds: bytes | None = None, algorithm: bytes = ALGORITHM
    ) -> None:
        if len(public_key) != PUBLIC_SIZE:
            raise KeyImportError(f"public key of {len(public_key)} bytes, not {PUBLIC_SIZE}")
        if seeds is not None and public_of(seeds) != public_key:
            raise KeyImportError("private and public key do not belong together")
        self._public_key = public_key
        self._seeds = seeds
        blob = encode_string(algorithm) + encode_string(public_key)
        super().__init__(algorithm, (algorithm,), blob, seeds is not None)

    @classmethod
    def generate(cls, algorithm: bytes, **options: object) -> MLDSA44Ed25519Key:
        """Make a new private key; raises KeyGenerationError for any option."""
        if options:
            raise KeyGenerationError(f"{algorithm.decode()} keys have no option {min(options)!r}")
        seeds = urandom(2 * SEED_SIZE)
        return cls(public_of(seeds), seeds, algorithm)

    @classmethod
    def decode_public(cls, algorithm: bytes, reader: Reader) -> MLDSA44Ed25519Key:
        """Read the public field."""
        return cls(reader.string(), None, algorithm)

    @classmethod
    def decode_private(
        cls, algorithm: bytes, reader: Reader, skip_validation: bool = False
    ) -> MLDSA44Ed25519Key:
        """Read the private fields: public key, seeds."""
        return cls(reader.string(), reader.string(), algorithm)

    @property
    def bits(self) -> int:
        """What ssh-keygen shows as its size: the bits of the two seeds."""
        return 16 * SEED_SIZE

    @property
    def type_name(self) -> str:
        """Short name of the key type."""
        return "MLDSA44-ED25519"

    def convert_to_public(self) -> MLDSA44Ed25519Key:
        """Return a key without the private part."""
        return self._with_comment(MLDSA44Ed25519Key(self._public_key, None, self.algorithm))

    def _private_fields(self) -> bytes:
        return encode_string(self._public_key) + encode_string(self._seeds or b"")

    def _sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        seeds, message = self._seeds or b"", representative(data)
        mldsa = load_mldsa(seeds).sign(message, _LABEL)
        _, secret = ed25519.keypair(seeds[SEED_SIZE:])
        return encode_string(mldsa + ed25519.sign(message, secret))

    def _verify(self, data: bytes, sig_algorithm: bytes, signature: Reader) -> None:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

        raw = signature.string()
        signature.end()
        if len(raw) != SIGNATURE_SIZE:
            raise SignatureError(f"signature of {len(raw)} bytes, not {SIGNATURE_SIZE}")
        message = representative(data)
        try:
            public_key = MLDSA44PublicKey.from_public_bytes(self._public_key[:MLDSA_KEY_SIZE])
            public_key.verify(raw[:MLDSA_SIGNATURE_SIZE], message, _LABEL)
        except UnsupportedAlgorithm:
            raise SignatureError("cryptography was built without ML-DSA") from None
        except InvalidSignature:
            raise SignatureError(f"wrong {sig_algorithm.decode()} signature") from None
        classical = raw[MLDSA_SIGNATURE_SIZE:]
        if not ed25519.is_valid(classical, message, self._public_key[MLDSA_KEY_SIZE:]):
            raise SignatureError(f"wrong {sig_algorithm.decode()} signature")


def load_mldsa(seeds: bytes) -> MLDSA44PrivateKey:
    """Return the ML-DSA key of the first seed; raises UnsupportedKeyError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

    try:
        return MLDSA44PrivateKey.from_seed_bytes(seeds[:SEED_SIZE])
    except UnsupportedAlgorithm:
        raise UnsupportedKeyError("cryptography was built without ML-DSA") from None


def public_of(seeds: bytes) -> bytes:
    """Return the public key of two seeds; raises KeyImportError if the length is wrong."""
    if len(seeds) != 2 * SEED_SIZE:
        raise KeyImportError(f"private key of {len(seeds)} bytes, not {2 * SEED_SIZE}")
    classical, _ = ed25519.keypair(seeds[SEED_SIZE:])
    return load_mldsa(seeds).public_key().public_bytes_raw() + classical
