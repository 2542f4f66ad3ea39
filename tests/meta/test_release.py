"""What has ended is freed at once, with its connection: nothing is left to the garbage collector.

Behind each use of a connection no object of ours may be left, while the collector does nothing.
What asyncio still has to do is waited for. Behind errors that somebody keeps the collector has to
help: their tracebacks are what people find their mistakes with.
"""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import CoroutineType
from typing import Any

import pytest

import ssh_meta
from tests.meta.support import Server as KeepingServer
from tests.meta.support import connected, known_hosts, running_server

WAIT = 30
KNOWN_HOSTS = known_hosts()


class Server(KeepingServer):
    """Keeps no reference to its connection, and allows all listeners."""

    def connection_made(self, conn: object) -> None:
        """Nothing."""

    def server_requested(self, listen_host: str, listen_port: int) -> bool:
        """Listen."""
        return True

    def unix_server_requested(self, listen_path: str) -> bool:
        """Listen."""
        return True

    def unix_connection_requested(self, dest_path: str) -> bool:
        """Forward it."""
        return True


def count_ours() -> Counter[str]:
    """Count the objects of our packages, and running coroutines of theirs."""
    found: Counter[str] = Counter()
    for each in gc.get_objects():
        # Not isinstance, which asks weak proxies for the class of what may be gone.
        kind = type(each)
        if issubclass(kind, CoroutineType):
            if "ssh_" in each.cr_code.co_filename:
                found[f"coroutine {each.cr_code.co_name}"] += 1
        elif str(kind.__module__).startswith("ssh_") and not issubclass(kind, type):
            found[f"{kind.__module__}.{kind.__qualname__}"] += 1
    return found


@pytest.fixture(autouse=True)
def with_collector_again() -> Iterator[None]:
    """Whatever becomes of a test."""
    yield
    gc.enable()


async def check_released(use: Callable[[], Awaitable[None]], *, collect: bool = False) -> None:
    """Use something twice; what is left behind the second time is too much."""
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    await use()  # fills the caches
    await asyncio.sleep(0.05)
    gc.collect()
    gc.disable()
    before = count_ours()
    await use()
    try:
        async with asyncio.timeout(WAIT):
            while left := count_ours() - before:
                await asyncio.sleep(0.02)
                if collect:
                    gc.collect()
    except TimeoutError:
        pytest.fail(f"left behind: {dict(left)}")


@asynccontextmanager
async def both(**options: Any) -> AsyncIterator[ssh_meta.SSHClientConnection]:
    """A connection of ours to a server of ours."""
    of_client = {name: options.pop(name) for name in ("agent_path",) if name in options}
    async with (
        running_server(server_factory=Server, sftp_factory=True, allow_scp=True, **options) as port,
        connected(port, known_hosts=KNOWN_HOSTS, **of_client) as conn,
    ):
        yield conn


