"""Table "Transport and key exchange" of the requirements: what happens before there are keys.

The names of the lessons stand beside the tests that show what was learned.
"""

from __future__ import annotations

import time

import pytest

from ssh_keys import SSHKey, SSHLocalKeyPair, generate_private_key
from ssh_keys.wire import Reader, encode_mpint, encode_name_list, encode_string, encode_uint32
from ssh_transport import (
    AlgorithmNegotiationError,
    ConnectionLost,
    ConnectionTimeoutError,
    DisconnectError,
    HostKeyMismatch,
    HostKeyNotVerifiable,
    HostKeyOffered,
    KeyExchangeFailed,
    MACError,
    MessageOrderError,
    ProtocolError,
    ProtocolNotSupported,
    Role,
    TransportConfig,
)
from ssh_transport.kex.dh_groups import BUILT_IN
from tests.security.raw_peer import (
    HOST_KEY,
    ClearPeer,
    Link,
    Victim,
    clear_packet,
    client_config,
    connected,
    disconnect_message,
    in_connection,
    kex_init,
    kex_reply,
    kexinit,
    server_config,
)

ROLES = [Role.CLIENT, Role.SERVER]

IGNORE = b"\x02" + encode_string(b"injected")
DEBUG = b"\x04\x00" + encode_string(b"injected") + encode_string(b"")
UNIMPLEMENTED = b"\x03" + encode_uint32(0)
EXT_INFO = b"\x07" + encode_uint32(1) + encode_string(b"server-sig-algs") + encode_string(b"x")

KEX = (b"curve25519-sha256",)
MLKEM = (b"mlkem768x25519-sha256",)


def settings_of(role: Role, **changes: tuple[bytes, ...]) -> TransportConfig:
    """A configuration for a role."""
    return client_config(**changes) if role is Role.CLIENT else server_config(HOST_KEY, **changes)


def meet(role: Role, **changes: tuple[bytes, ...]) -> ClearPeer:
    """A peer of a victim in `role` that has said its version."""
    peer = ClearPeer(Victim(settings_of(role, **changes)))
    peer.send_version()
    return peer


# --- CVE-2023-48795 Terrapin -----------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_strict_kex_is_offered(role: Role) -> None:
    peer = meet(role)
    marker = (
        b"kex-strict-c-v00@openssh.com" if role is Role.CLIENT else b"kex-strict-s-v00@openssh.com"
    )
    assert marker in peer.said[0]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "injected", [IGNORE, DEBUG, UNIMPLEMENTED, b"\xc8"], ids=["2", "4", "3", "200"]
)
def test_kexinit_must_come_first(role: Role, injected: bytes) -> None:
    peer = meet(role)
    peer.send(injected)
    peer.send(kexinit((*KEX, peer.strict_marker())))
    assert isinstance(peer.victim.expect_end().error, MessageOrderError)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "injected",
    [IGNORE, DEBUG, UNIMPLEMENTED, b"\xc8", b"\xc0" + encode_string(b"")],
    ids=lambda p: str(p[0]),
)
def test_nothing_but_the_exchange_in_strict_kex(role: Role, injected: bytes) -> None:
    peer = meet(role)
    peer.send(kexinit((*KEX, peer.strict_marker())))
    assert peer.victim.ended is None
    peer.send(injected)
    assert isinstance(peer.victim.expect_end().error, MessageOrderError)


@pytest.mark.parametrize("role", ROLES)
def test_without_strict_kex_the_rfc_applies(role: Role) -> None:
    """An old peer may send IGNORE and DEBUG at any time (RFC 4253 section 11)."""
    peer = meet(role)
    peer.send(IGNORE, DEBUG, kexinit(KEX), IGNORE, DEBUG)
    assert peer.victim.ended is None
    assert not peer.victim.core.strict_kex


