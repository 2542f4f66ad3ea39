"""Finite-field and RSA key exchange: groups, ranges and what must be refused."""

from __future__ import annotations

import hashlib
import os
import random
import warnings
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from ssh_keys import SSHLocalKeyPair, generate_private_key
from ssh_keys.wire import encode_mpint, encode_string, encode_uint32
from ssh_transport import TransportConfig
from ssh_transport.errors import KeyExchangeFailed, ProtocolError
from ssh_transport.kex import KEX_METHODS, dh, dh_gex
from ssh_transport.kex import rsa as rsa_kex
from ssh_transport.kex.dh_groups import (
    BUILT_IN,
    ModuliFileError,
    SafePrimeGroup,
    parse_moduli,
    read_moduli,
)
from ssh_transport.kex.messages import (
    KexDhGexGroup,
    KexDhGexInit,
    KexDhGexReply,
    KexDhGexRequest,
    KexRSAPubkey,
    KexRSASecret,
)
from ssh_transport.protocols import HostKeyProof, KexAlgorithm, KexContext, KexStep, Role
from tests.transport.kex_driver import HOST_KEY, Exchange

seeded = random.Random(2026).randbytes


def is_prime(number: int) -> bool:
    """Miller-Rabin to the bases 2 and 3."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3):
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


# --- Groups --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "digest"),
    [
        (1024, "3f35a3f5f6c4376a744acad409bb22f8d897f949d2311d885adaa890981b67a0"),
        (2048, "d66436f79bbd6b2e38c0ffbd079be904d2641415e2e67140e09448be9a60890e"),
        (3072, "48cf8b092fbce4359d9871abf74f98e25b6163379eaa15cd9087e800c6d1c55c"),
        (4096, "4ee95187682bcb230ad26a95205f6920e84708f6251b3894329b09ec23919e33"),
        (6144, "d1bfe6d0925ce7e4da262b62861514a7755e35831e429f343e7b864848657efd"),
        (8192, "39ab4feab950a3128fb71accb9fc3965d857012e081998a85996e3ea8b3c3bcf"),
    ],
)
def test_built_in_groups(bits: int, digest: str) -> None:
    group = BUILT_IN[bits]
    data = group.p.to_bytes(bits // 8, "big")
    assert group.bits == bits
    assert group.g == 2
    assert data.startswith(b"\xff" * 8 + bytes.fromhex("c90fdaa22168c234"))
    assert data.endswith(b"\xff" * 8)
    assert hashlib.sha256(data).hexdigest() == digest
    if bits <= 2048:
        assert is_prime(group.p)
        assert is_prime(group.p // 2)


def test_group14_ends_as_in_rfc_3526() -> None:
    assert hex(BUILT_IN[2048].p).endswith(
        "3995497cea956ae515d2261898fa051015728e5a8aacaa68ffffffffffffffff"
    )
    assert hex(BUILT_IN[1024].p).endswith(
        "a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381ffffffffffffffff"
    )


def test_no_warning_reaches_the_user() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Exchange(KEX_METHODS[b"diffie-hellman-group14-sha256"]).run()
    assert caught == []


@pytest.mark.parametrize("bits", [1024, 2048, 3072])
def test_library_and_pow_agree(bits: int) -> None:
    assert dh._LIBRARY is not None, "cryptography has moved finite-field DH once more"
    source = seeded(64)
    results = set()
    peer = pow(2, 12345, BUILT_IN[bits].p)
    for library in (dh._LIBRARY, None):
        public, agree = dh.start(BUILT_IN[bits], lambda _: source, library)
        results.add((public, agree(peer)))
    exponent = int.from_bytes(source, "big") | 1 << 511
    p = BUILT_IN[bits].p
    assert results == {(pow(2, exponent, p), pow(peer, exponent, p))}


# --- Public values -------------------------------------------------------------------------------


def e_values(p: int) -> dict[str, int]:
    """What RFC 4253 section 8 and RFC 4419 section 3 exclude."""
    return {
        "0": 0, "1": 1, "p - 1": p - 1, "p": p, "p + 1": p + 1, "-1": -1, "-2": -2,
        "2 p": 2 * p, "huge": 1 << 3 * p.bit_length(),
    }  # fmt: skip


@pytest.mark.parametrize("bits", [1024, 2048])
@pytest.mark.parametrize("library", ["OpenSSL", "pow"])
def test_public_values_out_of_range(bits: int, library: str) -> None:
    group = BUILT_IN[bits]
    _, agree = dh.start(group, seeded, dh._LIBRARY if library == "OpenSSL" else None)
    for value in e_values(group.p).values():
        with pytest.raises(KeyExchangeFailed, match="Diffie-Hellman value"):
            agree(value)
    assert 1 < agree(2) < group.p - 1
    assert 1 < agree(4) < group.p - 1


def test_degenerate_secret() -> None:
    """Possible only in a group that is not of a safe prime: an element of order 3 cubed is 1."""
    p = (1 << 127) - 1
    third_root = next(
        root for root in (pow(base, (p - 1) // 3, p) for base in range(2, 100)) if root != 1
    )
    exponent = (1 << 511) + -(1 << 511) % 3
    _, agree = dh.start(SafePrimeGroup(p, 3), lambda size: exponent.to_bytes(size, "big"))
    with pytest.raises(KeyExchangeFailed, match="degenerate"):
        agree(third_root)


def test_what_the_library_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should OpenSSL come to check more than we do, that is the peer's fault or the group's."""
    assert dh._LIBRARY is not None

    def refuse(*_: object) -> None:
        raise ValueError("not a good value")

    group = BUILT_IN[2048]
    _, agree = dh.start(group, seeded, dh._LIBRARY)
    broken = dh._LIBRARY._replace(public=refuse)  # type: ignore[arg-type]
    with pytest.raises(KeyExchangeFailed, match="group cannot be used"):
        dh.start(group, seeded, broken)
    monkeypatch.setattr(dh, "_power", lambda *_: lambda base: 4 if base == 2 else refuse())
    _, agree = dh.start(group, seeded)
    with pytest.raises(KeyExchangeFailed, match="degenerate"):
        agree(5)


