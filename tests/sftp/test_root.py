"""A server below a root directory: what a client must not reach, however it asks."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_sftp import SFTPAttrs, SFTPClient, SFTPError, SFTPNoSuchFile, SFTPServer
from ssh_sftp.server.rooted import Root
from tests.sftp.support import pair


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside"
    path.mkdir()
    (path / "secret").write_text("secret")
    return path


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Path:
    path = tmp_path / "root"
    (path / "d" / "e").mkdir(parents=True)
    (path / "d" / "file").write_text("inside")
    (path / "absolute").symlink_to(outside / "secret")
    (path / "relative").symlink_to("../outside/secret")
    (path / "up").symlink_to("../../../../../../../..")
    (path / "slash").symlink_to("/")
    (path / "dir").symlink_to(outside)
    (path / "inner").symlink_to("/d/file")
    (path / "d" / "out").symlink_to("../../outside")
    # A name that begins like the root.
    (tmp_path / "root-sibling").mkdir()
    (tmp_path / "root-sibling" / "secret").write_text("secret")
    return path


@pytest.fixture
async def client(root: Path) -> AsyncIterator[SFTPClient]:
    async with pair(SFTPServer(chroot=str(root))) as session:
        yield session.client


ESCAPES = [
    "../outside/secret", "/../outside/secret", "d/../../outside/secret", "absolute", "relative",
    "dir/secret", "d/out/secret", "up/outside/secret", "slash/../outside/secret",
    "../root-sibling/secret", "d/e/../../../root-sibling/secret", "up/etc/passwd", "/etc/passwd",
    "../root//../outside/secret", "slash/slash/slash/../../outside/secret",
]  # fmt: skip


@pytest.mark.parametrize("path", ESCAPES)
async def test_nothing_outside_can_be_reached(client: SFTPClient, path: str, outside: Path) -> None:
    with pytest.raises(SFTPNoSuchFile):
        await client.stat(path)
    with pytest.raises(SFTPNoSuchFile):
        await client.open(path, "rb")
    with pytest.raises(SFTPNoSuchFile):
        await client.open(path, "r+b")
    for call in (
        client.chmod(path, 0o777),
        client.truncate(path, 0),
        client.utime(path, (1, 2)),
        client.statvfs(path),
        client.listdir(path),
        client.setstat(path, SFTPAttrs(size=0)),
    ):
        with pytest.raises(SFTPError):
            await call
    assert (outside / "secret").read_text() == "secret"


@pytest.mark.parametrize("path", ["dir", "d/out", "../outside", "up/outside", "../root-sibling"])
async def test_nothing_outside_can_be_made(
    client: SFTPClient, path: str, root: Path, outside: Path
) -> None:
    before = sorted(os.walk(root.parent / "outside")), sorted(os.walk(root.parent / "root-sibling"))
    for call in (
        client.open(f"{path}/new", "wb"),
        client.mkdir(f"{path}/new"),
        client.symlink("x", f"{path}/new"),
        client.rename("d/file", f"{path}/new"),
        client.posix_rename("d/file", f"{path}/new"),
        client.link("d/file", f"{path}/new"),
        client.remove(f"{path}/secret"),
        client.rmdir(f"{path}/"),
    ):
        with pytest.raises(SFTPError):
            await call
    after = sorted(os.walk(root.parent / "outside")), sorted(os.walk(root.parent / "root-sibling"))
    assert after == before
    assert (root / "d" / "file").read_text() == "inside"


async def test_links_inside_work_like_after_chroot(client: SFTPClient, root: Path) -> None:
    assert (await client.stat("inner")).size == 6
    assert await client.readlink("inner") == "/d/file"
    assert await client.realpath("inner") == "/d/file"
    assert await client.realpath("slash/slash/d/..") == "/"
    assert await client.realpath("up/d") == "/d"
    await client.symlink("/d", "made")
    assert os.readlink(root / "made") == "/d"
    assert (await client.stat("made/file")).size == 6
    async with await client.open("made/new", "wb") as file:
        await file.write(b"x")
    assert (root / "d" / "new").read_bytes() == b"x"
    (root / "dangling").symlink_to("d/through")
    async with await client.open("dangling", "wb") as file:
        await file.write(b"y")
    assert (root / "d" / "through").read_bytes() == b"y"


async def test_root_itself(client: SFTPClient, root: Path) -> None:
    assert (await client.stat("/")).type == 2
    assert (await client.stat("..")).type == 2
    assert await client.realpath(".") == "/"
    assert "d" in await client.listdir("/../..")
    for call in (client.rmdir("/"), client.mkdir("/"), client.rename("/", "x"), client.remove("")):
        with pytest.raises(SFTPError):
            await call
    await client.chmod("/", 0o750)
    assert stat.S_IMODE(root.stat().st_mode) == 0o750
    # The parent's attributes are none of the client's business.
    entries = {entry.filename: entry for entry in await client.readdir("/")}
    assert entries[".."].attrs == entries["."].attrs


async def test_trailing_slash_follows(client: SFTPClient) -> None:
    assert (await client.lstat("inner")).type == 3
    assert (await client.lstat("slash/")).type == 2
    assert (await client.lstat("slash/.")).type == 2


async def test_mapped_paths(root: Path, outside: Path) -> None:
    class Mapped(SFTPServer):
        def map_path(self, path: bytes) -> bytes:
            if path == b"/motd":
                return os.fsencode(outside / "secret")
            return super().map_path(b"d/" + path.lstrip(b"/"))

    async with pair(Mapped(chroot=str(root))) as session:
        client = session.client
        assert (await client.stat("/file")).size == 6
        assert await client.getsize("/motd") == 6  # the application said so
        with pytest.raises(SFTPNoSuchFile):
            await client.stat("/out/secret")
        assert await client.realpath("/e") == "/d/e"


async def test_mapped_paths_without_a_root(root: Path) -> None:
    class Mapped(SFTPServer):
        def map_path(self, path: bytes) -> bytes:
            return os.fsencode(root) + b"/" + path

        def reverse_map_path(self, path: bytes) -> bytes:
            return path.removeprefix(os.fsencode(root)) or b"/"

    async with pair(Mapped()) as session:
        assert (await session.client.stat("/d/file")).size == 6
        assert await session.client.realpath("/d") == "/d"


def test_map_path_of_the_base_class(root: Path) -> None:
    server = SFTPServer(chroot=str(root))
    top = os.fsencode(root)
    assert server.map_path(b"/a/../b") == top + b"/b"
    assert server.map_path(b"../../x") == top + b"/x"
    assert server.map_path(b"/") == top + b"/"
    assert server.reverse_map_path(top) == b"/"
    assert server.reverse_map_path(top + b"/a") == b"/a"
    for wrong in (top + b"-sibling/secret", b"/etc", top[:-1]):
        with pytest.raises(FileNotFoundError):
            server.reverse_map_path(wrong)
    server.exit()
    server.exit()
    with pytest.raises(OSError, match="Bad file descriptor"):
        server.stat(b"/")
    plain = SFTPServer()
    assert plain.map_path(b"x/../y") == b"x/../y"
    assert plain.reverse_map_path(b"/x") == b"/x"


def test_missing_root() -> None:
    with pytest.raises(FileNotFoundError):
        SFTPServer(chroot="/nothing/here")


PARTS = st.sampled_from(
    ["..", ".", "", "d", "e", "file", "absolute", "relative", "up", "slash", "dir", "inner", "out",
     "nothing"]
)  # fmt: skip


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("shared")
    (top / "outside").mkdir()
    (top / "outside" / "secret").write_text("secret")
    path = top / "root"
    (path / "d" / "e").mkdir(parents=True)
    (path / "d" / "file").write_text("inside")
    for name, target in {
        "absolute": str(top / "outside/secret"), "relative": "../outside/secret",
        "up": "../../../..", "slash": "/", "dir": str(top / "outside"), "inner": "/d/file",
        "d/out": "../../outside",
    }.items():  # fmt: skip
        (path / name).symlink_to(target)
    return path


@given(parts=st.lists(PARTS, max_size=8), follow=st.booleans())
def test_every_path_ends_inside(shared: Path, parts: list[str], follow: bool) -> None:
    before = len(os.listdir("/proc/self/fd"))
    root = Root(os.fsencode(shared))
    path = "/".join(parts).encode()
    try:
        with root.place(path, follow_symlinks=follow) as (directory, name):
            assert directory is not None
            inside = os.readlink(f"/proc/self/fd/{directory}")
            assert inside == str(shared) or inside.startswith(f"{shared}/")
            assert b"/" not in name
            assert name not in (b"", b"..")
            if follow:
                try:
                    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
                except FileNotFoundError:
                    pass
                else:
                    assert not stat.S_ISLNK(found.st_mode)
    except OSError as exc:
        if exc.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise
    try:
        real = root.real_path(path)
    except OSError as exc:
        if exc.errno != errno.ENOTDIR:
            raise
    else:
        assert real.startswith(b"/")
        assert b".." not in real.split(b"/")
    root.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_links_without_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "x").mkdir()
    (tmp_path / "wide").symlink_to("/".join(["x/.."] * 600) + "/wide")
    root = Root(os.fsencode(tmp_path))
    with pytest.raises(OSError, match="symbolic links"), root.place(b"a", follow_symlinks=True):
        pass
    with pytest.raises(OSError, match="symbolic links"):
        root.real_path(b"wide")
    root.close()


def test_directory_that_becomes_a_link_meanwhile(tmp_path: Path) -> None:
    """A race that a check of the path as text, or realpath and then open, would lose."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "f").write_text("secret")
    base = tmp_path / "root"
    (base / "real").mkdir(parents=True)
    (base / "real" / "f").write_text("inside")
    (base / "link").symlink_to("../outside")
    (base / "x").mkdir()
    (base / "x" / "f").write_text("inside")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(base / "x", base / "y")
            os.rename(base / "link", base / "x")
            os.rename(base / "x", base / "link")
            os.rename(base / "y", base / "x")
            for _ in range(50):  # most of the time it is the directory
                os.stat(base / "x")

    thread = threading.Thread(target=swap)
    thread.start()
    server = SFTPServer(chroot=str(base))
    seen = set()
    try:
        for _ in range(3000):
            try:
                file = server.open(b"/x/f", 1, SFTPAttrs())
            except OSError as exc:
                seen.add(exc.errno)
                continue
            data = server.read(file, 0, 10)
            server.close(file)
            assert data == b"inside"
            seen.add(0)
    finally:
        stop.set()
        thread.join()
        server.exit()
    assert 0 in seen
