"""Processes with the protocols and transports of asyncio's subprocesses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ssh_connection import (
    DEVNULL,
    STDOUT,
    BreakReceived,
    ChannelOpenError,
    SignalReceived,
    SSHClientConnection,
    SSHServerProcess,
    SSHSubprocessProtocol,
    SSHSubprocessReadPipe,
    SSHSubprocessTransport,
    SSHSubprocessWritePipe,
)
from ssh_transport.errors import ConnectionLost, ProtocolError
from tests.connection.loopback import client, server_side, serving

ENDED = [("exited", 0), ("lost", 1, None), ("lost", 2, None), ("end", None)]


class Protocol(SSHSubprocessProtocol[Any]):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.changed = asyncio.Event()
        self.transport: SSHSubprocessTransport[Any]

    def _add(self, *call: object) -> None:
        self.calls.append(call)
        self.changed.set()

    def connection_made(self, transport: SSHSubprocessTransport[Any]) -> None:
        """The first call."""
        self.transport = transport
        self._add("made")

    def pipe_data_received(self, fd: int, data: Any) -> None:
        """Data of one pipe is joined."""
        if self.calls[-1][:2] == ("data", fd):
            data = self.calls.pop()[2] + data
        self._add("data", fd, data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """The end of a pipe."""
        self._add("lost", fd, exc and type(exc))

    def process_exited(self) -> None:
        """The end of the process."""
        self._add("exited", self.transport.get_returncode())

    def connection_lost(self, exc: Exception | None) -> None:
        """The last call."""
        self._add("end", exc and type(exc))
        self.ended.set_result(None)

    def size(self, fd: int) -> int:
        """How much came from a pipe."""
        return sum(len(data) for _, _, data in self.data(fd))

    def data(self, fd: int) -> list[tuple[Any, ...]]:
        """What came from a pipe."""
        return [each for each in self.calls if each[:2] == ("data", fd)]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the calls are as wanted."""
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def end(self) -> list[tuple[object, ...]]:
        """The calls, without the first, when all is over; the end of pipes in order."""
        await asyncio.wait_for(self.ended, 10)
        assert self.calls[0] == ("made",)
        assert self.calls[-1][0] == "end"
        return self.calls[1:]


async def program(process: SSHServerProcess[bytes]) -> None:
    """What the commands do."""
    stdin, stdout, command = process.stdin, process.stdout, process.command
    if command == "fail":
        stdout.write(b"out\n")
        process.stderr.write(b"err\n")
        process.exit(3)
    elif command == "signal":
        process.exit_with_signal("TERM", msg="enough")
    elif command == "close":
        process.close()
    elif command == "abort":
        process.channel._send_request(b"exit-status", bytes(4))
        process.channel.abort()  # without EOF, which would wait until somebody reads
    elif command == "wrong":
        stdout.write(b"good\xff")
        await stdin.read()
    elif command == "half":
        stdout.write("ä".encode()[:1])
        process.exit(0)
    elif command == "flood":
        for _ in range(64):
            stdout.write(bytes(65536))
            process.stderr.write(b"e")
            await stdout.drain()
        process.exit(0)
    else:
        try:
            while data := await stdin.read(65536):
                stdout.write(data)
            process.exit(0)
        except SignalReceived as exc:
            process.exit_with_signal(exc.signal)
        except BreakReceived as exc:
            stdout.write(b"break %d" % exc.msec)
            process.exit(0)


@asynccontextmanager
async def connected() -> AsyncIterator[SSHClientConnection]:
    """A client whose server runs the commands."""
    async with (
        serving(process_factory=program, encoding=None, line_editor=False) as server,
        await client(server, password="secret") as conn,
    ):
        yield conn


