"""Incremental decoding of what several data types of a channel carry."""

from __future__ import annotations

import codecs
from collections.abc import Callable

from ssh_transport.errors import ProtocolError

__all__ = ["TextDecoder"]


class TextDecoder:
    """One incremental decoder per data type, so that their characters do not get mixed up.

    Parameters:
        get_encoding: gives encoding and error handling; asked when a data type is first seen.
    """

    def __init__(self, get_encoding: Callable[[], tuple[str | None, str]]) -> None:
        self._get_encoding = get_encoding
        self._decoders: dict[int | None, codecs.IncrementalDecoder] = {}

    def decode(self, data: bytes, datatype: int | None) -> tuple[str, ProtocolError | None]:
        """Return the text of `data`, and what is wrong with the bytes behind that text."""
        decoder = self._decoders.get(datatype)
        if decoder is None:
            encoding, errors = self._get_encoding()
            decoder = codecs.getincrementaldecoder(encoding or "utf-8")(errors)
            self._decoders[datatype] = decoder
        return _decode(decoder, data, False)

    def finish(self) -> tuple[str, ProtocolError | None]:
        """Return the text that is left at the end, and what is wrong with an incomplete rest."""
        text, error = "", None
        for decoder in self._decoders.values():
            rest, wrong = _decode(decoder, b"", True)
            text += rest
            error = error or wrong
        self._decoders.clear()
        return text, error

    def pending(self) -> list[tuple[bytes, int | None]]:
        """Return the bytes of incomplete characters with their data types, and forget them."""
        rest = [(decoder.getstate()[0], datatype) for datatype, decoder in self._decoders.items()]
        self._decoders.clear()
        return [(data, datatype) for data, datatype in rest if data]


def _decode(
    decoder: codecs.IncrementalDecoder, data: bytes, final: bool
) -> tuple[str, ProtocolError | None]:
    try:
        return decoder.decode(data, final), None
    except UnicodeDecodeError as exc:
        good = exc.object[: exc.start].decode(exc.encoding, "replace")
        return good, ProtocolError(f"channel data is not valid {exc.encoding}: {exc.reason}")
