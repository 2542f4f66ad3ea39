"""Security keys (PROTOCOL.u2f): `sk-ssh-ed25519@openssh.com`, `sk-ecdsa-sha2-nistp256@openssh.com`.

The "private part" of a file is only the handle that the authenticator wants to see: making keys and
signatures needs the authenticator itself, checking signatures does not.
"""

from __future__ import annotations

from abc import abstractmethod
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import ClassVar, Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from ssh_keys.authenticator import AuthenticatorError, PINArg, enroll, get_assertion
from ssh_keys.ecdsa import CURVES, encode_point, load_point, read_point, verify_rs
from ssh_keys.errors import (
    KeyExportError,
    KeyGenerationError,
    KeyImportError,
    KeyPassphraseError,
    SignatureError,
)
from ssh_keys.key import SSHKey
from ssh_keys.record import Record
from ssh_keys.sodium import ed25519
from ssh_keys.wire import Reader, encode_byte, encode_mpint, encode_string, encode_uint32

__all__ = [
    "FLAG_PRESENCE",
    "FLAG_RESIDENT",
    "FLAG_VERIFICATION",
    "KeyHandle",
    "SKECDSAKey",
    "SKEd25519Key",
    "SecurityKey",
]

#: Flags of a key handle: what the authenticator has to make sure of, and where the key is kept.
FLAG_PRESENCE, FLAG_VERIFICATION, FLAG_RESIDENT = 0x01, 0x04, 0x20

ED25519 = b"sk-ssh-ed25519@openssh.com"
ECDSA = b"sk-ecdsa-sha2-nistp256@openssh.com"
WEBAUTHN = b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com"

#: Bytes of the name of a user.
MAXIMUM_USER = 32
_FLAG_ATTESTED_DATA = 0x40
_FLAG_EXTENSIONS = 0x80


class KeyHandle(Record):
    """What a private key file of a security key holds.

    Attributes:
        flags: whether touch and user verification are wanted, as of PROTOCOL.u2f.
        handle: what the authenticator finds the key by.
        reserved: empty, or what a later version put there.
    """

    flags: int
    handle: bytes
    reserved: bytes = b""


class SecurityKey(SSHKey):
    """What both types of security keys have in common.

    Attributes:
        application: what the key was made for, usually `b"ssh:"`.
        pin: PIN of the authenticator, or a function that returns it, for keys that sign only after
            their user was verified; None if the authenticator verifies its user by itself.
        needs_device: true: signing waits for the authenticator, and for its user.
    """

    application: bytes
    pin: PINArg = None
    needs_device = True
    _handle: KeyHandle | None
    _key_type: ClassVar[bytes]

    @property
    def key_handle(self) -> KeyHandle | None:
        """The content of the private key file, None for a public key."""
        return self._handle

    @abstractmethod
    def _public_fields(self) -> bytes:
        """Encode the fields between key type and application."""

    def _private_fields(self) -> bytes:
        if self._handle is None:
            raise KeyExportError("the key has no private part")
        return b"".join(
            (
                self._public_fields(),
                encode_string(self.application),
                encode_byte(self._handle.flags),
                encode_string(self._handle.handle),
                encode_string(self._handle.reserved),
            )
        )

    def _sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        if self._handle is None or sig_algorithm != self._key_type:
            raise SignatureError(f"no authenticator makes {sig_algorithm.decode()} signatures here")
        try:
            made = get_assertion(
                self.application.decode(),
                self._handle.handle,
                data,
                touch=bool(self._handle.flags & FLAG_PRESENCE),
                verify=bool(self._handle.flags & FLAG_VERIFICATION),
                pin=self.pin,
            )
        except (AuthenticatorError, KeyPassphraseError, UnicodeDecodeError) as exc:
            raise SignatureError(f"security key: {exc}") from None
        raw = self._encode_signature(made.signature)
        return encode_string(raw) + encode_byte(made.flags) + encode_uint32(made.counter)

    @abstractmethod
    def _encode_signature(self, signature: bytes) -> bytes:
        """Turn the signature of an authenticator into that of PROTOCOL.u2f."""

    @classmethod
    @abstractmethod
    def from_authenticator(cls, public_key: bytes, application: bytes, handle: KeyHandle) -> Self:
        """Return the key that an authenticator made; raises KeyImportError."""

    @classmethod
    def generate(
        cls,
        application: str = "ssh:",
        user: str = "",
        pin: PINArg = None,
        resident: bool = False,
        touch_required: bool = True,
        verify_required: bool = False,
        **options: object,
    ) -> Self:
        """Let an authenticator make a key; its user has to touch it.

        Parameters:
            application: what the key is for, `ssh:` with any text behind it.
            user: name to tell resident keys of one application apart, up to 32 bytes.
            pin: of the authenticator, if it has one, or a function that returns it.
            resident: whether the authenticator keeps the key itself (`load_resident_keys`).
            touch_required: whether its user has to touch the authenticator for each signature.
            verify_required: whether its user has to be verified for each signature.

        Raises KeyGenerationError.
        """
        if options:
            raise KeyGenerationError(f"security keys have no option {min(options)!r}")
        if not application.startswith("ssh:"):
            raise KeyGenerationError("the application of a security key begins with ssh:")
        if len(user.encode()) > MAXIMUM_USER or "\0" in user:
            raise KeyGenerationError(f"user of a security key with more than {MAXIMUM_USER} bytes")
        flags = (
            FLAG_PRESENCE * touch_required
            | FLAG_VERIFICATION * verify_required
            | FLAG_RESIDENT * resident
        )
        try:
            made = enroll(
                cls._key_type,
                application,
                user=user,
                pin=pin,
                resident=resident,
                verify_required=verify_required,
            )
            handle = KeyHandle(flags, made.handle)
            key = cls.from_authenticator(made.public_key, application.encode(), handle)
        except (AuthenticatorError, KeyPassphraseError, KeyImportError) as exc:
            raise KeyGenerationError(f"security key: {exc}") from None
        if verify_required:
            key.pin = pin
        return key

    def _signed_blob(self, flags: int, counter: int, extensions: bytes, digest: bytes) -> bytes:
        head = sha256(self.application).digest()
        return head + encode_byte(flags) + encode_uint32(counter) + extensions + digest


