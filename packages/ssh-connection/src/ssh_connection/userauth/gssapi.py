"""Methods "gssapi-with-mic" and "gssapi-keyex" (RFC 4462 sections 3 and 4), both roles.

A context proves who the user is only together with a message integrity code over the session
identifier: without one, a man in the middle could pass the tokens on. Contexts that have none
(and SSH_MSG_USERAUTH_GSSAPI_EXCHANGE_COMPLETE) are not taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ssh_keys.wire import encode_byte, encode_string, encode_text
from ssh_transport.errors import MessageOrderError, ProtocolError, printable
from ssh_transport.gss import KERBEROS_OID, GSSError
from ssh_transport.protocols import GSSContext

from ..messages.gssapi import (
    GSSAPIMIC,
    SSH_MSG_USERAUTH_GSSAPI_ERROR,
    SSH_MSG_USERAUTH_GSSAPI_ERRTOK,
    SSH_MSG_USERAUTH_GSSAPI_EXCHANGE_COMPLETE,
    SSH_MSG_USERAUTH_GSSAPI_MIC,
    SSH_MSG_USERAUTH_GSSAPI_RESPONSE,
    SSH_MSG_USERAUTH_GSSAPI_TOKEN,
    GSSAPIError,
    GSSAPIErrorToken,
    GSSAPIKeyexRequest,
    GSSAPIResponse,
    GSSAPIToken,
    decode_mechanisms,
    encode_mechanisms,
)
from ..messages.userauth import SSH_MSG_USERAUTH_REQUEST, UserauthRequest
from .conversation import Packet
from .exchange import SSH_CONNECTION, ClientExchange, Outcome, ServerExchange, Verdict
from .protocols import MaybeAwait

__all__ = [
    "GSSAPI_KEYEX",
    "GSSAPI_WITH_MIC",
    "GSSAcceptor",
    "GSSInitiator",
    "KeyexClient",
    "WithMICClient",
    "signed_data",
    "validate_keyex",
    "validate_with_mic",
]

GSSAPI_KEYEX = b"gssapi-keyex"
GSSAPI_WITH_MIC = b"gssapi-with-mic"

# Kerberos takes one round trip. What needs more than these is not going to end.
_MAX_TOKENS = 20

_REFUSED = b"GSS-API token refused"


class GSSInitiator(Protocol):
    """What a client needs; a step may ask the network, so that its result may be awaitable."""

    @property
    def kex_context(self) -> GSSContext | None:
        """The context of the first key exchange, if GSS-API was used there."""
        ...

    def context(self) -> MaybeAwait[GSSContext]:
        """Make a context of its own; raises GSSError if there are no credentials."""
        ...

    def step(self, context: GSSContext, token: bytes) -> MaybeAwait[bytes]:
        """Take the server's token (empty at the beginning) and return ours; raises GSSError."""
        ...


class GSSAcceptor(Protocol):
    """What a server needs."""

    @property
    def kex_context(self) -> GSSContext | None:
        """The context of the first key exchange, if GSS-API was used there."""
        ...

    def context(self) -> MaybeAwait[GSSContext]:
        """Make a context of its own; raises GSSError if there is no key."""
        ...

    def step(self, context: GSSContext, token: bytes) -> MaybeAwait[bytes]:
        """Take the client's token and return ours, empty if there is none; raises GSSError."""
        ...

    def validate(self, user: str, context: GSSContext) -> MaybeAwait[bool]:
        """Whether the principal of an established context may log in as a user."""
        ...


def signed_data(session_id: bytes, user: str, method: bytes) -> bytes:
    """Return what a message integrity code is over (RFC 4462 sections 3.5 and 4)."""
    return b"".join(
        (
            encode_string(session_id),
            encode_byte(SSH_MSG_USERAUTH_REQUEST),
            encode_text(user),
            encode_string(SSH_CONNECTION),
            encode_string(method),
        )
    )


# --- client ----------------------------------------------------------------------------------


