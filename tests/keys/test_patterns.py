"""Patterns of names and addresses: wildcards, negation, networks, and their bounds in time."""

from __future__ import annotations

import time
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_keys.patterns import PatternList, match_wildcard, parse_address


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("", "", True),
        ("a", "", False),
        ("", "*", True),
        ("abc", "*", True),
        ("abc", "a*", True),
        ("abc", "*c", True),
        ("abc", "a*c", True),
        ("abc", "a?c", True),
        ("abc", "???", True),
        ("abc", "??", False),
        ("abc", "a**c", True),
        ("abcabc", "*abc", True),
        ("a.b", "a.b", True),
        ("axb", "a.b", False),
        ("a[b]c", "a[b]c", True),
        ("abc", "a[b]c", False),
        ("a\nb", "a?b", True),
        ("a\n", "a", False),
        ("aXbXc", "a*b*c", True),
        ("abab", "*ab*ab*ab*", False),
    ],
)
def test_wildcards(text: str, pattern: str, expected: bool) -> None:
    assert match_wildcard(text, pattern) is expected


@given(st.text("ab.*?", max_size=8), st.text("ab.", max_size=10))
def test_wildcards_agree_with_fnmatch(pattern: str, text: str) -> None:
    assert match_wildcard(text, pattern) == fnmatchcase(text, pattern)


def test_hostile_pattern_is_fast() -> None:
    start = time.perf_counter()
    assert not match_wildcard("a" * 4000, "*a" * 1000 + "*b")
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("patterns", "name", "expected"),
    [
        (["*.example.com"], "www.example.com", True),
        (["*.EXAMPLE.com"], "www.example.com", True),
        (["*.example.com"], "example.com", False),
        (["*.example.com", "!www.example.com"], "www.example.com", False),
        (["!www.example.com", "*.example.com"], "www.example.com", False),
        (["!www.example.com", "*.example.com"], "ftp.example.com", True),
        (["!www.example.com"], "ftp.example.com", False),
        ([], "a", False),
    ],
)
def test_lists(patterns: list[str], name: str, expected: bool) -> None:
    assert PatternList(patterns).matches([name]) is expected


@pytest.mark.parametrize(
    ("pattern", "address", "expected"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3/32", "10.1.2.3", True),
        ("0.0.0.0/0", "1.2.3.4", True),
        ("0.0.0.0/0", "::1", False),
        ("2001:db8::/32", "2001:db8::1", True),
        ("2001:db8::/32", "2001:db9::1", False),
        ("10.0.0.0/8", "::ffff:10.1.2.3", True),
        ("fe80::/10", "fe80::1%eth0", True),
    ],
)
def test_networks(pattern: str, address: str, expected: bool) -> None:
    parsed = parse_address(address)
    assert parsed is not None
    assert PatternList([pattern]).matches([], [parsed]) is expected
    assert PatternList(["*", "!" + pattern]).matches([address], [parsed]) is not expected


@pytest.mark.parametrize("pattern", ["", "!", "10.0.0.1/8", "10.0.0.0/33", "x/8", "a" * 5000])
def test_patterns_that_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError):
        PatternList([pattern])


@pytest.mark.parametrize("text", ["", "host", "1.2.3", "1.2.3.4.5", ":::", "%eth0"])
def test_no_addresses(text: str) -> None:
    assert parse_address(text) is None
