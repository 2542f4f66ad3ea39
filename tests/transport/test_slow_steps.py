"""Key exchange steps that run off the event loop: order, time-outs, loss, faults."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ssh_transport import (
    KEX_METHODS,
    ConnectionLost,
    ConnectionTimeoutError,
    Disconnected,
    DisconnectError,
    HostKeyOffered,
    KexCompleted,
    KeyExchangeFailed,
    Role,
    TransportCore,
    keyexchange,
)
from ssh_transport.kex.sntrup761 import SNTRUP761
from ssh_transport.negotiation import Offer, agree
from ssh_transport.protocols import KexContext, KexRun, KexStep
from ssh_transport.slow_steps import SlowStep
from ssh_transport.suites import Suite

from .pair import Pair
from .test_aio import Owner, connected

SLOW = b"diffie-hellman-group16-sha512"
# Those with GSS-API need credentials: tests/kerberos.
SLOW_METHODS = sorted(
    row.name for row in KEX_METHODS if row.slow and not row.name.startswith(b"gss-")
)


class Steps:
    """Where the steps of a core wait until a test runs them."""

    def __init__(self, core: TransportCore) -> None:
        self.core = core
        self.waiting: list[SlowStep] = []
        core.on_slow_step = self.waiting.append

    def run(self) -> None:
        step = self.waiting.pop()
        assert not self.waiting, "two steps of one connection at a time"
        step()
        self.core.step_finished(step)


def drive(pair: Pair, *steps: Steps) -> int:
    """Move bytes and run steps until nothing is left; return the number of steps."""
    count = 0
    pair.pump()
    while any(one.waiting for one in steps):
        for one in steps:
            if one.waiting:
                one.run()
                count += 1
        pair.pump()
    return count


@pytest.fixture
def pair() -> Pair:
    return Pair(kex_algorithms=(SLOW,))


def started(pair: Pair) -> Pair:
    pair.client.start()
    pair.server.start()
    return pair


def test_both_sides_hand_out_their_steps_and_agree(pair: Pair) -> None:
    client, server = Steps(pair.client), Steps(pair.server)
    # A client makes its value and takes the server's; a server waits for one, then does both.
    assert drive(started(pair), client, server) == 4
    assert pair.client.session_id == pair.server.session_id != b""
    assert not pair.client.closed
    assert not pair.server.closed


def test_nothing_is_handled_while_a_step_runs(pair: Pair) -> None:
    steps = Steps(pair.client)
    started(pair).pump()
    (step,) = steps.waiting
    step()
    assert pair.client.output_size == 0, "a step touches nothing but its run"
    for _ in range(3):
        pair.client.resume()  # whoever asks, the peer's packets wait
        pair.pump()
    assert steps.waiting == [step]
    assert not pair.of_type(Role.CLIENT, KexCompleted)
    steps.waiting.clear()
    pair.client.step_finished(step)
    drive(pair, steps)
    assert len(pair.of_type(Role.CLIENT, KexCompleted)) == 1


def test_the_decision_behind_a_step_still_stops_the_connection(pair: Pair) -> None:
    pair.auto = False
    steps = Steps(pair.client)
    drive(started(pair), steps)
    (offer,) = pair.of_type(Role.CLIENT, HostKeyOffered)
    assert not pair.of_type(Role.CLIENT, KexCompleted)
    pair.client.accept_host_key()
    pair.pump()
    assert len(pair.of_type(Role.CLIENT, KexCompleted)) == 1
    assert pair.client.host_key is offer.key


def test_rekey_with_messages_held_meanwhile(pair: Pair) -> None:
    steps = [Steps(pair.client), Steps(pair.server)]
    drive(started(pair), *steps)
    pair.authenticate()
    pair.server.request_rekey()
    pair.pump()
    assert any(one.waiting for one in steps)
    for number in range(10):
        pair.client.send(b"\x5e" + bytes([number]))
        pair.server.send(b"\x5e" + bytes([number]))
    pair.pump()
    assert pair.received[Role.SERVER] == []
    drive(pair, *steps)
    for role in Role:
        assert pair.received[role] == [bytes([number]) for number in range(10)]
        assert len(pair.of_type(role, KexCompleted)) == 2


def test_time_out_while_a_step_runs(pair: Pair) -> None:
    steps = Steps(pair.client)
    started(pair).pump()
    pair.clock.now += 121
    pair.client.handle_timer(pair.clock.now)
    (end,) = [e for e in pair.client.drain_events() if isinstance(e, Disconnected)]
    assert isinstance(end.error, ConnectionTimeoutError)
    steps.run()  # a step that comes too late changes nothing
    assert pair.client.drain_events() == []
    assert pair.client.next_deadline() is None


@pytest.mark.parametrize("began", [False, True])
def test_lost_connection_while_a_step_runs(pair: Pair, began: bool) -> None:
    steps = Steps(pair.server)
    started(pair).pump()
    (step,) = steps.waiting
    if began:
        step()
    pair.server.eof_received()
    if not began:
        step()
    assert isinstance(pair.server.drain_events()[-1], Disconnected)
    pair.server.step_finished(step)
    assert pair.server.drain_events() == []
    # Work for a connection that is gone is not begun.
    if not began:
        with pytest.raises(KeyExchangeFailed, match="given up"):
            step.outcome()


def test_disconnect_of_the_peer_waits_for_the_step(pair: Pair) -> None:
    steps = Steps(pair.client)
    started(pair).pump()
    pair.server.disconnect(11, "changed my mind")
    pair.pump()
    assert not pair.client.closed
    drive(pair, steps)
    (end,) = pair.of_type(Role.CLIENT, Disconnected)
    assert end.by_peer
    assert end.error.reason == "changed my mind"


def test_bad_value_of_the_peer_is_its_fault_wherever_the_step_ran(pair: Pair) -> None:
    steps = Steps(pair.server)
    started(pair)
    pair.server.feed(pair.client.take_output())
    steps.run()
    # SSH_MSG_KEXDH_INIT with e = 1, in clear behind the client's KEXINIT.
    pair.client.writer.write(b"\x1e\0\0\0\x01\x01")
    pair.server.feed(pair.client.take_output())
    steps.run()
    (end,) = [e for e in pair.server.drain_events() if isinstance(e, Disconnected)]
    assert isinstance(end.error, KeyExchangeFailed)
    assert "not between 1 and p - 1" in end.error.reason


def use(monkeypatch: pytest.MonkeyPatch, client: Callable[[KexContext], KexRun]) -> None:
    def agree_on_client(role: Role, ours: Offer, theirs: Offer) -> Suite:
        suite = agree(role, ours, theirs)
        return suite.replace(method=suite.method.replace(client=client))

    monkeypatch.setattr(keyexchange, "agree", agree_on_client)


# --- The asyncio adapter ---


@pytest.mark.parametrize("name", SLOW_METHODS, ids=bytes.decode)
async def test_every_slow_method_over_sockets(name: bytes) -> None:
    async with connected(kex_algorithms=(name,)) as (client, server):
        assert client.core.algorithms is not None
        assert client.core.algorithms.kex == name
        assert client.core.session_id == server.core.session_id


async def test_steps_run_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()
    row = KEX_METHODS[SLOW]

    def client(context: KexContext) -> KexRun:
        threads.add(threading.get_ident())
        yield from row.client(context)

    use(monkeypatch, client)
    async with connected(kex_algorithms=(SLOW,)):
        pass
    assert threads
    assert threading.get_ident() not in threads


@pytest.fixture
def busy_executor() -> Iterator[tuple[ThreadPoolExecutor, threading.Event]]:
    """An executor whose only thread is busy until the event is set."""
    executor, free = ThreadPoolExecutor(1), threading.Event()
    executor.submit(free.wait, 30)
    yield executor, free
    free.set()
    executor.shutdown()


async def half_open(**config: Any) -> tuple[Owner, asyncio.Server, list[Owner]]:
    """A client and a server that are connected but may not finish their exchange."""
    loop = asyncio.get_running_loop()
    servers: list[Owner] = []

    def accept() -> Any:
        servers.append(Owner(Role.SERVER, kex_algorithms=(SLOW,)))
        return servers[-1].transport

    listener = await loop.create_server(accept, "127.0.0.1", 0)
    client = Owner(Role.CLIENT, kex_algorithms=(SLOW,), **config)
    await loop.create_connection(lambda: client.transport, *listener.sockets[0].getsockname())
    return client, listener, servers


async def finish(listener: asyncio.Server, servers: list[Owner]) -> None:
    for server in servers:
        server.transport.abort()
        await asyncio.wait_for(server.lost, 5)
    listener.close()
    await listener.wait_closed()


async def test_time_out_fires_while_the_executor_is_busy(
    busy_executor: tuple[ThreadPoolExecutor, threading.Event],
) -> None:
    executor, free = busy_executor
    asyncio.get_running_loop().set_default_executor(executor)
    client, listener, servers = await half_open(kex_timeout=0.2)
    assert isinstance(await asyncio.wait_for(client.lost, 5), ConnectionTimeoutError)
    free.set()
    await finish(listener, servers)


async def test_peer_that_goes_away_is_noticed_while_the_executor_is_busy(
    busy_executor: tuple[ThreadPoolExecutor, threading.Event],
) -> None:
    executor, free = busy_executor
    asyncio.get_running_loop().set_default_executor(executor)
    client, listener, servers = await half_open()
    while not client.core._epochs.kex.working:
        await asyncio.sleep(0)
    servers[0].transport.abort()
    assert isinstance(await asyncio.wait_for(client.lost, 5), ConnectionLost)
    free.set()
    await finish(listener, servers)


async def test_close_by_the_owner_while_the_executor_is_busy(
    busy_executor: tuple[ThreadPoolExecutor, threading.Event],
) -> None:
    executor, free = busy_executor
    asyncio.get_running_loop().set_default_executor(executor)
    client, listener, servers = await half_open()
    while not client.core._epochs.kex.working:
        await asyncio.sleep(0)
    client.transport.close()
    assert await asyncio.wait_for(client.lost, 5) is None
    free.set()
    await finish(listener, servers)


async def test_executor_that_was_shut_down_ends_the_connection(
    busy_executor: tuple[ThreadPoolExecutor, threading.Event],
) -> None:
    executor, free = busy_executor
    free.set()
    executor.shutdown()
    asyncio.get_running_loop().set_default_executor(executor)
    client, listener, servers = await half_open()
    error = await asyncio.wait_for(client.lost, 5)
    assert isinstance(error, DisconnectError)
    await finish(listener, servers)


async def test_fault_of_ours_in_a_step_ends_the_connection_with_its_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(context: KexContext) -> KexRun:
        yield KexStep(expect=1 // len(context.moduli or ""))

    use(monkeypatch, broken)
    client, listener, servers = await half_open()
    error = await asyncio.wait_for(client.lost, 5)
    assert isinstance(error, ConnectionLost)
    assert isinstance(error.__cause__, ZeroDivisionError)
    await finish(listener, servers)


async def test_the_loop_turns_while_a_key_of_sntrup761_is_made() -> None:
    """Ours is Python, and none of its calls into C is long: the interpreter can change threads.

    Turns are counted, not seconds: one long call would leave room for a few in front of it.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        making = asyncio.ensure_future(asyncio.to_thread(SNTRUP761().start, random.randbytes))
        turns = 0
        while not making.done():
            turns += 1
            await asyncio.sleep(0)
    finally:
        sys.setswitchinterval(interval)
    public, _ = await making
    assert len(public) == SNTRUP761.public_size
    assert turns > 20
