"""The core in memory: handshake, data, rekeying, services, the end."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssh_keys import SSHKeyPair, SSHLocalKeyPair, generate_private_key
from ssh_transport import (
    CIPHERS,
    COMPRESSIONS,
    KEX_METHODS,
    MACS,
    AlgorithmNegotiationError,
    ConnectionLost,
    ConnectionTimeoutError,
    DebugReceived,
    Disconnected,
    DisconnectError,
    DisconnectReason,
    ExtInfoReceived,
    HostKeyMismatch,
    HostKeyOffered,
    KexCompleted,
    Phase,
    ProtocolError,
    Role,
    ServiceAccepted,
    ServiceNotAvailable,
    SignatureNeeded,
    VersionReceived,
)

from .gss_mechanism import SharedKeyContext
from .pair import HOST_KEY, Pair, connected

DATA = b"\x5e"


def ended(pair: Pair, role: Role) -> Disconnected:
    events = pair.of_type(role, Disconnected)
    assert len(events) == 1
    result: Disconnected = events[0]
    return result


def test_handshake_tells_both_sides_what_happened() -> None:
    pair = Pair().start()
    for role in Role:
        (version,) = pair.of_type(role, VersionReceived)
        assert version.version.startswith(b"SSH-2.0-ssh_meta")
        (completed,) = pair.of_type(role, KexCompleted)
        assert completed.first
        assert completed.algorithms.kex == KEX_METHODS.names()[0]
    (offered,) = pair.of_type(Role.CLIENT, HostKeyOffered)
    assert offered.blob == HOST_KEY.public_data
    assert pair.client.host_key == offered.key
    assert pair.client.session_id == pair.server.session_id
    assert len(pair.client.session_id) == 32
    assert pair.client.strict_kex
    assert pair.server.strict_kex
    assert pair.of_type(Role.CLIENT, ServiceAccepted)
    assert pair.client.phase is pair.server.phase is Phase.USERAUTH


def test_server_announces_its_signature_algorithms() -> None:
    pair = Pair(server={"sig_algorithms": (b"ssh-ed25519", b"rsa-sha2-512")}).start()
    assert pair.client.server_sig_algs == (b"ssh-ed25519", b"rsa-sha2-512")
    (info,) = pair.of_type(Role.SERVER, ExtInfoReceived)
    assert info.extensions == {b"ext-info-in-auth@openssh.com": b"0"}


@pytest.mark.parametrize("chunk", [1, 2, 7, 33])
def test_bytes_may_arrive_in_any_pieces(chunk: int) -> None:
    pair = Pair()
    pair.chunk = chunk
    pair.start().authenticate()
    pair.client.send_data(DATA, b"x" * 5000)
    pair.pump()
    assert pair.received[Role.SERVER] == [b"x" * 5000]


@pytest.mark.parametrize("name", [b"aes128-gcm@openssh.com", b"aes128-ctr", b"aes128-cbc"])
@pytest.mark.parametrize("count", [1, 3, 200])
def test_a_run_of_data_arrives_and_wakes_the_adapter(name: bytes, count: int) -> None:
    """With CBC, whose first packet is a cover, nobody was told that there is output."""
    pair = connected(ciphers=(name,))
    pair.client.take_output()
    woken: list[str] = []
    sent = bytearray()

    def flush() -> None:
        woken.append("full")
        sent.extend(pair.client.take_output())

    pair.client.on_output = lambda: woken.append("started")
    pair.client.on_output_full = flush
    data = os.urandom(1000) * count
    assert pair.client.send_data_run(DATA, memoryview(data), 1000) == len(data)
    assert woken
    assert woken[-1] == "started" or not pair.client.output_size
    pair.server.feed(bytes(sent + pair.client.take_output()))
    assert b"".join(pair.received[Role.SERVER]) == data


@pytest.mark.parametrize("name", CIPHERS.names(), ids=lambda name: name.decode())
def test_every_cipher_with_every_mac_carries_data_and_rekeys(name: bytes) -> None:
    macs = MACS.names() if not CIPHERS[name].tag_size else (b"hmac-sha2-256",)
    for mac in macs:
        pair = connected(ciphers=(name,), macs=(mac,))
        for size in (0, 1, 15, 16, 17, 1000, 32768, 262_000):
            payload = os.urandom(size)
            pair.client.send_data(DATA, payload)
            pair.server.send(DATA + payload)
            pair.pump()
            assert pair.received[Role.SERVER][-1] == payload
            assert pair.received[Role.CLIENT][-1] == payload
        pair.server.request_rekey()
        pair.pump()
        pair.client.send(DATA + b"after")
        pair.pump()
        assert pair.received[Role.SERVER][-1] == b"after"
        assert [event.first for event in pair.of_type(Role.CLIENT, KexCompleted)] == [True, False]


@pytest.mark.parametrize("name", [row.name for row in KEX_METHODS], ids=bytes.decode)
def test_every_kex_method(name: bytes) -> None:
    pair = Pair(
        kex_algorithms=(name,),
        client={"gss": lambda: SharedKeyContext(True)},
        server={"gss": lambda: SharedKeyContext(False)},
    ).start()
    assert pair.client.session_id == pair.server.session_id
    assert pair.client.algorithms is not None
    assert pair.client.algorithms.kex == name


@pytest.mark.parametrize("name", COMPRESSIONS.names(), ids=lambda name: name.decode())
def test_every_compression_survives_a_rekey(name: bytes) -> None:
    pair = connected(compressions=(name,))
    for _ in range(3):
        for core in (pair.client, pair.server):
            core.send_data(DATA, b"squeeze " * 1000)
        compressed = len(pair.client.output())
        assert (compressed < 1000) is (name != b"none")
        pair.pump()
        for role in Role:
            assert pair.received[role][-1] == b"squeeze " * 1000
        pair.client.request_rekey()
        pair.pump()


@pytest.mark.parametrize("algorithm", ["ecdsa-sha2-nistp256", "ssh-rsa"])
def test_other_host_keys(algorithm: str) -> None:
    key = SSHLocalKeyPair(generate_private_key(algorithm))
    pair = Pair(server={"host_keys": dict.fromkeys(key.host_key_algorithms, key)}).start()
    assert pair.client.host_key is not None
    assert pair.client.host_key.public_data == key.public_data
    assert pair.client.algorithms is not None
    assert pair.client.algorithms.host_key != b"ssh-rsa"


def test_host_key_that_signs_asynchronously() -> None:
    class Elsewhere(SSHLocalKeyPair):
        def sign(self, data: bytes, sig_algorithm: bytes):  # type: ignore[no-untyped-def]
            async def later() -> bytes:
                return HOST_KEY.sign(data, sig_algorithm)

            return later()

    pair: SSHKeyPair = Elsewhere(generate_private_key("ssh-ed25519"))
    pair.public_data = HOST_KEY.public_data
    cores = Pair(server={"host_keys": {b"ssh-ed25519": pair}}).start()
    (needed,) = cores.of_type(Role.SERVER, SignatureNeeded)
    assert not cores.of_type(Role.CLIENT, KexCompleted)
    with pytest.raises(StopIteration) as stop:
        needed.signature.send(None)
    cores.server.provide_signature(stop.value.value)
    cores.pump()
    assert cores.of_type(Role.CLIENT, KexCompleted)


def test_refused_host_key_ends_the_connection_with_its_reason() -> None:
    pair = Pair()
    pair.auto = False
    pair.start()
    pair.client.fail(HostKeyMismatch("not the key that we know"))
    pair.pump()
    event = ended(pair, Role.SERVER)
    assert event.by_peer
    assert event.error.code == DisconnectReason.SSH_DISCONNECT_HOST_KEY_NOT_VERIFIABLE
    assert not pair.of_type(Role.CLIENT, KexCompleted)


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        ("key exchange method", "kex_algorithms"),
        ("cipher client to server", "ciphers"),
        ("compression client to server", "compressions"),
    ],
)
def test_nothing_in_common_names_both_lists(kind: str, option: str) -> None:
    names = {
        "kex_algorithms": (b"curve25519-sha256", b"ecdh-sha2-nistp256"),
        "ciphers": (b"aes128-ctr", b"aes256-ctr"),
        "compressions": (b"none", b"zlib@openssh.com"),
    }[option]
    pair = Pair(client={option: names[:1]}, server={option: names[1:]}).start()
    for role, ours, theirs in ((Role.CLIENT, 0, 1), (Role.SERVER, 1, 0)):
        error = ended(pair, role).error
        if not isinstance(error, AlgorithmNegotiationError):
            continue
        assert error.kind == kind
        assert error.ours == (names[ours],)
        assert error.theirs == (names[theirs],)
    assert any(isinstance(ended(pair, role).error, AlgorithmNegotiationError) for role in Role)


def test_macs_are_not_negotiated_for_aead_ciphers() -> None:
    macs = {"client": {"macs": (b"hmac-sha2-256",)}, "server": {"macs": (b"hmac-sha2-512",)}}
    pair = Pair(ciphers=(b"aes128-gcm@openssh.com",), **macs).start()
    assert pair.client.algorithms is not None
    assert pair.client.algorithms.mac_cs == b""
    pair = Pair(ciphers=(b"aes128-ctr",), **macs).start()
    assert "MAC client to server" in str(ended(pair, Role.CLIENT).error)


def test_data_sent_during_a_rekey_waits_for_the_new_keys() -> None:
    pair = connected()
    pair.client.request_rekey()
    assert pair.client.blocked
    pair.client.send(DATA + b"held")
    pair.server.send(DATA + b"in flight")
    pair.pump()
    assert pair.received[Role.SERVER] == [b"held"]
    assert pair.received[Role.CLIENT] == [b"in flight"]
    assert not pair.client.blocked


def test_both_sides_start_a_rekey_at_once() -> None:
    pair = connected()
    pair.client.request_rekey()
    pair.server.request_rekey()
    pair.client.send(DATA + b"one")
    pair.server.send(DATA + b"two")
    pair.pump()
    assert pair.received[Role.SERVER] == [b"one"]
    assert pair.received[Role.CLIENT] == [b"two"]
    assert len(pair.of_type(Role.CLIENT, KexCompleted)) == 2


def test_rekey_after_bytes_and_after_seconds() -> None:
    pair = connected(rekey_bytes=100_000, rekey_seconds=600)
    sent = []
    for index in range(40):
        sent.append(bytes([index]) * 10_000)
        pair.client.send_data(DATA, sent[-1])
        pair.pump()
    assert pair.received[Role.SERVER] == sent
    by_bytes = len(pair.of_type(Role.SERVER, KexCompleted)) - 1
    assert by_bytes >= 3
    deadline = pair.server.next_deadline()
    assert deadline is not None
    pair.server.handle_timer(deadline - 1)
    pair.pump()
    assert len(pair.of_type(Role.SERVER, KexCompleted)) - 1 == by_bytes
    pair.clock.now = deadline
    pair.server.handle_timer(deadline)
    pair.pump()
    assert len(pair.of_type(Role.SERVER, KexCompleted)) - 1 == by_bytes + 1


def test_peer_that_never_finishes_a_key_exchange_is_dropped() -> None:
    pair = connected(kex_timeout=30)
    pair.client.request_rekey()
    deadline = pair.client.next_deadline()
    assert deadline == pair.clock.now + 30
    pair.client.handle_timer(deadline)
    assert pair.client.closed
    pair.events[Role.CLIENT] += pair.client.drain_events()
    assert isinstance(ended(pair, Role.CLIENT).error, ConnectionTimeoutError)


def test_silent_peer_is_dropped_before_the_first_key_exchange() -> None:
    pair = Pair(kex_timeout=10)
    pair.server.start()
    deadline = pair.server.next_deadline()
    assert deadline == pair.clock.now + 10
    pair.server.handle_timer(deadline)
    pair.pump()
    assert isinstance(ended(pair, Role.SERVER).error, ConnectionTimeoutError)


def test_requests_piling_up_in_a_rekey_are_bounded() -> None:
    pair = connected()
    pair.client.request_rekey()
    for _ in range(20_000):
        pair.client.send(DATA + b"answer")
    assert pair.client.closed
    pair.pump()
    assert isinstance(ended(pair, Role.CLIENT).error, ProtocolError)


def test_output_paused_blocks_and_tells_when_it_ends() -> None:
    pair = connected()
    calls: list[bool] = []
    pair.client.on_writable = lambda: calls.append(pair.client.blocked)
    pair.client.set_output_paused(True)
    assert pair.client.blocked
    pair.client.set_output_paused(False)
    assert calls == [False]


def test_pause_and_resume_keep_the_order() -> None:
    pair = connected()
    seen: list[bytes] = []

    def handler(packet: bytes, start: int, end: int) -> None:
        seen.append(packet[start:end])
        pair.server.pause()

    pair.server.set_handlers({94: handler})
    for text in (b"1", b"2", b"3"):
        pair.client.send(DATA + text)
    pair.pump()
    assert seen == [b"1"]
    pair.server.resume()
    assert seen == [b"1", b"2"]
    pair.server.resume()
    assert seen == [b"1", b"2", b"3"]


def test_debug_and_disconnect() -> None:
    pair = connected()
    pair.client.send_debug("look \x1b here", True, "de")
    pair.client.disconnect(11, "bye \x07", "en")
    pair.pump()
    (debug,) = pair.of_type(Role.SERVER, DebugReceived)
    assert (debug.always_display, debug.message, debug.lang) == (True, "look \x1b here", "de")
    event = ended(pair, Role.SERVER)
    assert event.by_peer
    assert (event.error.code, event.error.reason) == (11, "bye \\x07")
    assert isinstance(event.error, DisconnectError)
    pair.server.send(DATA)
    assert pair.server.take_output() == b""


@pytest.mark.parametrize(
    ("reason", "heard"),
    [("name \udcff", "name \\udcff"), ("x" * 1_000_000, "x" * 1024 + "...")],
    ids=["no text", "long"],
)
def test_any_reason_ends_the_connection(reason: str, heard: str) -> None:
    pair = connected()
    pair.client.disconnect(11, reason)
    pair.pump()
    assert pair.client.closed
    event = ended(pair, Role.SERVER)
    assert event.by_peer
    assert event.error.reason == heard


def test_unknown_service_is_refused() -> None:
    pair = Pair()
    pair.auto = False
    pair.start()
    pair.client.accept_host_key()
    pair.pump()
    pair.client.request_service(b"ssh-\x1bcoffee")
    pair.pump()
    error = ended(pair, Role.SERVER).error
    assert isinstance(error, ServiceNotAvailable)
    assert "ssh-\\x1bcoffee" in str(error)


def test_end_of_file_is_connection_lost() -> None:
    pair = connected()
    pair.client.eof_received()
    pair.pump()
    assert isinstance(ended(pair, Role.CLIENT).error, ConnectionLost)
    assert pair.client.take_output() == b""


def answers_to(pair: Pair, payload: bytes) -> list[bytes]:
    """Return what the client hears when it sends a payload, number first."""
    heard: list[bytes] = []

    def listen(packet: bytes, start: int, end: int) -> None:
        heard.append(packet[start - 1 : end])

    pair.client._reader.set_handlers(bytes(256), [listen])
    pair.client.send(payload)
    pair.pump()
    return heard


def test_ping_is_answered_with_its_data() -> None:
    assert answers_to(connected(), b"\xc0\x00\x00\x00\x02hi") == [b"\xc1\x00\x00\x00\x02hi"]


def test_unknown_message_is_answered_with_its_sequence_number() -> None:
    pair = connected()
    sequence = pair.client.writer.seq
    assert answers_to(pair, b"\xdcwhat") == [b"\x03" + sequence.to_bytes(4, "big")]
    assert not pair.server.closed


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_random_traffic_with_rekeys_arrives_whole_and_in_order(data: st.DataObject) -> None:
    pair = connected(ciphers=(data.draw(st.sampled_from(CIPHERS.names())),))
    pair.chunk = data.draw(st.integers(1, 5000))
    sent: dict[Role, list[bytes]] = {Role.CLIENT: [], Role.SERVER: []}
    for action in data.draw(st.lists(st.sampled_from(["c", "s", "rc", "rs", "pump"]), max_size=40)):
        core = pair.client if action in ("c", "rc") else pair.server
        if action == "pump":
            pair.pump()
        elif action.startswith("r"):
            core.request_rekey()
        else:
            payload = data.draw(st.binary(max_size=300))
            sent[core.role].append(payload)
            core.send(DATA + payload)
    pair.pump()
    assert pair.received[Role.SERVER] == sent[Role.CLIENT]
    assert pair.received[Role.CLIENT] == sent[Role.SERVER]
    assert not pair.client.closed