@pytest.mark.parametrize("direction", ["to_server", "to_client"])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_injection_on_the_way_is_noticed(direction: str, place: int) -> None:
    """Somebody in the middle puts IGNORE between packets that are in clear."""
    seen = [0]

    def inject(data: bytes) -> bytes:
        out = bytearray()
        if data.startswith(b"SSH-"):
            version, _, data = data.partition(b"\r\n")
            out += version + b"\r\n"
        while data and seen[0] <= place:
            if seen[0] == place:
                out += clear_packet(IGNORE)
            stop = 4 + int.from_bytes(data[:4], "big")
            out += data[:stop]
            data = data[stop:]
            seen[0] += 1
        return bytes(out + data)

    link = Link(**{direction: inject})  # type: ignore[arg-type]
    link.run()
    victim = link.server if direction == "to_server" else link.client
    assert isinstance(victim.expect_end().error, MessageOrderError | MACError)
    assert victim.kex_count == 0 or place == 3


@pytest.mark.parametrize(
    "cipher", [b"chacha20-poly1305@openssh.com", b"aes128-gcm@openssh.com", b"aes128-ctr"]
)
def test_first_packet_under_keys_cannot_be_cut(cipher: bytes) -> None:
    """The attack itself: one packet more before NEWKEYS, one less behind it."""
    dropped: list[bytes] = []

    def drop_ext_info(data: bytes) -> bytes:
        # The server's flight: KEX_ECDH_REPLY, NEWKEYS, then EXT_INFO under keys.
        if data.startswith(b"SSH-") or dropped:
            return data
        stop = 0
        for _ in range(2):
            stop += 4 + int.from_bytes(data[stop : stop + 4], "big")
        dropped.append(data[stop:])
        return data[:stop]

    link = Link(
        client_config(ciphers=(cipher,)), server_config(ciphers=(cipher,)), to_client=drop_ext_info
    )
    link.run()
    assert dropped
    assert dropped[0]
    # Where the length is encrypted too, the error shows at the end of the largest packet only.
    for _ in range(12):
        link.server.inject(b"\x02" + encode_string(bytes(30_000)))
    link.run()
    assert isinstance(link.client.expect_end().error, MACError)


def test_sequence_numbers_start_again_at_newkeys() -> None:
    link = connected()
    # Behind NEWKEYS each side sent exactly one packet: EXT_INFO.
    for side in (link.client.core, link.server.core):
        assert (side._reader.seq, side.writer.seq) == (1, 1)
    link = in_connection()
    link.client.core.request_rekey()
    link.run()
    assert link.client.kex_count == link.server.kex_count == 2
    for side in (link.client.core, link.server.core):
        assert (side._reader.seq, side.writer.seq) == (0, 0)


# --- CVE-2023-46445, CVE-2023-46446: extensions and user authentication in clear --------------


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("behind_kexinit", [False, True])
@pytest.mark.parametrize(
    "number", [5, 6, 7, 8, *range(50, 54), *range(60, 67), *range(80, 83), *range(90, 101)]
)
def test_no_later_message_in_clear(role: Role, behind_kexinit: bool, number: int) -> None:
    peer = meet(role)
    if behind_kexinit:
        peer.send(kexinit(KEX))
    payload = EXT_INFO if number == 7 else bytes((number,)) + encode_string(b"ssh-userauth")
    peer.send(payload)
    assert isinstance(peer.victim.expect_end().error, MessageOrderError)


# --- State machine attacks: only the expected message in each step ----------------------------

X25519_BASE = b"\x09" + bytes(31)


@pytest.mark.parametrize("number", [20, 21, *range(31, 50)])
def test_server_takes_only_the_init(number: int) -> None:
    peer = meet(Role.SERVER)
    peer.send(kexinit(KEX))
    peer.send(kexinit(KEX) if number == 20 else bytes((number,)) + encode_string(X25519_BASE))
    assert isinstance(peer.victim.expect_end().error, ProtocolError)
    assert peer.victim.kex_count == 0


@pytest.mark.parametrize("number", [20, 21, 30, *range(32, 50)])
def test_client_takes_only_the_reply(number: int) -> None:
    peer = meet(Role.CLIENT)
    peer.send(kexinit(KEX))
    peer.send(kexinit(KEX) if number == 20 else bytes((number,)) + encode_string(X25519_BASE))
    assert isinstance(peer.victim.expect_end().error, ProtocolError)
    assert peer.victim.kex_count == 0


