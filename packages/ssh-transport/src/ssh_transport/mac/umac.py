"""UMAC over packets (RFC 4418, draft-miller-secsh-umac), computed by the system's libnettle.

No Python library has it. Where libnettle is not installed the names are not offered, and asking
for one of them by name fails.
"""

from __future__ import annotations

from functools import cache
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

__all__ = ["UMACPacketMAC", "nettle_available"]

# Versions of the shared object that have one and the same UMAC interface (nettle 3.1 to 3.10).
_NAMES = (
    "libnettle.so.8",
    "libnettle.8.dylib",
    "libnettle-8.dll",
    "libnettle.so.7",
    "libnettle.so.6",
    "libnettle.6.dylib",
)

# The size of a context is not part of the interface; that of UMAC-128 is below 3 KiB.
_CONTEXT_SIZE = 8192

_SEQUENCE = Struct(">I").unpack_from
_NONCE = Struct(">Q").pack


@cache
def _nettle() -> ctypes.PyDLL | None:
    # Imported here: most connections use no UMAC, and ctypes takes some milliseconds.
    import ctypes

    for name in _NAMES:
        try:
            # The functions are too short to be worth giving up the interpreter lock, as CDLL does.
            library = ctypes.PyDLL(name)
            for bits in (64, 128):
                for step, third in (
                    ("set_nonce", ctypes.c_char_p),
                    ("update", ctypes.c_char_p),
                    ("digest", ctypes.c_void_p),
                ):
                    function = library[f"nettle_umac{bits}_{step}"]
                    function.argtypes = (ctypes.c_void_p, ctypes.c_size_t, third)
                    function.restype = None
                    setattr(library, f"umac{bits}_{step}", function)
                function = library[f"nettle_umac{bits}_set_key"]
                function.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
                function.restype = None
                setattr(library, f"umac{bits}_set_key", function)
        except (OSError, AttributeError):
            continue
        return library
    return None


def nettle_available() -> bool:
    """Whether a libnettle with UMAC is installed."""
    return _nettle() is not None


class UMACPacketMAC:
    """UMAC-64 or UMAC-128 with the sequence number as nonce.

    Parameters:
        key: 16 bytes.
        bits: size of the tag, 64 or 128.

    Raises ValueError without libnettle.
    """

    __slots__ = ("_context", "_digest", "_next", "_output", "_set_nonce", "_size", "_update")

    def __init__(self, key: bytes, bits: int) -> None:
        library = _nettle()
        if library is None:
            raise ValueError(f"umac-{bits} needs the system library libnettle")
        import ctypes

        self._context = ctypes.create_string_buffer(_CONTEXT_SIZE)
        self._size = bits // 8
        self._output = ctypes.create_string_buffer(self._size)
        self._set_nonce = getattr(library, f"umac{bits}_set_nonce")
        self._update = getattr(library, f"umac{bits}_update")
        self._digest = getattr(library, f"umac{bits}_digest")
        getattr(library, f"umac{bits}_set_key")(self._context, key)
        self._next = -1

    def tag(self, nonce: bytes, message: bytes) -> bytes:
        """Return the tag of a message under a nonce of 8 bytes (RFC 4418 section 2.3)."""
        self._next = -1
        self._set_nonce(self._context, len(nonce), nonce)
        return self._tag(message)

    def compute(self, head: bytes, body: bytes | memoryview) -> bytes:
        """Return the MAC over packet_length and `body`, the sequence number being the nonce."""
        sequence: int = _SEQUENCE(head)[0]
        if sequence != self._next:
            self._set_nonce(self._context, 8, _NONCE(sequence))
        # The library counts the nonce up itself.
        self._next = sequence + 1
        return self._tag(b"".join((head[4:], body)))

    def _tag(self, message: bytes) -> bytes:
        self._update(self._context, len(message), message)
        self._digest(self._context, self._size, self._output)
        return self._output.raw
