"""Ed25519 keys (RFC 8709): `ssh-ed25519`.

Signatures are made and checked by libsodium, through PyNaCl, which takes half the time of OpenSSL.
"""

from __future__ import annotations

from os import urandom
from typing import TYPE_CHECKING

from ssh_keys.errors import KeyExportError, KeyGenerationError, KeyImportError, SignatureError
from ssh_keys.key import SSHKey
from ssh_keys.sodium import SIGNATURE_SIZE, ed25519
from ssh_keys.wire import Reader, encode_string, encode_uint32

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

__all__ = ["Ed25519Key"]

KEY_SIZE = 32
NAME = b"ssh-ed25519"
#: How each public key blob begins.
BLOB_PREFIX = encode_string(NAME) + encode_uint32(KEY_SIZE)


class Ed25519Key(SSHKey):
    """A key of type `ssh-ed25519`.

    Parameters:
        public_key: the 32 bytes of the public key (RFC 8032 section 5.1.5).
        seed: the 32 bytes of the private key, None for a public key only.

    Raises KeyImportError if a length is wrong, or the two do not belong together.
    """

    def __init__(self, public_key: bytes, seed: bytes | None = None) -> None:
        if len(public_key) != KEY_SIZE:
            raise KeyImportError(f"Ed25519 public key of {len(public_key)} bytes, not {KEY_SIZE}")
        self._secret = b""
        if seed is not None:
            if len(seed) != KEY_SIZE:
                raise KeyImportError(f"Ed25519 private key of {len(seed)} bytes, not {KEY_SIZE}")
            derived, self._secret = ed25519.keypair(seed)
            if derived != public_key:
                raise KeyImportError("Ed25519 private and public key do not belong together")
        self._public_key = public_key
        super().__init__(NAME, (NAME,), BLOB_PREFIX + public_key, seed is not None)

    @classmethod
    def from_blob(cls, blob: bytes) -> Ed25519Key:
        """Return the key of a blob that begins with `BLOB_PREFIX` and has the right length."""
        return cls(blob[-KEY_SIZE:])

    @classmethod
    def from_seed(cls, seed: bytes) -> Ed25519Key:
        """Return the private key of 32 secret bytes."""
        if len(seed) != KEY_SIZE:
            raise KeyImportError(f"Ed25519 private key of {len(seed)} bytes, not {KEY_SIZE}")
        return cls(ed25519.keypair(seed)[0], seed)

    @classmethod
    def generate(cls, **options: object) -> Ed25519Key:
        """Make a new private key; raises KeyGenerationError for any option."""
        if options:
            raise KeyGenerationError(f"ssh-ed25519 keys have no option {min(options)!r}")
        return cls.from_seed(urandom(KEY_SIZE))

    @classmethod
    def decode_public(cls, reader: Reader) -> Ed25519Key:
        """Read the public fields (RFC 8709 section 4)."""
        return cls(reader.string())

    @classmethod
    def decode_private(cls, reader: Reader, skip_validation: bool = False) -> Ed25519Key:
        """Read the private fields: public key, and seed with public key (PROTOCOL.key)."""
        public_key, secret = reader.string(), reader.string()
        if len(secret) != 2 * KEY_SIZE:
            raise KeyImportError(f"Ed25519 private key of {len(secret)} bytes, not 64")
        if secret[KEY_SIZE:] != public_key:
            raise KeyImportError("Ed25519 private key holds another public key")
        return cls(public_key, secret[:KEY_SIZE])

    @property
    def bits(self) -> int:
        """Size of the key in bits."""
        return 256

    @property
    def type_name(self) -> str:
        """Short name of the key type."""
        return "ED25519"

    def convert_to_public(self) -> Ed25519Key:
        """Return a key without the private part."""
        return self._with_comment(Ed25519Key(self._public_key))

    def _private_fields(self) -> bytes:
        return encode_string(self._public_key) + encode_string(self._secret)

    def _sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        return encode_string(ed25519.sign(data, self._secret))

    def _verify(self, data: bytes, sig_algorithm: bytes, signature: Reader) -> None:
        raw = signature.string()
        signature.end()
        if len(raw) != SIGNATURE_SIZE:
            raise SignatureError(f"Ed25519 signature of {len(raw)} bytes, not {SIGNATURE_SIZE}")
        if not ed25519.is_valid(raw, data, self._public_key):
            raise SignatureError("wrong ssh-ed25519 signature")

    def private_key_object(self) -> Ed25519PrivateKey:
        """Return the private key as an object of `cryptography`; raises KeyExportError."""
        # Only for the PEM and DER formats, so the import is not paid by everybody.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if not self.is_private:
            raise KeyExportError("the key has no private part")
        return Ed25519PrivateKey.from_private_bytes(self._secret[:KEY_SIZE])

    def public_key_object(self) -> Ed25519PublicKey:
        """Return the public key as an object of `cryptography`."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return Ed25519PublicKey.from_public_bytes(self._public_key)