def _read_handle(reader: Reader) -> KeyHandle:
    return KeyHandle(reader.byte(), reader.string(), reader.string())


class SKEd25519Key(SecurityKey):
    """A key of type `sk-ssh-ed25519@openssh.com`.

    Parameters:
        public_key: the 32 bytes of the public key.
        application: what it was made for.
        handle: the content of the private key file, None for a public key.

    Raises KeyImportError if the length is wrong.
    """

    _key_type = ED25519

    def __init__(
        self, public_key: bytes, application: bytes, handle: KeyHandle | None = None
    ) -> None:
        if len(public_key) != 32:
            raise KeyImportError(f"Ed25519 public key of {len(public_key)} bytes, not 32")
        self._public_key = public_key
        self.application = application
        self._handle = handle
        blob = encode_string(ED25519) + self._public_fields() + encode_string(application)
        super().__init__(ED25519, (ED25519,), blob, handle is not None)

    def _public_fields(self) -> bytes:
        return encode_string(self._public_key)

    @classmethod
    def from_authenticator(
        cls, public_key: bytes, application: bytes, handle: KeyHandle
    ) -> SKEd25519Key:
        """Return the key that an authenticator made; raises KeyImportError."""
        return cls(public_key, application, handle)

    def _encode_signature(self, signature: bytes) -> bytes:
        return signature

    @classmethod
    def decode_public(cls, reader: Reader) -> SKEd25519Key:
        """Read the public fields: public key, application."""
        return cls(reader.string(), reader.string())

    @classmethod
    def decode_private(cls, reader: Reader, skip_validation: bool = False) -> SKEd25519Key:
        """Read the private fields: the public ones, flags, key handle, reserved."""
        return cls(reader.string(), reader.string(), _read_handle(reader))

    @property
    def bits(self) -> int:
        """Size of the key in bits."""
        return 256

    @property
    def type_name(self) -> str:
        """Short name of the key type."""
        return "ED25519-SK"

    def convert_to_public(self) -> SKEd25519Key:
        """Return a key without the key handle."""
        return self._with_comment(SKEd25519Key(self._public_key, self.application))

    def _verify(self, data: bytes, sig_algorithm: bytes, signature: Reader) -> int:
        raw, flags, counter = signature.string(), signature.byte(), signature.uint32()
        signature.end()
        if len(raw) != 64:
            raise SignatureError(f"Ed25519 signature of {len(raw)} bytes, not 64")
        signed = self._signed_blob(flags, counter, b"", sha256(data).digest())
        if not ed25519.is_valid(raw, signed, self._public_key):
            raise SignatureError(f"wrong {sig_algorithm.decode()} signature")
        return flags


