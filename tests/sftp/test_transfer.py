"""`get`, `put`, `copy` and their globbing forms, between our client and our server."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ssh_sftp import (
    SFTPAttrs,
    SFTPClient,
    SFTPError,
    SFTPFailure,
    SFTPFileIsADirectory,
    SFTPName,
    SFTPNoSuchFile,
    SFTPNotADirectory,
    SFTPOpUnsupported,
    SFTPServer,
)
from tests.sftp.support import Pair, make_tree, pair, read_tree


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    path = tmp_path / "remote"
    path.mkdir()
    return path


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "local"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


@pytest.fixture
async def session(remote: Path) -> AsyncIterator[Pair]:
    async with pair(SFTPServer(chroot=str(remote))) as result:
        yield result


@pytest.fixture
def client(session: Pair) -> SFTPClient:
    return session.client


async def test_get_one_file(client: SFTPClient, remote: Path, local: Path) -> None:
    data = os.urandom(5 * 1024 * 1024 + 3)
    (remote / "f").write_bytes(data)
    await client.get("f")
    await client.get(b"f", b"named")
    (local / "dir").mkdir()
    await client.get("/f", local / "dir")
    assert read_tree(local) == {"f": data, "named": data, "dir/f": data}
    with pytest.raises(SFTPNoSuchFile):
        await client.get("nothing")
    assert not (local / "nothing").exists()


async def test_put_one_file(client: SFTPClient, remote: Path, local: Path) -> None:
    data = os.urandom(5 * 1024 * 1024 + 3)
    (local / "f").write_bytes(data)
    await client.put("f")
    await client.put(b"f", "named")
    await client.mkdir("dir")
    await client.put(local / "f", "dir")
    await client.chdir("dir")
    await client.put("f", "again")
    assert read_tree(remote) == {"f": data, "named": data, "dir/f": data, "dir/again": data}
    with pytest.raises(FileNotFoundError):
        await client.put("nothing")


async def test_several_files_need_a_directory(
    client: SFTPClient, remote: Path, local: Path
) -> None:
    for name in ("a", "b"):
        (remote / name).write_text(name)
        (local / ("l" + name)).write_text(name)
    await client.get(["a", "b"])
    with pytest.raises(SFTPNotADirectory):
        await client.get(["a", "b"], "nothing")
    with pytest.raises(SFTPNotADirectory):
        await client.put(["la", "lb"], "a")
    await client.put(["la", "lb"], "/")
    assert read_tree(local).keys() == {"a", "b", "la", "lb"}
    assert read_tree(remote).keys() == {"a", "b", "la", "lb"}


@pytest.mark.parametrize("block_size", [-1, 10_000])
async def test_trees_both_ways(
    client: SFTPClient, remote: Path, local: Path, block_size: int
) -> None:
    content = make_tree(remote / "tree")
    (remote / "tree" / "link").symlink_to("small")
    await client.get("tree", recurse=True, block_size=block_size)
    assert read_tree(local / "tree") == content
    assert os.readlink(local / "tree" / "link") == "small"
    await client.put("tree", "back", recurse=True, block_size=block_size, max_requests=2)
    assert read_tree(remote / "back") == content
    assert os.readlink(remote / "back" / "link") == "small"
    await client.copy("tree", "copied", recurse=True)
    assert read_tree(remote / "copied") == content
    # Into what is there already: existing directories are filled.
    await client.get("tree/sub", local / "tree", recurse=True)
    with pytest.raises(SFTPFileIsADirectory):
        await client.get("tree", local / "x")
    with pytest.raises(SFTPFileIsADirectory):
        await client.put("tree", "x")


async def test_thousand_small_files(client: SFTPClient, remote: Path, local: Path) -> None:
    (remote / "many").mkdir()
    content = {f"{number}": b"%d" % number * 100 for number in range(1000)}
    for name, data in content.items():
        (remote / "many" / name).write_bytes(data)
    await client.get("many", recurse=True)
    assert read_tree(local / "many") == content
    await client.put("many", "back", recurse=True)
    assert read_tree(remote / "back") == content


async def test_follow_symlinks(client: SFTPClient, remote: Path, local: Path) -> None:
    (remote / "file").write_text("x")
    (remote / "dir").mkdir()
    (remote / "dir" / "in").write_text("y")
    (remote / "tree").mkdir()
    (remote / "tree" / "lf").symlink_to("../file")
    (remote / "tree" / "ld").symlink_to("../dir")
    await client.get("tree", "kept", recurse=True)
    assert (local / "kept" / "ld").is_symlink()
    await client.get("tree", "followed", recurse=True, follow_symlinks=True)
    assert read_tree(local / "followed") == {"lf": b"x", "ld/in": b"y"}
    await client.get("tree/lf", "single", follow_symlinks=True)
    assert (local / "single").read_text() == "x"
    assert not (local / "single").is_symlink()


async def test_link_loop_ends(client: SFTPClient, remote: Path, local: Path) -> None:
    (remote / "tree").mkdir()
    (remote / "tree" / "loop").symlink_to(".")
    with pytest.raises((SFTPError, OSError)):
        await client.get("tree", recurse=True, follow_symlinks=True)


async def test_preserve(client: SFTPClient, remote: Path, local: Path) -> None:
    (remote / "tree").mkdir()
    (remote / "tree" / "f").write_bytes(bytes(600_000))
    (remote / "tree" / "s").write_bytes(b"s")
    for name, mode in (("f", 0o640), ("s", 0o4750)):
        (remote / "tree" / name).chmod(mode)
        os.utime(remote / "tree" / name, (1000, 2000))
    (remote / "tree").chmod(0o555)
    os.utime(remote / "tree", (3000, 4000))

    def facts(root: Path) -> list[tuple[int, float]]:
        return [
            (stat.S_IMODE(path.stat().st_mode), path.stat().st_mtime)
            for path in (root, root / "f", root / "s")
        ]

    expected = [(0o555, 4000), (0o640, 2000), (0o4750, 2000)]
    await client.get("tree", "kept", recurse=True, preserve=True)
    assert facts(local / "kept") == expected
    await client.put("kept", "back", recurse=True, preserve=True)
    assert facts(remote / "back") == expected
    await client.copy("tree", "copied", recurse=True, preserve=True)
    assert facts(remote / "copied") == expected
    for path in (remote / "tree", remote / "back", remote / "copied", local / "kept"):
        path.chmod(0o755)
    # Without it, setuid does not travel.
    await client.get("tree/s", "plain")
    await client.put(local / "kept" / "s", "plain")
    assert stat.S_IMODE((local / "plain").stat().st_mode) & 0o7000 == 0
    assert stat.S_IMODE((remote / "plain").stat().st_mode) & 0o7000 == 0


async def test_progress(client: SFTPClient, remote: Path, local: Path) -> None:
    (remote / "large").write_bytes(bytes(3_000_000))
    (remote / "small").write_bytes(b"x")
    (remote / "empty").write_bytes(b"")
    calls: list[tuple[bytes, bytes, int, int]] = []
    await client.get(
        ["large", "small", "empty"],
        local,
        block_size=1000,
        progress_handler=lambda *args: calls.append(args),
    )
    large = [call for call in calls if call[0] == b"large"]
    assert [call[2] for call in large] == sorted({call[2] for call in large})
    assert large[-1][2:] == (3_000_000, 3_000_000)
    assert large[0][1] == os.fsencode(local / "large")
    assert 3 <= len(large) <= 13  # not one call for each of 3,000 blocks
    assert [call[2:] for call in calls if call[0] == b"small"] == [(1, 1)]
    assert [call[2:] for call in calls if call[0] == b"empty"] == [(0, 0)]


@pytest.mark.parametrize("method", ["get", "put", "copy"])
async def test_failing_progress_handler_ends_the_transfer(
    client: SFTPClient, remote: Path, local: Path, method: str
) -> None:
    """With its own exception and traceback: nobody finds a mistake in a handler without them."""
    for folder in (remote, local):
        (folder / "large").write_bytes(bytes(3_000_000))
    mistake = KeyError("stop")

    def stop(*_: object) -> None:
        raise mistake

    with pytest.raises(KeyError) as caught:
        await getattr(client, method)("large", "other", progress_handler=stop)
    assert caught.value is mistake
    assert any(entry.name == "stop" for entry in caught.traceback)
    assert (await client.stat("large")).size == 3_000_000


async def test_error_handler_goes_on(client: SFTPClient, remote: Path, local: Path) -> None:
    make_tree(remote / "tree")
    (local / "there").mkdir()
    (local / "there" / "small").mkdir()  # in the way
    errors: list[BaseException] = []
    await client.get(
        ["tree/small", "nothing", "tree/block", "tree/sub"],
        local / "there",
        error_handler=errors.append,
    )
    assert {(type(e).__name__, getattr(e, "srcpath", None)) for e in errors} == {
        ("IsADirectoryError", b"tree/small"),
        ("SFTPNoSuchFile", b"nothing"),
        ("SFTPFileIsADirectory", b"tree/sub"),
    }
    places = {getattr(error, "dstpath", b"") for error in errors}
    assert os.fsencode(local / "there" / "small") in places
    assert (local / "there" / "block").exists()


async def test_glob_forms(client: SFTPClient, remote: Path, local: Path) -> None:
    for name in ("a1", "a2", "b1"):
        (remote / name).write_text(name)
    await client.mget("a*")
    assert set(os.listdir(local)) == {"a1", "a2"}
    await client.mkdir("d")
    await client.mput("a*", "d")
    await client.mput(local / "a1", "d/renamed")
    await client.mcopy(["b*", "a2"], "d")
    assert set(os.listdir(remote / "d")) == {"a1", "a2", "b1", "renamed"}
    (local / "d").mkdir()
    for method in (client.mget, client.mput, client.mcopy):
        with pytest.raises(SFTPNoSuchFile, match="no match"):
            await method("z*")
        errors: list[BaseException] = []
        await method(["z*", "a1"], "d", error_handler=errors.append)
        assert [getattr(error, "srcpath", None) for error in errors] == [b"z*"]


async def test_patterns_take_names_with_a_dot(
    client: SFTPClient, remote: Path, local: Path
) -> None:
    (remote / "d").mkdir()
    (remote / "d" / ".hidden").touch()
    (local / "there").mkdir()
    await client.mget("d/*", "there")
    assert os.listdir(local / "there") == [".hidden"]
    await client.mput("there/*", "/")
    assert (remote / ".hidden").exists()


async def test_without_a_target_below_the_working_directory(
    client: SFTPClient, remote: Path, local: Path
) -> None:
    (remote / "cwd").mkdir()
    (remote / "source").write_text("copied")
    (local / "f").write_text("put")
    (local / "tree" / "sub").mkdir(parents=True)
    (local / "tree" / "sub" / "g").touch()
    await client.chdir("cwd")
    await client.put(local / "f")
    await client.put("tree", recurse=True)
    await client.copy("/source")
    assert set(os.listdir(remote)) == {"cwd", "source"}
    assert {str(p.relative_to(remote / "cwd")) for p in (remote / "cwd").rglob("*")} == {
        "f",
        "source",
        "tree",
        "tree/sub",
        "tree/sub/g",
    }


@pytest.mark.parametrize("kind", ["get", "put", "copy"])
async def test_a_link_to_nowhere_does_not_end_its_directory(
    client: SFTPClient, remote: Path, local: Path, kind: str
) -> None:
    source = local if kind == "put" else remote
    (source / "tree").mkdir()
    (source / "tree" / "dangling").symlink_to("nowhere")
    for name in ("a", "z"):
        (source / "tree" / name).touch()
    errors: list[BaseException] = []
    await getattr(client, kind)(
        "tree", "new", recurse=True, follow_symlinks=True, error_handler=errors.append
    )
    assert [getattr(error, "srcpath", None) for error in errors] == [b"tree/dangling"]
    target = local if kind == "get" else remote
    assert sorted(os.listdir(target / "new")) == ["a", "z"]


async def test_copy_on_the_server(client: SFTPClient, remote: Path, local: Path) -> None:
    data = os.urandom(3_000_000)
    (remote / "f").write_bytes(data)
    (remote / "empty").touch()
    done: list[int] = []
    await client.copy("f", "g", progress_handler=lambda _s, _d, count, _t: done.append(count))
    await client.copy("empty", "empty2")
    assert (remote / "g").read_bytes() == data
    assert (remote / "empty2").read_bytes() == b""
    assert done[-1] == len(data)
    await client.remote_copy("f", "h", src_offset=10, src_length=20, dst_offset=5)
    assert (remote / "h").read_bytes() == bytes(5) + data[10:30]
    async with await client.open("f", "rb") as source, await client.open("i", "wb") as target:
        await client.remote_copy(source, target)
    assert (remote / "i").read_bytes() == data
    with pytest.raises(SFTPError, match="same file"):
        await client.remote_copy("f", "f")


async def test_copy_data_onto_the_same_file_is_refused(client: SFTPClient, remote: Path) -> None:
    (remote / "f").write_bytes(b"content")
    (remote / "hard").hardlink_to(remote / "f")
    async with await client.open("f", "r+b") as one, await client.open("hard", "r+b") as two:
        with pytest.raises(SFTPFailure, match="same handle"):
            await client.remote_copy(one, one)
        with pytest.raises(SFTPFailure, match="same file"):
            await client.remote_copy(one, two, dst_offset=7)
        with pytest.raises(SFTPFailure, match="same file"):
            await client.copy("f", "hard")
        with pytest.raises(SFTPFailure, match="same file"):
            await client.copy("f", ".")
    assert (remote / "f").read_bytes() == b"content"


async def test_copy_replaces_a_longer_file(client: SFTPClient, remote: Path) -> None:
    (remote / "f").write_bytes(b"new")
    (remote / "empty").touch()
    (remote / "g").write_bytes(b"old and longer")
    await client.copy("f", "g")
    assert (remote / "g").read_bytes() == b"new"
    await client.copy("empty", "g")
    assert (remote / "g").read_bytes() == b""


async def test_copy_without_the_extension_passes_through_here(remote: Path, local: Path) -> None:
    class Plain(SFTPServer):
        extensions = ()

    data = os.urandom(10_000_000)
    (remote / "f").write_bytes(data)
    async with pair(Plain(chroot=str(remote))) as session:
        client = session.client
        assert not client.supports_remote_copy
        assert client.limits.max_read_len is None
        await client.copy("f", "g")
        assert (remote / "g").read_bytes() == data
        with pytest.raises(SFTPOpUnsupported):
            await client.copy("f", "h", remote_only=True)
        for call in (
            client.remote_copy("f", "h"),
            client.statvfs("f"),
            client.link("f", "h"),
            client.posix_rename("f", "h"),
            client.home_directory(),
            client.expand_path("~"),
        ):
            with pytest.raises(SFTPOpUnsupported, match="does not offer"):
                await call


async def test_sparse_files(client: SFTPClient, remote: Path, local: Path) -> None:
    with (local / "s").open("wb") as file:
        file.seek(1_000_000)
        file.write(b"data")
        file.seek(5_000_000)
        file.write(b"more")
        file.truncate(9_000_000)
    if (local / "s").stat().st_blocks * 512 > 5_000_000:
        pytest.skip("the file system has no holes")
    content = (local / "s").read_bytes()
    await client.put("s", "r")
    assert (remote / "r").read_bytes() == content
    assert (remote / "r").stat().st_blocks * 512 < 3_000_000
    await client.get("r", "t")
    assert (local / "t").read_bytes() == content
    assert (local / "t").stat().st_blocks * 512 < 3_000_000
    await client.put("s", "full", sparse=False)
    await client.get("r", "full", sparse=False)
    for path in (remote / "full", local / "full"):
        assert path.read_bytes() == content
        assert path.stat().st_blocks * 512 >= 9_000_000


@pytest.mark.parametrize(
    "there",
    ["none", "empty", "tiny", "half", "all", "longer", "different end", "different length"],
)
async def test_resume(session: Pair, remote: Path, local: Path, there: str) -> None:
    data = os.urandom(2_000_000)
    begun = {
        "empty": b"",
        "tiny": data[:5],
        "half": data[:1_000_000],
        "all": data,
        "longer": data + b"x",
        "different end": data[:999_999] + bytes((data[999_999] ^ 1,)),
        "different length": os.urandom(500_000),
    }
    (remote / "f").write_bytes(data)
    (local / "source").write_bytes(data)
    if there in begun:
        (local / "f").write_bytes(begun[there])
        (remote / "g").write_bytes(begun[there])
    calls: list[int] = []
    before = session.to_client.written
    await session.client.get("f", resume=True, progress_handler=lambda *call: calls.append(call[2]))
    assert (local / "f").read_bytes() == data
    assert calls[-1] == len(data)
    fetched = session.to_client.written - before
    before = session.to_server.written
    await session.client.put("source", "g", resume=True)
    assert (remote / "g").read_bytes() == data
    sent = session.to_server.written - before
    if there in ("half", "all"):
        rest = len(data) - len(begun[there])
        assert fetched < rest + 70_000
        assert sent < rest + 5_000
    await session.client.mget("f", resume=True)
    await session.client.mput("f", resume=True)
    assert (remote / "f").read_bytes() == data


async def test_resume_where_the_server_lets_nobody_read(remote: Path, local: Path) -> None:
    class DropBox(SFTPServer):
        def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> object:
            if pflags & 1:
                raise PermissionError(13, "Permission denied")
            return super().open(path, pflags, attrs)

    (local / "f").write_bytes(b"0123456789")
    (remote / "f").write_bytes(b"01234")
    async with pair(DropBox(chroot=str(remote))) as session:
        await session.client.put("f", resume=True)
    assert (remote / "f").read_bytes() == b"0123456789"


async def test_bytes_in_flight_are_bounded(session: Pair, remote: Path, local: Path) -> None:
    (local / "f").write_bytes(bytes(40_000_000))
    await session.client.put("f")
    # The writer stops at the water mark of the stream, one block later at most.
    assert session.to_server.highest <= 65536 + 2 * 262144
    session.to_client.highest = 0
    await session.client.get("f", "g")
    assert session.to_client.highest <= 65536 + 2 * 262144


async def test_file_that_shrinks_while_it_is_fetched(remote: Path, local: Path) -> None:
    class Shrinking(SFTPServer):
        def stat(self, path: bytes) -> SFTPAttrs:
            return SFTPAttrs(type=1, size=1000, permissions=0o100644)

        lstat = stat

    (remote / "f").write_bytes(bytes(100))
    async with pair(Shrinking(chroot=str(remote))) as session:
        with pytest.raises(SFTPFailure, match="ended at 100, 1000 bytes were expected"):
            await session.client.get("f", "g")


async def test_file_without_a_length_is_read_to_its_end(local: Path) -> None:
    async with pair(SFTPServer()) as session:
        assert (await session.client.stat("/proc/self/status")).size == 0
        await session.client.get("/proc/self/status", "status")
    assert (local / "status").read_text().startswith("Name:")


async def test_fifo_is_not_waited_for(client: SFTPClient, remote: Path, local: Path) -> None:
    (remote / "tree").mkdir()
    os.mkfifo(remote / "tree" / "fifo")
    (remote / "tree" / "zfile").write_text("x")
    errors: list[BaseException] = []
    await client.get("tree", recurse=True, error_handler=errors.append)
    assert [str(error) for error in errors] == ["b'tree/fifo' is not a regular file"]
    assert read_tree(local / "tree") == {"zfile": b"x"}
    os.mkfifo(local / "tree" / "fifo")
    with pytest.raises(SFTPFailure, match="not a regular file"):
        await client.put("tree", "back", recurse=True)


async def test_local_file_system_that_is_full(client: SFTPClient, remote: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    (remote / "f").write_bytes(os.urandom(600_000))
    with pytest.raises(OSError, match="No space left"):
        await client.get("f", "/dev/full")
    assert await client.exists("f")


async def test_cancelled_get_leaves_the_session_usable(
    session: Pair, remote: Path, local: Path
) -> None:
    make_tree(remote / "tree")
    (remote / "f").write_bytes(bytes(30_000_000))
    for arguments in (("f",), ("tree",)):
        task = asyncio.create_task(session.client.get(*arguments, recurse=True))
        for _ in range(30):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await session.client.stat("f")
    await session.client.stat("f")
    assert session.server_handler.core._handles == {}


# --- Servers that want to write elsewhere ---------------------------------------------------------


class Listing(SFTPServer):
    """Lists what a test tells it to, and has any file that it is asked for."""

    names: list[SFTPName] = []  # noqa: RUF012

    def lstat(self, path: bytes) -> SFTPAttrs:
        kind = 2 if path.endswith((b"tree", b"d")) else 1
        return SFTPAttrs(type=kind, size=4, permissions=0o040755 if kind == 2 else 0o100644)

    stat = lstat

    def listdir(self, path: bytes) -> list[SFTPName]:
        return self.names if path.endswith(b"tree") else []

    def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> object:
        return object()

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        return b"evil"[offset : offset + size]

    def close(self, file_obj: object) -> None:
        pass

    def readlink(self, path: bytes) -> bytes:
        return b".."


FILE = SFTPAttrs(type=1, size=4, permissions=0o100644)
LINK = SFTPAttrs(type=3, permissions=0o120777)
DIRECTORY = SFTPAttrs(type=2, permissions=0o040755)


@pytest.mark.parametrize("name", [b"", b"../x", b"a/b", b"/etc/x", b"..\0", b"x\0y", b"/"])
async def test_names_that_lead_out_of_the_directory(local: Path, name: bytes) -> None:
    server = Listing()
    server.names = [SFTPName(b"good", attrs=FILE), SFTPName(name, attrs=FILE)]
    async with pair(server) as session:
        with pytest.raises(SFTPFailure, match="illegal file name"):
            await session.client.get("tree", recurse=True)
        with pytest.raises(SFTPFailure, match="illegal file name"):
            await session.client.rmtree("tree")
        with pytest.raises(SFTPFailure, match="illegal file name"):
            await session.client.glob("tree/*")
    assert set(os.listdir(local.parent)) == {"local"}


async def test_dots_are_never_entered(local: Path) -> None:
    server = Listing()
    server.names = [SFTPName(name, attrs=DIRECTORY) for name in (b".", b"..")]
    async with pair(server) as session:
        await session.client.get("tree", recurse=True)
    assert read_tree(local.parent) == {}


async def test_same_name_twice(local: Path) -> None:
    server = Listing()
    server.names = [SFTPName(b"d", attrs=LINK), SFTPName(b"d", attrs=DIRECTORY)]
    async with pair(server) as session:
        with pytest.raises(SFTPFailure, match="twice"):
            await session.client.get("tree", recurse=True)


async def test_link_made_by_the_copy_is_not_written_through(local: Path) -> None:
    class Changing(Listing):
        def lstat(self, path: bytes) -> SFTPAttrs:
            if path == b"one/x":
                return LINK
            return DIRECTORY if path == b"two/x" else super().lstat(path)

        stat = lstat

        def listdir(self, path: bytes) -> list[SFTPName]:
            return [SFTPName(b"evil", attrs=FILE)] if path == b"two/x" else []

    async with pair(Changing()) as session:
        with pytest.raises(SFTPFailure, match="link made by this copy"):
            await session.client.get(["one/x", "two/x"], ".", recurse=True)
    assert os.readlink(local / "x") == ".."
    assert not (local.parent / "evil").exists()


async def test_server_that_sends_an_empty_list_of_names(local: Path) -> None:
    class Empty(SFTPServer):
        pass

    async with pair(Empty()) as session:
        core = session.server_handler.core
        core._handlers = dict(core._handlers)
        core._handlers[12] = lambda core, rid, data, pos, end: core.send(
            b"\0\0\0\x09\x68" + rid.to_bytes(4, "big") + bytes(4)
        )
        with pytest.raises(SFTPFailure, match="empty list"):
            await session.client.listdir("/")
