"""Diffie-Hellman over finite fields with fixed groups (RFC 4253 section 8, RFC 8268).

Exponentiation in the groups of RFC 3526 goes through OpenSSL, which is ten times as fast as `pow`
and does not tell the exponent by its time. The `cryptography` library has deprecated its interface
to it and is about to move it, so it is looked for in both places, without the warning, and `pow`
is what remains. In groups that OpenSSL does not know it first proves p and q prime, several times
over, which takes 0.3 s at 1024 bits and seconds at 8192: there `pow` is used. No exponent is used
for more than one exchange, so what its time could tell is of no use to anybody.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple, Protocol

from ssh_keys.wire import encode_mpint

from ..errors import KeyExchangeFailed
from ..protocols import HostKeyProof, KexContext, KexRun, KexStep
from .dh_groups import BUILT_IN, SafePrimeGroup
from .ecdh import Random
from .messages import KexdhInit, KexdhReply, read

__all__ = ["Agree", "client", "server", "start"]

Agree = Callable[[int], int]
"""Takes the peer's public value, returns the shared secret; raises KeyExchangeFailed."""

# Twice 256 bits, the strength of the strongest cipher (RFC 4419 section 6.2).
_EXPONENT_BYTES = 64


class _PublicKey(Protocol):
    pass


class _PublicNumbers(Protocol):
    def public_key(self) -> _PublicKey: ...


class _PrivateKey(Protocol):
    def exchange(self, peer_public_key: _PublicKey) -> bytes: ...


class _PrivateNumbers(Protocol):
    def private_key(self) -> _PrivateKey: ...


class _Library(NamedTuple):
    """The three classes of the library that are used."""

    parameters: Callable[[int, int], object]
    public: Callable[[int, object], _PublicNumbers]
    private: Callable[[int, _PublicNumbers], _PrivateNumbers]


def _find() -> _Library | None:
    for place in ("decrepit", "primitives"):
        try:
            module = import_module(f"cryptography.hazmat.{place}.asymmetric.dh")
            # It warns on access to the names, not on their use, so this is the only time.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return _Library(
                    module.DHParameterNumbers, module.DHPublicNumbers, module.DHPrivateNumbers
                )
        except (ImportError, AttributeError):
            continue
    return None


# Found while the module is imported: changing the filters of warnings later would not be safe if
# another thread did the same.
_LIBRARY = _find()

_KNOWN_TO_OPENSSL = frozenset(group for bits, group in BUILT_IN.items() if bits >= 2048)


def _power(group: SafePrimeGroup, exponent: int, library: _Library | None) -> Callable[[int], int]:
    """Return what raises a base to the exponent; it raises ValueError for a bad base."""
    if library is None or group not in _KNOWN_TO_OPENSSL:
        return lambda base: pow(base, exponent, group.p)
    numbers = library.parameters(group.p, group.g)
    public = library.public
    # The public value in a private key is not looked at by `exchange`: the generator stands in.
    private = library.private(exponent, public(group.g, numbers)).private_key()
    return lambda base: int.from_bytes(private.exchange(public(base, numbers).public_key()), "big")


def start(
    group: SafePrimeGroup, random: Random, library: _Library | None = _LIBRARY
) -> tuple[int, Agree]:
    """Return our public value, and what gives the shared secret of the peer's one.

    Parameters:
        group: was checked by the caller if it comes from the peer.
        random: gives that many random bytes.
    """
    last = group.p - 1
    exponent = int.from_bytes(random(_EXPONENT_BYTES), "big") | 1 << 8 * _EXPONENT_BYTES - 1
    try:
        power = _power(group, exponent, library)
        public = power(group.g)
    except ValueError:
        raise KeyExchangeFailed("Diffie-Hellman group cannot be used") from None

    def agree(peer: int) -> int:
        # RFC 4253 section 8 and RFC 4419 section 3; 1 and p - 1 would fix the secret.
        if not 1 < peer < last:
            raise KeyExchangeFailed("peer's Diffie-Hellman value is not between 1 and p - 1")
        try:
            secret = power(peer)
        except ValueError:
            secret = 0
        if not 1 < secret < last:
            raise KeyExchangeFailed("peer's Diffie-Hellman value gives a degenerate secret")
        return secret

    return public, agree


def client(context: KexContext, group: SafePrimeGroup) -> KexRun:
    """Run an exchange with a fixed group as the client."""
    e, agree = start(group, context.random)
    reply = read(KexdhReply, (yield KexStep((KexdhInit(e).encode(),), KexdhReply.number)))
    secret = encode_mpint(agree(reply.f))
    fields = encode_mpint(e) + encode_mpint(reply.f)
    yield HostKeyProof(fields, secret, reply.k_s, reply.signature)
    yield KexStep()


def server(context: KexContext, group: SafePrimeGroup) -> KexRun:
    """Run an exchange with a fixed group as the server."""
    e = read(KexdhInit, (yield KexStep(expect=KexdhInit.number))).e
    f, agree = start(group, context.random)
    secret = encode_mpint(agree(e))
    signature = yield HostKeyProof(encode_mpint(e) + encode_mpint(f), secret)
    yield KexStep((KexdhReply(context.host_key, f, signature).encode(),))