async def started(
    conn: SSHClientConnection, command: str, **kwargs: Any
) -> tuple[SSHSubprocessTransport[Any], Protocol]:
    """A process with our protocol."""
    transport, protocol = await conn.create_subprocess(Protocol, command, **kwargs)
    assert isinstance(protocol, Protocol)
    assert protocol.calls[0] == ("made",)
    assert protocol.transport is transport
    return transport, protocol


async def test_output_of_both_pipes_and_exit() -> None:
    async with connected() as conn:
        transport, protocol = await started(conn, "fail")
        calls = await protocol.end()
        assert sorted(calls[:2]) == [("data", 1, b"out\n"), ("data", 2, b"err\n")]
        assert sorted(calls[2:-1], key=str) == [("exited", 3), ("lost", 1, None), ("lost", 2, None)]
        assert (transport.get_returncode(), transport.get_pid()) == (3, None)
        await transport.wait_closed()
        assert transport.is_closing()


async def test_process_that_a_signal_ended() -> None:
    async with connected() as conn:
        transport, protocol = await started(conn, "signal")
        assert ("exited", -15) in await protocol.end()
        assert transport.exit_signal == ("TERM", False, "enough", "en-US")


async def test_process_of_which_nobody_knows_how_it_ended() -> None:
    async with connected() as conn:
        transport, protocol = await started(conn, "close")
        assert [each for each in await protocol.end() if each[0] == "exited"] == [("exited", None)]
        assert transport.get_returncode() is None


