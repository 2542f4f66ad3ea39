"""The client against servers that do not follow the protocol. No event loop, no file."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssh_sftp.client.core import SFTPClientCore
from ssh_sftp.client.pipeline import BlockReader, BlockWriter
from ssh_sftp.codec import framing, requests, responses
from ssh_sftp.codec.attrs import SFTPLimits
from ssh_sftp.errors import SFTPBadMessage, SFTPConnectionLost, SFTPError, SFTPNoConnection
from ssh_sftp.protocols import Buffer


class Receiver:
    """Remembers what it gets."""

    def __init__(self) -> None:
        self.replies: list[tuple[int, int, bytes]] = []
        self.lost: list[SFTPError] = []

    def on_reply(self, request_id: int, kind: int, data: bytes, pos: int, end: int) -> None:
        self.replies.append((request_id, kind, data[pos:end]))

    def on_lost(self, _request_id: int, error: SFTPError) -> None:
        self.lost.append(error)


def feed(core: SFTPClientCore, packet: bytes) -> None:
    data = framing.frame(packet)
    core.receive(data, 0, len(data))


def started(extension_data: bytes = b"") -> SFTPClientCore:
    core = SFTPClientCore(lambda: None)
    core.start(3, lambda: None)
    assert b"".join(map(bytes, core.take_output())) == bytes.fromhex("00000005 01 00000003")
    feed(core, responses.Version(3, extension_data).encode())
    assert core.ready
    return core


def test_version_and_extensions() -> None:
    pairs = {b"limits@openssh.com": b"1", b"copy-data": b"9", b"unknown": b""}
    core = started(responses.encode_extension_pairs(pairs))
    assert core.extensions == pairs
    assert core.supports(b"limits@openssh.com")
    assert not core.supports(b"copy-data")  # a version that is not known here
    assert not core.supports(b"fsync@openssh.com")


@pytest.mark.parametrize(
    ("limits", "read", "write"),
    [
        (SFTPLimits(), 32768, 32768),
        (SFTPLimits(262144, 261120, 65536, 10), 261120, 65536),
        (SFTPLimits(0, 0, 0, 0), 261120, 261120),
        (SFTPLimits(1 << 40, 1 << 40, 1 << 40, 0), 261120, 261120),
    ],
)
def test_block_sizes_follow_the_limits(limits: SFTPLimits, read: int, write: int) -> None:
    core = started()
    core.apply_limits(limits)
    assert (core.max_read_size, core.max_write_size) == (read, write)


@pytest.mark.parametrize(
    "packet",
    [
        responses.Version(2).encode(),
        responses.Version(4).encode(),
        responses.Version(3, b"\0\0\0\x09broken").encode(),
        responses.StatusReply(0, 0, b"", b"").encode(),
        b"\x02",
        b"\x02\0\0",
    ],
    ids=["old", "new", "pairs", "status", "empty", "short"],
)
def test_wrong_start_is_refused(packet: bytes) -> None:
    core = SFTPClientCore(lambda: None)
    core.start(3, lambda: None)
    with pytest.raises(SFTPBadMessage):
        feed(core, packet)


def test_version_before_init_is_refused() -> None:
    core = SFTPClientCore(lambda: None)
    with pytest.raises(SFTPBadMessage):
        feed(core, responses.Version(3).encode())


@pytest.mark.parametrize(
    "packet",
    [
        responses.StatusReply(1, 0, b"", b"").encode(),  # never asked
        responses.Handle(0xFFFFFFFF, b"h").encode(),
        responses.Version(3).encode(),
        requests.Open(0, b"x", 1, bytes(4)).encode(),  # a request as reply
        b"\xff\0\0\0\0",
        b"\x65",
        b"\x65\0\0",
    ],
)
def test_packet_that_is_no_expected_reply_ends_the_session(packet: bytes) -> None:
    core = started()
    receiver = Receiver()
    core.request(receiver, requests.Stat, b"/")
    with pytest.raises(SFTPBadMessage) as caught:
        feed(core, packet)
    core.fail(caught.value)
    assert receiver.lost == [caught.value]
    assert receiver.replies == []


def test_second_reply_to_a_request_ends_the_session() -> None:
    core = started()
    receiver = Receiver()
    request_id = core.request(receiver, requests.Stat, b"/")
    reply = responses.StatusReply(request_id, 2, b"", b"").encode()
    feed(core, reply)
    assert len(receiver.replies) == 1
    with pytest.raises(SFTPBadMessage, match="not outstanding"):
        feed(core, reply)


def test_oversized_packet_is_refused_from_its_length() -> None:
    core = started()
    with pytest.raises(SFTPBadMessage, match="packet length 262145"):
        core.receive((262145).to_bytes(4, "big"), 0, 4)


def test_session_that_is_over_takes_no_requests() -> None:
    core = started()
    core.fail(SFTPConnectionLost("gone"))
    with pytest.raises(SFTPNoConnection, match="gone"):
        core.request(Receiver(), requests.Stat, b"/")
    assert len(core.pending) == 0
    assert core.take_output() == []


def test_request_that_cannot_be_encoded_leaves_nothing_behind() -> None:
    core = started()
    with pytest.raises(ValueError, match="uint32"):
        core.request(Receiver(), requests.Open, b"x", 1 << 32, bytes(4))
    assert len(core.pending) == 0


def test_request_ids_wrap_and_skip_those_in_use() -> None:
    core = started()
    receiver = Receiver()
    assert core.register(receiver) == 0
    core._next_id = 0xFFFFFFFF
    assert core.register(receiver) == 0xFFFFFFFF
    assert core.register(receiver) == 1  # 0 is still outstanding


# --- Bulk reader ----------------------------------------------------------------------------------


class Reading:
    """A BlockReader and a server that answers what a test tells it to."""

    def __init__(self, length: int | None, *, exact: bool = False, block_size: int = 100) -> None:
        self.core = started()
        self.blocks: dict[int, bytes] = {}
        self.done: list[BaseException | None] = []
        self.asked: list[tuple[int, int, int]] = []
        self.reader = BlockReader(
            self.core, b"h", 0, length, self.on_block, self.done.append,
            block_size=block_size, max_requests=4, exact=exact,
        )  # fmt: skip
        self.reader.start()
        self.collect()

    def on_block(self, pieces: list[memoryview], offset: int, length: int) -> None:
        data = b"".join(pieces)
        assert len(data) == length
        assert offset not in self.blocks
        self.blocks[offset] = data

    def collect(self) -> None:
        for part in self.core.take_output():
            read = requests.Read.decode(bytes(part), 5)
            self.asked.append((read.request_id, read.offset, read.length))

    def answer(self, index: int, data: bytes | None) -> None:
        """Answer an outstanding read with data, or with the end of the file."""
        request_id, _, _ = self.asked.pop(index)
        if data is None:
            feed(self.core, responses.StatusReply(request_id, 1, b"", b"").encode())
        else:
            feed(self.core, responses.Data(request_id, data).encode())
        self.collect()

    def content(self) -> bytes:
        result = b""
        for offset in sorted(self.blocks):
            assert offset == len(result)
            result += self.blocks[offset]
        return result


@settings(max_examples=60)
@given(
    data=st.data(),
    size=st.integers(0, 400),
    known=st.booleans(),
    block_size=st.sampled_from((50, 100, 1000)),
)
def test_file_arrives_whole_with_answers_in_any_order_and_size(
    data: st.DataObject, size: int, known: bool, block_size: int
) -> None:
    file = bytes(range(256)) * 3
    file = file[:size]
    reading = Reading(size if known else None, block_size=block_size)
    while reading.asked:
        index = data.draw(st.integers(0, len(reading.asked) - 1))
        _, offset, length = reading.asked[index]
        there = file[offset : offset + length]
        if not there:
            reading.answer(index, None)
        else:
            reading.answer(index, there[: data.draw(st.integers(1, len(there)))])
        assert len(reading.asked) <= 4
    assert reading.done == [None]
    assert reading.content() == file
    assert len(reading.core.pending) == 0


@pytest.mark.parametrize(
    "reply",
    [
        lambda rid: responses.Data(rid, b"").encode(),  # empty DATA would make us ask for ever
        lambda rid: responses.Data(rid, bytes(101)).encode(),  # more than asked for
        lambda rid: responses.Data(rid, bytes(10), b"x").encode(),  # trailing bytes
        lambda rid: b"g" + rid.to_bytes(4, "big") + b"\0\0\0\x0bshort",
        lambda rid: b"g" + rid.to_bytes(4, "big"),
        lambda rid: responses.StatusReply(rid, 0, b"", b"").encode(),
        lambda rid: responses.Handle(rid, b"h").encode(),
        lambda rid: b"e" + rid.to_bytes(4, "big") + b"\0",
    ],
)
def test_answer_that_makes_no_sense_ends_transfer_and_session(reply: object) -> None:
    reading = Reading(1000)
    request_id = reading.asked[0][0]
    assert callable(reply)
    with pytest.raises(SFTPBadMessage) as caught:
        feed(reading.core, reply(request_id))
    reading.core.fail(caught.value)
    assert len(reading.done) == 1
    assert isinstance(reading.done[0], SFTPBadMessage)


def test_data_longer_than_its_packet_in_pieces() -> None:
    reading = Reading(10_000, block_size=5000)
    request_id = reading.asked[0][0]
    packet = framing.frame(
        b"g" + request_id.to_bytes(4, "big") + (5000).to_bytes(4, "big") + bytes(4900)
    )
    reading.core.receive(packet, 0, 2500)
    with pytest.raises(SFTPBadMessage, match="claims 5000 bytes"):
        reading.core.receive(packet, 2500, len(packet))


def test_error_of_one_block_is_the_error_of_the_file() -> None:
    reading = Reading(1000)
    first, second = reading.asked[0][0], reading.asked[1][0]
    feed(reading.core, responses.StatusReply(second, 3, b"no", b"").encode())
    assert isinstance(reading.done[0], SFTPError)
    assert reading.done[0].code == 3
    feed(reading.core, responses.Data(first, bytes(100)).encode())  # late: dropped
    assert reading.blocks == {}
    assert len(reading.done) == 1


def test_exact_reader_reports_a_file_that_ends_early() -> None:
    reading = Reading(250, exact=True)
    while reading.asked:
        _, offset, length = reading.asked[0]
        reading.answer(0, bytes(length) if offset < 100 else None)
    assert isinstance(reading.done[0], SFTPError)
    assert "ended at 100" in reading.done[0].reason


def test_file_that_grows_while_it_is_read() -> None:
    reading = Reading(None)
    reading.answer(0, bytes(100))  # 0..100
    # The next block was not there yet, but the one behind it is, a moment later.
    assert [offset for _, offset, _ in reading.asked[:2]] == [100, 200]
    reading.answer(0, None)
    while reading.asked:
        _, offset, length = reading.asked[0]
        reading.answer(0, bytes(length) if offset < 300 else None)
    assert reading.done == [None]
    assert reading.content() == bytes(300)


def test_server_that_never_agrees_with_itself_does_not_hold_us_for_ever() -> None:
    reading = Reading(None)
    turns = 0
    while reading.asked:
        turns += 1
        _, offset, length = reading.asked[0]
        reading.answer(0, None if offset == 100 or offset > 1000 else bytes(length))
        assert turns < 100
    assert isinstance(reading.done[0], SFTPError)
    assert "data behind it" in reading.done[0].reason


def test_exception_of_the_target_ends_the_transfer_only() -> None:
    reading = Reading(300)

    def full(pieces: list[memoryview], offset: int, length: int) -> None:
        raise OSError(28, "disk full")

    reading.reader._on_block = full
    reading.answer(0, bytes(100))
    assert isinstance(reading.done[0], OSError)
    assert reading.core.error is None
    reading.answer(0, bytes(100))  # what was in flight is still accounted for
    reading.answer(0, bytes(100))
    assert len(reading.core.pending) == 0


def test_lost_session_ends_the_transfer() -> None:
    reading = Reading(300)
    error = SFTPConnectionLost("cut")
    reading.core.fail(error)
    assert reading.done == [error]


# --- Bulk writer ----------------------------------------------------------------------------------


class Writing:
    """A BlockWriter and its output."""

    def __init__(self, file: bytes, *, max_requests: int = 4) -> None:
        self.core = started()
        self.file = file
        self.done: list[BaseException | None] = []
        self.confirmed = 0
        self.sent: list[requests.Write] = []
        self.writer = BlockWriter(
            self.core, b"h", 0, self.read_block, self.on_written, self.done.append,
            block_size=100, max_requests=max_requests,
        )  # fmt: skip
        self.writer.start()
        self.collect()

    def read_block(self, offset: int, size: int) -> Buffer:
        return self.file[offset : offset + size]

    def on_written(self, count: int) -> None:
        self.confirmed += count

    def collect(self) -> None:
        stream = b"".join(bytes(part) for part in self.core.take_output())
        while stream:
            end = 4 + int.from_bytes(stream[:4], "big")
            self.sent.append(requests.Write.decode(stream, 5, end))
            stream = stream[end:]

    def answer(self, index: int, code: int = 0) -> requests.Write:
        write = self.sent.pop(index)
        feed(self.core, responses.StatusReply(write.request_id, code, b"", b"").encode())
        self.collect()
        return write


@given(data=st.data(), size=st.integers(0, 900))
def test_file_leaves_whole_with_answers_in_any_order(data: st.DataObject, size: int) -> None:
    file = (bytes(range(256)) * 4)[:size]
    writing = Writing(file)
    written: dict[int, bytes] = {}
    while writing.sent:
        assert len(writing.sent) <= 4
        write = writing.answer(data.draw(st.integers(0, len(writing.sent) - 1)))
        written[write.offset] = write.data
    assert writing.done == [None]
    assert b"".join(written[offset] for offset in sorted(written)) == file
    assert writing.confirmed == size


def test_writer_stops_while_the_stream_is_full() -> None:
    writing = Writing(bytes(1000), max_requests=2)
    assert len(writing.sent) == 2
    writing.core.set_writable(False)
    writing.answer(0)
    writing.answer(0)
    assert writing.sent == []
    writing.core.set_writable(True)
    writing.collect()
    assert len(writing.sent) == 2


def test_writer_reports_the_error_of_a_block() -> None:
    writing = Writing(bytes(1000))
    writing.answer(1, code=3)
    assert isinstance(writing.done[0], SFTPError)
    writing.answer(0)
    assert len(writing.done) == 1


def test_writer_refuses_a_reply_of_another_kind() -> None:
    writing = Writing(bytes(1000))
    with pytest.raises(SFTPBadMessage):
        feed(writing.core, responses.Data(writing.sent[0].request_id, b"x").encode())
    assert isinstance(writing.done[0], SFTPBadMessage)


def test_exception_of_the_source_ends_the_transfer_only() -> None:
    core = started()
    done: list[BaseException | None] = []

    def broken(offset: int, size: int) -> Buffer:
        raise OSError(5, "input/output error")

    BlockWriter(core, b"h", 0, broken, lambda count: None, done.append, block_size=10).start()
    assert isinstance(done[0], OSError)
    assert core.error is None


@given(data=st.binary(max_size=200), cut=st.integers(1, 50))
def test_any_bytes_from_the_server_end_in_the_documented_error(data: bytes, cut: int) -> None:
    core = started()
    receiver = Receiver()
    core.request(receiver, requests.Stat, b"/")
    try:
        for start in range(0, len(data), cut):
            core.receive(data, start, min(start + cut, len(data)))
    except SFTPBadMessage:
        pass
    assert len(receiver.replies) <= 1
