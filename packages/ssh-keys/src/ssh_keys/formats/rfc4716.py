"""The public key file format of RFC 4716."""

from __future__ import annotations

import binascii
from collections.abc import Iterator

from ssh_keys.errors import KeyExportError, KeyImportError
from ssh_keys.formats.armour import decode_base64

__all__ = ["encode_rfc4716", "iterate_rfc4716"]

_PUBLIC = b"PUBLIC KEY"
_BEGIN, _END = b"---- BEGIN SSH2 %b ----", b"---- END SSH2 %b ----"
#: RFC 4716 section 3.3: header tag and value.
_MAXIMUM_TAG, _MAXIMUM_VALUE, _LINE = 64, 1024, 72


def iterate_rfc4716(data: bytes, label: bytes = _PUBLIC) -> Iterator[tuple[bytes, bytes | None]]:
    """Find the keys in a file and return (key blob, comment).

    Parameters:
        data: the file.
        label: what stands in the lines around a key.

    Raises KeyImportError for a key without END line or with malformed headers.
    """
    lines = iter(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    for line in lines:
        if line.rstrip() == _BEGIN % label:
            yield _parse(lines, _END % label)


def _parse(lines: Iterator[bytes], end: bytes) -> tuple[bytes, bytes | None]:
    comment: bytes | None = None
    body: list[bytes] = []
    for line in lines:
        line = line.rstrip()
        if line == end:
            return decode_base64(b"".join(body)), comment
        if b":" not in line:
            body.append(line)
            continue
        if body:
            raise KeyImportError("RFC 4716 header behind the beginning of the key")
        tag, _, value = line.partition(b":")
        while value.endswith(b"\\") and len(value) <= _MAXIMUM_VALUE:
            value = value[:-1] + next(lines, b"").rstrip()
        value = value.strip()
        if len(tag) > _MAXIMUM_TAG or len(value) > _MAXIMUM_VALUE:
            raise KeyImportError("RFC 4716 header is too long")
        if tag.lower() == b"comment":
            quoted = len(value) > 1 and value[:1] == value[-1:] == b'"'
            comment = value[1:-1] if quoted else value
    raise KeyImportError("RFC 4716 key without END line")


def encode_rfc4716(public_data: bytes, comment: bytes | None) -> bytes:
    """Return a key in RFC 4716 form; the comment has no line breaks.

    Raises KeyExportError for a comment that is longer than the format allows.
    """
    if comment and len(comment) + 2 > _MAXIMUM_VALUE:
        raise KeyExportError(f"RFC 4716 has no room for a comment of {len(comment)} bytes")
    lines = [_BEGIN % _PUBLIC]
    if comment:
        header = b'Comment: "' + comment + b'"'
        while len(header) > _LINE:
            lines.append(header[: _LINE - 1] + b"\\")
            header = header[_LINE - 1 :]
        lines.append(header)
    text = binascii.b2a_base64(public_data, newline=False)
    lines += [text[start : start + 70] for start in range(0, len(text), 70)]
    return b"\n".join((*lines, _END % _PUBLIC, b""))
