"""What a client may ask of a server that forwards: impossible addresses, and malformed requests."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

import ssh_meta
from ssh_keys.wire import Reader, encode_string, encode_uint32
from tests.security.conftest import Serve
from tests.security.live_peer import (
    LivePeer,
    attacking_client,
    channel_open,
    global_request,
    open_session,
    userauth_request,
)

OPEN_FAILURE, REQUEST_FAILURE, CONNECT_FAILED = 92, 82, 2


class Forwarding(ssh_meta.SSHServer):
    """Lets everybody in and forwards everything."""

    asked: ClassVar[list[tuple[str, int]]] = []

    def begin_auth(self, username: str) -> bool:
        return False

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        self.asked.append((dest_host, dest_port))
        return True

    def unix_connection_requested(self, dest_path: str) -> bool:
        return True

    async def server_requested(self, listen_host: str, listen_port: int) -> bool:
        await asyncio.sleep(0)
        return True

    def unix_server_requested(self, listen_path: str) -> bool:
        return True


async def logged_in(peer: LivePeer) -> None:
    """Get in without a proof."""
    await peer.request_userauth()
    peer.send(userauth_request(b"alice", b"none"))
    await peer.expect(52)


def direct_tcpip(host: bytes, port: int) -> bytes:
    """The request for a connection."""
    origin = encode_string(b"127.0.0.1") + encode_uint32(1)
    return channel_open(
        kind=b"direct-tcpip", rest=encode_string(host) + encode_uint32(port) + origin
    )


HOSTS = [b"a\x00b", b"x" * 300, b".." * 4, b"\xc3\xbc" * 70, b"xn--\xc3\xbc"]


@pytest.mark.parametrize(
    ("host", "port"), [(b"127.0.0.1", 65536), (b"127.0.0.1", 0xFFFFFFFF), *((h, 9) for h in HOSTS)]
)
async def test_connections_to_impossible_addresses(serve: Serve, host: bytes, port: int) -> None:
    Forwarding.asked.clear()
    async with serve(server_factory=Forwarding) as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        peer.send(direct_tcpip(host, port))
        answer = await peer.expect(OPEN_FAILURE)
        assert Reader(answer, 5).uint32() == CONNECT_FAILED
        assert not any(number > 65535 for _, number in Forwarding.asked)
        await open_session(peer)


@pytest.mark.parametrize("kind", [b"direct-tcpip", b"direct-streamlocal@openssh.com"])
@pytest.mark.parametrize("rest", [b"", encode_string(b"a\xffb") + bytes(12), b"\xff" * 8])
async def test_channels_to_what_can_not_be_read(serve: Serve, kind: bytes, rest: bytes) -> None:
    """An honest client may pass on a name that is not UTF-8: no reason for a traceback in a log."""
    async with serve(server_factory=Forwarding) as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        peer.send(channel_open(kind=kind, rest=rest))
        answer = await peer.expect(OPEN_FAILURE)
        assert Reader(answer, 5).uint32() == CONNECT_FAILED
        await open_session(peer)


@pytest.mark.parametrize(
    ("host", "port"), [(b"127.0.0.1", 65536), (b"127.0.0.1", 0xFFFFFFFF), *((h, 0) for h in HOSTS)]
)
async def test_listeners_on_impossible_addresses(serve: Serve, host: bytes, port: int) -> None:
    async with serve(server_factory=Forwarding) as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        peer.send(global_request(b"tcpip-forward", encode_string(host) + encode_uint32(port)))
        await peer.expect(REQUEST_FAILURE)
        await open_session(peer)


@pytest.mark.parametrize("path", [b"", b"a\x00b", b"/nowhere/to/be/found", b"x" * 300])
async def test_impossible_paths(serve: Serve, path: bytes) -> None:
    async with serve(server_factory=Forwarding) as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        rest = encode_string(path) + encode_string(b"") + encode_uint32(0)
        peer.send(channel_open(kind=b"direct-streamlocal@openssh.com", rest=rest))
        await peer.expect(OPEN_FAILURE)
        peer.send(global_request(b"streamlocal-forward@openssh.com", encode_string(path)))
        await peer.expect(REQUEST_FAILURE)
        await open_session(peer)


@pytest.mark.parametrize("rest", [b"", b"\xff" * 8, encode_string(b"") + b"\0\0", bytes(12)])
@pytest.mark.parametrize(
    "kind",
    [
        b"tcpip-forward",
        b"cancel-tcpip-forward",
        b"streamlocal-forward@openssh.com",
        b"cancel-streamlocal-forward@openssh.com",
    ],
)
async def test_malformed_requests_end_the_connection(
    serve: Serve, kind: bytes, rest: bytes
) -> None:
    async with serve(server_factory=Forwarding) as victim, attacking_client(victim.port) as peer:
        await logged_in(peer)
        peer.send(global_request(kind, rest))
        await peer.expect_disconnect()
