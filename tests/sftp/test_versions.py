"""Versions 4, 5 and 6 between our client and our server, and what changes with them."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ssh_sftp import (
    ACE4_APPEND_DATA,
    ACE4_READ_DATA,
    ACE4_WRITE_DATA,
    FXF_CREATE_NEW,
    FXF_CREATE_TRUNCATE,
    FXF_DELETE_ON_CLOSE,
    FXF_OPEN_OR_CREATE,
    FXR_ATOMIC,
    FXR_OVERWRITE,
    FXRP_STAT_ALWAYS,
    FXRP_STAT_IF_EXISTS,
    SFTPAttrs,
    SFTPByteRangeLockConflict,
    SFTPClient,
    SFTPDirNotEmpty,
    SFTPError,
    SFTPFailure,
    SFTPFileAlreadyExists,
    SFTPGroupInvalid,
    SFTPInvalidHandle,
    SFTPInvalidParameter,
    SFTPName,
    SFTPNoSuchFile,
    SFTPOpUnsupported,
    SFTPOwnerInvalid,
    SFTPServer,
)
from ssh_sftp.aio import SFTPClientHandler, SFTPServerHandler
from ssh_sftp.client.replies import status_reply
from ssh_sftp.codec import requests
from ssh_sftp.longname import group_id, group_name, user_id, user_name
from ssh_sftp.peers import peer_version, target_first
from ssh_sftp.subprocess import start_sftp_client
from tests.sftp.support import connect, make_tree, read_tree


@asynccontextmanager
async def session(
    server: SFTPServer, version: int, offered: int | None = None
) -> AsyncIterator[SFTPClient]:
    """A session of one version."""
    ended = asyncio.Event()
    handler = SFTPClientHandler()
    connect(handler, SFTPServerHandler(server, on_end=ended.set, sftp_version=version))
    client = await start_sftp_client(handler, sftp_version=offered or version, timeout=10)
    async with client:
        yield client
    await ended.wait()


@pytest.fixture(params=[4, 5, 6])
def version(request: pytest.FixtureRequest) -> int:
    result = request.param
    assert isinstance(result, int)
    return result


@pytest.fixture
async def client(version: int, tmp_path: Path) -> AsyncIterator[SFTPClient]:
    async with session(SFTPServer(chroot=str(tmp_path)), version) as result:
        yield result


@pytest.mark.parametrize(
    ("server", "offered", "agreed"), [(3, 6, 3), (6, 3, 3), (5, 6, 5), (6, 4, 4)]
)
async def test_lower_version_is_agreed_on(server: int, offered: int, agreed: int) -> None:
    async with session(SFTPServer(), server, offered) as client:
        assert client.version == agreed
        assert (await client.stat("/")).type == 2


async def test_names_take_the_place_of_numbers(
    client: SFTPClient, version: int, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    os.utime(tmp_path / "f", ns=(1_000_000_001, -5))
    attrs = await client.stat("f")
    assert (attrs.type, attrs.size) == (1, 5)
    assert (attrs.uid, attrs.gid) == (None, None)
    assert attrs.owner == user_name(os.getuid())
    assert attrs.group == group_name((tmp_path / "f").stat().st_gid)
    assert await client.getatime_ns("f") == 1_000_000_001
    assert await client.getmtime_ns("f") == -5
    if version == 6:
        assert attrs.nlink == 1
        assert attrs.alloc_size is not None
        assert attrs.ctime_ns is not None
    entries = {entry.filename: entry for entry in await client.readdir()}
    assert entries["f"].attrs.owner == attrs.owner
    assert entries["f"].longname == ""


async def test_setting_attributes(client: SFTPClient, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    await client.utime("f", ns=(3, -4_000_000_001))
    assert (path.stat().st_atime_ns, path.stat().st_mtime_ns) == (3, -4_000_000_001)
    await client.setstat("f", SFTPAttrs(mtime=9))  # one of the two times
    assert (path.stat().st_atime_ns, path.stat().st_mtime) == (3, 9)
    await client.setstat("f", SFTPAttrs(atime=8), follow_symlinks=False)
    assert (path.stat().st_atime, path.stat().st_mtime) == (8, 9)
    await client.chown("f", os.getuid(), os.getgid())
    await client.chown("f", user_name(os.getuid()), group_name(os.getgid()))
    await client.chmod("f", 0o604)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    for attrs in (SFTPAttrs(acl=b"x"), SFTPAttrs(crtime=5)):
        with pytest.raises(SFTPOpUnsupported):
            await client.setstat("f", attrs)
    async with await client.open("f", "r+b") as file:
        assert (await file.stat()).size == 5
        await file.chown(os.getuid(), os.getgid())
        await file.truncate(3)
    assert path.read_bytes() == b"123"


async def test_unknown_owner(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    async with session(SFTPServer(chroot=str(tmp_path)), 6) as client:
        with pytest.raises(SFTPOwnerInvalid):
            await client.chown("f", owner="no such user", group="root")
        with pytest.raises(SFTPGroupInvalid):
            await client.chown("f", owner="root", group="no such group")
        with pytest.raises(SFTPError):
            await client.chown("f", owner="9" * 30, group="0")
    async with session(SFTPServer(chroot=str(tmp_path)), 3) as client:
        with pytest.raises(SFTPOpUnsupported, match="version 4"):
            await client.chown("f", "root", "root")


async def test_trees_both_ways(client: SFTPClient, tmp_path: Path) -> None:
    content = make_tree(tmp_path / "tree")
    os.utime(tmp_path / "tree" / "small", ns=(1, 2))
    local = tmp_path / "local"
    await client.get("tree", local, recurse=True, preserve=True)
    assert read_tree(local) == content
    assert (local / "small").stat().st_mtime_ns == 2
    await client.put(local, "back", recurse=True, preserve=True)
    assert read_tree(tmp_path / "back") == content
    assert (tmp_path / "back" / "small").stat().st_mtime_ns == 2
    await client.copy("tree", "copied", recurse=True, preserve=True)
    assert read_tree(tmp_path / "copied") == content


@pytest.mark.parametrize(
    ("mode", "after"),
    [("wb", b"new"), ("ab", b"oldnew"), ("r+b", b"new"), ("a+b", b"oldnew"), ("w+b", b"new")],
)
async def test_modes(client: SFTPClient, tmp_path: Path, mode: str, after: bytes) -> None:
    (tmp_path / "f").write_bytes(b"old")
    async with await client.open("f", mode, encoding=None) as file:
        await file.write(b"new")
    assert (tmp_path / "f").read_bytes() == after
    with pytest.raises(SFTPError):
        await client.open("f", "xb")
    with pytest.raises(SFTPNoSuchFile):
        await client.open("nothing", "r+b")


async def test_links_and_names(client: SFTPClient, version: int, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    await client.symlink("f", "soft")
    assert os.readlink(tmp_path / "soft") == "f"
    assert await client.readlink("soft") == "f"
    await client.link("f", "hard")
    assert (tmp_path / "hard").stat().st_nlink == 2
    await client.makedirs("d/e")
    with pytest.raises(SFTPDirNotEmpty if version == 6 else SFTPFailure):
        await client.rmdir("d")
    assert await client.realpath("d/../soft") == "/f"
    with pytest.raises(SFTPFileAlreadyExists):
        await client.rename("hard", "f")
    await client.rmtree("d")


async def test_rename_flags(tmp_path: Path) -> None:
    async with session(SFTPServer(chroot=str(tmp_path)), 5) as client:
        for flags in (FXR_OVERWRITE, FXR_ATOMIC | FXR_OVERWRITE):
            (tmp_path / "a").write_text("a")
            (tmp_path / "b").write_text("b")
            await client.rename("a", "b", flags)
            assert (tmp_path / "b").read_text() == "a"
        with pytest.raises(SFTPOpUnsupported):
            await client.rename("b", "c", 0x100)


async def test_realpath_of_version_6(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    async with session(SFTPServer(chroot=str(tmp_path)), 6) as client:
        assert await client.realpath("d", "x", "..", "y") == "/d/y"
        found = await client.realpath("d", check=FXRP_STAT_ALWAYS)
        assert isinstance(found, SFTPName)
        assert (found.filename, found.attrs.type) == ("/d", 2)
        missing = await client.realpath("nothing", check=FXRP_STAT_IF_EXISTS)
        assert isinstance(missing, SFTPName)
        assert missing.attrs.size is None
        with pytest.raises(SFTPNoSuchFile):
            await client.realpath("nothing", check=FXRP_STAT_ALWAYS)
        with pytest.raises(SFTPInvalidParameter):
            await client.realpath("d", check=77)


async def test_open56(tmp_path: Path) -> None:
    async with session(SFTPServer(chroot=str(tmp_path)), 6) as client:
        async with await client.open56("f", ACE4_WRITE_DATA, FXF_CREATE_NEW, encoding=None) as file:
            await file.write(b"one")  # type: ignore[arg-type]
        with pytest.raises(SFTPFileAlreadyExists):
            await client.open56("f", ACE4_WRITE_DATA, FXF_CREATE_NEW)
        async with await client.open56("f", ACE4_APPEND_DATA, FXF_OPEN_OR_CREATE) as text:
            await text.write("two")  # type: ignore[arg-type]
        assert (tmp_path / "f").read_bytes() == b"onetwo"
        async with await client.open56("f") as text:
            assert await text.read() == "onetwo"
        async with await client.open56("f", ACE4_READ_DATA | ACE4_WRITE_DATA, FXF_CREATE_TRUNCATE):
            pass
        assert (tmp_path / "f").read_bytes() == b""
        with pytest.raises(SFTPOpUnsupported):
            await client.open56("f", ACE4_READ_DATA, FXF_OPEN_OR_CREATE | FXF_DELETE_ON_CLOSE)
        with pytest.raises(SFTPOpUnsupported):
            await client.open56("f", ACE4_READ_DATA, 7)


async def test_locks_of_an_application(tmp_path: Path) -> None:
    class Locking(SFTPServer):
        locks: set[tuple[int, int]] = set()  # noqa: RUF012

        async def lock(self, file_obj: object, offset: int, length: int, flags: int) -> None:
            if (offset, length) in self.locks:
                raise SFTPByteRangeLockConflict("taken")
            self.locks.add((offset, length))

        def unlock(self, file_obj: object, offset: int, length: int) -> None:
            self.locks.discard((offset, length))

    (tmp_path / "f").touch()
    async with (
        session(Locking(chroot=str(tmp_path)), 6) as client,
        client.open("f", "rb") as file,
    ):
        await file.lock(0, 10, 0x40)
        with pytest.raises(SFTPByteRangeLockConflict):
            await file.lock(0, 10, 0x40)
        await file.unlock(0, 10)
        await file.lock(0, 10, 0x40)
    async with (
        session(SFTPServer(chroot=str(tmp_path)), 6) as client,
        client.open("f", "rb") as file,
    ):
        with pytest.raises(SFTPOpUnsupported):
            await file.lock(0, 10, 0x40)
        with pytest.raises(SFTPOpUnsupported):
            await file.unlock(0, 10)
        with pytest.raises(SFTPInvalidHandle):
            await client._handler.request(status_reply, requests.Block, b"none", 0, 0, 0)


def test_ids_by_name() -> None:
    assert user_id("root") == 0
    assert user_id("root@example.com") == 0
    assert user_id("17") == 17
    assert group_id("root") == 0
    assert user_id("no such user") is None
    assert group_id("no such group") is None


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (None, True),
        ("SSH-2.0-OpenSSH_9.2p1", True),
        ("SSH-2.0-paramiko_5.1.0", True),
        ("SSH-2.0-AsyncSSH_2.24.1", False),
        (b"SSH-2.0-libssh_0.11", False),
        (17, True),
    ],
)
async def test_order_of_the_arguments_of_symlink(
    version: object, expected: bool, tmp_path: Path
) -> None:
    class Channel:
        def get_extra_info(self, name: str, default: object = None) -> object:
            assert name == "client_version"
            return version

    assert target_first(peer_version(Channel(), "client_version")) is expected
    async with session(SFTPServer(Channel(), chroot=str(tmp_path)), 3) as client:
        client._handler.symlink_target_first = expected
        await client.symlink("target", "link")
    assert os.readlink(tmp_path / "link") == "target"
