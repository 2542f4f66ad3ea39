"""The ciphers of `openssh-key-v1` files, one table row each.

They are the transport ciphers of SSH used once on the whole private section, with key and IV (in
this order) out of the key derivation.
"""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest
from typing import TYPE_CHECKING

from ssh_keys.record import Record

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext

__all__ = ["CIPHERS", "KeyCipher"]


class KeyCipher(Record):
    """How a private section is encrypted.

    Attributes:
        name: name of the cipher (RFC 4253 section 6.3 and its extensions).
        key_size: bytes of key; 0 for no encryption.
        iv_size: bytes of initialization vector that follow the key.
        block_size: what the section is padded to.
        tag_size: bytes of authentication tag behind the section.
        seal: (key and IV, plain section) to section and tag.
        open: (key and IV, section and tag) to plain section, None if the tag is wrong.
    """

    name: bytes
    key_size: int
    iv_size: int
    block_size: int
    tag_size: int
    seal: Callable[[bytes, bytes], bytes]
    open: Callable[[bytes, bytes], bytes | None]


def _copy(secret: bytes, data: bytes) -> bytes:
    return data


def _run(context: CipherContext, data: bytes) -> bytes:
    return context.update(data) + context.finalize()


def _aes(name: bytes, bits: int, mode_name: str) -> KeyCipher:
    # The imports of cryptography wait for a key that is encrypted at all.
    def seal(secret: bytes, data: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        key, iv = secret[:-16], secret[-16:]
        mode = modes.CBC(iv) if mode_name == "cbc" else modes.CTR(iv)
        return _run(Cipher(algorithms.AES(key), mode).encryptor(), data)

    def open_(secret: bytes, data: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        key, iv = secret[:-16], secret[-16:]
        mode = modes.CBC(iv) if mode_name == "cbc" else modes.CTR(iv)
        return _run(Cipher(algorithms.AES(key), mode).decryptor(), data)

    return KeyCipher(name, bits // 8, 16, 16, 0, seal, open_)


def _seal_3des(secret: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    return _run(Cipher(TripleDES(secret[:24]), modes.CBC(secret[24:])).encryptor(), data)


def _open_3des(secret: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    return _run(Cipher(TripleDES(secret[:24]), modes.CBC(secret[24:])).decryptor(), data)


def _seal_gcm(secret: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(secret[:-12]).encrypt(secret[-12:], data, None)


def _open_gcm(secret: bytes, data: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(secret[:-12]).decrypt(secret[-12:], data, None)
    except InvalidTag:
        return None


def _chacha20(secret: bytes, data: bytes) -> tuple[bytes, bytes]:
    """Return (Poly1305 key, transformed data): PROTOCOL.chacha20poly1305 with sequence number 0.

    The first 32 bytes of the key are K_2; K_1, for the packet length, has nothing to encrypt here.
    """
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

    context = Cipher(algorithms.ChaCha20(secret[:32], bytes(16)), None).encryptor()
    block = context.update(bytes(64))
    return block[:32], context.update(data)


def _seal_chacha(secret: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.poly1305 import Poly1305

    poly_key, encrypted = _chacha20(secret, data)
    return encrypted + Poly1305.generate_tag(poly_key, encrypted)


def _open_chacha(secret: bytes, data: bytes) -> bytes | None:
    from cryptography.hazmat.primitives.poly1305 import Poly1305

    encrypted, tag = data[:-16], data[-16:]
    poly_key, plain = _chacha20(secret, encrypted)
    if not compare_digest(Poly1305.generate_tag(poly_key, encrypted), tag):
        return None
    return plain


CIPHERS = {
    cipher.name: cipher
    for cipher in (
        _aes(b"aes256-ctr", 256, "ctr"),
        _aes(b"aes192-ctr", 192, "ctr"),
        _aes(b"aes128-ctr", 128, "ctr"),
        KeyCipher(b"aes256-gcm@openssh.com", 32, 12, 16, 16, _seal_gcm, _open_gcm),
        KeyCipher(b"aes128-gcm@openssh.com", 16, 12, 16, 16, _seal_gcm, _open_gcm),
        KeyCipher(b"chacha20-poly1305@openssh.com", 64, 0, 8, 16, _seal_chacha, _open_chacha),
        _aes(b"aes256-cbc", 256, "cbc"),
        _aes(b"aes192-cbc", 192, "cbc"),
        _aes(b"aes128-cbc", 128, "cbc"),
        KeyCipher(b"3des-cbc", 24, 8, 8, 0, _seal_3des, _open_3des),
        KeyCipher(b"none", 0, 0, 8, 0, _copy, _copy),
    )
}