def test_second_init_is_refused() -> None:
    peer = meet(Role.SERVER)
    peer.send(kexinit(KEX), kex_init(X25519_BASE), kex_init(X25519_BASE))
    assert isinstance(peer.victim.expect_end().error, MessageOrderError)


def test_newkeys_has_no_fields() -> None:
    peer = meet(Role.SERVER)
    peer.send(kexinit(KEX), kex_init(X25519_BASE), b"\x15\x00")
    assert isinstance(peer.victim.expect_end().error, ProtocolError)


def test_messages_behind_newkeys_are_not_read_in_clear() -> None:
    peer = meet(Role.SERVER)
    peer.send(kexinit(KEX), kex_init(X25519_BASE), b"\x15")
    assert peer.victim.kex_count == 1
    peer.send(b"\x05" + encode_string(b"ssh-userauth"))
    peer.send_raw(bytes(300_000))
    assert isinstance(peer.victim.expect_end().error, MACError)


@pytest.mark.parametrize("role", ROLES)
def test_wrong_guess_is_dropped_once_and_its_state_with_it(role: Role) -> None:
    """CVE-2025-8277: repeated wrong guesses leave nothing behind."""
    changes = {"kex_algorithms": (*KEX, b"ecdh-sha2-nistp256")}
    peer = ClearPeer(Victim(settings_of(role, **changes)))
    peer.send_version()
    guess = b"\x1f\x00" if role is Role.CLIENT else b"\x1e\x00"
    peer.send(kexinit((b"ecdh-sha2-nistp256", *KEX), follows=True), guess)
    assert peer.victim.ended is None
    peer.send(guess)
    assert isinstance(peer.victim.expect_end().error, ProtocolError)


# --- Values of the methods: x25519, NIST curves, ML-KEM --------------------------------------

#: Points of small order of curve25519, little-endian (RFC 7748 section 6.1): all give zero.
SMALL_ORDER = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]

P256_BASE_X = bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
P256_BASE_Y = bytes.fromhex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")

MLKEM_KEY_SIZE = 1184  # FIPS 203, ML-KEM-768
MLKEM_CIPHERTEXT_SIZE = 1088

BAD_VALUES: dict[str, list[bytes]] = {
    "curve25519-sha256": [
        *SMALL_ORDER,
        b"",
        bytes(31),
        bytes(33),
        b"\x09" + bytes(30),
        b"\x09" + bytes(32),
        b"\x09" * 64,
        bytes(65536),
    ],
    "ecdh-sha2-nistp256": [
        b"",
        b"\x00",  # the point at infinity
        b"\x04" + bytes(64),
        b"\x04" + P256_BASE_X + P256_BASE_X,  # not on the curve
        b"\x04" + b"\xff" * 64,
        b"\x02" + P256_BASE_X,  # compressed (RFC 5656 section 4: optional, and nobody does)
        b"\x04" + P256_BASE_X + P256_BASE_Y + b"\x00",
        b"\x04" + P256_BASE_X + P256_BASE_Y[:-1],
        b"\x06" + P256_BASE_X + P256_BASE_Y,  # hybrid form
    ],
}

BAD_MLKEM_KEYS = [
    b"",
    bytes(MLKEM_KEY_SIZE + 31),
    bytes(MLKEM_KEY_SIZE + 33),
    bytes(MLKEM_KEY_SIZE),
    b"\xff" * MLKEM_KEY_SIZE + X25519_BASE,  # coefficients above q (FIPS 203 section 7.2)
    bytes(MLKEM_KEY_SIZE) + bytes(32),  # good key, small order
]

BAD_MLKEM_CIPHERTEXTS = [
    b"",
    bytes(MLKEM_CIPHERTEXT_SIZE),
    bytes(MLKEM_CIPHERTEXT_SIZE + 31),
    bytes(MLKEM_CIPHERTEXT_SIZE + 33),
    bytes(MLKEM_CIPHERTEXT_SIZE) + bytes(32),
]


