"""SOCKS as bytes: what each version says, in any pieces, and what is refused."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_connection.socks.handshake import (
    MAX_FIELD,
    Reply,
    SocksError,
    SocksHandshake,
    SocksRequest,
    encode_reply,
)

GREETING = b"\5\1\0"
LOOPBACK = bytes((127, 0, 0, 1))
LONGEST = b"h" * MAX_FIELD

GOOD: list[tuple[bytes, SocksRequest, bytes]] = [
    (b"\4\1\0\x50" + LOOPBACK + b"\0", SocksRequest(4, "127.0.0.1", 80), b""),
    (b"\4\1\0\x50" + LOOPBACK + b"u" * MAX_FIELD + b"\0", SocksRequest(4, "127.0.0.1", 80), b""),
    (b"\4\1\1\2\0\0\0\0me\0", SocksRequest(4, "0.0.0.0", 258), b""),
    (b"\4\1\1\2\0\0\0\1me\0name\0", SocksRequest(4, "name", 258), b""),
    (b"\4\1\1\2\0\0\0\xff\0" + LONGEST + b"\0", SocksRequest(4, "h" * MAX_FIELD, 258), b""),
    (b"\4\1\1\2\0\0\1\0me\0", SocksRequest(4, "0.0.1.0", 258), b""),
    (GREETING + b"\5\1\0\1" + LOOPBACK + b"\xff\xff", SocksRequest(5, "127.0.0.1", 65535), b"\5\0"),
    (b"\5\3\2\1\0\5\1\0\3\4name\0\x16", SocksRequest(5, "name", 22), b"\5\0"),
    (GREETING + b"\5\1\0\3\xff" + LONGEST + b"\0\x16", SocksRequest(5, "h" * 255, 22), b"\5\0"),
    (GREETING + b"\5\1\0\4" + bytes(15) + b"\1\0\x16", SocksRequest(5, "::1", 22), b"\5\0"),
    (GREETING + b"\5\1\0\3\7b\xc3\xbccher\0\x50", SocksRequest(5, "b\xfccher", 80), b"\5\0"),
]

REJECTED = b"\0\x5b" + bytes(6)


def failure(reply: Reply) -> bytes:
    """The reply of version 5 to a request that fails."""
    return bytes((5, reply, 0, 1)) + bytes(6)


GENERAL = failure(Reply.GENERAL_FAILURE)
COMMAND = failure(Reply.COMMAND_NOT_SUPPORTED)

#: What is sent, what is said to it in all.
BAD: dict[str, tuple[bytes, bytes]] = {
    "HTTP": (b"GET / HTTP/1.1\r\n", b""),
    "version 0": (b"\0", b""),
    "version 6": (b"\6\1\0", b""),
    "4 BIND": (b"\4\2", REJECTED),
    "4 endless user": (b"\4\1\0\x50" + LOOPBACK + b"u" * 256, REJECTED),
    "4 port 0": (b"\4\1\0\0" + LOOPBACK + b"\0", REJECTED),
    "4A endless host": (b"\4\1\0\x50\0\0\0\1\0" + b"h" * 256, REJECTED),
    "4A no host": (b"\4\1\0\x50\0\0\0\1me\0\0", REJECTED),
    "5 no methods": (b"\5\0", b"\5\xff"),
    "5 password only": (b"\5\2\1\2", b"\5\xff"),
    "5 version 4 in a request": (GREETING + b"\4", b"\5\0" + GENERAL),
    "5 BIND": (GREETING + b"\5\2", b"\5\0" + COMMAND),
    "5 UDP ASSOCIATE": (GREETING + b"\5\3", b"\5\0" + COMMAND),
    "5 reserved": (GREETING + b"\5\1\1", b"\5\0" + GENERAL),
    "5 address type 2": (
        GREETING + b"\5\1\0\2\0",
        b"\5\0" + failure(Reply.ADDRESS_TYPE_NOT_SUPPORTED),
    ),
    "5 port 0": (GREETING + b"\5\1\0\3\1a\0\0", b"\5\0" + GENERAL),
    "5 no host": (GREETING + b"\5\1\0\3\0\0\1", b"\5\0" + GENERAL),
    "5 NUL": (GREETING + b"\5\1\0\3\3a\0b\0\1", b"\5\0" + GENERAL),
    "5 space": (GREETING + b"\5\1\0\3\3a b\0\1", b"\5\0" + GENERAL),
    "5 escape": (GREETING + b"\5\1\0\3\3a\x1bb\0\1", b"\5\0" + GENERAL),
    "5 not UTF-8": (GREETING + b"\5\1\0\3\3a\xffb\0\1", b"\5\0" + GENERAL),
}


def talk(*pieces: bytes) -> tuple[SocksRequest | None, bytes, bytes]:
    """The request, what is said to the client, and what is left for the connection."""
    handshake = SocksHandshake()
    behind = b""
    request = None
    for piece in pieces:
        if request is not None:
            behind += piece
            continue
        try:
            request = handshake.feed(piece)
        except SocksError as exc:
            reply, reason = exc.reply, str(exc)
        else:
            continue
        assert reason.isprintable()
        return None, handshake.output + reply, b""
    return request, handshake.output, handshake.rest() + behind


@pytest.mark.parametrize(("sent", "request_", "said"), GOOD)
def test_requests(sent: bytes, request_: SocksRequest, said: bytes) -> None:
    assert talk(sent) == (request_, said, b"")
    assert talk(sent + b"data") == (request_, said, b"data")
    assert talk(*(bytes([byte]) for byte in sent + b"data")) == (request_, said, b"data")


@pytest.mark.parametrize(("sent", "request_", "said"), GOOD)
def test_nothing_is_said_too_early(sent: bytes, request_: SocksRequest, said: bytes) -> None:
    for size in range(len(sent)):
        request, output, _ = talk(sent[:size])
        assert request is None
        assert said.startswith(output)


@pytest.mark.parametrize("name", BAD)
def test_refusals(name: str) -> None:
    sent, said = BAD[name]
    assert talk(sent) == (None, said, b"")
    assert talk(*(bytes([byte]) for byte in sent)) == (None, said, b"")
    # It is refused as soon as that is clear, so that nobody waits for a client that says no more.
    # In some of the messages it is clear only when they are complete.
    request, output, _ = talk(sent[:-1])
    assert request is None
    assert said.startswith(output)


def test_replies() -> None:
    assert encode_reply(4, Reply.SUCCEEDED) == b"\0\x5a" + bytes(6)
    assert encode_reply(4, Reply.NOT_ALLOWED) == REJECTED
    assert encode_reply(5, Reply.SUCCEEDED) == b"\5\0\0\1" + bytes(6)
    assert encode_reply(5, Reply.CONNECTION_REFUSED) == b"\5\5\0\1" + bytes(6)


names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=60)


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, SocksRequest]:
    """A whole handshake, and what it asks for."""
    port = draw(st.integers(1, 65535))
    ports = port.to_bytes(2, "big")
    user = draw(st.binary(max_size=MAX_FIELD)).replace(b"\0", b"")
    kind = draw(st.sampled_from(["4", "4A", "5 IPv4", "5 IPv6", "5 name"]))
    if kind == "4":
        address = draw(st.integers(256, 2**32 - 1)).to_bytes(4, "big")
        sent = b"\4\1" + ports + address + user + b"\0"
        return sent, SocksRequest(4, str(IPv4Address(address)), port)
    if kind == "4A":
        name = draw(names)
        low = bytes([draw(st.integers(1, 255))])
        sent = b"\4\1" + ports + bytes(3) + low + user + b"\0" + name.encode() + b"\0"
        return sent, SocksRequest(4, name, port)
    methods = bytes(draw(st.permutations([0, *draw(st.sets(st.integers(1, 255)))])))
    greeting = bytes((5, len(methods))) + methods
    if kind == "5 name":
        name = draw(names)
        sent = b"\5\1\0\3" + bytes([len(name.encode())]) + name.encode() + ports
        return greeting + sent, SocksRequest(5, name, port)
    if kind == "5 IPv4":
        address = draw(st.binary(min_size=4, max_size=4))
        sent = b"\5\1\0\1" + address + ports
        return greeting + sent, SocksRequest(5, str(IPv4Address(address)), port)
    address = draw(st.binary(min_size=16, max_size=16))
    sent = b"\5\1\0\4" + address + ports
    return greeting + sent, SocksRequest(5, str(IPv6Address(address)), port)


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut data at some places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[one:other] for one, other in pairwise(places)]


@given(requests(), st.binary(max_size=20), st.lists(st.integers(min_value=0), max_size=8))
def test_any_pieces_of_good_handshakes(
    made: tuple[bytes, SocksRequest], data: bytes, cuts: list[int]
) -> None:
    sent, request = made
    said = b"\5\0" if request.version == 5 else b""
    assert talk(*pieces_of(sent + data, cuts)) == (request, said, data)


@given(
    st.one_of(
        st.binary(max_size=600),
        st.builds(bytes.__add__, st.sampled_from([b"\4\1", b"\5\1\0\5\1\0"]), st.binary()),
        st.builds(
            lambda made, place, byte: made[0][: place % len(made[0])] + byte + made[0][1:],
            requests(),
            st.integers(min_value=0),
            st.binary(max_size=2),
        ),
    ),
    st.lists(st.integers(min_value=0), max_size=8),
)
def test_any_pieces_of_anything(sent: bytes, cuts: list[int]) -> None:
    whole = talk(sent)
    assert talk(*pieces_of(sent, cuts)) == whole
    request, said, rest = whole
    assert len(said) <= 12
    if request is None and not said:
        # Undecided, or of no version that there is.
        assert sent[:1] not in (b"\4", b"\5") or len(rest) < 8 + 2 * (MAX_FIELD + 1)
    elif request is not None:
        assert request.host.isprintable()
        assert 0 < request.port < 65536
