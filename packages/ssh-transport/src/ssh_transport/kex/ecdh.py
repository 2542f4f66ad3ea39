"""Elliptic curve Diffie-Hellman (RFC 5656 section 4), and the flow of every two-message exchange.

The client sends one octet string (a public value, or the public values of a hybrid), the server
answers with another one, its host key and its signature. What the octet strings are, an
`Exchange` knows: of the NIST curves here, of Curve25519 and Curve448 in `curve`, of post-quantum
hybrids in `hybrid`.
"""

from __future__ import annotations

from collections.abc import Callable
from os import urandom
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ssh_keys.wire import (
    PacketDecodeError,
    decode_string,
    encode_byte,
    encode_mpint,
    encode_string,
)

from ..errors import KeyExchangeFailed
from ..protocols import HostKeyProof, KexContext, KexRun, KexStep
from .messages import KexEcdhInit, KexEcdhReply, read

__all__ = [
    "Curve",
    "CurveExchange",
    "Exchange",
    "Finish",
    "NISTCurve",
    "Random",
    "client",
    "server",
]

Random = Callable[[int], bytes]
"""Gives that many random bytes."""

Finish = Callable[[bytes], bytes]
"""Takes what the peer sent, returns the secret; raises KeyExchangeFailed for a bad value."""


class Exchange(Protocol):
    """A key exchange of one octet string each way; the secret is K, encoded (RFC 4251)."""

    def start(self, random: Random) -> tuple[bytes, Finish]:
        """Client: return what to send, and what gives K of the server's answer."""
        ...

    def respond(self, random: Random, init: bytes) -> tuple[bytes, bytes]:
        """Server: return the answer and K; raises KeyExchangeFailed for a bad value."""
        ...


class Curve(Protocol):
    """A Diffie-Hellman group whose public values and shared secret have a fixed size."""

    public_size: int

    def start(self, random: Random) -> tuple[bytes, Finish]:
        """Return our public value, and what gives the shared secret of the peer's one."""
        ...


class NISTCurve:
    """A curve of RFC 5656 section 10.1; the shared secret is the x coordinate.

    Parameters:
        curve: of the `cryptography` library.
    """

    def __init__(self, curve: ec.EllipticCurve) -> None:
        self._curve = curve
        self._order_size = (curve.group_order.bit_length() + 7) // 8
        self.public_size = 1 + 2 * ((curve.key_size + 7) // 8)

    def start(self, random: Random) -> tuple[bytes, Finish]:
        """Return our public value, and what gives the shared secret of the peer's one."""
        if random is urandom:
            # The library's own, which takes half the time.
            private = ec.generate_private_key(self._curve)
        else:
            # Another source, so that a recorded exchange can be replayed. 64 bits more than the
            # order has leave no bias (FIPS 186-5 section A.2.1).
            number = int.from_bytes(random(self._order_size + 8), "big")
            scalar = number % (self._curve.group_order - 1) + 1
            private = ec.derive_private_key(scalar, self._curve)

        def finish(peer: bytes) -> bytes:
            return private.exchange(ec.ECDH(), self._point(peer))

        encoding, form = Encoding.X962, PublicFormat.UncompressedPoint
        return private.public_key().public_bytes(encoding, form), finish

    def _point(self, encoded: bytes) -> ec.EllipticCurvePublicKey:
        # SEC1 section 2.3.4: the library refuses points that are not on the curve. The size leaves
        # only the uncompressed form, so infinity and compression need no test of their own.
        if len(encoded) == self.public_size and encoded[0] == 4:
            try:
                return ec.EllipticCurvePublicKey.from_encoded_point(self._curve, encoded)
            except ValueError:
                pass
        raise KeyExchangeFailed(f"peer's public value is not a point of {self._curve.name}")


class CurveExchange:
    """ECDH as it is: K is the shared secret as an mpint (RFC 5656 section 4, RFC 8731)."""

    def __init__(self, curve: Curve) -> None:
        self._curve = curve

    def start(self, random: Random) -> tuple[bytes, Finish]:
        """Client: return what to send, and what gives K of the server's answer."""
        public, agree = self._curve.start(random)
        return public, lambda reply: _mpint(agree(reply))

    def respond(self, random: Random, init: bytes) -> tuple[bytes, bytes]:
        """Server: return the answer and K; raises KeyExchangeFailed for a bad value."""
        public, agree = self._curve.start(random)
        return public, _mpint(agree(init))


def _mpint(secret: bytes) -> bytes:
    return encode_mpint(int.from_bytes(secret, "big"))


def client(context: KexContext, exchange: Exchange) -> KexRun:
    """Run a two-message exchange as the client."""
    init, finish = exchange.start(context.random)
    q_c = encode_string(init)
    payload = yield KexStep((_INIT + q_c,), KexEcdhReply.number)
    k_s, q_s, signature = _reply(payload)
    yield HostKeyProof(q_c + encode_string(q_s), finish(q_s), k_s, signature)
    yield KexStep()


# The messages of most handshakes, by hand: a fifth of what the declarations take, which a test
# compares them with.
_INIT, _REPLY = (encode_byte(each.number) for each in (KexEcdhInit, KexEcdhReply))


def _reply(payload: bytes) -> tuple[bytes, bytes, bytes]:
    """Read SSH_MSG_KEX_ECDH_REPLY: K_S, Q_S and the signature."""
    end = len(payload)
    try:
        k_s, pos = decode_string(payload, 1, end)
        q_s, pos = decode_string(payload, pos, end)
        signature, pos = decode_string(payload, pos, end)
        if pos == end:
            return k_s, q_s, signature
    except PacketDecodeError:
        pass
    reply = read(KexEcdhReply, payload)  # which says what is wrong
    return reply.k_s, reply.q_s, reply.signature


def _init(payload: bytes) -> bytes:
    """Read SSH_MSG_KEX_ECDH_INIT: Q_C."""
    end = len(payload)
    try:
        q_c, pos = decode_string(payload, 1, end)
        if pos == end:
            return q_c
    except PacketDecodeError:
        pass
    return read(KexEcdhInit, payload).q_c


def server(context: KexContext, exchange: Exchange) -> KexRun:
    """Run a two-message exchange as the server."""
    payload = yield KexStep((), KexEcdhInit.number)
    reply, secret = exchange.respond(context.random, _init(payload))
    q_s = encode_string(reply)
    # Behind its number, the client's message is nothing but Q_C as it enters the hash.
    signature = yield HostKeyProof(payload[1:] + q_s, secret)
    k_s = encode_string(context.host_key)
    yield KexStep((b"".join((_REPLY, k_s, q_s, encode_string(signature))),))
