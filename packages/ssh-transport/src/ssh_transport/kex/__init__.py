"""The key exchange table: one row per method, in order of preference."""

from __future__ import annotations

from functools import partial

from cryptography.hazmat.primitives.asymmetric import ec

from ssh_keys.algorithms import Registry, Status

from ..protocols import KexAlgorithm
from . import ecdh
from .curve import X448, X25519
from .ecdh import CurveExchange, Exchange, NISTCurve
from .hybrid import MLKEM768, MLKEM1024, HybridExchange

__all__ = ["KEX_METHODS"]


def _two_messages(
    name: bytes,
    hash_name: str,
    exchange: Exchange,
    status: Status = Status.DEFAULT,
    post_quantum: bool = False,
) -> KexAlgorithm:
    return KexAlgorithm(
        name,
        hash_name,
        client=partial(ecdh.client, exchange=exchange),
        server=partial(ecdh.server, exchange=exchange),
        status=status,
        post_quantum=post_quantum,
    )


_P256 = NISTCurve(ec.SECP256R1())
_P384 = NISTCurve(ec.SECP384R1())
_P521 = NISTCurve(ec.SECP521R1())
_X25519 = X25519()
_CURVE25519 = CurveExchange(_X25519)

_SUPPORTED = Status.SUPPORTED

KEX_METHODS: Registry[KexAlgorithm] = Registry(
    "key exchange method",
    (
        # Post-quantum first: what is recorded today must not be readable later.
        _two_messages(
            b"mlkem768x25519-sha256",
            "sha256",
            HybridExchange(MLKEM768(), _X25519, "sha256"),
            post_quantum=True,
        ),
        _two_messages(
            b"mlkem768nistp256-sha256",
            "sha256",
            HybridExchange(MLKEM768(), _P256, "sha256"),
            _SUPPORTED,
            post_quantum=True,
        ),
        _two_messages(
            b"mlkem1024nistp384-sha384",
            "sha384",
            HybridExchange(MLKEM1024(), _P384, "sha384"),
            _SUPPORTED,
            post_quantum=True,
        ),
        _two_messages(b"curve25519-sha256", "sha256", _CURVE25519),
        _two_messages(b"curve25519-sha256@libssh.org", "sha256", _CURVE25519),
        _two_messages(b"curve448-sha512", "sha512", CurveExchange(X448()), _SUPPORTED),
        _two_messages(b"ecdh-sha2-nistp256", "sha256", CurveExchange(_P256)),
        _two_messages(b"ecdh-sha2-nistp384", "sha384", CurveExchange(_P384)),
        _two_messages(b"ecdh-sha2-nistp521", "sha512", CurveExchange(_P521)),
    ),
)
"""Every key exchange method by name."""
