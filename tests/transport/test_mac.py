"""MACs against the published vectors and against Python's own HMAC."""

from __future__ import annotations

import hmac
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_keys.algorithms import Status
from ssh_transport.mac import MACS
from ssh_transport.mac import umac as umac_module
from ssh_transport.mac.umac import UMACPacketMAC, nettle_available
from ssh_transport.protocols import MACAlgorithm

needs_nettle = pytest.mark.skipif(not nettle_available(), reason="libnettle is not installed")

HMACS = [row for row in MACS if row.name.startswith(b"hmac")]


def computed(name: str, key: bytes, message: bytes) -> str:
    """The MAC of a message of at least 8 bytes, as hex."""
    return MACS[name.encode()].new(key).compute(message[:8], message[8:]).hex()


def test_names_in_order_of_preference() -> None:
    assert [row.name.decode() for row in MACS] == [
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        "umac-128-etm@openssh.com",
        "hmac-sha2-256",
        "hmac-sha2-512",
        "umac-128@openssh.com",
        "umac-64-etm@openssh.com",
        "umac-64@openssh.com",
        "hmac-sha256-2@ssh.com",
        "hmac-sha224@ssh.com",
        "hmac-sha256@ssh.com",
        "hmac-sha384@ssh.com",
        "hmac-sha512@ssh.com",
        "hmac-sha1-etm@openssh.com",
        "hmac-sha1",
        "hmac-sha2-256-96-etm@openssh.com",
        "hmac-sha2-512-96-etm@openssh.com",
        "hmac-sha2-256-96",
        "hmac-sha2-512-96",
        "hmac-sha1-96-etm@openssh.com",
        "hmac-sha1-96",
        "hmac-md5-etm@openssh.com",
        "hmac-md5",
        "hmac-md5-96-etm@openssh.com",
        "hmac-md5-96",
    ]


def test_only_encrypt_then_mac_by_default() -> None:
    assert [row.name for row in MACS if row.status is Status.DEFAULT] == [
        b"hmac-sha2-256-etm@openssh.com",
        b"hmac-sha2-512-etm@openssh.com",
        b"umac-128-etm@openssh.com",
    ]
    for row in MACS:
        broken = b"sha1" in row.name or b"md5" in row.name or b"-96" in row.name
        assert (row.status is Status.INSECURE) is broken, row.name


@pytest.mark.parametrize("row", MACS, ids=lambda row: row.name.decode())
def test_row_says_what_the_name_says(row: MACAlgorithm) -> None:
    name, etm = row.name.decode(), row.name.endswith(b"-etm@openssh.com")
    assert row.etm is etm
    sizes = {f"sha{bits}": bits // 8 for bits in (224, 256, 384, 512)}
    sizes |= {"sha2-256": 32, "sha2-512": 64, "sha1": 20, "md5": 16, "umac-128": 16, "umac-64": 8}
    (size,) = (size for text, size in sizes.items() if text in name)
    assert row.digest_size == (12 if "-96" in name else size)
    # That of hmac-sha256@ssh.com is what ssh.com made of it.
    short = "umac" in name or name == "hmac-sha256@ssh.com"
    assert row.key_size == (16 if short else size)


@pytest.mark.parametrize(
    ("key", "message", "sha256", "sha512"),
    [
        # RFC 4231 sections 4.2 to 4.8
        (
            b"\x0b" * 20,
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            (
                "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
                "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"
            ),
        ),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            (
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
            ),
        ),
        (
            b"\xaa" * 20,
            b"\xdd" * 50,
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
            (
                "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
                "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"
            ),
        ),
        (
            bytes(range(1, 26)),
            b"\xcd" * 50,
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
            (
                "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db"
                "a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd"
            ),
        ),
        (
            b"\xaa" * 131,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            (
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
                "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"
            ),
        ),
        (
            b"\xaa" * 131,
            (
                b"This is a test using a larger than block-size key and a larger than block-size "
                b"data. The key needs to be hashed before being used by the HMAC algorithm."
            ),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            (
                "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944"
                "b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58"
            ),
        ),
    ],
)
def test_rfc_4231(key: bytes, message: bytes, sha256: str, sha512: str) -> None:
    for suffix in ("", "-etm@openssh.com"):
        assert computed("hmac-sha2-256" + suffix, key, message) == sha256
        assert computed("hmac-sha2-512" + suffix, key, message) == sha512
        assert computed("hmac-sha2-256-96" + suffix, key, message) == sha256[:24]
        assert computed("hmac-sha2-512-96" + suffix, key, message) == sha512[:24]