def value_cases(role: Role) -> list[tuple[str, bytes]]:
    """Method and value for a victim in `role`."""
    cases = [(kex, value) for kex, values in BAD_VALUES.items() for value in values]
    mlkem = BAD_MLKEM_CIPHERTEXTS if role is Role.CLIENT else BAD_MLKEM_KEYS
    return cases + [("mlkem768x25519-sha256", value) for value in mlkem]


@pytest.mark.parametrize(("kex", "value"), value_cases(Role.SERVER), ids=str)
def test_server_refuses_bad_values(kex: str, value: bytes) -> None:
    names = (kex.encode(),)
    peer = meet(Role.SERVER, kex_algorithms=names)
    peer.send(kexinit(names), kex_init(value))
    ended = peer.victim.expect_end()
    assert isinstance(ended.error, ProtocolError | KeyExchangeFailed)
    (said,) = peer.listen()  # nothing was answered but the goodbye, which says what was wrong
    code, reason = disconnect_message(said)
    assert code == ended.error.code
    assert reason


@pytest.mark.parametrize(("kex", "value"), value_cases(Role.CLIENT), ids=str)
def test_client_refuses_bad_values(kex: str, value: bytes) -> None:
    names = (kex.encode(),)
    peer = meet(Role.CLIENT, kex_algorithms=names)
    peer.send(kexinit(names), kex_reply(value))
    assert isinstance(peer.victim.expect_end().error, ProtocolError | KeyExchangeFailed)
    assert not any(isinstance(event, HostKeyOffered) for event in peer.victim.events)


# --- Finite fields: RFC 4253 section 8, RFC 4419, RFC 8270 ------------------------------------

GROUP16 = b"diffie-hellman-group16-sha512"
GEX = b"diffie-hellman-group-exchange-sha256"
P4096, P2048 = BUILT_IN[4096].p, BUILT_IN[2048].p

BAD_PUBLIC_VALUES = {
    "0": 0,
    "1": 1,
    "-1": -1,
    "p - 1": P4096 - 1,
    "p": P4096,
    "p + 1": P4096 + 1,
    "2 p + 2": 2 * P4096 + 2,
    "much more than p": 1 << 100_000,
}


@pytest.mark.parametrize("name", BAD_PUBLIC_VALUES)
@pytest.mark.parametrize("role", ROLES)
def test_public_value_outside_of_the_group(role: Role, name: str) -> None:
    """RFC 4253 section 8: 1 < e, f < p - 1."""
    value = encode_mpint(BAD_PUBLIC_VALUES[name])
    peer = meet(role, kex_algorithms=(GROUP16,))
    reply = encode_string(HOST_KEY.public_data) + value + encode_string(HOST_KEY.sign(b""))
    peer.send(kexinit((GROUP16,)), b"\x1f" + reply if role is Role.CLIENT else b"\x1e" + value)
    assert isinstance(peer.victim.expect_end().error, ProtocolError | KeyExchangeFailed)
    assert peer.victim.core.host_key is None


@pytest.mark.parametrize(
    ("p", "g"),
    [
        (23, 5),
        ((1 << 1024) - 105, 2),
        (P2048 >> 1, 2),
        (P2048 - 1, 2),
        (1 << 9000, 2),
        (-P2048, 2),
        (0, 0),
        (P2048, 0),
        (P2048, 1),
        (P2048, P2048 - 1),
        (P2048, P2048),
    ],
    ids=["tiny", "1024", "2047", "even", "9001", "negative", "0", "g0", "g1", "g-1", "g=p"],
)
def test_group_of_a_server_that_is_too_weak(p: int, g: int) -> None:
    """Logjam, RFC 8270: never below 2048 bits, and no generator that is none."""
    peer = meet(Role.CLIENT, kex_algorithms=(GEX,))
    peer.send(kexinit((GEX,)), b"\x1f" + encode_mpint(p) + encode_mpint(g))
    assert isinstance(peer.victim.expect_end().error, ProtocolError | KeyExchangeFailed)


