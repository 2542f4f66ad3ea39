"""Authenticators that make and use the keys of PROTOCOL.u2f: enroll, sign, list.

They speak CTAP 2 (FIDO2) or U2F; python-fido2 (the extra `fido2`) talks to them, over USB. An
authenticator knows a key by its application (for FIDO the "relying party") and a handle, and signs
the hash of the data together with its flags and counter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from os import urandom
from typing import TYPE_CHECKING, NamedTuple

from ssh_keys import u2f
from ssh_keys.errors import KeyPassphraseError

if TYPE_CHECKING:
    from fido2.ctap import CtapDevice, CtapError
    from fido2.ctap2.base import Ctap2
    from fido2.ctap2.pin import ClientPin

__all__ = [
    "Assertion",
    "AuthenticatorError",
    "Credential",
    "PINArg",
    "enroll",
    "get_assertion",
    "list_credentials",
    "list_devices",
]

#: A PIN, or what is called when one is needed; None if there is none.
PINArg = str | Callable[[], str | None] | None

#: COSE algorithm identifiers (RFC 9053 section 2) by key type.
COSE_ALGORITHMS = {
    b"sk-ssh-ed25519@openssh.com": -8,
    b"sk-ecdsa-sha2-nistp256@openssh.com": -7,
}
_COSE_ALGORITHM, _COSE_X, _COSE_Y = 3, -2, -3
#: Policy of the extension credProtect (CTAP 2.1 section 12.1).
_PROTECT_OPTIONAL, _PROTECT_REQUIRED = 2, 3
_USER_ID_SIZE = 32
_FLAG_EXTENSIONS = 0x80


class AuthenticatorError(ValueError):
    """No authenticator is there, or it refused; the text says why."""


class Credential(NamedTuple):
    """A key that an authenticator made.

    Attributes:
        algorithm: the key type.
        public_key: 32 bytes for Ed25519, an uncompressed point for ECDSA.
        handle: what the authenticator finds the key by.
        user: name of the user that the key was made for, empty if it was made for none.
    """

    algorithm: bytes
    public_key: bytes
    handle: bytes
    user: str = ""


class Assertion(NamedTuple):
    """What an authenticator signed with: signature (DER for ECDSA), flags and counter."""

    signature: bytes
    flags: int
    counter: int


def list_devices() -> Iterator[CtapDevice]:
    """Return the authenticators on the USB of this machine.

    Raises AuthenticatorError if python-fido2 is not installed.
    """
    try:
        from fido2.hid import CtapHidDevice
    except ImportError:
        raise AuthenticatorError(
            "security keys need the extra fido2: pip install ssh-keys[fido2]"
        ) from None
    return CtapHidDevice.list_devices()


def enroll(
    algorithm: bytes,
    application: str,
    *,
    user: str = "",
    pin: PINArg = None,
    resident: bool = False,
    verify_required: bool = False,
) -> Credential:
    """Let the first authenticator that can make a new key; its user has to touch it.

    Parameters:
        algorithm: the key type.
        application: what the key is for, beginning with `ssh:`.
        user: name to tell resident keys of one application apart.
        pin: of the authenticator, if it has one.
        resident: whether the authenticator keeps the key itself, so that it can be listed.
        verify_required: whether the key is to sign only after the user was verified.

    Raises AuthenticatorError, KeyPassphraseError for a PIN that is missing or wrong.
    """
    for device, ctap in _connected():
        with _failures():
            if ctap is not None:
                return _enroll(ctap, algorithm, application, user, pin, resident, verify_required)
            return _register(device, algorithm, application, resident or verify_required)
    raise AuthenticatorError("no authenticator is connected")


def _enroll(
    ctap: Ctap2,
    algorithm: bytes,
    application: str,
    user: str,
    pin: PINArg,
    resident: bool,
    verify_required: bool,
) -> Credential:
    from fido2.ctap2.pin import ClientPin

    digest = sha256(urandom(32)).digest()
    name = user.encode()[:_USER_ID_SIZE]
    # Two resident keys with the same application and user would replace each other.
    user_id = name.ljust(_USER_ID_SIZE, b"\0")
    options = {"rk": True} if resident else {}
    extensions: dict[str, int] = {}
    if (resident or verify_required) and "credProtect" in ctap.info.extensions:
        extensions["credProtect"] = _PROTECT_REQUIRED if verify_required else _PROTECT_OPTIONAL
    token, protocol = _authorize(
        ctap, pin, digest, application, ClientPin.PERMISSION.MAKE_CREDENTIAL, needed=False
    )
    if token is None and verify_required and ctap.info.options.get("uv"):
        options["uv"] = True
    made = ctap.make_credential(
        digest,
        {"id": application, "name": application},
        {"id": user_id, "name": user or "ssh", "displayName": user or "ssh"},
        [{"type": "public-key", "alg": COSE_ALGORITHMS[algorithm]}],
        extensions=extensions or None,
        options=options or None,
        pin_uv_param=token,
        pin_uv_protocol=protocol,
    )
    data = made.auth_data.credential_data
    if data is None or made.auth_data.rp_id_hash != sha256(application.encode()).digest():
        raise AuthenticatorError("the authenticator made a key for something else")
    return _credential(data.public_key, data.credential_id, user, algorithm)


def _register(
    device: CtapDevice, algorithm: bytes, application: str, needs_ctap2: bool
) -> Credential:
    if algorithm.startswith(b"sk-ssh-ed25519"):
        raise AuthenticatorError("the authenticator speaks U2F only, which has no Ed25519 keys")
    if needs_ctap2:
        raise AuthenticatorError(
            "the authenticator speaks U2F only: it keeps no keys, and verifies no user"
        )
    point, handle = u2f.register(device, application)
    return Credential(algorithm, point, handle)


def get_assertion(
    application: str, handle: bytes, data: bytes, *, touch: bool, verify: bool, pin: PINArg
) -> Assertion:
    """Let the authenticator that has a key sign.

    Parameters:
        application: of the key.
        handle: of the key.
        data: what is signed.
        touch: whether the user has to touch the authenticator.
        verify: whether the user has to be verified.
        pin: of the authenticator, if it is to verify the user by it.

    Raises AuthenticatorError, KeyPassphraseError for a PIN that is missing or wrong.
    """
    from_any = False
    for device, ctap in _connected():
        from_any = True
        with _failures():
            if ctap is not None:
                found = _assert(ctap, application, handle, data, touch, verify, pin)
            else:
                # Its flags will say that it verified nobody, and that it was touched.
                made = u2f.authenticate(device, application, handle, data)
                found = None if made is None else Assertion(*made)
            if found is not None:
                return found
    reason = "has the key" if from_any else "is connected"
    raise AuthenticatorError(f"no authenticator {reason}")


def _assert(
    ctap: Ctap2,
    application: str,
    handle: bytes,
    data: bytes,
    touch: bool,
    verify: bool,
    pin: PINArg,
) -> Assertion | None:
    from fido2.ctap import CtapError
    from fido2.ctap2.pin import ClientPin

    digest = sha256(data).digest()
    options = {} if touch else {"up": False}
    token, protocol = None, None
    if verify and ctap.info.options.get("uv") and pin is None:
        options["uv"] = True
    elif verify:
        token, protocol = _authorize(
            ctap, pin, digest, application, ClientPin.PERMISSION.GET_ASSERTION, needed=True
        )
    try:
        made = ctap.get_assertion(
            application,
            digest,
            [{"type": "public-key", "id": handle}],
            options=options or None,
            pin_uv_param=token,
            pin_uv_protocol=protocol,
        )
    except CtapError as exc:
        if exc.code in (CtapError.ERR.NO_CREDENTIALS, CtapError.ERR.INVALID_CREDENTIAL):
            return None
        raise
    signed = made.auth_data
    if signed.flags & _FLAG_EXTENSIONS or len(signed) != 37:
        raise AuthenticatorError("the authenticator signed more than SSH can say")
    return Assertion(made.signature, int(signed.flags), signed.counter)


def list_credentials(application: str, pin: PINArg) -> list[Credential]:
    """Return the resident keys for an application, of all authenticators.

    Raises AuthenticatorError if there is no authenticator that can list its keys, and
    KeyPassphraseError for a PIN that is missing or wrong.
    """
    from_any = False
    found: list[Credential] = []
    for _, ctap in _connected():
        with _failures():
            listed = None if ctap is None else _list(ctap, application, pin)
            if listed is not None:
                from_any = True
                found += listed
    if not from_any:
        raise AuthenticatorError("no authenticator is connected that lists its keys")
    return found


def _list(ctap: Ctap2, application: str, pin: PINArg) -> list[Credential] | None:
    from fido2.cose import CoseKey
    from fido2.ctap2.credman import CredentialManagement
    from fido2.ctap2.pin import ClientPin

    if not CredentialManagement.is_supported(ctap.info):
        return None
    client = ClientPin(ctap)
    token = client.get_pin_token(_ask(pin), ClientPin.PERMISSION.CREDENTIAL_MGMT)
    manager = CredentialManagement(ctap, client.protocol, token)
    result = CredentialManagement.RESULT
    found = []
    for entry in manager.enumerate_creds(sha256(application.encode()).digest()):
        user: Mapping[str, object] = entry[result.USER]
        public_key = CoseKey.parse(entry[result.PUBLIC_KEY])
        for algorithm, number in COSE_ALGORITHMS.items():
            if public_key.get(_COSE_ALGORITHM) == number:
                handle = entry[result.CREDENTIAL_ID]["id"]
                found.append(_credential(public_key, handle, _user_name(user), algorithm))
    return found


def _user_name(user: Mapping[str, object]) -> str:
    user_id = user.get("id", b"")
    text = user_id.rstrip(b"\0") if isinstance(user_id, bytes) else b""
    return text.decode("utf-8", "replace")


def _connected() -> Iterator[tuple[CtapDevice, Ctap2 | None]]:
    """The authenticators of this machine, None behind those that speak U2F only."""
    from_usb = list_devices()
    from fido2.ctap2.base import Ctap2
    from fido2.hid import CAPABILITY

    for device in from_usb:
        with device:
            ctap = None
            if device.capabilities & CAPABILITY.CBOR:
                try:
                    ctap = Ctap2(device)
                except (ValueError, OSError):
                    continue  # somebody else's
            elif device.capabilities & CAPABILITY.NMSG:
                continue
            yield device, ctap


def _authorize(
    ctap: Ctap2,
    pin: PINArg,
    digest: bytes,
    application: str,
    permission: ClientPin.PERMISSION,
    *,
    needed: bool,
) -> tuple[bytes | None, int | None]:
    """Return what proves to the authenticator that its user knows the PIN, and its protocol."""
    from fido2.ctap2.pin import ClientPin

    if pin is None and not needed:
        return None, None
    client = ClientPin(ctap)
    token = client.get_pin_token(_ask(pin), permission, application)
    return client.protocol.authenticate(token, digest), client.protocol.VERSION


def _ask(pin: PINArg) -> str:
    answer = pin() if callable(pin) else pin
    if not answer:
        raise KeyPassphraseError("the authenticator needs a PIN")
    return answer


def _credential(
    public_key: Mapping[int, bytes], handle: bytes, user: str, algorithm: bytes
) -> Credential:
    if algorithm.startswith(b"sk-ssh-ed25519"):
        blob = public_key[_COSE_X]
    else:
        blob = b"\x04" + public_key[_COSE_X] + public_key[_COSE_Y]
    return Credential(algorithm, blob, handle, user)


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what python-fido2 raises into our exceptions."""
    from fido2.ctap import CtapError

    try:
        yield
    except (AuthenticatorError, KeyPassphraseError):
        raise
    except CtapError as exc:
        raise _refusal(exc, CtapError) from None
    except (OSError, ValueError, KeyError) as exc:
        raise AuthenticatorError(f"the authenticator failed: {exc}") from None


def _refusal(exc: CtapError, kind: type[CtapError]) -> ValueError:
    error = kind.ERR
    wrong = (error.PIN_INVALID, error.PIN_AUTH_INVALID, error.UV_INVALID)
    missing = (error.PUAT_REQUIRED, error.PIN_NOT_SET)
    blocked = (error.PIN_BLOCKED, error.PIN_AUTH_BLOCKED, error.UV_BLOCKED)
    for text, codes in (
        ("wrong PIN", wrong),
        ("the authenticator needs a PIN, and to have one set", missing),
        ("the authenticator is blocked after too many wrong PINs", blocked),
    ):
        if exc.code in codes:
            return KeyPassphraseError(text)
    return AuthenticatorError(f"the authenticator refused: {exc.code!s}")
