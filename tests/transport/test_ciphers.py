"""Sealers and openers: round trips, published vectors, and what a change of any bit leads to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from itertools import product

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from ssh_keys.algorithms import Status
from ssh_transport.ciphers import CIPHERS, NoneOpener, NoneSealer
from ssh_transport.errors import MACError
from ssh_transport.mac import MACS
from ssh_transport.protocols import (
    SEAL_SLACK,
    CipherAlgorithm,
    MACAlgorithm,
    PacketOpener,
    PacketSealer,
)
from tests.transport.chacha import chacha20, poly1305

Pair = tuple[CipherAlgorithm, MACAlgorithm | None]


def available_pairs() -> Iterator[Pair]:
    """Every cipher that OpenSSL has here, with every MAC if it needs one."""
    macs = [MACS[name] for name in MACS.names()]
    for name in CIPHERS.names():
        cipher = CIPHERS[name]
        if cipher.tag_size:
            yield cipher, None
        else:
            yield from product((cipher,), macs)


PAIRS = list(available_pairs())


def name_of(pair: Pair) -> str:
    """The names of a pair, for pytest."""
    cipher, mac = pair
    return cipher.name.decode() + ("+" + mac.name.decode() if mac else "")


def one_of_each_kind() -> list[Pair]:
    """AEAD ciphers, and a stream, a block and a 64-bit cipher with both orders of the MAC."""
    names = {b"aes256-ctr", b"aes128-cbc", b"3des-cbc", b"arcfour256"}
    macs = {b"hmac-sha2-256", b"hmac-sha2-512-etm@openssh.com", b"umac-64@openssh.com"}
    return [
        (cipher, mac)
        for cipher, mac in PAIRS
        if mac is None or (cipher.name in names and mac.name in macs)
    ]


KINDS = one_of_each_kind()


class Direction:
    """A sealer and openers with the same keys, which follow from a seed."""

    def __init__(self, pair: Pair, seed: bytes = b"seed", iv: bytes | None = None) -> None:
        self.cipher, self.mac = pair
        stream = hashlib.shake_256(seed).digest(512)
        self.key = stream[: self.cipher.key_size]
        self.iv = stream[100 : 100 + self.cipher.iv_size] if iv is None else iv
        self.mac_key = stream[200 : 200 + self.mac.key_size] if self.mac else b""
        self.sealer: PacketSealer = self.cipher.sealer(self.key, self.iv, self.mac_key, self.mac)

    def opener(self) -> PacketOpener:
        """A new opener."""
        return self.cipher.opener(self.key, self.iv, self.mac_key, self.mac)

    def body(self, size: int = 1) -> bytes:
        """The smallest aligned body that has at least `size` bytes."""
        block = self.sealer.block_size
        size = max(size, 8)
        offset = 4 if self.sealer.length_in_block else 0
        return os.urandom(size + -(size + offset) % block)

    def seal(self, body: bytes, seq: int) -> bytes:
        """One packet."""
        buf = bytearray(len(body) + 4 + self.sealer.tag_size + SEAL_SLACK)
        end = self.sealer.seal(buf, memoryview(buf), 0, body, seq)
        return bytes(buf[:end])


def unseal(opener: PacketOpener, packet: bytes, seq: int) -> tuple[int, bytes]:
    """Open one packet as the core does it: a length in clear decides where the packet ends."""
    buf = bytearray(b"....") + packet
    if opener.clear_length:
        length = int.from_bytes(packet[:4], "big")
        if not opener.block_size <= length <= 10_000:
            raise MACError
        stop = 8 + length + opener.tag_size
        buf = buf[:stop].ljust(stop, b"\0")
    else:
        assert opener.header_size <= len(packet)
        length = opener.length(buf, 4, seq)
    return length, opener.open(buf, memoryview(buf), 4, len(buf), seq)


# --- The table ---------------------------------------------------------------------------------


def test_names_in_order_of_preference() -> None:
    assert [row.name.decode() for row in CIPHERS] == [
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "chacha20-poly1305@openssh.com",
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
        "aes128-cbc",
        "aes192-cbc",
        "aes256-cbc",
        "3des-cbc",
        "blowfish-cbc",
        "cast128-cbc",
        "seed-cbc@ssh.com",
        "arcfour256",
        "arcfour128",
        "arcfour",
    ]


def test_only_modern_ciphers_by_default() -> None:
    for row in CIPHERS:
        weak = b"cbc" in row.name or b"arcfour" in row.name
        assert row.status is (Status.INSECURE if weak else Status.DEFAULT), row.name


def test_none_cannot_be_negotiated() -> None:
    assert b"none" not in CIPHERS
    assert b"none" not in MACS


def test_limits_of_rfc_4344() -> None:
    for row in CIPHERS:
        bound = 1 << 32 if row.block_size == 16 or row.tag_size else (1 << 30) // 8
        assert row.rekey_blocks <= bound, row.name


@pytest.mark.parametrize("name", ["aes128-ctr", "aes256-cbc", "3des-cbc", "arcfour128"])
def test_encryption_without_integrity_is_refused(name: str) -> None:
    row = CIPHERS[name.encode()]
    for factory in (row.sealer, row.opener):
        with pytest.raises(ValueError, match="needs a MAC"):
            factory(bytes(row.key_size), bytes(row.iv_size), b"", None)


def test_only_cbc_needs_cover() -> None:
    for pair in PAIRS:
        assert Direction(pair).sealer.needs_cover is (b"cbc" in pair[0].name), name_of(pair)


# --- Round trips -------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", PAIRS, ids=name_of)
def test_round_trip(pair: Pair) -> None:
    direction = Direction(pair)
    sealer, opener = direction.sealer, direction.opener()
    assert sealer.block_size == opener.block_size >= 8
    assert sealer.tag_size == opener.tag_size
    assert sealer.length_in_block is opener.length_in_block
    for seq, size in enumerate((1, 100, 16, 5000)):
        body = direction.body(size)
        packet = direction.seal(body, seq)
        assert len(packet) == 4 + len(body) + sealer.tag_size
        assert body not in packet
        assert unseal(opener, packet, seq) == (len(body), body)


@settings(max_examples=150, deadline=None)
@given(
    pair=st.sampled_from(PAIRS),
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=6),
    first=st.sampled_from([0, 1, 0x7FFFFFFF, 0xFFFFFFF0]),
    position=st.integers(4, 70),
    seed=st.binary(max_size=8),
)
def test_packets_one_behind_the_other(
    pair: Pair, sizes: list[int], first: int, position: int, seed: bytes
) -> None:
    """As in the core's buffers: at any offset, and nothing else in the buffer is changed."""
    direction = Direction(pair, seed)
    bodies = [direction.body(size) for size in sizes]
    total = sum(len(body) + 4 + direction.sealer.tag_size for body in bodies)
    buf = bytearray(b"\xa5" * (position + total + SEAL_SLACK + 50))
    view = memoryview(buf)
    pos = position
    starts = []
    for seq, body in enumerate(bodies, first):
        starts.append(pos)
        pos = direction.sealer.seal(buf, view, pos, body, seq)
    assert pos == position + total
    assert buf[:position] == b"\xa5" * position
    assert buf[pos + SEAL_SLACK :] == b"\xa5" * 50
    opener = direction.opener()
    for seq, (body, start, stop) in enumerate(
        zip(bodies, starts, [*starts[1:], pos], strict=True), first
    ):
        if opener.clear_length:
            assert int.from_bytes(buf[start : start + 4], "big") == len(body)
        else:
            assert opener.length(buf, start, seq) == len(body)
        opened = opener.open(buf, view, start, stop, seq)
        assert type(opened) is bytes
        assert opened == body