async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server to forward connections to."""
    try:
        while data := await reader.read(100):
            writer.write(data.upper())
    except OSError:
        pass
    finally:
        writer.close()


async def ask(reader: Any, writer: Any) -> None:
    """Use a connection to `upper`, and close it."""
    writer.write(b"abc")
    assert await asyncio.wait_for(reader.readexactly(3), WAIT) == b"ABC"
    writer.close()
    await writer.wait_closed()


@asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """The port of `upper`."""
    server = await asyncio.start_server(upper, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


# --- Processes -----------------------------------------------------------------------------------


async def run() -> None:
    """The whole of a command."""
    async with both() as conn:
        done = await conn.run("echo", input=b"a", encoding=None)
        assert done.stdout == b"a"
        with suppress(ssh_meta.ProcessError):
            await conn.run("fail", check=True)


async def process() -> None:
    """A process with text, which is read, and asked for things behind its end."""
    async with both() as conn:
        async with conn.create_process("echo") as made:
            made.stdin.write("line\n")
            assert await made.stdout.readline() == "line\n"
            made.stdin.write("more")
            made.stdin.write_eof()
        assert made.exit_status in (0, None)
        assert made.get_extra_info("connection") is conn
        await made.stdout.read()
        assert made.stdout.at_eof()
        assert made.stdin.is_closing()
        made.close()
        await made.wait_closed()


class Keeping(ssh_meta.SSHSubprocessProtocol[bytes]):
    """Keeps its transport and one of the pipes, as protocols do, until all is over."""

    def __init__(self) -> None:
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: ssh_meta.SSHSubprocessTransport[bytes]) -> None:
        """The process runs."""
        self.transport = transport
        self.pipe = transport.get_pipe_transport(1)

    def connection_lost(self, exc: Exception | None) -> None:
        """All is over."""
        del self.transport, self.pipe
        self.over.set_result(None)


async def subprocess() -> None:
    """Processes with callbacks, to the end and cut off."""
    async with both() as conn:
        for closing in (True, False):
            transport, protocol = await conn.create_subprocess(Keeping, "echo", input=b"a")
            if closing:
                transport.close()
            assert isinstance(protocol, Keeping)
            await protocol.over
            await transport.wait_closed()
        await conn.create_subprocess(Keeping, "echo")


async def streams() -> None:
    """Streams that are closed, and some that nobody closes."""
    async with both() as conn:
        for closing in (True, False):
            writer, reader, _ = await conn.open_session("echo", encoding=None)
            writer.write(b"a")
            assert await reader.read(1) == b"a"
            if closing:
                writer.close()
                await writer.wait_closed()


async def redirection() -> None:
    """From and to files and processes, and where it does not work."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "source").write_bytes(bytes(100_000))
        async with both(encoding=None) as conn:
            target = Path(folder, "target")
            await conn.run("echo", stdin=f"{folder}/source", stdout=target, encoding=None)
            assert target.stat().st_size == 100_000
            async with (
                conn.create_process("echo", encoding=None) as first,
                conn.create_process("echo", stdin=first.stdout, encoding=None) as second,
            ):
                first.stdin.write(b"a")
                first.stdin.write_eof()
                assert await second.stdout.read() == b"a"
            with suppress(OSError):
                await conn.run("echo", stdin=f"{folder}/nothing", encoding=None)
            with suppress(OSError):
                await conn.run("echo", input=bytes(100), stdout="/dev/full", encoding=None)


async def redirection_that_is_cut() -> None:
    """From a pipe that goes on."""
    source, sink = os.pipe()
    async with both() as conn:
        made = await conn.create_process("echo", stdin=source, encoding=None)
        os.write(sink, b"a")
        assert await made.stdout.read(1) == b"a"
        made.close()
        await made.wait_closed()
    os.close(sink)


async def edited_lines() -> None:
    """A terminal with a line editor."""
    async with both(process_factory=read_line, encoding="utf-8") as conn:
        made = await conn.create_process(None, term_type="xterm")
        made.stdin.write("line\r")
        await made.wait()


async def read_line(process: ssh_meta.SSHServerProcess[str]) -> None:
    """Read a line and end."""
    process.stdout.write(await process.stdin.readline())
    process.exit(0)


# --- What goes wrong -----------------------------------------------------------------------------


async def abort() -> None:
    """The client breaks off, in the middle of a process."""
    async with both() as conn:
        made = await conn.create_process("echo", encoding=None)
        made.stdin.write(b"a")
        await made.stdout.read(1)
        conn.abort()
        with suppress(OSError, ssh_meta.Error):
            await made.wait(check=True)


async def connection_that_is_cut() -> None:
    """The server breaks off: both ends get an exception."""
    async with both(process_factory=cut) as conn:
        made = await conn.create_process("echo", encoding=None)
        for _ in range(3):
            with suppress(OSError, EOFError, ssh_meta.Error):
                await made.stdout.readexactly(1)
        with suppress(OSError, ssh_meta.Error):
            await made.wait(check=True)
        with suppress(OSError, ssh_meta.Error):
            await made.stdin.drain()


async def cut(process: ssh_meta.SSHServerProcess[bytes]) -> None:
    """Close the connection below the process."""
    connection: Any = process.get_extra_info("connection")
    connection.get_extra_info("socket").shutdown(2)
    await process.stdin.read()


async def failing_handler() -> None:
    """The server's handler raises."""
    async with both(process_factory=fail) as conn:
        await conn.run("echo", encoding=None)


