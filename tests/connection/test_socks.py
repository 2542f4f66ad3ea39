"""Dynamic forwarding: `forward_socks` with SOCKS clients on real sockets."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from ssh_connection import (
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_RESOURCE_SHORTAGE,
    ChannelOpenError,
)
from tests.event_loops import LoopFactory, event_loops

from .loopback import HOST, Server, client, serving
from .socks_client import (
    GRANTED_4,
    REJECTED_4,
    all_of,
    connected,
    reply_5,
    upper_case,
    version_4,
    version_5,
)

GREETING = b"\5\1\0"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A port that answers in capital letters."""
    async with upper_case() as number:
        yield number


class Picky(Server):
    """Notes where connections go and come from, and refuses some."""

    asked: ClassVar[list[tuple[str, int, str, int]]] = []

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        self.asked.append((dest_host, dest_port, orig_host, orig_port))
        if dest_host == "shortage":
            raise ChannelOpenError(OPEN_RESOURCE_SHORTAGE, "no more")
        if dest_host == "prohibited":
            raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, "not there")
        return True


@pytest.mark.parametrize("host", [HOST, "localhost"])
async def test_each_version_reaches_the_server_s_network(port: int, host: str) -> None:
    Picky.asked.clear()
    async with (
        serving(server_factory=Picky) as server,
        await client(server, password="secret") as conn,
        await conn.forward_socks(HOST, 0) as listener,
    ):
        there = listener.get_port()
        assert listener.get_addresses() == [(HOST, there)]
        answer = await all_of(there, version_4(host, port), b"text", eof=True)
        assert answer == GRANTED_4 + b"TEXT"
        answer = await all_of(there, GREETING, version_5(host, port), b"text", eof=True)
        assert answer == b"\5\0" + reply_5(0) + b"TEXT"
        # Everything at once, as a client that is in a hurry.
        answer = await all_of(there, GREETING + version_5(host, port) + b"text", eof=True)
        assert answer == b"\5\0" + reply_5(0) + b"TEXT"
        assert [each[:3] for each in Picky.asked] == [(host, port, HOST)] * 3


async def test_version_6_addresses() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with (
        upper_case("::1") as port,
        serving() as server,
        await client(server, password="secret") as conn,
        await conn.forward_socks(HOST, 0) as listener,
    ):
        request = version_5("::1", port)
        answer = await all_of(listener.get_port(), GREETING, request, b"text", eof=True)
        assert answer == b"\5\0" + reply_5(0) + b"TEXT"


async def test_each_byte_alone(port: int) -> None:
    async with (
        serving() as server,
        await client(server, password="secret") as conn,
        await conn.forward_socks(HOST, 0) as listener,
    ):
        for sent, said in (
            (version_4("localhost", port), GRANTED_4),
            (GREETING + version_5(HOST, port), b"\5\0" + reply_5(0)),
        ):
            pieces = [bytes([byte]) for byte in sent + b"text"]
            assert await all_of(listener.get_port(), *pieces, eof=True) == said + b"TEXT"


async def test_data_behind_the_request_are_kept_in_order(port: int) -> None:
    text = b"0123456789abcdef" * 40_000
    async with (
        serving() as server,
        await client(server, password="secret") as conn,
        await conn.forward_socks(HOST, 0) as listener,
    ):
        answer = await all_of(listener.get_port(), version_4(HOST, port) + text, eof=True)
        assert answer == GRANTED_4 + text.upper()


async def test_nothing_is_granted_before_the_server_has_connected(port: int) -> None:
    asked, decide = asyncio.Event(), asyncio.Event()

    class Slow(Server):
        async def connection_requested(  # type: ignore[override]
            self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
        ) -> bool:
            asked.set()
            await decide.wait()
            return True

    async with (
        serving(server_factory=Slow) as server,
        await client(server, password="secret") as conn,
        await conn.forward_socks(HOST, 0) as listener,
        connected(listener.get_port()) as (reader, writer),
    ):
        writer.write(version_4(HOST, port))
        early = asyncio.create_task(reader.readexactly(8))
        await asked.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not early.done()
        decide.set()
        assert await early == GRANTED_4


