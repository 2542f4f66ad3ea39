"""What the methods of authentication share: sending a request, and what its answer means."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import TypeVar

from ssh_keys import SSHCertificate
from ssh_keys.key_material import MINIMUM_RSA_BITS
from ssh_keys.record import Struct
from ssh_transport.errors import MessageOrderError

from ..errors import PermissionDenied
from ..messages.userauth import (
    SSH_MSG_USERAUTH_FAILURE,
    SSH_MSG_USERAUTH_SUCCESS,
    UserauthFailure,
    UserauthRequest,
    UserauthSuccess,
)
from .conversation import Conversation, Packet
from .protocols import NO_KEY_OPTIONS, KeyOptions, MaybeAwait, ServerAuthPolicy

__all__ = ["SSH_CONNECTION", "ClientExchange", "Outcome", "ServerExchange", "Verdict"]

T = TypeVar("T")

SSH_CONNECTION = b"ssh-connection"
"""The only service that is offered after authentication (RFC 4254)."""


# --- client ----------------------------------------------------------------------------------


class Outcome(Struct):
    """How the server answered an attempt.

    Parameters:
        success: the user is in.
        methods: what may be tried next.
        partial: the attempt was good, but more is needed.
    """

    success: bool
    methods: tuple[bytes, ...] = ()
    partial: bool = False


class ClientExchange:
    """Requests of a client and the answers to them.

    Parameters:
        conversation: the run of the protocol.
        user: the user name.
        max_messages: requests and responses that are sent at most; a server that never says
            yes or no would otherwise keep us busy for ever.
    """

    def __init__(self, conversation: Conversation, user: str, max_messages: int) -> None:
        self.conversation = conversation
        self.transport = conversation.transport
        self.user = user
        self._left = max_messages

    def request(self, method: bytes, data: bytes) -> None:
        """Send SSH_MSG_USERAUTH_REQUEST with the data of a method."""
        self.send(UserauthRequest(self.user, SSH_CONNECTION, method, data).encode())

    def send(self, payload: bytes) -> None:
        """Send a whole message; raises PermissionDenied if it is one too many."""
        if self._left <= 0:
            raise PermissionDenied("the server asked for too many authentication messages")
        self._left -= 1
        self.transport.send(payload)

    async def resolve(self, value: MaybeAwait[T]) -> T:
        """Return what a callback gave, waiting for it if it is awaitable."""
        return await self.conversation.resolve(value)

    async def reply(self, *also: int) -> Outcome | Packet:
        """Wait for the answer.

        Parameters:
            also: numbers of the messages that the method expects besides success and failure;
                they are returned undecoded.

        Raises MessageOrderError for every other message.
        """
        packet = await self.conversation.receive()
        if packet.number == SSH_MSG_USERAUTH_FAILURE:
            failure = UserauthFailure.decode(packet.data, packet.start, packet.end)
            return Outcome(
                False, failure.authentications_that_can_continue, failure.partial_success
            )
        if packet.number == SSH_MSG_USERAUTH_SUCCESS:
            UserauthSuccess.decode(packet.data, packet.start, packet.end)
            # At once: what follows in the same flight belongs to the connection protocol.
            self.transport.authenticated()
            return Outcome(True)
        if packet.number not in also:
            raise MessageOrderError(f"message {packet.number} is no answer to this request")
        return packet

    async def outcome(self) -> Outcome:
        """Wait for success or failure."""
        reply = await self.reply()
        assert isinstance(reply, Outcome)
        return reply


# --- server ----------------------------------------------------------------------------------


class Verdict(Enum):
    """What a server's method found."""

    ACCEPTED = auto()
    REFUSED = auto()
    ANSWERED = auto()  # the method has sent its own answer, the next request decides
    ABANDONED = auto()  # the client went on to another request without an answer


class ServerExchange(Struct):
    """One attempt of a client, as the methods of a server see it.

    Parameters:
        conversation: the run of the protocol.
        policy: who may log in.
        user: the user name in its SASLprep form.
        sig_algorithms: signature algorithms that are accepted.
        count: called for each message that the client sends within an attempt; raises when it
            was one too many.
        key_options: what the key that signed brought along, or the authority of its certificate.
        key_blob: the key that signed, whatever certificate it came in.
        certificate: of the key that signed, if there is one.
        minimum_rsa_bits: smallest RSA key that proves something.
        host_key: the host key that we proved to own, if requests may be bound to it.
    """

    conversation: Conversation
    policy: ServerAuthPolicy
    user: str
    sig_algorithms: tuple[bytes, ...]
    count: Callable[[], None]
    key_options: KeyOptions = NO_KEY_OPTIONS
    key_blob: bytes = b""
    certificate: SSHCertificate | None = None
    minimum_rsa_bits: int = MINIMUM_RSA_BITS
    host_key: bytes = b""

    def send(self, payload: bytes) -> None:
        """Send a whole message."""
        self.conversation.transport.send(payload)

    async def resolve(self, value: MaybeAwait[T]) -> T:
        """Return what a callback gave, waiting for it if it is awaitable."""
        return await self.conversation.resolve(value)
