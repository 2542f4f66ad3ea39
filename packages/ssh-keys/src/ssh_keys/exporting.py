"""Writers of keys: one function for each direction, one row for each format."""

from __future__ import annotations

from base64 import b64encode

from ssh_keys.errors import KeyEncryptionError, KeyExportError
from ssh_keys.formats import openssh_key
from ssh_keys.formats.armour import encode_pem
from ssh_keys.formats.dropbear import encode_dropbear
from ssh_keys.formats.pbe import encrypt_pkcs8
from ssh_keys.formats.pem_encryption import encrypt_pem
from ssh_keys.formats.ppk import encode_ppk
from ssh_keys.formats.rfc4716 import encode_rfc4716
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
    secret = passphrase_bytes(passphrase)
    if format_name == "openssh":
        data = openssh_key.encode(
            key.public_data,
            private_data,
            key.get_comment_bytes() or b"",
            secret,
            cipher_name,
            rounds,
        )
        return encode_pem(b"OPENSSH PRIVATE KEY", data, width=70)
    if format_name in ("pkcs1-der", "pkcs1-pem"):
        label, data = _classic_private(key)
        if format_name == "pkcs1-der":
            if secret:
                raise KeyExportError("pkcs1-der has no encryption")
            return data
        headers = None
        if secret:
            headers, data = encrypt_pem(data, secret, cipher_name)
        return encode_pem(label, data, headers)
    if format_name in ("pkcs8-der", "pkcs8-pem"):
        data, label = _pkcs8_private(key), b"PRIVATE KEY"
        if secret:
            data = encrypt_pkcs8(data, secret, cipher_name, hash_name, pbe_version, rounds)
            label = b"ENCRYPTED PRIVATE KEY"
        return data if format_name == "pkcs8-der" else encode_pem(label, data)
    if format_name in ("ppk", "ppk2"):
        if secret and cipher_name != "aes256-cbc":
            raise KeyEncryptionError(f"PPK has no cipher {cipher_name!a}")
        comment = key.get_comment_bytes() or b""
        _check_comment(comment)
        return encode_ppk(
            2 if format_name == "ppk2" else 3,
            key.algorithm,
            key.public_data,
            private_data,
            comment,
            secret,
            rounds,
        )
    if format_name == "dropbear":
        if secret:
            raise KeyExportError("dropbear has no encryption")
        return encode_dropbear(private_data)
    raise KeyExportError(f"unknown private key format {format_name!r}")


def _classic_private(key: KeyMaterial) -> tuple[bytes, bytes]:
    """Return PEM label and DER data of PKCS#1 (RFC 8017 A.1.2), SEC 1 (RFC 5915) or classic DSA."""
    from cryptography.hazmat.primitives import serialization

    labels = {"RSA": b"RSA PRIVATE KEY", "ECDSA": b"EC PRIVATE KEY", "DSA": b"DSA PRIVATE KEY"}
    label = labels.get(key.type_name)
    if label is None:
        raise KeyExportError(f"PKCS#1 has no form for {key.get_algorithm()} keys")
    data = key.private_key_object().private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return label, data


def _pkcs8_private(key: KeyMaterial) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_key_object().private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def encode_public_key(key: KeyMaterial, format_name: str) -> bytes:
    """Return a public key in a file format; parameters and errors as of `SSHKey`."""
    if format_name == "openssh":
        return openssh_line(key.algorithm, key.public_data, key.get_comment_bytes())
    if format_name == "rfc4716":
        comment = key.get_comment_bytes()
        _check_comment(comment)
        return encode_rfc4716(key.public_data, comment)
    if format_name not in ("pkcs1-der", "pkcs1-pem", "pkcs8-der", "pkcs8-pem"):
        raise KeyExportError(f"unknown public key format {format_name!r}")
    from cryptography.hazmat.primitives import serialization

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    label = b"PUBLIC KEY"
    if format_name.startswith("pkcs1"):
        if key.type_name != "RSA":
            raise KeyExportError(f"PKCS#1 has no form for {key.get_algorithm()} public keys")
        form, label = serialization.PublicFormat.PKCS1, b"RSA PUBLIC KEY"
    data = key.public_key_object().public_bytes(serialization.Encoding.DER, form)
    return data if format_name.endswith("der") else encode_pem(label, data)


def _check_comment(comment: bytes | None) -> None:
    # A comment that breaks the line would add lines of its own to an authorized_keys file.
    if comment and any(char in comment for char in b"\n\r\0"):
        raise KeyExportError("the comment has line breaks or NUL, which the format cannot hold")


def openssh_line(algorithm: bytes, public_data: bytes, comment: bytes | None) -> bytes:
    """Return the line of OpenSSH's public key files and certificates; raises KeyExportError."""
    _check_comment(comment)
    parts = (algorithm, b64encode(public_data), *((comment,) if comment else ()))
    return b" ".join(parts) + b"\n"
