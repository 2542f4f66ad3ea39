"""Binds the sans-IO cores to an event loop and a byte stream.

The handlers are what the owner of a stream calls (`data_received`, `pause_writing`, ...): an
asyncio transport, or a channel of an SSH connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from inspect import isawaitable
from typing import Generic, TypeVar

from ssh_sftp.client.core import FLUSH_SIZE, SFTPClientCore
from ssh_sftp.client.pipeline import BlockReader, BlockWriter
from ssh_sftp.client.replies import ReplyDecoder, ReportedError, limits_reply, status_reply
from ssh_sftp.codec import requests
from ssh_sftp.codec.constants import MIN_SFTP_VERSION, PacketType
from ssh_sftp.codec.framing import pack_close, pack_path_request, pack_write_header
from ssh_sftp.codec.responses import decode_handle
from ssh_sftp.codec.wire import Message, PacketDecodeError
from ssh_sftp.errors import SFTPBadMessage, SFTPConnectionLost, SFTPError, SFTPNoConnection
from ssh_sftp.protocols import Buffer, ByteTransport
from ssh_sftp.server.core import DirectoryHandle, FileHandle, Outcome, SFTPServerCore
from ssh_sftp.server.filesystem import SFTPServer
from ssh_sftp.server.handlers import HANDLERS, close_entries

__all__ = ["SFTPClientHandler", "SFTPServerHandler"]

logger = logging.getLogger("ssh_sftp")

T = TypeVar("T")

_HANDLE = PacketType.SSH_FXP_HANDLE.value


class _Waiter(Generic[T]):
    """One ordinary request: decodes the reply into a future."""

    __slots__ = ("_decode", "_handler", "future")

    def __init__(
        self, handler: SFTPClientHandler, future: asyncio.Future[T], decode: ReplyDecoder[T]
    ) -> None:
        self.future = future
        self._handler = handler
        self._decode = decode

    def on_reply(self, _request_id: int, kind: int, data: bytes, pos: int, end: int) -> None:
        future = self.future
        if future.done():
            if kind == _HANDLE:  # nobody waits for the handle any more
                self._handler.close_handle(decode_handle(data, pos, end))
            return
        try:
            future.set_result(self._decode(kind, data, pos, end, self._handler.core.version))
        except ReportedError as exc:
            future.set_exception(exc.error)
        except PacketDecodeError as exc:
            error = SFTPBadMessage(f"malformed reply from the server: {exc}")
            future.set_exception(error)
            raise error from None
        except SFTPError as exc:
            future.set_exception(exc)
            raise

    def on_lost(self, _request_id: int, error: SFTPError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class _Dropped:
    """Receiver of a reply that nobody is interested in."""

    def on_reply(self, _request_id: int, kind: int, data: bytes, pos: int, end: int) -> None:
        pass

    def on_lost(self, _request_id: int, error: SFTPError) -> None:
        pass


_DROPPED = _Dropped()


def _finish(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


MakeReader = Callable[[SFTPClientCore, Callable[[BaseException | None], None]], BlockReader]
MakeWriter = Callable[[SFTPClientCore, Callable[[BaseException | None], None]], BlockWriter]


class SFTPClientHandler:
    """SFTP session of a client on a byte stream.

    Parameters:
        loop: event loop; the running one if None.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.loop = asyncio.get_running_loop() if loop is None else loop
        self.core = SFTPClientCore(self._output_waiting)
        self._transport: ByteTransport | None = None
        self._receiving = False
        self._flush_scheduled = False
        self._closed: asyncio.Future[None] = self.loop.create_future()

    # --- Called by the owner of the stream --------------------------------------------------------

    def connection_made(self, transport: ByteTransport) -> None:
        """The stream is open; the session starts with `start`."""
        self._transport = transport

    def data_received(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        """Take `data[start:end]`; the object must not change afterwards."""
        core = self.core
        if core.error is not None:
            return
        self._receiving = True
        try:
            core.receive(data, start, len(data) if end is None else end)
        except SFTPError as exc:
            self._broken(exc)
        finally:
            self._receiving = False
        if core.output_size:
            self._flush()

    def eof_received(self) -> bool | None:
        """The server sends no more: the session is over."""
        reason = "server closed the SFTP session"
        if self.core.unfinished:
            reason += " in the middle of a packet"
        self._broken(SFTPConnectionLost(reason), abort=False)
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        """The stream is closed."""
        text = f"SFTP connection lost: {exc}" if exc else "SFTP connection closed"
        self.core.fail(SFTPConnectionLost(text))
        self._transport = None
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        """Stop bulk writers."""
        self.core.set_writable(False)

    def resume_writing(self) -> None:
        """Let bulk writers go on."""
        self._flush_scheduled = False
        self.core.set_writable(True)
        if self.core.output_size:
            self._flush()

    # --- Session ----------------------------------------------------------------------------------

    async def start(self, version: int = MIN_SFTP_VERSION, timeout: float | None = 60.0) -> None:
        """Exchange INIT and VERSION, and ask for the limits of the server.

        Parameters:
            version: highest version to offer.
            timeout: seconds for all of it; None waits for ever.

        Raises SFTPConnectionLost, SFTPBadMessage, or SFTPNoConnection after the time-out.
        """
        if self._transport is None:
            raise SFTPNoConnection("the SFTP session has no connection")
        try:
            async with asyncio.timeout(timeout):
                version_received = asyncio.Event()
                self.core.start(version, version_received.set)
                await version_received.wait()
                if self.core.error is not None:
                    raise self.core.error
                if self.core.supports(b"limits@openssh.com"):
                    limits = await self.extended(limits_reply, b"limits@openssh.com")
                    self.core.apply_limits(limits)
        except TimeoutError:
            error = SFTPNoConnection(f"no SFTP session within {timeout:g} seconds")
            self._broken(error)
            raise error from None
        except BaseException:
            self.abort()
            raise

    def close(self) -> None:
        """Close the stream after what is queued was sent."""
        if self._transport is not None and not self._transport.is_closing():
            if self.core.output_size:
                self._flush()
            self._transport.close()

    def abort(self, error: SFTPError | None = None) -> None:
        """Close the stream at once; outstanding requests get `error`."""
        self._broken(error or SFTPConnectionLost("SFTP session aborted"))

    async def wait_closed(self) -> None:
        """Wait until the stream is closed."""
        await asyncio.shield(self._closed)

    def is_closing(self) -> bool:
        """True once the session is closed or closing."""
        return self._transport is None or self._transport.is_closing()

    def _broken(self, error: SFTPError, *, abort: bool = True) -> None:
        self.core.fail(error)
        if self._transport is not None:
            if abort:
                self._transport.abort()
            else:
                self._transport.close()

    # --- Requests ---------------------------------------------------------------------------------

    def request(
        self, decode: ReplyDecoder[T], declaration: type[Message], *fields: object
    ) -> asyncio.Future[T]:
        """Send a declared request; the future gets the decoded reply or the SFTPError."""
        waiter = _Waiter(self, self.loop.create_future(), decode)
        self.core.request(waiter, declaration, *fields)
        return waiter.future

    def path_request(
        self, decode: ReplyDecoder[T], packet_type: int, path: bytes
    ) -> asyncio.Future[T]:
        """Send a request that is nothing but a path, packed by hand."""
        waiter = _Waiter(self, self.loop.create_future(), decode)
        core = self.core
        core.send(pack_path_request(packet_type, core.register(waiter), path))
        return waiter.future

    def extended(self, decode: ReplyDecoder[T], name: bytes, *fields: object) -> asyncio.Future[T]:
        """Send an extended request of the table `EXTENSIONS`."""
        waiter = _Waiter(self, self.loop.create_future(), decode)
        self.core.extended(waiter, name, *fields)
        return waiter.future

    def write_request(self, handle: bytes, offset: int, data: Buffer) -> asyncio.Future[None]:
        """Write one block, which must not change until the reply is in."""
        waiter = _Waiter(self, self.loop.create_future(), status_reply)
        core = self.core
        request_id = core.register(waiter)
        core.send(pack_write_header(request_id, handle, offset, len(data)), data)
        return waiter.future

    def close_handle(self, handle: bytes) -> None:
        """Close a handle without waiting for the answer."""
        core = self.core
        if core.error is None:
            core.send(pack_close(core.register(_DROPPED), handle))

    async def run_reader(self, make: MakeReader) -> None:
        """Run a `BlockReader` to its end. Raises what went wrong."""
        done: asyncio.Future[None] = self.loop.create_future()
        reader = make(self.core, partial(_finish, done))
        reader.start()
        try:
            await done
        except asyncio.CancelledError:
            reader.cancel()
            raise

    async def run_writer(self, make: MakeWriter) -> None:
        """Run a `BlockWriter` to its end. Raises what went wrong."""
        done: asyncio.Future[None] = self.loop.create_future()
        writer = make(self.core, partial(_finish, done))
        writer.start()
        try:
            await done
        except asyncio.CancelledError:
            writer.cancel()
            raise

    async def stream_blocks(
        self, handle: bytes, offset: int, length: int | None, block_size: int, max_requests: int
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Iterate over the blocks of a file in the order of their arrival. Raises SFTPError."""
        blocks: asyncio.Queue[tuple[int, bytes] | BaseException | None] = asyncio.Queue()
        reader = BlockReader(
            self.core,
            handle,
            offset,
            length,
            lambda pieces, where, _: blocks.put_nowait((where, b"".join(pieces))),
            blocks.put_nowait,
            block_size=block_size,
            max_requests=max_requests,
            hold=True,  # which bounds the queue
        )
        reader.start()
        try:
            while True:
                block = await blocks.get()
                if block is None:
                    return
                if isinstance(block, BaseException):
                    raise block
                yield block
                reader.release(len(block[1]))
        finally:
            reader.cancel()

    def close_request(self, handle: bytes) -> asyncio.Future[None]:
        """Close a handle."""
        return self.request(status_reply, requests.Close, handle)

    # --- Output -----------------------------------------------------------------------------------

    def _output_waiting(self) -> None:
        core = self.core
        if core.output_size >= FLUSH_SIZE:
            self._flush()
        elif not self._receiving and not self._flush_scheduled:
            # A request on its own leaves at once; several of one turn leave together.
            if core.outstanding <= 1:
                self._flush()
            else:
                self._flush_scheduled = True
                self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_scheduled = False
        core = self.core
        if self._transport is None or not core.output_size:
            return
        parts = core.take_output()
        if len(parts) == 1:
            self._transport.write(parts[0])
        else:
            self._transport.writelines(parts)


class SFTPServerHandler:
    """SFTP session of a server on a byte stream.

    Parameters:
        server: what the requests are made to.
        loop: event loop; the running one if None.
        on_end: called once, when the session is over and everything is closed.
    """

    def __init__(
        self,
        server: SFTPServer,
        loop: asyncio.AbstractEventLoop | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop() if loop is None else loop
        self.core = SFTPServerCore(server, HANDLERS, self._output_waiting, self._spawn)
        self._server = server
        self._on_end = on_end
        self._transport: ByteTransport | None = None
        self._receiving = False
        self._flush_scheduled = False
        self._reading = True
        self._eof = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: asyncio.Task[None] | None = None

    # --- Called by the owner of the stream --------------------------------------------------------

    def connection_made(self, transport: ByteTransport) -> None:
        """The stream is open; the client speaks first."""
        self._transport = transport

    def data_received(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        """Take `data[start:end]`; the object must not change afterwards."""
        if self.core.ended:
            return
        self._receiving = True
        try:
            self.core.receive(data, start, len(data) if end is None else end)
        except SFTPError as exc:
            self._broken(exc)
        finally:
            self._receiving = False
        self._settle()

    def eof_received(self) -> bool | None:
        """The client sends no more: answer what it has asked for, then close."""
        self._eof = True
        self._settle()
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        """The stream is closed: stop coroutines, close files, tell the server."""
        self._transport = None
        if self.core.ended:
            return
        for task in self._tasks:
            task.cancel()
        self._ending = self.loop.create_task(self._end(self.core.end()))

    def pause_writing(self) -> None:
        """Look at no more requests."""
        self.core.set_writable(False)
        self._regulate()

    def resume_writing(self) -> None:
        """Go on with requests."""
        self._guarded(lambda: self.core.set_writable(True))

    # --- Inner workings ---------------------------------------------------------------------------

    def _guarded(self, action: Callable[[], None]) -> None:
        self._receiving = True
        try:
            action()
        except SFTPError as exc:
            self._broken(exc)
        finally:
            self._receiving = False
        self._settle()

    def _settle(self) -> None:
        """Send what is there, and read or stop reading, after anything has happened."""
        if self.core.output_size:
            self._flush()
        self._regulate()
        if self._eof and not self.core.outstanding and not self.core.paused:
            if self._transport is not None and not self._transport.is_closing():
                self._transport.close()

    def _regulate(self) -> None:
        reading = not self.core.paused
        if reading != self._reading and self._transport is not None:
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _broken(self, error: SFTPError) -> None:
        logger.warning("SFTP session of a client ended: %s", error.reason)
        if self._transport is not None:
            self._transport.abort()

    def _output_waiting(self) -> None:
        if self.core.output_size >= FLUSH_SIZE:
            self._flush()
        elif not self._receiving and not self._flush_scheduled:
            self._flush_scheduled = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._transport is None or not self.core.output_size:
            return
        parts = self.core.take_output()
        if len(parts) == 1:
            self._transport.write(parts[0])
        else:
            self._transport.writelines(parts)

    def _spawn(self, awaitable: Awaitable[object], finished: Outcome) -> None:
        task = self.loop.create_task(self._run(awaitable, finished))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, awaitable: Awaitable[object], finished: Outcome) -> None:
        try:
            result = await awaitable
        except asyncio.CancelledError:
            finished(None, SFTPConnectionLost("request was cancelled"))
            raise
        except Exception as exc:
            finished(None, exc)
        else:
            finished(result, None)
        self._guarded(self.core.check_load)

    async def _end(self, handles: list[FileHandle | DirectoryHandle]) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)
        for handle in handles:
            if isinstance(handle, FileHandle):
                await self._quietly(partial(self._server.close, handle.file_obj))
            else:
                await self._quietly(partial(close_entries, handle.entries))
        await self._quietly(self._server.exit)
        if self._on_end is not None:
            self._on_end()

    async def _quietly(self, function: Callable[[], object]) -> None:
        try:
            result = function()
            if isawaitable(result):
                await result
        except Exception:
            logger.exception("cleaning up an SFTP session failed")
