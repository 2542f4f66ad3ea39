"""What wakes us before login: nothing that says less than the peer has to say next."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ssh_transport import (
    CIPHERS,
    MACS,
    ConnectionLost,
    DisconnectError,
    Event,
    Role,
    TransportConfig,
    VersionReceived,
    login_reads,
)
from ssh_transport.aio import AsyncTransport, create_core
from ssh_transport.core import TransportCore
from ssh_transport.messages import ServiceAccept
from ssh_transport.phases import Phase

from .pair import HOST_KEY, Clock, Pair, connected, make_core

WAIT = 10
GREETING = b"SSH-2.0-Peer\r\n"

pytestmark = pytest.mark.skipif(not hasattr(socket, "SO_RCVLOWAT"), reason="not on this system")


class Owner:
    """Records what happens."""

    def __init__(self, role: Role = Role.CLIENT, **config: Any) -> None:
        self.transport = AsyncTransport(create_core(TransportConfig(role=role, **config)), self)
        self.core: TransportCore = self.transport.core
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.lost: asyncio.Future[DisconnectError | None] = (
            asyncio.get_running_loop().create_future()
        )

    def on_event(self, event: Event) -> None:
        self.events.put_nowait(event)

    def on_writable(self) -> None:
        """Nothing is waiting to be written."""

    def on_lost(self, exc: DisconnectError | None) -> None:
        self.lost.set_result(exc)

    @property
    def low_water(self) -> int:
        sock: Any = self.transport.get_extra_info("socket")
        number: int = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)
        return number


@asynccontextmanager
async def client_of_a_script() -> AsyncIterator[tuple[Owner, asyncio.StreamWriter]]:
    """A client of ours, and what writes to it."""
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(writer)

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        owner = Owner()
        address = server.sockets[0].getsockname()
        await asyncio.get_running_loop().create_connection(lambda: owner.transport, *address)
        writer = await asyncio.wait_for(accepted.get(), WAIT)
        try:
            yield owner, writer
        finally:
            owner.transport.abort()
            await asyncio.wait_for(owner.lost, WAIT)
            writer.close()


async def test_identification_string_alone_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_reads, "_PATIENCE", 600)
    async with client_of_a_script() as (owner, writer):
        assert 1 < owner.low_water <= 81
        writer.write(GREETING)
        await asyncio.sleep(0.05)
        assert owner.events.empty()
        pair = Pair()
        pair.server.start()
        kexinit = pair.server.take_output().partition(b"\n")[2]
        writer.write(kexinit)
        event = await asyncio.wait_for(owner.events.get(), WAIT)
        assert event == VersionReceived(GREETING.strip())
        assert owner.low_water == 1


async def test_peer_that_stops_behind_its_identification_string_is_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(login_reads, "_PATIENCE", 0.05)
    async with client_of_a_script() as (owner, writer):
        writer.write(GREETING)
        event = await asyncio.wait_for(owner.events.get(), WAIT)
        assert event == VersionReceived(GREETING.strip())
        assert owner.low_water == 1


async def test_peer_that_hangs_up_is_heard_at_once() -> None:
    async with client_of_a_script() as (owner, writer):
        writer.write(b"Not today\r\n")
        writer.close()
        assert isinstance(await asyncio.wait_for(owner.lost, WAIT), ConnectionLost)


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_what_was_not_read_does_not_reset_the_connection(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peer would get an error in place of SSH_MSG_DISCONNECT."""
    monkeypatch.setattr(login_reads, "_PATIENCE", 600)
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        owner = Owner()
        await loop.create_connection(lambda: owner.transport, *listener.getsockname())
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(WAIT)
            peer.sendall(GREETING)
            getattr(owner.transport, how)()
            await asyncio.wait_for(owner.lost, WAIT)
            assert peer.recv(4096).startswith(b"SSH-2.0-")
            while peer.recv(4096):
                pass  # to the end, and no ConnectionResetError


def test_no_greeting_is_shorter_than_what_is_waited_for() -> None:
    names = (b"",) * 10
    kexinit = 1 + 16 + sum(4 + len(name) for name in names) + 1 + 4
    core = make_core(Role.CLIENT, Clock())
    assert len(b"SSH-2.0-\n") + core.least_size(kexinit) >= login_reads._LEAST_GREETING


@pytest.mark.parametrize("name", CIPHERS.names(), ids=lambda name: name.decode())
def test_least_size_is_what_we_send_ourselves(name: bytes) -> None:
    message = ServiceAccept(b"ssh-userauth").encode()
    macs = MACS.names() if not CIPHERS[name].tag_size else (b"hmac-sha2-256",)
    for mac in macs:
        pair = connected(ciphers=(name,), macs=(mac,))
        pair.server.send(message)
        assert len(pair.server.take_output()) >= pair.client.least_size(len(message)) > 26


async def test_service_accept_alone_wakes_nobody_who_has_asked_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only where the layer above says that it has asked for something."""
    monkeypatch.setattr(login_reads, "_PATIENCE", 600)
    low_waters: list[int] = []
    for asked in (True, False):
        async with client_of_a_script() as (owner, _):
            login = owner.transport._login
            assert login is not None
            owner.core.peer_version = GREETING
            owner.core.phase = Phase.SERVICE
            owner.core.answer_awaited = asked
            assert login.prepare()
            low_waters.append(owner.low_water)
            owner.core.phase = Phase.CONNECTION
            assert not login.prepare()
            assert owner.low_water == 1
    clear = make_core(Role.CLIENT, Clock())
    assert low_waters == [clear.least_size(len(ServiceAccept(b"ssh-userauth").encode())) + 1, 1]


async def test_server_waits_for_nothing() -> None:
    """It must not have unread bytes when it closes, or the client does not hear why."""
    owners: list[Owner] = []

    def accept() -> AsyncTransport:
        owners.append(Owner(Role.SERVER, host_keys={b"ssh-ed25519": HOST_KEY}))
        return owners[-1].transport

    listener = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0)
    async with listener:
        reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
        writer.write(GREETING)
        await reader.readline()
        event = await asyncio.wait_for(owners[0].events.get(), WAIT)
        assert event == VersionReceived(GREETING.strip())
        owners[0].transport.close()
        # To the end, and no ConnectionResetError.
        await asyncio.wait_for(reader.read(), WAIT)
        writer.close()
        await asyncio.wait_for(owners[0].lost, WAIT)
