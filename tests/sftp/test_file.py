"""`SFTPClientFile`: modes, text, positions, large reads and writes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from os import SEEK_CUR, SEEK_END
from pathlib import Path

import pytest

from ssh_sftp import (
    FXF_CREAT,
    FXF_READ,
    FXF_WRITE,
    SFTPClient,
    SFTPError,
    SFTPFailure,
    SFTPNoSuchFile,
    SFTPOpUnsupported,
    SFTPServer,
)
from ssh_sftp.openmode import mode_to_pflags, pflags_to_os
from tests.sftp.support import pair


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[SFTPClient]:
    async with pair(SFTPServer(chroot=str(tmp_path))) as session:
        yield session.client


async def test_binary_round_trip(client: SFTPClient, tmp_path: Path) -> None:
    data = os.urandom(1_000_003)
    async with await client.open("f", "wb") as file:
        assert await file.write(data) == len(data)
        assert await file.tell() == len(data)
    assert (tmp_path / "f").read_bytes() == data
    async with await client.open("f", "rb") as file:
        assert await file.read() == data
        assert await file.read() == b""
        assert await file.read(10, 500_000) == data[500_000:500_010]
        assert await file.tell() == 500_010
        assert await file.read(600_000, 500_000) == data[500_000:]
        assert await file.read(10, 2_000_000) == b""
        assert await file.read(0) == b""


async def test_text(client: SFTPClient, tmp_path: Path) -> None:
    async with await client.open("f", "w") as file:
        await file.write("grüße\n")
        await file.write("€" * 1000)
    assert (tmp_path / "f").read_text(encoding="utf-8") == "grüße\n" + "€" * 1000
    async with await client.open("f") as file:
        assert await file.read() == "grüße\n" + "€" * 1000
        await file.seek(0)
        # Sizes are bytes; a character that does not fit is left for the next read.
        assert await file.read(3) == "gr"
        assert await file.tell() == 2
        assert await file.read(1) == "ü"
        assert await file.tell() == 4
    async with await client.open("f", "r", encoding="utf-16") as other:
        with pytest.raises(UnicodeError):
            await other.read(7)
    async with await client.open("f", "r", encoding="ascii", errors="replace") as replaced:
        assert (await replaced.read())[:4] == "gr\ufffd\ufffd"
    async with await client.open("g", "w", encoding="latin-1") as latin:
        await latin.write("ü")
        with pytest.raises(TypeError):
            await latin.write(b"x")  # type: ignore[arg-type]
    assert (tmp_path / "g").read_bytes() == b"\xfc"


async def test_unfinished_character_at_the_end(client: SFTPClient, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"a\xe2\x82")
    async with await client.open("f") as file:
        with pytest.raises(UnicodeDecodeError):
            await file.read()
        assert await file.read(2) == "a"
        with pytest.raises(UnicodeDecodeError):
            await file.read(1)


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        ("wb", b"old content", b"new"),
        ("bw", b"old content", b"new"),
        ("ab", b"old", b"oldnew"),
        ("r+b", b"old content", b"new content"),
        ("w+b", b"old content", b"new"),
        ("a+b", b"old", b"oldnew"),
    ],
)
async def test_modes(
    client: SFTPClient, tmp_path: Path, mode: str, before: bytes, after: bytes
) -> None:
    (tmp_path / "f").write_bytes(before)
    async with await client.open("f", mode, encoding=None) as file:
        await file.write(b"new")
        if "+" in mode:
            assert await file.read(100, 0) == after
    assert (tmp_path / "f").read_bytes() == after


async def test_exclusive_and_missing(client: SFTPClient, tmp_path: Path) -> None:
    async with await client.open("f", "xb"):
        pass
    with pytest.raises(SFTPFailure):
        await client.open("f", "xb")
    with pytest.raises(SFTPNoSuchFile):
        await client.open("g", "rb")
    with pytest.raises(SFTPError):
        await client.open(".", "rb")
    with pytest.raises(ValueError, match="invalid file mode"):
        await client.open("f", "q")
    with pytest.raises(SFTPOpUnsupported):
        await client.open56("f")
    async with await client.open("f", FXF_READ | FXF_WRITE | FXF_CREAT, encoding=None) as file:
        await file.write(b"x")


async def test_append_goes_to_the_end_whatever_others_write(
    client: SFTPClient, tmp_path: Path
) -> None:
    async with await client.open("f", "a") as one, await client.open("f", "a") as two:
        await one.write("one ")
        await two.write("two ")
        await one.write("three", offset=0)
        assert await one.tell() == 13
        assert await one.write("x" * 600_000) == 600_000
    assert (tmp_path / "f").read_bytes() == b"one two three" + b"x" * 600_000


async def test_seek_and_truncate(client: SFTPClient, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    async with await client.open("f", "r+b") as file:
        assert await file.seek(4) == 4
        assert await file.read(2) == b"45"
        assert await file.seek(-1, SEEK_CUR) == 5
        assert await file.read(1) == b"5"
        assert await file.seek(-2, SEEK_END) == 8
        await file.write(b"AB")
        await file.truncate(9)
        await file.seek(3)
        await file.truncate()
        with pytest.raises(ValueError, match="before the start"):
            await file.seek(-1)
        with pytest.raises(ValueError, match="reference point"):
            await file.seek(0, 9)
    assert (tmp_path / "f").read_bytes() == b"012"


async def test_file_attributes(client: SFTPClient, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"123")
    async with await client.open("f", "r+b") as file:
        assert (await file.stat()).size == 3
        await file.chmod(0o600)
        await file.utime((3, 4))
        await file.chown(os.getuid(), os.getgid())
        await file.fsync()
        assert (await file.stat()).mtime == 4
        with pytest.raises(SFTPOpUnsupported):
            await file.lock(0, 0, 0)
        with pytest.raises(SFTPOpUnsupported):
            await file.unlock(0, 0)
    await file.close()  # again: nothing
    with pytest.raises(ValueError, match="closed file"):
        await file.read()
    with pytest.raises(ValueError, match="closed file"):
        await file.write(b"x")
    with pytest.raises(ValueError, match="closed file"):
        await file.tell()
    with pytest.raises(ValueError, match="closed file"):
        await file.seek(0)


async def test_write_to_a_file_opened_for_reading(client: SFTPClient, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"123")
    async with await client.open("f", "rb") as file:
        with pytest.raises(SFTPError):
            await file.write(b"x")
        with pytest.raises(SFTPError):
            await file.write(bytes(1_000_000))
        with pytest.raises(TypeError):
            await file.write("text")  # type: ignore[arg-type]
        assert await file.read() == b"123"


async def test_small_blocks_and_few_requests(client: SFTPClient, tmp_path: Path) -> None:
    data = os.urandom(10_000)
    async with await client.open("f", "wb", block_size=100, max_requests=3) as file:
        await file.write(data)
    async with await client.open("f", "rb", block_size=333, max_requests=2) as file:
        assert await file.read() == data


async def test_memory_views_are_taken(client: SFTPClient, tmp_path: Path) -> None:
    async with await client.open("f", "wb") as file:
        await file.write(memoryview(bytearray(b"0123"))[1:])  # type: ignore[arg-type]
        await file.write(bytearray(600_000))  # type: ignore[arg-type]
    assert (tmp_path / "f").read_bytes() == b"123" + bytes(600_000)


async def test_read_parallel(client: SFTPClient, tmp_path: Path) -> None:
    data = os.urandom(9 * 1024 * 1024 + 5)
    (tmp_path / "f").write_bytes(data)
    async with await client.open("f", "rb") as file:
        result = bytearray(len(data))
        async for offset, block in await file.read_parallel():
            result[offset : offset + len(block)] = block
            await asyncio.sleep(0)
        assert bytes(result) == data
        assert await file.tell() == len(data)
        parts = {offset: block async for offset, block in await file.read_parallel(1000, 50)}
        assert parts == {50: data[50:1050]}
        async for _ in await file.read_parallel(-1, 0):
            break  # what still comes is dropped
        assert await file.read(5, 0) == data[:5]


async def test_cancelled_transfer_leaves_the_session_usable(
    client: SFTPClient, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(bytes(20_000_000))
    async with await client.open("f", "r+b") as file:
        for operation in (file.read(), file.write(bytes(20_000_000))):
            task = asyncio.create_task(operation)
            for _ in range(10):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (await file.stat()).size == 20_000_000


@pytest.mark.parametrize("mode", ["", "b", "rw", "rbt", "r++", "U", "rr", "wax"])
def test_modes_that_are_none(mode: str) -> None:
    with pytest.raises(ValueError, match="mode"):
        mode_to_pflags(mode)


def test_flags_for_the_system() -> None:
    access = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
    assert pflags_to_os(1) & access == os.O_RDONLY
    assert pflags_to_os(2) & access == os.O_WRONLY
    assert pflags_to_os(3) & access == os.O_RDWR
    assert pflags_to_os(0x0A | 4) & (os.O_CREAT | os.O_APPEND) == os.O_CREAT | os.O_APPEND
    assert pflags_to_os(0x2A) & os.O_EXCL
    assert pflags_to_os(0x1A) & os.O_TRUNC
    for wrong in (0, 8, 0x21):
        with pytest.raises(ValueError, match=r"SSH_FXF_EXCL|neither"):
            pflags_to_os(wrong)
