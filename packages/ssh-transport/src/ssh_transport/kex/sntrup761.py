"""Streamlined NTRU Prime 761, the key encapsulation mechanism of sntrup761x25519-sha512.

A library of the system does it where there is one (`sntrup761_library`). What follows is for the
others, written from the specification ("NTRU Prime: round 3", sections 4.3 to 4.5), whose names are
used. **Not constant-time**: whoever can measure our computations may learn a key. It is there for
servers that have no other post-quantum method, last in preference among them, and a key serves one
exchange; X25519 beside it protects against everybody who has no quantum computer.

Polynomials are lists of p coefficients, that of x**0 first, modulo x**p - x - 1.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from hashlib import sha512
from hmac import compare_digest
from itertools import zip_longest
from os import urandom

from .ecdh import Finish, Random
from .sntrup761_library import CIPHERTEXT_SIZE, PUBLIC_SIZE, sntrup761_library

__all__ = ["SNTRUP761"]

_P = 761
_Q = 4591
_W = 286

_HALF_Q = (_Q - 1) // 2
_SMALL_BYTES = (_P + 3) // 4
_CONFIRM_BYTES = 32

# Decoded and encoded coefficients of R/q, and rounded ones (multiples of 3) divided by 3.
_Q_MODULI = (_Q,) * _P
_ROUNDED_MODULI = ((_Q + 2) // 3,) * _P
_LIMIT = 1 << 14


# --- Section 4.4: sequences of integers below given moduli, as bytes -------------------------


def _encode(values: Sequence[int], moduli: Sequence[int]) -> bytes:
    bottom = bytearray()
    while len(values) > 1:
        upper, upper_moduli = [], []
        for i in range(0, len(values) - 1, 2):
            value = values[i] + moduli[i] * values[i + 1]
            modulus = moduli[i] * moduli[i + 1]
            while modulus >= _LIMIT:
                bottom.append(value & 0xFF)
                value >>= 8
                modulus = (modulus + 0xFF) >> 8
            upper.append(value)
            upper_moduli.append(modulus)
        if len(values) % 2:
            upper.append(values[-1])
            upper_moduli.append(moduli[-1])
        values, moduli = upper, upper_moduli
    value, modulus = values[0], moduli[0]
    while modulus > 1:
        bottom.append(value & 0xFF)
        value >>= 8
        modulus = (modulus + 0xFF) >> 8
    return bytes(bottom)


def _decode(data: bytes, moduli: Sequence[int]) -> list[int]:
    if len(moduli) == 1:
        return [int.from_bytes(data, "little") % moduli[0]]
    lower, upper_moduli = [], []
    pos = 0
    for i in range(0, len(moduli) - 1, 2):
        modulus, start = moduli[i] * moduli[i + 1], pos
        while modulus >= _LIMIT:
            pos += 1
            modulus = (modulus + 0xFF) >> 8
        lower.append((int.from_bytes(data[start:pos], "little"), 8 * (pos - start)))
        upper_moduli.append(modulus)
    if len(moduli) % 2:
        upper_moduli.append(moduli[-1])
    upper = _decode(data[pos:], upper_moduli)
    values = []
    for i, (low, shift) in enumerate(lower):
        high, value = divmod(low + (upper[i] << shift), moduli[2 * i])
        values += [value, high % moduli[2 * i + 1]]
    if len(moduli) % 2:
        values.append(upper[-1])
    return values


def _encode_small(poly: Sequence[int]) -> bytes:
    # Four coefficients -1, 0, 1 in a byte.
    quads = zip_longest(*(poly[i::4] for i in range(4)), fillvalue=-1)
    return bytes(a + 1 | b + 1 << 2 | c + 1 << 4 | d + 1 << 6 for a, b, c, d in quads)


# --- Section 4.3: arithmetic in R/q and R/3 --------------------------------------------------


def _packed(poly: Sequence[int]) -> int:
    words = array("Q", poly)
    if sys.byteorder == "big":
        words.byteswap()
    return int.from_bytes(words.tobytes(), "little")


def _multiply(a: Sequence[int], b: Sequence[int], modulus: int) -> list[int]:
    """Multiply; coefficients from 0 to modulus - 1.

    By one product of integers with 64 bits for each coefficient: all sums are below 2**34.
    """
    product = (_packed(a) * _packed(b)).to_bytes(16 * _P, "little")
    sums = array("Q")
    sums.frombytes(product)
    if sys.byteorder == "big":
        sums.byteswap()
    low, high = sums[:_P], sums[_P : 2 * _P - 1]
    # x**p is x + 1.
    return [(c + d + e) % modulus for c, d, e in zip(low, [*high, 0], [0, *high], strict=True)]


def _inverse(poly: Sequence[int], modulus: int) -> list[int] | None:
    """Return the inverse of coefficients 0 to modulus - 1, or None if there is none.

    The Euclidean algorithm: a and b are multiples of `poly` by u and v, modulo x**p - x - 1.
    """
    a = [-1 % modulus, -1 % modulus, *[0] * (_P - 2), 1]
    b = _trimmed(list(poly))
    u: list[int] = []
    v = [1]
    while len(b) > 1:
        while len(a) >= len(b):
            factor = a[-1] * pow(b[-1], -1, modulus) % modulus
            shift = len(a) - len(b)
            a = _trimmed(_subtracted(a, b, factor, shift, modulus))
            u = _subtracted(u, v, factor, shift, modulus)
        a, b, u, v = b, a, v, u
    if not b:
        return None
    scale = pow(b[0], -1, modulus)
    return [c * scale % modulus for c in v] + [0] * (_P - len(v))


def _trimmed(poly: list[int]) -> list[int]:
    while poly and not poly[-1]:
        poly.pop()
    return poly


def _subtracted(a: list[int], b: list[int], factor: int, shift: int, modulus: int) -> list[int]:
    """Return a - factor * x**shift * b."""
    size = shift + len(b)
    if len(a) < size:
        a = a + [0] * (size - len(a))
    middle = [(c - factor * d) % modulus for c, d in zip(a[shift:size], b, strict=True)]
    return a[:shift] + middle + a[size:]


def _rounded(poly: Sequence[int]) -> list[int]:
    """Return (c rounded to a multiple of 3) / 3, counted from the smallest, for 0 <= c < q."""
    # As numbers between -(q-1)/2 and (q-1)/2, which are -765 * 3 and 765 * 3.
    return [((c + _HALF_Q) % _Q + 1) // 3 for c in poly]


def _from_rounded(values: Sequence[int]) -> list[int]:
    return [(3 * value - _HALF_Q) % _Q for value in values]


# --- Section 4.5: random elements, hashes ----------------------------------------------------


def _words(random: Random) -> array[int]:
    words = array("I")
    words.frombytes(random(4 * _P))
    if sys.byteorder == "big":
        words.byteswap()
    return words


def _random_small(random: Random) -> list[int]:
    return [((word & 0x3FFFFFFF) * 3 >> 30) - 1 for word in _words(random)]


def _random_short(random: Random) -> list[int]:
    # Exactly w coefficients are 1 or -1: the two low bits travel along while the rest is sorted.
    words = _words(random)
    marked = [word & ~1 for word in words[:_W]] + [word & ~3 | 1 for word in words[_W:]]
    return [word % 4 - 1 for word in sorted(marked)]


def _hash(prefix: int, data: bytes) -> bytes:
    return sha512(bytes((prefix,)) + data).digest()[:32]


def _hash_session(prefix: int, secret: bytes, ciphertext: bytes) -> bytes:
    return _hash(prefix, _hash(3, secret) + ciphertext)


# --- Section 4.2 and 4.6: the mechanism ------------------------------------------------------


def _encrypt(r: Sequence[int], public: Sequence[int], public_hash: bytes) -> tuple[bytes, bytes]:
    """Return (r, ciphertext), both encoded."""
    rounded = _rounded(_multiply([c % _Q for c in r], public, _Q))
    encoded = _encode_small(r)
    confirm = _hash(2, _hash(3, encoded) + public_hash)
    return encoded, _encode(rounded, _ROUNDED_MODULI) + confirm


class _PrivateKey:
    """f, 1/g and what else decapsulation needs."""

    def __init__(self, random: Random) -> None:
        g_inverse = None
        while g_inverse is None:
            g = _random_small(random)
            g_inverse = _inverse([c % 3 for c in g], 3)
        f = _random_short(random)
        self._f3 = [3 * c % _Q for c in f]
        f3_inverse = _inverse(self._f3, _Q)
        assert f3_inverse is not None  # R/q is a field
        self._g_inverse = g_inverse
        self._h = _multiply([c % _Q for c in g], f3_inverse, _Q)
        self.public = _encode([(c + _HALF_Q) % _Q for c in self._h], _Q_MODULI)
        self._public_hash = _hash(4, self.public)
        self._rho = random(_SMALL_BYTES)

    def decapsulate(self, ciphertext: bytes) -> bytes:
        """Return the session key, a random one for a ciphertext that was not made properly."""
        rounded = _from_rounded(_decode(ciphertext[:-_CONFIRM_BYTES], _ROUNDED_MODULI))
        product = _multiply(rounded, self._f3, _Q)
        e = [((c + _HALF_Q) % _Q - _HALF_Q) % 3 for c in product]
        r = [(c + 1) % 3 - 1 for c in _multiply(e, self._g_inverse, 3)]
        if sum(map(abs, r)) != _W:
            r = [1] * _W + [0] * (_P - _W)
        encoded, again = _encrypt(r, self._h, self._public_hash)
        if compare_digest(again, ciphertext):
            return _hash_session(1, encoded, ciphertext)
        return _hash_session(0, self._rho, ciphertext)


class SNTRUP761:
    """Streamlined NTRU Prime with p = 761, q = 4591, w = 286; see the warning of the module.

    The library has random bytes of its own, so it serves unless an exchange is to be replayed.
    """

    name = "sntrup761"
    public_size = PUBLIC_SIZE
    ciphertext_size = CIPHERTEXT_SIZE

    def start(self, random: Random) -> tuple[bytes, Finish]:
        """Client: return a new public key, and what gives the secret of a ciphertext."""
        if random is urandom and (library := sntrup761_library()) is not None:
            return library.start()
        private = _PrivateKey(random)
        return private.public, private.decapsulate

    def encapsulate(self, random: Random, public: bytes) -> tuple[bytes, bytes]:
        """Server: return (secret, ciphertext); raises ValueError for a bad public key."""
        if random is urandom and (library := sntrup761_library()) is not None:
            return library.encapsulate(public)
        values = _decode(public, _Q_MODULI)
        if _encode(values, _Q_MODULI) != public:
            raise ValueError("not an encoded sntrup761 public key")
        h = [(value - _HALF_Q) % _Q for value in values]
        encoded, ciphertext = _encrypt(_random_short(random), h, _hash(4, public))
        return _hash_session(1, encoded, ciphertext), ciphertext
