"""Identification string exchange (RFC 4253 section 4.2)."""

from __future__ import annotations

from .errors import ProtocolError, ProtocolNotSupported, printable
from .protocols import Role

__all__ = ["Identification"]

_MAX_LINE = 8192  # of a line before the identification string
_MAX_IDENTIFICATION = 255  # CR LF included, RFC 4253 section 4.2
_MAX_LINES = 1024


class Identification:
    """Finds the peer's identification string in the first bytes that it sends.

    Parameters:
        role: ours; only a server may send lines before its identification string.
    """

    __slots__ = ("_count", "_lines", "_role", "version")

    def __init__(self, role: Role) -> None:
        self._role = role
        self._count = 0
        self._lines: list[bytes] = []
        self.version = b""

    def feed(self, data: bytearray, start: int, end: int) -> int:
        """Read lines from `data[start:end]`; return the position behind what was used.

        `version` is set when the identification string was found. Raises ProtocolError for lines
        that are too long or too many, ProtocolNotSupported if the peer does not speak SSH 2.0.
        """
        while not self.version:
            limit = min(end, start + _MAX_LINE)
            stop = data.find(b"\n", start, limit)
            if stop < 0:
                self._check_unfinished(bytes(data[start:limit]), end - start)
                return start
            self._line(bytes(data[start:stop]).removesuffix(b"\r"))
            start = stop + 1
        return start

    def take_lines(self) -> list[bytes]:
        """Return the lines in front of the identification string that were not taken yet."""
        lines, self._lines = self._lines, []
        return lines

    def _check_unfinished(self, text: bytes, size: int) -> None:
        if size >= _MAX_LINE:
            raise ProtocolError("line before the identification string is too long")
        if text.startswith(b"SSH-") and size >= _MAX_IDENTIFICATION:
            raise ProtocolError("identification string is too long")
        if self._role is Role.SERVER and not (text.startswith(b"SSH-") or b"SSH-".startswith(text)):
            raise ProtocolError("client did not start with an identification string")

    def _line(self, line: bytes) -> None:
        if not line.startswith(b"SSH-"):
            if self._role is Role.SERVER:
                raise ProtocolError("client did not start with an identification string")
            self._count += 1
            if self._count > _MAX_LINES:
                raise ProtocolError("too many lines before the identification string")
            self._lines.append(line)
            return
        if len(line) + 2 > _MAX_IDENTIFICATION:
            raise ProtocolError("identification string is too long")
        if b"\0" in line:
            raise ProtocolError("identification string with a null character")
        # RFC 4253 section 5.1: a server that also speaks SSH 1 says 1.99.
        if not line.startswith((b"SSH-2.0-", b"SSH-1.99-")):
            raise ProtocolNotSupported(f"peer speaks another protocol: {printable(line)}")
        self.version = line
