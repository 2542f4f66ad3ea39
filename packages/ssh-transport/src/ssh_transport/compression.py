"""The compression table: none, zlib and zlib@openssh.com.

One zlib stream per direction lives as long as the connection (RFC 4253 section 6.2) and is
flushed at the end of each packet. `zlib@openssh.com` is the same from the end of authentication on
(draft-miller-secsh-compression-delayed), so that nobody reaches the decompressor unauthenticated.
"""

from __future__ import annotations

import zlib

from ssh_keys.algorithms import Registry, Status

from .errors import CompressionError
from .protocols import CompressionAlgorithm

__all__ = ["COMPRESSIONS", "ZlibCompressor", "ZlibDecompressor"]


class ZlibCompressor:
    """Deflates the payloads of one direction.

    Parameters:
        level: 1 (fast) to 9 (small).
    """

    __slots__ = ("_compress", "_flush")

    def __init__(self, level: int = 6) -> None:
        stream = zlib.compressobj(level)
        self._compress = stream.compress
        self._flush = stream.flush

    def compress(self, payload: bytes) -> bytes:
        """Return the compressed payload, flushed so that the peer can read all of it."""
        # A partial flush (RFC 4253 section 6.2): 10 bits, where a sync flush takes 5 bytes.
        return self._compress(payload) + self._flush(zlib.Z_PARTIAL_FLUSH)


class ZlibDecompressor:
    """Inflates the payloads of one direction."""

    __slots__ = ("_stream",)

    def __init__(self) -> None:
        self._stream = zlib.decompressobj()

    def decompress(self, data: bytes, limit: int) -> bytes:
        """Return the payload; raises CompressionError if malformed or above `limit` bytes.

        Never more than `limit` + 1 bytes are produced, whatever the data claim to inflate to.
        """
        stream = self._stream
        try:
            payload = stream.decompress(data, limit + 1)
        except zlib.error:
            raise CompressionError("malformed compressed data") from None
        # `unconsumed_tail` is what the bound held back; `eof` is the end of a stream that has to
        # go on for the whole connection (and everything behind it would be ignored silently).
        if len(payload) > limit or stream.unconsumed_tail:
            raise CompressionError(f"compressed payload inflates to more than {limit} bytes")
        if stream.eof:
            raise CompressionError("compressed stream ended within the connection")
        return payload


# Off unless asked for: compression costs more time than most networks win by it, and a secret next
# to text that an attacker chooses shows in the length (as in CRIME). `zlib` starts at NEWKEYS,
# before authentication; it is sound only with peers that one trusts (CVE-2016-10012).
COMPRESSIONS: Registry[CompressionAlgorithm] = Registry(
    "compression method",
    (
        CompressionAlgorithm(b"none", False, None, None),
        CompressionAlgorithm(b"zlib@openssh.com", True, ZlibCompressor, ZlibDecompressor),
        CompressionAlgorithm(b"zlib", False, ZlibCompressor, ZlibDecompressor, Status.SUPPORTED),
    ),
)
"""Every compression method by name."""
