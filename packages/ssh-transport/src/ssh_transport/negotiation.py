"""Negotiation of algorithms: KEXINIT, first match, guess, markers (RFC 4253 section 7.1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ssh_keys.record import Record

from .ciphers import CIPHERS
from .config import TransportConfig
from .constants import NULL_HOST_KEY, SSH_MSG_KEXINIT
from .errors import AlgorithmNegotiationError, ProtocolError
from .messages import KexInit
from .protocols import Role
from .suites import NegotiatedAlgorithms, Suite, suite_of

__all__ = [
    "EXT_INFO_CLIENT",
    "EXT_INFO_SERVER",
    "GSS_METHODS",
    "MARKERS",
    "STRICT_CLIENT",
    "STRICT_SERVER",
    "Offer",
    "agree",
    "decode_fields",
    "decode_kexinit",
    "encode_kexinit",
    "guess_is_right",
    "negotiate",
    "our_offer",
]

# Markers in kex_algorithms: RFC 8308 section 2.1, PROTOCOL section 1.9. They name no method.
EXT_INFO_CLIENT = b"ext-info-c"
EXT_INFO_SERVER = b"ext-info-s"
STRICT_CLIENT = b"kex-strict-c-v00@openssh.com"
STRICT_SERVER = b"kex-strict-s-v00@openssh.com"
MARKERS = frozenset((EXT_INFO_CLIENT, EXT_INFO_SERVER, STRICT_CLIENT, STRICT_SERVER))

GSS_METHODS = b"gss-"
"""What the names of the methods begin with that need no host key (RFC 4462 section 2.6)."""

_KEXINIT = bytes((SSH_MSG_KEXINIT,))
_COOKIE_SIZE = 16
_MAX_KEPT = 4096


class Offer(Record):
    """What is the same in every SSH_MSG_KEXINIT of the same configuration: all but its cookie.

    Parameters:
        init: the message.
        fields: the same, encoded.
    """

    init: KexInit
    fields: bytes


def our_offer(
    config: TransportConfig, host_key_algorithms: Sequence[bytes], *, first: bool
) -> Offer:
    """Return what a configuration offers.

    The markers belong to the first exchange only: they say what the connection is capable of.
    """
    return _offer(
        config.role if first else None,
        config.kex_algorithms,
        tuple(host_key_algorithms),
        config.ciphers,
        config.macs,
        config.compressions,
    )


def encode_kexinit(cookie: bytes, offer: Offer) -> bytes:
    """Return the payload of SSH_MSG_KEXINIT."""
    return _KEXINIT + cookie + offer.fields


@lru_cache(maxsize=16)
def _offer(
    markers: Role | None,
    kex: tuple[bytes, ...],
    host_keys: tuple[bytes, ...],
    ciphers: tuple[bytes, ...],
    macs: tuple[bytes, ...],
    compressions: tuple[bytes, ...],
) -> Offer:
    if markers is not None:
        client = markers is Role.CLIENT
        kex += (EXT_INFO_CLIENT, STRICT_CLIENT) if client else (EXT_INFO_SERVER, STRICT_SERVER)
    init = KexInit(
        kex_algorithms=kex,
        server_host_key_algorithms=host_keys,
        encryption_algorithms_client_to_server=ciphers,
        encryption_algorithms_server_to_client=ciphers,
        mac_algorithms_client_to_server=macs,
        mac_algorithms_server_to_client=macs,
        compression_algorithms_client_to_server=compressions,
        compression_algorithms_server_to_client=compressions,
        languages_client_to_server=(),
        languages_server_to_client=(),
        first_kex_packet_follows=False,
        reserved=0,
    )
    return Offer(init, init.encode()[1:])


def decode_kexinit(data: bytes, start: int, end: int) -> Offer:
    """Read the fields of SSH_MSG_KEXINIT; raises PacketDecodeError or ProtocolError."""
    if end - start < _COOKIE_SIZE:
        raise ProtocolError("KEXINIT without a whole cookie")
    return decode_fields(data[start + _COOKIE_SIZE : end])


def decode_fields(fields: bytes) -> Offer:
    """Read SSH_MSG_KEXINIT behind its cookie; raises PacketDecodeError."""
    return _decode(fields) if len(fields) <= _MAX_KEPT else Offer(KexInit.decode(fields), fields)


# Most peers are of a few kinds, and each kind always sends the same names: they are read once. What
# is unusually long is not kept, so that peers can not make us hold much.
@lru_cache(maxsize=128)
def _decode(fields: bytes) -> Offer:
    return Offer(KexInit.decode(fields), fields)


def _first_match(kind: str, client: Sequence[bytes], server: Sequence[bytes], role: Role) -> bytes:
    for name in client:
        if name in server and name not in MARKERS:
            return name
    ours, theirs = (client, server) if role is Role.CLIENT else (server, client)
    raise AlgorithmNegotiationError(
        kind,
        [name for name in ours if name not in MARKERS],
        [name for name in theirs if name not in MARKERS],
    )


def _mac(
    cipher: bytes, kind: str, client: Sequence[bytes], server: Sequence[bytes], role: Role
) -> bytes:
    # RFC 5647 section 5.1 and PROTOCOL: an AEAD cipher leaves the MAC lists unread.
    return b"" if CIPHERS[cipher].tag_size else _first_match(kind, client, server, role)


def agree(role: Role, ours: Offer, theirs: Offer) -> Suite:
    """Return what both offers come to; raises as `negotiate`."""
    if len(theirs.fields) > _MAX_KEPT:
        return suite_of(role, negotiate(role, ours.init, theirs.init))
    return _agree(role, ours.fields, theirs.fields)


@lru_cache(maxsize=128)  # as for `_decode`: nothing but these bytes decides
def _agree(role: Role, ours: bytes, theirs: bytes) -> Suite:
    return suite_of(role, negotiate(role, _decode(ours).init, _decode(theirs).init))


def negotiate(role: Role, ours: KexInit, theirs: KexInit) -> NegotiatedAlgorithms:
    """Return what both sides agree on: the client's first name that the server also has.

    Raises AlgorithmNegotiationError, which carries the kind and both lists.
    """
    client, server = (ours, theirs) if role is Role.CLIENT else (theirs, ours)

    def match(kind: str, of_client: Sequence[bytes], of_server: Sequence[bytes]) -> bytes:
        return _first_match(kind, of_client, of_server, role)

    methods: Sequence[bytes] = client.kex_algorithms
    offered: Sequence[bytes] = client.server_host_key_algorithms
    keys = server.server_host_key_algorithms
    if NULL_HOST_KEY in offered:
        signing = [name for name in offered if name != NULL_HOST_KEY]
        if NULL_HOST_KEY in keys and not any(name in keys for name in signing):
            # A method is skipped if it needs a key that signs and there is none in common.
            methods = [name for name in methods if name.startswith(GSS_METHODS)]
        kex = match("key exchange method", methods, server.kex_algorithms)
        offered = offered if kex.startswith(GSS_METHODS) else signing
    else:
        kex = match("key exchange method", methods, server.kex_algorithms)
    host_key = match("host key algorithm", offered, keys)
    cipher_cs = match(
        "cipher client to server",
        client.encryption_algorithms_client_to_server,
        server.encryption_algorithms_client_to_server,
    )
    cipher_sc = match(
        "cipher server to client",
        client.encryption_algorithms_server_to_client,
        server.encryption_algorithms_server_to_client,
    )
    return NegotiatedAlgorithms(
        kex=kex,
        host_key=host_key,
        cipher_cs=cipher_cs,
        cipher_sc=cipher_sc,
        mac_cs=_mac(
            cipher_cs,
            "MAC client to server",
            client.mac_algorithms_client_to_server,
            server.mac_algorithms_client_to_server,
            role,
        ),
        mac_sc=_mac(
            cipher_sc,
            "MAC server to client",
            client.mac_algorithms_server_to_client,
            server.mac_algorithms_server_to_client,
            role,
        ),
        compression_cs=match(
            "compression client to server",
            client.compression_algorithms_client_to_server,
            server.compression_algorithms_client_to_server,
        ),
        compression_sc=match(
            "compression server to client",
            client.compression_algorithms_server_to_client,
            server.compression_algorithms_server_to_client,
        ),
    )


def guess_is_right(ours: KexInit, theirs: KexInit) -> bool:
    """Whether a first packet sent on a guess counts (RFC 4253 section 7: both first choices)."""

    def first(names: Sequence[bytes]) -> bytes:
        return next((name for name in names if name not in MARKERS), b"")

    return first(ours.kex_algorithms) == first(theirs.kex_algorithms) and first(
        ours.server_host_key_algorithms
    ) == first(theirs.server_host_key_algorithms)