@pytest.mark.parametrize(
    "sizes",
    [(1024, 1024, 1024), (512, 1024, 2047), (4096, 2048, 8192), (8192, 4096, 2048), (0, 0, 0)],
    ids=str,
)
def test_client_that_wants_a_weak_group(sizes: tuple[int, int, int]) -> None:
    """Bounds that contradict each other or end below 2048 bits get no group, or a strong one."""
    peer = meet(Role.SERVER, kex_algorithms=(GEX,))
    peer.send(kexinit((GEX,)), b"\x22" + b"".join(map(encode_uint32, sizes)))
    if peer.victim.ended:
        assert isinstance(peer.victim.ended.error, ProtocolError | KeyExchangeFailed)
    else:
        (group,) = peer.listen()
        assert group[0] == 31
        assert Reader(group, 1).mpint().bit_length() >= 2048


# --- Weak and monstrous RSA keys --------------------------------------------------------------


def rsa_blob(bits: int) -> bytes:
    """An RSA public key blob of that many bits that is nobody's."""
    return encode_string(b"ssh-rsa") + encode_mpint(65537) + encode_mpint((1 << bits) - 1)


@pytest.mark.parametrize("bits", [512, 1024, 2047, 16385, 100_000])
def test_rsa_host_key_of_a_size_that_nobody_should_have(bits: int) -> None:
    """CVE-2026-39829 x/crypto: refused before any arithmetic with it."""
    names = (b"rsa-sha2-512",)
    peer = meet(Role.CLIENT, host_key_algorithms=names)
    signature = encode_string(b"rsa-sha2-512") + encode_string(b"\x01" * (bits // 8))
    reply = kex_reply(X25519_BASE, host_key=rsa_blob(bits), signature=signature)
    start = time.process_time()
    peer.send(kexinit(KEX, names), reply)
    assert isinstance(peer.victim.expect_end().error, KeyExchangeFailed)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    "payload",
    [
        b"\x1e",
        b"\x1e\x00\x00\x00",
        b"\x1e" + encode_uint32(1 << 31) + bytes(32),
        b"\x1e" + encode_uint32((1 << 32) - 1),
        kex_init(X25519_BASE) + b"\x00",
    ],
    ids=["no field", "cut length", "2 GiB", "4 GiB", "trailing"],
)
def test_malformed_init(payload: bytes) -> None:
    peer = meet(Role.SERVER)
    peer.send(kexinit(KEX), payload)
    assert isinstance(peer.victim.expect_end().error, ProtocolError)


# --- The host key ----------------------------------------------------------------------------

OTHER_KEY = generate_private_key("ssh-ed25519")
ECDSA_KEY = generate_private_key("ecdsa-sha2-nistp256")
RSA_KEY = generate_private_key("ssh-rsa", key_size=2048)


@pytest.mark.parametrize(
    "reply",
    [
        kex_reply(X25519_BASE),
        kex_reply(X25519_BASE, signature=b""),
        kex_reply(X25519_BASE, signature=encode_string(b"ssh-ed25519")),
        kex_reply(X25519_BASE, signature=encode_string(b"none") + encode_string(b"")),
        kex_reply(X25519_BASE, signature=HOST_KEY.sign(b"other data")),
        kex_reply(X25519_BASE, host_key=b""),
        kex_reply(X25519_BASE, host_key=b"\xff\xff\xff\xff"),
        kex_reply(X25519_BASE, host_key=encode_string(b"ssh-ed25519") + encode_string(bytes(31))),
        kex_reply(X25519_BASE, host_key=encode_string(b"unknown@example.com")),
        kex_reply(X25519_BASE, host_key=ECDSA_KEY.public_data),
        kex_reply(X25519_BASE, host_key=HOST_KEY.public_data + b"\x00"),
        kex_reply(X25519_BASE) + b"\x00",
    ],
    ids=[
        "zero signature",
        "no signature",
        "half a signature",
        "signature algorithm none",
        "signature of other data",
        "no key",
        "key too long",
        "key too short",
        "unknown key type",
        "other type than negotiated",
        "trailing byte in the key",
        "trailing byte",
    ],
)
def test_client_refuses_unproven_host_key(reply: bytes) -> None:
    """CVE-2026-59847 and its like: the failure of a primitive is an error."""
    peer = meet(Role.CLIENT)
    peer.send(kexinit(KEX), reply)
    assert isinstance(peer.victim.expect_end().error, ProtocolError | KeyExchangeFailed)
    assert not any(isinstance(event, HostKeyOffered) for event in peer.victim.events)
    assert peer.victim.core.host_key is None


def test_signature_algorithm_is_the_negotiated_one() -> None:
    """CVE-2026-44405: no SHA-1 signature where SHA-2 was agreed on."""

    class SHA1Pair(SSHLocalKeyPair):
        def sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
            return super().sign(data, b"ssh-rsa")

    settings = server_config(RSA_KEY)
    settings.host_keys = dict.fromkeys(settings.host_keys, SHA1Pair(RSA_KEY))
    link = Link(client_config(host_key_algorithms=(b"rsa-sha2-512",)), settings)
    link.run()
    assert isinstance(link.client.expect_end().error, KeyExchangeFailed)


def test_sha1_is_not_on_by_default() -> None:
    settings = TransportConfig(role=Role.CLIENT)
    names = (
        *settings.kex_algorithms,
        *settings.host_key_algorithms,
        *settings.sig_algorithms,
        *settings.macs,
    )
    assert not [name for name in names if b"sha1" in name or b"md5" in name or name == b"ssh-rsa"]
    assert not [name for name in settings.ciphers if b"cbc" in name or b"arcfour" in name]
    assert b"zlib" not in settings.compressions  # CVE-2016-10012: not before authentication


def test_host_key_stays_the_same_in_a_rekey() -> None:
    """CVE-2026-60002."""
    link = in_connection()
    link.server.core.config.host_keys = server_config(OTHER_KEY).host_keys
    link.server.core.request_rekey()
    link.run()
    assert isinstance(link.client.expect_end().error, HostKeyMismatch)
    assert link.client.core.host_key == HOST_KEY.convert_to_public()


class OtherAlgorithm(SSHLocalKeyPair):
    """Signs with the first algorithm of its key, whatever is asked for."""

    def sign(self, data: bytes, sig_algorithm: bytes) -> bytes:
        return super().sign(data, self.sig_algorithms[0])


@pytest.mark.parametrize("other", [ECDSA_KEY, RSA_KEY], ids=["ecdsa", "rsa"])
def test_host_key_type_stays_the_same_in_a_rekey(other: SSHKey) -> None:
    link = in_connection()
    link.server.core.config.host_keys = {b"ssh-ed25519": OtherAlgorithm(other)}
    link.client.core.request_rekey()
    link.run()
    assert isinstance(link.client.expect_end().error, HostKeyMismatch)
    assert link.client.kex_count == 1


def test_nothing_goes_on_before_the_host_key_is_trusted() -> None:
    """CVE-2025-26465: silence is no yes, and neither is an error."""
    link = Link()
    link.client.accept_host_key = False
    link.run()
    assert link.client.kex_count == 0
    link.client.core.fail(HostKeyNotVerifiable("the check itself failed"))
    link.client.feed(b"")
    link.run()
    assert isinstance(link.client.expect_end().error, HostKeyNotVerifiable)
    assert isinstance(link.server.expect_end().error, DisconnectError)
    assert link.server.kex_count == 0
    assert link.server.ended is not None
    assert link.server.ended.by_peer


# --- Identification and KEXINIT --------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "error"),
    [
        (b"SSH-1.5-old\r\n", ProtocolNotSupported),
        (b"SSH-3.0-new\r\n", ProtocolNotSupported),
        (b"SSH-2.0-nul\0\r\n", ProtocolError),
        (b"SSH-2.0-" + b"x" * 300 + b"\r\n", ProtocolError),
        (b"SSH-2.0-" + b"x" * 300, ProtocolError),
        (b"x" * 10_000, ProtocolError),
        (b"GET / HTTP/1.0\r\n\r\n" * 2000, ProtocolError),
    ],
    ids=["1.5", "3.0", "NUL", "long", "long without end", "endless line", "endless lines"],
)
@pytest.mark.parametrize("role", ROLES)
def test_bad_identification(role: Role, version: bytes, error: type[DisconnectError]) -> None:
    victim = Victim(settings_of(role))
    victim.feed(version)
    ended = victim.expect_end()
    assert isinstance(ended.error, error)
    assert str(ended.error).isprintable()


