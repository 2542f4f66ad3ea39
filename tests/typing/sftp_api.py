"""What a type checker says about an application with files; see client_api.py."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import assert_type

import ssh_meta
from ssh_meta import SFTPAttrs, SFTPClient, SFTPClientFile, SSHClientConnection


async def files(conn: SSHClientConnection) -> None:
    """Sessions and files."""
    assert_type(await conn.start_sftp_client(), SFTPClient)
    async with conn.start_sftp_client(path_encoding=None, sftp_version=3) as sftp:
        assert_type(sftp, SFTPClient)
        await sftp.get("remote", "local")
        await sftp.put(["one", "two"], PurePosixPath("/there"), recurse=True)
        attrs = await sftp.stat("file")
        assert_type(attrs, SFTPAttrs)
        assert_type(attrs.size, int | None)
        assert_type(await sftp.exists("file"), bool)
        async with sftp.open("file") as file:
            assert_type(file, SFTPClientFile[str])
            assert_type(await file.read(), str)
        async with sftp.open("file", "rb") as binary:
            assert_type(binary, SFTPClientFile[bytes])
            assert_type(await binary.read(10), bytes)


async def errors(sftp: SFTPClient) -> None:
    """Errors are one family."""
    try:
        await sftp.remove("file")
    except ssh_meta.SFTPNoSuchFile as exc:
        assert_type(exc.code, int)
    except ssh_meta.SFTPError as error:
        assert_type(error.reason, str)


async def wrong_calls(conn: SSHClientConnection, sftp: SFTPClient) -> None:
    """What is not a parameter, or not of its type."""
    await conn.start_sftp_client(version=3)  # type: ignore[call-arg]
    await sftp.get(5)  # type: ignore[arg-type]
