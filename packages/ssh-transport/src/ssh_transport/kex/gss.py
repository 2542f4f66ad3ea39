"""Key exchange authenticated by GSS-API (RFC 4462 section 2, RFC 8732 section 5).

The server proves who it is by a message integrity code over the exchange hash instead of a
signature. Its host key, which it may send, is authenticated that way too. To a peer whose token
was refused, SSH_MSG_KEXGSS_ERROR tells the status codes, and the error token is sent behind it;
the text of the mechanism, which may tell too much (RFC 4462 section 9), stays here.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Generator
from typing import Protocol

from ssh_keys.wire import encode_mpint, encode_string

from ..errors import KeyExchangeFailed, ProtocolError, printable
from ..gss import KERBEROS_OID, GSSError
from ..protocols import (
    GSSContext,
    GSSProof,
    HostKeyProof,
    KexContext,
    KexRun,
    KexStep,
    Role,
)
from . import dh, dh_gex
from .dh_groups import SafePrimeGroup
from .ecdh import Curve, Random
from .messages import (
    KexDhGexRequest,
    KexGSSComplete,
    KexGSSContinue,
    KexGSSError,
    KexGSSGroup,
    KexGSSGroupReq,
    KexGSSHostkey,
    KexGSSInit,
    read,
)

__all__ = [
    "Agreement",
    "CurveAgreement",
    "GroupAgreement",
    "client",
    "client_group_exchange",
    "method_name",
    "server",
    "server_group_exchange",
]

# Kerberos takes one round trip. What needs more than these is not going to end.
_MAX_TOKENS = 20

_Steps = Generator[KexStep | HostKeyProof | GSSProof, bytes, None]
_Call = Generator[KexStep | HostKeyProof | GSSProof, bytes, bytes]
_Agree = Callable[[bytes], bytes]


def method_name(family: bytes, mechanism: bytes = KERBEROS_OID) -> bytes:
    """Return the name of a method (RFC 4462 section 2.3).

    Parameters:
        family: with the hyphen at its end, such as b"gss-group14-sha256-".
        mechanism: OID of the GSS-API mechanism, DER-encoded.
    """
    return family + b64encode(hashlib.md5(mechanism, usedforsecurity=False).digest())


class Agreement(Protocol):
    """A Diffie-Hellman group; public values are what is inside of the field of a message."""

    def start(self, random: Random) -> tuple[bytes, _Agree]:
        """Return our public value, and what gives K, encoded, of the peer's one."""
        ...

    def field(self, public: bytes) -> bytes:
        """Return a public value as it enters the exchange hash."""
        ...


class CurveAgreement:
    """A curve (RFC 8732 section 5); public values are strings."""

    def __init__(self, curve: Curve) -> None:
        self._curve = curve

    def start(self, random: Random) -> tuple[bytes, _Agree]:
        """Return our public value, and what gives K, encoded, of the peer's one."""
        public, agree = self._curve.start(random)
        return public, lambda peer: encode_mpint(int.from_bytes(agree(peer), "big"))

    def field(self, public: bytes) -> bytes:
        """Return a public value as it enters the exchange hash."""
        return encode_string(public)


class GroupAgreement:
    """A finite field (RFC 4462 section 2.1); public values are mpints."""

    def __init__(self, group: SafePrimeGroup) -> None:
        self._group = group

    def start(self, random: Random) -> tuple[bytes, _Agree]:
        """Return our public value, and what gives K, encoded, of the peer's one."""
        public, agree = dh.start(self._group, random)
        return encode_mpint(public)[4:], lambda peer: encode_mpint(agree(_number(peer)))

    def field(self, public: bytes) -> bytes:
        """Return a public value as it enters the exchange hash."""
        return encode_mpint(_number(public))


def _number(mpint: bytes) -> int:
    return int.from_bytes(mpint, "big", signed=True)


def _new_context(context: KexContext) -> GSSContext:
    if context.gss is None:
        raise KeyExchangeFailed("GSS-API key exchange without GSS-API credentials")
    try:
        return context.gss()
    except GSSError as exc:
        raise KeyExchangeFailed(f"GSS-API: {exc}") from None


def _step(context: KexContext, gss: GSSContext, token: bytes) -> _Call:
    """Let the context go on and return its token; what it refuses, the peer is told."""
    try:
        return gss.step(token)
    except GSSError as exc:
        failure = KeyExchangeFailed(f"GSS-API: {exc}")
        if not context.gss_errors:
            raise failure from None
        told: list[bytes] = []
        if context.role is Role.SERVER:
            # First, because the client may stop reading behind the token.
            error = KexGSSError(exc.major, exc.minor, b"GSS-API token refused", b"en-US")
            told.append(error.encode())
        if exc.token:
            told.append(KexGSSContinue(exc.token).encode())
    yield KexStep(tuple(told), failure=failure)
    raise failure


def _take(context: KexContext, gss: GSSContext, token: bytes) -> _Call:
    """Give the peer's token to the context and return ours."""
    if not token:
        # To a context, no token is the beginning (RFC 2743 section 2.2.1).
        raise ProtocolError("GSS-API token of the peer is empty")
    return (yield from _step(context, gss, token))


def _check_complete(gss: GSSContext) -> None:
    if not gss.complete:
        raise ProtocolError("GSS-API key exchange ended before its context was established")
    if not gss.protects:
        raise KeyExchangeFailed("GSS-API context without mutual authentication and integrity")


# --- Client ----------------------------------------------------------------------------------


