"""Session channels whose input is edited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, AnyStr, Final, Protocol, cast

from .. import editor as lazily
from ..channel.base import Deliver
from ..channel.state import HalfState
from ..channel.text import DataType
from ..connection.forced_command import RestrictedChannel
from ..decoding import TextDecoder
from .events import EventKind, InputEvent, KeyHandler

if TYPE_CHECKING:
    from .line_editor import LineEditor

__all__ = ["EditorSettings", "SSHLineEditorChannel"]

_SLICE: Final = 1024  # bytes of input that are decoded at once
_STEPS: Final = 8  # events, or pieces of work of the editor, before others have their turn
_EDITED: Final = ("write", "write_raw", "give_back", "reopen")  # `_begin_editing` replaces them


class EditorSettings(Protocol):
    """What the options of a server say about editing; see `SSHServerConnectionOptions`."""

    @property
    def line_echo(self) -> bool:
        """Whether what is typed is shown."""
        ...

    @property
    def line_history(self) -> int:
        """Lines that are remembered."""
        ...

    @property
    def max_line_length(self) -> int:
        """Characters that a line can have."""
        ...


class SSHLineEditorChannel(RestrictedChannel[AnyStr]):
    """A session channel of a server that edits lines, if the client has a terminal.

    It behaves as any `SSHServerChannel` until a session with a pseudo-terminal and an encoding
    starts. From then on the session gets whole lines; what is typed is shown by the server, and
    what the session writes gets the line ends that terminals need (PTY_ONLCR). Control-C is a break
    of 0 milliseconds, Control-D on an empty line the end of the input.

    As long as the session or the client is behind, nothing is decoded, shown or delivered: what was
    typed ahead is shown when its turn has come, and not before the session could hide it. What is
    kept is at most one window of it, one of lines that were not read, and one line.
    """

    # Of the class: most sessions have no terminal, and should not pay for one.
    _editor: LineEditor | None = None
    _settings: EditorSettings | None = None
    _echo: bool | None = None
    _line_mode = True
    _raw_output: TextDecoder | None = None
    _typed = bytearray()
    _typed_credit = 0
    _unread = 0
    _reader_waits = False
    _peer_closed = False
    _output_full = False
    _editing = False
    _edit_scheduled = False
    _steps = 0
    _end_waits = False
    _breaking: asyncio.Future[bool] | None = None

    def use_editor(self, settings: EditorSettings) -> None:
        """Set how lines are edited, before the session starts."""
        self._settings = settings

    # --- Beginning and end -------------------------------------------------------------------

    def _start(self) -> None:
        if self._term_type is not None and self._encoding is not None:
            self._begin_editing(self._term_type)
        super()._start()

    def _begin_editing(self, term_type: str) -> None:
        columns, rows = self._term_size[:2]
        settings = self._settings
        echo = self._echo
        self._editor = lazily.LineEditor(
            term_type,
            columns,
            rows,
            self._term_modes,
            echo=echo if echo is not None else settings is None or settings.line_echo,
            line_mode=self._line_mode,
            history_size=1000 if settings is None else settings.line_history,
            max_line_length=1024 if settings is None else settings.max_line_length,
        )
        self._typed = bytearray()
        self._raw_output = self._output_decoder()
        # On this object alone: a check in the methods would cost every other channel time.
        vars(self).update(
            write=self._write_edited,
            write_raw=self._write_raw_edited,
            give_back=self._give_back_edited,
            reopen=self._reopen_edited,
        )
        self.credit_mark = 1  # every byte that the session reads is counted, in `_give_back_edited`

    def set_encoding(self, encoding: str | None, errors: str = "strict") -> None:
        """Change the encoding; with None, the session gets bytes, and lines are not edited."""
        editor = self._editor
        typed = b"" if editor is None or encoding is not None else self._stop_editing(editor)
        super().set_encoding(encoding, errors)
        if editor is None:
            return
        self._raw_output = self._output_decoder()
        if typed:
            self._held.appendleft((typed, 0, len(typed), None))
        if encoding is None and self._started:
            self._release()

    def _output_decoder(self) -> TextDecoder:
        encoding = self._encoding
        return TextDecoder(lambda: (encoding, "surrogateescape"))

    def _stop_editing(self, editor: LineEditor) -> bytes:
        """Become a channel without an editor; return what the session has not got yet."""
        self._editor = None
        del self.__dict__["write"], self.__dict__["write_raw"]
        self._open_window()
        typed = self._encode(editor.stop())
        typed += b"".join(data for data, _ in self._decoder.pending())
        self._show(editor.take_output())
        # The window was opened already for what had been decoded.
        self._unread += len(typed)
        typed += self._typed
        self._typed = bytearray()
        return typed

    # --- What is typed -----------------------------------------------------------------------

    def _direct_delivery(self) -> Deliver:
        return super()._direct_delivery() if self._editor is None else self._type

    def pause_reading(self) -> None:
        """Hold back what is typed until `resume_reading`; at most a window of it is received."""
        self._reading_paused = True
        if self._editor is None:
            super().pause_reading()

    def _type(self, packet: bytes, start: int, end: int, datatype: DataType) -> None:
        self._typed += memoryview(packet)[start:end]
        self._edit()

    def _may_edit(self) -> bool:
        """Whether everybody can follow: session, client, and a break that is being handled."""
        if self._reading_paused or self._unread >= self.window or self._breaking is not None:
            return False
        if self._close_wanted or self._steps >= _STEPS:
            return False
        if self._peer_closed:
            return True
        # A line that was not read yet may be the one in front of a password.
        editor = self._editor
        typed_ahead = self._unread and editor is not None and editor.line_mode
        return not self._output_full and (not typed_ahead or self._reader_waits)

    def _edit(self) -> None:
        """Let the editor have what was typed, and the session what comes of it."""
        if self._editing or self._finished:
            return  # in the first case a callback of the session has called us
        self._editing = True
        try:
            while (editor := self._editor) is not None and self._may_edit():
                if not editor.pending and not self._feed(editor):
                    break
                self._steps += 1
                event = editor.next_event()
                self._show(editor.take_output())
                if event is not None:
                    self._deliver_event(event)
        finally:
            self._editing = False
        if self._steps:
            self._edit_later()
        if not (self._typed_left() or self._reading_paused or self._breaking):
            self._end_typing()

    def _end_typing(self) -> None:
        """All that was typed is with the session: so are the ends that were waiting."""
        if self._end_waits:
            self._end_waits = False
            self._deliver_eof()
        self._finish_late()

    def _edit_later(self) -> None:
        """Go on in the next turn of the loop: others had theirs, or somebody is not behind now."""
        if not self._edit_scheduled:
            self._edit_scheduled = True
            self.loop.call_soon(self._edit_now)

    def _edit_now(self) -> None:
        self._edit_scheduled = False
        self._steps = 0
        try:
            self._edit()
        except Exception as exc:
            self.delivery_failed(exc)

    def _typed_left(self) -> bool:
        """Whether something was typed that the session can still get."""
        if self._close_wanted or (self._peer_closed and self._unread >= self.window):
            return False
        return bool(self._typed) or (self._editor is not None and self._editor.pending)

    def _feed(self, editor: LineEditor) -> bool:
        data = bytes(self._typed[:_SLICE])
        del self._typed[:_SLICE]
        if not data:
            return False
        text, error = self._decoder.decode(data, None)
        editor.feed(text)
        self._typed_credit += len(data)
        if self._typed_credit >= max(1, self.window // 2):
            self._open_window()
        if error is not None:
            raise error
        return True

    def _deliver_event(self, event: InputEvent) -> None:
        session = self._server_session
        if self._finished:
            return  # by a callback in the meantime
        if event.kind is EventKind.INTERRUPT:
            answer = session.break_received(0)
            if isinstance(answer, Awaitable):
                self._breaking = asyncio.ensure_future(answer, loop=self.loop)
                self._breaking.add_done_callback(self._break_handled)
                if self._peer_closed:
                    self._forget_break()
        elif event.kind is EventKind.END:
            if not session.soft_eof_received():
                self.write_eof()
        elif self._view is None or not self._decodes:
            text: object = event.text
            session.data_received(cast("AnyStr", text), None)
        else:
            data = self._encode(event.text)
            if self._explicit:
                self._unread += len(data)
                self._reader_waits = False
            self._view(data, 0, len(data), None)

    def _break_handled(self, answer: asyncio.Future[bool]) -> None:
        if answer is not self._breaking:
            return  # the channel is closed, and this was cancelled
        self._breaking = None
        failed = None if answer.cancelled() else answer.exception()
        if isinstance(failed, Exception):
            self.delivery_failed(failed)
        self._edit_now()

    def _deliver_eof(self) -> None:
        editor = self._editor
        if editor is not None and not self._close_wanted:
            if self._typed_left() or self._breaking is not None:
                self._end_waits = True
                return
            event = editor.end()
            if event is not None:
                self._deliver_event(event)
        super()._deliver_eof()

    def _release(self) -> None:
        super()._release()
        if self._editor is not None or self._end_waits:
            self._edit()

    def _stop_delivery(self) -> None:
        super()._stop_delivery()
        if self._editor is not None:
            self._typed.clear()
            if self._end_waits or self._end_held:
                self._edit_later()

    def _closed(self, exc: Exception | None) -> None:
        self._peer_closed = exc is None
        super()._closed(exc)

    def _finish(self, exc: Exception | None) -> None:
        # A client that is gone in order: what it has typed can still be read.
        if exc is None and self._peer_closed and (self._typed_left() or self._end_waits):
            self._end_held = True
            self._edit_later()
        else:
            super()._finish(exc)
            self._forget_break()
            for name in _EDITED:
                self.__dict__.pop(name, None)

    def _cleanup(self) -> None:
        super()._cleanup()
        self._forget_break()

    def _forget_break(self) -> None:
        breaking, self._breaking = self._breaking, None
        if breaking is not None:
            breaking.cancel()

    # --- Windows -----------------------------------------------------------------------------

    def _give_back_edited(self) -> None:
        """Open the window by what was consumed; lines that were read free none, but room."""
        if self._unread:
            read = min(self.credit, self._unread)
            self.credit -= read
            self._unread -= read
            self._edit_later()
        if self._editor is None and not self._unread and self.credit_mark == 1:
            self.credit_mark = max(1, self.window // 2)
        if self.credit or self._close_wanted:
            super().give_back()

    def is_window_full(self) -> bool:
        """Return whether nothing can come before lines that were delivered are read."""
        return super().is_window_full() if self._editor is None else self._unread >= self.window

    def _open_window(self) -> None:
        self.credit += self._typed_credit
        self._typed_credit = 0
        super().give_back()

    def _reopen_edited(self) -> None:
        """A reader waits for more: go on, and open a small window even by a little."""
        if self._editor is not None and not self._reader_waits:
            self._reader_waits = True
            self._edit_later()
        if self._typed_credit and self.receive_room <= self.window // 2:
            self._open_window()
        super().reopen()

    def _pause_writing(self) -> None:
        self._output_full = True
        super()._pause_writing()

    def _resume_writing(self) -> None:
        self._output_full = False
        super()._resume_writing()
        self._edit_later()

    # --- What is shown -----------------------------------------------------------------------

    def _encode(self, text: str) -> bytes:
        encoding = self._encoding or "utf-8"
        # First what gives the bytes of `write_raw` back, whatever becomes of other characters.
        for errors in ("surrogateescape", self._errors):
            try:
                return text.encode(encoding, errors)
            except UnicodeEncodeError:
                continue
        return text.encode(encoding, "replace")

    def _show(self, text: str, datatype: DataType = None) -> None:
        """Send what comes from the editor, unless nothing can be sent any more."""
        if text and self.sending is HalfState.OPEN and not (self._eof_wanted or self._close_wanted):
            self._send_data(self._encode(text), datatype)

    def _write_edited(self, data: AnyStr, datatype: DataType = None) -> None:
        if not isinstance(data, str):
            raise TypeError(f"str expected, not {type(data).__name__}")
        if not data.isascii():
            data.encode(self._encoding or "utf-8", self._errors)  # raises what `write` does
        self._write_text(data, datatype)

    def _write_raw_edited(self, data: bytes, datatype: DataType = None) -> None:
        assert self._raw_output is not None
        text, _ = self._raw_output.decode(data, datatype)
        self._write_text(text, datatype)

    def _write_text(self, text: str, datatype: DataType) -> None:
        if datatype is not None and datatype not in self.write_datatypes:
            raise ValueError("Invalid data type")
        if self.sending is not HalfState.OPEN or self._eof_wanted or self._close_wanted:
            raise BrokenPipeError("Channel not open for sending")
        editor = self._editor
        assert editor is not None
        # In one message, so that what hides the line is shown by the same stream of the client.
        editor.write(text)
        self._show(editor.take_output(), datatype)

    def write_eof(self) -> None:
        """Send EOF behind what was written; reading goes on. A second call does nothing."""
        if self._raw_output is not None and self._editor is not None:
            rest, _ = self._raw_output.finish()
            if rest:
                self._editor.write(rest)
                self._show(self._editor.take_output())
        super().write_eof()

    def _window_changed(self, data: bytes) -> bool:
        done = super()._window_changed(data)
        if self._editor is not None:
            self._editor.resize(*self._term_size[:2])
            self._show(self._editor.take_output())
        return done

    # --- Public API --------------------------------------------------------------------------

    def _changed(self) -> None:
        assert self._editor is not None
        self._show(self._editor.take_output())
        # What is behind the change may come through now, but not in the middle of this callback.
        self._edit_later()

    def set_line_mode(self, line_mode: bool) -> None:
        """Edit lines (the default), or give the session each key as it is typed.

        Without editing, nothing is shown and keys have no meaning: the session gets what the
        terminal sends. What it writes still gets the line ends of a terminal.

        Parameters:
            line_mode: whether lines are edited; can be set before the session starts, and has no
                effect on one without a terminal.
        """
        self._line_mode = line_mode
        if self._editor is not None:
            self._editor.set_line_mode(line_mode)
            self._changed()

    def set_echo(self, echo: bool) -> None:
        """Show what is typed (the default), or hide it, as for a password.

        A line any part of which was typed while it was hidden does not get into the history.

        Parameters:
            echo: whether input is shown; otherwise as `set_line_mode`.
        """
        self._echo = echo
        if self._editor is not None:
            self._editor.set_echo(echo)
            self._changed()

    def set_input(self, line: str, position: int) -> None:
        """Replace the line that is edited, to suggest an answer.

        Parameters:
            line: the text; it is cut off at the maximum length.
            position: of the cursor in it, 0 to its length.
        """
        if self._editor is not None:
            self._editor.set_input(line, position)
            self._changed()

    def clear_input(self) -> None:
        """Throw away the line that is edited, and what was typed ahead."""
        if self._editor is not None:
            self._typed_credit += len(self._typed)
            self._typed.clear()
            self._open_window()
            self._editor.clear_input()
            self._changed()

    def register_key(self, key: str, handler: KeyHandler) -> None:
        """Have a function called when a key is pressed.

        Parameters:
            key: what the terminal sends for it: one character, or a sequence that begins with ESC.
            handler: takes the line and the position of the cursor; returns the new line and
                position, or True to beep and change nothing, or False to do what the key does
                without a handler.

        Raises ValueError for something else than a key, RuntimeError without a terminal.
        """
        self._require_editor().register_key(key, handler)

    def unregister_key(self, key: str) -> None:
        """Let a key do what it does without a handler; KeyError if it has none."""
        self._require_editor().unregister_key(key)

    def _require_editor(self) -> LineEditor:
        if self._editor is None:
            raise RuntimeError("the session has no terminal, or has not started")
        return self._editor
