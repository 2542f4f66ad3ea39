"""Authenticators that speak U2F only (CTAP 1): ECDSA keys, and a touch for each signature.

There is no PIN, and no key that the authenticator would keep itself; what SSH sees of a signature
is the same as with CTAP 2.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from os import urandom
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from fido2.ctap import CtapDevice

__all__ = ["authenticate", "register"]

T = TypeVar("T")

#: Seconds that the user has for the touch, and between two questions whether it happened.
TOUCH_TIME, INTERVAL = 30.0, 0.2


def register(device: CtapDevice, application: str) -> tuple[bytes, bytes]:
    """Let an authenticator make a key, and return the public point and the handle.

    Parameters:
        device: the authenticator.
        application: what the key is for.

    Raises TimeoutError if nobody touches it, OSError if it refuses.
    """
    from fido2.ctap1 import Ctap1

    parameters = sha256(urandom(32)).digest(), sha256(application.encode()).digest()
    made = _touched(lambda: Ctap1(device).register(*parameters))
    return made.public_key, made.key_handle


def authenticate(
    device: CtapDevice, application: str, handle: bytes, data: bytes
) -> tuple[bytes, int, int] | None:
    """Let an authenticator sign, and return signature (DER), flags and counter.

    Parameters:
        device: the authenticator.
        application: of the key.
        handle: of the key.
        data: what is signed.

    None if the key is not one of this authenticator. Raises TimeoutError if nobody touches it,
    OSError if it refuses.
    """
    from fido2.ctap1 import APDU, ApduError, Ctap1

    ctap = Ctap1(device)
    parameters = sha256(data).digest(), sha256(application.encode()).digest(), handle
    try:
        ctap.authenticate(*parameters, check_only=True)
    except ApduError as exc:
        # "Would sign if it were touched" is how it says yes (U2F Raw Message Formats, section 5.1).
        if exc.code != APDU.USE_NOT_SATISFIED:
            return None
    made = _touched(lambda: ctap.authenticate(*parameters))
    return made.signature, made.user_presence, made.counter


def _touched(ask: Callable[[], T]) -> T:
    """Ask again and again until the user has touched the authenticator."""
    from fido2.ctap1 import APDU, ApduError

    end = time.monotonic() + TOUCH_TIME
    while True:
        try:
            return ask()
        except ApduError as exc:
            if exc.code != APDU.USE_NOT_SATISFIED:
                raise OSError(f"status {exc.code:#06x}") from None
        if time.monotonic() >= end:
            raise TimeoutError("nobody touched it")
        time.sleep(INTERVAL)