class _Client:
    """What a client knows while tokens go to and fro."""

    def __init__(self, context: KexContext, gss: GSSContext) -> None:
        self._context = context
        self.gss = gss
        self.host_key = b""
        self.answer = KexGSSComplete(b"", b"", False)

    def exchange(self, public: bytes) -> _Steps:
        """Send tokens until the server's KEXGSS_COMPLETE has come."""
        token = yield from _step(self._context, self.gss, b"")
        if not token:
            raise KeyExchangeFailed("GSS-API gave no token to begin with")
        to_send: tuple[bytes, ...] = (KexGSSInit(token, public).encode(),)
        expected: tuple[int, ...] = (KexGSSContinue.number, KexGSSHostkey.number)
        for _ in range(_MAX_TOKENS):
            others = (*expected[1:], KexGSSComplete.number, KexGSSError.number)
            payload = yield KexStep(to_send, expected[0], others)
            to_send = ()
            number = payload[0]
            if number == KexGSSComplete.number:
                yield from self._complete(payload)
                return
            if number == KexGSSError.number:
                raise _reported(payload)
            if number == KexGSSHostkey.number:
                # "Prior to any other messages", and once.
                self.host_key = read(KexGSSHostkey, payload).k_s
            else:
                token = yield from self._next_token(payload)
                to_send = (KexGSSContinue(token).encode(),)
            expected = (KexGSSContinue.number,)
        raise ProtocolError("GSS-API key exchange takes too many tokens")

    def _next_token(self, payload: bytes) -> _Call:
        if self.gss.complete:
            raise ProtocolError("GSS-API token behind the last one")
        received = read(KexGSSContinue, payload).output_token
        token = yield from _take(self._context, self.gss, received)
        if not token:
            raise KeyExchangeFailed("GSS-API gave no token to go on with")
        return token

    def _complete(self, payload: bytes) -> _Steps:
        answer = self.answer = read(KexGSSComplete, payload)
        if answer.has_token:
            final = answer.final_token()
            if self.gss.complete:
                raise ProtocolError("GSS-API token behind the last one")
            if (yield from _take(self._context, self.gss, final)):
                raise KeyExchangeFailed("GSS-API wants to go on behind the end")
        elif answer.rest:
            raise ProtocolError("KexGSSComplete: bytes behind the last field")
        _check_complete(self.gss)


def _reported(payload: bytes) -> KeyExchangeFailed:
    error = read(KexGSSError, payload)
    return KeyExchangeFailed(f"GSS-API error of the server: {printable(error.message)}")


def client(context: KexContext, agreement: Agreement, fields: bytes = b"") -> KexRun:
    """Run an exchange as the client.

    Parameters:
        fields: what enters the exchange hash in front of the public values.
    """
    run = _Client(context, _new_context(context))
    public, agree = agreement.start(context.random)
    yield from run.exchange(public)
    answer = run.answer
    secret = agree(answer.public)
    fields += agreement.field(public) + agreement.field(answer.public)
    digest = yield GSSProof(fields, secret, run.host_key)
    try:
        run.gss.verify(digest, answer.per_msg_token)
    except GSSError as exc:
        raise KeyExchangeFailed(f"GSS-API: {exc}") from None
    yield KexStep()


def client_group_exchange(context: KexContext) -> KexRun:
    """Run an exchange in a group that the server chooses (RFC 4462 section 2.2)."""
    sizes = KexDhGexRequest(*context.gex_bits)
    request = KexGSSGroupReq(*context.gex_bits)
    offer = read(KexGSSGroup, (yield KexStep((request.encode(),), KexGSSGroup.number)))
    group = SafePrimeGroup(offer.p, offer.g)
    dh_gex.check_group(group, sizes)
    yield from client(context, GroupAgreement(group), dh_gex.group_fields(sizes, group))


# --- Server ----------------------------------------------------------------------------------


def server(
    context: KexContext,
    agreement: Agreement,
    fields: bytes = b"",
    offer: tuple[bytes, ...] = (),
) -> KexRun:
    """Run an exchange as the server.

    Parameters:
        fields: what enters the exchange hash in front of the public values.
        offer: what is sent first.
    """
    gss = _new_context(context)
    init = read(KexGSSInit, (yield KexStep(offer, KexGSSInit.number)))
    public, agree = agreement.start(context.random)
    secret = agree(init.public)
    pending: tuple[bytes, ...] = ()
    if context.host_key:
        pending = (KexGSSHostkey(context.host_key).encode(),)
    token = yield from _take(context, gss, init.output_token)
    for _ in range(_MAX_TOKENS):
        if gss.complete:
            break
        if not token:
            raise KeyExchangeFailed("GSS-API gave no token to go on with")
        go_on = KexStep((*pending, KexGSSContinue(token).encode()), KexGSSContinue.number)
        pending = ()
        token = yield from _take(context, gss, read(KexGSSContinue, (yield go_on)).output_token)
    _check_complete(gss)
    fields += agreement.field(init.public) + agreement.field(public)
    digest = yield GSSProof(fields, secret, context.host_key)
    try:
        code = gss.sign(digest)
    except GSSError as exc:
        raise KeyExchangeFailed(f"GSS-API: {exc}") from None
    rest = encode_string(token) if token else b""
    done = KexGSSComplete(public, code, bool(token), rest)
    yield KexStep((*pending, done.encode()))


def server_group_exchange(context: KexContext) -> KexRun:
    """Run an exchange in a group that we choose (RFC 4462 section 2.2)."""
    request = read(KexGSSGroupReq, (yield KexStep(expect=KexGSSGroupReq.number)))
    sizes = KexDhGexRequest(request.min, request.n, request.max)
    group = dh_gex.choose_group(sizes, context.moduli, context.random, context.gex_bits[0])
    offer = KexGSSGroup(group.p, group.g).encode()
    fields = dh_gex.group_fields(sizes, group)
    yield from server(context, GroupAgreement(group), fields, (offer,))
