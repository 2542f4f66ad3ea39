"""Each byte of a handshake flipped, cut off or replaced: an end with a name, or nothing at all.

Two honest cores talk in memory, and one direction is damaged on the way. Whatever happens, both
sides must be through with each other: they agree (a byte that nobody reads, like padding in
clear), or they end with one documented error each. What waits for bytes that will never come ends
when the clock reaches the deadline; a cut stream ends at once.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssh_transport import DisconnectError, Phase
from tests.security.raw_peer import HOST_KEY, Link, Puppet, client_config, server_config

Damage = Callable[[bytes], bytes]
SUITES = {
    "gcm": {"ciphers": (b"aes128-gcm@openssh.com",)},
    "chacha20": {"ciphers": (b"chacha20-poly1305@openssh.com",)},
    "ctr": {"ciphers": (b"aes128-ctr",), "macs": (b"hmac-sha2-256",)},
    "mlkem": {"kex_algorithms": (b"mlkem768x25519-sha256",)},
}
DIRECTIONS = ["to_server", "to_client"]


class Damaged(Link):
    """A pair whose bytes of one direction are damaged at an offset of the whole stream."""

    def __init__(self, suite: str, direction: str, offset: int, change: Damage) -> None:
        names = SUITES[suite]
        super().__init__(
            client_config(**names),
            server_config(HOST_KEY, **names),
            **{direction: self.damage},
        )
        self.offset = offset
        self.change = change
        self.position = 0
        self.cut = False

    def damage(self, data: bytes) -> bytes:
        """Change the byte at the offset; an empty result cuts the stream there."""
        if self.cut:
            return b""
        at = self.offset - self.position
        self.position += len(data)
        if not 0 <= at < len(data):
            return data
        changed = self.change(data[at : at + 1])
        if not changed:
            self.cut = True
            return data[:at]
        return data[:at] + changed + data[at + 1 :]

    def talk(self) -> None:
        """Go as far as the connection phase, if it can be reached."""
        self.client.core.request_service(b"ssh-userauth")
        self.run()
        if self.client.core.phase is self.server.core.phase is Phase.USERAUTH:
            for side in (self.server, self.client):
                side.core.authenticated()
                side.listen(range(80, 128))
            self.server.inject(b"\x50greeting of the server")
            self.client.inject(b"\x50greeting of the client")
            self.run()


def length(suite: str, direction: str) -> int:
    """Bytes of one direction of the whole conversation."""
    link = Damaged(suite, direction, -1, bytes)
    link.talk()
    assert link.client.messages == [b"\x50greeting of the server"]
    assert link.server.messages == [b"\x50greeting of the client"]
    return link.position


def settle(link: Damaged) -> None:
    """Let time pass, or the wire be cut, and check how it ended."""
    if link.cut:
        link.close()
    agreed = link.client.messages and link.server.messages
    for side in (link.client, link.server):
        check_side(side, settled=bool(agreed))


def check_side(side: Puppet, *, settled: bool) -> None:
    """One side is through: it agreed with the other, or it ended with a documented error."""
    core = side.core
    if not core.closed and not settled:
        deadline = core.next_deadline()
        assert deadline is not None, "nothing will ever end this connection"
        side.clock.now = deadline
        core.handle_timer(deadline)
        side.feed(b"")
        if core.phase in (Phase.SERVICE, Phase.USERAUTH, Phase.CONNECTION) and not core.closed:
            return  # keys are agreed on: the login time-out of the layer above ends it
    if core.closed:
        error = side.expect_end().error
        assert isinstance(error, DisconnectError)
        assert str(error).isprintable()
        assert core.next_deadline() is None
        for message in side.messages:
            assert message.startswith(b"\x50greeting of the ")


def run(suite: str, direction: str, offset: int, change: Damage) -> Damaged:
    """One conversation with one damage."""
    link = Damaged(suite, direction, offset, change)
    link.talk()
    settle(link)
    return link


def flip_low(byte: bytes) -> bytes:
    """The lowest bit: lengths and counts off by one."""
    return bytes((byte[0] ^ 0x01,))


def flip_high(byte: bytes) -> bytes:
    """The highest bit: lengths become huge."""
    return bytes((byte[0] ^ 0x80,))


def cut(byte: bytes) -> bytes:
    """The end of the stream."""
    return b""


def doubled(byte: bytes) -> bytes:
    """One byte more."""
    return byte * 2


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(
    ("suite", "change"),
    [("gcm", flip_low), ("gcm", flip_high), ("gcm", doubled), ("ctr", flip_high)],
)
def test_every_byte_changed(suite: str, direction: str, change: Damage) -> None:
    agreed = 0
    total = length(suite, direction)
    for offset in range(total):
        link = run(suite, direction, offset, change)
        agreed += bool(link.client.messages and link.server.messages)
    # Only padding in clear is read by nobody; all else is in the exchange hash or under a MAC.
    assert agreed <= 64


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("suite", ["gcm", "chacha20"])
def test_stream_cut_at_every_byte(suite: str, direction: str) -> None:
    for offset in range(length(suite, direction)):
        link = run(suite, direction, offset, cut)
        assert link.client.core.closed
        assert link.server.core.closed


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_replacement_anywhere(data: st.DataObject) -> None:
    suite = data.draw(st.sampled_from(sorted(SUITES)))
    direction = data.draw(st.sampled_from(DIRECTIONS))
    offset = data.draw(st.integers(0, 2500))
    replacement = data.draw(st.binary(max_size=40))
    run(suite, direction, offset, lambda _: replacement)


@settings(max_examples=150, deadline=None)
@given(stream=st.binary(max_size=600), client=st.booleans(), version=st.booleans())
def test_noise_instead_of_a_peer(stream: bytes, client: bool, version: bool) -> None:
    link = Link()
    victim = link.client if client else link.server
    if version:
        victim.feed(b"SSH-2.0-noise\r\n")
    victim.feed(stream)
    link.close()
    assert isinstance(victim.expect_end().error, DisconnectError)
