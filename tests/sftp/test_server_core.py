"""The server against clients that do not follow the protocol, and its limits and order."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_sftp import (
    SFTPAttrs,
    SFTPBadMessage,
    SFTPError,
    SFTPFailure,
    SFTPName,
    SFTPPermissionDenied,
    SFTPServer,
)
from ssh_sftp.aio import SFTPServerHandler
from ssh_sftp.codec import extensions, framing, requests, responses
from ssh_sftp.codec.wire import Message, encode_string
from ssh_sftp.protocols import ByteTransport
from ssh_sftp.server.core import SFTPServerCore
from ssh_sftp.server.handlers import HANDLERS
from tests.sftp.support import MemoryTransport, connect, pair


class RawClient:
    """Sends bytes, and takes the packets that come back."""

    def __init__(self) -> None:
        self.buffer = b""
        self.packets: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.transport: ByteTransport

    def connection_made(self, transport: ByteTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self.buffer += data[start:end]
        while len(self.buffer) >= 4:
            stop = 4 + int.from_bytes(self.buffer[:4], "big")
            if len(self.buffer) < stop:
                break
            self.packets.put_nowait(self.buffer[4:stop])
            self.buffer = self.buffer[stop:]

    def eof_received(self) -> bool | None:
        self.packets.put_nowait(None)
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        self.packets.put_nowait(None)

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass

    def send(self, *packets: Message) -> None:
        self.transport.write(b"".join(framing.frame(packet.encode()) for packet in packets))

    async def reply(self, *packets: Message) -> bytes:
        self.send(*packets)
        packet = await self.packets.get()
        assert packet is not None
        return packet

    async def status(self, *packets: Message) -> tuple[int, bytes]:
        reply = responses.StatusReply.decode(await self.reply(*packets), 1)
        return reply.status_code, reply.error_message

    async def handle(self, packet: Message) -> bytes:
        data = await self.reply(packet)
        assert data[0] == 102, data
        return responses.Handle.decode(data, 1).handle


@asynccontextmanager
async def raw(server: SFTPServer, *, init: bool = True) -> AsyncIterator[RawClient]:
    client = RawClient()
    ended = asyncio.Event()
    handler = SFTPServerHandler(server, on_end=ended.set)
    connect(client, handler)
    if init:
        version = responses.Version.decode(await client.reply(requests.Init(6)), 1)
        assert version.version == 3
    yield client
    client.transport.close()
    await ended.wait()
    assert not handler.core._handles
    assert not handler.core._leaving


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[RawClient]:
    (tmp_path / "f").write_bytes(b"0123456789")
    async with raw(SFTPServer(chroot=str(tmp_path))) as result:
        yield result


# --- Start ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [
        requests.Stat(1, b"/").encode(),
        requests.Init(2).encode(),
        requests.Init(0).encode(),
        requests.Init(3, b"\0\0\0\x09x").encode(),
        b"\x01",
        b"\x01\0\0\0",
        requests.Write(1, b"h", 0, bytes(70000)).encode(),
    ],
    ids=["request", "old", "zero", "pairs", "empty", "short", "write"],
)
async def test_wrong_start_ends_the_session(first: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with raw(SFTPServer(), init=False) as client:
        client.transport.write(framing.frame(first))
        assert await client.packets.get() is None
    assert "SFTP session of a client ended" in caplog.text


async def test_second_init_is_refused(client: RawClient, caplog: pytest.LogCaptureFixture) -> None:
    client.send(requests.Init(3))
    assert await client.packets.get() is None
    assert "second SSH_FXP_INIT" in caplog.text


@pytest.mark.parametrize("length", [0, 262145, 0xFFFFFFFF])
async def test_packet_length_out_of_range(length: int, caplog: pytest.LogCaptureFixture) -> None:
    async with raw(SFTPServer()) as client:
        client.transport.write(length.to_bytes(4, "big"))
        assert await client.packets.get() is None
    assert "packet length" in caplog.text


async def test_end_in_the_middle_of_a_packet(client: RawClient) -> None:
    client.transport.write(framing.frame(requests.Stat(1, b"/").encode())[:-1])


# --- Requests that are malformed or impossible ----------------------------------------------------

MALFORMED = [
    requests.Open(7, b"f", 1, b""),
    requests.Open(7, b"f", 1, b"\0\0\0\x10" + bytes(40)),
    requests.Open(7, b"f", 1, bytes(5)),
    requests.LStat(7, b"f", b"\0\0\0\1"),
    requests.FStat(7, b"f", b"x"),
    requests.SetStat(7, b"f", b"\0\0\0\1\0"),
    requests.MkDir(7, b"f", b""),
    requests.RealPath(7, b"f", b"\0"),
    requests.Rename(7, b"f", b"g", b"\0\0\0\0"),
    requests.Extended(7, b"posix-rename@openssh.com", b"\0"),
    requests.Extended(7, b"limits@openssh.com", b"\0"),
    requests.Extended(7, b"users-groups-by-id@openssh.com", encode_string(b"x") * 2),
]


@pytest.mark.parametrize("packet", MALFORMED, ids=lambda packet: type(packet).__name__)
async def test_malformed_request_is_answered(client: RawClient, packet: Message) -> None:
    assert (await client.status(packet))[0] == 5
    assert (await client.reply(requests.Stat(8, b"f")))[0] == 105


@pytest.mark.parametrize(
    "kind", [0, 2, 21, 22, 23, 24, 99, 101, 105, 199, 201, 255], ids=lambda kind: f"type {kind}"
)
async def test_unknown_packet_type(client: RawClient, kind: int) -> None:
    client.transport.write(framing.frame(bytes((kind,)) + b"\0\0\0\7rest"))
    packet = await client.packets.get()
    assert packet is not None
    reply = responses.StatusReply.decode(packet, 1)
    assert (reply.request_id, reply.status_code) == (7, 8)


@pytest.mark.parametrize(
    "packet",
    [
        requests.Read(1, b"nope", 0, 10),
        requests.Write(1, b"nope", 0, b"x"),
        requests.Write(1, b"nope", 0, bytes(100_000)),
        requests.Close(1, b"nope"),
        requests.Close(1, b""),
        requests.FStat(1, b"nope"),
        requests.FSetStat(1, b"nope", bytes(4)),
        requests.ReadDir(1, b"nope"),
        requests.Extended(1, b"fsync@openssh.com", encode_string(b"nope")),
        requests.Extended(1, b"fstatvfs@openssh.com", encode_string(b"nope")),
        requests.Extended(1, b"copy-data", extensions.CopyData(b"a", 0, 0, b"b", 0).encode()),
    ],
)
async def test_handle_that_is_not_open(client: RawClient, packet: Message) -> None:
    code, text = await client.status(packet)
    assert code == 4  # version 3 has no SSH_FX_INVALID_HANDLE
    assert b"invalid" in text


async def test_handles_are_not_interchangeable(client: RawClient) -> None:
    file = await client.handle(requests.Open(1, b"f", 1, bytes(4)))
    directory = await client.handle(requests.OpenDir(2, b"/"))
    assert (await client.status(requests.ReadDir(3, file)))[0] == 4
    assert (await client.status(requests.Read(4, directory, 0, 10)))[0] == 4
    assert (await client.status(requests.Close(5, file)))[0] == 0
    assert (await client.status(requests.Close(6, file)))[0] == 4
    assert (await client.status(requests.Read(7, file, 0, 1)))[0] == 4
    assert (await client.status(requests.Close(8, directory)))[0] == 0


async def test_handles_cannot_be_guessed(client: RawClient) -> None:
    handles = {await client.handle(requests.Open(n, b"f", 1, bytes(4))) for n in range(50)}
    assert len(handles) == 50
    assert {len(handle) for handle in handles} == {12}
    # No common part, as a counter would have one.
    assert len({handle[:4] for handle in handles}) == 50
    assert len({handle[-4:] for handle in handles}) == 50


async def test_number_of_handles_is_bounded(client: RawClient) -> None:
    for number in range(512):
        await client.handle(requests.OpenDir(number, b"/"))
    code, text = await client.status(requests.OpenDir(600, b"/"))
    assert (code, b"limit is 512" in text) == (4, True)
    code, text = await client.status(requests.Open(601, b"f", 1, bytes(4)))
    assert (code, b"limit is 512" in text) == (4, True)


async def test_read_is_cut_to_a_packet_and_ends_with_eof(client: RawClient, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(300_000))
    handle = await client.handle(requests.Open(1, b"large", 1, bytes(4)))
    data = responses.Data.decode(await client.reply(requests.Read(2, handle, 0, 0xFFFFFFFF)), 1)
    assert len(data.data) == 261120
    assert (await client.status(requests.Read(3, handle, 300_000, 10)))[0] == 1
    assert (await client.status(requests.Read(3, handle, 1 << 62, 10)))[0] == 1
    assert (await client.status(requests.Read(3, handle, (1 << 64) - 1, 10)))[0] == 4
    assert (await client.status(requests.Read(3, handle, 0, 0)))[0] == 1


@pytest.mark.parametrize("size", [10, 70_000])
async def test_write_with_wrong_length_inside(client: RawClient, size: int) -> None:
    handle = await client.handle(requests.Open(1, b"new", 0x0A, bytes(4)))
    packet = bytearray(requests.Write(2, handle, 0, bytes(size)).encode())
    at = 1 + 4 + 4 + len(handle) + 8
    packet[at : at + 4] = (size + 1).to_bytes(4, "big")
    client.transport.write(framing.frame(bytes(packet)))
    reply = await client.packets.get()
    assert reply is not None
    assert responses.StatusReply.decode(reply, 1).status_code == 5


async def test_unknown_extension(client: RawClient) -> None:
    assert (await client.status(requests.Extended(1, b"nothing@example.com", b"")))[0] == 8


async def test_users_and_groups_by_id(client: RawClient) -> None:
    ids = encode_string(b"\0\0\0\0" + (4_000_000_000).to_bytes(4, "big"))
    packet = await client.reply(
        requests.Extended(1, b"users-groups-by-id@openssh.com", ids + encode_string(b""))
    )
    assert packet[0] == 201
    reply = extensions.UsersGroupsByIdReply.decode(packet, 5)
    assert reply.usernames == encode_string(b"root") + encode_string(b"")
    assert reply.groupnames == b""
    many = encode_string(bytes(5000)) + encode_string(b"")
    request = requests.Extended(2, b"users-groups-by-id@openssh.com", many)
    assert (await client.status(request))[0] == 5


async def test_status_codes_of_later_versions_are_mapped(client: RawClient, tmp_path: Path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "loop").symlink_to("loop")
    assert (await client.status(requests.Stat(1, b"nothing")))[0] == 2
    assert (await client.status(requests.Stat(1, b"f/below")))[0] == 2  # ENOTDIR
    assert (await client.status(requests.RmDir(1, b"d")))[0] == 4  # ENOTEMPTY
    assert (await client.status(requests.MkDir(1, b"d", bytes(4))))[0] == 4  # EEXIST
    assert (await client.status(requests.Stat(1, b"loop")))[0] == 4  # ELOOP
    assert (await client.status(requests.Stat(1, b"x" * 300)))[0] == 4  # ENAMETOOLONG
    assert (await client.status(requests.Open(1, b"f", 0, bytes(4))))[0] == 4
    assert (await client.status(requests.Stat(1, b"a\0b")))[0] == 4


# --- Any bytes ------------------------------------------------------------------------------------

SAMPLES = [
    requests.Open(1, b"/f", 1, bytes(4)), requests.Close(1, b"h" * 12),
    requests.Read(1, b"h" * 12, 0, 10), requests.Write(1, b"h" * 12, 0, b"abc"),
    requests.Stat(1, b"/f"), requests.SetStat(1, b"/x", SFTPAttrs(atime=1, mtime=2).encode()),
    requests.OpenDir(1, b"/"), requests.RealPath(1, b"/f/.."), requests.Symlink(1, b"a", b"/l"),
    requests.Extended(1, b"statvfs@openssh.com", encode_string(b"/")),
    requests.Extended(1, b"copy-data", extensions.CopyData(b"a", 1, 2, b"b", 3).encode()),
]  # fmt: skip


@pytest.fixture(scope="module")
def shared_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "f").write_bytes(b"0123456789")
    return root


@given(
    sample=st.sampled_from(SAMPLES),
    position=st.integers(0, 80),
    replacement=st.binary(max_size=6),
    cut=st.integers(1, 64),
)
def test_changed_requests_get_an_answer_or_end_the_session(
    shared_root: Path, sample: Message, position: int, replacement: bytes, cut: int
) -> None:
    packet = bytearray(sample.encode())
    packet[position : position + len(replacement)] = replacement
    server = SFTPServer(chroot=str(shared_root))
    core = SFTPServerCore(server, HANDLERS, lambda: None, lambda awaitable, done: None)
    stream = framing.frame(requests.Init(3).encode()) + framing.frame(bytes(packet))
    # A copy-data between two handles that do not exist never gets as far as a coroutine.
    try:
        for start in range(0, len(stream), cut):
            core.receive(stream, start, min(start + cut, len(stream)))
        assert len(b"".join(bytes(part) for part in core.take_output())) > 100
    except SFTPBadMessage:
        pass  # the only exception that ends a session
    for handle in core.end():
        close = getattr(handle, "file_obj", None) or getattr(handle, "entries", None)
        close.close()  # type: ignore[union-attr]
    server.exit()


# --- Coroutines: order, bounds, back pressure -----------------------------------------------------


class Gated(SFTPServer):
    """Methods that wait until a test lets them go on, and a record of what happened."""

    def __init__(self, chan: object = None, chroot: str | None = None) -> None:
        super().__init__(chan, chroot)
        self.log: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.running = 0
        self.most = 0

    async def _through(self, name: str) -> None:
        self.log.append(f"start {name}")
        self.running += 1
        self.most = max(self.most, self.running)
        gate = self.gates.get(name)
        if gate is not None:
            await gate.wait()
        else:
            await asyncio.sleep(0)
        self.running -= 1
        self.log.append(f"end {name}")

    def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> object:
        return path.decode()

    def close(self, file_obj: object) -> None:
        self.log.append(f"close {file_obj}")

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        await self._through(f"read {file_obj} {offset}")
        return b"x" * min(size, 10)

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        await self._through(f"write {file_obj} {offset}")
        return len(data)

    async def stat(self, path: bytes) -> SFTPAttrs:
        await self._through(f"stat {path.decode()}")
        return SFTPAttrs(size=1)

    async def remove(self, path: bytes) -> None:
        await self._through(f"remove {path.decode()}")
        raise SFTPPermissionDenied("kept")


async def test_requests_on_one_handle_keep_their_order() -> None:
    server = Gated()
    gate = server.gates["write f 0"] = asyncio.Event()
    async with raw(server) as client:
        handle = await client.handle(requests.Open(1, b"f", 3, bytes(4)))
        client.send(
            requests.Write(2, handle, 0, b"a"),
            requests.Read(3, handle, 1, 5),
            requests.Read(4, handle, 2, 5),
            requests.Write(5, handle, 3, b"b"),
            requests.Close(6, handle),
            requests.Stat(7, b"other"),
        )
        # The other file does not wait for this one.
        assert (await client.packets.get() or b"")[:5] == b"\x69\0\0\0\7"
        gate.set()
        replies = [await client.packets.get() for _ in range(5)]
        assert [int.from_bytes((reply or b"")[1:5], "big") for reply in replies] == [2, 3, 4, 5, 6]
    order = [entry for entry in server.log if "stat" not in entry]
    assert order == [
        "start write f 0", "end write f 0",
        "start read f 1", "start read f 2", "end read f 1", "end read f 2",
        "start write f 3", "end write f 3", "close f",
    ]  # fmt: skip


async def test_path_requests_that_change_something_are_not_overtaken() -> None:
    server = Gated()
    gate = server.gates["stat a"] = asyncio.Event()
    async with raw(server) as client:
        client.send(requests.Stat(1, b"a"), requests.Stat(2, b"b"))
        client.send(requests.Remove(3, b"a"), requests.Stat(4, b"c"))
        assert (await client.packets.get() or b"")[:5] == b"\x69\0\0\0\2"
        gate.set()
        ids = [(await client.packets.get() or b"")[4] for _ in range(3)]
        assert ids == [1, 3, 4]
    assert server.log.index("end stat a") < server.log.index("start remove a")
    assert server.log.index("end remove a") < server.log.index("start stat c")


async def test_number_of_outstanding_requests_is_bounded() -> None:
    server = Gated()
    gates = [asyncio.Event() for _ in range(300)]
    for number, gate in enumerate(gates):
        server.gates[f"stat {number}"] = gate
    async with raw(server) as client:
        assert isinstance(client.transport, MemoryTransport)
        client.send(*(requests.Stat(number, b"%d" % number) for number in range(300)))
        client.transport.write(framing.frame(requests.LStat(900, b"/").encode()))
        while server.running < 64:
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        assert server.running == 64
        assert not client.transport.peer._reading  # the client feels it
        for gate in gates:
            gate.set()
        ids = {int.from_bytes((await client.packets.get() or b"")[1:5], "big") for _ in range(301)}
        assert ids == {*range(300), 900}
        assert server.most == 64


async def test_output_that_nobody_reads_stops_the_input(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(1_000_000))
    async with raw(SFTPServer(chroot=str(tmp_path))) as client:
        handle = await client.handle(requests.Open(1, b"f", 1, bytes(4)))
        assert isinstance(client.transport, MemoryTransport)
        server_side = client.transport.peer
        client.transport.pause_reading()  # freeze the client
        client.send(*(requests.Read(number, handle, 0, 261120) for number in range(400)))
        for _ in range(50):
            await asyncio.sleep(0)
        # 400 answers would be 100 MB; the water mark and one answer more are held.
        assert server_side.get_write_buffer_size() < 65536 + 2 * 262144
        client.transport.resume_reading()
        for _ in range(400):
            packet = await client.packets.get()
            assert packet is not None
            assert len(packet) == 261120 + 9


async def test_session_that_ends_cancels_coroutines_and_closes_files() -> None:
    server = Gated()
    server.gates["read f 0"] = asyncio.Event()
    exits: list[bool] = []
    server.exit = lambda: exits.append(True)  # type: ignore[method-assign]
    async with raw(server) as client:
        handle = await client.handle(requests.Open(1, b"f", 1, bytes(4)))
        client.send(requests.Read(2, handle, 0, 10), requests.Read(3, handle, 1, 10))
        while not server.running:
            await asyncio.sleep(0)
        client.transport.abort()
    assert "close f" in server.log
    assert exits == [True]


async def test_file_whose_close_waits_is_closed_when_the_session_ends() -> None:
    """The client has no handle of it any more, and nobody else knows of it."""
    server = Gated()
    server.gates["read f 0"] = asyncio.Event()
    async with raw(server) as client:
        handle = await client.handle(requests.Open(1, b"f", 1, bytes(4)))
        client.send(
            requests.Read(2, handle, 0, 10), requests.Close(3, handle), requests.Stat(4, b"a")
        )
        while "start stat a" not in server.log:
            await asyncio.sleep(0)
        assert "close f" not in server.log
        client.transport.abort()
    assert server.log.count("close f") == 1


async def test_file_opened_too_late_is_closed() -> None:
    class SlowOpen(Gated):
        async def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> object:
            try:
                await self._through("open")
            except asyncio.CancelledError:
                pass  # finishes all the same
            return self

        def close_late(self, file_obj: object) -> None:
            self.log.append("closed late")

    server = SlowOpen()
    server.gates["open"] = asyncio.Event()
    async with raw(server) as client:
        client.send(requests.Open(1, b"f", 1, bytes(4)))
        while not server.running:
            await asyncio.sleep(0)
        client.transport.abort()
    assert "closed late" in server.log


async def test_eof_of_the_client_lets_answers_finish() -> None:
    server = Gated()
    gate = server.gates["stat a"] = asyncio.Event()
    async with raw(server) as client:
        client.send(requests.Stat(1, b"a"))
        while not server.running:
            await asyncio.sleep(0)
        client.transport.close()
        for _ in range(10):
            await asyncio.sleep(0)
        gate.set()
    assert "end stat a" in server.log


# --- What applications return and raise -----------------------------------------------------------


async def test_exceptions_of_an_application(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(SFTPServer):
        errors = {  # noqa: RUF012
            b"sftp": SFTPPermissionDenied("no\nway"),
            b"os": OSError(13, "Permission denied"),
            b"none": NotImplementedError(),
            b"value": ValueError("bad"),
            b"bug": RuntimeError("secret detail"),
            b"ok": SFTPError(0, "success?"),
        }

        def stat(self, path: bytes) -> SFTPAttrs:
            raise self.errors[path]

        async def lstat(self, path: bytes) -> SFTPAttrs:
            raise self.errors[path]

    expected = {b"sftp": 3, b"os": 3, b"none": 8, b"value": 4, b"bug": 4, b"ok": 4}
    async with raw(Failing()) as client:
        for declaration in (requests.Stat, requests.LStat):
            for path, code in expected.items():
                status, text = await client.status(declaration(1, path))
                assert status == code
                assert b"secret" not in text
    assert "secret detail" in caplog.text  # for the administrator


@pytest.mark.parametrize("result", ["text", None, b"too long for what was asked"])
async def test_wrong_results_of_read(result: object) -> None:
    class Wrong(SFTPServer):
        def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> object:
            return 1

        def read(self, file_obj: object, offset: int, size: int) -> bytes:
            return result  # type: ignore[return-value]

        def stat(self, path: bytes) -> SFTPAttrs:
            return result  # type: ignore[return-value]

    async with raw(Wrong()) as client:
        handle = await client.handle(requests.Open(1, b"f", 1, bytes(4)))
        assert (await client.status(requests.Read(2, handle, 0, 5)))[0] == 4
        assert (await client.status(requests.Stat(2, b"f")))[0] == 4
        code, text = await client.status(requests.FStat(2, handle))
        assert (code, b"override more" in text) == (4, True)


@pytest.mark.parametrize("style", ["listdir", "async listdir", "objects", "scandir", "longname"])
async def test_directories_of_an_application(style: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12")
    (tmp_path / "b").write_bytes(b"345")

    class Base(SFTPServer):
        pass

    if style == "listdir":

        class Served(Base):
            def listdir(self, path: bytes) -> list[bytes]:
                return [b"a", b"b", b"vanished"]

    elif style == "async listdir":

        class Served(Base):  # type: ignore[no-redef]
            async def listdir(self, path: bytes) -> list[bytes]:
                await asyncio.sleep(0)
                return [b"a", b"b"]

            async def lstat(self, path: bytes) -> object:  # type: ignore[override]
                await asyncio.sleep(0)
                return super().lstat(path)

    elif style == "objects":

        class Served(Base):  # type: ignore[no-redef]
            def listdir(self, path: bytes) -> list[SFTPName]:
                return [
                    SFTPName(b"a", attrs=SFTPAttrs(size=2)),
                    SFTPName(b"b", attrs=SFTPAttrs(size=3)),
                ]

    elif style == "scandir":

        class Served(Base):  # type: ignore[no-redef]
            async def scandir(self, path: bytes) -> AsyncIterator[SFTPName]:
                async for name in super().scandir(path):
                    if not bytes(name.filename).startswith(b"."):  # type: ignore[arg-type]
                        yield name

    else:

        class Served(Base):  # type: ignore[no-redef]
            async def format_longname(self, name: SFTPName) -> None:
                await asyncio.sleep(0)
                name.longname = b"long " + name.filename  # type: ignore[operator]

    async with pair(Served(chroot=str(tmp_path))) as session:
        names = {name.filename: name for name in await session.client.readdir("/")}
        sizes = {key: name.attrs.size for key, name in names.items() if key in ("a", "b")}
        assert sizes == {"a": 2, "b": 3}
        if style == "longname":
            assert names["a"].longname == "long a"
        elif style != "async listdir":
            assert str(names["b"].longname).endswith(" b")


async def test_listdir_and_scandir_of_the_base_class(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    server = SFTPServer(chroot=str(tmp_path))
    assert sorted(server.listdir(b"/")) == [b".", b"..", b"a"]  # type: ignore[arg-type, type-var]
    assert sorted([bytes(n.filename) async for n in server.scandir(b"/")]) == [b".", b"..", b"a"]  # type: ignore[arg-type]
    server.exit()


def test_server_knows_where_it_runs() -> None:
    class Channel:
        def get_connection(self) -> str:
            return "connection"

        def get_environment(self) -> dict[str, str]:
            return {"LANG": "C"}

    channel = Channel()
    server = SFTPServer(channel)
    assert server.channel is channel
    assert server.connection == "connection"
    assert server.env == {"LANG": "C"}
    assert isinstance(server.logger, logging.Logger)
    other = object()
    assert SFTPServer(other).connection is other
    assert SFTPServer().env == {}


def test_users_are_shown_by_name_and_by_number() -> None:
    server = SFTPServer()
    assert server.format_user(0) == "root"
    assert server.format_group(0) == "root"
    assert server.format_user(4_000_000_000) == "4000000000"
    assert server.format_group(4_000_000_000) == "4000000000"
    assert server.format_user(None) == server.format_group(None) == ""
    name = SFTPName(b"n", attrs=SFTPAttrs(permissions=0o104755, uid=0, gid=0, size=9, mtime=0))
    server.format_longname(name)
    assert name.longname == b"-rwsr-xr-x    1 root     root            9 Jan  1  1970 n"


async def test_special_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    async with pair(SFTPServer(chroot=str(tmp_path))) as session:
        # A FIFO without a peer does not hold up the server.
        with pytest.raises(SFTPFailure):
            await session.client.open("fifo", "wb")
        async with await session.client.open("fifo", "rb") as file:
            assert await file.read(5) == b""
    async with pair(SFTPServer()) as session:
        async with await session.client.open("/dev/zero", "rb") as file:
            assert await file.read(5, 1 << 40) == bytes(5)
        async with await session.client.open("/dev/null", "wb") as file:
            assert await file.write(b"12345") == 5
