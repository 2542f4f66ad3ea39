"""A small GSS-API mechanism in memory: two sides that know a key."""

from __future__ import annotations

import hmac

from ssh_transport.gss import GSSError

__all__ = ["SharedKeyContext"]


class SharedKeyContext:
    """A mechanism whose two sides know a key; a token is the number of tokens still to come.

    Parameters:
        tokens: how many tokens there are in all; Kerberos has two.
        key: what both sides know.
        trusting: whether every token is good.
    """

    def __init__(
        self, initiator: bool, tokens: int = 2, key: bytes = b"key", trusting: bool = False
    ) -> None:
        self._trusting = trusting
        self._left = tokens - (0 if initiator else 1)
        self._key = key
        self.complete = False
        self.protects = True
        self.integrity = True
        self.initiator_name = "alice@SSH.TEST"
        self.acceptor_name = "host/localhost@SSH.TEST"

    def step(self, token: bytes) -> bytes:
        """The next token."""
        if token:
            number = int.from_bytes(token[:1], "big")
            good = token == self._token(number) and number == self._left + 1
            if not good and not self._trusting:
                raise GSSError("token is defective", 0x90000, 7, b"error token")
        left = self._left
        self._left -= 2
        self.complete = left <= 1
        return self._token(left) if left > 0 else b""

    def _token(self, number: int) -> bytes:
        return bytes((number,)) + hmac.digest(self._key, b"token %d" % number, "sha256")

    def sign(self, message: bytes) -> bytes:
        """A message integrity code."""
        return hmac.digest(self._key, message, "sha256")

    def verify(self, message: bytes, code: bytes) -> None:
        """Check it."""
        if not hmac.compare_digest(code, self.sign(message)):
            raise GSSError("message integrity code is wrong", 0x60000, 1)
