"""Processes: results, time-outs, and redirection to everything that can be redirected to."""

from __future__ import annotations

import asyncio
import builtins
import gzip
import io
import os
import pty
import socket
import struct
import subprocess
import sys
import threading
import tracemalloc
import tty
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ssh_connection.errors import ProcessError, SignalReceived, TimeoutError
from ssh_connection.process.client import SSHClientProcess
from ssh_connection.process.redirect import DEVNULL, PIPE, STDOUT, open_sink
from ssh_connection.process.result import SSHCompletedProcess
from ssh_connection.process.server import SSHServerProcess
from ssh_connection.process.targets import QueueTarget
from ssh_transport.errors import ConnectionLost, ProtocolError
from tests.connection.channels import serve_process, start_process
from tests.connection.mux_pair import Pair

BIG = os.urandom(3_000_000)
BINARY: dict[str, Any] = {"encoding": None}


async def handler(process: SSHServerProcess[Any]) -> None:
    """The commands of these tests."""
    command = process.command or ""
    try:
        if command == "cat":
            while data := await process.stdin.read(65536):
                process.stdout.write(data)
                await process.stdout.drain()
        elif command == "both":
            process.stdout.write("out")
            process.stderr.write("err")
        elif command == "big":
            process.stdout.write(BIG)
            process.stderr.write(BIG[:100_000])
        elif command.startswith("exit "):
            process.stdout.write("text")
            process.exit(int(command[5:]))
        elif command == "signal":
            process.exit_with_signal("KILL", False, "gone")
        elif command == "hang":
            process.stdout.write("partial")
            await process.stdin.read()
        elif command == "ignore input":
            process.stdout.write("done")
            process.exit(0)
        elif command == "events":
            while True:
                try:
                    data = await process.stdin.read()
                except SignalReceived as exc:
                    process.stdout.write(f"<{exc.signal}>")
                    continue
                process.stdout.write(data)
                if process.stdin.at_eof():
                    break
    except BrokenPipeError:
        return
    if not process.is_closing():
        process.exit(0)


@pytest.fixture
async def pair() -> Any:
    """A pair whose server runs `handler`, text on both sides."""
    async with Pair() as made:
        serve_process(made, handler)
        yield made
        await made.settle()
        assert made.client.core.closed_with is None
        assert made.server.core.closed_with is None


@pytest.fixture
async def binary(pair: Pair) -> Pair:
    """The same for bytes on the server's side."""
    serve_process(pair, handler, encoding=None)
    return pair


async def run(pair: Pair, command: str, *, check: bool = False, **options: Any) -> Any:
    """What `run` of a connection does."""
    process = await start_process(pair, command, **options)
    return await process.wait(check)


async def test_result(pair: Pair) -> None:
    result = await run(pair, "both", create_options={"env": {"A": "b"}})
    assert result == SSHCompletedProcess({"A": "b"}, "both", None, 0, None, 0, "out", "err")


async def test_check(pair: Pair) -> None:
    assert (await run(pair, "exit 3")).exit_status == 3
    with pytest.raises(ProcessError, match="non-zero exit status 3") as info:
        await run(pair, "exit 3", check=True)
    error = info.value
    assert (error.code, error.command, error.exit_status, error.returncode) == (3, "exit 3", 3, 3)
    assert (error.stdout, error.stderr, error.exit_signal) == ("text", "", None)
    assert (await run(pair, "exit 0", check=True)).exit_status == 0


async def test_signal(pair: Pair) -> None:
    result = await run(pair, "signal")
    assert (result.exit_status, result.returncode) == (-1, -9)
    assert result.exit_signal == ("KILL", False, "gone", "en-US")
    with pytest.raises(ProcessError, match="exited with signal KILL: gone"):
        await run(pair, "signal", check=True)


