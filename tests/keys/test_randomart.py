"""The picture of a fingerprint, against pictures of the real ssh-keygen."""

from __future__ import annotations

from pathlib import Path

import pytest

import ssh_keys
from ssh_keys import randomart
from ssh_keys.drunken_bishop import draw

from .support import (
    KEY_TYPES,
    make_key,
    needs_ssh_keygen,
    skip_unless_openssh_has,
    ssh_keygen,
)

RECORDED = [
    "+--[ED25519 256]--+",
    "|                 |",
    "|   o .      .    |",
    "|  . =      . =   |",
    "|   + + o o  + +  |",
    "|    = X S.oo.o   |",
    "|   + = +oo*o .o .|",
    "|  o E o+++oo.  o |",
    "|   + . +=o+      |",
    "|   .+ oo .o+     |",
    "+----[SHA256]-----+",
]


def test_recorded_picture() -> None:
    """Printed by ssh-keygen 9.2 for this public key."""
    key = ssh_keys.import_public_key(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9ks7jkua5YWIwByRnnnc6UPJQWI75O0e/UJdPYU1JI"
    )
    assert randomart(key).split("\n") == RECORDED


def test_walk_of_a_digest_without_moves() -> None:
    rows = draw(b"")
    assert rows[4] == " " * 8 + "E" + " " * 8
    assert {len(row) for row in rows} == {17}
    corner = draw(bytes(16))
    assert corner[0][0] == "E"
    assert corner[4][8] == "S"


def test_names_that_are_too_long() -> None:
    key = make_key("ssh-mldsa44-ed25519@openssh.com")
    assert randomart(key).splitlines()[0] == "+[MLDSA44-ED25519-+"


def test_unknown_hash() -> None:
    with pytest.raises(ValueError, match="unknown fingerprint hash"):
        randomart(make_key("ssh-ed25519"), "crc32")


@needs_ssh_keygen
@pytest.mark.parametrize("name", [*KEY_TYPES, "ssh-dss", "ssh-mldsa44-ed25519"])
def test_ssh_keygen_draws_the_same(name: str, tmp_path: Path) -> None:
    skip_unless_openssh_has(name)
    path = tmp_path / "id.pub"
    for number in range(3):
        key = make_key(name, number)
        key.write_public_key(path)
        for hash_name in ("md5", "sha1", "sha256", "sha384", "sha512"):
            printed = ssh_keygen("-lv", "-E", hash_name, "-f", path)
            assert printed.split("\n", 1)[1].rstrip("\n") == randomart(key, hash_name)
