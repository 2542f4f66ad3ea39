"""One core, three carriers: another connection's messages, a program, and bytes in memory."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssh_transport import (
    ConnectionLost,
    Disconnected,
    DisconnectError,
    Event,
    HostKeyOffered,
    KexCompleted,
    Role,
    ServiceAccepted,
    ServiceRequested,
    TransportConfig,
    TransportCore,
)
from ssh_transport.aio import create_core
from ssh_transport.command import connect_command
from tests.processes import alive

from .pair import HOST_KEY, Pair, connected
from .test_aio import Owner
from .test_aio import connected as connected_sockets

DATA = b"\x5e"


# --- Over the messages of another connection ---


class Tunnel:
    """Carries the bytes of one core in messages 94 of another one."""

    def __init__(self, outer: TransportCore, inner: TransportCore) -> None:
        self._outer = outer
        self.inner = inner
        outer.set_handlers({94: self._received})

    def _received(self, packet: bytes, start: int, end: int) -> None:
        self.inner.feed(packet[start:end])

    def flush(self) -> bool:
        data = self.inner.take_output()
        for start in range(0, len(data), 30_000):
            self._outer.send_data(DATA, data[start : start + 30_000])
        return bool(data)


def test_connection_within_a_connection_in_memory() -> None:
    outer, inner = connected(), Pair()
    inner.client.start()
    inner.server.start()
    tunnels = (Tunnel(outer.client, inner.client), Tunnel(outer.server, inner.server))
    while sum(tunnel.flush() for tunnel in tunnels):  # both of them, each time
        outer.pump()
        inner._decide(inner.client)
        inner._decide(inner.server)
    assert inner.of_type(Role.CLIENT, ServiceAccepted)
    assert inner.client.session_id == inner.server.session_id != outer.client.session_id


async def test_tunnel_that_shares_its_loop_with_the_carrier() -> None:
    """The inner connection is fed by a handler of the outer one, in the middle of its buffer."""
    async with connected_sockets() as (client, server):
        inner_client = _inner(Role.CLIENT)
        inner_server = _inner(Role.SERVER)
        done = asyncio.Event()
        payload = bytes(range(256)) * 2000
        received = bytearray()

        def carry(outer: Owner, inner: TransportCore) -> Callable[[], None]:
            def flush() -> None:
                while inner.output_size:
                    data = inner.take_output()
                    for start in range(0, len(data), 30_000):
                        outer.core.send_data(DATA, data[start : start + 30_000])

            def on_data(packet: bytes, start: int, end: int) -> None:
                inner.feed(packet[start:end])
                react(inner)
                flush()

            outer.core.set_handlers({94: on_data})
            return flush

        def react(inner: TransportCore) -> None:
            while events := inner.drain_events():
                for event in events:
                    assert not isinstance(event, Disconnected), event
                    answer(inner, event)

        def answer(inner: TransportCore, event: Event) -> None:
            if isinstance(event, HostKeyOffered):
                inner.accept_host_key()
            elif isinstance(event, KexCompleted) and inner.role is Role.CLIENT:
                inner.request_service(b"ssh-userauth")
            elif isinstance(event, ServiceRequested):
                inner.accept_service(event.name)
                inner.authenticated()
                inner.set_handlers({94: on_inner})
            elif isinstance(event, ServiceAccepted):
                inner.authenticated()
                for start in range(0, len(payload), 25_000):
                    inner.send(DATA + payload[start : start + 25_000])

        def on_inner(packet: bytes, start: int, end: int) -> None:
            received.extend(packet[start:end])
            if len(received) == len(payload):
                done.set()

        flushes = [carry(client, inner_client), carry(server, inner_server)]
        inner_client.start()
        inner_server.start()
        for flush in flushes:
            flush()
        await asyncio.wait_for(done.wait(), 10)
        assert received == payload


def _inner(role: Role) -> TransportCore:
    keys = {b"ssh-ed25519": HOST_KEY} if role is Role.SERVER else {}
    return create_core(TransportConfig(role=role, host_keys=keys), tunnelled=True)


# --- Through a program ---

RELAY = """
import socket, sys, threading, os
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def copy(read, write, end):
    while data := read(65536):
        write(data)
    end()
