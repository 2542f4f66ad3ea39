"""The MAC table: one row per name, in order of preference."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cryptography.hazmat.primitives import hashes

from ssh_keys.algorithms import Registry, Status

from ..protocols import MAC, MACAlgorithm
from .hmac import HMACPacketMAC, TruncatedHMAC
from .umac import UMACPacketMAC, nettle_available

__all__ = ["MACS"]


def _hmac(algorithm: hashes.HashAlgorithm) -> Callable[[bytes], MAC]:
    return partial(HMACPacketMAC, algorithm=algorithm)


def _hmac_96(algorithm: hashes.HashAlgorithm) -> Callable[[bytes], MAC]:
    return partial(TruncatedHMAC, algorithm=algorithm)


def _umac(name: bytes, bits: int, etm: bool, status: Status) -> MACAlgorithm:
    new = partial(UMACPacketMAC, bits=bits)
    return MACAlgorithm(name, 16, bits // 8, etm, new, status, nettle_available)


_SHA224 = _hmac(hashes.SHA224())
_SHA256 = _hmac(hashes.SHA256())
_SHA384 = _hmac(hashes.SHA384())
_SHA512 = _hmac(hashes.SHA512())
_SHA1 = _hmac(hashes.SHA1())
_MD5 = _hmac(hashes.MD5())
_SHA256_96 = _hmac_96(hashes.SHA256())
_SHA512_96 = _hmac_96(hashes.SHA512())
_SHA1_96 = _hmac_96(hashes.SHA1())
_MD5_96 = _hmac_96(hashes.MD5())

_DEFAULT = Status.DEFAULT
_SUPPORTED = Status.SUPPORTED
_INSECURE = Status.INSECURE

MACS: Registry[MACAlgorithm] = Registry(
    "MAC",
    (
        # On by default are EtM forms with 128 bits and more: the MAC is checked before anything is
        # decrypted, so neither timing nor the kind of error tells about the plaintext (PROTOCOL
        # section 1.5). SHA-256 before SHA-512: half the time where the CPU has SHA instructions.
        MACAlgorithm(b"hmac-sha2-256-etm@openssh.com", 32, 32, True, _SHA256),
        MACAlgorithm(b"hmac-sha2-512-etm@openssh.com", 64, 64, True, _SHA512),
        _umac(b"umac-128-etm@openssh.com", 128, True, _DEFAULT),
        # Encrypt-and-MAC (RFC 4253 section 6.4), and tags of 64 bits.
        MACAlgorithm(b"hmac-sha2-256", 32, 32, False, _SHA256, _SUPPORTED),
        MACAlgorithm(b"hmac-sha2-512", 64, 64, False, _SHA512, _SUPPORTED),
        _umac(b"umac-128@openssh.com", 128, False, _SUPPORTED),
        _umac(b"umac-64-etm@openssh.com", 64, True, _SUPPORTED),
        _umac(b"umac-64@openssh.com", 64, False, _SUPPORTED),
        # Of ssh.com, from before RFC 6668 and beside it.
        MACAlgorithm(b"hmac-sha256-2@ssh.com", 32, 32, False, _SHA256, _SUPPORTED),
        MACAlgorithm(b"hmac-sha224@ssh.com", 28, 28, False, _SHA224, _SUPPORTED),
        MACAlgorithm(b"hmac-sha256@ssh.com", 16, 32, False, _SHA256, _SUPPORTED),
        MACAlgorithm(b"hmac-sha384@ssh.com", 48, 48, False, _SHA384, _SUPPORTED),
        MACAlgorithm(b"hmac-sha512@ssh.com", 64, 64, False, _SHA512, _SUPPORTED),
        # Broken hashes, and tags that were cut for no reason.
        MACAlgorithm(b"hmac-sha1-etm@openssh.com", 20, 20, True, _SHA1, _INSECURE),
        MACAlgorithm(b"hmac-sha1", 20, 20, False, _SHA1, _INSECURE),
        MACAlgorithm(b"hmac-sha2-256-96-etm@openssh.com", 32, 12, True, _SHA256_96, _INSECURE),
        MACAlgorithm(b"hmac-sha2-512-96-etm@openssh.com", 64, 12, True, _SHA512_96, _INSECURE),
        MACAlgorithm(b"hmac-sha2-256-96", 32, 12, False, _SHA256_96, _INSECURE),
        MACAlgorithm(b"hmac-sha2-512-96", 64, 12, False, _SHA512_96, _INSECURE),
        MACAlgorithm(b"hmac-sha1-96-etm@openssh.com", 20, 12, True, _SHA1_96, _INSECURE),
        MACAlgorithm(b"hmac-sha1-96", 20, 12, False, _SHA1_96, _INSECURE),
        MACAlgorithm(b"hmac-md5-etm@openssh.com", 16, 16, True, _MD5, _INSECURE),
        MACAlgorithm(b"hmac-md5", 16, 16, False, _MD5, _INSECURE),
        MACAlgorithm(b"hmac-md5-96-etm@openssh.com", 16, 12, True, _MD5_96, _INSECURE),
        MACAlgorithm(b"hmac-md5-96", 16, 12, False, _MD5_96, _INSECURE),
    ),
)
"""Every MAC by name; negotiated only with a cipher that has no tag of its own."""
