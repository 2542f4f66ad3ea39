"""The examples of the pages on terminals, forwarding, X11 and subprocesses run."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import ssh_meta
from tests.interop.peers.availability import program
from tests.networks import INTERFACES, needs_devices, wait_gone, wait_there

TOPICS = Path(__file__).resolve().parents[2] / "docs/topics"


def example(page: str) -> dict[str, Any]:
    """The names that the examples of a page define."""
    text = (TOPICS / page).read_text(encoding="utf-8")
    names: dict[str, Any] = {"asyncio": asyncio, "os": os}
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, names)
    return names


KEY = ssh_meta.generate_private_key("ssh-ed25519")


def options(port: int) -> dict[str, Any]:
    """Of a client."""
    known_hosts = f"[127.0.0.1]:{port} ".encode() + KEY.export_public_key()
    return {
        "known_hosts": known_hosts,
        "username": "ada",
        "client_keys": [KEY],
        "agent_path": None,
    }


async def test_terminals() -> None:
    names = example("terminals.md")
    keys = ssh_meta.SSHAuthorizedKeys(KEY.export_public_key().decode())
    async with await names["listen"](KEY, keys) as acceptor:
        port = acceptor.get_port()
        async with ssh_meta.connect("127.0.0.1", port, **options(port)) as conn:
            done = await conn.run(term_type="xterm", input="Adaa\x7f\rhidden\r")
    assert str(done.stdout).startswith("Name: Ada")
    assert str(done.stdout).endswith("Secret: \r\nHello, Ada\r\n")
    assert "hidden" not in str(done.stdout)


async def test_x11(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISPLAY", ":4711")
    monkeypatch.setenv("XAUTHORITY", str(tmp_path / "auth"))
    names = example("x11.md")
    keys = ssh_meta.SSHAuthorizedKeys(KEY.export_public_key().decode())
    async with await names["listen"](KEY, keys) as acceptor:
        port = acceptor.get_port()
        # No such display: whether a real one answers is for the interop tests.
        monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
        (tmp_path / "xdpyinfo").write_text("#!/bin/sh\necho $DISPLAY\n")
        (tmp_path / "xdpyinfo").chmod(0o700)
        done = await names["show"]("127.0.0.1", port, **options(port))
    assert re.fullmatch(r"localhost:\d+\.0\n", str(done.stdout))


class _Anything(ssh_meta.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return False

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        return True


class _Page(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\npage")
        self.transport.close()


async def test_forwarding() -> None:
    program("curl")
    names = example("forwarding.md")
    loop = asyncio.get_running_loop()
    async with (
        await loop.create_server(_Page, "127.0.0.1", 0) as website,
        ssh_meta.listen(
            "127.0.0.1", 0, server_host_keys=[KEY], server_factory=_Anything
        ) as acceptor,
    ):
        port = acceptor.get_port()
        url = f"http://127.0.0.1:{website.sockets[0].getsockname()[1]}/"
        page = await names["fetch"](url, "127.0.0.1", port, **options(port))
    assert page == b"page"


async def test_tunnels() -> None:
    needs_devices()
    if (INTERFACES / "tun7").exists():
        pytest.skip("somebody has tun7")
    names = example("forwarding.md")

    without_password = type("Gateway", (names["Gateway"], _Anything), {})
    async with ssh_meta.listen(
        "127.0.0.1", 0, server_host_keys=[KEY], server_factory=without_password
    ) as acceptor:
        port = acceptor.get_port()
        with pytest.raises(ssh_meta.ChannelOpenError):
            async with ssh_meta.connect("127.0.0.1", port, **options(port)) as conn:
                await conn.open_tun(8)
        joining = asyncio.create_task(
            names["join"]("10.97.0.2/24", "127.0.0.1", port, **options(port))
        )
        await wait_there("tun7")
        async with asyncio.timeout(20):
            while b"10.97.0.2/24" not in subprocess.check_output(["ip", "addr"]):
                await asyncio.sleep(0.01)
        joining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await joining
        await wait_gone("tun7")


async def test_subprocesses() -> None:
    async def copy(process: ssh_meta.SSHServerProcess[str]) -> None:
        process.stdout.write(await process.stdin.read())
        process.stderr.write(f"{process.command}\n")
        process.exit(3)

    names = example("subprocesses.md")
    async with ssh_meta.listen(
        "127.0.0.1", 0, server_host_keys=[KEY], server_factory=_Anything, process_factory=copy
    ) as acceptor:
        port = acceptor.get_port()
        status, lines = await names["numbered"]("tac", "127.0.0.1", port, **options(port))
    assert (status, sorted(lines)) == (3, [(1, "input\n"), (2, "tac\n")])
