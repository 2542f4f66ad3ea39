"""What ssh-sftp needs from others, as Protocols: a byte stream, and facts about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

__all__ = ["Buffer", "ByteTransport", "StreamHandler", "TransportInfo"]

Buffer = bytes | bytearray | memoryview


class TransportInfo(Protocol):
    """Facts about the connection that an SFTP server runs on, such as `username`."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return the fact called `name`, or `default`."""


class ByteTransport(Protocol):
    """The sending half of a byte stream, shaped like `asyncio.Transport`.

    A subprocess pipe, a socket and an SSH channel all fit. The transport calls
    `StreamHandler.pause_writing` from within `write` or `writelines` when more is buffered than
    its high-water mark, and `resume_writing` when the buffer has drained.
    """

    def write(self, data: Buffer) -> None:
        """Send or queue `data`, which the caller does not change afterwards."""

    def writelines(self, parts: Iterable[Buffer]) -> None:
        """Send or queue all parts in order; they are not joined if that can be avoided."""

    def close(self) -> None:
        """Send what is queued, then close."""

    def abort(self) -> None:
        """Close at once and drop what is queued."""

    def is_closing(self) -> bool:
        """True once `close` or `abort` was called or the stream broke."""

    def get_write_buffer_size(self) -> int:
        """Number of bytes that are queued."""

    def pause_reading(self) -> None:
        """Call `data_received` no more until `resume_reading`; the peer feels back pressure."""

    def resume_reading(self) -> None:
        """Undo `pause_reading`."""


class StreamHandler(Protocol):
    """The receiving half: what the owner of a byte stream calls on the SFTP session."""

    def connection_made(self, transport: ByteTransport) -> None:
        """The stream is open."""

    def data_received(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        """Take `data[start:end]`. The object is immutable and may be kept, so there is no copy."""

    def eof_received(self) -> bool | None:
        """The peer sends no more; a true result keeps our direction open."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """The stream is closed, by error if `exc` is given."""

    def pause_writing(self) -> None:
        """The transport's buffer is above its high-water mark."""

    def resume_writing(self) -> None:
        """The buffer has drained."""
