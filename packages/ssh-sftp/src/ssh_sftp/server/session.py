"""Binds the core of the server to an event loop and a byte stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from inspect import isawaitable

from ssh_sftp.errors import SFTPConnectionLost, SFTPError
from ssh_sftp.peers import peer_version, target_first
from ssh_sftp.protocols import ByteTransport
from ssh_sftp.server.core import (
    FLUSH_SIZE,
    DirectoryHandle,
    FileHandle,
    Outcome,
    SFTPServerCore,
)
from ssh_sftp.server.filesystem import SFTPServer
from ssh_sftp.server.handlers import HANDLERS, close_handle

__all__ = ["SFTPServerHandler"]

logger = logging.getLogger("ssh_sftp")


class SFTPServerHandler:
    """SFTP session of a server on a byte stream.

    Parameters:
        server: what the requests are made to.
        loop: event loop; the running one if None.
        on_end: called once, when the session is over and everything is closed.
        sftp_version: highest version to agree on, 3 to 6; None is what the server says.
    """

    def __init__(
        self,
        server: SFTPServer,
        loop: asyncio.AbstractEventLoop | None = None,
        on_end: Callable[[], None] | None = None,
        sftp_version: int | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop() if loop is None else loop
        self.core = SFTPServerCore(
            server, HANDLERS, self._output_waiting, self._spawn, sftp_version
        )
        self._server = server
        self._on_end = on_end
        self._transport: ByteTransport | None = None
        self._receiving = False
        self._flush_scheduled = False
        self._reading = True
        self._eof = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: asyncio.Task[None] | None = None
        self._to_close: list[FileHandle | DirectoryHandle] = []

    # --- Called by the owner of the stream --------------------------------------------------------

    def connection_made(self, transport: ByteTransport) -> None:
        """The stream is open; the client speaks first."""
        self._transport = transport
        version = peer_version(transport, "client_version")
        if version is None:
            version = peer_version(self._server.channel, "client_version")
        self.core.symlink_target_first = target_first(version)

    def data_received(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        """Take `data[start:end]`; the object must not change afterwards."""
        self.data_run_received([data], start, [len(data) if end is None else end])

    def data_run_received(self, packets: list[bytes], start: int, ends: list[int]) -> None:
        """Take `packets[i][start : ends[i]]` one behind another, as `data_received` does."""
        if self.core.ended:
            return
        self._receiving = True
        try:
            self.core.receive_run(packets, start, ends)
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
        self._to_close = self.core.end()
        self._ending = self.loop.create_task(self._end())
        self._ending.add_done_callback(self._cut_off)

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
        if isinstance(awaitable, Coroutine):
            # Python complains about one that the task has not come to before it was cancelled.
            task.add_done_callback(lambda _: awaitable.close())

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

    async def _end(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)
        while self._to_close:
            await self._quietly(self._closing(self._to_close.pop()))
        await self._quietly(self._server.exit)
        if self._on_end is not None:
            self._on_end()

    def _closing(self, handle: FileHandle | DirectoryHandle) -> Callable[[], object]:
        return partial(close_handle, self._server, handle)

    def _cut_off(self, ending: asyncio.Task[None]) -> None:
        """The loop ends, maybe before the task has begun: close what needs no loop for it."""
        if ending.cancelled():
            while self._to_close:
                closing = self._quietly(self._closing(self._to_close.pop()))
                with suppress(StopIteration, asyncio.CancelledError):
                    closing.send(None)
                closing.close()

    async def _quietly(self, function: Callable[[], object]) -> None:
        try:
            result = function()
            if isawaitable(result):
                await result
        except Exception:
            logger.exception("cleaning up an SFTP session failed")
