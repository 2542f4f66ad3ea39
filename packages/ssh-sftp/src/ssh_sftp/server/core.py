"""Sans-IO core of the server: framing, negotiation, handles, order, replies.

Bytes go in by `receive`, bytes come out by `take_output`. A method of `SFTPServer` that is an
ordinary function is answered before the next request is looked at; one that is a coroutine is given
to `spawn`, and its answer is sent when it is there, in whatever order that happens.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine
from inspect import isawaitable
from os import urandom
from struct import Struct
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from ssh_sftp.codec import requests, responses
from ssh_sftp.codec.constants import (
    FX_BAD_MESSAGE,
    FX_FAILURE,
    FX_NO_SUCH_FILE,
    LAST_STATUS,
    MAX_PACKET_LENGTH,
    MIN_SFTP_VERSION,
    PacketType,
)
from ssh_sftp.codec.extensions import EXTENSIONS
from ssh_sftp.codec.framing import PacketFramer, frame, pack_status_ok
from ssh_sftp.codec.wire import PacketDecodeError, encode_string
from ssh_sftp.errors import (
    SFTPBadMessage,
    SFTPEOFError,
    SFTPError,
    SFTPFailure,
    SFTPInvalidHandle,
)
from ssh_sftp.protocols import Buffer
from ssh_sftp.server.failures import error_for_exception
from ssh_sftp.server.lanes import Lane

if TYPE_CHECKING:
    from ssh_sftp.server.filesystem import SFTPServer

__all__ = ["DirectoryHandle", "FileHandle", "SFTPServerCore"]

logger = logging.getLogger("ssh_sftp.server")

FLUSH_SIZE = 65536

_UINT32 = Struct(">I")
_STATUS_HEAD = Struct(">BII")
_INIT = PacketType.SSH_FXP_INIT.value
_STATUS = PacketType.SSH_FXP_STATUS.value
_WRITE = PacketType.SSH_FXP_WRITE.value

Outcome = Callable[[object | None, BaseException | None], None]
Spawn = Callable[[Awaitable[object], Outcome], None]
# What a method returned, to the reply as parts of a packet without the length.
Encode = Callable[[Any], bytes]
# Takes the result of a method when nobody can use it any more.
Dispose = Callable[[Any], None]
Handler = Callable[["SFTPServerCore", int, bytes, int, int], None]


class FileHandle:
    """An open file: what `SFTPServer.open` returned, and the order of its requests."""

    __slots__ = ("file_obj", "lane")

    def __init__(self, file_obj: object) -> None:
        self.file_obj = file_obj
        self.lane = Lane()


class DirectoryHandle:
    """An open directory: an iterator of names, and the order of its requests."""

    __slots__ = ("entries", "lane")

    def __init__(self, entries: object) -> None:
        self.entries = entries
        self.lane = Lane()


class SFTPServerCore:
    """State of one SFTP session of a server.

    Parameters:
        server: what the requests are made to.
        handlers: packet type to function; see `server/handlers.py`.
        on_output: called when there is something to take and there was nothing before, and again
            whenever `FLUSH_SIZE` bytes are waiting.
        spawn: runs an awaitable, then calls the second argument with (result, error).
        max_version: highest version to agree on; None is what the server says.
    """

    def __init__(
        self,
        server: SFTPServer,
        handlers: dict[int, Handler],
        on_output: Callable[[], None],
        spawn: Spawn,
        max_version: int | None = None,
    ) -> None:
        self.server = server
        self._max_version = server.max_version if max_version is None else max_version
        self.version = 0
        self.max_outstanding = server.max_outstanding
        self.max_handles = server.max_handles
        self.outstanding = 0
        self.path_lane = Lane()
        self.symlink_target_first = True
        self.ended = False
        self._handlers = handlers
        self._on_output = on_output
        self._spawn = spawn
        self._output: list[Buffer] = []
        self.output_size = 0
        self._writable = True
        self._handles: dict[bytes, FileHandle | DirectoryHandle] = {}
        self._leaving: set[FileHandle | DirectoryHandle] = set()
        self._framer = PacketFramer(self._on_packet, self._on_pieces, _WRITE, MAX_PACKET_LENGTH)

    # --- Receiving --------------------------------------------------------------------------------

    def receive(self, data: bytes, start: int, end: int) -> None:
        """Take the next bytes from the client; raises SFTPBadMessage if they are no protocol."""
        self.receive_run([data], start, [end])

    def receive_run(self, packets: list[bytes], start: int, ends: list[int]) -> None:
        """Take what several objects bring, `packets[i][start : ends[i]]`, as `receive` does."""
        try:
            self._framer.feed_run(packets, start, ends)
        except PacketDecodeError as exc:
            raise SFTPBadMessage(f"malformed SFTP packet from the client: {exc}") from None

    @property
    def paused(self) -> bool:
        """True while requests are not looked at, because too much is outstanding or unsent."""
        return self._framer.paused

    def set_writable(self, writable: bool) -> None:
        """Say whether the stream takes more; no request is started while it does not."""
        self._writable = writable
        self.check_load()

    def check_load(self) -> None:
        """Stop or go on looking at requests. Raises SFTPBadMessage, like `receive`."""
        framer = self._framer
        if not self._writable or self.outstanding >= self.max_outstanding or self.ended:
            framer.pause()
        elif framer.paused:
            try:
                framer.resume()
            except PacketDecodeError as exc:
                raise SFTPBadMessage(f"malformed SFTP packet from the client: {exc}") from None

    def _on_packet(self, kind: int, data: bytes, pos: int, end: int) -> None:
        if end - pos < 4:
            raise SFTPBadMessage(f"SFTP packet of {end - pos + 1} bytes")
        if not self.version:
            self._init_received(kind, data, pos, end)
            return
        (request_id,) = _UINT32.unpack_from(data, pos)
        handler = self._handlers.get(kind)
        if handler is None:
            if kind == _INIT:
                raise SFTPBadMessage("second SSH_FXP_INIT")
            self.send_status(request_id, 8, f"packet type {kind} is not supported")
            return
        try:
            handler(self, request_id, data, pos + 4, end)
        except PacketDecodeError as exc:
            self.send_status(request_id, FX_BAD_MESSAGE, f"malformed request: {exc}")
        except Exception as exc:
            self.send_failure(request_id, exc)

    def _on_pieces(self, pieces: list[memoryview], length: int) -> None:
        """A large SSH_FXP_WRITE in the pieces that it came in."""
        if not self.version:
            raise SFTPBadMessage("SSH_FXP_WRITE before SSH_FXP_INIT")
        first = pieces[0]
        request_id, size = _WRITE_HEAD.unpack_from(first, 1)
        if size > 256 or length < 21 + size:
            self.send_status(request_id, FX_BAD_MESSAGE, "malformed SSH_FXP_WRITE")
            return
        handle = bytes(first[9 : 9 + size])
        offset, count = _WRITE_TAIL.unpack_from(first, 9 + size)
        if count != length - 21 - size:
            self.send_status(request_id, FX_BAD_MESSAGE, "malformed SSH_FXP_WRITE")
            return
        pieces[0] = first[21 + size :]
        try:
            self.write_pieces(request_id, handle, offset, pieces, count)
        except Exception as exc:
            self.send_failure(request_id, exc)

    def write_pieces(
        self, request_id: int, handle: bytes, offset: int, pieces: list[memoryview], count: int
    ) -> None:
        """SSH_FXP_WRITE: straight to the file, or joined for a `write` of the application."""
        file = self.file(handle)
        server = self.server
        if server.writes_pieces:
            lane = file.lane
            if lane.free_for(exclusive=True):
                server.write_pieces(file.file_obj, offset, pieces, count)
                self.send(pack_status_ok(request_id))
                return
        data = b"".join(pieces)
        self.run(
            request_id,
            file.lane,
            True,
            lambda: server.write(file.file_obj, offset, data),
            encode_nothing,
        )

    def _init_received(self, kind: int, data: bytes, pos: int, end: int) -> None:
        if kind != _INIT:
            raise SFTPBadMessage(f"packet type {kind} instead of SSH_FXP_INIT")
        init = requests.Init.decode(data, pos, end)
        if init.version < MIN_SFTP_VERSION:
            raise SFTPBadMessage(f"SFTP version {init.version} of the client is not supported")
        responses.decode_extension_pairs(init.extension_data, 0, len(init.extension_data))
        self.version = min(init.version, self._max_version)
        pairs = {name: EXTENSIONS[name].version for name in self.server.extensions}
        reply = responses.Version(self.version, responses.encode_extension_pairs(pairs))
        self.send(frame(reply.encode()))

    # --- Handles ----------------------------------------------------------------------------------

    def reserve_handle(self) -> None:
        """Raise SFTPFailure if no more files may be opened.

        Coroutines that are opening files are not counted; there are at most `max_outstanding`.
        """
        if len(self._handles) >= self.max_handles:
            raise SFTPFailure(f"too many open files, the limit is {self.max_handles}")

    def add_handle(self, handle: FileHandle | DirectoryHandle) -> bytes:
        """Return a fresh name for an open file: random, so that it cannot be guessed."""
        while True:
            name = urandom(12)
            if name not in self._handles:
                self._handles[name] = handle
                return name

    def file(self, name: bytes) -> FileHandle:
        """Return an open file. Raises SFTPInvalidHandle."""
        handle = self._handles.get(name)
        if not isinstance(handle, FileHandle):
            raise SFTPInvalidHandle("invalid file handle")
        return handle

    def directory(self, name: bytes) -> DirectoryHandle:
        """Return an open directory. Raises SFTPInvalidHandle."""
        handle = self._handles.get(name)
        if not isinstance(handle, DirectoryHandle):
            raise SFTPInvalidHandle("invalid directory handle")
        return handle

    def remove_handle(self, name: bytes) -> FileHandle | DirectoryHandle:
        """Forget the name of a handle and return what it stood for, which is to be closed.

        Raises SFTPInvalidHandle.
        """
        handle = self._handles.pop(name, None)
        if handle is None:
            raise SFTPInvalidHandle("invalid handle")
        self._leaving.add(handle)
        return handle

    def closing(self, handle: FileHandle | DirectoryHandle) -> None:
        """What `remove_handle` has returned is closed now; so far `end` would have to do that."""
        self._leaving.discard(handle)

    def end(self) -> list[FileHandle | DirectoryHandle]:
        """The session is over: return the handles that have to be closed."""
        self.ended = True
        self._framer.pause()
        self._framer.stop()
        self._on_output, self._spawn = _nothing, _not_run
        self._output.clear()
        self.output_size = 0
        self.path_lane.clear()
        handles = [*self._handles.values(), *self._leaving]
        self._handles.clear()
        self._leaving.clear()
        for handle in handles:
            handle.lane.clear()
        return handles

    # --- Running methods of the server ------------------------------------------------------------

    def run(
        self,
        request_id: int,
        lane: Lane,
        exclusive: bool,
        call: Callable[[], object],
        encode: Encode,
        dispose: Dispose | None = None,
    ) -> None:
        """Call a method of the server, and answer the request with what it gives.

        Parameters:
            lane: the order that the request belongs to.
            exclusive: it changes something, so it has the lane alone.
            call: calls the method.
            encode: makes the reply, from the type byte on without the request id.
            dispose: takes the result if the session is over before it can be used.
        """
        if not lane.free_for(exclusive):
            self._count(1)
            lane.wait(
                exclusive,
                lambda: self._start(
                    request_id, lane, exclusive, call, encode, dispose, waited=True
                ),
            )
            return
        self._start(request_id, lane, exclusive, call, encode, dispose)

    def _start(
        self,
        request_id: int,
        lane: Lane,
        exclusive: bool,
        call: Callable[[], object],
        encode: Encode,
        dispose: Dispose | None,
        waited: bool = False,
    ) -> None:
        try:
            result = call()
            if result.__class__ is not CoroutineType and not isawaitable(result):
                self._reply(request_id, encode(result))
                if waited:
                    self._count(-1)
                return
        except Exception as exc:
            self.send_failure(request_id, exc)
            if waited:
                self._count(-1)
            return
        lane.enter(exclusive)
        if not waited:
            self._count(1)

        def finished(value: object | None, error: BaseException | None) -> None:
            if self.ended:
                if error is None and dispose is not None:
                    dispose(value)
                return
            try:
                if error is not None:
                    self.send_failure(request_id, error)
                else:
                    self._reply(request_id, encode(value))
            except Exception as exc:
                self.send_failure(request_id, exc)
            lane.leave(exclusive)
            self._count(-1)

        assert isawaitable(result)
        self._spawn(result, finished)

    def _count(self, change: int) -> None:
        self.outstanding += change
        if self.outstanding >= self.max_outstanding:
            self._framer.pause()

    # --- Replies ----------------------------------------------------------------------------------

    def _reply(self, request_id: int, reply: bytes) -> None:
        """Send a reply that was made without its request id."""
        body = reply[1:]
        self.send(_REPLY_HEAD.pack(len(body) + 5, reply[0], request_id) + body)

    def send_status(self, request_id: int, code: int, text: str) -> None:
        """Send SSH_FXP_STATUS; codes that the version lacks become SSH_FX_FAILURE."""
        if code > LAST_STATUS.get(self.version, 8):
            code = FX_NO_SUCH_FILE if code in (10, 19) else FX_FAILURE
        body = _STATUS_HEAD.pack(_STATUS, request_id, code)
        body += encode_string(text.encode("utf-8", "replace"))
        self.send(frame(body + (_LANGUAGE if text else _NO_LANGUAGE)))

    def send_failure(self, request_id: int, error: BaseException) -> None:
        """Send the status that an exception stands for; unexpected ones are logged."""
        if self.ended:
            return
        if not isinstance(error, SFTPError):
            known = error_for_exception(error)
            if known is None:
                logger.error("SFTP request failed", exc_info=error)
                known = SFTPFailure("internal error of the server")
            error = known
        code = error.code
        if isinstance(error, SFTPEOFError) or not code:
            code = code or FX_FAILURE
        self.send_status(request_id, code, error.reason)

    def send(self, *parts: Buffer) -> None:
        """Queue a packet, or a part of one, for output."""
        if self.ended:
            return
        output = self._output
        first = not output
        for part in parts:
            output.append(part)
            self.output_size += len(part)
        if first or self.output_size >= FLUSH_SIZE:
            self._on_output()

    def take_output(self) -> list[Buffer]:
        """Return everything that is to be sent, in order."""
        output, self._output = self._output, []
        self.output_size = 0
        return output


_REPLY_HEAD = Struct(">IBI")
_WRITE_HEAD = Struct(">II")
_WRITE_TAIL = Struct(">QI")
_LANGUAGE = encode_string(b"en-US")
_NO_LANGUAGE = encode_string(b"")
_OK = bytes((_STATUS,)) + bytes(12)


def _nothing() -> None:
    """Nobody sends the output of a session that is over."""


def _not_run(awaitable: Awaitable[object], _finished: Outcome) -> None:
    """Nobody waits for a method when the session is over."""
    if isinstance(awaitable, Coroutine):
        awaitable.close()


def encode_nothing(_result: object) -> bytes:
    """SSH_FXP_STATUS with SSH_FX_OK."""
    return _OK
