"""SO_RCVLOWAT while bulk data comes: entered late, left in time, never where answers are due."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from ssh_transport.bulk_reads import BULK_READ, BulkReads


class Transport(asyncio.BaseTransport):
    """A transport that has nothing but a socket."""


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()),
        server.accept()[0] as accepted,
    ):
        yield accepted


def low_water(sock: socket.socket) -> int:
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)


def watch(sock: object) -> BulkReads:
    return BulkReads(Transport({"socket": sock}), asyncio.get_running_loop())


async def until_ordinary(sock: socket.socket) -> None:
    async with asyncio.timeout(5):
        while low_water(sock) != 1:
            await asyncio.sleep(0.001)


async def test_only_a_row_of_large_reads_counts(receiver: socket.socket) -> None:
    bulk = watch(receiver)
    for _ in range(10):
        for _ in range(15):
            bulk.note(BULK_READ)
        bulk.note(BULK_READ - 1)
    assert low_water(receiver) == 1
    for _ in range(16):
        bulk.note(BULK_READ)
    assert low_water(receiver) == 224 * 1024
    bulk.close()


async def test_reads_that_are_answered_do_not_count(receiver: socket.socket) -> None:
    bulk = watch(receiver)
    for _ in range(20):
        for _ in range(15):
            bulk.note(BULK_READ)
        bulk.answered()
    assert low_water(receiver) == 1


async def test_silence_ends_it_and_an_attempt_in_vain_makes_the_next_one_later(
    receiver: socket.socket,
) -> None:
    bulk = watch(receiver)
    needed = 16
    for _ in range(4):
        for _ in range(needed):
            assert low_water(receiver) == 1
            bulk.note(BULK_READ)
        assert low_water(receiver) > 1
        await until_ordinary(receiver)
        needed *= 2
    # One that was worth it makes up for all of them.
    for _ in range(needed + 64):
        bulk.note(BULK_READ)
    await until_ordinary(receiver)
    for _ in range(16):
        bulk.note(BULK_READ)
    assert low_water(receiver) > 1
    await until_ordinary(receiver)


@pytest.mark.parametrize("sock", [None, object()], ids=["no socket", "not settable"])
async def test_a_transport_that_can_not_do_it(sock: object) -> None:
    bulk = watch(sock)
    for _ in range(40):
        bulk.note(BULK_READ)
    bulk.close()


async def test_closing_in_the_middle(receiver: socket.socket) -> None:
    bulk = watch(receiver)
    for _ in range(16):
        bulk.note(BULK_READ)
    bulk.close()
    await asyncio.sleep(0.02)
    bulk.note(BULK_READ)


def send_and_hear(bulk: BulkReads, count: int, sent: int = 65536) -> None:
    for _ in range(count):
        bulk.acknowledged(36, sent)


async def test_acknowledgements_of_bulk_data_are_collected(receiver: socket.socket) -> None:
    bulk = watch(receiver)
    send_and_hear(bulk, 15)
    assert low_water(receiver) == 1
    send_and_hear(bulk, 1)
    assert low_water(receiver) == 8 * 36  # half a megabyte
    await until_ordinary(receiver)
    # The attempt was in vain.
    send_and_hear(bulk, 31)
    assert low_water(receiver) == 1
    send_and_hear(bulk, 1)
    assert low_water(receiver) > 1
    send_and_hear(bulk, 64)
    await until_ordinary(receiver)
    send_and_hear(bulk, 16)
    assert low_water(receiver) > 1
    bulk.close()


async def test_acknowledgements_of_much_are_heard_one_by_one(receiver: socket.socket) -> None:
    bulk = watch(receiver)
    send_and_hear(bulk, 100, sent=300_000)
    assert low_water(receiver) == 1


async def test_what_else_the_peer_says_is_heard_at_once(receiver: socket.socket) -> None:
    bulk = watch(receiver)
    for _ in range(10):
        send_and_hear(bulk, 15)
        bulk.answered()
        send_and_hear(bulk, 15)
        bulk.acknowledged(1025, 65536)
    assert low_water(receiver) == 1
    send_and_hear(bulk, 16)
    assert low_water(receiver) > 1
    bulk.answered()
    assert low_water(receiver) == 1
    send_and_hear(bulk, 32)
    assert low_water(receiver) > 1
    bulk.note(BULK_READ)
    assert low_water(receiver) == 1
    await asyncio.sleep(0.02)
    assert low_water(receiver) == 1


async def test_a_quick_peer_makes_us_wait_for_more(receiver: socket.socket) -> None:
    bulk = watch(receiver)
    for _ in range(16):
        bulk.note(BULK_READ)
    seen = []
    async with asyncio.timeout(5):
        while low_water(receiver) < 736 * 1024:
            for _ in range(3):
                bulk.note(224 * 1024)
            before = low_water(receiver)
            while low_water(receiver) == before != 736 * 1024:
                bulk.note(224 * 1024)
                await asyncio.sleep(0.001)
            seen.append(low_water(receiver))
    assert seen == [448 * 1024, 736 * 1024]
    await until_ordinary(receiver)
    # The peer was quick: the next attempt comes as early as the first, and begins as low.
    for _ in range(16):
        bulk.note(BULK_READ)
    assert low_water(receiver) == 224 * 1024
    bulk.close()