threading.Thread(
    target=copy,
    args=(lambda n: os.read(0, n), sock.sendall, lambda: sock.shutdown(socket.SHUT_WR)),
    daemon=True,
).start()
def out(data):
    while data:
        data = data[os.write(1, data):]
copy(sock.recv, out, lambda: None)
"""


async def _listen(servers: list[Owner], **config: Any) -> tuple[asyncio.Server, int]:
    def accept() -> Any:
        servers.append(Owner(Role.SERVER, **config))
        return servers[-1].transport

    listener = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0)
    return listener, listener.sockets[0].getsockname()[1]


@pytest.mark.parametrize("shell", [False, True])
async def test_client_through_a_program(shell: bool) -> None:
    servers: list[Owner] = []
    listener, port = await _listen(servers)
    client = Owner(Role.CLIENT, tunnelled=True)
    words = [sys.executable, "-c", RELAY, str(port)]
    line = f"exec '{sys.executable}' -c '{RELAY}' {port}".replace("\\", "")
    await connect_command(client.transport, line if shell else words, peername=("there", 22))
    await asyncio.wait_for(client.ready.wait(), 10)
    assert client.transport.get_extra_info("peername") == ("there", 22)
    pid = client.transport.get_extra_info("proxy_pid")
    (server,) = servers
    for number in range(100):
        client.core.send_data(DATA, number.to_bytes(2, "big") * 5000)
    async with asyncio.timeout(10):
        while len(server.received) < 100:
            await asyncio.sleep(0.01)
    assert server.received == [number.to_bytes(2, "big") * 5000 for number in range(100)]
    client.transport.close()
    assert await asyncio.wait_for(client.lost, 5) is None
    error = await asyncio.wait_for(server.lost, 5)
    assert isinstance(error, DisconnectError)
    assert error.code == 11
    assert not alive(pid)
    listener.close()
    await listener.wait_closed()


async def test_program_that_ends_is_a_lost_connection() -> None:
    client = Owner(Role.CLIENT, tunnelled=True)
    said: list[str] = []
    words = "import sys; print('sorry'); print('no\\troute', file=sys.stderr); sys.exit(5)"
    await connect_command(client.transport, [sys.executable, "-c", words], on_stderr=said.append)
    error = await asyncio.wait_for(client.lost, 10)
    assert isinstance(error, ConnectionLost)
    assert error.reason == r"connection lost: the proxy command ended with status 5: no\troute"
    assert said == [r"no\troute"]
    assert [event.line for event in client.events if hasattr(event, "line")] == [b"sorry"]


async def test_environment_and_folder_of_a_program(tmp_path: Path) -> None:
    client = Owner(Role.CLIENT, tunnelled=True)
    await connect_command(
        client.transport, 'echo "$WORD $(pwd)"', env={"WORD": "hello"}, cwd=tmp_path
    )
    assert isinstance(await asyncio.wait_for(client.lost, 10), ConnectionLost)
    lines = [event.line.decode() for event in client.events if hasattr(event, "line")]
    assert lines == [f"hello {tmp_path}"]


async def test_program_that_does_not_end_by_itself_is_ended() -> None:
    client = Owner(Role.CLIENT, tunnelled=True)
    ignore = (
        "import signal, time; signal.signal(signal.SIGHUP, signal.SIG_IGN); print(); time.sleep(60)"
    )
    await connect_command(client.transport, [sys.executable, "-u", "-c", ignore])
    pid = client.transport.get_extra_info("proxy_pid")
    async with asyncio.timeout(10):
        while not client.events:  # it ignores the signal from now on
            await asyncio.sleep(0.01)
    client.transport.abort()
    assert await asyncio.wait_for(client.lost, 5) is None
    assert not alive(pid)


async def test_program_that_does_not_exist() -> None:
    client = Owner(Role.CLIENT, tunnelled=True)
    with pytest.raises(OSError, match="no-such-program"):
        await connect_command(client.transport, ["/no-such-program"])