@pytest.mark.parametrize(
    ("host", "code"), [("shortage", 1), ("prohibited", 2), ("localhost", 5), (HOST, 5)]
)
async def test_what_the_server_refuses(host: str, code: int) -> None:
    taken = socket.socket()  # bound, and nobody listens there
    taken.bind((HOST, 0))
    nobody = taken.getsockname()[1]
    with taken:
        async with (
            serving(server_factory=Picky) as server,
            await client(server, password="secret") as conn,
            await conn.forward_socks(HOST, 0) as listener,
        ):
            request = GREETING + version_5(host, nobody)
            assert await all_of(listener.get_port(), request) == b"\5\0" + reply_5(code)
            assert await all_of(listener.get_port(), version_4(host, nobody)) == REJECTED_4


async def test_accept_handler(port: int) -> None:
    asked: list[str] = []

    async def later(host: str, port: int) -> bool:
        await asyncio.sleep(0)
        asked.append(host)
        return len(asked) > 1

    async with (
        serving() as server,
        await client(server, password="secret") as conn,
        await conn.forward_socks(HOST, 0, later) as listener,
    ):
        request = GREETING + version_5(HOST, port)
        assert await all_of(listener.get_port(), request) == b"\5\0" + reply_5(2)
        answer = await all_of(listener.get_port(), request, b"text", eof=True)
        assert answer == b"\5\0" + reply_5(0) + b"TEXT"
        assert asked == [HOST, HOST]


async def test_requests_are_logged(port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "ssh_connection")
    async with (
        serving(server_factory=Picky) as server,
        await client(server, password="secret") as conn,
        await conn.forward_socks(HOST, 0) as listener,
    ):
        await all_of(listener.get_port(), version_4("prohibited", 99))
    assert "SOCKS request for prohibited, port 99" in caplog.text
    assert "SOCKS request failed: not there" in caplog.text


async def test_the_listener_ends_with_the_connection(port: int) -> None:
    async with serving() as server:
        conn = await client(server, password="secret")
        listener = await conn.forward_socks(HOST, 0)
        async with connected(listener.get_port()) as (reader, writer):
            writer.write(GREETING)
            assert await reader.readexactly(2) == b"\5\0"
            conn.close()
            await conn.wait_closed()
            await listener.wait_closed()
            assert await reader.read() == b""  # nobody can grant it any more
        with pytest.raises(ConnectionRefusedError):
            await all_of(listener.get_port())
        with pytest.raises(ChannelOpenError):
            await conn.forward_socks(HOST, 0)


async def test_closing_the_listener_leaves_connections_alone(port: int) -> None:
    async with serving() as server, await client(server, password="secret") as conn:
        listener = await conn.forward_socks(HOST, 0)
        async with connected(listener.get_port()) as (reader, writer):
            writer.write(version_4(HOST, port))
            assert await reader.readexactly(8) == GRANTED_4
            listener.close()
            listener.close()
            assert listener.is_closed()
            await listener.wait_closed()
            writer.write(b"text")
            writer.write_eof()
            assert await reader.read() == b"TEXT"


@pytest.mark.parametrize(("number", "error"), [(-1, ValueError), (65536, ValueError)])
async def test_ports_that_do_not_exist(number: int, error: type[Exception]) -> None:
    async with serving() as server, await client(server, password="secret") as conn:
        with pytest.raises(error):
            await conn.forward_socks(HOST, number)


@pytest.mark.parametrize(
    "new_loop", [pytest.param(factory, id=name) for name, factory in event_loops().items()]
)
def test_each_event_loop(new_loop: LoopFactory) -> None:
    """That of uvloop reads at once, whatever is said when a connection is made."""

    async def main() -> None:
        async with (
            upper_case() as port,
            serving() as server,
            await client(server, password="secret") as conn,
            await conn.forward_socks(HOST, 0) as listener,
        ):
            there = listener.get_port()
            request = GREETING + version_5("localhost", port) + b"text"
            for pieces in ([request], [bytes([byte]) for byte in request]):
                answer = await all_of(there, *pieces, eof=True)
                assert answer == b"\5\0" + reply_5(0) + b"TEXT"
            assert await all_of(there, b"GET / HTTP/1.0\r\n\r\n") == b""
            text = b"0123456789abcdef" * 40_000
            answer = await all_of(there, version_4(HOST, port) + text, eof=True)
            assert answer == GRANTED_4 + text.upper()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())
