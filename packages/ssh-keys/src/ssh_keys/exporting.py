"""Writers of keys: one function for each direction, one row for each format."""

from __future__ import annotations

from base64 import b64encode

from ssh_keys.errors import KeyExportError
from ssh_keys.formats import openssh_key
from ssh_keys.formats.armour import encode_pem
from ssh_keys.key_material import KeyMaterial

__all__ = ["encode_private_key", "encode_public_key"]


def passphrase_bytes(passphrase: str | bytes | None) -> bytes:
    """Return a passphrase as bytes, text in UTF-8; None is empty."""
    return passphrase.encode() if isinstance(passphrase, str) else passphrase or b""


def encode_private_key(
    key: KeyMaterial,
    format_name: str,
    passphrase: str | bytes | None,
    cipher_name: str,
    hash_name: str,
    pbe_version: int,
    rounds: int,
) -> bytes:
    """Return a private key in a file format; parameters and errors as of `SSHKey`."""
    private_data = key.private_data
    if format_name == "openssh":
        data = openssh_key.encode(
            key.public_data,
            private_data,
            key.get_comment_bytes() or b"",
            passphrase_bytes(passphrase),
            cipher_name,
            rounds,
        )
        return encode_pem(b"OPENSSH PRIVATE KEY", data, width=70)
    raise KeyExportError(f"unknown private key format {format_name!r}")


def encode_public_key(key: KeyMaterial, format_name: str) -> bytes:
    """Return a public key in a file format; parameters and errors as of `SSHKey`."""
    if format_name == "openssh":
        return openssh_line(key.algorithm, key.public_data, key.get_comment_bytes())
    raise KeyExportError(f"unknown public key format {format_name!r}")


def openssh_line(algorithm: bytes, public_data: bytes, comment: bytes | None) -> bytes:
    """Return the line of OpenSSH's public key files and certificates."""
    parts = [algorithm, b64encode(public_data)]
    if comment:
        # A comment that breaks the line would add lines of its own to an authorized_keys file.
        if b"\n" in comment or b"\r" in comment or b"\0" in comment:
            raise KeyExportError("the comment has line breaks, which the format cannot hold")
        parts.append(comment)
    return b" ".join(parts) + b"\n"
