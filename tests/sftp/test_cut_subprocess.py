"""A program that speaks SFTP, and whose session ends at any moment."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from ssh_sftp import connect_subprocess
from tests.cut import Cut, Way, cut_everywhere

from .support import sftp_server_program


async def session(cut: Cut) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with connect_subprocess([sftp_server_program()]) as sftp:
            cut.begin()
            async with sftp.open(f"{folder}/file", "wb+", encoding=None) as file:
                await file.write(b"x" * 1000)
                await file.seek(0)
                await file.read()


@pytest.mark.parametrize("way", [Way.LOOP, Way.CANCEL, Way.BOTH])
def test_cut(way: Way, tmp_path: Path) -> None:
    cut_everywhere(session, way, tmp_path)