GROUP_EXCHANGE = KEX_METHODS[b"diffie-hellman-group-exchange-sha256"]
METHODS = [b"diffie-hellman-group14-sha256", b"diffie-hellman-group-exchange-sha256"]


@pytest.mark.parametrize("method", [KEX_METHODS[name] for name in METHODS], ids=["fixed", "gex"])
@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("what", e_values(1 << 2047).keys())
def test_public_values_in_an_exchange(method: KexAlgorithm, who: str, what: str) -> None:
    """The last message of either side gets another e or f."""
    exchange = Exchange(method, gex_bits=(2048, 2048, 2048))
    bad = encode_mpint(e_values(BUILT_IN[2048].p)[what])

    def tamper(payload: bytes) -> bytes:
        if who == "client":
            return payload if payload[0] == 34 else payload[:1] + bad
        if payload[0] == 31 and len(exchange.server.sent) == 1 and b"exchange" in method.name:
            return payload
        head = payload[:1] + encode_string(HOST_KEY)
        assert payload.startswith(head)
        return head + bad + encode_string(b"signature")

    getattr(exchange, who).tamper = tamper
    with pytest.raises(KeyExchangeFailed, match="Diffie-Hellman value"):
        exchange.run()


# --- Group exchange ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "bits"),
    [
        ((2048, 2048, 8192), 2048),
        ((2048, 2049, 8192), 3072),
        ((2048, 3072, 8192), 3072),
        ((1024, 1024, 8192), 2048),
        ((1024, 1024, 2048), 2048),
        ((2048, 7000, 8192), 8192),
        ((2048, 8192, 8192), 8192),
        ((2048, 7000, 7000), 6144),
        ((2048, 10000, 0xFFFFFFFF), 8192),
        ((0, 0, 0xFFFFFFFF), 2048),
    ],
)
def test_chosen_group(request_: tuple[int, int, int], bits: int) -> None:
    group = dh_gex.choose_group(KexDhGexRequest(*request_), None, seeded)
    assert group == BUILT_IN[bits]


