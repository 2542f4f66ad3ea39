"""The cipher table: one row per name, in order of preference."""

from __future__ import annotations

from ssh_keys.algorithms import Registry

from ..protocols import CipherAlgorithm
from .aes_gcm import AESGCMOpener, AESGCMSealer
from .chacha20_poly1305 import ChaCha20Poly1305Opener, ChaCha20Poly1305Sealer
from .contexts import AES_CTR
from .none import NoneOpener, NoneSealer

__all__ = ["CIPHERS", "NoneOpener", "NoneSealer"]

# RFC 4344 section 3.2: 2**(L/4) blocks of L bits if L >= 128, else one gigabyte.
_AES_BLOCKS = 1 << 32

CIPHERS: Registry[CipherAlgorithm] = Registry(
    "cipher",
    (
        # AES-GCM before chacha20-poly1305, other than OpenSSH: here the first is one call into
        # OpenSSL per packet and the second five, and with AES instructions (every server, desktop
        # and phone CPU of the last ten years) 32 KiB take 3 us against 16 us. AES-128 first: the
        # same strength against everything known, about a quarter less work than AES-256.
        CipherAlgorithm(
            b"aes128-gcm@openssh.com", 16, 12, 16, 16, AESGCMSealer, AESGCMOpener,
            rekey_blocks=_AES_BLOCKS,
        ),
        CipherAlgorithm(
            b"aes256-gcm@openssh.com", 32, 12, 16, 16, AESGCMSealer, AESGCMOpener,
            rekey_blocks=_AES_BLOCKS,
        ),
        # No block cipher, so no bound of RFC 4344: this one is 32 GiB.
        CipherAlgorithm(
            b"chacha20-poly1305@openssh.com", 64, 0, 8, 16,
            ChaCha20Poly1305Sealer, ChaCha20Poly1305Opener,
            rekey_blocks=1 << 32,
        ),
        CipherAlgorithm(
            b"aes128-ctr", 16, 16, 16, 0, AES_CTR.sealer, AES_CTR.opener, rekey_blocks=_AES_BLOCKS
        ),
        CipherAlgorithm(
            b"aes192-ctr", 24, 16, 16, 0, AES_CTR.sealer, AES_CTR.opener, rekey_blocks=_AES_BLOCKS
        ),
        CipherAlgorithm(
            b"aes256-ctr", 32, 16, 16, 0, AES_CTR.sealer, AES_CTR.opener, rekey_blocks=_AES_BLOCKS
        ),
    ),
)  # fmt: skip
"""Every cipher by name; those with `tag_size` 0 are used with a row of the MAC table."""
