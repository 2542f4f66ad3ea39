"""Sans-IO core of the client: request ids, replies matched by a table of callbacks.

Bytes go in by `receive`, bytes come out by `take_output`; there is no event loop, clock or file in
here. A request is registered with the object that wants its reply. An ordinary request has a small
object around a future; a bulk transfer registers itself for all its requests, so that nothing is
created per block.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Protocol

from ssh_sftp.codec import extensions, requests
from ssh_sftp.codec.attrs import SFTPLimits
from ssh_sftp.codec.constants import (
    MAX_BLOCK_SIZE,
    MAX_PACKET_LENGTH,
    MIN_SFTP_VERSION,
    SAFE_BLOCK_SIZE,
    PacketType,
)
from ssh_sftp.codec.framing import PacketFramer, frame
from ssh_sftp.codec.responses import Version, decode_extension_pairs
from ssh_sftp.codec.wire import Message, PacketDecodeError, encode_string
from ssh_sftp.errors import SFTPBadMessage, SFTPError, SFTPNoConnection
from ssh_sftp.protocols import Buffer

__all__ = ["PieceReceiver", "ReplyReceiver", "SFTPClientCore", "malformed"]

# Output is handed over at this size, instead of at the end of the turn.
FLUSH_SIZE = 65536

_UINT32 = Struct(">I")
_DATA = PacketType.SSH_FXP_DATA.value
_VERSION = PacketType.SSH_FXP_VERSION.value
# Types of SSH_FXP_STATUS to SSH_FXP_ATTRS, and SSH_FXP_EXTENDED_REPLY.
_REPLIES = frozenset((101, 102, 103, 104, 105, 201))


class ReplyReceiver(Protocol):
    """What waits for a reply. Exactly one of the methods is called, once per request."""

    def on_reply(self, request_id: int, kind: int, data: bytes, pos: int, end: int) -> None:
        """Take the reply; its body behind the request id is `data[pos:end]`.

        May raise SFTPBadMessage or PacketDecodeError, which end the session.
        """

    def on_lost(self, request_id: int, error: SFTPError) -> None:
        """The session ended, there will be no reply."""


class PieceReceiver(ReplyReceiver, Protocol):
    """A receiver that takes SSH_FXP_DATA as the pieces that it came in."""

    def on_pieces(self, request_id: int, pieces: list[memoryview], length: int) -> None:
        """Take a whole SSH_FXP_DATA packet of `length` bytes, beginning with the type byte."""


class SFTPClientCore:
    """State of one SFTP session of a client.

    Parameters:
        on_output: called when there is something to take and there was nothing before, and again
            whenever `FLUSH_SIZE` bytes are waiting.
    """

    def __init__(self, on_output: Callable[[], None]) -> None:
        self.version = MIN_SFTP_VERSION
        self.extensions: dict[bytes, bytes] = {}
        self.limits = SFTPLimits()
        self.error: SFTPError | None = None
        self.ready = False
        self._on_output = on_output
        self._on_version: Callable[[], None] | None = None
        self._output: list[Buffer] = []
        self.output_size = 0
        self.writable = True
        self._waiting: list[Callable[[], None]] = []
        self._next_id = 0
        self.pending: dict[int, ReplyReceiver | PieceReceiver] = {}
        """What waits for the reply to each request."""
        self._framer = PacketFramer(self._on_packet, self._on_pieces, _DATA, MAX_PACKET_LENGTH)
        self.feed_run = self._framer.feed_run
        """As `receive`, but takes several pieces and raises PacketDecodeError, too."""

    # --- Session ----------------------------------------------------------------------------------

    def start(self, version: int, on_version: Callable[[], None]) -> None:
        """Send SSH_FXP_INIT (section 4); `on_version` is called when the answer is in.

        It is called too, with `error` set, when the session ends before that.
        """
        self._on_version = on_version
        self._max_version = version
        self.send(frame(requests.Init(version).encode()))

    def supports(self, name: bytes) -> bool:
        """True if the server announced the extension in the version that is known here."""
        return self.extensions.get(name) == extensions.EXTENSIONS[name].version

    def apply_limits(self, limits: SFTPLimits) -> None:
        """Take over what the server answered to `limits@openssh.com`."""
        self.limits = limits

    @property
    def max_read_size(self) -> int:
        """Largest read in bytes that makes sense with this server."""
        return _block_size(self.limits.max_read_len)

    @property
    def max_write_size(self) -> int:
        """Largest write in bytes that the server accepts."""
        return _block_size(self.limits.max_write_len)

    def fail(self, error: SFTPError) -> None:
        """End the session: every outstanding request gets `error`, later ones are refused."""
        if self.error is None:
            self.error = error
        self._framer.stop()
        self._on_output = _nothing
        self._output.clear()
        self.output_size = 0
        self._waiting.clear()
        pending, self.pending = self.pending, {}
        for request_id, receiver in pending.items():
            receiver.on_lost(request_id, self.error)
        if not self.ready and self._on_version is not None:
            self._on_version()

    # --- Sending ----------------------------------------------------------------------------------

    def register(self, receiver: ReplyReceiver) -> int:
        """Return a fresh request id whose reply `receiver` gets. Raises when the session is over.

        The request itself is then handed to `send`.
        """
        if self.error is not None:
            raise SFTPNoConnection(f"SFTP session is closed: {self.error.reason}")
        request_id = self._next_id
        pending = self.pending
        while request_id in pending:  # only after 2**32 requests
            request_id = (request_id + 1) & 0xFFFFFFFF
        self._next_id = (request_id + 1) & 0xFFFFFFFF
        pending[request_id] = receiver
        return request_id

    def send(self, *parts: Buffer) -> None:
        """Queue a packet, or a part of one, for output."""
        output = self._output
        first = not output
        for part in parts:
            output.append(part)
            self.output_size += len(part)
        if first or self.output_size >= FLUSH_SIZE:
            self._on_output()

    def request(self, receiver: ReplyReceiver, declaration: type[Message], *fields: object) -> int:
        """Send a declared request with `fields` behind its id; return the id."""
        request_id = self.register(receiver)
        try:
            packet = declaration(request_id, *fields).encode()
        except BaseException:
            del self.pending[request_id]
            raise
        self.send(frame(packet))
        return request_id

    def extended(self, receiver: ReplyReceiver, name: bytes, *fields: object) -> int:
        """Send an extended request of the table `EXTENSIONS`; return the id."""
        body = extensions.EXTENSIONS[name].request(*fields).encode()
        request_id = self.register(receiver)
        head = bytes((PacketType.SSH_FXP_EXTENDED,)) + _UINT32.pack(request_id)
        self.send(frame(head + encode_string(name) + body))
        return request_id

    def set_writable(self, writable: bool) -> None:
        """Say whether the stream takes more; bulk writers stop while it does not."""
        self.writable = writable
        if writable:
            waiting, self._waiting = self._waiting, []
            for resume in waiting:
                resume()

    def when_writable(self, resume: Callable[[], None]) -> None:
        """Call `resume` once, when the stream takes more again."""
        self._waiting.append(resume)

    def take_output(self) -> list[Buffer]:
        """Return everything that is to be sent, in order."""
        output, self._output = self._output, []
        self.output_size = 0
        return output

    # --- Receiving --------------------------------------------------------------------------------

    def receive(self, data: bytes, start: int, end: int) -> None:
        """Take the next bytes from the server; raises SFTPBadMessage if they are no protocol."""
        try:
            self._framer.feed(data, start, end)
        except PacketDecodeError as exc:
            raise malformed(exc) from None

    @property
    def unfinished(self) -> bool:
        """True if the stream ends in the middle of a packet so far."""
        return self._framer.unfinished

    def _on_packet(self, kind: int, data: bytes, pos: int, end: int) -> None:
        if end - pos < 4:
            raise SFTPBadMessage(f"SFTP packet of {end - pos + 1} bytes")
        if not self.ready:
            self._version_received(kind, data, pos, end)
            return
        (request_id,) = _UINT32.unpack_from(data, pos)
        receiver = self.pending.pop(request_id, None)
        if receiver is None or kind not in _REPLIES:
            raise self._unexpected(kind, request_id, receiver)
        receiver.on_reply(request_id, kind, data, pos + 4, end)

    def _on_pieces(self, pieces: list[memoryview], length: int) -> None:
        (request_id,) = _UINT32.unpack_from(pieces[0], 1)
        receiver = self.pending.pop(request_id, None)
        if receiver is None or not self.ready:
            raise self._unexpected(_DATA, request_id, receiver)
        on_pieces = getattr(receiver, "on_pieces", None)
        if on_pieces is not None:
            on_pieces(request_id, pieces, length)
        else:
            packet = b"".join(pieces)
            receiver.on_reply(request_id, _DATA, packet, 5, length)

    def _unexpected(
        self, kind: int, request_id: int, receiver: ReplyReceiver | None
    ) -> SFTPBadMessage:
        if receiver is None:
            return SFTPBadMessage(f"reply to request {request_id}, which is not outstanding")
        # Back into the table, so that the failure of the session reaches it.
        self.pending[request_id] = receiver
        return SFTPBadMessage(f"packet type {kind} is not a reply")

    def _version_received(self, kind: int, data: bytes, pos: int, end: int) -> None:
        if kind != _VERSION or self._on_version is None:
            raise SFTPBadMessage(f"packet type {kind} instead of SSH_FXP_VERSION")
        reply = Version.decode(data, pos, end)
        if not MIN_SFTP_VERSION <= reply.version <= self._max_version:
            raise SFTPBadMessage(f"SFTP version {reply.version} of the server is not supported")
        rest = reply.extension_data
        self.extensions = decode_extension_pairs(rest, 0, len(rest))
        self.version = reply.version
        self.ready = True
        self._on_version()


def _nothing() -> None:
    """Nobody sends the output of a session that is over."""


def malformed(error: PacketDecodeError) -> SFTPBadMessage:
    """Return what a session ends with because of a packet that can not be read."""
    return SFTPBadMessage(f"malformed SFTP packet from the server: {error}")


def _block_size(limit: int | None) -> int:
    """Bytes per block, from a limit of the server: 0 is "no limit", None is "not announced"."""
    if limit is None:
        return SAFE_BLOCK_SIZE
    return min(limit or MAX_BLOCK_SIZE, MAX_BLOCK_SIZE)
