"""Base64 as OpenSSH takes it: one form for what is read, wherever it stands."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import KeyImportError
from ssh_keys.formats.armour import decode_base64, encode_pem, iterate_pem

from .support import make_key, needs_ssh_keygen, public_line, ssh_keygen


@given(st.binary(max_size=80))
def test_there_and_back(data: bytes) -> None:
    assert decode_base64(b64encode(data)) == data


@pytest.mark.parametrize(
    "text",
    [
        b"AB==",
        b"AAAB",
        b"AAB=",
        b"AAAAA",
        b"A",
        b"=",
        b"====",
        b"AAAA=",
        b"AAAA==",
        b"AA=A",
        b"AA= =",
    ],
)
def test_other_forms_of_the_same_are_refused(text: bytes) -> None:
    if text == b"AAAB":  # no padding: every bit counts
        assert decode_base64(text) == b"\0\0\1"
        return
    with pytest.raises(KeyImportError, match="base64"):
        decode_base64(text)


@given(st.binary(min_size=1, max_size=6), st.data())
def test_one_text_for_each_data(data: bytes, draw: st.DataObject) -> None:
    text = bytearray(b64encode(data))
    position = draw.draw(st.integers(0, len(text) - 1))
    text[position] ^= draw.draw(st.integers(1, 255))
    try:
        other = decode_base64(bytes(text))
    except KeyImportError:
        return
    assert other != data


@needs_ssh_keygen
def test_ssh_keygen_refuses_the_same(tmp_path: Path) -> None:
    """The last character of a line may carry bits that mean nothing; ssh-keygen wants zeros."""
    name, text = public_line("ecdsa-sha2-nistp256").split()
    assert text.endswith("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    changed = text[:-2] + alphabet[alphabet.index(text[-2]) ^ 1] + "="
    for body, good in ((text, True), (changed, False)):
        path = tmp_path / f"{good}.pub"
        path.write_text(f"{name} {body}\n")
        assert bool(ssh_keygen("-lf", path, check=False)) is good
        if good:
            assert ssh_keys.read_public_key(path) == make_key(name).convert_to_public()
        else:
            with pytest.raises(KeyImportError, match="bits behind the last byte"):
                ssh_keys.read_public_key(path)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" \t\n"])
def test_pem_with_other_line_ends(end: bytes) -> None:
    text = encode_pem(b"THING", bytes(range(100)), {b"Proc-Type": b"4,ENCRYPTED"})
    (block,) = iterate_pem(text.replace(b"\n", end))
    assert block.data == bytes(range(100))
    assert block.headers == {b"Proc-Type": b"4,ENCRYPTED"}
    (block,) = iterate_pem(encode_pem(b"THING", bytes(range(100))).replace(b"\n", end))
    assert block.data == bytes(range(100))
    assert block.headers == {}