async def fail(process: ssh_meta.SSHServerProcess[bytes]) -> None:
    """Raise."""
    raise ValueError(process.command)


async def failing_session() -> None:
    """The client's session raises, at each of its beginnings."""

    class Made(ssh_meta.SSHClientSession[bytes]):
        def connection_made(self, chan: object) -> None:
            raise ValueError("made")

    class Started(ssh_meta.SSHClientSession[bytes]):
        def session_started(self) -> None:
            raise ValueError("started")

    class Received(ssh_meta.SSHClientSession[bytes]):
        def data_received(self, data: bytes, datatype: int | None) -> None:
            raise ValueError("received")

    def factory() -> ssh_meta.SSHClientSession[bytes]:
        raise ValueError("factory")

    async with both() as conn:
        for each in (Made, Started, Received, factory):
            with suppress(ValueError):
                chan, _ = await conn.create_session(each, "fail", encoding=None)
                await chan.wait_closed()


async def wrong_text() -> None:
    """What is read does not have the encoding."""
    async with both() as conn:
        made = await conn.create_process("echo")
        made.channel.write_raw(b"\xff")
        made.stdin.write_eof()
        with suppress(ssh_meta.ProtocolError):
            await made.stdout.read()
        with suppress(ssh_meta.ProtocolError):
            await made.wait()


async def refusals() -> None:
    """The server refuses sessions, connections and listeners."""

    class Refusing(Server):
        def server_requested(self, listen_host: str, listen_port: int) -> bool:
            return False

    async with (
        running_server(server_factory=Refusing, process_factory=None) as port,
        connected(port, known_hosts=KNOWN_HOSTS) as conn,
    ):
        for refused in (
            lambda: conn.run("echo"),
            lambda: conn.start_sftp_client(),
            lambda: conn.open_connection("127.0.0.1", 1),
            lambda: conn.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 1),
        ):
            with suppress(ssh_meta.ChannelOpenError, ssh_meta.ChannelListenError):
                await refused()


async def cancellation() -> None:
    """A command is cancelled at each turn of the loop, and when its time is over."""
    async with both() as conn:
        for turns in range(12):
            running = asyncio.create_task(conn.run("echo", encoding=None))
            for _ in range(turns):
                await asyncio.sleep(0)
            running.cancel()
            await asyncio.wait([running])
        with suppress(ssh_meta.TimeoutError):
            await conn.run("echo", encoding=None, timeout=0.05)


# --- Files ---------------------------------------------------------------------------------------


async def sftp() -> None:
    """Copies of small, large and sparse files, trees, and files that are read and written."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tree").mkdir()
        for name, size in (("tree/small", 10), ("tree/large", 3_000_000)):
            Path(folder, name).write_bytes(b"x" * size)
        with open(f"{folder}/tree/sparse", "wb") as file:
            file.seek(4_000_000)
            file.write(b"x")
        async with both() as conn, conn.start_sftp_client() as client:
            await client.get(f"{folder}/tree", f"{folder}/got", recurse=True, preserve=True)
            await client.put(f"{folder}/tree", f"{folder}/sent", recurse=True, preserve=True)
            await client.copy(f"{folder}/tree", f"{folder}/copied", recurse=True)
            assert len(await client.listdir(f"{folder}/sent")) == 5
            async with client.open(f"{folder}/tree/large", "rb+", encoding=None) as opened:
                assert len(await opened.read()) == 3_000_000
                await opened.write(bytes(1_000_000), 0)
            await client.rmtree(f"{folder}/got")


async def sftp_failures() -> None:
    """What the server refuses, what fails here, and what comes behind the end."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "file").write_bytes(bytes(3_000_000))
        async with both() as conn:
            async with conn.start_sftp_client() as client:
                file = f"{folder}/file"
                for failing in (
                    client.get(f"{folder}/none", f"{folder}/x"),
                    client.put(f"{folder}/none", f"{folder}/x"),
                    client.get(file, "/dev/full"),
                    client.put(file, "/dev/full"),
                    client.mget(f"{folder}/none*", folder),
                    client.listdir(f"{folder}/none"),
                    client.rmtree(f"{folder}/none"),
                ):
                    with suppress(ssh_meta.SFTPError, OSError):
                        await failing
            with suppress(ssh_meta.SFTPError):
                await client.stat(".")


