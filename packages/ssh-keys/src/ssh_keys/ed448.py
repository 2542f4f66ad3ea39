"""Ed448 keys (RFC 8709): `ssh-ed448`."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey, Ed448PublicKey

from ssh_keys.errors import KeyExportError, KeyGenerationError, KeyImportError, SignatureError
from ssh_keys.key import SSHKey
from ssh_keys.wire import Reader, encode_string

__all__ = ["Ed448Key"]

KEY_SIZE = 57
SIGNATURE_SIZE = 114


class Ed448Key(SSHKey):
    """A key of type `ssh-ed448`.

    Parameters:
        public_key: the 57 bytes of the public key (RFC 8032 section 5.2.5).
        seed: the 57 bytes of the private key, None for a public key only.

    Raises KeyImportError if a length is wrong, or the two do not belong together.
    """

    def __init__(self, public_key: bytes, seed: bytes | None = None) -> None:
        if len(public_key) != KEY_SIZE:
            raise KeyImportError(f"Ed448 public key of {len(public_key)} bytes, not {KEY_SIZE}")
        self._private: Ed448PrivateKey | None = None
        if seed is not None:
            if len(seed) != KEY_SIZE:
                raise KeyImportError(f"Ed448 private key of {len(seed)} bytes, not {KEY_SIZE}")
            self._private = Ed448PrivateKey.from_private_bytes(seed)
            if self._private.public_key().public_bytes_raw() != public_key:
                raise KeyImportError("Ed448 private and public key do not belong together")
        try:
            self._public = Ed448PublicKey.from_public_bytes(public_key)
        except ValueError:
            raise KeyImportError("Ed448 public key is not on its curve") from None
        blob = encode_string(b"ssh-ed448") + encode_string(public_key)
        super().__init__(b"ssh-ed448", (b"ssh-ed448",), blob, seed is not None)

    @classmethod
    def from_object(cls, key: Ed448PrivateKey | Ed448PublicKey) -> Ed448Key:
        """Wrap a key of `cryptography`."""
        if isinstance(key, Ed448PrivateKey):
            return cls(key.public_key().public_bytes_raw(), key.private_bytes_raw())
        return cls(key.public_bytes_raw())

    @classmethod
    def generate(cls, **options: object) -> Ed448Key:
        """Make a new private key; raises KeyGenerationError for any option."""
        if options:
            raise KeyGenerationError(f"ssh-ed448 keys have no option {min(options)!r}")
        return cls.from_object(Ed448PrivateKey.generate())

    @classmethod
    def decode_public(cls, reader: Reader) -> Ed448Key:
        """Read the public fields (RFC 8709 section 4)."""
        return cls(reader.string())

    @classmethod
    def decode_private(cls, reader: Reader, skip_validation: bool = False) -> Ed448Key:
        """Read the private fields: public key, and seed with public key, as of Ed25519."""
        public_key, secret = reader.string(), reader.string()
        if len(secret) != 2 * KEY_SIZE:
            raise KeyImportError(f"Ed448 private key of {len(secret)} bytes, not {2 * KEY_SIZE}")
        if secret[KEY_SIZE:] != public_key:
            raise KeyImportError("Ed448 private key holds another public key")
        return cls(public_key, secret[:KEY_SIZE])

    @property
    def bits(self) -> int:
        """Size of the key in bits."""
        return 456

    @property
    def type_name(self) -> str:
        """Short name of the key type."""
        return "ED448"

    def convert_to_public(self) -> Ed448Key:
        """Return a key without the private part."""
        return self._with_comment(Ed448Key(self._public.public_bytes_raw()))

    def _private_fields(self) -> bytes:
        public_key = self._public.public_bytes_raw()
        seed = self.private_key_object().private_bytes_raw()
        return encode_string(public_key) + encode_string(seed + public_key)

    def _sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        return encode_string(self.private_key_object().sign(data))

    def _verify(self, data: bytes, sig_algorithm: bytes, signature: Reader) -> None:
        raw = signature.string()
        signature.end()
        if len(raw) != SIGNATURE_SIZE:
            raise SignatureError(f"Ed448 signature of {len(raw)} bytes, not {SIGNATURE_SIZE}")
        try:
            self._public.verify(raw, data)
        except InvalidSignature:
            raise SignatureError("wrong ssh-ed448 signature") from None

    def private_key_object(self) -> Ed448PrivateKey:
        """Return the private key as an object of `cryptography`; raises KeyExportError."""
        if self._private is None:
            raise KeyExportError("the key has no private part")
        return self._private

    def public_key_object(self) -> Ed448PublicKey:
        """Return the public key as an object of `cryptography`."""
        return self._public
