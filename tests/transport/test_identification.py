"""Identification strings: RFC 4253 section 4.2."""

from __future__ import annotations

import pytest

from ssh_transport import ProtocolError, ProtocolNotSupported, Role
from ssh_transport.identification import Identification


def feed(role: Role, data: bytes, chunk: int = 1 << 20) -> tuple[Identification, int]:
    identification = Identification(role)
    buf = bytearray(data) + bytearray(64)
    start = 0
    for end in range(chunk, len(data) + chunk, chunk):
        start = identification.feed(buf, start, min(end, len(data)))
    return identification, start


@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
def test_finds_the_version_and_leaves_the_rest(newline: bytes, chunk: int) -> None:
    data = b"hello" + newline + b"SSH-2.0-peer comment" + newline
    found, stop = feed(Role.CLIENT, data, chunk)
    assert found.version == b"SSH-2.0-peer comment"
    assert found.take_lines() == [b"hello"]
    assert found.take_lines() == []
    assert stop == len(data)


def test_version_199_is_accepted() -> None:
    assert feed(Role.CLIENT, b"SSH-1.99-old\r\n")[0].version == b"SSH-1.99-old"


@pytest.mark.parametrize("line", [b"SSH-1.5-old", b"SSH-3.0-x", b"SSH-2.1-x"])
def test_other_protocol_versions_are_refused(line: bytes) -> None:
    with pytest.raises(ProtocolNotSupported, match="another protocol"):
        feed(Role.CLIENT, line + b"\r\n")


def test_escape_sequences_of_the_peer_do_not_reach_the_text() -> None:
    with pytest.raises(ProtocolNotSupported) as caught:
        feed(Role.CLIENT, b"SSH-9.9-\x1b[2J\r\n")
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-" + b"x" * 246 + b"\r\n",
        b"SSH-2.0-" + b"x" * 300,
        b"x" * 8192,
        b"x\n" * 1025,
        b"SSH-2.0-nu\0ll\r\n",
    ],
    ids=["line of 256", "endless version", "endless line", "too many lines", "null"],
)
def test_limits(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        feed(Role.CLIENT, data)


def test_longest_version_is_accepted() -> None:
    line = b"SSH-2.0-" + b"x" * 245
    assert feed(Role.CLIENT, line + b"\r\n")[0].version == line


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"G", b"SSX"])
def test_a_client_must_start_with_its_version(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="did not start"):
        feed(Role.SERVER, data)


def test_a_client_may_send_its_version_in_pieces() -> None:
    assert feed(Role.SERVER, b"SSH-2.0-slow\r\n", 1)[0].version == b"SSH-2.0-slow"