async def test_process_that_ends_before_its_streams_are_redirected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begin = SSHSubprocessTransport.begin

    async def late(self: SSHSubprocessTransport[Any], **kwargs: Any) -> None:
        await asyncio.wait_for(self._protocol.ended, 10)  # type: ignore[attr-defined]
        await begin(self, **kwargs)

    monkeypatch.setattr(SSHSubprocessTransport, "begin", late)
    async with connected() as conn:
        for kwargs in ({}, {"input": b"x"}, {"stdout": DEVNULL, "stderr": STDOUT}):
            transport, protocol = await started(conn, "abort", **kwargs)
            assert ("exited", 0) in await protocol.end()
            assert (await transport.wait()).returncode == 0
        await started(conn, "abort", stdout=tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == b""


async def test_input_and_output_of_a_running_process() -> None:
    async with connected() as conn:
        transport, protocol = await started(conn, "cat")
        stdin = transport.get_pipe_transport(0)
        assert isinstance(stdin, SSHSubprocessWritePipe)
        assert isinstance(transport.get_pipe_transport(1), SSHSubprocessReadPipe)
        assert isinstance(transport.get_pipe_transport(2), SSHSubprocessReadPipe)
        assert transport.get_pipe_transport(3) is None
        for each in (transport, stdin, transport.get_pipe_transport(1)):
            assert each.get_extra_info("connection") is conn
            assert each.get_extra_info("no such", 1) == 1
        assert stdin.can_write_eof()
        stdin.write(b"one ")
        stdin.writelines([b"two ", b"three"])
        assert stdin.get_write_buffer_size() >= 0
        await protocol.until(lambda: protocol.calls[-1] == ("data", 1, b"one two three"))
        stdin.close()  # as of asyncio's pipes: the process goes on, and comes to its own end
        assert sorted((await protocol.end())[1:], key=str) == sorted(ENDED, key=str)
        with pytest.raises(BrokenPipeError):
            stdin.write(b"more")


async def test_text() -> None:
    async with connected() as conn:
        _, protocol = await started(conn, "cat", input="tëxt\n", encoding="utf-8")
        assert (await protocol.end())[0] == ("data", 1, "tëxt\n")


async def test_text_that_is_none() -> None:
    async with connected() as conn:
        _, protocol = await started(conn, "wrong", encoding="utf-8")
        calls = await protocol.end()
        assert calls[0] == ("data", 1, "good")
        assert calls[-1] == ("end", ProtocolError)
        _, protocol = await started(conn, "half", encoding="utf-8")
        assert ("lost", 1, ProtocolError) in await protocol.end()
        _, protocol = await started(conn, "half", encoding="utf-8", errors="replace")
        assert ("data", 1, "\ufffd") in await protocol.end()


async def test_redirection(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"from a file")
    async with connected() as conn:
        _, protocol = await started(conn, "fail", stderr=STDOUT)
        assert [each[:2] for each in await protocol.end() if each[0] == "data"] == [("data", 1)]
        _, protocol = await started(conn, "fail", stdout=DEVNULL)
        calls = await protocol.end()
        assert [each for each in calls if each[0] == "data"] == [("data", 2, b"err\n")]
        assert {each[:2] for each in calls if each[0] == "lost"} == {("lost", 1), ("lost", 2)}
        transport, protocol = await started(
            conn, "cat", bufsize=3, stdin=tmp_path / "in", stdout=tmp_path / "out"
        )
        await transport.wait_closed()
        assert (tmp_path / "out").read_bytes() == b"from a file"
        assert not [each for each in await protocol.end() if each[0] == "data"]


async def test_requests_of_a_process() -> None:
    async with connected() as conn:
        for ask, end in (
            (SSHSubprocessTransport.kill, ("exited", -9)),
            (SSHSubprocessTransport.terminate, ("exited", -15)),
            (lambda transport: transport.send_signal("INT"), ("exited", -2)),
            (lambda transport: transport.send_break(5), ("data", 1, b"break 5")),
        ):
            transport, protocol = await started(conn, "wait")
            ask(transport)
            assert end in await protocol.end()


async def test_waiting_for_a_process() -> None:
    async with connected() as conn:
        transport, protocol = await started(conn, "fail")
        result = await transport.wait()
        assert (result.returncode, result.stdout, result.stderr) == (3, b"", b"")
        assert await transport.stdout.read() == b""
        await protocol.end()


@pytest.mark.parametrize("how", ["close", "abort", "connection", "peer"])
async def test_end_before_the_process_has_come_to_its_own(how: str) -> None:
    async with (
        serving(process_factory=program, encoding=None) as server,
        await client(server, password="secret") as conn,
    ):
        transport, protocol = await started(conn, "wait")
        if how == "close":
            transport.close()
        elif how == "abort":
            transport.get_pipe_transport(0).abort()
        else:
            (conn if how == "connection" else server_side(server)).abort()
        await asyncio.wait_for(transport.wait_closed(), 10)
        error = ConnectionLost if how == "peer" else None
        assert await protocol.end() == [
            ("exited", None),
            ("lost", 1, error),
            ("lost", 2, error),
            ("end", error),
        ]


async def test_pipe_that_is_paused() -> None:
    """The other one goes on; nothing but a window of it is kept, however it is read."""
    async with connected() as conn:
        transport, protocol = await started(conn, "flood", window=1 << 20)
        pipe = transport.get_pipe_transport(1)
        pipe.pause_reading()
        kept = transport._pipes[1]._kept
        await protocol.until(lambda: bool(protocol.data(2)))
        while not protocol.ended.done():
            before = protocol.size(1)
            await asyncio.sleep(0.002)
            assert protocol.size(1) == before or protocol.ended.done()
            assert sum(size for _, size, _ in kept) <= 1 << 20
            pipe.resume_reading()
            pipe.pause_reading()
        assert (protocol.size(1), protocol.size(2)) == (64 * 65536, 64)


async def test_pause_in_a_callback_holds_at_once_and_the_end_comes_last() -> None:
    class Slow(Protocol):
        def pipe_data_received(self, fd: int, data: Any) -> None:
            self._add("data", fd, data)
            self.transport.get_pipe_transport(1).pause_reading()

    async with connected() as conn:
        transport, made = await conn.create_subprocess(Slow, "flood", window=1 << 20)
        assert isinstance(made, Slow)
        count = 0
        while not made.ended.done():
            await asyncio.sleep(0)
            assert len(made.data(1)) <= count + 1
            count = len(made.data(1))
            transport.get_pipe_transport(1).resume_reading()
        assert made.size(1) == 64 * 65536
        assert made.calls[-1] == ("end", None)


async def test_many_small_pieces_that_are_kept_cost_little() -> None:
    async with connected() as conn:
        transport, protocol = await started(conn, "cat")
        pipe, stdin = transport.get_pipe_transport(1), transport.get_pipe_transport(0)
        pipe.pause_reading()
        for _ in range(5_000):
            stdin.write(b"x")
        stdin.write_eof()
        await protocol.until(lambda: protocol.calls[-1][0] == "exited")
        assert len(transport._pipes[1]._kept) < 5
        assert ("lost", 1, None) not in protocol.calls
        pipe.resume_reading()
        await protocol.end()
        assert protocol.size(1) == 5_000


async def test_pipe_that_is_closed() -> None:
    async with connected() as conn:
        transport, protocol = await started(conn, "flood")
        transport.get_pipe_transport(1).close()
        transport.get_pipe_transport(1).close()
        received = protocol.size(1)
        calls = await protocol.end()
        assert (protocol.size(1), protocol.size(2)) == (received, 64)
        assert ("exited", 0) in calls
        assert calls.count(("lost", 1, None)) == 1


async def test_closing_with_a_pipe_paused() -> None:
    async with connected() as conn:
        transport, protocol = await started(conn, "flood")
        transport.get_pipe_transport(1).pause_reading()
        transport.close()
        assert (await protocol.end())[-1] == ("end", None)
        transport.get_pipe_transport(1).resume_reading()  # nothing is left of it
        transport.get_pipe_transport(2).close()


async def test_writing_more_than_is_taken() -> None:
    class Counting(Protocol):
        def pause_writing(self) -> None:
            self._add("pause")

        def resume_writing(self) -> None:
            self._add("resume")

    async with connected() as conn:
        transport, made = await conn.create_subprocess(Counting, "cat")
        assert isinstance(made, Counting)
        stdin = transport.get_pipe_transport(0)
        stdin.set_write_buffer_limits(1000, 100)
        stdin.write(bytes(8 << 20))
        assert made.calls[1] == ("pause",)
        assert stdin.get_write_buffer_size() > 1000
        stdin.write_eof()
        calls = await made.end()
        assert ("resume",) in calls
        assert made.size(1) == 8 << 20


@pytest.mark.parametrize(
    "callback",
    ["connection_made", "pipe_data_received", "pipe_connection_lost", "process_exited"],
)
async def test_callback_that_fails_ends_the_process_alone(callback: str) -> None:
    problems: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context))

    def fail(*args: object) -> None:
        raise LookupError(callback)

    async with connected() as conn:
        kind = type("Failing", (Protocol,), {callback: fail})
        transport, protocol = await conn.create_subprocess(kind, "fail")
        await asyncio.wait_for(transport.wait_closed(), 10)
        assert protocol.ended.done()  # type: ignore[attr-defined]
        assert isinstance(problems[0]["exception"], LookupError)
        assert (await conn.run("fail", encoding=None)).exit_status == 3


async def test_factory_that_fails_and_session_that_is_refused() -> None:
    def fail() -> Protocol:
        raise LookupError

    made: list[Protocol] = []

    def remember() -> Protocol:
        made.append(Protocol())
        return made[0]

    async with connected() as conn:
        with pytest.raises(LookupError):
            await conn.create_subprocess(fail, "fail")
        with pytest.raises(OSError):
            await conn.create_subprocess(Protocol, "cat", stdin="/no/such/file")
    async with (
        serving(process_factory=program, max_sessions=1) as server,
        await client(server, password="secret") as conn,
    ):
        await started(conn, "wait")
        with pytest.raises(ChannelOpenError):
            await conn.create_subprocess(remember, "fail")
        assert made[0].calls == []
