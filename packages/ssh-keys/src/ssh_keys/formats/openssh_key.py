"""The container `openssh-key-v1` (PROTOCOL.key): one private key, optionally encrypted.

The container does not know key types: it gives and takes the decrypted private section.
"""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest
from os import urandom

import bcrypt

from ssh_keys.errors import (
    KeyEncryptionError,
    KeyImportError,
    KeyPassphraseError,
    KeyTruncatedError,
    UnsupportedKeyError,
)
from ssh_keys.formats.openssh_ciphers import CIPHERS, KeyCipher
from ssh_keys.key_material import printable
from ssh_keys.record import Record
from ssh_keys.wire import PacketDecodeError, Reader, encode_string, encode_uint32

__all__ = ["AUTH_MAGIC", "EncryptedContainer", "check_padding", "encode", "parse"]

AUTH_MAGIC = b"openssh-key-v1\0"

#: Cost that a file may ask for. 1024 rounds take 5 to 10 seconds; ssh-keygen writes 16 or 24.
MAXIMUM_ROUNDS = 1024
SALT_SIZE = 16
MAXIMUM_SALT_SIZE = 1024
#: No block of a cipher is larger than 255 bytes.
_PADDING = bytes(range(1, 256))


class EncryptedContainer(Record):
    """A parsed container, not decrypted yet.

    Attributes:
        public_data: blob of the public key, which is never encrypted.
        cipher: how the private section is encrypted.
        salt: salt of bcrypt, empty if not encrypted.
        rounds: rounds of bcrypt, 0 if not encrypted.
        section: the private section, encrypted, with the tag behind it.
    """

    public_data: bytes
    cipher: KeyCipher
    salt: bytes
    rounds: int
    section: bytes

    @property
    def encrypted(self) -> bool:
        """Whether a passphrase is needed."""
        return self.rounds > 0

    def decrypt(self, passphrase: bytes | None) -> Reader:
        """Return a reader of the private section, behind the check numbers.

        Raises KeyPassphraseError if the passphrase is missing or wrong.
        """
        secret = b""
        if self.encrypted:
            if not passphrase:
                raise KeyPassphraseError("the private key is encrypted and needs a passphrase")
            secret = derive(passphrase, self.salt, self.cipher, self.rounds)
        plain = self.cipher.open(secret, self.section)
        if plain is None:
            raise KeyPassphraseError("wrong passphrase, or a damaged private key")
        reader = Reader(plain)
        if not compare_digest(reader.take(4), reader.take(4)):
            if self.encrypted:
                raise KeyPassphraseError("wrong passphrase, or a damaged private key")
            raise KeyImportError("the check numbers of the private key differ")
        return reader


def parse(data: bytes) -> EncryptedContainer:
    """Read the clear part of a container.

    Raises KeyImportError (or one of its subclasses) for anything that is not one key in it.
    """
    if not data.startswith(AUTH_MAGIC):
        raise KeyImportError("not an openssh-key-v1 private key")
    reader = Reader(data, len(AUTH_MAGIC))
    try:
        cipher_name, kdf_name, options = reader.string(), reader.string(), reader.string()
        count = reader.uint32()
        if count != 1:
            raise UnsupportedKeyError(f"OpenSSH private key file with {count} keys, not 1")
        public_data, section = reader.string(), reader.string()
        cipher = CIPHERS.get(cipher_name)
        if cipher is None:
            raise UnsupportedKeyError(f"unknown private key cipher {printable(cipher_name)}")
        # The tag of an authenticated cipher stands behind the string (OpenSSH's own layout).
        section += reader.take(cipher.tag_size)
        reader.end()
        salt, rounds = _parse_kdf(kdf_name, options, cipher)
    except PacketDecodeError as exc:
        raise KeyTruncatedError(f"OpenSSH private key: {exc}") from None
    body = len(section) - cipher.tag_size
    if body < cipher.block_size or body % cipher.block_size:
        raise KeyTruncatedError("the private section does not fill the blocks of its cipher")
    return EncryptedContainer(public_data, cipher, salt, rounds, section)


def _parse_kdf(kdf_name: bytes, options: bytes, cipher: KeyCipher) -> tuple[bytes, int]:
    if kdf_name == b"none":
        if options or cipher.key_size:
            raise KeyImportError("private key with a cipher but without key derivation")
        return b"", 0
    if kdf_name != b"bcrypt":
        raise UnsupportedKeyError(f"unknown key derivation {printable(kdf_name)}")
    if not cipher.key_size:
        raise KeyImportError("private key with key derivation but without a cipher")
    reader = Reader(options)
    salt, rounds = reader.string(), reader.uint32()
    reader.end()
    if not 1 <= len(salt) <= MAXIMUM_SALT_SIZE:
        raise KeyImportError(f"bcrypt salt of {len(salt)} bytes")
    if not 1 <= rounds <= MAXIMUM_ROUNDS:
        raise KeyImportError(f"{rounds} bcrypt rounds, not 1 to {MAXIMUM_ROUNDS}")
    return salt, rounds


def derive(passphrase: bytes, salt: bytes, cipher: KeyCipher, rounds: int) -> bytes:
    """Return key and IV from the passphrase (PROTOCOL.key section 2)."""
    size = cipher.key_size + cipher.iv_size
    return bcrypt.kdf(passphrase, salt, size, rounds, ignore_few_rounds=True)


def check_padding(padding: bytes) -> None:
    """Raise KeyImportError unless the section ends in 1, 2, 3, ... (PROTOCOL.key section 3)."""
    if padding != _PADDING[: len(padding)]:
        raise KeyImportError("wrong padding behind the private key")


def encode(
    public_data: bytes,
    private_data: bytes,
    comment: bytes,
    passphrase: bytes,
    cipher_name: str,
    rounds: int,
    random: Callable[[int], bytes] = urandom,
) -> bytes:
    """Return a container.

    Parameters:
        public_data: blob of the public key.
        private_data: key type and private fields.
        comment: the comment, empty for none.
        passphrase: empty for an unencrypted container.
        cipher_name: one of the names in `CIPHERS`; a plain `none` needs an empty passphrase.
        rounds: rounds of bcrypt, 1 to 1024.
        random: source of the salt and the check number.

    Raises KeyEncryptionError for an unknown cipher or a number of rounds out of range.
    """
    cipher = CIPHERS[b"none"]
    kdf_name, options, secret = b"none", b"", b""
    if passphrase:
        chosen = CIPHERS.get(cipher_name.encode("ascii", "replace"))
        if chosen is None or not chosen.key_size:
            raise KeyEncryptionError(f"unknown cipher {cipher_name!r} for an OpenSSH private key")
        if not 1 <= rounds <= MAXIMUM_ROUNDS:
            raise KeyEncryptionError(f"{rounds} bcrypt rounds, not 1 to {MAXIMUM_ROUNDS}")
        cipher, kdf_name, salt = chosen, b"bcrypt", random(SALT_SIZE)
        options = encode_string(salt) + encode_uint32(rounds)
        secret = derive(passphrase, salt, cipher, rounds)
    section = random(4) * 2 + private_data + encode_string(comment)
    padding = -len(section) % cipher.block_size
    sealed = cipher.seal(secret, section + bytes(range(1, padding + 1)))
    end = len(sealed) - cipher.tag_size
    return b"".join(
        (
            AUTH_MAGIC,
            encode_string(cipher.name),
            encode_string(kdf_name),
            encode_string(options),
            encode_uint32(1),
            encode_string(public_data),
            encode_string(sealed[:end]),
            sealed[end:],
        )
    )
