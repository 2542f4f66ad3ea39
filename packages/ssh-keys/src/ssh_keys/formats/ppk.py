"""PuTTY's private key files, versions 2 and 3 (PuTTY manual, appendix on the PPK format).

The container gives and takes the private section as PROTOCOL.key has it, so that it knows key
types only by the order of their numbers.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable
from os import urandom

from ssh_keys.errors import (
    KeyEncryptionError,
    KeyExportError,
    KeyImportError,
    KeyPassphraseError,
    KeyTruncatedError,
    UnsupportedKeyError,
)
from ssh_keys.formats.armour import decode_base64
from ssh_keys.formats.openssh_ciphers import CIPHERS
from ssh_keys.key_material import printable
from ssh_keys.record import Record
from ssh_keys.wire import PacketDecodeError, Reader, encode_mpint, encode_string

__all__ = ["MAGIC", "PPKFile", "decode_ppk", "encode_ppk"]

MAGIC = b"PuTTY-User-Key-File-"
_AES = CIPHERS[b"aes256-cbc"]
_BLOCK = 16

#: Cost that a file may ask for; PuTTY writes 8 MiB and about 13 passes.
MAXIMUM_MEMORY = 256 << 10  # KiB
MAXIMUM_WORK = 4 << 20  # KiB times passes
MAXIMUM_PARALLELISM = 16
MAXIMUM_LINES = 4096
DEFAULT_MEMORY = 8192  # KiB
SALT_SIZE = 16

_ARGON2 = ("Argon2id", "Argon2i", "Argon2d")


class _KeyDerivation(Record):
    """Parameters of Argon2 in version 3."""

    flavour: str
    memory: int
    passes: int
    parallelism: int
    salt: bytes

    def check(self) -> None:
        """Raise KeyImportError for costs beyond the limits."""
        if self.flavour not in _ARGON2:
            raise UnsupportedKeyError(f"PPK with the key derivation {self.flavour!a}")
        cheap = self.memory <= MAXIMUM_MEMORY and self.memory * self.passes <= MAXIMUM_WORK
        possible = self.passes >= 1 and 1 <= self.parallelism <= MAXIMUM_PARALLELISM
        if not (cheap and possible and self.memory >= 8 * self.parallelism):
            raise KeyImportError(
                f"PPK with Argon2 over {self.memory} KiB, {self.passes} passes and "
                f"{self.parallelism} lanes"
            )
        if not 8 <= len(self.salt) <= 1024:
            raise KeyImportError(f"PPK with a salt of {len(self.salt)} bytes")

    def derive(self, passphrase: bytes) -> bytes:
        """Return key, IV and MAC key."""
        from cryptography.hazmat.primitives.kdf import argon2

        kinds: dict[str, type[argon2.Argon2id | argon2.Argon2i | argon2.Argon2d]] = {
            "Argon2id": argon2.Argon2id,
            "Argon2i": argon2.Argon2i,
            "Argon2d": argon2.Argon2d,
        }
        kdf = kinds[self.flavour](
            salt=self.salt,
            length=80,
            iterations=self.passes,
            lanes=self.parallelism,
            memory_cost=self.memory,
        )
        return kdf.derive(passphrase)


class PPKFile(Record):
    """A parsed file, not decrypted yet.

    Attributes:
        version: 2 or 3.
        algorithm: the key type.
        encrypted: whether a passphrase is needed.
        comment: the comment.
        public_data: blob of the public key.
        section: the private numbers, perhaps encrypted, with padding.
        mac: the MAC over everything.
        derivation: parameters of version 3, if encrypted.
    """

    version: int
    algorithm: bytes
    encrypted: bool
    comment: bytes
    public_data: bytes
    section: bytes
    mac: bytes
    derivation: _KeyDerivation | None

    def decrypt(self, passphrase: bytes | None) -> bytes:
        """Return the private key as in PROTOCOL.key section 3.

        Raises KeyPassphraseError if the passphrase is missing or wrong, KeyImportError for a file
        that was changed, or of a key type that is not known.
        """
        secret, plain = b"", self.section
        if self.encrypted:
            if not passphrase:
                raise KeyPassphraseError("the private key is encrypted and needs a passphrase")
            if not plain or len(plain) % _BLOCK:
                raise KeyTruncatedError("the private section does not fill the blocks of AES")
            secret = self._secret(passphrase)
            plain = _AES.open(secret[:48], plain) or b""
        if not hmac.compare_digest(self._mac(secret, passphrase, plain), self.mac):
            if self.encrypted:
                raise KeyPassphraseError("wrong passphrase, or a damaged private key")
            raise KeyImportError("PPK whose MAC is wrong: the file was changed")
        return to_openssh(self.algorithm, self.public_data, plain)

    def _secret(self, passphrase: bytes) -> bytes:
        if self.derivation is not None:
            return self.derivation.derive(passphrase)
        parts = (hashlib.sha1(bytes((0, 0, 0, n)) + passphrase).digest() for n in range(2))
        return b"".join(parts)[:32] + bytes(16)

    def _mac(self, secret: bytes, passphrase: bytes | None, plain: bytes) -> bytes:
        encryption = b"aes256-cbc" if self.encrypted else b"none"
        fields = (self.algorithm, encryption, self.comment, self.public_data, plain)
        data = b"".join(map(encode_string, fields))
        if self.version == 3:
            return hmac.digest(secret[48:], data, "sha256")
        used = (passphrase or b"") if self.encrypted else b""
        key = hashlib.sha1(b"putty-private-key-file-mac-key" + used).digest()
        return hmac.digest(key, data, "sha1")


def decode_ppk(data: bytes) -> PPKFile:
    """Read the clear part of a file.

    Raises UnsupportedKeyError for an unknown version, cipher or key derivation, KeyTruncatedError
    for missing lines, KeyImportError for costs beyond the limits.
    """
    lines = _Lines(data)
    head, algorithm = lines.split()
    if head not in (MAGIC + b"2", MAGIC + b"3"):
        raise UnsupportedKeyError(f"unknown PPK version {printable(head)}")
    version = int(head[-1:])
    encryption, comment = lines.header(b"Encryption"), lines.header(b"Comment")
    if encryption not in (b"none", b"aes256-cbc"):
        raise UnsupportedKeyError(f"unknown PPK cipher {printable(encryption)}")
    encrypted = encryption != b"none"
    public_data = lines.body(b"Public-Lines")
    derivation = None
    if version == 3 and encrypted:
        derivation = _KeyDerivation(
            lines.header(b"Key-Derivation").decode("ascii", "replace"),
            lines.number(b"Argon2-Memory"),
            lines.number(b"Argon2-Passes"),
            lines.number(b"Argon2-Parallelism"),
            lines.hexadecimal(b"Argon2-Salt"),
        )
        derivation.check()
    section = lines.body(b"Private-Lines")
    mac = lines.hexadecimal(b"Private-MAC")
    return PPKFile(version, algorithm, encrypted, comment, public_data, section, mac, derivation)


class _Lines:
    """Reads a file line by line; raises KeyTruncatedError if another line is there, or none."""

    def __init__(self, data: bytes) -> None:
        text = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._lines = iter(text.split(b"\n"))

    def split(self) -> tuple[bytes, bytes]:
        name, colon, value = next(self._lines, b"").partition(b": ")
        if not colon:
            raise KeyTruncatedError("PPK line without a header")
        return name, value

    def header(self, name: bytes) -> bytes:
        found, value = self.split()
        if found != name:
            raise KeyTruncatedError(f"PPK without {name.decode()}")
        return value

    def number(self, name: bytes) -> int:
        value = self.header(name)
        if not value.isdigit() or len(value) > 10:
            raise KeyImportError(f"PPK whose {name.decode()} is no number")
        return int(value)

    def hexadecimal(self, name: bytes) -> bytes:
        try:
            return binascii.unhexlify(self.header(name))
        except binascii.Error:
            raise KeyImportError(f"PPK whose {name.decode()} is not hexadecimal") from None

    def body(self, name: bytes) -> bytes:
        count = self.number(name)
        if count > MAXIMUM_LINES:
            raise KeyImportError(f"PPK with {count} lines")
        return decode_base64(b"".join(next(self._lines, b"").strip() for _ in range(count)))


def to_openssh(algorithm: bytes, public_data: bytes, plain: bytes) -> bytes:
    """Return the private key as of PROTOCOL.key, from public blob and PuTTY's private numbers."""
    public, private = Reader(public_data), Reader(plain)
    try:
        if public.string() != algorithm:
            raise KeyImportError("PPK with a key of another type than it says")
        fields = public.rest()
        if algorithm == b"ssh-rsa":
            numbers = Reader(fields)
            e, n = numbers.mpint(), numbers.mpint()
            d, p, q, iqmp = (private.mpint() for _ in range(4))
            fields = b"".join(map(encode_mpint, (n, e, d, iqmp, p, q)))
        elif algorithm in (b"ssh-ed25519", b"ssh-ed448"):
            fields += encode_string(private.string() + Reader(fields).string())
        elif algorithm == b"ssh-dss" or algorithm.startswith(b"ecdsa-sha2-nistp"):
            fields += encode_mpint(private.mpint())
        else:
            raise UnsupportedKeyError(f"PPK with the key type {printable(algorithm)}")
    except PacketDecodeError as exc:
        raise KeyTruncatedError(f"PPK: {exc}") from None
    return encode_string(algorithm) + fields


