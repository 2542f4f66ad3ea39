"""The table of key types, and the decoders that start with a key type's name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ssh_keys.algorithms import Registry, Status
from ssh_keys.dsa import DSAKey
from ssh_keys.ecdsa import BLOB_PREFIXES, CURVES, ECDSAKey
from ssh_keys.ed448 import Ed448Key
from ssh_keys.eddsa import BLOB_PREFIX, KEY_SIZE, Ed25519Key
from ssh_keys.errors import (
    KeyGenerationError,
    KeyImportError,
    KeyTruncatedError,
    UnsupportedKeyError,
)
from ssh_keys.key import SSHKey
from ssh_keys.key_material import printable
from ssh_keys.mldsa import MLDSA44Ed25519Key
from ssh_keys.record import Record
from ssh_keys.rsa import RSAKey
from ssh_keys.sk import SKECDSAKey, SKEd25519Key
from ssh_keys.wire import PacketDecodeError, Reader

__all__ = [
    "KEY_TYPES",
    "KeyType",
    "decode_ssh_private_key",
    "decode_ssh_public_key",
    "generate_private_key",
]

#: What a parameter of a new key may be.
KeyParameter = int | str | bool | Callable[[], str | None] | None


class KeyType(Record):
    """One key type.

    Attributes:
        name: name on the wire.
        decode_public: reads the public fields behind the name.
        decode_private: reads the private fields behind the name; the second argument leaves out
            costly checks.
        generate: makes a private key from the options of this type.
        status: whether the type is still to be used.
    """

    name: bytes
    decode_public: Callable[[Reader], SSHKey]
    decode_private: Callable[[Reader, bool], SSHKey]
    generate: Callable[..., SSHKey]
    status: Status = Status.DEFAULT

    def available(self) -> bool:
        """Whether what the type needs is installed."""
        return True


KEY_TYPES: Registry[KeyType] = Registry(
    "key type",
    (
        KeyType(
            b"ssh-ed25519", Ed25519Key.decode_public, Ed25519Key.decode_private, Ed25519Key.generate
        ),
        *(
            KeyType(
                curve.algorithm,
                partial(ECDSAKey.decode_public, curve.name),
                partial(ECDSAKey.decode_private, curve.name),
                partial(ECDSAKey.generate, curve.name),
            )
            for curve in CURVES.values()
        ),
        KeyType(
            b"sk-ssh-ed25519@openssh.com",
            SKEd25519Key.decode_public,
            SKEd25519Key.decode_private,
            SKEd25519Key.generate,
        ),
        KeyType(
            b"sk-ecdsa-sha2-nistp256@openssh.com",
            SKECDSAKey.decode_public,
            SKECDSAKey.decode_private,
            SKECDSAKey.generate,
        ),
        *(
            KeyType(
                name,
                partial(MLDSA44Ed25519Key.decode_public, name),
                partial(MLDSA44Ed25519Key.decode_private, name),
                partial(MLDSA44Ed25519Key.generate, name),
            )
            for name in (b"ssh-mldsa44-ed25519", b"ssh-mldsa44-ed25519@openssh.com")
        ),
        KeyType(b"ssh-ed448", Ed448Key.decode_public, Ed448Key.decode_private, Ed448Key.generate),
        KeyType(b"ssh-rsa", RSAKey.decode_public, RSAKey.decode_private, RSAKey.generate),
        KeyType(
            b"ssh-dss",
            DSAKey.decode_public,
            DSAKey.decode_private,
            DSAKey.generate,
            Status.INSECURE,
        ),
    ),
)

#: Types whose blobs have one form and one size, by that size: how they begin, and what makes a key
#: of them. Most keys are of such a type.
_FIXED_BLOBS: dict[int, tuple[bytes, Callable[[bytes], SSHKey]]] = {
    len(BLOB_PREFIX) + KEY_SIZE: (BLOB_PREFIX, Ed25519Key.from_blob),
    **{
        len(prefix) - 1 + CURVES[name].point_size: (prefix, partial(ECDSAKey.from_blob, name))
        for name, prefix in BLOB_PREFIXES.items()
    },
}
_NO_FIXED_BLOB: tuple[bytes, None] = (b"", None)

#: Names that generate_private_key takes besides the key types: the signature algorithms of RSA.
_GENERATE_ALIASES = {b"rsa-sha2-256": b"ssh-rsa", b"rsa-sha2-512": b"ssh-rsa"}


def decode_ssh_public_key(blob: bytes) -> SSHKey:
    """Decode a public key blob (RFC 4253 section 6.6).

    Raises UnsupportedKeyError for an unknown key type, KeyTruncatedError if the fields do not fill
    the blob, and KeyImportError for values that make no key or are not in their shortest form.
    """
    prefix, from_blob = _FIXED_BLOBS.get(len(blob), _NO_FIXED_BLOB)
    if from_blob is not None and blob.startswith(prefix):
        return from_blob(blob)
    try:
        reader = Reader(blob)
        key = _row(reader.string()).decode_public(reader)
        reader.end()
    except PacketDecodeError as exc:
        raise KeyTruncatedError(f"public key: {exc}") from None
    # Two blobs for one key would give it two fingerprints and let it pass a list of revoked keys.
    if key.public_data != blob:
        raise KeyImportError("public key with fields that are not in their shortest form")
    return key


def decode_ssh_private_key(reader: Reader, skip_validation: bool = False) -> SSHKey:
    """Read a private key: type and fields (PROTOCOL.key section 3), not what follows.

    Parameters:
        skip_validation: leave out the costly primality tests of RSA keys.

    Raises KeyImportError or one of its subclasses.
    """
    try:
        return _row(reader.string()).decode_private(reader, skip_validation)
    except PacketDecodeError as exc:
        raise KeyTruncatedError(f"private key: {exc}") from None


def _row(name: bytes) -> KeyType:
    if name not in KEY_TYPES:
        raise UnsupportedKeyError(f"unknown key type {printable(name)}")
    return KEY_TYPES[name]


def generate_private_key(
    alg_name: str,
    comment: str | bytes | None = None,
    **kwargs: int | str | bool | Callable[[], str | None] | None,
) -> SSHKey:
    """Make a new private key.

    Parameters:
        alg_name: name of the key type: `ssh-ed25519`, `ecdsa-sha2-nistp256` (384, 521),
            `ssh-rsa`, `ssh-mldsa44-ed25519`, `ssh-ed448`, `ecdsa-sha2-1.3.132.0.10`, `ssh-dss`.
        comment: the comment of the key.
        key_size: for RSA, size in bits, 2048 to 16384 (default 3072).
        exponent: for RSA, the public exponent, 65537 (default) or 3.
        application: for security keys (`sk-ssh-ed25519@openssh.com`, `sk-ecdsa-sha2-nistp256@...`),
            what the key is for: `ssh:` (default), perhaps with a text behind it. The key is made by
            an authenticator, which needs the extra `fido2`, and its user has to touch it.
        user: for security keys, a name to tell resident keys apart, up to 32 bytes.
        pin: for security keys, the PIN of the authenticator, or a function that returns it.
        resident: for security keys, whether the authenticator keeps the key (`load_resident_keys`).
        touch_required: for security keys, whether each signature needs a touch (default).
        verify_required: for security keys, whether each signature needs the PIN or the like.

    Raises KeyGenerationError for an unknown type, or a parameter that the type does not have.
    """
    name = alg_name.encode("ascii", "backslashreplace")
    name = _GENERATE_ALIASES.get(name, name)
    if name not in KEY_TYPES:
        raise KeyGenerationError(f"unknown key type {alg_name!r}")
    key = KEY_TYPES[name].generate(**kwargs)
    key.set_comment(comment)
    return key
