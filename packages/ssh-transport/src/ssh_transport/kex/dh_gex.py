"""Diffie-Hellman with a group that the server chooses (RFC 4419, RFC 8270).

Groups have 2048 to 8192 bits, whatever the peer asks for. A server understands the form with the
preferred size alone as well (SSH_MSG_KEX_DH_GEX_REQUEST_OLD, before RFC 4419); a client never
sends it.
"""

from __future__ import annotations

from collections.abc import Collection

from ssh_keys.wire import encode_mpint, encode_uint32

from ..errors import KeyExchangeFailed
from ..protocols import HostKeyProof, KexContext, KexRun, KexStep
from .dh import start
from .dh_groups import BUILT_IN, ModuliFileError, SafePrimeGroup, read_moduli
from .ecdh import Random
from .messages import (
    KexDhGexGroup,
    KexDhGexInit,
    KexDhGexReply,
    KexDhGexRequest,
    KexDhGexRequestOld,
    read,
)

__all__ = [
    "MAX_BITS",
    "MIN_BITS",
    "check_group",
    "choose_group",
    "client",
    "group_fields",
    "server",
]

MIN_BITS = 2048
"""RFC 8270 section 3."""

MAX_BITS = 8192
"""RFC 4419 section 3."""


def choose_group(
    request: KexDhGexRequest, moduli: str | None, random: Random, least_bits: int = MIN_BITS
) -> SafePrimeGroup:
    """Return the group that fits a client's request best.

    That is one of the smallest that have the preferred size, else one of the largest there are
    (RFC 4419 section 3).

    Parameters:
        request: sizes in bits, checked here.
        moduli: path of a moduli(5) file, or None for the groups of RFC 3526.
        random: gives that many random bytes.
        least_bits: no smaller group, whatever is asked for; at least MIN_BITS in any case.

    Raises KeyExchangeFailed if the request contradicts itself, nothing fits, or the file cannot
    be used.
    """
    if not request.min <= request.n <= request.max:
        raise KeyExchangeFailed(
            f"group of {request.min} <= {request.n} <= {request.max} bits was asked for"
        )
    known = _known_groups(moduli)
    least, most = max(request.min, MIN_BITS, least_bits), min(request.max, MAX_BITS)
    fitting = [group for group in known if least <= group.bits <= most]
    if not fitting:
        raise KeyExchangeFailed(f"no group of {least} to {most} bits")
    sizes = {group.bits for group in fitting}
    size = min((bits for bits in sizes if bits >= request.n), default=max(sizes))
    best = [group for group in fitting if group.bits == size]
    return best[int.from_bytes(random(4), "big") % len(best)]


def _known_groups(moduli: str | None) -> Collection[SafePrimeGroup]:
    if moduli is None:
        return BUILT_IN.values()
    try:
        return read_moduli(moduli)
    except (OSError, ModuliFileError) as exc:
        # What is wrong is our own affair: the peer is told without the path, the log has the cause.
        raise KeyExchangeFailed("no group: the moduli file cannot be used") from exc


def check_group(group: SafePrimeGroup, request: KexDhGexRequest) -> None:
    """Raise KeyExchangeFailed unless a server's group is one that we asked for.

    Whether p is a safe prime is not tested, which would take longer than the exchange: the server
    signs its choice, and has other ways to give our secrets away.
    """
    p, g = group.p, group.g
    if not max(request.min, MIN_BITS) <= group.bits <= min(request.max, MAX_BITS):
        raise KeyExchangeFailed(
            f"server's group has {group.bits} bits, not {request.min} to {request.max}"
        )
    if p % 2 == 0 or p < 0 or not 1 < g < p - 1:
        raise KeyExchangeFailed("server's Diffie-Hellman group is malformed")


def group_fields(request: KexDhGexRequest | KexDhGexRequestOld, group: SafePrimeGroup) -> bytes:
    """Return the fields of the exchange hash between K_S and e (RFC 4419 sections 3 and 5)."""
    asked = (
        (request.n,)
        if isinstance(request, KexDhGexRequestOld)
        else (request.min, request.n, request.max)
    )
    sizes = map(encode_uint32, asked)
    return b"".join((*sizes, encode_mpint(group.p), encode_mpint(group.g)))


def client(context: KexContext) -> KexRun:
    """Run a group exchange as the client."""
    request = KexDhGexRequest(*context.gex_bits)
    offer = read(KexDhGexGroup, (yield KexStep((request.encode(),), KexDhGexGroup.number)))
    group = SafePrimeGroup(offer.p, offer.g)
    check_group(group, request)
    e, agree = start(group, context.random)
    reply = read(KexDhGexReply, (yield KexStep((KexDhGexInit(e).encode(),), KexDhGexReply.number)))
    secret = encode_mpint(agree(reply.f))
    fields = group_fields(request, group) + encode_mpint(e) + encode_mpint(reply.f)
    yield HostKeyProof(fields, secret, reply.k_s, reply.signature)
    yield KexStep()


def server(context: KexContext) -> KexRun:
    """Run a group exchange as the server."""
    first = KexStep(expect=KexDhGexRequest.number, or_expect=(KexDhGexRequestOld.number,))
    payload = yield first
    request: KexDhGexRequest | KexDhGexRequestOld
    if payload[0] == KexDhGexRequestOld.number:
        request = read(KexDhGexRequestOld, payload)
        # Such clients may want fewer bits than anybody should have now: they get the least group.
        sizes = KexDhGexRequest(0, min(request.n, MAX_BITS), MAX_BITS)
    else:
        sizes = request = read(KexDhGexRequest, payload)
    group = choose_group(sizes, context.moduli, context.random, context.gex_bits[0])
    offer = KexDhGexGroup(group.p, group.g).encode()
    e = read(KexDhGexInit, (yield KexStep((offer,), KexDhGexInit.number))).e
    f, agree = start(group, context.random)
    secret = encode_mpint(agree(e))
    fields = group_fields(request, group) + encode_mpint(e) + encode_mpint(f)
    signature = yield HostKeyProof(fields, secret)
    yield KexStep((KexDhGexReply(context.host_key, f, signature).encode(),))
