"""Keys on PKCS#11 tokens: smart cards and hardware modules sign, the private key stays there.

python-pkcs11 (the extra `pkcs11`) calls the module of the token's vendor.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import new as new_hash
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ssh_keys.certificate_importing import import_certificate
from ssh_keys.ecdsa import CURVES
from ssh_keys.errors import (
    KeyImportError,
    KeyPassphraseError,
    SignatureError,
    UnsupportedKeyError,
)
from ssh_keys.formats.der import DERReader, encode_oid
from ssh_keys.key import SSHKey
from ssh_keys.key_material import printable
from ssh_keys.key_types import decode_ssh_public_key
from ssh_keys.keypair import SSHKeyPair
from ssh_keys.wire import encode_mpint, encode_string

if TYPE_CHECKING:
    from pkcs11 import Mechanism, Session, Token

__all__ = ["PINFunction", "SSHPKCS11KeyPair", "load_pkcs11_keys"]

#: What is called with the label of a token for its PIN; None for none.
PINFunction = Callable[[str], str | None]

#: Mechanism by signature algorithm; they hash on the token.
_RSA_MECHANISMS = {
    b"rsa-sha2-512": "SHA512_RSA_PKCS",
    b"rsa-sha2-256": "SHA256_RSA_PKCS",
    b"rsa2048-sha256": "SHA256_RSA_PKCS",
    b"ssh-rsa": "SHA1_RSA_PKCS",
}
#: Curve by its object identifier in DER, which is what tokens call it.
_CURVE_OIDS = {
    encode_oid("1.2.840.10045.3.1.7"): b"nistp256",
    encode_oid("1.3.132.0.34"): b"nistp384",
    encode_oid("1.3.132.0.35"): b"nistp521",
}
_CURVE_HASHES = {b"nistp256": "sha256", b"nistp384": "sha384", b"nistp521": "sha512"}


class TokenKey(Protocol):
    """A private key on a token, as python-pkcs11 gives it."""

    def sign(self, data: bytes, *, mechanism: Mechanism) -> bytes:
        """Sign data with a mechanism."""
        ...


class _Login(NamedTuple):
    """A session with a token, and what keeps two threads from using it at once."""

    session: Session
    lock: threading.Lock


class SSHPKCS11KeyPair(SSHKeyPair):
    """A key pair whose private key is on a token; made by `load_pkcs11_keys`.

    `sign` waits for the token (`needs_device`); two threads may call it.
    """

    _key_type = "pkcs11"
    needs_device = True

    def __init__(self, key: SSHKey, private: TokenKey, login: _Login) -> None:
        super().__init__(
            key.algorithm, key.sig_algorithms, key.public_data, key.get_comment_bytes()
        )
        self._key = key
        self._private = private
        self._login = login

    def _x509_sig_algorithms(self) -> tuple[bytes, ...]:
        return self._key.x509_sig_algorithms

    def sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        """Sign data on the token and return the signature blob (RFC 4253 section 6.6).

        Raises SignatureError if the key has no such algorithm, or the token refuses.
        """
        if sig_algorithm not in self.sig_algorithms:
            raise SignatureError(f"the key pair makes no {printable(sig_algorithm)} signature")
        from pkcs11 import PKCS11Error

        try:
            with self._login.lock:
                raw = self._sign(data, sig_algorithm)
        except PKCS11Error as exc:
            raise SignatureError(f"the token does not sign: {_text(exc)}") from None
        return encode_string(sig_algorithm) + encode_string(raw)

    def _sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        from pkcs11 import Mechanism

        if sig_algorithm in _RSA_MECHANISMS:
            return self._private.sign(data, mechanism=Mechanism[_RSA_MECHANISMS[sig_algorithm]])
        if sig_algorithm == b"ssh-ed25519":
            return self._private.sign(data, mechanism=Mechanism.EDDSA)
        curve = sig_algorithm.removeprefix(b"ecdsa-sha2-")
        digest = new_hash(_CURVE_HASHES[curve], data).digest()
        raw = self._private.sign(digest, mechanism=Mechanism.ECDSA)
        middle = len(raw) // 2
        return b"".join(
            encode_mpint(int.from_bytes(half, "big")) for half in (raw[:middle], raw[middle:])
        )


def load_pkcs11_keys(
    provider: str | PathLike[str],
    pin: str | PINFunction | None = None,
    *,
    load_certs: bool = True,
    token_label: str | None = None,
    token_serial: str | bytes | None = None,
    key_label: str | None = None,
    key_id: str | bytes | None = None,
) -> Sequence[SSHKeyPair]:
    """Return the key pairs on the tokens of a PKCS#11 module.

    RSA keys, ECDSA keys on the NIST curves and Ed25519 keys that may sign; others are left out.
    Needs the extra `pkcs11`.

    Parameters:
        provider: file name of the module, such as `opensc-pkcs11.so`.
        pin: of the tokens, or a function that is called with the label of a token. Without one,
            only keys that a token shows without login are found.
        load_certs: whether to look for the X.509 certificates of the keys as well. A key with a
            certificate gives two pairs, the one with the certificate first.
        token_label: only the tokens with this label.
        token_serial: only the token with this serial number.
        key_label: only the keys with this label.
        key_id: only the keys with this id, as bytes or in hexadecimal digits.

    Raises KeyPassphraseError for a wrong PIN, UnsupportedKeyError if python-pkcs11 is not
    installed, KeyImportError for a module that cannot be used.
    """
    try:
        import pkcs11
    except ImportError:
        raise UnsupportedKeyError(
            "PKCS#11 tokens need the extra pkcs11: pip install ssh-keys[pkcs11]"
        ) from None
    wanted: dict[Any, object] = {
        pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY,
        pkcs11.Attribute.SIGN: True,
    }
    if key_label is not None:
        wanted[pkcs11.Attribute.LABEL] = key_label
    if key_id is not None:
        wanted[pkcs11.Attribute.ID] = _octets(key_id, "key_id")
    serial = token_serial.encode() if isinstance(token_serial, str) else token_serial
    pairs: list[SSHKeyPair] = []
    with _failures(fspath(provider)):
        for token in _tokens(fspath(provider)):
            if token_label not in (None, token.label) or serial not in (None, token.serial):
                continue
            login = _Login(_open(token, pin), threading.Lock())
            for private in list(login.session.get_objects(wanted)):
                pairs += _pairs_of(private, login, load_certs)
    return pairs


def _tokens(provider: str) -> Iterator[Token]:
    import pkcs11

    for slot in pkcs11.lib(provider).get_slots(token_present=True):
        try:
            token = slot.get_token()
        except (pkcs11.TokenNotRecognised, pkcs11.TokenNotPresent):
            continue
        if token.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED:
            yield token


def _open(token: Token, pin: str | PINFunction | None) -> Session:
    import pkcs11

    answer = pin(token.label) if callable(pin) else pin
    if answer is None and token.flags & pkcs11.TokenFlag.PROTECTED_AUTHENTICATION_PATH:
        return token.open(user_pin=pkcs11.PROTECTED_AUTH)
    if answer is None:
        return token.open()
    try:
        return token.open(user_pin=answer)
    except pkcs11.UserAlreadyLoggedIn:
        # By an earlier call: a login counts for all sessions of a program with the token.
        return token.open()


def _pairs_of(private: Any, login: _Login, load_certs: bool) -> Iterator[SSHKeyPair]:
    from pkcs11 import Attribute, ObjectClass

    same = {Attribute.ID: private.id}
    certificates = [
        bytes(each[Attribute.VALUE])
        for each in login.session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE, **same})
    ]
    publics = login.session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, **same})
    key = _public_key([*publics, private], certificates)
    if key is None:
        return
    key.set_comment(private.label)
    pair = SSHPKCS11KeyPair(key, private, login)
    for data in certificates if load_certs else ():
        try:
            certified = SSHPKCS11KeyPair(key, private, login)
            certified.set_certificate(import_certificate(data))
        except (KeyImportError, SignatureError):
            continue  # a certificate of another kind, or of another key with the same id
        yield certified
    yield pair


def _public_key(objects: Sequence[Any], certificates: Sequence[bytes]) -> SSHKey | None:
    """Return the public key, out of the first object that tells it; None if it is of no use."""
    from pkcs11 import PKCS11Error

    for each in objects:
        try:
            blob = _encode_public(each)
            if blob is not None:
                return decode_ssh_public_key(blob)
        except (PKCS11Error, KeyImportError, KeyError):
            continue
    for data in certificates:
        try:
            return import_certificate(data).key
        except KeyImportError:
            continue
    return None


def _encode_public(key: Any) -> bytes | None:
    from pkcs11 import Attribute, KeyType

    if key.key_type == KeyType.RSA:
        numbers = (
            int.from_bytes(key[name], "big")
            for name in (Attribute.PUBLIC_EXPONENT, Attribute.MODULUS)
        )
        return encode_string(b"ssh-rsa") + b"".join(map(encode_mpint, numbers))
    if key.key_type not in (KeyType.EC, KeyType.EC_EDWARDS):
        return None
    point = DERReader(key[Attribute.EC_POINT]).octets()
    if key.key_type == KeyType.EC_EDWARDS:
        return encode_string(b"ssh-ed25519") + encode_string(point) if len(point) == 32 else None
    curve = _CURVE_OIDS.get(bytes(key[Attribute.EC_PARAMS]))
    if curve is None:
        return None
    names = (CURVES[curve].algorithm, curve)
    return b"".join(map(encode_string, (*names, point)))


def _octets(value: str | bytes, name: str) -> bytes:
    try:
        return bytes.fromhex(value) if isinstance(value, str) else value
    except ValueError:
        raise KeyImportError(f"{name} is not in hexadecimal digits: {value!a}") from None


@contextmanager
def _failures(provider: str) -> Iterator[None]:
    """Turn what python-pkcs11 raises into our exceptions."""
    from pkcs11 import PinIncorrect, PinInvalid, PinLenRange, PinLocked, PKCS11Error

    try:
        yield
    except (PinIncorrect, PinInvalid, PinLenRange):
        raise KeyPassphraseError(f"{provider!r}: wrong PIN") from None
    except PinLocked:
        raise KeyPassphraseError(f"{provider!r}: locked after too many wrong PINs") from None
    except (PKCS11Error, OSError, RuntimeError) as exc:
        raise KeyImportError(f"{provider!r}: {_text(exc)}") from None


def _text(exc: Exception) -> str:
    return f"{type(exc).__name__} {exc}".strip()
