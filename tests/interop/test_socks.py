"""Dynamic forwarding beside ``ssh -D``, with a SOCKS client of our own and with curl."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import ssh_meta
from tests.connection.socks_client import (
    GRANTED_4,
    all_of,
    granted,
    reply_5,
    upper_case,
    version_4,
    version_5,
)
from tests.interop.own_client import connect
from tests.interop.peers.availability import program
from tests.interop.peers.credentials import HOST, Credentials
from tests.interop.peers.openssh import sshd
from tests.interop.peers.process import clean_environment, free_port, run, serving
from tests.interop.peers.roles import PeerServer

GREETING = b"\5\1\0"


@pytest.fixture
async def conn(
    openssh_server: PeerServer, credentials: Credentials
) -> AsyncIterator[ssh_meta.SSHClientConnection]:
    """Our client, connected to sshd."""
    async with connect(openssh_server, credentials) as connected:
        yield connected


class _Website(asyncio.Protocol):
    """Answers a request of HTTP with its first line in capital letters."""

    def __init__(self) -> None:
        self._request = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._request += data
        if self._request.endswith(b"\r\n\r\n"):
            line = self._request.split(b"\r\n")[0].upper()
            head = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(line)
            self._transport.write(head + line)
            self._transport.close()


@contextlib.asynccontextmanager
async def website() -> AsyncIterator[int]:
    """The port of a web server."""
    loop = asyncio.get_running_loop()
    async with await loop.create_server(_Website, HOST, 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("option", ["--socks4", "--socks4a", "--socks5", "--socks5-hostname"])
@pytest.mark.parametrize("host", [HOST, "localhost"])
async def test_curl(
    conn: ssh_meta.SSHClientConnection, option: str, host: str, tmp_path: Path
) -> None:
    async with website() as port, await conn.forward_socks(HOST, 0) as listener:
        proxy = f"{HOST}:{listener.get_port()}"
        address = f"http://{host}:{port}/page"
        # --ipv4: who resolves a name itself may find ::1, where nobody is.
        argv = [program("curl"), "-q", "-sS", "--ipv4", "--noproxy", "", option, proxy, address]
        done = await run(argv, clean_environment(tmp_path))
        assert done.stdout == b"GET /PAGE HTTP/1.1", done.text


@pytest.mark.parametrize(
    ("option", "words"),
    [("--socks4a", "rejected"), ("--socks5-hostname", "(2)")],
)
async def test_curl_says_what_sshd_forbids(
    credentials: Credentials, option: str, words: str, tmp_path: Path
) -> None:
    with sshd(credentials, tmp_path, {"AllowTcpForwarding": "no"}) as server:
        async with (
            connect(server, credentials) as conn,
            await conn.forward_socks(HOST, 0) as listener,
        ):
            proxy = f"{HOST}:{listener.get_port()}"
            argv = [
                program("curl"),
                "-q",
                "-sS",
                "--noproxy",
                "",
                option,
                proxy,
                f"http://{HOST}:9/",
            ]
            done = await run(argv, clean_environment(tmp_path))
    assert done.status == 97, done.text
    assert words in done.stderr.decode(), done.text


def _handshakes(port: int) -> dict[str, tuple[bytes, bytes]]:
    """Handshakes, and what both ends say to them."""
    granted_5 = b"\5\0" + reply_5(0)
    return {
        "4": (version_4(HOST, port), GRANTED_4),
        "4A": (version_4("localhost", port), GRANTED_4),
        "5 address": (GREETING + version_5(HOST, port), granted_5),
        "5 name": (GREETING + version_5("localhost", port), granted_5),
        "5 more methods": (b"\5\3\2\0\1" + version_5(HOST, port), granted_5),
        "5 IPv6": (GREETING + version_5(f"::ffff:{HOST}", port), granted_5),
    }


#: What is refused, and how much of that ssh says.
REFUSED = {
    "HTTP": (b"GET / HTTP/1.0\r\n\r\n", b"", b""),
    "4 BIND": (b"\4\2\0\x50\x7f\0\0\1\0", b"\0\x5b" + bytes(6), b""),
    "5 password only": (b"\5\1\2", b"\5\xff", b""),
    "5 BIND": (GREETING + b"\5\2\0\1\x7f\0\0\1\0\x50", b"\5\0" + reply_5(7), b"\5\0"),
    "5 address type": (GREETING + b"\5\1\0\2\x7f\0\0\1\0\x50", b"\5\0" + reply_5(8), b"\5\0"),
    "5 reserved": (GREETING + b"\5\1\7\1\x7f\0\0\1\0\x50", b"\5\0" + reply_5(1), b"\5\0"),
}


async def test_as_ssh_does(
    conn: ssh_meta.SSHClientConnection,
    openssh_server: PeerServer,
    credentials: Credentials,
    tmp_path: Path,
) -> None:
    """The same bytes to both ports; ssh is silent where it refuses."""
    theirs = free_port()
    options = {
        "UserKnownHostsFile": str(credentials.known_hosts(openssh_server.port)),
        "GlobalKnownHostsFile": "/dev/null",
        "IdentitiesOnly": "yes",
        "IdentityFile": str(credentials.user_key),
        "DynamicForward": f"{HOST}:{theirs}",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    where = ["-p", str(openssh_server.port), f"{openssh_server.user}@{HOST}"]
    argv = [program("ssh"), "-F", "none", "-N", *words, *where]
    with serving("ssh", argv, theirs, tmp_path, clean_environment(tmp_path)):
        async with upper_case() as port, await conn.forward_socks(HOST, 0) as listener:
            ours = listener.get_port()
            for name, (sent, said) in _handshakes(port).items():
                # OpenSSH 10 repeats the port of the destination in answers of version 5.
                repeated = said[:-2] + port.to_bytes(2, "big")
                assert await granted(theirs, sent, said, b"text", repeated) == b"TEXT", name
                assert await granted(ours, sent, said, b"text") == b"TEXT", name
            for name, (sent, said, said_by_ssh) in REFUSED.items():
                assert await all_of(theirs, sent) in (said_by_ssh, b""), name
                assert await all_of(ours, sent) == said, name