async def test_timeout_keeps_the_output_and_the_process(pair: Pair) -> None:
    process = await start_process(pair, "hang")
    with pytest.raises(TimeoutError) as info:
        await process.wait(timeout=0.05)
    assert isinstance(info.value, builtins.TimeoutError)
    assert isinstance(info.value, ProcessError)
    assert (info.value.stdout, info.value.exit_status) == ("partial", None)
    assert not process.is_closing()
    process.stdin.write_eof()
    assert (await process.wait(timeout=5)).exit_status == 0


async def test_input_and_output_larger_than_all_windows(binary: Pair) -> None:
    result = await run(binary, "cat", input=BIG, channel_options=BINARY)
    assert result.stdout == BIG
    result = await run(binary, "big", channel_options=BINARY)
    assert (result.stdout, result.stderr) == (BIG, BIG[:100_000])


async def test_communicate_and_collect_output(pair: Pair) -> None:
    async with await start_process(pair, "cat") as process:
        process.stdin.write("first ")
        await pair.settle()
        assert process.collect_output() == ("first ", "")
        assert await process.communicate("second") == ("second", "")
        assert (process.exit_status, process.returncode, process.exit_signal) == (0, 0, None)
        assert (process.command, process.subsystem, dict(process.env)) == ("cat", None, {})
        assert process.get_extra_info("username") == "user"
    assert process.is_closing()


async def test_input_that_is_not_read(pair: Pair) -> None:
    result = await run(pair, "ignore input", input="x" * 5_000_000)
    assert (result.stdout, result.exit_status) == ("done", 0)
    process = await start_process(pair, "ignore input")
    await pair.settle()
    assert (await process.communicate("late input"))[0] == "done"


async def test_connection_lost_is_raised_not_taken_for_the_end() -> None:
    async with Pair() as pair:
        serve_process(pair, handler)
        process = await start_process(pair, "hang")
        waiting = asyncio.ensure_future(process.wait())
        await pair.settle()
        pair.lose(ConnectionLost("cut"))
        with pytest.raises(ConnectionLost):
            await waiting
        assert process.collect_output() == ("partial", "")


async def test_goodbye_of_the_server_is_no_success() -> None:
    async with Pair() as pair:
        serve_process(pair, handler)
        for check in (False, True):
            process = await start_process(pair, "hang")
            waiting = asyncio.ensure_future(process.wait(check))
            await pair.settle()
            if not check:
                process.close()
                assert (await waiting).exit_status is None
        pair.lose(None)
        with pytest.raises(ProcessError, match="closed before the process ended") as caught:
            await waiting
        assert caught.value.exit_status is None
        assert caught.value.stdout == "partial"


async def test_malformed_output_is_an_error(binary: Pair) -> None:
    with pytest.raises(ProtocolError, match="not valid utf-8"):
        await run(binary, "big")


# --- Redirection ------------------------------------------------------------------------------


async def test_files_by_name(pair: Pair, tmp_path: Path) -> None:
    source, target, errors = tmp_path / "in", tmp_path / "out", str(tmp_path / "err")
    source.write_bytes("wörld\r\n".encode() * 1000)
    result = await run(pair, "cat", stdin=source, stdout=target)
    assert (result.stdout, result.exit_status) == ("", 0)
    assert target.read_bytes() == source.read_bytes()
    await run(pair, "both", stdout=target, stderr=errors)
    assert (target.read_text(), Path(errors).read_text()) == ("out", "err")
    await run(pair, "both", stdout=target, stderr=STDOUT)
    assert sorted(target.read_text()) == sorted("outerr")


