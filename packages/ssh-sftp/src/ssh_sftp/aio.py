"""Binds the sans-IO cores to an event loop and a byte stream.

The handlers are what the owner of a stream calls (`data_received`, `pause_writing`, ...): an
asyncio transport, or a channel of an SSH connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypeVar

from ssh_sftp.client.core import FLUSH_SIZE, SFTPClientCore, malformed
from ssh_sftp.client.pipeline import BlockReader, BlockWriter
from ssh_sftp.client.replies import ReplyDecoder, limits_reply, status_reply
from ssh_sftp.codec import requests
from ssh_sftp.codec.constants import MIN_SFTP_VERSION
from ssh_sftp.codec.framing import pack_close, pack_path_request, pack_write_header
from ssh_sftp.codec.wire import Message, PacketDecodeError
from ssh_sftp.errors import SFTPConnectionLost, SFTPError, SFTPNoConnection
from ssh_sftp.peers import peer_version, target_first
from ssh_sftp.protocols import Buffer, ByteTransport
from ssh_sftp.reply_future import ReplyFuture, Resumable, resume_tasks
from ssh_sftp.server.session import SFTPServerHandler

__all__ = ["SFTPClientHandler", "SFTPServerHandler"]

T = TypeVar("T")


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
        self.symlink_target_first = True
        self.replied: list[Resumable] = []
        """Replies that were received and whose tasks are to go on."""
        self._receiving = False
        self._flush_scheduled = False
        self._closed: asyncio.Future[None] = self.loop.create_future()

    # --- Called by the owner of the stream --------------------------------------------------------

    def connection_made(self, transport: ByteTransport) -> None:
        """The stream is open; the session starts with `start`."""
        self._transport = transport
        self.symlink_target_first = target_first(peer_version(transport, "server_version"))

    def data_received(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        """Take `data[start:end]`; the object must not change afterwards."""
        self.data_run_received([data], start, [len(data) if end is None else end])

    def data_run_received(self, packets: list[bytes], start: int, ends: list[int]) -> None:
        """Take `packets[i][start : ends[i]]` one behind another, as `data_received` does."""
        core = self.core
        if core.error is not None:
            return
        self._receiving = True
        try:
            core.feed_run(packets, start, ends)
        except SFTPError as exc:
            self._broken(exc)
        except PacketDecodeError as exc:
            self._broken(malformed(exc))
        finally:
            if self.replied:
                resume_tasks(self.loop, self.replied)
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
        waiter = ReplyFuture(self, decode)
        self.core.request(waiter, declaration, *fields)
        return waiter

    def path_request(
        self, decode: ReplyDecoder[T], packet_type: int, path: bytes
    ) -> asyncio.Future[T]:
        """Send a request that is nothing but a path, packed by hand."""
        waiter = ReplyFuture(self, decode)
        core = self.core
        core.send(pack_path_request(packet_type, core.register(waiter), path))
        return waiter

    def extended(self, decode: ReplyDecoder[T], name: bytes, *fields: object) -> asyncio.Future[T]:
        """Send an extended request of the table `EXTENSIONS`."""
        waiter = ReplyFuture(self, decode)
        self.core.extended(waiter, name, *fields)
        return waiter

    def write_request(self, handle: bytes, offset: int, data: Buffer) -> asyncio.Future[None]:
        """Write one block, which must not change until the reply is in."""
        waiter = ReplyFuture(self, status_reply)
        core = self.core
        request_id = core.register(waiter)
        core.send(pack_write_header(request_id, handle, offset, len(data)), data)
        return waiter

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
        finally:
            del done, reader  # they have the exception, and the exception this frame

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
        finally:
            del done, writer  # they have the exception, and the exception this frame

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
            if len(core.pending) <= 1:
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