def test_server_reads_nothing_before_an_identification() -> None:
    victim = Victim(server_config())
    victim.feed(b"hello\r\n")
    assert isinstance(victim.expect_end().error, ProtocolError)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "payload",
    [
        b"\x14",
        b"\x14" + bytes(15),
        b"\x14" + bytes(16),
        kexinit(KEX)[:-1],
        kexinit(KEX) + b"\x00",
        b"\x14" + bytes(16) + encode_uint32((1 << 32) - 1),
        b"\x14" + bytes(16) + encode_string(b",") + kexinit(KEX)[21 + len(KEX[0]) :],
        b"\x14" + bytes(16) + encode_name_list(()) * 10 + bytes(5),
    ],
    ids=[
        "empty",
        "half a cookie",
        "no lists",
        "cut",
        "trailing",
        "4 GiB",
        "empty name",
        "no names",
    ],
)
def test_bad_kexinit(role: Role, payload: bytes) -> None:
    peer = meet(role)
    peer.send(payload)
    assert isinstance(peer.victim.expect_end().error, ProtocolError | AlgorithmNegotiationError)


@pytest.mark.parametrize("role", ROLES)
def test_no_common_algorithm_names_both_lists(role: Role) -> None:
    peer = meet(role)
    peer.send(kexinit((b"\x1b[31mevil@example.com",)))
    error = peer.victim.expect_end().error
    assert isinstance(error, AlgorithmNegotiationError)
    assert error.ours == KEX
    assert str(error).isprintable()


