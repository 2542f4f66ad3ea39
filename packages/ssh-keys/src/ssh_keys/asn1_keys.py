"""Keys in ASN.1 form: PKCS#1, SEC 1, PKCS#8 and SubjectPublicKeyInfo.

The structures are read and written by `cryptography`; here its objects become `SSHKey` and back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ssh_keys.dsa import DSAKey
from ssh_keys.ecdsa import ECDSAKey
from ssh_keys.ed448 import Ed448Key
from ssh_keys.eddsa import Ed25519Key
from ssh_keys.errors import (
    KeyImportError,
    KeyPassphraseError,
    KeyTruncatedError,
    UnsupportedKeyError,
)
from ssh_keys.formats.der import INTEGER, DERReader, encode_octets, encode_sequence
from ssh_keys.formats.pbe import decrypt_pkcs8, is_encrypted_pkcs8
from ssh_keys.key import SSHKey
from ssh_keys.rsa import RSAKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

__all__ = ["decode_private_der", "decode_public_der", "key_from_object"]


_PARAMETERS, _PUBLIC = 0xA0, 0xA1
#: Bytes of a private value by the identifier of its curve (RFC 5480 section 2.1.1.1).
_VALUE_SIZES = {
    "1.2.840.10045.3.1.7": 32,
    "1.3.132.0.34": 48,
    "1.3.132.0.35": 66,
    "1.3.132.0.10": 32,
}


def key_from_object(key: PrivateKeyTypes | PublicKeyTypes) -> SSHKey:
    """Return the SSH key that a key object of `cryptography` is.

    Raises UnsupportedKeyError for a kind that SSH does not have, KeyImportError for sizes out of
    the policy.
    """
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return Ed25519Key.from_seed(key.private_bytes_raw())
    if isinstance(key, ed25519.Ed25519PublicKey):
        return Ed25519Key(key.public_bytes_raw())
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return RSAKey.from_object(key)
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return ECDSAKey.from_object(key)
    if isinstance(key, ed448.Ed448PrivateKey | ed448.Ed448PublicKey):
        return Ed448Key.from_object(key)
    if isinstance(key, dsa.DSAPrivateKey | dsa.DSAPublicKey):
        return DSAKey.from_object(key)
    raise UnsupportedKeyError(f"no SSH key type for a {type(key).__name__}")


def decode_private_der(
    data: bytes, passphrase: bytes | None = None, skip_validation: bool = False
) -> SSHKey:
    """Return the private key of DER data: PKCS#1, SEC 1 or PKCS#8, encrypted or not.

    Raises KeyPassphraseError if the passphrase is missing or wrong, KeyImportError or one of its
    subclasses for everything else.
    """
    encrypted = is_encrypted_pkcs8(data)
    if encrypted:
        data = decrypt_pkcs8(data, passphrase)
    try:
        check_der_size(data)
        return key_from_object(_load_private(data, skip_validation))
    except UnsupportedKeyError:
        raise
    except KeyImportError:
        # Wrong bytes come out of a wrong passphrase; damage cannot be told from that.
        if encrypted:
            raise KeyPassphraseError("wrong passphrase, or a damaged private key") from None
        raise


def check_der_size(data: bytes) -> None:
    """Raise KeyTruncatedError unless data is one DER sequence and nothing behind it."""
    reader = DERReader(data)
    reader.sequence()
    reader.end()


def _load_private(data: bytes, skip_validation: bool) -> PrivateKeyTypes:
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        return load_der_private_key(data, None, unsafe_skip_rsa_key_validation=skip_validation)
    except UnsupportedAlgorithm:
        raise UnsupportedKeyError("private key of a kind that is not supported") from None
    except (ValueError, TypeError, InternalError):
        # InternalError: an Ed448 identifier in front of a key of another length, for one.
        padded = _padded_sec1(data)
        if padded is None or padded == data:
            raise KeyImportError("malformed private key in DER") from None
    return _load_private(padded, skip_validation)


def _padded_sec1(data: bytes) -> bytes | None:
    """Return a SEC 1 key with a private value of the right size, None for anything else.

    RFC 5915 section 3 says how many bytes it has to have. puttygen writes it as an integer: with a
    zero in front if the highest bit is set, and without those that begin it.
    """
    try:
        outer = DERReader(data).sequence()
        version, value = outer.encoded(INTEGER), outer.octets()
        parameters, public = outer.encoded(_PARAMETERS), outer.encoded(_PUBLIC)
        outer.end()
        size = _VALUE_SIZES.get(DERReader(parameters).nested(_PARAMETERS).oid(), 0)
        padded = int.from_bytes(value, "big").to_bytes(size, "big")
    except (KeyImportError, OverflowError):
        return None
    return encode_sequence(version, encode_octets(padded), parameters, public)


def decode_public_der(data: bytes) -> SSHKey:
    """Return the public key of DER data: SubjectPublicKeyInfo, or PKCS#1 for RSA.

    Raises KeyImportError or one of its subclasses.
    """
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    check_der_size(data)
    try:
        key = load_der_public_key(data)
    except UnsupportedAlgorithm:
        raise UnsupportedKeyError("public key of a kind that is not supported") from None
    except (ValueError, TypeError, InternalError):
        raise KeyTruncatedError("malformed public key in DER") from None
    return key_from_object(key)
