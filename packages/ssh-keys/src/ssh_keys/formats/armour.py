"""Base64 armour: PEM blocks (RFC 7468) and OpenSSH's one-line form of public keys."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from ssh_keys.errors import KeyImportError
from ssh_keys.record import Record

__all__ = ["PEMBlock", "decode_base64", "encode_pem", "iterate_pem"]

_BEGIN = re.compile(rb"^-----BEGIN ([A-Z0-9 ]{1,64})-----[ \t]*\r?$", re.MULTILINE)
_PAD = ord("=")
#: What may stand in front of the padding, by the number of bytes that the last group holds.
_LAST = (b"", b"AQgw", b"AEIMQUYcgkosw048")
_HEADER = re.compile(rb"^([A-Za-z0-9-]{1,64}):[ \t]*(.*)$")


class PEMBlock(Record):
    """One block between BEGIN and END.

    Attributes:
        label: the words between BEGIN and the dashes.
        headers: the header lines of RFC 1421 section 4.4 in front of the data.
        data: the decoded data.
    """

    label: bytes
    headers: dict[bytes, bytes]
    data: bytes

    _hidden = ("headers", "data")


def decode_base64(text: bytes) -> bytes:
    """Decode base64 without white space, strictly; raises KeyImportError.

    Bits behind the last byte have to be zero (RFC 4648 section 3.5), as they have for OpenSSH: what
    is read has one form only.
    """
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as exc:
        raise KeyImportError(f"invalid base64 data: {exc}") from None
    if text.endswith(b"=") and text[-2 if text[-2] != _PAD else -3] not in _LAST[len(data) % 3]:
        raise KeyImportError("invalid base64 data: bits behind the last byte")
    return data


def iterate_pem(data: bytes) -> Iterator[PEMBlock]:
    """Find the blocks in a file; text around them is allowed.

    Raises KeyImportError for a block without END line or with data that is not base64.
    """
    position = 0
    while (begin := _BEGIN.search(data, position)) is not None:
        label = begin[1]
        stop = data.find(b"\n-----END " + label + b"-----", begin.end())
        if stop < 0:
            raise KeyImportError(f"no END line behind BEGIN {label.decode()}")
        yield _parse_block(label, data[begin.end() : stop])
        position = stop + 1


def _parse_block(label: bytes, body: bytes) -> PEMBlock:
    headers: dict[bytes, bytes] = {}
    try:
        # The usual block has nothing in it but base64 and line ends.
        return PEMBlock(label, headers, decode_base64(body.replace(b"\n", b"")))
    except KeyImportError:
        pass
    lines = [line.strip() for line in body.split(b"\n")]
    index = 1 if lines and not lines[0] else 0
    while index < len(lines) and (header := _HEADER.match(lines[index])) is not None:
        headers[header[1]] = header[2]
        index += 1
    return PEMBlock(label, headers, decode_base64(b"".join(lines[index:])))


def encode_pem(
    label: bytes, data: bytes, headers: dict[bytes, bytes] | None = None, width: int = 64
) -> bytes:
    """Return a block with lines of `width` characters."""
    text = binascii.b2a_base64(data, newline=False)
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    if headers:
        lines = [*(name + b": " + value for name, value in headers.items()), b"", *lines]
    return b"\n".join((b"-----BEGIN %b-----" % label, *lines, b"-----END %b-----\n" % label))
