"""Random interleavings of legal actions on two muxes with small windows.

Whatever the order, both sides agree on all data, nobody breaks the protocol, nothing waits for
ever, and nothing is left when everything is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ssh_connection.channel.tcpip import SSHTCPChannel
from ssh_connection.messages.connection import ChannelOpen
from tests.connection.channels import RecordingSession, RunSession
from tests.connection.mux_pair import End, Pair


@dataclass
class Half:
    """One side of one channel and what it wrote."""

    chan: SSHTCPChannel[bytes]
    session: RecordingSession
    written: bytearray = field(default_factory=bytearray)
    eof: bool = False


class World:
    """Two ends without a carrying task: the test itself moves messages."""

    def __init__(self, window: int, max_pktsize: int, mark: int) -> None:
        self.pair = Pair(mark)
        self.options: dict[str, Any] = {"window": window, "max_pktsize": max_pktsize}
        self.channels: list[tuple[Half, Half]] = []

    async def open(self) -> None:
        """Open one more channel."""
        server_session, client_session = RunSession(), RecordingSession()
        accepted: list[SSHTCPChannel[bytes]] = []

        def accept(request: ChannelOpen) -> SSHTCPChannel[bytes]:
            mux, services = self.pair.server.mux, self.pair.server.services
            chan: SSHTCPChannel[bytes] = SSHTCPChannel(services, mux, **self.options)
            chan.set_session(server_session)
            accepted.append(chan)
            return chan

        self.pair.server.services.accept = accept
        mux, services = self.pair.client.mux, self.pair.client.services
        chan: SSHTCPChannel[bytes] = SSHTCPChannel(services, mux, **self.options)
        chan.set_write_buffer_limits(high=64, low=16)
        task = asyncio.ensure_future(chan.connect(lambda: client_session, "host", 1))
        while not task.done():
            self.quiet(1)
            await asyncio.sleep(0)
        await task
        accepted[0].set_write_buffer_limits(high=64, low=16)
        self.channels.append((Half(chan, client_session), Half(accepted[0], server_session)))

    def quiet(self, limit: int = 10_000) -> None:
        """Carry messages until there are none, at most `limit` rounds."""
        for _ in range(limit):
            moved = Pair.move(self.pair.client, self.pair.server)
            moved |= Pair.move(self.pair.server, self.pair.client)
            if not moved:
                break

    def hold(self, end: End, held: bool) -> None:
        """Block or unblock the core of one end."""
        end.core.held = held
        if not held and not end.core.blocked:
            end.mux.on_writable()

    def act(self, action: tuple[Any, ...]) -> None:
        """Do one random thing."""
        kind, side, channel, amount = action
        half = self.channels[channel % len(self.channels)][side]
        end = (self.pair.client, self.pair.server)[side]
        other = (self.pair.server, self.pair.client)[side]
        if kind == "write" and not half.eof and not half.chan.is_closing():
            data = bytes((len(half.written) + index) & 0xFF for index in range(amount))
            half.written += data
            half.chan.write(data)
        elif kind == "eof":
            half.eof = True
            half.chan.write_eof()
        elif kind == "pause":
            half.chan.pause_reading()
        elif kind == "resume":
            half.chan.resume_reading()
        elif kind == "move":
            Pair.move(end, other, amount)
        elif kind == "hold":
            self.hold(end, bool(amount % 2))

    def check_bounds(self, window: int) -> None:
        """What is held for a session that does not read never exceeds its window."""
        for halves in self.channels:
            for half in halves:
                held = sum(end - start for _, start, end, _ in half.chan._held)
                assert held <= window
                assert half.chan.receive_room >= 0

    def check_errors(self) -> None:
        """Nobody broke the protocol."""
        assert self.pair.client.core.closed_with is None
        assert self.pair.server.core.closed_with is None


def play(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run one example in a loop of its own."""
    with asyncio.Runner() as runner:
        runner.run(coroutine)


ACTION = st.tuples(
    st.sampled_from(["write"] * 4 + ["move"] * 4 + ["pause", "resume", "hold", "eof"]),
    st.integers(0, 1),
    st.integers(0, 2),
    st.integers(1, 300),
)


@settings(max_examples=150, deadline=None)
@given(
    window=st.integers(1, 200),
    max_pktsize=st.integers(1, 200),
    mark=st.integers(0, 500),
    channels=st.integers(1, 3),
    actions=st.lists(ACTION, max_size=60),
)
def test_both_sides_agree(
    window: int, max_pktsize: int, mark: int, channels: int, actions: list[tuple[Any, ...]]
) -> None:
    async def run() -> None:
        world = World(window, max_pktsize, mark)
        for _ in range(channels):
            await world.open()
        for action in actions:
            world.act(action)
            world.check_errors()
            world.check_bounds(window)
        for end in (world.pair.client, world.pair.server):
            world.hold(end, False)
        for halves in world.channels:
            for half in halves:
                half.chan.resume_reading()
        world.quiet()
        world.check_errors()
        for client, server in world.channels:
            for sender, receiver in ((client, server), (server, client)):
                assert bytes(receiver.session.data) == bytes(sender.written)
                assert sender.chan.get_write_buffer_size() == 0
                assert receiver.session.events.count("eof") == sender.eof
                paused = [e for e in sender.session.events if e in ("pause", "resume")]
                assert paused[::2] == ["pause"] * (len(paused) // 2)
                assert paused[1::2] == ["resume"] * (len(paused) // 2)
            for half in (client, server):
                half.chan.close()
        world.quiet()
        world.check_errors()
        assert world.pair.client.mux.channels == world.pair.server.mux.channels == ()
        for halves in world.channels:
            for half in halves:
                assert half.session.events.count("lost") == 1
                assert half.session.events[-1] == "lost"
                assert half.session.lost_with == [None]

    play(run())


CLOSING = st.tuples(
    st.sampled_from(["write", "write", "move", "move", "pause", "resume", "close", "abort"]),
    st.integers(0, 1),
    st.integers(0, 2),
    st.integers(1, 100),
)


# Both close behind data for which the other, who reads no more, has to open its window.
BOTH_CLOSE = [("write", 0, 1, 2), ("write", 1, 1, 2), ("close", 0, 1, 1), ("close", 1, 1, 1)]


@settings(max_examples=150, deadline=None)
@example(window=1, actions=BOTH_CLOSE)
@given(window=st.integers(1, 200), actions=st.lists(CLOSING, max_size=40))
def test_closing_at_any_time(window: int, actions: list[tuple[Any, ...]]) -> None:
    async def run() -> None:
        world = World(window, 50, 300)
        for _ in range(3):
            await world.open()
        for action in actions:
            kind, side, channel, _ = action
            if kind in ("close", "abort"):
                getattr(world.channels[channel][side].chan, kind)()
            else:
                world.act(action)
            world.check_errors()
        world.quiet()
        for halves in world.channels:
            for half in halves:
                half.chan.resume_reading()
        world.quiet()
        for halves in world.channels:
            for half in halves:
                half.chan.close()
        world.quiet()
        for client, server in world.channels:
            for sender, receiver in ((client, server), (server, client)):
                received = bytes(receiver.session.data)
                assert bytes(sender.written).startswith(received)
            for half in (client, server):
                half.chan.resume_reading()
                assert half.session.events.count("lost") == 1
        world.check_errors()
        assert world.pair.client.mux.channels == world.pair.server.mux.channels == ()
        assert not world.pair.client.mux.ready
        assert not world.pair.server.mux.ready

    play(run())
