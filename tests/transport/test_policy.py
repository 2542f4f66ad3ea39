"""Named presets, and what a connection does with them."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from ssh_keys import HOST_KEY_ALGORITHMS, SSHLocalKeyPair, generate_private_key
from ssh_keys.algorithms import Registry, Status
from ssh_transport import (
    CIPHERS,
    COMPRESSIONS,
    KEX_METHODS,
    MACS,
    PRESETS,
    AlgorithmNegotiationError,
    Disconnected,
    KeyExchangeFailed,
    Policy,
    Role,
    TransportConfig,
)
from ssh_transport.protocols import KexAlgorithm, MACAlgorithm

from .pair import HOST_KEY, Pair, connected

P384 = SSHLocalKeyPair(generate_private_key("ecdsa-sha2-nistp384"))
P256 = SSHLocalKeyPair(generate_private_key("ecdsa-sha2-nistp256"))
RSA2048 = SSHLocalKeyPair(generate_private_key("ssh-rsa", key_size=2048))

HOST_KEYS = {
    b"ssh-ed25519": HOST_KEY,
    b"ecdsa-sha2-nistp384": P384,
    b"ecdsa-sha2-nistp256": P256,
}


def rows(names: tuple[bytes, ...], table: Registry[KexAlgorithm]) -> set[Status]:
    return {table[name].status for name in names}


def test_a_connection_is_modern_unless_told_otherwise() -> None:
    config = TransportConfig(role=Role.CLIENT)
    assert config.policy is Policy.named("modern")
    assert config.kex_algorithms == KEX_METHODS.names(Status.DEFAULT)
    assert config.host_key_algorithms == HOST_KEY_ALGORITHMS.names(Status.DEFAULT)
    assert config.ciphers == CIPHERS.names(Status.DEFAULT)
    assert config.macs == MACS.names(Status.DEFAULT)
    assert config.compressions == COMPRESSIONS.names(Status.DEFAULT)
    assert config.min_rsa_bits == 2048
    assert config.gex_bits == (3072, 3072, 8192)


def test_modern_is_contained_in_compat_and_compat_in_legacy() -> None:
    modern, compat, legacy = map(Policy.named, ("modern", "compat", "legacy"))
    for field in ("kex_algorithms", "ciphers", "macs", "host_key_algorithms", "compressions"):
        names = [getattr(policy, field) for policy in (modern, compat, legacy)]
        assert names[1][: len(names[0])] == names[0]
        assert names[2][: len(names[1])] == names[1]
    assert rows(compat.kex_algorithms, KEX_METHODS) == {Status.DEFAULT, Status.SUPPORTED}
    assert rows(legacy.kex_algorithms, KEX_METHODS) == set(Status)
    assert legacy.min_rsa_bits == 1024


@pytest.mark.parametrize("name", PRESETS)
def test_no_preset_offers_methods_that_need_credentials(name: str) -> None:
    assert not [kex for kex in Policy.named(name).kex_algorithms if kex.startswith(b"gss-")]


def test_fips_has_approved_algorithms_only() -> None:
    policy = Policy.named("fips")
    every = b",".join(
        (*policy.kex_algorithms, *policy.ciphers, *policy.macs, *policy.host_key_algorithms)
    )
    for word in (b"25519", b"448", b"chacha", b"umac", b"sntrup", b"sha1", b"md5", b"cbc"):
        assert word not in every
    assert policy.kex_algorithms[0] == b"mlkem768nistp256-sha256"
    assert b"diffie-hellman-group14-sha256" in policy.kex_algorithms
    assert b"diffie-hellman-group-exchange-sha256" not in policy.kex_algorithms
    assert b"rsa-sha2-256" in policy.host_key_algorithms
    assert policy.compressions == (b"none", b"zlib@openssh.com")


def test_pq_has_post_quantum_key_exchange_only() -> None:
    policy = Policy.named("pq")
    assert all(KEX_METHODS[name].post_quantum for name in policy.kex_algorithms)
    assert policy.kex_algorithms[0] == b"mlkem768x25519-sha256"
    assert b"sntrup761x25519-sha512@openssh.com" in policy.kex_algorithms
    assert not [name for name in policy.kex_algorithms if b"nistp" in name]
    assert policy.ciphers == Policy.named("modern").ciphers
    assert policy.macs == Policy.named("modern").macs
    assert policy.host_key_algorithms[0] == b"ssh-ed25519"


def test_cnsa2_has_the_one_parameter_set() -> None:
    policy = Policy.named("cnsa2")
    assert policy.kex_algorithms == (b"mlkem1024nistp384-sha384",)
    assert policy.ciphers == (b"aes256-gcm@openssh.com", b"aes256-ctr")
    assert set(policy.macs) == {b"hmac-sha2-512-etm@openssh.com", b"hmac-sha2-512"}
    assert {b"ecdsa-sha2-nistp384", b"rsa-sha2-512"} <= set(policy.host_key_algorithms)
    assert not [name for name in policy.host_key_algorithms if b"256" in name]
    assert policy.min_rsa_bits == 3072


@pytest.mark.parametrize("name", PRESETS)
def test_two_sides_of_one_policy_connect(name: str) -> None:
    pair = connected(policy=Policy.named(name), server={"host_keys": HOST_KEYS})
    algorithms = pair.client.algorithms
    assert algorithms is not None
    assert algorithms == pair.server.algorithms
    policy = Policy.named(name)
    assert algorithms.kex == policy.kex_algorithms[0]
    assert algorithms.cipher_cs == algorithms.cipher_sc == policy.ciphers[0]
    assert not pair.client.closed


@pytest.mark.parametrize("name", ["modern", "pq", "fips", "cnsa2"])
def test_no_secp256k1_and_no_names_of_ssh_com(name: str) -> None:
    policy = Policy.named(name)
    for names in (policy.host_key_algorithms, policy.sig_algorithms):
        assert not [each for each in names if b"1.3.132" in each or each.endswith(b"@ssh.com")]


def test_cnsa2_and_modern_have_no_key_exchange_in_common() -> None:
    pair = Pair(
        client={"policy": Policy.named("cnsa2")},
        server={"policy": Policy.named("modern"), "host_keys": HOST_KEYS},
    ).start()
    (event,) = pair.of_type(Role.CLIENT, Disconnected)
    assert isinstance(event.error, AlgorithmNegotiationError)
    assert event.error.kind == "key exchange method"
    assert event.error.ours == (b"mlkem1024nistp384-sha384",)
    assert event.error.theirs == Policy.named("modern").kex_algorithms


def test_unknown_name_says_which_there_are() -> None:
    with pytest.raises(ValueError, match=r"'fip'.*modern, compat, legacy, pq, fips, cnsa2"):
        Policy.named("fip")


def test_patterns_change_a_preset() -> None:
    fips = Policy.named("fips")
    changed = fips.select(ciphers="^aes256-ctr", macs="-*-etm@*", kex_algorithms="ecdh-*")
    assert changed.name == "fips, changed"
    assert changed.ciphers == (b"aes256-ctr", *[n for n in fips.ciphers if n != b"aes256-ctr"])
    assert changed.macs == (b"hmac-sha2-256", b"hmac-sha2-512")
    assert changed.kex_algorithms == (
        b"ecdh-sha2-nistp256",
        b"ecdh-sha2-nistp384",
        b"ecdh-sha2-nistp521",
        b"ecdh-sha2-1.3.132.0.10",
    )
    assert changed.host_key_algorithms == fips.host_key_algorithms
    assert changed.select(ciphers="+aes128-cbc").name == "fips, changed"
    assert fips.select() is not changed
    assert fips.select() == fips
    assert Policy.named("fips").macs == fips.macs


def test_names_given_to_the_connection_win_over_its_policy() -> None:
    config = TransportConfig(
        role=Role.CLIENT, policy=Policy.named("fips"), ciphers=(b"aes128-cbc",), min_rsa_bits=4096
    )
    assert config.ciphers == (b"aes128-cbc",)
    assert config.macs == Policy.named("fips").macs
    assert config.min_rsa_bits == 4096


def test_an_empty_list_is_a_mistake_and_not_the_default() -> None:
    with pytest.raises(ValueError, match="ciphers is empty"):
        TransportConfig(role=Role.CLIENT, ciphers=())


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"kex_algorithms": (b"curve25519-sha265",)}, "kex_algorithms: no key exchange method is"),
        ({"ciphers": (b"aes256-ctr", b"rot13")}, "ciphers: no cipher is called b'rot13'"),
        ({"ciphers": ("aes256-ctr",)}, "no cipher is called 'aes256-ctr'"),
        ({"macs": "hmac-sha2-256"}, "no MAC is called 'h'"),
        ({"compressions": b"none"}, "no compression method is called 110"),
        ({"host_key_algorithms": (b"ssh-ed25518",)}, "host_key_algorithms: no "),
        ({"sig_algorithms": (b"ssh-ed25518",)}, "sig_algorithms: no "),
        ({"gex_bits": (8192, 4096, 2048)}, "gex_bits must be"),
        ({"gex_bits": (1024, 1024, 2047)}, "gex_bits leave no group of 2048 to 8192 bits"),
        ({"gex_bits": (8193, 9000, 9000)}, "gex_bits leave no group"),
        ({"version": b"SSH-2.0-"}, "version must be"),
    ],
)
def test_what_can_not_work_is_told_at_once(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        TransportConfig(role=Role.CLIENT, **given)


def test_names_in_a_list_are_as_good() -> None:
    names: Any = [b"aes256-ctr"]
    assert TransportConfig(role=Role.CLIENT, ciphers=names).ciphers == (b"aes256-ctr",)


def test_a_name_that_needs_what_is_not_installed() -> None:
    macs = (b"umac-64@openssh.com", b"hmac-md5-96")  # that no other test has: it is remembered
    with (
        mock.patch.object(MACAlgorithm, "available", return_value=False),
        pytest.raises(ValueError, match=r"'umac-64@openssh\.com' needs a library"),
    ):
        TransportConfig(role=Role.CLIENT, macs=macs)


def test_a_host_key_of_another_type() -> None:
    with pytest.raises(ValueError, match="a key of type ssh-rsa can not serve ssh-ed25519"):
        TransportConfig(role=Role.SERVER, host_keys={b"ssh-ed25519": RSA2048})


def test_small_rsa_host_key_proves_nothing_under_cnsa2() -> None:
    pair = Pair(
        policy=Policy.named("cnsa2"), server={"host_keys": {b"rsa-sha2-512": RSA2048}}
    ).start()
    (event,) = pair.of_type(Role.CLIENT, Disconnected)
    assert isinstance(event.error, KeyExchangeFailed)
    assert "2048 bits, at least 3072" in event.error.reason
    fips = {b"rsa-sha2-512": RSA2048}
    assert not connected(policy=Policy.named("fips"), server={"host_keys": fips}).client.closed


def test_modern_server_chooses_no_group_below_3072_bits() -> None:
    gex: dict[str, Any] = {"kex_algorithms": (b"diffie-hellman-group-exchange-sha256",)}
    asked = {"gex_bits": (2048, 2048, 8192)}
    assert not connected(**gex, client=asked).client.closed
    pair = Pair(**gex, client={"gex_bits": (2048, 2048, 2048)}).start()
    (event,) = pair.of_type(Role.SERVER, Disconnected)
    assert isinstance(event.error, KeyExchangeFailed)
    assert "no group of 3072 to 2048 bits" in event.error.reason
    compat = {"policy": Policy.named("compat")}
    small = Pair(**gex, client={"gex_bits": (2048, 2048, 2048)}, server=compat).start()
    assert not small.client.closed


def test_the_name_of_a_policy_is_no_policy() -> None:
    wrong: Any = "fips"
    with pytest.raises(TypeError, match=r"policy must be a Policy: Policy\.named"):
        TransportConfig(role=Role.CLIENT, policy=wrong)
