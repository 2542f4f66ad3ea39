"""Wire types (RFC 4251 section 5): the RFC's examples, round trips, bounds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_keys import wire
from ssh_keys.wire import (
    Boolean,
    Byte,
    Int64,
    Message,
    MPInt,
    NameList,
    PacketDecodeError,
    Reader,
    Rest,
    SecretText,
    String,
    Text,
    UInt32,
    UInt64,
    message,
)


@message(98)
class Everything(Message):
    """One field of every type, in no particular order."""

    byte: Byte
    flag: Boolean
    small: UInt32
    large: UInt64
    signed: Int64
    data: String
    words: Text
    big: MPInt
    names: NameList
    secret: SecretText = "hidden"
    tail: Rest = b""


NAMES = st.lists(st.binary(min_size=1, max_size=8).filter(lambda name: b"," not in name)).map(tuple)
EVERYTHING = st.builds(
    Everything,
    byte=st.integers(0, 255),
    flag=st.booleans(),
    small=st.integers(0, 2**32 - 1),
    large=st.integers(0, 2**64 - 1),
    signed=st.integers(-(2**63), 2**63 - 1),
    data=st.binary(max_size=64),
    words=st.text(max_size=16),
    big=st.integers(-(2**80), 2**80),
    names=NAMES,
    secret=st.text(max_size=16),
    tail=st.binary(max_size=16),
)


@given(EVERYTHING)
def test_messages_round_trip(original: Everything) -> None:
    data = original.encode()
    assert data[0] == 98
    decoded = Everything.decode(data, 1)
    assert decoded == original
    assert decoded.encode() == data


@given(EVERYTHING, st.binary(max_size=8), st.binary(max_size=8))
def test_decode_stays_between_start_and_end(
    original: Everything, before: bytes, after: bytes
) -> None:
    data = original.encode()[1:]
    assert Everything.decode(before + data + after, len(before), len(before) + len(data)) == (
        original
    )


@given(EVERYTHING)
def test_every_truncation_is_refused(original: Everything) -> None:
    original.tail = b""
    data = original.encode()
    for end in range(1, len(data)):
        with pytest.raises(PacketDecodeError, match="Everything"):
            Everything.decode(data, 1, end)


@given(st.binary(max_size=80))
def test_arbitrary_bytes_raise_only_the_documented_error(data: bytes) -> None:
    try:
        decoded = Everything.decode(data)
    except PacketDecodeError:
        return
    assert Everything.decode(decoded.encode(), 1) == decoded


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        # The examples of RFC 4251 section 5.
        (0, "00 00 00 00"),
        (0x9A378F9B2E332A7, "00 00 00 08 09 a3 78 f9 b2 e3 32 a7"),
        (0x80, "00 00 00 02 00 80"),
        (-0x1234, "00 00 00 02 ed cc"),
        (-0xDEADBEEF, "00 00 00 05 ff 21 52 41 11"),
        # Edges of the sign bit.
        (-1, "00 00 00 01 ff"),
        (-0x80, "00 00 00 01 80"),
        (-0x81, "00 00 00 02 ff 7f"),
        (0x7F, "00 00 00 01 7f"),
    ],
)
def test_mpint_examples(value: int, encoded: str) -> None:
    data = bytes.fromhex(encoded)
    assert wire.encode_mpint(value) == data
    assert wire.decode_mpint(data, 0, len(data)) == (value, len(data))


def test_name_list_examples() -> None:
    # RFC 4251 section 5.
    assert wire.encode_name_list(()) == bytes(4)
    assert wire.encode_name_list((b"zlib",)) == b"\0\0\0\x04zlib"
    assert wire.encode_name_list((b"zlib", b"none")) == b"\0\0\0\x09zlib,none"
    assert wire.decode_name_list(bytes(4), 0, 4) == ((), 4)


@pytest.mark.parametrize("text", [b",", b"a,", b",a", b"a,,b"])
def test_name_lists_with_empty_names_are_refused(text: bytes) -> None:
    data = wire.encode_string(text)
    with pytest.raises(PacketDecodeError, match="empty name"):
        wire.decode_name_list(data, 0, len(data))


@pytest.mark.parametrize("name", [b"", b"a,b"])
def test_names_that_are_none_are_not_encoded(name: bytes) -> None:
    with pytest.raises(ValueError, match="not a name"):
        wire.encode_name_list((b"ok", name))


@pytest.mark.parametrize(
    ("encode", "value"),
    [
        (wire.encode_byte, 256),
        (wire.encode_byte, -1),
        (wire.encode_uint32, 2**32),
        (wire.encode_uint32, -1),
        (wire.encode_uint64, 2**64),
        (wire.encode_uint64, -1),
        (wire.encode_int64, 2**63),
        (wire.encode_int64, -(2**63) - 1),
    ],
)
def test_values_out_of_range(encode: Callable[[int], bytes], value: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        encode(value)


@pytest.mark.parametrize("value", [0, 1, 2, 255])
def test_every_boolean_but_zero_is_true(value: int) -> None:
    assert Reader(bytes((value,))).boolean() is (value != 0)


@pytest.mark.parametrize("length", [1, 2**31, 2**32 - 1])
def test_claimed_lengths_allocate_nothing(length: int) -> None:
    data = length.to_bytes(4, "big")
    with pytest.raises(PacketDecodeError):
        Reader(data).string()


def test_text_must_be_utf8() -> None:
    with pytest.raises(PacketDecodeError, match="UTF-8"):
        Reader(wire.encode_string(b"\xff")).text()


def test_reader_reads_everything_in_turn() -> None:
    data = (
        b"\x07\x01"
        + wire.encode_uint32(5)
        + wire.encode_uint64(6)
        + wire.encode_string(b"s")
        + wire.encode_text("ü")
        + wire.encode_mpint(-9)
        + wire.encode_name_list((b"a", b"b"))
        + b"xyzrest"
    )
    reader = Reader(data)
    assert (reader.byte(), reader.boolean(), reader.uint32(), reader.uint64()) == (7, True, 5, 6)
    assert (reader.string(), reader.text(), reader.mpint()) == (b"s", "ü", -9)
    assert reader.name_list() == (b"a", b"b")
    assert reader.take(3) == b"xyz"
    assert (reader.position, reader.remaining) == (len(data) - 4, 4)
    with pytest.raises(PacketDecodeError, match="4 bytes behind"):
        reader.end()
    assert reader.rest() == b"rest"
    reader.end()


@pytest.mark.parametrize("count", [-1, 4])
def test_reader_takes_no_more_than_there_is(count: int) -> None:
    with pytest.raises(PacketDecodeError, match="3 left"):
        Reader(b"abc").take(count)


def test_message_construction() -> None:
    first = Everything(1, True, 2, 3, 4, b"5", "6", 7, (b"8",))
    assert first.secret == "hidden"
    assert first.tail == b""
    assert first == Everything(1, True, 2, 3, 4, b"5", "6", 7, names=(b"8",))
    assert first != Everything(0, True, 2, 3, 4, b"5", "6", 7, (b"8",))
    assert "hidden" not in repr(first)
    assert "<secret>" in repr(first)
    assert Everything.field_names()[:2] == ("byte", "flag")


@pytest.mark.parametrize("arguments", [(), (1,) * 12])
def test_message_needs_its_fields(arguments: tuple[int, ...]) -> None:
    with pytest.raises(TypeError):
        Everything(*arguments)  # type: ignore[arg-type]


def test_message_has_no_other_field() -> None:
    with pytest.raises(TypeError, match="no free field other"):
        Everything(1, True, 2, 3, 4, b"5", "6", 7, (), other=1)  # type: ignore[call-arg]


def test_declaration_needs_wire_types() -> None:
    @message(1)
    class Wrong(Message):
        field: int

    with pytest.raises(TypeError, match="not declared with a wire type"):
        Wrong.field_names()


@pytest.mark.parametrize("name", ["number", "encode", "decode", "field_names"])
def test_fields_may_not_hide_what_messages_have(name: str) -> None:
    wrong: type[Message] = message(1)(
        type("Wrong", (Message,), {"__annotations__": {name: UInt32}})
    )
    with pytest.raises(TypeError, match=f"Wrong.{name} hides"):
        wrong.field_names()


def test_structure_without_number() -> None:
    @message()
    class Pair(Message):
        left: UInt32
        right: UInt32

    assert Pair(1, 2).encode() == b"\0\0\0\1\0\0\0\2"
    with pytest.raises(PacketDecodeError, match="1 bytes behind"):
        Pair.decode(bytes(9))
