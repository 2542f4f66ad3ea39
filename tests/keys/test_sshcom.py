"""Private keys as ssh.com's SSH 2 wrote them; today puttygen does, and ssh-keygen reads some."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ssh_keys
from ssh_keys import KeyImportError, KeyPassphraseError, UnsupportedKeyError
from ssh_keys.formats.sshcom import MAGIC, decode_sshcom, iterate_sshcom
from ssh_keys.wire import encode_string, encode_uint32

from .support import make_key, needs_ssh_keygen, ssh_keygen
from .test_ppk import puttygen

needs_puttygen = pytest.mark.skipif(shutil.which("puttygen") is None, reason="no puttygen")
RSA, DSA = b"if-modn{sign{rsa-pkcs1-sha1}}", b"dl-modp{sign{dsa-nist-sha1},dh{plain}}"


def write(name: str, folder: Path, passphrase: str = "") -> bytes:
    """What puttygen makes of a shared key."""
    source, new, out = folder / "key.ppk", folder / "new", folder / "out"
    key = make_key(name)
    key.write_private_key(source, "ppk")
    new.write_text(passphrase)
    puttygen(source, "-O", "private-sshcom", "--new-passphrase", new, "-o", out)
    return out.read_bytes()


def integer(value: int) -> bytes:
    bits = value.bit_length()
    return encode_uint32(bits) + value.to_bytes((bits + 7) // 8, "big")


def container(kind: bytes, body: bytes, cipher: bytes = b"none") -> bytes:
    rest = encode_string(kind) + encode_string(cipher) + encode_string(body)
    return encode_uint32(MAGIC) + encode_uint32(len(rest) + 8) + rest


@needs_puttygen
@pytest.mark.parametrize("passphrase", ["", "secret"])
@pytest.mark.parametrize("name", ["ssh-rsa", "ssh-dss"])
def test_puttygens_files(name: str, passphrase: str, tmp_path: Path) -> None:
    data = write(name, tmp_path, passphrase)
    assert data.startswith(b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----")
    key = ssh_keys.import_private_key(data, passphrase or None)
    assert key == make_key(name)
    assert key.get_comment() == f"{name} 0"
    (first, second) = ssh_keys.read_private_key_list(_twice(data, tmp_path), passphrase or None)
    assert first == second == key
    if passphrase:
        for wrong in (None, "", "wrong"):
            with pytest.raises(KeyPassphraseError):
                ssh_keys.import_private_key(data, wrong)


def _twice(data: bytes, folder: Path) -> Path:
    path = folder / "two"
    path.write_bytes(data + data)
    return path


@needs_puttygen
@needs_ssh_keygen
def test_ssh_keygen_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(write("ssh-rsa", tmp_path))
    theirs = ssh_keygen("-i", "-f", path)
    assert ssh_keys.import_private_key(theirs) == ssh_keys.read_private_key(path)


@needs_puttygen
@pytest.mark.parametrize("passphrase", ["", "secret"])
def test_every_changed_byte(passphrase: str, tmp_path: Path) -> None:
    """There is no check but the lengths, so a change may also give another key of the same size."""
    data = write("ssh-dss", tmp_path, passphrase)
    ((content, _),) = iterate_sshcom(data)
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 0x11
        try:
            decode_sshcom(bytes(changed), b"secret")
        except KeyImportError:
            continue
    for end in range(len(content)):
        with pytest.raises(KeyImportError):
            decode_sshcom(content[:end], b"secret")
    for position in range(len(data)):
        broken = bytearray(data)
        broken[position] ^= 0x11
        try:
            ssh_keys.import_private_key(bytes(broken), "secret")
        except KeyImportError:
            continue


@pytest.mark.parametrize(
    ("content", "error", "text"),
    [
        (b"", KeyImportError, "truncated"),
        (container(RSA, b"")[1:] + b"x", KeyImportError, "not a private key of ssh.com"),
        (container(RSA, b"", b"rot13"), UnsupportedKeyError, "cipher 'rot13'"),
        (container(RSA, b"1234567", b"3des-cbc"), KeyImportError, "blocks"),
        (container(b"ec-p{", encode_string(b"")), UnsupportedKeyError, "type 'ec-p"),
        (container(DSA, encode_string(encode_uint32(1))), UnsupportedKeyError, "parameters"),
        (container(RSA, encode_string(encode_uint32(1 << 31))), KeyImportError, "2147483648 bits"),
        (container(RSA, encode_string(integer(3) * 7)), KeyImportError, "behind"),
        (container(RSA, encode_string(integer(3) * 6) + b"\0"), KeyImportError, "behind"),
        (container(RSA, encode_string(integer(3) * 5)), KeyImportError, "truncated"),
    ],
)
def test_files_that_are_refused(content: bytes, error: type[KeyImportError], text: str) -> None:
    with pytest.raises(error, match=re.escape(text)):
        decode_sshcom(content, b"x")


@given(st.binary(max_size=200))
def test_arbitrary_data(data: bytes) -> None:
    head = b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n"
    for text in (head + data, head + data + b"\n---- END SSH2 ENCRYPTED PRIVATE KEY ----\n"):
        with pytest.raises(KeyImportError):
            ssh_keys.import_private_key(text, "x")
    for content in (data, container(RSA, data), container(DSA, data, b"3des-cbc")):
        with pytest.raises(KeyImportError):
            decode_sshcom(content, b"x")