@pytest.mark.parametrize("role", ROLES)
def test_markers_are_no_methods(role: Role) -> None:
    """A peer that offers only markers has no method in common with us."""
    peer = meet(role)
    peer.send(
        kexinit(
            (
                b"ext-info-c",
                b"ext-info-s",
                b"kex-strict-c-v00@openssh.com",
                b"kex-strict-s-v00@openssh.com",
            )
        )
    )
    assert isinstance(peer.victim.expect_end().error, AlgorithmNegotiationError)


# --- Time ------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_an_unfinished_key_exchange_times_out(role: Role, steps: int) -> None:
    victim = Victim(settings_of(role))
    peer = ClearPeer(victim)
    sends: list[bytes] = [b"SSH-2.0-slow\r\n", clear_packet(kexinit(KEX)), b"\x00\x00"]
    for data in sends[:steps]:
        peer.send_raw(data)
    deadline = victim.core.next_deadline()
    assert deadline is not None
    victim.core.handle_timer(deadline - 0.001)
    victim.feed(b"")
    assert victim.ended is None
    victim.core.handle_timer(deadline)
    victim.feed(b"")
    assert isinstance(victim.expect_end().error, ConnectionTimeoutError)
    assert victim.core.next_deadline() is None


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_rekey_that_the_peer_does_not_answer_times_out(side: str) -> None:
    link = in_connection()
    victim = link.client if side == "client" else link.server
    victim.core.request_rekey()
    deadline = victim.core.next_deadline()
    assert deadline is not None
    assert deadline < 1000 + victim.core.config.rekey_seconds
    victim.core.handle_timer(deadline)
    victim.feed(b"")
    assert isinstance(victim.expect_end().error, ConnectionTimeoutError)


@pytest.mark.parametrize("role", ROLES)
def test_end_of_stream_is_one_event(role: Role) -> None:
    victim = Victim(settings_of(role))
    victim.core.eof_received()
    victim.core.eof_received()
    victim.feed(b"more")
    assert isinstance(victim.expect_end().error, ConnectionLost)
