"""Asking whether the peer is still there."""

from __future__ import annotations

from typing import Any

import pytest

from ssh_transport import ConnectionTimeoutError, Disconnected, Role, TransportConfig

from .pair import Pair, connected


def watched(role: Role = Role.CLIENT, **config: Any) -> Pair:
    options = {"keepalive_seconds": 10.0, "keepalive_count": 2} | config
    return connected(**{role.value: options})


def silence(pair: Pair, role: Role, seconds: float = 10) -> bool:
    """Let time pass without a byte of the peer; return whether our side asked."""
    core = pair.client if role is Role.CLIENT else pair.server
    pair.clock.now += seconds
    before = core.output_size
    core.handle_timer(pair.clock.now)
    return core.output_size > before


def test_off_unless_asked_for() -> None:
    pair = connected()
    pair.clock.now += 3000
    pair.client.handle_timer(pair.clock.now)
    assert pair.client.output_size == 0
    assert pair.client.next_deadline() == 1000 + 3600


def test_client_pings_a_server_that_announced_it_and_gets_an_answer() -> None:
    pair = watched()
    assert pair.client.next_deadline() == 1010
    assert not silence(pair, Role.CLIENT), "the handshake was a sign of life"
    for _ in range(20):
        assert silence(pair, Role.CLIENT)
        pair.pump()
        assert not silence(pair, Role.CLIENT), "the pong was one"
    assert not pair.client.closed


def test_peer_that_does_not_answer_is_given_up() -> None:
    pair = watched()
    silence(pair, Role.CLIENT)
    assert silence(pair, Role.CLIENT)
    assert silence(pair, Role.CLIENT)
    assert not pair.client.closed
    silence(pair, Role.CLIENT)
    pair.events[Role.CLIENT] += pair.client.drain_events()
    (end,) = pair.of_type(Role.CLIENT, Disconnected)
    assert isinstance(end.error, ConnectionTimeoutError)
    assert end.error.reason == "no answer to 2 keepalive messages in 20 seconds"
    assert pair.client.next_deadline() is None


def test_nothing_is_expected_of_a_server_before_the_user_is_authenticated() -> None:
    """OpenSSH announces pings and answers none until then, however long the user takes."""
    pair = Pair(client={"keepalive_seconds": 10.0, "keepalive_count": 2}).start()
    assert b"ping@openssh.com" in pair.client.peer_extensions
    silence(pair, Role.CLIENT)
    for _ in range(10):
        assert silence(pair, Role.CLIENT), "firewalls do not forget the connection"
        pair.client.take_output()
    assert not pair.client.closed


def test_half_a_packet_is_a_sign_of_life() -> None:
    pair = watched(keepalive_count=1)
    silence(pair, Role.CLIENT)
    pair.server.send(b"\x5e" + bytes(200))
    data = pair.server.take_output()
    for start in range(0, 40, 4):
        assert silence(pair, Role.CLIENT)
        pair.client.feed(data[start : start + 4])
        assert not silence(pair, Role.CLIENT)
    assert not pair.client.closed


def test_hook_asks_a_peer_that_knows_no_ping() -> None:
    pair = watched(Role.SERVER)  # clients announce no ping
    asked: list[float] = []
    pair.server.on_keepalive = lambda: asked.append(pair.clock.now)
    silence(pair, Role.SERVER)
    silence(pair, Role.SERVER)
    silence(pair, Role.SERVER)
    assert asked == [1020, 1030]
    silence(pair, Role.SERVER)
    assert pair.server.closed


def test_without_a_hook_something_is_sent_but_no_answer_is_counted() -> None:
    pair = watched(Role.SERVER)
    silence(pair, Role.SERVER)
    for _ in range(10):
        assert silence(pair, Role.SERVER)
        pair.pump()
    assert not pair.server.closed


def test_key_exchange_has_its_own_time_out() -> None:
    pair = watched()
    silence(pair, Role.CLIENT)
    pair.client.request_rekey()
    for _ in range(8):
        silence(pair, Role.CLIENT)
    assert not pair.client.closed, "nothing can be asked while keys are exchanged"
    pair.pump()
    assert not pair.client.closed


@pytest.mark.parametrize("config", [{"keepalive_seconds": -1}, {"keepalive_count": 0}])
def test_limits_are_checked(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="keepalive"):
        TransportConfig(role=Role.CLIENT, **config)