class SKECDSAKey(SecurityKey):
    """A key of type `sk-ecdsa-sha2-nistp256@openssh.com`.

    Parameters:
        public_key: the public point, on nistp256.
        application: what it was made for.
        handle: the content of the private key file, None for a public key.
    """

    _key_type = ECDSA
    _curve = CURVES[b"nistp256"]

    def __init__(
        self,
        public_key: ec.EllipticCurvePublicKey,
        application: bytes,
        handle: KeyHandle | None = None,
    ) -> None:
        self._public_key = public_key
        self._point = encode_point(self._curve, public_key)
        self.application = application
        self._handle = handle
        blob = encode_string(ECDSA) + self._public_fields() + encode_string(application)
        super().__init__(ECDSA, (ECDSA, WEBAUTHN), blob, handle is not None)

    def _public_fields(self) -> bytes:
        return encode_string(self._curve.name) + encode_string(self._point)

    @classmethod
    def from_authenticator(
        cls, public_key: bytes, application: bytes, handle: KeyHandle
    ) -> SKECDSAKey:
        """Return the key that an authenticator made; raises KeyImportError."""
        return cls(load_point(cls._curve, public_key), application, handle)

    def _encode_signature(self, signature: bytes) -> bytes:
        try:
            return b"".join(map(encode_mpint, decode_dss_signature(signature)))
        except ValueError:
            raise SignatureError("the authenticator made a malformed signature") from None

    @classmethod
    def decode_public(cls, reader: Reader) -> SKECDSAKey:
        """Read the public fields: curve, point, application."""
        curve, point = read_point(cls._curve.name, reader)
        return cls(load_point(curve, point), reader.string())

    @classmethod
    def decode_private(cls, reader: Reader, skip_validation: bool = False) -> SKECDSAKey:
        """Read the private fields: the public ones, flags, key handle, reserved."""
        curve, point = read_point(cls._curve.name, reader)
        return cls(load_point(curve, point), reader.string(), _read_handle(reader))

    @property
    def bits(self) -> int:
        """Size of the curve in bits."""
        return 256

    @property
    def type_name(self) -> str:
        """Short name of the key type."""
        return "ECDSA-SK"

    def convert_to_public(self) -> SKECDSAKey:
        """Return a key without the key handle."""
        return self._with_comment(SKECDSAKey(self._public_key, self.application))

    def _verify(self, data: bytes, sig_algorithm: bytes, signature: Reader) -> int:
        inner = Reader(signature.string())
        flags, counter = signature.byte(), signature.uint32()
        if sig_algorithm == WEBAUTHN:
            origin, client_data = signature.string(), signature.string()
            extensions = signature.string()
            signature.end()
            check_client_data(data, origin, client_data)
            if flags & _FLAG_ATTESTED_DATA or bool(flags & _FLAG_EXTENSIONS) != bool(extensions):
                raise SignatureError("webauthn signature whose flags do not fit its fields")
            digest = sha256(client_data).digest()
        else:
            signature.end()
            extensions, digest = b"", sha256(data).digest()
        signed = self._signed_blob(flags, counter, extensions, digest)
        verify_rs(self._curve, self._public_key, signed, inner, sig_algorithm)
        return flags


def check_client_data(data: bytes, origin: bytes, client_data: bytes) -> None:
    """Check that the browser signed for this message and from this origin (webauthn section 5.8.1).

    The JSON text is compared as bytes: the specification fixes the order of its first members so
    that nobody has to parse it. Raises SignatureError.
    """
    if b'"' in origin or b"\\" in origin:
        raise SignatureError("webauthn origin with a quote")
    challenge = urlsafe_b64encode(data).rstrip(b"=")
    expected = b'{"type":"webauthn.get","challenge":"%b","origin":"%b"' % (challenge, origin)
    if not client_data.startswith(expected) or client_data[len(expected) :][:1] not in (b",", b"}"):
        raise SignatureError("webauthn signature for something else")