@pytest.mark.parametrize(
    "request_",
    [
        (3072, 2048, 8192),
        (2048, 8192, 4096),
        (8192, 8192, 2048),
        (1024, 1024, 1024),
        (0, 0, 0),
        (2049, 2049, 2050),
        (8193, 8193, 9000),
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
    ],
)
def test_requests_that_no_group_fits(request_: tuple[int, int, int]) -> None:
    with pytest.raises(KeyExchangeFailed, match="bits"):
        dh_gex.choose_group(KexDhGexRequest(*request_), None, seeded)


@given(*[st.integers(0, 0xFFFFFFFF) | st.integers(0, 9000)] * 3)
def test_group_is_never_outside_the_request(least: int, wanted: int, most: int) -> None:
    request = KexDhGexRequest(least, wanted, most)
    try:
        group = dh_gex.choose_group(request, None, seeded)
    except KeyExchangeFailed:
        return
    assert max(least, 2048) <= group.bits <= min(most, 8192)
    dh_gex.check_group(group, request)


BAD_GROUPS = {
    "1024 bits": (BUILT_IN[1024].p, 2),
    "above max": (BUILT_IN[8192].p, 2),
    "even": (BUILT_IN[2048].p - 1, 2),
    "zero": (0, 2),
    "negative": (-BUILT_IN[2048].p, 2),
    "g = 0": (BUILT_IN[2048].p, 0),
    "g = 1": (BUILT_IN[2048].p, 1),
    "g = -2": (BUILT_IN[2048].p, -2),
    "g = p - 1": (BUILT_IN[2048].p, BUILT_IN[2048].p - 1),
    "g = p": (BUILT_IN[2048].p, BUILT_IN[2048].p),
}


@pytest.mark.parametrize("what", BAD_GROUPS.keys())
def test_client_refuses_a_bad_group(what: str) -> None:
    method = KEX_METHODS[b"diffie-hellman-group-exchange-sha256"]
    run = method.client(KexContext(Role.CLIENT, "sha256", seeded, gex_bits=(2048, 3072, 4096)))
    first = next(run)
    assert isinstance(first, KexStep)
    assert first.send == (KexDhGexRequest(2048, 3072, 4096).encode(),)
    with pytest.raises(KeyExchangeFailed, match="group"):
        run.send(KexDhGexGroup(*BAD_GROUPS[what]).encode())


def test_hash_covers_the_request_and_the_group() -> None:
    """RFC 4419 section 3: min, n, max, p, g, e, f, K."""
    exchange = Exchange(
        KEX_METHODS[b"diffie-hellman-group-exchange-sha256"], gex_bits=(2048, 2048, 4096)
    )
    exchange.run()
    request, init = exchange.client.sent
    offer, reply = exchange.server.sent
    assert [payload[0] for payload in (request, offer, init, reply)] == [34, 31, 32, 33]
    f = reply[1 + 4 + len(HOST_KEY) : -(4 + len(b"signature of ") + 32)]
    assert exchange.client.proof is not None
    assert exchange.client.proof.fields == request[1:] + offer[1:] + init[1:] + f


# --- moduli(5) -----------------------------------------------------------------------------------

LINE = "20230319032544 2 6 100 2047 2 {:X}\n"


@pytest.mark.parametrize(
    ("wanted", "bits"), [(0, 2048), (1024, 2048), (2048, 2048), (3000, 3072), (1 << 31, 8192)]
)
def test_request_of_the_old_form(wanted: int, bits: int) -> None:
    """RFC 4419 section 5: n alone, and n alone in the hash; never a group below 2048 bits."""
    context = KexContext(Role.SERVER, "sha256", os.urandom, HOST_KEY)
    run = GROUP_EXCHANGE.server(context)
    first = next(run)
    assert isinstance(first, KexStep)
    assert (first.expect, first.or_expect) == (34, (30,))
    answer = run.send(bytes((30,)) + encode_uint32(wanted))
    assert isinstance(answer, KexStep)
    offer = KexDhGexGroup.decode(answer.send[0], 1)
    group = SafePrimeGroup(offer.p, offer.g)
    assert group.bits == bits
    e, agree = dh.start(group, os.urandom)
    proof = run.send(KexDhGexInit(e).encode())
    assert isinstance(proof, HostKeyProof)
    last = run.send(b"signature")
    assert isinstance(last, KexStep)
    f = KexDhGexReply.decode(last.send[0], 1).f
    numbers = b"".join(map(encode_mpint, (offer.p, offer.g, e, f)))
    assert proof.fields == encode_uint32(wanted) + numbers
    assert proof.secret == encode_mpint(agree(f))