async def test_bytes_of_any_kind_go_to_a_file_though_the_channel_is_text(
    binary: Pair, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    result = await run(binary, "big", stdout=target, stderr=DEVNULL)
    assert target.read_bytes() == BIG
    assert (result.stdout, result.stderr) == ("", "")
    result = await run(binary, "cat", stdin=target, stdout=str(target) + "2")
    assert Path(str(target) + "2").read_bytes() == BIG


async def test_bytes_that_came_before_the_redirection_are_not_decoded(
    pair: Pair, tmp_path: Path
) -> None:
    """A server with an encoding redirects only after the first input has arrived."""
    target = tmp_path / "out"

    async def serve(process: SSHServerProcess[str]) -> None:
        await pair.settle()
        await process.redirect(stdin=target)
        await process.wait_closed()
        written.set()

    written = asyncio.Event()
    serve_process(pair, serve)
    process = await start_process(pair, "x", input=BIG, channel_options=BINARY)
    async with asyncio.timeout(5):
        while process.channel.get_write_buffer_size():
            await asyncio.sleep(0)
    await pair.settle()
    process.close()
    await process.wait_closed()
    await written.wait()
    assert target.read_bytes() == BIG


async def test_file_objects_stay_open(pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        await run(pair, "both", stdout=file)
        await run(pair, "both", stderr=file)
        assert not file.closed
    assert path.read_bytes() == b"outerr"
    with path.open("w", encoding="utf-16") as text:
        await run(pair, "cat", input="grün", stdout=text)
        assert not text.closed
    assert path.read_text(encoding="utf-16") == "grün"
    with path.open(encoding="utf-16") as text:
        assert (await run(pair, "cat", stdin=text)).stdout == "grün"
    serve_process(pair, handler, encoding=None)
    with path.open("rb") as file:
        file.seek(2)
        result = await run(pair, "cat", stdin=file, channel_options=BINARY)
    assert result.stdout == "grün".encode("utf-16")[2:]


async def test_text_file_on_a_channel_of_bytes(binary: Pair, tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("w") as text:
        text.write("head ")
        await run(binary, "cat", input=b"\xff", stdout=text, channel_options=BINARY)
    assert path.read_bytes() == b"head \xff"


async def test_files_in_memory_and_wrapped_ones(pair: Pair, tmp_path: Path) -> None:
    target = io.BytesIO()
    await run(pair, "cat", stdin=io.BytesIO(b"in memory"), stdout=target)
    assert target.getvalue() == b"in memory"
    text = io.StringIO()
    await run(pair, "cat", stdin=io.StringIO("text"), stdout=text)
    assert text.getvalue() == "text"
    with gzip.open(tmp_path / "z", "wb") as packed:
        await run(pair, "both", stdout=packed)
    with gzip.open(tmp_path / "z", "rb") as packed:
        assert (await run(pair, "cat", stdin=packed)).stdout == "out"


class AsyncFile:
    """A file with coroutines, as libraries make them."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = data
        self.written = b""

    async def read(self, n: int) -> bytes:
        await asyncio.sleep(0)
        result, self.data = self.data[:n], self.data[n:]
        return result

    async def write(self, data: bytes) -> None:
        await asyncio.sleep(0)
        self.written += data


async def test_asynchronous_files(binary: Pair) -> None:
    target = AsyncFile()
    await run(binary, "cat", stdin=AsyncFile(BIG), stdout=target, channel_options=BINARY)
    assert target.written == BIG


async def test_descriptors_and_pipes_are_closed_at_their_end(binary: Pair) -> None:
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    loop = asyncio.get_running_loop()

    def feed() -> None:
        with open(in_write, "wb") as file:
            file.write(BIG)

    def drain() -> bytes:
        with open(out_read, "rb") as file:
            return file.read()

    process = await start_process(
        binary, "cat", stdin=in_read, stdout=os.fdopen(out_write, "wb"), channel_options=BINARY
    )
    _, received = await asyncio.gather(
        loop.run_in_executor(None, feed), loop.run_in_executor(None, drain)
    )
    assert received == BIG
    assert (await process.wait()).exit_status == 0
    for fd in (in_read, out_write):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


async def test_named_pipe(pair: Pair, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reading = asyncio.get_running_loop().run_in_executor(None, fifo.read_bytes)
    await run(pair, "cat", input="through the pipe", stdout=fifo)
    assert await reading == b"through the pipe"


async def test_sockets(binary: Pair) -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    process = await start_process(
        binary, "cat", stdin=theirs, stdout=theirs.dup(), channel_options=BINARY
    )
    writer.write(b"over a socket")
    writer.write_eof()
    assert await reader.read() == b"over a socket"
    assert (await process.wait()).exit_status == 0
    writer.close()
    await writer.wait_closed()


async def test_asyncio_streams(binary: Pair) -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    remote_reader, remote_writer = await asyncio.open_connection(sock=theirs)
    process = await start_process(
        binary, "cat", stdin=remote_reader, stdout=remote_writer, channel_options=BINARY
    )
    writer.write(BIG[:500_000])
    writer.write_eof()
    assert await reader.read() == BIG[:500_000]
    assert (await process.wait()).exit_status == 0
    for each in (writer, remote_writer):
        assert not each.is_closing() or each is writer
        each.close()
        await each.wait_closed()


async def test_local_subprocess_on_the_server(binary: Pair) -> None:
    async def serve(process: SSHServerProcess[bytes]) -> None:
        local = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d[::-1]);"
            "sys.stderr.write(str(len(d))); sys.exit(5)",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert local.stdin is not None
        assert local.stdout is not None
        assert local.stderr is not None
        await process.redirect(local.stdin, local.stdout, local.stderr)
        await process.stdout.drain()
        await process.stderr.drain()
        process.exit(await local.wait())

    serve_process(binary, serve, encoding=None)
    result = await run(binary, "x", input=BIG, channel_options=BINARY)
    assert result.stdout == BIG[::-1]
    assert (result.stderr, result.exit_status) == (b"%d" % len(BIG), 5)


async def test_terminal_as_source(pair: Pair) -> None:
    leader, follower = pty.openpty()
    with os.fdopen(leader, "wb", buffering=0) as keyboard:
        process = await start_process(pair, "cat", stdin=follower)
        keyboard.write(b"typed\n\x04")
        assert (await process.wait()).stdout == "typed\n"


async def test_one_process_feeds_another(binary: Pair) -> None:
    first = await start_process(binary, "cat", channel_options=BINARY)
    second = await start_process(binary, "cat", stdin=first.stdout, channel_options=BINARY)
    third = await start_process(binary, "cat", channel_options=BINARY)
    await second.redirect(stdout=third.stdin)
    first.stdin.write(BIG)
    first.stdin.write_eof()
    result = await third.wait()
    assert result.stdout == BIG
    assert (await first.wait()).exit_status == (await second.wait()).exit_status == 0


async def test_encodings_are_converted_between_processes(pair: Pair) -> None:
    latin = {"encoding": "latin-1"}
    target = await start_process(pair, "cat", channel_options=latin)
    source = await start_process(pair, "cat", stdout=target.stdin)
    serve_process(pair, handler, encoding=None)
    source.stdin.write("äöü")
    source.stdin.write_eof()
    # The server echoes what it decodes as UTF-8, so latin-1 bytes would be refused there.
    with pytest.raises(ProtocolError):
        await asyncio.wait_for(stop_at_error(pair, target), 5)
    source.close()
    await source.wait_closed()


async def stop_at_error(pair: Pair, process: SSHClientProcess[Any]) -> None:
    """Wait until a process ends; the server's side of it may have failed to decode."""
    result = await process.wait()
    if result.exit_status is None:
        raise ProtocolError("the server has refused the data")


async def test_signals_follow_redirected_streams(pair: Pair) -> None:
    """A server's stdin that is the source of a client process passes on what happens in it."""
    async with Pair() as inner:
        serve_process(inner, handler)

        async def relay(process: SSHServerProcess[str]) -> None:
            remote = await start_process(inner, "events", stdin=process.stdin)
            await process.redirect(stdout=remote.stdout)
            await process.stdout.drain()
            process.exit(0)

        serve_process(pair, relay)
        outer = await start_process(pair, "x")
        outer.stdin.write("one")
        outer.send_signal("USR1")
        outer.stdin.write("two")
        outer.stdin.write_eof()
        assert (await outer.wait()).stdout == "one<USR1>two"


async def test_redirect_while_it_runs(pair: Pair, tmp_path: Path) -> None:
    process = await start_process(pair, "cat")
    process.stdin.write("to the reader;")
    assert await process.stdout.readuntil(";") == "to the reader;"
    process.stdin.write("buffered then file;")
    await pair.settle()
    await process.redirect(stdout=tmp_path / "one")
    process.stdin.write("file;")
    await pair.settle()
    await process.redirect(stdout=PIPE)
    process.stdin.write("reader again")
    result = await process.communicate("")
    assert result == ("reader again", "")
    assert (tmp_path / "one").read_text() == "buffered then file;file;"


async def test_several_sources_one_after_another(pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.write_text("part ")
    process = await start_process(pair, "cat", stdin=path, send_eof=False)
    await process.stdin.drain()
    await process.redirect(stdin=path, send_eof=False)
    await process.stdin.drain()
    assert await process.communicate("end") == ("part part end", "")


async def test_no_input(pair: Pair) -> None:
    result = await run(pair, "cat", stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
    assert (result.stdout, result.exit_status) == ("", 0)


async def test_slow_target_stops_the_peer(binary: Pair) -> None:
    class Slow(AsyncFile):
        def __init__(self) -> None:
            super().__init__()
            self.gate = asyncio.Event()

        async def write(self, data: bytes) -> None:
            await self.gate.wait()
            await super().write(data)

    target = Slow()
    options: dict[str, Any] = {"encoding": None, "window": 100_000}
    process = await start_process(binary, "big", stdout=target, channel_options=options)
    await binary.settle()
    sent = sum(len(p) for p in binary.server.core.log if p[0] == 94)
    assert sent < 110_000
    target.gate.set()
    assert (await process.wait()).exit_status == 0
    assert target.written == BIG


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
async def test_targets_that_can_not_be_opened(pair: Pair, stream: str) -> None:
    with pytest.raises(OSError, match="No such file"):
        await start_process(pair, "cat", **{stream: "/nonexistent/file"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="can not redirect"):
        await start_process(pair, "cat", **{stream: object()})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="descriptor"):
        await start_process(pair, "cat", **{stream: -7})  # type: ignore[arg-type]
    await pair.settle()
    assert pair.client.mux.channels == ()


async def test_stdout_can_not_go_to_stdout(pair: Pair) -> None:
    with pytest.raises(ValueError, match="only stderr"):
        await run(pair, "cat", stdout=STDOUT)


async def test_a_full_disk_is_an_error_not_lost_data(pair: Pair) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError, match="No space"):
        await run(pair, "both", stdout="/dev/full")


async def test_a_source_that_fails_is_an_error(pair: Pair) -> None:
    class Failing(AsyncFile):
        async def read(self, n: int) -> bytes:
            raise OSError("read error")

    with pytest.raises(OSError, match="read error"):
        await run(pair, "cat", stdin=Failing())


async def test_a_source_that_is_cut_off_does_not_leave_the_process_waiting(pair: Pair) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    ours.sendall(b"some")
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    process = await start_process(pair, "cat", stdin=theirs)
    assert await process.stdout.read(4) == "some"
    ours.close()  # by a reset
    async with asyncio.timeout(30):
        with pytest.raises(ConnectionResetError):
            await process.wait()
    assert process.exit_status == 0


@pytest.mark.parametrize("fd", [0, 1])
async def test_standard_streams_wait_again_afterwards(pair: Pair, fd: int) -> None:
    saved = os.dup(fd)
    ends = os.pipe()
    try:
        os.dup2(ends[fd], fd)
        os.close(ends[fd])
        if fd == 0:
            os.close(ends[1])
            await run(pair, "cat", stdin=0)
        else:
            assert (await run(pair, "both", stdout=1)).stderr == "err"
            assert os.read(ends[0], 100) == b"out"
            os.close(ends[0])
        assert os.get_blocking(fd)
    finally:
        os.dup2(saved, fd)
        os.close(saved)


@pytest.mark.parametrize("kind", ["descriptor", "high descriptor", "text", "bytes"])
async def test_terminal_that_does_not_wait(binary: Pair, kind: str) -> None:
    leader, follower = pty.openpty()
    # More than select(2) can wait for; its own are the next free ones.
    others = [os.dup(follower) for _ in range(1024 if kind == "high descriptor" else 0)]
    tty.setraw(follower)
    # As another redirection does, from the same terminal.
    os.set_blocking(follower, False)
    target: Any = follower
    if kind in ("text", "bytes"):
        encoding = "utf-8" if kind == "text" else None
        target = os.fdopen(follower, "w" if kind == "text" else "wb", encoding=encoding)
    # Text has the encoding of the file.
    shown = BIG.decode("latin-1").encode(target.encoding) if kind == "text" else BIG

    def screen() -> bytes:
        seen = b""
        with suppress(OSError):
            while len(seen) < len(shown):
                seen += os.read(leader, 65536)
        return seen

    reading = asyncio.get_running_loop().run_in_executor(None, screen)
    options = BINARY if kind != "text" else {"encoding": "latin-1"}
    async with asyncio.timeout(60):
        await run(binary, "big", stdout=target, stderr=DEVNULL, channel_options=options)
        assert await reading == shown
    if kind in ("text", "bytes"):
        target.close()
    for descriptor in (leader, *others):
        os.close(descriptor)


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
async def test_a_file_with_a_full_buffer_does_not_stop_the_loop(binary: Pair, kind: str) -> None:
    reader, writer = os.pipe() if kind == "pipe" else pty.openpty()
    if kind == "terminal":
        tty.setraw(writer)
    os.set_blocking(writer, False)
    held = 0
    for size in (4096, 1):
        with suppress(BlockingIOError):
            while True:
                held += os.write(writer, bytes(size))
    os.set_blocking(writer, True)
    file = os.fdopen(writer, "wb")
    file.write(b"first")
    begin = threading.Event()

    def read() -> tuple[bool, bytes]:
        asked, seen = begin.wait(10), b""
        while len(seen) < held + 11:
            seen += os.read(reader, 65536)
        return asked, seen

    reading = asyncio.get_running_loop().run_in_executor(None, read)
    running = asyncio.create_task(
        run(binary, "cat", input=b"second", stdout=file, channel_options=BINARY)
    )
    for _ in range(1000):  # until it waits for somebody to read
        await asyncio.sleep(0)
    begin.set()
    assert await reading == (True, bytes(held) + b"firstsecond")
    await running
    file.close()
    os.close(reader)


async def test_tiny_packets_of_text_cost_no_more_than_others(pair: Pair) -> None:
    class Gate(AsyncFile):
        mode = "w"

        def __init__(self) -> None:
            super().__init__()
            self.gate = asyncio.Event()

        async def write(self, data: Any) -> None:
            await self.gate.wait()
            self.written += data.encode()

    process = await start_process(pair, "hang")
    file, count = Gate(), 50_000
    sink, raw = await open_sink(file, process.channel)
    target = QueueTarget(process.channel, sink, True, raw)
    tracemalloc.start()
    try:
        for _ in range(count):
            target.feed(b"x", 0)
        assert tracemalloc.get_traced_memory()[1] < 20 * count
    finally:
        tracemalloc.stop()
    file.gate.set()
    await target.finish()
    assert file.written == b"x" * count
    process.close()
    await process.wait_closed()


async def test_terminal_information_on_the_server(pair: Pair) -> None:
    seen: list[Any] = []

    def serve(process: SSHServerProcess[str]) -> None:
        seen.extend([process.term_type, process.term_size, dict(process.term_modes)])
        seen.extend([process.get_terminal_type(), process.get_terminal_size()])
        seen.append(process.get_terminal_mode(53))
        process.exit(0)

    serve_process(pair, serve)
    options = {
        "request_pty": True,
        "term_type": "vt100",
        "term_size": (80, 24, 640, 480),
        "term_modes": {53: 1},
    }
    await run(pair, "x", create_options=options)
    size = (80, 24, 640, 480)
    assert seen == ["vt100", size, {53: 1}, "vt100", size, 1]
