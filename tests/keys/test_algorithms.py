"""Registries of algorithms and the patterns that select from them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ssh_keys import HOST_KEY_ALGORITHMS, SIGNATURE_ALGORITHMS, Registry, Status, sig_algorithm_of
from ssh_keys.signature_algorithms import names_unless_chosen


@dataclass(frozen=True)
class Row:
    """A table row for these tests."""

    name: bytes
    status: Status = Status.DEFAULT
    installed: bool = True

    def available(self) -> bool:
        return self.installed


TABLE = Registry(
    "cipher",
    (
        Row(b"best"),
        Row(b"aes256-gcm"),
        Row(b"aes128-gcm"),
        Row(b"gone", installed=False),
        Row(b"aes128-cbc", Status.SUPPORTED),
        Row(b"3des-cbc", Status.INSECURE),
    ),
)
DEFAULT = (b"best", b"aes256-gcm", b"aes128-gcm")


def test_table() -> None:
    assert len(TABLE) == 6
    assert b"best" in TABLE
    assert "best" not in TABLE
    assert TABLE[b"3des-cbc"].status is Status.INSECURE
    assert next(row.name for row in TABLE) == b"best"
    with pytest.raises(KeyError):
        TABLE[b"none"]


def test_names_are_unique() -> None:
    with pytest.raises(ValueError, match="two cipher rows"):
        Registry("cipher", (Row(b"a"), Row(b"a")))


def test_extended_leaves_the_original() -> None:
    more = TABLE.extended(Row(b"mine"))
    assert more.names(Status.DEFAULT) == (*DEFAULT, b"mine")
    assert b"mine" not in TABLE


def test_names_by_status() -> None:
    assert TABLE.names(Status.DEFAULT) == DEFAULT
    assert TABLE.names(Status.SUPPORTED, Status.INSECURE) == (b"aes128-cbc", b"3des-cbc")
    assert b"gone" not in TABLE.names()


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (None, DEFAULT),
        ((), DEFAULT),
        (["3des-cbc", b"best"], (b"3des-cbc", b"best")),
        (["best", "best"], (b"best",)),
        ("aes128-cbc,best", (b"aes128-cbc", b"best")),
        (" best , aes256-gcm ", (b"best", b"aes256-gcm")),
        ("aes*", (b"aes256-gcm", b"aes128-gcm", b"aes128-cbc")),
        ("aes???-cbc", (b"aes128-cbc",)),
        ("+3des-cbc", (*DEFAULT, b"3des-cbc")),
        ("+best", DEFAULT),
        ("-aes*", (b"best",)),
        ("-nothing", DEFAULT),
        ("^aes128-cbc", (b"aes128-cbc", *DEFAULT)),
        ("^aes128-gcm", (b"aes128-gcm", b"best", b"aes256-gcm")),
    ],
)
def test_select(choice: str | list[str | bytes] | None, names: tuple[bytes, ...]) -> None:
    assert TABLE.select(choice) == names


@pytest.mark.parametrize("choice", ["rot*", "+rot*", "^rot*", "best,rot?*", "+3des-cbc,rot*"])
def test_a_pattern_that_adds_nothing_is_a_mistake(choice: str) -> None:
    with pytest.raises(ValueError, match=r"no cipher matches 'rot\??\*'"):
        TABLE.select(choice)
    assert TABLE.select("-rot*") == DEFAULT  # as OpenSSH has it: what is to be gone is gone
    assert TABLE.select("+gon*") == DEFAULT


def test_knows() -> None:
    assert TABLE.knows("aes*")
    assert TABLE.knows("gone")
    assert not TABLE.knows("aes")
    assert not TABLE.knows("aes\xe9*")


def test_prefixes_refer_to_the_given_default() -> None:
    assert TABLE.select("+3des-cbc", default=(b"best",)) == (b"best", b"3des-cbc")
    assert TABLE.select(None, default=(b"best",)) == (b"best",)


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ("nonsense", "unknown cipher 'nonsense'"),
        (["nonsense"], "unknown cipher"),
        ("gone", "not installed"),
        (["gone"], "not installed"),
        ("-*", "no cipher is left"),
        ("zzz*", "no cipher matches 'zzz"),
        (",", "no cipher is left"),
        ("", "no cipher is left"),
    ],
)
def test_select_refuses(choice: str | list[str | bytes], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        TABLE.select(choice)


def test_default_signature_algorithms_in_order() -> None:
    assert SIGNATURE_ALGORITHMS.names(Status.DEFAULT)[:6] == (
        b"ssh-ed25519",
        b"ecdsa-sha2-nistp256",
        b"ecdsa-sha2-nistp384",
        b"ecdsa-sha2-nistp521",
        b"rsa-sha2-512",
        b"rsa-sha2-256",
    )
    assert b"ssh-rsa" in SIGNATURE_ALGORITHMS.names(Status.INSECURE)


@pytest.mark.parametrize(
    ("name", "sig_algorithm", "key_algorithm"),
    [
        (b"ssh-ed25519", b"ssh-ed25519", b"ssh-ed25519"),
        (b"rsa-sha2-512", b"rsa-sha2-512", b"ssh-rsa"),
        (b"rsa-sha2-256", b"rsa-sha2-256", b"ssh-rsa"),
        (b"ssh-rsa", b"ssh-rsa", b"ssh-rsa"),
    ],
)
def test_host_key_algorithms(name: bytes, sig_algorithm: bytes, key_algorithm: bytes) -> None:
    assert sig_algorithm_of(name) == sig_algorithm
    assert HOST_KEY_ALGORITHMS[name].key_algorithm == key_algorithm


def test_unknown_host_key_algorithm() -> None:
    with pytest.raises(KeyError):
        sig_algorithm_of(b"ssh-nonsense")


def test_no_signature_with_sha1_by_default() -> None:
    for table in (SIGNATURE_ALGORITHMS, HOST_KEY_ALGORITHMS):
        for name in table.names(Status.DEFAULT):
            assert table[name].sig_algorithm not in (b"ssh-rsa", b"ssh-dss")


SSH_COM = tuple(f"ssh-rsa-sha{size}@ssh.com".encode() for size in (512, 384, 256, 224))
SECP256K1 = b"ecdsa-sha2-1.3.132.0.10"


def test_names_that_asyncssh_has_are_never_on_by_default() -> None:
    forms = (SECP256K1, b"x509v3-" + SECP256K1, SECP256K1 + b"-cert-v01@openssh.com")
    for name in (*forms, *SSH_COM):
        assert HOST_KEY_ALGORITHMS[name].status is Status.SUPPORTED
        assert HOST_KEY_ALGORITHMS.select(name.decode()) == (name,)
    for name in (SECP256K1, *SSH_COM):
        assert SIGNATURE_ALGORITHMS[name].sig_algorithm == name


def test_the_names_of_ssh_com_are_for_plain_keys() -> None:
    with_sha = [row.name for row in HOST_KEY_ALGORITHMS if b"@ssh.com" in row.name]
    assert with_sha == [*SSH_COM]
    assert {HOST_KEY_ALGORITHMS[name].key_algorithm for name in SSH_COM} == {b"ssh-rsa"}


def test_names_unless_chosen() -> None:
    """A key of a rare type is used as it is; an RSA key has names that are better known."""
    names = names_unless_chosen(SIGNATURE_ALGORITHMS)
    assert {b"rsa-sha2-256", b"rsa-sha2-512", SECP256K1, b"ssh-ed448"} <= {*names}
    assert not {*names} & {*SSH_COM, b"ssh-rsa", b"ssh-dss"}
    assert names_unless_chosen(SIGNATURE_ALGORITHMS[name] for name in SSH_COM) == SSH_COM