def test_none_is_plain() -> None:
    sealer, opener = NoneSealer(), NoneOpener()
    body = b"\x04payload...."
    buf = bytearray(64)
    view = memoryview(buf)
    assert sealer.seal(buf, view, 3, body, 9) == 3 + 4 + len(body)
    assert buf[: 7 + len(body)] == bytes(3) + len(body).to_bytes(4, "big") + body
    assert opener.length(buf, 3, 9) == len(body)
    assert opener.open(buf, view, 3, 7 + len(body), 9) == body


@pytest.mark.parametrize("pair", KINDS, ids=name_of)
def test_length_can_be_asked_of_every_opener(pair: Pair) -> None:
    direction = Direction(pair)
    body = direction.body(100)
    packet = direction.seal(body, 0)
    opener = direction.opener()
    assert opener.length(bytearray(packet), 0, 0) == len(body)
    assert opener.clear_length is (int.from_bytes(packet[:4], "big") == len(body))


def test_legacy_ciphers_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an OpenSSL without its legacy provider."""

    def missing(*_: bytes) -> None:
        raise UnsupportedAlgorithm("no legacy provider")

    monkeypatch.setattr("ssh_transport.ciphers.legacy.Cipher", missing)
    assert [name for name in CIPHERS.names(Status.INSECURE) if b"aes" not in name] == []
    with pytest.raises(ValueError, match="needs a library that is not installed"):
        CIPHERS.select("3des-cbc")


# --- Everything else is refused ------------------------------------------------------------------


@pytest.mark.parametrize("pair", KINDS, ids=name_of)
def test_every_flipped_bit_is_found(pair: Pair) -> None:
    direction = Direction(pair)
    first, second = direction.seal(direction.body(), 0), direction.seal(direction.body(40), 1)
    texts = set()
    for bit in range(8 * len(second)):
        changed = bytearray(second)
        changed[bit // 8] ^= 1 << bit % 8
        opener = direction.opener()
        unseal(opener, first, 0)
        with pytest.raises(MACError) as caught:
            unseal(opener, bytes(changed), 1)
        texts.add(str(caught.value))
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert texts == {str(MACError())}


@pytest.mark.parametrize("pair", KINDS, ids=name_of)
def test_wrong_order_is_found(pair: Pair) -> None:
    direction = Direction(pair)
    packets = [direction.seal(direction.body(), seq) for seq in range(3)]
    opener = direction.opener()
    unseal(opener, packets[0], 0)
    with pytest.raises(MACError):
        unseal(opener, packets[2], 1)
    opener = direction.opener()
    unseal(opener, packets[0], 0)
    with pytest.raises(MACError):
        unseal(opener, packets[0], 1)


@pytest.mark.parametrize("pair", KINDS, ids=name_of)
def test_cut_packet_is_found(pair: Pair) -> None:
    direction = Direction(pair)
    packet = direction.seal(direction.body(100), 0)
    block = direction.sealer.block_size
    for size in range(len(packet) - block, 4 + block + direction.sealer.tag_size, -block):
        with pytest.raises(MACError):
            unseal(direction.opener(), packet[:size], 0)


@settings(max_examples=100, deadline=None)
@given(pair=st.sampled_from(PAIRS), data=st.data())
def test_noise_is_refused(pair: Pair, data: st.DataObject) -> None:
    direction = Direction(pair)
    size = len(direction.body(data.draw(st.integers(1, 100)))) + 4 + direction.sealer.tag_size
    noise = data.draw(st.binary(min_size=size, max_size=size))
    with pytest.raises(MACError):
        unseal(direction.opener(), noise, data.draw(st.integers(0, 0xFFFFFFFF)))


# --- Against other computations ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"])
@pytest.mark.parametrize("counter", [0, 1, (1 << 63) - 2, 1 << 63, (1 << 64) - 2])
def test_gcm_nonces_of_rfc_5647(name: str, counter: int) -> None:
    """Fixed field, then an invocation counter that wraps at 64 bits (section 7.1)."""
    fixed = b"\xff\xfe\xfd\xfc"
    direction = Direction((CIPHERS[name.encode()], None), iv=fixed + counter.to_bytes(8, "big"))
    aead = AESGCM(direction.key)
    opener = direction.opener()
    for index in range(5):
        body = direction.body(50)
        packet = direction.seal(body, 1000 - index)  # the sequence number does not matter
        nonce = fixed + ((counter + index) % (1 << 64)).to_bytes(8, "big")
        assert packet[:4] == len(body).to_bytes(4, "big")
        assert packet[4:] == aead.encrypt(nonce, body, packet[:4])
        assert unseal(opener, packet, 0)[1] == body


def test_chacha20_of_the_tests_is_that_of_rfc_8439() -> None:
    key = bytes(range(32))
    # Section 2.4.2, where the nonce has 96 bits; its first 32 are zero here too.
    text = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
        b"future, sunscreen would be it."
    )
    stream = chacha20(key, 1, bytes.fromhex("0000004a00000000"), len(text))
    assert (
        bytes(a ^ b for a, b in zip(text, stream, strict=True))
        .hex()
        .startswith("6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b")
    )
    # Section 2.5.2.
    one_time = bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
    tag = poly1305(one_time, b"Cryptographic Forum Research Group")
    assert tag.hex() == "a8061dc1305136c6c22b8baf0c0127a9"


@pytest.mark.parametrize("seq", [0, 1, 0x80000000, 0xFFFFFFFF])
@pytest.mark.parametrize("size", [8, 64, 1000])
def test_chacha20_poly1305_packet(seq: int, size: int) -> None:
    """PROTOCOL.chacha20poly1305, computed with nothing of ours and no library."""
    direction = Direction((CIPHERS[b"chacha20-poly1305@openssh.com"], None), bytes((size % 251,)))
    body = direction.body(size)
    k_2, k_1 = direction.key[:32], direction.key[32:]
    nonce = seq.to_bytes(8, "big")
    length = len(body).to_bytes(4, "big")
    plain = length + body
    stream = chacha20(k_1, 0, nonce, 4) + chacha20(k_2, 1, nonce, len(body))
    sealed = bytes(a ^ b for a, b in zip(plain, stream, strict=True))
    expected = sealed + poly1305(chacha20(k_2, 0, nonce, 32), sealed)
    assert direction.seal(body, seq) == expected
    assert unseal(direction.opener(), expected, seq) == (len(body), body)


@pytest.mark.parametrize(
    ("name", "key", "stream"),
    [
        # SP 800-38A sections F.5.1, F.5.3 and F.5.5: the output blocks.
        (
            "aes128-ctr",
            "2b7e151628aed2a6abf7158809cf4f3c",
            "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae",
        ),
        (
            "aes192-ctr",
            "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
            "717d2dc639128334a6167a488ded7921a72eb3bb14a556734b7bad6ab16100c5",
        ),
        (
            "aes256-ctr",
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            "0bdf7df1591716335e9a8b15c860c5025a6e699d536119065433863c8f657b94",
        ),
    ],
)
@pytest.mark.parametrize("etm", [False, True])
def test_ctr_key_stream(name: str, key: str, stream: str, etm: bool) -> None:
    row = CIPHERS[name.encode()]
    mac = MACS[b"hmac-sha2-256-etm@openssh.com" if etm else b"hmac-sha2-256"]
    iv = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
    sealer = row.sealer(bytes.fromhex(key), iv, bytes(32), mac)
    expected = bytes.fromhex(stream)
    body = bytes(range(len(expected) - (0 if etm else 4)))
    buf = bytearray(256)
    sealer.seal(buf, memoryview(buf), 0, body, 0)
    length = len(body).to_bytes(4, "big")
    plain, sealed = (body, buf[4:]) if etm else (length + body, buf)
    assert bytes(a ^ b for a, b in zip(plain, sealed, strict=False)) == expected


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        # RFC 6229 section 2, key 0102...10 (128 bits) at offset 0 and 1536, and 0102...20.
        ("arcfour", "9ac7cc9a609d1ef7b2932899cde41b97"),
        ("arcfour128", "ffa0b514647ec04f6306b892ae661181"),
        ("arcfour256", "3e34135c79db010200767651cf263073"),
    ],
)
def test_arcfour_key_stream(name: str, stream: str) -> None:
    row = CIPHERS[name.encode()]
    if not row.available():
        pytest.skip("no ARC4 in this OpenSSL")
    sealer = row.sealer(bytes(range(1, row.key_size + 1)), b"", bytes(32), MACS[b"hmac-sha2-256"])
    body = bytes(12)
    buf = bytearray(256)
    sealer.seal(buf, memoryview(buf), 0, body, 0)
    plain = len(body).to_bytes(4, "big") + body
    assert bytes(a ^ b for a, b in zip(plain, buf, strict=False)).hex() == stream
