"""scp against OpenSSH's scp in both roles, against ourselves, and against hostile peers."""

from __future__ import annotations

import asyncio
import os
import shlex
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_sftp import SFTPBadMessage, SFTPConnectionLost, SFTPError, SFTPFailure, SFTPServer
from ssh_sftp.scp.copy import expected_names, receive_files, relay_files, send_files
from ssh_sftp.scp.files import LocalFiles
from ssh_sftp.scp.protocol import (
    ByteReader,
    ByteWriter,
    Record,
    ScpCommand,
    ScpStream,
    decode_record,
    parse_command,
)
from ssh_sftp.scp.server import serve_scp
from ssh_sftp.scp.sink import ScpSink
from ssh_sftp.scp.source import ScpSource
from tests.sftp.support import find_program, make_tree, read_tree


class Pipe:
    """One direction of a stream in memory."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()

    def write(self, data: bytes) -> None:
        self.reader.feed_data(data)

    async def drain(self) -> None:
        await asyncio.sleep(0)


class Host:
    """Runs scp commands with our server, below a root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.statuses: list[int] = []

    @asynccontextmanager
    async def __call__(self, command: str, /) -> AsyncIterator[tuple[ByteReader, ByteWriter]]:
        parsed = parse_command(command)
        assert parsed is not None
        down, up = Pipe(), Pipe()
        server = SFTPServer(chroot=str(self.root))
        task = asyncio.create_task(serve_scp(parsed, server, up.reader, down))
        task.add_done_callback(lambda _: down.reader.feed_eof())
        try:
            yield down.reader, up
        finally:
            up.reader.feed_eof()
            self.statuses.append(await task)


