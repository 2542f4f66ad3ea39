"""Our client against OpenSSH's sftp-server, over pipes and without any SSH."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from ssh_sftp import (
    SFTPClient,
    SFTPConnectionLost,
    SFTPError,
    SFTPFailure,
    SFTPNoConnection,
    SFTPNoSuchFile,
    SFTPPermissionDenied,
    connect_subprocess,
)
from ssh_sftp.subprocess import SubprocessHandler
from tests.sftp.support import make_tree, read_tree, sftp_server_program


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[SFTPClient]:
    async with await connect_subprocess([sftp_server_program(), "-d", str(tmp_path)]) as result:
        yield result


@pytest.fixture
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local")


async def test_what_it_says_of_itself(client: SFTPClient) -> None:
    assert client.version == 3
    assert client.extensions[b"posix-rename@openssh.com"] == b"1"
    assert (client.limits.max_packet_len or 0) >= 34000
    assert (client.limits.max_read_len or 0) >= 32768


async def test_trees_both_ways(client: SFTPClient, tmp_path: Path, local: Path) -> None:
    content = make_tree(tmp_path / "tree")
    await client.get("tree", local / "here", recurse=True, preserve=True)
    assert read_tree(local / "here") == content
    await client.put(local / "here", "back", recurse=True, preserve=True)
    assert read_tree(tmp_path / "back") == content
    assert (tmp_path / "back" / "large").stat().st_mtime == int(
        (tmp_path / "tree" / "large").stat().st_mtime
    )


async def test_large_file(client: SFTPClient, tmp_path: Path, local: Path) -> None:
    data = os.urandom(64 * 1024 * 1024 + 1)
    (tmp_path / "f").write_bytes(data)
    await client.get("f", local / "f")
    assert (local / "f").read_bytes() == data
    await client.put(local / "f", "g", block_size=32768)
    assert (tmp_path / "g").read_bytes() == data


async def test_copy_on_the_server(client: SFTPClient, tmp_path: Path) -> None:
    if not client.supports_remote_copy:
        pytest.skip("this sftp-server has no copy-data")
    data = os.urandom(1_000_000)
    (tmp_path / "f").write_bytes(data)
    await client.copy("f", "g")
    assert (tmp_path / "g").read_bytes() == data
    with pytest.raises(SFTPFailure):
        await client.copy("f", "f")
    # Onto itself: it stays what it is.
    assert (tmp_path / "f").read_bytes() == data


async def test_names_links_attributes(client: SFTPClient, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    await client.symlink("f", "soft")
    assert os.readlink(tmp_path / "soft") == "f"
    assert await client.readlink("soft") == "f"
    await client.link("f", "hard")
    assert (await client.stat("hard")).size == 5
    await client.chmod("f", 0o600)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600
    await client.utime("f", (5, 6))
    assert await client.getmtime("f") == 6
    await client.utime("soft", (7, 8), follow_symlinks=False)
    assert (await client.lstat("soft")).mtime == 8
    await client.truncate("f", 2)
    assert await client.getsize("f") == 2
    await client.makedirs("a/b/c")
    await client.rename("f", "a/f")
    with pytest.raises(SFTPFailure):
        await client.rename("hard", "a/f")
    await client.posix_rename("hard", "a/f")
    assert sorted(await client.listdir("a")) == [".", "..", "b", "f"]
    assert await client.glob("**/f") == ["a/f"]
    assert await client.realpath("a/../a") == str(tmp_path / "a")
    vfs = await client.statvfs("a")
    assert vfs.blocks == os.statvfs(tmp_path).f_blocks
    await client.rmtree("a")
    assert not (tmp_path / "a").exists()
    with pytest.raises(SFTPNoSuchFile):
        await client.stat("a")
    if b"home-directory" in client.extensions:
        assert (await client.home_directory()).startswith("/")
        assert await client.home_directory("root") == os.path.expanduser("~root")
    if b"expand-path@openssh.com" in client.extensions:
        assert (await client.expand_path("~")).startswith("/")


async def test_files(client: SFTPClient, tmp_path: Path) -> None:
    async with await client.open("f", "w") as file:
        await file.write("grüße" * 100_000)
        await file.fsync()
        assert (await file.stat()).size == 700_000
        assert (await file.statvfs()).blocks > 0
    async with await client.open("f") as file:
        assert await file.read() == "grüße" * 100_000
    async with await client.open("f", "a") as file:
        await file.write("!")
    assert (tmp_path / "f").read_text(encoding="utf-8").endswith("grüße!")


async def test_thousand_requests_at_once(client: SFTPClient, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    results = await asyncio.gather(*(client.stat("f") for _ in range(1000)))
    assert {attrs.size for attrs in results} == {5}


async def test_thousand_files_in_one_directory(client: SFTPClient, tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number}").touch()
    assert len(await client.listdir()) == 1002


async def test_read_only_server(tmp_path: Path) -> None:
    argv = [sftp_server_program(), "-R", "-d", str(tmp_path)]
    async with await connect_subprocess(argv) as client:
        with pytest.raises(SFTPPermissionDenied):
            await client.mkdir("d")
        with pytest.raises(SFTPPermissionDenied):
            await client.put(__file__, "f")


async def test_server_that_is_killed(tmp_path: Path) -> None:
    argv = [sftp_server_program(), "-d", str(tmp_path)]
    (tmp_path / "f").write_bytes(bytes(200_000_000))
    async with await connect_subprocess(argv) as client:
        task = asyncio.create_task(client.get("f", "/dev/null"))
        while len(client._handler.core.pending) < 2:
            await asyncio.sleep(0)
        client._handler._process.kill()  # type: ignore[attr-defined]
        with pytest.raises(SFTPConnectionLost):
            await task
        with pytest.raises((SFTPNoConnection, SFTPConnectionLost)):
            await client.stat("f")


async def test_program_that_has_just_ended(caplog: pytest.LogCaptureFixture) -> None:
    """The loop has not heard of it yet: it is the loop that asks for the status."""
    client = await connect_subprocess([sftp_server_program()])
    handler = cast(SubprocessHandler, client._handler)
    pid = handler._process.pid
    os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):  # a thread of the loop's may have it
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    handler.kill()
    await handler.wait_closed()
    assert handler._process.returncode == -signal.SIGKILL
    assert not caplog.records


PEERS = {
    "silent": ("import sys; sys.stdin.read()", "within 0.2 seconds"),
    "gone": ("import sys; sys.stdin.read(1)", "closed"),
    "banner": ("print('This account is disabled.', flush=True)", "packet length"),
    "status": (
        "import os, sys; os.write(1, bytes.fromhex('0000000965' + '00' * 8)); sys.stdin.read()",
        "instead of SSH_FXP_VERSION",
    ),
}


@pytest.mark.parametrize("peer", PEERS)
async def test_program_that_is_no_sftp_server(peer: str) -> None:
    code, message = PEERS[peer]
    with pytest.raises(SFTPError, match=message):
        await connect_subprocess(
            [sys.executable, "-c", code], timeout=0.2 if peer == "silent" else 9
        )


async def test_program_that_does_not_exist() -> None:
    with pytest.raises(FileNotFoundError):
        await connect_subprocess(["/nothing/here"])
