"""Forwarded displays: who may use whose, and what a display gets to see; it is an echo here."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ssh_connection import (
    ChannelOpenError,
    SSHClientConnection,
    SSHServerConnection,
    SSHServerProcess,
)
from ssh_connection.channel.x11 import SSHX11Channel
from ssh_connection.connection import client_x11
from ssh_connection.constants import (
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_REQUEST_X11_FORWARDING_FAILED,
    OPEN_RESOURCE_SHORTAGE,
)
from ssh_connection.forward.listener import forward_tcp_listener
from ssh_connection.messages.connection import X11Request
from ssh_connection.stream import SSHReader, SSHWriter
from ssh_connection.stream_session import SSHTCPStreamSession
from ssh_connection.x11 import client as x11_client
from ssh_connection.x11 import server as x11_server
from ssh_connection.x11.authfile import read_authority, update_authority
from ssh_connection.x11.authority import FAMILY_LOCAL, MIT_MAGIC_COOKIE, AuthorityEntry
from ssh_connection.x11.setup import ClientSetup

from .loopback import USER_KEY, authorized, client, server_side, serving

WAIT = 10
REAL = b"the real cookie!"


class FakeDisplay:
    """What listens at a display: it keeps the setup, and echoes the rest."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "display:0")
        self.auth_path = str(folder / "client-auth")
        self.setups: list[bytes] = []
        self.setup_size = 48
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            self.setups.append(await reader.readexactly(self.setup_size))
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.close()


def entry(number: int, data: bytes) -> AuthorityEntry:
    """The cookie of a display of this machine."""
    hostname = os.fsencode(socket.gethostname())
    return AuthorityEntry(FAMILY_LOCAL, hostname, b"%d" % number, MIT_MAGIC_COOKIE, data)


@pytest.fixture
async def display(tmp_path: Path) -> AsyncIterator[FakeDisplay]:
    """A display that runs, and needs the real cookie."""
    made = FakeDisplay(tmp_path)
    update_authority(made.auth_path, entry(0, REAL))
    server = await asyncio.start_unix_server(made.serve, made.path)
    async with server:
        yield made
        for writer in made.writers:
            await asyncio.wait_for(writer.wait_closed(), WAIT)


def setup(data: bytes, name: bytes = MIT_MAGIC_COOKIE, order: str = "l") -> bytes:
    """What an X11 client says first."""
    return ClientSetup(ord(order), 11, 0, name, data).encode()


class Session:
    """A session that is running, with all that belongs to it."""

    def __init__(self, conn: SSHClientConnection, server: SSHServerConnection) -> None:
        self.conn = conn
        self.server = server
        self.process: Any = None
        self.name: str | None = None
        self.env: dict[str, str] = {}

    @property
    def port(self) -> int:
        """Port of the display on the server."""
        assert self.name is not None
        return 6000 + int(self.name.split(":")[1].split(".")[0])

    async def end(self) -> None:
        """End the session."""
        self.process.stdin.write_eof()
        await asyncio.wait_for(self.process.wait(), WAIT)


@asynccontextmanager
async def session(
    display: FakeDisplay, of_server: dict[str, Any] | None = None, **of_client: Any
) -> AsyncIterator[Session]:
    """A session that forwards a display."""
    started: asyncio.Future[SSHServerProcess[str]] = asyncio.get_running_loop().create_future()

    async def handler(process: SSHServerProcess[str]) -> None:
        if not started.done():
            started.set_result(process)
        await process.stdin.read()
        process.exit(0)

    folder = Path(display.path).parent
    options = {"x11_forwarding": True, "x11_auth_path": folder / "server-auth", **(of_server or {})}
    of_client = {
        "x11_forwarding": True,
        "x11_display": display.path,
        "x11_auth_path": display.auth_path,
        **of_client,
    }
    async with (
        serving(process_factory=handler, **options) as acceptor,
        await client(acceptor, password="secret") as conn,
    ):
        made = Session(conn, server_side(acceptor))
        made.process = await conn.create_process("x", **of_client)
        process = await asyncio.wait_for(started, WAIT)
        made.name = process.channel.get_x11_display()
        made.env = dict(process.env)
        yield made
        if not made.process.is_closing():
            await made.end()


def cookie_of(made: Session, display: FakeDisplay) -> bytes:
    """The cookie that programs on the server use."""
    (found,) = read_authority(str(Path(display.path).parent / "server-auth"))
    assert (found.family, found.name) == (FAMILY_LOCAL, MIT_MAGIC_COOKIE)
    assert found.address == os.fsencode(socket.gethostname())
    assert made.name is not None
    assert made.name.startswith(f"localhost:{found.number.decode()}.")
    return found.data


