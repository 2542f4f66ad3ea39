"""Hashed names of known_hosts: the same as HMAC-SHA1 of the standard library, found again."""

from __future__ import annotations

import hmac
from base64 import b64encode
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_keys import KeyImportError
from ssh_keys import hashed_names as module
from ssh_keys.hashed_names import HASH_MAGIC, HashedNames, decode_hashed_name


def hashed(name: bytes, salt: bytes) -> bytes:
    digest = hmac.digest(salt, name, "sha1")
    return HASH_MAGIC + b64encode(salt) + b"|" + b64encode(digest)


@given(st.binary(max_size=90), st.binary(max_size=200), st.binary(max_size=200))
def test_same_as_hmac(salt: bytes, name: bytes, other: bytes) -> None:
    names = HashedNames()
    assert not names
    names.add(7, hashed(name, salt))
    assert names
    assert names.find((name,)) == (7,)
    assert names.find((other, name)) == (7,)
    assert names.find((other,)) == ((7,) if other == name else ())


@pytest.mark.parametrize("text", [b"|1|", b"|1|AAAA", b"|1|!|AAAA", b"|1|AAAA|AAA"])
def test_malformed_names_match_nothing(text: bytes) -> None:
    names = HashedNames()
    names.add(0, text)
    names.add(1, hashed(b"host", b"salt"))
    assert names.find((b"host",)) == (1,)
    assert names.find((b"",)) == ()


def test_malformed_name_is_an_error_where_it_has_to_be() -> None:
    with pytest.raises(KeyImportError, match="base64"):
        decode_hashed_name(b"|1|!|AAAA")


def test_what_was_found_is_remembered_up_to_a_bound() -> None:
    names = HashedNames()
    names.add(0, hashed(b"a", b"salt"))
    with mock.patch.object(module, "MAXIMUM_REMEMBERED", 2):
        for name in (b"a", b"b", b"c", b"a"):
            assert names.find((name,)) == ((0,) if name == b"a" else ())
            assert len(names._found) <= 2
    names.add(1, hashed(b"a", b"pepper"))
    assert names.find((b"a",)) == (0, 1)


@given(
    st.lists(
        st.tuples(
            st.sampled_from((b"host", b"other", b"")),
            st.one_of(st.binary(min_size=20, max_size=20), st.binary(max_size=70)),
            st.sampled_from((None, b"|1|", b"|1|AAAA", b"|1|" + b"!" * 57)),
        ),
        max_size=12,
    ),
    st.integers(1, 5),
)
def test_batches_with_anything_among_them(
    lines: list[tuple[bytes, bytes, bytes | None]], size: int
) -> None:
    names = HashedNames()
    expected = []
    for number, (name, salt, malformed) in enumerate(lines, 100):
        names.add(number, hashed(name, salt) if malformed is None else malformed)
        if malformed is None and name == b"host":
            expected.append(number)
    with mock.patch.object(module, "_BATCH", size):
        assert list(names.find((b"host",))) == expected
    assert list(names.find((b"nobody", b"host", b"host"))) == expected


@pytest.mark.parametrize("place", range(3, 60))
def test_one_damaged_character_in_a_batch(place: int) -> None:
    usual = [hashed(b"host", bytes([number]) * 20) for number in range(3)]
    for char in (b"!", b"=", b"|", b"1", b"\n"):
        damaged = usual[1][:place] + char + usual[1][place + 1 :]
        names = HashedNames()
        for number, name in enumerate((usual[0], damaged, usual[2])):
            names.add(number, name)
        assert set(names.find((b"host",))) - {1} == {0, 2}
        if damaged != usual[1]:
            assert names.find((b"host",)) == (0, 2)
