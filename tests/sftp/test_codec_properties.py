"""Round trips, mutations, and the framer under every way of cutting a stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_sftp.codec import extensions, framing, requests, responses
from ssh_sftp.codec.attrs import FIELDS, SFTPAttrs, SFTPName
from ssh_sftp.codec.attrs_flags import DEFINED
from ssh_sftp.codec.framing import PacketFramer
from ssh_sftp.codec.wire import Message, PacketDecodeError
from ssh_sftp.errors import SFTPError

U32 = st.integers(0, 0xFFFFFFFF)
U64 = st.integers(0, 0xFFFFFFFFFFFFFFFF)
I64 = st.integers(-(1 << 63), (1 << 63) - 1)
NS = st.integers(0, 999_999_999)
BYTES = st.binary(max_size=40)
TEXT = st.text(max_size=20)
EXTENDED = st.lists(st.tuples(BYTES, BYTES), max_size=3).map(tuple)

DECLARED = [
    value
    for module in (requests, responses, extensions)
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, Message) and value is not Message
]


def attrs_of(version: int) -> st.SearchStrategy[SFTPAttrs]:
    """Attributes that `version` can carry, as they come back after decoding."""
    if version == 3:
        optional = {
            "size": U64,
            "permissions": U32,
            "extended": EXTENDED,
        }
        pairs = st.fixed_dictionaries(
            {}, optional={"owner": st.tuples(U32, U32), "times": st.tuples(U32, U32)}
        )

        def build(fields: dict[str, object], both: dict[str, tuple[int, int]]) -> SFTPAttrs:
            attrs = SFTPAttrs(**fields)  # type: ignore[arg-type]
            if "owner" in both:
                attrs.uid, attrs.gid = both["owner"]
            if "times" in both:
                attrs.atime, attrs.mtime = both["times"]
            return SFTPAttrs.decode(attrs.encode(3), 0, len(attrs.encode(3)), 3)[0]

        return st.builds(build, st.fixed_dictionaries({}, optional=optional), pairs)
    fields: dict[str, st.SearchStrategy[object]] = {
        "size": U64, "permissions": st.integers(0, 0o7777), "acl": BYTES, "extended": EXTENDED,
    }  # fmt: skip
    times = ["atime", "crtime", "mtime"]
    if version == 5:
        fields["attrib_bits"] = U32
    if version == 6:
        fields |= {"alloc_size": U64, "text_hint": st.integers(0, 255), "mime_type": TEXT}
        fields |= {"nlink": U32, "untrans_name": BYTES}
        times.append("ctime")

    def build_later(
        kind: int,
        values: dict[str, object],
        stamps: dict[str, tuple[int, int]],
        owner: tuple[str, str] | None,
        bits: tuple[int, int] | None,
    ) -> SFTPAttrs:
        attrs = SFTPAttrs(type=kind, **values)  # type: ignore[arg-type]
        for name, (seconds, nanoseconds) in stamps.items():
            setattr(attrs, name, seconds)
            setattr(attrs, name + "_ns", nanoseconds)
        if owner is not None:
            attrs.owner, attrs.group = owner
        if bits is not None and version == 6:
            attrs.attrib_bits, attrs.attrib_valid = bits
        return attrs

    return st.builds(
        build_later,
        st.integers(1, 5),
        st.fixed_dictionaries({}, optional=fields),
        st.fixed_dictionaries({}, optional={name: st.tuples(I64, NS) for name in times}),
        st.none() | st.tuples(TEXT, TEXT),
        st.none() | st.tuples(U32, U32),
    )


@pytest.mark.parametrize("version", [3, 4, 5, 6])
@given(data=st.data())
def test_attributes_survive(version: int, data: st.DataObject) -> None:
    attrs = data.draw(attrs_of(version))
    encoded = attrs.encode(version)
    assert SFTPAttrs.decode(b"x" + encoded + b"y", 1, 1 + len(encoded), version) == (
        attrs,
        1 + len(encoded),
    )


@pytest.mark.parametrize("version", [4, 5, 6])
def test_the_type_is_not_among_the_permissions(version: int) -> None:
    """draft-ietf-secsh-filexfer-05 section 5.5: undefined bits must not be sent."""
    encoded = SFTPAttrs(type=1, permissions=0o104640).encode(version)
    assert SFTPAttrs.decode(encoded, 0, len(encoded), version)[0].permissions == 0o4640
    assert SFTPAttrs(permissions=0o104640).encode(3)[4:] == (0o104640).to_bytes(4, "big")


@given(attrs=attrs_of(3))
def test_usual_attributes_by_struct_and_by_table(attrs: SFTPAttrs) -> None:
    table = [row.encode(attrs, False) for row in FIELDS[3]]
    flags = sum(row.flag for row, part in zip(FIELDS[3], table, strict=True) if part is not None)
    expected = flags.to_bytes(4, "big") + b"".join(part for part in table if part is not None)
    assert attrs.encode(3) == expected


@pytest.mark.parametrize("version", [3, 4, 5, 6])
@given(data=st.binary(max_size=120))
def test_attributes_from_any_bytes(version: int, data: bytes) -> None:
    try:
        attrs, pos = SFTPAttrs.decode(data, 0, len(data), version)
    except PacketDecodeError:
        return
    assert pos <= len(data)
    assert isinstance(attrs, SFTPAttrs)


@pytest.mark.parametrize("version", [3, 4, 5, 6])
def test_flags_that_a_version_lacks_are_refused(version: int) -> None:
    for bit in range(32):
        flag = 1 << bit
        data = flag.to_bytes(4, "big") + bytes(200)
        if flag & DEFINED[version]:
            SFTPAttrs.decode(data, 0, len(data), version)
        elif version >= 4 and flag == 2:
            continue  # Erlang's server of version 4 sets this one: tolerated, without data
        else:
            with pytest.raises(PacketDecodeError):
                SFTPAttrs.decode(data, 0, len(data), version)


@given(data=st.data(), version=st.integers(3, 6))
def test_names_survive(data: st.DataObject, version: int) -> None:
    names = [
        SFTPName(filename, longname if version == 3 else b"", attrs)
        for filename, longname, attrs in data.draw(
            st.lists(st.tuples(BYTES, BYTES, attrs_of(version)), max_size=4)
        )
    ]
    body = responses.encode_names(names, version)
    assert responses.decode_names(body, 0, len(body), version) == names


def test_counts_do_not_allocate() -> None:
    with pytest.raises(PacketDecodeError, match="4294967295 names"):
        responses.decode_names(b"\xff" * 4 + bytes(64), 0, 68)
    with pytest.raises(PacketDecodeError, match="4294967295 extended"):
        SFTPAttrs.decode(b"\x80\0\0\0" + b"\xff" * 4 + bytes(64), 0, 72)


@pytest.mark.parametrize("declaration", DECLARED, ids=lambda cls: cls.__name__)
@given(data=st.binary(max_size=100))
def test_declarations_take_any_bytes(declaration: type[Message], data: bytes) -> None:
    try:
        packet = declaration.decode(data)
    except PacketDecodeError:
        return
    start = 0 if declaration.number < 0 else 1
    again = packet.encode()
    assert declaration.decode(again, start) == packet


@given(code=U32, text=st.binary(max_size=60), lang=st.binary(max_size=10), cut=st.integers(0, 80))
def test_status_text_is_made_harmless(code: int, text: bytes, lang: bytes, cut: int) -> None:
    body = responses.StatusReply(0, code, text, lang).encode()[5:]
    try:
        error = responses.decode_error(body, 0, min(cut, len(body)))
    except PacketDecodeError:
        return
    if code == 0:
        assert error is None
    else:
        assert isinstance(error, SFTPError)
        assert error.code == code
        assert error.reason.isprintable()
        assert error.lang.isprintable()


# --- Framing --------------------------------------------------------------------------------------


class Collector:
    """Takes packets from a framer and puts them together again."""

    def __init__(self, max_length: int = 1 << 18) -> None:
        self.packets: list[bytes] = []
        self.piecewise = 0
        self.pause_after = 0
        self.framer = PacketFramer(self.on_packet, self.on_pieces, 103, max_length)

    def on_packet(self, kind: int, data: bytes, start: int, end: int) -> None:
        self.add(bytes((kind,)) + data[start:end])

    def on_pieces(self, pieces: list[memoryview], length: int) -> None:
        self.piecewise += 1
        assert len(pieces[0]) >= 277
        packet = b"".join(pieces)
        assert len(packet) == length
        self.add(packet)

    def add(self, packet: bytes) -> None:
        self.packets.append(packet)
        if self.pause_after and len(self.packets) % self.pause_after == 0:
            self.framer.pause()


PACKETS = st.lists(
    st.builds(
        lambda kind, size, fill: bytes((kind,)) + fill * size,
        st.sampled_from((5, 103, 104)),
        st.sampled_from((0, 1, 20, 270, 300, 2047, 2048, 2049, 5000, 40000)),
        st.binary(min_size=1, max_size=1),
    ),
    max_size=6,
)


@given(
    packets=PACKETS,
    sizes=st.lists(st.sampled_from((1, 3, 4, 7, 100, 2047, 2048, 9000, 70000)), min_size=1),
    pause_after=st.integers(0, 2),
)
def test_framer_gives_the_packets_however_they_are_cut(
    packets: list[bytes], sizes: list[int], pause_after: int
) -> None:
    stream = b"".join(framing.frame(packet) for packet in packets)
    collector = Collector()
    collector.pause_after = pause_after
    pos = turn = 0
    while pos < len(stream):
        chunk = stream[pos : pos + sizes[turn % len(sizes)]]
        turn += 1
        pos += len(chunk)
        collector.framer.feed(b"#" + chunk + b"#", 1, 1 + len(chunk))
        if turn % 3 == 0:
            collector.framer.resume()
    while collector.framer.paused:
        collector.framer.resume()
    assert collector.packets == packets
    assert not collector.framer.unfinished
    assert collector.framer.backlog_size == 0


def test_single_bytes_cost_linear_work_and_memory() -> None:
    packet = b"g" + bytes(1 << 17)
    collector = Collector()
    for byte in framing.frame(packet):
        collector.framer.feed(bytes((byte,)), 0, 1)
    assert collector.packets == [packet]
    assert collector.piecewise == 0  # copied into one buffer, not kept as 131,072 views


def test_large_data_packets_are_not_joined() -> None:
    packet = b"g" + bytes(100_000)
    collector = Collector()
    stream = framing.frame(packet)
    for start in range(0, len(stream), 32768):
        chunk = stream[start : start + 32768]
        collector.framer.feed(chunk, 0, len(chunk))
    assert collector.packets == [packet]
    assert collector.piecewise == 1


@pytest.mark.parametrize("length", [0, 1001, 0xFFFFFFFF])
@pytest.mark.parametrize("chunk", [1, 4])
def test_bad_length_is_refused_before_anything_is_kept(length: int, chunk: int) -> None:
    collector = Collector(max_length=1000)
    data = length.to_bytes(4, "big")
    for start in range(0, 4 - chunk, chunk):
        collector.framer.feed(data, start, start + chunk)
    with pytest.raises(PacketDecodeError, match="allowed are 1 to 1000"):
        collector.framer.feed(data, 4 - chunk, 4)