def test_malformed_request_of_the_old_form() -> None:
    for payload in (b"\x1e", b"\x1e" + bytes(3), b"\x1e" + bytes(5)):
        run = GROUP_EXCHANGE.server(KexContext(Role.SERVER, "sha256", os.urandom, HOST_KEY))
        next(run)
        with pytest.raises(ProtocolError):
            run.send(payload)


def test_moduli(tmp_path: Path) -> None:
    file = tmp_path / "moduli"
    good = [BUILT_IN[2048], BUILT_IN[3072]]
    file.write_text(
        "# Time Type Tests Tries Size Generator Modulus\n\n"
        + "".join(LINE.format(group.p) for group in good)
        + f"20230319032544 2 6 100 2047 5 {good[0].p + 2:x}\n"
        + f"20230319032544 4 6 100 2047 2 {good[0].p + 4:x}\n"  # Sophie Germain, not safe
        + f"20230319032544 2 7 100 2047 2 {good[0].p + 6:x}\n"  # composite
        + f"20230319032544 2 0 100 2047 2 {good[0].p + 8:x}\n"  # not tested
        + LINE.format(BUILT_IN[1024].p)
    )
    path = str(file)
    assert read_moduli(path) == (*good, SafePrimeGroup(good[0].p + 2, 5))
    exchange = Exchange(
        KEX_METHODS[b"diffie-hellman-group-exchange-sha256"],
        gex_bits=(3072, 3072, 8192),
        moduli=path,
    )
    exchange.run()
    assert exchange.server.sent[0] == KexDhGexGroup(good[1].p, 2).encode()
    chosen = {
        dh_gex.choose_group(KexDhGexRequest(2048, 2048, 2048), path, seeded).g for _ in range(50)
    }
    assert chosen == {2, 5}


@pytest.mark.parametrize(
    "line",
    [
        "1 2 3",
        "a 2 6 100 2047 2 FF",
        LINE.format(255).strip() + " more",
        LINE.replace("{:X}", "XYZ"),
    ],
)
def test_malformed_moduli(line: str) -> None:
    with pytest.raises(ModuliFileError, match="moduli: line 2 "):
        parse_moduli(["# comment", line], "moduli")


def test_moduli_without_a_group(tmp_path: Path) -> None:
    with pytest.raises(ModuliFileError, match="no tested safe prime"):
        parse_moduli([LINE.format(BUILT_IN[1024].p)], "moduli")
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(ModuliFileError, match="larger than 16 MiB"):
        read_moduli(str(large))
    with pytest.raises(FileNotFoundError):
        read_moduli(str(tmp_path / "none"))
    for path in (large, tmp_path / "none"):
        with pytest.raises(KeyExchangeFailed, match="moduli file cannot be used") as caught:
            dh_gex.choose_group(KexDhGexRequest(2048, 3072, 8192), str(path), seeded)
        assert path.name not in str(caught.value)


# --- RSA -----------------------------------------------------------------------------------------


def rsa_client(blob: bytes, method: bytes = b"rsa2048-sha256") -> bytes:
    """What a client sends to a server that offers a transient key."""
    run = KEX_METHODS[method].client(KexContext(Role.CLIENT, "sha256", seeded))
    first = next(run)
    assert isinstance(first, KexStep)
    assert (first.send, first.expect) == ((), KexRSAPubkey.number)
    step = run.send(KexRSAPubkey(HOST_KEY, blob).encode())
    assert isinstance(step, KexStep)
    return KexRSASecret.decode(step.send[0], 1).encrypted


