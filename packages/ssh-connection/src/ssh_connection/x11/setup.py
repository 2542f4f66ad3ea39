"""The first message of an X11 client, with its cookie (X protocol, section 8).

Byte order (`B` or `l`), one byte unused, protocol version (two 16-bit numbers), lengths of the name
and the data of the authorization protocol (16 bit each), two bytes unused, then both, each padded
to a multiple of four.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

__all__ = ["MAX_SETUP", "ClientSetup", "SetupError", "encode_refusal"]

_HEADS: Final = {ord("B"): Struct(">BxHHHHxx"), ord("l"): Struct("<BxHHHHxx")}
_HEAD_SIZE: Final = 12
_REFUSALS: Final = {ord("B"): Struct(">BBHHH"), ord("l"): Struct("<BBHHH")}

MAX_SETUP: Final = 1024
"""Bytes of the message, which we have to keep until it is complete; that of a cookie takes 48."""


class SetupError(ValueError):
    """What was received is not the beginning of an X11 connection."""


class ClientSetup(NamedTuple):
    """A connection setup."""

    byte_order: int
    major: int
    minor: int
    name: bytes
    data: bytes

    def __repr__(self) -> str:
        return f"<ClientSetup {self.major}.{self.minor} {self.name!r}>"

    @classmethod
    def decode(cls, received: bytes | bytearray) -> tuple[ClientSetup, int] | None:
        """Return the message at the beginning of some bytes, and its size; None if it is cut off.

        Raises SetupError if it can not become one, or is longer than `MAX_SETUP`.
        """
        if received and received[0] not in _HEADS:
            raise SetupError("byte order of an X11 connection is neither B nor l")
        if len(received) < _HEAD_SIZE:
            return None
        order, major, minor, name_size, data_size = _HEADS[received[0]].unpack_from(received)
        data_start = _HEAD_SIZE + _padded(name_size)
        size = data_start + _padded(data_size)
        if size > MAX_SETUP:
            raise SetupError(f"setup of an X11 connection takes {size} bytes")
        if len(received) < size:
            return None
        name = bytes(received[_HEAD_SIZE : _HEAD_SIZE + name_size])
        data = bytes(received[data_start : data_start + data_size])
        return cls(order, major, minor, name, data), size

    def encode(self) -> bytes:
        """Return the message."""
        head = _HEADS[self.byte_order].pack(
            self.byte_order, self.major, self.minor, len(self.name), len(self.data)
        )
        return head + _pad(self.name) + _pad(self.data)


def encode_refusal(setup: ClientSetup, reason: str) -> bytes:
    """Return what an X server says to a client that may not connect, status Failed.

    Parameters:
        setup: the message of the client.
        reason: text in ASCII, up to 255 characters.
    """
    text = reason.encode("ascii")
    padded = _pad(text)
    head = _REFUSALS[setup.byte_order].pack(
        0, len(text), setup.major, setup.minor, len(padded) // 4
    )
    return head + padded


def _padded(size: int) -> int:
    return (size + 3) & ~3


def _pad(data: bytes) -> bytes:
    return data.ljust(_padded(len(data)), b"\0")
