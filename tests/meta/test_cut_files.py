"""Transfers of files that end at any moment: SFTP and scp, with files open on both sides."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import ssh_meta
from tests.cut import Cut, Scenario, Way, cut_everywhere
from tests.meta.support import USER_KEY, known_hosts, running_server

ALLOWED = (OSError, EOFError, ssh_meta.Error, ssh_meta.SFTPError)


@asynccontextmanager
async def logged_in(cut: Cut) -> AsyncIterator[ssh_meta.SSHClientConnection]:
    """A connection to a server of files that is there when things begin to end."""
    async with (
        running_server(sftp_factory=True, allow_scp=True) as port,
        ssh_meta.connect(
            "127.0.0.1",
            port,
            username="alice",
            known_hosts=known_hosts(),
            client_keys=[USER_KEY],
            kex_algs=["curve25519-sha256"],
        ) as conn,
    ):
        cut.begin(conn)
        yield conn


async def open_files(cut: Cut) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            logged_in(cut) as conn,
            conn.start_sftp_client() as sftp,
            sftp.open(f"{folder}/file", "wb+", encoding=None) as file,
        ):
            await file.write(b"x" * 1000)
            await file.seek(0)
            await file.read()
            await sftp.listdir(folder)


async def put_and_get(cut: Cut) -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder) / "here"
        here.write_bytes(b"x" * 100_000)
        async with logged_in(cut) as conn, conn.start_sftp_client() as sftp:
            await sftp.put(str(here), f"{folder}/there", block_size=16384)
            await sftp.get(f"{folder}/there", f"{folder}/back", block_size=16384)


async def trees(cut: Cut) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "here" / "sub").mkdir(parents=True)
        (Path(folder) / "here" / "one").write_bytes(b"1")
        (Path(folder) / "here" / "sub" / "two").write_bytes(b"2")
        async with logged_in(cut) as conn, conn.start_sftp_client() as sftp:
            await sftp.put(f"{folder}/here", f"{folder}/there", recurse=True)


async def scp(cut: Cut) -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder) / "here"
        here.write_bytes(b"x" * 1000)
        async with logged_in(cut) as conn:
            await ssh_meta.scp(str(here), (conn, f"{folder}/there"))
            await ssh_meta.scp((conn, f"{folder}/there"), f"{folder}/back")


SCENARIOS = [open_files, put_and_get, trees, scp]


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_cut(scenario: Scenario, way: Way, tmp_path: Path) -> None:
    cut_everywhere(scenario, way, tmp_path, allowed=ALLOWED)