def blob_of(e: int, n: int, name: bytes = b"ssh-rsa") -> bytes:
    """An RSA public key (RFC 4253 section 6.6)."""
    return encode_string(name) + encode_mpint(e) + encode_mpint(n)


def test_secret_has_the_size_of_rfc_4432() -> None:
    key = rsa.generate_private_key(65537, 2048)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    numbers = key.public_key().public_numbers()
    plain = key.decrypt(rsa_client(blob_of(numbers.e, numbers.n)), oaep)
    secret = int.from_bytes(plain[4:], "big")
    assert plain == encode_mpint(secret)
    # 0 <= K < 2**(KLEN - 2 HLEN - 49)
    assert 1 << 1400 < secret < 1 << (2048 - 2 * 256 - 49)


def test_transient_keys_that_are_refused() -> None:
    n = (1 << 2047) + 12345
    for blob, error in (
        (blob_of(65537, 1 << 1023 | 1), KeyExchangeFailed),
        (blob_of(65537, (1 << 2047) - 1), KeyExchangeFailed),
        (blob_of(65537, 1 << 20000 | 1), KeyExchangeFailed),
        (blob_of(65537, -n), KeyExchangeFailed),
        (blob_of(65537, 0), KeyExchangeFailed),
        (blob_of(1, n), KeyExchangeFailed),
        (blob_of(-3, n), KeyExchangeFailed),
        (blob_of(4, n), KeyExchangeFailed),
        (blob_of(65537, n + 1), KeyExchangeFailed),
        (blob_of(65537, n, b"ssh-dss"), KeyExchangeFailed),
        (blob_of(65537, n) + b"\0", ProtocolError),
        (blob_of(65537, n)[:-1], ProtocolError),
        (b"", ProtocolError),
    ):
        with pytest.raises(error):
            rsa_client(blob)


@pytest.fixture(scope="module")
def small_key() -> rsa.RSAPrivateKey:
    """A transient key, made once for many runs."""
    return rsa.generate_private_key(65537, 1024)


def test_server_says_the_same_of_every_bad_secret(
    small_key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rsa, "generate_private_key", lambda *_: small_key)
    method = rsa_kex.RSA1024_SHA1
    public = small_key.public_key()
    limit = method.secret_bits(1024)

    def encrypted(plain: bytes) -> bytes:
        return public.encrypt(plain, method.padding)

    def serve(value: bytes) -> None:
        run = rsa_kex.server(KexContext(Role.SERVER, "sha1", seeded, host_key=HOST_KEY), method)
        next(run)
        run.send(KexRSASecret(value).encode())

    serve(encrypted(encode_mpint((1 << limit) - 1)))
    texts = set()
    good = encrypted(encode_mpint(5))
    for value in (
        b"",
        bytes(128),
        b"\xff" * 128,
        good[:-1],
        good + b"\0",
        bytes((good[0] ^ 1,)) + good[1:],
        encrypted(b""),
        encrypted(encode_mpint(-1)),
        encrypted(encode_mpint(5) + b"\0"),
        encrypted(encode_mpint(5)[:-1]),
    ):
        with pytest.raises(KeyExchangeFailed) as caught:
            serve(value)
        texts.add(str(caught.value))
        assert caught.value.__suppress_context__
    assert texts == {"secret cannot be decrypted"}


def test_a_moduli_file_is_read_when_the_configuration_is_made(tmp_path: Path) -> None:
    """Not when the first client asks for a group, which nobody sees who starts the server."""
    file = tmp_path / "moduli"

    pair = SSHLocalKeyPair(generate_private_key("ssh-ed25519"))
    (name,) = pair.host_key_algorithms

    def config() -> TransportConfig:
        return TransportConfig(role=Role.SERVER, host_keys={name: pair}, moduli=str(file))

    with pytest.raises(FileNotFoundError, match="moduli"):
        config()
    file.write_text(LINE.format(BUILT_IN[2048].p) + "one line more\n")
    with pytest.raises(ModuliFileError, match=r"moduli: line 2 is not one of moduli\(5\)"):
        config()
    file.write_text(LINE.format(BUILT_IN[2048].p))
    assert config().moduli == str(file)
