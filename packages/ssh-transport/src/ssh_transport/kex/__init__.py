"""The key exchange table: one row per method, in order of preference."""

from __future__ import annotations

from functools import partial

from cryptography.hazmat.primitives.asymmetric import ec

from ssh_keys.algorithms import Registry, Status

from ..gss import gssapi_available
from ..protocols import KexAlgorithm
from . import dh, dh_gex, ecdh, gss, rsa
from .curve import X448, X25519
from .dh_groups import BUILT_IN
from .ecdh import CurveExchange, Exchange, NISTCurve
from .hybrid import MLKEM768, MLKEM1024, HybridExchange
from .sntrup761 import SNTRUP761

__all__ = ["KEX_METHODS"]


def _two_messages(
    name: bytes,
    hash_name: str,
    exchange: Exchange,
    status: Status = Status.DEFAULT,
    post_quantum: bool = False,
    slow: bool = False,
) -> KexAlgorithm:
    return KexAlgorithm(
        name,
        hash_name,
        client=partial(ecdh.client, exchange=exchange),
        server=partial(ecdh.server, exchange=exchange),
        status=status,
        post_quantum=post_quantum,
        slow=slow,
    )


def _group(name: bytes, hash_name: str, bits: int, status: Status) -> KexAlgorithm:
    group = BUILT_IN[bits]
    return KexAlgorithm(
        name,
        hash_name,
        client=partial(dh.client, group=group),
        server=partial(dh.server, group=group),
        status=status,
        slow=True,
    )


def _group_exchange(name: bytes, hash_name: str, status: Status) -> KexAlgorithm:
    return KexAlgorithm(name, hash_name, dh_gex.client, dh_gex.server, status, slow=True)


def _rsa(name: bytes, hash_name: str, method: rsa.RSAMethod, status: Status) -> KexAlgorithm:
    return KexAlgorithm(
        name,
        hash_name,
        client=partial(rsa.client, method=method),
        server=partial(rsa.server, method=method),
        status=status,
        slow=True,
    )


def _gss(family: bytes, hash_name: str, agreement: gss.Agreement, status: Status) -> KexAlgorithm:
    return KexAlgorithm(
        gss.method_name(family),
        hash_name,
        client=partial(gss.client, agreement=agreement),
        server=partial(gss.server, agreement=agreement),
        status=status,
        slow=True,
        probe=gssapi_available,
        needs=_NEEDS_GSSAPI,
    )


def _gss_group(family: bytes, hash_name: str, bits: int, status: Status) -> KexAlgorithm:
    return _gss(family, hash_name, gss.GroupAgreement(BUILT_IN[bits]), status)


def _gss_group_exchange(family: bytes, hash_name: str, status: Status) -> KexAlgorithm:
    return KexAlgorithm(
        gss.method_name(family),
        hash_name,
        gss.client_group_exchange,
        gss.server_group_exchange,
        status,
        slow=True,
        probe=gssapi_available,
        needs=_NEEDS_GSSAPI,
    )


_NEEDS_GSSAPI = "the gssapi package: install the extra gssapi"

_P256 = NISTCurve(ec.SECP256R1())
_P384 = NISTCurve(ec.SECP384R1())
_P521 = NISTCurve(ec.SECP521R1())
_SECP256K1 = NISTCurve(ec.SECP256K1())
_X25519 = X25519()
_X448 = X448()
_CURVE25519 = CurveExchange(_X25519)

_DEFAULT = Status.DEFAULT
_SUPPORTED = Status.SUPPORTED
_INSECURE = Status.INSECURE

