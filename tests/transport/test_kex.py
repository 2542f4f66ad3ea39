"""Every key exchange method against itself, and with what a hostile peer may send."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssh_keys.algorithms import Status
from ssh_transport.errors import KeyExchangeFailed, ProtocolError
from ssh_transport.kex import KEX_METHODS, ecdh
from ssh_transport.kex.messages import KexEcdhInit, KexEcdhReply
from ssh_transport.protocols import KexAlgorithm
from tests.transport.kex_driver import HOST_KEY, Exchange

METHODS = [row for row in KEX_METHODS if not row.name.startswith(b"gss-")]
SLOW = {
    b"sntrup761x25519-sha512",
    b"sntrup761x25519-sha512@openssh.com",
    b"diffie-hellman-group17-sha512",
    b"diffie-hellman-group18-sha512",
    b"diffie-hellman-group18-sha512@ssh.com",
    b"rsa2048-sha256",
}
QUICK = [row for row in METHODS if row.name not in SLOW]

by_name = pytest.mark.parametrize("method", METHODS, ids=lambda row: row.name.decode())
by_quick_name = pytest.mark.parametrize("method", QUICK, ids=lambda row: row.name.decode())


def test_names_in_order_of_preference() -> None:
    assert [row.name.decode() for row in METHODS] == [
        "mlkem768x25519-sha256",
        "mlkem768nistp256-sha256",
        "mlkem1024nistp384-sha384",
        "sntrup761x25519-sha512",
        "sntrup761x25519-sha512@openssh.com",
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "curve448-sha512",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group18-sha512",
        "diffie-hellman-group17-sha512",
        "diffie-hellman-group15-sha512",
        "diffie-hellman-group-exchange-sha256",
        "diffie-hellman-group14-sha256",
        "rsa2048-sha256",
        "diffie-hellman-group14-sha256@ssh.com",
        "diffie-hellman-group14-sha224@ssh.com",
        "diffie-hellman-group15-sha256@ssh.com",
        "diffie-hellman-group15-sha384@ssh.com",
        "diffie-hellman-group16-sha384@ssh.com",
        "diffie-hellman-group16-sha512@ssh.com",
        "diffie-hellman-group18-sha512@ssh.com",
        "diffie-hellman-group-exchange-sha224@ssh.com",
        "diffie-hellman-group-exchange-sha384@ssh.com",
        "diffie-hellman-group-exchange-sha512@ssh.com",
        "ecdh-sha2-1.3.132.0.10",
        "diffie-hellman-group-exchange-sha1",
        "diffie-hellman-group14-sha1",
        "diffie-hellman-group1-sha1",
        "rsa1024-sha1",
    ]


def test_default_methods() -> None:
    assert [row.name.decode() for row in METHODS if row.status is Status.DEFAULT] == [
        "mlkem768x25519-sha256",
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group18-sha512",
        "diffie-hellman-group-exchange-sha256",
    ]


@by_name
def test_row_says_what_the_name_says(method: KexAlgorithm) -> None:
    name = method.name.decode()
    assert (method.status is Status.INSECURE) is name.endswith("sha1")
    assert method.post_quantum is name.startswith(("mlkem", "sntrup"))
    suffix = name.partition("@")[0].rpartition("-")[2]
    # RFC 5656 section 6.2.1: by the size of the curve.
    curves = {"nistp256": "sha256", "1.3.132.0.10": "sha256", "nistp384": "sha384"}
    assert method.hash_name == curves.get(suffix, "sha512" if suffix == "nistp521" else suffix)
    assert method.available()


@by_name
def test_both_sides_agree(method: KexAlgorithm) -> None:
    exchange = Exchange(method)
    exchange.run()
    client, server = exchange.client, exchange.server
    assert client.proof is not None
    assert server.proof is not None
    assert client.proof.secret == server.proof.secret
    assert client.digest == server.digest
    assert client.proof.host_key == HOST_KEY
    assert client.proof.signature == b"signature of " + server.digest
    assert client.proof.secret.hex() not in repr(client.proof)
    assert repr(client.proof.secret) not in repr(client.proof)


@by_name
def test_every_run_has_other_secrets(method: KexAlgorithm) -> None:
    secrets = set()
    for _ in range(2):
        exchange = Exchange(method)
        exchange.run()
        assert exchange.client.proof is not None
        secrets.add(exchange.client.proof.secret)
    assert len(secrets) == 2


@by_quick_name
def test_client_follows_its_random_source(method: KexAlgorithm) -> None:
    """So that a recorded session can be replayed."""
    first = []
    for _ in range(2):
        exchange = Exchange(method, client_random=random.Random(7).randbytes)
        exchange.run()
        first.append(exchange.client.sent[0])
    if method.name.startswith(b"rsa"):  # encryption adds randomness of the library
        return
    assert first[0] == first[1]


def seeded_exchange(method: KexAlgorithm) -> Exchange:
    """An exchange whose messages always have the same sizes."""
    return Exchange(
        method,
        client_random=random.Random(1).randbytes,
        server_random=random.Random(2).randbytes,
    )


# --- What a peer may send ------------------------------------------------------------------------


@by_quick_name
@pytest.mark.parametrize("who", ["client", "server"])
def test_cut_and_lengthened_messages(method: KexAlgorithm, who: str) -> None:
    plain = seeded_exchange(method)
    plain.run()
    sent = plain.client.sent if who == "client" else plain.server.sent
    for index, payload in enumerate(sent):
        whole = len(payload)
        for size in {1, 2, 4, 5, whole // 2, whole - 4, whole - 1}:
            run_changed(method, who, index, lambda text, size=size: bytes(text[:size]))  # type: ignore[misc]
        run_changed(method, who, index, lambda text: text + b"\0")


def run_changed(
    method: KexAlgorithm, who: str, index: int, change: Callable[[bytes], bytes]
) -> None:
    """Run with one changed message, which has to be refused."""
    count = iter(range(100))

    def tamper(payload: bytes) -> bytes:
        return change(payload) if next(count) == index else payload

    exchange = seeded_exchange(method)
    getattr(exchange, who).tamper = tamper
    with pytest.raises((ProtocolError, KeyExchangeFailed)):
        exchange.run()


@settings(max_examples=120, deadline=None)
@given(
    method=st.sampled_from(QUICK),
    who=st.sampled_from(["client", "server"]),
    position=st.integers(0, 1 << 20),
)
def test_changed_messages(method: KexAlgorithm, who: str, position: int) -> None:
    """Two sides that do not fail never have the same hash if a bit of a message was changed."""
    touched = []

    def tamper(payload: bytes) -> bytes:
        bit = 8 + position % (8 * len(payload) - 8)
        changed = bytearray(payload)
        changed[bit // 8] ^= 1 << bit % 8
        touched.append(bit)
        return bytes(changed)

    exchange = seeded_exchange(method)
    getattr(exchange, who).tamper = tamper
    try:
        exchange.run()
    except (ProtocolError, KeyExchangeFailed):
        return
    client, server = exchange.client, exchange.server
    assert touched
    assert client.proof is not None
    genuine = client.proof.signature == b"signature of " + server.digest
    assert client.digest != server.digest or not genuine or client.proof.host_key != HOST_KEY


@settings(max_examples=150, deadline=None)
@given(
    method=st.sampled_from(QUICK),
    who=st.sampled_from(["client", "server"]),
    noise=st.binary(max_size=300),
)
def test_noise(method: KexAlgorithm, who: str, noise: bytes) -> None:
    exchange = seeded_exchange(method)
    getattr(exchange, who).tamper = lambda payload: payload[:1] + noise
    try:
        exchange.run()
    except (ProtocolError, KeyExchangeFailed):
        return
    assert exchange.client.digest != exchange.server.digest


def test_abandoned_run_leaves_nothing() -> None:
    for method in QUICK:
        exchange = Exchange(method)
        run = exchange.client.run
        next(run)
        run.close()
        with pytest.raises(StopIteration):
            next(run)


def test_hash_covers_what_rfc_5656_lists() -> None:
    """Section 4: Q_C, Q_S and K, strings and an mpint."""
    exchange = Exchange(KEX_METHODS[b"ecdh-sha2-nistp256"])
    exchange.run()
    (init,), (reply,) = exchange.client.sent, exchange.server.sent
    q_c = init[5:]
    start = 1 + 4 + len(HOST_KEY)
    q_s = reply[start + 4 : start + 4 + 65]
    proof = exchange.client.proof
    assert proof is not None
    assert len(q_c) == len(q_s) == 65
    assert proof.fields == b"\0\0\0\x41" + q_c + b"\0\0\0\x41" + q_s
    assert len(proof.secret) <= 4 + 33
    expected = hashlib.sha256(
        b"\0\0\0\x0eSSH-2.0-client\0\0\0\x0eSSH-2.0-server"
        b"\0\0\0\x0eclient KEXINIT\0\0\0\x0eserver KEXINIT"
        + len(HOST_KEY).to_bytes(4, "big")
        + HOST_KEY
        + proof.fields
        + proof.secret
    ).digest()
    assert exchange.server.digest == expected


def test_random_source_of_the_system_is_enough() -> None:
    exchange = Exchange(KEX_METHODS[b"curve25519-sha256"], client_random=os.urandom)
    exchange.run()
    assert len(exchange.client.sent) == len(exchange.server.sent) == 1


def test_messages_by_hand_are_those_of_the_declarations() -> None:
    """Most handshakes are of this form, so that `ecdh` packs and reads it itself."""
    exchange = Exchange(KEX_METHODS[b"curve25519-sha256"])
    exchange.run()
    (init,), (reply,) = exchange.client.sent, exchange.server.sent
    assert KexEcdhInit.decode(init, 1).encode() == init
    fields = KexEcdhReply.decode(reply, 1)
    assert fields.encode() == reply
    assert fields.k_s == HOST_KEY
    assert ecdh._init(init) == KexEcdhInit.decode(init, 1).q_c
    assert ecdh._reply(reply) == (fields.k_s, fields.q_s, fields.signature)


@pytest.mark.parametrize("change", [lambda text: text[:-1], lambda text: text + b"x"])
def test_messages_read_by_hand_say_what_is_wrong(change: Callable[[bytes], bytes]) -> None:
    init = KexEcdhInit(bytes(32)).encode()
    reply = KexEcdhReply(b"key", bytes(32), b"signature").encode()
    with pytest.raises(ProtocolError, match="KexEcdhInit"):
        ecdh._init(change(init))
    with pytest.raises(ProtocolError, match="KexEcdhReply"):
        ecdh._reply(change(reply))
