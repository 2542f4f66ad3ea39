"""Every method of the client against our server, over a stream in memory."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

import pytest

from ssh_sftp import (
    FXRP_STAT_ALWAYS,
    FXRP_STAT_IF_EXISTS,
    SFTPAttrs,
    SFTPBadMessage,
    SFTPClient,
    SFTPError,
    SFTPFailure,
    SFTPFileAlreadyExists,
    SFTPName,
    SFTPNoConnection,
    SFTPNoSuchFile,
    SFTPNotADirectory,
    SFTPOpUnsupported,
    SFTPServer,
)
from tests.sftp.support import pair


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[SFTPClient]:
    async with pair(SFTPServer(chroot=str(tmp_path)), chunk=0) as session:
        yield session.client


async def test_session_facts(client: SFTPClient) -> None:
    assert client.version == 3
    assert client.logger.name == "ssh_sftp.client"
    assert client.limits.max_read_len == 261120
    assert client.limits.max_open_handles == 512
    assert client.supports_remote_copy
    assert client.extensions[b"statvfs@openssh.com"] == b"2"


async def test_stat_family(client: SFTPClient, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    os.utime(tmp_path / "file", (1000, 2000))
    attrs = await client.stat("file")
    assert (attrs.size, attrs.type, attrs.mtime, attrs.atime) == (5, 1, 2000, 1000)
    assert attrs.permissions == (tmp_path / "file").stat().st_mode
    assert (attrs.uid, attrs.gid) == (os.getuid(), (tmp_path / "file").stat().st_gid)
    assert (await client.stat(b"link")).type == 1
    assert (await client.lstat(PurePosixPath("link"))).type == 3
    assert (await client.stat("link", follow_symlinks=False)).type == 3
    assert await client.exists("link")
    assert await client.lexists("link")
    assert await client.isfile("link")
    assert await client.islink("link")
    assert await client.isdir("/")
    assert not await client.isdir("file")
    assert not await client.exists("nothing")
    assert not await client.isdir("file/below")
    assert await client.getsize("file") == 5
    assert await client.getmtime("file") == 2000
    assert isinstance(await client.getmtime("file"), float)
    assert await client.getatime_ns("file") == 1000 * 10**9
    assert await client.getmtime_ns("file") == 2000 * 10**9
    assert await client.getatime("file") == 1000
    assert await client.getcrtime("file") is None
    assert await client.getcrtime_ns("file") is None
    with pytest.raises(SFTPNoSuchFile):
        await client.stat("nothing")


async def test_broken_link(client: SFTPClient, tmp_path: Path) -> None:
    (tmp_path / "broken").symlink_to("nowhere")
    assert not await client.exists("broken")
    assert await client.lexists("broken")
    assert await client.islink("broken")


async def test_setting_attributes(client: SFTPClient, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    await client.chmod("file", 0o640)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    await client.truncate("file", 2)
    assert path.read_bytes() == b"12"
    await client.utime("file", (5, 6))
    assert (path.stat().st_atime, path.stat().st_mtime) == (5, 6)
    await client.utime("file", ns=(7 * 10**9, 8 * 10**9))
    assert (path.stat().st_atime, path.stat().st_mtime) == (7, 8)
    await client.utime("file")
    assert path.stat().st_mtime > 10**9
    await client.chown("file", os.getuid(), os.getgid())
    await client.chown("file", uid=os.getuid(), gid=os.getgid())
    await client.setstat("file", SFTPAttrs(permissions=0o600, atime=1, mtime=2))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_mtime == 2
    with pytest.raises(ValueError, match="together"):
        await client.chown("file", uid=1)
    with pytest.raises(ValueError, match="not both"):
        await client.utime("file", (1, 2), (3, 4))


async def test_attributes_of_a_link_itself(client: SFTPClient, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.utime(tmp_path / "file", (1, 1))
    (tmp_path / "link").symlink_to("file")
    await client.utime("link", (50, 60), follow_symlinks=False)
    assert (tmp_path / "link").lstat().st_mtime == 60
    assert (tmp_path / "file").stat().st_mtime == 1
    with pytest.raises(SFTPOpUnsupported):
        await client.chmod("link", 0o600, follow_symlinks=False)
    await client.chmod("file", 0o611, follow_symlinks=False)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o611


async def test_rename_does_not_replace_and_posix_rename_does(
    client: SFTPClient, tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    with pytest.raises(SFTPFailure):
        await client.rename("a", "b")
    assert (tmp_path / "b").read_text() == "b"
    await client.posix_rename("a", "b")
    assert (tmp_path / "b").read_text() == "a"
    await client.rename("b", "c")
    assert not (tmp_path / "b").exists()
    await client.mkdir("dir")
    await client.rename("dir", "dir2")
    assert (tmp_path / "dir2").is_dir()
    await client.mkdir("dir3")
    with pytest.raises(SFTPFailure):
        await client.rename("dir2", "dir3")
    await client.rename("c", "dir3/c", flags=1)  # FXR_OVERWRITE falls back to posix_rename
    with pytest.raises(SFTPOpUnsupported):
        await client.rename("dir3/c", "c", flags=2)


async def test_links(client: SFTPClient, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    await client.symlink("file", "soft")
    assert await client.readlink("soft") == "file"
    assert await client.readlink(b"soft") == b"file"
    await client.link("file", "hard")
    assert (tmp_path / "hard").stat().st_ino == (tmp_path / "file").stat().st_ino
    await client.remove("hard")
    await client.unlink("soft")
    assert os.listdir(tmp_path) == ["file"]
    with pytest.raises(SFTPError):
        await client.readlink("file")
    with pytest.raises(SFTPNoSuchFile):
        await client.remove("hard")


async def test_directories(client: SFTPClient, tmp_path: Path) -> None:
    await client.mkdir("d", SFTPAttrs(permissions=0o700))
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o700
    with pytest.raises(SFTPError):
        await client.mkdir("d")
    await client.makedirs("d/e/f")
    await client.makedirs("d/e/f", exist_ok=True)
    with pytest.raises(SFTPFileAlreadyExists):
        await client.makedirs("d/e/f")
    (tmp_path / "file").touch()
    with pytest.raises(SFTPNotADirectory):
        await client.makedirs("file/g")
    with pytest.raises(SFTPError):
        await client.rmdir("d")
    await client.rmdir("d/e/f")
    assert sorted(await client.listdir()) == [".", "..", "d", "file"]
    assert sorted(await client.listdir(b".")) == [b".", b"..", b"d", b"file"]
    assert sorted(await client.listdir(PurePosixPath("d"))) == [".", "..", "e"]
    with pytest.raises(SFTPNoSuchFile):
        await client.listdir("nothing")
    with pytest.raises(SFTPError):
        await client.listdir("file")


async def test_entries_have_attributes_and_long_names(client: SFTPClient, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"123")
    names = {name.filename: name for name in await client.readdir("/")}
    assert names["file"].attrs.size == 3
    assert str(names["file"].longname).startswith("-rw")
    assert str(names["file"].longname).endswith(" file")
    assert names["."].attrs.type == 2
    found = [name.filename async for name in client.scandir(b"/")]
    assert set(found) == {b".", b"..", b"file"}


async def test_large_directory_comes_in_batches(client: SFTPClient, tmp_path: Path) -> None:
    expected = {f"file{number:04}" for number in range(700)}
    for name in expected:
        (tmp_path / name).touch()
    assert set(await client.listdir("/")) == expected | {".", ".."}


async def test_leaving_a_directory_half_read_closes_it(client: SFTPClient, tmp_path: Path) -> None:
    for number in range(140):
        (tmp_path / f"{number}").touch()
    for _ in range(520):  # more than there may be handles
        entries = client.scandir("/")
        async for _ in entries:
            break
        await entries.aclose()  # type: ignore[attr-defined]
    assert len(await client.listdir()) == 142


async def test_rmtree(client: SFTPClient, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep").touch()
    deep = tmp_path / "tree" / "a" / "b"
    deep.mkdir(parents=True)
    for number in range(150):
        (deep / str(number)).touch()
    (tmp_path / "tree" / "link").symlink_to("../outside")
    await client.rmtree("tree")
    assert not (tmp_path / "tree").exists()
    assert (outside / "keep").exists()
    with pytest.raises(SFTPNoSuchFile):
        await client.rmtree("tree")
    (tmp_path / "file").touch()
    with pytest.raises(SFTPNotADirectory):
        await client.rmtree("file")
    errors: list[tuple[bytes, int]] = []
    await client.rmtree("file", onerror=lambda _, path, info: errors.append((path, info[1].code)))
    assert errors == [(b"file", 19)]
    await client.rmtree("none", onerror=lambda _, path, info: errors.append((path, info[1].code)))
    assert errors[1:] == [(b"none", 2)]
    await client.rmtree("none", ignore_errors=True)
    await client.rmtree("file", ignore_errors=True)
    assert (tmp_path / "file").exists()


async def test_working_directory(client: SFTPClient, tmp_path: Path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "file").write_text("x")
    assert await client.getcwd() == "/"
    await client.chdir("d")
    assert await client.getcwd() == "/d"
    assert await client.exists("file")
    assert await client.exists("/d/file")
    await client.chdir("e")
    assert await client.getcwd() == "/d/e"
    assert await client.listdir("..") == await client.listdir("/d")
    await client.chdir("..")
    with pytest.raises(SFTPNotADirectory):
        await client.chdir("file")
    with pytest.raises(SFTPNoSuchFile):
        await client.chdir("nothing")
    assert await client.getcwd() == "/d"


async def test_realpath(client: SFTPClient, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "link").symlink_to("d")
    assert await client.realpath("link/../d/./x") == "/d/x"
    assert await client.realpath(b"link") == b"/d"
    assert await client.realpath("/", "link", "x") == "/d/x"
    found = await client.realpath("link", check=FXRP_STAT_ALWAYS)
    assert isinstance(found, SFTPName)
    assert (found.filename, found.attrs.type) == ("/d", 2)
    missing = await client.realpath("nothing", check=FXRP_STAT_IF_EXISTS)
    assert isinstance(missing, SFTPName)
    assert missing.attrs.size is None
    with pytest.raises(SFTPNoSuchFile):
        await client.realpath("nothing", check=FXRP_STAT_ALWAYS)
    with pytest.raises(ValueError, match="check"):
        await client.realpath("/", check=9)
    assert await client.expand_path("~/d") == "/d"
    assert await client.home_directory() == "/"


async def test_statvfs(client: SFTPClient, tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    here = os.statvfs(tmp_path)
    there = await client.statvfs("f")
    assert (there.bsize, there.frsize, there.blocks) == (here.f_bsize, here.f_frsize, here.f_blocks)
    assert (there.files, there.namemax) == (here.f_files, here.f_namemax)
    async with await client.open("f", "rb") as file:
        assert (await file.statvfs()).blocks == here.f_blocks


@pytest.mark.parametrize("paths", ["*", ["*"], PurePosixPath("*")])
async def test_glob_forms(client: SFTPClient, tmp_path: Path, paths: object) -> None:
    for name in ("one", "two", ".hidden"):
        (tmp_path / name).touch()
    assert await client.glob(paths) == [".hidden", "one", "two"]  # type: ignore[call-overload]


async def test_glob(client: SFTPClient, tmp_path: Path) -> None:
    for name in ("a1", "a2", "b1", ".h", "d/x.py", "d/e/y.py", "d/e/z.txt", "[odd]"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "loop").symlink_to(".")
    assert await client.glob("a?") == ["a1", "a2"]
    assert await client.glob(b"[ab]1") == [b"a1", b"b1"]
    assert await client.glob("[!a]1") == ["b1"]
    assert await client.glob("/d/*.py") == ["/d/x.py"]
    assert await client.glob("*/*.py") == ["d/x.py"]
    assert await client.glob("**/*.py") == ["d/e/y.py", "d/x.py"]
    assert await client.glob("d/**") == ["d", "d/e", "d/e/y.py", "d/e/z.txt", "d/x.py"]
    assert ".h" in await client.glob("*")
    assert ".h" in await client.glob("**")
    assert await client.glob("d/*/") == ["d/e/"]
    assert await client.glob("d/") == ["d/"]
    with pytest.raises(SFTPNoSuchFile):
        await client.glob("a*/")
    assert await client.glob(["a1", "a*"]) == ["a1", "a2"]
    assert await client.glob(".h*") == [".h"]
    assert await client.glob("loop/a1") == ["loop/a1"]
    assert await client.glob("[[]odd]") == ["[odd]"]
    assert await client.glob(["b1", "a*"]) == ["b1", "a1", "a2"]
    await client.chdir("d")
    assert await client.glob("*.py") == ["x.py"]
    assert await client.glob("e/*") == ["e/y.py", "e/z.txt"]
    assert await client.glob("/a1") == ["/a1"]
    with pytest.raises(SFTPNoSuchFile, match="no match"):
        await client.glob("*.rs")
    errors: list[BaseException] = []
    assert await client.glob(["*.rs", "x.*"], errors.append) == ["x.py"]
    assert [getattr(error, "srcpath", None) for error in errors] == [b"/d/*.rs"]
    (found,) = await client.glob_sftpname("x.py")
    assert (found.filename, found.attrs.type) == ("x.py", 1)


async def test_names_that_are_not_text(tmp_path: Path) -> None:
    odd = b"caf\xe9"
    (tmp_path / os.fsdecode(odd)).touch()
    async with pair(SFTPServer(chroot=str(tmp_path))) as session:
        with pytest.raises(SFTPBadMessage, match="not utf-8"):
            await session.client.listdir()
        assert odd in await session.client.listdir(b".")
    async with pair(SFTPServer(chroot=str(tmp_path)), path_encoding="latin-1") as session:
        assert "café" in await session.client.listdir()
        assert await session.client.exists("café")
    async with pair(SFTPServer(chroot=str(tmp_path)), path_encoding=None) as session:
        with pytest.raises(SFTPBadMessage, match="no path encoding"):
            await session.client.stat("x")
        assert await session.client.exists(odd)
        assert await session.client.getcwd() == b"/"


async def test_path_with_nul_never_leaves(client: SFTPClient) -> None:
    with pytest.raises(ValueError, match="NUL"):
        await client.stat("a\0b")


async def test_many_requests_at_once(client: SFTPClient, tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / str(number)).write_bytes(bytes(number))
    results = await asyncio.gather(*(client.stat(str(number)) for number in range(200)))
    assert [attrs.size for attrs in results] == list(range(200))


async def test_cancelled_open_does_not_leak_its_handle(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    async with pair(SFTPServer(chroot=str(tmp_path))) as session:
        for _ in range(5):
            task = asyncio.ensure_future(session.client.open("f", "rb"))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await session.client.stat("f")  # answered behind the late replies
        await session.client.stat("f")
        assert session.server_handler.core._handles == {}


async def test_ended_session_refuses_requests(tmp_path: Path) -> None:
    async with pair(SFTPServer(chroot=str(tmp_path))) as session:
        session.client.exit()
        await session.client.wait_closed()
        with pytest.raises(SFTPNoConnection):
            await session.client.stat("/")
        with session.client:
            pass


async def test_outstanding_requests_fail_when_the_session_ends(tmp_path: Path) -> None:
    class Slow(SFTPServer):
        async def stat(self, path: bytes) -> SFTPAttrs:
            await asyncio.Event().wait()
            raise AssertionError

    async with pair(Slow(chroot=str(tmp_path))) as session:
        task = asyncio.create_task(session.client.stat("/"))
        await session.client.lstat("/")  # on the wire behind it
        session.to_client.abort()
        with pytest.raises(SFTPError) as caught:
            await task
        assert caught.value.code == 7
