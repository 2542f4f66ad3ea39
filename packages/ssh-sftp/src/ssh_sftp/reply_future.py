"""Futures of replies whose tasks go on within the turn of the event loop that brought the reply.

An asyncio future tells its task in the next turn: one more call of the selector, which is a seventh
of the time that a small request takes. Most programs wait for one reply after the other, so a task
goes on here as soon as what was received is handled; other callbacks come with the next turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Protocol, TypeVar

from ssh_sftp.client.core import SFTPClientCore
from ssh_sftp.client.replies import ReplyDecoder, ReportedError
from ssh_sftp.codec.constants import PacketType
from ssh_sftp.codec.responses import decode_handle
from ssh_sftp.codec.wire import PacketDecodeError
from ssh_sftp.errors import SFTPBadMessage, SFTPError

__all__ = ["ReplyFuture", "ReplyHost", "Resumable", "resume_tasks"]

T = TypeVar("T")

_HANDLE = PacketType.SSH_FXP_HANDLE.value


class Resumable(Protocol):
    """A `ReplyFuture` of whatever reply."""

    def resume(self) -> None:
        """Let the task go on now."""

    def resume_later(self) -> None:
        """Let the task go on in the next turn."""


class ReplyHost(Protocol):
    """The session that a request belongs to."""

    loop: asyncio.AbstractEventLoop
    core: SFTPClientCore
    replied: list[Resumable]
    """Replies that were received and whose tasks are to go on."""

    def close_handle(self, handle: bytes) -> None:
        """Close a handle that nobody waits for."""


class ReplyFuture(asyncio.Future[T]):
    """One ordinary request: the future of its decoded reply.

    Parameters:
        host: the session.
        decode: makes the result of the reply.
    """

    __slots__ = ("_decode", "_host", "_task")

    def __init__(self, host: ReplyHost, decode: ReplyDecoder[T]) -> None:
        super().__init__(loop=host.loop)
        self._host = host
        self._decode = decode
        self._task: tuple[Callable[[ReplyFuture[T]], object], Context | None] | None = None

    # --- ReplyReceiver ---

    def on_reply(self, _request_id: int, kind: int, data: bytes, pos: int, end: int) -> None:
        """Decode the reply; raises SFTPError and SFTPBadMessage if it ends the session."""
        host = self._host
        if self.done():
            if kind == _HANDLE:  # nobody waits for the handle any more
                host.close_handle(decode_handle(data, pos, end))
            return
        try:
            super().set_result(self._decode(kind, data, pos, end, host.core.version))
        except ReportedError as exc:
            self.set_exception(exc.error)
        except PacketDecodeError as exc:
            error = SFTPBadMessage(f"malformed reply from the server: {exc}")
            self.set_exception(error)
            raise error from None
        except SFTPError as exc:
            self.set_exception(exc)
            raise
        else:
            if self._task is not None:
                host.replied.append(self)

    def on_lost(self, _request_id: int, error: SFTPError) -> None:
        """There will be no reply."""
        if not self.done():
            self.set_exception(error)

    # --- asyncio.Future ---

    def add_done_callback(
        self, fn: Callable[[ReplyFuture[T]], object], /, *, context: Context | None = None
    ) -> None:
        """Have `fn` called when the reply is there, as of any future."""
        waits = isinstance(getattr(fn, "__self__", None), asyncio.Task)
        if waits and self._task is None and not self.done():
            self._task = fn, context
        else:
            super().add_done_callback(fn, context=context)

    def remove_done_callback(self, fn: Callable[[ReplyFuture[T]], object], /) -> int:
        """Forget a callback, as of any future."""
        count = super().remove_done_callback(fn)
        if self._task is not None and self._task[0] == fn:
            self._task = None
            count += 1
        return count

    def set_result(self, result: T, /) -> None:
        """Give the result; the task goes on in the next turn."""
        super().set_result(result)
        self.resume_later()

    def set_exception(self, exception: type[BaseException] | BaseException, /) -> None:
        """Say what went wrong; the task goes on in the next turn."""
        super().set_exception(exception)
        self.resume_later()

    def cancel(self, msg: object = None) -> bool:
        """Give up, as of any future."""
        cancelled = super().cancel(msg)
        if cancelled:
            self.resume_later()
        return cancelled

    # --- Resumable ---

    def resume(self) -> None:
        """Let the task go on now; no other may be running."""
        waiting, self._task = self._task, None
        if waiting is not None:
            fn, context = waiting
            if context is None:
                fn(self)
            else:
                context.run(fn, self)

    def resume_later(self) -> None:
        """Let the task go on in the next turn."""
        waiting, self._task = self._task, None
        if waiting is not None:
            super().add_done_callback(waiting[0], context=waiting[1])


def resume_tasks(loop: asyncio.AbstractEventLoop, replies: list[Resumable]) -> None:
    """Resume the tasks that wait for replies; in the next turn if this is called within a task.

    Parameters:
        loop: event loop of the tasks.
        replies: what was received; the list is emptied.
    """
    replies.reverse()
    try:
        if asyncio.current_task(loop) is None:
            while replies:
                replies.pop().resume()
    finally:
        # Also behind a KeyboardInterrupt, which a task passes on.
        for reply in reversed(replies):
            reply.resume_later()
        replies.clear()
