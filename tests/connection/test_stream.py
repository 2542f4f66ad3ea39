"""`SSHReader` and `SSHWriter` over real channels in memory."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssh_connection.channel.session_client import SSHClientChannel
from ssh_connection.channel.session_server import SSHServerChannel
from ssh_connection.channel.tcpip import SSHTCPChannel
from ssh_connection.errors import BreakReceived, SignalReceived, TerminalSizeChanged
from ssh_connection.separator import compile_separator
from ssh_connection.stream import SSHReader, SSHWriter
from ssh_connection.stream_session import SSHClientStreamSession, SSHServerStreamSession
from ssh_transport.errors import ConnectionLost, ProtocolError
from tests.connection.channels import RawPeer, RecordingSession, encode, serve_session
from tests.connection.mux_pair import Pair


class Streams:
    """Both ends of a session as streams."""

    def __init__(self, pair: Pair, **options: Any) -> None:
        self.pair = pair
        self.options = options

    async def __aenter__(self) -> Streams:
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def handler(stdin: SSHReader[Any], stdout: SSHWriter[Any], stderr: SSHWriter[Any]) -> None:
            self.server_in, self.server_out, self.server_err = stdin, stdout, stderr
            ready.set_result(None)

        session = SSHServerStreamSession[Any]
        self.channels = serve_session(self.pair, lambda: session(handler), **self.options)
        chan: SSHClientChannel[Any] = SSHClientChannel(
            self.pair.client.services, self.pair.client.mux, **self.options
        )
        _, client = await chan.create(SSHClientStreamSession, "x")
        assert isinstance(client, SSHClientStreamSession)
        self.stdin = SSHWriter[Any](client, chan)
        self.stdout = SSHReader[Any](client, chan)
        self.stderr = SSHReader[Any](client, chan, 1)
        await ready
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.stdin.close()
        await self.stdin.wait_closed()

    @property
    def served(self) -> SSHServerChannel[Any]:
        """The server's channel."""
        return self.channels[0]


def result_of(exc: asyncio.IncompleteReadError) -> tuple[Any, Any]:
    """What was read and what was wanted; typeshed knows of bytes only."""
    return exc.partial, exc.expected


async def test_reading_by_size_line_and_separator() -> None:
    async with Pair() as pair, Streams(pair) as streams:
        streams.server_out.write("first\nsecond\nab|cd;efg:rest of it\nlast")
        streams.server_out.write_eof()
        out = streams.stdout
        assert await out.readline() == "first\n"
        assert await out.read(3) == "sec"
        assert await out.readline() == "ond\n"
        assert await out.readuntil("|") == "ab|"
        assert await out.readuntil((";", "efg")) == "cd;"
        assert await out.readuntil(re.compile("[:;]"), 1) == "efg:"
        assert await out.read(0) == ""
        assert await out.readexactly(4) == "rest"
        assert not out.at_eof()
        assert await out.readline() == " of it\n"
        assert await out.readline() == "last"
        assert out.at_eof()
        assert await out.readline() == await out.read() == await out.read(10) == ""
        with pytest.raises(asyncio.IncompleteReadError) as info:
            await out.readexactly(1)
        assert result_of(info.value) == ("", 1)
        with pytest.raises(asyncio.IncompleteReadError):
            await out.readuntil("\n")


async def test_iteration_and_stderr() -> None:
    async with Pair() as pair, Streams(pair) as streams:
        streams.server_out.writelines(["a\n", "b\n", "c"])
        streams.server_err.write("error\n")
        streams.server_out.write_eof()
        assert [line async for line in streams.stdout] == ["a\n", "b\n", "c"]
        assert await streams.stderr.read() == "error\n"
        assert streams.stdout.channel is streams.stdin.channel
        assert streams.stdout.get_extra_info("username") == "user"
        assert streams.stdin.get_extra_info("username") == "user"
        assert streams.stdin.can_write_eof()
        assert not streams.stdin.is_closing()


async def test_incomplete_reads_keep_their_data() -> None:
    async with Pair() as pair, Streams(pair, encoding=None) as streams:
        streams.server_out.write(b"abc")
        streams.server_out.write_eof()
        with pytest.raises(asyncio.IncompleteReadError) as info:
            await streams.stdout.readexactly(10)
        assert (info.value.partial, info.value.expected) == (b"abc", 10)
        streams.stdin.write(b"no newline")
        streams.stdin.write_eof()
        with pytest.raises(asyncio.IncompleteReadError) as info:
            await streams.server_in.readuntil(b"\n")
        assert info.value.partial == b"no newline"
        with pytest.raises(ValueError, match="size"):
            await streams.stdout.readexactly(-1)
        assert await streams.stdout.readexactly(0) == b""


