"""SASLprep: the examples of RFC 4013 section 3, and what it forbids."""

from __future__ import annotations

import pytest

from ssh_connection.userauth.saslprep import SASLPrepError, saslprep


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("\u0627\u0031\u0627", "\u0627\u0031\u0627"),
    ],
)
def test_texts_are_prepared(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared


@pytest.mark.parametrize("text", ["\u0007", "\u0627\u0031", "\u0627a\u0627", "\ue000", "\u200e"])
def test_texts_are_refused(text: str) -> None:
    with pytest.raises(SASLPrepError):
        saslprep(text)