class KeyexClient:
    """Proves who the user is with the context of the key exchange, once.

    Parameters:
        exchange: sends and receives.
        gss: knows the context.
    """

    name = GSSAPI_KEYEX

    def __init__(self, exchange: ClientExchange, gss: GSSInitiator) -> None:
        self._exchange = exchange
        self._context = gss.kex_context

    async def attempt(self, offered: tuple[bytes, ...]) -> Outcome | None:
        """Try it; None if there is nothing to try."""
        context, self._context = self._context, None
        if context is None:
            return None
        exchange = self._exchange
        data = signed_data(exchange.transport.session_id, exchange.user, GSSAPI_KEYEX)
        try:
            mic = context.sign(data)
        except GSSError:
            return None  # the ticket has expired
        exchange.request(GSSAPI_KEYEX, GSSAPIKeyexRequest(mic).encode())
        return await exchange.outcome()


class WithMICClient:
    """Proves who the user is with a context of its own, once.

    Parameters:
        exchange: sends and receives.
        gss: makes the context.
        log: called with a text for each thing that goes wrong.
    """

    name = GSSAPI_WITH_MIC

    def __init__(
        self, exchange: ClientExchange, gss: GSSInitiator, log: Callable[[str], None]
    ) -> None:
        self._exchange = exchange
        self._gss = gss
        self._log = log
        self._tried = False
        self.proved = False
        """Whether the server got so far that we proved who we are."""

    async def attempt(self, offered: tuple[bytes, ...]) -> Outcome | None:
        """Try it; None if there are no credentials, or what there are will not do."""
        if self._tried:
            return None
        self._tried = True
        exchange = self._exchange
        try:
            context = await exchange.resolve(self._gss.context())
            # Before the request: without a ticket for the server there is nothing to ask for.
            token = await exchange.resolve(self._gss.step(context, b""))
        except GSSError as exc:
            self._log(f"GSS-API: {exc}")
            return None
        exchange.request(GSSAPI_WITH_MIC, encode_mechanisms([KERBEROS_OID]))
        reply = await exchange.reply(SSH_MSG_USERAUTH_GSSAPI_RESPONSE)
        if isinstance(reply, Outcome):
            return reply
        if GSSAPIResponse.decode(reply.data, reply.start, reply.end).mechanism != KERBEROS_OID:
            raise ProtocolError("the server chose a GSS-API mechanism that was not offered")
        return await self._converse(context, token)

    async def _converse(self, context: GSSContext, token: bytes) -> Outcome | None:
        exchange = self._exchange
        for _ in range(_MAX_TOKENS):
            if token:
                exchange.send(GSSAPIToken(token).encode())
            if context.complete:
                return await self._finish(context)
            if not token:
                break
            reply = await self._server_token(context)
            if isinstance(reply, Outcome):
                return reply
            try:
                token = await exchange.resolve(self._gss.step(context, reply))
            except GSSError as exc:
                self._log(f"GSS-API: {exc}")
                if exc.token:
                    exchange.send(GSSAPIErrorToken(exc.token).encode())
                return None
        # Our next request ends the method (RFC 4462 section 3.4).
        self._log("GSS-API: the mechanism does not come to an end")
        return None

    async def _finish(self, context: GSSContext) -> Outcome | None:
        exchange = self._exchange
        if not context.integrity:
            self._log("GSS-API: the context can not be bound to this connection")
            return None
        data = signed_data(exchange.transport.session_id, exchange.user, GSSAPI_WITH_MIC)
        try:
            mic = context.sign(data)
        except GSSError as exc:
            self._log(f"GSS-API: {exc}")
            return None
        self.proved = True
        exchange.send(GSSAPIMIC(mic).encode())
        reply = await self._server_token(context)
        if not isinstance(reply, Outcome):
            raise MessageOrderError("GSS-API token behind the last one")
        return reply

    async def _server_token(self, context: GSSContext) -> bytes | Outcome:
        """Wait for a token or the outcome; errors are logged, and a failure comes behind them."""
        while True:
            reply = await self._exchange.reply(
                SSH_MSG_USERAUTH_GSSAPI_TOKEN,
                SSH_MSG_USERAUTH_GSSAPI_ERROR,
                SSH_MSG_USERAUTH_GSSAPI_ERRTOK,
            )
            if isinstance(reply, Outcome):
                return reply
            if reply.number == SSH_MSG_USERAUTH_GSSAPI_TOKEN:
                token = GSSAPIToken.decode(reply.data, reply.start, reply.end).token
                if not token:
                    raise ProtocolError("GSS-API token of the server is empty")
                return token
            await self._server_error(context, reply)

    async def _server_error(self, context: GSSContext, reply: Packet) -> None:
        if reply.number == SSH_MSG_USERAUTH_GSSAPI_ERROR:
            error = GSSAPIError.decode(reply.data, reply.start, reply.end)
            self._log(f"GSS-API error of the server: {printable(error.message)}")
            return
        token = GSSAPIErrorToken.decode(reply.data, reply.start, reply.end).error_token
        try:
            if token and not context.complete:
                await self._exchange.resolve(self._gss.step(context, token))
        except GSSError as exc:
            self._log(f"GSS-API error of the server: {exc}")