@pytest.mark.parametrize("separator", ["", [], ["a", ""]])
async def test_separators_that_can_not_be(separator: Any) -> None:
    async with Pair() as pair, Streams(pair) as streams:
        with pytest.raises(ValueError, match="Separator"):
            await streams.stdout.readuntil(separator)


async def test_cancelled_reads_lose_nothing() -> None:
    async with Pair() as pair, Streams(pair, encoding=None) as streams:
        out = streams.stdout
        reads: tuple[Any, ...] = (
            lambda: out.read(),
            lambda: out.readexactly(100),
            lambda: out.readuntil(b"\n"),
            lambda: out.readline(),
            lambda: out.readuntil(re.compile(rb"x+y")),
        )
        for number, read in enumerate(reads):
            task = asyncio.ensure_future(read())
            streams.server_out.write(b"%d" % number)
            await pair.settle()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await out.read(100) == b"01234"


async def test_two_reads_at_once_are_refused() -> None:
    async with Pair() as pair, Streams(pair) as streams:
        first = asyncio.ensure_future(streams.stdout.readline())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another coroutine"):
            await streams.stdout.read(1)
        streams.server_out.write("line\n")
        assert await first == "line\n"


async def test_what_happens_is_raised_in_order_of_stdin() -> None:
    async with Pair() as pair, Streams(pair) as streams:
        chan = streams.stdin.channel
        assert isinstance(chan, SSHClientChannel)
        stdin = streams.server_in
        streams.stdin.write("before")
        chan.send_signal("INT")
        streams.stdin.write("line 1\nline")
        chan.send_break(100)
        chan.change_terminal_size(10, 20, 30, 40)
        streams.stdin.write("end")
        chan.send_signal("HUP")
        streams.stdin.write_eof()
        await pair.settle()
        assert await stdin.read() == "before"
        with pytest.raises(SignalReceived) as info:
            await stdin.read()
        assert info.value.signal == "INT"
        assert await stdin.readline() == "line 1\n"
        with pytest.raises(asyncio.IncompleteReadError) as incomplete:
            await stdin.readuntil("\n")
        assert result_of(incomplete.value) == ("line", None)
        with pytest.raises(BreakReceived) as broken:
            await stdin.readexactly(3)
        assert broken.value.msec == 100
        with pytest.raises(TerminalSizeChanged) as changed:
            await stdin.readuntil("\n")
        assert changed.value.term_size == (10, 20, 30, 40)
        assert await stdin.read(100) == "end"
        with pytest.raises(SignalReceived):
            await stdin.read(1)
        assert await stdin.read() == ""


async def test_feeding_by_hand() -> None:
    async with Pair() as pair, Streams(pair) as streams:
        streams.stdout.feed_data("by hand\n")
        streams.stdout.feed_eof()
        assert await streams.stdout.read() == "by hand\n"


async def test_connection_lost_is_raised_behind_the_data() -> None:
    async with Pair() as pair:
        streams = Streams(pair, encoding=None)
        await streams.__aenter__()
        streams.server_out.write(b"data\npart")
        await pair.settle()
        pair.lose(ConnectionLost("cut"))
        assert await streams.stdout.readline() == b"data\n"
        with pytest.raises(asyncio.IncompleteReadError) as info:
            await streams.stdout.readexactly(10)
        assert info.value.partial == b"part"
        for _ in range(2):
            assert not streams.stdout.at_eof()
            with pytest.raises(ConnectionLost):
                await streams.stdout.read()
            with pytest.raises(ConnectionLost):
                await streams.stdout.read(1)
        with pytest.raises(ConnectionLost):
            await streams.stdin.drain()
        with pytest.raises(BrokenPipeError):
            streams.stdin.write(b"x")
        await streams.stdin.wait_closed()


async def test_drain_waits_for_the_window_and_ends_with_the_channel() -> None:
    async with Pair() as pair, Streams(pair, encoding=None, window=1000) as streams:
        streams.stdin.channel.set_write_buffer_limits(high=100)
        streams.stdin.write(bytes(5000))
        drain = asyncio.ensure_future(streams.stdin.drain())
        await pair.settle()
        assert not drain.done()
        assert streams.stdin.channel.get_write_buffer_size() == 4000
        assert len(await streams.server_in.readexactly(5000)) == 5000
        await drain
        streams.stdin.write(bytes(5000))
        drain = asyncio.ensure_future(streams.stdin.drain())
        await pair.settle()
        streams.server_out.close()
        with pytest.raises(BrokenPipeError):
            await drain


