"""Encoded terminal modes (RFC 4254 section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct

from ssh_keys.wire import PacketDecodeError

from ..constants import MAX_UINT32, PTY_OP_END, PTY_OP_RESERVED

__all__ = ["decode_terminal_modes", "encode_terminal_modes"]

_MODE = Struct(">BI")


def encode_terminal_modes(modes: Mapping[int, int]) -> bytes:
    """Encode `PTY_*` opcodes (1 to 159) with their uint32 arguments.

    Raises ValueError for an opcode or argument out of range.
    """
    pieces = []
    for opcode, value in modes.items():
        if not PTY_OP_END < opcode < PTY_OP_RESERVED:
            raise ValueError(f"invalid terminal mode opcode: {opcode}")
        if not 0 <= value <= MAX_UINT32:
            raise ValueError(f"invalid argument of terminal mode {opcode}: {value}")
        pieces.append(_MODE.pack(opcode, value))
    return b"".join(pieces) + bytes([PTY_OP_END])


def decode_terminal_modes(data: bytes) -> dict[int, int]:
    """Decode terminal modes; opcodes 160 to 255 end the parsing, as the RFC has it.

    A stream without TTY_OP_END is accepted if it ends behind a whole mode.

    Raises PacketDecodeError if an argument is truncated, or bytes follow TTY_OP_END.
    """
    modes: dict[int, int] = {}
    pos, end = 0, len(data)
    while pos < end:
        opcode = data[pos]
        if opcode == PTY_OP_END:
            if pos + 1 != end:
                raise PacketDecodeError("bytes behind the end of the terminal modes")
            break
        if opcode >= PTY_OP_RESERVED:
            break
        if pos + _MODE.size > end:
            raise PacketDecodeError("terminal mode truncated")
        opcode, modes[opcode] = _MODE.unpack_from(data, pos)
        pos += _MODE.size
    return modes