# --- server ----------------------------------------------------------------------------------


async def validate_keyex(
    exchange: ServerExchange, request: UserauthRequest, gss: GSSAcceptor
) -> Verdict:
    """Server: check the code over a request. Raises PacketDecodeError."""
    mic = GSSAPIKeyexRequest.decode(request.method_data).mic
    context = gss.kex_context
    if context is None:
        return Verdict.REFUSED
    return await _check(exchange, request, gss, context, mic)


async def validate_with_mic(
    exchange: ServerExchange, request: UserauthRequest, gss: GSSAcceptor
) -> Verdict:
    """Server: exchange tokens, and check the code at the end. Raises PacketDecodeError."""
    if KERBEROS_OID not in decode_mechanisms(request.method_data):
        return Verdict.REFUSED
    try:
        context = await exchange.resolve(gss.context())
    except GSSError:
        return Verdict.REFUSED
    exchange.send(GSSAPIResponse(KERBEROS_OID).encode())
    for _ in range(_MAX_TOKENS):
        packet = await exchange.conversation.receive()
        if packet.number == SSH_MSG_USERAUTH_REQUEST:
            exchange.conversation.unread(packet)
            return Verdict.ABANDONED
        exchange.count()
        verdict = await _take(exchange, request, gss, context, packet)
        if verdict is not None:
            return verdict
    return Verdict.REFUSED


async def _take(
    exchange: ServerExchange,
    request: UserauthRequest,
    gss: GSSAcceptor,
    context: GSSContext,
    packet: Packet,
) -> Verdict | None:
    """Handle one message of the client; None if there is more to come."""
    data, start, end = packet.data, packet.start, packet.end
    if packet.number == SSH_MSG_USERAUTH_GSSAPI_MIC:
        return await _check(exchange, request, gss, context, GSSAPIMIC.decode(data, start, end).mic)
    if packet.number == SSH_MSG_USERAUTH_GSSAPI_EXCHANGE_COMPLETE:
        return Verdict.REFUSED
    if packet.number == SSH_MSG_USERAUTH_GSSAPI_ERRTOK:
        # Its next request decides: an answer now would be taken for the answer to that one.
        GSSAPIErrorToken.decode(data, start, end)
        return Verdict.ABANDONED
    if packet.number != SSH_MSG_USERAUTH_GSSAPI_TOKEN:
        raise MessageOrderError(f"message {packet.number} within gssapi-with-mic")
    token = GSSAPIToken.decode(data, start, end).token
    if not token or context.complete:
        return Verdict.REFUSED
    try:
        answer = await exchange.resolve(gss.step(context, token))
    except GSSError as exc:
        # The status codes, not the text (RFC 4462 section 9).
        exchange.send(GSSAPIError(exc.major, exc.minor, _REFUSED, b"en-US").encode())
        if exc.token:
            exchange.send(GSSAPIErrorToken(exc.token).encode())
        return Verdict.REFUSED
    if answer:
        exchange.send(GSSAPIToken(answer).encode())
    return None


async def _check(
    exchange: ServerExchange,
    request: UserauthRequest,
    gss: GSSAcceptor,
    context: GSSContext,
    mic: bytes,
) -> Verdict:
    """Check a message integrity code, then ask whether the principal may be that user."""
    if not context.complete or not context.integrity:
        return Verdict.REFUSED
    session_id = exchange.conversation.transport.session_id
    data = signed_data(session_id, request.user_name, request.method_name)
    try:
        context.verify(data, mic)
    except GSSError:
        return Verdict.REFUSED
    allowed = await exchange.resolve(gss.validate(exchange.user, context))
    return Verdict.ACCEPTED if allowed is True else Verdict.REFUSED
