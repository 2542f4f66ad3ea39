"""What a file is that was given in place of another: the second half of an error message."""

from __future__ import annotations

from ssh_keys.certificate_importing import import_certificate
from ssh_keys.errors import KeyImportError
from ssh_keys.formats.dropbear import is_dropbear
from ssh_keys.importing import import_public_key
from ssh_keys.krl import MAGIC

__all__ = ["BYTE_ORDER_MARK", "is_private", "recognized"]

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_PRIVATE = (b"PRIVATE KEY-----", b"PRIVATE KEY ----")


def is_private(data: bytes) -> bool:
    """Return whether data look like a private key, or may be one in DER."""
    return data.startswith(b"\x30") or is_dropbear(data) or any(mark in data for mark in _PRIVATE)


def recognized(data: bytes) -> str:
    """Return what data are, empty if that is not clear."""
    if not data.strip():
        return "it is empty"
    if data.startswith(_UTF_16_MARKS):
        return "it is text in UTF-16, save it as UTF-8"
    if data.startswith(BYTE_ORDER_MARK):
        return "it begins with the byte order mark of an editor, save it without"
    if data.startswith(MAGIC):
        return "it is a revocation list"
    if data.startswith(b"-----BEGIN SSH SIGNATURE"):
        return "it is a signature"
    for read, name in ((import_certificate, "certificate"), (import_public_key, "public key")):
        try:
            read(data)
        except KeyImportError:
            continue
        return f"it is a {name}"
    return "it is a private key" if is_private(data) else ""
