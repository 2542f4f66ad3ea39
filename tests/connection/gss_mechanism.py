"""A small GSS-API mechanism for the drivers of authentication: a key that both sides know."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable
from functools import partial

from ssh_transport.gss import GSSError

__all__ = ["Context", "Mechanism"]


class Context:
    """One side of a context; the tokens are numbered.

    Parameters:
        initiator: which side.
        tokens: how many there are in all; Kerberos has two.
        key: what both sides know.
        integrity: whether messages can be authenticated.
    """

    acceptor_name = "host/server@REALM"
    protects = True

    def __init__(
        self, initiator: bool, tokens: int = 2, key: bytes = b"key", integrity: bool = True
    ) -> None:
        self._next = 0 if initiator else 1
        self._tokens = tokens
        self._key = key
        self.integrity = integrity
        self.complete = False
        self.initiator_name = "user@REALM"

    def _token(self, number: int) -> bytes:
        return b"%d" % number + hmac.digest(self._key, b"token %d" % number, "sha256")

    def step(self, token: bytes) -> bytes:
        """The next token."""
        if self._next and token != self._token(self._next):
            raise GSSError("secret reason", 0x90000, 7, b"error token")
        self._next += 1
        answer = self._token(self._next) if self._next <= self._tokens else b""
        self._next += 1
        self.complete = self._next > self._tokens
        return answer

    def sign(self, message: bytes) -> bytes:
        """A message integrity code."""
        if self._key == b"expired":
            raise GSSError("ticket expired")
        return hmac.digest(self._key, message, "sha256")

    def verify(self, message: bytes, code: bytes) -> None:
        """Check it."""
        if not hmac.compare_digest(code, self.sign(message)):
            raise GSSError("message integrity code is wrong", 0x60000, 1)


class Mechanism:
    """What both drivers need: contexts of one kind.

    Parameters:
        initiator, tokens, key, integrity: as of `Context`.
        kex: whether a key exchange left a context.
        users: who may log in, by name.
        asynchronous: whether every answer has to be awaited.
        broken: whether there are no credentials.
    """

    def __init__(
        self,
        initiator: bool,
        tokens: int = 2,
        key: bytes = b"key",
        *,
        integrity: bool = True,
        kex: bool = False,
        users: tuple[str, ...] = ("user",),
        asynchronous: bool = False,
        broken: bool = False,
    ) -> None:
        self._make = partial(Context, initiator, tokens, key, integrity)
        self._users = users
        self._asynchronous = asynchronous
        self._broken = broken
        self.asked: list[tuple[str, str]] = []
        self.kex_context: Context | None = None
        if kex:
            self.kex_context = self._make()
            self.kex_context.complete = True

    def context(self) -> Context | Awaitable[Context]:
        """A new context."""
        if self._broken:
            raise GSSError("no credentials")
        context = self._make()
        if not self._asynchronous:
            return context

        async def later() -> Context:
            return context

        return later()

    def step(self, context: Context, token: bytes) -> bytes | Awaitable[bytes]:
        """Let a context go on."""
        if not self._asynchronous:
            return context.step(token)

        async def later() -> bytes:
            return context.step(token)

        return later()

    def validate(self, user: str, context: Context) -> bool | Awaitable[bool]:
        """Whether a user may log in."""
        self.asked.append((user, context.initiator_name))
        return user in self._users
