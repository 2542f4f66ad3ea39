"""The cipher table: one row per name, in order of preference."""

from __future__ import annotations

from functools import partial

from ssh_keys.algorithms import Registry, Status

from ..protocols import CipherAlgorithm
from .aes_gcm import AESGCMOpener, AESGCMSealer
from .chacha20_poly1305 import ChaCha20Poly1305Opener, ChaCha20Poly1305Sealer
from .contexts import AES_CBC, AES_CTR, BlockOrStreamCipher
from .legacy import (
    ARCFOUR,
    ARCFOUR_DISCARD,
    BLOWFISH_CBC,
    CAST128_CBC,
    SEED_CBC,
    TRIPLE_DES_CBC,
    usable,
)
from .none import NoneOpener, NoneSealer

__all__ = ["CIPHERS", "NoneOpener", "NoneSealer"]

# RFC 4344 section 3.2: 2**(L/4) blocks of L bits if L >= 128, else one gigabyte.
_AES_BLOCKS = 1 << 32

_GIGABYTE = (1 << 30) // 8


def _ctr(name: bytes, key_size: int) -> CipherAlgorithm:
    return CipherAlgorithm(
        name, key_size, 16, 16, 0, AES_CTR.sealer, AES_CTR.opener, rekey_blocks=_AES_BLOCKS
    )


def _cbc(name: bytes, key_size: int) -> CipherAlgorithm:
    return CipherAlgorithm(
        name,
        key_size,
        16,
        16,
        0,
        AES_CBC.sealer,
        AES_CBC.opener,
        Status.INSECURE,
        rekey_blocks=_AES_BLOCKS,
    )


def _legacy(
    name: bytes, key_size: int, iv_size: int, cipher: BlockOrStreamCipher
) -> CipherAlgorithm:
    return CipherAlgorithm(
        name,
        key_size,
        iv_size,
        cipher.block_size,
        0,
        cipher.sealer,
        cipher.opener,
        Status.INSECURE,
        rekey_blocks=_GIGABYTE,
        probe=partial(usable, cipher),
    )


def _gcm(name: bytes, key_size: int) -> CipherAlgorithm:
    return CipherAlgorithm(
        name, key_size, 12, 16, 16, AESGCMSealer, AESGCMOpener, rekey_blocks=_AES_BLOCKS
    )


CIPHERS: Registry[CipherAlgorithm] = Registry(
    "cipher",
    (
        # AES-GCM before chacha20-poly1305, other than OpenSSH: here the first is one call into
        # OpenSSL per packet and the second five, and with AES instructions (every server, desktop
        # and phone CPU of the last ten years) 32 KiB take 3 us against 16 us. AES-128 first: the
        # same strength against everything known, a fifth faster than AES-256.
        _gcm(b"aes128-gcm@openssh.com", 16),
        _gcm(b"aes256-gcm@openssh.com", 32),
        # Not a block cipher, so not bound by RFC 4344: this limit is 32 GiB.
        CipherAlgorithm(
            b"chacha20-poly1305@openssh.com",
            64,
            0,
            8,
            16,
            ChaCha20Poly1305Sealer,
            ChaCha20Poly1305Opener,
            rekey_blocks=1 << 32,
        ),
        _ctr(b"aes128-ctr", 16),
        _ctr(b"aes192-ctr", 24),
        _ctr(b"aes256-ctr", 32),
        # CBC as SSH uses it: chained from packet to packet, MAC over the plaintext
        # (CVE-2008-5161, RFC 4251 section 9.3.1).
        _cbc(b"aes128-cbc", 16),
        _cbc(b"aes192-cbc", 24),
        _cbc(b"aes256-cbc", 32),
        _legacy(b"3des-cbc", 24, 8, TRIPLE_DES_CBC),
        _legacy(b"blowfish-cbc", 16, 8, BLOWFISH_CBC),
        _legacy(b"cast128-cbc", 16, 8, CAST128_CBC),
        _legacy(b"seed-cbc@ssh.com", 16, 16, SEED_CBC),
        _legacy(b"arcfour256", 32, 0, ARCFOUR_DISCARD),
        _legacy(b"arcfour128", 16, 0, ARCFOUR_DISCARD),
        _legacy(b"arcfour", 16, 0, ARCFOUR),
    ),
)
"""Every cipher by name; those with `tag_size` 0 are used with a row of the MAC table."""
