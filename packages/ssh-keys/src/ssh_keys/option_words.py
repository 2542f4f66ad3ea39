"""Options in front of a key, as authorized_keys and allowed_signers files have them."""

from __future__ import annotations

from collections.abc import Iterator

from ssh_keys.errors import KeyExportError, KeyImportError
from ssh_keys.formats.armour import decode_base64
from ssh_keys.key_types import KEY_TYPES
from ssh_keys.wire import PacketDecodeError, Reader

__all__ = ["OptionWords", "begins_with_key", "quote_value"]


def begins_with_key(line: bytes) -> bool:
    """Whether a line begins with a key, though perhaps of an unknown type, and not with options."""
    parts = line.split(None, 2)
    if parts and parts[0] in KEY_TYPES:
        return True
    try:
        return len(parts) > 1 and Reader(decode_base64(parts[1])).string() == parts[0]
    except (KeyImportError, PacketDecodeError):
        return False


class OptionWords:
    """Splits `name,name="value",...` off the beginning of a line.

    Options are separated by commas; a value is in double quotes, in which `\\"` stands for a quote.

    Parameters:
        text: the line; iterating yields (name in lower case, value or None).

    Attributes:
        rest: what follows the options, once they have all been read.

    Iterating raises KeyImportError for malformed options.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self.rest = ""

    def __iter__(self) -> Iterator[tuple[str, str | None]]:
        text, position = self._text, 0
        while True:
            name, value, position = self._next(position)
            yield name.lower(), value
            if position >= len(text):
                raise KeyImportError("no key behind the options")
            if text[position] in " \t":
                self.rest = text[position:].lstrip()
                return
            if text[position] != ",":
                raise KeyImportError("options need a comma or a blank between them")
            position += 1

    def _next(self, position: int) -> tuple[str, str | None, int]:
        text, start = self._text, position
        while position < len(text) and (text[position].isalnum() or text[position] in "-_"):
            position += 1
        name = text[start:position]
        if not name:
            raise KeyImportError("neither a known key type nor an option")
        if text[position : position + 1] != "=":
            return name, None, position
        if text[position + 1 : position + 2] != '"':
            raise KeyImportError(f"the value of option {name!a} is not in double quotes")
        position += 2
        value: list[str] = []
        while position < len(text) and text[position] != '"':
            if text[position] == "\\" and text[position + 1 : position + 2] == '"':
                position += 1
            value.append(text[position])
            position += 1
        if position >= len(text):
            raise KeyImportError(f"the value of option {name!a} has no closing quote")
        return name, "".join(value), position + 1


def quote_value(name: str, value: str) -> str:
    """Return `name="value"`, which `OptionWords` and OpenSSH read back as they were.

    Raises KeyExportError for a line break or NUL, and for a backslash at the end of the value: in
    front of the closing quote it would mean something else.
    """
    if value.endswith("\\") or any(character in value for character in "\r\n\0"):
        raise KeyExportError(f"no line can hold the value of {name}: {value!a}")
    escaped = value.replace('"', '\\"')
    return f'{name}="{escaped}"'
