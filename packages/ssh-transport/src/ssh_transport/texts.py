"""Texts that a peer has written for people."""

from __future__ import annotations

from typing import Final

from .errors import ProtocolError

__all__ = ["DEFAULT_TEXT_ERRORS", "decode_text"]

DEFAULT_TEXT_ERRORS: Final = "backslashreplace"
"""What is done about errors in texts of the peer: nothing is lost, and it can be shown."""


def decode_text(data: bytes, errors: str, what: str) -> str:
    """Return a text that the peer has written for people.

    Parameters:
        data: should be UTF-8.
        errors: what to do if it is not, as for `bytes.decode`.
        what: the text, for the error.

    Raises ProtocolError if `errors` says that it is an error.
    """
    try:
        return data.decode("utf-8", errors)
    except UnicodeDecodeError as exc:
        raise ProtocolError(f"{what} is not UTF-8: {exc.reason}") from None
