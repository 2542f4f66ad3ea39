"""sntrup761 by a library of the system: libntruprime, or libgcrypt from version 1.11 on.

Both are made to be constant-time, and an exchange takes 0.4 or 10 ms of both sides, where our own
code (`sntrup761`) is not and takes 200. Debian has the first from version 13 on; systems with
GnuPG have the second.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from ..errors import KeyExchangeFailed
from .ecdh import Finish

if TYPE_CHECKING:
    import ctypes

    _Buffer = ctypes.Array[ctypes.c_char]

__all__ = ["CIPHERTEXT_SIZE", "PUBLIC_SIZE", "SNTRUP761Library", "sntrup761_library"]

PUBLIC_SIZE = 1158
CIPHERTEXT_SIZE = 1039
_SECRET_SIZE = 1763
_KEY_SIZE = 32

_NTRUPRIME = ("libntruprime.so.1", "libntruprime.1.dylib", "libntruprime.dll")
_GCRYPT = ("libgcrypt.so.20", "libgcrypt.20.dylib", "libgcrypt-20.dll")

# gcrypt.h
_SNTRUP761 = 1
_INITIALIZATION_FINISHED = 38
_INITIALIZATION_FINISHED_P = 39


class SNTRUP761Library:
    """A library that has been loaded. Its functions return something true if they fail.

    Parameters:
        name: of the library, for error texts.
        keypair: fills in a public key and a secret key.
        encapsulate: fills in a ciphertext and a session key, for a public key.
        decapsulate: fills in a session key, for a ciphertext and a secret key.
    """

    def __init__(
        self,
        name: str,
        keypair: Callable[[_Buffer, _Buffer], object],
        encapsulate: Callable[[_Buffer, _Buffer, bytes], object],
        decapsulate: Callable[[_Buffer, bytes, _Buffer], object],
    ) -> None:
        # Imported here: it takes some milliseconds, and who is here has loaded it.
        from ctypes import create_string_buffer

        self.name = name
        self._buffer = create_string_buffer
        self._keypair = keypair
        self._encapsulate = encapsulate
        self._decapsulate = decapsulate

    def start(self) -> tuple[bytes, Finish]:
        """Client: return a new public key, and what gives the secret of a ciphertext."""
        public, secret = self._buffer(PUBLIC_SIZE), self._buffer(_SECRET_SIZE)
        self._check(self._keypair(public, secret))

        def finish(ciphertext: bytes) -> bytes:
            _check_size(ciphertext, CIPHERTEXT_SIZE)
            key = self._buffer(_KEY_SIZE)
            self._check(self._decapsulate(key, ciphertext, secret))
            return key.raw

        return public.raw, finish

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """Server: return (secret, ciphertext)."""
        _check_size(public, PUBLIC_SIZE)
        ciphertext, key = self._buffer(CIPHERTEXT_SIZE), self._buffer(_KEY_SIZE)
        self._check(self._encapsulate(ciphertext, key, public))
        return key.raw, ciphertext.raw

    def _check(self, error: object) -> None:
        if error:
            raise KeyExchangeFailed(f"{self.name} cannot compute sntrup761 (error {error})")


def _check_size(value: bytes, size: int) -> None:
    # The library reads as much as there should be.
    if len(value) != size:
        raise ValueError(f"{len(value)} bytes instead of {size}")


@cache
def sntrup761_library() -> SNTRUP761Library | None:
    """Return the library of this system, None if there is none that works."""
    for names, use in ((_NTRUPRIME, _libntruprime), (_GCRYPT, _libgcrypt)):
        for name in names:
            try:
                library = use(name)
                library.start()  # libgcrypt refuses it in FIPS mode
            except (OSError, AttributeError, KeyExchangeFailed):
                continue
            return library
    return None


def _libntruprime(name: str) -> SNTRUP761Library:
    from ctypes import CDLL, c_char_p

    library = CDLL(name)
    functions = [library[f"ntruprime_kem_sntrup761_{step}"] for step in ("keypair", "enc", "dec")]
    for function, count in zip(functions, (2, 3, 3), strict=True):
        function.argtypes = (c_char_p,) * count
        function.restype = None
    return SNTRUP761Library(name, *functions)


def _libgcrypt(name: str) -> SNTRUP761Library:
    from ctypes import CDLL, c_char_p, c_int, c_size_t

    library = CDLL(name)
    steps = ("keypair", "encap", "decap")
    keypair, encap, decap = (library[f"gcry_kem_{step}"] for step in steps)
    sized = (c_char_p, c_size_t)
    keypair.argtypes = (c_int, *sized * 2)
    encap.argtypes = decap.argtypes = (c_int, *sized * 4)
    # As its manual asks of whoever is the first in a process to use it.
    if not library.gcry_control(_INITIALIZATION_FINISHED_P):
        library.gcry_check_version(None)
        library.gcry_control(_INITIALIZATION_FINISHED, 0)

    return SNTRUP761Library(
        name,
        lambda public, secret: keypair(_SNTRUP761, public, PUBLIC_SIZE, secret, _SECRET_SIZE),
        lambda ciphertext, key, public: encap(
            *(_SNTRUP761, public, PUBLIC_SIZE, ciphertext, CIPHERTEXT_SIZE),
            *(key, _KEY_SIZE, None, 0),
        ),
        lambda key, ciphertext, secret: decap(
            *(_SNTRUP761, secret, _SECRET_SIZE, ciphertext, CIPHERTEXT_SIZE),
            *(key, _KEY_SIZE, None, 0),
        ),
    )
