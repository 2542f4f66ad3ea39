"""Limits of one set of keys in packets, sequence numbers that wrap, and what CBC needs besides."""

from __future__ import annotations

import pytest

from ssh_transport import (
    CIPHERS,
    Disconnected,
    ExtInfoReceived,
    KexCompleted,
    MessageOrderError,
    ProtocolError,
    Role,
)
from ssh_transport.messages import encode_ext_info
from ssh_transport.rekey import RekeyLimits

from .pair import Pair, connected

DATA = b"\x5e"


@pytest.fixture
def few_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RekeyLimits, "max_packets", 50)
    monkeypatch.setattr(RekeyLimits, "last_packet", 80)


@pytest.mark.usefixtures("few_packets")
@pytest.mark.parametrize("sender", list(Role))
def test_new_keys_after_many_packets(sender: Role) -> None:
    pair = connected()
    core = pair.client if sender is Role.CLIENT else pair.server
    for number in range(200):
        core.send(DATA + bytes([number]))
        pair.pump()
    receiver = Role.SERVER if sender is Role.CLIENT else Role.CLIENT
    assert pair.received[receiver] == [bytes([number]) for number in range(200)]
    assert len(pair.of_type(sender, KexCompleted)) == 1 + 200 // 51


def test_keys_that_get_old_before_the_user_is_authenticated() -> None:
    """They stay, without a timer that is due all the time, and are exchanged behind it."""
    pair = Pair(rekey_seconds=10.0).start()
    for _ in range(5):
        pair.clock.now += 20
        pair.client.handle_timer(pair.clock.now)
        assert 0 < (pair.client.next_deadline() or 0) - pair.clock.now < 10
    assert len(pair.of_type(Role.CLIENT, KexCompleted)) == 1
    pair.authenticate()
    pair.clock.now += 10
    pair.client.handle_timer(pair.clock.now)
    pair.pump()
    assert len(pair.of_type(Role.CLIENT, KexCompleted)) == 2


@pytest.mark.usefixtures("few_packets")
def test_peer_that_goes_on_instead_of_changing_keys_is_stopped_in_time() -> None:
    pair = connected()
    count = pair.client._reader.epoch_packets
    pair.server.writer.check_at = 1 << 60  # it does not ask for new keys on its part either
    while not pair.client.closed:
        pair.server.send(DATA)
        pair.client.feed(pair.server.take_output())
        count += 1
        # Its KEXINIT, which the server never sees, is due behind the first limit.
        assert bool(pair.client.output_size) is (count > 50)
    assert count == 81
    (end,) = [e for e in pair.client.drain_events() if isinstance(e, Disconnected)]
    assert isinstance(end.error, ProtocolError)
    assert "sequence numbers ran out" in end.error.reason


@pytest.mark.parametrize(
    "cipher", ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr"]
)
def test_sequence_numbers_wrap(cipher: str) -> None:
    # Without strict key exchange they go on for the whole connection (RFC 4253 section 6.4).
    pair = connected(ciphers=(cipher.encode(),))
    for core in (pair.client, pair.server):
        core._reader.seq = core.writer.seq = (1 << 32) - 5
        core._reader._epoch_seq = core.writer._epoch_seq = (1 << 32) - 6
    for number in range(20):
        pair.client.send(DATA + bytes([number]))
        pair.server.send(DATA + bytes([number]))
        pair.pump()
    for role in Role:
        assert pair.received[role] == [bytes([number]) for number in range(20)]
    assert pair.client._reader.seq == 15
    assert pair.client._reader.epoch_packets == 21


@pytest.mark.parametrize("cipher", [row.name for row in CIPHERS], ids=bytes.decode)
def test_cover_for_cbc_and_for_nothing_else(cipher: bytes) -> None:
    # RFC 4251 section 9.3.1: an SSH_MSG_IGNORE in front hides the IV that the last packet showed.
    pair = connected(ciphers=(cipher,))
    before = pair.client.writer.seq
    pair.client.send(DATA + b"x")
    assert pair.client.writer.seq - before == 1 + (b"-cbc" in cipher)
    pair.pump()
    assert pair.received[Role.SERVER] == [b"x"]


def test_extensions_of_the_layers_above_are_announced() -> None:
    announced = {b"publickey-hostbound@openssh.com": b"0"}
    pair = Pair(server={"extensions": announced}, client={"extensions": {b"x@y": b"z"}}).start()
    (of_server,) = pair.of_type(Role.CLIENT, ExtInfoReceived)
    assert announced.items() <= of_server.extensions.items()
    assert b"server-sig-algs" in of_server.extensions
    assert pair.client.peer_extensions == of_server.extensions
    assert pair.server.peer_extensions[b"x@y"] == b"z"


def test_delayed_compression_that_only_one_side_announced_means_nothing() -> None:
    # RFC 8308 section 3.2: it takes effect only if both sides sent it.
    lists = b"\0\0\0\x09zlib,none\0\0\0\x09zlib,none"
    pair = Pair()
    pair.server.config.extensions = {b"delay-compression": lists}
    pair.start()
    assert pair.client.peer_extensions[b"delay-compression"] == lists
    pair.authenticate()
    pair.client.send(DATA + bytes(1000))
    assert pair.client.output_size > 1000
    pair.pump()
    assert pair.received[Role.SERVER] == [bytes(1000)]
    pair.server.writer.write(b"\x08")  # SSH_MSG_NEWCOMPRESS
    pair.pump()
    (end,) = pair.of_type(Role.CLIENT, Disconnected)
    assert isinstance(end.error, MessageOrderError)


def test_delayed_compression_is_never_announced() -> None:
    with pytest.raises(ValueError, match="delay-compression"):
        Pair(client={"extensions": {b"delay-compression": b""}})


@pytest.mark.parametrize("count", [2, 3])
def test_a_server_may_announce_twice_and_no_more(count: int) -> None:
    # RFC 8308 section 2.4: once behind NEWKEYS, once in front of SSH_MSG_USERAUTH_SUCCESS.
    pair = Pair().start()
    for number in range(count - 1):
        names = {b"server-sig-algs": b"rsa-sha2-512", bytes([97 + number]): b""}
        pair.server.writer.write(encode_ext_info(names))
    pair.pump()
    assert pair.client.closed is (count > 2)
    assert pair.client.server_sig_algs == (b"rsa-sha2-512",)