@pytest.mark.parametrize(
    ("name", "key", "message", "digest"),
    [
        # RFC 2202 sections 2 and 3
        ("hmac-md5", b"\x0b" * 16, b"Hi There", "9294727a3638bb1c13f48ef8158bfc9d"),
        ("hmac-md5", b"Jefe", b"what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738"),
        ("hmac-sha1", b"\x0b" * 20, b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
        (
            "hmac-sha1",
            b"Jefe",
            b"what do ya want for nothing?",
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        ),
    ],
)
def test_rfc_2202(name: str, key: bytes, message: bytes, digest: str) -> None:
    for suffix in ("", "-etm@openssh.com"):
        assert computed(name + suffix, key, message) == digest
        assert computed(name + "-96" + suffix, key, message) == digest[:24]


@given(
    row=st.sampled_from(HMACS),
    key=st.binary(min_size=16, max_size=64),
    packets=st.lists(st.tuples(st.binary(min_size=8, max_size=8), st.binary()), max_size=4),
)
def test_same_as_the_standard_library(
    row: MACAlgorithm, key: bytes, packets: list[tuple[bytes, bytes]]
) -> None:
    name = row.name.decode()
    plain = name.replace("sha2-", "sha")
    digest = next(d for d in ("sha224", "sha256", "sha384", "sha512", "sha1", "md5") if d in plain)
    mac = row.new(key)
    for head, body in packets:
        expected = hmac.digest(key, head + body, digest)[: row.digest_size]
        assert mac.compute(head, body) == expected
        assert mac.compute(head, memoryview(bytearray(body))) == expected


# --- UMAC --------------------------------------------------------------------------------------


@needs_nettle
@pytest.mark.parametrize(
    ("message", "tag"),
    [
        # RFC 4418 appendix
        (b"", "6e155fad26900be1"),
        (b"a" * 3, "44b5cb542f220104"),
        (b"a" * 1024, "26bf2f5d60118bd9"),
        (b"a" * 32768, "27f8ef643b0d118d"),
        (b"abc" * 1, "d4d7b9f6bd4fbfcf"),
        (b"abc" * 500, "d4cf26ddefd5c01a"),
    ],
)
def test_rfc_4418(message: bytes, tag: str) -> None:
    mac = UMACPacketMAC(b"abcdefghijklmnop", 64)
    for _ in range(2):
        assert mac.tag(b"bcdefghi", message).hex() == tag


@needs_nettle
@pytest.mark.parametrize("bits", [64, 128])
@given(st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.binary(max_size=200)), max_size=5))
def test_umac_nonce_is_the_sequence_number(bits: int, packets: list[tuple[int, bytes]]) -> None:
    """draft-miller-secsh-umac section 3: the nonce is the number as a uint64, the text all else."""
    mac = UMACPacketMAC(bytes(range(16)), bits)
    for seq, body in packets:
        head = seq.to_bytes(4, "big") + len(body).to_bytes(4, "big")
        other = UMACPacketMAC(bytes(range(16)), bits)
        expected = other.tag(seq.to_bytes(8, "big"), head[4:] + body)
        assert len(expected) == bits // 8
        assert mac.compute(head, body) == expected
        # The next number without setting the nonce again, and back to this one.
        following = (seq + 1).to_bytes(8, "big")
        if seq < 0xFFFFFFFF:
            assert mac.compute(following[4:] + head[4:], memoryview(body)) == other.tag(
                following, head[4:] + body
            )


@needs_nettle
def test_umac_objects_are_independent() -> None:
    one, two = (UMACPacketMAC(os.urandom(16), 128) for _ in range(2))
    head = bytes(8)
    first = one.compute(head, b"packet")
    two.compute(head, b"packet")
    assert one.compute(head, b"packet") == first != two.compute(head, b"packet")


def test_umac_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(umac_module, "_NAMES", ("libnettle-that-is-not-there.so",))
    umac_module._nettle.cache_clear()
    try:
        assert not nettle_available()
        assert not any(b"umac" in name for name in MACS.names())
        with pytest.raises(ValueError, match=r"umac-64@openssh\.com.*not installed"):
            MACS.select("umac-64@openssh.com")
        with pytest.raises(ValueError, match="libnettle"):
            UMACPacketMAC(bytes(16), 64)
    finally:
        umac_module._nettle.cache_clear()
