"""What processes on clients and on servers have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cached_property
from typing import Any, AnyStr, Protocol, Self, TypeVar, cast, overload

from ..channel.text import SSHChannel
from ..closing import ClosedOnExit
from ..errors import BreakReceived, SignalReceived, TerminalSizeChanged
from ..logging import SSHLogger
from ..receiver import InputEnd, Receiver
from ..stream_session import SSHStreamSession
from .redirect import (
    DEVNULL,
    PIPE,
    STDOUT,
    Channel,
    ProcessSource,
    ProcessTarget,
    open_sink,
    open_source,
)
from .sources import HAPPENED, Source
from .targets import DiscardTarget, QueueTarget

__all__ = ["ProcessStream", "SSHProcess", "SessionChannel"]

T = TypeVar("T")


class SessionChannel(Protocol):
    """What both kinds of session channels tell about their session."""

    def get_environment(self) -> Mapping[str, str]:
        """The environment variables."""
        ...

    def get_command(self) -> str | None:
        """The command."""
        ...

    def get_subsystem(self) -> str | None:
        """The subsystem."""
        ...


class SSHProcess(SSHStreamSession[AnyStr], ClosedOnExit):
    """Streams of a process, which can be redirected."""

    def __init__(self) -> None:
        super().__init__()
        self._feeders: dict[int | None, asyncio.Task[None]] = {}
        self._targets: list[QueueTarget[AnyStr]] = []
        self._redirect_error: Exception | None = None

    # --- Information -------------------------------------------------------------------------

    @property
    def _session_channel(self) -> SessionChannel:
        return cast("SessionChannel", self.stream_channel)

    @property
    def env(self) -> Mapping[str, str]:
        """Environment variables that the client sent."""
        return self._session_channel.get_environment()

    @property
    def command(self) -> str | None:
        """The command, or None for a shell or a subsystem."""
        return self._session_channel.get_command()

    @property
    def subsystem(self) -> str | None:
        """The subsystem, or None."""
        return self._session_channel.get_subsystem()

    @property
    def logger(self) -> SSHLogger:
        """Logger for what the application has to say about the process."""
        return self.stream_channel.logger

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return what is known about the channel or its connection; see `SSHChannel`."""
        return self.stream_channel.get_extra_info(name, default)

    # --- Closing -----------------------------------------------------------------------------

    def close(self) -> None:
        """Close the channel once what was written is sent."""
        self.stream_channel.close()

    def is_closing(self) -> bool:
        """Return whether the process is closing or closed."""
        return self.stream_channel.is_closing()

    async def wait_closed(self) -> None:
        """Wait until the channel is closed and redirected output is written."""
        await self.stream_channel.wait_closed()
        for target in self._targets:
            try:
                await target.finish()
            except Exception as exc:
                self._set_redirect_error(exc)
        if self._feeders:
            await asyncio.gather(*self._feeders.values(), return_exceptions=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed."""
        super().connection_lost(exc)
        for name in ("stdin", "stdout", "stderr"):
            self.__dict__.pop(name, None)
        for task in self._feeders.values():
            task.cancel()

    def _set_redirect_error(self, exc: Exception) -> None:
        if self._redirect_error is None:
            self._redirect_error = exc

    # --- Redirection of what is received -----------------------------------------------------

    async def _redirect_received(
        self, datatype: int | None, target: ProcessTarget, recv_eof: bool
    ) -> None:
        chan = self.stream_channel
        receiver: Receiver[AnyStr]
        if target == STDOUT and isinstance(target, int):
            if datatype is None:
                raise ValueError("only stderr can be redirected to STDOUT")
            receiver = self._receivers[None]
        elif target == PIPE and isinstance(target, int):
            receiver = self._own_receiver(datatype)
        elif target == DEVNULL and isinstance(target, int):
            receiver = DiscardTarget(chan)
        else:
            sink, raw = await open_sink(target, cast("Channel", chan))
            queue = QueueTarget(chan, sink, recv_eof, raw)
            self._targets.append(queue)
            receiver = queue
        self._switch(datatype, receiver)

    def _own_receiver(self, datatype: int | None) -> Receiver[AnyStr]:
        """What takes data that is not redirected."""
        return self._buffers[datatype]

    def _switch(self, datatype: int | None, receiver: Receiver[AnyStr]) -> None:
        """Send data of one type to another receiver from now on, first what is buffered."""
        old, self._receivers[datatype] = self._receivers[datatype], receiver
        if old is receiver:
            return
        buffer = self._buffers[datatype]
        if old is buffer:
            for item, item_type in buffer.take_items():
                if isinstance(item, InputEnd):
                    receiver.feed_eof()
                elif isinstance(item, Exception):
                    receiver.feed_exception(item)
                else:
                    receiver.feed(item, 0, item_type if item_type is not None else datatype)
        elif isinstance(old, QueueTarget) and old not in self._receivers.values():
            old.feed_eof()
        if self._eof_received:
            receiver.feed_eof(self._exception)

    # --- Redirection of what is sent ---------------------------------------------------------

    async def _redirect_sent(
        self, datatype: int | None, source: ProcessSource, bufsize: int, send_eof: bool
    ) -> None:
        if source == PIPE and isinstance(source, int):
            await self._stop_feeder(datatype)
            return
        if source == DEVNULL and isinstance(source, int):
            await self._stop_feeder(datatype)
            if send_eof and not self._feeders:
                self.stream_channel.write_eof()
            return
        opened = await open_source(source, cast("Channel", self.stream_channel))
        try:
            await self._stop_feeder(datatype)
        except BaseException:
            opened.close()
            raise
        if self._connection_lost:
            opened.close()
            return
        task = self.stream_channel.loop.create_task(self._feed(opened, datatype, bufsize, send_eof))
        self._feeders[datatype] = task

        def ended(task: asyncio.Task[None]) -> None:
            opened.close()  # again: the task may be cancelled before it begins
            if self._feeders.get(datatype) is task:
                del self._feeders[datatype]  # when it is cancelled, its traceback knows us

        task.add_done_callback(ended)

    async def drain(self, datatype: int | None = None) -> None:
        """Wait until writing more is welcome, and redirected input of this type has ended."""
        feeder = self._feeders.get(datatype)
        if feeder is not None and feeder is not asyncio.current_task():
            await asyncio.wait([feeder])
        await super().drain(datatype)

    async def _stop_feeder(self, datatype: int | None) -> None:
        task = self._feeders.pop(datatype, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _feed(
        self, source: Source, datatype: int | None, bufsize: int, send_eof: bool
    ) -> None:
        chan = self.stream_channel
        try:
            while True:
                try:
                    data = await source.read(bufsize)
                except HAPPENED as exc:
                    self._pass_on(exc)
                    continue
                except ConnectionError as exc:
                    # Cut off, which is an end, too: the process must not wait for more.
                    self._set_redirect_error(exc)
                    break
                if not data:
                    break
                self._write_any(chan, data, datatype)
                await self.drain(datatype)
        except (BrokenPipeError, ConnectionError):
            # The process does not take it any more, which is how `head` ends a pipeline.
            return
        except Exception as exc:
            self._set_redirect_error(exc)
            chan.abort()
            return
        finally:
            source.close()
        if self._feeders.get(datatype) is asyncio.current_task():
            del self._feeders[datatype]
        if send_eof and not self._feeders:
            chan.write_eof()

    def _write_any(self, chan: SSHChannel[AnyStr], data: bytes | str, datatype: int | None) -> None:
        if isinstance(data, bytes):
            chan.write_raw(data, datatype)
        else:
            text: object = data
            chan.write(cast("AnyStr", text), datatype)

    def _pass_on(self, exc: BreakReceived | SignalReceived | TerminalSizeChanged) -> None:
        """Something happened in the stream that is the source."""


class ProcessStream(cached_property[T]):
    """A reader or a writer of a process, made once while the channel of the process is open.

    It knows the process. Behind the end, when the process should not keep itself alive by it, it
    is made each time.
    """

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...

    def __get__(self, instance: object, owner: type[Any] | None = None) -> Self | T:
        if isinstance(instance, SSHProcess) and instance._connection_lost:
            made: T = self.func(instance)
            return made
        return super().__get__(instance, owner)