@pytest.mark.parametrize("window", [1, 7, 100, 1000])
async def test_lines_longer_than_the_window(window: int) -> None:
    async with Pair() as pair, Streams(pair, encoding=None, window=window) as streams:
        streams.server_out.write(b"x" * 3000 + b"\n")
        streams.server_out.write_eof()
        parts = [line async for line in streams.stdout]
        assert b"".join(parts) == b"x" * 3000 + b"\n"
        assert all(len(part) <= window for part in parts)
        streams.stdin.write(b"y" * (3 * window) + b"\n")
        with pytest.raises(asyncio.IncompleteReadError) as info:
            await streams.server_in.readuntil(b"\n")
        assert 0 < len(info.value.partial) <= window
        streams.stdin.channel.abort()


async def test_more_than_the_window_exactly() -> None:
    async with Pair() as pair, Streams(pair, window=50, max_pktsize=20) as streams:
        streams.server_out.write("\u00e4" * 1000)
        assert await streams.stdout.readexactly(999) == "\u00e4" * 999
        assert await streams.stdout.read(5) == "\u00e4"


async def test_lines_around_window_borders_never_stall() -> None:
    """Whatever is consumed is given back in time, though windows are re-opened by halves."""
    for window in (10, 16, 33, 64):
        async with Pair() as pair, Streams(pair, encoding=None, window=window) as streams:
            lines = [b"l" * (length % (window - 1)) + b"\n" for length in range(200)]
            streams.server_out.write(b"".join(lines))
            streams.server_out.write_eof()
            received = [line async for line in streams.stdout]
            assert b"".join(received) == b"".join(lines)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "shift_jis", "latin-1"])
async def test_characters_across_packet_borders(encoding: str) -> None:
    text = "\u00e4\u00f6\u00fc" if encoding == "latin-1" else "\u3042\u30a2z"
    async with Pair() as pair:
        options: dict[str, Any] = {"encoding": encoding, "max_pktsize": 1, "window": 4}
        async with Streams(pair, **options) as streams:
            streams.server_out.write(text * 20)
            streams.server_err.write(text)
            streams.server_out.write_eof()
            await pair.settle()
            out, err = await asyncio.gather(streams.stdout.read(), streams.stderr.read())
            assert (out, err) == (text * 20, text)


async def test_malformed_text_is_an_error_of_the_reader_only() -> None:
    async with Pair() as pair, Streams(pair) as streams:
        streams.served.write_raw(b"good\n\xff bad")
        assert await streams.stdout.readline() == "good\n"
        for _ in range(2):
            with pytest.raises(ProtocolError, match="not valid utf-8"):
                await streams.stdout.read()
        streams.served.write_raw(bytes(5_000_000))
        await pair.settle()
        assert streams.served.get_write_buffer_size() == 0
        # The other direction goes on.
        streams.stdin.write("fine\n")
        assert await streams.server_in.readline() == "fine\n"
    async with Pair() as pair, Streams(pair, errors="replace") as streams:
        streams.served.write_raw(b"good\n\xff bad")
        streams.served.write_eof()
        assert await streams.stdout.read() == "good\n\ufffd bad"


async def test_malformed_text_closes_the_channel_of_a_session_with_callbacks() -> None:
    peer = RawPeer()
    session = RecordingSession()
    chan: SSHTCPChannel[str] = SSHTCPChannel(peer.services, peer.end.mux, encoding="utf-8")
    chan.set_session(session)  # type: ignore[arg-type]
    peer.services.accept = lambda request: chan
    peer.send(90, b"direct-tcpip", 7, 1000, 1000)
    peer.send(94, 0, b"good \xc3")
    peer.send(94, 0, b"\xa4 \xff")
    assert [message[0] for message in peer.sent()] == [91, 97]
    peer.send(97, 0)
    assert "".join(piece for piece, _ in session.pieces) == "good \u00e4 "
    assert isinstance(session.lost_with[0], ProtocolError)
    assert peer.error is None


async def test_incomplete_character_at_eof() -> None:
    async with Pair() as pair, Streams(pair) as streams:
        streams.served.write_raw(b"abc\xc3")
        streams.served.write_eof()
        assert await streams.stdout.readexactly(3) == "abc"
        with pytest.raises(ProtocolError, match="not valid utf-8"):
            await asyncio.wait_for(read_all(streams.stdout), 5)
    async with Pair() as pair, Streams(pair, errors="backslashreplace") as streams:
        streams.served.write_raw(b"abc\xc3")
        streams.served.write_eof()
        assert await streams.stdout.read() == "abc\\xc3"


