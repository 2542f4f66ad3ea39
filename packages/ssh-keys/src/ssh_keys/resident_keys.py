"""`load_resident_keys`: security keys that their authenticator keeps itself (FIDO2)."""

from __future__ import annotations

from collections.abc import Sequence

from ssh_keys.authenticator import AuthenticatorError, PINArg, list_credentials
from ssh_keys.errors import KeyImportError
from ssh_keys.key import SSHKey
from ssh_keys.sk import (
    FLAG_PRESENCE,
    FLAG_RESIDENT,
    KeyHandle,
    SecurityKey,
    SKECDSAKey,
    SKEd25519Key,
)

__all__ = ["load_resident_keys"]

_KINDS: dict[bytes, type[SecurityKey]] = {
    b"sk-ssh-ed25519@openssh.com": SKEd25519Key,
    b"sk-ecdsa-sha2-nistp256@openssh.com": SKECDSAKey,
}


def load_resident_keys(
    pin: PINArg,
    *,
    application: str = "ssh:",
    user: str | None = None,
    touch_required: bool = True,
) -> Sequence[SSHKey]:
    """Return the keys that the connected authenticators keep for an application.

    They are private keys that sign with their authenticator (PROTOCOL.u2f); written to files, they
    are the same as what `ssh-keygen -K` writes. Needs the extra `fido2`.

    Parameters:
        pin: PIN of the authenticator, or a function that returns it.
        application: what the keys were made for.
        user: only the keys that were made for this user; None for all.
        touch_required: whether the user has to touch the authenticator for each signature.

    Raises KeyPassphraseError for a PIN that is missing or wrong, KeyImportError if there is no
    authenticator that lists its keys.
    """
    flags = FLAG_RESIDENT | (FLAG_PRESENCE if touch_required else 0)
    keys: list[SSHKey] = []
    try:
        credentials = list_credentials(application, pin)
    except AuthenticatorError as exc:
        raise KeyImportError(f"security keys: {exc}") from None
    for credential in credentials:
        if user is not None and credential.user != user:
            continue
        key = _KINDS[credential.algorithm].from_authenticator(
            credential.public_key, application.encode(), KeyHandle(flags, credential.handle)
        )
        key.set_comment(credential.user or application)
        keys.append(key)
    return keys
