"""Where the data that a channel receives goes."""

from __future__ import annotations

from typing import Protocol, TypeVar

__all__ = ["InputEnd", "Receiver"]

AnyStr_contra = TypeVar("AnyStr_contra", bytes, str, contravariant=True)


class InputEnd(Exception):
    """Control-D at a terminal: one read comes to an end here, and more can be read behind it."""


class Receiver(Protocol[AnyStr_contra]):
    """Where the data of one direction and type goes: a buffer or a redirection."""

    def feed(self, data: AnyStr_contra | bytes, size: int, datatype: int | None = None) -> None:
        """Take data that counts as `size` bytes of the channel's window.

        On a channel with an encoding, bytes are what was received, not decoded yet.
        """
        ...

    def feed_exception(self, exc: Exception) -> None:
        """Take something that happened behind the data so far."""
        ...

    def feed_eof(self, error: Exception | None = None) -> None:
        """No more data will come; `error` says why, if it was not in order."""
        ...
