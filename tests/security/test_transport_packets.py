"""Table "Transport and key exchange": packets, compression, floods and legality under keys."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest

from ssh_keys import Status
from ssh_keys.wire import encode_string, encode_uint32
from ssh_transport import (
    CIPHERS,
    MACS,
    CompressionError,
    Disconnected,
    DisconnectError,
    MACError,
    MessageOrderError,
    Phase,
    ProtocolError,
    Role,
    ServiceNotAvailable,
    ServiceRequested,
)
from ssh_transport.phases import KNOWN, LEGAL
from tests.security.raw_peer import (
    ClearPeer,
    Link,
    Puppet,
    Victim,
    clear_packet,
    client_config,
    connected,
    in_connection,
    in_userauth,
    server_config,
)

AEAD = [b"aes128-gcm@openssh.com", b"aes256-gcm@openssh.com", b"chacha20-poly1305@openssh.com"]
SUITES = [(cipher, b"hmac-sha2-256") for cipher in AEAD] + [
    (b"aes128-ctr", b"hmac-sha2-256"),
    (b"aes256-ctr", b"hmac-sha2-512-etm@openssh.com"),
    (b"aes128-cbc", b"hmac-sha2-256"),
    (b"aes128-cbc", b"hmac-sha1-etm@openssh.com"),
]
FILL = 300_000  # more than the largest packet: what a victim reads before it may complain


def suite(cipher: bytes, mac: bytes) -> Link:
    """A pair in the connection phase that uses one cipher and MAC."""
    changes = {"ciphers": (cipher,), "macs": (mac,)}
    return in_connection(client_config(**changes), server_config(**changes))  # type: ignore[arg-type]


# --- Lengths and padding ---------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.CLIENT, Role.SERVER])
@pytest.mark.parametrize("length", [0, 1, 4, 5, 11, 13, 1 << 19, 1 << 31, (1 << 32) - 1])
def test_impossible_length_in_clear(role: Role, length: int) -> None:
    victim = Victim(client_config() if role is Role.CLIENT else server_config())
    peer = ClearPeer(victim)
    peer.send_version()
    peer.send_raw(encode_uint32(length) + bytes(12))
    assert isinstance(victim.expect_end().error, ProtocolError)


@pytest.mark.parametrize("padding", [0, 3, 11, 12, 255])
def test_impossible_padding_in_clear(padding: int) -> None:
    """CVE-2026-46597, CVE-2026-48110: what is not there is not read."""
    victim = Victim(server_config())
    peer = ClearPeer(victim)
    peer.send_version()
    peer.send_raw(encode_uint32(12) + bytes((padding,)) + bytes(11))
    assert isinstance(victim.expect_end().error, ProtocolError)


@pytest.mark.parametrize(("cipher", "mac"), SUITES, ids=str)
@pytest.mark.parametrize("padding", [0, 1, 3, 31, 255])
def test_impossible_padding_under_keys(cipher: bytes, mac: bytes, padding: int) -> None:
    """The packet is authentic and yet impossible: no other error than for a damaged one."""
    link = suite(cipher, mac)
    writer = link.client.core.writer
    size = 28 if writer._lead else 32
    buf = writer._room(4096)
    body = bytes((padding, 2)) + bytes(size - 2)
    writer.size = writer._seal(buf, writer._view, writer.size, body, writer.seq)
    link.run()
    error = link.server.expect_end().error
    assert isinstance(error, MACError)
    assert error.reason == MACError().reason


@pytest.mark.parametrize(("cipher", "mac"), SUITES, ids=str)
def test_every_damage_looks_the_same(cipher: bytes, mac: bytes) -> None:
    """CVE-2008-5161: length, padding and MAC errors cannot be told apart, not by the amount read.

    One bit of each byte of a packet is flipped in turn. Nothing of the packet is handed on.
    """
    size = len(sealed(suite(cipher, mac)))
    answers = set()
    for offset in range(size):
        link = suite(cipher, mac)
        data = bytearray(sealed(link))
        data[offset] ^= 0x10
        link.server.feed(bytes(data) + bytes(FILL))
        ended = link.server.expect_end()
        assert link.server.messages == []
        answers.add((type(ended.error), ended.error.reason))
    assert answers == {(MACError, MACError().reason)}


def sealed(link: Link) -> bytes:
    """A packet of the client, as it leaves."""
    link.client.inject(b"\x50" + encode_string(b"request@example.com") + b"\x00")
    return link.client.core.take_output()


@pytest.mark.parametrize(("cipher", "mac"), SUITES, ids=str)
def test_replay_and_reordering_are_noticed(cipher: bytes, mac: bytes) -> None:
    link = suite(cipher, mac)
    first, second = sealed(link), sealed(link)
    link.server.feed(first + first + bytes(FILL))
    assert isinstance(link.server.expect_end().error, MACError)
    assert len(link.server.messages) == 1

    link = suite(cipher, mac)
    first, second = sealed(link), sealed(link)
    link.server.feed(second + first + bytes(FILL))
    assert isinstance(link.server.expect_end().error, MACError)
    assert link.server.messages == []


@pytest.mark.parametrize(("cipher", "mac"), SUITES, ids=str)
def test_own_packets_do_not_come_back(cipher: bytes, mac: bytes) -> None:
    """Reflection: each direction has keys of its own."""
    link = suite(cipher, mac)
    link.client.feed(sealed(link) + bytes(FILL))
    assert isinstance(link.client.expect_end().error, MACError)


def test_claimed_lengths_allocate_nothing() -> None:
    """CVE-2026-48110, GHSA-g9f8-wqj9-fjw5."""
    victim = Victim(server_config())
    peer = ClearPeer(victim)
    peer.send_version()
    tracemalloc.start()
    try:
        for count in (1 << 20, 1 << 31, (1 << 32) - 1):
            other = ClearPeer(Victim(server_config()))
            other.send_version()
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            other.send(b"\x14" + bytes(16) + encode_uint32(count))
            assert tracemalloc.get_traced_memory()[1] - before < 100_000
    finally:
        tracemalloc.stop()


# --- Compression -----------------------------------------------------------------------------


class Precompressed:
    """A compressor that sends what it is given."""

    def compress(self, payload: bytes) -> bytes:
        """Return the payload."""
        return payload


def compressing() -> Link:
    """A pair that compresses."""
    changes = {"compressions": (b"zlib@openssh.com",)}
    link = in_connection(client_config(**changes), server_config(**changes))  # type: ignore[arg-type]
    link.client.core.writer.set_compressor(Precompressed())
    return link


def test_compression_bomb() -> None:
    link = compressing()
    stream = zlib.compressobj(9)
    bomb = stream.compress(b"\x50" + bytes(200 << 20)) + stream.flush(zlib.Z_SYNC_FLUSH)
    assert len(bomb) < 260_000
    tracemalloc.start()
    try:
        link.client.inject(bomb)
        link.run()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(link.server.expect_end().error, CompressionError)
    assert peak < 4 << 20
    assert link.server.messages == []


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff",
        zlib.compress(b"\x50" + bytes(10)),
        zlib.compress(b"")[:2] + b"\x00\x00\x00\xff\xff",
    ],
    ids=["no zlib", "ended stream", "empty payload"],
)
def test_bad_compressed_data(data: bytes) -> None:
    link = compressing()
    link.client.inject(data)
    link.run()
    assert isinstance(link.server.expect_end().error, CompressionError | ProtocolError)
    assert link.server.messages == []


def test_compression_waits_for_authentication() -> None:
    """CVE-2016-10012: nobody reaches the decompressor without authentication."""
    changes = {"compressions": (b"zlib@openssh.com",)}
    link = in_userauth(client_config(**changes), server_config(**changes))  # type: ignore[arg-type]
    assert link.server.core._reader._decompressor is None
    assert link.client.core._reader._decompressor is None
    for side in (link.client, link.server):
        side.core.authenticated()
    assert link.server.core._reader._decompressor is not None


# --- Legality: every number in every phase ---------------------------------------------------


def reach(phase: Phase) -> Link:
    """A pair in `phase`."""
    if phase is Phase.SERVICE:
        return connected()
    if phase is Phase.USERAUTH:
        return in_userauth()
    link = in_connection()
    if phase is Phase.REKEY:
        for side in (link.client, link.server):
            # Both wait for the other's answer to a KEXINIT that came: nothing else is legal.
            side.core._epochs.receiving_kex = True
            side.core.update_handlers()
    return link


@pytest.mark.parametrize("phase", [Phase.SERVICE, Phase.USERAUTH, Phase.CONNECTION, Phase.REKEY])
@pytest.mark.parametrize("role", [Role.CLIENT, Role.SERVER])
def test_every_number_is_handled_answered_or_refused(role: Role, phase: Phase) -> None:
    """CVE-2018-10933, CVE-2018-7750, CVE-2025-32433 and all their family, by exhaustion."""
    link: Link | None = None
    for number in range(256):
        if link is None:
            link = reach(phase)
        victim, peer = pair(link, role)
        before = len(victim.events)
        phase_before = victim.core.phase
        peer.inject(bytes((number,)) + encode_string(b"x"))
        peer.listen_to_everything()
        link.run()
        if number in LEGAL[role][phase] and number in range(50, 128):
            # Nobody registered it (or the test's own collector did): it changes nothing.
            assert victim.core.phase is phase_before
        if number in KNOWN and number not in LEGAL[role][phase]:
            assert isinstance(victim.expect_end().error, MessageOrderError), number
            assert victim.core.phase is phase_before
        elif number not in KNOWN:
            assert victim.ended is None, number
            sequence = (victim.core._reader.seq - 1) & 0xFFFFFFFF
            assert peer.messages[-1] == b"\x03" + encode_uint32(sequence)
            assert victim.events[before:] == []
        if victim.ended or number in KNOWN:
            link = None


def pair(link: Link, role: Role) -> tuple[Puppet, Puppet]:
    """Victim and attacker of a link."""
    if role is Role.CLIENT:
        return link.client, link.server
    return link.server, link.client


@pytest.mark.parametrize("number", [51, 52, 53])
def test_server_never_takes_a_servers_message(number: int) -> None:
    """CVE-2018-10933: a client that says USERAUTH_SUCCESS."""
    link = in_userauth()
    link.server.listen(range(50, 80))
    link.client.inject(bytes((number,)))
    link.run()
    assert isinstance(link.server.expect_end().error, MessageOrderError)
    assert link.server.core.phase is Phase.USERAUTH
    assert link.server.messages == []


@pytest.mark.parametrize("number", [80, *range(90, 101)])
def test_channels_do_not_exist_before_authentication(number: int) -> None:
    """CVE-2025-32433."""
    for link in (connected(), in_userauth()):
        link.server.listen(range(50, 128))
        link.client.inject(bytes((number,)) + encode_string(b"session") + bytes(12))
        link.run()
        assert isinstance(link.server.expect_end().error, MessageOrderError)
        assert link.server.messages == []


def test_unknown_service_is_refused() -> None:
    link = connected()
    link.client.inject(b"\x05" + encode_string(b"ssh-connection"))
    link.run()
    assert isinstance(link.server.expect_end().error, ServiceNotAvailable)


def test_service_that_was_not_asked_for() -> None:
    link = connected()
    link.server.inject(b"\x06" + encode_string(b"ssh-userauth"))
    link.run()
    assert isinstance(link.client.expect_end().error, ProtocolError)


# --- EXT_INFO --------------------------------------------------------------------------------


def ext_info(count: int, *pairs: tuple[bytes, bytes]) -> bytes:
    """SSH_MSG_EXT_INFO with a count that need not be true."""
    return (
        b"\x07"
        + encode_uint32(count)
        + b"".join(encode_string(name) + encode_string(value) for name, value in pairs)
    )


@pytest.mark.parametrize(
    "payload",
    [
        b"\x07",
        ext_info(1),
        ext_info((1 << 32) - 1, (b"a", b"b")),
        ext_info(1, (b"a", b"b"), (b"c", b"d")),
        ext_info(2, (b"a", b"b"), (b"a", b"c")),
        ext_info(1, (b"a", b"b"))[:-1],
    ],
    ids=["no count", "count 1 of 0", "4 billion", "one too many", "twice", "cut"],
)
def test_bad_ext_info(payload: bytes) -> None:
    """CVE-2026-55199: a count is only a loop bound together with what is left."""
    link = in_userauth()
    link.server.inject(payload)
    link.run()
    assert isinstance(link.client.expect_end().error, ProtocolError)


def test_ext_info_only_behind_newkeys() -> None:
    link = connected()
    link.client.inject(ext_info(1, (b"server-sig-algs", b"none")))
    link.run()
    assert isinstance(link.server.expect_end().error, MessageOrderError)


def test_second_ext_info_of_a_server_is_the_last() -> None:
    """RFC 8308 section 2.4: once behind NEWKEYS, once before USERAUTH_SUCCESS."""
    link = in_userauth()
    link.server.inject(ext_info(1, (b"server-sig-algs", b"ssh-ed25519")))
    link.run()
    assert link.client.core.server_sig_algs == (b"ssh-ed25519",)
    link.server.inject(ext_info(1, (b"server-sig-algs", b"none")))
    link.run()
    assert isinstance(link.client.expect_end().error, MessageOrderError)
    assert link.client.core.server_sig_algs == (b"ssh-ed25519",)


# --- Floods ----------------------------------------------------------------------------------

PING = b"\xc0" + encode_string(bytes(1000))


@pytest.mark.parametrize("side", [Role.CLIENT, Role.SERVER])
@pytest.mark.parametrize("flood", [PING, b"\xc8"], ids=["PING", "unknown"])
def test_answers_during_our_rekey_are_bounded(side: Role, flood: bytes) -> None:
    """CVE-2025-26466, CVE-2025-22869: the peer does not answer our KEXINIT, and asks on."""
    link = in_connection()
    victim, peer = pair(link, side)
    victim.core.request_rekey()
    victim.core.take_output()
    tracemalloc.start()
    try:
        for _ in range(2000):
            for _ in range(16):
                peer.inject(flood)
            victim.feed(peer.core.take_output())
            if victim.ended:
                break
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(victim.expect_end().error, ProtocolError)
    assert peak < 24 << 20
    assert len(victim.core._epochs.held) == 0


@pytest.mark.parametrize("side", [Role.CLIENT, Role.SERVER])
def test_foreign_messages_during_a_key_exchange(side: Role) -> None:
    """CVE-2025-22869: behind its KEXINIT, the peer may only go on with the exchange."""
    for payload in (PING, b"\x50" + encode_string(b"keepalive@openssh.com") + b"\x01", b"\x5d"):
        link = in_connection()
        victim, peer = pair(link, side)
        peer.core.request_rekey()
        peer.inject(payload)
        link.run()
        assert isinstance(victim.expect_end().error, MessageOrderError)


@pytest.mark.parametrize("side", [Role.CLIENT, Role.SERVER])
def test_kexinit_flood(side: Role) -> None:
    link = in_connection()
    victim, peer = pair(link, side)
    peer.core.request_rekey()
    first = peer.core.take_output()
    victim.feed(first)
    peer.inject(peer.core._epochs.kex._our_payload)
    victim.feed(peer.core.take_output())
    assert isinstance(victim.expect_end().error, MessageOrderError)


def test_service_requests_are_decided_one_at_a_time() -> None:
    link = connected()
    link.server.accept_service = False
    for _ in range(100):
        link.client.inject(b"\x05" + encode_string(b"ssh-userauth"))
    link.run()
    asked = [event for event in link.server.events if isinstance(event, ServiceRequested)]
    assert len(asked) == 1


# --- What reaches logs -----------------------------------------------------------------------


def test_disconnect_text_is_escaped() -> None:
    """x/crypto 0f039f3: no control character of the peer reaches a log or a terminal."""
    link = in_connection()
    text = b"bye\x1b[2J\x00\r\nforged log line" + b"x" * 100_000
    link.client.inject(b"\x01" + encode_uint32(11) + encode_string(text) + encode_string(b"\x1b"))
    link.run()
    ended = link.server.expect_end()
    assert isinstance(ended, Disconnected)
    assert ended.by_peer
    assert ended.error.code == 11
    assert str(ended.error).isprintable()
    assert ended.error.lang.isprintable()
    assert len(str(ended.error)) < 4000


def test_every_kind_of_protection_is_under_test() -> None:
    """The suites above cover each sealer class of the default ciphers, and both orders of a MAC."""
    default = {CIPHERS[name].sealer for name in CIPHERS.names(Status.DEFAULT)}
    assert default <= {CIPHERS[cipher].sealer for cipher, _ in SUITES}
    assert {MACS[mac].etm for _, mac in SUITES} == {True, False}


def test_errors_are_disconnect_errors() -> None:
    for error in (CompressionError, MACError, MessageOrderError, ProtocolError):
        assert issubclass(error, DisconnectError)


def test_padding_is_not_read_as_payload() -> None:
    """The largest padding that fits leaves one byte of payload."""
    victim = Victim(server_config())
    peer = ClearPeer(victim)
    peer.send_version()
    peer.send_raw(clear_packet(b"\x02" + encode_string(b""), padding=246))
    assert victim.ended is None
