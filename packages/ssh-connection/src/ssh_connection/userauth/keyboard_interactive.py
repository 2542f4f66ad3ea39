"""Method "keyboard-interactive" (RFC 4256), both roles."""

from __future__ import annotations

from ..messages.userauth import (
    SSH_MSG_USERAUTH_INFO_REQUEST,
    SSH_MSG_USERAUTH_INFO_RESPONSE,
    KeyboardInteractiveRequest,
    UserauthRequest,
    decode_info_request,
    decode_info_response,
    encode_info_request,
    encode_info_response,
)
from .exchange import ClientExchange, Outcome, ServerExchange, Verdict
from .password import MAX_PASSWORD_BYTES
from .protocols import ClientCredentials, KbdIntChallenge

__all__ = ["KEYBOARD_INTERACTIVE", "KeyboardInteractiveClient", "validate_keyboard_interactive"]

KEYBOARD_INTERACTIVE = b"keyboard-interactive"

_MAX_SUBMETHODS = 1024


class KeyboardInteractiveClient:
    """Answers the server's questions.

    Parameters:
        exchange: sends and receives.
        credentials: knows the answers.
    """

    name = KEYBOARD_INTERACTIVE

    def __init__(self, exchange: ClientExchange, credentials: ClientCredentials) -> None:
        self._exchange = exchange
        self._credentials = credentials
        self.asked = False
        """Whether the server asked for anything at all."""

    async def attempt(self, offered: tuple[bytes, ...]) -> Outcome | None:
        """Go through one exchange of questions and answers; None if there is no one to answer."""
        exchange, credentials = self._exchange, self._credentials
        submethods = await exchange.resolve(credentials.kbdint_submethods(offered))
        if submethods is None:
            return None
        request = KeyboardInteractiveRequest(b"", submethods)
        exchange.request(KEYBOARD_INTERACTIVE, request.encode())
        while True:
            reply = await exchange.reply(SSH_MSG_USERAUTH_INFO_REQUEST)
            if isinstance(reply, Outcome):
                return reply
            name, instruction, lang, prompts = decode_info_request(
                reply.data, reply.start, reply.end
            )
            answers = credentials.kbdint_responses(name, instruction, lang, prompts)
            responses = await exchange.resolve(answers)
            if responses is None:
                return None
            if len(responses) != len(prompts):
                raise ValueError(f"{len(responses)} responses to {len(prompts)} prompts")
            self.asked = self.asked or bool(prompts)
            exchange.send(encode_info_response(responses))


async def validate_keyboard_interactive(
    exchange: ServerExchange, request: UserauthRequest
) -> Verdict:
    """Server: ask, and check the answers. Raises PacketDecodeError."""
    policy, user = exchange.policy, exchange.user
    wanted = KeyboardInteractiveRequest.decode(request.method_data)
    if len(wanted.submethods) > _MAX_SUBMETHODS:
        return Verdict.REFUSED
    lang = wanted.language_tag.decode("utf-8", "replace")
    first = policy.kbdint_challenge(user, lang, wanted.submethods)
    challenge: KbdIntChallenge = await exchange.resolve(first)
    while not isinstance(challenge, bool):
        name, instruction, language, prompts = challenge
        exchange.send(encode_info_request(name, instruction, language, prompts))
        packet = await exchange.conversation.receive()
        if packet.number != SSH_MSG_USERAUTH_INFO_RESPONSE:
            # RFC 4256 section 3.1: another request ends this exchange without an answer.
            exchange.conversation.unread(packet)
            return Verdict.ABANDONED
        exchange.count()
        responses = decode_info_response(packet.data, packet.start, packet.end)
        if len(responses) != len(prompts):
            return Verdict.REFUSED
        if any(len(response.encode()) > MAX_PASSWORD_BYTES for response in responses):
            return Verdict.REFUSED
        challenge = await exchange.resolve(policy.kbdint_validate(user, responses))
    return Verdict.ACCEPTED if challenge is True else Verdict.REFUSED