async def read_all(reader: SSHReader[Any]) -> None:
    """Read until the end or an error."""
    while await reader.read(100):
        pass


async def test_handlers_that_fail_abort_their_channel() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, info: reported.append(info))

    async def handler(stdin: Any, stdout: Any, stderr: Any) -> None:
        raise LookupError("inside")

    peer = RawPeer()
    peer.serve(SSHServerStreamSession[Any](handler))
    peer.send(98, 0, b"shell", True)
    await asyncio.sleep(0)
    assert peer.sent() == [encode(99, 7), encode(97, 7)]
    assert isinstance(reported[0]["exception"], LookupError)


async def test_no_handler_refuses_everything() -> None:
    peer = RawPeer()
    peer.serve(SSHServerStreamSession[Any](None))
    for name in (b"shell", b"exec", b"subsystem"):
        peer.end.receive(encode(98, 0, name, True) + (b"" if name == b"shell" else b"\0\0\0\x01x"))
    assert peer.sent() == [encode(100, 7)] * 3


async def test_many_tiny_packets_are_kept_as_few_pieces() -> None:
    peer = RawPeer()
    session = SSHServerStreamSession[Any](lambda *streams: None)
    peer.serve(session, encoding=None)
    peer.send(98, 0, b"shell", True)
    for _ in range(100_000):
        peer.send(94, 0, b"xy")
    buffer = session.buffer(None)
    assert buffer.size == 200_000
    assert len(buffer._items) <= 200_000 // 2048
    assert await buffer.read(300_000) == b"xy" * 100_000


@settings(max_examples=200, deadline=None)
@given(
    pieces=st.lists(st.text("ab\n;", max_size=8), max_size=12),
    window=st.integers(60, 200),
    operations=st.lists(
        st.sampled_from(["read3", "line", "until;", "untilab", "regex", "exactly5", "all"]),
        max_size=12,
    ),
)
def test_readers_agree_with_a_model(pieces: list[str], window: int, operations: list[str]) -> None:
    """Any pieces, any reads: the result is what the same reads of a plain string give."""

    async def run() -> None:
        async with Pair() as pair, Streams(pair, window=window) as streams:
            for piece in pieces:
                streams.server_out.write(piece)
            streams.server_out.write_eof()
            rest = "".join(pieces)
            for operation in operations:
                expected, rest = model(operation, rest)
                try:
                    result = await perform(operation, streams.stdout)
                except asyncio.IncompleteReadError as exc:
                    result = ("incomplete", exc.partial)
                if operation == "read3":
                    # May give less than is there: only what has arrived.
                    assert len(result) <= 3
                    assert bool(result) == bool(expected)
                    assert (expected + rest).startswith(result)
                    rest = (expected + rest)[len(result) :]
                else:
                    assert result == expected

    with asyncio.Runner() as runner:
        runner.run(run())


def model(operation: str, rest: str) -> tuple[Any, str]:
    """What an operation gives for the rest of a stream, and what is left."""
    if operation == "read3":
        return rest[:3], rest[3:]
    if operation == "all":
        return rest, ""
    if operation == "exactly5":
        return (rest[:5], rest[5:]) if len(rest) >= 5 else (("incomplete", rest), "")
    pattern = {"line": "\n", "until;": ";", "untilab": "ab|\n;", "regex": "a+;"}[operation]
    match = re.search(pattern, rest)
    if match:
        return rest[: match.end()], rest[match.end() :]
    return (rest, "") if operation == "line" else (("incomplete", rest), "")


async def perform(operation: str, reader: SSHReader[Any]) -> Any:
    """The same operation on a reader."""
    if operation == "read3":
        return await reader.read(3)
    if operation == "all":
        return await reader.read()
    if operation == "exactly5":
        return await reader.readexactly(5)
    if operation == "line":
        return await reader.readline()
    if operation == "until;":
        return await reader.readuntil(";")
    if operation == "untilab":
        return await reader.readuntil(["ab", "\n;"])
    return await reader.readuntil(re.compile("a+;"))


def test_separators_compile_to_what_they_are() -> None:
    compiled, overlap = compile_separator([b"a.b", b"+"], 0)
    pattern: Any = compiled
    assert overlap == 2
    assert pattern.search(b"a.b") is not None
    assert pattern.search(b"axb") is None
    assert compile_separator(re.compile("x"), 0)[1] is None
    assert compile_separator(re.compile("x"), 5)[1] == 4