async def exchange(port: int, first: bytes, rest: bytes = b"") -> bytes:
    """Connect to a display and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(first)
        await asyncio.sleep(0.02)
        writer.write(rest)
        with suppress(OSError):
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), WAIT)
    except ConnectionError:
        return b""
    finally:
        writer.close()


# --- The way to the display ------------------------------------------------------------------


@pytest.mark.parametrize("order", ["l", "B"])
async def test_cookie_is_replaced(display: FakeDisplay, order: str) -> None:
    async with session(display) as made:
        fake = cookie_of(made, display)
        assert fake != REAL
        assert len(fake) == 16
        assert made.env["DISPLAY"] == made.name
        assert made.env["XAUTHORITY"] == str(Path(display.path).parent / "server-auth")
        everything = setup(fake, order=order) + b"drawing"
        assert await exchange(made.port, everything[:5], everything[5:]) == b"drawing"
        assert display.setups == [setup(REAL, order=order)]


async def test_much_data_both_ways(display: FakeDisplay) -> None:
    async with session(display) as made:
        fake = cookie_of(made, display)
        picture = os.urandom(3_000_000)
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)

        async def write() -> None:
            writer.write(setup(fake) + picture)
            await writer.drain()
            writer.write_eof()

        writing = asyncio.create_task(write())
        assert await asyncio.wait_for(reader.read(), WAIT) == picture
        await writing
        writer.close()


async def test_display_without_a_cookie(display: FakeDisplay) -> None:
    """The server gets a cookie, too; the display gets none."""
    os.unlink(display.auth_path)
    display.setup_size = 12
    async with session(display) as made:
        fake = cookie_of(made, display)
        window = b""
        assert await exchange(made.port, setup(fake), b"drawing") == window + b"drawing"
        assert display.setups == [setup(b"", b"")]


async def test_each_session_has_its_own(display: FakeDisplay) -> None:
    async with session(display) as made:
        fake = cookie_of(made, display)
        other = await made.conn.create_process(
            "y", x11_forwarding=True, x11_display=display.path, x11_auth_path=display.auth_path
        )
        entries = read_authority(str(Path(display.path).parent / "server-auth"))
        assert len({each.number for each in entries}) == 2
        assert len({each.data for each in entries} | {fake}) == 2
        # What belongs to a session is over with it.
        await made.end()
        for _ in range(100):
            left = read_authority(str(Path(display.path).parent / "server-auth"))
            if len(left) == 1:
                break
            await asyncio.sleep(0.02)
        assert [each.data for each in left] == [each.data for each in entries if each.data != fake]
        # Nobody listens there any more, or somebody else, who has taken the free port.
        with suppress(ConnectionError):
            assert await exchange(made.port, setup(fake), b"two") != b"two"
        port = 6000 + int(left[0].number)
        # The session is gone, so is its cookie, whatever display it comes through.
        assert b"Wrong authorization" in await exchange(port, setup(fake))
        assert await exchange(port, setup(left[0].data), b"x") == b"x"
        other.stdin.write_eof()
        await other.wait()


async def test_end_of_the_connection_removes_the_display(display: FakeDisplay) -> None:
    auth = Path(display.path).parent / "server-auth"
    async with session(display) as made:
        cookie_of(made, display)
        made.conn.abort()
        await made.conn.wait_closed()
        await made.server.wait_closed()
        for _ in range(100):
            if not read_authority(str(auth)):
                break
            await asyncio.sleep(0.02)
        assert read_authority(str(auth)) == []
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", made.port)


async def test_single_connection(display: FakeDisplay) -> None:
    async with session(display, x11_single_connection=True) as made:
        fake = cookie_of(made, display)
        assert await exchange(made.port, setup(fake), b"one") == b"one"
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", made.port)
        # The client does not rely on the server there.
        assert await open_by_server(made.server, setup(fake)) is None


async def test_display_by_name_and_screen(
    display: FakeDisplay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", display.path + ".3")
    monkeypatch.setenv("XAUTHORITY", display.auth_path)
    async with session(display, x11_display=None, x11_auth_path=None) as made:
        assert made.name is not None
        assert made.name.endswith(".3")
        assert await exchange(made.port, setup(cookie_of(made, display)), b"x") == b"x"


async def test_display_over_tcp(display: FakeDisplay, tmp_path: Path) -> None:
    server = await asyncio.start_server(display.serve, "127.0.0.1", 0)
    number = server.sockets[0].getsockname()[1] - 6000
    if number < 0:
        pytest.skip("no port above 6000")
    update_authority(display.auth_path, entry(number, REAL))
    async with server, session(display, x11_display=f"127.0.0.1:{number}") as made:
        assert await exchange(made.port, setup(cookie_of(made, display)), b"x") == b"x"
    assert display.setups == [setup(REAL)]


# --- What does not get to the display --------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [
        setup(b"x" * 16),
        setup(b""),
        setup(b"", b""),
        setup(REAL),
        setup(b"x" * 16, b"XDM-AUTHORIZATION-1"),
        setup(b"x" * 16, order="B"),
    ],
    ids=["other", "empty", "none", "real", "other protocol", "big-endian"],
)
async def test_wrong_cookie(display: FakeDisplay, first: bytes) -> None:
    async with session(display) as made:
        answer = await exchange(made.port, first)
        assert answer[0] == 0
        assert b"Wrong authorization" in answer
    assert not display.writers


async def test_right_cookie_of_another_protocol(display: FakeDisplay) -> None:
    async with session(display) as made:
        fake = cookie_of(made, display)
        answer = await exchange(made.port, setup(fake, b"SUN-DES-1"))
        assert b"Wrong authorization" in answer
    assert not display.writers


@pytest.mark.parametrize(
    "first", [b"GET / HTTP/1.1\r\n\r\n", b"l\0\x0b\0\0\0" + b"\xff" * 6, b"l"], ids=[1, 2, 3]
)
async def test_something_else_than_x11(display: FakeDisplay, first: bytes) -> None:
    async with session(display) as made:
        assert await exchange(made.port, first) == b""
    assert not display.writers


async def test_setup_that_does_not_come(
    display: FakeDisplay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(x11_client, "SETUP_TIMEOUT", 0.1)
    async with session(display) as made:
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(b"l\0")
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), WAIT) == b""
        writer.close()
    assert not display.writers


async def test_display_that_is_gone(display: FakeDisplay) -> None:
    async with session(display) as made:
        fake = cookie_of(made, display)
        os.unlink(display.path)
        assert await exchange(made.port, setup(fake)) == b""


async def test_display_that_hangs_up(display: FakeDisplay) -> None:
    async with session(display) as made:
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(setup(cookie_of(made, display)) + b"x")
        assert await reader.readexactly(1) == b"x"
        display.writers[0].close()
        assert await asyncio.wait_for(reader.read(), WAIT) == b""
        writer.close()


async def open_by_server(server: SSHServerConnection, first: bytes) -> bytes | None:
    """What comes back through a channel that the server opens; None if the client refuses."""
    streams = SSHTCPStreamSession[bytes]()
    channel = SSHX11Channel(server, server._require_mux(), encoding=None)
    try:
        await channel.connect(lambda: streams, "127.0.0.1", 1)
    except ChannelOpenError as exc:
        if exc.code in (OPEN_ADMINISTRATIVELY_PROHIBITED, OPEN_RESOURCE_SHORTAGE):
            return None
        raise
    writer, reader = SSHWriter(streams, channel), SSHReader(streams, channel)
    writer.write(first)
    writer.write_eof()
    return await asyncio.wait_for(reader.read(), WAIT)


async def test_server_that_was_not_offered_a_display() -> None:
    async with (
        serving() as acceptor,
        await client(acceptor, password="secret"),
    ):
        assert await open_by_server(server_side(acceptor), setup(b"x" * 16)) is None


async def test_server_of_a_session_that_is_over(display: FakeDisplay) -> None:
    async with session(display) as made:
        fake = cookie_of(made, display)
        assert await open_by_server(made.server, setup(fake) + b"x") == b"x"
        await made.end()
        assert await open_by_server(made.server, setup(fake) + b"x") is None


async def test_number_of_connections(display: FakeDisplay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_x11, "MAX_X11_CHANNELS", 2)
    async with session(display) as made:
        open_now = [await asyncio.open_connection("127.0.0.1", made.port) for _ in range(2)]
        async with asyncio.timeout(WAIT):
            while await open_by_server(made.server, b"l") is not None:
                await asyncio.sleep(0.01)  # their channels are not open yet
        for _, writer in open_now:
            writer.close()


# --- What does not begin ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "why_not", ["option", "key", "no display", "bad display", "no cookie file"]
)
@pytest.mark.parametrize("forwarding", [True, "ignore_failure"])
async def test_refused(
    display: FakeDisplay, monkeypatch: pytest.MonkeyPatch, why_not: str, forwarding: Any
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    names: list[str | None] = []

    def handler(process: SSHServerProcess[str]) -> None:
        names.append(process.channel.get_x11_display())
        process.exit(0)

    folder = Path(display.path).parent
    (folder / "folder").mkdir()
    keys = authorized("no-X11-forwarding" if why_not == "key" else "")
    of_client: dict[str, Any] = {
        "x11_display": {"no display": None, "bad display": "nowhere"}.get(why_not, display.path),
        "x11_auth_path": folder / "folder" if why_not == "no cookie file" else display.auth_path,
    }
    async with (
        serving(
            process_factory=handler,
            authorized_client_keys=keys,
            x11_forwarding=why_not != "option",
            x11_auth_path=folder / "server-auth",
        ) as acceptor,
        await client(acceptor, client_keys=[USER_KEY], **of_client) as conn,
    ):
        if forwarding is True:
            with pytest.raises(ChannelOpenError) as caught:
                await conn.run("x", x11_forwarding=True)
            assert caught.value.code == OPEN_REQUEST_X11_FORWARDING_FAILED
        else:
            assert (await conn.run("x", x11_forwarding=forwarding)).exit_status == 0
            assert names == [None]
        # A server that has refused is not trusted with the display.
        assert await open_by_server(server_side(acceptor), setup(b"x" * 16)) is None
    assert not (folder / "server-auth").exists()


async def test_cookie_file_that_can_not_be_written(display: FakeDisplay, tmp_path: Path) -> None:
    with pytest.raises(ChannelOpenError):
        async with session(display, {"x11_auth_path": tmp_path / "no" / "file"}):
            pass
    # Nothing listens.
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", 6000 + x11_server.FIRST_DISPLAY)


async def test_no_display_is_free(display: FakeDisplay, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    number = taken.sockets[0].getsockname()[1] - 6000
    original = x11_server.listen_display
    monkeypatch.setattr(x11_server, "DISPLAYS", 1)

    async def listen(request: Any, opener: Any, auth_path: Any) -> Any:
        return await original(request, opener, auth_path, first=number)

    monkeypatch.setattr("ssh_connection.x11.listen_display", listen, raising=False)
    async with taken:
        with pytest.raises(ChannelOpenError):
            async with session(display):
                pass


async def test_one_address_that_is_taken_is_enough_to_go_on(display: FakeDisplay) -> None:
    """Who has the number on one of the addresses would get connections that are ours."""
    try:
        taken = await asyncio.start_server(
            lambda reader, writer: None, "::1", 6000 + x11_server.FIRST_DISPLAY
        )
    except OSError:
        pytest.skip("no IPv6, or somebody has this display")
    async with taken, session(display) as made:
        assert made.port > 6000 + x11_server.FIRST_DISPLAY


@pytest.mark.parametrize("slow", ["_listen", "update_authority"])
async def test_request_that_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, slow: str
) -> None:
    """Between the two addresses, and while the cookie is being written."""
    path = str(tmp_path / "server-auth")
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()
    original = forward_tcp_listener
    number = x11_server.FIRST_DISPLAY + 50

    async def listen(opener: Any, address: str, port: int, accept: Any) -> Any:
        if address == "::1":
            reached.set()
            await asyncio.Event().wait()
        return await original(opener, address, port, accept)

    def write(path: str, entry: AuthorityEntry, *, remove: bool = False) -> None:
        if not remove:
            loop.call_soon_threadsafe(reached.set)
            time.sleep(0.1)
        update_authority(path, entry, remove=remove)

    if slow == "_listen":
        monkeypatch.setattr(x11_server, "forward_tcp_listener", listen)
    else:
        monkeypatch.setattr(x11_server, "update_authority", write)

    async def opener(session_factory: Any, host: str, port: int) -> None:
        raise AssertionError

    request = X11Request(False, MIT_MAGIC_COOKIE, b"00" * 16, 0)
    task = loop.create_task(x11_server.listen_display(request, opener, path, first=number))
    await asyncio.wait_for(reached.wait(), WAIT)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", 6000 + number)
    await asyncio.sleep(0.3)
    await loop.shutdown_default_executor()
    assert read_authority(path) == []


async def test_cookie_is_removed_when_the_loop_ends(tmp_path: Path) -> None:
    """The executor of the loop may have been shut down by then."""
    path = str(tmp_path / "server-auth")

    async def opener(session_factory: Any, host: str, port: int) -> None:
        raise AssertionError

    request = X11Request(False, MIT_MAGIC_COOKIE, b"00" * 16, 0)
    made = await x11_server.listen_display(request, opener, path)
    assert len(read_authority(path)) == 1
    await asyncio.get_running_loop().shutdown_default_executor()
    made.close(lambda exc: None)
    assert read_authority(path) == []


async def test_second_request_of_a_session(display: FakeDisplay) -> None:
    async with session(display) as made:
        channel = made.process.channel
        assert not await channel.request(
            b"x11-req", b"\0" + b"\0\0\0\1M" + b"\0\0\0\x0200" + bytes(4)
        )
        assert len(read_authority(str(Path(display.path).parent / "server-auth"))) == 1
