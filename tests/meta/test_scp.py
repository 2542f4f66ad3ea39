"""scp between our client and our server, and with OpenSSH's program."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import ssh_meta
from ssh_meta.scp import _place
from tests.meta.support import HOST_KEY, USER_KEY, connected, known_hosts, running_server

DATA = os.urandom(300_000)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with files to copy."""
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "file").write_bytes(DATA)
    (tree / "sub" / "name with $(touch x) 'quotes'").write_bytes(b"inner")
    return tree


@pytest.mark.parametrize(
    ("path", "host", "rest"),
    [
        ("file", None, b"file"),
        ("./a:b", None, b"./a:b"),
        ("/a:b", None, b"/a:b"),
        (":file", None, b":file"),
        (Path("host:file"), None, b"host:file"),
        ("host:file", "host", b"file"),
        (b"host:file", "host", b"file"),
        ("host:", "host", b"."),
        ("me@host:/a:b", "me@host", b"/a:b"),
        ("[::1]:file", "[::1]", b"file"),
        ("me@[fe80::1]:a b", "me@[fe80::1]", b"a b"),
        (("host", "file"), "host", b"file"),
        (("host", ""), "host", b"."),
        ((("host", 2222), Path("file")), ("host", 2222), b"file"),
        ((None, "host:file"), None, b"host:file"),
    ],
    ids=str,
)
def test_hosts_and_paths(path: ssh_meta.SCPPath, host: object, rest: bytes) -> None:
    place = _place(path)
    assert (place.host, place.path) == (host, rest)


async def test_copies_with_our_server(tree: Path, tmp_path: Path) -> None:
    seen: list[tuple[bytes, bytes, int, int]] = []
    async with (
        running_server(sftp_factory=True, allow_scp=True) as port,
        connected(port) as conn,
    ):
        await ssh_meta.scp(
            tree / "file",
            (conn, tmp_path / "there"),
            progress_handler=lambda *step: seen.append(step),
            block_size=100_000,
        )
        assert (tmp_path / "there").read_bytes() == DATA
        assert seen[-1][2:] == (len(DATA), len(DATA))

        await ssh_meta.scp((conn, str(tmp_path / "there")), str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == DATA

        await ssh_meta.scp(tree, (conn, tmp_path / "copy"), recurse=True, preserve=True)
        await ssh_meta.scp((conn, tmp_path / "copy"), tmp_path / "copy2", recurse=True)
        for copy in ("copy", "copy2"):
            inner = tmp_path / copy / "sub" / "name with $(touch x) 'quotes'"
            assert inner.read_bytes() == b"inner"
        assert (tmp_path / "copy" / "file").stat().st_mtime == int((tree / "file").stat().st_mtime)

        await ssh_meta.scp((conn, tmp_path / "there"), (conn, tmp_path / "third"))
        assert (tmp_path / "third").read_bytes() == DATA
        assert (await conn.run("echo", input="still a shell")).stdout == "still a shell"


async def test_host_in_the_path(tree: Path, tmp_path: Path) -> None:
    async with running_server(sftp_factory=True, allow_scp=True) as port:
        await ssh_meta.scp(
            [tree / "file", tree / "sub" / "name with $(touch x) 'quotes'"],
            (("127.0.0.1", port), tmp_path),
            username="alice",
            client_keys=[USER_KEY],
            known_hosts=known_hosts(),
        )
    assert (tmp_path / "file").read_bytes() == DATA
    assert (tmp_path / "name with $(touch x) 'quotes'").read_bytes() == b"inner"


async def test_errors(tree: Path, tmp_path: Path) -> None:
    async with (
        running_server(sftp_factory=True, allow_scp=True) as port,
        connected(port) as conn,
    ):
        with pytest.raises(ssh_meta.SFTPError, match="missing"):
            await ssh_meta.scp((conn, tmp_path / "missing"), tmp_path / "x")
        with pytest.raises(ssh_meta.SFTPError):
            await ssh_meta.scp(tree, (conn, tmp_path / "x"))  # a directory, without recurse
        failed: list[BaseException] = []
        await ssh_meta.scp(
            [(conn, tmp_path / "missing"), (conn, tree / "file")],
            tmp_path,
            error_handler=failed.append,
        )
        assert len(failed) == 1
        assert (tmp_path / "file").read_bytes() == DATA


@pytest.mark.parametrize(
    ("sources", "target", "text"),
    [
        ("here", "there", "needs a host"),
        (["a:one", "b:two"], "here", "all on one machine"),
        ([], "host:there", "all on one machine"),
    ],
)
async def test_what_makes_no_sense(
    sources: ssh_meta.SCPPath | list[ssh_meta.SCPPath], target: str, text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        await ssh_meta.scp(sources, target)


async def test_server_has_to_allow_it(tree: Path, tmp_path: Path) -> None:
    """Without `allow_scp` the command goes to the application, as any other."""
    async with (
        running_server(sftp_factory=True, process_factory=None) as port,
        connected(port) as conn,
    ):
        with pytest.raises(ssh_meta.ChannelOpenError):
            await ssh_meta.scp(tree / "file", (conn, tmp_path / "there"))
    assert not (tmp_path / "there").exists()


async def test_program_that_is_no_scp(tree: Path, tmp_path: Path) -> None:
    """What the other end says on its stderr is in the error."""

    def broken(process: ssh_meta.SSHServerProcess[bytes]) -> None:
        process.stderr.write(b"sh: scp: command not found\x1b[2J\n")
        process.exit(127)

    async with running_server(process_factory=broken) as port, connected(port) as conn:
        with pytest.raises(ssh_meta.SFTPConnectionLost, match="command not found") as caught:
            await ssh_meta.scp(tree / "file", (conn, tmp_path / "there"))
        assert str(caught.value).isprintable()


@pytest.mark.interop
async def test_openssh_scp_with_our_server(tree: Path, tmp_path: Path) -> None:
    program = shutil.which("scp")
    if program is None:
        pytest.skip("scp is not installed")
    USER_KEY.write_private_key(tmp_path / "key")
    line = HOST_KEY.export_public_key().decode()
    (tmp_path / "known_hosts").write_text(f"* {line}")

    async with running_server(sftp_factory=True, allow_scp=True) as port:

        async def run(*arguments: str) -> None:
            process = await asyncio.create_subprocess_exec(
                program,
                "-O",
                "-F",
                "none",
                "-P",
                str(port),
                "-i",
                str(tmp_path / "key"),
                "-o",
                f"UserKnownHostsFile={tmp_path / 'known_hosts'}",
                *arguments,
                stderr=subprocess.PIPE,
            )
            _, errors = await process.communicate()
            assert process.returncode == 0, errors

        await run("-rp", str(tree), f"alice@127.0.0.1:{tmp_path / 'up'}")
        assert (tmp_path / "up" / "file").read_bytes() == DATA
        await run("-r", f"alice@127.0.0.1:{tmp_path / 'up'}", str(tmp_path / "down"))
        assert (tmp_path / "down" / "file").read_bytes() == DATA
        # Wildcards are for the server to expand.
        (tmp_path / "some").mkdir()
        await run(f"alice@127.0.0.1:{tmp_path / 'u?' / 'f*'}", str(tmp_path / "some"))
        assert (tmp_path / "some" / "file").read_bytes() == DATA