async def sftp_that_is_cut() -> None:
    """A copy is cancelled, and another one loses its connection."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "file").write_bytes(bytes(20_000_000))
        async with both() as conn:
            client = await conn.start_sftp_client()
            for end in ("cancel", "abort"):
                copying = asyncio.create_task(client.get(f"{folder}/file", f"{folder}/{end}"))
                await asyncio.sleep(0.01)
                if end == "cancel":
                    copying.cancel()
                else:
                    conn.abort()
                await asyncio.wait([copying])
                if not copying.cancelled():
                    copying.exception()


async def scp() -> None:
    """Both directions, and a file that is not there."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/file"
        Path(file).write_bytes(bytes(1_000_000))
        async with both() as conn:
            await ssh_meta.scp((conn, file), f"{folder}/got")
            await ssh_meta.scp(file, (conn, f"{folder}/sent"))
            with suppress(ssh_meta.SFTPError):
                await ssh_meta.scp((conn, f"{folder}/none"), f"{folder}/got")


# --- Forwarding ----------------------------------------------------------------------------------


async def forwarded_ports() -> None:
    """Here, on the server, by SOCKS, and directly; some lead nowhere."""
    async with listening() as port, both() as conn:
        await ask(*await conn.open_connection("127.0.0.1", port))
        async with await conn.forward_local_port("", 0, "127.0.0.1", port) as listener:
            await ask(*await asyncio.open_connection("127.0.0.1", listener.get_port()))
        async with await conn.forward_remote_port("127.0.0.1", 0, "127.0.0.1", port) as listener:
            await ask(*await asyncio.open_connection("127.0.0.1", listener.get_port()))
        async with await conn.forward_local_port("", 0, "127.0.0.1", 1) as listener:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.get_port())
            with suppress(OSError):
                await reader.read()
            writer.close()


async def forwarded_paths() -> None:
    """Both ways."""
    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.start_unix_server(upper, f"{folder}/t")
        async with both() as conn:
            async with await conn.forward_local_path(f"{folder}/l", f"{folder}/t"):
                await ask(*await asyncio.open_unix_connection(f"{folder}/l"))
            async with await conn.forward_remote_path(f"{folder}/r", f"{folder}/t"):
                await ask(*await asyncio.open_unix_connection(f"{folder}/r"))
        server.close()


async def forwarded_connection_that_is_cut() -> None:
    """The connection ends below one that is forwarded."""
    async with listening() as port:
        async with both() as conn:
            listener = await conn.forward_local_port("", 0, "127.0.0.1", port)
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.get_port())
            writer.write(b"abc")
            assert await asyncio.wait_for(reader.readexactly(3), WAIT) == b"ABC"
            conn.abort()
        with suppress(OSError):
            await reader.read()
        writer.close()


async def tunnel() -> None:
    """A connection through another one."""
    async with (
        both() as conn,
        running_server(server_factory=Server) as port,
        connected(port, known_hosts=KNOWN_HOSTS, tunnel=conn) as inner,
    ):
        await inner.run("fail")


FREED = [
    run,
    process,
    streams,
    redirection_that_is_cut,
    edited_lines,
    subprocess,
    failing_handler,
    refusals,
    cancellation,
    sftp,
    forwarded_ports,
    forwarded_paths,
    forwarded_connection_that_is_cut,
    tunnel,
]

ERRORS = [
    redirection,
    abort,
    connection_that_is_cut,
    failing_session,
    wrong_text,
    sftp_failures,
    sftp_that_is_cut,
    scp,
]


@pytest.mark.parametrize("use", FREED, ids=[each.__name__ for each in FREED])
async def test_nothing_is_left_to_the_collector(use: Callable[[], Awaitable[None]]) -> None:
    await check_released(use)


@pytest.mark.parametrize("use", ERRORS, ids=[each.__name__ for each in ERRORS])
async def test_errors_leave_nothing_that_the_collector_does_not_find(
    use: Callable[[], Awaitable[None]],
) -> None:
    """A traceback knows the frames that it went through, and what they were working with."""
    await check_released(use, collect=True)