_ROWS: tuple[KexAlgorithm, ...] = (
    # Post-quantum first: what is recorded today must not be readable later. The NIST curves
    # are for those who must use them, fixed groups below 3072 bits for old devices.
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
    # Our own sntrup761 takes 0.2 s of a client and is not constant-time, see its module.
    *(
        _two_messages(
            name,
            "sha512",
            HybridExchange(SNTRUP761(), _X25519, "sha512"),
            _SUPPORTED,
            post_quantum=True,
            slow=True,
        )
        for name in (b"sntrup761x25519-sha512", b"sntrup761x25519-sha512@openssh.com")
    ),
    _two_messages(b"curve25519-sha256", "sha256", _CURVE25519),
    _two_messages(b"curve25519-sha256@libssh.org", "sha256", _CURVE25519),
    _two_messages(b"curve448-sha512", "sha512", CurveExchange(_X448), _SUPPORTED),
    _two_messages(b"ecdh-sha2-nistp256", "sha256", CurveExchange(_P256), _SUPPORTED),
    _two_messages(b"ecdh-sha2-nistp384", "sha384", CurveExchange(_P384), _SUPPORTED),
    _two_messages(b"ecdh-sha2-nistp521", "sha512", CurveExchange(_P521), _SUPPORTED),
    _group(b"diffie-hellman-group16-sha512", "sha512", 4096, _DEFAULT),
    _group(b"diffie-hellman-group18-sha512", "sha512", 8192, _DEFAULT),
    _group(b"diffie-hellman-group17-sha512", "sha512", 6144, _SUPPORTED),
    _group(b"diffie-hellman-group15-sha512", "sha512", 3072, _SUPPORTED),
    _group_exchange(b"diffie-hellman-group-exchange-sha256", "sha256", _DEFAULT),
    _group(b"diffie-hellman-group14-sha256", "sha256", 2048, _SUPPORTED),
    _rsa(b"rsa2048-sha256", "sha256", rsa.RSA2048_SHA256, _SUPPORTED),
    # Of ssh.com: known groups with other hashes. And a curve that has no name in RFC 5656.
    _group(b"diffie-hellman-group14-sha256@ssh.com", "sha256", 2048, _SUPPORTED),
    _group(b"diffie-hellman-group14-sha224@ssh.com", "sha224", 2048, _SUPPORTED),
    _group(b"diffie-hellman-group15-sha256@ssh.com", "sha256", 3072, _SUPPORTED),
    _group(b"diffie-hellman-group15-sha384@ssh.com", "sha384", 3072, _SUPPORTED),
    _group(b"diffie-hellman-group16-sha384@ssh.com", "sha384", 4096, _SUPPORTED),
    _group(b"diffie-hellman-group16-sha512@ssh.com", "sha512", 4096, _SUPPORTED),
    _group(b"diffie-hellman-group18-sha512@ssh.com", "sha512", 8192, _SUPPORTED),
    _group_exchange(b"diffie-hellman-group-exchange-sha224@ssh.com", "sha224", _SUPPORTED),
    _group_exchange(b"diffie-hellman-group-exchange-sha384@ssh.com", "sha384", _SUPPORTED),
    _group_exchange(b"diffie-hellman-group-exchange-sha512@ssh.com", "sha512", _SUPPORTED),
    _two_messages(b"ecdh-sha2-1.3.132.0.10", "sha256", CurveExchange(_SECP256K1), _SUPPORTED),
    _group_exchange(b"diffie-hellman-group-exchange-sha1", "sha1", _INSECURE),
    _group(b"diffie-hellman-group14-sha1", "sha1", 2048, _INSECURE),
    _group(b"diffie-hellman-group1-sha1", "sha1", 1024, _INSECURE),
    _rsa(b"rsa1024-sha1", "sha1", rsa.RSA1024_SHA1, _INSECURE),
    # With Kerberos 5; only for applications that ask for GSS-API.
    _gss(b"gss-curve25519-sha256-", "sha256", gss.CurveAgreement(_X25519), _SUPPORTED),
    _gss(b"gss-curve448-sha512-", "sha512", gss.CurveAgreement(_X448), _SUPPORTED),
    _gss(b"gss-nistp256-sha256-", "sha256", gss.CurveAgreement(_P256), _SUPPORTED),
    _gss(b"gss-nistp384-sha384-", "sha384", gss.CurveAgreement(_P384), _SUPPORTED),
    _gss(b"gss-nistp521-sha512-", "sha512", gss.CurveAgreement(_P521), _SUPPORTED),
    _gss_group(b"gss-group16-sha512-", "sha512", 4096, _SUPPORTED),
    _gss_group(b"gss-group18-sha512-", "sha512", 8192, _SUPPORTED),
    _gss_group(b"gss-group17-sha512-", "sha512", 6144, _SUPPORTED),
    _gss_group(b"gss-group15-sha512-", "sha512", 3072, _SUPPORTED),
    _gss_group_exchange(b"gss-gex-sha256-", "sha256", _SUPPORTED),
    _gss_group(b"gss-group14-sha256-", "sha256", 2048, _SUPPORTED),
    _gss_group_exchange(b"gss-gex-sha1-", "sha1", _INSECURE),
    _gss_group(b"gss-group14-sha1-", "sha1", 2048, _INSECURE),
    _gss_group(b"gss-group1-sha1-", "sha1", 1024, _INSECURE),
)

# Options name the family, "gss-gex-sha256"; on the wire the mechanism is behind it, which can only
# be Kerberos here. ssh -Q and GSSAPIKexAlgorithms print the hyphen as well.
_FAMILIES = {
    family: row.name
    for row in _ROWS
    if row.name.startswith(b"gss-")
    for family in (row.name.removesuffix(gss.method_name(b"")), row.name.rpartition(b"-")[0])
}

KEX_METHODS: Registry[KexAlgorithm] = Registry("key exchange method", _ROWS, _FAMILIES)
"""Every key exchange method by name."""
