"""Keys and certificates that are never trusted: the option `revoked_keys`."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from ssh_keys import (
    SSHCertificate,
    SSHKey,
    SSHKeyRevocationList,
    SSHOpenSSHCertificate,
    X509Path,
    import_krl,
    import_public_key,
    load_public_keys,
)
from ssh_keys.files import read_file
from ssh_keys.krl import MAGIC
from ssh_keys.x509.decoding import keys_of_path

from ..options.base import RevokedKeysArg

__all__ = ["is_path_revoked", "is_revoked", "load_revoked_keys"]


def load_revoked_keys(revoked: RevokedKeysArg) -> SSHKeyRevocationList | None:
    """Return the revocation list that the option stands for, None without one.

    Raises OSError and KeyImportError: a list that can not be read must not pass for an empty one.
    """
    if revoked is None or isinstance(revoked, SSHKeyRevocationList):
        return revoked
    if isinstance(revoked, str | PathLike):
        data = read_file(revoked)
        return import_krl(data) if data.startswith(MAGIC) else _listing(load_public_keys(revoked))
    if isinstance(revoked, bytes):
        return import_krl(revoked) if revoked.startswith(MAGIC) else _listing(_all_keys(revoked))
    return _listing(load_public_keys(revoked))


def _all_keys(data: bytes) -> Sequence[SSHKey]:
    """Return every key in bytes; a plain import would be content with the first."""
    if data.lstrip().startswith(b"-"):
        return [import_public_key(data)]
    lines = [line.strip() for line in data.split(b"\n")]
    return [import_public_key(line) for line in lines if line and not line.startswith(b"#")]


def _listing(keys: Sequence[SSHKey]) -> SSHKeyRevocationList:
    made = SSHKeyRevocationList()
    for key in keys:
        made.revoke_key(key)
    return made


def is_revoked(
    revoked: SSHKeyRevocationList | None, key: SSHKey, certificate: SSHCertificate | None
) -> bool:
    """Whether a key is revoked, or the certificate that it is in, or the authority of that."""
    if revoked is None:
        return False
    if isinstance(certificate, SSHOpenSSHCertificate):
        return revoked.is_revoked(certificate)
    return revoked.is_revoked(key)


def is_path_revoked(revoked: SSHKeyRevocationList | None, path: X509Path) -> bool:
    """Whether the key of any certificate of an X.509 path is revoked."""
    return revoked is not None and any(map(revoked.is_revoked, keys_of_path(path.contents)))
