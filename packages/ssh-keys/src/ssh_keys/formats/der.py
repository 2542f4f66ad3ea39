"""The subset of DER (X.690) that password-based encryption and X.509 names are described in.

Everything inside of the keys themselves is left to `cryptography`; this module exists because the
parameters of PKCS#5 and PKCS#12 are read before there is anything to hand over, and importing an
ASN.1 library would cost every user of `ssh_keys` more than this file.
"""

from __future__ import annotations

from ssh_keys.errors import KeyTruncatedError

__all__ = [
    "INTEGER",
    "NULL",
    "OCTET_STRING",
    "OID",
    "SEQUENCE",
    "SET",
    "UTF8_STRING",
    "DERReader",
    "encode_integer",
    "encode_null",
    "encode_octets",
    "encode_oid",
    "encode_sequence",
    "encode_value",
]

INTEGER, OCTET_STRING, NULL, OID, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
UTF8_STRING, SET = 0x0C, 0x31


class DERReader:
    """Reads DER values one after another; lengths never reach beyond the data.

    Raises KeyTruncatedError for a value that is not of the type that is asked for, not in its only
    form, or does not fit.
    """

    __slots__ = ("_data", "_end", "_pos")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._pos = start
        self._end = len(data) if end is None else end

    def peek(self) -> int:
        """Return the tag of the next value, -1 at the end."""
        return self._data[self._pos] if self._pos < self._end else -1

    def _header(self, tag: int) -> tuple[int, int]:
        pos = self._pos
        if self._end - pos < 2 or self._data[pos] != tag:
            raise KeyTruncatedError(f"DER value with tag {tag:#x} expected")
        length = self._data[pos + 1]
        pos += 2
        if length >= 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4 or self._end - pos < count or not self._data[pos]:
                raise KeyTruncatedError("DER length is malformed")
            length = int.from_bytes(self._data[pos : pos + count], "big")
            pos += count
            if length < 0x80:
                raise KeyTruncatedError("DER length is malformed")
        if self._end - pos < length:
            raise KeyTruncatedError("DER value reaches beyond the data")
        return pos, pos + length

    def _value(self, tag: int) -> bytes:
        start, self._pos = self._header(tag)
        return self._data[start : self._pos]

    @property
    def at_end(self) -> bool:
        """Whether everything was read."""
        return self._pos == self._end

    def value(self) -> tuple[int, bytes]:
        """Read a value of any type with a tag of one byte and return tag and content."""
        tag = self.peek()
        if tag < 0 or tag & 0x1F == 0x1F:
            raise KeyTruncatedError("DER value expected")
        return tag, self._value(tag)

    def encoded(self, tag: int) -> bytes:
        """Read a value and return it with its tag and length."""
        start = self._pos
        self._value(tag)
        return self._data[start : self._pos]

    def nested(self, tag: int) -> DERReader:
        """Read a value that holds others and return a reader of these."""
        start, self._pos = self._header(tag)
        return DERReader(self._data, start, self._pos)

    def sequence(self) -> DERReader:
        """Read a SEQUENCE and return a reader of its values."""
        return self.nested(SEQUENCE)

    def integer(self) -> int:
        """Read an INTEGER."""
        value = self._value(INTEGER)
        if not value or (
            len(value) > 1 and value[0] in (0, 0xFF) and value[0] >> 7 == value[1] >> 7
        ):
            raise KeyTruncatedError("DER integer is malformed")
        return int.from_bytes(value, "big", signed=True)

    def octets(self) -> bytes:
        """Read an OCTET STRING."""
        return self._value(OCTET_STRING)

    def null(self) -> None:
        """Read a NULL."""
        if self._value(NULL):
            raise KeyTruncatedError("DER null with a content")

    def oid(self) -> str:
        """Read an OBJECT IDENTIFIER in dotted form."""
        value = self._value(OID)
        arcs: list[int] = []
        arc, fresh = 0, True
        for byte in value:
            if (fresh and byte == 0x80) or arc >> 64:
                raise KeyTruncatedError("DER object identifier is malformed")
            arc, fresh = arc << 7 | byte & 0x7F, byte < 0x80
            if fresh:
                arcs.append(arc)
                arc = 0
        if not arcs or not fresh:
            raise KeyTruncatedError("DER object identifier is malformed")
        first = min(arcs[0] // 40, 2)
        return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))

    def end(self) -> None:
        """Raise KeyTruncatedError unless everything was read."""
        if self._pos != self._end:
            raise KeyTruncatedError(f"{self._end - self._pos} bytes behind the last DER value")


def encode_value(tag: int, value: bytes) -> bytes:
    """Return a value of any type."""
    length = len(value)
    if length < 0x80:
        return bytes((tag, length)) + value
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + value


def encode_sequence(*values: bytes) -> bytes:
    """Return a SEQUENCE of encoded values."""
    return encode_value(SEQUENCE, b"".join(values))


def encode_integer(value: int) -> bytes:
    """Return an INTEGER, zero or positive."""
    return encode_value(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def encode_octets(value: bytes) -> bytes:
    """Return an OCTET STRING."""
    return encode_value(OCTET_STRING, value)


def encode_null() -> bytes:
    """Return a NULL."""
    return encode_value(NULL, b"")


def encode_oid(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    value = b""
    for arc in (40 * first + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        value += bytes(reversed(groups))
    return encode_value(OID, value)
