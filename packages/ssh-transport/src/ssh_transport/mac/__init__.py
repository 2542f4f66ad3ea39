"""The MAC table: one row per name, in order of preference."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cryptography.hazmat.primitives import hashes

from ssh_keys.algorithms import Registry, Status

from ..protocols import MAC, MACAlgorithm
from .hmac import HMACPacketMAC, TruncatedHMAC

__all__ = ["MACS"]


def _hmac(algorithm: hashes.HashAlgorithm) -> Callable[[bytes], MAC]:
    return partial(HMACPacketMAC, algorithm=algorithm)


def _hmac_96(algorithm: hashes.HashAlgorithm) -> Callable[[bytes], MAC]:
    return partial(TruncatedHMAC, algorithm=algorithm)


_SHA256 = _hmac(hashes.SHA256())
_SHA512 = _hmac(hashes.SHA512())
_SHA1 = _hmac(hashes.SHA1())
_SHA1_96 = _hmac_96(hashes.SHA1())
_MD5 = _hmac(hashes.MD5())
_MD5_96 = _hmac_96(hashes.MD5())
_SHA256_96 = _hmac_96(hashes.SHA256())
_SHA512_96 = _hmac_96(hashes.SHA512())
_INSECURE = Status.INSECURE

MACS: Registry[MACAlgorithm] = Registry(
    "MAC",
    (
        # EtM first: the MAC is checked before anything is decrypted, so nothing leaks by timing or
        # by the kind of error (PROTOCOL section 1.5). SHA-256 before SHA-512: half the time per
        # byte where the CPU has SHA instructions.
        MACAlgorithm(b"hmac-sha2-256-etm@openssh.com", 32, 32, True, _SHA256),
        MACAlgorithm(b"hmac-sha2-512-etm@openssh.com", 64, 64, True, _SHA512),
        MACAlgorithm(b"hmac-sha2-256", 32, 32, False, _SHA256),
        MACAlgorithm(b"hmac-sha2-512", 64, 64, False, _SHA512),
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
