"""Sessions whose input is edited: what they get, what clients see, and who has to wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from ssh_connection import (
    BreakReceived,
    SSHLineEditorChannel,
    SSHReader,
    SSHServerProcess,
    SSHServerSession,
    SSHWriter,
    TerminalSizeChanged,
)
from ssh_connection.constants import EXTENDED_DATA_STDERR, PTY_ECHO
from ssh_connection.editor.channel import SSHLineEditorChannel as Implementation
from ssh_keys import SSHAuthorizedKeys
from ssh_keys.wire import encode_string
from ssh_transport.errors import ProtocolError

from .channels import RawPeer
from .loopback import Server, client, serving

WAIT = 10
Streams = tuple[SSHWriter[bytes], SSHReader[bytes], SSHReader[bytes]]


@asynccontextmanager
async def terminal(
    handler: Callable[[SSHServerProcess[str]], Any] | None = None,
    *,
    term_type: str | None = "xterm",
    term_modes: Mapping[int, int] | None = None,
    **of_server: Any,
) -> AsyncIterator[Streams]:
    """A terminal at a server that runs a handler: what to type into and to read from.

    What is shown ends before the handler does, which may have a program to wait for.
    """
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    if handler is not None:
        of_server["process_factory"] = partial(_handle, handler, ended)
    async with (
        serving(**of_server) as acceptor,
        await client(acceptor, password="secret") as conn,
    ):
        stdin, stdout, stderr = await conn.open_session(
            encoding=None, term_type=term_type, term_size=(80, 24), term_modes=term_modes or {}
        )
        yield stdin, stdout, stderr
    if handler is not None:
        await asyncio.wait_for(ended, WAIT)


async def _handle(
    handler: Callable[[SSHServerProcess[str]], Any],
    ended: asyncio.Future[None],
    process: SSHServerProcess[str],
) -> None:
    try:
        await handler(process)
    finally:
        ended.set_result(None)


async def until(stdout: SSHReader[bytes], end: bytes) -> bytes:
    """What is shown up to and with something."""
    return await asyncio.wait_for(stdout.readuntil(end), WAIT)


async def finish(streams: Streams) -> bytes:
    """All that is shown from now on."""
    return await asyncio.wait_for(streams[1].read(), WAIT)


def edited(process: SSHServerProcess[Any]) -> SSHLineEditorChannel[Any]:
    """The channel of a process, with the methods of the editor."""
    channel = process.channel
    assert isinstance(channel, SSHLineEditorChannel)
    return channel


# --- What sessions get -----------------------------------------------------------------------


async def test_lines_of_a_process() -> None:
    got: list[str] = []

    async def handler(process: SSHServerProcess[str]) -> None:
        process.stdout.write("Welcome\n> ")
        async for line in process.stdin:
            got.append(line)
            process.stdout.write(f"got {line}> ")
        process.exit(0)

    async with terminal(handler) as streams:
        stdin, stdout, _ = streams
        assert await until(stdout, b"> ") == b"Welcome\r\n> "
        stdin.write(b"helo\x02l\r")
        assert (await until(stdout, b"got hello\r\n> ")).startswith(b"hello\r\n")
        stdin.write(b"\x1b[A\r")
        await until(stdout, b"got hello\r\n> ")
        stdin.write(b"\x04")
        await finish(streams)
    assert got == ["hello\n", "hello\n"]


async def test_control_d_ends_one_read() -> None:
    got: list[object] = []

    async def handler(process: SSHServerProcess[str]) -> None:
        stdin = process.stdin
        got.append([line async for line in stdin])
        got.append(await stdin.read())
        got.append(await stdin.read(10))
        got.append(await stdin.read(10))
        for reading in (stdin.readexactly(5), stdin.readuntil("x"), stdin.readexactly(5)):
            try:
                await reading
            except asyncio.IncompleteReadError as exc:
                got.append(exc.partial)
        got.append(await stdin.readline())
        assert stdin.at_eof()
        process.exit(0)

    async with terminal(handler) as streams:
        streams[0].write(b"one\r\x04two\r\x04\x04abc\r\x04\x04de\r\x04")
        streams[0].write_eof()
        await finish(streams)
    assert got == [["one\n"], "two\n", "", "abc\n", "", "", "de\n", ""]


async def test_control_d_ends_what_stdin_is_redirected_to() -> None:
    async def handler(process: SSHServerProcess[str]) -> None:
        child = await asyncio.create_subprocess_exec(
            "tr", "a-z", "A-Z", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        await process.redirect(stdin=child.stdin, stdout=child.stdout)
        await process.stdout.drain()
        process.exit(await child.wait())

    async with terminal(handler) as streams:
        streams[0].write(b"abc\r\x04")
        assert await finish(streams) == b"abc\r\nABC\r\n"


async def test_breaks_and_sizes_come_in_order() -> None:
    got: list[object] = []

    async def handler(process: SSHServerProcess[str]) -> None:
        while len(got) < 4:
            try:
                got.append(await process.stdin.readline())
            except (BreakReceived, TerminalSizeChanged) as exc:
                got.append(exc.args)
        process.exit(0)

    async with terminal(handler) as streams:
        streams[0].write(b"one\r\x03two\r")
        await until(streams[1], b"two")
        channel = streams[0].channel
        channel.change_terminal_size(40, 20)  # type: ignore[attr-defined]
        await finish(streams)
    assert got[0] == "one\n"
    assert got[1] == BreakReceived(0).args
    assert got[2] == "two\n"
    assert got[3] == TerminalSizeChanged(40, 20, 0, 0).args


class Recorder(SSHServerSession[str]):
    """A session of callbacks."""

    def __init__(self) -> None:
        self.got: list[object] = []
        self.chan: Any = None
        self.answer: bool | Awaitable[bool] = True
        self.go_on = True

    def connection_made(self, chan: Any) -> None:
        self.chan = chan

    def shell_requested(self) -> bool:
        return True

    def session_started(self) -> None:
        self.chan.write("> ")

    def data_received(self, data: str, datatype: int | None) -> None:
        self.got.append(data)
        if data == "pause\n":
            self.chan.pause_reading()
        if data == "fail\n":
            raise ZeroDivisionError
        if data == "quit\n":
            self.chan.exit(0)
        if data == "password\n":
            self.chan.set_echo(False)
        if data == "keys\n":
            self.chan.set_line_mode(False)
        if data == "!":
            self.chan.set_line_mode(True)

    def break_received(self, msec: int) -> bool | Awaitable[bool]:
        self.got.append(("break", msec))
        return self.answer

    def eof_received(self) -> bool:
        self.got.append("eof")
        return self.go_on

    async def until(self, *what: object) -> None:
        """Wait for so many calls; they are these, and all."""
        async with asyncio.timeout(WAIT):
            while len(self.got) < len(what):
                await asyncio.sleep(0.001)
        assert self.got == [*what]


class CallbackServer(Server):
    """Serves a session of callbacks."""

    sessions: list[Recorder]

    def session_requested(self) -> Any:
        session = Recorder()
        self.sessions.append(session)
        return session


@asynccontextmanager
async def recorded(**of_server: Any) -> AsyncIterator[tuple[Recorder, Streams]]:
    """A terminal at a session of callbacks."""
    sessions: list[Recorder] = []

    def make() -> CallbackServer:
        server = CallbackServer()
        server.sessions = sessions
        return server

    async with (
        serving(server_factory=make, **{"process_factory": None, **of_server}) as acceptor,
        await client(acceptor, password="secret") as conn,
    ):
        streams = await conn.open_session(encoding=None, term_type="xterm", term_size=(80, 24))
        yield sessions[0], streams


async def test_callbacks() -> None:
    async with recorded() as (session, streams):
        streams[0].write(b"one\r\x03\x04two\x7f\x7f\x7f\x04three\r\x05fo")
        await until(streams[1], b"fo")
        streams[0].write_eof()
        await session.until("one\n", ("break", 0), "eof", "eof", "three\n", "fo", "eof")


async def test_end_of_input_may_end_the_output() -> None:
    async with recorded() as (session, streams):
        session.go_on = False
        streams[0].write(b"\x04")
        assert await finish(streams) == b"> "


async def test_what_a_callback_changes_counts_for_what_is_behind() -> None:
    async with recorded() as (session, streams):
        streams[0].write(b"password\rsecret\rkeys\rabc\x7f\r")
        await until(streams[1], b"\r\n" * 3)
        typed = ["password\n", "secret\n", "keys\n", "abc\x7f\r"]
        await session.until(*typed)
        session.chan.set_echo(True)
        streams[0].write(b"!")
        await session.until(*typed, "!")
        streams[0].write(b"line\r")
        assert await until(streams[1], b"\n") == b"line\r\n"
        assert session.got[4:] == ["!", "line\n"]


async def test_paused_reading() -> None:
    async with recorded() as (session, streams):
        streams[0].write(b"pause\rone\rtwo\r")
        streams[0].write_eof()
        await session.until("pause\n")
        await asyncio.sleep(0.05)
        assert session.got == ["pause\n"]
        session.chan.resume_reading()
        await session.until("pause\n", "one\n", "two\n", "eof")


async def test_break_that_takes_time_holds_back_the_rest() -> None:
    async with recorded() as (session, streams):
        done = asyncio.get_running_loop().create_future()
        session.answer = done
        streams[0].write(b"\x03line\r")
        streams[0].write_eof()
        await session.until(("break", 0))
        await asyncio.sleep(0.05)
        assert session.got == [("break", 0)]
        done.set_result(True)
        await session.until(("break", 0), "line\n", "eof")


async def test_failing_callback_closes_the_channel() -> None:
    async with recorded() as (session, streams):
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, what: reported.append(what))
        streams[0].write(b"fail\rmore\r")
        await finish(streams)
        assert session.got == ["fail\n"]
        assert isinstance(reported[0]["exception"], ZeroDivisionError)


async def test_failing_break_closes_the_channel() -> None:
    async with recorded() as (session, streams):
        asyncio.get_running_loop().set_exception_handler(lambda loop, what: None)

        async def fail() -> bool:
            await asyncio.sleep(0)
            raise ZeroDivisionError

        session.answer = fail()
        streams[0].write(b"\x03more\r")
        await finish(streams)
        assert session.got == [("break", 0)]


async def test_close_in_a_callback_ends_the_input() -> None:
    async with recorded() as (session, streams):
        streams[0].write(b"quit\rmore\r")
        assert await finish(streams) == b"> quit\r\n"
        assert session.got == ["quit\n"]


async def test_wrong_text_closes_the_channel() -> None:
    async with recorded() as (session, streams):
        lost: list[Exception | None] = []
        session.connection_lost = lost.append  # type: ignore[method-assign, assignment]
        streams[0].write(b"ab\xff\r")
        await finish(streams)
        assert session.got == []
        # The server hears of it when the client has answered its close.
        async with asyncio.timeout(WAIT):
            while not lost:
                await asyncio.sleep(0)
        assert isinstance(lost[0], ProtocolError)


async def test_other_error_handling_and_encoding() -> None:
    async with recorded(encoding="latin-1") as (session, streams):
        streams[0].write("\u00e4\r".encode("latin-1"))
        assert await until(streams[1], b"\n") == b"> \xe4\r\n"
        assert session.got == ["\u00e4\n"]
    async with recorded(encoding="ascii", errors="replace") as (session, streams):
        streams[0].write(b"\xe4\r")
        assert await until(streams[1], b"\n") == b"> ?\r\n"
        assert session.got == ["\ufffd\n"]
        with pytest.raises(TypeError):
            session.chan.write(b"bytes")
        with pytest.raises(ValueError, match="data type"):
            session.chan.write("x", 7)
    async with recorded(encoding="ascii") as (session, streams):
        with pytest.raises(UnicodeEncodeError):
            session.chan.write("\u00e4")
        streams[0].write(b"ok\r")
        assert await until(streams[1], b"\n") == b"> ok\r\n"


# --- When lines are edited -------------------------------------------------------------------


@pytest.mark.parametrize("why_not", ["no terminal", "option", "bytes", "key", "not allowed"])
async def test_sessions_that_are_not_edited(why_not: str) -> None:
    got: list[Any] = []

    async def handler(process: SSHServerProcess[Any]) -> None:
        edits = why_not in ("no terminal", "bytes")
        assert isinstance(process.channel, SSHLineEditorChannel) == edits
        if edits:
            channel = edited(process)
            channel.set_echo(False)
            channel.set_line_mode(True)
            channel.set_input("x", 0)
            channel.clear_input()
            with pytest.raises(RuntimeError):
                channel.register_key("a", lambda line, position: True)
            with pytest.raises(RuntimeError):
                channel.unregister_key("a")
        got.append(await process.stdin.readexactly(4))
        process.stdout.write(b"a\nb" if why_not == "bytes" else "a\nb")
        process.exit(0)

    options: dict[str, dict[str, Any]] = {
        "no terminal": {"term_type": None},
        "option": {"line_editor": False},
        "bytes": {"encoding": None},
        "key": {},
        "not allowed": {"allow_pty": False},
    }
    of_session = options[why_not]
    if why_not in ("key", "not allowed"):
        return await refused_terminal(why_not, handler)
    async with terminal(handler, **of_session) as streams:
        streams[0].write(b"ab\x7f\r")
        assert await finish(streams) == b"a\nb"
    assert got in (["ab\x7f\r"], [b"ab\x7f\r"])
    return None


async def refused_terminal(why_not: str, handler: Any) -> None:
    """A server that allows no terminal has no editor either."""
    from .loopback import USER_KEY, authorized

    keys: SSHAuthorizedKeys = authorized("no-pty" if why_not == "key" else "")
    async with (
        serving(
            process_factory=handler, authorized_client_keys=keys, allow_pty=why_not == "key"
        ) as acceptor,
        await client(acceptor, client_keys=[USER_KEY]) as conn,
    ):
        done = await asyncio.wait_for(conn.run("x", input="ab\x7f\r"), WAIT)
        assert done.stdout == "a\nb"


async def test_options_and_modes() -> None:
    async def handler(process: SSHServerProcess[str]) -> None:
        process.stdout.write((await process.stdin.readline()).upper())
        process.stdout.write((await process.stdin.readline()).upper())
        process.exit(0)

    async with terminal(handler, line_echo=False, max_line_length=4, line_history=0) as streams:
        streams[0].write(b"abcdef\r\x1b[A\r")
        assert await finish(streams) == b"\a\r\nABCD\r\n\a\r\n\r\n"
    async with terminal(handler, term_modes={PTY_ECHO: 0}) as streams:
        streams[0].write(b"abc\rdef\r")
        assert await finish(streams) == b"\r\nABC\r\n\r\nDEF\r\n"
    for wrong in ({"line_history": -1}, {"max_line_length": 0}):
        with pytest.raises(ValueError, match="line_history"):
            async with serving(**wrong):  # type: ignore[arg-type]
                pass


async def test_what_is_set_before_the_start() -> None:
    class Hidden(Recorder):
        def connection_made(self, chan: Any) -> None:
            super().connection_made(chan)
            chan.set_echo(False)

    class Keys(Recorder):
        def connection_made(self, chan: Any) -> None:
            super().connection_made(chan)
            chan.set_line_mode(False)

    for make, shown, got in (
        (Hidden, b"> \r\n", ["ab\n"]),
        (Keys, b"> ", ["ab\r"]),
    ):
        session = make()

        class One(Server):
            def session_requested(self) -> Any:
                return session  # noqa: B023

        async with (
            serving(server_factory=One, process_factory=None) as acceptor,
            await client(acceptor, password="secret") as conn,
        ):
            stdin, stdout, _ = await conn.open_session(encoding=None, term_type="xterm")
            stdin.write(b"ab\r")
            await session.until(*got)
            session.chan.exit(0)
            assert await asyncio.wait_for(stdout.read(), WAIT) == shown
            assert session.got == got


async def test_input_that_applications_set_and_keys() -> None:
    async def handler(process: SSHServerProcess[str]) -> None:
        channel = edited(process)
        channel.register_key("\t", lambda line, position: (line + "!", len(line) + 1))
        channel.set_input("name", 4)
        process.stdout.write(await process.stdin.readline())
        channel.unregister_key("\t")
        channel.clear_input()
        process.exit(0)

    async with terminal(handler) as streams:
        assert await until(streams[1], b"name") == b"name"
        streams[0].write(b"\t\r")
        assert await finish(streams) == b"!\r\nname!\r\n"


async def test_session_that_becomes_one_of_bytes() -> None:
    async with recorded() as (session, streams):
        streams[0].write(b"one\rtw")
        await until(streams[1], b"tw")
        session.chan.set_encoding(None)
        streams[0].write(b"o\x7f\r\n")
        async with asyncio.timeout(WAIT):
            while sum(map(len, session.got[1:])) < 6:  # type: ignore[arg-type]
                await asyncio.sleep(0.001)
        session.chan.write(b"a\nb")
        session.chan.exit(0)
        assert await finish(streams) == b"a\nb"
        assert session.got[0] == "one\n"
        assert b"".join(session.got[1:]) == b"two\x7f\r\n"  # type: ignore[arg-type]


async def test_session_that_becomes_one_of_bytes_in_a_callback() -> None:
    """What was typed ahead comes as it was sent, and the end behind it."""

    class Switching(Recorder):
        def data_received(self, data: Any, datatype: int | None) -> None:
            super().data_received(data, datatype)
            if data == "bytes\n":
                self.chan.set_encoding(None)

    peer = RawPeer()
    session = Switching()
    chan = start_terminal(peer, session, encoding="latin-1", window=1000)
    peer.send(94, 0, b"bytes\rm\xf6re\r\x1b[A")
    peer.send(96, 0)
    await asyncio.sleep(0)
    assert session.got[0] == "bytes\n"
    assert b"".join(session.got[1:-1]) == b"m\xf6re\r\x1b[A"  # type: ignore[arg-type]
    assert session.got[-1] == "eof"
    assert (chan._unread, chan.receive_room + chan.credit) == (0, 1000)


async def test_session_that_becomes_one_of_bytes_while_a_break_is_handled() -> None:
    peer = RawPeer()
    session = Recorder()
    chan = start_terminal(peer, session)
    answer = session.answer = asyncio.get_running_loop().create_future()
    peer.send(94, 0, b"\x03ab\xc3")
    peer.send(96, 0)
    chan.set_encoding(None)
    assert b"".join(session.got[1:]) == b"ab\xc3"  # type: ignore[arg-type]
    answer.set_result(True)
    for _ in range(4):
        await asyncio.sleep(0)
    assert session.got[-1] == "eof"


# --- What is written -------------------------------------------------------------------------


async def test_all_ways_of_writing() -> None:
    async def handler(process: SSHServerProcess[str]) -> None:
        process.stdout.writelines(["a\n", "b\n"])
        process.stderr.write("c\n")
        process.channel.write_raw("\u00e4\n\xff".encode()[:1])
        process.channel.write_raw("\u00e4\n".encode()[1:] + b"\xff\n\xe4")
        process.exit(0)

    async with terminal(handler) as streams:
        assert await finish(streams) == b"a\r\nb\r\n\xc3\xa4\r\n\xff\r\n\xe4"
        assert await streams[2].read() == b"c\r\n"


async def test_raw_output_is_in_the_encoding_of_now() -> None:
    peer = RawPeer()
    chan = start_terminal(peer, Recorder())
    chan.write_raw("\u00e4".encode())
    chan.set_encoding("latin-1")
    peer.sent()
    chan.write_raw(b"\xe4")
    (message,) = peer.sent()
    assert message.endswith(b"\xe4")


async def test_end_of_raw_output_comes_in_front_of_the_line() -> None:
    peer = RawPeer()
    chan = start_terminal(peer, Recorder())
    chan.write_raw(b"> \xe4")
    peer.send(94, 0, b"typed")
    peer.sent()
    chan.write_eof()
    assert peer.sent()[0].endswith(b"\x1b[5D\x1b[J\xe4typed")


async def test_output_hides_the_line_on_the_same_stream() -> None:
    async def handler(process: SSHServerProcess[str]) -> None:
        process.stdout.write("> ")
        await process.stdin.readline()
        process.stderr.write("warning\n")
        process.exit(0)

    async with terminal(handler) as streams:
        await until(streams[1], b"> ")
        streams[0].write(b"x\ryz")
        await until(streams[1], b"x\r\n")
        shown, other = await asyncio.gather(streams[1].read(), streams[2].read())
        assert (shown, other) in [
            (b"yz", b"\r\x1b[Jwarning\r\nyz"),
            (b"", b"warning\r\n"),
            (b"yz", b"warning\r\n"),
        ]


async def test_writing_behind_the_end() -> None:
    async with recorded() as (session, streams):
        session.chan.write_eof()
        with pytest.raises(BrokenPipeError):
            session.chan.write("x")
        # What is typed still gets there, though nothing can be shown.
        streams[0].write(b"ab\r")
        await session.until("ab\n")


async def test_redirected_process() -> None:
    async def handler(process: SSHServerProcess[str]) -> None:
        child = await asyncio.create_subprocess_exec(
            "sed", "-u", "s/a/b/", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        await process.redirect(stdin=child.stdin, stdout=child.stdout)
        process.exit(await child.wait())

    async with terminal(handler) as streams:
        streams[0].write(b"bana\x7f\x7f\x7fana\r")
        await until(streams[1], b"bbna\r\n")
        streams[0].write(b"\x04")
        await finish(streams)


# --- Who has to wait -------------------------------------------------------------------------


def start_terminal(
    peer: RawPeer, session: Any, *, room: int = 1 << 20, **options: Any
) -> Implementation[Any]:
    """A session with a terminal, opened by hand by a client whose window has some room."""
    chan: Implementation[Any] = Implementation(peer.services, peer.end.mux, **options)
    chan.set_session(session)
    peer.services.accept = lambda request: chan
    peer.send(90, b"session", 7, room, 32768)
    peer.sent()
    modes = encode_string(b"\0")
    peer.end.receive(
        b"\x62\0\0\0\0"
        + encode_string(b"pty-req")
        + b"\0"
        + encode_string(b"xterm")
        + bytes(16)
        + modes
    )
    peer.send(98, 0, b"shell", False)
    peer.sent()
    return chan


@asynccontextmanager
async def waiting_process(
    peer: RawPeer, **options: Any
) -> AsyncIterator[tuple[Implementation[Any], SSHServerProcess[str]]]:
    """The channel and the process of `start_terminal`; it does not end before the block does."""
    started = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def handler(process: SSHServerProcess[str]) -> None:
        started.set_result(process)
        await done.wait()

    chan = start_terminal(peer, SSHServerProcess(handler), **options)
    try:
        yield chan, await started
    finally:
        done.set()
        peer.end.mux.connection_lost(None)
        await asyncio.sleep(0)


async def test_lines_that_nobody_reads_are_bounded() -> None:
    """A few bytes bring a long line back from the history: what counts is what was delivered."""
    peer, window = RawPeer(), 4096
    async with waiting_process(peer, window=window) as (chan, process):
        peer.send(94, 0, b"x" * 1000 + b"\r")
        for _ in range(500):
            peer.send(94, 0, b"\x1b[A\r")
            peer.sent()
        await asyncio.sleep(0)
        assert peer.error is None
        assert chan._unread == 1001
        held = len(chan._typed)
        assert 0 < held <= window
        # They come when somebody reads; there is room to show them.
        peer.send(93, 0, 10_000_000)
        reader = process.stdin
        for _ in range(100):
            assert await asyncio.wait_for(reader.readline(), WAIT) == "x" * 1000 + "\n"
        assert len(chan._typed) < held
        for _ in range(401):
            assert await asyncio.wait_for(reader.readline(), WAIT) == "x" * 1000 + "\n"
            peer.sent()
            peer.end.mux.on_writable()
        await asyncio.sleep(0)
        assert (chan._unread, len(chan._typed)) == (0, 0)
        assert chan.receive_room + chan._typed_credit == window


async def test_what_is_typed_ahead_is_not_shown_before_it_could_be_hidden() -> None:
    got: list[str] = []

    async def handler(process: SSHServerProcess[str]) -> None:
        process.stdout.write("Name: ")
        await asyncio.sleep(0.05)
        got.append(await process.stdin.readline())
        edited(process).set_echo(False)
        process.stdout.write("Password: ")
        got.append(await process.stdin.readline())
        edited(process).set_echo(True)
        process.stdout.write("> ")
        got.append(await process.stdin.readline())
        process.exit(0)

    async with terminal(handler) as streams:
        streams[0].write(b"ada\rsecret\rshown\r")
        assert await finish(streams) == b"Name: ada\r\nPassword: \r\n> shown\r\n"
    assert got == ["ada\n", "secret\n", "shown\n"]


async def test_readers_of_several_lines() -> None:
    got: list[str] = []

    async def handler(process: SSHServerProcess[str]) -> None:
        await asyncio.sleep(0.05)
        got.append(await process.stdin.readuntil("end\n"))
        got.append(await process.stdin.readexactly(10))
        got.append(await process.stdin.read())
        process.exit(0)

    async with terminal(handler) as streams:
        streams[0].write(b"one\rtwo\rend\r0123\r4567\rlast\rlines\r")
        streams[0].write_eof()
        await finish(streams)
    assert got == ["one\ntwo\nend\n", "0123\n4567\n", "last\nlines\n"]


async def test_client_that_closes_behind_its_lines() -> None:
    peer = RawPeer()
    process: list[SSHServerProcess[str]] = []

    async def handler(made: SSHServerProcess[str]) -> None:
        process.append(made)

    start_terminal(peer, SSHServerProcess(handler))
    await asyncio.sleep(0)
    peer.send(94, 0, b"one\rtwo\r")
    peer.send(94, 0, b"three\r")
    peer.send(97, 0)
    assert await asyncio.wait_for(process[0].stdin.read(), WAIT) == "one\ntwo\nthree\n"


async def test_reader_of_a_line_that_never_ends() -> None:
    """A reader that waits for what does not come gets what there is when a window is full."""
    peer = RawPeer()
    async with waiting_process(peer, window=4096) as (chan, process):
        reading = asyncio.create_task(process.stdin.readuntil("never"))
        sent = 0
        while not reading.done() and sent < 100_000:
            await asyncio.sleep(0)
            size = min(chan.receive_room, 100)
            if size:
                peer.send(94, 0, (b"x" * 99 + b"\r")[-size:])
                sent += size
            peer.sent()
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reading
        assert 2048 <= len(caught.value.partial) <= 8192


async def test_window_of_a_terminal_is_kept() -> None:
    """More than the window is still an error, and what was typed gives it back."""
    peer = RawPeer()
    session = Recorder()
    chan = start_terminal(peer, session, window=1000)
    for _ in range(100):
        peer.send(94, 0, b"a" * 99 + b"\r")
        await asyncio.sleep(0)
        assert chan.receive_room + chan._typed_credit == 1000
        peer.sent()
    session.chan.pause_reading()
    for _ in range(11):
        peer.send(94, 0, b"a" * 99 + b"\r")
    assert isinstance(peer.error, ProtocolError)
    assert session.got == ["a" * 99 + "\n"] * 100


async def test_client_that_reads_nothing_is_not_shown_more() -> None:
    """What has to be shown waits in a queue: behind its mark, nothing is edited."""
    peer = RawPeer()
    session = Recorder()
    chan = start_terminal(peer, session, room=100_000, window=1 << 20)
    most = 0
    line = b"y" * 999 + b"\r"
    sent = 0
    for _ in range(100):
        for _ in range(10):
            peer.send(94, 0, line)
            sent += 1
        most = max(most, chan.get_write_buffer_size())
    assert peer.error is None
    assert most < 256 * 1024
    assert len(chan._typed) > 500_000
    # The client reads: all of it is edited.
    for _ in range(1000):
        peer.send(93, 0, 100_000)
        peer.sent()
        await asyncio.sleep(0)
        if not chan._typed:
            break
    assert session.got == ["y" * 999 + "\n"] * sent


async def test_tiny_packets_take_little_memory() -> None:
    peer = RawPeer()
    session = Recorder()
    chan = start_terminal(peer, session, window=100_000)
    session.chan.pause_reading()
    for _ in range(20_000):
        peer.send(94, 0, b"a")
    assert (len(chan._held), len(chan._typed)) == (0, 20_000)
    session.chan.resume_reading()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not chan._typed


async def test_much_work_is_done_in_turns() -> None:
    """Keys that go through a long line are a few of many things that the loop has to do."""
    peer = RawPeer()
    session = Recorder()
    chan = start_terminal(peer, session)
    peer.send(94, 0, b"x" * 1000)
    for _ in range(3):
        peer.send(94, 0, b"\x1bb\x05" * 1000 + b"\r")
    turns = 0
    while len(session.got) < 3:
        await asyncio.sleep(0)
        turns += 1
    assert turns > 20
    # Each message, however small, is some work: what came in one turn has one share of it.
    before = len(session.got)
    for _ in range(100):
        peer.send(94, 0, b"\r")
    assert len(session.got) - before < 20
    while len(session.got) - before < 100:
        await asyncio.sleep(0)
    assert not chan._typed


async def test_reader_of_more_lines_than_a_window_has() -> None:
    """Exactly a window of lines was read and kept: nothing else can come, so this is the end."""
    peer = RawPeer()
    async with waiting_process(peer, window=1000) as (_, process):
        reading = asyncio.create_task(process.stdin.readuntil("end\n"))
        await asyncio.sleep(0)
        for _ in range(10):
            peer.send(94, 0, b"a" * 99 + b"\r")
            for _ in range(4):
                await asyncio.sleep(0)
            peer.sent()
        peer.send(94, 0, b"end\r")
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await asyncio.wait_for(reading, WAIT)
        partial: object = caught.value.partial
        assert partial == ("a" * 99 + "\n") * 10
        assert await asyncio.wait_for(process.stdin.readuntil("end\n"), WAIT) == "end\n"


@pytest.mark.parametrize("ends", ["close", "eof and close"])
async def test_client_that_closes_while_reading_is_paused(ends: str) -> None:
    peer = RawPeer()
    session = Recorder()
    lost: list[Exception | None] = []
    session.connection_lost = lost.append  # type: ignore[method-assign, assignment]
    start_terminal(peer, session)
    peer.send(94, 0, b"pause\rone\rtwo\rx")
    if ends != "close":
        peer.send(96, 0)
    peer.send(97, 0)
    await asyncio.sleep(0)
    assert (session.got, lost) == (["pause\n"], [])
    session.chan.resume_reading()
    for _ in range(3):
        await asyncio.sleep(0)
    end = ["x", "eof"] if ends != "close" else []
    assert (session.got, lost) == (["pause\n", "one\n", "two\n", *end], [None])


async def test_session_that_closes_while_reading_is_paused() -> None:
    peer = RawPeer()
    session = Recorder()
    lost: list[Exception | None] = []
    session.connection_lost = lost.append  # type: ignore[method-assign, assignment]
    start_terminal(peer, session)
    peer.send(94, 0, b"pause\rone\r")
    peer.send(96, 0)
    peer.send(97, 0)
    session.chan.close()
    session.chan.resume_reading()
    await asyncio.sleep(0)
    assert (session.got, lost) == (["pause\n"], [None])


async def test_client_that_closes_while_a_break_is_handled() -> None:
    peer = RawPeer()
    session = Recorder()
    lost: list[Exception | None] = []
    session.connection_lost = lost.append  # type: ignore[method-assign, assignment]
    start_terminal(peer, session)
    first = session.answer = asyncio.get_running_loop().create_future()
    peer.send(94, 0, b"\x03one\r\x03two\r")
    await asyncio.sleep(0)
    peer.send(97, 0)
    for _ in range(3):
        await asyncio.sleep(0)
    assert session.got == [("break", 0), "one\n", ("break", 0), "two\n"]
    assert (lost, first.cancelled()) == ([None], True)


async def test_many_lines_in_front_of_a_close() -> None:
    peer = RawPeer()
    session = Recorder()
    lost: list[Exception | None] = []
    session.connection_lost = lost.append  # type: ignore[method-assign, assignment]
    start_terminal(peer, session)
    peer.send(94, 0, b"line\r" * 1000)
    peer.send(96, 0)
    peer.send(97, 0)
    while not lost:
        await asyncio.sleep(0)
    assert session.got == ["line\n"] * 1000 + ["eof"]


async def test_break_whose_handling_was_cancelled() -> None:
    peer = RawPeer()
    session = Recorder()
    start_terminal(peer, session)
    answer = session.answer = asyncio.get_running_loop().create_future()
    peer.send(94, 0, b"\x03one\r")
    answer.cancel()
    for _ in range(4):
        await asyncio.sleep(0)
    assert session.got == [("break", 0), "one\n"]


async def test_throwing_away_what_was_typed_opens_the_window() -> None:
    peer = RawPeer()
    session = Recorder()
    chan = start_terminal(peer, session, window=4096)
    answer = session.answer = asyncio.get_running_loop().create_future()
    peer.send(94, 0, b"\x03" + b"a" * 4095)
    chan.clear_input()
    answer.set_result(True)
    for _ in range(4):
        await asyncio.sleep(0)
    assert chan.receive_room == 4096
    session.chan.pause_reading()
    peer.send(94, 0, b"typed ahead\r")
    chan.clear_input()
    session.chan.resume_reading()
    peer.send(94, 0, b"new\r")
    assert session.got == [("break", 0), "new\n"]


async def test_small_window_opens_when_somebody_reads() -> None:
    peer = RawPeer()
    got: list[str] = []

    async def handler(made: SSHServerProcess[str]) -> None:
        while line := await made.stdin.readline():
            got.append(line)

    chan = start_terminal(peer, SSHServerProcess(handler), window=8)
    await asyncio.sleep(0)
    for _ in range(50):
        assert chan.receive_room >= 4
        peer.send(94, 0, b"abc\r")
        for _ in range(4):
            await asyncio.sleep(0)
    assert got == ["abc\n"] * 50
    peer.end.mux.connection_lost(None)
    await asyncio.sleep(0)


async def test_datatype_of_stderr_is_kept() -> None:
    peer = RawPeer()
    session = Recorder()
    start_terminal(peer, session)
    session.chan.write_stderr("x\n")
    (message,) = peer.sent()
    assert message[0] == 95
    assert message[5:9] == EXTENDED_DATA_STDERR.to_bytes(4, "big")
    assert message.endswith(b"x\r\n")


@pytest.mark.parametrize("errors", ["strict", "replace", "ignore"])
async def test_bytes_that_are_no_text_are_shown_as_they_are(errors: str) -> None:
    peer = RawPeer()
    session = Recorder()
    chan = start_terminal(peer, session, errors=errors)
    chan.write_raw(b"caf\xe9\n")
    (message,) = peer.sent()
    assert message.endswith(b"caf\xe9\r\n")
