"""Keys on PKCS#11 tokens: smart cards and hardware modules sign, the private key stays there.

python-pkcs11 (the extra `pkcs11`) calls the module of the token's vendor.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from hashlib import new as new_hash
from hmac import compare_digest
from os import PathLike, fspath, urandom
from typing import TYPE_CHECKING, Any, Protocol, cast

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
from ssh_keys.token_key import TokenBackedKey
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
    b"ssh-rsa-sha224@ssh.com": "SHA224_RSA_PKCS",
    b"ssh-rsa-sha256@ssh.com": "SHA256_RSA_PKCS",
    b"ssh-rsa-sha384@ssh.com": "SHA384_RSA_PKCS",
    b"ssh-rsa-sha512@ssh.com": "SHA512_RSA_PKCS",
    b"ssh-rsa": "SHA1_RSA_PKCS",
}
#: Curve by its object identifier in DER, which is what tokens call it.
_CURVE_OIDS = {
    encode_oid("1.2.840.10045.3.1.7"): b"nistp256",
    encode_oid("1.3.132.0.34"): b"nistp384",
    encode_oid("1.3.132.0.35"): b"nistp521",
    encode_oid("1.3.132.0.10"): b"1.3.132.0.10",
}
#: PINs that tokens were opened with, as keyed digests, by label and serial number of the token.
_LOGINS: dict[tuple[str, bytes], bytes] = {}
_SALT = urandom(32)
_CURVE_HASHES = {
    b"nistp256": "sha256",
    b"nistp384": "sha384",
    b"nistp521": "sha512",
    b"1.3.132.0.10": "sha256",
}


class TokenKey(Protocol):
    """A private key on a token, as python-pkcs11 gives it."""

    def sign(self, data: bytes, *, mechanism: Mechanism, pin: str | None = None) -> bytes:
        """Sign data with a mechanism, and with the PIN if the key asks for it each time."""
        ...


class _Login:
    """A session with a token, and what keeps two threads from using it at once.

    Attributes:
        session: the session.
        lock: held while it is used.
        token: the token.
        pin: what the token was opened with, for keys that ask for it before each signature.
    """

    __slots__ = ("lock", "pin", "session", "token")

    def __init__(self, token: Token, pin: str | PINFunction | None) -> None:
        self.token, self.pin = token, pin
        self.session = _open(token, pin)
        self.lock = threading.Lock()

    def answer(self) -> str:
        """Return the PIN; raises SignatureError if there is none."""
        given = self.pin(self.token.label) if callable(self.pin) else self.pin
        if given is None:
            raise SignatureError("the key needs the PIN of its token for each signature")
        return given


class SSHPKCS11KeyPair(SSHKeyPair):
    """A key pair whose private key is on a token; made by `load_pkcs11_keys`.

    `sign` waits for the token (`needs_device`); two threads may call it.

    Attributes:
        key: the same as an `SSHKey`, which signs on the token: so a token can be the authority
            that signs certificates.
    """

    _key_type = "pkcs11"
    needs_device = True

    def __init__(self, key: SSHKey, private: TokenKey, login: _Login, ask_always: bool) -> None:
        super().__init__(
            key.algorithm, key.sig_algorithms, key.public_data, key.get_comment_bytes()
        )
        self.key: SSHKey = TokenBackedKey(key, self._sign_on_token)
        self._private = private
        self._login = login
        self._ask_always = ask_always

    def _x509_sig_algorithms(self) -> tuple[bytes, ...]:
        return self.key.x509_sig_algorithms

    def sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        """Sign data with `sig_algorithm`, on the token, and return the blob (RFC 4253, 6.6).

        Raises SignatureError if the key has no such algorithm, or the token refuses.
        """
        if sig_algorithm not in self.sig_algorithms:
            raise SignatureError(f"the key pair makes no {printable(sig_algorithm)} signature")
        return encode_string(sig_algorithm) + self._sign_on_token(data, sig_algorithm)

    def _sign_on_token(self, data: bytes, sig_algorithm: bytes) -> bytes:
        """Return what follows the name of the algorithm in the signature blob."""
        from pkcs11 import PinIncorrect, PKCS11Error

        try:
            with self._login.lock:
                if not self._ask_always:
                    return encode_string(self._sign(self._private, data, sig_algorithm, None))
                pin = self._login.answer()
                # A session of its own: after a wrong PIN, it is good for nothing more.
                with self._login.token.open() as session:
                    private = next(iter(session.get_objects(self._query())), None)
                    if private is None:
                        raise SignatureError("the token does not have the key any more")
                    return encode_string(
                        self._sign(cast("TokenKey", private), data, sig_algorithm, pin)
                    )
        except PinIncorrect:
            raise SignatureError("the token does not sign: wrong PIN") from None
        except PKCS11Error as exc:
            raise SignatureError(f"the token does not sign: {_text(exc)}") from None

    def _query(self) -> dict[Any, object]:
        """What finds the private key again in another session."""
        from pkcs11 import Attribute

        names = (Attribute.CLASS, Attribute.KEY_TYPE, Attribute.ID, Attribute.LABEL)
        private: Any = self._private
        return {name: private[name] for name in names}

    def _sign(self, private: TokenKey, data: bytes, sig_algorithm: bytes, pin: str | None) -> bytes:
        from pkcs11 import Mechanism

        if sig_algorithm in _RSA_MECHANISMS:
            mechanism = Mechanism[_RSA_MECHANISMS[sig_algorithm]]
            return private.sign(data, mechanism=mechanism, pin=pin)
        if sig_algorithm == b"ssh-ed25519":
            return private.sign(data, mechanism=Mechanism.EDDSA, pin=pin)
        curve = sig_algorithm.removeprefix(b"ecdsa-sha2-")
        digest = new_hash(_CURVE_HASHES[curve], data).digest()
        raw = private.sign(digest, mechanism=Mechanism.ECDSA, pin=pin)
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
) -> Sequence[SSHPKCS11KeyPair]:
    """Return the key pairs on the tokens of a PKCS#11 module.

    RSA, ECDSA and Ed25519 keys of the types that SSH has, if they may sign; others are left out.
    Needs the extra `pkcs11`.

    Parameters:
        provider: file name of the module, such as `opensc-pkcs11.so`.
        pin: of the tokens, or a function that is called with the label of a token. Without one,
            only keys that a token shows without login are found. Keys that ask for the PIN before
            each signature (CKA_ALWAYS_AUTHENTICATE) get it from here, too: a function is called
            for each of them.
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
    pairs: list[SSHPKCS11KeyPair] = []
    with _failures(fspath(provider)):
        for token in _tokens(fspath(provider)):
            if token_label not in (None, token.label) or serial not in (None, token.serial):
                continue
            login = _Login(token, pin)
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
    place = (token.label, bytes(token.serial))
    digest = blake2b(answer.encode(), key=_SALT).digest()
    try:
        session = token.open(user_pin=answer)
    except pkcs11.UserAlreadyLoggedIn:
        # By an earlier call: a login counts for all sessions of a program with the token, and the
        # token does not look at the PIN of another one. So we do, if the login was ours.
        if not compare_digest(_LOGINS.get(place, digest), digest):
            raise KeyPassphraseError(
                f"wrong PIN: token {token.label!a} was opened with another one"
            ) from None
        return token.open()
    _LOGINS[place] = digest
    return session


def _pairs_of(private: Any, login: _Login, load_certs: bool) -> Iterator[SSHPKCS11KeyPair]:
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
    ask_always = _asks_always(private)
    pair = SSHPKCS11KeyPair(key, private, login, ask_always)
    for data in certificates if load_certs else ():
        try:
            certified = SSHPKCS11KeyPair(key, private, login, ask_always)
            certified.set_certificate(import_certificate(data))
        except (KeyImportError, SignatureError):
            continue  # a certificate of another kind, or of another key with the same id
        yield certified
    yield pair


def _asks_always(private: Any) -> bool:
    from pkcs11 import Attribute, PKCS11Error

    try:
        return bool(private[Attribute.ALWAYS_AUTHENTICATE])
    except PKCS11Error:
        return False  # older modules do not know the attribute


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