def to_putty(algorithm: bytes, private_data: bytes) -> bytes:
    """Return PuTTY's private numbers, from a private key as of PROTOCOL.key."""
    reader = Reader(private_data)
    reader.string()
    if algorithm == b"ssh-rsa":
        _n, _e, d, iqmp, p, q = (reader.mpint() for _ in range(6))
        return b"".join(map(encode_mpint, (d, p, q, iqmp)))
    if algorithm in (b"ssh-ed25519", b"ssh-ed448"):
        size = len(reader.string())
        return encode_string(reader.string()[:size])
    if algorithm == b"ssh-dss":
        return encode_mpint([reader.mpint() for _ in range(5)][-1])
    if algorithm.startswith(b"ecdsa-sha2-nistp"):
        reader.string(), reader.string()
        return encode_mpint(reader.mpint())
    raise KeyExportError(f"PuTTY has no {algorithm.decode()} keys")


def encode_ppk(
    version: int,
    algorithm: bytes,
    public_data: bytes,
    private_data: bytes,
    comment: bytes,
    passphrase: bytes,
    rounds: int,
    random: Callable[[int], bytes] = urandom,
) -> bytes:
    """Return a file.

    Parameters:
        version: 2 or 3.
        algorithm: the key type.
        public_data: blob of the public key.
        private_data: the private key as of PROTOCOL.key.
        comment: the comment, without line breaks.
        passphrase: empty for an unencrypted file.
        rounds: passes of Argon2id over 8 MiB; version 2 has no such cost.
        random: source of the salt.

    Raises KeyExportError for a key type that PuTTY does not have, KeyEncryptionError for rounds
    out of range.
    """
    plain = to_putty(algorithm, private_data)
    derivation = None
    if passphrase:
        # PuTTY fills the last block with a hash of the section, so that it is no constant.
        plain += hashlib.sha1(plain).digest()[: -len(plain) % _BLOCK]
        if version == 3:
            if not 1 <= rounds <= MAXIMUM_WORK // DEFAULT_MEMORY:
                raise KeyEncryptionError(f"{rounds} passes of Argon2id")
            derivation = _KeyDerivation("Argon2id", DEFAULT_MEMORY, rounds, 1, random(SALT_SIZE))
    file = PPKFile(version, algorithm, bool(passphrase), comment, public_data, b"", b"", derivation)
    secret = file._secret(passphrase) if passphrase else b""
    mac = file._mac(secret, passphrase, plain)
    section = _AES.seal(secret[:48], plain) if passphrase else plain
    head = [
        MAGIC + b"%d: %b" % (version, algorithm),
        b"Encryption: " + (b"aes256-cbc" if passphrase else b"none"),
        b"Comment: " + comment,
        *_body(b"Public-Lines", public_data),
    ]
    if derivation is not None:
        head += [
            b"Key-Derivation: Argon2id",
            b"Argon2-Memory: %d" % derivation.memory,
            b"Argon2-Passes: %d" % derivation.passes,
            b"Argon2-Parallelism: %d" % derivation.parallelism,
            b"Argon2-Salt: " + derivation.salt.hex().encode(),
        ]
    tail = [*_body(b"Private-Lines", section), b"Private-MAC: " + mac.hex().encode(), b""]
    return b"\n".join(head + tail)


def _body(name: bytes, data: bytes) -> list[bytes]:
    text = b64encode(data)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return [b"%b: %d" % (name, len(lines)), *lines]
