"""Method "password" (RFC 4252 section 8), both roles."""

from __future__ import annotations

from ssh_keys.wire import decode_boolean

from ..errors import PasswordChangeRequired
from ..messages.userauth import (
    SSH_MSG_USERAUTH_PASSWD_CHANGEREQ,
    PasswordChangeRequest,
    PasswordChangeRequestData,
    PasswordRequest,
    UserauthRequest,
)
from .conversation import Packet
from .exchange import ClientExchange, Outcome, ServerExchange, Verdict
from .protocols import ClientCredentials
from .saslprep import SASLPrepError, saslprep

__all__ = ["MAX_PASSWORD_BYTES", "PASSWORD", "PasswordClient", "validate_password"]

PASSWORD = b"password"

MAX_PASSWORD_BYTES = 1024
"""Longer passwords are refused unseen: checking one may cost time in proportion to its length."""


def _prepared(password: str) -> str:
    # RFC 4252 section 8 asks for SASLprep; what it forbids is left for the server to judge.
    try:
        return saslprep(password)
    except SASLPrepError:
        return password


class PasswordClient:
    """Tries passwords until there is none left.

    Parameters:
        exchange: sends and receives.
        credentials: knows the passwords.
    """

    name = PASSWORD

    def __init__(self, exchange: ClientExchange, credentials: ClientCredentials) -> None:
        self._exchange = exchange
        self._credentials = credentials

    async def attempt(self, offered: tuple[bytes, ...]) -> Outcome | None:
        """Try one password; None if there is nothing to try."""
        exchange = self._exchange
        password = await exchange.resolve(self._credentials.password())
        if password is None:
            return None
        exchange.request(PASSWORD, PasswordRequest(False, _prepared(password)).encode())
        reply = await exchange.reply(SSH_MSG_USERAUTH_PASSWD_CHANGEREQ)
        if isinstance(reply, Outcome):
            return reply
        return await self._change(reply)

    async def _change(self, packet: Packet) -> Outcome | None:
        exchange, credentials = self._exchange, self._credentials
        reply: Outcome | Packet = packet
        while isinstance(reply, Packet):
            wanted = PasswordChangeRequest.decode(reply.data, reply.start, reply.end)
            passwords = await exchange.resolve(
                credentials.password_change(
                    wanted.prompt.decode("utf-8", "replace"),
                    wanted.language_tag.decode("utf-8", "replace"),
                )
            )
            if passwords is None:
                return None
            old, new = passwords
            data = PasswordChangeRequestData(True, _prepared(old), _prepared(new))
            exchange.request(PASSWORD, data.encode())
            reply = await exchange.reply(SSH_MSG_USERAUTH_PASSWD_CHANGEREQ)
        if reply.success or reply.partial:
            credentials.password_changed()
        else:
            credentials.password_change_failed()
        return reply


async def validate_password(exchange: ServerExchange, request: UserauthRequest) -> Verdict:
    """Server: check a password, or change it. Raises PacketDecodeError."""
    data, user = request.method_data, exchange.user
    change, _ = decode_boolean(data, 0, len(data))
    try:
        if change:
            both = PasswordChangeRequestData.decode(data)
            if _too_long(both.old_password) or _too_long(both.new_password):
                return Verdict.REFUSED
            changed = exchange.policy.change_password(
                user, _prepared(both.old_password), _prepared(both.new_password)
            )
            accepted = await exchange.resolve(changed)
        else:
            password = PasswordRequest.decode(data).password
            if _too_long(password):
                return Verdict.REFUSED
            validated = exchange.policy.validate_password(user, _prepared(password))
            accepted = await exchange.resolve(validated)
    except PasswordChangeRequired as exc:
        exchange.send(PasswordChangeRequest(exc.prompt.encode(), exc.lang.encode()).encode())
        return Verdict.ANSWERED
    return Verdict.ACCEPTED if accepted is True else Verdict.REFUSED


def _too_long(password: str) -> bool:
    return len(password.encode()) > MAX_PASSWORD_BYTES
