"""ChaCha20 with a 64-bit nonce and Poly1305, straight from RFC 8439: slow, and independent."""

from __future__ import annotations

import struct

_MASK = 0xFFFFFFFF


def _quarter_round(x: list[int], a: int, b: int, c: int, d: int) -> None:
    for target, add, rotated, left in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        x[target] = (x[target] + x[add]) & _MASK
        mixed = x[rotated] ^ x[target]
        x[rotated] = (mixed << left | mixed >> (32 - left)) & _MASK


def _block(key: bytes, counter: int, nonce: bytes) -> bytes:
    state = list(struct.unpack("<4I8I", b"expand 32-byte k" + key))
    state += [counter & _MASK, counter >> 32, *struct.unpack("<2I", nonce)]
    x = list(state)
    for _ in range(10):
        for i in range(4):
            _quarter_round(x, i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            _quarter_round(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<16I", *((a + b) & _MASK for a, b in zip(x, state, strict=True)))


def chacha20(key: bytes, counter: int, nonce: bytes, size: int) -> bytes:
    """Return `size` bytes of key stream, the first block having the number `counter`."""
    blocks = (_block(key, counter + i, nonce) for i in range((size + 63) // 64))
    return b"".join(blocks)[:size]


def poly1305(key: bytes, message: bytes) -> bytes:
    """Return the tag of a message under a one-time key (RFC 8439 section 2.5)."""
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for i in range(0, len(message), 16):
        total = (total + int.from_bytes(message[i : i + 16] + b"\x01", "little")) * r
        total %= (1 << 130) - 5
    return ((total + int.from_bytes(key[16:], "little")) % (1 << 128)).to_bytes(16, "little")