class Program:
    """Runs scp commands with OpenSSH's scp, in a directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        find_program("scp")

    @asynccontextmanager
    async def __call__(self, command: str, /) -> AsyncIterator[tuple[ByteReader, ByteWriter]]:
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", command, cwd=self.folder,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield process.stdout, process.stdin
        finally:
            process.stdin.close()
            await process.stdout.read()
            await process.wait()


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    path = tmp_path / "remote"
    path.mkdir()
    return path


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "local"
    path.mkdir()
    return path


Runner = Host | Program


@pytest.fixture(params=["ours", "OpenSSH"])
def host(request: pytest.FixtureRequest, remote: Path) -> Runner:
    return Host(remote) if request.param == "ours" else Program(remote)


async def test_one_file_both_ways(host: Runner, remote: Path, local: Path) -> None:
    data = os.urandom(3_000_001)
    (local / "f").write_bytes(data)
    await send_files(host, [os.fsencode(local / "f")], b"g")
    assert (remote / "g").read_bytes() == data
    await receive_files(host, [b"g"], os.fsencode(local))
    assert (local / "g").read_bytes() == data
    (remote / "dir").mkdir()
    await send_files(host, [os.fsencode(local / name) for name in ("f", "g")], b"dir")
    assert read_tree(remote / "dir") == {"f": data, "g": data}


async def test_trees_both_ways(host: Runner, remote: Path, local: Path) -> None:
    content = make_tree(local / "tree")
    await send_files(host, [os.fsencode(local / "tree")], b".", recurse=True)
    assert read_tree(remote / "tree") == content
    await receive_files(host, [b"tree"], os.fsencode(local / "new"), recurse=True)
    assert read_tree(local / "new") == content


async def test_preserve(host: Runner, remote: Path, local: Path) -> None:
    (local / "d").mkdir()
    (local / "d" / "f").write_text("x")
    (local / "d" / "f").chmod(0o4751)
    os.utime(local / "d" / "f", (1000, 2000))
    (local / "d").chmod(0o550)
    await send_files(host, [os.fsencode(local / "d")], b".", recurse=True, preserve=True)
    await receive_files(host, [b"d"], os.fsencode(local / "e"), recurse=True, preserve=True)
    for path in (remote / "d", local / "e"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o550
        path.chmod(0o755)
        assert (path / "f").stat().st_mtime == 2000
        assert stat.S_IMODE((path / "f").stat().st_mode) == 0o4751
    (local / "d").chmod(0o755)
    await receive_files(host, [b"d/f"], os.fsencode(local / "plain"))
    assert stat.S_IMODE((local / "plain").stat().st_mode) & 0o7000 == 0
    await send_files(host, [os.fsencode(local / "d" / "f")], b"plain")
    assert stat.S_IMODE((remote / "plain").stat().st_mode) & 0o7000 == 0


async def test_errors_of_the_host(host: Runner, remote: Path, local: Path) -> None:
    (remote / "dir").mkdir()
    (remote / "f").write_text("x")
    with pytest.raises(SFTPFailure, match=r"(?i)no such file"):
        await receive_files(host, [b"nothing"], os.fsencode(local))
    with pytest.raises(SFTPFailure, match=r"directory|regular"):
        await receive_files(host, [b"dir"], os.fsencode(local))
    errors: list[BaseException] = []
    await receive_files(host, [b"nothing", b"f"], os.fsencode(local), error_handler=errors.append)
    assert len(errors) == 1
    assert (local / "f").read_text() == "x"
    (local / "a").write_text("a")
    with pytest.raises(SFTPError):
        await send_files(host, [os.fsencode(local / "a")], b"nothing/below")
    with pytest.raises(SFTPError):
        await send_files(host, [os.fsencode(local / "a")] * 2, b"f")


async def test_errors_of_ours(host: Runner, remote: Path, local: Path) -> None:
    (local / "a").write_text("a")
    (local / "d").mkdir()
    sent = [os.fsencode(local / name) for name in ("nothing", "d", "a")]
    errors: list[BaseException] = []
    await send_files(host, sent, b".", error_handler=errors.append)
    assert [getattr(error, "srcpath", None) for error in errors] == sent[:2]
    assert read_tree(remote) == {"a": b"a"}
    with pytest.raises(FileNotFoundError):
        await send_files(host, sent[:1], b".")
    (remote / "b").write_text("b")
    (local / "b").mkdir()
    (local / "b" / "b").mkdir()
    with pytest.raises(IsADirectoryError):
        await receive_files(host, [b"b"], os.fsencode(local / "b"))


async def test_progress(host: Runner, remote: Path, local: Path) -> None:
    (local / "f").write_bytes(bytes(600_000))
    (local / "e").touch()
    calls: list[tuple[int, int]] = []
    paths = [os.fsencode(local / "f"), os.fsencode(local / "e")]
    await send_files(host, paths, b".", progress_handler=lambda _s, _d, n, t: calls.append((n, t)))
    assert calls[-2:] == [(600_000, 600_000), (0, 0)]
    calls.clear()
    await receive_files(
        host, [b"f", b"e"], os.fsencode(local),
        progress_handler=lambda _s, _d, n, t: calls.append((n, t)),
    )  # fmt: skip
    assert calls[-2:] == [(600_000, 600_000), (0, 0)]


async def test_patterns_are_expanded_there(remote: Path, local: Path) -> None:
    for name in ("a1", "a2", "b"):
        (remote / name).write_text(name)
    program = Program(remote)

    def unquoted(command: str) -> AbstractAsyncContextManager[tuple[ByteReader, ByteWriter]]:
        return program(command.replace("'", ""))

    await receive_files(unquoted, [b"a*"], os.fsencode(local))
    assert set(os.listdir(local)) == {"a1", "a2"}


async def test_from_host_to_host(host: Runner, remote: Path, local: Path) -> None:
    content = make_tree(remote / "tree")
    target = Host(local)
    await relay_files(host, [b"tree"], target, b".", recurse=True, preserve=True)
    assert read_tree(local / "tree") == content
    with pytest.raises(SFTPFailure):
        await relay_files(host, [b"nothing"], target, b".")
    errors: list[BaseException] = []
    await relay_files(host, [b"nothing", b"tree/small"], target, b".", error_handler=errors.append)
    assert len(errors) == 1
    assert (local / "small").exists()


# --- OpenSSH's scp as the client ------------------------------------------------------------------


def scp(tmp_path: Path, remote: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run OpenSSH's scp with our server behind it."""
    shell = tmp_path / "ssh"
    run = shlex.join([sys.executable, str(Path(__file__).with_name("scp_shell.py")), str(remote)])
    shell.write_text(f'#!/bin/sh\nexec {run} "$@"\n')
    shell.chmod(0o755)
    return subprocess.run(
        [find_program("scp"), "-O", "-S", str(shell), *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_client_of_openssh(tmp_path: Path, remote: Path, local: Path) -> None:
    content = make_tree(local / "tree")
    done = scp(tmp_path, remote, "-r", "-p", str(local / "tree"), "host:.")
    assert (done.returncode, done.stderr) == (0, "")
    assert read_tree(remote / "tree") == content
    done = scp(tmp_path, remote, "-r", "host:/tree", str(local / "back"))
    assert (done.returncode, done.stderr) == (0, "")
    assert read_tree(local / "back") == content
    done = scp(tmp_path, remote, "host:/nothing", str(local))
    assert done.returncode == 1
    assert "No such file" in done.stderr
    done = scp(tmp_path, remote, str(local / "tree" / "small"), "host:/../../outside")
    assert done.returncode == 0
    assert (remote / "outside").exists()  # "/.." is the root


# --- Hostile peers --------------------------------------------------------------------------------


async def sink_of(stream: bytes, target: Path, **options: object) -> bytes:
    """Give a sink what a source might send; return what it answers."""
    incoming, outgoing = asyncio.StreamReader(), Pipe()
    incoming.feed_data(stream)
    incoming.feed_eof()
    sink = ScpSink(ScpStream(incoming, outgoing), LocalFiles(), **options)  # type: ignore[arg-type]
    try:
        await sink.run(os.fsencode(target))
    finally:
        outgoing.reader.feed_eof()
    return await outgoing.reader.read()


@pytest.mark.parametrize(
    "line",
    [
        b"C0644 1 ../x", b"C0644 1 a/b", b"C0644 1 ..", b"C0644 1 .", b"C0644 1 /etc/x",
        b"C0644 1 x\0y", b"C0644 1 ", b"C644 1 x", b"C0648 1 x", b"C0644 -1 x", b"C0644 x",
        b"C0644 99999999999999999999 x", b"C0644 9999999999999999999 x", b"D0755 0 ../x", b"X",
        b"T1 0 2", b"T-1 0 2 0", b"E x", b"", b"E", b"D0755 0 sub",
    ],
)  # fmt: skip
async def test_lines_that_a_sink_refuses(local: Path, line: bytes) -> None:
    with pytest.raises(SFTPBadMessage):
        await sink_of(line + b"\nx\0", local)
    assert os.listdir(local) == []
    assert os.listdir(local.parent) == ["local"]


async def test_names_that_were_not_asked_for(local: Path) -> None:
    expected = expected_names([b"dir/wanted", b"*.txt"])
    with pytest.raises(SFTPBadMessage, match="not asked for"):
        await sink_of(b"C0644 1 .bashrc\nx\0", local, expected=expected)
    await sink_of(b"C0644 1 wanted\nx\0C0644 1 a.txt\ny\0", local, expected=expected)
    assert read_tree(local) == {"wanted": b"x", "a.txt": b"y"}
    assert expected_names([b"dir/."])(b"anything")
    assert not expected_names([b"/dir/"])(b"other")


async def test_source_that_sends_a_relay_something_else(remote: Path, local: Path) -> None:
    for stream in (b"C0644 1 .bashrc\nx\0", b"D0755 0 .ssh\n", b"E\n"):

        @asynccontextmanager
        async def hostile(
            command: str, /, stream: bytes = stream
        ) -> AsyncIterator[tuple[ByteReader, ByteWriter]]:
            incoming = asyncio.StreamReader()
            incoming.feed_data(stream)
            incoming.feed_eof()
            yield incoming, Pipe()

        with pytest.raises(SFTPBadMessage, match=r"not asked for|not begun"):
            await relay_files(hostile, [b"file"], Host(local), b".")
        with pytest.raises(SFTPBadMessage, match=r"not asked for|not begun"):
            await relay_files(hostile, [b"file"], Host(local), b".", recurse=True)
    assert os.listdir(local) == []


async def test_directory_that_is_refused_is_not_entered(
    host: Runner, remote: Path, local: Path
) -> None:
    for name in ("a", "b"):
        (remote / name).mkdir()
        (remote / name / "f").write_text(name)
    (local / "a").write_text("in the way")
    errors: list[BaseException] = []
    # First what is told to an error handler of ours, then what is passed on between two hosts.
    await receive_files(
        host, [b"a", b"b"], os.fsencode(local), recurse=True, error_handler=errors.append
    )
    assert read_tree(local / "b") == {"f": b"b"}
    (local / "b" / "f").unlink()
    await relay_files(
        host, [b"a", b"b"], Host(local), b".", recurse=True, error_handler=errors.append
    )
    assert read_tree(local) == {"a": b"in the way", "b/f": b"b"}
    assert len(errors) == 2


async def test_a_source_does_not_open_directories_to_others(local: Path) -> None:
    for name, mode in (("private", 0o700), ("new", None)):
        if mode is not None:
            (local / name).mkdir(mode)
        before = os.umask(0o022)
        try:
            await sink_of(f"D0577 0 {name}\nE\n".encode(), local, recurse=True)
        finally:
            os.umask(before)
    assert stat.S_IMODE((local / "private").stat().st_mode) == 0o700
    assert stat.S_IMODE((local / "new").stat().st_mode) == 0o555


async def test_failures_that_a_client_reports_are_not_kept(remote: Path) -> None:
    incoming, outgoing = asyncio.StreamReader(), Pipe()
    count = 20_000
    incoming.feed_data(b"\1x\n" * count)
    incoming.feed_eof()
    server = SFTPServer(chroot=str(remote))
    tracemalloc.start()
    try:
        status = await serve_scp(ScpCommand(False, (b".",)), server, incoming, outgoing)
        assert tracemalloc.get_traced_memory()[1] < 100 * count
    finally:
        tracemalloc.stop()
    assert status == 1


async def test_stream_that_ends_early(local: Path) -> None:
    for stream in (b"C0644 5 f\nxx", b"C0644 5 f\nxxxxx", b"C0644 5 f"):
        with pytest.raises(SFTPConnectionLost):
            await sink_of(stream, local)
    with pytest.raises(SFTPBadMessage, match="within a directory"):
        await sink_of(b"D0755 0 d\n", local, recurse=True)
    with pytest.raises(SFTPBadMessage, match="too long"):
        await sink_of(b"C0644 5 " + b"x" * 10_000 + b"\n", local)
    with pytest.raises(SFTPBadMessage, match="too long"):
        await sink_of(b"x" * 20_000, local)


async def test_depth_is_bounded(local: Path) -> None:
    with pytest.raises((SFTPBadMessage, OSError)):
        await sink_of(b"D0755 0 d\n" * 300, local, recurse=True)


async def test_others_have_their_turn_between_many_lines(local: Path) -> None:
    """A stream gives what it has without a wait, and lines such as these ask for nothing."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    errors: list[BaseException] = []
    await sink_of(b"\1x\n" * 1000, local, error_handler=errors.append)
    counting.cancel()
    assert len(errors) == 1000
    assert turns > 20


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
async def test_named_pipe_that_nobody_reads_is_an_error(local: Path) -> None:
    """It would stop the event loop, and this test, for ever."""
    os.mkfifo(local / "pipe")
    with pytest.raises(OSError, match="No such device"):
        await sink_of(b"C0644 1 f\n", local / "pipe")


async def test_text_of_the_peer_is_made_harmless(local: Path) -> None:
    with pytest.raises(SFTPFailure) as caught:
        await sink_of(b"\1scp: \x1b[2Jwiped\xff\n", local)
    assert str(caught.value) == "scp: \\x1b[2Jwiped\ufffd"


@pytest.mark.parametrize("reply", [b"", b"\3", b"\2gone\n", b"\1", b"x"])
async def test_sink_that_says_something_else(local: Path, reply: bytes) -> None:
    (local / "f").write_text("x")
    incoming, outgoing = asyncio.StreamReader(), Pipe()
    incoming.feed_data(reply)
    incoming.feed_eof()
    source = ScpSource(ScpStream(incoming, outgoing), LocalFiles())
    with pytest.raises(SFTPError):
        await source.run([os.fsencode(local / "f")])


async def test_file_that_shrinks_while_it_is_sent(host: Runner, remote: Path, local: Path) -> None:
    class Shrinking(LocalFiles):
        async def read(self, file: object, offset: int, size: int) -> bytes:
            return b"" if offset else b"x"

    (local / "f").write_bytes(bytes(1000))
    (local / "g").write_bytes(b"g")
    errors: list[BaseException] = []
    await send_files(
        host,
        [os.fsencode(local / "f"), os.fsencode(local / "g")],
        b".",
        files=Shrinking(),
        error_handler=errors.append,
    )
    assert "shorter" in str(errors[0])
    assert (remote / "g").exists()


@given(line=st.binary(max_size=60))
def test_any_line_is_a_record_or_refused(line: bytes) -> None:
    try:
        record = decode_record(line)
    except SFTPBadMessage:
        return
    if b"\n" not in record.name:
        assert decode_record(record.encode()[:-1]) == record


@pytest.mark.parametrize("name", [b"", b"a\nb", b"a/b"])
def test_names_that_cannot_be_sent(name: bytes) -> None:
    with pytest.raises(SFTPFailure, match="cannot send"):
        Record("C", 0o644, 1, name).encode()


async def test_one_name_that_cannot_be_sent_is_one_error(
    host: Runner, remote: Path, local: Path
) -> None:
    for name in ("a", "b\nb", "c"):
        (local / name).write_text(name)
    errors: list[BaseException] = []
    await send_files(host, [os.fsencode(local)], b".", recurse=True, error_handler=errors.append)
    assert set(os.listdir(remote / "local")) == {"a", "c"}
    assert [str(error) for error in errors] == ["name that scp cannot send: b'b\\nb'"]


async def test_server_with_a_name_that_cannot_be_sent(remote: Path, local: Path) -> None:
    (remote / "d").mkdir()
    for name in ("a", "b\nb", "c"):
        (remote / "d" / name).write_text(name)
    host, errors = Host(remote), list[BaseException]()
    await receive_files(
        host, [b"d"], os.fsencode(local), recurse=True, error_handler=errors.append
    )
    assert set(os.listdir(local / "d")) == {"a", "c"}
    assert (len(errors), host.statuses) == (1, [1])


@pytest.mark.parametrize("receiving", [False, True])
async def test_server_with_a_path_that_there_can_not_be(receiving: bool) -> None:
    incoming, outgoing = asyncio.StreamReader(), Pipe()
    incoming.feed_data(b"C0644 1 x\nx\0" if receiving else b"\0")
    incoming.feed_eof()
    command = ScpCommand(not receiving, (b"a\0b",))
    assert await serve_scp(command, SFTPServer(), incoming, outgoing) == 1
    outgoing.reader.feed_eof()
    assert b"scp: " in await outgoing.reader.read()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scp -t .", ScpCommand(False, (b".",))),
        ("scp -r -p -d -t -- '/a b'", ScpCommand(False, (b"/a b",), True, True, True)),
        ("/usr/bin/scp -vrf a b", ScpCommand(True, (b"a", b"b"), True)),
        ("scp -f -- -x", ScpCommand(True, (b"-x",))),
        ("scp a b", None),
        ("scp -t a b", None),
        ("scp -tf a", None),
        ("scp -x -t a", None),
        ("scp -t", None),
        ("scp -t 'a", None),
        ("ls -t a", None),
        ("", None),
    ],
)
def test_commands(text: str, expected: ScpCommand | None) -> None:
    assert parse_command(text) == expected
    if expected is not None:
        assert parse_command(expected.encode()) == expected


def test_paths_never_reach_the_shell_unquoted() -> None:
    command = ScpCommand(True, (b"a; rm -rf ~", b"$(x)", b"-e", b"a'b")).encode()
    assert shlex.split(command)[-4:] == ["a; rm -rf ~", "$(x)", "-e", "a'b"]
