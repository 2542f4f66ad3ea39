"""Wire types of RFC 4251 section 5, and the declarations of messages made of them.

The same file is `ssh_keys/wire.py` and `ssh_sftp/codec/wire.py`: the SFTP codec has no
dependency, and a test holds the two copies byte-equal.

Three ways to use it, from cold to hot:

* a *declaration* (`@message`) for every message that a protocol defines: fields in wire
  order, bounds and trailing bytes checked, one documented exception;
* a `Reader` for structures that are not messages (key blobs, certificates, files);
* the plain functions (`encode_string`, `decode_uint32`, ...) for code that packs by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct
from typing import (
    Annotated,
    ClassVar,
    Generic,
    Self,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

__all__ = [
    "Boolean",
    "Byte",
    "Int64",
    "MPInt",
    "Message",
    "NameList",
    "PacketDecodeError",
    "Reader",
    "Rest",
    "SecretText",
    "String",
    "Text",
    "UInt32",
    "UInt64",
    "WireType",
    "decode_mpint",
    "decode_string",
    "decode_uint32",
    "decode_uint64",
    "encode_boolean",
    "encode_byte",
    "encode_mpint",
    "encode_name_list",
    "encode_string",
    "encode_text",
    "encode_uint32",
    "encode_uint64",
    "message",
]

T = TypeVar("T")
M = TypeVar("M", bound="Message")

_UINT32 = Struct(">I")
_UINT64 = Struct(">Q")
_INT64 = Struct(">q")
_BYTES = tuple(bytes((value,)) for value in range(256))


class PacketDecodeError(ValueError):
    """Bytes that do not follow the declared structure: too short, too long, or malformed."""


# --- Plain functions: encode gives bytes, decode gives (value, next position) ----------------
#
# `end` is the first position that does not belong to the structure: no decoder ever looks at
# or beyond it, whatever length the peer claims.


def encode_byte(value: int) -> bytes:
    """Encode one octet, 0 to 255 (RFC 4251 section 5, `byte`)."""
    if not 0 <= value <= 255:
        raise ValueError(f"byte out of range: {value}")
    return _BYTES[value]


def encode_boolean(value: bool) -> bytes:
    """Encode a boolean as one octet, 0 or 1 (RFC 4251 section 5)."""
    return b"\x01" if value else b"\x00"


def encode_uint32(value: int) -> bytes:
    """Encode an unsigned 32-bit integer, network byte order."""
    if not 0 <= value <= 0xFFFFFFFF:
        raise ValueError(f"uint32 out of range: {value}")
    return _UINT32.pack(value)


def encode_uint64(value: int) -> bytes:
    """Encode an unsigned 64-bit integer, network byte order."""
    if not 0 <= value <= 0xFFFFFFFFFFFFFFFF:
        raise ValueError(f"uint64 out of range: {value}")
    return _UINT64.pack(value)


def encode_int64(value: int) -> bytes:
    """Encode a signed 64-bit integer (draft-ietf-secsh-filexfer, `int64`)."""
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"int64 out of range: {value}")
    return _INT64.pack(value)


def encode_string(value: bytes) -> bytes:
    """Encode arbitrary bytes with their uint32 length in front (RFC 4251 section 5)."""
    return _UINT32.pack(len(value)) + value


def encode_text(value: str) -> bytes:
    """Encode text as a UTF-8 string."""
    return encode_string(value.encode())


def encode_mpint(value: int) -> bytes:
    """Encode a multiple precision integer: two's complement, shortest form."""
    if value == 0:
        return b"\x00\x00\x00\x00"
    bits = value.bit_length() if value > 0 else (value + 1).bit_length()
    return encode_string(value.to_bytes(bits // 8 + 1, "big", signed=True))


def encode_name_list(names: Iterable[bytes]) -> bytes:
    """Encode a comma-separated name-list; names are non-empty and hold no comma."""
    names = tuple(names)
    for name in names:
        if not name or b"," in name:
            raise ValueError(f"not a name for a name-list: {name!r}")
    return encode_string(b",".join(names))


def decode_byte(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """Decode one octet."""
    if pos >= end:
        raise PacketDecodeError("byte expected at the end of the data")
    return data[pos], pos + 1


def decode_boolean(data: bytes, pos: int, end: int) -> tuple[bool, int]:
    """Decode a boolean: every value but 0 is true (RFC 4251 section 5)."""
    if pos >= end:
        raise PacketDecodeError("boolean expected at the end of the data")
    return data[pos] != 0, pos + 1


def decode_uint32(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """Decode an unsigned 32-bit integer."""
    stop = pos + 4
    if stop > end:
        raise PacketDecodeError("uint32 truncated")
    return _UINT32.unpack_from(data, pos)[0], stop


def decode_uint64(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """Decode an unsigned 64-bit integer."""
    stop = pos + 8
    if stop > end:
        raise PacketDecodeError("uint64 truncated")
    return _UINT64.unpack_from(data, pos)[0], stop


def decode_int64(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """Decode a signed 64-bit integer."""
    stop = pos + 8
    if stop > end:
        raise PacketDecodeError("int64 truncated")
    return _INT64.unpack_from(data, pos)[0], stop


def decode_string(data: bytes, pos: int, end: int) -> tuple[bytes, int]:
    """Decode a length-prefixed string."""
    start = pos + 4
    if start > end:
        raise PacketDecodeError("string length truncated")
    stop = start + _UINT32.unpack_from(data, pos)[0]
    if stop > end:
        raise PacketDecodeError("string longer than its packet")
    return bytes(data[start:stop]), stop


def decode_text(data: bytes, pos: int, end: int) -> tuple[str, int]:
    """Decode a string that must be valid UTF-8 (RFC 3629)."""
    value, pos = decode_string(data, pos, end)
    try:
        return value.decode(), pos
    except UnicodeDecodeError:
        raise PacketDecodeError("string is not valid UTF-8") from None


def decode_mpint(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """Decode a multiple precision integer; unnecessary leading bytes are accepted."""
    value, pos = decode_string(data, pos, end)
    return int.from_bytes(value, "big", signed=True), pos


def decode_name_list(data: bytes, pos: int, end: int) -> tuple[tuple[bytes, ...], int]:
    """Decode a name-list; an empty string is an empty list, an empty name is an error."""
    value, pos = decode_string(data, pos, end)
    if not value:
        return (), pos
    names = tuple(value.split(b","))
    if b"" in names:
        raise PacketDecodeError("name-list with an empty name")
    return names, pos


def _encode_rest(value: bytes) -> bytes:
    return value


def _decode_rest(data: bytes, pos: int, end: int) -> tuple[bytes, int]:
    return bytes(data[pos:end]), end


# --- Wire types: what an annotation of a declaration says ------------------------------------


class WireType(Generic[T]):
    """How one field is written and read.

    Parameters:
        name: the specification's word for the type.
        encode: value to bytes; raises ValueError for a value that does not fit.
        decode: (data, position, end) to (value, next position); raises PacketDecodeError.
        secret: true if the value must never appear in a repr.
    """

    # Not a dataclass: importing those takes longer than everything else in this module.
    __slots__ = ("decode", "encode", "name", "secret")

    def __init__(
        self,
        name: str,
        encode: Callable[[T], bytes],
        decode: Callable[[bytes, int, int], tuple[T, int]],
        secret: bool = False,
    ) -> None:
        self.name = name
        self.encode = encode
        self.decode = decode
        self.secret = secret


Byte = Annotated[int, WireType("byte", encode_byte, decode_byte)]
Boolean = Annotated[bool, WireType("boolean", encode_boolean, decode_boolean)]
UInt32 = Annotated[int, WireType("uint32", encode_uint32, decode_uint32)]
UInt64 = Annotated[int, WireType("uint64", encode_uint64, decode_uint64)]
Int64 = Annotated[int, WireType("int64", encode_int64, decode_int64)]
String = Annotated[bytes, WireType("string", encode_string, decode_string)]
Text = Annotated[str, WireType("string (UTF-8)", encode_text, decode_text)]
SecretText = Annotated[str, WireType("string (UTF-8)", encode_text, decode_text, secret=True)]
MPInt = Annotated[int, WireType("mpint", encode_mpint, decode_mpint)]
NameList = Annotated[tuple[bytes, ...], WireType("name-list", encode_name_list, decode_name_list)]
Rest = Annotated[bytes, WireType("rest of the packet", _encode_rest, _decode_rest)]


class Message:
    """Base of declared messages: fields in wire order, `encode` and `decode`.

    Use `@message(number)` on a subclass whose annotations are wire types. Instances compare by
    content and have a repr that leaves out secrets; they are for the messages of a session that
    are rare, so none of this is on the data path.
    """

    number: ClassVar[int] = -1
    _fields: ClassVar[tuple[tuple[str, WireType[object]], ...] | None] = None
    _names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls._fields = None  # not those of the base

    def __init__(self, *args: object, **kwargs: object) -> None:
        names = self.field_names()
        values = self.__dict__
        values.update(zip(names, args, strict=False))
        if len(args) == len(names) and not kwargs:
            return
        if len(args) > len(names):
            raise TypeError(f"{type(self).__name__} has {len(names)} fields, got {len(args)}")
        for name in names[len(args) :]:
            if name in kwargs:
                values[name] = kwargs.pop(name)
            elif hasattr(type(self), name):
                values[name] = getattr(type(self), name)
            else:
                raise TypeError(f"{type(self).__name__} needs the field {name}")
        if kwargs:
            raise TypeError(f"{type(self).__name__} has no free field {next(iter(kwargs))}")

    @classmethod
    def field_names(cls) -> tuple[str, ...]:
        """Names of the fields in wire order."""
        cls._codec()
        return cls._names

    @classmethod
    def _codec(cls) -> tuple[tuple[str, WireType[object]], ...]:
        # Resolved on first use: with some hundred declarations, resolving the annotations at
        # import would be most of the import time.
        fields = cls._fields
        if fields is None:
            fields = tuple(_declared_fields(cls))
            cls._names = tuple(name for name, _ in fields)
            cls._fields = fields
        return fields

    def encode(self) -> bytes:
        """Return the message number (if there is one) and the fields.

        Raises ValueError if a value does not fit its wire type.
        """
        values = self.__dict__
        parts = [_BYTES[self.number]] if self.number >= 0 else []
        parts += [wire_type.encode(values[name]) for name, wire_type in self._codec()]
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes, start: int = 0, end: int | None = None) -> Self:
        """Read the fields from `data[start:end]`, behind the message number.

        Raises PacketDecodeError if the fields do not fill the bytes exactly.
        """
        pos = start
        if end is None:
            end = len(data)
        result = cls.__new__(cls)
        values = result.__dict__
        for name, wire_type in cls._codec():
            try:
                values[name], pos = wire_type.decode(data, pos, end)
            except PacketDecodeError as exc:
                raise PacketDecodeError(f"{cls.__name__}.{name}: {exc}") from None
        if pos != end:
            raise PacketDecodeError(f"{cls.__name__}: {end - pos} bytes behind the last field")
        return result

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.__dict__ == self.__dict__

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = (
            f"{name}={'<secret>' if wire_type.secret else repr(self.__dict__[name])}"
            for name, wire_type in self._codec()
        )
        return f"{type(self).__name__}({', '.join(shown)})"


def _declared_fields(cls: type[Message]) -> Iterable[tuple[str, WireType[object]]]:
    for name, hint in get_type_hints(cls, include_extras=True).items():
        if get_origin(hint) is ClassVar:
            continue
        if hasattr(Message, name):
            raise TypeError(f"{cls.__name__}.{name} hides a name of Message")
        for extra in get_args(hint)[1:]:
            if isinstance(extra, WireType):
                yield name, extra
                break
        else:
            raise TypeError(f"{cls.__name__}.{name} is not declared with a wire type")


@dataclass_transform(eq_default=True)
def message(number: int = -1) -> Callable[[type[M]], type[M]]:
    """Declare a message: `@message(SSH_MSG_CHANNEL_CLOSE) class ChannelClose(Message): ...`.

    Parameters:
        number: the message number that `encode` writes first; -1 for a structure without one.
    """

    def declare(cls: type[M]) -> type[M]:
        cls.number = int(number)
        return cls

    return declare


class Reader:
    """Reads wire types one after another from bytes that are not a declared message."""

    __slots__ = ("_data", "_end", "_pos")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._pos = start
        self._end = len(data) if end is None else end

    @property
    def position(self) -> int:
        """Offset of the next byte that will be read."""
        return self._pos

    @property
    def remaining(self) -> int:
        """Number of bytes that were not read yet."""
        return self._end - self._pos

    def _read(self, decode: Callable[[bytes, int, int], tuple[T, int]]) -> T:
        value, self._pos = decode(self._data, self._pos, self._end)
        return value

    def byte(self) -> int:
        """Read one octet."""
        return self._read(decode_byte)

    def boolean(self) -> bool:
        """Read a boolean."""
        return self._read(decode_boolean)

    def uint32(self) -> int:
        """Read an unsigned 32-bit integer."""
        value, self._pos = decode_uint32(self._data, self._pos, self._end)
        return value

    def uint64(self) -> int:
        """Read an unsigned 64-bit integer."""
        value, self._pos = decode_uint64(self._data, self._pos, self._end)
        return value

    def string(self) -> bytes:
        """Read a length-prefixed string."""
        # The lines of `decode_string`: keys and certificates are strings for the most part.
        start = self._pos + 4
        if start > self._end:
            raise PacketDecodeError("string length truncated")
        stop = start + _UINT32.unpack_from(self._data, start - 4)[0]
        if stop > self._end:
            raise PacketDecodeError("string longer than its packet")
        self._pos = stop
        return bytes(self._data[start:stop])

    def text(self) -> str:
        """Read a length-prefixed UTF-8 string."""
        try:
            return self.string().decode()
        except UnicodeDecodeError:
            raise PacketDecodeError("string is not valid UTF-8") from None

    def mpint(self) -> int:
        """Read a multiple precision integer."""
        return self._read(decode_mpint)

    def name_list(self) -> tuple[bytes, ...]:
        """Read a comma-separated name-list."""
        return self._read(decode_name_list)

    def take(self, count: int) -> bytes:
        """Read exactly `count` bytes without a length in front."""
        if count < 0 or count > self.remaining:
            raise PacketDecodeError(f"{count} bytes expected, {self.remaining} left")
        start = self._pos
        self._pos = start + count
        return bytes(self._data[start : self._pos])

    def rest(self) -> bytes:
        """Read everything that is left."""
        return self._read(_decode_rest)

    def end(self) -> None:
        """Raise PacketDecodeError unless everything was read."""
        if self._pos != self._end:
            raise PacketDecodeError(f"{self.remaining} bytes behind the last field")
